"""QIDO-RS and WADO-RS as user agent (PS3.18 sections 10.6 and 10.4). Addresses hold dates and UIDs, nothing else."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx

from screening_node.errors import Misconfigured, SourceRefused, SourceUnavailable
from screening_node.intake.files import FileDoor
from screening_node.intake.header import is_valid_uid
from screening_node.intake.pull.source import MOST_MATCHES, Fetched, Film, Gotten, Wanted, of_outcome
from screening_node.intake.spool import Priority
from screening_node.intake.stow.answers import JSON
from screening_node.intake.stow.multipart import BrokenMessage, Related, RelatedFiles
from screening_node.tls import ClientTls, calling

_PAGE: Final = 500
_LONGEST_ANSWER: Final = 64 * 1024 * 1024
_CHUNK: Final = 262_144
_PART10: Final = 'multipart/related; type="application/dicom"; transfer-syntax=*'
_STUDY, _SERIES, _INSTANCE = "0020000D", "0020000E", "00080018"
_MODALITY, _BODY_PART = "00080060", "00180015"


@dataclass(frozen=True, kw_only=True, slots=True)
class WebPeer:
    """A DICOMweb server by its base address; ``token`` is a file with a bearer token, read anew for each request."""

    name: str
    url: str
    ae_title: str
    tls: ClientTls | None = None
    token: Path | None = None
    seconds: float = 60.0

    def __str__(self) -> str:
        return f"{self.name} (DICOMweb at {self.url})"


class WebSource:
    """See ``Source``. Redirects are not followed: they could lead anywhere."""

    def __init__(self, peer: WebPeer, wanted: Wanted, door: FileDoor) -> None:
        """``peer.ae_title`` is kept as the sender of its films."""
        self._peer, self._wanted, self._door = peer, wanted, door
        self._client: httpx.Client | None = None

    def films(self, day: dt.date) -> Iterator[Film]:
        """Ask for studies of each modality, then their series, then those's instances."""
        studies: dict[str, None] = {}
        for modality in self._wanted.modalities:
            query = {"StudyDate": f"{day:%Y%m%d}", "ModalitiesInStudy": modality}
            studies |= dict.fromkeys(_uid(match, _STUDY) for match in self._matches("studies", query))
        for study in filter(None, studies):
            for series in self._series(study):
                for match in self._matches(f"studies/{study}/series/{series}/instances", {}):
                    if instance := _uid(match, _INSTANCE):
                        yield Film(study=study, series=series, instance=instance)

    def fetch(self, film: Film) -> Gotten:
        """One instance, from the connection to the spool."""
        path = f"studies/{film.study}/series/{film.series}/instances/{film.instance}"
        with self._asked("GET", path, {}, accept=_PART10) as response:
            if response.status_code != httpx.codes.OK:
                return Gotten(fetched=Fetched.FAILED, reason=f"WADO-RS was answered with HTTP {response.status_code}")
            try:
                return self._received(response, film)
            except BrokenMessage:
                return Gotten(fetched=Fetched.FAILED, reason="WADO-RS was answered with something that is no film")

    def check(self) -> str:
        """A query that matches nothing."""
        self._matches("studies", {"StudyInstanceUID": "2.25.1", "limit": "1"})
        return "answers QIDO-RS"

    def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _series(self, study: str) -> Iterator[str]:
        for match in self._matches(f"studies/{study}/series", {"includefield": "BodyPartExamined"}):
            series = _uid(match, _SERIES)
            if series and self._wanted.series(_text(match, _MODALITY), _text(match, _BODY_PART)):
                yield series

    def _matches(self, path: str, query: dict[str, str]) -> list[dict[str, Any]]:
        """All of them: page after page, for servers that give no more than some."""
        found: list[dict[str, Any]] = []
        while True:
            page = self._page(path, query | {"limit": str(_PAGE), "offset": str(len(found))})
            fresh = [match for match in page if match not in found[-_PAGE:]]  # there are servers without offset
            found += fresh
            if len(page) < _PAGE or not fresh:
                return found
            if len(found) > MOST_MATCHES:
                raise SourceRefused(f"{self._peer} names more than {MOST_MATCHES} matches.", fix="See its log.")

    def _page(self, path: str, query: dict[str, str]) -> list[dict[str, Any]]:
        with self._asked("GET", path, query, accept=JSON) as response:
            if response.status_code == httpx.codes.NO_CONTENT:
                return []
            self._expect(response)
            body = bytearray()
            for piece in response.iter_bytes(_CHUNK):
                body += piece
                if len(body) > _LONGEST_ANSWER:
                    raise SourceRefused(f"{self._peer} answers with more than is sensible.", fix="See its log.")
        return _matches_in(bytes(body), self._peer)

    def _received(self, response: httpx.Response, film: Film) -> Gotten:
        related = Related.read(response.headers.get("content-type", ""))
        if related is None:
            raise BrokenMessage("not multipart/related")
        origin = f"{self._peer.name} (WADO-RS)"
        begin = partial(self._door.begin, self._peer.ae_title, origin=origin, priority=Priority.BACKLOG)
        files = RelatedFiles(related, self._door, begin, study=film.study)
        try:
            for piece in response.iter_raw(_CHUNK):
                files.write(piece)
            files.end()
        finally:
            files.close()
        mine = [each for each in files.outcomes if each.sop_instance_uid == film.instance or each.refused is not None]
        if not mine:
            return Gotten(fetched=Fetched.FAILED, reason="WADO-RS was answered with another film")
        return of_outcome(mine[0])

    @contextlib.contextmanager
    def _asked(self, method: str, path: str, query: dict[str, str], *, accept: str) -> Iterator[httpx.Response]:
        url = f"{self._peer.url}/{path}"
        try:
            with self._opened().stream(method, url, params=query, headers=self._headers(accept)) as response:
                yield response
        except httpx.HTTPError as error:
            self.close()
            raise SourceUnavailable(
                f"{self._peer} cannot be reached, or broke off ({type(error).__name__}).",
                fix="Check url and tls of this [[pull]]; what was fetched is kept.",
            ) from error

    def _headers(self, accept: str) -> dict[str, str]:
        headers = {"Accept": accept, "Accept-Encoding": "identity", "User-Agent": "screening-node"}
        if self._peer.token is None:
            return headers
        try:
            token = self._peer.token.read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise SourceUnavailable(
                f"The token for {self._peer} cannot be read from {self._peer.token}.",
                fix="Write it there, one line, readable by the node's user.",
            ) from error
        return headers | {"Authorization": f"Bearer {token}"}

    def _opened(self) -> httpx.Client:
        if self._client is None:
            try:
                verify = True if self._peer.tls is None else calling(self._peer.tls).get()
            except Misconfigured as error:
                raise SourceUnavailable(f"{self._peer}: {error.message}", fix=error.fix) from error
            self._client = httpx.Client(
                verify=verify, timeout=self._peer.seconds, follow_redirects=False, trust_env=False
            )
        return self._client

    def _expect(self, response: httpx.Response) -> None:
        status = response.status_code
        if status == httpx.codes.OK:
            return
        words = f"{self._peer} answers a query with HTTP {status}."
        if status in (408, 425, 429) or status >= 500:
            raise SourceUnavailable(words, fix="See its log; the next run goes on from here.")
        raise SourceRefused(words, fix="Check url and token_file of this [[pull]]; see the server's log.")


def _matches_in(body: bytes, peer: WebPeer) -> list[dict[str, Any]]:
    try:
        matches = json.loads(body or b"[]")
    except ValueError as error:
        raise SourceRefused(f"{peer} answers a query with something other than JSON.", fix="Check url.") from error
    if not isinstance(matches, list) or not all(isinstance(match, dict) for match in matches):
        raise SourceRefused(f"{peer} answers a query with no DICOM JSON.", fix="Check url of this [[pull]].")
    return matches


def _text(match: dict[str, Any], tag: str) -> str:
    """The first value of an element (PS3.18 annex F.2), or ""."""
    element = match.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return str(values[0]).strip() if isinstance(values, list) and values else ""


def _uid(match: dict[str, Any], tag: str) -> str:
    """The same for a UID; "" where it is none, so that nothing else ever stands in an address."""
    value = _text(match, tag)
    return value if is_valid_uid(value) else ""
