"""What every pathway must keep to, whatever it judges. A new pathway adds itself to BUILDERS and passes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import factory
import pytest
import torch
from pathways.networks_for_tests import OPEN_GATE, REFERENCE, THRESHOLDS, make_bundle
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless

from screening_node.domain.exam import ExamFiles
from screening_node.domain.result import Estimate, Refusal
from screening_node.errors import Permanent
from screening_node.imaging.quiet import quietly
from screening_node.pathways import registry
from screening_node.pathways.base import Pathway
from screening_node.pathways.chest_film.admission import AdmissionRules
from screening_node.pathways.chest_film.pathway import ChestFilmPathway
from screening_node.phantom.dicom_film import write_film


def _chest_film(folder: Path) -> Pathway[Any]:
    make_bundle(folder / "bundle", gate=OPEN_GATE)
    rules = AdmissionRules(reference=REFERENCE)
    return ChestFilmPathway.load(folder / "bundle", torch.device("cpu"), rules, thresholds=THRESHOLDS)


def _chest_films(folder: Path) -> list[Path]:
    paths = [folder / f"film-{seed}.dcm" for seed in (31, 32)]
    for seed, path in zip((31, 32), paths, strict=True):
        write_film(seed, path, size=512)
    return paths


#: For each pathway: how to build a small one, and how to write two exams' files that it judges.
BUILDERS: dict[str, tuple[Callable[[Path], Pathway[Any]], Callable[[Path], list[Path]]]] = {
    registry.CHEST_FILM: (_chest_film, _chest_films),
}

#: Headers and pixels that a node meets; each must end in a refusal, not in an exception.
BAD_FILMS: dict[str, dict[str, Any]] = {
    "no pixel data": {"PixelData": None},
    "empty pixel data": {"PixelData": b""},
    "cut pixel data": {"PixelData": b"\0" * 100},
    "one bit": {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0},
    "colour": {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"},
    "multi-frame": {"NumberOfFrames": "7"},
    "float pixels": {"PixelData": None, "FloatPixelData": b"\0" * 64},
    "gigantic": {"Rows": 30000, "Columns": 30000},
    "no rows": {"Rows": None},
    "absurd rows": {"Rows": 1},
    "no spacing": {"ImagerPixelSpacing": None, "PixelSpacing": None},
    "absurd spacing": {"ImagerPixelSpacing": [1e9, 1e9], "PixelSpacing": None},
    "blank": {"PixelData": b"\0" * (64 * 64 * 2)},
    "too small": {},
    "nobody": {"PatientBirthDate": None, "PatientAge": None, "PatientSex": None, "PatientID": None},
    "future birth": {"PatientBirthDate": "29990101", "PatientAge": None},
    "odd age": {"PatientBirthDate": None, "PatientAge": "Y1X"},
    "lateral": {"ViewPosition": "LL"},
    "hip": {"BodyPartExamined": "HIP"},
    "CT": {"Modality": "CT", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"},
    "unknown class": {"SOPClassUID": "1.2.826.0.1.3680043.9.9"},
    "broken code stream": {"TransferSyntaxUID": JPEG2000Lossless, "PixelData": encapsulate([b"\xff\x4f\xff\x51"])},
    "wrong character set": {"SpecificCharacterSet": "ISO_IR 999", "PatientName": "Müller^Jörg"},
}

NO_FILES = {"empty": b"", "text": b"not DICOM" * 100, "cut header": b"\0" * 128 + b"DICM\x02\x00"}


def _exam(path: Path) -> ExamFiles:
    return ExamFiles(files=(path,), requested_at=dt.datetime(2026, 1, 2, tzinfo=dt.UTC))


@pytest.fixture(scope="module", params=registry.PATHWAY_NAMES)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Pathway[Any], list[Path]]:
    build, write = BUILDERS[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    return build(folder), write(folder)


def test_every_registered_pathway_is_held_to_this() -> None:
    assert set(BUILDERS) == set(registry.PATHWAY_NAMES)


def test_the_identity_is_complete(built: tuple[Pathway[Any], list[Path]]) -> None:
    pathway, _ = built
    identity = pathway.identity
    assert identity.pathway == pathway.name
    assert pathway.name in registry.PATHWAY_NAMES
    assert len(identity.weights_sha256) == len(identity.configuration_sha256) == 64
    assert identity.members > 0
    assert all((identity.bundle, identity.reference, identity.thresholds, identity.limits_of_use))
    assert pathway.identity == identity


def test_twice_the_same_film_is_twice_the_same_answer(built: tuple[Pathway[Any], list[Path]]) -> None:
    pathway, paths = built
    answers = [pathway.judge([pathway.prepare(_exam(path)) for path in paths]) for _ in range(2)]
    assert answers[0] == answers[1]
    assert all(isinstance(answer, Estimate) for answer in answers[0])


def test_answers_come_in_order_one_for_each(built: tuple[Pathway[Any], list[Path]]) -> None:
    pathway, paths = built
    one, two = (pathway.prepare(_exam(path)) for path in paths)
    first, second = pathway.judge([one, two])
    assert pathway.judge([two, one, two]) == [second, first, second]
    assert first != second


@pytest.mark.parametrize("name", BAD_FILMS)
def test_a_bad_film_is_refused_never_raised(built: tuple[Pathway[Any], list[Path]], name: str, tmp_path: Path) -> None:
    pathway, _ = built
    with quietly():  # writing it warns
        path = factory.save(factory.make_dx(**BAD_FILMS[name]), tmp_path / "bad.dcm")
    refusal = pathway.prepare(_exam(path))
    assert isinstance(refusal, Refusal)
    assert refusal.text.endswith(".")
    assert factory.PATIENT_ID not in refusal.text
    assert str(tmp_path) not in refusal.text


@pytest.mark.parametrize("name", NO_FILES)
def test_what_is_no_dicom_file_fails_for_good_and_by_name(
    built: tuple[Pathway[Any], list[Path]], name: str, tmp_path: Path
) -> None:
    pathway, _ = built
    path = tmp_path / "bad.dcm"
    path.write_bytes(NO_FILES[name])
    with pytest.raises(Permanent) as caught:
        pathway.prepare(_exam(path))
    assert caught.value.fix
