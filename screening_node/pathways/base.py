"""What every pathway can do: take an exam's files, answer with an Estimate or a Refusal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from screening_node.domain.exam import ExamFiles
from screening_node.domain.result import Estimate, ModelIdentity, Refusal

PreparedT = TypeVar("PreparedT")


class Pathway(Protocol[PreparedT]):
    """A pathway, in two steps so that files are decoded ahead while the network computes.

    Both steps are safe to repeat. ``prepare`` runs on any thread and keeps nothing on ``self``; ``judge`` runs
    on one thread at a time. What a model may not judge is a Refusal, never an exception; an exception means that
    the node failed (and says by its type whether another try makes sense).
    """

    @property
    def name(self) -> str:
        """The pathway's name in the registry, in settings and in the store."""

    @property
    def identity(self) -> ModelIdentity:
        """Everything that decides what the same film would be answered."""

    def prepare(self, exam: ExamFiles) -> PreparedT | Refusal:
        """Check headers, decode, normalise: all that needs no network."""

    def picture(self, work: PreparedT) -> NDArray[np.uint8] | None:
        """What was prepared, for people: (rows, columns), bone bright, small; None where it is no single image."""

    def judge(self, batch: Sequence[PreparedT]) -> list[Estimate | Refusal]:
        """Run the networks over a batch; one answer for each member, in order."""
