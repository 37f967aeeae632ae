"""The demo without a broker: the same firmware and the same hub in one program, on the simulator's link and clock."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from enum import Enum
from itertools import zip_longest
from pathlib import Path

from rich.console import Console

from hub.running import opened
from hub.settings import read
from sim.clock import SteppedClock
from sim.fleet import UNREAD, SimUnit
from sim.link import Exchange
from wire.errors import TestigoError
from wire.log import line

SETTLED_MS_MAX = 600_000


def carry_in_process(hub: Path, units: Mapping[str, Path], piles: Sequence[Sequence[Path]], console: Console) -> None:
    """Lays down every unit's pile, cuts the link for a third of it, and waits until all is receipted.

    Args:
        hub: the hub's settings file.
        units: the units' settings files, by name.
        piles: for each unit the pictures it is given.
        console: where to tell how it goes.

    Raises:
        TestigoError: something was not receipted in ten simulated minutes.
    """
    clock = SteppedClock()
    with ExitStack() as stack:
        log = stack.enter_context((hub.parent / "log").open("w"))

        def write(event: Enum, **facts: str | float) -> None:
            log.write(line(event, clock.seconds(), facts) + "\n")

        intake = stack.enter_context(opened(read(hub), clock.seconds, write))
        exchange = Exchange(clock, intake.take)
        fleet = [SimUnit(path, clock, [exchange], seed) for seed, path in enumerate(units.values())]
        for unit in fleet:
            unit.power_on()
        rounds = list(zip_longest(*piles))
        for number, sheets in enumerate(rounds):
            if number == len(rounds) // 3:
                exchange.cut()
                console.print("link: cut, the units go on")
            if number == 2 * len(rounds) // 3:
                exchange.mend()
                console.print("link: back")
            for unit, sheet in zip(fleet, sheets, strict=True):
                if sheet is not None and unit.scan(sheet.read_bytes()) in UNREAD:
                    unit.scan(sheet.read_bytes())
            waiting = [unit.unit.store.waiting_count(1) for unit in fleet]
            console.print(
                f"sheet {number + 1} of {len(rounds)} laid down at every unit; waiting on the cards: {waiting}"
            )
        settled = clock.run_until(lambda: all(unit.unit.store.waiting_count(1) == 0 for unit in fleet), SETTLED_MS_MAX)
        for unit, path in zip(fleet, units.values(), strict=True):
            (path.parent / "log").write_text("\n".join(unit.log) + "\n")
            unit.cut_power()
    if not settled:
        raise TestigoError(f"not everything was receipted in ten simulated minutes: see the logs beside {hub.parent}")
