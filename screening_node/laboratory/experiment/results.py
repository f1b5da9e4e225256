"""docs/results.md: what an experiment measured, beside the papers' figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from screening_node.domain.alarm import ThresholdSet
from screening_node.domain.tscore import ReferenceTable
from screening_node.laboratory import metrics
from screening_node.laboratory.evaluation.comparison import differences
from screening_node.laboratory.evaluation.study import AVERAGE, Measured, Study
from screening_node.laboratory.experiment.plan import Plan
from screening_node.laboratory.experiment.runs import Outcome, as_predictions
from screening_node.laboratory.folder import Cohort

Floats = npt.NDArray[np.float64]

#: Average R over L1..L4, from the papers: Wang 2021, Tables 1 to 3; Wang 2022, Table I.
PAPER_R: Mapping[str, Mapping[str, float]] = {
    "single-roi": {"cervical": 0.795, "clavicle": 0.756, "lumbar": 0.751, "rib cage": 0.737},
    "models": {
        "Baseline": 0.853,
        "Multi-Patch": 0.864,
        "Attentive Multi-Patch": 0.875,
        "Multi-ROI": 0.871,
        "Attentive Multi-ROI": 0.884,
    },
    "backbones": {"VGG11": 0.821, "VGG16": 0.839, "ResNet-18": 0.762, "ResNet-34": 0.766, "ResNet-50": 0.789},
    "rois": {"Multi-ROI of 2021": 0.840},
    "ensembles": {"single-ROI networks and Baseline": 0.854, "the same and Multi-ROI of 2021": 0.857},
}
#: How near single-ROI networks have to come to Wang 2021, Table 2.
DIFFICULTY_TOLERANCE = 0.04

_TITLES = {
    "backbones": ("Backbones", "Whole film, global average pooling, regressor (Wang 2021, Table 1; Wang 2022, V.A)."),
    "rois": ("ROIs", "The seven ROIs of Wang 2021 side by side, to compare with single ROIs and with fifteen."),
    "patches": ("How finely the film is split", "Attentive Multi-Patch; 3 x 3 is in the table of models."),
    "curve": (
        "What would close a gap",
        "Attentive Multi-ROI with fewer films, with half the channels, and, beside Multi-ROI, with twice the epochs.",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Findings:
    """All that was measured on the unseen films. ``short_cuts``: answers (n, 4) in g/cm2 by name."""

    plan: Plan
    test: Cohort
    outcomes: Sequence[Outcome]
    short_cuts: Mapping[str, Floats]
    reference: ReferenceTable
    thresholds: ThresholdSet
    minutes: float
    study: Study = field(init=False, repr=False)

    def __post_init__(self) -> None:
        answers = {outcome.model.key: outcome.mean for outcome in self.outcomes}
        answers |= {f"true:{o.model.key}": o.mean_with_true for o in self.outcomes if o.with_true}
        answers |= {f"cut:{name}": values for name, values in self.short_cuts.items()}
        answers |= {f"ensemble:{name}": values for name, values in ensembles(self.outcomes).items()}
        models = {name: as_predictions(name, values, self.test) for name, values in answers.items()}
        study = Study(cohort=self.test, models=models, reference=self.reference, thresholds=self.thresholds)
        object.__setattr__(self, "study", study)

    def of(self, table: str) -> list[Outcome]:
        """The models of one table."""
        return [outcome for outcome in self.outcomes if outcome.model.table == table]


def ensembles(outcomes: Sequence[Outcome]) -> dict[str, Floats]:
    """Wang 2021, Table 3: the mean of the single-ROI networks and the whole film's, and that with the multi-ROI one."""
    by_key = {outcome.model.key: next(iter(outcome.by_seed.values())) for outcome in outcomes}
    single = [values for key, values in by_key.items() if key.startswith("single-roi") or key == "models-baseline"]
    found: dict[str, Floats] = {}
    if len(single) > 1:
        found["single-ROI networks and Baseline"] = np.mean(single, axis=0)
    if found and "rois-multi-roi-of-2021" in by_key:
        found["the same and Multi-ROI of 2021"] = np.mean([*single, by_key["rois-multi-roi-of-2021"]], axis=0)
    return found


def difficulty(outcomes: Iterable[Outcome], truth: Floats) -> dict[str, tuple[float, float]]:
    """Average R of each single-ROI network, and Wang 2021's."""
    paper = PAPER_R["single-roi"]
    return {o.model.name: (average_r(truth, o.mean), paper[o.model.name]) for o in outcomes if o.model.name in paper}


