"""Every bad input of a cohort folder is named with file and row; a good one is read as it was written."""

import csv
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import RLELossless

from screening_node.domain.result import LANDMARK_NAMES, Vertebra
from screening_node.domain.tscore import ReferenceRow, ReferenceTable
from screening_node.errors import Misconfigured
from screening_node.laboratory.folder import Checked, check_cohort, open_cohort
from screening_node.laboratory.folder.problems import Kind
from screening_node.phantom.cohort import draw_patient
from screening_node.phantom.cohort_folder import CohortOrder, write_cohort

ROWS = (
    ReferenceRow(sex="any", vertebra="L1", mean=1.00, sd=0.1),
    ReferenceRow(sex="any", vertebra="any", mean=1.05, sd=0.11),
)
REFERENCE = ReferenceTable(name="test", version="1", title="", maker="", population="", source="", rows=ROWS)
ORDER = CohortOrder(films=7, seed=60, size=256)
Row = dict[str, str]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohort") / "seven"
    list(write_cohort(ORDER, folder, reference=REFERENCE, processes=1))
    shutil.rmtree(folder / ".truth")
    return folder


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "seven"))


@pytest.fixture
def hospital(folder: Path) -> Path:
    """The same films without a manifest."""
    (folder / "manifest.json").unlink()
    return folder


