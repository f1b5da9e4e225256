"""DICOMweb servers that are wrong: what they answer ends the day or counts as a film that did not come."""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from factory import make_dx, to_bytes

from screening_node.errors import SourceRefused, SourceUnavailable
from screening_node.imaging.header import patient_of
from screening_node.intake.files import FileDoor, Limits
from screening_node.intake.pull import web
from screening_node.intake.pull.source import Fetched, Film, Wanted
from screening_node.intake.pull.web import WebPeer, WebSource
from screening_node.pathways.registry import route
from screening_node.store.archive import Archive
from screening_node.store.session import Store

DAY = dt.date(2024, 3, 11)
RELATED = 'multipart/related; type="application/dicom"; boundary=b'
Answer = tuple[int, str, bytes]
Answers = Callable[[str], Answer]


class Server:
    """Answers as it is told, by path with query; remembers what was asked."""

    def __init__(self) -> None:
        self.answer: Answers = lambda path: (200, web.JSON, b"[]")
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                status, kind, body = outer.answer(self.path)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None: ...

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.05,))
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}/dicom-web"

    def close(self) -> None:
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


@pytest.fixture
def source(server: Server, store: Store, archive: Archive) -> Iterator[WebSource]:
    limits = Limits(min_free_bytes=0)
    door = FileDoor(store=store, archive=archive, route=route, patient_of=patient_of, limits=limits)
    made = WebSource(WebPeer(name="web", url=server.url, ae_title="WEB", seconds=10), Wanted(modalities=("DX",)), door)
    yield made
    made.close()


def element(value: object) -> dict[str, Any]:
    return {"vr": "UI", "Value": [value]}


def body(*parts: bytes) -> bytes:
    head = b"--b\r\nContent-Type: application/dicom\r\n\r\n"
    return b"".join(head + part + b"\r\n" for part in parts) + b"--b--"


FILM = Film(study="1.1", series="1.2", instance="1.3")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((200, "text/html", b"<html>"), SourceRefused),
        ((200, web.JSON, b'{"a": 1}'), SourceRefused),
        ((200, web.JSON, b"[1]"), SourceRefused),
        ((401, "text/plain", b""), SourceRefused),
        ((302, "text/plain", b""), SourceRefused),
        ((404, "text/plain", b""), SourceRefused),
        ((429, "text/plain", b""), SourceUnavailable),
        ((500, "text/plain", b""), SourceUnavailable),
    ],
)
def test_answers_to_a_query(server: Server, source: WebSource, answer: Answer, error: type[Exception]) -> None:
    server.answer = lambda path: answer
    with pytest.raises(error):
        list(source.films(DAY))


def test_an_answer_without_end(server: Server, source: WebSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "_LONGEST_ANSWER", 1000)
    server.answer = lambda path: (200, web.JSON, b"[" + b" " * 2000)
    with pytest.raises(SourceRefused, match="more than is sensible"):
        list(source.films(DAY))


def test_only_proper_uids_are_asked_for_again(server: Server, source: WebSource) -> None:
    matches = [{"0020000D": element("../../etc")}, {"0020000D": element("1.2?x=1")}, {"0020000D": {}}, {}]
    server.answer = lambda path: (200, web.JSON, json.dumps(matches).encode())
    assert list(source.films(DAY)) == []
    assert len(server.asked) == 1
    assert "StudyDate=20240311" in server.asked[0]


def test_pages_of_a_long_answer(server: Server, source: WebSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "_PAGE", 2)
    everything = [{"0020000D": element(f"1.2.{number}")} for number in range(5)]

    def answer(path: str) -> Answer:
        if "/series" in path:
            return 200, web.JSON, b"[]"
        offset = int(path.partition("offset=")[2])
        return 200, web.JSON, json.dumps(everything[offset : offset + 2]).encode()

    server.answer = answer
    assert list(source.films(DAY)) == []
    assert [path.partition("offset=")[2] for path in server.asked if "/series" not in path] == ["0", "2", "4"]


def test_a_server_that_knows_no_offset(server: Server, source: WebSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "_PAGE", 1)
    same = json.dumps([{"0020000D": element("1.2.3")}]).encode()
    server.answer = lambda path: (200, web.JSON, b"[]" if "/series" in path else same)
    assert list(source.films(DAY)) == []
    assert len([path for path in server.asked if "/series" not in path]) == 2


@pytest.mark.parametrize(
    "answer",
    [
        (404, "text/plain", b""),
        (200, "application/dicom", b""),
        (200, RELATED, b"nothing of the kind"),
        (200, RELATED, body()[:-2]),
        (200, RELATED, body()),
    ],
)
def test_films_that_do_not_come(server: Server, source: WebSource, answer: Answer) -> None:
    server.answer = lambda path: answer
    assert source.fetch(FILM).fetched is Fetched.FAILED
    assert server.asked == ["/dicom-web/studies/1.1/series/1.2/instances/1.3"]


def test_an_archive_that_lies(server: Server, source: WebSource, archive: Archive) -> None:
    other, broken = make_dx(), make_dx(SeriesInstanceUID=None)
    server.answer = lambda path: (200, RELATED, body(to_bytes(other)))
    assert source.fetch(FILM).fetched is Fetched.REFUSED, "of another study"
    study = Film(study=other.StudyInstanceUID, series="1.2", instance="1.3")
    assert source.fetch(study).fetched is Fetched.FAILED, "another film of that study"
    server.answer = lambda path: (200, RELATED, body(to_bytes(broken)))
    asked = Film(study=broken.StudyInstanceUID, series="1.2", instance=broken.SOPInstanceUID)
    gotten = source.fetch(asked)
    assert (gotten.fetched, gotten.reason) == (Fetched.REFUSED, "SeriesInstanceUID is missing or no valid UID.")


def test_nobody_there(server: Server, source: WebSource) -> None:
    server.close()
    with pytest.raises(SourceUnavailable, match="cannot be reached"):
        source.fetch(FILM)
