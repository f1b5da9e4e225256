"""What led to an answer, for who looks at the film: each input's own estimate and attention, the gate's numbers."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from screening_node.domain.result import GateCheck, RegionAnswer
from screening_node.pathways.chest_film.architecture import EstimatorArchitecture
from screening_node.pathways.chest_film.estimator import Explained
from screening_node.pathways.chest_film.gate import GateLimits, Measurements
from screening_node.pathways.chest_film.regions import input_names

#: Decimals that are kept: of g/cm2, of shares and of the gate's numbers.
_DECIMALS = 4


def member_regions(architecture: EstimatorArchitecture, output: Explained) -> list[tuple[RegionAnswer, ...]]:
    """One member's inputs for each film of a batch; what is not a number is left out."""
    names = input_names(architecture.layout)
    used = [names[index] for index in architecture.inputs]
    return [
        tuple(_region(name, place, architecture.vertebrae, local, shares) for place, name in enumerate(used))
        for local, shares in zip(output.local_bmd.tolist(), output.attention.tolist(), strict=True)
    ]


def _region(
    name: str, place: int, vertebrae: Sequence[str], local: Sequence[Sequence[float]], shares: Sequence[float]
) -> RegionAnswer:
    """``local``: (N or 0, V) g/cm2; ``shares``: (N or 0)."""
    said = zip(vertebrae, local[place], strict=True) if local else ()
    attention = shares[place] if shares and math.isfinite(shares[place]) else None
    return RegionAnswer(name=name, bmd={key: bmd for key, bmd in said if math.isfinite(bmd)}, attention=attention)


def combined(members: Sequence[Sequence[RegionAnswer]]) -> tuple[RegionAnswer, ...]:
    """Mean over the members that have an input, for each input of any, in their order."""
    names = dict.fromkeys(region.name for regions in members for region in regions)
    return tuple(_mean([each for regions in members for each in regions if each.name == name]) for name in names)


def _mean(answers: Sequence[RegionAnswer]) -> RegionAnswer:
    vertebrae = sorted({vertebra for answer in answers for vertebra in answer.bmd})
    shares = [answer.attention for answer in answers if answer.attention is not None]
    return RegionAnswer(
        name=answers[0].name,
        bmd={each: _rounded([answer.bmd[each] for answer in answers if each in answer.bmd]) for each in vertebrae},
        attention=_rounded(shares) if shares else None,
    )


def _rounded(values: Sequence[float]) -> float:
    return round(statistics.fmean(values), _DECIMALS)


def checks(found: Measurements, limits: GateLimits) -> tuple[GateCheck, ...]:
    """The gate's numbers of a film beside their limits, in the order in which they are judged."""
    rows = (
        ("off_film", found.off_film, None, limits.most_off_film),
        ("ordered", float(found.ordered), 1.0, None),
        ("width_ratio", found.width_ratio, limits.least_width_ratio, limits.most_width_ratio),
        ("spine_mm", found.spine_mm, limits.least_spine_mm, limits.most_spine_mm),
        ("tilt", found.tilt, None, limits.most_tilt),
        ("asymmetry", found.asymmetry, None, limits.most_asymmetry),
        ("lung_contrast", found.lung_contrast, limits.least_lung_contrast, None),
        ("mirror_likeness", found.mirror_likeness, limits.least_mirror_likeness, None),
        ("unsteadiness", found.unsteadiness, None, limits.most_unsteadiness),
        ("opaque_edge", found.opaque_edge, None, limits.most_opaque_edge),
    )
    return tuple(
        GateCheck(name=name, value=round(value, _DECIMALS), least=least, most=most)
        for name, value, least, most in rows
        if value is not None and math.isfinite(value)
    )