def rows_of(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_rows(path: Path, rows: list[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def edit(folder: Path, change: Callable[[list[Row]], object], name: str = "dxa.csv") -> None:
    rows = rows_of(folder / name)
    change(rows)
    write_rows(folder / name, rows)


def set_cells(index: int, cells: Mapping[str, str]) -> Callable[[list[Row]], object]:
    return lambda rows: rows[index].update(cells)


def swap(one: str, other: str) -> Callable[[list[Row]], object]:
    def change(rows: list[Row]) -> None:
        for row in rows:
            row[one], row[other] = row[other], row[one]

    return change


def film(index: int) -> str:
    return f"films/PHANTOM-{60 + index:06d}.dcm"


def told(folder: Path, kind: Kind, **options: object) -> str:
    """The one problem there is, of that kind, in words."""
    checked: Checked = check_cohort(folder, **options)  # type: ignore[arg-type]
    assert [problem.kind for problem in checked.problems] == [kind], [str(one) for one in checked.problems]
    with pytest.raises(Misconfigured) as refused:
        open_cohort(folder, **options)  # type: ignore[arg-type]
    assert str(checked.problems[0]) in refused.value.message
    assert kind.fix in refused.value.fix
    return str(checked.problems[0])


def test_a_phantoms_cohort_is_read_as_it_was_written(written: Path) -> None:
    cohort = open_cohort(written, reference=REFERENCE)
    assert (cohort.name, cohort.generator, cohort.reference) == ("seven", "anatomical anatomical-2", "test 1")
    assert cohort.phantom
    assert cohort.bmd.shape == (7, 4)
    for one, seed in zip(cohort.films, ORDER.seeds, strict=True):
        patient = draw_patient(seed)
        assert (one.seed, one.sex, one.age) == (seed, patient.sex, patient.age)
        assert one.bmd.tolist() == pytest.approx([patient.bmd[vertebra] for vertebra in Vertebra], abs=1e-4)
        assert one.landmarks is not None
        assert one.landmarks.shape == (len(LANDMARK_NAMES), 2)
        assert one.equipment == "screening-node phantom anatomical-2"
        assert one.path.is_file()
    assert cohort.films[0].row == 2
    assert cohort.subset([2, 0]).patient_ids == ["PHANTOM-000062", "PHANTOM-000060"]


def test_a_hospitals_cohort_needs_films_and_dxa_alone(hospital: Path) -> None:
    (hospital / "landmarks.csv").unlink()

    def strip(rows: list[Row]) -> None:
        for row in rows:
            for name in ("bmi", "T_L1", "T_L2", "T_L3", "T_L4"):
                del row[name]
            row["scanner"] = "room 2"
        rows[0].update({"L3": "", "sex": "", "age": "61.0"})
        rows[1].update({"L1": "NA", "sex": "f", "age": ""})

    edit(hospital, strip)
    cohort = open_cohort(hospital)
    assert not cohort.phantom
    assert cohort.reference is None
    first, second = cohort.films[:2]
    assert (first.sex, first.age, first.bmi, first.landmarks, first.seed) == (None, 61, None, None, None)
    assert np.isnan(first.bmd).tolist() == [False, False, True, False]
    assert np.isnan(second.bmd).tolist() == [True, False, False, False]
    assert (second.sex, second.age, second.scanner) == ("F", None, "room 2")
    assert first.sha256 is not None  # of the file, which is read whole


def test_a_byte_order_mark_and_other_columns_are_taken(folder: Path) -> None:
    edit(folder, lambda rows: [row.update({"ward": "Nörd"}) for row in rows])
    path = folder / "dxa.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes() + b"\r\n,,\r\n")
    assert len(open_cohort(folder, verify=False).films) == 7


def test_a_missing_film(folder: Path) -> None:
    (folder / film(3)).unlink()
    assert told(folder, Kind.MISSING) == f"{film(3)}: there is no such file (named in dxa.csv row 5)"


def test_a_film_without_dxa(folder: Path) -> None:
    edit(folder, set_cells(2, {"L1": "", "L2": " ", "L3": "NA", "L4": "nan", "T_L1": ""}))
    assert told(folder, Kind.NO_DXA) == "dxa.csv row 4: L1 to L4 are all empty"


def test_a_film_that_no_row_names_is_wrong_only_where_the_manifest_lists_it(folder: Path) -> None:
    edit(folder, lambda rows: rows.pop())
    assert told(folder, Kind.MANIFEST) == f"manifest.json: it lists {film(6)}, which no row of dxa.csv names"
    (folder / "manifest.json").unlink()
    checked = check_cohort(folder)
    assert checked.problems == ()
    assert any(note.startswith("1 files that dxa.csv does not name") and film(6) in note for note in checked.notes)


def test_one_patient_under_two_ids_by_the_same_bytes(hospital: Path) -> None:
    shutil.copy(hospital / film(0), hospital / film(1))
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
    shutil.copy(hospital / film(0), hospital / film(1))
    edit(hospital, set_cells(1, {"patient_id": "PHANTOM-000060"}))
    assert told(hospital, Kind.SAME_FILM) == f"dxa.csv row 3: {film(1)} is {film(0)} of row 2: the same bytes"


def test_one_row_twice(folder: Path) -> None:
    edit(folder, lambda rows: rows.append(dict(rows[1])))
    assert told(folder, Kind.ROW_TWICE) == f"dxa.csv row 9: {film(1)} is row 3's film"


def test_bmd_and_t_score_swapped(folder: Path) -> None:
    edit(folder, swap("L2", "T_L2"))
    assert told(folder, Kind.SWAPPED) == "dxa.csv row 1: L2 and T_L2 are swapped"


def test_a_bmd_column_that_holds_t_scores(folder: Path) -> None:
    def change(rows: list[Row]) -> None:
        for row in rows:
            row["L1"] = row.pop("T_L1")

    edit(folder, change)
    assert "L1 holds T-scores" in told(folder, Kind.SWAPPED)


def test_age_and_bmi_swapped(folder: Path) -> None:
    edit(folder, swap("age", "bmi"))
    assert told(folder, Kind.SWAPPED).startswith("dxa.csv row 1: age and bmi are swapped")


def test_two_vertebrae_swapped_show_against_their_t_scores(folder: Path) -> None:
    # Seven films have too few of either sex for a line; the patients are enough.
    edit(folder, lambda rows: [row.update({"sex": "F"}) for row in rows])
    edit(folder, swap("L1", "L4"))
    assert told(folder, Kind.SWAPPED) == ("dxa.csv row 1: L1 and L4 are swapped: T_L1 belongs to the values of L4")


def test_bmd_in_mg(folder: Path) -> None:
    def change(rows: list[Row]) -> None:
        for row in rows:
            row.update({f"L{n}": f"{1000 * float(row[f'L{n}']):.0f}" for n in (1, 2, 3, 4)})

    edit(folder, change)
    checked = check_cohort(folder, reference=REFERENCE)
    assert [problem.row for problem in checked.problems if problem.kind == Kind.UNIT] == [2, 3, 4, 5, 6, 7, 8]
    assert {problem.kind for problem in checked.problems} == {Kind.UNIT}
    assert "L1, L2, L3, L4 in mg/cm2 (" in checked.problems[0].text


def test_t_scores_of_another_reference_say_by_how_much(folder: Path) -> None:
    rows = (ReferenceRow(sex="any", vertebra="any", mean=1.05, sd=0.11),)
    other = ReferenceTable(name="other", version="3", title="", maker="", population="", source="", rows=rows)
    text = told(folder, Kind.REFERENCE, reference=other)
    assert "the T-scores of 7 of 7 rows are not those of other 3: off by up to" in text
    assert "T_L1" in text
    assert text.endswith("the manifest names test 1")


def test_t_scores_within_rounding_are_the_tables(folder: Path) -> None:
    def change(rows: list[Row]) -> None:
        for row in rows:
            row.update({f"L{n}": f"{float(row[f'L{n}']):.2f}" for n in (1, 2, 3, 4)})
            row.update({f"T_L{n}": f"{float(row[f'T_L{n}']):.1f}" for n in (1, 2, 3, 4)})

    edit(folder, change)
    assert len(open_cohort(folder, reference=REFERENCE).films) == 7


def test_a_sex_that_the_reference_does_not_cover(folder: Path) -> None:
    rows = tuple(ReferenceRow(sex=sex, vertebra=r.vertebra, mean=r.mean, sd=r.sd) for r in ROWS for sex in "FM")
    by_sex = ReferenceTable(name="test", version="1", title="", maker="", population="", source="", rows=rows)
    edit(folder, set_cells(5, {"sex": ""}))
    text = told(folder, Kind.REFERENCE, reference=by_sex)
    assert text == "dxa.csv row 7: test 1 has no row for the sex unknown"


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


@pytest.mark.parametrize("cell", ["Ann Example", "1"])
def test_an_unknown_sex_is_not_quoted(folder: Path, cell: str) -> None:
    edit(folder, set_cells(0, {"sex": cell}))
    assert told(folder, Kind.VALUE) == "dxa.csv row 2: sex is none of F, M, O, and not empty"


@pytest.mark.parametrize(
    ("cells", "text"),
    [
        ({"age": "230"}, "age 230 is not within 0 to 120 years"),
        ({"age": "-4"}, "age -4 is not within 0 to 120 years"),
        ({"age": "sixty"}, "age is no number"),
        ({"bmi": "3"}, "bmi 3 is not within 8 to 100 kg/m2"),
        ({"L3": "0.02"}, "L3 0.02 is not within 0.2 to 2.2 g/cm2"),
        ({"L3": "0,91"}, "L3 is no number"),
        ({"T_L4": "-25"}, "T_L4 -25 is not within -10 to 10 SD"),
        ({"patient_id": ""}, "patient_id is empty"),
    ],
)
def test_impossible_values(folder: Path, cells: Mapping[str, str], text: str) -> None:
    edit(folder, set_cells(4, cells))
    assert told(folder, Kind.VALUE) == f"dxa.csv row 6: {text}"


@pytest.mark.parametrize("name", ["/etc/film.dcm", "../seven/films/PHANTOM-000060.dcm"])
def test_a_film_outside_the_folder(hospital: Path, name: str) -> None:
    edit(hospital, set_cells(0, {"film": name}))
    assert any(problem.kind == Kind.OUTSIDE and problem.row == 2 for problem in check_cohort(hospital).problems)


def test_landmarks_off_the_film(folder: Path) -> None:
    edit(folder, set_cells(1, {"c7_x": "900", "left_rib_3_y": "-400"}), "landmarks.csv")
    text = told(folder, Kind.LANDMARKS)
    assert text.startswith(f"landmarks.csv row 3: {film(1)}: left_rib_3, c7 lie off the film of ")


def test_landmarks_in_swapped_sides(folder: Path) -> None:
    for name in (name for name in LANDMARK_NAMES if name.startswith("left_")):
        for axis in "xy":
            edit(folder, swap(f"{name}_{axis}", f"right_{name[5:]}_{axis}"), "landmarks.csv")
    checked = check_cohort(folder)
    assert [problem.row for problem in checked.problems] == [2, 3, 4, 5, 6, 7, 8]
    assert all("left and right are swapped" in problem.text for problem in checked.problems)


def test_landmarks_with_x_and_y_swapped(folder: Path) -> None:
    for name in LANDMARK_NAMES:
        edit(folder, swap(f"{name}_x", f"{name}_y"), "landmarks.csv")
    assert any("x and y may be swapped" in problem.text for problem in check_cohort(folder).problems)


def test_half_a_landmark(folder: Path) -> None:
    edit(folder, set_cells(0, {"t12_x": ""}), "landmarks.csv")
    assert told(folder, Kind.LANDMARKS) == "landmarks.csv row 2: a point has x or y, but not both"


def test_films_without_landmarks_are_told_and_taken(folder: Path) -> None:
    edit(folder, lambda rows: rows.pop(0), "landmarks.csv")
    edit(folder, set_cells(0, {"c7_x": "", "c7_y": ""}), "landmarks.csv")
    checked = check_cohort(folder)
    assert checked.cohort is not None
    assert checked.cohort.films[0].landmarks is None
    second = checked.cohort.films[1].landmarks
    assert second is not None
    assert np.isnan(second[LANDMARK_NAMES.index("c7")]).all()
    assert checked.notes == ("landmarks.csv: 1 films of dxa.csv have no landmarks",)


def test_a_table_that_is_not_utf8(folder: Path) -> None:
    path = folder / "dxa.csv"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], lines[3].replace(b"PHANTOM", "PHÄNTOM".encode("latin-1")), *lines[4:]]))
    assert told(folder, Kind.TABLE) == "dxa.csv row 4: it is not UTF-8"


