"""The page: what stands on it, in both colours, whatever the film and the patient's name."""

import dataclasses
import io
from pathlib import Path
from typing import Any

import numpy as np
import pypdfium2
import pytest
from factory import make_dx
from pydicom import dcmread
from unit.reporting import cases
from unit.reporting.companions import REPORTER, companion, decision

from screening_node.domain.alarm import NO_LONGER_RAISED, AlarmStatus, after
from screening_node.domain.result import RefusalCode, ScreeningResult
from screening_node.reporting import arabic, page, typeface, wording
from screening_node.reporting.kinds import SOP_CLASSES, Kind, Wanted


def pages(tmp_path: Path, result: ScreeningResult, **header: Any) -> list[str]:
    """The text of the PDF's pages, as a reader finds it."""
    report = companion(Kind.PDF, tmp_path, result, **header)
    assert report is not None
    dataset = dcmread(io.BytesIO(report.data))
    pdf = pypdfium2.PdfDocument(dataset.EncapsulatedDocument[: dataset.EncapsulatedDocumentLength])
    texts = []
    for sheet in pdf:
        text = sheet.get_textpage()
        texts.append(" ".join(text.get_text_range().split()))
        text.close()
        sheet.close()
    pdf.close()
    return texts


def test_an_alarm_says_what_matters_first(tmp_path: Path) -> None:
    first, second = pages(tmp_path, cases.result())
    assert "Bone density ALARM" in first
    assert "Lowest estimated T-score –2.61 at L2. DXA suggested." in first
    for words in (
        "RESEARCH USE",
        "NOT FOR DIAGNOSTIC USE",
        "Doe, Jane",
        "P-1",
        "born 1950-01-02",
        "BELOW",
        "not below",
    ):
        assert words in first
    for finding in cases.result().findings:
        assert f"{finding.bmd:.3f} g/cm² (SD {finding.sd:.3f})" in first
    assert "not a confidence interval" in first
    assert "Trained on synthetic films only" in first
    assert "no fracture, no lung, no heart" in first
    for words in (cases.MODEL.weights_sha256, "GE Lunar", "Only a DXA measures", "not a confidence interval"):
        assert words in second.replace(" ", "") or words in second


def test_no_alarm_never_says_that_all_is_well(tmp_path: Path) -> None:
    first, second = pages(tmp_path, cases.normal())
    assert "No bone density alarm" in first
    assert "A single film cannot exclude low bone density." in first
    for words in ("healthy", "no osteoporosis", "excluded"):
        assert words not in (first + second).casefold()


@pytest.mark.parametrize("code", [code for code in RefusalCode if code.concerns_chest_films])
def test_a_refusal_says_why_and_no_number(tmp_path: Path, code: RefusalCode) -> None:
    first, _ = pages(tmp_path, cases.refused(code))
    assert "Bone density NOT EVALUATED" in first
    assert code.value in first
    assert "says nothing about the patient's bone density" in first
    assert "g/cm²" not in first


@pytest.mark.parametrize("result", [cases.normal(), cases.refused(RefusalCode.EXPOSURE)])
def test_an_alarm_that_is_no_longer_raised_is_said_in_words(tmp_path: Path, result: ScreeningResult) -> None:
    revised = after(AlarmStatus.RAISED, decision(result))
    first, _ = pages(tmp_path, result, alarm=revised, revision=2)
    assert NO_LONGER_RAISED in first.replace("\ufffe", "-")
    assert "revision 2, replaces the one before" in first
    said = wording.comment(result, revised, cases.TABLE, (), 2)
    assert NO_LONGER_RAISED in said


def test_vertebrae_that_were_not_judged_are_named(tmp_path: Path) -> None:
    some = dataclasses.replace(cases.result(), findings=cases.result().findings[:2])
    assert "L3, L4 were not judged." in pages(tmp_path, some)[0]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Doe^Jane^Mary", "Doe, Jane Mary"),
        ("Wang^XiaoDong=王^小东", "Wang, XiaoDong 王 小东"),
        ("Hong^Gildong=洪^吉洞=홍^길동", "Hong, Gildong 洪 吉洞 홍 길동"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada, Tarou 山田 太郎 やまだ たろう"),
        ("Люксембург^Александр", "Люксембург Александр"),
        ("Nguyễn^Văn", "Nguyễn, Văn"),
    ],
)
def test_names_are_read_as_they_are_written(tmp_path: Path, value: str, shown: str) -> None:
    text = pages(tmp_path, cases.normal(), SpecificCharacterSet="ISO_IR 192", PatientName=value)[0]
    assert shown in text


def test_a_name_that_is_missing_is_not_made_up(tmp_path: Path) -> None:
    first, _ = pages(tmp_path, cases.normal(), PatientName=None, PatientID=None, PatientBirthDate=None, StudyDate=None)
    assert "(no name in the film) F no patient ID Chest film accession A1" in first


def test_arabic_letters_are_joined_and_stand_from_right_to_left() -> None:
    assert arabic.joined("محمد") == "ﻣﺤﻤﺪ"
    assert arabic.visual("محمد") == "ﺪﻤﺤﻣ"
    assert arabic.joined("سلام") == "ﺳﻼﻡ", "lam and alef are one"
    (run,) = typeface.runs("محمد")
    assert run[0] == "NotoSansArabic-Regular"


def test_every_script_has_a_font_and_what_has_none_is_marked() -> None:
    for text in ("Jérôme", "Ёлка", "Ώρα", "王小东", "たろう", "홍길동", "لنزار", "שלום", "สมชาย"):
        assert "[U+" not in "".join(piece for _, piece in typeface.runs(text)), text
    assert typeface.runs("\U0001f600") == [(typeface.REGULAR, "[U+1F600]")]


