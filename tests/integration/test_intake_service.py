"""The intake as a process would run it: start, stop, limits, and what it leaves behind."""

import logging
import os
import socket
import threading
from dataclasses import replace

import pydicom.config
import pytest
from factory import DX_PRESENTATION, make_dx
from integration import peers
from integration.modality import data_set_of, ended, modality, raw_association
from integration.nodes import QUICK_INTAKE, IntakeRunner, RunningIntake, running_intake

from screening_node.errors import Misconfigured
from screening_node.imaging.header import patient_of
from screening_node.intake.scp import archivable_transfer_syntaxes, run_intake, supported_contexts
from screening_node.intake.statuses import IntakeStatus as Status
from screening_node.pathways.registry import route
from screening_node.store.archive import Archive
from screening_node.store.session import Store


def test_a_port_that_is_taken(store: Store, archive: Archive) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        config = replace(QUICK_INTAKE, port=other.getsockname()[1])
        with pytest.raises(Misconfigured, match="cannot listen") as caught:
            run_intake(config, store, archive, route, patient_of, threading.Event())
    assert "stop the program" in caught.value.fix


def test_stopping_lets_a_running_transfer_end(store: Store, archive: Archive) -> None:
    film = make_dx(rows=256, columns=256)
    data = data_set_of(film)
    stop, ready, port = threading.Event(), threading.Event(), list[int]()

    def listening(at: int) -> None:
        port.append(at)
        ready.set()

    config = replace(QUICK_INTAKE, drain_seconds=20.0)
    thread = threading.Thread(target=run_intake, args=(config, store, archive, route, patient_of, stop, listening))
    thread.start()
    assert ready.wait(10)
    with modality(port[0]) as sender:
        last = sender.request(data, film.SOPInstanceUID, DX_PRESENTATION, DX_PRESENTATION, keep=1)
        stop.set()
        peers.wait_until(lambda: not peers.listens(port[0]))
        sender.finish(last)
        assert sender.wait_for_response().Status == Status.SUCCESS
    thread.join(10)
    assert not thread.is_alive()


def test_stopping_aborts_an_association_that_does_not_end(store: Store, archive: Archive) -> None:
    with running_intake(store, archive, network_timeout=60.0) as node, raw_association(node.port) as peer:
        pass_on = peer.dup()
    with pass_on:
        assert ended(pass_on)


def test_negotiates_a_large_pdu(intake: RunningIntake) -> None:
    with modality(intake.port) as sender:
        assert sender.association.acceptor.maximum_length == 131072


def test_libraries_keep_quiet(intake: RunningIntake) -> None:
    assert peers.listens(intake.port)
    assert logging.getLogger("pynetdicom").getEffectiveLevel() >= logging.WARNING
    assert pydicom.config.settings.reading_validation_mode == pydicom.config.IGNORE


def test_old_torn_files_are_swept_and_young_ones_are_not(run_an_intake: IntakeRunner, archive: Archive) -> None:
    old, young = archive.spool(), archive.spool()
    for path in (old, young):
        path.write_bytes(b"torn")
    os.utime(old, (1, 1))
    with run_an_intake() as node:
        assert node.spooled() == [young]


def test_every_encoding_of_films_and_no_reference_or_stream() -> None:
    syntaxes = archivable_transfer_syntaxes()
    assert syntaxes[:2] == ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"]
    assert len(syntaxes) == len(set(syntaxes))
    for wanted in ("1.99", "2", "4.50", "4.51", "4.57", "4.70", "4.80", "4.81", "4.90", "4.91", "4.201", "4.202", "5"):
        assert f"1.2.840.10008.1.2.{wanted}" in syntaxes
    for unwanted in ("4.94", "4.95", "4.204", "4.205", "7.1", "7.2", "7.3"):
        assert f"1.2.840.10008.1.2.{unwanted}" not in syntaxes


def test_every_storage_class_is_offered() -> None:
    classes = {context.abstract_syntax for context in supported_contexts()}
    assert "1.2.840.10008.1.1" in classes
    assert len(classes) > 150
