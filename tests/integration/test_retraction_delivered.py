"""An alarm is retracted, or a header corrected: what PACS, RIS and FHIR server have afterwards."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterator
from typing import Any

import message_peers as receivers
import pytest
from builders import a_patient, an_instance
from factory import make_dx, to_bytes
from integration import peers
from integration.test_delivery_dispatcher import at, delivering
from integration.test_messages_delivery import PATIENT_ENOUGH, fhir, mllp
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from screening_bench import Bench
from scripted import REFERENCE, THIN
from unit.reporting import trees

from screening_node.admin import actions
from screening_node.queue.lease import utc_now
from screening_node.reporting import codes
from screening_node.reporting.kinds import Kind, ObjectSet
from screening_node.reporting.message import MessageFormat, MessageSet
from screening_node.reporting.reporter import Reporter
from screening_node.store import corrections, records
from screening_node.store import tables as t
from screening_node.store.archive import Archive
from screening_node.store.records import NewInstance
from screening_node.store.session import Store

REPORTER = Reporter(REFERENCE, software_version="0.1", zone=dt.UTC)
DESTINATIONS = {
    "pacs": ObjectSet(),
    "ris": MessageSet(format=MessageFormat.ORU_R01),
    "fhir": MessageSet(format=MessageFormat.FHIR_R4),
}


class Site:
    """A bench with the real reporter, and what a PACS, a RIS and a FHIR server were given."""

    def __init__(self, bench: Bench, orthanc: peers.Orthanc, ris: Any, server: Any) -> None:
        self.bench, self._orthanc, self._ris, self._server = bench, orthanc, ris, server
        self.uid = generate_uid()

    @property
    def store(self) -> Store:
        return self.bench.store

    def film(self, patient_id: str, name: str) -> NewInstance:
        """The film as it comes in, under a header."""
        uids = dict.fromkeys(("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"), self.uid)
        answer = f"{THIN:>16}".encode()  # the scripted pathway reads the end of the file
        data = to_bytes(make_dx(seed=1, PatientID=patient_id, PatientName=name, DataSetTrailingPadding=answer, **uids))
        temp = self.bench.archive.spool()
        temp.write_bytes(data)
        path = self.bench.archive.keep(temp, self.uid)
        patient = a_patient(patient_id=patient_id, name=name)
        return an_instance(self.uid, data, path=path, patient=patient)

    def judge_and_deliver(self) -> None:
        """Judge what is due, then wait until everybody has what is owed to them."""
        screening = self.bench.screening(reporter=REPORTER, destinations=DESTINATIONS)
        assert self.bench.run(screening) == [None]
        to = (at(self._orthanc.port, ae_title=self._orthanc.ae_title), mllp(self._ris.port), fhir(self._server.port))
        with delivering(self.bench, self.bench.archive, *to, timeouts=PATIENT_ENOUGH):  # type: ignore[arg-type]
            peers.wait_until(lambda: {row.state for row in self.bench.rows(t.outbox)} == {"delivered"})

    def reports(self) -> list[Dataset]:
        """Structured Reports as Orthanc has them, in the order of their revisions."""
        rows = [row for row in self.bench.rows(t.outbox) if row.kind == Kind.SR]
        return [dcmread(io.BytesIO(self._orthanc.file_of(row.sop_instance_uid))) for row in rows]

    def hl7(self) -> list[dict[str, list[str]]]:
        """What the RIS was given: the fields of PID and OBR of each message."""
        messages = (data.decode().split("\r") for data in self._ris.received)
        return [
            {line[:3]: line.split("|") for line in lines if line[:3] in ("MSH", "PID", "OBR")} for lines in messages
        ]

    def fhir(self) -> list[dict[str, Any]]:
        """The DiagnosticReports that the server was given."""
        bundles = (receivers.bundle(data, r5=False) for data in self._server.received)
        resources = (entry.resource for bundle in bundles for entry in bundle.entry)
        return [one.model_dump() for one in resources if type(one).__name__ == "DiagnosticReport"]


def predecessor(report: Dataset) -> str:
    (series,) = report.PredecessorDocumentsSequence[0].ReferencedSeriesSequence
    return str(series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)


@pytest.fixture
def site(store: Store, archive: Archive, orthanc: peers.Orthanc) -> Iterator[Site]:
    """A film of the wrong patient was judged, and reported to all."""
    with receivers.mllp_receiver() as ris, receivers.fhir_server() as server:
        made = Site(Bench(store, archive), orthanc, ris, server)
        with store.begin() as tx:
            records.record_instance(tx, made.film("P-WRONG", "Wrong^Name"))
        made.judge_and_deliver()
        yield made


def test_a_retraction_reaches_pacs_ris_and_fhir_server(site: Site) -> None:
    actions.retract(site.store, 1, actor="dr", reason="A marker lay on the clavicle.")
    site.judge_and_deliver()
    first, second = site.reports()
    assert predecessor(second) == first.SOPInstanceUID
    group = trees.groups(second)["Lumbar bone density of the patient"]
    assert trees.value(trees.child(group, codes.BONE_DENSITY_ALARM)).value == "ALARM-RETRACTED"
    assert "Reason given: “A marker lay on the clavicle.”" in trees.value(trees.child(group, codes.COMMENT))
    old, new = site.hl7()
    assert (old["OBR"][25], new["OBR"][25]) == ("P", "C")
    assert old["OBR"][3] == new["OBR"][3]
    before, after = site.fhir()
    assert (before["status"], after["status"], before["id"]) == ("preliminary", "corrected", after["id"])


def test_a_corrected_header_reaches_them_with_the_right_patient(site: Site) -> None:
    right = site.film("P-RIGHT", "Right^Name")
    with site.store.begin() as tx:
        corrections.correct(tx, right, now=utc_now())
    site.judge_and_deliver()
    first, second = site.reports()
    assert (str(first.PatientID), str(second.PatientID)) == ("P-WRONG", "P-RIGHT")
    assert predecessor(second) == first.SOPInstanceUID
    group = trees.groups(second)["Lumbar bone density of the patient"]
    assert "The film's header was corrected" in trees.value(trees.child(group, codes.COMMENT))
    old, new = site.hl7()
    assert (old["PID"][5], new["PID"][5], new["OBR"][25]) == ("Wrong^Name", "Right^Name", "C")
    before, after = site.fhir()
    assert (after["status"], after["id"]) == ("corrected", before["id"])
    assert "P-RIGHT" in str(after["subject"])
    assert [row.state for row in site.bench.rows(t.alarms)] == ["closed", "open"]
