"""What a cohort's values can tell about mistakes: units, columns, references, landmarks. Row numbers count from 2."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import permutations

import numpy as np
import numpy.typing as npt

from screening_node.domain.result import LANDMARK_NAMES, Vertebra
from screening_node.domain.tscore import ReferenceTable
from screening_node.laboratory.folder.problems import Kind, Problem
from screening_node.laboratory.folder.tables import T_COLUMNS, Table
from screening_node.phantom.cohort_folder import DXA, LANDMARKS

Floats = npt.NDArray[np.float64]

_L_COLUMNS = tuple(str(vertebra) for vertebra in Vertebra)
#: g/cm2 that a living patient's lumbar vertebra can have, and the same in mg/cm2 (pathways: ensemble.POSSIBLE_BMD).
_BMD = (0.2, 2.2)
_BMD_MG = (200.0, 2200.0)
_T_SCORE = (-10.0, 10.0)
_AGE = (0.0, 120.0)
_BMI = (8.0, 100.0)
#: Patients' medians that tell ages and BMIs apart when the two columns changed places.
_MEDIAN_BMI = (12.0, 45.0)
_MEDIAN_AGE_AS_BMI = 45.0
_SEXES = ("F", "M", "O")
#: Correlation within a sex between a T-score and its own BMD (a straight line), and below which it is another's.
_SAME, _OTHER, _FEW = 0.999, 0.99, 5
#: How far beyond the film, as a share of its long side, a point may be extrapolated.
_BEYOND = 0.05


@dataclass(frozen=True, kw_only=True)
class Values:
    """dxa.csv as numbers, n rows: ``bmd`` and ``t`` (n, 4), ``age`` and ``bmi`` (n,), NaN where empty."""

    table: Table
    bmd: Floats = field(repr=False)
    t: Floats = field(repr=False)
    age: Floats = field(repr=False)
    bmi: Floats = field(repr=False)
    sexes: tuple[str | None, ...] = field(repr=False)

    @classmethod
    def of(cls, table: Table, problems: list[Problem]) -> Values:
        """The table's numbers; cells that are none are problems."""
        age_bmi = table.numbers(("age", "bmi"), problems)
        return cls(
            table=table,
            bmd=table.numbers(_L_COLUMNS, problems),
            t=table.numbers(T_COLUMNS, problems),
            age=age_bmi[:, 0],
            bmi=age_bmi[:, 1],
            sexes=tuple(text.upper() or None for text in table.texts("sex")),
        )


def check_values(
    values: Values, reference: ReferenceTable | None, named: str | None, problems: list[Problem], notes: list[str]
) -> None:
    """Whole columns first, because a swapped one explains every row; ``named``: the manifest's reference table."""
    scores, ages = list(_swapped_t(values)), list(_swapped_age(values))
    vertebrae = list(_swapped_vertebrae(values))
    problems.extend([*scores, *ages, *vertebrae, *_rows(values, bmd=not scores, age=not ages)])
    possible = bool(np.all(np.isnan(values.bmd) | _within(values.bmd, _BMD)))
    if reference is not None and possible and not vertebrae:
        problems.extend(_reference(values, reference, named))
    notes.extend(_order(values))


def check_points(
    points: Floats, *, shape: tuple[int, int] | None, row: int, name: str, phantom: bool
) -> Iterator[Problem]:
    """One film's landmarks (16, 2) against its ``shape`` (rows, columns) and against anatomy."""
    by_name = dict(zip(LANDMARK_NAMES, points, strict=True))
    if shape is not None:
        far = _BEYOND * max(shape) * (2 if phantom else 1)
        beyond = np.maximum(-points, points - np.array([shape[1] - 1, shape[0] - 1])).max(axis=1)
        off = [point for point, distance in zip(LANDMARK_NAMES, beyond, strict=True) if distance > far]
        if off:
            text = f"{name}: {_some(off)} off the film of {shape[1]} x {shape[0]} pixels"
            yield Problem(kind=Kind.LANDMARKS, file=LANDMARKS, row=row, text=text)
            return
    sides = [point[5:] for point in LANDMARK_NAMES if point.startswith("left_")]
    apart = np.array([by_name[f"left_{side}"][0] - by_name[f"right_{side}"][0] for side in sides])
    if np.isfinite(apart).any() and np.nanmean(apart) < 0:
        text = f"{name}: left and right are swapped (the patient's left is at larger x)"
        yield Problem(kind=Kind.LANDMARKS, file=LANDMARKS, row=row, text=text)
    spine = by_name["t12"] - by_name["c7"]
    if np.isfinite(spine).all() and spine[1] < abs(spine[0]):
        text = f"{name}: t12 is not below c7; x and y may be swapped"
        yield Problem(kind=Kind.LANDMARKS, file=LANDMARKS, row=row, text=text)


