"""The catalogues: whole, compiled, drawable, and never saying more or less than the English text does."""

from __future__ import annotations

import datetime as dt
import importlib.util
import re
import string
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from babel.messages.catalog import Catalog, Message

from screening_node.domain.alarm import (
    AlarmDecision,
    AlarmStatus,
    AlarmStep,
    KnownAlarm,
    PatientFacts,
    Retraction,
    after,
    decide,
)
from screening_node.domain.result import RefusalCode
from screening_node.laboratory import bundle
from screening_node.reporting import softcopy, typeface, wording
from screening_node.reporting.kinds import SERIES
from screening_node.reporting.language import ENGLISH, Language, catalogue, words
from screening_node.reporting.sentence import JUDGED, JUDGED_WORDS, REFUSED, REFUSED_WORDS, fault_in

ROOT = Path(__file__).parents[3]
TODAY = dt.date(2026, 3, 4)


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("catalogues", ROOT / "scripts" / "catalogues.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CATALOGUES = script()
EXTRACTED: Catalog = CATALOGUES.extracted()
TRANSLATED = [language for language in Language if language is not Language.ENGLISH]
BY_LANGUAGE: dict[Language, Catalog] = {language: CATALOGUES.read(language) for language in TRANSLATED}

pytestmark = pytest.mark.parametrize("language", TRANSLATED)


def messages(catalog: Catalog) -> list[Message]:
    return [message for message in catalog if message.id]


def forms(said: str | list[str] | tuple[str, ...]) -> tuple[str, ...]:
    return (said,) if isinstance(said, str) else tuple(said)


def braces(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_no_text_is_missing_fuzzy_or_left_over(language: Language) -> None:
    """Mend with scripts/catalogues, then translate what it brought."""
    catalog = BY_LANGUAGE[language]
    wanted = {forms(message.id) for message in messages(EXTRACTED)}
    assert len(wanted) > 100
    assert {forms(message.id) for message in messages(catalog)} == wanted
    undone = [message.id for message in messages(catalog) if message.fuzzy or not all(forms(message.string))]
    assert undone == []


def test_what_is_compiled_is_what_is_written(language: Language) -> None:
    assert catalogue(language).with_suffix(".mo").read_bytes() == CATALOGUES.compiled(BY_LANGUAGE[language])


def test_what_stands_in_braces_is_the_same(language: Language) -> None:
    for message in messages(BY_LANGUAGE[language]):
        singular, *_ = forms(message.id)
        for said in forms(message.string):
            assert braces(said) == braces(singular), message.id


def test_every_character_can_be_drawn(language: Language) -> None:
    for message in messages(BY_LANGUAGE[language]):
        for said in forms(message.string):
            for font in (typeface.REGULAR, typeface.BOLD):
                drawn = "".join(piece for _, piece in typeface.runs(said, font))
                assert drawn == said, "a character that no font has is drawn as its number"


def test_nothing_is_a_diagnosis_or_calls_a_patient_healthy(language: Language) -> None:
    """The words by which a radiologist of the language would say so."""
    forbidden = re.compile(
        r"osteopor|ostéopor|ostéopén|osteopen|gesund|unauffällig|\bsan[oa]\b|sin hallazgos|en bonne santé"
        r"|sans anomalie"
        r"|骨質疏鬆|骨质疏松|骨粗鬆|骨量減少|骨量减少|健康|未見異常|未见异常|異常なし|골다공증|골감소증|건강|이상 없음",
        re.IGNORECASE,
    )
    for message in messages(BY_LANGUAGE[language]):
        assert not any(forbidden.search(said) for said in forms(message.string)), message.id


def test_the_warnings_are_translated_one_by_one(language: Language) -> None:
    say = words(language)
    warnings = (
        wording.RESEARCH_USE,
        wording.NOT_DIAGNOSTIC,
        *wording.LIMITS_OF_USE,
        wording.ONE_FILM,
        wording.METHOD,
        wording.SPREAD,
        *wording.REASONS,
        *wording.REFUSALS.values(),
    )
    assert all(say(text) != text for text in warnings)
    assert len({say(text) for text in warnings}) == len(warnings)


def test_descriptions_fit_their_attributes(language: Language) -> None:
    """VR LO: 64 characters; 64 bytes, because some readers count those."""
    say = words(language)
    texts = [series.description for series in SERIES.values()]
    texts += [layer.description for layer in softcopy._LAYERS]
    texts.append("Regions and landmarks of the bone density estimate")
    for text in texts:
        assert len(say(text).encode()) <= 64, say(text)
    for series in SERIES.values():
        assert say(series.description) != series.description


def test_the_sentences_for_dictation_can_be_said(language: Language) -> None:
    say = words(language)
    assert fault_in(say(JUDGED), JUDGED_WORDS) is None
    assert fault_in(say(REFUSED), REFUSED_WORDS) is None


def test_every_reason_that_is_given_is_known(language: Language) -> None:
    say = words(language)
    decisions = every_decision()
    assert {decision.reason for decision in decisions} <= set(wording.REASONS)
    for decision in decisions:
        for corrected in (False, True):
            changed = after(AlarmStatus.RAISED, decision, corrected=corrected)
            assert wording.alarm_reason(changed, ENGLISH) == changed.reason
            said = wording.alarm_reason(changed, say)
            assert say(decision.reason) in said
            assert not re.search(r"threshold|alarm on this film|report before|A person has", said)
    assert set(wording.REFUSALS) == set(RefusalCode)


def every_decision() -> list[AlarmDecision]:
    known = KnownAlarm(number=1, study_date=TODAY)
    cases = [
        (None, (), PatientFacts()),
        (False, (), PatientFacts()),
        (True, (), PatientFacts()),
        (True, (known,), PatientFacts()),
        (True, (), PatientFacts(diagnosed=True)),
        (True, (), PatientFacts(last_dxa=TODAY)),
    ]
    made = [
        decide(crossed=crossed, study_date=TODAY, known=alarms, facts=facts, window_months=12)
        for crossed, alarms, facts in cases
    ]
    taken_back = Retraction(alarm=1, reason="")
    facts = PatientFacts()
    made.append(decide(crossed=True, study_date=TODAY, known=(), facts=facts, window_months=12, retraction=taken_back))
    assert {decision.step for decision in made} == set(AlarmStep)
    return made


def test_the_limits_of_every_bundle_here_are_translated(language: Language) -> None:
    cards = sorted((ROOT / "models").glob("*/*/card.toml"))
    found = {tomllib.loads(card.read_text(encoding="utf-8"))["limits_of_use"] for card in cards}
    found |= {value for name, value in vars(bundle).items() if name.endswith("_LIMITS")}
    assert len(found) >= 2
    for limits in found:
        assert words(language)(limits) != limits, "add these limits of use to reporting/wording.py"


def test_numbers_dates_and_plurals_are_the_languages_own(language: Language) -> None:
    say = words(language)
    comma = language in (Language.GERMAN, Language.SPANISH, Language.FRENCH)
    assert say.decimal("-2.61") == ("-2,61" if comma else "-2.61")
    date = say.date("20260304")
    assert date != "2026-03-04"
    assert {"2026", "03", "04"} == set(re.findall(r"\d+", date))
    assert say.date("unknown") == "unknown"
    one, many = (
        say.count("Ensemble of {number} network", "Ensemble of {number} networks", number) for number in (1, 4)
    )
    assert "1" in one
    assert "4" in many
    assert (one.replace("1", "4") == many) is (language not in (Language.GERMAN, Language.SPANISH, Language.FRENCH))


def test_a_text_that_no_catalogue_knows_stands_as_it_is(language: Language) -> None:
    assert words(language)("A site's own limits {of} use.") == "A site's own limits {of} use."
