"""Where the node listens, who may call there, and how a program on this machine reaches it."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING

from screening_node.assembly.certificates import own_client_tls, server_tls
from screening_node.settings import Settings

if TYPE_CHECKING:
    from screening_node.delivery.destination import Destination
    from screening_node.intake.callers import AllowedCaller
    from screening_node.intake.scp import SecurePort
    from screening_node.settings.access import AllowSection

#: Listening addresses, and where a program on this machine finds them.
REACHED_AS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def allowed_callers(entries: Iterable[AllowSection]) -> tuple[AllowedCaller, ...]:
    """Who may call; empty where everybody may."""
    from screening_node.intake.callers import AllowedCaller

    return tuple(
        AllowedCaller(ae_title=each.ae_title, networks=each.addresses or (), certificate=each.certificate)
        for each in entries
    )


def secure_port(settings: Settings) -> SecurePort | None:
    """The port with TLS, where there is one."""
    from screening_node.intake.scp import SecurePort

    section = settings.node.tls
    if section is None:
        return None
    return SecurePort(
        host=section.host or settings.node.host,
        port=section.port,
        tls=server_tls(section),
        allow=allowed_callers(section.allow),
    )


def ports_in_words(settings: Settings) -> str:
    """Where the node listens, for people's eyes."""
    node = settings.node
    plain = [f"{node.host}:{node.port}"] if node.plain else []
    secure = [f"{node.tls.host or node.host}:{node.tls.port} with TLS"] if node.tls is not None else []
    return " and ".join(plain + secure)


def port_is_free(settings: Settings) -> bool:
    """Whether the node could listen where it is told to, as far as can be seen without listening."""
    return can_listen(settings.node.host, settings.node.port)


def can_listen(host: str, port: int) -> bool:
    """Whether a program could listen there now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def this_node(settings: Settings) -> Destination:
    """The node itself, as a program on this machine reaches it."""
    from screening_node.delivery.destination import Destination

    node = settings.node
    if not node.plain:
        return tls_destination(settings)
    host = REACHED_AS.get(node.host, node.host)
    return Destination(name="this node", ae_title=node.ae_title, host=host, port=node.port)


def tls_destination(settings: Settings) -> Destination:
    """The node's port with TLS, as a program on this machine reaches it."""
    from screening_node.delivery.destination import Destination

    node, secure = settings.node, settings.node.tls
    assert secure is not None
    host = secure.host or node.host
    return Destination(
        name="this node",
        ae_title=node.ae_title,
        host=REACHED_AS.get(host, host),
        port=secure.port,
        tls=own_client_tls(secure),
    )
