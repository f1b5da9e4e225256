"""TLS contexts: how strict they are, how certificates are renewed, and that keys stay secret."""

from __future__ import annotations

import logging
import os
import socket
import ssl
import threading
from pathlib import Path

import pytest
from certificates import Authority, key_pem

from screening_node.errors import Misconfigured
from screening_node.tls import ClientTls, Identity, Renewing, ServerTls, Trust, calling, days_left, serving

SUITES = {
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def identity(authority: Authority) -> Identity:
    pair = authority.issue("node")
    return Identity(certificate=pair.certificate, key=pair.key)


def handshake(server: ssl.SSLContext, client: ssl.SSLContext) -> tuple[str, str] | str:
    """Version and suite that both agree on, or why there is none (on the server's side)."""
    here, there = socket.socketpair()
    failed: list[str] = []

    def answer() -> None:
        with there:
            try:
                server.wrap_socket(there, server_side=True).close()
            except ssl.SSLError as error:
                failed.append(error.reason or "")

    thread = threading.Thread(target=answer)
    thread.start()
    with here:
        try:
            with client.wrap_socket(here, server_hostname="127.0.0.1") as secure:
                agreed = (secure.version() or "", (secure.cipher() or ("", "", 0))[0])
                while secure.recv(1):
                    pass
        except OSError:
            agreed = ("", "")
    thread.join(10)
    return failed[0] if failed else agreed


def client(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=authority.certificate)


def test_both_sides_offer_only_the_suites_of_the_profile(identity: Identity, authority: Authority) -> None:
    trust = Trust(authorities=authority.certificate)
    for context in (
        serving(ServerTls(identity=identity, trust=trust)).get(),
        calling(ClientTls(trust=trust)).get(),
    ):
        old = {suite["name"] for suite in context.get_ciphers() if suite["protocol"] != "TLSv1.3"}
        assert old == SUITES
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_what_is_good_enough(identity: Identity, authority: Authority, version: ssl.TLSVersion) -> None:
    context = client(authority)
    context.minimum_version = context.maximum_version = version
    agreed = handshake(serving(ServerTls(identity=identity, trust=None)).get(), context)
    assert agreed[0] == {"TLSv1_2": "TLSv1.2", "TLSv1_3": "TLSv1.3"}[version.name]
    assert agreed[1] in SUITES | {"TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256"}


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
@pytest.mark.parametrize(
    ("version", "suites", "reason"),
    [
        (ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0", "UNSUPPORTED_PROTOCOL"),
        (ssl.TLSVersion.TLSv1_2, "ECDHE-RSA-AES128-SHA256", "NO_SHARED_CIPHER"),
        (ssl.TLSVersion.TLSv1_2, "AES128-GCM-SHA256", "NO_SHARED_CIPHER"),
        (ssl.TLSVersion.TLSv1_2, "DHE-RSA-AES128-GCM-SHA256", "NO_SHARED_CIPHER"),
    ],
)
def test_nobody_talks_the_node_down(
    identity: Identity, authority: Authority, version: ssl.TLSVersion, suites: str, reason: str
) -> None:
    context = client(authority)
    context.set_ciphers(suites)
    context.minimum_version = context.maximum_version = version
    assert handshake(serving(ServerTls(identity=identity, trust=None)).get(), context) == reason


def test_the_key_may_come_as_text(identity: Identity, authority: Authority) -> None:
    by_text = Identity(certificate=identity.certificate, key_pem=key_pem().decode())
    descriptors = len(os.listdir("/proc/self/fd"))
    context = serving(ServerTls(identity=by_text, trust=None)).get()
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert handshake(context, client(authority))[0] == "TLSv1.3"


def test_the_key_may_stand_beside_its_certificate(identity: Identity, authority: Authority, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(identity.certificate.read_bytes() + key_pem())
    assert serving(ServerTls(identity=Identity(certificate=both), trust=None)).get()
    with pytest.raises(Misconfigured, match="expected beside it"):
        serving(ServerTls(identity=Identity(certificate=identity.certificate), trust=None))


def test_an_encrypted_key_opens_with_its_password_only(identity: Identity) -> None:
    def made(password: str | None) -> Renewing:
        text = key_pem("hunter2").decode()
        shown = Identity(certificate=identity.certificate, key_pem=text, password=password)
        return serving(ServerTls(identity=shown, trust=None))

    assert made("hunter2").get()
    for wrong in ("hunter3", None):
        with pytest.raises(Misconfigured) as caught:
            made(wrong)
        assert "hunter" not in str(caught.value)


def test_secrets_are_in_no_repr_and_in_no_error(identity: Identity, authority: Authority) -> None:
    text = key_pem().decode()
    other = Authority(authority.certificate.parent / "other", name="Other", key=1)
    mismatched = Identity(certificate=other.certificate, key_pem=text, password="hunter2")
    tls = ServerTls(identity=mismatched, trust=None)
    with pytest.raises(Misconfigured) as caught:
        serving(tls)
    said = repr(tls) + str(caught.value) + repr(caught.value.__cause__)
    assert "key values mismatch" in said
    assert "PRIVATE" not in said
    assert "hunter2" not in said


@pytest.mark.parametrize("what", ["certificate", "key", "authorities", "revocations"])
@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"])
def test_files_that_cannot_be_used_are_named(
    identity: Identity, authority: Authority, tmp_path: Path, what: str, content: bytes | None
) -> None:
    bad = tmp_path / "bad.pem"
    if content is not None:
        bad.write_bytes(content)
    files = {
        "certificate": identity.certificate,
        "key": identity.key,
        "authorities": authority.certificate,
        "revocations": None,
        what: bad,
    }
    shown = Identity(certificate=files["certificate"] or bad, key=files["key"])
    trust = Trust(authorities=files["authorities"] or bad, revocations=files["revocations"])
    with pytest.raises(Misconfigured, match=r"bad\.pem"):
        serving(ServerTls(identity=shown, trust=trust))


def serial(context: ssl.SSLContext, authority: Authority) -> str:
    """What a server shows, as a client sees it."""
    here, there = socket.socketpair()
    thread = threading.Thread(target=lambda: context.wrap_socket(there, server_side=True).close())
    thread.start()
    with client(authority).wrap_socket(here, server_hostname="127.0.0.1") as secure:
        shown = secure.getpeercert() or {}
        secure.recv(1)
    thread.join(10)
    return str(shown["serialNumber"])


def test_a_renewed_certificate_is_shown_without_a_restart(
    identity: Identity, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    server = serving(ServerTls(identity=identity, trust=None))
    before = serial(server.get(), authority)
    assert serial(server.get(), authority) == before
    identity.certificate.write_text("half written")
    assert serial(server.get(), authority) == before
    assert "the old ones stay in use" in caplog.text
    authority.issue("node")
    with caplog.at_level(logging.INFO):
        assert serial(server.get(), authority) != before
    assert "were renewed" in caplog.text


def test_the_days_that_are_left(authority: Authority) -> None:
    assert 89 < days_left(authority.issue("node").certificate) < 90
    with pytest.raises(Misconfigured, match="no PEM certificate"):
        days_left(authority.issue("node").key)
