"""Figures 4 to 8 of Wang et al. 2022, coverage and landmark errors, drawn from a study."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from screening_node.laboratory import metrics
from screening_node.laboratory.evaluation import landmarks, population, tables, uncertainty
from screening_node.laboratory.evaluation.drawing import (
    DASHES,
    LINE,
    MARKERS,
    SERIES,
    SOFT,
    Drawing,
    as_svg,
    panels,
    styled,
)
from screening_node.laboratory.evaluation.study import VERTEBRAE, Study
from screening_node.laboratory.evaluation.table import HIGH, LOW, Row, Table

Floats = npt.NDArray[np.float64]

#: Points that a panel shows at most: more make the page heavy and say no more.
_MOST_POINTS = 1000
_WIDE = 10.4
_BMD = "BMD by DXA, g/cm²"
_SEX = {"F": "Women", "M": "Men"}


def draw(key: str, title: str, caption: str, make: Callable[[], Figure], *, folded: bool = False) -> Drawing:
    """A figure, made and written in the page's style."""
    with styled():
        svg = as_svg(make(), key, title)
    return Drawing(key=key, title=title, caption=caption, svg=svg, folded=folded)


def agreement(study: Study, model: str, number: int) -> Drawing:
    """Linear fit and Bland-Altman by vertebra (figure 5); ``number`` tells the models of a page apart."""
    shown = min(_MOST_POINTS, len(study))
    return draw(
        f"figure-5-{number}",
        f"Figure 5 · Linear fit and Bland-Altman · {model}",
        f"Above: estimate against DXA; solid: least squares, dashed: equality. Below: difference against mean; solid: "
        f"bias, dashed: bias ∓ 1.96 SD. {shown} of {len(study)} films are drawn, the lines belong to all.",
        lambda: _agreement(study, model),
        folded=number > 1,
    )


def _agreement(study: Study, model: str) -> Figure:
    figure, axes = panels(2, 4, _WIDE, 5.2)
    for index, vertebra in enumerate(VERTEBRAE):
        truth, estimate = study.truth[:, index], study.models[model].bmd[:, index]
        kept = np.isfinite(truth) & np.isfinite(estimate)
        _fit(axes[index], truth[kept], estimate[kept], vertebra, first=index == 0)
        _bland_altman(axes[4 + index], truth[kept], estimate[kept], first=index == 0)
    return figure


def _fit(axes: Axes, truth: Floats, estimate: Floats, vertebra: str, *, first: bool) -> None:
    axes.set(title=vertebra, xlabel=_BMD, ylabel="Estimate, g/cm²" if first else "")
    _dots(axes, truth, estimate)
    if len(truth):
        ends = np.array([min(truth.min(), estimate.min()), max(truth.max(), estimate.max())])
        axes.plot(ends, ends, color=SOFT, linestyle="--", linewidth=1)
    line = metrics.linear_fit(truth, estimate)
    if line is not None:
        ends = np.array([truth.min(), truth.max()])
        axes.plot(ends, line.slope * ends + line.intercept, color=SERIES[1])
        sign = "+" if line.intercept >= 0 else "−"
        said = f"y = {line.slope:.2f} x {sign} {abs(line.intercept):.2f}\nR² = {line.r2:.3f}\nn = {len(truth)}"
        axes.text(0.03, 0.98, said, transform=axes.transAxes, va="top", fontsize=7.5)


def _bland_altman(axes: Axes, truth: Floats, estimate: Floats, *, first: bool) -> None:
    axes.set(xlabel="Mean of both, g/cm²", ylabel="Estimate − DXA, g/cm²" if first else "")
    _dots(axes, (truth + estimate) / 2, estimate - truth)
    limits = metrics.bland_altman(truth, estimate)
    if limits is None:
        return
    axes.axhline(limits.bias, color=SERIES[1])
    for place, name in ((limits.low, "−1.96 SD"), (limits.high, "+1.96 SD")):
        axes.axhline(place, color=SERIES[1], linestyle="--", linewidth=1)
        axes.annotate(
            f"{name}: {place:+.3f}".replace("-", "−"),
            (0.99, place),
            xycoords=("axes fraction", "data"),
            xytext=(0, 2),
            textcoords="offset points",
            ha="right",
            fontsize=7,
        )


