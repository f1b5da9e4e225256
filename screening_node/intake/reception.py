"""The DIMSE provider of an intake association: data set fragments go to a spool file as they come.

pynetdicom's own provider gathers a data set in memory, or in a file of the system's temporary folder, and hears of
fragments through a queue. This one is handed each fragment where it lies in the receive buffer, replaces what is done
with the data of a C-STORE request, writes responses straight to the wire, and leaves the rest (commands, C-ECHO)
alone. Written against pynetdicom 3.0.4 (``dimse.py``, ``dimse_messages.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from pydicom.dataset import Dataset
from pynetdicom.dimse import _RSP_TO_MESSAGE, DIMSEServiceProvider
from pynetdicom.dimse_messages import C_CANCEL_RQ, C_STORE_RQ, DIMSEMessage
from pynetdicom.dimse_primitives import DimsePrimitiveType, DimseServiceType
from pynetdicom.pdu_primitives import P_DATA

from screening_node.intake.header import is_valid_uid
from screening_node.intake.refused import Refused
from screening_node.intake.responses import c_store_response
from screening_node.intake.spool import Priority, Spool
from screening_node.intake.statuses import IntakeStatus
from screening_node.intake.wire import Wire

if TYPE_CHECKING:
    from pynetdicom.association import Association

#: Message Control Header of a presentation data value (PS3.8 annex E.2).
_COMMAND, _LAST = 0x01, 0x02
#: A command set takes a few hundred bytes; a longer one is hostile.
_LONGEST_COMMAND = 65536
#: Command Data Set Type (0000,0800) of a message without a data set (PS3.7 annex E.1).
_WITHOUT_DATA_SET = 0x0101

RefusalListener = Callable[["Association", str, Refused], None]


class SpoolingProvider(DIMSEServiceProvider):
    """Receives for one association, on its thread. ``take_in`` keeps an object or raises Refused; ``on_refused``
    hears of those, before the sender does.
    """

    def __init__(
        self,
        assoc: Association,
        *,
        new_spool: Callable[[], Spool],
        min_free: int,
        take_in: Callable[[Spool], object],
        on_refused: RefusalListener,
    ) -> None:
        super().__init__(assoc)
        self._new_spool = new_spool
        self._min_free = min_free
        self._take_in = take_in
        self._on_refused = on_refused
        self._current: Spool | None = None
        self._wire: Wire | None = None

    def use(self, wire: Wire) -> None:
        """The association stands: responses go over this wire."""
        self._wire = wire

    def receive(self, context_id: int, control: int, fragment: memoryview) -> None:
        """Take one presentation data value; raises where it is no part of a proper DIMSE message."""
        if control & _COMMAND:
            self._receive_command(context_id, control, fragment)
        elif self._current is None or self.message is None:
            raise ValueError("data without a C-STORE command")  # the node serves nothing else that carries data
        elif context_id != self.message.context_id:
            raise ValueError("data of another presentation context than their command's")
        else:
            self._current.write(fragment)
            if control & _LAST:
                self._finish(self.message, self._current)

    def send_msg(self, primitive: DimsePrimitiveType, context_id: int) -> None:
        """Send a response. Raises OSError."""
        assert self._wire is not None
        message = _RSP_TO_MESSAGE[type(primitive)]()
        message.primitive_to_message(primitive)
        for fragment in message.encode_msg(context_id, self.maximum_pdu_size):
            self._wire.send_values(fragment)

    def close(self) -> None:
        """The association ended: what had come of an object goes."""
        if self._current is not None:
            self._current.discard()

    def _receive_command(self, context_id: int, control: int, fragment: memoryview) -> None:
        if self._current is not None:
            raise ValueError("a command within a data set")
        pending = self.message.encoded_command_set.tell() if self.message is not None else 0
        if pending + len(fragment) > _LONGEST_COMMAND:
            raise ValueError("command set too long")
        message = self.message = self.message or DIMSEMessage()
        part = P_DATA()
        part.presentation_data_value_list.append((context_id, bytes((control,)) + fragment))
        whole = message.decode_msg(part, self.assoc)
        if not control & _LAST:
            return
        if isinstance(message, C_STORE_RQ):
            self._current = self._open(message, context_id)
            if whole:
                self._finish(message, self._current)
        elif whole:
            self.message = None
            if not isinstance(message, C_CANCEL_RQ):  # there is nothing to cancel
                self.msg_queue.put((context_id, cast(DimseServiceType, message.message_to_primitive())))
        else:
            raise ValueError("a data set with something other than C-STORE")

    def _open(self, message: DIMSEMessage, context_id: int) -> Spool:
        spool = self._new_spool()
        command = message.command_set
        context = self.assoc._accepted_cx[context_id]
        instance = _instance_of(command)
        if command.CommandDataSetType == _WITHOUT_DATA_SET:
            spool.refuse(Refused(IntakeStatus.CANNOT_UNDERSTAND, "The request came without a data set."))
        elif not is_valid_uid(instance):
            spool.refuse(Refused(IntakeStatus.INVALID_SOP_INSTANCE, "Affected SOP Instance UID is no valid UID."))
        elif command.get("AffectedSOPClassUID") != context.abstract_syntax:
            spool.refuse(Refused(IntakeStatus.SOP_CLASS_NOT_SUPPORTED, "Affected SOP Class UID was not negotiated."))
        else:
            if self._was_moved_here(command):
                spool.priority = Priority.BACKLOG
            spool.open(
                sop_class_uid=str(context.abstract_syntax),
                sop_instance_uid=instance,
                transfer_syntax_uid=str(context.transfer_syntax[0]),
                calling_ae=ae_title_of(self.assoc),
                min_free=self._min_free,
            )
        return spool

    def _was_moved_here(self, command: Dataset) -> bool:
        """Whether a C-MOVE of the node's own has brought it (PS3.7 section 9.1.1.1.8: Move Originator AE Title)."""
        originator = str(command.get("MoveOriginatorApplicationEntityTitle") or "").strip()
        return bool(originator) and originator == (self.assoc.acceptor.ae_title or "").strip()

    def _finish(self, message: DIMSEMessage, spool: Spool) -> None:
        """The object is complete: keep it, then answer."""
        self.message = None
        instance = _instance_of(message.command_set)
        try:
            self._take_in(spool)
            self._answer(message, instance, IntakeStatus.SUCCESS)
        except Refused as refused:
            self._on_refused(self.assoc, instance, refused)
            self._answer(message, instance, refused.status, refused.reason)
        finally:
            self._current = None
            spool.discard()

    def _answer(self, message: DIMSEMessage, instance: str, status: IntakeStatus, comment: str = "") -> None:
        assert self._wire is not None
        assert message.context_id is not None
        response = c_store_response(
            context_id=message.context_id,
            message_id=int(message.command_set.MessageID),
            sop_class_uid=str(self.assoc._accepted_cx[message.context_id].abstract_syntax),
            sop_instance_uid=instance if is_valid_uid(instance) else "",
            status=status,
            comment=comment,
        )
        self._wire.send(response)


def _instance_of(command: Dataset) -> str:
    return str(command.get("AffectedSOPInstanceUID") or "").rstrip(" \0")


def ae_title_of(assoc: Association) -> str:
    """The peer's AE title as it may be logged: control characters and the like escaped."""
    return ascii((assoc.requestor.ae_title or "").strip())[1:-1]
