"""From decoded exams to what the node says of each: the networks' answers, T-scores and category."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any

from screening_node.domain.alarm import ThresholdSet, confidence, findings
from screening_node.domain.result import Estimate, Explanation, Refusal, RefusalCode, ScreeningResult
from screening_node.domain.tscore import ReferenceTable, lowest_category
from screening_node.pathways.base import Pathway

log = logging.getLogger(__name__)


def answers_of(pathway: Pathway[Any], works: Sequence[Any]) -> list[Estimate | Refusal | Exception]:
    """A pathway's answers in order; those refused in ``prepare`` pass through.

    Where the batch fails, film by film: only the film that fails has an error for an answer.
    """
    judged = [work for work in works if not isinstance(work, Refusal)]
    given = iter(_judged_together(pathway, judged))
    return [work if isinstance(work, Refusal) else next(given) for work in works]


def _judged_together(pathway: Pathway[Any], works: Sequence[Any]) -> Sequence[Estimate | Refusal | Exception]:
    if not works:
        return []
    try:
        answers = pathway.judge(works)
        if len(answers) != len(works):
            raise ValueError(f"{len(works)} films, {len(answers)} answers")
    except Exception as error:
        if len(works) == 1:
            return [error]
        log.warning("A batch of %d films failed (%s); judging them one by one.", len(works), type(error).__name__)
        return [_judged_together(pathway, [work])[0] for work in works]
    return answers


def conclude(
    pathway: Pathway[Any],
    answer: Estimate | Refusal,
    *,
    sex: str | None,
    reference: ReferenceTable,
    thresholds: ThresholdSet,
) -> ScreeningResult:
    """From what a pathway answers to what the node says of the exam: T-scores, category, crossed or not."""
    if isinstance(answer, Estimate) and not _is_finite(answer):
        # Comparing with NaN is false: without this, a film that broke the network would count as healthy.
        text = "The estimate is not a number."
        explanation = Explanation(checks=answer.explanation.checks)
        answer = Refusal(
            code=RefusalCode.ESTIMATE_IMPLAUSIBLE, text=text, landmarks=answer.landmarks, explanation=explanation
        )
    if isinstance(answer, Refusal):
        return ScreeningResult(
            model=pathway.identity, refusal=answer, landmarks=answer.landmarks, explanation=answer.explanation
        )
    found = findings(answer.bmd, sex=sex, reference=reference, thresholds=thresholds)
    return ScreeningResult(
        model=pathway.identity,
        refusal=None,
        findings=found,
        category=lowest_category(finding.t_score for finding in found),
        crossed=any(finding.below for finding in found),
        landmarks=answer.landmarks,
        rois=answer.rois,
        confidence=confidence(found, sex=sex, reference=reference),
        explanation=answer.explanation,
    )


def _is_finite(estimate: Estimate) -> bool:
    return bool(estimate.bmd) and all(math.isfinite(one.bmd) and math.isfinite(one.sd) for one in estimate.bmd)
