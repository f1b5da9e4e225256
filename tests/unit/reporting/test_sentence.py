"""The sentence for dictation: one line, in the site's own words, in the report as an item of its own."""

from pathlib import Path

import pytest
from unit.reporting import cases, trees

from screening_node.domain.alarm import AlarmDecision, AlarmStatus, AlarmStep
from screening_node.domain.result import RefusalCode
from screening_node.reporting import codes, sentence
from screening_node.reporting.reporter import Reporter
from screening_node.reporting.sentence import Sentences

SUPPRESSED = AlarmDecision(step=AlarmStep.SUPPRESS, status=AlarmStatus.NOT_RAISED, reason="The site knows.")


def test_an_alarm_in_one_line() -> None:
    assert Sentences().say(cases.result(), cases.RAISED) == (
        "Opportunistic bone density estimate from this chest film: lowest T-score -2.61 (L2); DXA suggested. "
        "Research use."
    )


def test_no_alarm_excludes_nothing() -> None:
    said = Sentences().say(cases.normal(), cases.NOT_RAISED)
    assert "lowest T-score -0.30 (L1); no alarm; low bone density is not excluded." in said
    assert "already known" in Sentences().say(cases.result(), SUPPRESSED)


def everywhere(judged: str) -> Sentences:
    return Sentences(judged=sentence.in_every_language(judged))


@pytest.mark.parametrize("code", RefusalCode)
def test_a_refusal_says_why(code: RefusalCode) -> None:
    said = Sentences().say(cases.refused(code), cases.NOT_EVALUATED)
    assert (
        said == f"Bone density was not evaluated on this chest film: The film was refused ({code.name}). Research use."
    )


def test_the_sites_own_words(tmp_path: Path) -> None:
    own = everywhere(judged="BMD {bmd} ({sd}), T {t_score} in {vertebra}, limit {threshold}: {alarm}, {advice}")
    reporter = Reporter(cases.TABLE, software_version="0.1.0", sentences=own)
    film = cases.film_file(tmp_path / "film.dcm")
    report = reporter.report(film, cases.result(), cases.RAISED, cases.AT)
    group = trees.groups(trees.parsed(report))["Lumbar bone density of the patient"]
    assert trees.value(trees.child(group, codes.SENTENCE)) == (
        "BMD 0.758 (0.061), T -2.61 in L2, limit -2.10: raised, DXA suggested"
    )
    ours = Reporter(cases.TABLE, software_version="0.1.0").report(film, cases.result(), cases.RAISED, cases.AT)
    assert ours.sop_instance_uid != report.sop_instance_uid, "other words are another object"


def test_words_in_any_script_survive(tmp_path: Path) -> None:
    own = everywhere(judged="Knochendichte geschätzt 骨密度 {t_score}")
    reporter = Reporter(cases.TABLE, software_version="0.1.0", sentences=own)
    report = reporter.report(cases.film_file(tmp_path / "film.dcm"), cases.result(), cases.RAISED, cases.AT)
    group = trees.groups(trees.parsed(report))["Lumbar bone density of the patient"]
    assert trees.value(trees.child(group, codes.SENTENCE)) == "Knochendichte geschätzt 骨密度 -2.61"


@pytest.mark.parametrize(
    "template",
    ["", "  ", "{", "}", "{name}", "{0}", "{}", "{t_score.__class__}", "{t_score[0]}", "two\nlines", "x" * 301],
)
def test_a_template_that_cannot_be_said_is_found_out(template: str) -> None:
    assert sentence.fault_in(template, sentence.JUDGED_WORDS)


def test_ours_can_be_said() -> None:
    assert sentence.fault_in(sentence.JUDGED, sentence.JUDGED_WORDS) is None
    assert sentence.fault_in(sentence.REFUSED, sentence.REFUSED_WORDS) is None
