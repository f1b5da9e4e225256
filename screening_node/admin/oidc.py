"""Signing in through a provider: OpenID Connect Core 1.0, authorization code flow, with PKCE (RFC 7636, S256).

    browser            node                                   provider
    sign in ---------> state, nonce, verifier are kept
            <--------- go there, with state, nonce, challenge
    name, password ------------------------------------------>
            <------------------------------------------------- come back, with state and code
    state, code -----> code, verifier, client's secret ------>
                       <------------------------ ID token, signed
            <--------- a session of ours; nothing of the provider's is kept

What is kept between the two halves lies in this process, under a secret that only that browser holds, and is taken
once. Metadata and keys are fetched anew for each sign-in: they are few, and a key that was withdrawn is not believed.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from secrets import token_urlsafe
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
from authlib.common.errors import AuthlibBaseError
from authlib.deprecate import AuthlibDeprecationWarning
from fastapi import Request
from joserfc.errors import BadSignatureError, ClaimError, ExpiredTokenError, InvalidKeyIdError, JoseError

from screening_node import tls
from screening_node.admin.accounts import STRAY, NotVouched, ProviderAway, Vouched
from screening_node.admin.site import OidcConfig

with warnings.catch_warnings():
    # it would rather have httpx's successor, and says so to whoever starts the node
    warnings.simplefilter("ignore", AuthlibDeprecationWarning)
    from authlib.integrations.starlette_client import OAuth, StarletteOAuth2App

CALLBACK = "/sign-in/oidc/callback"
_METADATA = "/.well-known/openid-configuration"
_NAME = "provider"
_SECONDS = 10.0
_LEEWAY_S = 60
#: How long somebody may take at the provider, and how many may be on their way.
_PENDING_S = 600.0
_MOST_PENDING = 1000
#: Signed by the provider alone; never "none", nor with a secret that we know, too.
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
_CLAIMS = frozenset({"iss", "aud", "azp", "sub", "nonce", "exp", "iat", "nbf", "at_hash"})
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class Provider:
    """Sends browsers to the provider, and believes what it says of them. Raises ProviderAway and NotVouched."""

    def __init__(self, config: OidcConfig, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.config = config
        self._pending = _Pending(clock)

    async def start(self, request: Request, then: str) -> tuple[str, str]:
        """Where the browser has to go, and a secret for it to come back with. ``then``: a path of ours to go on to."""
        metadata = await self.metadata()
        kept: dict[str, Any] = {}
        request.scope["session"] = kept  # where Authlib puts state, nonce and verifier
        with _translated():
            answer = await self._client(metadata).authorize_redirect(request, self.config.page + CALLBACK)
        return answer.headers["location"], self._pending.put(_Kept(session=kept, then=then))

    async def finish(self, request: Request, secret: str | None) -> tuple[Vouched, str]:
        """Who came back, and where to go on to."""
        kept = self._pending.take(secret)
        if kept is None:
            raise NotVouched("This sign-in was used already, took too long, or began in another window.", why=STRAY)
        self._check_sender(request)
        metadata = await self.metadata()
        request.scope["session"] = kept.session
        with _translated():
            token = await self._client(metadata).authorize_access_token(
                request, claims_options=self._wanted(), leeway=_LEEWAY_S
            )
        claims = token.get("userinfo")
        if claims is None:
            raise NotVouched("The provider sent no ID token.", why="no ID token")
        return self._vouched(claims), kept.then

    async def leave(self) -> str | None:
        """Where a browser signs out at the provider, too (RP-Initiated Logout 1.0); None where that is not offered."""
        there = (await self.metadata()).get("end_session_endpoint")
        if there is None:
            return None
        query = {"client_id": self.config.client_id, "post_logout_redirect_uri": f"{self.config.page}/sign-in"}
        return f"{there}{'&' if urlsplit(there).query else '?'}{urlencode(query)}"

    async def metadata(self) -> dict[str, Any]:
        """What the provider says of itself (OpenID Connect Discovery 1.0, section 4), as far as it is needed."""
        address = self.config.issuer.rstrip("/") + _METADATA
        with _translated():
            async with httpx.AsyncClient(**self._connection()) as client:
                answer = await client.get(address)
                answer.raise_for_status()
                said = answer.json()
        if not isinstance(said, dict) or said.get("issuer") != self.config.issuer:
            raise NotVouched(f"{address} is of another issuer than [admin.oidc] issuer.", why="issuer")
        self._check_metadata(said)
        wanted = ("issuer", *_ENDPOINTS, "end_session_endpoint", "token_endpoint_auth_methods_supported")
        algorithms = [each for each in said.get("id_token_signing_alg_values_supported", ["RS256"]) if _sound(each)]
        return {key: said[key] for key in wanted if key in said} | {"id_token_signing_alg_values_supported": algorithms}

    def check(self) -> str:
        """For the doctor: the issuer, once its metadata is sound."""
        return str(asyncio.run(self.metadata())["issuer"])

    def _check_metadata(self, said: Mapping[str, Any]) -> None:
        for key in (*_ENDPOINTS, "end_session_endpoint"):
            address = said.get(key, "" if key in _ENDPOINTS else self.config.issuer)
            if not isinstance(address, str) or urlsplit(address).scheme != urlsplit(self.config.issuer).scheme:
                raise NotVouched(f"The provider's {key} is missing, or not reached as its issuer is.", why=key)
        if "S256" not in said.get("code_challenge_methods_supported", ["S256"]):
            raise NotVouched("The provider does not do PKCE with S256.", why="PKCE")
        if not any(map(_sound, said.get("id_token_signing_alg_values_supported", ["RS256"]))):
            raise NotVouched("The provider signs by no algorithm that is believed here.", why="algorithm")

    def _check_sender(self, request: Request) -> None:
        """RFC 9207: where the answer says whose it is, it has to be the provider's."""
        if request.query_params.get("iss", self.config.issuer) != self.config.issuer:
            raise NotVouched("The answer came from another provider.", why="issuer")

    def _client(self, metadata: Mapping[str, Any]) -> StarletteOAuth2App:
        methods = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        known = {key: metadata[key] for key in ("issuer", *_ENDPOINTS, "id_token_signing_alg_values_supported")}
        return OAuth().register(
            _NAME,
            client_id=self.config.client_id,
            client_secret=self.config.client_secret,
            client_kwargs={
                "scope": " ".join(self.config.scopes),
                "code_challenge_method": "S256",
                "token_endpoint_auth_method": (
                    "client_secret_basic" if "client_secret_basic" in methods else "client_secret_post"
                ),
                **self._connection(),
            },
            **known,
        )

    def _connection(self) -> dict[str, Any]:
        """Time-outs; whom to believe; proxies of the environment, but not for this machine."""
        there = self.config.tls
        verify = True if there is None else tls.calling(there).get()
        return {"timeout": _SECONDS, "verify": verify, "trust_env": there is not None}

    def _wanted(self) -> dict[str, Any]:
        """Core 1.0, section 3.1.3.7: whose, for whom, until when; the nonce is checked beside."""
        return {
            "iss": {"essential": True, "value": self.config.issuer},
            "aud": {"essential": True, "value": self.config.client_id},
            "sub": {"essential": True},
            "exp": {"essential": True},
            "nonce": {"essential": True},
        }

    def _vouched(self, claims: Mapping[str, Any]) -> Vouched:
        name = _claim(claims, self.config.name_claim)
        return Vouched(
            issuer=self.config.issuer,
            subject=str(claims["sub"]),
            name=name if isinstance(name, str) and name else str(claims["sub"]),
            role=self._role(_claim(claims, self.config.role_claim)),
        )

    def _role(self, said: Any) -> str | None:
        """The greatest of the roles that the claim's values stand for."""
        values = said if isinstance(said, list) else [said]
        roles = {self.config.roles[value] for value in values if isinstance(value, str) and value in self.config.roles}
        return next((role for role in ("admin", "reviewer", "viewer") if role in roles), None)


