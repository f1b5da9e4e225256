"""Every language in every kind of object: people read theirs, machines read the same."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pypdfium2
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from unit.reporting import cases, trees
from unit.reporting.companions import REPORTER, decision

from screening_node.domain.alarm import AlarmDecision
from screening_node.domain.result import RefusalCode, ScreeningResult
from screening_node.reporting import codes, sentence, wording
from screening_node.reporting.kinds import COMPREHENSIVE_3D_SR, Kind, ObjectSet, Wanted
from screening_node.reporting.language import Language, words
from screening_node.reporting.reporter import Reporter
from screening_node.reporting.sentence import Sentences

TRANSLATED = [language for language in Language if language is not Language.ENGLISH]
MODEL = replace(cases.MODEL, limits_of_use=wording.LIMITS_OF_USE[0])
ALARM = replace(cases.result(), model=MODEL)
CALM = replace(cases.normal(), model=MODEL)
REFUSED = replace(cases.refused(RefusalCode.HARDWARE), model=MODEL)
#: Texts that are names, identifiers or the literature's: the same in every language.
NAMES = (
    *(codes.DEVICE_NAME, codes.DEVICE_MANUFACTURER, codes.DEVICE_MODEL, codes.DEVICE_SERIAL, codes.ALGORITHM_NAME),
    *(codes.ALGORITHM_VERSION, codes.ALGORITHM_MANUFACTURER, codes.ALGORITHM_PARAMETERS, codes.TABLE_CITATION),
    *(codes.REFERENCE_AUTHORITY, codes.ORIENTATION_ROW, codes.ORIENTATION_COLUMN),
)


def objects(
    folder: Path, language: Language, result: ScreeningResult = ALARM, alarm: AlarmDecision | None = None
) -> dict[Kind, Dataset]:
    """Every kind of object about a film, as a destination of this language gets them."""
    film = cases.film_file(folder / "film.dcm")
    wanted = list(ObjectSet(kinds=tuple(Kind), language=language).wanted(None))
    made = REPORTER.reports(film, result, alarm or decision(result), cases.AT, 1, wanted)
    return {each.kind: dcmread(io.BytesIO(report.data)) for each, report in made.items()}


def items(document: Dataset, value_type: str) -> Iterator[Dataset]:
    return (item for item in trees.walk(document) if item.get("ValueType") == value_type)


@pytest.mark.parametrize("language", Language)
def test_the_tree_names_its_language(tmp_path: Path, language: Language) -> None:
    made = objects(tmp_path, language)
    for kind in (Kind.SR, Kind.KO):
        assert trees.value(trees.child(made[kind], codes.LANGUAGE)) == codes.LANGUAGES[language]
        assert made[kind].SpecificCharacterSet == "ISO_IR 192"


@pytest.mark.parametrize("language", TRANSLATED)
@pytest.mark.parametrize("result", [ALARM, REFUSED], ids=["alarm", "refused"])
def test_people_read_their_language_and_machines_the_same(
    tmp_path: Path, language: Language, result: ScreeningResult
) -> None:
    ours, theirs = (objects(tmp_path, each, result)[Kind.SR] for each in (Language.ENGLISH, language))
    numbers = [[trees.value(item) for item in items(document, "NUM")] for document in (ours, theirs)]
    assert numbers[0] == numbers[1], "a coded number has no decimal comma"
    assert [trees.value(item) for item in items(ours, "UIDREF")] == [
        trees.value(item) for item in items(theirs, "UIDREF")
    ], "what is tracked is the same in every language"
    assert trees.all_codes(ours) - trees.all_codes(theirs) == {("en", "RFC5646", "English")}
    assert ours.SOPInstanceUID != theirs.SOPInstanceUID
    for before, after in zip(items(ours, "TEXT"), items(theirs, "TEXT"), strict=True):
        named = any(trees.same(before.ConceptNameCodeSequence[0], code) for code in NAMES)
        invariant = before.TextValue.removeprefix("ROI: ") in ("C7", "T12")
        assert (before.TextValue == after.TextValue) is (named or invariant), before.TextValue


@pytest.mark.parametrize("language", TRANSLATED)
def test_the_comment_says_it_all_in_one_language(tmp_path: Path, language: Language) -> None:
    say = words(language)
    said = comment(objects(tmp_path, language)[Kind.SR])
    assert said.startswith(f"{wording.heading(say)}\r\n")
    for text in (say(wording.ONE_FILM), say(wording.LIMITS_OF_USE[0]), say("BONE DENSITY ALARM RAISED.")):
        assert text in said
    assert say.decimal("-2.61") in said
    assert not english_left(said)
    refused = comment(objects(tmp_path, language, REFUSED)[Kind.SR])
    assert say(wording.REFUSALS[RefusalCode.HARDWARE]) in refused
    assert "hardware-on-bone" in refused
    assert "The film was refused (HARDWARE)." in refused, "what the pathway found stays readable"


def comment(report: Dataset) -> str:
    (found,) = (
        item.TextValue for item in items(report, "TEXT") if trees.same(item.ConceptNameCodeSequence[0], codes.COMMENT)
    )
    return str(found)


def english_left(said: str) -> list[str]:
    """Texts of ours that a reader of another language finds in English."""
    known = (wording.METHOD, wording.ONE_FILM, wording.SPREAD, *wording.REASONS, *wording.LIMITS_OF_USE)
    return [text for text in (*known, "Estimated T-score", "not below", "alarm below") if text in said]


@pytest.mark.parametrize("language", TRANSLATED)
def test_the_companions_speak_it_too(tmp_path: Path, language: Language) -> None:
    say = words(language)
    ours, made = objects(tmp_path, Language.ENGLISH), objects(tmp_path, language)
    assert set(made) == set(Kind)
    dictated = Sentences().say(ALARM, cases.RAISED, say)
    assert f"{wording.heading(say)}\r\n{dictated}" in [item.TextValue for item in items(made[Kind.KO], "TEXT")]
    (text,) = (
        annotation.TextObjectSequence[0].UnformattedTextValue
        for annotation in made[Kind.GSPS].GraphicAnnotationSequence
        if "TextObjectSequence" in annotation
    )
    assert text == f"{wording.heading(say)}\r\n{dictated}"
    assert made[Kind.GSPS].GraphicLayerSequence[0].GraphicLayerDescription == say("Bone regions that were read")
    assert made[Kind.GSPS].GraphicLayerSequence[0].GraphicLayer == "REGIONS"
    assert made[Kind.PDF].DocumentTitle == say("Bone density estimate from a chest film, research use")
    assert made[Kind.SC].pixel_array.shape == ours[Kind.SC].pixel_array.shape
    assert made[Kind.SC].PixelData != ours[Kind.SC].PixelData
    for kind in Kind:
        assert made[kind].SeriesDescription == say(str(ours[kind].SeriesDescription)) != ours[kind].SeriesDescription
        assert made[kind].SeriesInstanceUID == ours[kind].SeriesInstanceUID


@pytest.mark.parametrize("language", TRANSLATED)
@pytest.mark.parametrize("result", [ALARM, REFUSED, CALM], ids=["alarm", "refused", "no alarm"])
def test_no_line_of_the_pages_is_cut(tmp_path: Path, language: Language, result: ScreeningResult) -> None:
    """A text that does not fit ends in an ellipsis: none does, and the pages say what they are worth."""
    document = objects(tmp_path, language, result)[Kind.PDF]
    first, second = (" ".join(text.split()) for text in pages(document))
    say = words(language)
    assert "…" not in first + second
    for text in (say(wording.RESEARCH_USE), say(wording.NOT_DIAGNOSTIC)):
        assert squeezed(text) in squeezed(first)
        assert squeezed(text) in squeezed(second)
    assert squeezed(say(wording.LIMITS_OF_USE[0])) in squeezed(first)
    last = say("Films with metal on a bone region, or whose landmarks make no sense, are refused.")
    assert squeezed(last) in squeezed(second), "the second page is not full before its end"
    assert not english_left(first + second)


def squeezed(text: str) -> str:
    """Without spaces and the hyphens that a reader of PDF guesses at line ends."""
    return "".join(character for character in text if not character.isspace() and character not in "-\ufffe\u00ad")


def pages(document: Dataset) -> list[str]:
    pdf = pypdfium2.PdfDocument(document.EncapsulatedDocument[: document.EncapsulatedDocumentLength])
    texts = []
    for sheet in pdf:
        text = sheet.get_textpage()
        texts.append(text.get_text_range())
        text.close()
        sheet.close()
    pdf.close()
    return texts


def test_a_pdf_says_its_language_to_screen_readers(tmp_path: Path) -> None:
    document = objects(tmp_path, Language.CHINESE_TRADITIONAL)[Kind.PDF]
    assert b"/Lang (zh-Hant)" in document.EncapsulatedDocument


def test_a_sites_own_sentence_by_language(tmp_path: Path) -> None:
    judged = sentence.in_every_language({Language.GERMAN: "Knochendichte {t_score}: {advice}"})
    reporter = Reporter(cases.TABLE, software_version="0.1.0", sentences=Sentences(judged=judged))
    film = cases.film_file(tmp_path / "film.dcm")
    said = {}
    for language in (Language.GERMAN, Language.FRENCH):
        report = reporter.report(film, ALARM, cases.RAISED, cases.AT, language=language)
        texts = items(trees.parsed(report), "TEXT")
        (said[language],) = (
            item.TextValue for item in texts if trees.same(item.ConceptNameCodeSequence[0], codes.SENTENCE)
        )
    assert said[Language.GERMAN] == "Knochendichte -2,61: DXA vorgeschlagen"
    assert said[Language.FRENCH] == Sentences().say(ALARM, cases.RAISED, words(Language.FRENCH))
    everywhere = sentence.in_every_language("T {t_score}")
    assert {Sentences(judged=everywhere).say(ALARM, cases.RAISED, words(each)) for each in Language} == {
        "T -2.61",
        "T -2,61",
    }
    assert sentence.in_every_language(None) == {}


def test_twice_the_same_is_the_same_and_one_film_is_said_in_two_languages_at_once(tmp_path: Path) -> None:
    film = cases.film_file(tmp_path / "film.dcm")
    wanted = [
        Wanted(kind=Kind.SR, sop_class_uid=COMPREHENSIVE_3D_SR, language=language)
        for language in (Language.JAPANESE, Language.ENGLISH)
    ]
    one, two = (REPORTER.reports(film, ALARM, cases.RAISED, cases.AT, 1, wanted) for _ in range(2))
    assert one == two
    assert len({report.sop_instance_uid for report in one.values()}) == 2
