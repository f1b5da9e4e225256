"""A destination that asks for everything gets everything, in a real PACS, valid, in the film's study."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pydicom
from acceptance.node import another_film, dciodvfy, running_node
from integration import peers

from screening_node.reporting.kinds import COMPREHENSIVE_SR, SERIES, Kind

EVERYTHING = {
    "SCREENING_NODE__DESTINATIONS__0__OBJECTS": json.dumps([kind.value for kind in Kind]),
    "SCREENING_NODE__DESTINATIONS__0__SR": "comprehensive",
    "SCREENING_NODE__REPORTS__SENTENCE": "Our own words: T {t_score} ({vertebra}).",
}


def test_a_film_and_all_that_is_said_of_it(films: Mapping[str, Path], orthanc: peers.Orthanc, tmp_path: Path) -> None:
    sent = {name: another_film(films[name], tmp_path) for name in ("dense", "thin", "lateral")}
    with running_node(tmp_path / "node", ("orthanc", orthanc.ae_title, orthanc.port), **EVERYTHING) as node:
        assert peers.storescu(node.port, *sent.values()).returncode == 0
        node.settle(3)
        assert node.rows("select destination, kind, error from outbox where state != 'delivered'") == []
        assert node.terminate() == 0

    made = [pydicom.dcmread(io.BytesIO(orthanc.file_of(uid))) for uid in orthanc.sop_instance_uids()]
    studies = {name: pydicom.dcmread(path, stop_before_pixels=True).StudyInstanceUID for name, path in sent.items()}
    kinds = {
        name: Counter(kind_of(one) for one in made if one.StudyInstanceUID == uid) for name, uid in studies.items()
    }
    assert kinds["thin"] == Counter(Kind)
    assert kinds["dense"] == Counter(kind for kind in Kind if kind is not Kind.KO)
    assert kinds["lateral"] == Counter([Kind.SR, Kind.SC, Kind.PDF])
    for one in made:
        if one.StudyInstanceUID in studies.values():
            assert dciodvfy(orthanc.file_of(one.SOPInstanceUID), tmp_path) == []
    (report,) = [one for one in made if one.StudyInstanceUID == studies["thin"] and kind_of(one) is Kind.SR]
    assert report.SOPClassUID == COMPREHENSIVE_SR
    assert "Our own words: T -" in report.to_json()


def kind_of(dataset: pydicom.Dataset) -> Kind:
    return next(kind for kind, series in SERIES.items() if series.modality == dataset.Modality)