def test_a_rare_ideograph_in_a_name_is_shown_by_its_number(tmp_path: Path) -> None:
    """Beyond the BMP, where the bundled fonts end: said so that it can be looked up, never another letter."""
    name = "Yoshida^Tarou=\U00020bb7田^太郎"
    first, _ = pages(tmp_path, cases.normal(), SpecificCharacterSet="ISO_IR 192", PatientName=name)
    assert "[U+20BB7]田 太郎" in first


def test_a_text_that_is_too_long_is_cut_visibly() -> None:
    pieces = typeface.fitted("Thorax " * 40, typeface.REGULAR, 9, 200)
    assert typeface.width(pieces, 9) <= 200
    assert pieces[-1][1].endswith("…")


def test_long_limits_of_use_are_not_cut(tmp_path: Path) -> None:
    limits = " ".join(f"Sentence {number} of a site's own long limits of use." for number in range(12))
    model = dataclasses.replace(cases.MODEL, limits_of_use=limits)
    first, _ = pages(tmp_path, dataclasses.replace(cases.result(), model=model))
    assert limits in first


def test_extreme_numbers_stay_on_the_page(tmp_path: Path) -> None:
    findings = tuple(
        dataclasses.replace(finding, t_score=t_score, bmd=bmd, sd=sd)
        for finding, (t_score, bmd, sd) in zip(
            cases.result().findings,
            [
                (-40.0, -3.0, 9.0),
                (30.0, 5.0, 0.0),
                (float("nan"), float("nan"), float("nan")),
                (-2.0, 0.8, float("inf")),
            ],
            strict=True,
        )
    )
    first, _ = pages(tmp_path, dataclasses.replace(cases.result(), findings=findings))
    assert "failed" in first
    assert "–40.00" in first


# The picture


def captured(film: Path, result: ScreeningResult) -> Any:
    wanted = Wanted(kind=Kind.SC, sop_class_uid=SOP_CLASSES[Kind.SC])
    report = REPORTER.reports(film, result, decision(result), cases.AT, 1, [wanted])[wanted]
    return dcmread(io.BytesIO(report.data))


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_the_capture_shows_the_film_with_bone_bright(tmp_path: Path, photometric: str) -> None:
    film = tmp_path / "film.dcm"
    dataset = make_dx(rows=330, columns=300, PhotometricInterpretation=photometric)
    bone = np.zeros((330, 300), dtype=np.uint16)
    bone[100:200, 100:200] = 4000
    dataset.PixelData = (bone if photometric == "MONOCHROME2" else 4000 - bone).tobytes()
    dataset.save_as(film, enforce_file_format=True)
    shown = captured(film, cases.result(geometry=False))
    pixels = np.frombuffer(shown.PixelData, np.uint8)[: shown.Rows * shown.Columns * 3].reshape(shown.Rows, -1, 3)
    left = pixels[200:695, 42:492].astype(int)
    assert left[247, 225].min() > 230
    assert left[20, 225].max() < 30
    assert pixels[20, 20, 0] > 150, "the alarm's band is red"
    assert pixels[20, 20, 2] < 100
    assert pixels[-4, 4].max() < 40, "a reading room is dark"


def test_what_the_capture_is(tmp_path: Path) -> None:
    film = cases.film_file(tmp_path / "film.dcm")
    shown = captured(film, cases.result())
    assert list(shown.ImageType) == ["DERIVED", "SECONDARY"]
    assert (shown.Modality, shown.BurnedInAnnotation, shown.SeriesNumber) == ("OT", "YES", 9003)
    assert shown.SourceImageSequence[0].ReferencedSOPInstanceUID == cases.header().SOPInstanceUID
    assert "NOT FOR DIAGNOSTIC USE" in shown.SeriesDescription


def test_a_film_that_is_decoded_already_is_not_decoded_again(tmp_path: Path) -> None:
    film = cases.film_file(tmp_path / "film.dcm")  # without pixels: what is shown can only be what is given
    wanted = Wanted(kind=Kind.SC, sop_class_uid=SOP_CLASSES[Kind.SC])
    given = np.full((330, 300), 200, dtype=np.uint8)
    reports = REPORTER.reports(film, cases.result(), cases.RAISED, cases.AT, 1, [wanted], lambda: given)
    shown = dcmread(io.BytesIO(reports[wanted].data))
    pixels = np.frombuffer(shown.PixelData, np.uint8)[: shown.Rows * shown.Columns * 3].reshape(shown.Rows, -1, 3)
    assert abs(int(np.median(pixels[200:695, 42:492])) - 200) <= 2


def test_a_film_that_cannot_be_decoded_leaves_the_picture_out(tmp_path: Path) -> None:
    first, _ = pages(tmp_path, cases.refused(RefusalCode.PIXELS_UNREADABLE))
    assert "No picture to show" in first


def test_twice_the_same_is_the_same_to_the_byte(tmp_path: Path) -> None:
    for kind in (Kind.SC, Kind.PDF, Kind.GSPS, Kind.KO):
        one, two = (companion(kind, tmp_path, cases.result()) for _ in range(2))
        assert one is not None
        assert one == two
        other = companion(kind, tmp_path, cases.result((-2.5, -2.6, -1.2, -0.4)))
        assert other is not None
        assert other.sop_instance_uid != one.sop_instance_uid


def test_the_layout_is_one_in_light_and_dark() -> None:
    assert {field.name for field in dataclasses.fields(page.LIGHT)} == {
        field.name for field in dataclasses.fields(page.DARK)
    }
    assert page.LIGHT.paper != page.DARK.paper
