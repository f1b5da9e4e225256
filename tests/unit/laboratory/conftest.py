from pathlib import Path

import pytest

from screening_node.laboratory.folder import Cohort, open_cohort
from screening_node.phantom.cohort_folder import CohortOrder, write_cohort
from screening_node.settings.tables import load_reference_table

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def small_cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Ten phantom films of 256 pixels."""
    folder = tmp_path_factory.mktemp("cohort")
    reference = load_reference_table(ROOT / "config" / "references" / "wang2022-implied.toml")
    order = CohortOrder(films=10, seed=500, size=256)
    list(write_cohort(order, folder, reference=reference, processes=1))
    return open_cohort(folder, reference=reference)
