"""Which reports are owed to whom, and what judging again adds to them."""

from __future__ import annotations

import dataclasses

from builders import IDENTITY
from screening_bench import Bench, both, rescreen
from scripted import HEALTHY, THIN, ScriptedPathway

from screening_node.queue.job import JobState
from screening_node.reporting.kinds import COMPREHENSIVE_SR, Kind, ObjectSet, SopReference
from screening_node.store import tables as t


@both
def test_judging_again_with_the_same_model_changes_nothing(bench: Bench) -> None:
    exam = bench.film(THIN)
    bench.run()
    before = [bench.rows(table) for table in (t.results, t.alarms, t.outbox, t.estimates)]
    kept = set(bench.archive.kept())
    rescreen(bench, exam)
    assert [bench.rows(table) for table in (t.results, t.alarms, t.outbox, t.estimates)] == before
    assert set(bench.archive.kept()) == kept
    assert [job.state for job in bench.rows(t.jobs)] == [JobState.DONE, JobState.DONE]


def test_judging_again_serves_a_destination_that_was_added(bench: Bench) -> None:
    exam = bench.film(THIN)
    bench.run()
    rescreen(bench, exam, bench.screening(destinations=dict.fromkeys(["pacs", "other", "new"], ObjectSet())))
    owed = bench.rows(t.outbox)
    assert [row.destination for row in owed] == ["pacs", "other", "new"]
    assert len({(row.sop_instance_uid, row.path) for row in owed}) == 1, "the very same report"


def test_judging_again_serves_a_kind_that_was_added(bench: Bench) -> None:
    exam = bench.film(THIN)
    bench.run()
    rescreen(bench, exam, bench.screening(destinations={"pacs": ObjectSet(kinds=(Kind.SR, Kind.PDF))}))
    owed = [(row.destination, row.kind) for row in bench.rows(t.outbox)]
    assert owed == [("pacs", "SR"), ("other", "SR"), ("pacs", "PDF")]
    assert [one.kind for one in bench.reporter.asked] == [Kind.PDF], "the report that is there is not made again"


def test_each_destination_gets_its_own_objects_and_each_is_made_once(bench: Bench) -> None:
    destinations = {
        "pacs": ObjectSet(kinds=(Kind.SR, Kind.SC, Kind.KO)),
        "old": ObjectSet(sr_class=COMPREHENSIVE_SR, kinds=(Kind.SR, Kind.SC)),
        "papers": ObjectSet(kinds=(Kind.SC,)),
    }
    bench.film(THIN)
    bench.run(bench.screening(destinations=destinations))
    owed = [(row.destination, row.kind) for row in bench.rows(t.outbox)]
    assert owed == [("pacs", "SR"), ("pacs", "SC"), ("pacs", "KO"), ("old", "SR"), ("old", "SC"), ("papers", "SC")]
    assert [one.kind for one in bench.reporter.asked] == [Kind.SR, Kind.SC, Kind.KO, Kind.SR]
    pages = {row.sop_instance_uid for row in bench.rows(t.outbox, kind="SC")}
    reports = {row.sop_class_uid for row in bench.rows(t.outbox, kind="SR")}
    assert (len(pages), len(reports)) == (1, 2)


def test_the_reporter_is_given_the_film_that_was_decoded(bench: Bench) -> None:
    bench.film(THIN)
    bench.run()
    assert bench.reporter.picture is not None
    bench.film("refuse")
    bench.run()
    assert bench.reporter.picture is None, "it was refused before it was decoded"


def test_what_has_nothing_to_show_is_owed_to_nobody(bench: Bench) -> None:
    bench.film(HEALTHY)
    assert bench.run(bench.screening(destinations={"pacs": ObjectSet(kinds=(Kind.KO, Kind.SR))})) == [None]
    assert [row.kind for row in bench.rows(t.outbox)] == ["SR"]


def test_a_revision_names_the_report_that_its_destination_has(bench: Bench) -> None:
    destinations = {"pacs": ObjectSet(), "old": ObjectSet(sr_class=COMPREHENSIVE_SR)}
    exam = bench.film(THIN)
    bench.run(bench.screening(destinations=destinations))
    first = {row.destination: row.sop_instance_uid for row in bench.rows(t.outbox)}
    newer = ScriptedPathway(dataclasses.replace(IDENTITY, bundle="test-2", weights_sha256="ef" * 32))
    rescreen(bench, exam, bench.screening(pathways={"chest_film": newer}, destinations=destinations))
    named = [one.previous.sop_instance_uid for one in bench.reporter.asked if one.previous is not None]
    assert named == [first["pacs"], first["old"]]


@both
def test_another_model_gives_a_new_revision_that_names_the_old_report(bench: Bench) -> None:
    exam = bench.film(THIN)
    bench.run()
    first = bench.rows(t.outbox)[0]
    newer = ScriptedPathway(dataclasses.replace(IDENTITY, bundle="test-2", weights_sha256="ef" * 32))
    rescreen(bench, exam, bench.screening(pathways={"chest_film": newer}))
    assert [(row.revision, row.current, row.bundle) for row in bench.rows(t.results)] == [
        (1, False, "test-1"),
        (2, True, "test-2"),
    ]
    _, _, revision, previous = bench.reporter.calls[-1]
    assert revision == 2
    assert previous == SopReference(sop_class_uid=first.sop_class_uid, sop_instance_uid=first.sop_instance_uid)
    assert len(bench.rows(t.alarms)) == 1
    assert len(bench.rows(t.outbox)) == 4
