"""A synthetic film as a DICOM object: Digital X-Ray Image Storage - For Presentation (PS3.3 A.26).

Names are trees and given names, identifiers say PHANTOM; UIDs are derived from the seed (PS3.5 B.2: 2.25 and a
number), so that the same seed writes the same object.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

from screening_node.phantom.film import FRONTAL, LATERAL, PHANTOM_VERSION, SyntheticFilm, render

_FAMILY_NAMES = (
    "Alder",
    "Ash",
    "Aspen",
    "Beech",
    "Birch",
    "Cedar",
    "Elm",
    "Hazel",
    "Larch",
    "Linden",
    "Maple",
    "Rowan",
)
_GIVEN_NAMES = {
    "F": ("Ada", "Clara", "Edith", "Flora", "Greta", "Ida", "Nora", "Olga", "Ruth", "Vera"),
    "M": ("Abel", "Bruno", "Carl", "Emil", "Fritz", "Hugo", "Ivar", "Otto", "Paul", "Viktor"),
}
_FIRST_STUDY_DATE = dt.date(2025, 1, 6)
#: SNOMED CT codes of the views (PS3.16 CID 4010).
_VIEW_CODES = {
    FRONTAL: ("272479007", "postero-anterior"),
    LATERAL: ("399173006", "left lateral"),
}


def write_film(
    seed: int, path: Path, *, kind: str = FRONTAL, size: int | None = None, bmd_shift: float | None = None
) -> SyntheticFilm:
    """Render the film of ``seed`` and write it as DICOM to ``path``; gives back the film with its truth.

    ``size`` is the long side in pixels (2100 gives 0.2 mm); None draws one that gives 0.34 to 0.46 mm.
    """
    film = render(seed, kind=kind, long_side=size, bmd_shift=bmd_shift or 0.0)
    dataset_of(film).save_as(path, enforce_file_format=True)
    return film


def dataset_of(film: SyntheticFilm) -> FileDataset:
    """The film as a Part 10 data set."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = _uid(film, "instance")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    _add_patient_and_study(dataset, film)
    _add_equipment_and_view(dataset, film)
    _add_pixels(dataset, film)
    return dataset


def _add_patient_and_study(dataset: Dataset, film: SyntheticFilm) -> None:
    patient, seed = film.patient, film.seed
    date = _FIRST_STUDY_DATE + dt.timedelta(days=seed * 7 % 300)
    family = _FAMILY_NAMES[seed % len(_FAMILY_NAMES)]
    given = _GIVEN_NAMES[patient.sex][seed // len(_FAMILY_NAMES) % 10]
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.SOPInstanceUID = _uid(film, "instance")
    dataset.PatientName = f"{family}^{given}"
    dataset.PatientID = f"PHANTOM-{seed:06d}"
    dataset.IssuerOfPatientID = "SCREENING-NODE-PHANTOM"
    dataset.PatientBirthDate = f"{date.year - patient.age - 1}1231"
    dataset.PatientSex = patient.sex
    dataset.PatientAge = f"{patient.age:03d}Y"
    dataset.StudyInstanceUID = _uid(film, "study")
    dataset.SeriesInstanceUID = _uid(film, "series")
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = f"{date:%Y%m%d}"
    time = f"{8 + seed % 9:02d}{seed * 13 % 60:02d}00"
    dataset.StudyTime = dataset.SeriesTime = dataset.AcquisitionTime = dataset.ContentTime = time
    dataset.StudyID = f"{seed % 100000}"
    dataset.AccessionNumber = f"PH{seed:08d}"
    dataset.ReferringPhysicianName = ""
    dataset.StudyDescription = "Synthetic chest film"
    dataset.SeriesNumber = 1 if film.kind == FRONTAL else 2
    dataset.InstanceNumber = 1


def _add_equipment_and_view(dataset: Dataset, film: SyntheticFilm) -> None:
    frontal = film.kind == FRONTAL
    dataset.Modality = "DX"
    dataset.PresentationIntentType = "FOR PRESENTATION"
    dataset.Manufacturer = "screening-node phantom"
    dataset.ManufacturerModelName = PHANTOM_VERSION
    dataset.DeviceSerialNumber = "0"
    dataset.SoftwareVersions = PHANTOM_VERSION
    dataset.BodyPartExamined = "CHEST"
    dataset.ViewPosition = "PA" if frontal else "LL"
    dataset.PatientOrientation = ["L", "F"] if frontal else ["A", "F"]
    dataset.ImageLaterality = "U"
    dataset.AnatomicRegionSequence = Sequence([_code("51185008", "Chest")])
    dataset.ViewCodeSequence = Sequence([_code(*_VIEW_CODES[film.kind])])
    dataset.AcquisitionContextSequence = Sequence([])
    dataset.PositionerType = "NONE"
    dataset.KVP = "120"
    dataset.DistanceSourceToDetector = "1800"
    dataset.DetectorType = "SCINTILLATOR"
    dataset.ImagerPixelSpacing = [f"{film.spacing:.4f}"] * 2
    dataset.PixelSpacing = dataset.ImagerPixelSpacing
    dataset.BurnedInAnnotation = "NO"
    dataset.ImageComments = "Synthetic film. No patient."


def _add_pixels(dataset: Dataset, film: SyntheticFilm) -> None:
    rows, columns = film.pixels.shape
    dataset.ImageType = ["ORIGINAL", "PRIMARY", ""]
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME1" if film.monochrome1 else "MONOCHROME2"
    dataset.PresentationLUTShape = "INVERSE" if film.monochrome1 else "IDENTITY"
    dataset.Rows, dataset.Columns = rows, columns
    dataset.BitsAllocated = 16
    dataset.BitsStored = film.bits
    dataset.HighBit = film.bits - 1
    dataset.PixelRepresentation = 0
    dataset.PixelIntensityRelationship = "LOG"
    dataset.PixelIntensityRelationshipSign = 1 if film.monochrome1 else -1
    dataset.RescaleIntercept = "0"
    dataset.RescaleSlope = "1"
    dataset.RescaleType = "US"
    dataset.LossyImageCompression = "00"
    dataset.WindowCenter = str(2 ** (film.bits - 1))
    dataset.WindowWidth = str(2**film.bits)
    dataset.PixelData = np.ascontiguousarray(film.pixels, dtype="<u2").tobytes()


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    return item


def _uid(film: SyntheticFilm, level: str) -> UID:
    """2.25 and 127 bits of a hash; a patient's frontal and lateral film share their study."""
    name = f"screening-node phantom {PHANTOM_VERSION} {film.seed} {level}"
    if level != "study":
        name += f" {film.kind} {hashlib.sha256(film.pixels.tobytes()).hexdigest()}"
    return UID(f"2.25.{int.from_bytes(hashlib.sha256(name.encode()).digest()[:16], 'big') >> 1}")
