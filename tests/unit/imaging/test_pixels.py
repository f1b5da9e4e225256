from __future__ import annotations

import subprocess
import warnings
from pathlib import Path

import factory
import numpy as np
import pytest
from integration import peers
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from screening_node.domain.result import RefusalCode
from screening_node.errors import StoreUnavailable, UnreadableObject, UnreadablePixels
from screening_node.imaging import pixels
from screening_node.imaging.quiet import quietly

STORED = np.arange(64 * 48, dtype=np.uint16).reshape(64, 48) + 500


def film(**overrides: object) -> Dataset:
    values = {"PixelData": STORED.astype("<u2").tobytes()} | overrides
    return factory.make_dx(rows=64, columns=48, **values)


def decoded(path: Path, **overrides: object) -> NDArray[np.float32]:
    return pixels.decode(pixels.read(factory.save(film(**overrides), path / "film.dcm"))).pixels


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_lossless_compression_gives_the_stored_values_back(tmp_path: Path, syntax: str) -> None:
    dataset = film()
    dataset.compress(syntax, generate_instance_uid=False)
    found = pixels.decode(pixels.read(factory.save(dataset, tmp_path / "film.dcm")))
    assert np.array_equal(found.pixels, STORED)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_uncompressed_syntaxes(tmp_path: Path, syntax: str) -> None:
    assert np.array_equal(decoded(tmp_path, TransferSyntaxUID=syntax), STORED)


def test_big_endian(tmp_path: Path) -> None:
    dataset = factory.make_dx(
        rows=64, columns=48, PixelData=STORED.astype(">u2").tobytes(), TransferSyntaxUID=ExplicitVRBigEndian
    )
    found = pixels.decode(pixels.read(factory.save(dataset, tmp_path / "film.dcm")))
    assert np.array_equal(found.pixels, STORED)


SMOOTH = (np.add.outer(np.arange(64), np.arange(48)) * 30 + 300).astype(np.uint16)


@pytest.mark.parametrize(
    ("option", "within"),
    [("+el", 0), ("+e1", 0), ("+ee", 4)],
    ids=["lossless", "lossless, first order", "extended, 12 bits"],
)
def test_older_jpeg(tmp_path: Path, option: str, within: int) -> None:
    encoder = peers.require("dcmcjpeg", "dcmtk")
    plain = factory.save(film(PixelData=SMOOTH.astype("<u2").tobytes()), tmp_path / "plain.dcm")
    subprocess.run([encoder, option, "+un", str(plain), str(tmp_path / "jpeg.dcm")], check=True, capture_output=True)
    found = pixels.decode(pixels.read(tmp_path / "jpeg.dcm")).pixels
    # dcmcjpeg takes the smallest value away before it encodes with loss
    assert np.abs((found - found.min()) - (SMOOTH - SMOOTH.min())).max() <= within


def test_bone_is_bright_whatever_the_photometric_interpretation(tmp_path: Path) -> None:
    plain = decoded(tmp_path)
    inverted = decoded(tmp_path, PhotometricInterpretation="MONOCHROME1")
    assert np.array_equal(inverted, plain.max() - plain)
    assert inverted.dtype == np.float32


def test_the_modality_lut_is_applied_and_an_absurd_slope_is_not(tmp_path: Path) -> None:
    assert np.allclose(decoded(tmp_path, RescaleSlope="2", RescaleIntercept="-10"), STORED * 2.0 - 10)
    assert np.array_equal(decoded(tmp_path, RescaleSlope="0", RescaleIntercept="0"), STORED)


def test_eight_bits(tmp_path: Path) -> None:
    stored = np.arange(64 * 48, dtype=np.uint32).reshape(64, 48).astype(np.uint8)
    dataset = factory.make_dx(rows=64, columns=48, BitsAllocated=8, BitsStored=8, HighBit=7, PixelData=stored.tobytes())
    found = pixels.decode(pixels.read(factory.save(dataset, tmp_path / "film.dcm")))
    assert np.array_equal(found.pixels, stored)