@dataclass(frozen=True, kw_only=True)
class _Kept:
    """What one sign-in is to come back to."""

    session: dict[str, Any] = field(repr=False)
    then: str


class _Pending:
    """Sign-ins whose browser is at the provider: each is taken once, in time; the oldest go where they are too many."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[float, _Kept]] = {}
        self._lock = threading.Lock()

    def put(self, kept: _Kept) -> str:
        secret = token_urlsafe(32)
        with self._lock:
            self._kept[secret] = (self._clock() + _PENDING_S, kept)
            while len(self._kept) > _MOST_PENDING:
                self._kept.pop(next(iter(self._kept)))
        return secret

    def take(self, secret: str | None) -> _Kept | None:
        with self._lock:
            until, kept = self._kept.pop(secret or "", (0.0, None))
        return kept if until > self._clock() else None


def _sound(algorithm: Any) -> bool:
    return algorithm in _ALGORITHMS


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name, or by the path of names to it: ``realm_access.roles``."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Foreign errors in our words; what the provider wrote stays out: it might quote a token."""
    try:
        yield
    except (httpx.HTTPError, OSError) as error:
        raise ProviderAway(
            f"The provider cannot be reached: {_why(error)}.", fix="Try again later, or use a local account."
        ) from error
    except ExpiredTokenError as error:
        raise NotVouched("The provider's ID token has expired.", why="expired") from error
    except (BadSignatureError, InvalidKeyIdError) as error:
        raise NotVouched("The provider's ID token is not signed by its keys.", why="signature") from error
    except ClaimError as error:
        claim = error.claim if error.claim in _CLAIMS else "claim"
        raise NotVouched(f"The provider's ID token is not for this sign-in ({claim}).", why=claim) from error
    except AuthlibBaseError as error:
        code = error.error if _is_code(error.error) else "error"
        raise NotVouched(f"The provider's answer is no sign-in ({code.replace('_', ' ')}).", why=code) from error
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise NotVouched(f"The provider's answer makes no sense ({type(error).__name__}).", why="nonsense") from error


def _why(error: BaseException) -> str:
    """In words, by what lies below the HTTP client's own error."""
    if isinstance(error, httpx.TimeoutException):
        return "it does not answer in time"
    if isinstance(error, httpx.HTTPStatusError):
        return f"it answers with status {error.response.status_code}"
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, ssl.SSLError):
            return tls.in_words(below)
        if isinstance(below, ConnectionRefusedError):
            return "nobody listens there"
        if isinstance(below, socket.gaierror):
            return "its name cannot be resolved"
        below = below.__cause__ or below.__context__
    return type(error).__name__


def _is_code(text: Any) -> bool:
    """An error code of RFC 6749, section 5.2, and no prose."""
    return isinstance(text, str) and len(text) <= 40 and text.replace("_", "").isalpha() and text.isascii()
