"""The fleet: units that run the real firmware on simulated bodies, any number of them on one stepped clock."""

from enum import Enum
from pathlib import Path
from queue import SimpleQueue
from random import Random

from device.keys import signer_from
from device.ports import BodyEvent
from device.scan import AGAIN
from device.settings import Settings, read
from device.signals import Signal
from device.unit import WAKE_MS, Unit
from sim.body import SimBody, SimReader, make
from sim.clock import SteppedClock
from sim.link import Exchange
from wire.log import line


class SimUnit:
    """A unit, and the power switch, the tray and the button that a person has.

    Args:
        path: its settings file.
        clock: the time of all.
        exchange: what its link connects to.
        seed: of all its chance.

    Attributes:
        log: every line it logged, through all its starts.
        reader: what reads its frames, since the power last came on.
    """

    reader: SimReader

    def __init__(self, path: Path, clock: SteppedClock, exchange: Exchange, seed: int = 0) -> None:
        self.settings: Settings = read(path)
        self.log: list[str] = []
        self._clock = clock
        self._exchange = exchange
        self._chance = Random(seed)
        self._life: object = None
        self._unit: Unit | None = None
        self._body: SimBody | None = None

    @property
    def unit(self) -> Unit:
        """The firmware; AssertionError when the power is off."""
        if self._unit is None:
            raise AssertionError("the power is off")
        return self._unit

    @property
    def body(self) -> SimBody:
        """The body; AssertionError when the power is off."""
        if self._body is None:
            raise AssertionError("the power is off")
        return self._body

    @property
    def is_on(self) -> bool:
        """Whether the power is on."""
        return self._unit is not None

    @property
    def shown(self) -> list[Signal]:
        """Every signal since the power came on."""
        return self.body.indicator.shown

    def power_on(self) -> None:
        """Starts the firmware from what is on the card."""
        events: SimpleQueue[BodyEvent] = SimpleQueue()
        started = self._life = object()

        def post(event: BodyEvent) -> None:
            if self._life is started:
                self._clock.after(0, lambda: self._handle(started, event))

        link = self._exchange.link(self.settings.unit, post)
        self._body = make(self._clock, self.settings.card, link, post)
        signer = signer_from(self.settings.key, self.settings.unit)
        self.reader = SimReader(post, self.settings.profile)
        self._unit = Unit(self.settings, self._body.body, self.reader, events, signer, self._chance, self._write_log)
        self._unit.start()
        self._clock.after(WAKE_MS, lambda: self._wake(started))

    def cut_power(self) -> None:
        """Pulls the plug: what was in memory is gone."""
        self._exchange.vanish(self.settings.unit)
        self.unit.store.close()
        self._unit, self._body, self._life = None, None, None

    def scan(self, picture: bytes, limit_ms: int = 10_000) -> Signal:
        """Lays a sheet down, presses, and waits for the verdict, which is returned; the sheet is taken away again."""
        self.body.camera.lay(picture)
        seen = len(self.shown)
        self.body.press()
        if not self._clock.run_until(lambda: not VERDICTS.isdisjoint(self.shown[seen:]), limit_ms):
            raise AssertionError(f"no verdict within {limit_ms} ms, only {self.shown[seen:]}")
        self.body.camera.clear()
        return next(signal for signal in self.shown[seen:] if signal in VERDICTS)

    def _handle(self, started: object, event: BodyEvent) -> None:
        if self._life is started:
            self.unit.handle(event)

    def _wake(self, started: object) -> None:
        if self._life is started:
            self.unit.wake()
            self._clock.after(WAKE_MS, lambda: self._wake(started))

    def _write_log(self, event: Enum, **facts: str | float) -> None:
        self.log.append(line(event, self._clock.seconds(), facts))


UNREAD = frozenset(AGAIN.values())
"""What asks the person who pressed to press again."""

VERDICTS = UNREAD | {Signal.KEPT, Signal.KEPT_BEFORE, Signal.KEPT_DOUBTFUL, Signal.NEXT_PART, Signal.FAULT}
"""What ends a scan for the person who pressed."""
