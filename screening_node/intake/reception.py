"""The DIMSE provider of an intake association: data set fragments go to a spool file as they come.

pynetdicom's own provider gathers a data set in memory, or in a file of the system's temporary folder. This one
replaces what it does with the data of a C-STORE request and leaves the rest (commands, C-ECHO, responses) alone.
Written against pynetdicom 3.0.4 (``dimse.py``, ``dimse_messages.py``).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import C_STORE_RQ, DIMSEMessage
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu_primitives import P_DATA

from screening_node.intake.header import is_valid_uid
from screening_node.intake.refused import Refused
from screening_node.intake.spool import Spool
from screening_node.intake.statuses import IntakeStatus

if TYPE_CHECKING:
    from pynetdicom.association import Association

logger = logging.getLogger(__name__)

#: Message Control Header of a presentation data value (PS3.8 annex E.2).
_COMMAND, _LAST = 0x01, 0x02
#: A command set takes a few hundred bytes; a longer one is hostile.
_LONGEST_COMMAND = 65536
#: State machine event: unrecognised or invalid PDU (PS3.8 table 9-10): the association is aborted.
_INVALID_PDU = "Evt19"

RefusalListener = Callable[["Association", str, Refused], None]


class SpoolingProvider(DIMSEServiceProvider):
    """Receives for one association. ``on_refused`` hears of objects answered here, before any handler."""

    def __init__(
        self, assoc: Association, *, new_spool: Callable[[], Spool], min_free: int, on_refused: RefusalListener
    ) -> None:
        super().__init__(assoc)
        self._new_spool = new_spool
        self._min_free = min_free
        self._on_refused = on_refused
        self._current: Spool | None = None
        self._unsettled: list[Spool] = []
        self._waiting: list[tuple[C_STORE, Spool]] = []
        self._closed = False

    def receive_primitive(self, primitive: P_DATA) -> None:
        """Take one P-DATA; anything that is no proper DIMSE message aborts the association, politely."""
        try:
            for context_id, data in primitive.presentation_data_value_list:
                self._receive_fragment(context_id, data)
        except Exception as error:  # bytes from the network: whatever they break, only this association may end
            logger.warning("An association sent a broken message (%s) and is aborted.", type(error).__name__)
            self._abort()

    def take(self, request: C_STORE) -> Spool | None:
        """The spool of a request whose data set came; None where it came without one."""
        for entry in self._waiting:
            if entry[0] is request:
                self._waiting.remove(entry)
                return entry[1]
        return None

    def close(self) -> None:
        """The association ended: whatever was not kept goes."""
        self._closed = True
        for spool in self._unsettled:
            spool.discard()

    def _receive_fragment(self, context_id: int, data: bytes) -> None:
        control = data[0]
        if control & _COMMAND:
            self._receive_command(context_id, data)
        elif self._current is None:
            raise ValueError("data without a C-STORE command")  # the node serves nothing else that carries data
        else:
            self._current.write(memoryview(data)[1:])
            if control & _LAST:
                self._finish(self._current)

    def _receive_command(self, context_id: int, data: bytes) -> None:
        if self._current is not None:
            raise ValueError("a command within a data set")
        pending = self.message.encoded_command_set.tell() if self.message is not None else 0
        if pending + len(data) > _LONGEST_COMMAND:
            raise ValueError("command set too long")
        single = P_DATA()
        single.presentation_data_value_list.append((context_id, data))
        super().receive_primitive(single)
        if data[0] & _LAST and self.message is not None:
            if not isinstance(self.message, C_STORE_RQ):
                raise ValueError("a data set with something other than C-STORE")
            self._current = self._open(self.message, context_id)

    def _open(self, message: DIMSEMessage, context_id: int) -> Spool:
        spool = self._new_spool()
        self._unsettled = [other for other in self._unsettled if not other.settled]
        self._unsettled.append(spool)
        if self._closed:
            return spool
        command = message.command_set
        context = self.assoc._accepted_cx[context_id]
        instance = str(command.get("AffectedSOPInstanceUID") or "").rstrip(" \0")
        if not is_valid_uid(instance):
            spool.refuse(Refused(IntakeStatus.INVALID_SOP_INSTANCE, "Affected SOP Instance UID is no valid UID."))
        elif command.get("AffectedSOPClassUID") != context.abstract_syntax:
            spool.refuse(Refused(IntakeStatus.SOP_CLASS_NOT_SUPPORTED, "Affected SOP Class UID was not negotiated."))
        else:
            spool.open(
                sop_class_uid=str(context.abstract_syntax),
                sop_instance_uid=instance,
                transfer_syntax_uid=str(context.transfer_syntax[0]),
                calling_ae=ae_title_of(self.assoc),
                min_free=self._min_free,
            )
        return spool

    def _finish(self, spool: Spool) -> None:
        message = self.message
        self.message = self._current = None
        assert message is not None
        assert message.context_id is not None
        command = message.command_set
        if spool.refused is not None and spool.refused.status in _COMMAND_REFUSALS:
            self._answer(message, message.context_id, spool.refused)
            self._on_refused(self.assoc, "", spool.refused)
            return
        command["AffectedSOPInstanceUID"].value = str(command.AffectedSOPInstanceUID).rstrip(" \0")
        request = message.message_to_primitive()
        assert isinstance(request, C_STORE)
        self._waiting.append((request, spool))
        self.msg_queue.put((message.context_id, request))

    def _answer(self, message: DIMSEMessage, context_id: int, refused: Refused) -> None:
        """Answer a command that is not fit to be handed on (pynetdicom would abort over its UIDs)."""
        response = C_STORE()
        response.MessageIDBeingRespondedTo = int(message.command_set.MessageID)
        response.AffectedSOPClassUID = self.assoc._accepted_cx[context_id].abstract_syntax
        response.Status = int(refused.status)
        response.ErrorComment = refused.reason  # type: ignore[assignment]
        self.send_msg(response, context_id)

    def _abort(self) -> None:
        self._current = None
        self.dul.event_queue.put(_INVALID_PDU)


_COMMAND_REFUSALS = (IntakeStatus.INVALID_SOP_INSTANCE, IntakeStatus.SOP_CLASS_NOT_SUPPORTED)


def ae_title_of(assoc: Association) -> str:
    """The peer's AE title as it may be logged: control characters and the like escaped."""
    return ascii((assoc.requestor.ae_title or "").strip())[1:-1]
