"""A bad network between real programs: whatever it does, what was announced is in the hub once, and whole, in the end.

Every unit, broker and hub has a place of its own in `tests.e2e.network`; what is lost and cut are real datagrams.
"""

from pathlib import Path

import pytest

from tests.e2e.conftest import SHEETS, MakeWorld
from tests.e2e.network import CALM, CUT, Network, Place, Weather
from tests.e2e.world import SECONDS_MAX, World, wait_until

pytestmark = pytest.mark.e2e

BAD = Weather(loss=0.05, repeats=0.1, delay_ms=20, jitter_ms=30)
"""A mobile network at the edge of its cell: with more lost, TCP itself stands still for most of the time."""


def started(made: World, sheets: Path) -> World:
    """A world in which everything runs, and something was receipted."""
    for site in made.sites:
        site.broker.start()
        site.hub.start()
    for name in made.units:
        made.power_on(sheets, name)
    wait_until(lambda: made.receipted() > 0, "something is receipted")
    return made


def ends(world: World, name: str = "") -> tuple[Place, Place]:
    """Where a unit or hub is, and the broker."""
    return world.places[name or world.name], world.places["broker"]


def assert_settles(world: World, sheets: Path, seconds: float = SECONDS_MAX) -> None:
    """All sheets are kept and receipted, and hubs hold just what cards hold."""
    for name in world.units:
        wait_until(lambda name=name: world.kept(name) >= SHEETS, f"{name} keeps every sheet", seconds)  # type: ignore[misc]
        wait_until(lambda name=name: world.is_settled(name), f"{name} is receipted", seconds)  # type: ignore[misc]
    assert [unit.stop() for unit in world.units.values()] == [0] * len(world.units)
    world.assert_custody(sheets)


def test_a_network_that_loses_repeats_and_delays(network: Network, world: MakeWorld, sheets: Path) -> None:
    here = world(units=2, network=network)
    for name in (*here.units, "hub-a"):
        network.set(BAD, *ends(here, name))
    started(here, sheets)
    assert_settles(here, sheets)


def test_partitions_that_heal(network: Network, world: MakeWorld, sheets: Path) -> None:
    here = started(world(units=3, network=network), sheets)
    for name, (there, back) in zip(here.units, [(CUT, CUT), (CUT, CALM), (CALM, CUT)], strict=True):
        network.set(there, *ends(here, name), back)
    for name in here.units:
        wait_until(lambda name=name: here.kept(name) == SHEETS, "the volunteer notices nothing")  # type: ignore[misc]
    assert any(here.receipted(name) < SHEETS for name in here.units), "nobody was cut off"
    network.calm()
    assert_settles(here, sheets)


def test_connections_reset_again_and_again(network: Network, world: MakeWorld, sheets: Path) -> None:
    here = started(world(network=network), sheets)
    for count in range(1, 4):
        wait_until(lambda: network.reset(*ends(here)) > 0, "the unit is connected")
        wait_until(lambda: network.reset(*ends(here, "hub-a")) > 0, "the hub is connected")
        wait_until(lambda count=count: len(here.unit.events("link-down")) >= count, "the unit noticed")  # type: ignore[misc]
    assert_settles(here, sheets)


def test_a_unit_or_a_broker_vanishes_and_the_other_end_does_not_know(
    network: Network, world: MakeWorld, sheets: Path
) -> None:
    here = started(world(units=2, network=network), sheets)
    network.set(CUT, *ends(here))
    here.unit.kill()  # the kernel's word that its connection is over is lost too
    network.calm()
    here.power_on(sheets)
    wait_until(lambda: len(here.unit.events("link-up")) == 2, "the broker takes it for the same unit")
    for name in (*here.units, "hub-a"):
        network.set(CUT, *ends(here, name))
    here.broker.kill()
    here.broker.start()
    for name in here.units:
        wait_until(lambda name=name: here.kept(name) >= SHEETS, "every sheet is kept")  # type: ignore[misc]
    network.calm()
    assert_settles(here, sheets)


@pytest.mark.hunt
@pytest.mark.parametrize("name", ["", "hub-a"], ids=["the unit's", "the hub's"])
def test_a_router_that_forgets_a_connection(network: Network, world: MakeWorld, sheets: Path, name: str) -> None:
    here = started(world(network=network), sheets)
    assert network.forget(*ends(here, name)) > 0
    assert_settles(here, sheets, seconds=300)
