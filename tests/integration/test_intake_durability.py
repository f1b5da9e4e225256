"""What is acknowledged is kept, whenever the intake dies; what it needs does not grow with what it takes."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa
from factory import DX_PRESENTATION, make_dx, save
from integration import peers
from integration.modality import command_bytes, data_set_of, ended, modality, p_data, raw_association, receive_pdu

from screening_node.intake.statuses import IntakeStatus as Status
from screening_node.store import tables
from screening_node.store.archive import Archive
from screening_node.store.session import Store

PROGRAM = Path(__file__).parents[1] / "intake_process.py"


@dataclass(frozen=True, kw_only=True)
class Process:
    """A running intake process."""

    port: int
    process: subprocess.Popen[str]


@contextmanager
def intake_process(store: Store, archive: Archive, crash: str = "", port: int = 0) -> Iterator[Process]:
    command = [sys.executable, str(PROGRAM), str(store.file), str(archive.root), str(port), *([crash] if crash else [])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        try:
            yield Process(port=int(process.stdout.readline()), process=process)
        finally:
            peers.stop(process)  # type: ignore[arg-type]


def kept(store: Store, archive: Archive) -> dict[str, bytes]:
    with store.read() as tx:
        rows = tx.execute(sa.select(tables.instances)).all()
    return {row.sop_instance_uid: archive.path(row.path).read_bytes() for row in rows}


def jobs(store: Store) -> int:
    with store.read() as tx:
        return len(tx.execute(sa.select(tables.jobs)).all())


@pytest.mark.parametrize(("crash", "rows"), [("kept", 0), ("committed", 1)])
def test_a_crash_before_the_answer_loses_nothing_and_doubles_nothing(
    store: Store, archive: Archive, crash: str, rows: int
) -> None:
    film = make_dx(rows=300, columns=300)
    with intake_process(store, archive, crash) as dying, modality(dying.port) as sender:
        assert sender.store_dataset(film) is None, "no answer"
        assert dying.process.wait(10) == 9
    assert len(kept(store, archive)) == rows
    assert len(list(archive.kept())) == 1, "its bytes are in their place already"
    with intake_process(store, archive) as node, modality(node.port) as sender:
        assert sender.store_dataset(film) == Status.SUCCESS, "the sender tries again"
    assert list(kept(store, archive)) == [film.SOPInstanceUID]
    assert kept(store, archive)[film.SOPInstanceUID].endswith(data_set_of(film))
    assert len(list(archive.kept())) == jobs(store) == 1


@pytest.mark.parametrize("size", [1, 2, 7, 333, 4096, 65536, 131066])
def test_fragments_of_any_size(store: Store, archive: Archive, size: int) -> None:
    """Several values in a PDU where they are small; commands in pieces, too."""
    film = make_dx(rows=16 if size < 10 else 400, columns=16 if size < 10 else 400)
    data, command = data_set_of(film), command_bytes(sop_instance_uid=film.SOPInstanceUID)
    with intake_process(store, archive) as node, raw_association(node.port) as peer:
        pieces = [(command[:5], 0x01), (command[5:], 0x03)]
        pieces += [(data[at : at + size], 0x00) for at in range(0, len(data), size)]
        pieces.append((b"", 0x02))
        peer.sendall(b"".join(p_data(piece, control) for piece, control in pieces))
        answer = receive_pdu(peer)
    assert b"\0\0\0\x09\x02\0\0\0\0\0" in answer, "status (0000,0900) 0x0000"
    assert kept(store, archive)[film.SOPInstanceUID].endswith(data)


def test_films_one_after_the_other_without_waiting_for_answers(store: Store, archive: Archive) -> None:
    films = [make_dx(rows=200, columns=200, seed=seed) for seed in range(5)]
    stream = b"".join(
        p_data(command_bytes(sop_instance_uid=film.SOPInstanceUID), 0x03) + p_data(data_set_of(film), 0x02)
        for film in films
    )
    with intake_process(store, archive) as node, raw_association(node.port) as peer:
        peer.sendall(stream)
        answers = [receive_pdu(peer) for _ in films]
    assert all(b"\0\0\0\x09\x02\0\0\0\0\0" in answer for answer in answers)
    assert set(kept(store, archive)) == {film.SOPInstanceUID for film in films}


def test_data_of_another_context_between_the_fragments(store: Store, archive: Archive) -> None:
    data = data_set_of(make_dx())
    with intake_process(store, archive) as node, raw_association(node.port) as peer:
        peer.sendall(p_data(command_bytes(), 0x03) + p_data(data[:100], 0x00) + p_data(data[100:], 0x02, context=3))
        assert ended(peer)
    assert kept(store, archive) == {}


def test_memory_does_not_grow_with_films(store: Store, archive: Archive) -> None:
    film = make_dx(rows=2600, columns=2600)  # 13.5 MB
    data = data_set_of(film)
    with intake_process(store, archive) as node:
        with modality(node.port, [DX_PRESENTATION]) as sender:
            assert sender.store(data, sop_instance_uid=film.SOPInstanceUID) == Status.SUCCESS
            process = psutil.Process(node.process.pid)
            before = process.memory_info().rss
            for _ in range(8):
                assert sender.store(data, sop_instance_uid=film.SOPInstanceUID) == Status.SUCCESS
        for number in range(150):
            small = make_dx(seed=number)
            with modality(node.port) as sender:
                assert sender.store_dataset(small) == Status.SUCCESS
        after = process.memory_info().rss
        descriptors = process.num_fds()
    assert after < 150e6
    assert after - before < 8e6, "less than one film"
    assert descriptors < 40


def test_two_processes_share_a_port_and_one_dies(store: Store, archive: Archive, tmp_path: Path) -> None:
    films = [make_dx(seed=seed) for seed in range(24)]
    paths = [save(film, tmp_path / f"{number}.dcm") for number, film in enumerate(films)]
    port = peers.free_port()
    with intake_process(store, archive, port=port) as first, intake_process(store, archive, port=port) as second:
        senders = [_storescu(port, *paths[start:18:6]) for start in range(6)]
        assert [sender.wait(60) for sender in senders] == [0] * 6
        first.process.kill()
        first.process.wait(10)
        assert [_storescu(port, path).wait(60) for path in paths[18:]] == [0] * 6
        assert second.process.poll() is None
    assert set(kept(store, archive)) == {film.SOPInstanceUID for film in films}
    assert jobs(store) == 24


def _storescu(port: int, *films: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([peers.require("storescu", "dcmtk"), "127.0.0.1", str(port), *map(str, films)])
