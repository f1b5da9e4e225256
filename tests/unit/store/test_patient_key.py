"""Which films are of one patient."""

from __future__ import annotations

from typing import Any

import pytest
from builders import a_patient

from screening_node.store import alarms


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"patient_id": "P1"}, {"patient_id": "P1", "name": "Married^Name"}, True),
        ({"patient_id": "P1"}, {"patient_id": "P2"}, False),
        ({"patient_id": "P1", "issuer": "A"}, {"patient_id": "P1", "issuer": "B"}, False),
        ({"patient_id": "P1", "issuer": None}, {"patient_id": "P1", "issuer": "B"}, False),
        ({"patient_id": None}, {"patient_id": None}, False),
        ({"patient_id": ""}, {"patient_id": ""}, False),
    ],
)
def test_who_is_the_same_patient(one: dict[str, Any], other: dict[str, Any], same: bool) -> None:
    first, second = (
        alarms.patient_key(a_patient(**patient), study) for patient, study in ((one, "1.1"), (other, "1.2"))
    )
    assert (first == second) is same


def test_films_of_one_study_without_an_id_are_one_patient() -> None:
    nobody = a_patient(patient_id=None)
    assert alarms.patient_key(nobody, "1.1") == alarms.patient_key(nobody, "1.1")


def test_keys_do_not_show_who_it_is() -> None:
    assert "P1" not in alarms.patient_key(a_patient(patient_id="P1"), "1.1")
