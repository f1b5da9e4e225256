"""Reports over TLS to DCMTK's storescp and to Orthanc, and what is said where certificates do not fit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from certificates import Authority, Pair
from factory import make_dx, save
from integration import peers

from screening_node.delivery.destination import Destination, Timeouts
from screening_node.delivery.sender import echo, send_files
from screening_node.errors import DestinationUnavailable, ScreeningNodeError
from screening_node.tls import ClientTls, Identity, Trust

TIMEOUTS = Timeouts(connect=5, association=5, message=10)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def own(authority: Authority) -> Pair:
    return authority.issue("node")


def scp_options(pair: Pair, authority: Authority) -> tuple[str, ...]:
    return ("+tls", str(pair.key), str(pair.certificate), "+cf", str(authority.certificate))


@pytest.fixture
def pacs(tmp_path: Path, authority: Authority) -> Iterator[peers.StoreScp]:
    with peers.storescp(tmp_path / "pacs", *scp_options(authority.issue("pacs"), authority)) as running:
        yield running


def to(
    peer: peers.StoreScp | peers.Orthanc, authority: Authority | None, own: Pair | None, **settings: object
) -> Destination:
    identity = None if own is None else Identity(certificate=own.certificate, key=own.key)
    tls = None
    if authority is not None:
        tls = ClientTls(trust=Trust(authorities=authority.certificate), identity=identity, **settings)  # type: ignore[arg-type]
    return Destination(name="pacs", ae_title=peer.ae_title, host="127.0.0.1", port=peer.port, tls=tls)


def sent(destination: Destination, film: Path) -> ScreeningNodeError | None:
    (result,) = send_files([film], destination, calling_ae="NODE", timeouts=TIMEOUTS)
    return result.error


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return save(make_dx(), tmp_path / "film.dcm")


def test_storescp_gets_it_over_tls(pacs: peers.StoreScp, authority: Authority, own: Pair, film: Path) -> None:
    destination = to(pacs, authority, own)
    echo(destination, calling_ae="NODE", timeouts=TIMEOUTS)
    assert sent(destination, film) is None
    assert len(pacs.files()) == 1
    assert "with TLS" in str(destination)


def test_orthanc_gets_it_over_tls(tmp_path: Path, authority: Authority, own: Pair, film: Path) -> None:
    pair = authority.issue("orthanc")
    settings = {
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": str(pair.certificate),
        "DicomTlsPrivateKey": str(pair.key),
        "DicomTlsTrustedCertificates": str(authority.certificate),
        "DicomTlsRemoteCertificateRequired": True,
    }
    with peers.orthanc(tmp_path / "orthanc", **settings) as orthanc:
        assert sent(to(orthanc, authority, own), film) is None
        assert len(orthanc.instances()) == 1
        assert "no TLS connection" in str(sent(to(orthanc, authority, None), film))
        assert sent(to(orthanc, None, None), film) is not None
        assert len(orthanc.instances()) == 1


def refused(destination: Destination, film: Path) -> str:
    error = sent(destination, film)
    assert isinstance(error, DestinationUnavailable), "worth another try: certificates get renewed"
    assert error.fix
    return error.message


def test_a_pacs_that_the_node_does_not_believe(pacs: peers.StoreScp, own: Pair, film: Path, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other", name="Other", key=1)
    assert "certificate not accepted" in refused(to(pacs, other, own), film)
    assert pacs.files() == []


def test_a_pacs_with_an_expired_certificate(tmp_path: Path, authority: Authority, own: Pair, film: Path) -> None:
    expired = authority.issue("old", ends=dt.timedelta(days=-1))
    with peers.storescp(tmp_path / "old", *scp_options(expired, authority)) as pacs:
        assert "certificate has expired" in refused(to(pacs, authority, own), film)
        assert pacs.files() == []


def test_a_certificate_of_another_host(tmp_path: Path, authority: Authority, own: Pair, film: Path) -> None:
    elsewhere = authority.issue("elsewhere", host="192.0.2.1")
    with peers.storescp(tmp_path / "elsewhere", *scp_options(elsewhere, authority)) as pacs:
        assert "IP address mismatch" in refused(to(pacs, authority, own), film)
        assert sent(to(pacs, authority, own, server_name="192.0.2.1"), film) is None
        assert sent(to(pacs, authority, own, verify_name=False), film) is None


def test_a_certificate_believed_by_itself(tmp_path: Path, authority: Authority, own: Pair, film: Path) -> None:
    """A site without the authority's certificate may name the PACS's own."""
    pair = authority.issue("pinned")
    with peers.storescp(tmp_path / "pinned", *scp_options(pair, authority)) as pacs:
        tls = ClientTls(
            trust=Trust(authorities=pair.certificate), identity=Identity(certificate=own.certificate, key=own.key)
        )
        destination = Destination(name="pacs", ae_title="STORESCP", host="127.0.0.1", port=pacs.port, tls=tls)
        assert sent(destination, film) is None


def test_a_pacs_that_does_not_believe_the_node(
    pacs: peers.StoreScp, authority: Authority, film: Path, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path / "stranger", name="Stranger", key=1).issue("node")
    assert "unknown ca" in refused(to(pacs, authority, stranger), film)
    assert "no TLS connection" in refused(to(pacs, authority, None), film)
    assert pacs.files() == []


def test_tls_to_a_pacs_that_speaks_plain_dicom(
    storescp: peers.StoreScp, authority: Authority, own: Pair, film: Path
) -> None:
    assert "no TLS connection" in refused(to(storescp, authority, own), film)
    assert storescp.files() == []


def test_plain_dicom_to_a_pacs_that_speaks_tls(pacs: peers.StoreScp, film: Path) -> None:
    assert sent(to(pacs, None, None), film) is not None
    assert pacs.files() == []


def test_nobody_there(authority: Authority, own: Pair, film: Path, tmp_path: Path) -> None:
    nobody = peers.StoreScp(ae_title="NOBODY", port=peers.free_port(), folder=tmp_path)
    assert "TLS connection" not in refused(to(nobody, authority, own), film)


def test_certificates_that_went_missing_are_worth_another_try(
    pacs: peers.StoreScp, authority: Authority, own: Pair, film: Path
) -> None:
    own.certificate.unlink()
    assert str(own.certificate) in refused(to(pacs, authority, own), film)
