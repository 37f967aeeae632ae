"""The fixtures of the unit's tests: a world with the power on, for each election."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.device.world import BR, World, world


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    """A unit of the Venezuelan election, on and connected, with its hub."""
    with world(tmp_path) as made:
        yield made.power_on()


@pytest.fixture
def in_brazil(tmp_path: Path) -> Iterator[World]:
    """The same for an election whose actas have several QR codes."""
    with world(tmp_path, BR) as made:
        yield made.power_on()
