"""Headers that lie are kept: the pathway judges or refuses, with a code. No log says whom they name."""

import logging
import struct
from typing import Any

import pytest
from factory import BIRTH_DATE, PATIENT_ID, PATIENT_NAME, make_dx
from integration.modality import data_set_of, modality
from integration.nodes import RunningIntake

from screening_node.intake.statuses import IntakeStatus as Status
from screening_node.store import tables


@pytest.mark.parametrize(
    "header",
    [
        {"PatientID": None, "IssuerOfPatientID": None},
        {"PatientID": ""},
        {"PatientBirthDate": "20991231"},
        {"PatientBirthDate": "not a date", "StudyDate": "31.12.1999", "PatientAge": "old"},
        {"PixelData": None},
        {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0},
        {"NumberOfFrames": "2"},
        {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"},
        {"PixelData": None, "FloatPixelData": b"\x00" * 16},
        {"PixelSpacing": None, "ImagerPixelSpacing": None},
        {"PixelSpacing": ["0", "-1"]},
        {"Rows": 30000, "Columns": 30000},
        {"PhotometricInterpretation": "MONOCHROME9"},
        {"ViewPosition": ""},
    ],
    ids=lambda header: ",".join(f"{keyword}={value!r:.12}" for keyword, value in header.items()),
)
def test_a_header_that_lies_is_kept_as_it_is(intake: RunningIntake, header: dict[str, Any]) -> None:
    film = make_dx(**header)
    with modality(intake.port) as sender:
        assert sender.store_dataset(film) == Status.SUCCESS
    assert intake.kept()[film.SOPInstanceUID].endswith(data_set_of(film))


def test_no_patient_id_is_nobodys_other_film(intake: RunningIntake) -> None:
    with modality(intake.port) as sender:
        for _ in range(2):
            sender.store_dataset(make_dx(PatientID=None))
    keys = [exam.patient_key for exam in intake.rows(tables.exams)]
    assert len(set(keys)) == 2


def test_a_future_birth_date_is_no_birth_date(intake: RunningIntake) -> None:
    with modality(intake.port) as sender:
        sender.store_dataset(make_dx(PatientBirthDate="20991231"))
    (exam,) = intake.rows(tables.exams)
    assert (exam.birth_date, exam.age) == (None, 71)


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("GB18030", "王^小东"),
        ("ISO_IR 100", "Müller^Zoë"),
        ("ISO_IR 192", "Łukasz^Ḿ"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎"),
        ("ISO_IR 13", "ﾔﾏﾀﾞ^ﾀﾛｳ"),
    ],
)
def test_names_in_other_characters(intake: RunningIntake, charset: str | list[str], name: str) -> None:
    with modality(intake.port) as sender:
        assert sender.store_dataset(make_dx(SpecificCharacterSet=charset, PatientName=name)) == Status.SUCCESS
    (exam,) = intake.rows(tables.exams)
    assert exam.patient_name == name


@pytest.mark.parametrize(
    ("declared", "encoding", "name"),
    [(None, "gb18030", "王^小东"), ("ISO_IR 100", "shift_jis", "山田^太郎"), ("ISO_IR 6666", "latin-1", "Müller")],
)
def test_names_in_characters_other_than_declared(
    intake: RunningIntake, declared: str | None, encoding: str, name: str
) -> None:
    """Hospitals send these; the bytes are kept as they came and nothing fails."""
    film = make_dx(PatientName="@" * len(name.encode(encoding)))
    data = data_set_of(film).replace(b"@" * len(name.encode(encoding)), name.encode(encoding))
    if declared is not None:
        length = len(declared) + len(declared) % 2
        element = struct.pack("<HH2sH", 0x0008, 0x0005, b"CS", length) + declared.ljust(length).encode()
        data = element + data
    with modality(intake.port) as sender:
        assert sender.store(data, sop_instance_uid=film.SOPInstanceUID) == Status.SUCCESS
    assert intake.kept()[film.SOPInstanceUID].endswith(data)


def test_no_patient_data_in_any_log(
    intake: RunningIntake, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    secrets = [PATIENT_NAME, PATIENT_NAME.split("^")[0], PATIENT_ID, BIRTH_DATE]
    bad = {"PatientBirthDate": f"{BIRTH_DATE}x", "PatientAge": PATIENT_ID, "StudyInstanceUID": PATIENT_NAME}
    with caplog.at_level(logging.DEBUG), modality(intake.port) as sender:
        sender.store_dataset(make_dx())
        sender.store_dataset(make_dx(**bad))
        sender.store_dataset(make_dx(SpecificCharacterSet="NONSENSE"))
        sender.store(data_set_of(make_dx())[:400], sop_instance_uid="1.2.3")
        sender.store(data_set_of(make_dx()), sop_instance_uid="1.2.3")
    assert "INVALID_STUDY_OR_SERIES" in caplog.text
    said = caplog.text + "".join(capfd.readouterr())
    said += "".join(str(row) for row in intake.rows(tables.audit))
    assert [secret for secret in secrets if secret in said] == []
