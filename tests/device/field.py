"""The field: units where there is no network at all, a hub somewhere else, and sticks that somebody carries."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from device.signals import Signal
from hub import settings as hub_settings
from hub.intake import Intake
from hub.running import opened
from hub.stick import Import
from sim import deployment
from sim.body import SimStick
from sim.clock import DATE, SteppedClock
from sim.fleet import SimUnit
from sim.link import Exchange
from tests.device.world import VE, acta, picture

STICK_MS_MAX = 600_000
ENDS = (Signal.STICK_DONE, Signal.STICK_BAD)


@dataclass(slots=True)
class Field:
    """Units, a hub and sticks.

    Attributes:
        folder: where sticks are made.
        clock: the time of all.
        units: the power is on.
        deployed: where all settings are.
    """

    folder: Path
    clock: SteppedClock
    units: list[SimUnit]
    deployed: deployment.Deployment

    def stick(self, name: str = "stick") -> Path:
        """A stick of that name, empty at first."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return folder

    def scan(self, unit: SimUnit, *mesas: int) -> None:
        """Has a unit keep the actas of these mesas."""
        for mesa in mesas:
            assert unit.scan(picture(acta(mesa))) is Signal.KEPT

    def put_in(self, unit: SimUnit, stick: Path) -> SimStick:
        """Puts a stick into a unit, and leaves it in."""
        return unit.body.put_in(stick)

    def visit(self, unit: SimUnit, stick: Path) -> Signal:
        """Puts a stick in, waits until the unit says how that went, which is returned, and pulls it."""
        seen, put_in = len(unit.shown), self.put_in(unit, stick)
        ended = self.clock.run_until(lambda: any(each in unit.shown[seen:] for each in ENDS), STICK_MS_MAX)
        assert ended, f"the stick is still not done, only {unit.shown[seen:]}"
        put_in.pull()
        self.clock.run(1_000)
        return next(each for each in unit.shown[seen:] if each in ENDS)

    def imported(self, stick: Path) -> list[str]:
        """Takes a stick to the hub, which is started for it; what it says of it."""
        with self._hub() as hub:
            return list(Import(deployment.NAME, hub.ledger, hub.examiner, hub.register(), hub).run(stick))

    def waiting(self, unit: SimUnit) -> int:
        """How many records of a unit wait, for themselves or for their pictures."""
        return unit.unit.store.waiting_count(unit.settings.receipts)

    def mesas(self) -> set[str]:
        """The mesas of which the hub holds an acta."""
        with self._hub() as hub:
            return {mesa for mesa, *_ in hub.ledger.readings()}

    def _hub(self) -> AbstractContextManager[Intake]:
        settings = hub_settings.read(self.deployed.hub)
        return opened(settings, lambda: DATE + self.clock.ms() // 1000, lambda *_, **__: None)


def own(stick: Path, unit: SimUnit) -> Path:
    """A unit's folder on a stick."""
    return stick / "testigo" / deployment.NAME / unit.name


def logged(unit: SimUnit, event: Enum) -> list[str]:
    """A unit's log lines of an event."""
    word = f" event={event.name.lower().replace('_', '-')} "
    return [each for each in unit.log if word in f"{each} "]


@contextmanager
def field(folder: Path, units: int = 1) -> Iterator[Field]:
    """A field in a folder of its own."""
    deployed = deployment.make(folder / "trial", units, 1883, VE, "live")
    clock = SteppedClock()
    nowhere = Exchange(clock)
    nowhere.cut()
    there = [SimUnit(path, clock, [nowhere]) for path in deployed.units.values()]
    for unit in there:
        unit.power_on()
    clock.run(5_000)
    yield Field(folder, clock, there, deployed)
    for unit in there:
        if unit.is_on:
            unit.cut_power()
