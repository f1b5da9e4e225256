"""The C-STORE response as bytes (PS3.7 sections 9.3.1.2 and 6.3.1: implicit VR little endian)."""

from __future__ import annotations

import struct

from screening_node.intake.statuses import IntakeStatus

_C_STORE_RSP = 0x8001
_NO_DATA_SET = 0x0101
_COMMAND_LAST = 0x03


def c_store_response(
    *, context_id: int, message_id: int, sop_class_uid: str, sop_instance_uid: str, status: IntakeStatus, comment: str
) -> bytes:
    """A whole P-DATA-TF PDU. ``sop_instance_uid`` and ``comment`` are left out where they are empty."""
    elements = [
        _element(0x0002, _uid(sop_class_uid)),
        _element(0x0100, struct.pack("<H", _C_STORE_RSP)),
        _element(0x0120, struct.pack("<H", message_id)),
        _element(0x0800, struct.pack("<H", _NO_DATA_SET)),
        _element(0x0900, struct.pack("<H", status)),
    ]
    if comment:
        elements.append(_element(0x0902, _even(comment.encode("ascii", "replace"), b" ")))
    if sop_instance_uid:
        elements.append(_element(0x1000, _uid(sop_instance_uid)))
    rest = b"".join(elements)
    command = _element(0x0000, struct.pack("<L", len(rest))) + rest
    value = struct.pack(">LBB", len(command) + 2, context_id, _COMMAND_LAST) + command
    return struct.pack(">BxL", 0x04, len(value)) + value


def _element(number: int, value: bytes) -> bytes:
    return struct.pack("<HHL", 0x0000, number, len(value)) + value


def _uid(uid: str) -> bytes:
    return _even(uid.encode("ascii"), b"\0")


def _even(value: bytes, pad: bytes) -> bytes:
    return value + pad if len(value) % 2 else value
