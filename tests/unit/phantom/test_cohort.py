import numpy as np
import pytest

from screening_node.domain.result import Vertebra
from screening_node.phantom.cohort import BMD_MEAN, draw_patient


def test_the_same_seed_gives_the_same_patient() -> None:
    assert draw_patient(7) == draw_patient(7)
    assert draw_patient(7) != draw_patient(8)


def test_the_cohort_looks_like_that_of_wang_2022() -> None:
    patients = [draw_patient(seed) for seed in range(3000)]
    bmd = np.array([[patient.bmd[vertebra] for vertebra in Vertebra] for patient in patients])
    assert bmd.mean(axis=0) == pytest.approx(BMD_MEAN, abs=0.02)
    correlation = np.corrcoef(bmd.T)
    assert correlation[0, 1:] == pytest.approx([0.918, 0.878, 0.807], abs=0.03)
    t_l1 = (bmd[:, 0] - 1.000) / 0.107
    assert (t_l1 <= -2.5).mean() == pytest.approx(0.11, abs=0.03)
    assert (t_l1 >= -1.0).mean() == pytest.approx(0.51, abs=0.05)
    assert all(40 <= patient.age <= 90 for patient in patients)


def test_older_women_have_less_bone() -> None:
    women = [patient for patient in map(draw_patient, range(2000)) if patient.sex == "F"]
    young = [patient.bmd[Vertebra.L1] for patient in women if patient.age < 50]
    old = [patient.bmd[Vertebra.L1] for patient in women if patient.age > 65]
    assert np.mean(old) < np.mean(young) - 0.1


def test_a_shift_moves_the_bone_and_nothing_else() -> None:
    plain, shifted = draw_patient(3), draw_patient(3, bmd_shift=-2.0)
    assert (plain.age, plain.sex, plain.size) == (shifted.age, shifted.sex, shifted.size)
    assert shifted.bmd[Vertebra.L1] < plain.bmd[Vertebra.L1] - 0.2
    assert shifted.region_log_q["lower_spine"] < plain.region_log_q["lower_spine"]
