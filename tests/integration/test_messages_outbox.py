"""Messages from the outbox: delivered, parked in words, tried for days, and never an older one after a newer."""

from __future__ import annotations

import datetime as dt
import logging
from pathlib import Path

import message_peers as receivers
import pytest
import sqlalchemy as sa
from builders import NONE, a_result, an_instance
from integration import peers
from integration.test_delivery_dispatcher import CONFIG, delivering
from integration.test_messages_delivery import PATIENT, PATIENT_ENOUGH, fhir, mllp
from unit.reporting import cases
from unit.reporting.messages import made

from screening_node.delivery.destination import AnyDestination
from screening_node.reporting.message import MessageFormat
from screening_node.reporting.reporter import Report
from screening_node.store import outbox, records, tables
from screening_node.store.archive import Archive
from screening_node.store.outbox import DeliveryState, Outgoing
from screening_node.store.session import Store


class Owed:
    """Owes messages about one exam, revision after revision."""

    def __init__(self, store: Store, archive: Archive, folder: Path) -> None:
        self.store, self._archive, self._folder = store, archive, folder
        self._revision = 0
        with store.begin() as tx:
            records.record_instance(tx, an_instance(uid="1.2.3"))

    def owe(self, name: str, form: MessageFormat, created: dt.datetime | None = None) -> Report:
        self._revision += 1
        result = cases.result((-2.5, -2.61, -1.2, -0.4 + self._revision / 100))
        report = made(self._folder, result, form, revision=self._revision)
        path = self._archive.keep_report(report.data, report.sop_instance_uid, suffix=report.suffix)
        outgoing = Outgoing(
            destination=name,
            kind=report.kind,
            sop_class_uid=report.sop_class_uid,
            sop_instance_uid=report.sop_instance_uid,
            path=path,
        )
        now = created or dt.datetime.now(dt.UTC)
        with self.store.begin() as tx:
            exam_id = tx.execute(sa.select(tables.exams.c.id)).scalar_one()
            job_id = tx.execute(sa.select(tables.jobs.c.id)).scalar_one()
            exam = records.exam(tx, exam_id)
            said = result if self._revision > 1 else a_result()
            records.commit_result(tx, exam=exam, job_id=job_id, result=said, alarm=NONE, reports=[outgoing], now=now)
        return report

    def of(self, report: Report) -> outbox.Delivery:
        wanted = outbox.select_deliveries().where(tables.outbox.c.sop_instance_uid == report.sop_instance_uid)
        with self.store.read() as tx:
            return outbox.as_delivery(tx.execute(wanted).one())

    def state(self, report: Report) -> DeliveryState:
        return self.of(report).state


@pytest.fixture
def owed(store: Store, archive: Archive, tmp_path: Path) -> Owed:
    return Owed(store, archive, tmp_path)


def settled(owed: Owed, archive: Archive, destination: AnyDestination, report: Report, state: DeliveryState) -> None:
    with delivering(owed, archive, destination, timeouts=PATIENT_ENOUGH):  # type: ignore[arg-type]
        peers.wait_until(lambda: owed.state(report) is state)


def test_both_are_delivered_from_the_same_outbox(owed: Owed, archive: Archive) -> None:
    one, other = owed.owe("ris", MessageFormat.ORU_R01), owed.owe("fhir", MessageFormat.FHIR_R4)
    with (
        receivers.mllp_receiver() as ris,
        receivers.fhir_server() as server,
        delivering(owed, archive, mllp(ris.port), fhir(server.port)),  # type: ignore[arg-type]
    ):
        peers.wait_until(lambda: {owed.state(one), owed.state(other)} == {DeliveryState.DELIVERED})
    assert ris.received == [one.data]
    assert server.received == [other.data]


def test_a_refused_message_is_parked_in_words_and_goes_out_once_a_person_says_so(
    owed: Owed, archive: Archive, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    report = owed.owe("ris", MessageFormat.ORU_R01)
    with receivers.mllp_receiver(receivers.acknowledgement("AR", text="Unknown patient Doe^Jane")) as ris:
        settled(owed, archive, mllp(ris.port), report, DeliveryState.PARKED)
        parked = owed.of(report)
        assert 'refused the message with a rejection (AR): "Unknown patient …"' in (parked.error or "")
        ris.answer = receivers.acknowledgement()
        with owed.store.begin() as tx:
            outbox.requeue(tx, parked.id, dt.datetime.now(dt.UTC))
        settled(owed, archive, mllp(ris.port), report, DeliveryState.DELIVERED)
    assert ris.received == [report.data] * 2
    with owed.store.read() as tx:
        (row,) = tx.execute(sa.select(tables.audit).where(tables.audit.c.action == "delivery.parked")).all()
    assert not [word for word in PATIENT if word in caplog.text + str(row.detail)]


def test_a_refused_bundle_is_parked(owed: Owed, archive: Archive) -> None:
    report = owed.owe("fhir", MessageFormat.FHIR_R5)
    with receivers.fhir_server(version="5.0.0", status=422, body=receivers.outcome("required", "subject")) as server:
        settled(owed, archive, fhir(server.port, version="5.0"), report, DeliveryState.PARKED)
    assert "HTTP 422" in (owed.of(report).error or "")


@pytest.mark.parametrize("protocol", ["hl7", "fhir"])
def test_one_that_is_away_is_tried_again_and_given_up_after_days(protocol: str, owed: Owed, archive: Archive) -> None:
    port = peers.free_port()
    destination: AnyDestination = mllp(port) if protocol == "hl7" else fhir(port)
    form = MessageFormat.ORU_R01 if protocol == "hl7" else MessageFormat.FHIR_R4
    report = owed.owe(destination.name, form)
    with delivering(owed, archive, destination):  # type: ignore[arg-type]
        peers.wait_until(lambda: owed.of(report).error is not None)
    waiting = owed.of(report)
    assert waiting.state is DeliveryState.PENDING
    assert "cannot be reached" in (waiting.error or "")
    long_ago = dt.datetime.now(dt.UTC) - CONFIG.give_up_after
    old = owed.owe(destination.name, form, created=long_ago)
    settled(owed, archive, destination, old, DeliveryState.PARKED)
    assert "Given up after 7 days" in (owed.of(old).error or "")


def test_an_older_message_never_follows_a_newer_one(owed: Owed, archive: Archive) -> None:
    """Receivers put what comes last in the place of what they have."""
    first = owed.owe("ris", MessageFormat.ORU_R01)
    with receivers.mllp_receiver(receivers.acknowledgement("AE")) as ris:
        settled(owed, archive, mllp(ris.port), first, DeliveryState.PARKED)
        ris.answer = receivers.acknowledgement()
        second = owed.owe("ris", MessageFormat.ORU_R01)
        settled(owed, archive, mllp(ris.port), second, DeliveryState.DELIVERED)
        with owed.store.begin() as tx:
            outbox.requeue(tx, owed.of(first).id, dt.datetime.now(dt.UTC))
        settled(owed, archive, mllp(ris.port), first, DeliveryState.PARKED)
    assert "has a newer report on the same film" in (owed.of(first).error or "")
    assert ris.received == [first.data, second.data]
