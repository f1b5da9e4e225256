"""A good cohort folder is read as it was written; of a bad one all is told at once."""

import json
from pathlib import Path

import numpy as np
import pytest
from laboratory.cohort_folders import ORDER, REFERENCE, Row, edit, film, told

from screening_node.domain.result import LANDMARK_NAMES, Vertebra
from screening_node.errors import Misconfigured
from screening_node.laboratory.folder import check_cohort, open_cohort
from screening_node.laboratory.folder.problems import Kind
from screening_node.phantom.cohort import draw_patient
from screening_node.phantom.cohort_folder import write_cohort


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
