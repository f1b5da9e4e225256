"""The demo's samples, judged by the bundled weights, come out as they say."""

import datetime as dt
from pathlib import Path

import pytest
import torch
from pydicom import dcmread

from screening_node.domain.exam import ExamFiles
from screening_node.domain.result import Category, Estimate, Refusal, RefusalCode
from screening_node.domain.tscore import lowest_category
from screening_node.pathways.chest_film.admission import AdmissionRules
from screening_node.pathways.chest_film.pathway import ChestFilmPathway
from screening_node.phantom.dicom_film import write_film
from screening_node.phantom.film import LATERAL
from screening_node.phantom.samples import Sample, write_samples
from screening_node.settings.tables import load_reference_table, load_threshold_set

ROOT = Path(__file__).parents[2]
BUNDLE = ROOT / "models" / "chest_film" / "0.2.0"
WHEN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def pathway() -> ChestFilmPathway:
    rules = AdmissionRules(reference=load_reference_table(ROOT / "config" / "references" / "wang2022-implied.toml"))
    thresholds = load_threshold_set(ROOT / "config" / "thresholds" / "flex.toml")
    return ChestFilmPathway.load(BUNDLE, torch.device("cpu"), rules, thresholds=thresholds)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    return write_samples(tmp_path_factory.mktemp("samples"))


def judged(pathway: ChestFilmPathway, path: Path) -> Estimate | Refusal:
    prepared = pathway.prepare(ExamFiles(files=(path,), requested_at=WHEN))
    return prepared if isinstance(prepared, Refusal) else pathway.judge([prepared])[0]


def test_every_sample_comes_out_as_it_says(pathway: ChestFilmPathway, samples: list[Sample]) -> None:
    reference = load_reference_table(ROOT / "config" / "references" / "wang2022-implied.toml")
    found = {}
    for sample in samples:
        answer = judged(pathway, sample.path)
        if isinstance(answer, Refusal):
            found[sample.path.name] = str(answer.code)
        else:
            sex = str(dcmread(sample.path).PatientSex)
            found[sample.path.name] = str(
                lowest_category(reference.t_score(one.bmd, one.vertebra, sex) for one in answer.bmd)
            )
    assert found == {sample.path.name: sample.expectation for sample in samples}
    assert set(map(str, Category)) < set(found.values())


@pytest.mark.parametrize("seed", [71, 72, 73])
def test_a_lateral_film_without_a_header_that_says_so_is_refused(
    pathway: ChestFilmPathway, tmp_path: Path, seed: int
) -> None:
    write_film(seed, tmp_path / "film.dcm", kind=LATERAL, size=1024)
    dataset = dcmread(tmp_path / "film.dcm")
    dataset.ViewPosition = ""
    del dataset.ViewCodeSequence, dataset.PatientOrientation
    dataset.save_as(tmp_path / "film.dcm")
    answer = judged(pathway, tmp_path / "film.dcm")
    assert isinstance(answer, Refusal)
    assert answer.code in (RefusalCode.NOT_FRONTAL, RefusalCode.LANDMARKS_IMPLAUSIBLE)


def test_the_bundle_is_small_enough_for_git_and_says_what_it_is_not() -> None:
    assert sum(path.stat().st_size for path in BUNDLE.iterdir()) < 16 * 2**20
    assert "not for clinical use" in (BUNDLE / "MODEL_CARD.md").read_text().lower()
