"""Films that are missing, cut, changed or there twice are named with file and row."""

import shutil
from pathlib import Path

import pydicom
import pytest
from laboratory.cohort_folders import edit, film, rows_of, set_cells, told
from pydicom.encaps import encapsulate
from pydicom.uid import RLELossless

from screening_node.laboratory.folder import check_cohort, open_cohort
from screening_node.laboratory.folder.problems import Kind


def test_a_missing_film(folder: Path) -> None:
    (folder / film(3)).unlink()
    assert told(folder, Kind.MISSING) == f"{film(3)}: there is no such file (named in dxa.csv row 5)"


def test_a_film_that_no_row_names_is_wrong_only_where_the_manifest_lists_it(folder: Path) -> None:
    edit(folder, lambda rows: rows.pop())
    assert told(folder, Kind.MANIFEST) == f"manifest.json: it lists {film(6)}, which no row of dxa.csv names"
    (folder / "manifest.json").unlink()
    checked = check_cohort(folder)
    assert checked.problems == ()
    assert any(note.startswith("1 files that dxa.csv does not name") and film(6) in note for note in checked.notes)


def copy_first_film(folder: Path) -> None:
    """The second film becomes the first, landmarks and all."""
    shutil.copy(folder / film(0), folder / film(1))
    points = {name: cell for name, cell in rows_of(folder / "landmarks.csv")[0].items() if name[-2:] in ("_x", "_y")}
    edit(folder, set_cells(1, points), "landmarks.csv")


def test_one_patient_under_two_ids_by_the_same_bytes(hospital: Path) -> None:
    copy_first_film(hospital)
    checked = check_cohort(hospital)
    kinds = {problem.kind for problem in checked.problems}
    assert kinds == {Kind.SAME_PATIENT}
    texts = [str(problem) for problem in checked.problems]
    assert texts[0] == f"dxa.csv row 3: {film(1)} is {film(0)} of row 2: the same bytes, under another patient_id"
    assert "PHANTOM-000060 " not in " ".join(texts)


def test_one_patient_under_two_ids_by_the_films_headers(hospital: Path) -> None:
    first, other = pydicom.dcmread(hospital / film(0)), pydicom.dcmread(hospital / film(4))
    for keyword in ("PatientID", "IssuerOfPatientID", "PatientBirthDate"):
        setattr(other, keyword, getattr(first, keyword))
    other.save_as(hospital / film(4))
    text = told(hospital, Kind.SAME_PATIENT, verify=False)
    assert text == f"dxa.csv row 6: {film(4)} and {film(0)} of row 2 have one DICOM identity, and two patient_ids"


def test_films_of_one_dummy_identity_are_no_one_patient(hospital: Path) -> None:
    for index in range(7):
        dataset = pydicom.dcmread(hospital / film(index))
        dataset.PatientID, dataset.PatientBirthDate = "ANONYMOUS", ""
        dataset.save_as(hospital / film(index))
    checked = check_cohort(hospital)
    assert checked.problems == ()
    assert any("share one DICOM identity" in note for note in checked.notes)
    assert "ANONYMOUS" not in " ".join(checked.notes)


def test_one_film_twice(hospital: Path) -> None:
    copy_first_film(hospital)
    edit(hospital, set_cells(1, {"patient_id": "PHANTOM-000060"}))
    assert told(hospital, Kind.SAME_FILM) == f"dxa.csv row 3: {film(1)} is {film(0)} of row 2: the same bytes"


def test_one_row_twice(folder: Path) -> None:
    edit(folder, lambda rows: rows.append(dict(rows[1])))
    assert told(folder, Kind.ROW_TWICE) == f"dxa.csv row 9: {film(1)} is row 3's film"


@pytest.mark.parametrize("keep", [0.3, 0.999])
def test_a_truncated_film(folder: Path, keep: float) -> None:
    path = folder / film(5)
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data))])
    text = told(folder, Kind.TRUNCATED, verify=False)
    assert text.startswith(f"{film(5)}: ")
    assert "bytes of pixel data are there (named in dxa.csv row 7)" in text


def test_a_film_cut_within_its_header(folder: Path) -> None:
    path = folder / film(5)
    path.write_bytes(path.read_bytes()[:700])
    assert "row 7" in told(folder, Kind.TRUNCATED, verify=False)


def test_a_truncated_compressed_film(hospital: Path) -> None:
    path = hospital / film(5)
    dataset = pydicom.dcmread(path)
    dataset.PixelData = encapsulate([b"\1\2" * 500])
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    dataset.file_meta.TransferSyntaxUID = RLELossless
    dataset.save_as(path)
    assert check_cohort(hospital).problems == ()
    path.write_bytes(path.read_bytes()[:-100])
    assert "compressed pixel data are cut short" in told(hospital, Kind.TRUNCATED)


def test_a_file_that_is_no_dicom(hospital: Path) -> None:
    (hospital / film(1)).write_text("a film, honestly" * 50)
    assert told(hospital, Kind.UNREADABLE) == f"{film(1)}: it is no DICOM file (named in dxa.csv row 3)"


def test_a_changed_film_is_seen_when_films_are_read_whole(folder: Path) -> None:
    path = folder / film(2)
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert (
        told(folder, Kind.CHANGED) == f"{film(2)}: its SHA-256 is not the one in manifest.json (named in dxa.csv row 4)"
    )
    assert len(open_cohort(folder, verify=False).films) == 7


@pytest.mark.parametrize("name", ["/etc/film.dcm", "../seven/films/PHANTOM-000060.dcm"])
def test_a_film_outside_the_folder(hospital: Path, name: str) -> None:
    edit(hospital, set_cells(0, {"film": name}))
    assert any(problem.kind == Kind.OUTSIDE and problem.row == 2 for problem in check_cohort(hospital).problems)
