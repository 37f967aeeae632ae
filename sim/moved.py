"""The moved hub: a whole fleet with something waiting, whose first hub has gone to another address for good."""

import random
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path

from hub import moving, notices
from hub.ledger import Outcome
from hub.running import opened
from hub.settings import read
from sim import deployment
from sim.body import Seen
from sim.clock import DATE, SteppedClock
from sim.fleet import SimUnit
from sim.hunt import PROFILE, acta, picture_of
from sim.link import Exchange
from wire.errors import TestigoError

WAKE_MS = 1_000
CONNECTED_MS_MAX = 1_800_000
SETTLED_MS_MAX = 3_600_000
AWAY_MS = 180_000
"""How long the hub is on its way, and nobody knows where it is."""

HANDS_MS = 60_000
"""Within that all volunteers show the card, or put the stick in that they were brought."""

PORTS = (1883, 1884)
NEW_PORT = 1993


class Way(Enum):
    """How units are told."""

    NOTICE = "notice"
    CARD = "card"
    STICK = "stick"


@dataclass(frozen=True, slots=True)
class Moved:
    """How it went.

    Attributes:
        units: how many.
        way: how they were told.
        half_seconds, all_seconds: from the first word of it until half the units, and the last one, had the receipts of
            the hub that moved for all that they hold, pictures too.
        handshakes_max: the most connections that were made there in one second.
    """

    units: int
    way: Way
    half_seconds: float
    all_seconds: float
    handshakes_max: int


def moved(units: int, way: Way, seed: int, folder: Path, tell: Callable[[str], object] = lambda _what: None) -> Moved:
    """All connect to the first of two hubs; it goes away, each keeps a record, and it is at another address.

    Args:
        units: how many.
        way: how they are told.
        seed: of their chance.
        folder: for their cards, some 200 KB each; emptied in the end.
        tell: told how far it is.

    Raises:
        TestigoError: not all was receipted by both hubs in an hour.
    """
    clock, seen, chance = SteppedClock(), Seen(), random.Random(seed)
    with tempfile.TemporaryDirectory(dir=folder, prefix="testigo-moved-") as made, ExitStack() as stack:
        deployed = deployment.make(
            Path(made) / "trial", units, PORTS[0], PROFILE, seed=seed, hubs=2, ports=PORTS[1:], receipts=2
        )
        settings = [read(path) for path in deployed.hubs]
        hubs = [
            stack.enter_context(opened(each, lambda: DATE + clock.ms() // 1000, lambda *_, **__: None))
            for each in settings
        ]
        old, other = (Exchange(clock, hub.take) for hub in hubs)
        new = Exchange(clock, hubs[0].take)
        fleet = [
            SimUnit(path, clock, [old, other], seed + number, wake_ms=WAKE_MS, seen=seen, in_one_thread=True)
            for number, path in enumerate(deployed.units.values())
        ]
        for unit in fleet:
            unit.places["127.0.0.1", NEW_PORT] = new
            stack.callback(unit.cut_power)
            unit.power_on()
        if not clock.run_until(lambda: old.connections == units, CONNECTED_MS_MAX):
            raise TestigoError(f"only {old.connections} of {units} units connect")
        old.cut()
        sheet = picture_of(acta(1, differing=False))
        for unit in fleet:
            unit.body.camera.lay(sheet, "image/png")
            unit.body.press()
        clock.run(AWAY_MS)
        tell(f"{units} units have kept a record, and {other.connections} of them are at the other hub")
        moving.move(settings[0], [f"127.0.0.1:{NEW_PORT}"], DATE)
        stick = Path(made) / "stick"
        *_, file = moving.hand_out(settings[0], stick)
        began = clock.ms()
        if way is Way.NOTICE:
            notices.keep(settings[1].notices, notices.read(file), settings[1].deployment, settings[1].hubs)
        else:
            card = picture_of(file.read_bytes().decode("latin-1"))
            for unit in fleet:
                clock.after(chance.randrange(HANDS_MS), partial(_hand, unit, way, card, stick))
        half, left = 0.0, fleet
        while left:
            clock.run(1_000)
            other.answer(hubs[1].news())
            left = [unit for unit in left if unit.unit.store.waiting_count(2)]
            half = half or (clock.ms() - began) / 1000 * (len(left) <= units // 2)
            if clock.ms() > began + SETTLED_MS_MAX:
                raise TestigoError(f"{len(left)} of {units} units still wait after {SETTLED_MS_MAX // 60_000} minutes")
        if {len(hub.ledger.records(Outcome.ACTA)) for hub in hubs} != {units}:
            raise TestigoError(f"the hubs hold other than {units} records: each unit was to keep one")
        return Moved(units, way, half, (clock.ms() - began) / 1000, max(new.handshakes.values()))


def _hand(unit: SimUnit, way: Way, card: bytes, stick: Path) -> None:
    if way is Way.STICK:
        unit.body.put_in(stick)
    else:
        unit.body.camera.lay(card, "image/png")
        unit.body.press()
