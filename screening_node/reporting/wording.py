"""What a person reads: the report's words and numbers, in plain text, in the language of whoever gets it.

Many viewers show the values of a Structured Report without the names of its concepts, so this text says everything
again. It never names a disease, never calls a result normal, and never rules anything out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Final

from screening_node.domain.alarm import (
    HEADER_CORRECTED,
    NO_LONGER_RAISED,
    RETRACTED_BY_A_PERSON,
    AlarmDecision,
    AlarmStatus,
)
from screening_node.domain.result import Refusal, RefusalCode, ScreeningResult, VertebraFinding
from screening_node.domain.tscore import ReferenceTable
from screening_node.reporting.language import ENGLISH, Language, Words, later
from screening_node.reporting.source import Note

RESEARCH_USE: Final = later("RESEARCH USE")
NOT_DIAGNOSTIC: Final = later("NOT FOR DIAGNOSTIC USE")
HEADING: Final = f"{RESEARCH_USE} - {NOT_DIAGNOSTIC}"
METHOD: Final = later(
    "Bone density of L1 to L4 as software estimates it from a chest film. No densitometry (DXA) was done."
)
ONE_FILM: Final = later("A single film cannot exclude low bone density.")
SPREAD: Final = later("SD: spread of the networks with the model's known error; not a confidence interval.")
INTERVAL: Final = later(
    "SD: spread of the networks with the model's known error. 90 % interval: it held 90 % of the true values of the "
    "films on which the model was calibrated."
)

#: The limits of use on the cards of the bundles that this project's laboratory writes; others stand as they are.
LIMITS_OF_USE: Final = (
    later("Phantom-trained, not for clinical use. A single film never rules disease out."),
    later("Not validated, not for clinical use. A single film never rules disease out."),
)
#: Why an alarm is raised or not (domain/alarm.py, ``decide``).
REASONS: Final = (
    later("The film was not judged."),
    later("No vertebra is below its threshold."),
    later("Below threshold."),
    later("Below threshold, but the site has recorded a known diagnosis."),
    later("Below threshold, but the site has recorded a recent DXA."),
    later("Below threshold; the patient's alarm within the window stands."),
    later(
        "The report before this one raised an alarm on this film; this report does not. "
        "The patient's alarm stays open until a person closes it."
    ),
    later("A person has retracted the alarm that an earlier report raised on this film."),
    later(
        "The film's header was corrected: the report before this one was made from other data about patient or study."
    ),
)
#: What may stand between the reasons of a decision; see ``domain.alarm.after``.
_APART: Final = re.compile("|".join(f"({re.escape(mark)})" for mark in (HEADER_CORRECTED, NO_LONGER_RAISED)))
#: Each reason for a refusal in the languages that a pathway does not speak: it says in English what it found.
REFUSALS: Final = {
    RefusalCode.OWN_OBJECT: later("The object was made by this node."),
    RefusalCode.NOT_A_RADIOGRAPH: later("The object is not a projection radiograph."),
    RefusalCode.LOCALISER: later("The image is a localiser."),
    RefusalCode.SECONDARY_CAPTURE: later("The image is a secondary capture, not the detector's own."),
    RefusalCode.NOT_CHEST: later("The header names another body part than the chest."),
    RefusalCode.NOT_FRONTAL: later("The film is not a frontal view of the chest."),
    RefusalCode.AGE_UNKNOWN: later("The patient's age is not known."),
    RefusalCode.AGE_OUT_OF_RANGE: later("The patient's age is outside the model's range."),
    RefusalCode.SEX_UNKNOWN: later("The reference table needs the patient's sex, which is not known."),
    RefusalCode.NO_PIXELS: later("The object has no pixel data."),
    RefusalCode.PIXELS_UNREADABLE: later("The pixels cannot be decoded."),
    RefusalCode.PIXEL_FORMAT: later("The pixel format is not supported."),
    RefusalCode.SPACING_UNKNOWN: later("The pixel spacing is not known, or is impossible."),
    RefusalCode.RESOLUTION_TOO_LOW: later("The resolution is too low."),
    RefusalCode.TOO_LARGE: later("The film has too many pixels."),
    RefusalCode.BURNED_IN: later("Text is burned into the pixels."),
    RefusalCode.EXPOSURE: later("The exposure or the contrast is out of range."),
    RefusalCode.LANDMARKS_IMPLAUSIBLE: later("The landmarks that were found are implausible."),
    RefusalCode.HARDWARE: later("Metal or a marker lies on a bone that is to be judged."),
    RefusalCode.MEMBERS_DISAGREE: later("The networks disagree."),
    RefusalCode.ESTIMATE_IMPLAUSIBLE: later("The estimate is no possible bone density."),
}


def bmd(value: float) -> str | None:
    """A BMD or its SD in g/cm2, as densitometers print it; None where it is no number."""
    return f"{value:.3f}" if math.isfinite(value) else None


def t_score(value: float, threshold: float) -> str | None:
    """A T-score with two decimals, or as many as it takes to stand on its own side of the threshold."""
    if not math.isfinite(value):
        return None
    for decimals in range(2, 6):
        shown = f"{value:.{decimals}f}"
        if (float(shown) < threshold) == (value < threshold):
            return shown
    return f"{value:.6f}"


def t(finding: VertebraFinding, say: Words = ENGLISH) -> str:
    """A finding's T-score as people read it."""
    return shown(t_score(finding.t_score, finding.threshold), say)


