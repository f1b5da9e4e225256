from __future__ import annotations

import datetime as dt
import io

import factory
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from screening_node.domain.identity import MANUFACTURER, MODEL_NAME
from screening_node.imaging import header
from screening_node.imaging.quiet import quietly


def received(**values: object) -> Dataset:
    """A film as it arrives: written and read back, its values still raw bytes."""
    with quietly():  # pydicom warns of bad values; what is tested must not
        data = factory.to_bytes(factory.make_dx(rows=8, columns=8, **values))
        return pydicom.dcmread(io.BytesIO(data))


def test_a_patient_is_read_whole() -> None:
    patient = header.patient_of(received())
    assert (patient.patient_id, patient.issuer, patient.name) == (factory.PATIENT_ID, "NOWHERE", factory.PATIENT_NAME)
    assert (patient.birth_date, patient.sex, patient.age) == (dt.date(1953, 2, 14), "F", 71)


@pytest.mark.parametrize(
    ("charset", "name", "encoding"),
    [
        ("GB18030", "王^小东", "gb18030"),
        ("ISO_IR 13", "ﾔﾏﾀﾞ^ﾀﾛｳ", "shift_jis"),
        ("ISO_IR 100", "Müller^Jörg", "latin-1"),
        ("ISO_IR 192", "Καλλιόπη^Ω", "utf-8"),
        (None, "Müller^Jörg", "latin-1"),
        ("ISO_IR 999", "Müller^Jörg", "utf-8"),
        ("ISO_IR 192", "Müller^Jörg", "latin-1"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎", "iso2022_jp"),
    ],
)
def test_names_in_many_character_sets(charset: str | list[str] | None, name: str, encoding: str) -> None:
    dataset = received(SpecificCharacterSet=charset)
    dataset["PatientName"] = dataset.get_item("PatientName")._replace(value=name.encode(encoding))  # type: ignore[union-attr]
    assert header.patient_of(dataset).name == name


@pytest.mark.parametrize(
    ("value", "years"),
    [
        ("045Y", 45),
        ("18M", 1),
        ("030W", 0),
        ("400D", 1),
        ("67", 67),
        ("67y", 67),
        ("", None),
        ("Y045", None),
        ("999Y", None),
    ],
)
def test_odd_ages(value: str, years: int | None) -> None:
    assert header.age_years(value) == years


def test_the_age_comes_from_dates_where_both_are_there() -> None:
    assert header.patient_of(received(PatientBirthDate="19640312", StudyDate="20240311", PatientAge="045Y")).age == 59
    assert header.patient_of(received(PatientBirthDate="19640311", StudyDate="20240311")).age == 60
    assert header.patient_of(received(PatientBirthDate=None, PatientAge="045Y")).age == 45


def test_a_birth_date_after_the_study_is_none() -> None:
    patient = header.patient_of(received(PatientBirthDate="20990101", PatientAge="066Y"))
    assert (patient.birth_date, patient.age) == (None, 66)


def test_a_birth_two_centuries_ago_is_not_believed_as_an_age() -> None:
    assert header.patient_of(received(PatientBirthDate="18000101", PatientAge=None)).age is None


@pytest.mark.parametrize(
    ("value", "day"),
    [
        ("20240311", dt.date(2024, 3, 11)),
        ("2024.03.11", dt.date(2024, 3, 11)),
        ("20240231", None),
        ("00000000", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_dates(value: str, day: dt.date | None) -> None:
    dates = {"AcquisitionDate": None, "SeriesDate": None, "ContentDate": None}
    assert header.study_date(received(StudyDate=value, **dates)) == day


def test_the_study_date_falls_back_to_other_days() -> None:
    assert header.study_date(received(StudyDate="", AcquisitionDate="20200102")) == dt.date(2020, 1, 2)


def test_sex_is_one_of_three_or_unknown() -> None:
    sexes = {value: header.patient_of(received(PatientSex=value)).sex for value in ("F", "m", "O", "X", "")}
    assert sexes == {"F": "F", "m": "M", "O": "O", "X": None, "": None}


def test_what_no_database_takes_is_left_out() -> None:
    dataset = Dataset()
    dataset.PatientName = "DOE\0^JA\0NE"
    dataset.PatientID = "\0\0"
    dataset.AccessionNumber = "A\ud800B"
    assert header.text(dataset, "PatientName") == "DOE^JANE"
    assert header.text(dataset, "PatientID") is None
    assert header.text(dataset, "AccessionNumber") == "A?B"


def test_the_first_of_several_values_counts_and_numbers_need_all() -> None:
    dataset = received(PatientID="A1\\B2", DeviceSerialNumber=["7", "abc"])
    assert header.patient_of(dataset).patient_id == "A1"
    assert header.numbers(dataset, "DeviceSerialNumber") == ()
    assert header.numbers(received(PixelSpacing=["0.15", "0.16"]), "PixelSpacing") == (0.15, 0.16)
    assert header.numbers(received(DeviceSerialNumber=["inf", "0.16"]), "DeviceSerialNumber") == ()


def test_numbers_of_either_encoding() -> None:
    explicit = received()
    implicit = received(TransferSyntaxUID="1.2.840.10008.1.2")
    assert header.whole(explicit, "Rows") == header.whole(implicit, "Rows") == 8
    assert header.whole(implicit, "NoSuchKeyword") is None


def test_an_empty_dataset_is_a_patient_without_facts() -> None:
    patient = header.patient_of(Dataset())
    assert (patient.patient_id, patient.name, patient.birth_date, patient.sex, patient.age) == (None,) * 5


def test_own_objects_are_known_but_a_radiograph_never_is_one() -> None:
    sr = received(Manufacturer=MANUFACTURER, SOPClassUID="1.2.840.10008.5.1.4.1.1.88.33")
    assert header.is_own_object(sr)
    assert header.is_own_object(received(ManufacturerModelName=MODEL_NAME, SOPClassUID=factory.SECONDARY_CAPTURE))
    assert not header.is_own_object(received(Manufacturer=MANUFACTURER))
    assert not header.is_own_object(received(SOPClassUID=factory.SECONDARY_CAPTURE))


@given(value=st.binary(max_size=40))
def test_no_bytes_in_any_field_make_it_raise(value: bytes) -> None:
    dataset = received()
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "PatientAge", "StudyDate"):
        raw = dataset.get_item(keyword)
        dataset[keyword] = raw._replace(value=value)  # type: ignore[union-attr]
    dataset["SpecificCharacterSet"] = dataset.get_item("PatientID")._replace(  # type: ignore[union-attr]
        tag=pydicom.tag.Tag("SpecificCharacterSet"), VR="CS", value=value
    )
    header.patient_of(dataset)
    header.study_date(dataset)
