"""Films that are no frontal chest, judged by the bundled weights while the header says that they are one."""

import datetime as dt
from pathlib import Path

import pytest
import torch
from pydicom import dcmread

from screening_node.domain.exam import ExamFiles
from screening_node.domain.result import Refusal, RefusalCode
from screening_node.pathways.chest_film.admission import AdmissionRules
from screening_node.pathways.chest_film.pathway import ChestFilmPathway
from screening_node.phantom.anatomical import render
from screening_node.phantom.dicom_film import dataset_of
from screening_node.settings.tables import load_reference_table, load_threshold_set

ROOT = Path(__file__).parents[2]
BUNDLE = ROOT / "models" / "chest_film" / "0.2.0"
WHEN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
SEEDS = (71, 72)


@pytest.fixture(scope="module")
def pathway() -> ChestFilmPathway:
    rules = AdmissionRules(
        reference=load_reference_table(ROOT / "config" / "references" / "wang2022-implied.toml"), age_range=(18, 110)
    )
    thresholds = load_threshold_set(ROOT / "config" / "thresholds" / "flex.toml")
    return ChestFilmPathway.load(BUNDLE, torch.device("cpu"), rules, thresholds=thresholds)


def refusal(pathway: ChestFilmPathway, path: Path) -> Refusal:
    prepared = pathway.prepare(ExamFiles(files=(path,), requested_at=WHEN))
    answer = prepared if isinstance(prepared, Refusal) else pathway.judge([prepared])[0]
    assert isinstance(answer, Refusal)
    return answer


@pytest.mark.parametrize("kind", ["lateral", "abdomen", "hand", "extremity"])
def test_what_the_header_says_is_believed(pathway: ChestFilmPathway, tmp_path: Path, kind: str) -> None:
    dataset_of(render(70, kind=kind, long_side=512)).save_as(tmp_path / "film.dcm")
    expected = RefusalCode.NOT_FRONTAL if kind == "lateral" else RefusalCode.NOT_CHEST
    assert refusal(pathway, tmp_path / "film.dcm").code is expected


@pytest.mark.parametrize("kind", ["lateral", "abdomen", "hand", "extremity"])
@pytest.mark.parametrize("seed", SEEDS)
def test_pixels_tell_when_the_header_lies(pathway: ChestFilmPathway, tmp_path: Path, kind: str, seed: int) -> None:
    """Every field that names body part or view says PA chest."""
    path = tmp_path / "film.dcm"
    honest = dataset_of(render(1, long_side=256))
    dataset_of(render(seed, kind=kind, long_side=512)).save_as(path)
    dataset = dcmread(path)
    for keyword in ("BodyPartExamined", "ViewPosition", "PatientOrientation", "AnatomicRegionSequence"):
        setattr(dataset, keyword, getattr(honest, keyword))
    dataset.ViewCodeSequence = honest.ViewCodeSequence
    dataset.save_as(path)
    assert refusal(pathway, path).code in (
        RefusalCode.NOT_FRONTAL,
        RefusalCode.LANDMARKS_IMPLAUSIBLE,
        RefusalCode.EXPOSURE,
    )
