"""The outbox drained into real peers: Orthanc, DCMTK, and some that are away, hang or refuse."""

import datetime as dt
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from builders import NONE, an_instance, an_outgoing
from builders import a_result as a_screening_result
from factory import make_dx, to_bytes
from integration import peers
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, evt

from screening_node.delivery.destination import Destination, Timeouts
from screening_node.delivery.dispatcher import DeliveryConfig, owner_prefix, run_delivery
from screening_node.delivery.folder_pacs import FolderPacs
from screening_node.delivery.sockets import listen
from screening_node.reporting.kinds import COMPREHENSIVE_3D_SR, COMPREHENSIVE_SR, ENHANCED_SR
from screening_node.store import outbox, records, tables
from screening_node.store.archive import Archive
from screening_node.store.outbox import DeliveryState
from screening_node.store.session import Store

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
CONFIG = DeliveryConfig(
    ae_title="NODE", timeouts=Timeouts(connect=2.0, association=2.0, message=2.0), poll=0.02, store_pause=0.05
)


class Outbox:
    """Owes reports to destinations and tells what became of them."""

    def __init__(self, store: Store, archive: Archive) -> None:
        self.store = store
        self._archive = archive

    def owe(
        self,
        *destinations: str,
        sop_class_uid: str = COMPREHENSIVE_SR,
        kind: str = "SR",
        created: dt.datetime | None = None,
    ) -> str:
        """One report, owed to each; returns its SOP Instance UID."""
        now = created or dt.datetime.now(dt.UTC)
        uid = generate_uid()
        path = self._archive.keep_report(to_bytes(_report(uid, sop_class_uid)), uid)
        one = replace(an_outgoing("", uid=uid, path=path), sop_class_uid=sop_class_uid, kind=kind)
        owed = [replace(one, destination=name) for name in destinations]
        with self.store.begin() as tx:
            records.record_instance(tx, an_instance(uid=f"{uid}.1", received_at=now))
            key = tables.exams.c.key == f"{uid}.1"
            exam_id = tx.execute(sa.select(tables.exams.c.id).where(key)).scalar_one()
            job_id = tx.execute(sa.select(tables.jobs.c.id).where(tables.jobs.c.exam_id == exam_id)).scalar_one()
            exam = records.exam(tx, exam_id)
            records.commit_result(
                tx, exam=exam, job_id=job_id, result=a_screening_result(), alarm=NONE, reports=owed, now=now
            )
        return uid

    def of(self, uid: str, destination: str = "pacs") -> outbox.Delivery:
        """The delivery of a report to a destination."""
        table = tables.outbox.c
        wanted = outbox.select_deliveries().where(table.sop_instance_uid == uid, table.destination == destination)
        with self.store.read() as tx:
            return outbox.as_delivery(tx.execute(wanted).one())

    def numbered(self, number: int) -> outbox.Delivery:
        """The delivery of this number, whatever object it is about by now."""
        with self.store.read() as tx:
            return outbox.as_delivery(tx.execute(outbox.select_deliveries().where(tables.outbox.c.id == number)).one())

    def state(self, uid: str, destination: str = "pacs") -> DeliveryState:
        """Where it stands."""
        return self.of(uid, destination).state

    def all_delivered(self, uids: Sequence[str], destination: str = "pacs") -> bool:
        """Whether the destination has them all."""
        return all(self.state(uid, destination) is DeliveryState.DELIVERED for uid in uids)


def _report(uid: str, sop_class_uid: str) -> Dataset:
    """Something small with the UIDs of a report; these peers do not read further."""
    return make_dx(rows=2, columns=2, SOPInstanceUID=uid, SOPClassUID=sop_class_uid, Modality="SR")


@pytest.fixture
def owed(store: Store, archive: Archive) -> Outbox:
    return Outbox(store, archive)


Delivering = Callable[..., "contextmanager[None]"]


