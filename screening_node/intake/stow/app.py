"""STOW-RS as an ASGI application: who asks, what for, the body to the door, the answer once all is committed."""

from __future__ import annotations

import asyncio
import contextlib
import http
import logging
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from screening_node.intake.callers import Doorkeeper
from screening_node.intake.files import FileDoor
from screening_node.intake.header import is_valid_uid
from screening_node.intake.stow.answers import JSON, RETRY_AFTER_SECONDS, Answer, of_outcomes, refusal
from screening_node.intake.stow.callers import StowCaller, judged
from screening_node.intake.stow.multipart import BrokenMessage, Related, RelatedFiles

logger = logging.getLogger(__name__)

#: So much of a body is in memory, twice at most.
_BATCH = 262_144
#: Of a body that is not wanted so much is read, for so long, before the connection is closed.
_MOST_DROPPED = 33_554_432
_DROP_SECONDS = 5.0
_JSON_TYPES = (JSON, "application/json", "application/*", "*/*")

Status = http.HTTPStatus


@dataclass(frozen=True, kw_only=True)
class StowRules:
    """Who may send and how much. ``patience`` (seconds) is what a sender gets for each 256 KiB."""

    callers: tuple[StowCaller, ...] = ()
    max_requests: int = 16
    max_request_bytes: int = 4096 * 1024 * 1024
    patience: float = 60.0


class _TooLong(Exception):
    """More bytes than one request may have."""


class Stow:
    """The Store transaction of the studies' resource; one object serves all requests."""

    def __init__(self, door: FileDoor, doorkeeper: Doorkeeper, rules: StowRules) -> None:
        self._door, self._doorkeeper, self._rules = door, doorkeeper, rules
        self._running = 0

    def application(self) -> Starlette:
        """The routes: nothing else is there."""
        paths = ("/studies", "/studies/{study}")
        return Starlette(routes=[Route(path, self._respond, methods=["POST"]) for path in paths])

    async def _respond(self, request: Request) -> Response:
        answer = await self._answer(request)
        headers = {**answer.headers, "Cache-Control": "no-store"}
        if answer.status not in (Status.OK, Status.ACCEPTED, Status.CONFLICT):
            headers["Connection"] = "close"
            await _drop(request)
        return Response(answer.body, status_code=answer.status, headers=headers, media_type=answer.media_type)

    async def _answer(self, request: Request) -> Answer:
        if self._running >= self._rules.max_requests:
            return refusal(
                Status.SERVICE_UNAVAILABLE, "Too many requests at once.", Retry_After=str(RETRY_AFTER_SECONDS)
            )
        self._running += 1
        try:
            return await self._let_in(request)
        finally:
            self._running -= 1

    async def _let_in(self, request: Request) -> Answer:
        address = request.client.host if request.client is not None else ""
        verdict = judged(self._rules.callers, address, request.headers.get("authorization", ""))
        if verdict.why_not is not None:
            reason = f"STOW-RS: {verdict.why_not}"
            await asyncio.to_thread(self._doorkeeper.turned_away, "", address, reason)
            if verdict.token_wrong:
                words = "A bearer token of this node is needed."
                return refusal(Status.UNAUTHORIZED, words, WWW_Authenticate='Bearer realm="STOW-RS"')
            return refusal(Status.FORBIDDEN, "This address may not store here.")
        return _unfit(request, self._rules) or await self._store(request, verdict.sender)

    async def _store(self, request: Request, sender: str) -> Answer:
        study = request.path_params.get("study")
        try:
            related = Related.read(request.headers.get("content-type", ""))
        except BrokenMessage as error:
            return refusal(Status.BAD_REQUEST, str(error))
        if related is None:
            words = 'Send multipart/related; type="application/dicom"; boundary=... (PS3.18 section 10.5.1).'
            return refusal(Status.UNSUPPORTED_MEDIA_TYPE, words)
        number = uuid.uuid4().hex[:12]
        origin = f"{sender} (STOW-RS {number})"
        files = RelatedFiles(related, self._door, partial(self._door.begin, sender, origin=origin), study=study)
        try:
            answer = await self._receive(request, files)
        finally:
            files.close()
        kept = sum(each.refused is None for each in files.outcomes)
        logger.info("STOW-RS %s of %s: %d of %d kept, %d", number, sender, kept, len(files.outcomes), answer.status)
        return answer

    async def _receive(self, request: Request, files: RelatedFiles) -> Answer:
        """Read the body to its end, or as far as it is any good."""
        try:
            async for batch in _batches(request, self._rules):
                await asyncio.to_thread(files.write, batch)
            files.end()
        except BrokenMessage as error:
            if files.outcomes:
                return of_outcomes(files.outcomes, cut=True)
            return refusal(Status.BAD_REQUEST, str(error))
        except _TooLong:
            return of_outcomes(files.outcomes, too_long=True)
        except TimeoutError:
            return refusal(Status.REQUEST_TIMEOUT, "The body came too slowly.")
        except ClientDisconnect:
            return refusal(Status.BAD_REQUEST, "The connection broke.")  # nobody hears it but the log
        return of_outcomes(files.outcomes)


def _unfit(request: Request, rules: StowRules) -> Answer | None:
    """What is wrong with a request's headers and path, if anything is, before its body is read."""
    if not is_valid_uid(request.path_params.get("study", "1.2")):
        return refusal(Status.BAD_REQUEST, "The study in the address is no valid UID.")
    if not _takes_json(request.headers.get("accept", "*/*")):
        return refusal(Status.NOT_ACCEPTABLE, f"Answers are {JSON}: accept that.")
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        return refusal(Status.UNSUPPORTED_MEDIA_TYPE, "Send the body without Content-Encoding.")
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length) > rules.max_request_bytes:
        words = f"A request may have {rules.max_request_bytes} bytes; send fewer objects in each."
        return refusal(Status.REQUEST_ENTITY_TOO_LARGE, words)
    return None


async def _drop(request: Request) -> None:
    """Read some of what is still to come: senders that look for an answer at the end only would miss it."""
    if "expect" in request.headers:  # this one waits to be asked for its body
        return
    dropped = 0
    with contextlib.suppress(TimeoutError, ClientDisconnect, RuntimeError):  # RuntimeError: it was read already
        async with asyncio.timeout(_DROP_SECONDS):
            async for piece in request.stream():
                dropped += len(piece)
                if dropped > _MOST_DROPPED:
                    return


def _takes_json(accept: str) -> bool:
    kinds = [kind.partition(";")[0].strip().lower() for kind in accept.split(",")]
    return any(kind in _JSON_TYPES for kind in kinds)


async def _batches(request: Request, rules: StowRules) -> AsyncIterator[bytes]:
    """The body in pieces worth a thread's while. Raises TimeoutError, _TooLong, ClientDisconnect."""
    total, ended = 0, False
    async with contextlib.aclosing(request.stream()) as stream:
        while not ended:
            pieces: list[bytes] = []
            size = 0
            async with asyncio.timeout(rules.patience):
                while size < _BATCH and not ended:
                    piece = await anext(stream, None)
                    ended = piece is None
                    pieces.append(piece or b"")
                    size += len(piece or b"")
            total += size
            if total > rules.max_request_bytes:
                raise _TooLong
            yield b"".join(pieces)
