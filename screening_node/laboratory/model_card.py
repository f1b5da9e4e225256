"""MODEL_CARD.md: what a bundle is, what it was trained on, how good it is on what, where it fails, and what it is not.

Every number comes from the bundle's card.toml, from an evaluation of these very weights, or from the trial of its
landmark detector; nothing is typed in by hand but a note on how the weights were made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from screening_node.errors import Permanent
from screening_node.laboratory.evaluation.page import NEVER_RULES_OUT
from screening_node.laboratory.evaluation.table import HIGH, LOW, Column, Row, texts
from screening_node.laboratory.evidence import Evidence
from screening_node.laboratory.landmarks.scores import ACROSS, ALL, MARGIN
from screening_node.laboratory.landmarks.trial import PASSED
from screening_node.laboratory.weaknesses import weaknesses
from screening_node.pathways.calibration import Calibration
from screening_node.pathways.weights import Card, load_bundle

NAME = "MODEL_CARD.md"
_G_CM2 = "g/cm²"
_NOT_FOR = (
    "deciding anything about a patient: referral, treatment, or that nothing needs to be done;",
    "reassurance: a film without an alarm says nothing about whether disease is there;",
    "following a patient from film to film, hips, fracture risk, or the cause of a low density;",
    "other films than frontal chest films of adults: the node refuses what it recognises, and no gate is perfect;",
    "T-scores against a reference table that is not that of the site's DXA machine.",
)
_BY_VERTEBRA = (
    *texts(("vertebra", "Vertebra"), ("films", "Films"), ("positives", "T ≤ −2.5")),
    Column(key="r", title="R", interval=True),
    Column(key="rmse", title="RMSE", unit=_G_CM2, interval=True),
    Column(key="mae", title="MAE", unit=_G_CM2, interval=True),
    Column(key="bias", title="Bias", unit=_G_CM2, interval=True),
    Column(key="auc", title="AUC", interval=True),
    Column(key="sensitivity", title="Sensitivity", unit="%", percent=True, interval=True),
    Column(key="specificity", title="Specificity", unit="%", percent=True, interval=True),
)
_PATIENTS = (
    *texts(("positives", "Patients with"), ("negatives", "without"), ("refused", "refused")),
    Column(key="sensitivity", title="Sensitivity", unit="%", percent=True, interval=True),
    Column(key="specificity", title="Specificity", unit="%", percent=True, interval=True),
    Column(key="sensitivity_of_all", title="Sensitivity, refused = missed", unit="%", percent=True, interval=True),
    Column(key="osteopenia_sensitivity", title="Osteopenia or worse: sens.", unit="%", percent=True, interval=True),
    Column(key="osteopenia_specificity", title="spec.", unit="%", percent=True, interval=True),
)
_COVERAGE = (
    *texts(("vertebra", "Vertebra"), ("films", "Films")),
    Column(key="sd", title="Mean SD", unit=_G_CM2),
    Column(key="before", title="90 % interval covers", unit="%", percent=True, interval=True),
    Column(key="factor", title="90 % would take the SD times", digits=2),
)
_LANDMARKS = (
    *texts(("kind", "Landmarks"), ("points", "Points")),
    Column(key="mean_mm", title="Mean error", unit="mm", digits=2, interval=True),
    Column(key="p95_mm", title="95th percentile", unit="mm", digits=2),
    Column(key="within_10mm", title="Within 10 mm", unit="%", percent=True, interval=True),
)
_COST = (
    *texts(("vertebra", "Vertebra")),
    Column(key="found", title="R, landmarks found"),
    Column(key="true", title="R, true landmarks"),
    Column(key="r", title="Difference", interval=True),
)
_SUBGROUPS = (
    *texts(("by", "By"), ("group", "Group"), ("films", "Films"), ("refused", "Refused")),
    Column(key="r", title="R", interval=True),
    Column(key="bias", title="Bias", unit=_G_CM2, interval=True),
    Column(key="auc", title="AUC", interval=True),
)
_WORST = (
    *texts(("film", "Film")),
    Column(key="dxa", title="DXA", unit=_G_CM2),
    Column(key="estimate", title="Estimate", unit=_G_CM2),
    Column(key="error", title="Error", unit=_G_CM2),
    Column(key="landmark_mm", title="Landmarks off by", unit="mm", digits=1),
    *texts(("shows", "Shows")),
)
_CALIBRATED = (
    *texts(("vertebra", "Vertebra"), ("what", ""), ("films", "Films")),
    *(Column(key=key, title=title) for key, title in (("slope", "Slope"), ("intercept", "Intercept"), ("r", "R"))),
    Column(key="rmse", title="RMSE", unit=_G_CM2),
    Column(key="coverage_90", title="90 % interval covers", unit="%", percent=True),
    Column(key="threshold", title="Threshold", digits=2),
    Column(key="sensitivity", title="Sensitivity", unit="%", percent=True),
    Column(key="specificity", title="Specificity", unit="%", percent=True),
)
_REAL_KINDS = ("clavicle", "C7", "ribs", MARGIN, ACROSS, "T12", ALL)


def write(
    folder: Path, *, evidence: Evidence | None = None, landmarks: Mapping[str, Any] | None = None, note: str = ""
) -> Path:
    """MODEL_CARD.md into a bundle's folder; BundleInvalid where that is none, Permanent where it cannot be written."""
    path = folder / NAME
    text = render(load_bundle(folder).card, evidence, landmarks, note, bundle=folder.name)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Permanent(
            f"{path} cannot be written: {error.strerror}.", fix="Make room, or mend its permissions."
        ) from error
    return path


