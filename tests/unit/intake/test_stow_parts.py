"""Multipart messages cut anywhere; what is answered; who may send."""

from __future__ import annotations

import http
import random
from functools import partial
from ipaddress import ip_network
from pathlib import Path

import pytest
from factory import make_dx, to_bytes
from hypothesis import given, settings
from hypothesis import strategies as st

from screening_node.errors import Misconfigured
from screening_node.imaging.header import patient_of
from screening_node.intake.files import FileDoor, Limits, Outcome
from screening_node.intake.refused import Refused
from screening_node.intake.statuses import IntakeStatus
from screening_node.intake.stow.answers import of_outcomes
from screening_node.intake.stow.callers import StowCaller, Verdict, check_tokens, judged
from screening_node.intake.stow.multipart import BrokenMessage, Related, RelatedFiles
from screening_node.pathways.registry import route
from screening_node.store.archive import Archive
from screening_node.store.records import Recorded
from screening_node.store.session import Store

RELATED = Related(boundary=b"b")
TOKEN = "0123456789abcdef"


@pytest.fixture
def door(store: Store, archive: Archive) -> FileDoor:
    limits = Limits(min_free_bytes=0)
    return FileDoor(store=store, archive=archive, route=route, patient_of=patient_of, limits=limits)


def files_of(door: FileDoor, related: Related = RELATED) -> RelatedFiles:
    return RelatedFiles(related, door, partial(door.begin, "SENDER"))


def message(*parts: bytes, head: bytes = b"Content-Type: application/dicom\r\n") -> bytes:
    return b"".join(b"--b\r\n" + head + b"\r\n" + part + b"\r\n" for part in parts) + b"--b--"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 131, 132, 143, 144, 145, 1000, 4096, 1 << 20])
def test_pieces_of_any_size(door: FileDoor, archive: Archive, size: int) -> None:
    films = [make_dx(rows=16, columns=16, seed=seed) for seed in range(2)]
    whole = message(*(to_bytes(film) for film in films))
    files = files_of(door)
    for start in range(0, len(whole), size):
        files.write(whole[start : start + size])
    files.end()
    assert [each.sop_instance_uid for each in files.outcomes] == [film.SOPInstanceUID for film in films]
    assert all(each.recorded is Recorded.STORED for each in files.outcomes)


def test_pixels_that_look_like_boundaries(door: FileDoor, archive: Archive) -> None:
    pixels = (b"\r\n--B\r\n\r\n--\r\n-\r\r\n--a--\r\n--" * 200)[:512]
    film = make_dx(rows=16, columns=16, PixelData=pixels)
    whole = message(to_bytes(film))
    for seed in range(20):
        cuts = sorted(random.Random(seed).sample(range(len(whole)), 12))
        files = files_of(door)
        for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
            files.write(whole[start:end])
        assert [each.refused for each in files.outcomes] == [None]
    (kept,) = archive.kept()
    assert archive.path(kept).read_bytes().endswith(pixels)


@pytest.mark.parametrize(
    "broken",
    [
        b"no boundary",
        b"--b\r\nContent Type: x\r\n\r\n",
        b"--b\r\n" + b"X: y\r\n" * 100,
        b"--b\r\nX: " + b"y" * 10_000,
        b"--b--\r\n--b\r\n",
        message(b"")[:-4],
    ],
)
def test_messages_that_are_none(door: FileDoor, broken: bytes) -> None:
    files = files_of(door)
    try:
        files.write(broken)
        files.end()
    except BrokenMessage:
        assert files.outcomes in ([], [Outcome(sop_class_uid="", sop_instance_uid="")])
    else:
        assert files.outcomes == []


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.binary(max_size=300))
def test_any_bytes_break_only_their_message(first: bytes, second: bytes) -> None:
    """No door: the bytes never make a whole film."""
    refused = Outcome(sop_class_uid="", sop_instance_uid="", refused=Refused(IntakeStatus.CANNOT_UNDERSTAND, "x"))

    class Spool:
        def discard(self) -> None: ...

    class Reception:
        spool = Spool()

        def write(self, fragment: memoryview) -> None: ...
        def refuse(self, status: IntakeStatus, reason: str) -> None: ...

    class Door:
        def keep(self, reception: object, **_: object) -> Outcome:
            return refused

    files = RelatedFiles(RELATED, Door(), Reception)  # type: ignore[arg-type]
    try:
        files.write(b"--b\r\n" + first)
        files.write(second)
        files.end()
    except BrokenMessage:
        pass
    assert all(each is refused for each in files.outcomes)


