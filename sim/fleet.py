"""The fleet: units that run the real firmware on simulated bodies, any number of them on one stepped clock.

Beside them are hubs that run the real intake, ledger and pictures: a hub's broker keeps for it what it has not
acknowledged, and its answers come only after it has taken a batch.
"""

import errno
import gc
import os
import shutil
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from contextlib import ExitStack, closing, suppress
from enum import Enum
from pathlib import Path
from random import Random
from typing import Any

from peewee import PeeweeException

from device.inbox import Inbox
from device.keys import signer_from
from device.ports import BodyEvent
from device.scan import AGAIN
from device.settings import Settings, read
from device.signals import Signal
from device.unit import WAKE_MS, Unit
from hub import settings as hub_settings
from hub.intake import Intake
from hub.keys import Keys
from hub.running import opened
from sim.body import Seen, SimBody, SimReader, SimStorage, make
from sim.clock import OwnClock, SteppedClock
from sim.link import Exchange, Publication, SimLink
from sim.plug import Plug, PulledError
from wire.errors import OurFault
from wire.log import line

OF_UNIT = (
    "device.unit",
    "device.custody",
    "device.route",
    "device.outbox",
    "device.keeper",
    "device.store",
    "device.durable",
    "device.power",
    "device.quiet",
    "device.package",
    "device.standing",
)
OF_HUB = ("hub.running", "hub.intake", "hub.turn", "hub.ledger", "hub.pictures")
"""The modules at any line of which a plug may be pulled: those that touch a disk, or decide what is on it."""

_WRITERS = ("write", "sync", "sync_folder")
"""What of `device.durable` writes files: where a card may refuse."""

LINGER_MS = 5
"""How long a hub waits for more of a batch: the default of its settings."""