def render(
    card: Card,
    evidence: Evidence | None = None,
    landmarks: Mapping[str, Any] | None = None,
    note: str = "",
    *,
    bundle: str = "BUNDLE",
) -> str:
    """The model card as Markdown.

    ``note``: how the weights were made, in the maker's own Markdown; ``bundle``: its folder, as commands name it.
    """
    command = f"screening-node evaluate --cohort DIR --bundle {bundle} --true-landmarks --out DIR"
    parts = [*_what_it_is(card)]
    if evidence is None:
        parts += [f"## Measured\n\nNot evaluated yet: `{command}`."]
    else:
        parts += _measured(evidence, command)
    if landmarks is not None:
        parts += _real_films(landmarks)
    if evidence is not None:
        said = "\n".join(f"- {each}" for each in weaknesses(evidence)) or "None that these films can show."
        parts += ["## Weaknesses seen", said, *_worst(evidence)]
    if note.strip():
        parts += ["## How these weights were made", note.strip()]
    return "\n\n".join(parts) + "\n"


def _what_it_is(card: Card) -> Iterator[str]:
    limits = card.limits_of_use
    never = "" if NEVER_RULES_OUT.lower() in limits.lower() else f" {NEVER_RULES_OUT}"
    yield f"# {card.name} {card.version}"
    yield f"> **{limits}**{never}"
    yield f"**Intended use.** {card.intended_use}"
    yield "**Not for**\n\n" + "\n".join(f"- {what}" for what in _NOT_FOR)
    yield f"**Training data.** {card.training_data}."
    yield f"**Networks.** {_networks(card)}"
    yield f"**T-scores.** Reference table `{card.reference}`; a site enters its own DXA machine's."
    yield "**Uncertainty.** " + _uncertainty(card)
    if card.gate:
        changed = ", ".join(f"{key} {value:g}" for key, value in card.gate.items())
        yield f"**Gate.** Limits that differ from the defaults: {changed}."
    if card.calibration is not None:
        yield f"**Calibration.** {_calibration(card.calibration)}"
    yield from _calibrated(card.metrics.get("calibration", {}))
    yield f"**Weights.** SHA-256 over all files `{card.weights_sha256}`; each file's stands in `card.toml`."


def _networks(card: Card) -> str:
    detector = card.detectors[0].architecture
    kinds = sorted({_estimator(member.architecture) for member in card.members})
    many = f"{len(card.members)} estimators, averaged" if len(card.members) > 1 else "one estimator"
    return (
        f"Landmark detector `{detector['kind']}` ({detector['backbone']}, {detector['size']} px); {many}: "
        f"{'; '.join(kinds)}. All sizes are in `card.toml`."
    )


def _estimator(architecture: Mapping[str, Any]) -> str:
    layout = f", layout `{architecture['layout']}`" if architecture.get("layout") else ""
    return f"`{architecture['kind']}`{layout} ({architecture['backbone']}, crops of {architecture['size']} px)"


def _uncertainty(card: Card) -> str:
    said = ", ".join(f"{vertebra} {sd:.3f}" for vertebra, sd in card.residual_sd.items())
    return (
        f"Residual SD in {_G_CM2} on films that the networks had not learnt from: {said}. A film is refused where the "
        f"SD among the estimators is above {card.disagreement_limit:g} {_G_CM2}."
    )


def _calibration(calibration: Calibration) -> str:
    groups = "; ".join(
        f"{group}: " + ", ".join(f"{name} {line.slope:.3f} x + {line.intercept:.3f}" for name, line in own.items())
        for group, own in calibration.lines.items()
    )
    scales = ", ".join(f"{name} {scale:.2f}" for name, scale in calibration.interval_scale.items())
    return f"Fitted on a validation cohort ({groups}; SD times {scales}): docs/scientists.md."


def _calibrated(summary: Mapping[str, Any]) -> Iterator[str]:
    """What `calibrate` measured before and after, as the card keeps it."""
    rows = [
        {"vertebra": vertebra, "what": what, **found}
        for vertebra, own in summary.get("vertebrae", {}).items()
        for what, found in own.items()
    ]
    if rows:
        yield (
            f"Before and after, on {summary['judged']} films of the cohort {summary['cohort']} ({summary['date']}); "
            "held out: each film by a calibration that was fitted without its patient. The thresholds are those that "
            f"calibrating for {summary['wanted']} gives."
        )
        yield _table(_CALIBRATED, rows)


