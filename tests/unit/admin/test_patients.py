"""One patient on request: everything forgotten, or handed over without the identity."""

from __future__ import annotations

import json
from pathlib import Path

import pydicom
import pytest
import sqlalchemy as sa
from builders import NOW, OPEN, a_patient, a_result, an_instance, an_outgoing
from unit.imaging.test_deidentify import a_film

from screening_node.admin import patients
from screening_node.admin.patients import Identity
from screening_node.errors import Misconfigured, NotFound, Permanent, StoreUnavailable
from screening_node.queue import queue
from screening_node.store import purge, records
from screening_node.store import tables as t
from screening_node.store.archive import Archive
from screening_node.store.session import Store
from screening_node.store.upkeep import faults

pytestmark = pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)
HER, HIS = Identity(patient_id="SECRET-HERS"), Identity(patient_id="SECRET-HIS")


def keep(store: Store, archive: Archive, uid: str, identity: Identity, *, age_s: float = 0.0) -> str:
    """A film of a patient in the archive, and its row; its path."""
    film = a_film()
    film.SOPInstanceUID, film.PatientID, film.PatientName = uid, identity.patient_id, "Nobody^Secret"
    film.file_meta.MediaStorageSOPClassUID, film.file_meta.MediaStorageSOPInstanceUID = film.SOPClassUID, uid
    temp = archive.spool()
    film.save_as(temp, enforce_file_format=True)
    content = temp.read_bytes()
    path = archive.keep(temp, uid)
    who = a_patient(patient_id=identity.patient_id, name="Nobody^Secret")
    with store.begin() as tx:
        records.record_instance(tx, an_instance(uid, content, path=path, patient=who))
    return path


def judge(store: Store, archive: Archive) -> str:
    """The next film is judged, its alarm opened, its report owed; the report's path."""
    (job,) = queue.claim(store, "me", 1, 60.0, now=NOW)
    report = archive.keep_report(b"report on Nobody^Secret", f"2.25.{job.id}")
    with store.begin() as tx:
        exam = records.exam(tx, job.exam_id)
        queue.complete(tx, job, now=NOW)
        owed = [an_outgoing(uid=f"2.25.{job.id}", path=report)]
        records.commit_result(tx, exam=exam, job_id=job.id, result=a_result(), alarm=OPEN, reports=owed, now=NOW)
    return report


@pytest.fixture
def files(store: Store, archive: Archive) -> dict[str, str]:
    """Two films of hers, one judged, and one of his, judged too."""
    found = {"hers": keep(store, archive, "1.2.1", HER)}
    found["report"] = judge(store, archive)
    found["his"] = keep(store, archive, "1.3.1", HIS)
    found["his report"] = judge(store, archive)
    found["hers too"] = keep(store, archive, "1.2.2", HER)
    return found


def forget(store: Store, archive: Archive, who: Identity = HER) -> tuple[dict[str, int], list[str]]:
    copies: list[str] = []
    return patients.forget(store, archive, who, actor="mia", forget_copy=copies.append), copies


def rows(store: Store) -> dict[str, int]:
    with store.read() as tx:
        count = sa.select(sa.func.count())
        return {table.name: tx.execute(count.select_from(table)).scalar_one() for table in t.metadata.sorted_tables}


def test_everything_of_the_patient_goes_and_nothing_else(store: Store, archive: Archive, files: dict[str, str]) -> None:
    before = rows(store)
    done, copies = forget(store, archive)
    assert {name: done[name] for name in ("instances", "exams", "jobs", "results", "alarms", "files")} == {
        "instances": 2, "exams": 2, "jobs": 2, "results": 1, "alarms": 1, "files": 3,
    }  # fmt: skip
    assert len(copies) == 2
    assert {name: archive.path(path).is_file() for name, path in files.items()} == {
        "hers": False, "report": False, "his": True, "his report": True, "hers too": False,
    }  # fmt: skip
    after = rows(store)
    assert {name: before[name] - number for name, number in after.items() if name != "audit"} == {
        name: done.get(name, 0) for name in after if name != "audit"
    }
    assert list(faults(store, archive)) == []
    with pytest.raises(NotFound):
        forget(store, archive)


def test_no_trace_of_the_identity_stays_on_the_disk(store: Store, archive: Archive, files: dict[str, str]) -> None:
    forget(store, archive, HIS)
    forget(store, archive)
    store.close()
    left = [path for path in archive.root.parent.rglob("*") if path.is_file()]
    assert left or store.file is None  # a server keeps its files elsewhere
    for path in left:
        assert b"Secret" not in path.read_bytes(), path
        assert b"SECRET-H" not in path.read_bytes(), path


def test_the_audit_says_that_and_not_of_whom(store: Store, archive: Archive, files: dict[str, str]) -> None:
    forget(store, archive)
    with store.read() as tx:
        row = tx.execute(sa.select(t.audit)).one()
    assert (row.actor, row.action, row.subject) == ("mia", "patient.purge", "a patient")
    assert row.detail["instances"] == 2
    assert "SECRET" not in json.dumps(row.detail)


