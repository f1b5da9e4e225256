"""A provider of OpenID Connect on this machine: discovery, keys, authorization code with PKCE, RS256, sign-out.

It is as strict as a real one (redirect addresses, client's secret, verifier, codes that work once); what it then says
of its user can be bent, to see who believes it.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import json
import secrets
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT_ID = "screening-node"
CLIENT_SECRET = "the-secret-of-the-client"
Claims = dict[str, Any]


@functools.cache
def key(kid: str, number: int) -> RSAKey:
    """A key under a name. Keys take long to make: there are two, whatever they are called."""
    return RSAKey.import_key(_pem(number), {"kid": kid, "use": "sig"})


@functools.cache
def _pem(number: int) -> str:
    return RSAKey.generate_key(2048).as_pem(private=True).decode()


class OpenIdProvider:
    """The provider's state: who sits before it, what it signs with, and how its words are bent."""

    def __init__(self, issuer: str, redirect_uri: str) -> None:
        self.issuer, self.redirect_uri = issuer, redirect_uri
        self.user: Claims = {"sub": "user-1", "preferred_username": "mia", "roles": ["screening-reviewers"]}
        self.key = key("one", 0)
        self.signing_key = self.key
        self.bend: Callable[[Claims], Claims] = lambda claims: claims
        self.metadata_changes: dict[str, Any] = {}
        self.issued: list[str] = []
        self.asked: list[dict[str, str]] = []
        self._codes: dict[str, dict[str, str]] = {}

    def metadata(self) -> dict[str, Any]:
        made = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "end_session_endpoint": f"{self.issuer}/leave",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        }
        return {**made, **self.metadata_changes}

    def keys(self) -> dict[str, Any]:
        return {"keys": [self.key.as_dict(private=False)]}

    def authorize(self, asked: dict[str, str]) -> str:
        """Where the browser goes back to. Raises ValueError for a request that a provider must not answer."""
        self.asked.append(asked)
        if asked.get("client_id") != CLIENT_ID or asked.get("redirect_uri") != self.redirect_uri:
            raise ValueError("unknown client or redirect_uri")
        if asked.get("code_challenge_method") != "S256" or not asked.get("code_challenge"):
            return self._back(asked, error="invalid_request")
        if asked.get("response_type") != "code" or "openid" not in asked.get("scope", "").split():
            return self._back(asked, error="invalid_scope")
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        return self._back(asked, code=code)

    def _back(self, asked: dict[str, str], **said: str) -> str:
        return f"{self.redirect_uri}?{urlencode({**said, 'state': asked['state'], 'iss': self.issuer})}"

    def token(self, form: dict[str, str], authorization: str) -> tuple[HTTPStatus, dict[str, Any]]:
        secret = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if authorization != f"Basic {secret}":
            return HTTPStatus.UNAUTHORIZED, {"error": "invalid_client"}
        asked = self._codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if asked is None or form.get("redirect_uri") != self.redirect_uri or challenge != asked["code_challenge"]:
            return HTTPStatus.BAD_REQUEST, {"error": "invalid_grant", "error_description": "code or verifier"}
        access = secrets.token_urlsafe(16)
        signed = self._id_token(asked["nonce"])
        self.issued += [access, signed]
        return HTTPStatus.OK, {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": 60,
            **({"id_token": signed} if signed else {}),
        }

    def _id_token(self, nonce: str) -> str:
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": nonce, **self.user}
        bent = self.bend(claims)
        header = {"alg": "RS256", "kid": self.signing_key.kid}
        return jwt.encode(header, bent, self.signing_key) if bent else ""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        provider = self.server.provider
        if address.path == "/.well-known/openid-configuration":
            self._say(HTTPStatus.OK, provider.metadata())
        elif address.path == "/keys":
            self._say(HTTPStatus.OK, provider.keys())
        elif address.path == "/authorize":
            self._authorize(_first(parse_qs(address.query)))
        elif address.path == "/leave":
            self._say(HTTPStatus.OK, {"signed out": _first(parse_qs(address.query))})
        else:
            self._say(HTTPStatus.OK if address.path == "/favicon.ico" else HTTPStatus.NOT_FOUND, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if urlsplit(self.path).path != "/token":
            self._say(HTTPStatus.NOT_FOUND, {})
            return
        form = _first(parse_qs(body.decode()))
        self._say(*self.server.provider.token(form, self.headers.get("Authorization", "")))

    def _authorize(self, asked: dict[str, str]) -> None:
        try:
            there = self.server.provider.authorize(asked)
        except ValueError as error:
            self._say(HTTPStatus.BAD_REQUEST, {"error": str(error)})
            return
        self.send_response(HTTPStatus.FOUND)
        self.send_header("Location", there)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _say(self, status: HTTPStatus, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing on the tests' output."""


class _Server(ThreadingHTTPServer):
    provider: OpenIdProvider


def _first(query: dict[str, list[str]]) -> dict[str, str]:
    return {name: values[0] for name, values in query.items()}


@contextlib.contextmanager
def provider(
    redirect_uri: str, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> Iterator[OpenIdProvider]:
    """A running provider; ``host`` is how its issuer names this machine."""
    server = _Server(("127.0.0.1", 0), _Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    scheme = "http" if tls is None else "https"
    server.provider = OpenIdProvider(f"{scheme}://{host}:{server.server_address[1]}", redirect_uri)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