def test_missing_columns(folder: Path) -> None:
    edit(folder, lambda rows: [(row.pop("L3"), row.pop("sex")) for row in rows])
    assert told(folder, Kind.COLUMNS) == "dxa.csv row 1: there is no column sex, L3"


def test_semicolons(folder: Path) -> None:
    path = folder / "dxa.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(",", ";"), encoding="utf-8")
    assert told(folder, Kind.COLUMNS).endswith("its columns are separated by semicolons")


def test_a_row_of_another_length(folder: Path) -> None:
    path = folder / "dxa.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*lines[:4], lines[4] + ",7", *lines[5:]]), encoding="utf-8")
    assert told(folder, Kind.TABLE) == "dxa.csv row 5: 14 cells, and the heading has 13"


def test_a_cohort_that_was_not_finished(tmp_path: Path) -> None:
    run = write_cohort(ORDER, tmp_path, reference=REFERENCE, processes=1)
    assert [next(run), next(run)] == [0, 1]
    run.close()
    checked = check_cohort(tmp_path)
    assert [problem.kind for problem in checked.problems] == [Kind.UNFINISHED, Kind.TABLE]
    with pytest.raises(Misconfigured, match="goes on where it stopped"):
        open_cohort(tmp_path)


def test_a_manifest_of_something_else(folder: Path) -> None:
    data = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    (folder / "manifest.json").write_text(json.dumps({**data, "format_version": 9}), encoding="utf-8")
    assert told(folder, Kind.MANIFEST).startswith("manifest.json: it is no manifest of format")


