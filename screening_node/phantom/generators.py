"""Which generators of films there are, by name: the one place where the default is chosen.

``simple`` (film.py, projection.py, skeleton.py, tissue.py, exposure.py) taught the bundled weights of 0.1.0.
``anatomical`` (anatomical.py, anatomy/, physics/) succeeds it: once weights are trained on it, DEFAULT changes and
the simple one goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from screening_node.errors import Misconfigured
from screening_node.phantom import anatomical, film
from screening_node.phantom.film import FRONTAL, KINDS, LATERAL, PHANTOM_VERSION, SyntheticFilm

SIMPLE = "simple"
ANATOMICAL = "anatomical"
DEFAULT = SIMPLE


class Render(Protocol):
    """Draws the film of a seed; ``long_side`` in pixels, ``bmd_shift`` in SDs of the skeletal factor."""

    def __call__(
        self, seed: int, *, kind: str = FRONTAL, long_side: int | None = None, bmd_shift: float = 0.0
    ) -> SyntheticFilm:
        """The film with its truth."""
        ...


@dataclass(frozen=True, kw_only=True)
class Generator:
    """A way to draw films; ``version`` is named on each, ``kinds`` are those it can draw."""

    name: str
    version: str
    kinds: tuple[str, ...]
    render: Render


GENERATORS: Mapping[str, Generator] = {
    SIMPLE: Generator(name=SIMPLE, version=PHANTOM_VERSION, kinds=(FRONTAL, LATERAL), render=film.render),
    ANATOMICAL: Generator(
        name=ANATOMICAL, version=anatomical.ANATOMICAL_VERSION, kinds=KINDS, render=anatomical.render
    ),
}


def find_generator(name: str) -> Generator:
    """The generator of a name; Misconfigured where there is none."""
    if name not in GENERATORS:
        raise Misconfigured(f"There is no phantom generator {name!r}.", fix=f"Choose one of {', '.join(GENERATORS)}.")
    return GENERATORS[name]


def draw(
    generator: str, seed: int, *, kind: str = FRONTAL, long_side: int | None = None, bmd_shift: float = 0.0
) -> SyntheticFilm:
    """The film of a seed by the generator of that name; Misconfigured where it cannot draw that kind."""
    chosen = find_generator(generator)
    if kind not in chosen.kinds:
        able = [other.name for other in GENERATORS.values() if kind in other.kinds]
        raise Misconfigured(
            f"The {generator} generator draws no {kind!r} film.",
            fix=f"Choose the generator {able[0]}." if able else f"Choose one of {', '.join(chosen.kinds)}.",
        )
    return chosen.render(seed, kind=kind, long_side=long_side, bmd_shift=bmd_shift)
