"""Results as messages, for systems that read no DICOM: what is wanted, by whom, and what every format shares.

A message is made when the result is committed and kept like a report: what is sent again is the same bytes. Its UID
is derived like a report's, and so is every identifier inside it.
"""

from __future__ import annotations

import base64
import datetime as dt
import uuid
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from enum import StrEnum
from typing import Final

from screening_node.domain.identity import MODEL_NAME
from screening_node.reporting import uids
from screening_node.reporting.kinds import SopReference
from screening_node.reporting.language import Language
from screening_node.reporting.measurement_report import Statement

#: MSH-10 holds 20 characters (HL7 v2.5.1 section 2.15.9.10): 100 bits in base 32.
_CONTROL_ID_LENGTH: Final = 20


class MessageKind(StrEnum):
    """A message by the name that outbox and logs use."""

    HL7 = "HL7"
    FHIR = "FHIR"


class MessageFormat(StrEnum):
    """What stands in the outbox in the place of a SOP class."""

    ORU_R01 = "HL7 2.5.1 ORU^R01"
    FHIR_R4 = "FHIR R4"
    FHIR_R5 = "FHIR R5"

    @property
    def kind(self) -> MessageKind:
        """What it is a format of."""
        return MessageKind.HL7 if self is MessageFormat.ORU_R01 else MessageKind.FHIR


@dataclass(frozen=True, kw_only=True, slots=True)
class Addressing:
    """What a site's messages say of sender, receiver and the authority that gives patients their identifiers.

    ``assigning_authority`` stands where the film names no Issuer of Patient ID; ``patient_system`` is the URI by
    which a FHIR server knows that authority's identifiers.
    """

    sending_application: str = MODEL_NAME
    sending_facility: str = ""
    receiving_application: str = ""
    receiving_facility: str = ""
    processing: str = "P"
    assigning_authority: str = ""
    patient_system: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class WantedMessage:
    """One message to be made; ``previous`` is the message that this one replaces. Fields as in ``kinds.Wanted``."""

    sop_class_uid: MessageFormat
    addressing: Addressing = Addressing()
    language: Language = Language.ENGLISH
    previous: SopReference | None = None

    @property
    def kind(self) -> MessageKind:
        """By the name that outbox and logs use."""
        return self.sop_class_uid.kind

    @property
    def said(self) -> tuple[str, ...]:
        """What else than the result is in the message: other words give another UID."""
        return astuple(self.addressing)


@dataclass(frozen=True, kw_only=True, slots=True)
class MessageSet:
    """What a destination gets of every film: one message, as its format has it."""

    format: MessageFormat
    addressing: Addressing = Addressing()
    language: Language = Language.ENGLISH

    @property
    def main_kind(self) -> MessageKind:
        """The kind whose earlier revision is named as the predecessor."""
        return self.format.kind

    def wanted(self, previous: SopReference | None) -> Iterator[WantedMessage]:
        """The message; ``previous`` as in ``WantedMessage``."""
        yield WantedMessage(
            sop_class_uid=self.format, addressing=self.addressing, language=self.language, previous=previous
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """All that a message says, before it is put into a format; ``at`` in the film's own time zone."""

    statement: Statement
    wanted: WantedMessage
    uid: str
    at: dt.datetime

    @property
    def addressing(self) -> Addressing:
        """Sender, receiver, authority."""
        return self.wanted.addressing

    @property
    def order_uid(self) -> str:
        """The report through all its revisions: a receiver puts the newest in the place of the one before."""
        return uids.derived("order", self.statement.film.sop_instance_uid)

    @property
    def issuer(self) -> str:
        """Who gave the patient's identifier, as far as film or site say."""
        return self.statement.film.issuer or self.addressing.assigning_authority

    @property
    def revised(self) -> bool:
        """Whether an earlier report on the film is replaced."""
        return self.statement.revision > 1

    @property
    def corrected(self) -> bool:
        """Whether that earlier report was wrong, and not only older."""
        return self.revised and self.statement.alarm.corrects


def control_id(uid: str) -> str:
    """A UID's stand-in where a format has no room for it: the same UID gives the same."""
    digest = uuid.uuid5(uuid.NAMESPACE_OID, uid).bytes
    return base64.b32encode(digest).decode("ascii")[:_CONTROL_ID_LENGTH]
