import io
import struct
from contextlib import suppress

import pytest
from factory import make_dx
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.dsutils import encode

from screening_node.errors import UnreadableObject
from screening_node.intake.structure import Encoding, StructureWalk

EXPLICIT = Encoding(implicit_vr=False, little_endian=True)
IMPLICIT = Encoding(implicit_vr=True, little_endian=True)
BIG = Encoding(implicit_vr=False, little_endian=False)


def walk(data: bytes, encoding: Encoding = EXPLICIT) -> int:
    """Where the walk ended."""
    stream = io.BytesIO(data)
    StructureWalk(stream, len(data)).to_pixel_data(encoding)
    return stream.tell()


def encoded(dataset: Dataset, encoding: Encoding = EXPLICIT) -> bytes:
    data = encode(dataset, encoding.implicit_vr, encoding.little_endian)
    assert data is not None
    return data


def with_sequences(undefined: bool) -> Dataset:
    """A header with nested sequences, items of defined or of undefined length, and an empty one."""
    film = make_dx(rows=4, columns=4)
    inner = Dataset()
    inner.CodeValue = "1"
    outer = Dataset()
    outer.ProcedureCodeSequence = Sequence([inner, Dataset()])
    outer.is_undefined_length_sequence_item = undefined
    film.RequestAttributesSequence = Sequence([outer, outer])
    film.ReferencedStudySequence = Sequence([])
    for keyword in ("RequestAttributesSequence", "ReferencedStudySequence"):
        film[keyword].is_undefined_length = undefined
    outer["ProcedureCodeSequence"].is_undefined_length = undefined
    return film


@pytest.mark.parametrize("undefined", [True, False])
@pytest.mark.parametrize("encoding", [EXPLICIT, IMPLICIT, BIG])
def test_stops_at_the_pixel_data(encoding: Encoding, undefined: bool) -> None:
    film = with_sequences(undefined)
    syntaxes = {EXPLICIT: ExplicitVRLittleEndian, IMPLICIT: ImplicitVRLittleEndian, BIG: ExplicitVRBigEndian}
    film.file_meta.TransferSyntaxUID = syntaxes[encoding]
    data = encoded(film, encoding)
    header = 8 if encoding.implicit_vr else 12
    assert walk(data, encoding) == len(data) - 4 * 4 * 2
    assert data[walk(data, encoding) - header :][:2] in (b"\xe0\x7f", b"\x7f\xe0")


def test_a_data_set_without_pixel_data_is_walked_to_its_end() -> None:
    data = encoded(make_dx(PixelData=None))
    assert walk(data) == len(data)


@pytest.mark.parametrize("encoding", [EXPLICIT, IMPLICIT])
def test_every_cut_within_an_element_is_seen(encoding: Encoding) -> None:
    data = encoded(with_sequences(undefined=True), encoding)
    end = walk(data, encoding) - (8 if encoding.implicit_vr else 12)
    whole = _top_level_ends(data[:end], encoding)
    seen = set()
    for length in range(1, end):
        try:
            walk(data[:length], encoding)
        except UnreadableObject:
            seen.add(length)
    assert set(range(1, end)) - seen == whole


def _top_level_ends(data: bytes, encoding: Encoding) -> set[int]:
    """Lengths at which a data set may end: after each element but the last."""
    from pydicom.filereader import data_element_generator

    stream = io.BytesIO(data)
    ends = {stream.tell() for _ in data_element_generator(stream, encoding.implicit_vr, encoding.little_endian)}
    return ends - {len(data)}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"\x13\x37" * 50, "VR"),
        (b"\x08\x00\x05\x00ZZ\x02\x00ab", "unknown VR"),
        (b"\x02\x00\x10\x00UI\x02\x001\x00", "may not stand there"),
        (b"\xfe\xff\x00\xe0\x00\x00\x00\x00", "may not stand there"),
        (b"\x08\x00\x15\x11SQ\x00\x00\xff\xff\xff\xff\x08\x00\x05\x00CS\x00\x00", "other than items"),
    ],
)
def test_what_is_no_data_set(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableObject, match=reason):
        walk(data)


def test_endless_nesting_ends() -> None:
    level = b"\x08\x00\x15\x11SQ\x00\x00\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    with pytest.raises(UnreadableObject, match="too deep"):
        walk(level * 5000)


def test_an_unknown_sequence_is_in_implicit_vr() -> None:
    item = struct.pack("<HHL", 0xFFFE, 0xE000, 10) + struct.pack("<HHL", 0x0008, 0x0100, 2) + b"1 "
    data = b"\x09\x00\x10\x10UN\x00\x00\xff\xff\xff\xff" + item + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
    assert walk(data) == len(data)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([EXPLICIT, IMPLICIT, BIG]))
def test_any_bytes_are_walked_or_refused(data: bytes, encoding: Encoding) -> None:
    with suppress(UnreadableObject):  # nothing else may come out
        assert 0 < walk(data, encoding) <= len(data)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 900), st.binary(min_size=1, max_size=8))
def test_a_film_with_bytes_overwritten_is_walked_or_refused(position: int, noise: bytes) -> None:
    data = bytearray(FILM)
    data[position : position + len(noise)] = noise
    with suppress(UnreadableObject):
        assert 0 < walk(bytes(data)) <= len(data)


FILM = encoded(make_dx(rows=4, columns=4))
