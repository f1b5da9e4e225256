"""A small cohort, once with a manifest and once without."""

import shutil
from pathlib import Path

import pytest
from laboratory.cohort_folders import ORDER, REFERENCE

from screening_node.phantom.cohort_folder import write_cohort


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohort") / "seven"
    list(write_cohort(ORDER, folder, reference=REFERENCE, processes=1))
    shutil.rmtree(folder / ".truth")
    return folder


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "seven"))


@pytest.fixture
def hospital(folder: Path) -> Path:
    """The same films without a manifest."""
    (folder / "manifest.json").unlink()
    return folder
