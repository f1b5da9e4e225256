import numpy as np
import pytest

from screening_node.errors import Misconfigured
from screening_node.laboratory import splits

PATIENTS = [f"P{number % 40}" for number in range(100)]


def test_a_patient_is_in_one_fold_only() -> None:
    fold = splits.folds(PATIENTS, 4, seed=1)
    for patient in set(PATIENTS):
        assert len({int(fold[i]) for i, other in enumerate(PATIENTS) if other == patient}) == 1


def test_train_and_held_out_share_nobody_and_leave_nobody_out() -> None:
    fold = splits.folds(PATIENTS, 5)
    for number in range(5):
        train, held_out = splits.split(fold, number)
        assert not {PATIENTS[i] for i in train} & {PATIENTS[i] for i in held_out}
        assert sorted([*train, *held_out]) == list(range(100))
        assert len({PATIENTS[i] for i in held_out}) == 8


def test_the_order_of_the_films_does_not_matter_and_the_seed_does() -> None:
    fold, backwards = splits.folds(PATIENTS, 4), splits.folds(PATIENTS[::-1], 4)
    assert np.array_equal(fold, backwards[::-1])
    assert not np.array_equal(fold, splits.folds(PATIENTS, 4, seed=7))


def test_more_folds_than_patients_are_refused() -> None:
    with pytest.raises(Misconfigured, match="2 patients"):
        splits.folds(["A", "B", "A"], 3)


def test_a_patient_on_both_sides_is_refused_without_being_named() -> None:
    splits.check_apart(["A", "B"], ["C"], names=("train", "test"))
    with pytest.raises(Misconfigured, match="1 patients are in both train and test") as caught:
        splits.check_apart(["A", "SECRET"], ["SECRET", "C"], names=("train", "test"))
    assert "SECRET" not in caught.value.message
