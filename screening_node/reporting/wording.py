"""What a person reads: the report's words and numbers, in plain text.

Many viewers show the values of a Structured Report without the names of its concepts, so this text says everything
again. It never names a disease, never calls a result normal, and never rules anything out.
"""

from __future__ import annotations

import math

from screening_node.domain.alarm import AlarmDecision, AlarmStatus
from screening_node.domain.result import Refusal, ScreeningResult, VertebraFinding
from screening_node.domain.tscore import ReferenceTable

HEADING = "RESEARCH USE - NOT FOR DIAGNOSTIC USE"
METHOD = "Bone density of L1 to L4 as software estimates it from a chest film. No densitometry (DXA) was done."
ONE_FILM = "A single film cannot exclude low bone density."
SPREAD = "SD: spread of the networks with the model's known error; not a confidence interval."


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


def comment(
    result: ScreeningResult, alarm: AlarmDecision, reference: ReferenceTable, notes: tuple[str, ...], revision: int
) -> str:
    """The whole report as lines of text, joined by CR LF (DICOM PS3.5 section 6.1.3)."""
    lines = [HEADING, METHOD, *_revised(revision), ""]
    lines += (
        _refused(result.refusal, alarm, revision) if result.refusal is not None else _judged(result, alarm, reference)
    )
    lines += ["", f"Limits of use: {result.model.limits_of_use}"]
    if notes:
        lines += ["", "The film's header:", *(f"- {note}" for note in notes)]
    return "\r\n".join(lines)


def method(result: ScreeningResult, reference: ReferenceTable) -> list[tuple[str, list[str]]]:
    """How the numbers came about: sections of a title and its paragraphs."""
    return [
        (
            "Method",
            [
                METHOD,
                "Networks find 16 landmarks on clavicles, ribs and spine, cut 14 bone regions at full resolution, and "
                "estimate the areal bone density of L1 to L4 that a DXA machine would measure.",
                f"{SPREAD} It does not cover films that differ from those the model was trained on.",
            ],
        ),
        (
            "T-score",
            [
                "T-score = (estimated density - young-adult mean) / young-adult SD.",
                f"Reference: {reference.citation}. Population: {reference.population} ({reference.maker}).",
                f"Alarm thresholds: {result.model.thresholds}. A film alarms where any vertebra is below its own.",
            ],
        ),
        ("Vertebra by vertebra", [_row(finding) for finding in result.findings] or ["None was judged."]),
        ("Model", [f"Bundle {result.model.bundle}.", *algorithm_parameters(result, reference)]),
    ]


def limits(result: ScreeningResult, notes: tuple[str, ...]) -> list[tuple[str, list[str]]]:
    """What the numbers cannot say: sections as in ``method``."""
    sections = [
        ("Limits of use", [result.model.limits_of_use]),
        (
            "What this is not",
            [
                "Not a densitometry, not a diagnosis, and no finding on anything else that the film shows.",
                "No alarm does not mean normal bone density. " + ONE_FILM,
                "An alarm means that the patient may be worth a DXA. Only a DXA measures.",
            ],
        ),
        (
            "Where it can go wrong",
            [
                "Rotation, poor inspiration, unusual exposure or processing, old fractures, curved spines and "
                "calcified cartilage or aorta can move an estimate in either direction.",
                "Films with metal on a bone region, or whose landmarks make no sense, are refused.",
            ],
        ),
    ]
    if notes:
        sections.append(("The film's header", list(notes)))
    return sections


def algorithm_parameters(result: ScreeningResult, reference: ReferenceTable) -> tuple[str, ...]:
    """What decides the answer besides the film, one line each."""
    model = result.model
    return (
        f"Weights SHA-256 {model.weights_sha256}",
        f"Configuration SHA-256 {model.configuration_sha256}",
        f"Ensemble of {model.members} network{'' if model.members == 1 else 's'}",
        f"Reference table {reference.name} {reference.version}",
        f"Alarm thresholds {model.thresholds}",
    )


def _revised(revision: int) -> list[str]:
    return [f"Revision {revision}: this report replaces the one before it."] if revision > 1 else []


def _refused(refusal: Refusal, alarm: AlarmDecision, revision: int) -> list[str]:
    return [
        "NOT EVALUATED: no bone density was estimated from this film.",
        f"Reason: {refusal.text} ({refusal.code.value})",
        "This says nothing about the patient's bone density.",
        *([alarm.reason] if revision > 1 else []),
    ]


def _judged(result: ScreeningResult, alarm: AlarmDecision, reference: ReferenceTable) -> list[str]:
    return [
        *_conclusion(result, alarm),
        ONE_FILM,
        "",
        *(_row(finding) for finding in result.findings),
        SPREAD,
        f"T-scores by {reference.citation}",
        f"Alarm thresholds: {result.model.thresholds}. Model: {result.model.bundle}.",
    ]


def _conclusion(result: ScreeningResult, alarm: AlarmDecision) -> list[str]:
    raised = alarm.status is AlarmStatus.RAISED
    lines = [f"BONE DENSITY {_alarm(alarm)}. {alarm.reason}"]
    below = [finding.vertebra.value for finding in result.findings if finding.below]
    if below:
        lines.append(f"Estimated T-score below the alarm threshold: {', '.join(below)}.")
    if result.lowest is not None:
        lines.append(f"Lowest estimated T-score: {t(result.lowest)} ({result.lowest.vertebra.value}).")
    if raised:
        lines.append("Suggested follow-up: DXA.")
    return lines


def _alarm(alarm: AlarmDecision) -> str:
    return f"ALARM {'RAISED' if alarm.status is AlarmStatus.RAISED else alarm.status.value}"


def _row(finding: VertebraFinding) -> str:
    return (
        f"{finding.vertebra.value}: {bmd(finding.bmd) or 'failed'} g/cm2 (SD {bmd(finding.sd) or 'failed'}), "
        f"T-score {t(finding)}, alarm below {finding.threshold:.2f}: {'BELOW' if finding.below else 'not below'}"
    )


def t(finding: VertebraFinding) -> str:
    """A finding's T-score as it is shown."""
    return t_score(finding.t_score, finding.threshold) or "failed"
