"""How the numbers came about, and what they cannot say: the words of the page's second sheet."""

from __future__ import annotations

from screening_node.domain.result import ScreeningResult
from screening_node.domain.tscore import ReferenceTable
from screening_node.reporting import wording
from screening_node.reporting.language import ENGLISH, Words
from screening_node.reporting.source import Note

#: A title and its paragraphs.
Section = tuple[str, list[str]]


def method(result: ScreeningResult, reference: ReferenceTable, say: Words = ENGLISH) -> list[Section]:
    """How the numbers came about."""
    return [
        (say("Method"), _networks(result, say)),
        (say("T-score"), _t_score(result, reference, say)),
        (say("Vertebra by vertebra"), wording.rows(result.findings, say) or [say("None was judged.")]),
        (
            say("Model"),
            [
                say("Bundle {bundle}.", bundle=result.model.bundle),
                *wording.algorithm_parameters(result, reference, say),
            ],
        ),
    ]


def _networks(result: ScreeningResult, say: Words) -> list[str]:
    return [
        say(wording.METHOD),
        say(
            "Networks find 16 landmarks on clavicles, ribs and spine, cut 14 bone regions at full resolution, and "
            "estimate the areal bone density of L1 to L4 that a DXA machine would measure."
        ),
        say.sentences(
            say(wording.spread(result)),
            say("It does not cover films that differ from those the model was trained on."),
        ),
    ]


def _t_score(result: ScreeningResult, reference: ReferenceTable, say: Words) -> list[str]:
    return [
        say("T-score = (estimated density - young-adult mean) / young-adult SD."),
        say(
            "Reference: {citation}. Population: {population} ({maker}).",
            citation=reference.citation,
            population=reference.population,
            maker=reference.maker,
        ),
        say.sentences(
            say("Alarm thresholds: {thresholds}.", thresholds=result.model.thresholds),
            say("A film alarms where any vertebra is below its own."),
        ),
    ]


def limits(result: ScreeningResult, notes: tuple[Note, ...], say: Words = ENGLISH) -> list[Section]:
    """What the numbers cannot say."""
    sections = [
        (say("Limits of use"), [say(result.model.limits_of_use)]),
        (say("What this is not"), _not_this(say)),
        (
            say("Where it can go wrong"),
            [
                say(
                    "Rotation, poor inspiration, unusual exposure or processing, old fractures, curved spines and "
                    "calcified cartilage or aorta can move an estimate in either direction."
                ),
                say("Films with metal on a bone region, or whose landmarks make no sense, are refused."),
            ],
        ),
    ]
    if notes:
        sections.append((say("The film's header"), [note.text(say) for note in notes]))
    return sections


def _not_this(say: Words) -> list[str]:
    return [
        say("Not a densitometry, not a diagnosis, and no finding on anything else that the film shows."),
        say.sentences(say("No alarm does not mean normal bone density."), say(wording.ONE_FILM)),
        say("An alarm means that the patient may be worth a DXA. Only a DXA measures."),
    ]
