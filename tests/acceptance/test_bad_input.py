"""Bad films through the whole node: each ends in a clear coded outcome, and the node goes on serving."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from acceptance.node import Node, another_film, dciodvfy, dsrdump, running_node
from integration import peers
from pydicom.dataset import Dataset

JUDGED = "judged"


def _one_bit(film: Dataset) -> None:
    film.BitsAllocated, film.BitsStored, film.HighBit = 1, 1, 0
    film.PixelData = bytes(film.Rows * film.Columns // 8 + 1)


def _multi_frame(film: Dataset) -> None:
    film.NumberOfFrames = 2
    film.PixelData = film.PixelData * 2


def _colour(film: Dataset) -> None:
    film.SamplesPerPixel, film.PhotometricInterpretation, film.PlanarConfiguration = 3, "RGB", 0
    film.BitsAllocated, film.BitsStored, film.HighBit = 8, 8, 7
    film.PixelData = bytes(film.Rows * film.Columns * 3)
    film["PixelData"].VR = "OB"


def _float_pixels(film: Dataset) -> None:
    film.BitsAllocated = 32
    film.FloatPixelData = np.zeros(film.Rows * film.Columns, np.float32).tobytes()
    for keyword in ("PixelData", "BitsStored", "HighBit", "PixelRepresentation"):
        delattr(film, keyword)


def _huge(film: Dataset) -> None:
    film.Rows = film.Columns = 30000
    film.PixelData = film.PixelData[:1000]


def _cut(film: Dataset) -> None:
    film.PixelData = film.PixelData[: len(film.PixelData) // 3 // 2 * 2]


def _set(**values: Any) -> Callable[[Dataset], None]:
    def change(film: Dataset) -> None:
        for keyword, value in values.items():
            if value is None:
                film.pop(keyword, None)
            else:
                setattr(film, keyword, value)

    return change


def _named(charset: str, name: str) -> Callable[[Dataset], None]:
    return _set(SpecificCharacterSet=charset, PatientName=name)


CASES: Mapping[str, tuple[Callable[[Dataset], None], str]] = {
    "no pixel data": (_set(PixelData=None), "no-pixels"),
    "empty pixel data": (_set(PixelData=b""), "no-pixels"),
    "cut pixel data": (_cut, "pixels-unreadable"),
    "1 bit": (_one_bit, "pixel-format"),
    "multi-frame": (_multi_frame, "pixel-format"),
    "colour": (_colour, "pixel-format"),
    "float pixels": (_float_pixels, "pixel-format"),
    "wrong photometric interpretation": (_set(PhotometricInterpretation="PALETTE COLOR"), "pixel-format"),
    "no spacing": (_set(PixelSpacing=None, ImagerPixelSpacing=None), "spacing-unknown"),
    "spacing of nothing": (_set(PixelSpacing=[0, 0], ImagerPixelSpacing=[0, 0]), "spacing-unknown"),
    "spacing of metres": (_set(PixelSpacing=[4000, 4000], ImagerPixelSpacing=[4000, 4000]), "spacing-unknown"),
    "30000 x 30000": (_huge, "too-large"),
    "lateral by its tag": (_set(ViewPosition="LL", ViewCodeSequence=None), "not-frontal"),
    "a hand by its tag": (_set(BodyPartExamined="HAND"), "not-chest"),
    "no age": (_set(PatientAge=None, PatientBirthDate=None), "age-unknown"),
    "a child": (_set(PatientAge="007Y", PatientBirthDate=None), "age-out-of-range"),
    "birth date in the future": (_set(PatientAge=None, PatientBirthDate="20990101"), "age-unknown"),
    "burned-in annotation": (_set(BurnedInAnnotation="YES"), "burned-in-annotation"),
    "empty view position": (_set(ViewPosition=""), JUDGED),
    "no patient ID": (_set(PatientID=None), JUDGED),
    "no sex": (_set(PatientSex=""), JUDGED),
    "name in GB18030": (_named("GB18030", "王^小东"), JUDGED),
    "name in Shift-JIS": (_named("ISO_IR 13", "ﾔﾏﾀﾞ^ﾀﾛｳ"), JUDGED),
    "name in Latin-1": (_named("ISO_IR 100", "Äneas^Rüdiger"), JUDGED),
}


@pytest.fixture(scope="module")
def node_with_pacs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Node, peers.StoreScp]]:
    folder = tmp_path_factory.mktemp("bad")
    with (
        peers.storescp(folder / "pacs", "+xa") as pacs,
        running_node(folder / "node", ("pacs", pacs.ae_title, pacs.port)) as node,
    ):
        yield node, pacs


@pytest.mark.parametrize("case", CASES)
def test_each_bad_film_has_a_coded_outcome(
    case: str, films: Mapping[str, Path], node_with_pacs: tuple[Node, peers.StoreScp], tmp_path: Path
) -> None:
    change, expected = CASES[case]
    node, pacs = node_with_pacs
    path = another_film(films["dense"], tmp_path)
    film = pydicom.dcmread(path)
    change(film)
    film.save_as(path, enforce_file_format=True)
    before = node.one("select count(*) from exams")

    sent = node.cli("send", path, "--to", f"NODE@127.0.0.1:{node.port}")
    assert sent.returncode == 0, sent.stderr
    node.settle(before + 1)

    results = node.rows(
        "select r.refusal_code, r.refusal_text, o.sop_instance_uid from results r join exams e on e.id = r.exam_id "
        "join instances i on i.exam_id = e.id left join outbox o on o.result_id = r.id where i.sop_instance_uid = ?",
        film.SOPInstanceUID,
    )
    assert len(results) == 1, "judged once"
    code, text, report_uid = results[0]
    assert (code or JUDGED) == expected, text
    if report_uid is not None:
        (report,) = [file.read_bytes() for file in pacs.files() if report_uid in file.name]
        assert dciodvfy(report, tmp_path) == []
        if code is not None:
            assert text[:20] in dsrdump(report, tmp_path).replace("\n", " ")
    assert peers.echoscu(node.port, "-aec", "NODE").returncode == 0, "still serving"


def test_files_that_are_no_dicom(films: Mapping[str, Path], tmp_path: Path) -> None:
    good = another_film(films["thin"], tmp_path)
    (tmp_path / "empty.dcm").write_bytes(b"")
    (tmp_path / "cut.dcm").write_bytes(good.read_bytes()[:200])
    (tmp_path / "magic.dcm").write_bytes(b"\x00" * 128 + b"MCID" + good.read_bytes()[132:])
    files = [tmp_path / name for name in ("empty.dcm", "cut.dcm", "magic.dcm", "missing.dcm")]
    done = _screen(*files, good, "--json", "--out", tmp_path / "reports")
    assert done.returncode == 1
    listed = json.loads(done.stdout)
    assert [one["error"] is not None for one in listed] == [True, True, True, True, False]
    assert all(one["error"]["text"] for one in listed[:4])
    judged = listed[4]
    assert judged["refusal"] is None
    assert [one["vertebra"] for one in judged["estimates"]] == ["L1", "L2", "L3", "L4"]
    assert judged["alarm"] is True
    assert len(judged["landmarks"]) == 16
    reports = list((tmp_path / "reports").glob("*.dcm"))
    assert len(reports) == 1
    assert dciodvfy(reports[0].read_bytes(), tmp_path) == []


def test_a_refused_film_is_a_result(films: Mapping[str, Path]) -> None:
    done = _screen(films["lateral"], "--json")
    assert done.returncode == 0, done.stderr
    (one,) = json.loads(done.stdout)
    assert one["refusal"]["code"] == "not-frontal"
    assert one["estimates"] == []
    assert one["alarm"] is None


def _screen(*arguments: str | Path) -> Any:
    import subprocess

    command = [sys.executable, "-m", "screening_node", "screen", *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
