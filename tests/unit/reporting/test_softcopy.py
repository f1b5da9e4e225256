"""The presentation state: drawn where the pathway put it, and the film shown as it was without it."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from unit.reporting import cases
from unit.reporting.companions import companion

from screening_node.domain.result import Landmark, RefusalCode, Roi
from screening_node.reporting.kinds import Kind


def presentation(tmp_path: Path, result: Any = None, **header: Any) -> Dataset:
    report = companion(Kind.GSPS, tmp_path, result or cases.result(), **header)
    assert report is not None
    return dcmread(io.BytesIO(report.data))


def layer(state: Dataset, name: str) -> Dataset:
    (found,) = (item for item in state.GraphicAnnotationSequence if item.GraphicLayer == name)
    return found


def test_every_roi_and_landmark_is_drawn_half_a_pixel_from_its_index(tmp_path: Path) -> None:
    state = presentation(tmp_path)
    drawn = [list(graphic.GraphicData) for graphic in layer(state, "REGIONS").GraphicObjectSequence]
    expected = [[value + 0.5 for corner in (*roi.corners, roi.corners[0]) for value in corner] for roi in cases.rois()]
    assert len(drawn) == 14
    for got, wanted in zip(drawn, expected, strict=True):
        assert got == pytest.approx(wanted, abs=1e-3)
    points = [list(graphic.GraphicData) for graphic in layer(state, "LANDMARKS").GraphicObjectSequence]
    assert points == [pytest.approx([point.x + 0.5, point.y + 0.5]) for point in cases.landmarks()]


@pytest.mark.parametrize(("photometric", "shape"), [("MONOCHROME1", "INVERSE"), ("MONOCHROME2", "IDENTITY")])
def test_the_polarity_is_the_films(tmp_path: Path, photometric: str, shape: str) -> None:
    assert presentation(tmp_path, PhotometricInterpretation=photometric).PresentationLUTShape == shape


def test_the_film_keeps_its_window_rescale_and_shutter(tmp_path: Path) -> None:
    shutter = {
        "ShutterShape": "RECTANGULAR",
        "ShutterLeftVerticalEdge": 10,
        "ShutterRightVerticalEdge": 1500,
        "ShutterUpperHorizontalEdge": 20,
        "ShutterLowerHorizontalEdge": 1900,
    }
    windows = {"WindowCenter": [2000, 1], "WindowWidth": [3000, 2], "RescaleSlope": "2", "RescaleIntercept": "-7"}
    state = presentation(tmp_path, **windows, **shutter)
    (voi,) = state.SoftcopyVOILUTSequence
    assert (voi.WindowCenter, voi.WindowWidth) == (2000, 3000)
    assert (state.RescaleSlope, state.RescaleIntercept) == (2, -7)
    assert {keyword: state[keyword].value for keyword in shutter} == shutter


@pytest.mark.parametrize(
    "header",
    [
        {"WindowCenter": b"abc", "WindowWidth": b"100"},
        {"WindowCenter": b"100"},
        {"WindowCenter": b"100", "WindowWidth": b"0"},
        {"RescaleSlope": b"x", "RescaleIntercept": b"0"},
        {"ShutterShape": "RECTANGULAR"},
        {"ShutterShape": "CIRCULAR"},
    ],
)
def test_a_malformed_display_is_left_out(tmp_path: Path, header: dict[str, Any]) -> None:
    state = presentation(tmp_path, **header)
    for keyword in ("SoftcopyVOILUTSequence", "RescaleSlope", "ShutterShape"):
        assert keyword not in state
    assert len(state.GraphicAnnotationSequence) == 3


def test_what_lies_off_the_film_is_not_drawn(tmp_path: Path) -> None:
    across = Roi(name="lumbar", corners=((-20.0, 10.0), (20.0, 10.0), (20.0, 30.0), (-20.0, 30.0)))
    outside = Landmark(name="t12", x=5000.0, y=10.0)
    state = presentation(tmp_path, replace(cases.result(), rois=(across,), landmarks=(outside,)))
    (graphic,) = layer(state, "REGIONS").GraphicObjectSequence
    assert min(graphic.GraphicData[0::2]) == 0
    assert [item.GraphicLayer for item in state.GraphicAnnotationSequence] == ["REGIONS", "RESULT"]


def test_a_refused_film_shows_the_landmarks_that_were_found(tmp_path: Path) -> None:
    refused = replace(cases.refused(RefusalCode.HARDWARE), landmarks=cases.landmarks())
    state = presentation(tmp_path, refused)
    (words,) = layer(state, "RESULT").TextObjectSequence
    assert "Bone density was not evaluated on this chest film" in words.UnformattedTextValue
    assert [item.GraphicLayer for item in state.GraphicAnnotationSequence] == ["LANDMARKS", "RESULT"]


@pytest.mark.parametrize(
    "header",
    [{"Rows": None}, {"SeriesInstanceUID": None}, {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.481.2"}],
    ids=["no size", "no series", "no image"],
)
def test_nothing_is_drawn_on_what_cannot_be_drawn_on(tmp_path: Path, header: dict[str, Any]) -> None:
    assert companion(Kind.GSPS, tmp_path, cases.result(), **header) is None


def test_nothing_is_drawn_where_there_is_nothing_to_draw(tmp_path: Path) -> None:
    assert companion(Kind.GSPS, tmp_path, cases.result(geometry=False)) is None
    assert companion(Kind.GSPS, tmp_path, cases.refused(RefusalCode.EXPOSURE)) is None
