from pathlib import Path

import pytest
from pydicom import dcmread

from screening_node.domain.result import Category, RefusalCode, Vertebra
from screening_node.domain.tscore import lowest_category
from screening_node.phantom.cohort import draw_patient
from screening_node.phantom.samples import Sample, write_samples
from screening_node.settings.tables import load_reference_table

REFERENCE = Path(__file__).parents[3] / "config" / "references" / "wang2022-implied.toml"


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    return write_samples(tmp_path_factory.mktemp("samples"))


def test_there_is_one_of_each_kind(samples: list[Sample]) -> None:
    assert {sample.expectation for sample in samples} == {
        *map(str, Category),
        str(RefusalCode.NOT_FRONTAL),
        str(RefusalCode.PIXELS_UNREADABLE),
    }
    assert len({str(dcmread(sample.path).SOPInstanceUID) for sample in samples}) == len(samples)


def test_the_truth_is_what_the_expectation_says(samples: list[Sample]) -> None:
    reference = load_reference_table(REFERENCE)
    for sample in samples:
        if sample.expectation not in set(Category):
            continue
        patient = draw_patient(int(str(dcmread(sample.path).PatientID).removeprefix("PHANTOM-")))
        truth = lowest_category(reference.t_score(patient.bmd[v], v, patient.sex) for v in Vertebra)
        assert truth == sample.expectation


def test_they_are_of_a_real_detectors_size(samples: list[Sample]) -> None:
    dataset = dcmread(samples[0].path)
    assert max(dataset.Rows, dataset.Columns) == 2100
    assert float(dataset.ImagerPixelSpacing[0]) == pytest.approx(0.2, abs=0.006)


def test_the_damaged_one_lacks_pixels_and_is_otherwise_sound(samples: list[Sample]) -> None:
    damaged = next(sample for sample in samples if sample.expectation == RefusalCode.PIXELS_UNREADABLE)
    dataset = dcmread(damaged.path)
    assert len(dataset.PixelData) < dataset.Rows * dataset.Columns
