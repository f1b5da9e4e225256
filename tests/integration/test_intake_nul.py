"""Text with NUL characters, which PostgreSQL refuses, must not keep a film out."""

from __future__ import annotations

import pytest
from factory import make_dx
from integration.modality import data_set_of, modality
from integration.nodes import IntakeRunner

from screening_node.intake.statuses import IntakeStatus as Status
from screening_node.store import tables


@pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)
def test_a_film_with_nuls_in_its_texts_is_kept(run_an_intake: IntakeRunner) -> None:
    texts = {"PatientName": "DOE@^JANE@@@", "PatientID": "FICTION@4711", "AccessionNumber": "A@2024"}
    film = make_dx(**texts)
    data = data_set_of(film)
    for text in texts.values():
        data = data.replace(text.encode(), text.replace("@", "\0").encode())
    with run_an_intake() as intake:
        with modality(intake.port) as sender:
            assert sender.store(data, sop_instance_uid=film.SOPInstanceUID) == Status.SUCCESS
        assert intake.kept()[film.SOPInstanceUID].endswith(data), "the bytes are kept as they came"
        (exam,) = intake.rows(tables.exams)
        assert (exam.patient_name, exam.patient_id, exam.accession_number) == ("DOE^JANE", "FICTION4711", "A2024")
