"""Draws the pictures of docs/: what PACS shows of a synthetic film. Usage: python scripts/pictures.py FOLDER.

The films, landmarks and regions are the phantom's; the numbers are made up, and no network has judged anything.
"""

from __future__ import annotations

import datetime as dt
import io
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pypdfium2
from PIL import Image, ImageDraw
from pydicom import Dataset, dcmread

from screening_node.domain.alarm import (
    AlarmDecision,
    AlarmStatus,
    AlarmStep,
    PatientFacts,
    Retraction,
    decide,
    findings,
)
from screening_node.domain.result import (
    LANDMARK_NAMES,
    BmdEstimate,
    Landmark,
    ModelIdentity,
    Refusal,
    RefusalCode,
    Roi,
    ScreeningResult,
    Vertebra,
)
from screening_node.imaging import display, pixels
from screening_node.pathways.chest_film import regions
from screening_node.phantom.anatomical import render
from screening_node.phantom.dicom_film import dataset_of
from screening_node.phantom.film import SyntheticFilm
from screening_node.reporting.kinds import Kind, ObjectSet
from screening_node.reporting.language import Language
from screening_node.reporting.reporter import Reporter
from screening_node.settings import find_table, load_reference_table, load_threshold_set

AT = dt.datetime(2026, 3, 4, 5, 6, tzinfo=dt.UTC)
WIDTH = 800
CONFIG = Path(__file__).resolve().parents[1] / "config"
REFERENCE = load_reference_table(find_table("wang2022-implied", CONFIG, "references"))
THRESHOLDS = load_threshold_set(find_table("flex", CONFIG, "thresholds"))
MODEL = ModelIdentity(
    pathway="chest_film",
    bundle="chest_film 0.1.0",
    weights_sha256="0" * 64,
    configuration_sha256="0" * 64,
    members=2,
    reference=f"{REFERENCE.name} {REFERENCE.version}",
    thresholds=THRESHOLDS.name,
    limits_of_use="An example for the documentation, on a synthetic film. Not for clinical use.",
)
RETRACTED = decide(
    crossed=True,
    study_date=AT.date(),
    known=(),
    facts=PatientFacts(),
    window_months=12,
    retraction=Retraction(alarm=1, reason="A metal marker lay on the clavicle."),
)
LOW, HIGH = (0.74, 0.77, 0.9, 0.95), (1.0, 1.05, 1.09, 1.1)


@dataclass(frozen=True)
class Example:
    """A film's outcome, as all of its objects show it."""

    name: str
    result: ScreeningResult
    decision: AlarmDecision
    language: Language = Language.ENGLISH
    revision: int = 1


def main(folder: Path) -> None:
    """Write the pictures."""
    film = render(343, long_side=1400)
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "film.dcm"
        dataset_of(film).save_as(path, enforce_file_format=True)
        for example in examples(film):
            for name, picture in pictures(example, path):
                save(picture, folder / f"{name}.png")


def examples(film: SyntheticFilm) -> Iterator[Example]:
    """An alarm, no alarm, and a refusal; the alarm by calibrated weights in another language, and taken back."""
    points = film.landmarks
    landmarks = tuple(Landmark(name=name, x=x, y=y) for name, (x, y) in zip(LANDMARK_NAMES, points, strict=True))
    rois = tuple(
        Roi(name=roi.name, corners=tuple((float(x), float(y)) for x, y in roi.corners))
        for roi in regions.place(points, (film.spacing, film.spacing))
    )
    for name, bmd, step, status in (
        ("alarm", LOW, AlarmStep.OPEN, AlarmStatus.RAISED),
        ("no-alarm", HIGH, AlarmStep.NONE, AlarmStatus.NOT_RAISED),
    ):
        estimates = [BmdEstimate(vertebra=v, bmd=one, sd=0.06) for v, one in zip(Vertebra, bmd, strict=True)]
        found = findings(estimates, sex=film.patient.sex, reference=REFERENCE, thresholds=THRESHOLDS)
        result = ScreeningResult(
            model=MODEL, refusal=None, findings=found, crossed=any(one.below for one in found),
            landmarks=landmarks, rois=rois,
        )  # fmt: skip
        yield Example(name, result, AlarmDecision(step=step, status=status, reason="An example."))
        if name == "alarm":
            sure = replace(result, findings=tuple(replace(one, calibrated=True) for one in found))
            raised = AlarmDecision(step=step, status=status, reason="Below threshold.")
            yield Example("alarm-ja", sure, raised, language=Language.JAPANESE)
            yield Example("retracted", sure, RETRACTED, revision=2)
    refusal = Refusal(code=RefusalCode.HARDWARE, text="Metal lies on a bone region.", landmarks=landmarks)
    yield Example(
        "refused",
        ScreeningResult(model=MODEL, refusal=refusal, landmarks=landmarks),
        AlarmDecision(step=AlarmStep.NONE, status=AlarmStatus.NOT_EVALUATED, reason="The film was not judged."),
    )


def pictures(example: Example, path: Path) -> Iterator[tuple[str, Image.Image]]:
    """What PACS shows of an example, by file name."""
    reporter = Reporter(REFERENCE, software_version="0.1.0", zone=dt.UTC)
    objects_wanted = ObjectSet(kinds=(Kind.SC, Kind.PDF, Kind.GSPS), language=example.language)
    wanted = list(objects_wanted.wanted(None))
    made = reporter.reports(path, example.result, example.decision, AT, example.revision, wanted)
    objects = {each.kind: dcmread(io.BytesIO(report.data)) for each, report in made.items()}
    yield f"page-{example.name}-dark", captured(objects[Kind.SC])
    if example.name == "alarm":
        _, method = sheets(objects[Kind.PDF])
        yield "page-method", method
        yield "presentation-state", over_the_film(objects[Kind.GSPS], path)


def captured(dataset: Dataset) -> Image.Image:
    """A Secondary Capture's pixels."""
    return Image.frombytes(
        "RGB", (dataset.Columns, dataset.Rows), dataset.PixelData[: dataset.Columns * dataset.Rows * 3]
    )


def sheets(dataset: Dataset) -> Iterator[Image.Image]:
    """The pages of an Encapsulated PDF."""
    pdf = pypdfium2.PdfDocument(dataset.EncapsulatedDocument)
    for sheet in pdf:
        yield sheet.render(scale=1.5).to_pil()
        sheet.close()
    pdf.close()


def over_the_film(state: Dataset, path: Path) -> Image.Image:
    """The presentation state's graphics over the film, as a viewer draws them."""
    film = pixels.decode(pixels.read(path)).pixels
    shown = Image.fromarray(np.stack([display.shown(film, max(film.shape))] * 3, axis=-1))
    draw = ImageDraw.Draw(shown)
    for item in state.GraphicAnnotationSequence:
        for graphic in item.get("GraphicObjectSequence", []):
            points = list(zip(graphic.GraphicData[0::2], graphic.GraphicData[1::2], strict=True))
            if len(points) > 1:
                draw.line(points, fill=(255, 190, 60), width=4)
            else:
                x, y = points[0]
                draw.ellipse((x - 7, y - 7, x + 7, y + 7), fill=(255, 110, 60))
    return shown


def save(picture: Image.Image, path: Path) -> None:
    """Small: shrunk, and in 192 colours."""
    height = round(picture.height * WIDTH / picture.width)
    shrunk = picture.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS)
    shrunk.quantize(192, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
