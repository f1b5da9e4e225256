"""The difficulty is frozen: changing a number here makes every comparison in docs/results.md void."""

import numpy as np

from screening_node.phantom.cohort import BONE_NOISE, draw_patient

SPREAD = {
    "cervical": 0.105,
    "thoracic": 0.105,
    "lower_spine": 0.05,
    "left_ribs": np.hypot(0.08, 0.08),
    "right_ribs": np.hypot(0.08, 0.08),
    "left_clavicle": np.hypot(0.14, 0.08),
    "right_clavicle": np.hypot(0.14, 0.08),
}


def test_regions_stray_as_much_as_when_models_were_compared() -> None:
    patients = [draw_patient(seed) for seed in range(4000)]
    base = np.array([np.log(max(1 + 0.158 * patient.factor, 0.35)) for patient in patients])
    own = {name: np.array([p.region_log_q[name] for p in patients]) - base for name in SPREAD}
    for name, wanted in SPREAD.items():
        spread = wanted if name != "lower_spine" else np.hypot(wanted, 0.8 * 0.158 * np.sqrt(1 - 0.935**2))
        assert abs(np.std(own[name]) / spread - 1) < 0.05, name
    shared = np.corrcoef(own["left_ribs"], own["right_clavicle"])[0, 1]
    assert abs(shared - 0.08**2 / (SPREAD["left_ribs"] * SPREAD["right_clavicle"])) < 0.05
    assert abs(np.corrcoef(own["cervical"], own["left_ribs"])[0, 1]) < 0.05
    assert BONE_NOISE == 0.075
