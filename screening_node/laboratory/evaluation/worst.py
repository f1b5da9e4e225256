"""The films that a model judged worst, and what they show: where to look first."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from screening_node.laboratory.evaluation.study import Study
from screening_node.laboratory.evaluation.table import Column, Row, Table, plain, texts

Floats = npt.NDArray[np.float64]

FILMS = 6
_G_CM2 = "g/cm²"
_COLUMNS = (
    *texts(("model", "Model"), ("film", "Film")),
    Column(key="dxa", title="DXA", unit=_G_CM2),
    Column(key="estimate", title="Estimate", unit=_G_CM2),
    Column(key="error", title="Error", unit=_G_CM2),
    Column(key="landmark_mm", title="Landmarks off by", unit="mm", digits=1),
    *texts(("shows", "Shows")),
)
_NOTE = (
    "Means over the vertebrae that DXA measured; error: estimate − DXA. Films of a hospital go by their row in dxa.csv."
)


def table(study: Study, landmark_error: Mapping[str, Floats]) -> Table:
    """Every model's films of largest error. ``landmark_error`` (n,) mm by model, NaN where unknown."""
    rows: list[Row] = []
    for model in study.models:
        rows += _worst(study, model, landmark_error.get(model, np.full(len(study), np.nan)))
    return Table(key="worst-films", title="Worst films", columns=_COLUMNS, rows=tuple(rows), note=_NOTE)


def _worst(study: Study, model: str, landmark_error: Floats) -> list[Row]:
    errors = study.models[model].bmd - study.truth
    judged = [int(index) for index in np.flatnonzero(np.isfinite(errors).any(axis=1))]
    mean = {index: float(np.nanmean(errors[index])) for index in judged}
    first = sorted(mean, key=lambda index: (-abs(mean[index]), index))[:FILMS]
    return [_row(study, model, index, mean[index], float(landmark_error[index])) for index in first]


def _row(study: Study, model: str, index: int, error: float, landmark_mm: float) -> Row:
    film = study.cohort.films[index]
    dxa = float(np.nanmean(np.where(np.isfinite(study.models[model].bmd[index]), study.truth[index], np.nan)))
    return {
        "model": model,
        # The name of a hospital's file may say whose it is.
        "film": film.film if study.cohort.phantom else f"row {film.row}",
        "dxa": plain(dxa),
        "estimate": plain(dxa + error),
        "error": plain(error),
        "landmark_mm": plain(landmark_mm),
        "shows": ", ".join(film.findings) or None,
    }
