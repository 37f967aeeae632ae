"""What all end-to-end tests share: worlds that are ended in the end, and a pile of sheets."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.network import Network, why_not
from tests.e2e.world import World, pile

MakeWorld = Callable[..., World]
SHEETS = 6


@pytest.fixture
def world(tmp_path: Path) -> Iterator[MakeWorld]:
    """Makes worlds: `world(units=2, broker_lines=[...])`."""
    made: list[World] = []

    def make(units: int = 1, broker_lines: tuple[str, ...] = (), **more: Any) -> World:
        made.append(World(tmp_path / f"world-{len(made)}", units, broker_lines, **more))
        return made[-1]

    yield make
    for each in made:
        each.end()


@pytest.fixture
def network(seed: int) -> Iterator[Network]:
    """A network without places; the weather in it is drawn from the run's seed."""
    if why_not():
        pytest.skip(why_not())
    with Network(seed) as made:
        yield made


@pytest.fixture(scope="session")
def sheets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of six photographs of different actas."""
    return pile(tmp_path_factory.mktemp("piles") / "pile", SHEETS, seed=7)
