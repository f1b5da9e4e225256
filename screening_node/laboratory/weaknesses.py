"""What an evaluation says against a bundle, in sentences: only what its 95 % intervals bear out."""

from __future__ import annotations

from collections.abc import Iterator

from screening_node.laboratory.evaluation.study import AVERAGE
from screening_node.laboratory.evaluation.table import HIGH, LOW, Row
from screening_node.laboratory.evaluation.uncertainty import LEVEL
from screening_node.laboratory.evidence import Evidence

#: Fewer films say nothing of a subgroup; a larger share of refused films is told.
_LEAST_FILMS, _REFUSED_SHARE = 20, 0.05


def weaknesses(evidence: Evidence) -> list[str]:
    """The weakest vertebra, slope, bias, intervals, subgroups and refusals, as far as they are worth a sentence."""
    said = [_weakest(evidence), _slopes(evidence), _biases(evidence), *_intervals(evidence), _subgroups(evidence)]
    return [sentence for sentence in (*said, _refusals(evidence)) if sentence]


def _weakest(evidence: Evidence) -> str:
    rows = [row for row in evidence.rows("by-vertebra") if row["vertebra"] != AVERAGE and row["r"] is not None]
    if not rows:
        return ""
    worst = min(rows, key=lambda row: row["r"])
    return f"{worst['vertebra']} is the vertebra known least: R {worst['r']:.3f}, RMSE {worst['rmse']:.3f} g/cm²."


def _slopes(evidence: Evidence) -> str:
    """DXA on the estimate: a slope above 1 means that estimates keep to the middle."""
    rows = evidence.rows("calibration")
    narrow = [row["vertebra"] for row in rows if _side(row, "slope", 1.0) > 0]
    wide = [row["vertebra"] for row in rows if _side(row, "slope", 1.0) < 0]
    parts = [f"keep too near the mean ({', '.join(narrow)})"] if narrow else []
    parts += [f"stray too far from the mean ({', '.join(wide)})"] if wide else []
    return f"Estimates {' and '.join(parts)}: very low and very high densities are off." if parts else ""


def _biases(evidence: Evidence) -> str:
    rows = [row for row in evidence.rows("by-vertebra") if row["vertebra"] != AVERAGE and _side(row, "bias", 0.0)]
    said = [f"{row['vertebra']} by {abs(row['bias']):.3f} ({'high' if row['bias'] > 0 else 'low'})" for row in rows]
    return f"On average the estimate is off, in g/cm²: {', '.join(said)}." if said else ""


def _intervals(evidence: Evidence) -> Iterator[str]:
    rows = evidence.rows("coverage")
    for side, word in ((-1, "too narrow"), (1, "wider than they need to be")):
        found = [row for row in rows if _side(row, "before", LEVEL) == side]
        said = ", ".join(f"{row['vertebra']} {100 * row['before']:.0f} %" for row in found)
        if said:
            yield f"The 90 % intervals are {word}; they cover: {said}."


def _subgroups(evidence: Evidence) -> str:
    """Parts of the cohort whose whole interval of R lies below the R of all films."""
    rows = evidence.rows("subgroups")
    whole = next((row["r"] for row in rows if row["by"] == "all"), None)
    if whole is None:
        return ""
    poor = [
        f"{row['by']} {row['group']} (R {row['r']:.3f}, {row['films']} films)"
        for row in rows
        if row["by"] != "all" and row["films"] >= _LEAST_FILMS and _side(row, "r", whole) < 0
    ]
    said = f"R lower than on all films ({whole:.3f}), as it also is where densities vary less"
    return f"{said}: {'; '.join(poor)}." if poor else ""


def _refusals(evidence: Evidence) -> str:
    row = next(iter(evidence.rows("overview")), None)
    if row is None or not row["films"] or row["refused"] / row["films"] < _REFUSED_SHARE:
        return ""
    return f"{row['refused']} of {row['films']} films were refused: the figures are of the others."


def _side(row: Row, key: str, value: float) -> int:
    """1 or -1 where the figure's whole interval lies above or below a value; 0 where it does not, or has none."""
    low, high = row.get(key + LOW), row.get(key + HIGH)
    if low is None or high is None:
        return 0
    return int(low > value) - int(high < value)