@pytest.mark.parametrize(
    ("overrides", "code"),
    [
        ({"PixelData": None}, RefusalCode.NO_PIXELS),
        ({"PixelData": b""}, RefusalCode.NO_PIXELS),
        ({"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0}, RefusalCode.PIXEL_FORMAT),
        ({"BitsAllocated": 32}, RefusalCode.PIXEL_FORMAT),
        ({"BitsStored": 17}, RefusalCode.PIXEL_FORMAT),
        ({"NumberOfFrames": "2"}, RefusalCode.PIXEL_FORMAT),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, RefusalCode.PIXEL_FORMAT),
        ({"PhotometricInterpretation": "RGB"}, RefusalCode.PIXEL_FORMAT),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, RefusalCode.PIXEL_FORMAT),
        ({"PhotometricInterpretation": None}, RefusalCode.PIXEL_FORMAT),
        ({"PixelData": None, "FloatPixelData": b"\0" * 64}, RefusalCode.PIXEL_FORMAT),
        ({"Rows": 0}, RefusalCode.PIXEL_FORMAT),
        ({"Rows": None}, RefusalCode.PIXEL_FORMAT),
        ({"Rows": 30000, "Columns": 30000}, RefusalCode.TOO_LARGE),
        ({"Rows": 60000, "Columns": 10}, RefusalCode.TOO_LARGE),
    ],
)
def test_formats_are_refused_from_the_header(overrides: dict[str, object], code: RefusalCode) -> None:
    dataset = film(**overrides)
    refusal = pixels.check_format(dataset)
    assert refusal is not None
    assert refusal.code is code
    with pytest.raises(UnreadablePixels):
        pixels.decode(dataset)


def test_a_sound_format_passes() -> None:
    assert pixels.check_format(film()) is None


@pytest.mark.parametrize("keep", [0.0001, 0.4, 0.99])
def test_cut_pixels_are_unreadable(tmp_path: Path, keep: float) -> None:
    data = STORED.astype("<u2").tobytes()
    cut = film()
    cut.PixelData = data[: max(2, int(len(data) * keep) // 2 * 2)]
    read = pixels.read(factory.save(cut, tmp_path / "cut.dcm"))
    with pytest.raises(UnreadablePixels, match="cannot be decoded"):
        pixels.decode(read)


def test_a_broken_codestream_is_unreadable(tmp_path: Path) -> None:
    dataset = film()
    dataset.compress(JPEG2000Lossless, generate_instance_uid=False)
    dataset.PixelData = dataset.PixelData[:60] + b"\xff" * (len(dataset.PixelData) - 60)
    with pytest.raises(UnreadablePixels):
        pixels.decode(pixels.read(factory.save(dataset, tmp_path / "broken.dcm")))


def test_pixels_of_another_syntax_than_the_header_says_are_unreadable(tmp_path: Path) -> None:
    dataset = film(TransferSyntaxUID=JPEG2000Lossless)
    from pydicom.encaps import encapsulate

    dataset.PixelData = encapsulate([b"no codestream at all"])
    with pytest.raises(UnreadablePixels):
        pixels.decode(pixels.read(factory.save(dataset, tmp_path / "wrong.dcm")))


@pytest.mark.parametrize(
    ("imager", "pixel", "factor", "expected"),
    [
        ([0.15, 0.15], [0.15, 0.15], None, (0.15, 0.15)),
        ([0.15, 0.15], None, "1.5", (0.1, 0.1)),
        ([0.15, 0.15], [0.15, 0.15], "1.5", (0.1, 0.1)),
        ([0.15, 0.15], [0.12, 0.12], "1.5", (0.12, 0.12)),
        ([0.15, 0.15], None, "77", (0.15, 0.15)),
        (None, [0.2, 0.1], None, (0.2, 0.1)),
        (None, None, None, None),
        (None, [0.0, 0.0], None, None),
        ([400.0, 400.0], None, None, None),
        ([-0.15, 0.15], None, None, None),
        ([0.15], None, None, None),
        (None, [0.1, 0.5], None, None),
    ],
)
def test_spacing(
    imager: list[float] | None, pixel: list[float] | None, factor: str | None, expected: tuple[float, float] | None
) -> None:
    with quietly():
        dataset = film(ImagerPixelSpacing=imager, PixelSpacing=pixel, EstimatedRadiographicMagnificationFactor=factor)
    found = pixels.spacing_mm(dataset)
    assert found == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize("content", [b"", b"PNG no DICOM" * 40, b"\0" * 128 + b"DICM", b"\0" * 128 + b"DICM\x02\0\0"])
def test_files_that_are_no_dicom(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "any.dcm"
    path.write_bytes(content)
    with pytest.raises((UnreadableObject, UnreadablePixels)):
        pixels.decode(pixels.read(path))


def test_a_file_that_is_not_there_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(UnreadableObject):
        pixels.read(tmp_path / "nothing.dcm")


def test_a_failing_disk_is_worth_another_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_path: Path) -> Dataset:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(pixels.pydicom, "dcmread", broken)
    with pytest.raises(StoreUnavailable):
        pixels.read(tmp_path / "film.dcm")


def test_warnings_come_back_when_the_last_one_leaves() -> None:
    with quietly():
        with quietly():
            warnings.warn("inner", stacklevel=1)
        warnings.warn("outer", stacklevel=1)
    with pytest.raises(UserWarning, match="after"):
        warnings.warn("after", stacklevel=1)