def _measured(evidence: Evidence, command: str) -> Iterator[str]:
    """Everything of the evaluation but weaknesses and worst films."""
    flex = evidence.facts.get("Alarm thresholds", "")
    yield "## Measured\n\n" + _cohort(evidence)
    yield (
        f"```\n{command}\n```\n\nIntervals in brackets are 95 %: bootstrap over patients, "
        f"Wilson's for shares of patients. Sensitivity and specificity at the thresholds “{flex}”."
    )
    yield "### By vertebra\n\n" + _table(_BY_VERTEBRA, evidence.rows("by-vertebra"))
    patients = evidence.rows("table-3", thresholds=flex)
    yield f"### By patient\n\nAny vertebra below its “{flex}” threshold.\n\n" + _table(_PATIENTS, patients)
    if coverage := evidence.rows("coverage"):
        yield "### Its intervals\n\n" + _table(_COVERAGE, coverage)
    if found := evidence.rows("landmarks"):
        yield "### Landmarks on these films\n\n" + _table(_LANDMARKS, found)
    if cost := _cost(evidence):
        yield "### What the detector's errors cost\n\n" + _table(_COST, cost)
    yield "### Refused\n\n" + _refused(evidence)
    if parts := [row for row in evidence.rows("subgroups") if row["by"] != "all"]:
        yield "### Parts of the cohort\n\nMeans over L1 to L4.\n\n" + _table(_SUBGROUPS, parts)
    if evidence.left_out:
        yield "Not measured here: " + " ".join(evidence.left_out)


def _cohort(evidence: Evidence) -> str:
    facts = evidence.facts
    phantom = "synthetic" in facts.get("Cohort", "")
    warning = " No figure here is of a patient." if phantom else ""
    return (
        f"{facts.get('Films')} films of {facts.get('Patients')} patients, cohort {facts.get('Cohort')}, end to end: "
        "DICOM file in, gate, landmarks found by the detector, ROIs placed by them. T-scores by "
        f"{facts.get('Reference table')}.{warning}"
    )


def _cost(evidence: Evidence) -> list[Row]:
    """R with the ROIs at found and at true landmarks, by vertebra and on average."""
    by_model = {(row["model"], row["vertebra"]): row["r"] for row in evidence.tables.get("by-vertebra", ())}
    return [
        {
            **row,
            "found": by_model.get((row["one"], row["vertebra"])),
            "true": by_model.get((row["other"], row["vertebra"])),
        }
        for row in evidence.tables.get("true-landmarks", ())
        if row["one"] == evidence.model
    ]


def _refused(evidence: Evidence) -> str:
    rows = [row for row in evidence.rows("refusals") if row["reason"] != "judged"]
    if not rows:
        return "None of these films was refused."
    return "\n".join(f"- `{row['reason']}`: {row['films']} ({100 * row['share']:.1f} %)" for row in rows)


def _worst(evidence: Evidence) -> Iterator[str]:
    if rows := evidence.rows("worst-films"):
        yield "The films with the largest errors, means over L1 to L4:\n\n" + _table(_WORST, rows)


def _real_films(figures: Mapping[str, Any]) -> Iterator[str]:
    """The detector's trial on annotated real films, each found by a detector that knows no film of that patient."""
    own = figures["own"]
    groups = [name for name in own["real"] if name != "all"]
    heads = ["Points", "phantom films held out", *(f"real, {name} ({own['real'][name]['films']})" for name in groups)]
    rows = [
        [kind, *(_distance(column.get(kind, {})) for column in (own["phantom"], *(own["real"][g] for g in groups)))]
        for kind in _REAL_KINDS
    ]
    yield (
        "## Landmarks on real films\n\nDetectors of this kind, trained on phantom and real films and cross-validated: "
        f"each of the {own['real']['all']['films']} annotated real films was found by one that knows no film of its "
        "patient. Mean error in mm (95 % interval); share within 10 mm. Landmarks only: no real film with a DXA value "
        "was ever seen. docs/landmarks.md says whose films and labels these are."
    )
    yield _markdown(heads, rows)
    yield "\n".join(f"- {line}" for line in _gate(own["gate"]))


def _distance(figure: Mapping[str, Any]) -> str:
    if not figure.get("points"):
        return "–"
    low, high = figure["interval_mm"]
    return f"{figure['mean_mm']:.1f} ({low:.1f} to {high:.1f}); {100 * figure['within_10_mm']:.0f} %"


def _gate(groups: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """What the gate says of the real films, group by group."""
    for name, counts in groups.items():
        refused = [f"{count}: {text}" for text, count in counts.items() if text != PASSED]
        passed = f"Gate, {name} films: {counts.get(PASSED, 0)} of {sum(counts.values())} pass."
        yield passed + (f" Refused {' '.join(refused)}" if refused else "")


def _table(columns: Sequence[Column], rows: Sequence[Row]) -> str:
    """Rows of an evaluation as Markdown."""
    heads = [f"{column.title} ({column.unit})" if column.unit else column.title for column in columns]
    return _markdown(heads, [[_cell(column, row) for column in columns] for row in rows])


def _cell(column: Column, row: Row) -> str:
    said = column.said(row.get(column.key))
    low, high = row.get(column.key + LOW), row.get(column.key + HIGH)
    return said if low is None or high is None else f"{said} ({column.said(low)} to {column.said(high)})"


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "/") for cell in line) + " |" for line in lines)
