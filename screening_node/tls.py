"""TLS for every connection that the node makes or takes: one place that decides how strict it is.

Profile: BCP 195 TLS Secure Transport Connection (PS3.15 B.12; RFC 8996, RFC 9325), never below it: TLS 1.2 with the
ECDHE suites with AES-GCM, or TLS 1.3. The older non-downgrading profile (PS3.15 B.10, retired) shares the suites
with RSA; its DHE suites are left out, as RFC 9325 section 4.1 advises. Private keys come from a file or, by
environment, as text; neither a key nor its password is in a repr, a log or an error.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import os
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509

from screening_node.errors import Misconfigured

logger = logging.getLogger(__name__)

#: TLS 1.2, in OpenSSL's names; those of TLS 1.3 are all sound and cannot be chosen here.
_SUITES = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """What one side shows of itself: PEM certificate (with its chain); the key as a file, as text, or beside it."""

    certificate: Path
    key: Path | None = None
    key_pem: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that it is read from."""
        return (self.certificate,) if self.key is None else (self.certificate, self.key)


@dataclass(frozen=True, kw_only=True, slots=True)
class Trust:
    """Whom one side believes: PEM certificates of authorities (or of peers themselves), and who is revoked."""

    authorities: Path
    revocations: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that it is read from."""
        return (self.authorities,) if self.revocations is None else (self.authorities, self.revocations)


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerTls:
    """A listening port. Without ``trust`` clients show no certificate."""

    identity: Identity
    trust: Trust | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientTls:
    """A connection to a peer; ``server_name`` is what its certificate has to say (default: the host called)."""

    trust: Trust
    identity: Identity | None = None
    server_name: str | None = None
    verify_name: bool = True


class Renewing:
    """A context that is made anew once one of its files has changed, so that renewed certificates need no restart."""

    def __init__(self, build: Callable[[], ssl.SSLContext], files: tuple[Path, ...]) -> None:
        self._build, self._files = build, files
        self._lock = threading.Lock()
        self._seen = self._stamps()
        self._context = build()

    def get(self) -> ssl.SSLContext:
        """The context; the last good one where the files on disk do not fit together (just now, or any more)."""
        with self._lock:
            if (stamps := self._stamps()) != self._seen:
                self._seen = stamps
                try:
                    self._context = self._build()
                    logger.info("Certificates were renewed: %s", self._files[0])
                except Misconfigured as error:
                    logger.error("Changed certificates cannot be used, the old ones stay in use: %s", error)
            return self._context

    def _stamps(self) -> tuple[tuple[int, int] | None, ...]:
        return tuple(_stamp(file) for file in self._files)


def serving(tls: ServerTls) -> Renewing:
    """The context of a listening port. Raises Misconfigured."""
    trusted = () if tls.trust is None else tls.trust.files
    return Renewing(lambda: _server_context(tls), (*tls.identity.files, *trusted))


def calling(tls: ClientTls) -> Renewing:
    """The context of connections to one peer. Raises Misconfigured."""
    shown = () if tls.identity is None else tls.identity.files
    return Renewing(lambda: _client_context(tls), (*shown, *tls.trust.files))


def _server_context(tls: ServerTls) -> ssl.SSLContext:
    context = _strict(ssl.PROTOCOL_TLS_SERVER)
    _show(context, tls.identity)
    if tls.trust is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        _trust(context, tls.trust)
    return context


def _client_context(tls: ClientTls) -> ssl.SSLContext:
    context = _strict(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = tls.verify_name
    _trust(context, tls.trust)
    if tls.identity is not None:
        _show(context, tls.identity)
    return context


def _strict(protocol: int) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(":".join(_SUITES))
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    return context


def _show(context: ssl.SSLContext, identity: Identity) -> None:
    try:
        with _key_file(identity) as key:
            # a function: it is asked only where the key is encrypted, and nobody is asked on the terminal
            context.load_cert_chain(identity.certificate, key, password=lambda: identity.password or "")
    except (OSError, ValueError) as error:
        where = identity.key or ("expected beside it" if identity.key_pem is None else "given by environment")
        raise Misconfigured(
            f"Certificate {identity.certificate} and its key ({where}) cannot be used: {_reason(error)}.",
            fix="Name PEM files that this user may read: the certificate (its chain below it), and the key that "
            "belongs to it; for an encrypted key its password, too.",
        ) from None  # the cause may hold what was read


@contextlib.contextmanager
def _key_file(identity: Identity) -> Iterator[str | Path | None]:
    """A path to the key; one given as text goes through memory, never over a disk."""
    if identity.key_pem is None:
        yield identity.key
        return
    descriptor = os.memfd_create("key")
    try:
        os.write(descriptor, identity.key_pem.encode())
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _trust(context: ssl.SSLContext, trust: Trust) -> None:
    try:
        context.load_verify_locations(trust.authorities)
        if trust.revocations is not None:
            context.load_verify_locations(trust.revocations)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    except OSError as error:
        raise Misconfigured(
            f"The authorities ({', '.join(str(file) for file in trust.files)}) cannot be used: {_reason(error)}.",
            fix="Name PEM files that this user may read.",
        ) from error
    # a peer's own certificate in the file is enough, as sites without a certificate authority do it
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "not PEM").replace("_", " ").lower()
    return (error.strerror or type(error).__name__) if isinstance(error, OSError) else type(error).__name__


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino


def in_words(error: OSError) -> str:
    """Why a handshake failed, as it may be logged and shown: never what a peer sent, but OpenSSL's own reason."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not accepted ({error.verify_message})"
    if isinstance(error, ssl.SSLEOFError | ConnectionError):
        return "the peer hung up"
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    if isinstance(error, TimeoutError):
        return "the peer said nothing in time"
    return error.strerror or type(error).__name__


def days_left(file: Path) -> float:
    """Days until the first certificate of a PEM file ends; below 0 where one has. Raises Misconfigured."""
    try:
        ends = [certificate.not_valid_after_utc for certificate in x509.load_pem_x509_certificates(file.read_bytes())]
    except (OSError, ValueError) as error:
        raise Misconfigured(f"{file} holds no PEM certificate.", fix="Name a file that does.") from error
    return (min(ends) - dt.datetime.now(dt.UTC)).total_seconds() / 86400
