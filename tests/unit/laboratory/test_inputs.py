from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from screening_node.errors import Misconfigured
from screening_node.laboratory import inputs
from screening_node.laboratory.folder import Cohort
from screening_node.laboratory.inputs import Crops, DetectorImages, inputs_path, open_inputs, prepare
from screening_node.laboratory.progress import Progress
from screening_node.networks.normalise import Normalisation

NORMALISATION = Normalisation(kind="local-contrast", scales=(0.1,))
CROPS = Crops(layout="rois-15", size=32, roi_scale=1.0, normalisation=NORMALISATION)


def test_every_order_is_cut_in_one_pass_and_only_once(small_cohort: Cohort, tmp_path: Path) -> None:
    orders = [CROPS, replace(CROPS, layout="patches-2"), DetectorImages(size=64, normalisation=NORMALISATION)]
    told: list[Progress] = []
    prepare(small_cohort, orders, tmp_path, processes=1, report=told.append)
    shapes = [open_inputs(inputs_path(small_cohort, order, tmp_path)).shape for order in orders]
    assert shapes == [(10, 1, 15, 1, 32, 32), (10, 1, 5, 1, 32, 32), (10, 1, 64, 64)]
    assert len(told) == 10
    prepare(small_cohort, orders, tmp_path, processes=1, report=told.append)
    assert len(told) == 10


def test_several_processes_cut_the_same(small_cohort: Cohort, tmp_path: Path) -> None:
    for name, processes in (("one", 1), ("two", 2)):
        prepare(small_cohort, [CROPS], tmp_path / name, processes=processes)
    one, two = (open_inputs(inputs_path(small_cohort, CROPS, tmp_path / name)) for name in ("one", "two"))
    assert np.array_equal(one, two)


def test_training_views_differ_and_are_the_same_again(small_cohort: Cohort, tmp_path: Path) -> None:
    jittered = replace(CROPS, views=2, jitter_mm=3.0)
    for name in ("one", "two"):
        prepare(small_cohort, [jittered], tmp_path / name, processes=1)
    one, two = (open_inputs(inputs_path(small_cohort, jittered, tmp_path / name)) for name in ("one", "two"))
    assert np.array_equal(one, two)
    for region in range(15):
        assert not np.array_equal(one[:, 0, region], one[:, 1, region])


def test_other_landmarks_are_other_inputs(small_cohort: Cohort, tmp_path: Path) -> None:
    first = small_cohort.films[0]
    assert first.landmarks is not None
    moved = replace(small_cohort, films=(replace(first, landmarks=first.landmarks + 5), *small_cohort.films[1:]))
    assert inputs_path(moved, CROPS, tmp_path) != inputs_path(small_cohort, CROPS, tmp_path)


def test_inputs_that_were_not_finished_are_not_used(small_cohort: Cohort, tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(small_cohort, [CROPS], tmp_path, processes=1, report=stop)
    with pytest.raises(Misconfigured, match="no inputs"):
        open_inputs(inputs_path(small_cohort, CROPS, tmp_path))
    prepare(small_cohort, [CROPS], tmp_path, processes=1)
    assert np.isfinite(open_inputs(inputs_path(small_cohort, CROPS, tmp_path))).all()


def test_a_film_without_landmarks_is_named_by_its_row(small_cohort: Cohort, tmp_path: Path) -> None:
    blind = replace(small_cohort, films=(*small_cohort.films[:2], replace(small_cohort.films[2], landmarks=None)))
    with pytest.raises(Misconfigured, match="Row 4"):
        prepare(blind, [CROPS], tmp_path, processes=1)


def test_landmarks_lie_in_the_square(small_cohort: Cohort) -> None:
    points = inputs.points(small_cohort)
    assert points.shape == (10, 16, 2)
    assert ((points > -0.2) & (points < 1.2)).all()