@contextmanager
def delivering(owed: Outbox, archive: Archive, *destinations: Destination, **settings: object) -> Iterator[None]:
    """Delivery on a thread, with short timeouts; it must end within seconds of being stopped."""
    stop = threading.Event()
    config = replace(CONFIG, **settings)  # type: ignore[arg-type]
    thread = threading.Thread(target=run_delivery, args=(config, destinations, owed.store, archive, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(15)
        assert not thread.is_alive()


def at(port: int, name: str = "pacs", ae_title: str = "PACS") -> Destination:
    return Destination(name=name, ae_title=ae_title, host="127.0.0.1", port=port)


def test_reports_arrive_in_orthanc(owed: Outbox, archive: Archive, orthanc: peers.Orthanc) -> None:
    uids = [owed.owe("pacs") for _ in range(20)]
    with delivering(owed, archive, at(orthanc.port, ae_title=orthanc.ae_title)):
        peers.wait_until(lambda: owed.all_delivered(uids))
    assert set(uids) <= set(orthanc.sop_instance_uids())
    assert owed.of(uids[0]).attempt == 1


def test_reports_arrive_at_every_destination(
    owed: Outbox, archive: Archive, orthanc: peers.Orthanc, storescp: peers.StoreScp
) -> None:
    uid = owed.owe("orthanc", "dcmtk")
    with delivering(owed, archive, at(orthanc.port, "orthanc", orthanc.ae_title), at(storescp.port, "dcmtk")):
        peers.wait_until(lambda: owed.all_delivered([uid], "orthanc") and owed.all_delivered([uid], "dcmtk"))
    assert len(storescp.files()) == 1
    assert uid in orthanc.sop_instance_uids()


def test_what_is_owed_later_goes_too(owed: Outbox, archive: Archive, tmp_path: Path) -> None:
    with FolderPacs(tmp_path / "pacs") as pacs, delivering(owed, archive, at(pacs.port)):
        for _ in range(3):
            uid = owed.owe("pacs")
            peers.wait_until(lambda uid=uid: owed.all_delivered([uid]))  # type: ignore[misc]
        assert len(pacs.files()) == 3


def test_a_dead_destination_does_not_hold_up_a_live_one(owed: Outbox, archive: Archive, tmp_path: Path) -> None:
    uids = [owed.owe("dead", "hanging", "live") for _ in range(5)]
    with (
        FolderPacs(tmp_path / "pacs") as live,
        socket.create_server(("127.0.0.1", 0)) as hanging,
        delivering(
            owed,
            archive,
            at(peers.free_port(), "dead"),
            at(hanging.getsockname()[1], "hanging"),
            at(live.port, "live"),
            timeouts=Timeouts(connect=60.0, association=60.0, message=60.0),
        ),
    ):
        peers.wait_until(lambda: owed.all_delivered(uids, "live"))
        peers.wait_until(lambda: owed.of(uids[-1], "dead").error is not None)
        assert {owed.state(uid, "hanging") for uid in uids} == {DeliveryState.SENDING}
    dead = owed.of(uids[0], "dead")
    assert dead.state is DeliveryState.PENDING
    assert "cannot be reached" in (dead.error or "")
    assert dead.not_before > dt.datetime.now(dt.UTC)


def test_a_pacs_that_comes_back_gets_what_it_missed(owed: Outbox, archive: Archive, tmp_path: Path) -> None:
    port = peers.free_port()
    uids = [owed.owe("pacs") for _ in range(3)]
    with delivering(owed, archive, at(port)):
        peers.wait_until(lambda: all(owed.of(uid).error for uid in uids))
        with FolderPacs(tmp_path / "pacs", port=port) as pacs:
            _make_due(owed, uids)
            peers.wait_until(lambda: owed.all_delivered(uids))
            assert len(pacs.files()) == 3
    assert owed.of(uids[0]).error is None
    assert owed.of(uids[0]).attempt == 2


def _make_due(owed: Outbox, uids: Sequence[str]) -> None:
    with owed.store.begin() as tx:
        for uid in uids:
            outbox.requeue(tx, owed.of(uid).id, dt.datetime.now(dt.UTC))


def test_a_pacs_that_restarts_between_two_reports(owed: Outbox, archive: Archive, tmp_path: Path) -> None:
    port = peers.free_port()
    with delivering(owed, archive, at(port), idle_close=600.0):
        for _ in range(2):
            with FolderPacs(tmp_path / "pacs", port=port):
                uid = owed.owe("pacs")
                peers.wait_until(lambda uid=uid: owed.all_delivered([uid]))  # type: ignore[misc]
    assert owed.of(uid).attempt == 1


def test_a_refused_sop_class_is_parked_and_the_others_go(owed: Outbox, archive: Archive, tmp_path: Path) -> None:
    refused = owed.owe("pacs", sop_class_uid="1.2.840.10008.5.1.4.999.1")
    taken = owed.owe("pacs")
    with FolderPacs(tmp_path / "pacs") as pacs, delivering(owed, archive, at(pacs.port)):
        peers.wait_until(lambda: owed.all_delivered([taken]))
        peers.wait_until(lambda: owed.state(refused) is DeliveryState.PARKED)
    assert "SOP class" in (owed.of(refused).error or "")
    with owed.store.read() as tx:
        (row,) = tx.execute(sa.select(tables.audit)).all()
    assert (row.action, row.subject) == ("delivery.parked", refused)


def test_a_report_that_makes_the_peer_break_off_does_not_hold_up_the_others(
    owed: Outbox, archive: Archive, tmp_path: Path
) -> None:
    poison, others = owed.owe("pacs"), [owed.owe("pacs") for _ in range(4)]
    entity = AE(ae_title="PACS")
    entity.add_supported_context(COMPREHENSIVE_SR)

    def break_off_over_poison(event: evt.Event) -> int:
        if event.request.AffectedSOPInstanceUID == poison:
            event.assoc.abort()
        return 0

    server = listen(entity, ("127.0.0.1", 0), [(evt.EVT_C_STORE, break_off_over_poison)], name="scp")
    with delivering(owed, archive, at(server.server_address[1])):
        peers.wait_until(lambda: owed.all_delivered(others))
    server.shutdown()
    assert owed.state(poison) is DeliveryState.PENDING
    assert "ended the association" in (owed.of(poison).error or "")
    assert {owed.of(uid).attempt for uid in others} == {1}


def test_a_pacs_that_does_not_know_us(owed: Outbox, archive: Archive, tmp_path: Path) -> None:
    uid = owed.owe("pacs")
    with peers.storescp(tmp_path / "closed", "--refuse") as closed, delivering(owed, archive, at(closed.port)):
        peers.wait_until(lambda: owed.state(uid) is DeliveryState.PARKED)
    assert "rejected the association" in (owed.of(uid).error or "")


def test_given_up_after_days(owed: Outbox, archive: Archive) -> None:
    uid = owed.owe("pacs", created=dt.datetime.now(dt.UTC) - dt.timedelta(days=8))
    with delivering(owed, archive, at(peers.free_port())):
        peers.wait_until(lambda: owed.state(uid) is DeliveryState.PARKED)
    assert (owed.of(uid).error or "").startswith("Given up after 7 days.")


def test_missing_bytes_are_parked_with_the_reason(owed: Outbox, archive: Archive, tmp_path: Path) -> None:
    lost, there = owed.owe("pacs"), owed.owe("pacs")
    archive.path(owed.of(lost).path).unlink()
    with FolderPacs(tmp_path / "pacs") as pacs, delivering(owed, archive, at(pacs.port)):
        peers.wait_until(lambda: owed.all_delivered([there]))
        peers.wait_until(lambda: owed.state(lost) is DeliveryState.PARKED)
    assert "not in the archive" in (owed.of(lost).error or "")


def test_an_archive_that_is_not_mounted_is_waited_for(owed: Outbox, archive: Archive, tmp_path: Path) -> None:
    uid = owed.owe("pacs")
    archive.root.rename(tmp_path / "elsewhere")
    with FolderPacs(tmp_path / "pacs") as pacs, delivering(owed, archive, at(pacs.port)):
        peers.wait_until(lambda: owed.of(uid).error is not None)
        assert owed.state(uid) is DeliveryState.PENDING
        (tmp_path / "elsewhere").rename(archive.root)
        _make_due(owed, [uid])
        peers.wait_until(lambda: owed.all_delivered([uid]))


def test_what_a_killed_process_held_is_sent_at_the_next_start(owed: Outbox, archive: Archive, tmp_path: Path) -> None:
    uid = owed.owe("pacs")
    now = dt.datetime.now(dt.UTC)
    (held,) = outbox.claim_due(owed.store, "pacs", f"{owner_prefix()}1:dead", now, 10, 3600)
    assert held.state is DeliveryState.SENDING
    with FolderPacs(tmp_path / "pacs") as pacs, delivering(owed, archive, at(pacs.port)):
        peers.wait_until(lambda: owed.all_delivered([uid]))
        assert len(pacs.files()) == 1


def test_a_store_that_is_locked_for_a_while(owed: Outbox, archive: Archive, tmp_path: Path) -> None:
    impatient = Outbox(Store(f"sqlite:///{owed.store.file}", busy_seconds=0.1), archive)
    uid = owed.owe("pacs")
    with FolderPacs(tmp_path / "pacs") as pacs:
        with owed.store.begin(), delivering(impatient, archive, at(pacs.port)):
            time.sleep(0.5)
            assert pacs.files() == []
        with delivering(impatient, archive, at(pacs.port)):
            peers.wait_until(lambda: owed.all_delivered([uid]))
    impatient.store.close()


def test_stops_at_once_while_a_destination_hangs(owed: Outbox, archive: Archive) -> None:
    owed.owe("pacs")
    patient = Timeouts(connect=600.0, association=600.0, message=600.0)
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        with delivering(owed, archive, at(hanging.getsockname()[1]), timeouts=patient):
            peer, _ = hanging.accept()
            peer.recv(10)
        peer.close()  # delivering() has asserted that it ended


def test_destinations_that_are_no_longer_configured_are_named(
    owed: Outbox, archive: Archive, caplog: pytest.LogCaptureFixture
) -> None:
    owed.owe("forgotten")
    with caplog.at_level(logging.WARNING), delivering(owed, archive):
        peers.wait_until(lambda: "forgotten" in caplog.text)


@contextmanager
def archive_for(*sop_classes: str, status: int = 0x0000) -> Iterator[tuple[int, list[tuple[str, str]]]]:
    """A PACS that takes these SOP classes only; its port, and (class, instance) of what it was sent."""
    received: list[tuple[str, str]] = []

    def on_store(event: evt.Event) -> int:
        received.append((event.request.AffectedSOPClassUID, event.request.AffectedSOPInstanceUID))
        return status if event.request.AffectedSOPClassUID == COMPREHENSIVE_3D_SR else 0x0000

    entity = AE(ae_title="PACS")
    for sop_class in sop_classes:
        entity.add_supported_context(sop_class)
    server = listen(entity, ("127.0.0.1", 0), [(evt.EVT_C_STORE, on_store)], name="scp")
    try:
        yield int(server.socket.getsockname()[1]), received
    finally:
        server.shutdown()


@pytest.mark.parametrize(
    ("takes", "status", "stored"),
    [
        ([COMPREHENSIVE_SR, ENHANCED_SR], 0x0000, COMPREHENSIVE_SR),
        ([ENHANCED_SR], 0x0000, ENHANCED_SR),
        ([COMPREHENSIVE_3D_SR, COMPREHENSIVE_SR], 0x0122, COMPREHENSIVE_SR),
    ],
)
def test_a_report_goes_on_in_a_class_that_the_destination_takes(
    owed: Outbox, archive: Archive, takes: list[str], status: int, stored: str
) -> None:
    uid = owed.owe("pacs", sop_class_uid=COMPREHENSIVE_3D_SR)
    number = owed.of(uid).id
    with archive_for(*takes, status=status) as (port, received), delivering(owed, archive, at(port)):
        peers.wait_until(lambda: owed.numbered(number).state is DeliveryState.DELIVERED)
    delivery = owed.numbered(number)
    assert received[-1] == (stored, delivery.sop_instance_uid)
    assert delivery.sop_class_uid == stored
    assert delivery.sop_instance_uid != uid, "other content always has another UID"
    sent = dcmread(archive.existing(delivery.path))
    assert (sent.SOPClassUID, sent.file_meta.MediaStorageSOPInstanceUID) == (stored, delivery.sop_instance_uid)
    with owed.store.read() as tx:
        rows = tx.execute(sa.select(tables.audit).where(tables.audit.c.action == "delivery.substituted")).all()
    assert len(rows) == (2 if stored == ENHANCED_SR else 1)


def test_a_class_that_has_no_other_is_parked_and_named(owed: Outbox, archive: Archive) -> None:
    page = owed.owe("pacs", sop_class_uid=SECONDARY_CAPTURE, kind="SC")
    report = owed.owe("pacs", sop_class_uid=ENHANCED_SR)
    with archive_for(COMPREHENSIVE_SR) as (port, _), delivering(owed, archive, at(port)):
        peers.wait_until(lambda: {owed.state(page), owed.state(report)} == {DeliveryState.PARKED})
    for uid in (page, report):
        assert "SOP class" in str(owed.of(uid).error)
