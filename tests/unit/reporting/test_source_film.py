import io
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from unit.reporting import cases

from screening_node.errors import UnreadableObject
from screening_node.reporting import source


def film(tmp_path: Path, **changes: Any) -> source.SourceFilm:
    return source.read(cases.film_file(tmp_path / "film.dcm", **changes))


def test_a_good_header_is_taken_as_it_is(tmp_path: Path) -> None:
    good = film(tmp_path, TimezoneOffsetFromUTC="+0100")
    assert (good.patient_name, good.patient_id, good.issuer) == ("Doe^Jane", "P-1", "HOSPITAL")
    assert (good.birth_date, good.sex, good.age) == ("19500102", "F", "076Y")
    assert (good.study_date, good.study_time, good.study_id, good.accession_number) == (
        "20260304",
        "101112",
        "S1",
        "A1",
    )
    assert (good.study_description, good.referring_physician, good.zone) == ("Chest PA", "Ref^Physician", "+0100")
    assert (good.rows, good.columns, good.modality) == (2000, 1600, "DX")
    assert good.spacing_mm == ("0.2", "0.2")
    assert good.orientation == ("L", "F")
    assert good.notes == ()
    assert good.is_image


def test_missing_elements_are_empty_and_said(tmp_path: Path) -> None:
    missing = dict.fromkeys(
        [
            *("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "PatientAge"),
            *("StudyDate", "StudyTime", "StudyID", "AccessionNumber", "StudyDescription", "ReferringPhysicianName"),
            *("ImagerPixelSpacing", "PatientOrientation", "Modality", "Rows", "Columns", "SpecificCharacterSet"),
        ]
    )
    bare = film(tmp_path, **missing)
    assert (bare.patient_name, bare.patient_id, bare.issuer, bare.birth_date, bare.sex, bare.age) == ("",) * 6
    assert (bare.spacing_mm, bare.orientation, bare.rows, bare.columns) == (None,) * 4
    assert tuple(note.text() for note in bare.notes) == (
        "Patient's Name is missing.",
        "Patient ID is missing.",
        "Patient's Birth Date is missing.",
        "Patient's Sex is missing.",
        "Study Date is missing.",
    )


@pytest.mark.parametrize(
    ("keyword", "raw", "kept"),
    [
        ("PatientID", b"P" * 65, ""),  # a cut identifier would be somebody else's
        ("PatientID", b"A\\B", ""),
        ("AccessionNumber", b"12345678901234567", ""),
        ("StudyID", b"12345678901234567", ""),
        ("IssuerOfPatientID", b"I" * 65, ""),
        ("PatientName", b"N" * 65, ""),
        ("PatientName", b"A^B^C^D^E^F", ""),
        ("PatientName", b"A=B=C=D", ""),
        ("PatientBirthDate", b"1950-01-02", ""),
        ("PatientBirthDate", b"19500230", ""),
        ("PatientBirthDate", b"00000000", ""),
        ("PatientBirthDate", b"1950", ""),
        ("PatientSex", b"U", ""),
        ("PatientSex", b"FEMALE", ""),
        ("PatientSex", b"W", ""),
        ("PatientAge", b"76", ""),
        ("StudyDate", b"20260101-20260202", ""),
        ("StudyTime", b"25:00:00", ""),
        ("StudyTime", b"noon", ""),
        ("TimezoneOffsetFromUTC", b"Europe/Berlin", ""),
        ("TimezoneOffsetFromUTC", b"+1500", ""),
    ],
)
def test_what_is_not_valid_is_left_out_and_said(tmp_path: Path, keyword: str, raw: bytes, kept: str) -> None:
    read = film(tmp_path, **{keyword: raw})
    assert value_of(read, keyword) == kept
    assert len([note for note in read.notes if note.fault is source.Fault.INVALID]) == 1
    assert raw.decode() not in " ".join(note.text() for note in read.notes)


@pytest.mark.parametrize(
    ("keyword", "raw", "kept"),
    [
        ("PatientSex", b"O ", "O"),
        ("PatientSex", b"f", "F"),
        ("PatientBirthDate", b"1950.01.02", "19500102"),
        ("PatientBirthDate", b"20990101", "20990101"),  # in the future, but what the film says
        ("StudyTime", b"10:11:12", "101112"),
        ("StudyTime", b"10", "10"),
        ("StudyTime", b"101112.123456", "101112.123456"),
        ("StudyDescription", b"x" * 100, "x" * 64),
        ("StudyDescription", ("é" * 60).encode("latin-1"), "é" * 32),
        ("StudyDescription", b"a\\b \r\n c", "a b c"),
        ("PatientName", b"Doe^Jane^^^==", "Doe^Jane"),
        ("PatientID", b"P" * 64, "P" * 64),
        ("StudyInstanceUID", b"1.02.3", "1.02.3"),
    ],
)
def test_what_can_be_kept_is_kept(tmp_path: Path, keyword: str, raw: bytes, kept: str) -> None:
    read = film(tmp_path, **{keyword: raw})
    assert value_of(read, keyword) == kept
    assert read.notes == ()


@pytest.mark.parametrize(
    ("changes", "spacing"),
    [
        ({"ImagerPixelSpacing": None, "PixelSpacing": [0.3, 0.4]}, ("0.3", "0.4")),
        ({"ImagerPixelSpacing": b"0\\0"}, None),
        ({"ImagerPixelSpacing": b"0.1"}, None),
        ({"ImagerPixelSpacing": b"-1\\1"}, None),
        ({"ImagerPixelSpacing": b"nan\\nan"}, None),
        ({"ImagerPixelSpacing": b"inf\\inf"}, None),
        ({"ImagerPixelSpacing": b"0,1\\0,1"}, None),
        ({"ImagerPixelSpacing": b"0.1000000000000000001\\0.1"}, None),
    ],
)
def test_spacing_is_two_positive_numbers_or_none(
    tmp_path: Path, changes: dict[str, Any], spacing: tuple[str, str] | None
) -> None:
    assert film(tmp_path, **changes).spacing_mm == spacing


@pytest.mark.parametrize("raw", [b"L", b"X\\Y", b"", b"L\\F\\H"])
def test_orientation_is_two_directions_or_none(tmp_path: Path, raw: bytes) -> None:
    assert film(tmp_path, PatientOrientation=raw).orientation is None


@pytest.mark.parametrize("keyword", ["SOPInstanceUID", "StudyInstanceUID"])
@pytest.mark.parametrize("raw", [b"", b"../../etc", b"1.2." + b"3" * 70])
def test_without_its_uids_a_film_cannot_be_reported_on(keyword: str, raw: bytes) -> None:
    with pytest.raises(UnreadableObject, match=keyword):
        source.normalise(cases.raw_header(**{keyword: raw}))


@pytest.mark.parametrize("data", [b"", b"not DICOM at all", b"\0" * 128 + b"DICM" + b"\xff" * 40])
def test_a_file_that_is_no_dicom_is_an_error_of_ours(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.dcm"
    path.write_bytes(data)
    with pytest.raises(UnreadableObject):
        source.read(path)


def test_a_data_set_that_was_made_rather_than_read_is_understood() -> None:
    made = source.normalise(cases.header(PatientName="王^小东", SpecificCharacterSet="ISO_IR 192"))
    assert (made.patient_name, made.rows, made.spacing_mm, made.orientation) == (
        "王^小东",
        2000,
        ("0.2", "0.2"),
        ("L", "F"),
    )
    assert made.notes == ()


def test_big_endian_and_implicit_films_are_read(tmp_path: Path) -> None:
    for implicit, little in ((False, False), (True, True)):
        header = cases.header()
        file = io.BytesIO()
        header.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2" if little else "1.2.840.10008.1.2.2"
        header.save_as(file, implicit_vr=implicit, little_endian=little, enforce_file_format=True)
        read = source.normalise(dcmread(io.BytesIO(file.getvalue())))
        assert (read.rows, read.columns, read.patient_name) == (2000, 1600, "Doe^Jane")


def test_no_identity_ends_in_a_repr(tmp_path: Path) -> None:
    said = repr(film(tmp_path))
    assert "Doe" not in said
    assert "P-1" not in said
    assert "1950" not in said


def value_of(read: source.SourceFilm, keyword: str) -> str:
    return {
        "PatientID": read.patient_id,
        "AccessionNumber": read.accession_number,
        "StudyID": read.study_id,
        "IssuerOfPatientID": read.issuer,
        "PatientName": read.patient_name,
        "PatientBirthDate": read.birth_date,
        "PatientSex": read.sex,
        "PatientAge": read.age,
        "StudyDate": read.study_date,
        "StudyTime": read.study_time,
        "StudyDescription": read.study_description,
        "StudyInstanceUID": read.study_instance_uid,
        "TimezoneOffsetFromUTC": read.zone,
    }[keyword]
