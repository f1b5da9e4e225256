"""What every object of the node has around its content: patient, study, series, equipment (PS3.3 annex A)."""

from __future__ import annotations

import datetime as dt
import io

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from screening_node.domain.identity import MANUFACTURER, MODEL_NAME
from screening_node.reporting import codes, uids
from screening_node.reporting.items import coded, set_uid, sop_reference
from screening_node.reporting.kinds import SERIES, Kind
from screening_node.reporting.measurement_report import Statement
from screening_node.reporting.source import SourceFilm


def composite(statement: Statement, kind: Kind, sop_class_uid: str, sop_instance_uid: str, at: dt.datetime) -> Dataset:
    """A data set with all that does not depend on what it shows; every date and time comes from ``at`` or the film."""
    dataset = Dataset()
    dataset.file_meta = _file_meta(sop_class_uid, sop_instance_uid)
    _sop_common(dataset, sop_class_uid, sop_instance_uid, at)
    _patient_and_study(dataset, statement.film)
    _series(dataset, statement, kind)
    _equipment(dataset, statement)
    dataset.ContributingEquipmentSequence = [_contribution(statement, at)]
    return dataset


def to_bytes(dataset: Dataset) -> bytes:
    """The Part 10 file."""
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def hierarchy(film: SourceFilm, series_instance_uid: str, sop: tuple[str, str]) -> Dataset:
    """One instance of the film's study in a Hierarchical SOP Instance Reference (PS3.3 table C.17-3)."""
    series = Dataset()
    set_uid(series, "SeriesInstanceUID", series_instance_uid)
    series.ReferencedSOPSequence = [sop_reference(sop)]
    study = Dataset()
    set_uid(study, "StudyInstanceUID", film.study_instance_uid)
    study.ReferencedSeriesSequence = [series]
    return study


def date(at: dt.datetime) -> str:
    """VR DA."""
    return f"{at:%Y%m%d}"


def time(at: dt.datetime) -> str:
    """VR TM, to the second."""
    return f"{at:%H%M%S}"


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
    dataset.InstanceCreationDate = date(at)
    dataset.InstanceCreationTime = time(at)


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


def _series(dataset: Dataset, statement: Statement, kind: Kind) -> None:
    """The series of this kind, whatever its module is called (PS3.3 section C.7.3.1)."""
    series = SERIES[kind]
    dataset.Modality = series.modality
    dataset.SeriesInstanceUID = uids.series(statement.film.study_instance_uid, kind)
    dataset.SeriesNumber = series.number
    dataset.SeriesDescription = statement.say(series.description)
    dataset.InstanceNumber = statement.revision


def _equipment(dataset: Dataset, statement: Statement) -> None:
    """General Equipment (PS3.3 section C.7.5.1)."""
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
    # In the zone of the other times: DCMTK's dcmpschk takes no offset in a DT.
    item.ContributionDateTime = f"{date(at)}{time(at)}"
    item.ContributionDescription = statement.say("Estimated bone density from a chest film. Research use.")
    return item
