"""Signing in and out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from screening_node.admin.access import COOKIE, Form, Visitor, checked_form, form_token, public, viewer
from screening_node.admin.accounts import TooManyTries
from screening_node.admin.rendering import render
from screening_node.admin.site import site_of
from screening_node.errors import Permanent, ScreeningNodeError

router = APIRouter()
CheckedForm = Annotated[Form, Depends(checked_form)]


@router.get("/sign-in", dependencies=[Depends(public)])
def sign_in_page(request: Request) -> HTMLResponse:
    """Name and password."""
    return sign_in_answer(request)


@router.post("/sign-in", dependencies=[Depends(public)])
def sign_in(request: Request, form: CheckedForm) -> Response:
    """A new session; whatever secret the browser came with is worth nothing (session fixation)."""
    name, password = form.text("name") or "", "".join(form.fields.get("password", []))
    address = request.client.host if request.client else "unknown"
    try:
        secret = site_of(request).accounts.sign_in(name[:64], password[:1024], address=address)
    except TooManyTries as error:
        return sign_in_answer(request, error=error, status=429)
    except Permanent as error:
        return sign_in_answer(request, error=error, status=401)
    return signed_in(request, RedirectResponse(local_path(form.text("next")), status_code=303), secret)


@router.post("/sign-out")
def sign_out(request: Request, form: CheckedForm, visitor: Annotated[Visitor, Depends(viewer)]) -> Response:
    """The session ends here and in the store."""
    site = site_of(request)
    site.accounts.sign_out(request.cookies.get(COOKIE, ""))
    response = RedirectResponse("/sign-in?left=1" if site.provider else "/sign-in", status_code=303)
    response.delete_cookie(COOKIE, path="/")
    return response


def signed_in(request: Request, response: Response, secret: str) -> Response:
    """The answer, with the session's secret for the browser; the session that it came with, if any, is over."""
    site_of(request).accounts.sign_out(request.cookies.get(COOKIE, ""))
    response.set_cookie(COOKIE, secret, httponly=True, secure=over_tls_only(request), samesite="strict", path="/")
    return response


def sign_in_answer(request: Request, *, error: ScreeningNodeError | None = None, status: int = 200) -> HTMLResponse:
    """The page to sign in on, saying what went wrong where something did."""
    site = site_of(request)
    token = form_token(request.cookies.get(COOKIE) or site.secret)
    values = {"form_token": token, "next": local_path(request.query_params.get("next")), "error": error}
    without = not site.accounts.any()
    insecure = request.url.scheme != "https" and not _on_this_machine(request)
    left = "left" in request.query_params
    return render(request, "sign_in.html", None, status=status, without=without, insecure=insecure, left=left, **values)


def over_tls_only(request: Request) -> bool:
    """The cookie goes over TLS only, except on this machine, where there may be none."""
    return request.url.scheme == "https" or not _on_this_machine(request)


def _on_this_machine(request: Request) -> bool:
    return request.url.hostname in ("localhost", "127.0.0.1", "::1")


def local_path(target: str | None) -> str:
    """A path of ours to go on to; anything that could lead elsewhere is the start page."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")) or "\\" in target:
        return "/"
    return target if target.isprintable() else "/"
