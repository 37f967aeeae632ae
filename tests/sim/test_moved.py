"""The moved hub, a fleet of it: however units are told, all are receipted by it again within five minutes."""

from pathlib import Path

import pytest

from sim.moved import Way, moved

SECONDS_MAX = 300


@pytest.mark.parametrize("way", Way)
@pytest.mark.parametrize("units", [4, pytest.param(500, marks=pytest.mark.hunt)])
def test_all_units_of_a_hub_that_moved_are_receipted_by_it_within_five_minutes(
    tmp_path: Path, way: Way, units: int
) -> None:
    found = moved(units, way, seed=1, folder=tmp_path)
    assert (found.units, found.way) == (units, way)
    assert 0 < found.half_seconds <= found.all_seconds < SECONDS_MAX
