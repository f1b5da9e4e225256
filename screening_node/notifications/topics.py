"""What people may want to hear of."""

from __future__ import annotations

from enum import StrEnum


class Topic(StrEnum):
    """What a channel is about."""

    ALARMS = "alarms"
    DEAD_LETTERS = "dead-letters"
    TROUBLES = "troubles"
    DIGEST = "digest"
