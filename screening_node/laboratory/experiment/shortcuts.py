"""What a model must beat: answers from what a film gives away without its bones being looked at.

Each is a ridge regression, the strength of its penalty chosen within the training part; the last is the networks'
own trap, labels dealt out at random (ModelPlan.shuffled).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.nn import functional

from screening_node.laboratory.folder import Cohort, CohortFilm
from screening_node.laboratory.inputs import each, film_pyramid

Floats = npt.NDArray[np.float64]

_PENALTIES = np.logspace(-2, 6, 17)
_THUMBNAIL, _BINS = 32, 64


def shortcut_answers(train: Cohort, test: Cohort, *, processes: int = 0) -> dict[str, Floats]:
    """BMD (len(test), 4) in g/cm2 by short cut, learnt on ``train``: brightness, histogram, patient, thumbnail."""
    seen = {part.name: _features(part, processes) for part in (train, test)}
    return {name: predict(seen[train.name][name], train.bmd, seen[test.name][name]) for name in seen[test.name]}


def predict(known: Floats, bmd: Floats, asked: Floats) -> Floats:
    """Ridge from features (n, F) to BMD (n, 4), asked for other films (m, F); -> (m, 4)."""
    whole = np.isfinite(known).all(axis=1) & np.isfinite(bmd).all(axis=1)
    model = make_pipeline(StandardScaler(), RidgeCV(alphas=_PENALTIES)).fit(known[whole], bmd[whole])
    answers: Floats = np.asarray(model.predict(np.nan_to_num(asked, nan=0.0)))
    return answers


def brightness(pixels: Floats) -> Floats:
    """The film's mean grey value, 0 black to 1 white; (1,)."""
    return np.array([pixels.mean()])


def histogram(pixels: Floats) -> Floats:
    """Share of the film in each of 64 equal bands of grey; (64,)."""
    counts, _ = np.histogram(pixels, bins=_BINS, range=(0.0, 1.0))
    shares: Floats = counts / counts.sum()
    return shares


def thumbnail(pixels: Floats) -> Floats:
    """The film shrunk to 32 x 32 by area, standardised; (1024,)."""
    small = functional.adaptive_avg_pool2d(torch.from_numpy(pixels)[None, None], _THUMBNAIL)[0, 0].numpy()
    flat: Floats = ((small - small.mean()) / (small.std() + 1e-6)).ravel()
    return flat


PICTURE_FEATURES: Mapping[str, Callable[[Floats], Floats]] = {
    "mean brightness": brightness,
    "grey histogram": histogram,
    "32 x 32 thumbnail": thumbnail,
}
PATIENT = "age, sex, BMI"


def _features(cohort: Cohort, processes: int) -> dict[str, Floats]:
    pictures = list(each(partial(_picture), cohort.films, processes))
    features = {name: np.array([picture[name] for picture in pictures]) for name in PICTURE_FEATURES}
    return features | {PATIENT: np.array([_patient(film) for film in cohort.films])}


def _picture(film: CohortFilm) -> dict[str, Floats]:
    pyramid, _ = film_pyramid(film)
    # A quarter of the resolution is plenty, and spans 0..1 whatever the detector's bits.
    level = pyramid.levels[min(2, len(pyramid.levels) - 1)].astype(np.float64)
    scaled = (level - level.min()) / max(float(np.ptp(level)), 1e-6)
    return {name: feature(scaled) for name, feature in PICTURE_FEATURES.items()}


def _patient(film: CohortFilm) -> Floats:
    age = np.nan if film.age is None else float(film.age)
    female = {"F": 1.0, "M": 0.0}.get(film.sex or "", np.nan)
    bmi = np.nan if film.bmi is None else film.bmi
    # Women lose bone around the menopause: age counts otherwise for them.
    return np.array([age, age**2, female, female * age, female * age**2, bmi])
