"""Films that the whole node is tried with: rendered once, by the project's own generator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from integration import peers

from screening_node.phantom.dicom_film import write_film

SHARED = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """A dense, a thin and a lateral film, small enough to send by the dozen."""
    folder = tmp_path_factory.mktemp("films")
    kinds = {
        "dense": {"seed": 101, "bmd_shift": 2.5},
        "thin": {"seed": 102, "bmd_shift": -3.5},
        "lateral": {"seed": 103, "kind": "lateral"},
    }
    for name, wanted in kinds.items():
        write_film(path=folder / f"{name}.dcm", size=1024, **wanted)
    return {name: folder / f"{name}.dcm" for name in kinds}


@pytest.fixture(scope="session")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[peers.Orthanc]:
    """One Orthanc for all of these tests; they tell their objects apart by UID."""
    with peers.orthanc(tmp_path_factory.mktemp("orthanc")) as running:
        yield running


@pytest.fixture(scope="session")
def real_films() -> Path:
    """The folder of real films beside the project; the project itself contains only synthetic ones."""
    if SHARED.is_dir():
        return SHARED
    message = (
        f"The real films are not there ({SHARED.name}/ of the shared folder beside the checkout). "
        "Everything else is tested on synthetic films; to run these too, put the shared folder beside the checkout."
    )
    pytest.skip(message)
