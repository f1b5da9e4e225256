from __future__ import annotations

import math

import pytest

from screening_node.domain.result import RefusalCode, Vertebra
from screening_node.pathways.chest_film.ensemble import combine

RESIDUAL = {"L1": 0.06, "L2": 0.07, "L3": 0.08, "L4": 0.09}


def found(*answers: dict[str, float], limit: float = 0.2) -> dict[str, tuple[float, float]]:
    estimates = combine(answers, RESIDUAL, limit)
    assert isinstance(estimates, tuple)
    return {estimate.vertebra: (estimate.bmd, estimate.sd) for estimate in estimates}


def test_one_joint_member_has_the_cards_residual_as_its_uncertainty() -> None:
    answer = {"L1": 0.9, "L2": 1.0, "L3": 1.1, "L4": 1.2}
    assert found(answer) == {name: (value, RESIDUAL[name]) for name, value in answer.items()}


def test_members_may_each_know_other_vertebrae() -> None:
    answers = ({"L4": 1.2, "L1": 0.9}, {"L1": 1.0}, {"L2": 0.8})
    estimates = found(*answers)
    assert list(estimates) == ["L1", "L2", "L4"]
    assert estimates["L1"][0] == pytest.approx(0.95)
    assert estimates["L1"][1] == pytest.approx(math.sqrt(0.005 + 0.06**2))
    assert estimates["L4"] == (1.2, 0.09)


def test_members_that_disagree_are_refused_by_vertebra() -> None:
    refusal = combine(({"L1": 0.9, "L3": 0.8}, {"L1": 0.9, "L3": 1.3}), RESIDUAL, 0.2)
    assert not isinstance(refusal, tuple)
    assert refusal.code is RefusalCode.MEMBERS_DISAGREE
    assert Vertebra.L3 in refusal.text


@pytest.mark.parametrize("value", [math.nan, math.inf, -0.4, 0.1, 3.0])
def test_what_no_bone_has_is_refused(value: float) -> None:
    refusal = combine(({"L1": value},), RESIDUAL, 0.2)
    assert not isinstance(refusal, tuple)
    assert refusal.code is RefusalCode.ESTIMATE_IMPLAUSIBLE
