"""Throwaway certificates, made when a test asks for them: an authority and whom it vouches for."""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

_NOW = dt.datetime.now(dt.UTC)
_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A certificate and its private key, both PEM files."""

    certificate: Path
    key: Path


@cache
def _key(number: int) -> rsa.RSAPrivateKey:
    """Keys take long to make: there are three, for all tests (an authority's, another's, everybody else's)."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, folder: Path, *, name: str = "Test Authority", key: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._key = folder, _key(key)
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        own = self._builder(self._name, self._key, _NOW + 365 * _DAY)
        own = own.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.certificate = self._written(f"{name}.pem", own.sign(self._key, hashes.SHA256()))

    def issue(self, name: str, *, ends: dt.timedelta = 90 * _DAY, host: str = "127.0.0.1") -> Pair:
        """A certificate for a host address, or one that ended where ``ends`` is negative."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
        builder = self._builder(subject, _key(2), _NOW + ends).add_extension(address, critical=False)
        key = self._folder / f"{name}.key"
        key.write_bytes(key_pem())
        key.chmod(0o600)
        return Pair(certificate=self._written(f"{name}.pem", builder.sign(self._key, hashes.SHA256())), key=key)

    def revoke(self, pair: Pair) -> Path:
        """A list that revokes one certificate."""
        serial = x509.load_pem_x509_certificate(pair.certificate.read_bytes()).serial_number
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(_NOW).build()
        builder = x509.CertificateRevocationListBuilder().issuer_name(self._name).add_revoked_certificate(entry)
        crl = builder.last_update(_NOW - _DAY).next_update(_NOW + 30 * _DAY).sign(self._key, hashes.SHA256())
        file = self._folder / "revocations.pem"
        file.write_bytes(crl.public_bytes(serialization.Encoding.PEM))
        return file

    def _builder(self, subject: x509.Name, key: rsa.RSAPrivateKey, ends: dt.datetime) -> x509.CertificateBuilder:
        begins = min(_NOW, ends) - _DAY
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key.public_key())
        return builder.serial_number(x509.random_serial_number()).not_valid_before(begins).not_valid_after(ends)

    def _written(self, name: str, certificate: x509.Certificate) -> Path:
        file = self._folder / name
        file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return file


def key_pem(password: str | None = None) -> bytes:
    """The private key of everybody who is no authority, encrypted where there is a password."""
    guard: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password is not None:
        guard = serialization.BestAvailableEncryption(password.encode())
    return _key(2).private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, guard)
