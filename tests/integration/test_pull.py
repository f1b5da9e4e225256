"""Films fetched from real archives: complete, interrupted and resumed, archive away, films that are none."""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from certificates import Authority
from factory import PATIENT_ID, PATIENT_NAME, save
from integration import archives, peers
from integration.archives import MARCH_11, MARCH_12, MARCH_13, Filled, films_of, no_film
from integration.nodes import IntakeRunner, RunningIntake

from screening_node.delivery.destination import Destination
from screening_node.delivery.sender import send_files
from screening_node.errors import SourceRefused, SourceUnavailable
from screening_node.intake.pull.dimse import DimsePeer, DimseSource
from screening_node.intake.pull.puller import Ended, Pace, Progress, Puller, days_between
from screening_node.intake.pull.source import Wanted
from screening_node.store import pulls, tables
from screening_node.store.pulls import Counts, DayState
from screening_node.tls import ClientTls, Identity, Trust

PEERS = {
    "orthanc-move": partial(archives.orthanc, way="move"),
    "orthanc-get": partial(archives.orthanc, way="get"),
    "orthanc-web": partial(archives.orthanc, way="web"),
    "dcmqrscp-move": partial(archives.dcmqrscp, way="move"),
    "dcmqrscp-get": partial(archives.dcmqrscp, way="get"),
}
DAYS = days_between(MARCH_11, MARCH_13)


def utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@pytest.fixture
def node(run_an_intake: IntakeRunner) -> Iterator[RunningIntake]:
    with run_an_intake(network_timeout=20.0, idle_timeout=20.0) as running:
        yield running


@pytest.fixture(params=sorted(PEERS))
def pacs(request: pytest.FixtureRequest, node: RunningIntake, tmp_path: Path) -> Iterator[Filled]:
    with PEERS[request.param](tmp_path / "pacs", node.port) as running:
        yield running


@pytest.fixture
def qrscp(node: RunningIntake, tmp_path: Path) -> Iterator[Filled]:
    with archives.dcmqrscp(tmp_path / "pacs", node.port) as running:
        yield running


def puller(pacs: Filled, node: RunningIntake, owner: str = "me", *, films_a_minute: float = 0) -> Puller:
    source = pacs.source(node.store, node.archive)
    return Puller("pacs", source, node.store, owner, Pace(films_a_minute=films_a_minute), clock=utc_now)


def counted(node: RunningIntake) -> dict[dt.date, tuple[DayState, Counts]]:
    return {each.day: (each.state, each.counts) for each in pulls.days(node.store, "pacs")}


def test_all_films_of_some_days_and_nothing_else(pacs: Filled, node: RunningIntake) -> None:
    first, second = films_of(MARCH_11, 3), films_of(MARCH_12, 1)
    later = films_of(dt.date(2024, 3, 20), 1)
    pacs.fill([*first, *second, *later, no_film(MARCH_12)])
    seen: list[Progress] = []
    assert puller(pacs, node).run(DAYS, threading.Event(), progress=seen.append) is Ended.DONE
    assert set(node.kept()) == {film.SOPInstanceUID for film in [*first, *second]}
    assert counted(node) == {
        MARCH_11: (DayState.DONE, Counts(found=3, taken=3)),
        MARCH_12: (DayState.DONE, Counts(found=1, taken=1)),
        MARCH_13: (DayState.DONE, Counts()),
    }
    assert {row.priority for row in node.rows(tables.jobs)} == {-10}, "live films go before"
    assert {row.calling_ae for row in node.rows(tables.instances)} == {pacs.where.ae_title}
    assert seen[0].day == MARCH_13, "the newest first"
    assert seen[-1].days_left == 0
    assert puller(pacs, node).run(DAYS, threading.Event()) is Ended.DONE
    assert len(node.kept()) == node.jobs() == 4


