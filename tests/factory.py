"""Small, plausible DICOM objects for tests. All people in them are invented."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import config, dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

DX_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.1"
DX_PROCESSING = "1.2.840.10008.5.1.4.1.1.1.1.1"
CR = "1.2.840.10008.5.1.4.1.1.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"

PATIENT_NAME = "Beispiel^Karla"
PATIENT_ID = "FICTION-4711"
BIRTH_DATE = "19530214"


def make_dx(*, rows: int = 64, columns: int = 64, seed: int = 0, **overrides: Any) -> Dataset:
    """A frontal chest DX for presentation, 12 bits in 16, with fresh UIDs.

    ``overrides`` are DICOM keywords; None removes the element. ``TransferSyntaxUID`` goes to the file meta.
    """
    dataset = Dataset()
    syntax = overrides.pop("TransferSyntaxUID", ExplicitVRLittleEndian)
    values = _header(rows, columns) | {"PixelData": _pixels(rows, columns, seed)} | overrides
    for keyword, value in values.items():
        if value is not None:
            _set(dataset, keyword, value)
    if "PixelData" in dataset:
        dataset["PixelData"].VR = "OB" if UID(syntax).is_compressed else "OW"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = values["SOPClassUID"]
    dataset.file_meta.MediaStorageSOPInstanceUID = values["SOPInstanceUID"]
    return dataset


def to_bytes(dataset: Dataset) -> bytes:
    """The data set as a Part 10 file."""
    buffer = io.BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def save(dataset: Dataset, path: Path) -> Path:
    """Write the data set as a Part 10 file."""
    path.write_bytes(to_bytes(dataset))
    return path


def _set(dataset: Dataset, keyword: str, value: Any) -> None:
    """Set a value that may break the rules on purpose."""
    before = config.settings.writing_validation_mode
    config.settings.writing_validation_mode = config.IGNORE
    try:
        setattr(dataset, keyword, value)
    finally:
        config.settings.writing_validation_mode = before


def _pixels(rows: int, columns: int, seed: int) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 4096, (rows, columns), dtype=np.uint16)
    return noise.astype("<u2").tobytes()


def _header(rows: int, columns: int) -> dict[str, Any]:
    return {
        "ImageType": ["ORIGINAL", "PRIMARY", ""],
        "SOPClassUID": DX_PRESENTATION,
        "SOPInstanceUID": generate_uid(),
        "StudyDate": "20240311",
        "SeriesDate": "20240311",
        "AcquisitionDate": "20240311",
        "ContentDate": "20240311",
        "StudyTime": "101500",
        "ContentTime": "101502",
        "AccessionNumber": "ACC-2024-17",
        "Modality": "DX",
        "PresentationIntentType": "FOR PRESENTATION",
        "Manufacturer": "Invented Imaging",
        "InstitutionName": "Nowhere General",
        "ReferringPhysicianName": "Muster^Erika",
        "StudyDescription": "Chest PA",
        "ManufacturerModelName": "Figment 3000",
        "PatientName": PATIENT_NAME,
        "PatientID": PATIENT_ID,
        "IssuerOfPatientID": "NOWHERE",
        "PatientBirthDate": BIRTH_DATE,
        "PatientSex": "F",
        "PatientAge": "071Y",
        "BodyPartExamined": "CHEST",
        "KVP": "125",
        "DistanceSourceToDetector": "1800",
        "ImagerPixelSpacing": [0.15, 0.15],
        "ViewPosition": "PA",
        "StudyInstanceUID": generate_uid(),
        "SeriesInstanceUID": generate_uid(),
        "StudyID": "17",
        "SeriesNumber": "1",
        "InstanceNumber": "1",
        "PatientOrientation": ["L", "F"],
        "ImageLaterality": "U",
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": rows,
        "Columns": columns,
        "PixelSpacing": [0.15, 0.15],
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "BurnedInAnnotation": "NO",
        "PixelIntensityRelationship": "LOG",
        "PixelIntensityRelationshipSign": -1,
        "WindowCenter": "2048",
        "WindowWidth": "4096",
        "RescaleIntercept": "0",
        "RescaleSlope": "1",
        "RescaleType": "US",
        "LossyImageCompression": "00",
        "PresentationLUTShape": "IDENTITY",
    }
