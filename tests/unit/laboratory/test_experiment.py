"""A plan of seconds through every step: cohorts, networks, answers, the page."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from screening_node.errors import Misconfigured
from screening_node.laboratory.config import load
from screening_node.laboratory.experiment import results, runs
from screening_node.laboratory.experiment.plan import PartPlan, Plan, load_plan
from screening_node.laboratory.experiment.reproduce import (
    Bench,
    best_ensemble,
    check_difficulty,
    draw_cohorts,
    reproduce,
)
from screening_node.laboratory.experiment.shortcuts import brightness, histogram, predict, thumbnail
from screening_node.laboratory.folder import Cohort
from screening_node.laboratory.landmarks.locate import Detector
from screening_node.laboratory.progress import Progress, silent
from screening_node.pathways.chest_film.landmarks import build_detector
from screening_node.pathways.weights import load_bundle
from screening_node.settings.tables import load_reference_table, load_threshold_set

ROOT = Path(__file__).parents[3]
REFERENCE = load_reference_table(ROOT / "config" / "references" / "wang2022-implied.toml")
FLEX = load_threshold_set(ROOT / "config" / "thresholds" / "flex.toml")
PARTS = {"train": 20, "calibration": 2, "test": 12}


@pytest.fixture(scope="module")
def detector() -> Detector:
    architecture = load(ROOT / "config" / "pathways" / "smoke.toml").detector
    return Detector(architecture=architecture, module=build_detector(architecture).eval())


@pytest.fixture(scope="module")
def plan() -> Plan:
    """The two cores' plan with a few films, smaller networks and one of the tables' models of each kind."""
    whole = load_plan(ROOT / "config" / "experiments" / "two-cores.toml")
    small = {"widths": (4, 8), "convolutions": (1, 1), "size": 32, "layers": 1, "heads": 1, "head_width": 4,
             "mlp_width": 8, "regressor_width": 8}  # fmt: skip
    keys = {"single-roi-cervical", "models-baseline", "models-attentive-multi-roi", "models-multi-patch",
            "rois-multi-roi-of-2021", "curve-450-films", "short-cuts-shuffled-labels"}  # fmt: skip
    models = tuple(
        replace(model, architecture=replace(model.architecture, **small), films=min(model.films, 9))
        for model in whole.models
        if model.key in keys
    )
    return replace(
        whole,
        size=256,
        models=tuple(replace(m, seeds=(0, 1)) if len(m.seeds) > 1 else m for m in models),
        stage=replace(whole.stage, epochs=1, batch=6),
        inputs=replace(whole.inputs, views=1, processes=1),
        cohorts={name: PartPlan(films=PARTS[name], seed=part.seed) for name, part in whole.cohorts.items()},
    )


@pytest.fixture(scope="module")
def written(plan: Plan, detector: Detector, tmp_path_factory: pytest.TempPathFactory) -> Path:
    bench = Bench.at(tmp_path_factory.mktemp("experiment"), "cpu", 1, silent)
    return reproduce(plan, detector, bench, reference=REFERENCE, thresholds=FLEX, command="scripts/reproduce")


def test_the_page_has_every_table_and_says_what_it_is(written: Path) -> None:
    page = written.read_text(encoding="utf-8")
    for heading in ("How hard the phantom is", "The five models", "ROIs", "What would close a gap", "Ensembles",
                    "Short cuts", "What the detector's errors cost", "against each of the others"):  # fmt: skip
        assert heading in page
    assert "Phantom against hospital" in page
    assert "| cervical |" in page
    assert "nan" not in page


def test_running_it_again_trains_nothing(plan: Plan, detector: Detector, written: Path) -> None:
    told: list[Progress] = []
    bench = Bench.at(written.parent, "cpu", 1, told.append)
    page = written.read_text(encoding="utf-8")
    reproduce(plan, detector, bench, reference=REFERENCE, thresholds=FLEX, command="scripts/reproduce")
    assert {progress.stage for progress in told} <= {"films train", "films calibration", "films test"}
    assert _without_minutes(written.read_text(encoding="utf-8")) == _without_minutes(page)


def test_the_difficulty_is_asked_for_alone(plan: Plan, detector: Detector, written: Path) -> None:
    bench = Bench.at(written.parent, "cpu", 1, silent)
    measured = check_difficulty(plan, draw_cohorts(plan, bench, REFERENCE), detector, bench)
    assert set(measured) == {"cervical"}
    assert measured["cervical"][1] == 0.795


def test_the_bundle_is_a_pathways(written: Path) -> None:
    card = load_bundle(written.parent / "bundle").card
    assert card.metrics["unseen_films"] == 2
    assert "20 synthetic films" in card.training_data
    assert "not for clinical use" in card.limits_of_use


def test_the_ensemble_grows_while_it_gains(plan: Plan) -> None:
    rng = np.random.default_rng(2)
    truth = rng.standard_normal((400, 4))
    good, other, noise = (truth + scale * rng.standard_normal((400, 4)) for scale in (0.5, 0.6, 30.0))
    first, second, third = ((model, 0) for model in plan.models[:3])
    assert best_ensemble({third: noise, second: other, first: good}, truth) == [first, second]


def test_cohorts_that_share_a_patient_are_refused(small_cohort: Cohort) -> None:
    with pytest.raises(Misconfigured, match="10 patients are in both train and test"):
        runs.cohorts_apart({"train": small_cohort, "calibration": small_cohort, "test": small_cohort})


def test_a_ridge_finds_what_is_linear_and_bears_what_is_missing() -> None:
    rng = np.random.default_rng(1)
    known = rng.standard_normal((200, 3))
    bmd = 1 + 0.1 * known @ rng.standard_normal((3, 4))
    known[0, 0] = np.nan
    asked = rng.standard_normal((50, 3))
    asked[0] = np.nan
    answers = predict(known, bmd, asked)
    assert answers.shape == (50, 4)
    assert np.isfinite(answers).all()
    fitted = predict(known, bmd, known[1:])
    assert results.average_r(bmd[1:], fitted) > 0.99


def test_features_have_their_shapes() -> None:
    pixels = np.linspace(0, 1, 128 * 100).reshape(128, 100)
    assert brightness(pixels) == pytest.approx([0.5])
    assert histogram(pixels).sum() == pytest.approx(1)
    assert thumbnail(pixels).shape == (1024,)


def _without_minutes(page: str) -> str:
    return "\n".join(line for line in page.splitlines() if "minutes of training" not in line)
