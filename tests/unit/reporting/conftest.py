"""A film, and the report of one that alarms."""

from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from unit.reporting import cases, trees
from unit.reporting.reports import reporter


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return cases.film_file(tmp_path / "film.dcm")


@pytest.fixture
def alarm_report(film: Path) -> Dataset:
    return trees.parsed(reporter().report(film, cases.result(), cases.RAISED, cases.AT))
