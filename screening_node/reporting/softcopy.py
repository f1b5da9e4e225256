"""Regions and landmarks over the film: a Grayscale Softcopy Presentation State (DICOM PS3.3 A.33.1).

A viewer that opens it shows the stored film as it would without it (the same LUTs, shutter and polarity are named
again, because a presentation state replaces them), with three layers on top that can be switched off.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset

from screening_node.imaging.quiet import quietly
from screening_node.reporting import anatomy, wording
from screening_node.reporting.composite import composite, date, time
from screening_node.reporting.items import set_uid, sop_reference
from screening_node.reporting.kinds import SOP_CLASSES, Kind
from screening_node.reporting.language import Words, later
from screening_node.reporting.measurement_report import Statement
from screening_node.reporting.source import SourceFilm


@dataclass(frozen=True, kw_only=True, slots=True)
class _Layer:
    name: str
    description: str
    lab: tuple[int, int, int]  # PCS values as in PS3.3 section C.10.7.1.1


_REGIONS = _Layer(name="REGIONS", description=later("Bone regions that were read"), lab=(55000, 20000, 50000))
_LANDMARKS = _Layer(name="LANDMARKS", description=later("Landmarks that place the regions"), lab=(58000, 45000, 52000))
_TEXT = _Layer(name="RESULT", description=later("The result in words"), lab=(65535, 32896, 32896))
_SHUTTER_EDGES = (
    "ShutterLeftVerticalEdge",
    "ShutterRightVerticalEdge",
    "ShutterUpperHorizontalEdge",
    "ShutterLowerHorizontalEdge",
)
_LAYERS = (_REGIONS, _LANDMARKS, _TEXT)


def build(statement: Statement, header: Dataset, *, sop_instance_uid: str, at: dt.datetime) -> Dataset | None:
    """The presentation state; None where the film is no image, or has nothing to draw on it.

    ``header`` is the film's own, for the way that it is displayed.
    """
    film = statement.film
    annotations = list(_annotations(statement))
    if not (film.is_image and film.series_instance_uid and film.rows and film.columns and annotations):
        return None
    dataset = composite(statement, Kind.GSPS, SOP_CLASSES[Kind.GSPS], sop_instance_uid, at)
    dataset.BodyPartExamined = "CHEST"  # unpaired: no Laterality has to be given
    _identification(dataset, statement.say, at)
    dataset.ReferencedSeriesSequence = [_film_reference(film)]
    dataset.DisplayedAreaSelectionSequence = [_displayed_area(film, film.columns, film.rows)]
    dataset.GraphicAnnotationSequence = annotations
    dataset.GraphicLayerSequence = [_layer(layer, statement.say, order) for order, layer in enumerate(_LAYERS, start=1)]
    _display(dataset, header)
    return dataset


def _identification(dataset: Dataset, say: Words, at: dt.datetime) -> None:
    """Presentation State Identification (PS3.3 section C.11.10)."""
    dataset.ContentLabel = "BONE_REGIONS"
    dataset.ContentDescription = say("Regions and landmarks of the bone density estimate")
    dataset.PresentationCreationDate = date(at)
    dataset.PresentationCreationTime = time(at)
    dataset.ContentCreatorName = ""


def _film_reference(film: SourceFilm) -> Dataset:
    item = Dataset()
    set_uid(item, "SeriesInstanceUID", film.series_instance_uid)
    item.ReferencedImageSequence = [sop_reference(film.sop)]
    return item


def _displayed_area(film: SourceFilm, columns: int, rows: int) -> Dataset:
    """The whole film (PS3.3 section C.10.4)."""
    item = Dataset()
    item.DisplayedAreaTopLeftHandCorner = [1, 1]
    item.DisplayedAreaBottomRightHandCorner = [columns, rows]
    item.PresentationSizeMode = "SCALE TO FIT"
    if film.spacing_mm:
        item.PresentationPixelSpacing = list(film.spacing_mm)
    else:
        item.PresentationPixelAspectRatio = [1, 1]
    return item


# What is drawn


def _annotations(statement: Statement) -> Iterator[Dataset]:
    """One Graphic Annotation item a layer (PS3.3 section C.10.5); none where there is neither region nor landmark."""
    regions = [_graphic([*outline, outline[0]]) for outline in _outlines(statement)]
    landmarks = [_graphic([point]) for point in _points(statement)]
    for layer, graphics in ((_REGIONS, regions), (_LANDMARKS, landmarks)):
        if graphics:
            item = Dataset()
            item.GraphicLayer = layer.name
            item.GraphicObjectSequence = graphics
            yield item
    if regions or landmarks:
        yield _words(statement)


def _outlines(statement: Statement) -> Iterator[Sequence[anatomy.Point]]:
    film = statement.film
    for roi in statement.result.rois:
        corners = [anatomy.to_corner_origin(corner) for corner in roi.corners]
        outline = anatomy.clipped(corners, film.columns or 0, film.rows or 0)
        if outline:
            yield outline


def _points(statement: Statement) -> Iterator[anatomy.Point]:
    film = statement.film
    for landmark in statement.result.landmarks:
        x, y = anatomy.to_corner_origin((landmark.x, landmark.y))
        if 0 <= x <= (film.columns or 0) and 0 <= y <= (film.rows or 0):
            yield x, y


def _graphic(points: Sequence[anatomy.Point]) -> Dataset:
    """A point, or a closed outline; (column, row) with the film's top left corner at 0, 0."""
    item = Dataset()
    item.GraphicAnnotationUnits = "PIXEL"
    item.GraphicDimensions = 2
    item.NumberOfGraphicPoints = len(points)
    item.GraphicData = [coordinate for point in points for coordinate in point]
    item.GraphicType = "POINT" if len(points) == 1 else "POLYLINE"
    if len(points) > 1:
        item.GraphicFilled = "N"
    return item


