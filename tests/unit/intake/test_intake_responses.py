"""Responses written by hand are those that pynetdicom writes."""

import pytest
from pydicom.uid import UID
from pynetdicom.dimse_messages import C_STORE_RSP
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu import P_DATA_TF

from screening_node.intake.responses import c_store_response
from screening_node.intake.statuses import IntakeStatus

DX = "1.2.840.10008.5.1.4.1.1.1.1"


def by_pynetdicom(message_id: int, instance: str, status: int, comment: str) -> bytes:
    primitive = C_STORE()
    primitive.MessageIDBeingRespondedTo = message_id
    primitive.AffectedSOPClassUID = UID(DX)
    if instance:
        primitive.AffectedSOPInstanceUID = UID(instance)
    primitive.Status = status
    if comment:
        primitive.ErrorComment = comment  # type: ignore[assignment]
    message = C_STORE_RSP()
    message.primitive_to_message(primitive)
    (fragment,) = message.encode_msg(7, 16384)
    pdu = P_DATA_TF()
    pdu.from_primitive(fragment)
    return bytes(pdu.encode())


@pytest.mark.parametrize("instance", ["1.2.3", "1.2.34", ""])
@pytest.mark.parametrize(
    ("status", "comment"),
    [
        (IntakeStatus.SUCCESS, ""),
        (IntakeStatus.OUT_OF_DISK, "The node's disk is full."),
        (IntakeStatus.CANNOT_UNDERSTAND, "odd"),
    ],
)
def test_the_same_bytes(instance: str, status: IntakeStatus, comment: str) -> None:
    ours = c_store_response(
        context_id=7, message_id=65535, sop_class_uid=DX, sop_instance_uid=instance, status=status, comment=comment
    )
    assert ours == by_pynetdicom(65535, instance, status, comment)
