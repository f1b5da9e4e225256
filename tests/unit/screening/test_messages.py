"""Messages on the way of a film: owed with the result, in one commit, each naming the one that it replaces."""

from __future__ import annotations

from dataclasses import replace

from screening_bench import Bench, rescreen
from scripted import THIN

from screening_node.domain.result import ModelIdentity
from screening_node.reporting.kinds import ObjectSet, SopReference
from screening_node.reporting.message import MessageFormat, MessageSet
from screening_node.store import tables as t

HL7, FHIR = MessageSet(format=MessageFormat.ORU_R01), MessageSet(format=MessageFormat.FHIR_R4)


def another_model(identity: ModelIdentity) -> ModelIdentity:
    return replace(identity, weights_sha256="f" * 64)


def test_messages_are_owed_beside_objects(bench: Bench) -> None:
    bench.film(THIN)
    assert bench.run(bench.screening(destinations={"pacs": ObjectSet(), "ris": HL7, "fhir": FHIR})) == [None]
    owed = {row.destination: (row.kind, row.sop_class_uid) for row in bench.rows(t.outbox)}
    assert owed["ris"] == ("HL7", "HL7 2.5.1 ORU^R01")
    assert owed["fhir"] == ("FHIR", "FHIR R4")
    assert owed["pacs"][0] == "SR"


def test_judging_again_serves_a_receiver_that_was_added_and_none_twice(bench: Bench) -> None:
    exam = bench.film(THIN)
    bench.run(bench.screening(destinations={"ris": HL7}))
    for _ in range(2):
        rescreen(bench, exam, bench.screening(destinations={"ris": HL7, "fhir": FHIR}))
    assert sorted(row.destination for row in bench.rows(t.outbox)) == ["fhir", "ris"]


def test_a_revision_names_the_message_that_this_receiver_has_and_no_other(bench: Bench) -> None:
    exam = bench.film(THIN)
    both = {"pacs": ObjectSet(), "ris": HL7}
    bench.run(bench.screening(destinations=both))
    first = {row.destination: row for row in bench.rows(t.outbox)}
    bench.pathway.identity = another_model(bench.pathway.identity)
    rescreen(bench, exam, bench.screening(destinations={**both, "fhir": FHIR, "other": HL7}))
    previous = {wanted.kind: [] for wanted in bench.reporter.asked}
    for wanted in bench.reporter.asked:
        previous[wanted.kind].append(wanted.previous)
    ris = SopReference(sop_class_uid=first["ris"].sop_class_uid, sop_instance_uid=first["ris"].sop_instance_uid)
    pacs = SopReference(sop_class_uid=first["pacs"].sop_class_uid, sop_instance_uid=first["pacs"].sop_instance_uid)
    assert previous["SR"] == [pacs]
    assert previous["HL7"] == [ris, None]
    assert previous["FHIR"] == [None]