def _words(statement: Statement) -> Dataset:
    """Heading and result in the film's upper left corner."""
    text = Dataset()
    text.BoundingBoxAnnotationUnits = "DISPLAY"
    text.UnformattedTextValue = "\r\n".join([wording.heading(statement.say), statement.sentence])
    text.BoundingBoxTopLeftHandCorner = [0.02, 0.02]
    text.BoundingBoxBottomRightHandCorner = [0.75, 0.1]
    text.BoundingBoxTextHorizontalJustification = "LEFT"
    item = Dataset()
    item.GraphicLayer = _TEXT.name
    item.TextObjectSequence = [text]
    return item


def _layer(layer: _Layer, say: Words, order: int) -> Dataset:
    """PS3.3 section C.10.7."""
    item = Dataset()
    item.GraphicLayer = layer.name
    item.GraphicLayerOrder = order
    item.GraphicLayerRecommendedDisplayGrayscaleValue = 0xFFFF
    item.GraphicLayerRecommendedDisplayCIELabValue = list(layer.lab)
    item.GraphicLayerDescription = say(layer.description)
    return item


# How the film looks


def _display(dataset: Dataset, header: Dataset) -> None:
    """The film's own LUTs and shutter; what is malformed is left out, as most viewers would."""
    inverse = str(header.get("PhotometricInterpretation", "")).strip() == "MONOCHROME1"
    dataset.PresentationLUTShape = "INVERSE" if inverse else "IDENTITY"
    for copy in (_copy_modality_lut, _copy_voi_lut, _copy_shutter):
        try:
            with quietly():
                copy(dataset, header)
        except (ValueError, TypeError, AttributeError, KeyError, IndexError, NotImplementedError):
            continue


def _copy_modality_lut(dataset: Dataset, header: Dataset) -> None:
    """PS3.3 section C.11.1."""
    if header.get("ModalityLUTSequence"):
        dataset.ModalityLUTSequence = [header.ModalityLUTSequence[0]]
    elif header.get("RescaleSlope") and header.get("RescaleIntercept") is not None:
        slope, intercept = float(header.RescaleSlope), float(header.RescaleIntercept)
        dataset.RescaleIntercept, dataset.RescaleSlope = f"{intercept:.10g}", f"{slope:.10g}"
        dataset.RescaleType = header.get("RescaleType") or "US"


def _copy_voi_lut(dataset: Dataset, header: Dataset) -> None:
    """PS3.3 section C.11.8; of several windows or LUTs the first, which viewers show unasked."""
    item = Dataset()
    if header.get("VOILUTSequence"):
        item.VOILUTSequence = [header.VOILUTSequence[0]]
    else:
        center, width = _first(header.get("WindowCenter")), _first(header.get("WindowWidth"))
        if center is None or width is None or width < 1:
            return
        item.WindowCenter, item.WindowWidth = f"{center:.10g}", f"{width:.10g}"
        if header.get("VOILUTFunction") in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
            item.VOILUTFunction = header.VOILUTFunction
    dataset.SoftcopyVOILUTSequence = [item]


def _first(value: object) -> float | None:
    """The first of one or several numbers."""
    if value is None or value == "":
        return None
    first = value[0] if isinstance(value, Sequence) and not isinstance(value, str) else value
    return float(str(first))


def _copy_shutter(dataset: Dataset, header: Dataset) -> None:
    """A rectangular one, which is what collimators leave (PS3.3 sections C.7.6.11 and C.11.12)."""
    if _only(header.get("ShutterShape")) != "RECTANGULAR":
        return
    values = {keyword: int(header[keyword].value) for keyword in _SHUTTER_EDGES}
    dataset.ShutterShape = "RECTANGULAR"
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    dataset.ShutterPresentationValue = 0


def _only(value: object) -> object:
    return value[0] if isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 1 else value
