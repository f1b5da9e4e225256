"""What a sender can get wrong, and what can be wrong with the node's own disk and database.

Each test ends by sending a good film: the node must still serve, and must hold nothing but what it acknowledged.
"""

from collections.abc import Iterator

import pytest
from integration.nodes import IntakeRunner, RunningIntake, assert_clean, assert_serves


@pytest.fixture
def intake(run_an_intake: IntakeRunner) -> Iterator[RunningIntake]:
    """A running intake; after the test a good film goes in, and nothing else lies about."""
    with run_an_intake() as node:
        yield node
        assert_serves(node)
        assert_clean(node)
