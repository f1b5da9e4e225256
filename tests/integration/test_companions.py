"""What stands beside the Structured Report: valid for the validators, stored by archives, read back equal."""

import io
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from factory import make_dx
from integration import peers
from integration.report_cases import CASES, Case
from integration.test_reports_in_pacs import saved, store
from integration.test_reports_validators import KNOWN_WARNINGS, said_by
from pydicom import dcmread
from unit.reporting import cases
from unit.reporting.companions import REPORTER, companion

from screening_node.domain.result import RefusalCode
from screening_node.reporting.kinds import SOP_CLASSES, Kind, Wanted
from screening_node.reporting.language import Language
from screening_node.reporting.reporter import Report

IODS = {
    Kind.GSPS: "GrayscaleSoftcopyPresentationState",
    Kind.SC: "SCImage",
    Kind.PDF: "EncapsulatedPDF",
    Kind.KO: "KeyObjectSelectionDocument",
}
#: What DCMTK does not check, or says of every object in UTF-8.
UNCHECKED = re.compile(r"Unrecognized|ISO_IR 192|Test passed|Testing:|^$")

#: DCMTK wants a patient's name, though PS3.3 C.7.1.1 lets it be empty, doubts a birth date to come, and takes bytes of
#: UTF-8 for control characters. What the film says is neither made up nor mended.
THE_FILMS_OWN = re.compile(
    r"patientName absent|Dubious date|does not conform|Attribute value  |Expected format|one or more errors"
    r"|Affected attribute: (PatientBirthDate|PatientName|StudyDescription) "
)


def of_interest(name: str, case: Case) -> bool:
    """The SR class is nothing to a companion; for the languages see ``test_languages.py``."""
    return " as " not in name and case.language is Language.ENGLISH


def made() -> Iterator[tuple[str, Kind, Case]]:
    """Every kind of object of every case; the header cases are the same film to a companion whatever the SR class."""
    for name, case in CASES.items():
        if of_interest(name, case):
            yield from ((name, kind, case) for kind in IODS)
    landmarks = replace(cases.refused(RefusalCode.HARDWARE), landmarks=cases.landmarks())
    yield "landmarks of a refused film", Kind.GSPS, Case(header={}, result=landmarks, alarm=cases.NOT_EVALUATED)


def object_of(kind: Kind, case: Case, folder: Path, **header: Any) -> Report | None:
    how = {"alarm": case.alarm, "revision": case.revision, "language": case.language}
    return companion(kind, folder, case.result, **how, **{**case.header, **header})


@dataclass(frozen=True)
class Made:
    name: str
    kind: Kind
    report: Report


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> list[Made]:
    folder = tmp_path_factory.mktemp("companions")
    found = []
    for number, (name, kind, case) in enumerate(made()):
        report = object_of(kind, case, folder, SOPInstanceUID=f"1.2.826.0.1.3680043.10.997.{number + 1}")
        if report is not None:
            found.append(Made(name=name, kind=kind, report=report))
    return found


def test_there_is_one_of_every_kind_and_none_without_a_reason(objects: list[Made]) -> None:
    names = {kind: {each.name for each in objects if each.kind is kind} for kind in IODS}
    assert "alarm" in names[Kind.KO]
    assert "no alarm" not in names[Kind.KO]
    assert {"alarm", "no alarm", "MONOCHROME1", "landmarks of a refused film"} <= names[Kind.GSPS]
    assert names[Kind.SC] == names[Kind.PDF] == {name for name, case in CASES.items() if of_interest(name, case)}


def test_dciodvfy_finds_no_error(objects: list[Made], tmp_path: Path) -> None:
    for each in objects:
        path = tmp_path / "object.dcm"
        path.write_bytes(each.report.data)
        done = said_by("dciodvfy", "dicom3tools", "-new", path)
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        assert [line for line in lines if not KNOWN_WARNINGS.search(line)] == [IODS[each.kind]], each.name
        assert done.returncode == 0


def test_dcmtk_checks_every_presentation_state(objects: list[Made], tmp_path: Path) -> None:
    for each in objects:
        if each.kind is not Kind.GSPS:
            continue
        path = tmp_path / "object.dcm"
        path.write_bytes(each.report.data)
        done = said_by("dcmpschk", "dcmtk", path)
        said = [line[3:] for line in (done.stdout + done.stderr).splitlines()]
        complaints = [line for line in said if not UNCHECKED.search(line)]
        assert [line for line in complaints if not THE_FILMS_OWN.search(line)] == [], each.name


def test_orthanc_and_storescp_give_them_back_as_they_were_sent(
    objects: list[Made], tmp_path: Path, orthanc: peers.Orthanc, storescp: peers.StoreScp
) -> None:
    files = [saved(each.report, tmp_path / f"{number}.dcm") for number, each in enumerate(objects)]
    store(files, orthanc.ae_title, orthanc.port)
    store(files, storescp.ae_title, storescp.port)
    kept = {str(read.SOPInstanceUID): read for read in map(dcmread, storescp.files())}
    for each in objects:
        sent = dcmread(io.BytesIO(each.report.data))
        assert dcmread(io.BytesIO(orthanc.file_of(each.report.sop_instance_uid))) == sent, each.name
        assert kept[each.report.sop_instance_uid] == sent, each.name


