"""Which pathways there are, and which of them an instance belongs to. Explicit, and free of torch: intake loads it."""

from __future__ import annotations

from pydicom.dataset import Dataset

from screening_node.domain.exam import ExamKey
from screening_node.errors import UnreadableObject
from screening_node.imaging import header

CHEST_FILM = "chest_film"

#: Every pathway that a node can have, by the name of its folder.
PATHWAY_NAMES: tuple[str, ...] = (CHEST_FILM,)


def route(dataset: Dataset) -> ExamKey:
    """The exam that an instance belongs to; UnreadableObject where it has no SOP Instance UID.

    The chest-film pathway takes everything: what it may not judge ends in its coded refusal, so that nothing that
    arrives is without an answer. A film is an exam of its own, complete on arrival.
    """
    uid = header.text(dataset, "SOPInstanceUID")
    if uid is None:
        raise UnreadableObject("The object has no SOP Instance UID.", fix="Send the object with a SOP Instance UID.")
    return ExamKey(pathway=CHEST_FILM, key=uid, complete=True)