class SimUnit:
    """A unit, and the power switch, the tray and the button that a person has.

    Args:
        path: its settings file.
        clock: the time of all.
        exchanges: what its link connects to, by rank; those of its settings' brokers.
        seed: of all its chance.
        wake_ms: how often time is looked at.
        seen: what was read before, if that shall not be read again (see `SimReader`).
        in_one_thread: whether the store's second thread is none, so that a run can be replayed.

    Attributes:
        log: every line it logged, through all its starts.
        clock: its own, which may be set wrong.
        plug: pulled, it cuts the power in the middle of something.
        card: pulled, it makes a write to the card fail for want of room.
        places: all exchanges that it can be told to reach.
        card_size: in bytes; None for one of the machine's.
        signer: its key.
        reader: what reads its frames, since the power last came on.
        heard: called with every signal, through all its starts.
        logged: called with every event and its facts.
        handed: called with every event that the firmware is about to take.
        went_dark: called when the plug was pulled.
        switched_off: called when somebody has switched it off by its button; it stays so until its plug is pulled.
    """

    reader: SimReader

    def __init__(
        self,
        path: Path,
        clock: SteppedClock,
        exchanges: Sequence[Exchange],
        seed: int = 0,
        *,
        wake_ms: int = WAKE_MS,
        seen: Seen | None = None,
        in_one_thread: bool = False,
    ) -> None:
        self.settings: Settings = read(path)
        self._path = path
        self.log: list[str] = []
        self.clock = OwnClock(clock)
        self.plug = Plug(OF_UNIT)
        self.card = Plug(("device.durable",), _WRITERS, _no_room)
        self.card_size: int | None = None
        self.heard: Callable[[Signal], None] = lambda _signal: None
        self.logged: Callable[[Enum, dict[str, Any]], object] = lambda _event, _facts: None
        self.handed: Callable[[BodyEvent], object] = lambda _event: None
        self.went_dark: Callable[[], object] = lambda: None
        self.switched_off: Callable[[], object] = lambda: None
        self._of_all = clock
        self._exchanges = exchanges
        self.places = {(at.host, at.port): each for at, each in zip(self.settings.brokers, exchanges, strict=False)}
        self._chance = Random(seed)
        self._wake_ms = wake_ms
        self._seen = seen
        self._in_one_thread = in_one_thread
        self.signer = signer_from(self.settings.key, self.settings.unit)
        self._is_plugged = False
        self._life: object = None
        self._unit: Unit | None = None
        self._body: SimBody | None = None

    @property
    def name(self) -> str:
        """The unit's."""
        return self.settings.unit

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
        """Starts the firmware from what is on the card.

        Raises:
            CardError: the card cannot be used; the power is off again.
        """
        assert not self._is_plugged, "pull the plug first: it is off, and its power is not"
        self.clock.powers += 1
        self._begin()

    def restart(self) -> None:
        """Kills the firmware, and starts it anew: what was in memory is gone, and the power was on all the time."""
        self.cut_power()
        self._begin()

    def _begin(self) -> None:
        self._life = started = object()
        self._is_plugged = True
        try:
            self._do(lambda: self._start(started))
        except BaseException:
            self._go_dark()
            raise
        self._of_all.after(self._wake_ms, lambda: self._wake(started))

    def cut_power(self) -> None:
        """Pulls the plug: what was in memory is gone."""
        self._is_plugged = False
        self.plug.push_in()
        self._go_dark()

    def set_card_size(self, size: int | None) -> None:
        """Makes the card one of that size, whatever is on it."""
        self.card_size = size
        if self._body is not None:
            storage = self._body.body.storage
            assert isinstance(storage, SimStorage), "a simulated body has a simulated card"
            storage.size = size

    def scan(self, picture: bytes, limit_ms: int = 10_000) -> Signal:
        """Lays a sheet down, presses, and waits for the verdict, which is returned; the sheet is taken away again."""
        self.body.camera.lay(picture)
        seen = len(self.shown)
        self.body.press()
        if not self._of_all.run_until(lambda: not VERDICTS.isdisjoint(self.shown[seen:]), limit_ms):
            raise AssertionError(f"no verdict within {limit_ms} ms, only {self.shown[seen:]}")
        self.body.camera.clear()
        return next(signal for signal in self.shown[seen:] if signal in VERDICTS)

    def hold(self, ms: int) -> None:
        """Holds the button for so long, and lets it go."""
        self.body.hold()
        self._of_all.run(ms)
        if self.is_on:
            self.body.release()
            self._of_all.run(0)

    def _start(self, started: object) -> None:
        def post(event: BodyEvent) -> None:
            if self._life is started:
                self._of_all.after(0, lambda: self._handle(started, event))

        self.settings = read(self._path)  # its card may have a newer package
        self.clock.start()
        link = SimLink(self._exchanges, self._of_all, self.name, post, self.places)
        self._body = make(self.clock, self.settings.card, link, post)
        self._body.indicator.heard = self.heard
        self.set_card_size(self.card_size)
        self.reader = SimReader(post, self.settings.profile, self._seen)
        self._unit = Unit(
            self.settings, self._body.body, self.reader, Inbox(), self.signer, self._chance, self._write_log
        )
        if self._in_one_thread:
            self._unit.store.aside.shutdown()
            self._unit.store.aside = OneThread(self._chance)  # type: ignore[assignment]
        self._unit.start()

    def _do(self, action: Callable[[], object]) -> None:
        if _pulled(self.plug, lambda: self.card.run(action)):
            self._go_dark()
            self.went_dark()
        elif self._unit is not None and self._unit.is_off:
            self._unit.close()
            self._unit, self._life = None, None
            self.switched_off()
        elif self._unit is not None and self._unit.begins_anew:
            self._unit.close()
            self._unit, self._life = None, None
            self._begin()

    def _go_dark(self) -> None:
        self._is_plugged = False
        for exchange in dict.fromkeys([*self._exchanges, *self.places.values()]):
            exchange.vanish(self.name)
        unit, self._unit, self._body, self._life = self._unit, None, None, None
        with suppress(PeeweeException):  # in the middle of a transaction nothing closes a database but its end
            if unit is not None:
                unit.store.close()
                return
        del unit
        gc.collect()  # what was being started, or was in a transaction, holds its database open until it is collected

    def _handle(self, started: object, event: BodyEvent) -> None:
        if self._life is started:
            self.handed(event)
            self._do(lambda: self.unit.handle(event))

    def _wake(self, started: object) -> None:
        if self._life is started:
            self._of_all.after(self._wake_ms, lambda: self._wake(started))
            self._do(self.unit.wake)

    def _write_log(self, event: Enum, **facts: str | float) -> None:
        self.log.append(line(event, self.clock.seconds(), facts))
        self.logged(event, facts)


def _pulled(plug: Plug, action: Callable[[], object]) -> bool:
    """Does something; whether the plug was pulled meanwhile. When this returns, nobody remembers what was under way."""
    try:
        plug.run(action)
    except PulledError:
        return True
    return False


def _no_room() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class OneThread(Executor):
    """Does what it is given in the thread that gives it: at once, or when somebody waits for it, as chance will.

    So two threads have the two orders that differ most, and a run can be replayed.
    """

    def __init__(self, chance: Random) -> None:
        self._chance = chance

    def submit(self, fn: Callable[..., Any], /, *arguments: Any, **named: Any) -> "Future[Any]":
        """Does it, now or later."""
        done = _Later(lambda: fn(*arguments, **named))
        if self._chance.random() < 0.5:
            done.do()
        return done


class _Later(Future[Any]):
    def __init__(self, action: Callable[[], Any]) -> None:
        super().__init__()
        self._action = action

    def do(self) -> None:
        try:
            self.set_result(self._action())
        except Exception as error:  # noqa: BLE001  whoever waits for it is told, as by any executor
            self.set_exception(error)

    def result(self, timeout: float | None = None) -> Any:
        if not self.done():
            self.do()
        return super().result(timeout)


