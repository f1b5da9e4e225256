"""One line that a reporting system can pick up and a radiologist can dictate, in the site's own words."""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import Final

from screening_node.domain.alarm import AlarmDecision, AlarmStatus
from screening_node.domain.result import ScreeningResult
from screening_node.reporting import wording

JUDGED: Final = (
    "Opportunistic bone density estimate from this chest film: lowest T-score {t_score} ({vertebra}); {advice}. "
    "Research use."
)
REFUSED: Final = "Bone density was not evaluated on this chest film: {reason} Research use."
#: What may stand in braces, in a judged film's sentence and in a refused one's.
JUDGED_WORDS: Final = ("t_score", "vertebra", "bmd", "sd", "threshold", "advice", "alarm")
REFUSED_WORDS: Final = ("reason", "code")
_LONGEST = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class Sentences:
    """The site's templates; ``fault_in`` says beforehand what is wrong with one."""

    judged: str = JUDGED
    refused: str = REFUSED

    def say(self, result: ScreeningResult, alarm: AlarmDecision) -> str:
        """The sentence about a film."""
        if result.refusal is not None:
            return self.refused.format(reason=result.refusal.text, code=result.refusal.code.value)
        lowest = result.lowest
        if lowest is None:
            return self.refused.format(reason="no vertebra was judged.", code="none")
        return self.judged.format(
            t_score=wording.t(lowest),
            vertebra=lowest.vertebra.value,
            bmd=wording.bmd(lowest.bmd) or "failed",
            sd=wording.bmd(lowest.sd) or "failed",
            threshold=f"{lowest.threshold:.2f}",
            advice=_advice(result, alarm),
            alarm=alarm.status.value,
        )


def fault_in(template: str, words: tuple[str, ...]) -> str | None:
    """What is wrong with a template whose braces may hold ``words``; None where nothing is."""
    try:
        fields = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
        template.format(**dict.fromkeys(words, ""))
    except (ValueError, KeyError, IndexError, AttributeError):
        return "it has braces that hold none of the known words"
    if any(name not in words for name in fields):
        return "it has braces that hold none of the known words"
    if not template.strip() or len(template) > _LONGEST or not template.isprintable():
        return f"it is empty, longer than {_LONGEST} characters, or more than one line"
    return None


def _advice(result: ScreeningResult, alarm: AlarmDecision) -> str:
    if alarm.status is AlarmStatus.RAISED:
        return "DXA suggested"
    known = "no alarm: already known to the site" if result.crossed else "no alarm"
    return f"{known}; low bone density is not excluded"