def _swapped_t(values: Values) -> Iterator[Problem]:
    for index, vertebra in enumerate(Vertebra):
        bmd, t = _given(values.bmd[:, index]), _given(values.t[:, index])
        if not len(bmd) or _share(bmd, _BMD) >= 0.8 or _share(bmd, _T_SCORE) < 1:
            continue
        other = f"{vertebra} and T_{vertebra} are swapped" if len(t) and _share(t, _BMD) >= 0.95 else ""
        text = other or f"{vertebra} holds T-scores (as T_{vertebra} should), not g/cm2"
        yield Problem(kind=Kind.SWAPPED, file=DXA, row=1, text=text)


def _swapped_age(values: Values) -> Iterator[Problem]:
    age, bmi = _given(values.age), _given(values.bmi)
    if not len(age) or not len(bmi) or not _MEDIAN_BMI[0] <= np.median(age) <= _MEDIAN_BMI[1]:
        return
    if np.median(bmi) > _MEDIAN_AGE_AS_BMI:
        text = f"age and bmi are swapped: half of the ages are below {np.median(age):.0f}, "
        text += f"half of the BMIs above {np.median(bmi):.0f}"
        yield Problem(kind=Kind.SWAPPED, file=DXA, row=1, text=text)


def _swapped_vertebrae(values: Values) -> Iterator[Problem]:
    """T-scores are a straight line of their own BMD: two columns that fit crosswise changed places."""
    for one, other in permutations(range(4), 2):
        own, cross = _line(values, one, one), _line(values, one, other)
        if one < other and own < _OTHER and cross > _SAME:
            names = f"{_L_COLUMNS[one]} and {_L_COLUMNS[other]}"
            text = f"{names} are swapped: T_{_L_COLUMNS[one]} belongs to the values of {_L_COLUMNS[other]}"
            yield Problem(kind=Kind.SWAPPED, file=DXA, row=1, text=text)


def _line(values: Values, t: int, bmd: int) -> float:
    """The least correlation within a sex between a T column and a BMD column; NaN where there are few values."""
    found = []
    for sex in set(values.sexes):
        chosen = np.array([own == sex for own in values.sexes])
        chosen &= np.isfinite(values.t[:, t]) & np.isfinite(values.bmd[:, bmd])
        scores, densities = values.t[chosen, t], values.bmd[chosen, bmd]
        if len(scores) >= _FEW and np.ptp(scores) > 0 and np.ptp(densities) > 0:
            found.append(float(np.corrcoef(scores, densities)[0, 1]))
    return min(found, default=float("nan"))


def _rows(values: Values, *, bmd: bool, age: bool) -> Iterator[Problem]:
    for index, sex in enumerate(values.sexes):
        for kind, text in _row(values, index, sex, bmd=bmd, age=age):
            yield Problem(kind=kind, file=DXA, row=index + 2, text=text)


def _row(values: Values, index: int, sex: str | None, *, bmd: bool, age: bool) -> Iterator[tuple[Kind, str]]:
    if sex not in (None, *_SEXES):
        yield Kind.VALUE, f"sex is none of {', '.join(_SEXES)}, and not empty"
    if age:
        yield from _range("age", values.age[index], _AGE, "years")
        yield from _range("bmi", values.bmi[index], _BMI, "kg/m2")
    if np.isnan(values.bmd[index]).all():
        yield Kind.NO_DXA, "L1 to L4 are all empty"
    if bmd:
        yield from _densities(values.bmd[index])
        for name, value in zip(T_COLUMNS, values.t[index], strict=True):
            yield from _range(name, value, _T_SCORE, "SD")


