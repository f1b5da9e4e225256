"""A film that comes again under its UID with another header: taken as a correction where the picture is the same."""

from __future__ import annotations

import threading

import sqlalchemy as sa
from factory import make_dx
from integration.modality import modality
from integration.nodes import RunningIntake
from pydicom.dataset import Dataset

from screening_node.intake.statuses import IntakeStatus as Status
from screening_node.store import tables as t


def again(film: Dataset, **changes: object) -> Dataset:
    """The same instance, its header changed."""
    uids = ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
    return make_dx(seed=1, **{**{uid: film[uid].value for uid in uids}, **changes})


def exam(intake: RunningIntake) -> sa.Row[tuple[object, ...]]:
    with intake.store.read() as tx:
        return tx.execute(sa.select(t.exams)).one()


def test_a_corrected_patient_takes_the_films_place(intake: RunningIntake) -> None:
    film = make_dx(seed=1)
    right = again(film, PatientID="RIGHT-1", PatientName="Right^Person", PatientSex="M", AccessionNumber="ACC-2")
    with modality(intake.port) as sender:
        assert sender.store_dataset(film) == Status.SUCCESS
        before = exam(intake)
        assert sender.store_dataset(right) == Status.SUCCESS
        assert sender.store_dataset(right) == Status.SUCCESS, "the correction again is a duplicate"
    after = exam(intake)
    assert (after.patient_id, after.sex, after.accession_number) == ("RIGHT-1", "M", "ACC-2")
    assert after.patient_key != before.patient_key
    assert after.corrected_at is not None
    assert before.corrected_at is None
    with intake.store.read() as tx:
        (row,) = tx.execute(sa.select(t.audit).where(t.audit.c.action == "film.corrected")).all()
    assert "RIGHT" not in str(row)
    kept = intake.kept()
    assert list(kept) == [str(film.SOPInstanceUID)]
    assert intake.jobs() == 1, "it was not judged yet: once is enough"


def test_other_pixels_or_another_study_are_no_correction(intake: RunningIntake) -> None:
    film = make_dx(seed=1)
    others = [
        make_dx(seed=2, SOPInstanceUID=film.SOPInstanceUID, StudyInstanceUID=film.StudyInstanceUID),
        again(film, StudyInstanceUID="1.2.826.0.1.3680043.10.999.77"),
        again(film, BitsStored=11, HighBit=10),
        again(film, PhotometricInterpretation="MONOCHROME1"),
    ]
    with modality(intake.port) as sender:
        assert sender.store_dataset(film) == Status.SUCCESS
        before = exam(intake)
        for other in others:
            assert sender.store_dataset(other) == Status.DUPLICATE_SOP_INSTANCE
    assert exam(intake) == before
    assert {name for _, name in intake.audited()} == {"DUPLICATE_SOP_INSTANCE"}


def test_one_correction_from_many_senders_at_once_is_kept(intake: RunningIntake) -> None:
    film = make_dx(seed=1)
    right = again(film, PatientID="RIGHT-1")
    statuses: list[int | None] = []

    def send() -> None:
        with modality(intake.port) as sender:
            statuses.append(sender.store_dataset(right))

    with modality(intake.port) as sender:
        assert sender.store_dataset(film) == Status.SUCCESS
    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Status.SUCCESS in statuses
    assert set(statuses) <= {Status.SUCCESS, Status.DUPLICATE_SOP_INSTANCE}
    assert exam(intake).patient_id == "RIGHT-1"
    with intake.store.read() as tx:
        (path,) = tx.execute(sa.select(t.instances.c.path)).scalars()
    assert intake.archive.path(path).is_file(), "no sender takes another's file away"
