"""A model card: every number from the bundle, its own evaluation or its detector's trial, and what it is not for."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from laboratory.studies import usual
from pathways.networks_for_tests import make_bundle, make_card
from typer.testing import CliRunner

from screening_node.cli import app
from screening_node.errors import Misconfigured
from screening_node.laboratory.evaluate import about_study
from screening_node.laboratory.evaluation import files
from screening_node.laboratory.evaluation.contents import compose
from screening_node.laboratory.evidence import Evidence, read_evaluation, read_landmarks
from screening_node.laboratory.landmarks.scores import by_group
from screening_node.laboratory.model_card import render
from screening_node.laboratory.weaknesses import weaknesses
from screening_node.pathways.calibration import Calibration, Line
from screening_node.pathways.weights import Card, load_bundle, write_card

NAMED, TRUE = "tiny 0", "tiny 0, true landmarks"
PHANTOM = "Phantom-trained, not for clinical use. A single film never rules disease out."


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("card") / "bundle"
    made = make_bundle(folder)
    write_card(folder, replace(made, limits_of_use=PHANTOM))
    return folder


@pytest.fixture(scope="module")
def card(bundle: Path) -> Card:
    return load_bundle(bundle).card


@pytest.fixture(scope="module")
def evaluation(card: Card, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The evaluation of a bundle on a phantom cohort, with a twin that had the true landmarks."""
    whole = usual(80)
    good = whole.models["attentive"]
    refused = tuple(None if code is None else "exposure" for code in good.refusals)
    models = {NAMED: replace(good, model=NAMED, refusals=refused)}
    models |= {TRUE: replace(good, model=TRUE, landmarks=None), "thumbnail": whole.models["thumbnail"]}
    study = replace(whole, models=models)
    contents = compose(study, judged=[NAMED, TRUE], pairs=[(NAMED, TRUE)], spacing=np.full((len(study), 2), 0.2))
    folder = tmp_path_factory.mktemp("evaluation")
    files.write(folder, about_study(study, (PHANTOM,), [card.weights_sha256]), contents)
    return folder