class SimHub:
    """A hub, what its broker keeps for it, and the hands of whoever runs it.

    Args:
        path: its settings file.
        clock: the time of all.
        exchange: the broker it is at.

    Attributes:
        keys: its own.
        log: every line it logged, through all its starts.
        clock: its own, which may be set wrong.
        plug: pulled, it kills the hub in the middle of something.
        answered: called with what it answers, before anybody else knows.
        logged: called with every event and its facts.
        went_dark: called when it was killed, or has ended over something that it could not do.
        dies_unheard: whether it dies next when it has kept something and has not answered yet.
    """

    def __init__(self, path: Path, clock: SteppedClock, exchange: Exchange) -> None:
        self.settings = hub_settings.read(path)
        self.keys = Keys.read(self.settings.keys, self.settings.name)
        self.log: list[str] = []
        self.clock = OwnClock(clock)
        self.plug = Plug(OF_HUB)
        self.answered: Callable[[Sequence[Publication]], object] = lambda _answers: None
        self.logged: Callable[[Enum, dict[str, Any]], object] = lambda _event, _facts: None
        self.went_dark: Callable[[], object] = lambda: None
        self.dies_unheard = False
        self._of_all = clock
        self._exchange = exchange
        self._waiting: deque[Publication] = deque()
        self._stack = ExitStack()
        self._intake: Intake | None = None
        self._works = False

    @property
    def name(self) -> str:
        """The hub's."""
        return self.settings.name

    @property
    def intake(self) -> Intake:
        """What it runs; AssertionError when it does not."""
        if self._intake is None:
            raise AssertionError("the hub does not run")
        return self._intake

    @property
    def is_on(self) -> bool:
        """Whether it runs."""
        return self._intake is not None

    @property
    def is_idle(self) -> bool:
        """Whether it runs, and nothing waits for it."""
        return self.is_on and not self._waiting

    def start(self) -> None:
        """Starts it on what is on its disk, and what its broker has kept."""
        self._do(self._start)
        self._go_on()

    def kill(self) -> None:
        """Ends it without a word."""
        self.plug.push_in()
        self._end()

    def receive(self, batch: Sequence[Publication]) -> list[Publication]:
        """What its broker does with what units publish; nothing is answered at once."""
        self._waiting += batch
        self._go_on()
        return []

    def lose_session(self) -> int:
        """Its broker forgets what it has kept for it; how much that was."""
        lost = len(self._waiting)
        self._waiting.clear()
        return lost

    def back_up(self, folder: Path) -> None:
        """Copies what is on its disk, as it is at this moment."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        with closing(sqlite3.connect(self.settings.database)) as own, closing(sqlite3.connect(folder / "db")) as copy:
            own.backup(copy)
        # A whole picture is never written to again, so a second name for it is a copy.
        shutil.copytree(self.settings.pictures, folder / "pictures", copy_function=os.link)

    def restore(self, folder: Path) -> None:
        """Puts a backup in place of what is on its disk, while it does not run."""
        assert not self.is_on, "a hub that runs is not restored"
        for suffix in ("", "-wal", "-shm"):
            Path(self.settings.database + suffix).unlink(missing_ok=True)
        shutil.copy(folder / "db", self.settings.database)
        shutil.rmtree(self.settings.pictures)
        shutil.copytree(folder / "pictures", self.settings.pictures, copy_function=os.link)

    def _start(self) -> None:
        self._intake = self._stack.enter_context(opened(self.settings, self.clock.seconds, self._write_log))

    def _go_on(self) -> None:
        if self._waiting and self.is_on and not self._works:
            self._works = True
            self._of_all.after(LINGER_MS, lambda: self._do(self._work))

    def _work(self) -> None:
        """Takes a batch; it is acknowledged when all is answered, and is delivered again after any other end."""
        self._works = False
        if not self.is_on:
            return
        batch = [self._waiting[number] for number in range(min(len(self._waiting), self.settings.batch))]
        answers = self.intake.take(batch)
        self.answered(answers)
        if self.dies_unheard:
            self.dies_unheard = False
            raise PulledError
        for _ in batch:
            self._waiting.popleft()
        self._exchange.answer(answers)
        self._go_on()

    def _do(self, action: Callable[[], object]) -> None:
        if _pulled(self.plug, action):
            self._end()
            self.went_dark()

    def _end(self) -> None:
        self._intake = None
        with suppress(OurFault):  # in the middle of a transaction nothing closes a ledger but its end
            self._stack.close()
            return
        gc.collect()

    def _write_log(self, event: Enum, **facts: str | float) -> None:
        self.log.append(line(event, self.clock.seconds(), facts))
        self.logged(event, facts)


UNREAD = frozenset(AGAIN.values())
"""What asks the person who pressed to press again."""

_KEPT = (Signal.KEPT, Signal.KEPT_UNREAD, Signal.KEPT_PART, Signal.KEPT_BEFORE, Signal.KEPT_DOUBTFUL, Signal.NEXT_PART)
VERDICTS = UNREAD | {*_KEPT, Signal.CONTROL_DONE, Signal.CONTROL_REFUSED, Signal.FAULT}
"""What ends a scan for the person who pressed."""
