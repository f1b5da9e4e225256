"""Signing in through a provider of OpenID Connect: there, back again, and out there as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from screening_node.admin.access import public
from screening_node.admin.accounts import STRAY, NotVouched, TooManyTries, Vouched
from screening_node.admin.pages.signin import local_path, over_tls_only, sign_in_answer, signed_in
from screening_node.admin.rendering import render
from screening_node.admin.site import site_of
from screening_node.errors import NotFound, Permanent, ScreeningNodeError, Transient

if TYPE_CHECKING:
    from screening_node.admin.oidc import Provider

#: Which of the sign-ins that are on their way is this browser's. Lax: the provider sends it back from another site.
PENDING_COOKIE = "screening_node_oidc"
_PATH = "/sign-in/oidc"
_PENDING_S = 600

router = APIRouter(prefix=_PATH, dependencies=[Depends(public)])


@router.get("")
async def start(request: Request) -> Response:
    """To the provider. A link and no form: a form's redirect to another site is not allowed (form-action)."""
    provider = _provider(request)
    try:
        site_of(request).accounts.check_tries(_address(request))
        there, secret = await provider.start(request, local_path(request.query_params.get("next")))
    except ScreeningNodeError as error:
        return await run_in_threadpool(_failed, request, error)
    response = RedirectResponse(there, status_code=302)
    response.set_cookie(
        PENDING_COOKIE,
        secret,
        max_age=_PENDING_S,
        httponly=True,
        secure=over_tls_only(request),
        samesite="lax",
        path=_PATH,
    )
    return response


@router.get("/callback")
async def callback(request: Request) -> Response:
    """Back from the provider: a session of ours for whom it vouches for."""
    provider = _provider(request)
    try:
        site_of(request).accounts.check_tries(_address(request))
        who, then = await provider.finish(request, request.cookies.get(PENDING_COOKIE))
    except ScreeningNodeError as error:
        response: Response = await run_in_threadpool(_failed, request, error)
    else:
        response = await run_in_threadpool(_vouched, request, who, then)
    response.delete_cookie(PENDING_COOKIE, path=_PATH)
    return response


@router.get("/leave")
async def leave(request: Request) -> Response:
    """Sign out at the provider, too: else whoever uses the browser next is signed in by a click."""
    provider = _provider(request)
    try:
        there = await provider.leave()
        if there is None:
            raise NotFound("The provider offers no way to sign out.", fix="Close the browser.")
    except ScreeningNodeError as error:
        return await run_in_threadpool(_failed, request, error)
    return RedirectResponse(there, status_code=302)


def _vouched(request: Request, who: Vouched, then: str) -> Response:
    """A page of ours that goes on by itself: a redirect would still count as another site's, and lose the cookie."""
    try:
        secret = site_of(request).accounts.sign_in_vouched(who)
    except Permanent as error:
        return sign_in_answer(request, error=error, status=403)
    return signed_in(request, render(request, "signed_in.html", None, then=then), secret)


def _failed(request: Request, error: ScreeningNodeError) -> HTMLResponse:
    """The page to sign in on: whoever has a local account can still use it.

    A callback that no browser was sent for counts as nobody's try: else a stranger could keep others out.
    """
    if isinstance(error, NotVouched) and error.why != STRAY:
        site_of(request).accounts.refuse(error.why, address=_address(request))
    if isinstance(error, TooManyTries):
        return sign_in_answer(request, error=error, status=429)
    return sign_in_answer(request, error=error, status=503 if isinstance(error, Transient) else 401)


def _provider(request: Request) -> Provider:
    provider = site_of(request).provider
    if provider is None:
        raise NotFound("No provider is configured here.", fix="Sign in with a local account.")
    return provider


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"