def test_dcmtk_takes_the_document_out_as_it_was_put_in(objects: list[Made], tmp_path: Path) -> None:
    (report,) = [each.report for each in objects if (each.name, each.kind) == ("alarm", Kind.PDF)]
    path, document = tmp_path / "object.dcm", tmp_path / "object.pdf"
    path.write_bytes(report.data)
    assert said_by("dcm2pdf", "dcmtk", path, document).returncode == 0
    read = dcmread(path)
    assert document.read_bytes().startswith(b"%PDF-")
    assert read.EncapsulatedDocument.startswith(document.read_bytes().rstrip(b"\0"))


def test_dcmtk_shows_the_page_as_it_was_drawn(objects: list[Made], tmp_path: Path) -> None:
    (report,) = [each.report for each in objects if (each.name, each.kind) == ("alarm", Kind.SC)]
    path, picture = tmp_path / "object.dcm", tmp_path / "object.ppm"
    path.write_bytes(report.data)
    assert said_by("dcmj2pnm", "dcmtk", "--write-raw-pnm", path, picture).returncode == 0
    read = dcmread(path)
    shown = picture.read_bytes()[-read.Rows * read.Columns * 3 :]
    assert shown == read.PixelData[: len(shown)]


# Where DCMTK sees what is drawn

DARK, BRIGHT = 200, 4000
TURNS = {"as it is": 0, "a quarter": 1, "on its head": 2}


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("flipped", [False, True], ids=["", "flipped"])
@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
def test_dcmtk_draws_the_corners_where_the_pathway_put_them(
    tmp_path: Path, photometric: str, turn: int, flipped: bool
) -> None:
    """A film with one bright dot on each corner; DCMTK shows the dots bright, at the coordinates that it reads."""
    dots = np.zeros((240, 180), dtype=np.uint16)
    corners = [(20, 30), (60, 30), (60, 90), (20, 90), (100, 120), (140, 120), (140, 200), (100, 200)]
    for x, y in corners:
        dots[y, x] = 1
    dots = np.rot90(dots, turn)
    dots = np.fliplr(dots) if flipped else dots
    found = [(float(x), float(y)) for y, x in np.argwhere(dots)]
    stored = np.where(dots == (photometric == "MONOCHROME2"), BRIGHT, DARK).astype(np.uint16)
    film, state, picture = tmp_path / "film.dcm", tmp_path / "state.dcm", tmp_path / "picture.pgm"
    rois = tuple(replace(cases.rois()[n], corners=tuple(found[4 * n : 4 * n + 4])) for n in range(2))
    report = _state_of(film, stored, photometric, rois)
    state.write_bytes(report.data)
    done = said_by("dcmp2pgm", "dcmtk", "-v", "-p", state, film, picture)
    assert done.returncode == 0, done.stderr
    pixels = _pgm(picture)
    drawn = _coordinates(done)
    assert [point for outline in drawn for point in outline[:-1]] == [(x + 0.5, y + 0.5) for x, y in found]
    assert {int(pixels[int(y), int(x)]) for outline in drawn for x, y in outline} == {255}
    assert np.count_nonzero(pixels) == len(corners), "bone stays bright, the rest dark"


def _state_of(film: Path, stored: Any, photometric: str, rois: Any) -> Report:
    """The presentation state of a film with these pixels, written to ``film``."""
    rows, columns = stored.shape
    window = {"WindowCenter": str((DARK + BRIGHT) / 2), "WindowWidth": str(BRIGHT - DARK)}
    dataset = make_dx(rows=rows, columns=columns, PhotometricInterpretation=photometric, **window)
    dataset.PixelData = stored.tobytes()
    dataset.save_as(film, enforce_file_format=True)
    result = replace(cases.result(), rois=rois, landmarks=())
    wanted = Wanted(kind=Kind.GSPS, sop_class_uid=SOP_CLASSES[Kind.GSPS])
    return REPORTER.reports(film, result, cases.RAISED, cases.AT, 1, [wanted])[wanted]


def _coordinates(done: subprocess.CompletedProcess[str]) -> list[list[tuple[float, float]]]:
    """What dcmp2pgm says that it read of each graphic."""
    lines = re.findall(r"coordinates: (.*)", done.stdout + done.stderr)
    return [[tuple(map(float, pair.split("\\"))) for pair in line.strip(" ,").split(", ")] for line in lines]  # type: ignore[misc]


def _pgm(path: Path) -> Any:
    """A binary PGM as (rows, columns)."""
    head, width, height, _, data = re.split(rb"\s+", path.read_bytes(), maxsplit=4)
    assert head == b"P5"
    return np.frombuffer(data, dtype=np.uint8).reshape(int(height), int(width))
