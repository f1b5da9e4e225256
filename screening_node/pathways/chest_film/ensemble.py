"""Many networks, one answer for each vertebra, and how sure it is."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from screening_node.domain.result import BmdEstimate, Refusal, RefusalCode, Vertebra
from screening_node.pathways.calibration import Calibration

#: What one member says: g/cm2 for the vertebrae that it knows.
MemberAnswer = Mapping[str, float]

#: g/cm2 that no living patient's lumbar vertebra has: an answer beyond is the network's failure.
POSSIBLE_BMD = (0.2, 2.2)


def combine(
    answers: Sequence[MemberAnswer], residual_sd: Mapping[str, float], disagreement_limit: float
) -> tuple[BmdEstimate, ...] | Refusal:
    """Mean of the members for each vertebra that any of them knows, in the order L1..L4.

    sd = sqrt(variance of the members + residual SD of the card, squared), g/cm2. Refused where the members' SD of a
    vertebra lies beyond ``disagreement_limit`` (g/cm2), or where a mean is not a possible BMD. Pure.
    """
    estimates = []
    for vertebra in Vertebra:
        values = [answer[vertebra] for answer in answers if vertebra in answer]
        if not values:
            continue
        estimate = _estimate(vertebra, values, residual_sd, disagreement_limit)
        if isinstance(estimate, Refusal):
            return estimate
        estimates.append(estimate)
    return tuple(estimates)


def calibrate(
    estimates: Sequence[BmdEstimate], calibration: Calibration, scanner: str | None
) -> tuple[BmdEstimate, ...] | Refusal:
    """The estimates as the card's calibration corrects those of a ``scanner``; refused where one is no possible BMD."""
    answers = []
    for estimate in estimates:
        bmd, sd = calibration.apply(estimate.vertebra, estimate.bmd, estimate.sd, scanner)
        if not _possible(bmd):
            return _implausible(estimate.vertebra)
        answers.append(BmdEstimate(vertebra=estimate.vertebra, bmd=bmd, sd=sd, calibrated=True))
    return tuple(answers)


def _possible(bmd: float) -> bool:
    return POSSIBLE_BMD[0] <= bmd <= POSSIBLE_BMD[1]


def _implausible(vertebra: Vertebra) -> Refusal:
    return Refusal(code=RefusalCode.ESTIMATE_IMPLAUSIBLE, text=f"The estimate for {vertebra} is no possible BMD.")


def _estimate(
    vertebra: Vertebra, values: Sequence[float], residual_sd: Mapping[str, float], limit: float
) -> BmdEstimate | Refusal:
    mean = statistics.fmean(values)
    if not all(math.isfinite(value) for value in values) or not _possible(mean):
        return _implausible(vertebra)
    variance = statistics.variance(values) if len(values) > 1 else 0.0
    if math.sqrt(variance) > limit:
        return Refusal(
            code=RefusalCode.MEMBERS_DISAGREE,
            text=f"The networks disagree on {vertebra}: SD {math.sqrt(variance):.2f} g/cm2, limit {limit:.2f}.",
        )
    return BmdEstimate(vertebra=vertebra, bmd=mean, sd=math.sqrt(variance + residual_sd[vertebra] ** 2))
