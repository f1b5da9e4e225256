"""A calibration on disk: a new bundle, a versioned threshold set, and what changed. The old bundle is not touched."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.table import Table

from screening_node.domain import histogram
from screening_node.domain.alarm import ThresholdSet
from screening_node.domain.result import Vertebra
from screening_node.domain.tscore import ReferenceTable
from screening_node.errors import Misconfigured
from screening_node.laboratory import metrics
from screening_node.laboratory.calibration import Fitted, Floats, Sample, Wanted, apply, figures, fit, held_out
from screening_node.laboratory.folder import Cohort
from screening_node.laboratory.predictions import judge_cohort, writing
from screening_node.laboratory.progress import Report, silent
from screening_node.pathways.calibration import Calibration
from screening_node.pathways.chest_film.admission import AdmissionRules
from screening_node.pathways.chest_film.pathway import ChestFilmPathway
from screening_node.pathways.weights import Bundle, load_bundle, write_card

BUNDLE, THRESHOLDS, SUMMARY, ANSWERS = "bundle", "thresholds", "calibration.json", "answers.csv"
_MODEL_CARD = "MODEL_CARD.md"


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is calibrated, on what and for what. ``thresholds`` are those in use until now, to compare with."""

    bundle: Path
    wanted: Wanted
    reference: ReferenceTable
    thresholds: ThresholdSet
    by_scanner: bool = False
    name: str = ""
    day: dt.date


@dataclass(frozen=True, kw_only=True)
class Written:
    """What lies in the folder, and the summary that calibration.json holds."""

    bundle: Path
    thresholds: Path
    summary: Mapping[str, Any]
    limits_of_use: str


def calibrate_bundle(
    cohort: Cohort,
    order: Order,
    to: Path,
    *,
    rules: AdmissionRules,
    device: torch.device,
    report: Report = silent,
) -> Written:
    """Judge the cohort without any calibration, fit a new one, write it. A killed run goes on from its answers.

    Misconfigured where a calibration lies in the folder, or the cohort is too small; DiskFull and Permanent where it
    cannot be written.
    """
    _refuse_written(to)
    with writing(to):
        to.mkdir(parents=True, exist_ok=True)
    old = load_bundle(order.bundle)
    plain = Bundle(folder=old.folder, card=replace(old.card, calibration=None))
    pathway = ChestFilmPathway(plain, device, rules, order.thresholds)
    predictions = judge_cohort(pathway, cohort, report, journal=to / ANSWERS)
    sample = Sample.of(cohort, predictions, order.reference)
    fitted = fit(sample, order.wanted, by_scanner=order.by_scanner)
    refused = sum(refusal is not None for refusal in predictions.refusals)
    summary = _summary(cohort, sample, refused, old, order, fitted)
    with writing(to):
        return _write(to, old, fitted, summary)


def table(summary: Mapping[str, Any]) -> Table:
    """Before and after by vertebra, for the terminal."""
    drawn = Table(title=_title(summary), caption=_caption(summary))
    headings = (
        "vertebra",
        "",
        "films",
        "slope",
        "intercept",
        "bias",
        "RMSE",
        "90 % covers",
        "threshold",
        "sens.",
        "spec.",
    )
    for heading in headings:
        drawn.add_column(heading, justify="left" if heading in ("vertebra", "") else "right")
    for name, own in summary["vertebrae"].items():
        for number, (what, found) in enumerate(own.items()):
            numbers = ("slope", "intercept", "bias", "rmse", "coverage_90")
            rates = (_said(found[key]) for key in ("sensitivity", "specificity"))
            said = [_said(found[key]) for key in numbers]
            drawn.add_row("" if number else name, what, str(found["films"]), *said, f"{found['threshold']:.2f}", *rates)
    return drawn


def _title(summary: Mapping[str, Any]) -> str:
    return (
        f"{summary['bundle_before']} on {summary['judged']} films of {summary['cohort']}, {summary['refused']} refused"
    )


def _caption(summary: Mapping[str, Any]) -> str:
    lines = ["held out: each film by a calibration that was fitted without its patient; BMD in g/cm2"]
    groups = [group for group in summary["groups"] if group != "all"]
    lines += [f"own lines: {group}" for group in groups]
    lines += [
        f"{group}: {films} films are too few for lines of its own; it gets those of all"
        for group, films in summary["rare"].items()
    ]
    return "\n".join(lines)


