"""Is this a DICOM data set? A walk over tags and lengths up to the pixel data; no value is decoded or kept.

Encoding: PS3.5 section 7 (explicit and implicit VR, sequences of defined and undefined length).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from screening_node.errors import UnreadableObject

#: VRs with a 16-bit length (PS3.5 table 7.1-2); all others have two reserved bytes and a 32-bit length.
_SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split())
_LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
#: Float, Double Float and ordinary Pixel Data: everything before them is the header.
PIXEL_TAGS = frozenset((0x7FE00008, 0x7FE00009, 0x7FE00010))
#: Deeper nesting than any real object has; ends a hostile one before the interpreter's stack does.
_DEEPEST = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoding:
    """How a data set is written, by its transfer syntax."""

    implicit_vr: bool
    little_endian: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class _Element:
    tag: int
    vr: bytes
    length: int


class StructureWalk:
    """Walks a data set of ``size`` bytes that begins where ``stream`` stands."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._end = stream.tell() + size

    def to_pixel_data(self, encoding: Encoding) -> bool:
        """Walk to the pixel data (True) or the end; UnreadableObject where the data set is cut or is none."""
        if self._stream.tell() >= self._end:
            raise UnreadableObject("The data set is empty.")
        while self._stream.tell() < self._end:
            element = self._element(encoding)
            if element.tag in PIXEL_TAGS:
                return True
            if element.tag < 0x00080000 or element.tag >> 16 == 0xFFFE:
                raise UnreadableObject("The data set holds an element that may not stand there.")
            self._skip_value(element, encoding, 0)
        return False

    def _element(self, encoding: Encoding) -> _Element:
        order = "<" if encoding.little_endian else ">"
        group, number = struct.unpack(f"{order}HH", self._take(4))
        tag = group << 16 | number
        if encoding.implicit_vr or group == 0xFFFE:
            return _Element(tag=tag, vr=b"", length=self._number(f"{order}L"))
        vr = self._take(2)
        if vr in _SHORT_VRS:
            return _Element(tag=tag, vr=vr, length=self._number(f"{order}H"))
        if vr not in _LONG_VRS:
            raise UnreadableObject("The data set holds an unknown VR.")
        self._take(2)
        return _Element(tag=tag, vr=vr, length=self._number(f"{order}L"))

    def _skip_value(self, element: _Element, encoding: Encoding, depth: int) -> None:
        if element.length != _UNDEFINED:
            self._skip(element.length)
            return
        if depth >= _DEEPEST:
            raise UnreadableObject("The data set's sequences are nested too deep.")
        if element.vr == b"UN":  # an unknown sequence is written in implicit VR little endian, PS3.5 section 6.2.2
            encoding = Encoding(implicit_vr=True, little_endian=True)
        self._skip_items(encoding, depth + 1)

    def _skip_items(self, encoding: Encoding, depth: int) -> None:
        while True:
            item = self._element(encoding)
            if item.tag == _SEQUENCE_END:
                return
            if item.tag != _ITEM:
                raise UnreadableObject("A sequence holds something other than items.")
            if item.length != _UNDEFINED:
                self._skip(item.length)
            else:
                self._skip_open_item(encoding, depth)

    def _skip_open_item(self, encoding: Encoding, depth: int) -> None:
        while True:
            element = self._element(encoding)
            if element.tag == _ITEM_END:
                return
            self._skip_value(element, encoding, depth)

    def _number(self, layout: str) -> int:
        (value,) = struct.unpack(layout, self._take(struct.calcsize(layout)))
        return int(value)

    def _take(self, count: int) -> bytes:
        if self._stream.tell() + count > self._end:
            raise UnreadableObject("The data set is cut.")
        return self._stream.read(count)

    def _skip(self, count: int) -> None:
        target = self._stream.tell() + count
        if target > self._end:
            raise UnreadableObject("The data set is cut.")
        self._stream.seek(target)
