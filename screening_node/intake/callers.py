"""Who may speak to the node: calling AE titles and addresses allowed by list, and a memory of who was turned away.

A calling AE title proves nothing (anybody can send it) and an address little; together they keep out what strays into
the network of modalities. What proves who calls is TLS with client certificates.
"""

from __future__ import annotations

import logging
import ssl
import threading
import time
from collections.abc import Callable, Hashable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, cast

from screening_node.errors import ScreeningNodeError
from screening_node.store.records import audit
from screening_node.store.session import Store

if TYPE_CHECKING:
    from pynetdicom.events import Event

logger = logging.getLogger(__name__)

#: A-ASSOCIATE-RJ (PS3.8 section 9.3.4): rejected-permanent, by the UL service-user, calling-AE-title-not-recognized.
NOT_RECOGNISED = (1, 1, 3)
#: Stands for every AE title in an entry of the list.
ANY_TITLE = "*"

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, kw_only=True, slots=True)
class AllowedCaller:
    """One entry of the list. ``ae_title`` may be ``ANY_TITLE``; without ``networks`` every address will do.

    ``certificate``: a name that the caller's certificate has to hold; without it every accepted one will do.
    """

    ae_title: str
    networks: tuple[Network, ...] = ()
    certificate: str | None = None

    def knows_title(self, ae_title: str) -> bool:
        """Whether this entry is about that AE title (PS3.5 table 6.2-1: spaces at the ends do not count)."""
        return self.ae_title in (ANY_TITLE, ae_title.strip(" "))

    def knows_address(self, address: str) -> bool:
        """Whether the peer's address is in one of the networks."""
        known = _unmapped(address)
        return not self.networks or any(known in network for network in self.networks)

    def knows_certificate(self, names: frozenset[str]) -> bool:
        """Whether one of the names in the peer's certificate is the wanted one; capitals do not count."""
        return self.certificate is None or self.certificate.casefold() in {name.casefold() for name in names}


def why_not(
    allowed: tuple[AllowedCaller, ...], ae_title: str, address: str, names: frozenset[str] = frozenset()
) -> str | None:
    """Why a caller is not let in; None where it is. An empty list lets everybody in.

    ``names``: those in its certificate; none without TLS.
    """
    of_title = [entry for entry in allowed if entry.knows_title(ae_title)]
    from_there = [entry for entry in of_title if entry.knows_address(address)]
    if not allowed or any(entry.knows_certificate(names) for entry in from_there):
        return None
    if not of_title:
        return "calling AE title not allowed"
    return "certificate not allowed for this AE title" if from_there else "address not allowed for this AE title"


def names_of(peer: object) -> frozenset[str]:
    """The names in a TLS peer's verified certificate: subject's common name, DNS names of the subject alternative."""
    shown = peer.getpeercert() if isinstance(peer, ssl.SSLSocket) else None
    if not shown:
        return frozenset()
    subject = [pair for group in cast(Iterable[Iterable[tuple[str, str]]], shown.get("subject", ())) for pair in group]
    others = cast(Iterable[tuple[str, str]], shown.get("subjectAltName", ()))
    return frozenset(value for kind, value in (*subject, *others) if kind in ("commonName", "DNS"))


def _unmapped(address: str) -> IPv4Address | IPv6Address:
    """The address; an IPv4 one where a listener on :: gives it as ::ffff:a.b.c.d. A scope (%eth0) says nothing."""
    parsed = ip_address(address.partition("%")[0])
    return getattr(parsed, "ipv4_mapped", None) or parsed


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    """What is to be written down: ``times`` it happened since the last note, and ``others`` that found no room."""

    times: int
    others: int


class RefusalLedger:
    """Decides which refusals are written down, so that a port scanner fills neither log nor audit table.

    The first refusal of a caller is, its repetitions within ``window`` seconds are counted; ``limit`` is the number
    of notes in a window for all callers together. Memory is bounded by it, too.
    """

    def __init__(self, *, window: float = 3600.0, limit: int = 60, clock: Callable[[], float] = time.monotonic) -> None:
        self._window, self._limit, self._clock = window, limit, clock
        self._lock = threading.Lock()
        self._began = clock()
        self._noted: dict[Hashable, int] = {}
        self._repeated: dict[Hashable, int] = {}
        self._others = 0

    def note(self, caller: Hashable) -> Note | None:
        """Count a refusal of ``caller``; a Note where it is to be written down now."""
        with self._lock:
            self._turn_the_page()
            if caller in self._noted:
                self._noted[caller] += 1
                return None
            if len(self._noted) >= self._limit:
                self._others += 1
                return None
            self._noted[caller] = 0
            others, self._others = self._others, 0
            return Note(times=1 + self._repeated.pop(caller, 0), others=others)

    def _turn_the_page(self) -> None:
        if self._clock() - self._began >= self._window:
            self._began = self._clock()
            self._repeated, self._noted = self._noted, {}


class Doorkeeper:
    """Answers association requests of one listener for those who may not come in."""

    def __init__(self, allowed: tuple[AllowedCaller, ...], store: Store, ledger: RefusalLedger) -> None:
        self._allowed = allowed
        self._store = store
        self._ledger = ledger

    def on_requested(self, event: Event) -> None:
        """Handler of pynetdicom's EVT_REQUESTED: rejects before anything is negotiated.

        One answer for a wrong title and for a wrong address, so that nobody can find out which titles are known.
        """
        assoc = event.assoc
        title = str(getattr(assoc.requestor.primitive, "calling_ae_title", "") or "")
        address = str(assoc.requestor.address_info.address) if assoc.requestor.address_info is not None else ""
        connected = assoc.dul.socket
        names = names_of(connected.socket) if connected is not None else frozenset()
        reason = why_not(self._allowed, title, address, names)
        if reason is None:
            return
        assoc.acse.send_reject(*NOT_RECOGNISED)
        assoc.kill()
        self.turned_away(ascii(title.strip())[1:-1], address, reason)

    def turned_away(self, ae_title: str, address: str, reason: str) -> None:
        """Log and audit a refused association or connection, unless that was done for this caller lately."""
        note = self._ledger.note((ae_title, address, reason))
        if note is None:
            return
        logger.warning(
            "Refused an association of %s at %s: %s (%d times; %d others not written down)",
            ae_title or "nobody",
            address,
            reason,
            note.times,
            note.others,
        )
        detail = {"address": address, "reason": reason, "times": note.times, "others": note.others}
        with suppress(ScreeningNodeError), self._store.begin() as tx:
            audit(tx, actor=ae_title, action="association.refused", subject="", detail=detail)
