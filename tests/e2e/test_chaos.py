"""Chaos between real programs: everything is killed, cut and delayed as chance has it, and then left in peace.

Which mishaps come, and when, is drawn from the run's seed (`TESTIGO_SEED`); how programs get on meanwhile is the
machine's affair, so a seed makes a failure likely again, and no more than that.
"""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sim.broker import Broker
from tests.e2e.conftest import MakeWorld
from tests.e2e.network import CALM, CUT, Network, Weather
from tests.e2e.world import SECONDS_MAX, Program, Site, World, wait_until

pytestmark = pytest.mark.e2e


def _killed_or_started(program: Program | Broker, name: str) -> str:
    """Kills a program, or starts it again; what happened."""
    if program.runs:
        program.kill()
        return f"{name} killed"
    program.start()
    return f"{name} started"


class Chaos:
    """Mishaps by the dozen.

    Args:
        world: where everything runs, in a network.
        network: that network.
        pile: what volunteers lay down whenever a unit starts.
        seed: draws the mishaps.
    """

    def __init__(self, world: World, network: Network, pile: Path, seed: int) -> None:
        self._world = world
        self._network = network
        self._pile = pile
        self._chance = random.Random(seed)
        self._mishaps: list[Callable[[], str]] = [
            self._unit_killed,
            self._hub_killed,
            self._broker_killed,
            self._weather,
            self._weather,
            self._reset,
            self._forgotten,
        ]

    def let_loose(self, mishaps: int) -> list[str]:
        """Lets that many mishaps happen, and ends them all; what happened."""
        happened = []
        for _ in range(mishaps):
            happened.append(self._chance.choice(self._mishaps)())
            print(happened[-1])
            time.sleep(self._chance.random())
        self._network.calm()
        for broker in self._world.brokers:
            if not broker.runs:
                broker.start()
        for site in self._world.sites:
            if not site.hub.runs:
                site.hub.start()
        return happened

    def _unit_killed(self) -> str:
        name = self._chance.choice(list(self._world.units))
        self._world.units[name].kill()
        self._world.power_on(self._pile, name)
        return f"{name} killed and started"

    def _hub_killed(self) -> str:
        site = self._site()
        return _killed_or_started(site.hub, site.name)

    def _broker_killed(self) -> str:
        site = self._site()
        return _killed_or_started(site.broker, f"broker of {site.name}")

    def _weather(self) -> str:
        chance = self._chance
        some, broker = self._ends()
        bad = Weather(chance.random() / 5, chance.random() / 5, chance.random() * 50, chance.random() * 50)
        there, back = chance.choice([(CUT, CUT), (CUT, CALM), (CALM, CUT), (bad, bad), (bad, CUT), (CALM, CALM)])
        self._network.set(there, self._world.places[some], self._world.places[broker], back)
        return f"{some} to {broker}: {there}, and back {back}"

    def _reset(self) -> str:
        some, broker = self._ends()
        count = self._network.reset(self._world.places[some], self._world.places[broker])
        return f"{some} to {broker}: {count} connections reset"

    def _forgotten(self) -> str:
        some, broker = self._ends()
        count = self._network.forget(self._world.places[some], self._world.places[broker])
        return f"{some} to {broker}: {count} connections forgotten"

    def _site(self) -> Site:
        return self._chance.choice(self._world.sites)

    def _ends(self) -> tuple[str, str]:
        """A unit or a hub, and a broker of its."""
        site = self._site()
        return self._chance.choice([*self._world.units, site.name]), site.broker.name


def custody_after_chaos(
    world: World, network: Network, pile: Path, seed: int, mishaps: int, *, healing: bool = False
) -> None:
    """Chaos breaks out and ends; the oracle is asked.

    Args:
        world: where.
        network: its network.
        pile: what volunteers lay down.
        seed: of the mishaps.
        mishaps: how many.
        healing: whether programs have to find out by themselves that all is well again; else they are started anew.
    """
    for broker in world.brokers:
        broker.start()
    for site in world.sites:
        site.hub.start()
    for name in world.units:
        world.power_on(pile, name)
    Chaos(world, network, pile, seed).let_loose(mishaps)
    if not healing:
        for program in (*world.units.values(), *(site.hub for site in world.sites)):
            program.kill()
        for site in world.sites:
            site.hub.start()
        for name in world.units:
            world.power_on(pile, name)
    seconds = 600 if healing else SECONDS_MAX
    for name in world.units:
        wait_until(lambda name=name: world.is_done(name), f"{name} keeps every sheet", seconds)  # type: ignore[misc]
        wait_until(lambda name=name: world.is_settled(name), f"{name} is receipted", seconds)  # type: ignore[misc]
    assert [unit.stop() for unit in world.units.values()] == [0] * len(world.units)
    world.assert_custody(pile)


def test_what_was_announced_is_at_every_hub_once_after_chaos(
    network: Network, world: MakeWorld, sheets: Path, seed: int
) -> None:
    custody_after_chaos(world(units=2, network=network, hubs=2, brokers=1), network, sheets, seed, mishaps=12)


@pytest.mark.hunt
@pytest.mark.parametrize("round_", range(10))
def test_chaos_again_and_again(network: Network, world: MakeWorld, sheets: Path, seed: int, round_: int) -> None:
    made = world(units=3, network=network, hubs=2)
    custody_after_chaos(made, network, sheets, seed + 1 + round_, mishaps=40, healing=True)
