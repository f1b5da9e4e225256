"""A Structured Report in another SOP class, for an archive that refuses the one it was made in."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from pydicom import dcmread
from pydicom.uid import UID

from screening_node.errors import UnreadableObject
from screening_node.imaging.quiet import quietly
from screening_node.reporting import uids
from screening_node.reporting.composite import to_bytes
from screening_node.reporting.kinds import SR_CLASSES, Kind
from screening_node.reporting.reporter import Report


def next_class(sop_class_uid: str) -> str | None:
    """The class to try where this one is refused; None where there is no other that says the same."""
    following = dict(pairwise(SR_CLASSES))
    return following.get(sop_class_uid)


def in_next_class(path: Path) -> Report | None:
    """The report in ``path`` in the next class, as an object of its own; None where there is none.

    The content tree is valid in each (design: sr.md), so nothing that is said changes. Raises UnreadableObject.
    """
    try:
        with quietly():
            dataset = dcmread(path)
        sop_class_uid = next_class(dataset.SOPClassUID)
    except Exception as error:  # pydicom raises nearly anything on broken bytes
        raise UnreadableObject(
            "The report cannot be read from the archive.", fix="Restore it from a backup."
        ) from error
    if sop_class_uid is None:
        return None
    sop_instance_uid = uids.derived(Kind.SR, dataset.SOPInstanceUID, sop_class_uid)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = UID(sop_class_uid)
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID(sop_instance_uid)
    return Report(kind=Kind.SR, sop_class_uid=sop_class_uid, sop_instance_uid=sop_instance_uid, data=to_bytes(dataset))
