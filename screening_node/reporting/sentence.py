"""One line that a reporting system can pick up and a radiologist can dictate, in the site's own words."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from screening_node.domain.alarm import AlarmDecision, AlarmStatus
from screening_node.domain.result import ScreeningResult
from screening_node.reporting import wording
from screening_node.reporting.language import ENGLISH, Language, Words, later

JUDGED: Final = later(
    "Opportunistic bone density estimate from this chest film: lowest T-score {t_score} ({vertebra}); {advice}. "
    "Research use."
)
REFUSED: Final = later("Bone density was not evaluated on this chest film: {reason} Research use.")
#: What may stand in braces, in a judged film's sentence and in a refused one's.
JUDGED_WORDS: Final = ("t_score", "vertebra", "bmd", "sd", "threshold", "advice", "alarm")
REFUSED_WORDS: Final = ("reason", "code")
_LONGEST = 300
#: No-break spaces, as French has them before a colon, count as unprintable elsewhere.
_PRINTABLE_TOO: Final = {0x00A0: " ", 0x202F: " "}


@dataclass(frozen=True, kw_only=True, slots=True)
class Sentences:
    """The site's templates, by language; ours where it has none. ``fault_in`` says what is wrong with one."""

    judged: Mapping[Language, str] = field(default_factory=dict)
    refused: Mapping[Language, str] = field(default_factory=dict)

    def say(self, result: ScreeningResult, alarm: AlarmDecision, say: Words = ENGLISH) -> str:
        """The sentence about a film."""
        refused = self.refused.get(say.language) or say(REFUSED)
        if result.refusal is not None:
            reason = wording.refusal_reason(result.refusal, say)
            return refused.format(reason=reason, code=result.refusal.code.value)
        lowest = result.lowest
        if lowest is None:
            return refused.format(reason=say("no vertebra was judged."), code="none")
        judged = self.judged.get(say.language) or say(JUDGED)
        return judged.format(
            t_score=wording.t(lowest, say),
            vertebra=lowest.vertebra.value,
            bmd=wording.density(lowest.bmd, say),
            sd=wording.density(lowest.sd, say),
            threshold=say.decimal(f"{lowest.threshold:.2f}"),
            advice=_advice(result, alarm, say),
            alarm=_alarm(alarm, say),
        )


def in_every_language(template: str | Mapping[Language, str] | None) -> Mapping[Language, str]:
    """A site's one template for all languages, its template for each, or none."""
    if template is None:
        return {}
    return dict.fromkeys(Language, template) if isinstance(template, str) else template


def fault_in(template: str, words: tuple[str, ...]) -> str | None:
    """What is wrong with a template whose braces may hold ``words``; None where nothing is."""
    try:
        fields = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
        template.format(**dict.fromkeys(words, ""))
    except (ValueError, KeyError, IndexError, AttributeError):
        return "it has braces that hold none of the known words"
    if any(name not in words for name in fields):
        return "it has braces that hold none of the known words"
    if not template.strip() or len(template) > _LONGEST or not template.translate(_PRINTABLE_TOO).isprintable():
        return f"it is empty, longer than {_LONGEST} characters, or more than one line"
    return None


def _advice(result: ScreeningResult, alarm: AlarmDecision, say: Words) -> str:
    if alarm.status is AlarmStatus.RAISED:
        return say("DXA suggested")
    if alarm.status is AlarmStatus.RETRACTED:
        return say("alarm retracted; low bone density is not excluded")
    if result.crossed:
        return say("no alarm: already known to the site; low bone density is not excluded")
    return say("no alarm; low bone density is not excluded")


def _alarm(alarm: AlarmDecision, say: Words) -> str:
    return {
        AlarmStatus.RAISED: say("raised"),
        AlarmStatus.NOT_RAISED: say("not raised"),
        AlarmStatus.NOT_EVALUATED: say("not evaluated"),
        AlarmStatus.RETRACTED: say("retracted"),
    }[alarm.status]