@pytest.fixture(scope="module")
def data(evaluation: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((evaluation / "evaluation.json").read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def text(evaluation: Path, card: Card) -> str:
    return render(card, read_evaluation(evaluation, card), note="In one run.")


def trial(kind: str = "dag") -> dict[str, Any]:
    """What `landmarks` writes, of six films."""
    rng = np.random.default_rng(0)
    true = rng.random((6, 16, 2))
    groups, side = ("usual",) * 4 + ("poor",) * 2, np.full(6, 400.0)
    real = by_group(true + 0.01, true, side, groups)
    gate = {"usual": {"passes": 3, "The landmarks are unsteady.": 1}, "poor": {"passes": 2}}
    return {"best": kind, "detectors": {kind: {"phantom": real["all"], "real": real, "gate": gate}}}


def section(text: str, heading: str) -> str:
    """From a heading to the next."""
    found = re.search(rf"^#+ {re.escape(heading)}$(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found is not None, heading
    return found[1]


def cells(part: str, first: str) -> list[str]:
    """The cells of the row that begins with ``first``."""
    (line,) = [line for line in part.splitlines() if line.startswith(f"| {first} |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_every_figure_by_vertebra_stands_there_with_its_interval(text: str, data: dict[str, Any]) -> None:
    part = section(text, "By vertebra")
    rows = {row["vertebra"]: row for row in data["tables"]["by-vertebra"]["rows"] if row["model"] == NAMED}
    for vertebra in ("L1", "L2", "L3", "L4", "average"):
        said = " ".join(cells(part, vertebra)).replace("−", "-")
        for key in ("r", "rmse", "mae", "bias", "auc"):
            row = rows[vertebra]
            assert f"{row[key]:.3f} ({row[f'{key}_low']:.3f} to {row[f'{key}_high']:.3f})" in said
        assert f"{100 * rows[vertebra]['sensitivity']:.1f} (" in said


def test_patients_intervals_landmarks_and_refusals_are_told(text: str, data: dict[str, Any]) -> None:
    tables = {key: table["rows"] for key, table in data["tables"].items()}
    coverage = next(row for row in tables["coverage"] if row["model"] == NAMED and row["vertebra"] == "L3")
    assert f"{100 * coverage['before']:.1f} (" in cells(section(text, "Its intervals"), "L3")[3]
    flex = next(row for row in tables["table-3"] if row["model"] == NAMED and row["thresholds"] == "flex")
    assert f"{100 * flex['sensitivity']:.1f} (" in section(text, "By patient")
    assert cells(section(text, "Landmarks on these films"), "C7")[1] == "80"
    assert re.search(r"`exposure`: 5 \(6\.2 %\)", section(text, "Refused"))
    assert "| finding | effusion | 16 |" in section(text, "Parts of the cohort")
    assert "films/" in section(text, "Weaknesses seen")


def test_found_landmarks_stand_beside_true_ones(text: str, data: dict[str, Any]) -> None:
    rows = {(r["model"], r["vertebra"]): r["r"] for r in data["tables"]["by-vertebra"]["rows"]}
    found = cells(section(text, "What the detector's errors cost"), "L2")
    assert found[1:3] == [f"{rows[NAMED, 'L2']:.3f}", f"{rows[TRUE, 'L2']:.3f}"]
    assert found[3].startswith("0.000 ")


def test_it_says_what_it_is_and_is_not(text: str) -> None:
    start = text[: text.index("## Measured")]
    assert "Phantom-trained, not for clinical use." in start
    assert "**Not for**" in start
    assert "No figure here is of a patient." in text
    assert "## How these weights were made\n\nIn one run." in text
    for said in re.findall(r"[^.\n]*rules? (?:disease|osteoporosis|it) out[^.\n]*", text, re.IGNORECASE):
        assert "never" in said
    assert "thumbnail" not in text


def test_a_card_that_does_not_say_so_itself_gets_the_sentence() -> None:
    assert "**Untrained. Tests only.** A single film never rules disease out." in render(make_card())


def test_without_an_evaluation_it_says_that_there_is_none(card: Card) -> None:
    said = render(card)
    assert "Not evaluated yet" in said
    assert "Weaknesses" not in said


def test_gate_and_calibration_of_the_card_are_told(card: Card) -> None:
    lines = {name: Line(slope=1.1, intercept=-0.02) for name in ("L1", "L2", "L3", "L4")}
    calibration = Calibration(lines={"all": lines}, interval_scale=dict.fromkeys(lines, 1.3))
    said = render(replace(card, gate={"most_tilt": 12.0}, calibration=calibration))
    assert "most_tilt 12" in said
    assert "L1 1.100 x + -0.020" in said
    assert "L4 1.30" in said


def test_what_calibrating_changed_is_told() -> None:
    figures = {"films": 9, "slope": 1.08, "intercept": -0.08, "r": 0.9, "rmse": 0.07, "coverage_90": 0.93}
    rates = {"threshold": -2.2, "sensitivity": 0.74, "specificity": None}
    summary = {"judged": 9, "cohort": "ward", "date": "2026-11-21", "wanted": "sensitivity 0.9"}
    made = replace(make_card(), metrics={"calibration": {**summary, "vertebrae": {"L1": {"before": figures | rates}}}})
    said = render(made)
    assert "on 9 films of the cohort ward (2026-11-21)" in said
    assert "| L1 | before | 9 | 1.080 | −0.080 | 0.900 | 0.070 | 93.0 | −2.20 | 74.0 | – |" in said


def test_the_detectors_trial_on_real_films(card: Card, tmp_path: Path) -> None:
    path = tmp_path / "landmarks.json"
    path.write_text(json.dumps(trial()), encoding="utf-8")
    part = section(render(card, landmarks=read_landmarks(path, card)), "Landmarks on real films")
    assert "real, poor (2)" in part
    assert "real, usual (4)" in part
    assert cells(part, "C7")[1].startswith("5.7 (")  # 0.01 of 400 mm, both ways
    assert "- Gate, usual films: 3 of 4 pass. Refused 1: The landmarks are unsteady." in part
    assert "- Gate, poor films: 2 of 2 pass." in part


def test_a_trial_of_another_kind_of_detector_is_refused(card: Card, tmp_path: Path) -> None:
    path = tmp_path / "landmarks.json"
    path.write_text(json.dumps(trial("heatmap")), encoding="utf-8")
    with pytest.raises(Misconfigured, match="'dag'"):
        read_landmarks(path, card)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"version": "1"}, "is not about tiny 1"),
        ({"name": "other"}, "but about: tiny 0"),
    ],
)
def test_another_bundles_evaluation_is_refused(
    evaluation: Path, card: Card, changed: dict[str, Any], says: str
) -> None:
    with pytest.raises(Misconfigured, match=says):
        read_evaluation(evaluation, replace(card, **changed))


def test_an_evaluation_of_other_weights_of_that_name_is_refused(evaluation: Path, card: Card) -> None:
    other = replace(card, members=tuple(replace(member, sha256="f" * 64) for member in card.members))
    with pytest.raises(Misconfigured, match="is not about tiny 0 with the weights"):
        read_evaluation(evaluation, other)


def test_bundles_of_one_name_are_told_apart_by_their_weights(data: dict[str, Any], card: Card, tmp_path: Path) -> None:
    both = f"{NAMED} ({card.weights_sha256[:8]})"
    path = tmp_path / "evaluation.json"
    path.write_text(json.dumps(data).replace(f'"{NAMED}"', f'"{both}"'), encoding="utf-8")
    found = read_evaluation(path, card)
    assert found.model == both
    assert len(found.rows("by-vertebra")) == 5


@pytest.mark.parametrize("content", ["", "[]", '{"format": "x"}'])
def test_what_is_no_evaluation_is_named(card: Card, tmp_path: Path, content: str) -> None:
    path = tmp_path / "evaluation.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(Misconfigured, match=r"evaluation\.json"):
        read_evaluation(path, card)
    with pytest.raises(Misconfigured, match="cannot be read"):
        read_evaluation(tmp_path / "missing.json", card)


def test_the_command_writes_it_beside_the_weights(bundle: Path, evaluation: Path) -> None:
    done = CliRunner().invoke(app, ["models", "card", str(bundle), "--evaluation", str(evaluation)])
    assert done.exit_code == 0, done.output
    assert "not for clinical use" in done.stdout
    assert (bundle / "MODEL_CARD.md").read_text(encoding="utf-8").startswith("# tiny 0\n")


def about(**tables: list[dict[str, Any]]) -> Evidence:
    rows = {key.replace("_", "-"): [{"model": "m", **row} for row in own] for key, own in tables.items()}
    return Evidence(model="m", facts={}, left_out=(), tables=rows)


def between(key: str, value: float, half: float) -> dict[str, float]:
    return {key: value, f"{key}_low": value - half, f"{key}_high": value + half}


def test_weaknesses_are_those_that_the_intervals_bear_out() -> None:
    by_vertebra = [
        {"vertebra": "L1", "rmse": 0.07, **between("r", 0.9, 0.01), **between("bias", 0.02, 0.01)},
        {"vertebra": "L4", "rmse": 0.09, **between("r", 0.8, 0.01), **between("bias", -0.02, 0.03)},
        {"vertebra": "average", "rmse": 0.08, **between("r", 0.7, 0.01), **between("bias", 0.5, 0.01)},
    ]
    calibration = [{"vertebra": "L1", **between("slope", 1.2, 0.1)}, {"vertebra": "L2", **between("slope", 1.2, 0.3)}]
    coverage = [{"vertebra": "L1", **between("before", 0.8, 0.05)}, {"vertebra": "L2", **between("before", 0.97, 0.01)}]
    subgroups = [
        {"by": "all", "group": "all films", "films": 100, **between("r", 0.85, 0.02)},
        {"by": "finding", "group": "effusion", "films": 30, **between("r", 0.6, 0.1)},
        {"by": "finding", "group": "buttons", "films": 10, **between("r", 0.1, 0.1)},
        {"by": "sex", "group": "men", "films": 50, **between("r", 0.84, 0.02)},
    ]
    said = weaknesses(
        about(
            by_vertebra=by_vertebra,
            calibration=calibration,
            coverage=coverage,
            subgroups=subgroups,
            overview=[{"films": 100, "refused": 7}],
        )
    )
    assert said == [
        "L4 is the vertebra known least: R 0.800, RMSE 0.090 g/cm².",
        "Estimates keep too near the mean (L1): very low and very high densities are off.",
        "On average the estimate is off, in g/cm²: L1 by 0.020 (high).",
        "The 90 % intervals are too narrow; they cover: L1 80 %.",
        "The 90 % intervals are wider than they need to be; they cover: L2 97 %.",
        "R lower than on all films (0.850), as it also is where densities vary less: "
        "finding effusion (R 0.600, 30 films).",
        "7 of 100 films were refused: the figures are of the others.",
    ]


def test_figures_without_an_interval_accuse_nobody() -> None:
    assert (
        weaknesses(about(calibration=[{"vertebra": "L1", "slope": 2.0}], overview=[{"films": 9, "refused": 0}])) == []
    )