def test_interrupted_and_resumed(pacs: Filled, node: RunningIntake) -> None:
    films = films_of(MARCH_11, 4)
    pacs.fill(films)
    stop = threading.Event()
    taken: list[Progress] = []

    def after_two(at: Progress) -> None:
        taken.append(at)
        if len(taken) == 2:
            stop.set()

    assert puller(pacs, node).run([MARCH_11], stop, progress=after_two) is Ended.STOPPED
    assert counted(node)[MARCH_11] == (DayState.OPEN, Counts(found=2, taken=2))
    assert puller(pacs, node, "another").run([MARCH_11], threading.Event()) is Ended.DONE
    assert counted(node)[MARCH_11] == (DayState.DONE, Counts(found=4, taken=2, there=2))
    assert set(node.kept()) == {film.SOPInstanceUID for film in films}
    assert node.jobs() == 4


@pytest.mark.parametrize("kind", ["dcmqrscp-move", "dcmqrscp-get", "orthanc-web"])
def test_an_archive_that_goes_away_and_comes_back(kind: str, node: RunningIntake, tmp_path: Path) -> None:
    port = peers.free_port()
    with PEERS[kind](tmp_path / "pacs", node.port, port=port) as pacs:
        pacs.fill(films_of(MARCH_11, 3))
        asked = pacs.source(node.store, node.archive)
        films = asked.films(MARCH_11)
        first = next(films)
        assert asked.fetch(first).fetched == "taken"
        running = Puller("pacs", asked, node.store, "me", Pace(), clock=utc_now)
    with pytest.raises(SourceUnavailable):
        running.run([MARCH_11], threading.Event())
    (day,) = pulls.days(node.store, "pacs")
    assert (day.state, day.attempt) == (DayState.OPEN, 1)
    assert day.error is not None
    assert pulls.holder(node.store, "pacs", now=utc_now()) is None


@pytest.mark.parametrize("kind", ["orthanc-web", "dcmqrscp-move"])
def test_series_of_other_body_parts_are_left_there(kind: str, node: RunningIntake, tmp_path: Path) -> None:
    wanted = Wanted(body_parts=("CHEST",))
    chest, hand = films_of(MARCH_11, 1), films_of(MARCH_11, 1, BodyPartExamined="HAND")
    unnamed = films_of(MARCH_11, 1, BodyPartExamined=None)
    with PEERS[kind](tmp_path / "pacs", node.port, wanted=wanted) as pacs:
        pacs.fill([*chest, *hand, *unnamed])
        assert puller(pacs, node).run([MARCH_11], threading.Event()) is Ended.DONE
    kept = set(node.kept())
    assert {film.SOPInstanceUID for film in [*chest, *unnamed]} <= kept
    if kind == "orthanc-web":  # dcmqrscp does not say the body part: then a series is fetched
        assert hand[0].SOPInstanceUID not in kept


def test_one_at_a_time(qrscp: Filled, node: RunningIntake) -> None:
    qrscp.fill(films_of(MARCH_11, 2))
    inside, go_on = threading.Event(), threading.Event()

    def hold(at: Progress) -> None:
        inside.set()
        go_on.wait(20)

    first = puller(qrscp, node, "one")
    thread = threading.Thread(target=first.run, args=([MARCH_11], threading.Event()), kwargs={"progress": hold})
    thread.start()
    assert inside.wait(20)
    assert puller(qrscp, node, "two").run([MARCH_11], threading.Event()) is Ended.BUSY
    go_on.set()
    thread.join(30)
    assert counted(node)[MARCH_11] == (DayState.DONE, Counts(found=2, taken=2))


def test_no_faster_than_told(qrscp: Filled, node: RunningIntake, monkeypatch: pytest.MonkeyPatch) -> None:
    qrscp.fill(films_of(MARCH_11, 3))
    waits: list[float] = []

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0.0)
            return False

    assert puller(qrscp, node, films_a_minute=30).run([MARCH_11], Stop()) is Ended.DONE
    assert waits[0] == 0.0
    assert all(0 < wait <= 2.0 for wait in waits[1:])
    assert len(waits) == 3