def average_r(truth: Floats, estimate: Floats) -> float:
    """Mean of R over L1..L4, (n, 4) each."""
    return float(np.mean([metrics.correlation(truth[:, i], estimate[:, i]) or 0.0 for i in range(truth.shape[1])]))


def markdown(findings: Findings, command: str) -> str:
    """The whole page."""
    parts = [_head(findings, command), _difficulty(findings), _models(findings), _pairs(findings)]
    parts += [_simple(findings, table) for table in _TITLES if findings.of(table)]
    parts += [_ensembles(findings), _short_cuts(findings), _landmarks(findings)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(findings: Findings, command: str) -> str:
    plan, films = findings.plan, findings.plan.cohorts
    return (
        "# The papers' comparisons, on the phantom\n\n"
        "> **Phantom against hospital.** Every film here was drawn by this project, and its bone density is known "
        "exactly; the papers measured patients. Compare the *order* of models and the *gaps* between them, never the "
        "values. Nothing here says how a network does on a patient.\n\n"
        f"Plan `{plan.source.rsplit('/config/', 1)[-1]}` ({plan.name}): {films['train'].films} training films, "
        f"{len(findings.test.films)} unseen ones (other seeds, nuisance and distractors on), "
        f"{plan.stage.epochs} epochs, batch {plan.stage.batch}; every network sees the same films, crops of the same "
        "size, the same split and the "
        "same number of epochs. ROIs of the unseen films are placed by the bundled landmark detector. "
        f"{findings.minutes:.0f} minutes of training and asking.\n\n```\n{command}\n```\n\n"
        "R, RMSE (g/cm²) and AUC (T ≤ −2.5) are means over L1 to L4, then over the seeds (lowest to highest in "
        "brackets). Intervals are 95 %, by bootstrap over patients."
    )


def _difficulty(findings: Findings) -> str:
    rows = []
    for name, (ours, paper) in difficulty(findings.of("single-roi"), findings.test.bmd).items():
        within = "yes" if abs(ours - paper) <= DIFFICULTY_TOLERANCE else "**no**"
        rows.append([name, f"{ours:.3f}", f"{paper:.3f}", within])
    if not rows:
        return ""
    return (
        "## How hard the phantom is\n\nFixed before models were compared, by one outside figure: networks that see one "
        "kind of bone only are to reach the averages of Wang 2021, Table 2, within "
        f"{DIFFICULTY_TOLERANCE}.\n\n" + _table(["one ROI", "R", "Wang 2021", "within"], rows)
    )


def _models(findings: Findings) -> str:
    outcomes = findings.of("models")
    if not outcomes:
        return ""
    paper, rows = PAPER_R["models"], []
    base = {o.model.name: _mean_r(findings, o) for o in outcomes}
    for outcome in outcomes:
        name = outcome.model.name
        rows.append(
            [name, _seeds(findings, outcome, "r"), _seeds(findings, outcome, "r", 0), _seeds(findings, outcome, "rmse"),
             _seeds(findings, outcome, "auc"), _signed(base[name] - base.get("Baseline", np.nan)),
             f"{paper[name]:.3f}", _signed(paper[name] - paper["Baseline"])]
        )  # fmt: skip
    heads = ["model", "R", "R of L1", "RMSE", "AUC", "R over Baseline", "paper's R", "paper's, over Baseline"]
    ours, theirs = (sorted(values, key=lambda n: -values[n]) for values in (base, {n: paper[n] for n in base}))
    order = "the same as the paper's" if ours == theirs else "another than the paper's"
    return (
        "## The five models of Wang 2022, Table I\n\n" + _table(heads, rows) + "\n\n"
        f"Our order: {' > '.join(ours)}. The paper's: {' > '.join(theirs)}. It is {order}."
    )


def _pairs(findings: Findings) -> str:
    """Each model's ensemble of seeds against the best one's."""
    outcomes = findings.of("models")
    if len(outcomes) < 2:
        return ""
    best = max(outcomes, key=lambda outcome: _mean_r(findings, outcome)).model
    rows = []
    for other in (outcome.model for outcome in outcomes if outcome.model is not best):
        row = next(r for r in differences(findings.study, best.key, other.key) if r["vertebra"] == AVERAGE)
        rows.append(
            [other.name, f"{_signed(row['r'])} ({_signed(row['r_low'])} to {_signed(row['r_high'])})",
             _p(row["r_p"]), _signed(row["auc"]), _p(row["auc_p"])]
        )  # fmt: skip
    return (
        f"### {best.name} against each of the others\n\nMean answer of the seeds; paired bootstrap over patients.\n\n"
        + _table(["other", "R more by", "p", "AUC more by", "p"], rows)
    )


def _simple(findings: Findings, table: str) -> str:
    title, text = _TITLES[table]
    paper = PAPER_R.get(table, {})
    rows = []
    for outcome in findings.of(table):
        given = paper.get(outcome.model.name)
        rows.append(
            [outcome.model.name, _measured(findings.study.measured[outcome.model.key], "r"),
             _measured(findings.study.measured[outcome.model.key], "auc"), "–" if given is None else f"{given:.3f}"]
        )  # fmt: skip
    return f"## {title}\n\n{text}\n\n" + _table(["", "R", "AUC", "paper's R"], rows)


def _ensembles(findings: Findings) -> str:
    rows = [
        [name.removeprefix("ensemble:"), _measured(measured, "r"), _measured(measured, "auc"),
         f"{PAPER_R['ensembles'][name.removeprefix('ensemble:')]:.3f}"]
        for name, measured in findings.study.measured.items() if name.startswith("ensemble:")
    ]  # fmt: skip
    rows += [
        [f"{o.model.name}, {len(o.by_seed)} seeds", _measured(findings.study.measured[o.model.key], "r"),
         _measured(findings.study.measured[o.model.key], "auc"), "–"]
        for o in findings.of("models") if len(o.by_seed) > 1
    ]  # fmt: skip
    if not rows:
        return ""
    return "## Ensembles\n\nMeans of several networks' answers.\n\n" + _table(["", "R", "AUC", "paper's R"], rows)


def _short_cuts(findings: Findings) -> str:
    measured = findings.study.measured
    rows = [
        [name.removeprefix("cut:"), _measured(measured[name], "r"), _measured(measured[name], "r", 0)]
        for name in measured
        if name.startswith("cut:")
    ]
    rows += [
        [f"{outcome.model.name} (network)", _measured(measured[outcome.model.key], "r"),
         _measured(measured[outcome.model.key], "r", 0)]
        for outcome in findings.of("short-cuts")
    ]  # fmt: skip
    if not rows:
        return ""
    return (
        "## Short cuts\n\nWhat can be had without looking at bone: a ridge regression on each, and a network that was "
        "taught labels dealt out at random.\n\n" + _table(["from", "R", "R of L1"], rows)
    )


def _landmarks(findings: Findings) -> str:
    rows = []
    for outcome in findings.outcomes:
        key = outcome.model.key
        if outcome.model.table != "models" or f"true:{key}" not in findings.study.models:
            continue
        row = next(r for r in differences(findings.study, key, f"true:{key}") if r["vertebra"] == AVERAGE)
        rows.append([outcome.model.name, f"{_signed(row['r'])} ({_signed(row['r_low'])} to {_signed(row['r_high'])})"])
    if not rows:
        return ""
    return (
        "## What the detector's errors cost\n\nThe same networks with the ROIs where the detector put them, minus with "
        "the ROIs at the true landmarks.\n\n" + _table(["model", "R"], rows)
    )


def _mean_r(findings: Findings, outcome: Outcome) -> float:
    return float(np.mean([average_r(findings.test.bmd, values) for values in outcome.by_seed.values()]))


def _seeds(findings: Findings, outcome: Outcome, figure: str, column: int | None = None) -> str:
    """A figure's mean over the seeds, with the lowest and the highest."""
    values = [_figure(findings, answers, figure, column) for answers in outcome.by_seed.values()]
    if not np.isfinite(values).all():
        return "–"
    spread = f" ({min(values):.3f} to {max(values):.3f})" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{spread}"


def _figure(findings: Findings, answers: Floats, figure: str, column: int | None) -> float:
    study, columns = findings.study, range(4) if column is None else [column]
    rows = [metrics.agreement(study.truth[:, i], answers[:, i], study.positive[:, i]) for i in columns]
    values = [value for row in rows if (value := getattr(row, figure)) is not None]
    return float(np.mean(values)) if values else float("nan")


def _measured(measured: Measured, figure: str, column: int | None = None) -> str:
    value, between = measured.value(figure, column), measured.interval(figure, column)
    if value is None:
        return "–"
    return f"{value:.3f}" + (f" ({between[0]:.3f} to {between[1]:.3f})" if between else "")


def _p(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _signed(value: float | None) -> str:
    return "–" if value is None or not np.isfinite(value) else f"{value:+.3f}".replace("-", "−")


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