def _densities(row: Floats) -> Iterator[tuple[Kind, str]]:
    given = {name: value for name, value in zip(_L_COLUMNS, row, strict=True) if np.isfinite(value)}
    in_mg = [name for name, value in given.items() if _BMD_MG[0] <= value <= _BMD_MG[1]]
    if in_mg:
        yield Kind.UNIT, f"{', '.join(in_mg)} in mg/cm2 ({given[in_mg[0]]:g})"
    for name in given.keys() - set(in_mg):
        yield from _range(name, given[name], _BMD, "g/cm2")


def _range(name: str, value: float, limits: tuple[float, float], unit: str) -> Iterator[tuple[Kind, str]]:
    if np.isfinite(value) and not limits[0] <= value <= limits[1]:
        yield Kind.VALUE, f"{name} {value:g} is not within {limits[0]:g} to {limits[1]:g} {unit}"


def _reference(values: Values, reference: ReferenceTable, named: str | None) -> Iterator[Problem]:
    """T-scores that are not the table's, beyond what rounding explains; and sexes that it does not cover."""
    name = f"{reference.name} {reference.version}"
    for index, sex in enumerate(values.sexes):
        if sex in (None, *_SEXES) and not reference.covers(sex):
            text = f"{name} has no row for the sex {sex or 'unknown'}"
            yield Problem(kind=Kind.REFERENCE, file=DXA, row=index + 2, text=text)
    wrong = sorted(_differences(values, reference), reverse=True)
    if wrong:
        worst, row, column, given, by_table = wrong[0]
        rows = sorted({row for _, row, *_ in wrong})
        source = f"the manifest names {named}" if named else "no manifest names a table"
        text = (
            f"the T-scores of {len(rows)} of {len(values.sexes)} rows are not those of {name}: "
            f"off by up to {worst:.2f} (row {row}, {column}: {given:.2f}, by the table {by_table:.2f}); {source}"
        )
        yield Problem(kind=Kind.REFERENCE, file=DXA, row=rows[0], text=text)


def _differences(values: Values, reference: ReferenceTable) -> Iterator[tuple[float, int, str, float, float]]:
    """How far off, row, column, T-score given and by the table, where rounding does not explain it."""
    for column, vertebra in enumerate(Vertebra):
        name = f"T_{vertebra}"
        t_step = 10.0 ** -values.table.decimals(name)
        bmd_step = 10.0 ** -values.table.decimals(str(vertebra))
        for index, sex in enumerate(values.sexes):
            found = reference.row(vertebra, sex)
            given, bmd = values.t[index, column], values.bmd[index, column]
            if found is None or not np.isfinite([given, bmd]).all():
                continue
            by_table = (bmd - found.mean) / found.sd
            # Half a last place of both, and as much again for programs that cut digits off instead of rounding.
            if abs(given - by_table) > t_step + bmd_step / found.sd:
                yield abs(given - by_table), index + 2, name, float(given), float(by_table)


def _order(values: Values) -> Iterator[str]:
    means = [float(np.nanmean(column)) if np.isfinite(column).any() else np.nan for column in values.bmd.T[:2]]
    if len(values.sexes) >= 50 and means[0] > means[1]:
        yield f"{DXA}: L1 is denser than L2 on average, which is unusual; are the columns swapped?"


def _given(column: Floats) -> Floats:
    return column[np.isfinite(column)]


def _within(values: Floats, limits: tuple[float, float]) -> npt.NDArray[np.bool_]:
    return (values >= limits[0]) & (values <= limits[1])


def _share(values: Floats, limits: tuple[float, float]) -> float:
    return float(_within(values, limits).mean())


def _some(names: Sequence[str]) -> str:
    verb = "lies" if len(names) == 1 else "lie"
    return f"{', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''} {verb}"
