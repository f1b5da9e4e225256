"""The port with TLS, met by DCMTK's storescu with good certificates, wrong ones and none."""

from __future__ import annotations

import datetime as dt
import socket
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest
from certificates import Authority, Pair
from factory import make_dx, save
from integration import peers
from integration.nodes import IntakeRunner, RunningIntake

from screening_node.intake.callers import AllowedCaller
from screening_node.intake.scp import SecurePort
from screening_node.store import tables
from screening_node.tls import ClientTls, Identity, ServerTls, Trust, calling


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def node(authority: Authority) -> Pair:
    return authority.issue("node")


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return save(make_dx(), tmp_path / "film.dcm")


def secure(authority: Authority, node: Pair, *, revocations: Path | None = None, port: int = 0) -> SecurePort:
    tls = ServerTls(
        identity=Identity(certificate=node.certificate, key=node.key),
        trust=Trust(authorities=authority.certificate, revocations=revocations),
    )
    return SecurePort(host="127.0.0.1", port=port, tls=tls)


def by(pair: Pair, trusted: Path) -> tuple[str | Path, ...]:
    """Options of DCMTK's programs: show this certificate, believe that authority."""
    return ("+tls", pair.key, pair.certificate, "+cf", trusted)


def turned_away(intake: RunningIntake) -> list[str]:
    return [row.detail["reason"] for row in intake.rows(tables.audit) if row.action == "association.refused"]


def test_a_film_comes_in_over_tls(run_an_intake: IntakeRunner, authority: Authority, node: Pair, film: Path) -> None:
    with run_an_intake(port=None, secure=secure(authority, node)) as intake:
        answer = peers.storescu(intake.port, *by(authority.issue("room1"), authority.certificate), film)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        assert len(intake.kept()) == 1
        assert intake.spooled() == []
        assert turned_away(intake) == []


def test_a_large_film_comes_in_whole(
    run_an_intake: IntakeRunner, authority: Authority, node: Pair, tmp_path: Path
) -> None:
    film = make_dx(rows=2000, columns=1800)
    with run_an_intake(port=None, secure=secure(authority, node)) as intake:
        options = by(authority.issue("room1"), authority.certificate)
        answer = peers.storescu(intake.port, *options, save(film, tmp_path / "large.dcm"))
        assert answer.returncode == 0, answer.stdout + answer.stderr
        assert film.PixelData in intake.kept()[film.SOPInstanceUID]


def test_a_stranger_an_expired_and_a_revoked_certificate_are_refused(
    run_an_intake: IntakeRunner, authority: Authority, node: Pair, film: Path, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path / "stranger", name="Stranger", key=1).issue("room1")
    expired = authority.issue("expired", ends=dt.timedelta(days=-1))
    revoked = authority.issue("revoked")
    port = secure(authority, node, revocations=authority.revoke(revoked))
    with run_an_intake(port=None, secure=port) as intake:
        for pair in (stranger, expired, revoked):
            assert peers.storescu(intake.port, *by(pair, authority.certificate), film).returncode != 0
        peers.wait_until(lambda: len(turned_away(intake)) == 3)
        assert [reason.partition("(")[2].rstrip(")") for reason in turned_away(intake)] == [
            "unable to get local issuer certificate",
            "certificate has expired",
            "certificate revoked",
        ]
        assert intake.kept() == {}
        good = authority.issue("room2")
        assert peers.storescu(intake.port, *by(good, authority.certificate), film).returncode == 0


def test_no_certificate_is_refused(run_an_intake: IntakeRunner, authority: Authority, node: Pair, film: Path) -> None:
    with run_an_intake(port=None, secure=secure(authority, node)) as intake:
        assert peers.storescu(intake.port, "+tla", "+cf", authority.certificate, film).returncode != 0
        peers.wait_until(lambda: turned_away(intake))
        assert turned_away(intake) == ["TLS: peer did not return a certificate"]


def test_a_client_that_does_not_trust_the_node_goes_away(
    run_an_intake: IntakeRunner, authority: Authority, node: Pair, film: Path, tmp_path: Path
) -> None:
    other = Authority(tmp_path / "other", name="Other", key=1)
    with run_an_intake(port=None, secure=secure(authority, node)) as intake:
        assert peers.storescu(intake.port, *by(authority.issue("room1"), other.certificate), film).returncode != 0
        peers.wait_until(lambda: turned_away(intake))
        assert turned_away(intake) == ["TLS: tlsv1 alert unknown ca"]


