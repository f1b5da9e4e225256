"""UIDs that are none or differ, and SOP classes that nobody agreed on."""

import threading
from pathlib import Path

import pytest
from factory import CR, DX_PRESENTATION, make_dx, save
from integration import peers
from integration.modality import data_set_of, modality
from integration.nodes import RunningIntake
from pydicom.uid import generate_uid

from screening_node.delivery.sockets import ClosingEntity
from screening_node.intake.statuses import IntakeStatus as Status
from screening_node.store import tables


@pytest.mark.parametrize(
    "uid",
    [
        "../../../etc/passwd",
        "/etc/passwd",
        "1.2/../3",
        "1.2.3\n4",
        "1.2.3\x00.4",
        "C:\\films\\1",
        "1..2",
        ".1.2",
        "1.2.",
        "1.2.x",
        "",
        "1.2." + "3" * 70,
        "film",
    ],
)
def test_a_uid_that_is_none(intake: RunningIntake, uid: str) -> None:
    with modality(intake.port) as sender:
        status = sender.store(data_set_of(make_dx()), sop_instance_uid=uid)
        assert status == Status.INVALID_SOP_INSTANCE
        assert sender.store_dataset(make_dx()) == Status.SUCCESS, "the association lives on"
    assert intake.audited() == [("intake.refused", "INVALID_SOP_INSTANCE")]


def test_a_uid_with_a_path_in_the_data_set_only(intake: RunningIntake) -> None:
    film = make_dx(SOPInstanceUID="../../../etc/passwd")
    with modality(intake.port) as sender:
        assert sender.store(data_set_of(film), sop_instance_uid="1.2.3") == Status.DATA_SET_MISMATCH
    assert intake.kept() == {}


def test_a_study_uid_with_a_path(intake: RunningIntake) -> None:
    with modality(intake.port) as sender:
        assert sender.store_dataset(make_dx(StudyInstanceUID="../../x")) == Status.INVALID_STUDY_OR_SERIES
        assert sender.store_dataset(make_dx(StudyInstanceUID=None)) == Status.INVALID_STUDY_OR_SERIES
        assert sender.store_dataset(make_dx(SeriesInstanceUID="")) == Status.INVALID_STUDY_OR_SERIES


def test_a_uid_with_leading_zeros_as_old_modalities_write(intake: RunningIntake) -> None:
    uid = "1.2.392.0200036.09107.1"
    with modality(intake.port) as sender:
        assert sender.store_dataset(make_dx(SOPInstanceUID=uid), sop_instance_uid=uid) == Status.SUCCESS
    assert uid in intake.kept()


def test_uids_of_command_and_data_set_differ(intake: RunningIntake) -> None:
    film = make_dx()
    with modality(intake.port, [DX_PRESENTATION, CR]) as sender:
        assert sender.store_dataset(film, sop_instance_uid=generate_uid()) == Status.DATA_SET_MISMATCH
        assert sender.store_dataset(film, sop_class_uid=CR) == Status.DATA_SET_MISMATCH
    assert intake.kept() == {}


def test_the_same_uid_with_other_content(intake: RunningIntake) -> None:
    first = make_dx(seed=1)
    other = make_dx(seed=2, SOPInstanceUID=first.SOPInstanceUID)
    with modality(intake.port) as sender:
        assert sender.store_dataset(first) == Status.SUCCESS
        kept = intake.kept()
        assert sender.store_dataset(other) == Status.DUPLICATE_SOP_INSTANCE
        assert sender.store_dataset(first) == Status.SUCCESS, "the first is still a duplicate, not a conflict"
    assert intake.kept() == kept
    assert intake.jobs() == 1
    assert intake.audited() == [("intake.conflict", "DUPLICATE_SOP_INSTANCE")]


def test_the_same_uid_with_other_content_at_the_same_time(intake: RunningIntake) -> None:
    uid = generate_uid()
    statuses: list[int | None] = []

    def send(seed: int) -> None:
        with modality(intake.port) as sender:
            statuses.append(sender.store_dataset(make_dx(seed=seed, SOPInstanceUID=uid)))

    threads = [threading.Thread(target=send, args=(seed,)) for seed in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(status or 0 for status in statuses) == [Status.SUCCESS] + [Status.DUPLICATE_SOP_INSTANCE] * 4


def test_one_film_from_many_senders_at_the_same_time(intake: RunningIntake) -> None:
    film = make_dx()
    statuses: list[int | None] = []

    def send() -> None:
        with modality(intake.port) as sender:
            statuses.append(sender.store_dataset(film))

    threads = [threading.Thread(target=send) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [Status.SUCCESS] * 5
    assert len(intake.kept()) == intake.jobs() == 1


def test_an_unknown_sop_class_is_refused_at_negotiation(
    intake: RunningIntake, caplog: pytest.LogCaptureFixture
) -> None:
    entity = ClosingEntity()
    unknown = "1.2.826.0.1.3680043.9.9999.1"
    entity.add_requested_context(unknown)
    entity.add_requested_context(DX_PRESENTATION)
    association = entity.associate("127.0.0.1", intake.port)
    (refused,) = association.rejected_contexts
    association.release()
    assert (refused.abstract_syntax, refused.result) == (unknown, 3)  # PS3.8: abstract syntax not supported
    assert f"Refused presentation context {unknown}" in caplog.text


def test_storescu_with_an_unknown_sop_class(intake: RunningIntake, tmp_path: Path) -> None:
    film = save(make_dx(SOPClassUID="1.2.826.0.1.3680043.9.9999.1"), tmp_path / "film.dcm")
    assert peers.storescu(intake.port, film).returncode != 0
    assert intake.kept() == {}


def test_a_sop_class_other_than_negotiated(intake: RunningIntake) -> None:
    film = make_dx(SOPClassUID=CR)
    with modality(intake.port) as sender:
        assert sender.store_dataset(film, context_class_uid=DX_PRESENTATION) == Status.SOP_CLASS_NOT_SUPPORTED
    assert intake.kept() == {}
    assert intake.audited() == [("intake.refused", "SOP_CLASS_NOT_SUPPORTED")]


def test_the_reason_travels_with_the_answer(intake: RunningIntake) -> None:
    with modality(intake.port) as sender:
        sender.request(None, "No^Uid", DX_PRESENTATION, DX_PRESENTATION)
        answer = sender.wait_for_response()
    assert (answer.Status, answer.ErrorComment) == (
        Status.CANNOT_UNDERSTAND,
        "The request came without a data set.",
    )
    (row,) = intake.rows(tables.audit)
    assert (row.actor, row.subject) == ("CR1", "")
