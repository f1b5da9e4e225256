import csv
import errno
import hashlib
import json
from pathlib import Path

import pydicom
import pytest
from builders import a_reference

from screening_node.domain.result import LANDMARK_NAMES, Vertebra
from screening_node.errors import DiskFull, Misconfigured, Permanent
from screening_node.phantom import cohort_folder
from screening_node.phantom.cohort import draw_patient
from screening_node.phantom.cohort_folder import CohortOrder, write_cohort

REFERENCE = a_reference()
ORDER = CohortOrder(films=3, seed=40, size=256)


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file() and ".truth" not in path.parts)
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohort") / "deep" / "there"
    assert list(write_cohort(ORDER, folder, reference=REFERENCE, processes=1)) == [0, 1, 2, 3]
    return folder


def test_the_tables_tell_the_truth_about_each_film(cohort: Path) -> None:
    with (cohort / "dxa.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["patient_id"] for row in rows] == ["PHANTOM-000040", "PHANTOM-000041", "PHANTOM-000042"]
    for seed, row in zip(ORDER.seeds, rows, strict=True):
        patient = draw_patient(seed)
        assert float(row["L1"]) == pytest.approx(patient.bmd[Vertebra.L1], abs=1e-4)
        assert float(row["T_L1"]) == pytest.approx((patient.bmd[Vertebra.L1] - 1.0) / 0.1, abs=0.01)
        assert (row["sex"], int(row["age"])) == (patient.sex, patient.age)
        assert pydicom.dcmread(cohort / row["film"]).PatientID == row["patient_id"]


def test_landmarks_have_a_column_for_each_coordinate(cohort: Path) -> None:
    with (cohort / "landmarks.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["film", *(f"{name}_{axis}" for name in LANDMARK_NAMES for axis in "xy")]
    film = pydicom.dcmread(cohort / rows[0]["film"])
    assert 0 < float(rows[0]["c7_x"]) < film.Columns
    assert 0 < float(rows[0]["t12_y"]) < film.Rows


def test_the_manifest_names_seeds_and_sums(cohort: Path) -> None:
    manifest = json.loads((cohort / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["complete"] is True
    assert manifest["generator_version"] == "anatomical-2"
    assert [film["seed"] for film in manifest["list"]] == [40, 41, 42]
    for film in manifest["list"]:
        assert hashlib.sha256((cohort / film["film"]).read_bytes()).hexdigest() == film["sha256"]


def test_a_run_cut_short_goes_on_to_the_same_bytes(cohort: Path, tmp_path: Path) -> None:
    run = write_cohort(ORDER, tmp_path, reference=REFERENCE, processes=1)
    assert [next(run), next(run)] == [0, 1]
    run.close()
    assert json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))["complete"] is False
    (tmp_path / "films" / "PHANTOM-000041.dcm.part").write_bytes(b"half a film")
    assert list(write_cohort(ORDER, tmp_path, reference=REFERENCE, processes=1)) == [1, 2, 3]
    assert contents(tmp_path) == contents(cohort)


def test_several_processes_write_the_same_bytes(cohort: Path, tmp_path: Path) -> None:
    assert list(write_cohort(ORDER, tmp_path, reference=REFERENCE, processes=2))[-1] == 3
    assert contents(tmp_path) == contents(cohort)


def test_another_cohort_is_not_written_over(cohort: Path) -> None:
    other = CohortOrder(films=3, seed=41, size=256)
    with pytest.raises(Misconfigured, match="Another cohort"):
        list(write_cohort(other, cohort, reference=REFERENCE, processes=1))


def test_a_manifest_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(Misconfigured, match="no cohort manifest"):
        list(write_cohort(ORDER, tmp_path, reference=REFERENCE, processes=1))


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(Permanent, match="cannot be written"):
        list(write_cohort(ORDER, tmp_path / "file" / "cohort", reference=REFERENCE, processes=1))


def test_a_full_disk_is_told_apart(tmp_path: Path) -> None:
    told = cohort_folder._translated(OSError(errno.ENOSPC, "No space left on device"), tmp_path)
    assert isinstance(told, DiskFull)
    assert "goes on where it stopped" in told.fix
