"""Who may call: entries of ``[node] allow``."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from screening_node.settings.base import AeTitle, Section, wrong


def _network(value: object) -> IPv4Network | IPv6Network:
    try:
        return ip_network(str(value))
    except ValueError as error:
        raise wrong(
            f"{value!r} is no address or network",
            "Write an address (192.0.2.7) or a network with its own first address (192.0.2.0/24, 2001:db8::/32).",
        ) from error


def _not_empty(value: tuple[IPv4Network | IPv6Network, ...] | None) -> tuple[IPv4Network | IPv6Network, ...] | None:
    if value == ():
        raise wrong("an empty list of addresses lets nobody in", "Leave addresses out to allow every address.")
    return value


Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]


class AllowSection(Section):
    """One caller that is let in: its AE title ("*" for any), and where it may call from."""

    ae_title: AeTitle
    addresses: Annotated[tuple[Network, ...] | None, AfterValidator(_not_empty)] = None
