"""The sample films of the demo: written from seeds when they are wanted, so that none lies in the repository."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from screening_node.domain.result import Category, RefusalCode
from screening_node.phantom.anatomical import render
from screening_node.phantom.dicom_film import dataset_of
from screening_node.phantom.film import FRONTAL, LATERAL

#: Long side in pixels: 0.2 mm, as a real detector gives.
_SIZE = 2100


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A file, what it shows, and what the bundled weights are expected to say.

    ``expectation`` is a Category's value, or a RefusalCode's.
    """

    path: Path
    title: str
    expectation: str


@dataclass(frozen=True, kw_only=True)
class _Recipe:
    name: str
    title: str
    seed: int
    expectation: str
    kind: str = FRONTAL
    keep: float = 1.0  # share of the pixel data that is kept


_RECIPES = (
    _Recipe(name="normal", title="normal bone", seed=199, expectation=Category.NORMAL),
    _Recipe(name="osteopenic", title="osteopenic bone", seed=311, expectation=Category.OSTEOPENIA),
    _Recipe(name="osteoporotic", title="osteoporotic bone", seed=343, expectation=Category.OSTEOPOROSIS),
    _Recipe(name="lateral", title="lateral view", seed=12, expectation=RefusalCode.NOT_FRONTAL, kind=LATERAL),
    _Recipe(name="damaged", title="pixels cut short", seed=34, expectation=RefusalCode.PIXELS_UNREADABLE, keep=0.4),
)


def iter_samples(folder: Path) -> Iterator[Sample]:
    """Write the samples one by one (about 3 s each), so that a caller can show progress; the folder is made."""
    folder.mkdir(parents=True, exist_ok=True)
    for recipe in _RECIPES:
        path = folder / f"{recipe.name}.dcm"
        _write(recipe, path)
        yield Sample(path=path, title=recipe.title, expectation=str(recipe.expectation))


def write_samples(folder: Path) -> list[Sample]:
    """Write all the samples into ``folder``."""
    return list(iter_samples(folder))


def _write(recipe: _Recipe, path: Path) -> None:
    dataset = dataset_of(render(recipe.seed, kind=recipe.kind, long_side=_SIZE))
    if recipe.keep < 1:
        # A well-formed object whose pixels are too few: it travels, and the node has to say what is wrong.
        dataset.PixelData = dataset.PixelData[: int(len(dataset.PixelData) * recipe.keep) // 2 * 2]
    dataset.save_as(path, enforce_file_format=True)
