"""The kinds of objects that the node leaves in a film's study, and which of them a destination gets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from screening_node.reporting.language import Language, later

COMPREHENSIVE_3D_SR: Final = "1.2.840.10008.5.1.4.1.1.88.34"
COMPREHENSIVE_SR: Final = "1.2.840.10008.5.1.4.1.1.88.33"
ENHANCED_SR: Final = "1.2.840.10008.5.1.4.1.1.88.22"
#: From the one that says most of itself to the one that every archive takes; the same content tree is valid in each.
SR_CLASSES: Final = (COMPREHENSIVE_3D_SR, COMPREHENSIVE_SR, ENHANCED_SR)


class Kind(StrEnum):
    """An object by the name that settings, outbox and logs use."""

    SR = "SR"  # the Structured Report: everything, for machines and for people
    GSPS = "GSPS"  # Grayscale Softcopy Presentation State: regions and landmarks over the film
    SC = "SC"  # Secondary Capture: one page, for viewers that show neither
    PDF = "PDF"  # Encapsulated PDF: the same page, and one on method and limits
    KO = "KO"  # Key Object Selection: the film of an alarm


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """What stands in the series of a kind; each kind has one of its own in the film's study."""

    number: int
    modality: str
    description: str  # at most 64 bytes in every language (VR LO)


SERIES: Final = {
    Kind.SR: Series(
        number=9001, modality="SR", description=later("Bone density estimate - RESEARCH, NOT FOR DIAGNOSTIC USE")
    ),
    Kind.GSPS: Series(
        number=9002, modality="PR", description=later("Bone density regions - RESEARCH, NOT FOR DIAGNOSTIC USE")
    ),
    Kind.SC: Series(
        number=9003, modality="OT", description=later("Bone density page - RESEARCH, NOT FOR DIAGNOSTIC USE")
    ),
    Kind.PDF: Series(
        number=9004, modality="DOC", description=later("Bone density PDF - RESEARCH, NOT FOR DIAGNOSTIC USE")
    ),
    Kind.KO: Series(
        number=9005, modality="KO", description=later("Bone density alarm - RESEARCH, NOT FOR DIAGNOSTIC USE")
    ),
}
#: The SOP class of each kind but the Structured Report, which has the choice of SR_CLASSES.
SOP_CLASSES: Final = {
    Kind.GSPS: "1.2.840.10008.5.1.4.1.1.11.1",
    Kind.SC: "1.2.840.10008.5.1.4.1.1.7",
    Kind.PDF: "1.2.840.10008.5.1.4.1.1.104.1",
    Kind.KO: "1.2.840.10008.5.1.4.1.1.88.59",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class SopReference:
    """An earlier report of the same film, which a revision names as its predecessor."""

    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """One object to be made; ``previous`` is the Structured Report that this one replaces."""

    kind: Kind
    sop_class_uid: str
    language: Language = Language.ENGLISH
    previous: SopReference | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectSet:
    """What a destination gets of every film, and the language in which people read it."""

    sr_class: str = COMPREHENSIVE_3D_SR
    kinds: tuple[Kind, ...] = (Kind.SR,)
    language: Language = Language.ENGLISH

    @property
    def main_kind(self) -> Kind:
        """The kind whose earlier revision is named as the predecessor."""
        return Kind.SR

    def wanted(self, previous: SopReference | None) -> Iterator[Wanted]:
        """The objects, each with what it takes to make it; ``previous`` as in ``Wanted``."""
        for kind in self.kinds:
            if kind is Kind.SR:
                yield Wanted(kind=kind, sop_class_uid=self.sr_class, language=self.language, previous=previous)
            else:
                yield Wanted(kind=kind, sop_class_uid=SOP_CLASSES[kind], language=self.language)