def _dots(axes: Axes, x: Floats, y: Floats) -> None:
    if len(x) > _MOST_POINTS:
        chosen = np.sort(np.random.default_rng(1).choice(len(x), _MOST_POINTS, replace=False))
        x, y = x[chosen], y[chosen]
    axes.plot(x, y, linestyle="none", marker="o", markersize=2.2, color=SERIES[0], alpha=0.35, markeredgewidth=0)


def roc(study: Study, names: Sequence[str]) -> Drawing:
    """ROC curves for T <= -2.5 by vertebra, with the points of the study's thresholds (figure 6)."""
    return draw(
        "figure-6",
        "Figure 6 · ROC curves",
        f"Osteoporosis (T ≤ −2.5 by DXA) of each vertebra. Marks: the “{study.thresholds.name}” thresholds.",
        lambda: _roc(study, names[: len(SERIES)]),
    )


def _roc(study: Study, names: Sequence[str]) -> Figure:
    figure, axes = panels(1, 4, _WIDE, 3.3, share_y=True)
    for index, vertebra in enumerate(VERTEBRAE):
        axes[index].set(title=vertebra, xlabel="1 − specificity", ylabel="Sensitivity" if index == 0 else "")
        axes[index].plot([0, 1], [0, 1], color=LINE, linewidth=1)
        for number, name in enumerate(names):
            _roc_line(axes[index], study, name, index, number, written=len(names) <= 5)
    _legend(figure, axes[0], names)
    return figure


def _roc_line(axes: Axes, study: Study, name: str, index: int, number: int, *, written: bool) -> None:
    estimate, positive = study.models[name].bmd[:, index], study.positive[:, index]
    kept = np.isfinite(estimate) & np.isfinite(study.truth[:, index])
    if not positive[kept].any() or positive[kept].all():
        return
    false, true, _ = roc_curve(positive[kept], -estimate[kept])
    axes.plot(false, true, color=SERIES[number], linestyle=DASHES[number], label=name)
    called = metrics.detection(study.called(name)[kept, index], positive[kept])
    if called.sensitivity is not None and called.specificity is not None:
        axes.plot(
            1 - called.specificity, called.sensitivity, marker=MARKERS[number], color=SERIES[number], markersize=6
        )
    measured = study.measured[name]
    area, between = measured.value("auc", index), measured.interval("auc", index)
    if written and area is not None:
        said = f"AUC {area:.3f}" + ("" if between is None else f" ({between[0]:.3f}–{between[1]:.3f})")
        axes.text(0.99, 0.02 + 0.07 * number, said, ha="right", fontsize=7.5, color=SERIES[number])


def by_count(study: Study, model: str, number: int) -> Drawing:
    """Patients by the number of osteoporotic vertebrae, alarms filled (figure 7)."""
    rows = [row for row in tables.by_count(study.of([model])).rows if row["model"] == model]
    return draw(
        f"figure-7-{number}",
        f"Figure 7 · Alarms by number of osteoporotic vertebrae · {model}",
        f"Filled: patients with an alarm by the “{study.thresholds.name}” thresholds, with their share.",
        lambda: _by_count(rows),
        folded=number > 1,
    )


def _by_count(rows: Sequence[Row]) -> Figure:
    figure, axes = panels(1, 2, 7.6, 3.0)
    for place, part, heading in (
        (axes[0], rows[:2], "By DXA: osteoporosis in"),
        (axes[1], rows[2:], "in so many of L1 to L4"),
    ):
        x = np.arange(len(part))
        patients, alarms = np.array([row["patients"] for row in part]), np.array([row["alarms"] for row in part])
        place.bar(x, patients, 0.62, color=SERIES[0], alpha=0.22, edgecolor=SERIES[0])
        place.bar(x, alarms, 0.62, color=SERIES[0])
        labels = {"none": "no vertebra", "any": "any vertebra"}
        place.set_xticks(x, [labels.get(str(row["group"]), str(row["group"])) for row in part])
        place.set(title=heading, ylabel="Patients" if place is axes[0] else "")
        place.grid(axis="x", visible=False)
        place.margins(y=0.16)
        for at, row in zip(x, part, strict=True):
            if row["share"] is not None:
                said = f"{100 * row['share']:.0f} %\n{row['alarms']} of {row['patients']}"
                place.annotate(
                    said, (at, row["patients"]), xytext=(0, 3), textcoords="offset points", ha="center", fontsize=7.5
                )
    return figure


