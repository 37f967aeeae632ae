"""The storm: a whole fleet, each unit with something waiting, when its broker comes back after a restart."""

import resource
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from hub.ledger import Outcome
from hub.running import opened
from hub.settings import read
from sim import deployment
from sim.body import Seen
from sim.clock import SteppedClock
from sim.fleet import SimUnit
from sim.hunt import PROFILE, acta, picture_of
from sim.link import Exchange
from wire.errors import TestigoError

WAKE_MS = 1_000
SETTLED_MS_MAX = 1_800_000
AWAY_MS = 20_000
"""How long the broker is away: a restart, with its queues read in again."""


@dataclass(frozen=True, slots=True)
class Storm:
    """How a storm went.

    Attributes:
        units: how many.
        settled_seconds: from the broker's return until the last record was receipted with its picture.
        handshakes_max: the most connections that were made in one second.
        megabytes: the most memory that the program needed.
    """

    units: int
    settled_seconds: float
    handshakes_max: int
    megabytes: int


def storm(units: int, seed: int, folder: Path, tell: Callable[[str], object] = lambda _what: None) -> Storm:
    """All units connect; the broker ends; each keeps a record; the broker comes back, and they all want to go on.

    Args:
        units: how many.
        seed: of their chance.
        folder: for their cards, some 200 KB each; emptied in the end.
        tell: told how far it is.

    Raises:
        TestigoError: not all was receipted in half an hour.
    """
    clock, seen = SteppedClock(), Seen()
    with tempfile.TemporaryDirectory(dir=folder, prefix="testigo-storm-") as made, ExitStack() as stack:
        deployed = deployment.make(Path(made) / "trial", units, 1883, PROFILE, seed=seed)
        intake = stack.enter_context(opened(read(deployed.hub), clock.seconds, lambda *_, **__: None))
        exchange = Exchange(clock, intake.take)
        fleet = [
            SimUnit(path, clock, [exchange], seed + number, wake_ms=WAKE_MS, seen=seen, in_one_thread=True)
            for number, path in enumerate(deployed.units.values())
        ]
        for unit in fleet:
            stack.callback(unit.cut_power)
            unit.power_on()
        tell(f"{units} units are on")
        if not clock.run_until(lambda: exchange.connections == units, SETTLED_MS_MAX):
            raise TestigoError(f"only {exchange.connections} of {units} units connect")
        tell(f"all are connected after {clock.ms() / 1000:.0f} s")
        exchange.cut()
        clock.run(1_000)
        sheet = picture_of(acta(1, differing=False))
        for unit in fleet:
            unit.body.camera.lay(sheet, "image/png")
            unit.body.press()
        clock.run(AWAY_MS - 1_000)
        tell("each has kept a record while the broker is away")
        exchange.handshakes.clear()
        exchange.mend()
        began, left = clock.ms(), list(fleet)
        while left:
            clock.run(1_000)
            left = [unit for unit in left if unit.unit.store.waiting_count(1)]
            if clock.ms() > began + SETTLED_MS_MAX:
                raise TestigoError(f"{len(left)} of {units} units still wait after {SETTLED_MS_MAX // 60_000} minutes")
        held = len(intake.ledger.records(Outcome.ACTA))
        if held != units:
            raise TestigoError(f"the hub holds {held} records of {units} units: each was to keep one")
        most = max(exchange.handshakes.values())
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        return Storm(units, (clock.ms() - began) / 1000, most, memory)
