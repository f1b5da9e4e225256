"""The application: routers, error pages, and the headers that every answer carries.

/             alerts (start page)          /alerts/N   one of them     /alerts.csv   the log as a file
/exams        films                        /exams/N    one of them, its picture and reports
/work         what needs a hand            /overview   the last days
/audit        who did what                 /settings   what the node was told, whom it reaches, what it is made of
/api/v1       JSON                         /health/live, /health/ready, /metrics   for machines that watch
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from prometheus_client import CollectorRegistry
from starlette.exceptions import HTTPException

from screening_node.admin import api, health
from screening_node.admin.access import Forbidden, Public, SignInNeeded, check_rules, visitor_of
from screening_node.admin.accounts import Accounts
from screening_node.admin.films import DISPLAY, DisplayCopies
from screening_node.admin.pages import alerts, exams, node, provider, settings, signin, work
from screening_node.admin.reach import Probes
from screening_node.admin.rendering import StaticFile, environment, render, static_files
from screening_node.admin.site import AdminConfig, OidcConfig, Site
from screening_node.errors import (
    ChangedMeanwhile,
    IllegalTransition,
    Misconfigured,
    NotFound,
    ScreeningNodeError,
    Transient,
)
from screening_node.store.archive import Archive
from screening_node.store.session import Store

if TYPE_CHECKING:
    from screening_node.admin.oidc import Provider

log = logging.getLogger(__name__)

#: Nothing but what this package ships is loaded or run, by any page; no page is framed; forms go to us alone.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # none at all would also blank the Origin that forms are checked by
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_STATUSES: tuple[tuple[type[ScreeningNodeError], int], ...] = (
    (SignInNeeded, 401),
    (Forbidden, 403),
    (NotFound, 404),
    (ChangedMeanwhile, 409),
    (IllegalTransition, 409),
    (Transient, 503),
    (Misconfigured, 503),
    (ScreeningNodeError, 400),
)


def create_app(config: AdminConfig, store: Store, archive: Archive) -> FastAPI:
    """The application over a store. It holds no state but counters of failed sign-ins."""
    files = static_files()
    site = Site(
        config=config,
        store=store,
        archive=archive,
        accounts=Accounts(store, issuer=None if config.oidc is None else config.oidc.issuer),
        films=DisplayCopies(archive.root / DISPLAY),
        templates=environment(config, files),
        probes=Probes(config.reachable),
        provider=None if config.oidc is None else _provider(config.oidc),
    )
    app = FastAPI(title="Screening Node", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.site = site
    app.state.registry = CollectorRegistry()
    app.state.registry.register(health.StoreCollector(site))
    app.state.durations = health.Durations(site, app.state.registry)
    for part in (alerts, exams, work, node, settings, signin, provider, api, health):
        app.router.routes.extend(part.router.routes)  # as they are: check_rules reads them
    app.router.routes.extend(_static_router(files).routes)
    app.middleware("http")(_with_headers)
    app.add_exception_handler(ScreeningNodeError, _own_error)
    app.add_exception_handler(RequestValidationError, _no_such_page)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _broken)
    check_rules(app)
    return app


def _provider(config: OidcConfig) -> Provider:
    """Imported only where one is configured: it takes a while."""
    from screening_node.admin.oidc import Provider

    return Provider(config)


def _static_router(files: Mapping[str, StaticFile]) -> APIRouter:
    """Files by name from memory: no path from a request ever reaches the disk."""
    router = APIRouter()

    @router.get("/static/{name}")
    def static(name: str, rule: Annotated[None, Depends(Public())]) -> Response:
        file = files.get(name)
        if file is None:
            raise NotFound("There is no such file.")
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return Response(file.data, media_type=file.media_type, headers=headers)

    return router


async def _with_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    response.headers.update(_HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")  # pages hold patients' names
    return response


def _own_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ScreeningNodeError)
    status = next(status for kind, status in _STATUSES if isinstance(error, kind))
    if status == 503:
        log.warning("%s", error)
    if isinstance(error, SignInNeeded) and not _wants_json(request):
        return _to_sign_in(request)
    return _answer(request, status, error.message, error.fix)


def _to_sign_in(request: Request) -> Response:
    """A page goes to the sign-in and then back; a part of a page lets the whole page go there."""
    if request.headers.get("hx-request"):
        return Response(status_code=401, headers={"HX-Redirect": "/sign-in"})
    target = request.url.path if request.method == "GET" else "/"
    return RedirectResponse(f"/sign-in?next={quote(target)}", status_code=303)


def _no_such_page(request: Request, error: Exception) -> Response:
    status = 422 if _wants_json(request) else 404
    return _answer(request, status, "There is no such page." if status == 404 else "The request makes no sense.", "")


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    said = {404: "There is no such page.", 405: "This page takes no such request."}
    answer = _answer(request, error.status_code, said.get(error.status_code, "The request cannot be answered."), "")
    answer.headers.update(error.headers or {})  # as Allow, where a method is not
    return answer


def _broken(request: Request, error: Exception) -> Response:
    """A mistake in the node itself: its type goes to the log; its text might quote a patient."""
    log.error("%s %s failed: %s", request.method, request.scope.get("route"), type(error).__name__)
    return _answer(request, 500, "The page broke. The log names the mistake.", "Tell whoever looks after the node.")


def _wants_json(request: Request) -> bool:
    return request.url.path.startswith(("/api/", "/health/"))


def _answer(request: Request, status: int, message: str, fix: str) -> Response:
    if _wants_json(request):
        headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
        return JSONResponse({"error": {"message": message, "fix": fix}}, status_code=status, headers=headers)
    visitor = None
    if status not in (401, 500, 503):
        try:
            visitor = visitor_of(request)
        except ScreeningNodeError:
            visitor = None
    return render(request, "error.html", visitor, status=status, code=status, message=message, fix=fix)
