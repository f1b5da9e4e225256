"""A sender that can be as wrong as real ones: any bytes under any UIDs, broken off anywhere."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from factory import DX_PRESENTATION
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian
from pynetdicom.association import Association
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import encode
from pynetdicom.pdu_primitives import P_DATA

from screening_node.delivery.sockets import ClosingEntity


def data_set_of(dataset: Dataset) -> bytes:
    """The data set as it goes over the network, in its own transfer syntax."""
    syntax = cast(UID, dataset.file_meta.TransferSyntaxUID)
    encoded = encode(dataset, syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated)
    assert encoded is not None
    return encoded


class Modality:
    """An open association with the node."""

    def __init__(self, association: Association) -> None:
        self.association = association

    def store(
        self,
        data: bytes | None,
        *,
        sop_instance_uid: str,
        sop_class_uid: str = DX_PRESENTATION,
        context_class_uid: str | None = None,
    ) -> int | None:
        """C-STORE these bytes; the status of the response, or None where the association ended instead.

        ``data`` None is a request without a data set. The UIDs go out unchecked.
        """
        self.request(data, sop_instance_uid, sop_class_uid, context_class_uid or sop_class_uid)
        _, response = self.association.dimse.get_msg(block=True)
        return response.Status if isinstance(response, C_STORE) else None

    def store_dataset(self, dataset: Dataset, **changes: Any) -> int | None:
        """C-STORE a data set under its own UIDs, unless ``changes`` say otherwise."""
        uids = {"sop_instance_uid": dataset.SOPInstanceUID, "sop_class_uid": dataset.SOPClassUID}
        return self.store(data_set_of(dataset), **(uids | changes))

    def request(
        self, data: bytes | None, sop_instance_uid: str, sop_class_uid: str, context_class_uid: str, *, keep: int = 0
    ) -> list[P_DATA]:
        """Send a C-STORE-RQ, all fragments but the last ``keep``, which are returned."""
        message = C_STORE_RQ()
        primitive = C_STORE()
        primitive.MessageID = 1
        primitive.Priority = 0
        primitive.AffectedSOPClassUID = UID(sop_class_uid)
        primitive.AffectedSOPInstanceUID = UID("1.2")
        message.primitive_to_message(primitive)
        element = message.command_set["AffectedSOPInstanceUID"]
        element.validation_mode = 0
        element.value = sop_instance_uid
        message.command_set.CommandDataSetType = 0x0101 if data is None else 0x0001
        message._set_command_group_length()
        context = self._context(context_class_uid)
        fragments = [*message.encode_msg(context, 16384), *_fragments(context, data)]
        self.finish(fragments[: len(fragments) - keep])
        return fragments[len(fragments) - keep :]

    def finish(self, fragments: Sequence[P_DATA]) -> None:
        """Send what was held back."""
        for fragment in fragments:
            self.association.dul.send_pdu(fragment)

    def wait_for_response(self) -> Any:
        """The next response, or None."""
        return self.association.dimse.get_msg(block=True)[1]

    def _context(self, sop_class_uid: str) -> int:
        for context in self.association.accepted_contexts:
            if context.abstract_syntax == sop_class_uid:
                return cast(int, context.context_id)
        raise AssertionError(f"the node did not accept {sop_class_uid}")


def _fragments(context: int, data: bytes | None) -> Iterator[P_DATA]:
    if data is None:
        return
    pieces = [data[start : start + 16000] for start in range(0, len(data), 16000)] or [b""]
    for number, piece in enumerate(pieces, start=1):
        fragment = P_DATA()
        control = b"\x02" if number == len(pieces) else b"\x00"
        fragment.presentation_data_value_list.append((context, control + piece))
        yield fragment


@contextmanager
def modality(
    port: int, sop_classes: Sequence[str] = (DX_PRESENTATION,), *, syntax: str = ExplicitVRLittleEndian, ae: str = "CR1"
) -> Iterator[Modality]:
    """An association that proposes these classes in one transfer syntax; released or aborted on exit."""
    entity = ClosingEntity(ae_title=ae)
    entity.dimse_timeout = 10
    entity.acse_timeout = 10
    entity.network_timeout = None
    for sop_class in sop_classes:
        entity.add_requested_context(sop_class, syntax)
    association = entity.associate("127.0.0.1", port, ae_title="NODE")
    assert association.is_established
    association._reactor_checkpoint.clear()  # the reactor would take the responses
    try:
        yield Modality(association)
    finally:
        association._reactor_checkpoint.set()
        if association.is_established:
            association.release()
        elif association.dul.is_alive():
            association.abort()


def raw_association(port: int) -> socket.socket:
    """A bare socket over which an association for DX was accepted (context 1, explicit VR little endian)."""
    entity = ClosingEntity(ae_title="RAW")
    peer = socket.create_connection(("127.0.0.1", port), timeout=10)
    peer.sendall(_associate_rq(entity.implementation_class_uid))
    answer = receive_pdu(peer)
    assert answer[0] == 0x02, "the association was not accepted"
    return peer


def receive_pdu(peer: socket.socket) -> bytes:
    """One PDU, or what came before the peer closed."""
    head = _receive(peer, 6)
    if len(head) < 6:
        return head
    return head + _receive(peer, struct.unpack(">L", head[2:])[0])


def ended(peer: socket.socket) -> bool:
    """Whether the peer closed the connection, perhaps with a last PDU, before the socket's timeout."""
    try:
        while peer.recv(65536):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


def p_data(data: bytes, control: int, context: int = 1) -> bytes:
    """A P-DATA-TF PDU with one presentation data value (PS3.8 section 9.3.5)."""
    value = struct.pack(">LBB", len(data) + 2, context, control) + data
    return struct.pack(">BBL", 0x04, 0, len(value)) + value


def _receive(peer: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count:
        more = peer.recv(count - len(received))
        if not more:
            break
        received += more
    return received


def _item(kind: int, content: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(content)) + content


def _associate_rq(implementation: str) -> bytes:
    """A-ASSOCIATE-RQ (PS3.8 section 9.3.2) for DX in explicit VR little endian."""
    context = struct.pack(">BBBB", 1, 0, 0, 0)
    context += _item(0x30, DX_PRESENTATION.encode()) + _item(0x40, ExplicitVRLittleEndian.encode())
    user = _item(0x51, struct.pack(">L", 16384)) + _item(0x52, implementation.encode())
    body = struct.pack(">HH16s16s32x", 1, 0, b"NODE".ljust(16), b"RAW".ljust(16))
    body += _item(0x10, b"1.2.840.10008.3.1.1.1") + _item(0x20, context) + _item(0x50, user)
    return struct.pack(">BBL", 0x01, 0, len(body)) + body


def command_bytes(dataset_follows: bool = True, sop_instance_uid: str = "1.2.3") -> bytes:
    """An encoded C-STORE-RQ command set."""
    primitive = C_STORE()
    primitive.MessageID = 1
    primitive.Priority = 0
    primitive.AffectedSOPClassUID = UID(DX_PRESENTATION)
    primitive.AffectedSOPInstanceUID = UID(sop_instance_uid)
    message = C_STORE_RQ()
    message.primitive_to_message(primitive)
    message.command_set.CommandDataSetType = 0x0001 if dataset_follows else 0x0101
    message._set_command_group_length()
    encoded = encode(message.command_set, True, True)
    assert encoded is not None
    return encoded
