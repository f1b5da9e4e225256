"""The Structured Report around its content tree: patient, study, series, equipment, SR document (PS3.3 A.35)."""

from __future__ import annotations

import datetime as dt
import io
from dataclasses import dataclass
from typing import Final

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from screening_node.domain.identity import MANUFACTURER, MODEL_NAME
from screening_node.reporting import codes, uids
from screening_node.reporting.items import coded, set_uid, sop_reference, template_reference
from screening_node.reporting.measurement_report import Statement, content
from screening_node.reporting.source import SourceFilm

COMPREHENSIVE_3D_SR: Final = "1.2.840.10008.5.1.4.1.1.88.34"
COMPREHENSIVE_SR: Final = "1.2.840.10008.5.1.4.1.1.88.33"
ENHANCED_SR: Final = "1.2.840.10008.5.1.4.1.1.88.22"
SR_CLASSES: Final = (COMPREHENSIVE_3D_SR, COMPREHENSIVE_SR, ENHANCED_SR)

KIND: Final = "SR"
SERIES_NUMBER: Final = 9001
SERIES_DESCRIPTION: Final = "Bone density estimate - RESEARCH, NOT FOR DIAGNOSTIC USE"


@dataclass(frozen=True, kw_only=True, slots=True)
class SopReference:
    """An earlier report of the same film, which a revision names as its predecessor."""

    sop_class_uid: str
    sop_instance_uid: str


def build(
    statement: Statement, *, sop_class_uid: str, sop_instance_uid: str, at: dt.datetime, previous: SopReference | None
) -> Dataset:
    """The data set, ready to be written; every date and time in it comes from ``at`` or from the film."""
    dataset = Dataset()
    dataset.file_meta = _file_meta(sop_class_uid, sop_instance_uid)
    _sop_common(dataset, sop_class_uid, sop_instance_uid, at)
    _patient_and_study(dataset, statement.film)
    _series_and_equipment(dataset, statement)
    _sr_document(dataset, statement, at, previous)
    dataset.ContributingEquipmentSequence = [_contribution(statement, at)]
    dataset.ValueType = "CONTAINER"
    dataset.ConceptNameCodeSequence = [coded(codes.IMAGING_MEASUREMENT_REPORT)]
    dataset.ContinuityOfContent = "SEPARATE"
    dataset.ContentTemplateSequence = [template_reference("1500")]
    dataset.ContentSequence = content(statement)
    return dataset


