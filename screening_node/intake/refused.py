"""One object that the intake will not keep: the status that the sender hears and the reason that is logged."""

from __future__ import annotations

from screening_node.errors import Permanent
from screening_node.intake.statuses import IntakeStatus


class Refused(Permanent):
    """An object refused at the door. ``reason`` is at most 64 characters (it travels as Error Comment, VR LO)."""

    def __init__(self, status: IntakeStatus, reason: str) -> None:
        super().__init__(f"{status.name}: {reason}")
        self.status = status
        self.reason = reason[:64]
