"""What a destination's answers mean: delivered, worth another try, or no. Pure, and in words.

Sources: Status of C-STORE, PS3.4 table B.2-1 and PS3.7 annex C; A-ASSOCIATE-RJ, PS3.8 section 9.3.4.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from screening_node.errors import DestinationRefused, DestinationUnavailable, ScreeningNodeError, SopClassRefused


class StoreStatus(enum.IntEnum):
    """Statuses of a C-STORE response that are told apart by name; for the others their class decides."""

    SUCCESS = 0x0000
    ATTRIBUTE_LIST_ERROR = 0x0107  # a warning, PS3.7 C.4
    PROCESSING_FAILURE = 0x0110
    DUPLICATE_SOP_INSTANCE = 0x0111
    ATTRIBUTE_VALUE_OUT_OF_RANGE = 0x0116  # a warning, PS3.7 C.4
    SOP_CLASS_NOT_SUPPORTED = 0x0122
    NOT_AUTHORISED = 0x0124
    DUPLICATE_INVOCATION = 0x0210
    RESOURCE_LIMITATION = 0x0213
    OUT_OF_RESOURCES = 0xA700
    CANNOT_UNDERSTAND = 0xC000


_WARNINGS = (StoreStatus.ATTRIBUTE_LIST_ERROR, StoreStatus.ATTRIBUTE_VALUE_OUT_OF_RANGE)
#: The peer failed rather than refused: what it was given may be fine, and another day it may take it.
_WORTH_ANOTHER_TRY = (
    StoreStatus.PROCESSING_FAILURE,
    StoreStatus.DUPLICATE_INVOCATION,
    StoreStatus.RESOURCE_LIMITATION,
)
#: Error Comment has VR LO.
_LONGEST_COMMENT = 64
_OUT_OF_RESOURCES = range(0xA700, 0xA800)
_MISMATCH = range(0xA800, 0xAA00)
_WARNING_CLASS = range(0xB000, 0xC000)
_CANNOT_UNDERSTAND = range(0xC000, 0xD000)


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivered:
    """The destination has the object; ``note`` says what it remarked, if anything."""

    note: str = ""


def of_store_status(status: int, comment: str, where: str) -> Delivered:
    """Translate the status of a C-STORE response; raises DestinationUnavailable or DestinationRefused."""
    remark = "".join(character for character in comment if character.isprintable())[:_LONGEST_COMMENT]
    answer = f"0x{status:04X}" + (f" ({remark})" if remark else "")
    if status == StoreStatus.SUCCESS:
        return Delivered()
    if status in _WARNINGS or status in _WARNING_CLASS:
        return Delivered(note=f"stored with warning {answer}")
    if status == StoreStatus.DUPLICATE_SOP_INSTANCE:
        # our UIDs are derived from what the object says, so what it has is what it was sent
        return Delivered(note="the destination has it already")
    raise _failure(status, answer, where)


def _failure(status: int, answer: str, where: str) -> ScreeningNodeError:
    if status in _OUT_OF_RESOURCES:
        return DestinationUnavailable(
            f"{where} is out of resources: {answer}.", fix="Free space there; the node keeps trying."
        )
    if status in _WORTH_ANOTHER_TRY:
        return DestinationUnavailable(f"{where} failed with {answer}.", fix="See its log; the node keeps trying.")
    reason, fix = _words_of(status)
    error = SopClassRefused if status == StoreStatus.SOP_CLASS_NOT_SUPPORTED else DestinationRefused
    return error(f"{where} refused the object, {reason}: {answer}.", fix=fix)


def _words_of(status: int) -> tuple[str, str]:
    if status == StoreStatus.SOP_CLASS_NOT_SUPPORTED:
        return "it does not support the SOP class", "Enable this SOP class there, then retry the delivery."
    if status == StoreStatus.NOT_AUTHORISED:
        return "the node may not store there", "Give this node's AE title the right to store there, then retry."
    if status in _MISMATCH:
        return "data set and SOP class do not match", "See its log, and report it to the node's makers."
    if status in _CANNOT_UNDERSTAND:
        return "it cannot understand the data set", "See its log for the element that it dislikes."
    return "with a failure", "See its log, mend the cause, then retry the delivery."


class RejectResult(enum.IntEnum):
    """Result of an A-ASSOCIATE-RJ."""

    PERMANENT = 1
    TRANSIENT = 2


#: (source, reason) of an A-ASSOCIATE-RJ, PS3.8 table 9-21, in words and with a fix.
_REJECTIONS = {
    (1, 1): ("without giving a reason", "See its log; often it does not know this node's AE title or address."),
    (1, 2): ("because it does not know the application context", "Check that the port belongs to a DICOM server."),
    (1, 3): ("because it does not know this node's AE title", "Add the node's AE title there, then retry."),
    (1, 7): ("because it does not go by that AE title", "Correct ae_title of this destination in the configuration."),
    (2, 1): ("without giving a reason", "See its log."),
    (2, 2): ("because of the protocol version", "Check that the port belongs to a DICOM server."),
    (3, 1): ("because it is congested", "The node keeps trying."),
    (3, 2): ("because it has too many associations", "The node keeps trying."),
}


def of_rejection(result: int, source: int, reason: int, where: str) -> ScreeningNodeError:
    """The error for a rejected association: PS3.8 says itself which rejections are permanent."""
    words, fix = _REJECTIONS.get((source, reason), ("for a reserved reason", "See its log."))
    message = f"{where} rejected the association {words}."
    if result == RejectResult.PERMANENT:
        return DestinationRefused(message, fix=fix)
    return DestinationUnavailable(message, fix=fix)


def of_tls(reason: str, where: str) -> DestinationUnavailable:
    """The error for a failed TLS handshake: worth another try, because certificates get renewed."""
    return DestinationUnavailable(
        f"{where}: no TLS connection: {reason}.",
        fix="Check authorities, certificate and server_name of this destination's tls, that the port speaks TLS, and "
        "whom the PACS trusts; the node keeps trying.",
    )


def unavailable(what: str, where: str) -> DestinationUnavailable:
    """The error for a peer that cannot be reached, hangs up, or does not answer."""
    return DestinationUnavailable(
        f"{where} {what}.", fix="Check that it runs, its host and port, and the firewall; the node keeps trying."
    )
