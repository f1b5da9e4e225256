"""A synthetic film as a DICOM object: Digital X-Ray Image Storage - For Presentation (PS3.3 A.26).

Names are trees and given names, identifiers say PHANTOM; UIDs are derived from the seed (PS3.5 B.2: 2.25 and a
number), so that the same seed writes the same object.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

from screening_node.phantom.anatomical import render
from screening_node.phantom.film import ABDOMEN, BEDSIDE, EXTREMITY, FRONTAL, HAND, LATERAL, SyntheticFilm

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
_CHEST, _KNEE = ("51185008", "Chest"), ("72696002", "Knee")
_ABDOMEN, _HAND = ("818981001", "Abdomen"), ("85562004", "Hand")


@dataclass(frozen=True, kw_only=True)
class _View:
    """How a kind of film is described: View Position, Patient Orientation, SNOMED CT view (PS3.16 CID 4010), part."""

    position: str
    orientation: tuple[str, str]
    code: tuple[str, str]
    region: tuple[str, str] = _CHEST
    part: str = "CHEST"


_VIEWS = {
    FRONTAL: _View(position="PA", orientation=("L", "F"), code=("272479007", "postero-anterior")),
    LATERAL: _View(position="LL", orientation=("A", "F"), code=("399173006", "left lateral")),
    BEDSIDE: _View(position="AP", orientation=("L", "F"), code=("399348003", "antero-posterior")),
    EXTREMITY: _View(
        position="AP", orientation=("L", "F"), code=("399348003", "antero-posterior"), region=_KNEE, part="KNEE"
    ),
    ABDOMEN: _View(
        position="AP", orientation=("L", "F"), code=("399348003", "antero-posterior"), region=_ABDOMEN, part="ABDOMEN"
    ),
    # Fingers up, palm on the detector: down the columns lies the wrist.
    HAND: _View(
        position="PA", orientation=("L", "H"), code=("272479007", "postero-anterior"), region=_HAND, part="HAND"
    ),
}


def write_film(
    seed: int,
    path: Path,
    *,
    kind: str = FRONTAL,
    size: int | None = None,
    bmd_shift: float | None = None,
) -> SyntheticFilm:
    """Render the film of ``seed`` and write it as DICOM to ``path``; gives back the film with its truth.

    ``size`` is the long side in pixels (2100 gives 0.2 mm); None gives a detector's 0.125 or 0.16 mm. ValueError for
    an unknown kind.
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
    dataset.StudyDescription = f"Synthetic {_VIEWS[film.kind].part.lower()} film"
    dataset.SeriesNumber = 1 if film.kind == FRONTAL else 2
    dataset.InstanceNumber = 1


def _add_equipment_and_view(dataset: Dataset, film: SyntheticFilm) -> None:
    view = _VIEWS[film.kind]
    dataset.Modality = "DX"
    dataset.PresentationIntentType = "FOR PRESENTATION"
    dataset.Manufacturer = "screening-node phantom"
    dataset.ManufacturerModelName = film.version
    dataset.DeviceSerialNumber = "0"
    dataset.SoftwareVersions = film.version
    dataset.BodyPartExamined = view.part
    dataset.ViewPosition = view.position
    dataset.PatientOrientation = list(view.orientation)
    dataset.ImageLaterality = "U"
    dataset.AnatomicRegionSequence = Sequence([_code(*view.region)])
    dataset.ViewCodeSequence = Sequence([_code(*view.code)])
    dataset.AcquisitionContextSequence = Sequence([])
    dataset.PositionerType = "NONE"
    dataset.KVP = str(film.kvp)
    dataset.DistanceSourceToDetector = f"{film.source_to_detector:.0f}"
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
    name = f"screening-node phantom {film.version} {film.seed} {level}"
    if level != "study":
        name += f" {film.kind} {hashlib.sha256(film.pixels.tobytes()).hexdigest()}"
    return UID(f"2.25.{int.from_bytes(hashlib.sha256(name.encode()).digest()[:16], 'big') >> 1}")