def to_bytes(dataset: Dataset) -> bytes:
    """The Part 10 file."""
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def _file_meta(sop_class_uid: str, sop_instance_uid: str) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(sop_class_uid)
    meta.MediaStorageSOPInstanceUID = UID(sop_instance_uid)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(uids.IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = "SCREENING-NODE"
    return meta


def _sop_common(dataset: Dataset, sop_class_uid: str, sop_instance_uid: str, at: dt.datetime) -> None:
    """SOP Common (PS3.3 section C.12.1)."""
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = sop_class_uid
    dataset.SOPInstanceUID = sop_instance_uid
    dataset.InstanceCreationDate = _date(at)
    dataset.InstanceCreationTime = _time(at)
    scheme = Dataset()
    scheme.CodingSchemeDesignator = codes.PRIVATE_DESIGNATOR
    scheme.CodingSchemeUID = uids.CODING_SCHEME_UID
    scheme.CodingSchemeName = codes.PRIVATE_NAME
    scheme.CodingSchemeVersion = codes.PRIVATE_VERSION
    scheme.CodingSchemeResponsibleOrganization = MANUFACTURER
    dataset.CodingSchemeIdentificationSequence = [scheme]


def _patient_and_study(dataset: Dataset, film: SourceFilm) -> None:
    """Patient, General Study and Patient Study, as the film has them (PS3.3 sections C.7.1 and C.7.2)."""
    dataset.PatientName = film.patient_name
    dataset.PatientID = film.patient_id
    dataset.PatientBirthDate = film.birth_date
    dataset.PatientSex = film.sex
    set_uid(dataset, "StudyInstanceUID", film.study_instance_uid)
    dataset.StudyDate = film.study_date
    dataset.StudyTime = film.study_time
    dataset.StudyID = film.study_id
    dataset.AccessionNumber = film.accession_number
    dataset.ReferringPhysicianName = film.referring_physician
    optional = {
        "IssuerOfPatientID": film.issuer,
        "PatientAge": film.age,
        "StudyDescription": film.study_description,
        "TimezoneOffsetFromUTC": film.zone,
    }
    for keyword, value in optional.items():
        if value:
            setattr(dataset, keyword, value)


def _series_and_equipment(dataset: Dataset, statement: Statement) -> None:
    """SR Document Series and General Equipment (PS3.3 sections C.17.1 and C.7.5.1)."""
    dataset.Modality = "SR"
    dataset.SeriesInstanceUID = uids.series(statement.film.study_instance_uid, KIND)
    dataset.SeriesNumber = SERIES_NUMBER
    dataset.SeriesDescription = SERIES_DESCRIPTION
    dataset.ReferencedPerformedProcedureStepSequence = []
    _equipment(dataset, statement)


def _equipment(dataset: Dataset, statement: Statement) -> None:
    dataset.Manufacturer = MANUFACTURER
    dataset.ManufacturerModelName = MODEL_NAME
    dataset.DeviceSerialNumber = statement.serial_number
    dataset.SoftwareVersions = [statement.software_version[:64], statement.result.model.bundle[:64]]
    dataset.DeviceUID = statement.device_uid


def _contribution(statement: Statement, at: dt.datetime) -> Dataset:
    """An item of Contributing Equipment: who made this, and with which model (IHE AIR)."""
    item = Dataset()
    item.PurposeOfReferenceCodeSequence = [coded(codes.PROCESSING_EQUIPMENT)]
    _equipment(item, statement)
    item.ContributionDateTime = f"{_date(at)}{_time(at)}{at:%z}"
    item.ContributionDescription = "Estimated bone density from a chest film. Research use."
    return item


def _sr_document(dataset: Dataset, statement: Statement, at: dt.datetime, previous: SopReference | None) -> None:
    """SR Document General (PS3.3 section C.17.2)."""
    film = statement.film
    dataset.InstanceNumber = statement.revision
    dataset.ContentDate = _date(at)
    dataset.ContentTime = _time(at)
    dataset.CompletionFlag = "COMPLETE"
    dataset.VerificationFlag = "UNVERIFIED"
    dataset.PreliminaryFlag = "PRELIMINARY"
    dataset.ContentQualification = "RESEARCH"
    dataset.PerformedProcedureCodeSequence = []
    if film.series_instance_uid:
        dataset.CurrentRequestedProcedureEvidenceSequence = [_hierarchy(film, film.series_instance_uid, film.sop)]
    if previous is not None:
        old = (previous.sop_class_uid, previous.sop_instance_uid)
        dataset.PredecessorDocumentsSequence = [_hierarchy(film, dataset.SeriesInstanceUID, old)]


def _hierarchy(film: SourceFilm, series_instance_uid: str, sop: tuple[str, str]) -> Dataset:
    """One instance of the film's study in a Hierarchical SOP Instance Reference (PS3.3 table C.17-3)."""
    series = Dataset()
    set_uid(series, "SeriesInstanceUID", series_instance_uid)
    series.ReferencedSOPSequence = [sop_reference(sop)]
    study = Dataset()
    set_uid(study, "StudyInstanceUID", film.study_instance_uid)
    study.ReferencedSeriesSequence = [series]
    return study


def _date(at: dt.datetime) -> str:
    return f"{at:%Y%m%d}"


def _time(at: dt.datetime) -> str:
    return f"{at:%H%M%S}"
