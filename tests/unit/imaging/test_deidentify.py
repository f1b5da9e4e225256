"""What a film says after the identity is taken out: pixels and exposure, and nothing that names anybody."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.datadict import DicomDictionary
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGBaseline8Bit

from screening_node.errors import UnreadableObject
from screening_node.imaging.deidentify import KEPT, Pseudonyms, deidentified, written

SECRET = "Zyxwvu"
#: Values of each kind of text that carry the secret; kinds that cannot are left out.
WITH_SECRET = {
    "AE": SECRET, "LO": SECRET, "LT": SECRET, "PN": f"{SECRET}^Real", "SH": SECRET, "ST": SECRET, "UC": SECRET,
    "UT": SECRET, "UR": f"https://{SECRET}", "CS": SECRET.upper(), "DA": "19110203", "DT": "19110203",
    "UI": "1.2.1911.203", "AS": "077Y", "TM": "010203",
}  # fmt: skip
PIXELS = np.arange(12, dtype=np.uint16).reshape(3, 4)


def a_film(syntax: UID = ExplicitVRLittleEndian) -> Dataset:
    """A film with the secret in every text attribute of the dictionary that an image may carry."""
    film = Dataset()
    for tag, (vr, _, _, retired, keyword) in DicomDictionary.items():
        wanted = vr in WITH_SECRET and keyword not in ("", "SpecificCharacterSet", *KEPT)
        if wanted and not retired and tag >> 16 not in (0, 2, 4):
            film.add_new(tag, vr, WITH_SECRET[vr])
    inner = Dataset()
    inner.PatientName = f"{SECRET}^Inner"
    film.RequestAttributesSequence = Sequence([inner])
    film.ReferencedImageSequence = Sequence([inner])
    table = Dataset()
    table.LUTDescriptor, table.LUTExplanation = [4, 0, 16], SECRET
    table.add_new("LUTData", "US", [1, 2, 3, 4])
    film.VOILUTSequence = Sequence([table])
    own, standard = Dataset(), Dataset()
    own.CodeValue, own.CodingSchemeDesignator, own.CodeMeaning = "1", "99SITE", SECRET
    standard.CodeValue, standard.CodingSchemeDesignator, standard.CodeMeaning = "399348003", "SCT", "antero-posterior"
    film.ViewCodeSequence = Sequence([own, standard])
    film.add_new((0x0009, 0x0010), "LO", SECRET)
    film.add_new((0x0009, 0x1001), "LO", SECRET)
    film.add_new((0x6000, 0x3000), "OW", SECRET.encode())
    film.SOPClassUID, film.Modality, film.ViewPosition = "1.2.840.10008.5.1.4.1.1.1.1", "DX", "PA"
    film.SOPInstanceUID, film.SeriesInstanceUID, film.StudyInstanceUID = "1.2.77.1", "1.2.77.2", "1.2.77.3"
    film.Rows, film.Columns = PIXELS.shape
    film.BitsAllocated = film.BitsStored = 16
    film.HighBit, film.PixelRepresentation, film.SamplesPerPixel = 15, 0, 1
    film.PhotometricInterpretation = "MONOCHROME2"
    film.ImagerPixelSpacing, film.KVP = [0.14, 0.14], 120
    film.RescaleSlope, film.RescaleIntercept, film.RescaleType = 1, 0, SECRET
    film.PixelData = PIXELS.astype(">u2" if syntax == ExplicitVRBigEndian else "<u2").tobytes()
    film["PixelData"].VR = "OW"
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = syntax
    film.file_meta.SourceApplicationEntityTitle = SECRET
    return film


def kept(film: Dataset, tmp_path: Path, pseudonyms: Pseudonyms | None = None) -> tuple[Dataset, bytes]:
    """The film as it is exported: read back from its bytes, and those."""
    film.file_meta.MediaStorageSOPClassUID = film.SOPClassUID
    film.file_meta.MediaStorageSOPInstanceUID = film.SOPInstanceUID
    film.save_as(tmp_path / "film.dcm", enforce_file_format=True)
    clean = deidentified(tmp_path / "film.dcm", pseudonyms or Pseudonyms(), patient="p", software="screening-node 1")
    data = written(clean)
    return pydicom.dcmread(io.BytesIO(data)), data


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_nothing_that_could_name_anybody_is_left(tmp_path: Path, syntax: UID) -> None:
    clean, data = kept(a_film(syntax), tmp_path)
    for trace in (SECRET, SECRET.upper(), "19110203", "1.2.1911", "1.2.77", "077Y", "010203", "99SITE"):
        assert trace.encode() not in data, trace
    assert not [element for element in clean.iterall() if element.tag.is_private]
    assert np.array_equal(clean.pixel_array, PIXELS)


def test_pixels_and_exposure_stay(tmp_path: Path) -> None:
    clean, _ = kept(a_film(), tmp_path)
    assert (clean.Modality, clean.ViewPosition, clean.KVP) == ("DX", "PA", 120)
    assert clean.ImagerPixelSpacing == [0.14, 0.14]
    assert clean.RescaleType == "US"
    assert clean.VOILUTSequence[0].LUTData == [1, 2, 3, 4]
    assert [item.CodeMeaning for item in clean.ViewCodeSequence] == ["antero-posterior"]


def test_it_says_what_was_done_and_has_what_an_image_must_have(tmp_path: Path) -> None:
    clean, _ = kept(a_film(), tmp_path)
    assert clean.PatientIdentityRemoved == "YES"
    assert clean.LongitudinalTemporalInformationModified == "REMOVED"
    (code,) = clean.DeidentificationMethodCodeSequence
    assert (code.CodeValue, code.CodingSchemeDesignator) == ("113100", "DCM")
    for keyword in ("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber", "StudyID"):
        assert keyword in clean
        assert not clean[keyword].value
    assert str(clean.PatientName) == clean.PatientID
    assert clean.PatientID.startswith("EXPORT-")


def test_new_uids_are_consistent_within_an_export_and_only_there(tmp_path: Path) -> None:
    once, again = Pseudonyms(), Pseudonyms()
    one, other = a_film(), a_film()
    other.SOPInstanceUID = "1.2.77.9"
    first, second = kept(one, tmp_path, once)[0], kept(other, tmp_path, once)[0]
    assert first.StudyInstanceUID == second.StudyInstanceUID
    assert first.SeriesInstanceUID == second.SeriesInstanceUID
    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert first.file_meta.MediaStorageSOPInstanceUID == first.SOPInstanceUID
    assert all(UID(uid).is_valid for uid in (first.SOPInstanceUID, first.StudyInstanceUID, first.SeriesInstanceUID))
    assert kept(a_film(), tmp_path, again)[0].StudyInstanceUID != first.StudyInstanceUID


def test_compressed_pixels_stay_as_they_are(tmp_path: Path) -> None:
    film = a_film()
    film.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8 not decoded here \xff\xd9"])
    film["PixelData"].VR = "OB"
    film["PixelData"].is_undefined_length = True
    film.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    clean, _ = kept(film, tmp_path)
    assert clean.file_meta.TransferSyntaxUID == JPEGBaseline8Bit
    assert clean.PixelData == film.PixelData


def test_what_is_no_film_is_said_without_quoting_it(tmp_path: Path) -> None:
    (tmp_path / "film.dcm").write_bytes(SECRET.encode() * 100)
    with pytest.raises(UnreadableObject) as caught:
        deidentified(tmp_path / "film.dcm", Pseudonyms(), patient="p", software="s")
    assert SECRET not in str(caught.value)


def test_no_key_is_shown() -> None:
    assert "secret" not in repr(Pseudonyms(b"secret"))