def bmd_by_age(study: Study) -> Drawing:
    """How many films of each age, and mean BMD by age and sex (figure 4)."""
    table = population.bmd_by_age(study)
    return draw(
        "figure-4",
        "Figure 4 · The cohort: BMD by age and sex",
        "Means of DXA in bands of five years, with 95 % intervals of the bootstrap over patients; bands of fewer than "
        f"{population.LEAST_FILMS} films are left out.",
        lambda: _bmd_by_age(study, table),
    )


def _bmd_by_age(study: Study, table: Table) -> Figure:
    figure, axes = panels(1, 3, _WIDE, 3.2)
    _count_ages(axes[0], study)
    for place, (sex, _) in zip(axes[1:], population.SEXES, strict=True):
        rows = _bands_of(table.rows, sex)
        place.set(title=_SEX[sex], xlabel="Age, years", ylabel=_BMD if sex == "F" else "")
        for index, vertebra in enumerate(VERTEBRAE):
            _band_line(place, rows, vertebra, index, shaded=True)
    limits = [*axes[1].get_ylim(), *axes[2].get_ylim()]
    for place in axes[1:]:
        place.set_ylim(min(limits), max(limits))
    _legend(figure, axes[1], VERTEBRAE)
    return figure


def _count_ages(axes: Axes, study: Study) -> None:
    known = study.ages[np.isfinite(study.ages)]
    axes.set(title="Films", xlabel="Age, years", ylabel="Films in five years of age")
    if not len(known):
        return
    edges = np.arange(known.min() // 5 * 5, known.max() + 6, 5)
    for number, (sex, name) in enumerate(population.SEXES):
        ages = study.ages[[own == sex for own in study.sexes]]
        counts, _ = np.histogram(ages[np.isfinite(ages)], edges)
        axes.bar(edges[:-1] + 1.4 + 2.1 * number, counts, 2.0, color=SERIES[4 + number], label=name)
    axes.grid(axis="x", visible=False)
    axes.legend(fontsize=7.5)


def errors_by_age(study: Study, model: str, number: int) -> Drawing:
    """Differences between vertebrae by DXA beside the model's absolute errors, by sex and age (figure 8)."""
    table = population.errors_by_age(study.of([model]))
    return draw(
        f"figure-8-{number}",
        f"Figure 8 · Errors by age and sex · {model}",
        "Left: mean absolute difference between two vertebrae by DXA. Right: mean absolute error of the estimate, with "
        "95 % intervals of the bootstrap over patients.",
        lambda: _errors_by_age(table.rows),
        folded=number > 1,
    )


def _errors_by_age(rows: Sequence[Row]) -> Figure:
    figure, axes = panels(2, 2, _WIDE, 5.4, share_y=True)
    pairs = [population.pair_name(pair) for pair in population.PAIRS]
    for line, (sex, _) in enumerate(population.SEXES):
        own = _bands_of(rows, sex)
        left, right = axes[2 * line], axes[2 * line + 1]
        left.set(title=f"{_SEX[sex]}: DXA, one vertebra against another", ylabel="Mean difference, g/cm²")
        right.set(title=f"{_SEX[sex]}: estimate against DXA")
        for index, pair in enumerate(pairs):
            _band_line(left, own, pair, index, shaded=False)
        for index, vertebra in enumerate(VERTEBRAE):
            _band_line(right, own, vertebra, index, shaded=True)
        for place in (left, right):
            place.set_ylim(bottom=0)
            place.set_xlabel("Age, years" if line else "")
    for place in axes[:2]:
        if place.get_legend_handles_labels()[1]:
            place.legend(fontsize=7.5, ncols=3)
    return figure


def coverage(study: Study, model: str, number: int) -> Drawing:
    """Nominal against observed coverage of the intervals, as given and corrected."""
    return draw(
        f"coverage-{number}",
        f"Coverage of the intervals · {model}",
        "How many truths the intervals hold that should hold so many. Corrected: split-conformal, each half of the "
        "patients by the other half.",
        lambda: _coverage(study, model),
        folded=number > 1,
    )


def _coverage(study: Study, model: str) -> Figure:
    figure, axes = panels(1, 4, _WIDE, 3.1, share_y=True)
    found = study.models[model]
    assert found.sd is not None  # only models with an SD have this figure
    for index, vertebra in enumerate(VERTEBRAE):
        place = axes[index]
        place.set(title=vertebra, xlabel="Nominal, %", ylabel="Observed, %" if index == 0 else "")
        place.plot([0, 100], [0, 100], color=SOFT, linewidth=1, linestyle="--")
        of_vertebra = (study.truth[:, index], found.bmd[:, index], found.sd[:, index])
        given = [metrics.coverage(*of_vertebra, level) for level in uncertainty.LEVELS]
        corrected = [
            metrics.coverage(*of_vertebra, level, uncertainty.corrected_factors(study, model, index, level))
            for level in uncertainty.LEVELS
        ]
        for number, (name, shares) in enumerate((("as given", given), ("corrected", corrected))):
            values = [np.nan if share is None else 100 * share for share in shares]
            place.plot(
                100 * np.array(uncertainty.LEVELS),
                values,
                color=SERIES[number],
                linestyle=DASHES[number],
                marker=MARKERS[number],
                markersize=3,
                label=name,
            )
    _legend(figure, axes[0], ("as given", "corrected"))
    return figure


def landmark_errors(found: Mapping[str, landmarks.Errors]) -> Drawing:
    """Share of landmarks within so many mm, by kind."""
    return draw(
        "landmarks-within",
        "Landmarks found within so many mm",
        "Dotted: 10 and 20 mm. The margin is the line through the true rib points of a side.",
        lambda: _landmark_errors(found),
    )


def _landmark_errors(found: Mapping[str, landmarks.Errors]) -> Figure:
    figure, axes = panels(1, 5, _WIDE, 2.9, share_y=True)
    for place, kind in zip(axes, landmarks.KINDS[1:], strict=True):
        place.set(
            title=landmarks.TITLES.get(kind, kind), xlabel="Distance, mm", ylabel="Share, %" if place is axes[0] else ""
        )
        place.set(xlim=(0, 30), ylim=(0, 101))
        for limit in landmarks.WITHIN_MM:
            place.axvline(limit, color=SOFT, linewidth=0.8, linestyle=":")
        for number, (name, own) in enumerate(list(found.items())[: len(SERIES)]):
            distances = own.of_kind(kind)
            values = np.sort(distances[np.isfinite(distances)])
            share = [100 * np.searchsorted(values, mm, side="right") / max(1, len(values)) for mm in _MILLIMETRES]
            place.plot(_MILLIMETRES, share, color=SERIES[number], linestyle=DASHES[number], label=name)
    _legend(figure, axes[0], list(found))
    return figure


_MILLIMETRES = np.arange(0.0, 30.1, 0.5)


def _legend(figure: Figure, axes: Axes, names: Sequence[str]) -> None:
    """One legend below all panels."""
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        figure.legend(handles, labels, loc="outside lower center", ncols=min(len(names), 4), fontsize=8)


def _bands_of(rows: Sequence[Row], sex: str) -> list[Row]:
    return [row for row in rows if row["sex"] == sex and row["films"] >= population.LEAST_FILMS]


def _band_line(axes: Axes, rows: Sequence[Row], key: str, number: int, *, shaded: bool) -> None:
    """A figure over the bands of age, with its interval as a shade."""
    points = list(_points(rows, key))
    if not points:
        return
    ages, values, low, high = np.array(points).T
    axes.plot(
        ages, values, color=SERIES[number], linestyle=DASHES[number], marker=MARKERS[number], markersize=3.5, label=key
    )
    if shaded:
        axes.fill_between(ages, low, high, color=SERIES[number], alpha=0.13, linewidth=0)


def _points(rows: Sequence[Row], key: str) -> Iterator[tuple[float, float, float, float]]:
    for row in rows:
        value = row[key]
        if value is not None:
            start, end = (int(part) for part in str(row["age"]).split("–"))
            low, high = row.get(key + LOW), row.get(key + HIGH)
            yield (start + end + 1) / 2, value, value if low is None else low, value if high is None else high
