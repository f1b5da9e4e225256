"""TLS: from the sections of the settings to what is shown, and who is believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from screening_node import tls
from screening_node.settings import Settings
from screening_node.tls import ClientTls, Identity, ServerTls, Trust

if TYPE_CHECKING:
    from screening_node.settings.access import DestinationTlsSection, ListeningTlsSection, NodeTlsSection, TlsSection


def server_tls(section: ListeningTlsSection) -> ServerTls:
    """What a port with TLS shows, and whom it believes."""
    shown, trust = _identity(section), _trust(section) if section.client_certificates else None
    assert shown is not None  # the section was checked
    return ServerTls(identity=shown, trust=trust)


def client_tls(section: DestinationTlsSection | None) -> ClientTls | None:
    """How a destination is called over TLS; None for plain DICOM."""
    if section is None:
        return None
    trust = _trust(section)
    assert trust is not None  # the section was checked
    return ClientTls(
        trust=trust, identity=_identity(section), server_name=section.server_name, verify_name=section.verify_name
    )


def own_client_tls(section: NodeTlsSection | None) -> ClientTls | None:
    """How this machine calls its own node over TLS: it believes the node's certificate itself, and shows it."""
    if section is None or section.certificate is None:
        return None
    return ClientTls(trust=Trust(authorities=section.certificate), identity=_identity(section), verify_name=False)


def _identity(section: TlsSection) -> Identity | None:
    if section.certificate is None:
        return None
    return Identity(
        certificate=section.certificate,
        key=section.key,
        key_pem=None if section.key_pem is None else section.key_pem.get_secret_value(),
        password=None if section.key_password is None else section.key_password.get_secret_value(),
    )


def _trust(section: TlsSection) -> Trust | None:
    if section.authorities is None:
        return None
    return Trust(authorities=section.authorities, revocations=section.revocations)


def check_certificates(settings: Settings) -> None:
    """Raises Misconfigured where certificates, keys or authorities cannot be used."""
    if settings.node.tls is not None:
        tls.serving(server_tls(settings.node.tls))
    if settings.intake.stow is not None and settings.intake.stow.tls is not None:
        tls.serving(server_tls(settings.intake.stow.tls))
    for each in (*settings.destinations, *settings.pull):
        if (client := client_tls(each.tls)) is not None:
            tls.calling(client)
    if settings.admin.oidc is not None and settings.admin.oidc.authorities is not None:
        tls.calling(ClientTls(trust=Trust(authorities=settings.admin.oidc.authorities)))
