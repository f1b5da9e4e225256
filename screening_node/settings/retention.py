"""How long films are kept: ``[retention]``. Without a rule they are kept for ever."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from screening_node.settings.base import Section, wrong
from screening_node.settings.clock import Hour, Minute, TimeZone

Days = Annotated[int, Field(ge=1, le=36_500)]


class RetentionSection(Section):
    """After how many days films go, by what became of them; and when the node looks for them.

    Without ``time_zone`` the hour is this machine's.
    """

    judged_days: Days | None = None
    refused_days: Days | None = None
    failed_days: Days | None = None
    min_free_mib: Annotated[int, Field(ge=1)] | None = None
    keep_days: Days = 7
    hour: Hour = 3
    minute: Minute = 0
    time_zone: TimeZone | None = None

    @property
    def any_rule(self) -> bool:
        """Whether anything ever goes."""
        return any(
            each is not None for each in (self.judged_days, self.refused_days, self.failed_days, self.min_free_mib)
        )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        ages = [days for days in (self.judged_days, self.refused_days) if days is not None]
        if self.min_free_mib is not None and ages and self.keep_days > max(ages):
            raise wrong(
                f"keep_days is {self.keep_days}, but films go after {max(ages)} days anyway",
                "Lower keep_days: it is the age from which films may go for want of space.",
            )
        return self
