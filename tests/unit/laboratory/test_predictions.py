"""Judging a cohort through the real route, killed and resumed; predictions on disk."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pathways.networks_for_tests import OPEN_GATE, REFERENCE, THRESHOLDS, make_bundle

from screening_node.errors import Misconfigured, Permanent
from screening_node.laboratory import predictions
from screening_node.laboratory.folder import Cohort, open_cohort
from screening_node.laboratory.predictions import (
    judge_cohort,
    judge_with_landmarks,
    read_predictions,
    write_predictions,
)
from screening_node.laboratory.progress import Progress
from screening_node.pathways.chest_film.admission import AdmissionRules
from screening_node.pathways.chest_film.pathway import ChestFilmPathway
from screening_node.phantom.cohort_folder import CohortOrder, write_cohort

FILMS = 5


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    folder = tmp_path_factory.mktemp("films") / "five"
    order = CohortOrder(films=FILMS, seed=40, size=512)
    list(write_cohort(order, folder, reference=REFERENCE, processes=1))
    return open_cohort(folder)


@pytest.fixture(scope="module")
def pathway(tmp_path_factory: pytest.TempPathFactory) -> ChestFilmPathway:
    folder = tmp_path_factory.mktemp("bundle")
    make_bundle(folder, gate=OPEN_GATE)
    rules = AdmissionRules(reference=REFERENCE)
    return ChestFilmPathway.load(folder, torch.device("cpu"), rules, thresholds=THRESHOLDS)


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions, "BATCH", 2)


def same(one: predictions.Predictions, other: predictions.Predictions) -> bool:
    return (
        (one.films, one.refusals) == (other.films, other.refusals)
        and np.array_equal(one.bmd, other.bmd, equal_nan=True)
        and np.array_equal(np.asarray(one.sd), np.asarray(other.sd), equal_nan=True)
        and np.array_equal(np.asarray(one.landmarks), np.asarray(other.landmarks), equal_nan=True)
    )


@pytest.mark.usefixtures("small_batches")
def test_a_killed_run_ends_as_an_uninterrupted_one(pathway: ChestFilmPathway, cohort: Cohort, tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    def kill(progress: Progress) -> None:
        if progress.done == 4:
            raise Killed

    whole = judge_cohort(pathway, cohort)
    assert len(whole) == FILMS
    assert np.isfinite(whole.bmd).all()
    journal = tmp_path / "answers" / "tiny.csv"
    with pytest.raises(Killed):
        judge_cohort(pathway, cohort, kill, journal=journal)
    with journal.open("a", encoding="utf-8") as file:
        file.write("films/cut-off-in-wri")
    told: list[Progress] = []
    resumed = judge_cohort(pathway, cohort, told.append, journal=journal)
    assert [each.done for each in told] == [4, 5]
    assert same(whole, resumed)
    assert same(whole, judge_cohort(pathway, cohort, journal=journal))


def test_answers_do_not_depend_on_the_batch(
    pathway: ChestFilmPathway, cohort: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = judge_cohort(pathway, cohort)
    monkeypatch.setattr(predictions, "BATCH", 1)
    assert same(whole, judge_cohort(pathway, cohort))


def test_another_models_answers_are_not_gone_on_with(pathway: ChestFilmPathway, cohort: Cohort, tmp_path: Path) -> None:
    journal = tmp_path / "tiny.csv"
    judge_cohort(pathway, cohort.subset([0, 1]), journal=journal)
    with pytest.raises(Misconfigured, match="other films"):
        judge_cohort(pathway, cohort, journal=journal)


def test_true_landmarks_place_the_rois(pathway: ChestFilmPathway, cohort: Cohort) -> None:
    found = judge_cohort(pathway, cohort)
    as_found = [replace(film, landmarks=points) for film, points in zip(cohort.films, found.landmarks, strict=True)]
    fed = judge_with_landmarks(pathway, replace(cohort, films=tuple(as_found)))
    assert np.array_equal(fed.bmd, found.bmd)  # the detector's own landmarks give the detector's own answers
    assert fed.landmarks is None
    true = judge_with_landmarks(pathway, cohort)
    assert not np.array_equal(true.bmd, found.bmd)


def test_films_without_true_landmarks_are_refused(pathway: ChestFilmPathway, cohort: Cohort) -> None:
    unknown = np.full((16, 2), np.nan)
    films = (replace(cohort.films[0], landmarks=None), replace(cohort.films[1], landmarks=unknown), cohort.films[2])
    found = judge_with_landmarks(pathway, replace(cohort, films=films))
    assert found.refusals == ("no-true-landmarks", "no-true-landmarks", None)
    assert np.isnan(found.bmd[:2]).all()
    none = judge_with_landmarks(pathway, replace(cohort, films=films[:2]))
    assert none.sd is None


def test_what_is_no_film_is_refused_and_the_run_goes_on(
    pathway: ChestFilmPathway, cohort: Cohort, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.dcm"
    broken.write_bytes(b"no DICOM")
    films = (replace(cohort.films[0], path=broken), cohort.films[1])
    found = judge_cohort(pathway, replace(cohort, films=films))
    assert found.refusals == ("unreadable-object", None)


def test_the_gates_refusals_keep_their_landmarks(cohort: Cohort, tmp_path: Path) -> None:
    make_bundle(tmp_path)  # an untrained detector's landmarks fit no chest, and the gate says so
    rules = AdmissionRules(reference=REFERENCE)
    strict = ChestFilmPathway.load(tmp_path, torch.device("cpu"), rules, thresholds=THRESHOLDS)
    found = judge_cohort(strict, cohort)
    assert None not in found.refusals
    assert found.sd is None
    assert found.landmarks is not None
    assert np.isfinite(found.landmarks).any()


def test_predictions_survive_the_disk(pathway: ChestFilmPathway, cohort: Cohort, tmp_path: Path) -> None:
    found = judge_cohort(pathway, cohort, model="tiny")
    write_predictions(found, tmp_path / "tiny.csv")
    assert same(found, read_predictions(tmp_path / "tiny.csv", "tiny"))
    text = (tmp_path / "tiny.csv").read_text(encoding="utf-8")
    (tmp_path / "tiny.csv").write_text(text.replace(",0.", ",x.", 1), encoding="utf-8")
    with pytest.raises(Misconfigured, match="row 2"):
        read_predictions(tmp_path / "tiny.csv", "tiny")
    (tmp_path / "other.csv").write_text("a,b\n", encoding="utf-8")
    with pytest.raises(Misconfigured, match="no table of predictions"):
        read_predictions(tmp_path / "other.csv", "tiny")
    with pytest.raises(Permanent, match="cannot be written"):
        write_predictions(found, tmp_path / "tiny.csv" / "below-a-file.csv")


def test_shapes_are_checked() -> None:
    def parts() -> Iterator[tuple[str, object]]:
        yield "bmd", np.ones((2, 3))
        yield "sd", np.ones((1, 4))
        yield "landmarks", np.ones((2, 4))
        yield "refusals", (None,)

    sound = {
        "model": "m",
        "films": ("a", "b"),
        "bmd": np.ones((2, 4)),
        "sd": None,
        "refusals": (None, None),
        "landmarks": None,
    }
    predictions.Predictions(**sound)
    for name, wrong in parts():
        with pytest.raises(ValueError, match="m"):
            predictions.Predictions(**(sound | {name: wrong}))
