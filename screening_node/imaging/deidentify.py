"""A film without the patient: the Basic Application Level Confidentiality Profile (PS3.15 Annex E, table E.1-1).

The profile says what has to go. Here it is the other way round: what is listed below stays, because it describes
pixels and exposure and can name nobody, and everything else goes, private and future attributes with it. None of what
stays has an action in table E.1-1; attributes that an image has to have (type 2) come back empty or as dummies. Text
that is burned into pixels stays: the profile does not clean them either.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from io import BytesIO
from pathlib import Path
from typing import Final

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID

from screening_node.errors import UnreadableObject
from screening_node.imaging.quiet import quietly

_PIXELS: Final = """
    Rows Columns SamplesPerPixel PlanarConfiguration PhotometricInterpretation NumberOfFrames BitsAllocated BitsStored
    HighBit PixelRepresentation PixelAspectRatio PixelPaddingValue PixelPaddingRangeLimit SmallestImagePixelValue
    LargestImagePixelValue PixelIntensityRelationship PixelIntensityRelationshipSign PixelSpacing ImagerPixelSpacing
    PixelSpacingCalibrationType NominalScannedPixelSpacing WindowCenter WindowWidth VOILUTFunction RescaleIntercept
    RescaleSlope PresentationLUTShape LossyImageCompression LossyImageCompressionRatio LossyImageCompressionMethod
    BurnedInAnnotation RecognizableVisualFeatures PixelData
"""
_EXPOSURE: Final = """
    SOPClassUID ImageType Modality ConversionType PresentationIntentType SeriesNumber InstanceNumber BodyPartExamined
    ViewPosition Laterality ImageLaterality PatientOrientation PositionerType KVP ExposureTime ExposureTimeInuS
    XRayTubeCurrent XRayTubeCurrentInuA Exposure ExposureInuAs ExposureIndex TargetExposureIndex DeviationIndex
    RelativeXRayExposure Sensitivity DistanceSourceToDetector DistanceSourceToPatient
    EstimatedRadiographicMagnificationFactor FocalSpots DetectorType DetectorElementPhysicalSize
    DetectorElementSpacing DetectorActiveShape FieldOfViewShape FieldOfViewDimensions FieldOfViewRotation
    FieldOfViewHorizontalFlip FieldOfViewOrigin Grid
"""
KEPT: Final = frozenset((_PIXELS + _EXPOSURE).split())
#: Sequences that stay, and what stays in their items.
_TABLES: Final = {
    "ModalityLUTSequence": ("LUTDescriptor", "LUTData"),
    "VOILUTSequence": ("LUTDescriptor", "LUTData"),
}
_CODED: Final = ("ViewCodeSequence", "AnatomicRegionSequence", "PatientOrientationCodeSequence")
#: Codes of these schemes mean what the standard says; a site's own may mean a person.
_SCHEMES: Final = frozenset({"DCM", "SCT", "SRT", "SNM3"})
_EMPTY: Final = (
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "StudyID",
    "AccessionNumber",
    "Manufacturer",
)
_NEW_UIDS: Final = ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
#: The output of a modality LUT in words of the standard (PS3.3 C.11.1.1.2); others may be free text.
_RESCALE_TYPES: Final = frozenset({"US", "OD", "HU", "ED", "EDW", "HU_MOD", "MGML", "PCT", "Z_EFF"})


class Pseudonyms:
    """New UIDs and a dummy name, the same for the same original within one export, and for nobody to turn back.

    The key is made for each export and never kept (PS3.15 E.3.9 allows new UIDs as long as they are consistent).
    """

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key or secrets.token_bytes(32)

    def uid(self, original: str) -> str:
        """A UID of the 2.25 kind (PS3.5 B.2), derived from the original and the export's key."""
        return f"2.25.{int.from_bytes(self._digest(original)[:16])}"

    def name(self, original: str) -> str:
        """What stands in the place of a patient's ID and name."""
        return f"EXPORT-{self._digest(original).hex()[:10].upper()}"

    def _digest(self, original: str) -> bytes:
        return hmac.digest(self._key, original.encode(), hashlib.sha256)


def deidentified(film: Path, pseudonyms: Pseudonyms, *, patient: str, software: str) -> Dataset:
    """The film in ``film`` as a new data set; pixels and their transfer syntax stay as they are.

    ``patient``: whatever stands for the patient in this export. Raises UnreadableObject.
    """
    try:
        with quietly():
            source = pydicom.dcmread(film)
            return _cleaned(source, pseudonyms, patient, software)
    except Exception as error:  # pydicom raises whatever its parser stumbles over
        raise UnreadableObject("A film cannot be read: its header is damaged.") from error


def written(dataset: Dataset) -> bytes:
    """A de-identified data set as a Part 10 file."""
    buffer = BytesIO()
    with quietly():
        dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _cleaned(source: Dataset, pseudonyms: Pseudonyms, patient: str, software: str) -> Dataset:
    clean = Dataset()
    for element in source:
        if element.keyword in KEPT:
            clean.add(element)
        elif element.keyword in _TABLES:
            clean.add_new(element.tag, "SQ", Sequence(_only(item, _TABLES[element.keyword]) for item in element.value))
        elif element.keyword in _CODED and (codes := _standard_codes(element.value)):
            clean.add_new(element.tag, "SQ", Sequence(codes))
    for keyword in _NEW_UIDS:
        setattr(clean, keyword, pseudonyms.uid(str(source[keyword].value)))
    for keyword in _EMPTY:
        setattr(clean, keyword, None)
    clean.PatientID = clean.PatientName = pseudonyms.name(patient)
    if "RescaleSlope" in clean:
        said = str(source.get("RescaleType", "US"))
        clean.RescaleType = said if said in _RESCALE_TYPES else "US"
    _say_so(clean, software)
    clean.file_meta = _meta(clean, UID(source.file_meta.TransferSyntaxUID))
    return clean


def _say_so(clean: Dataset, software: str) -> None:
    clean.PatientIdentityRemoved = "YES"
    clean.DeidentificationMethod = ["PS3.15 Annex E, Basic Profile", software[:64]]
    clean.LongitudinalTemporalInformationModified = "REMOVED"
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator = "113100", "DCM"
    code.CodeMeaning = "Basic Application Confidentiality Profile"
    clean.DeidentificationMethodCodeSequence = Sequence([code])


def _meta(clean: Dataset, transfer_syntax: UID) -> FileMetaDataset:
    """A new one: that of the source names applications."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = clean.SOPClassUID
    meta.MediaStorageSOPInstanceUID = clean.SOPInstanceUID
    meta.TransferSyntaxUID = transfer_syntax
    return meta


def _only(item: Dataset, keywords: tuple[str, ...]) -> Dataset:
    kept = Dataset()
    for element in item:
        if element.keyword in keywords:
            kept.add(element)
    return kept


def _standard_codes(items: Sequence) -> list[Dataset]:
    wanted = ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")
    return [_only(item, wanted) for item in items if item.get("CodingSchemeDesignator") in _SCHEMES]
