"""The Structured Report around its content tree (PS3.3 A.35)."""

from __future__ import annotations

import datetime as dt
from typing import Final

from pydicom.dataset import Dataset

from screening_node.domain.identity import MANUFACTURER
from screening_node.reporting import codes, uids
from screening_node.reporting.composite import composite, date, hierarchy, time, to_bytes
from screening_node.reporting.items import coded, template_reference
from screening_node.reporting.kinds import (
    COMPREHENSIVE_3D_SR,
    COMPREHENSIVE_SR,
    ENHANCED_SR,
    SERIES,
    SR_CLASSES,
    Kind,
    SopReference,
)
from screening_node.reporting.measurement_report import Statement, content

__all__ = ["COMPREHENSIVE_3D_SR", "COMPREHENSIVE_SR", "ENHANCED_SR", "SR_CLASSES", "SopReference", "build", "to_bytes"]

KIND: Final = Kind.SR
SERIES_NUMBER: Final = SERIES[KIND].number
SERIES_DESCRIPTION: Final = SERIES[KIND].description


def build(
    statement: Statement, *, sop_class_uid: str, sop_instance_uid: str, at: dt.datetime, previous: SopReference | None
) -> Dataset:
    """The data set, ready to be written; every date and time in it comes from ``at`` or from the film."""
    dataset = composite(statement, KIND, sop_class_uid, sop_instance_uid, at)
    dataset.CodingSchemeIdentificationSequence = [_private_scheme()]
    dataset.ReferencedPerformedProcedureStepSequence = []
    _sr_document(dataset, statement, at, previous)
    dataset.ValueType = "CONTAINER"
    dataset.ConceptNameCodeSequence = [coded(codes.IMAGING_MEASUREMENT_REPORT)]
    dataset.ContinuityOfContent = "SEPARATE"
    dataset.ContentTemplateSequence = [template_reference("1500")]
    dataset.ContentSequence = content(statement)
    return dataset


def _private_scheme() -> Dataset:
    scheme = Dataset()
    scheme.CodingSchemeDesignator = codes.PRIVATE_DESIGNATOR
    scheme.CodingSchemeUID = uids.CODING_SCHEME_UID
    scheme.CodingSchemeName = codes.PRIVATE_NAME
    scheme.CodingSchemeVersion = codes.PRIVATE_VERSION
    scheme.CodingSchemeResponsibleOrganization = MANUFACTURER
    return scheme


def _sr_document(dataset: Dataset, statement: Statement, at: dt.datetime, previous: SopReference | None) -> None:
    """SR Document General (PS3.3 section C.17.2)."""
    film = statement.film
    dataset.ContentDate = date(at)
    dataset.ContentTime = time(at)
    dataset.CompletionFlag = "COMPLETE"
    dataset.VerificationFlag = "UNVERIFIED"
    dataset.PreliminaryFlag = "PRELIMINARY"
    dataset.ContentQualification = "RESEARCH"
    dataset.PerformedProcedureCodeSequence = []
    if film.series_instance_uid:
        dataset.CurrentRequestedProcedureEvidenceSequence = [hierarchy(film, film.series_instance_uid, film.sop)]
    if previous is not None:
        old = (previous.sop_class_uid, previous.sop_instance_uid)
        dataset.PredecessorDocumentsSequence = [hierarchy(film, dataset.SeriesInstanceUID, old)]