def density(value: float, say: Words = ENGLISH) -> str:
    """A BMD or its SD as people read it, without the unit."""
    return shown(bmd(value), say)


def shown(number: str | None, say: Words) -> str:
    """A number as people read it; a word where there is none."""
    return say("failed") if number is None else say.decimal(number)


def heading(say: Words = ENGLISH) -> str:
    """What stands above everything."""
    return f"{say(RESEARCH_USE)} - {say(NOT_DIAGNOSTIC)}"


def refusal_reason(refusal: Refusal, say: Words = ENGLISH) -> str:
    """Why a film was refused: in English what the pathway found, in other languages what its code means."""
    return refusal.text if say.language is Language.ENGLISH else say(REFUSALS[refusal.code])


def refusal_detail(refusal: Refusal, say: Words) -> list[str]:
    """What the pathway found, in its English words, where ``refusal_reason`` did not say that."""
    return [] if say.language is Language.ENGLISH else [say("Detail (in English): {text}", text=refusal.text)]


def alarm_reason(alarm: AlarmDecision, say: Words = ENGLISH) -> str:
    """Why an alarm is raised, not raised or taken back; what changed since the report before are sentences too.

    What the person wrote who took it back stands as it was written, whatever the language.
    """
    reasons, retracted, words = alarm.reason.partition(RETRACTED_BY_A_PERSON)
    known = [part.strip() for part in (*_APART.split(reasons), retracted) if part and part.strip()]
    given = say("Reason given: “{text}”", text=words.strip()) if words.strip() else ""
    return say.sentences(*(say(part) for part in known), given)


def comment(
    result: ScreeningResult,
    alarm: AlarmDecision,
    reference: ReferenceTable,
    notes: tuple[Note, ...],
    revision: int,
    say: Words = ENGLISH,
) -> str:
    """The whole report as lines of text, joined by CR LF (DICOM PS3.5 section 6.1.3)."""
    lines = [heading(say), say(METHOD), *_revised(revision, say), ""]
    if result.refusal is not None:
        lines += _refused(result.refusal, alarm, revision, say)
    else:
        lines += _judged(result, alarm, reference, say)
    lines += ["", say("Limits of use: {limits}", limits=say(result.model.limits_of_use))]
    if notes:
        lines += ["", say("The film's header:"), *(f"- {note.text(say)}" for note in notes)]
    return "\r\n".join(lines)


def algorithm_parameters(result: ScreeningResult, reference: ReferenceTable, say: Words = ENGLISH) -> tuple[str, ...]:
    """What decides the answer besides the film, one line each."""
    model = result.model
    return (
        say("Weights SHA-256 {value}", value=model.weights_sha256),
        say("Configuration SHA-256 {value}", value=model.configuration_sha256),
        say.count("Ensemble of {number} network", "Ensemble of {number} networks", model.members),
        say("Reference table {value}", value=f"{reference.name} {reference.version}"),
        say("Alarm thresholds {value}", value=model.thresholds),
    )


