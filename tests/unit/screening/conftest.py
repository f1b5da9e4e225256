"""The bench on which exams are judged."""

from __future__ import annotations

import pytest
from screening_bench import Bench

from screening_node.store.archive import Archive
from screening_node.store.session import Store


@pytest.fixture
def bench(store: Store, archive: Archive) -> Bench:
    return Bench(store, archive)