def test_every_table_that_refers_to_a_patient_is_found(store: Store) -> None:
    found = {table.name for table in purge.rows_of("p")}
    assert found == {"patients", "exams", "instances", "jobs", "alarms", "results", "estimates", "outbox"}


def test_a_film_that_is_being_judged_makes_it_wait(store: Store, archive: Archive, files: dict[str, str]) -> None:
    queue.claim(store, "me", 1, 60.0, now=NOW)
    with pytest.raises(Permanent, match="being judged"):
        forget(store, archive)
    assert archive.path(files["hers"]).is_file()
    assert rows(store)["exams"] == 3


def test_a_store_that_fails_has_lost_nothing(
    store: Store, archive: Archive, files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        assert not archive.path(files["hers"]).is_file()
        raise StoreUnavailable("away")

    monkeypatch.setattr(patients, "audit", away)
    with pytest.raises(StoreUnavailable):
        forget(store, archive)
    assert all(archive.path(path).is_file() for path in files.values())
    assert list(faults(store, archive)) == []


def test_files_without_a_row_that_name_the_patient_go_too(
    store: Store, archive: Archive, files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stray = keep(store, archive, "1.9", HER)
    other = keep(store, archive, "1.8", HIS)
    with store.begin() as tx:
        for uid in ("1.9", "1.8"):
            exam = sa.select(t.instances.c.exam_id).where(t.instances.c.sop_instance_uid == uid)
            number = tx.execute(exam).scalar_one()
            tx.execute(t.jobs.delete().where(t.jobs.c.exam_id == number))
            tx.execute(t.instances.delete().where(t.instances.c.exam_id == number))
    monkeypatch.setattr(patients, "orphans", lambda store, archive: iter([stray, other]))  # as if an hour had passed
    forget(store, archive)
    assert not archive.path(stray).exists()
    assert archive.path(other).is_file()


def test_a_film_that_comes_meanwhile_is_a_new_beginning(store: Store, archive: Archive, files: dict[str, str]) -> None:
    forget(store, archive)
    keep(store, archive, "1.2.1", HER)
    assert patients.holdings(store, HER)["instances"] == 1


def test_films_without_an_id_are_found_by_their_study(store: Store, archive: Archive) -> None:
    keep(store, archive, "1.5", Identity(study_instance_uid="1.5.1"))
    assert patients.holdings(store, Identity(study_instance_uid="1.5.1"))["instances"] == 1
    with pytest.raises(NotFound):
        patients.holdings(store, Identity(study_instance_uid="1.5.2"))


def test_an_export_holds_every_film_and_result_and_no_identity(
    store: Store, archive: Archive, files: dict[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert patients.export(store, archive, HER, out, actor="mia") == {"films": 2, "missing": 0}
    manifest = json.loads((out / "manifest.json").read_text())
    judged, waiting = manifest["films"]
    assert judged["result"]["category"] == "osteoporosis"
    assert judged["result"]["limits_of_use"] == "Not for clinical use."
    assert len(judged["result"]["findings"]) == 4
    assert waiting["result"] is None
    written = [pydicom.dcmread(out / film["file"]) for film in (judged, waiting)]
    assert [film.SOPInstanceUID for film in written] == [judged["SOPInstanceUID"], waiting["SOPInstanceUID"]]
    assert all(film.SOPInstanceUID.startswith("2.25.") for film in written)
    assert len({film.PatientID for film in written}) == len({film.StudyInstanceUID for film in written}) == 1
    for path in out.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0
        if path.is_file():
            for trace in (b"Secret", b"SECRET-HERS", b"Zyxwvu", b"19110203"):
                assert trace not in path.read_bytes(), (path, trace)
    with store.read() as tx:
        row = tx.execute(sa.select(t.audit)).one()
    assert (row.action, row.detail) == ("patient.export", {"films": 2, "profile": "basic"})


def test_films_that_are_gone_are_listed_as_such(
    store: Store, archive: Archive, files: dict[str, str], tmp_path: Path
) -> None:
    with store.begin() as tx:
        tx.execute(t.instances.update().where(t.instances.c.path == files["hers"]).values(removed_at=NOW))
    archive.path(files["hers too"]).write_bytes(b"damaged")
    assert patients.export(store, archive, HER, tmp_path / "out", actor="mia") == {"films": 0, "missing": 2}
    told = json.loads((tmp_path / "out" / "manifest.json").read_text())["films"]
    assert [film["missing"] for film in told] == [
        "removed by the rule of retention",
        "A film cannot be read: its header is damaged.",
    ]


def test_a_folder_with_other_things_is_left_alone(
    store: Store, archive: Archive, files: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(Misconfigured, match="other things"):
        patients.export(store, archive, HER, tmp_path / "mine", actor="mia")


def test_an_identity_is_not_shown(store: Store) -> None:
    assert "SECRET" not in repr(HER)