def rows(findings: Sequence[VertebraFinding], say: Words = ENGLISH) -> list[str]:
    """One line for each vertebra."""
    return [_row(finding, say) for finding in findings]


def spread(result: ScreeningResult) -> str:
    """What the numbers beside the estimates mean, to be said in a language."""
    return INTERVAL if any(finding.calibrated for finding in result.findings) else SPREAD


def interval(finding: VertebraFinding, say: Words) -> str:
    """The calibrated interval as people read it, without the unit; "" where there is none."""
    if finding.interval is None:
        return ""
    low, high = finding.interval
    return say("{low} to {high}", low=density(low, say), high=density(high, say))


def verdict(finding: VertebraFinding, say: Words) -> str:
    """On which side of its threshold a vertebra stands."""
    return say("BELOW") if finding.below else say("not below")


def _revised(revision: int, say: Words) -> list[str]:
    if revision <= 1:
        return []
    return [say("Revision {number}: this report replaces the one before it.", number=str(revision))]


def _refused(refusal: Refusal, alarm: AlarmDecision, revision: int, say: Words) -> list[str]:
    return [
        say("NOT EVALUATED: no bone density was estimated from this film."),
        say("Reason: {reason} ({code})", reason=refusal_reason(refusal, say), code=refusal.code.value),
        *refusal_detail(refusal, say),
        say("This says nothing about the patient's bone density."),
        *([alarm_reason(alarm, say)] if revision > 1 else []),
    ]


def _judged(result: ScreeningResult, alarm: AlarmDecision, reference: ReferenceTable, say: Words) -> list[str]:
    model = result.model
    return [
        *_conclusion(result, alarm, say),
        say(ONE_FILM),
        "",
        *rows(result.findings, say),
        say(spread(result)),
        say("T-scores by {citation}", citation=reference.citation),
        say("Alarm thresholds: {thresholds}. Model: {bundle}.", thresholds=model.thresholds, bundle=model.bundle),
    ]


def _conclusion(result: ScreeningResult, alarm: AlarmDecision, say: Words) -> list[str]:
    lines = [say.sentences(_alarm(alarm, say), alarm_reason(alarm, say))]
    below = [finding.vertebra.value for finding in result.findings if finding.below]
    if below:
        lines.append(say("Estimated T-score below the alarm threshold: {vertebrae}.", vertebrae=say.listed(below)))
    if (lowest := result.lowest) is not None:
        said = say(
            "Lowest estimated T-score: {t_score} ({vertebra}).", t_score=t(lowest, say), vertebra=lowest.vertebra
        )
        lines.append(said)
    if alarm.status is AlarmStatus.RAISED:
        lines.append(say("Suggested follow-up: DXA."))
    return lines


def _alarm(alarm: AlarmDecision, say: Words) -> str:
    return {
        AlarmStatus.RAISED: say("BONE DENSITY ALARM RAISED."),
        AlarmStatus.NOT_RAISED: say("BONE DENSITY ALARM not raised."),
        AlarmStatus.NOT_EVALUATED: say("BONE DENSITY ALARM not evaluated."),
        AlarmStatus.RETRACTED: say("BONE DENSITY ALARM RETRACTED."),
    }[alarm.status]


def _row(finding: VertebraFinding, say: Words) -> str:
    said = {
        "vertebra": finding.vertebra.value,
        "bmd": density(finding.bmd, say),
        "sd": density(finding.sd, say),
        "t_score": t(finding, say),
        "threshold": say.decimal(f"{finding.threshold:.2f}"),
        "verdict": verdict(finding, say),
    }
    if finding.interval is None:
        return say("{vertebra}: {bmd} g/cm2 (SD {sd}), T-score {t_score}, alarm below {threshold}: {verdict}", **said)
    return say(
        "{vertebra}: {bmd} g/cm2 (SD {sd}, 90 % interval {interval}), T-score {t_score}, "
        "alarm below {threshold}: {verdict}",
        interval=interval(finding, say),
        **said,
    )
