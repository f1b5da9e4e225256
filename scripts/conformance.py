"""The tables of the DICOM conformance statement, from what the code itself negotiates, answers and makes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from pydicom.uid import UID
from pynetdicom import AE
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from screening_node.delivery.sender import _contexts_for
from screening_node.imaging.header import RADIOGRAPH_CLASSES
from screening_node.intake.pull.dimse import contexts
from screening_node.intake.scp import archivable_transfer_syntaxes, supported_contexts
from screening_node.intake.statuses import IntakeStatus
from screening_node.reporting import uids
from screening_node.reporting.kinds import SERIES, SOP_CLASSES, SR_CLASSES, Kind

PAGE = Path(__file__).resolve().parents[1] / "docs" / "conformance.md"
EXPLICIT = "1.2.840.10008.1.2.1"
#: A block of the page: its name, and all up to its end.
BLOCK = re.compile(r"(<!-- begin ([a-z-]+) -->\n).*?(<!-- end \2 -->)", re.DOTALL)


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def named(uid: str) -> tuple[str, str]:
    """A UID's name in the registry (PS3.6), and the UID."""
    return UID(uid).name, f"`{uid}`"


def transfer_syntaxes() -> str:
    """What the storage SCP takes, in the order of its preference."""
    return table(("Transfer Syntax", "UID"), (named(uid) for uid in archivable_transfer_syntaxes()))


def sop_classes() -> str:
    """Every SOP class that the SCP offers, and what becomes of its instances."""
    rows = []
    for context in supported_contexts():
        uid = str(context.abstract_syntax)
        fate = "answered" if uid == str(Verification) else "kept, judged" if uid in RADIOGRAPH_CLASSES else "kept"
        rows.append((*named(uid), fate))
    return table(("SOP Class", "UID", "Instances are"), rows)


def statuses() -> str:
    """What a C-STORE is answered with."""
    rows = (in_words(status) for status in IntakeStatus if status is not IntakeStatus.SYNTAX_NOT_SUPPORTED)
    return table(("Meaning", "Status"), rows)


def stow() -> str:
    """Failure Reasons of STOW-RS."""
    rows = (in_words(status) for status in IntakeStatus if status is not IntakeStatus.SUCCESS)
    return table(("Meaning", "Failure Reason"), rows)


def in_words(status: IntakeStatus) -> tuple[str, str]:
    """What a status means, and its number."""
    return status.name.replace("_", " ").capitalize(), f"`{status:04X}`"


def made() -> str:
    """The objects that the node makes, and the contexts in which it offers them."""
    rows = []
    for kind in Kind:
        series = SERIES[kind]
        for uid in SR_CLASSES if kind is Kind.SR else (SOP_CLASSES[kind],):
            offered = [UID(syntax).name for one in _contexts_for(uid, EXPLICIT) for syntax in one.transfer_syntax]
            rows.append((kind.value, *named(uid), series.modality, str(series.number), "; ".join(offered)))
    return table(("Kind", "SOP Class", "UID", "Modality", "Series Number", "Transfer syntaxes offered"), rows)


def pull() -> str:
    """The contexts in which the node asks archives; one row for those that differ in their transfer syntax alone."""
    rows = []
    for by_get in (False, True):
        for context in contexts(by_get=by_get):
            uid, syntaxes = str(context.abstract_syntax), [UID(each).name for each in context.transfer_syntax]
            if uid in RADIOGRAPH_CLASSES:
                row = (*named(uid), "SCP (of C-GET)", "each of the table above")
            else:
                row = (*named(uid), "SCU", "uncompressed" if len(syntaxes) > 2 else "; ".join(syntaxes))
            if row not in rows:
                rows.append(row)
    return table(("SOP Class", "UID", "Role", "Transfer syntaxes offered"), rows)


def implementation() -> str:
    """How the node names itself on the wire and in files."""
    entity = AE()
    return table(
        ("", "Implementation Class UID", "Implementation Version Name"),
        (
            ("Associations", f"`{entity.implementation_class_uid}`", f"`{entity.implementation_version_name}`"),
            ("Files that the node makes", f"`{uids.IMPLEMENTATION_CLASS_UID}`", "`SCREENING-NODE`"),
        ),
    )


BLOCKS: dict[str, Callable[[], str]] = {
    "implementation": implementation,
    "transfer-syntaxes": transfer_syntaxes,
    "statuses": statuses,
    "stow": stow,
    "pull": pull,
    "made": made,
    "sop-classes": sop_classes,
}


def renewed(page: str) -> str:
    """The page with every table as the code has it now."""
    return BLOCK.sub(lambda found: f"{found[1]}\n{BLOCKS[found[2]]()}\n{found[3]}", page)


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