def _said(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _refuse_written(to: Path) -> None:
    there = [name for name in (BUNDLE, THRESHOLDS, SUMMARY) if (to / name).exists()]
    if there:
        raise Misconfigured(f"{to / there[0]} is there already.", fix="Name another folder with --out.")


def _summary(cohort: Cohort, sample: Sample, refused: int, old: Bundle, order: Order, fitted: Fitted) -> dict[str, Any]:
    """Everything that is said of the calibration, ready for JSON."""
    version = f"{order.day:%Y%m%d}.{_digest(fitted)}"
    name = _plain(order.name or cohort.name)
    return {
        "name": name,
        "version": version,
        "date": f"{order.day:%Y-%m-%d}",
        "cohort": cohort.name,
        "phantom": cohort.phantom,
        "films": len(cohort.films),
        "judged": len(sample),
        "refused": refused,
        "patients": len(set(sample.patients)),
        "wanted": str(order.wanted),
        "reference": f"{order.reference.name} {order.reference.version}",
        "bundle_before": f"{old.card.name} {old.card.version}",
        "bundle_after": f"{old.card.name} {old.card.version.partition('+')[0]}+{name}.{version}",
        "thresholds_before": order.thresholds.name,
        "thresholds_after": f"{name}-{order.wanted.kind}-{100 * order.wanted.value:g}",
        "groups": list(fitted.calibration.lines),
        "rare": dict(fitted.rare),
        "vertebrae": _compared(sample, old.card.calibration, order, fitted),
        histogram.METRIC: _spread(apply(fitted.calibration, sample)[0]),
    }


def _spread(bmd: Floats) -> dict[str, Any]:
    """How the calibrated estimates (n, 4) of the cohort are spread: what a node's own are laid beside."""
    return histogram.Histogram.of(histogram.film_means(bmd.tolist())).to_table()


def _compared(
    sample: Sample, calibration: Calibration | None, order: Order, fitted: Fitted
) -> dict[str, dict[str, dict[str, Any]]]:
    """By vertebra the figures before, after on the same films, and after on films held out."""
    before = (sample.bmd, sample.sd) if calibration is None else apply(calibration, sample)
    limits = metrics.limits_of(order.thresholds)
    after = apply(fitted.calibration, sample)
    held = held_out(sample, order.wanted, by_scanner=order.by_scanner)
    old = figures(sample, *before, sample.t_scores(before[0]) < limits)
    new = figures(sample, *after, sample.t_scores(after[0]) < fitted.thresholds)
    return {
        str(vertebra): {
            "before": {**old[vertebra], "threshold": float(limits[i])},
            "after, same films": {**new[vertebra], "threshold": float(fitted.thresholds[i])},
            "after, held out": {**held[vertebra], "threshold": float(fitted.thresholds[i])},
        }
        for i, vertebra in enumerate(Vertebra)
    }


def _write(to: Path, old: Bundle, fitted: Fitted, summary: Mapping[str, Any]) -> Written:
    """Thresholds and bundle first, the summary last: it says that all is there."""
    part = to / f"{BUNDLE}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    for network in (*old.card.detectors, *old.card.members):
        shutil.copyfile(old.folder / network.file, part / network.file)
    write_card(
        part,
        replace(
            old.card,
            version=summary["bundle_after"].removeprefix(f"{old.card.name} "),
            calibration=fitted.calibration,
            metrics={**old.card.metrics, "calibration": _without_none(summary)},
        ),
    )
    (part / _MODEL_CARD).write_text(_model_card(old, summary), encoding="utf-8")
    load_bundle(part)
    part.rename(to / BUNDLE)
    thresholds = to / THRESHOLDS / f"{summary['thresholds_after']}.toml"
    thresholds.parent.mkdir()
    thresholds.write_text(_thresholds(fitted, summary), encoding="utf-8")
    (to / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    return Written(bundle=to / BUNDLE, thresholds=thresholds, summary=summary, limits_of_use=old.card.limits_of_use)


def _thresholds(fitted: Fitted, summary: Mapping[str, Any]) -> str:
    kind = " (phantom)" if summary["phantom"] else ""
    source = (
        f"fitted for {summary['wanted']} at T <= -2.5 by vertebra, on {summary['judged']} films of "
        f"{summary['patients']} patients of the cohort {summary['cohort']}{kind}, "
        f"{summary['date']}; for the bundle {summary['bundle_after']} and the reference {summary['reference']}"
    )
    head = {"name": summary["thresholds_after"], "version": summary["version"], "source": source}
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in head.items()]
    values = [f"{v} = {value:.2f}" for v, value in zip(Vertebra, fitted.thresholds, strict=True)]
    return "\n".join([*lines, "[by_vertebra]", *values]) + "\n"


def _model_card(old: Bundle, summary: Mapping[str, Any]) -> str:
    """The old model card, with what was changed put in front."""
    path = old.folder / _MODEL_CARD
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    rows = [
        f"| {name} | {what} | {_said(found['slope'])} | {_said(found['intercept'])} | {_said(found['rmse'])} | "
        f"{_said(found['coverage_90'])} | {_said(found['sensitivity'])} | {_said(found['specificity'])} |"
        for name, own in summary["vertebrae"].items()
        for what, found in own.items()
    ]
    kind = "synthetic films (a phantom)" if summary["phantom"] else "films"
    return "\n".join(
        [
            f"# {summary['bundle_after']}\n",
            f"{old.card.limits_of_use}\n",
            f"The weights are those of {summary['bundle_before']}. Calibrated on {summary['date']} with "
            f"{summary['judged']} {kind} of {summary['patients']} patients of the cohort {summary['cohort']} "
            f"({summary['refused']} more were refused): slope and intercept by vertebra "
            f"(groups: {', '.join(summary['groups'])}), width of the intervals, and thresholds for {summary['wanted']} "
            f"with the reference {summary['reference']}.\n",
            "| vertebra | | slope | intercept | RMSE | 90 % covers | sensitivity | specificity |",
            "|---|---|---|---|---|---|---|---|",
            *rows,
            f"\nWhat follows was written of {summary['bundle_before']}, before this calibration.\n" if before else "",
            before,
        ]
    )


def _digest(fitted: Fitted) -> str:
    """Eight letters that tell calibrations of one day apart."""
    what = {**fitted.calibration.to_table(), "thresholds": np.round(fitted.thresholds, 2).tolist()}
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:8]


def _plain(name: str) -> str:
    """A name for files and versions."""
    return re.sub(r"[^A-Za-z0-9-]+", "-", name).strip("-")[:24] or "site"


def _without_none(value: Any) -> Any:
    """Without what TOML cannot hold: None."""
    if isinstance(value, Mapping):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return value