def test_the_window_closes(qrscp: Filled, node: RunningIntake) -> None:
    qrscp.fill(films_of(MARCH_11, 3))
    left = iter([True, True, False])
    ended = puller(qrscp, node).run([MARCH_11], threading.Event(), may_go_on=lambda: next(left))
    assert ended is Ended.STOPPED
    assert counted(node)[MARCH_11] == (DayState.OPEN, Counts(found=2, taken=2))


def test_an_archive_that_does_not_know_where_the_node_is(node: RunningIntake, tmp_path: Path) -> None:
    with archives.dcmqrscp(tmp_path / "pacs", peers.free_port()) as pacs:
        pacs.fill(films_of(MARCH_11, 1))
        ended = puller(pacs, node).run([MARCH_11], threading.Event())
        assert ended is Ended.DONE
        assert counted(node)[MARCH_11] == (DayState.PARTIAL, Counts(found=1, failed=1))


def test_over_tls(node: RunningIntake, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    pair, own = authority.issue("orthanc"), authority.issue("node")
    settings = {
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": str(pair.certificate),
        "DicomTlsPrivateKey": str(pair.key),
        "DicomTlsTrustedCertificates": str(authority.certificate),
        "DicomTlsRemoteCertificateRequired": True,
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowGet": True,
    }
    (film,) = films_of(MARCH_11, 1)
    identity = Identity(certificate=own.certificate, key=own.key)
    tls = ClientTls(trust=Trust(authorities=authority.certificate), identity=identity)
    with peers.orthanc(tmp_path / "pacs", **settings) as pacs:
        there = Destination(name="pacs", ae_title="ORTHANC", host="127.0.0.1", port=pacs.port, tls=tls)
        assert send_files([save(film, tmp_path / "film.dcm")], there, calling_ae="CR1")[0].error is None
        peer = DimsePeer(
            name="pacs",
            ae_title="ORTHANC",
            host="127.0.0.1",
            port=pacs.port,
            calling_ae="NODE",
            by_get=True,
            tls=tls,
            seconds=20,
        )
        door = archives.door_of(node.store, node.archive)
        for each in (peer, replace(peer, tls=replace(tls, identity=None)), replace(peer, tls=None)):
            asked = DimseSource(each, Wanted(), door, lambda uid: False)
            fetching = Puller("pacs", asked, node.store, "me", Pace(), clock=utc_now)
            if each is peer:
                assert fetching.run([MARCH_11], threading.Event()) is Ended.DONE
            else:
                with pytest.raises(SourceUnavailable, match="cannot be reached"):
                    fetching.run([MARCH_12], threading.Event())
    assert list(node.kept()) == [film.SOPInstanceUID]


def test_a_move_destination_that_is_unknown(node: RunningIntake, tmp_path: Path) -> None:
    with archives.dcmqrscp(tmp_path / "pacs", node.port) as pacs:
        pacs.fill(films_of(MARCH_11, 1))
        peer = DimsePeer(name="pacs", ae_title="QRSCP", host="127.0.0.1", port=pacs.where.port, calling_ae="STRANGER")
        door = archives.door_of(node.store, node.archive)
        asked = DimseSource(peer, Wanted(), door, lambda uid: False)
        with pytest.raises(SourceRefused, match="does not know where STRANGER is"):
            Puller("pacs", asked, node.store, "me", Pace(), clock=utc_now).run([MARCH_11], threading.Event())


def test_no_patient_data_in_its_log(qrscp: Filled, node: RunningIntake, caplog: pytest.LogCaptureFixture) -> None:
    qrscp.fill(films_of(MARCH_11, 1))
    with caplog.at_level(logging.INFO, logger="screening_node"):
        puller(qrscp, node).run([MARCH_11], threading.Event())
    assert "1 found, 1 taken" in caplog.text
    assert PATIENT_NAME not in caplog.text
    assert PATIENT_ID not in caplog.text
