from __future__ import annotations

import subprocess
import sys

import factory
import pytest
from pydicom.dataset import Dataset

from screening_node.errors import UnreadableObject
from screening_node.pathways import registry


def test_a_film_is_an_exam_of_its_own() -> None:
    dataset = factory.make_dx(rows=8, columns=8)
    key = registry.route(dataset)
    assert (key.pathway, key.key, key.complete) == ("chest_film", dataset.SOPInstanceUID, True)
    assert key.pathway in registry.PATHWAY_NAMES


def test_what_has_no_uid_has_no_exam() -> None:
    with pytest.raises(UnreadableObject, match="SOP Instance UID"):
        registry.route(Dataset())


@pytest.mark.parametrize("module", ["pathways.registry", "pathways.chest_film.admission", "imaging.header"])
def test_intake_can_load_it_without_torch(module: str) -> None:
    code = f"import sys, screening_node.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