def test_no_folder_and_no_table(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="is no folder"):
        open_cohort(tmp_path / "nowhere")
    assert told(tmp_path, Kind.TABLE) == "dxa.csv: there is no such file"


def test_all_is_told_at_once_each_kind_in_words_and_the_rest_counted(folder: Path) -> None:
    def change(rows: list[Row]) -> None:
        many = [dict(row, film=f"films/none-{n}.dcm", patient_id=f"none-{n}") for n in range(5) for row in rows]
        rows.extend(many)
        rows[0]["age"] = "999"
        rows[1].update({"L1": "", "L2": "", "L3": "", "L4": ""})

    edit(folder, change)
    (folder / film(2)).write_bytes((folder / film(2)).read_bytes()[:20_000])
    with pytest.raises(Misconfigured) as refused:
        open_cohort(folder)
    message, fix = refused.value.message, refused.value.fix
    for words in (
        "dxa.csv row 2: age 999",
        "dxa.csv row 3: L1 to L4 are all empty",
        f"{film(2)}: ",
        "films/none-0.dcm",
    ):
        assert words in message
    assert message.count("\n- ") == 21
    assert "x missing film" in message
    assert all(kind.fix in fix for kind in (Kind.VALUE, Kind.NO_DXA, Kind.MISSING, Kind.TRUNCATED))