def test_plain_dicom_on_the_port_with_tls(
    run_an_intake: IntakeRunner, authority: Authority, node: Pair, film: Path
) -> None:
    with run_an_intake(port=None, secure=secure(authority, node)) as intake:
        assert peers.storescu(intake.port, film).returncode != 0
        peers.wait_until(lambda: turned_away(intake))
        assert turned_away(intake) == ["spoke no TLS to a port with TLS"]


def test_tls_on_the_plain_port(intake: RunningIntake, authority: Authority, film: Path) -> None:
    assert peers.storescu(intake.port, *by(authority.issue("room1"), authority.certificate), film).returncode != 0
    peers.wait_until(lambda: turned_away(intake))
    assert turned_away(intake) == ["spoke TLS to a port without TLS"]


def test_each_port_has_rules_of_its_own(
    run_an_intake: IntakeRunner, authority: Authority, node: Pair, film: Path
) -> None:
    port = peers.free_port()
    elsewhere = AllowedCaller(ae_title="ROOM1", networks=(ip_network("192.0.2.0/24"),))
    with run_an_intake(allow=(elsewhere,), secure=secure(authority, node, port=port)) as intake:
        assert peers.storescu(intake.port, film, calling="ROOM1").returncode != 0
        options = by(authority.issue("room1"), authority.certificate)
        assert peers.storescu(port, *options, film, calling="ROOM1").returncode == 0


def test_an_ae_title_may_belong_to_one_certificate(
    run_an_intake: IntakeRunner, authority: Authority, node: Pair, film: Path
) -> None:
    entry = AllowedCaller(ae_title="ROOM1", certificate="Room1.example.org")
    with run_an_intake(port=None, secure=replace(secure(authority, node), allow=(entry,))) as intake:
        other = by(authority.issue("room2.example.org"), authority.certificate)
        assert peers.storescu(intake.port, *other, film, calling="ROOM1").returncode != 0
        peers.wait_until(lambda: turned_away(intake))
        assert turned_away(intake) == ["certificate not allowed for this AE title"]
        own = by(authority.issue("room1.example.org"), authority.certificate)
        assert peers.storescu(intake.port, *own, film, calling="ROOM1").returncode == 0


def test_a_silent_handshake_and_a_health_check_hold_up_nobody(
    run_an_intake: IntakeRunner, authority: Authority, node: Pair, film: Path
) -> None:
    with run_an_intake(port=None, secure=secure(authority, node), idle_timeout=20.0) as intake:
        with socket.create_connection(("127.0.0.1", intake.port)) as silent:
            silent.sendall(b"\x16")  # the handshake begins, and never goes on
            socket.create_connection(("127.0.0.1", intake.port)).close()
            options = by(authority.issue("room1"), authority.certificate)
            assert peers.storescu(intake.port, *options, film).returncode == 0
        peers.wait_until(lambda: turned_away(intake))
        assert turned_away(intake) == ["TLS: the peer hung up"]


def test_whoever_hangs_up_before_asking_frees_its_place_at_once(
    run_an_intake: IntakeRunner, authority: Authority, node: Pair
) -> None:
    """A load balancer's health check of a port with TLS ends after the handshake."""
    checker, port = authority.issue("checker"), peers.free_port()
    identity = Identity(certificate=checker.certificate, key=checker.key)
    context = calling(ClientTls(trust=Trust(authorities=authority.certificate), identity=identity)).get()
    with run_an_intake(secure=secure(authority, node, port=port), max_associations=1, idle_timeout=60.0) as intake:
        for number in (port, intake.port):
            with socket.create_connection(("127.0.0.1", number)) as peer:
                if number == port:
                    context.wrap_socket(peer, server_hostname="127.0.0.1").close()
                else:
                    peer.sendall(b"\x01")
            peers.wait_until(lambda: peers.echoscu(intake.port).returncode == 0, 10.0)
        assert turned_away(intake) == []
