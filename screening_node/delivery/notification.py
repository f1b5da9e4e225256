"""Notifications: short messages to people, by e-mail, webhook or chat, through the Apprise library.

What a channel is (mailtos://..., jsons://..., and some hundred more) stands in one address, which holds passwords and
tokens: it is read anew for every message, and no part of it, nor of what Apprise or the receiver says, is ever shown.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final

from screening_node.delivery.channel import Unreachable
from screening_node.delivery.destination import NotificationDestination, Timeouts
from screening_node.errors import DestinationRefused, DestinationUnavailable, ScreeningNodeError, UnreadableObject
from screening_node.reporting.reporter import Report

if TYPE_CHECKING:
    import apprise

_AGENT: Final = "screening-node"
#: Client errors by number that say "later", not "never".
_LATER: Final = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
#: How Apprise's services end their words on an answer that is no success.
_STATUS: Final = re.compile(r"\berror=(\d{3})\b")


class Weight(StrEnum):
    """How a message is marked, where a channel can do that; Apprise's own words."""

    INFO = "info"
    SUCCESS = "success"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """What people are told: plain text, without patient data."""

    title: str
    body: str
    weight: Weight = Weight.INFO

    def to_bytes(self) -> bytes:
        """As it is kept."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Message:
        """Back from how it is kept. Raises ValueError."""
        table = json.loads(data)
        if not isinstance(table, dict) or set(table) != {"title", "body", "weight"}:
            raise ValueError("no message")
        return cls(title=str(table["title"]), body=str(table["body"]), weight=Weight(table["weight"]))


class NotificationChannel:
    """See ``Channel``. Every message is a connection of its own, made and closed by Apprise."""

    newest_wins = False
    is_open = False

    def __init__(self, destination: NotificationDestination, timeouts: Timeouts) -> None:
        self._destination = destination
        self._timeouts = timeouts

    def load(self, path: Path) -> Message:
        """The message in a kept file; UnreadableObject where it is none."""
        try:
            return Message.from_bytes(path.read_bytes())
        except OSError as error:
            raise UnreadableObject("The file to send cannot be read.", fix="Check the archive's disk.") from error
        except ValueError as error:
            raise UnreadableObject(
                "The file to send is no notification.", fix="Restore the archive from a backup."
            ) from error

    def send(self, parcel: Message, coming: Sequence[Message]) -> str:
        """Send one message. Raises Unreachable, DestinationUnavailable or DestinationRefused."""
        sender = self._sender()
        try:
            result = sender.notify(title=parcel.title, body=parcel.body, notify_type=parcel.weight, body_format="text")
        except Exception as error:  # whatever a service's code stumbles over, its words may hold the address
            raise self._failure(type(error).__name__) from None
        with result:
            if result:
                return ""
            timed_out = result.status.name == "TIMEOUT"
            statuses = [found[1] for entry in result.logs() if (found := _STATUS.search(str(entry.message)))]
        if timed_out or not statuses:
            raise self._nobody("did not answer in time" if timed_out else "did not take a message")
        raise self._answered(int(statuses[-1]))

    def check(self) -> str:
        """What kind of channel it is, by Apprise's name for it; nothing is sent. Raises Unreachable."""
        (service,) = self._sender()
        return str(service.service_name or "a service")

    def instead(self, parcel: Message, kind: str) -> Report | None:
        """There is no other form of a message."""
        return None

    def close(self) -> None:
        """Nothing is kept open."""

    def hang_up(self) -> None:
        """Apprise's own timeouts end what is under way."""

    def _sender(self) -> apprise.Apprise:
        """Apprise with this one service; what it logs is for nobody's eyes."""
        import apprise

        _quiet()

        made = apprise.Apprise(asset=self._asset())
        address = self._address()
        try:
            understood = made.add(address)
        except Exception:  # its words may hold the address
            understood = False
        services = list(made)
        if not understood or len(services) != 1:
            raise self._misread("Apprise does not understand the address", "Write one Apprise address")
        if len(services[0]) > 1:  # one that is refused would bring the others the same message again and again
            raise self._misread("the address names several receivers", "Give each receiver a channel of its own")
        services[0].socket_connect_timeout = self._timeouts.connect
        services[0].socket_read_timeout = self._timeouts.message
        return made

    def _asset(self) -> apprise.AppriseAsset:
        import apprise

        return apprise.AppriseAsset(
            app_id=_AGENT,
            app_desc="Bone density screening node",
            app_url="",
            image_url_mask="",
            image_url_logo="",
            async_mode=False,
            plugin_paths=[],
            storage_mode="memory",
            http_redirects=False,
            allow_templates=False,
            service_timeout=self._timeouts.connect + self._timeouts.message,
        )

    def _address(self) -> str:
        given, file = self._destination.address, self._destination.address_file
        if given is not None:
            return given
        try:
            assert file is not None
            return file.read_text(encoding="utf-8").strip()
        except (OSError, ValueError):
            raise self._misread(
                f"its address cannot be read from {file}", "Write it there, readable for the node's user alone"
            ) from None

    def _misread(self, what: str, fix: str) -> Unreachable:
        return Unreachable(f"{self._destination}: {what}.", fix=f"{fix}; the node keeps trying.")

    def _nobody(self, what: str) -> Unreachable:
        return Unreachable(
            f"{self._destination} {what}.",
            fix="Check its address, that the receiver runs, and the firewall (screening-node notify test shows at once "
            "whether it works); the node keeps trying.",
        )

    def _failure(self, kind: str) -> Unreachable:
        return self._nobody(f"could not be called ({kind})")

    def _answered(self, status: int) -> ScreeningNodeError:
        words = f"{self._destination} answered HTTP {_phrase(status)}."
        if status >= 500 or status in _LATER:
            return DestinationUnavailable(words, fix="The node keeps trying.")
        return DestinationRefused(words, fix="Correct the address of this channel, then retry the delivery.")


def _quiet() -> None:
    """Keep addresses out of the logs: Apprise and the libraries below it quote them. Its results are read instead."""
    for library in ("apprise", "urllib3"):
        logger = logging.getLogger(library)
        logger.setLevel(logging.WARNING)
        logger.propagate = False
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())


def _phrase(status: int) -> str:
    try:
        return f"{status} ({HTTPStatus(status).phrase})"
    except ValueError:
        return str(status)