def kept(uid: str = "1.2") -> Outcome:
    return Outcome(sop_class_uid="1.3", sop_instance_uid=uid, recorded=Recorded.STORED)


def failed(status: IntakeStatus, uid: str = "1.4") -> Outcome:
    return Outcome(sop_class_uid="1.3", sop_instance_uid=uid, refused=Refused(status, "x"))


@pytest.mark.parametrize(
    ("outcomes", "cut", "status"),
    [
        ([kept()], False, 200),
        ([kept()], True, 202),
        ([kept(), failed(IntakeStatus.OUT_OF_DISK)], False, 202),
        ([failed(IntakeStatus.OUT_OF_DISK), failed(IntakeStatus.STORE_UNAVAILABLE)], False, 503),
        ([failed(IntakeStatus.OUT_OF_DISK), failed(IntakeStatus.CANNOT_UNDERSTAND)], False, 409),
        ([failed(IntakeStatus.OBJECT_TOO_LARGE)], False, 413),
        ([failed(IntakeStatus.DUPLICATE_SOP_INSTANCE)], False, 409),
        ([], False, 400),
        ([failed(IntakeStatus.CANNOT_UNDERSTAND)], True, 400),
    ],
)
def test_statuses_of_the_answer(outcomes: list[Outcome], cut: bool, status: int) -> None:
    answer = of_outcomes(outcomes, cut=cut)
    assert answer.status == http.HTTPStatus(status)
    assert ("Retry-After" in answer.headers) == (status == 503)


def test_who_may_send(tmp_path: Path) -> None:
    pacs = StowCaller(name="PACS", networks=(ip_network("192.0.2.0/24"),), token=TOKEN)
    here = StowCaller(name="HERE", networks=(ip_network("127.0.0.0/8"),))
    gone = StowCaller(name="GONE", networks=(ip_network("198.51.100.0/24"),), token_file=tmp_path / "absent")
    callers = (pacs, here, gone)
    assert judged((), "203.0.113.1", "").sender == "STOW-RS"
    assert judged(callers, "192.0.2.7", f"bearer {TOKEN}").sender == "PACS"
    assert judged(callers, "::ffff:192.0.2.7", f"Bearer {TOKEN}").sender == "PACS"
    assert judged(callers, "127.0.0.1", "").sender == "HERE"
    assert judged(callers, "203.0.113.1", f"Bearer {TOKEN}") == Verdict(why_not="address not allowed")
    for wrong in ("", "Bearer", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN[1:]}", "Bearer ä"):
        assert judged(callers, "192.0.2.7", wrong).token_wrong
    assert judged(callers, "198.51.100.1", "Bearer ").token_wrong, "a file that is gone lets nobody in"
    assert TOKEN not in repr(pacs)


def test_tokens_are_checked_at_start(tmp_path: Path) -> None:
    short = tmp_path / "token"
    short.write_text("short\n")
    with pytest.raises(Misconfigured, match="fewer than 16"):
        check_tokens([StowCaller(name="PACS", token_file=short)])
    with pytest.raises(Misconfigured, match="cannot be read"):
        check_tokens([StowCaller(name="PACS", token_file=tmp_path / "absent")])
    check_tokens([StowCaller(name="PACS", token=TOKEN), StowCaller(name="HERE")])
