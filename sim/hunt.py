"""The hunt: a fleet's night with every fault that chance can think of, and an oracle that asks after each step.

Units are the real firmware on simulated bodies, hubs are the real intake, ledger and pictures; both have real folders
and real SQLite. One stepped clock and one seed make a night that can be replayed. docs/chaos.md says what a night
holds, and what it leaves out.
"""

import faulthandler
import hashlib
import multiprocessing
import random
import re
import signal
import tempfile
import threading
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from functools import cache, partial
from io import BytesIO
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import segno
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from device.cause import Cause
from device.eye import FRAMES_MAX
from device.log import Event
from device.ports import ButtonHeld, FrameRead, Ms
from device.signals import Signal
from device.store import CardError
from hub.count import count
from sim import deployment
from sim.body import Seen, encoded
from sim.chance import Weather, names_from, span
from sim.clock import SteppedClock
from sim.fleet import UNREAD, VERDICTS, SimHub, SimUnit
from sim.link import Exchange, Publication
from sim.oracle import BrokenPromiseError, Laid, Oracle, totals, truth
from sim.plug import PulledError
from wire import note
from wire.record import Quality

PROFILE = "ve-2024-presidential"
UNITS = 3
HUBS = 2
WAKE_MS = 1_000
"""Ten times slower than a unit's own rhythm, which would cost ten times as much to simulate and find nothing more."""

SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
SHEET_MS = 3 * MINUTE
"""How long a volunteer takes from one sheet to the next, on average."""

VERDICT_MS = 12 * SECOND
"""After this a volunteer presses again: `device.scan` has promised a verdict."""

QUIET_HOURS_MAX = 12
"""How long it may take after the last fault until all is receipted: offers are repeated after ten minutes at most, and
clocks of hubs that were wrong by less than that have caught up."""

STUCK_SECONDS = 1800
"""After this a night that has not ended stands still somewhere, and has failed. It takes ten seconds of an idle core,
and less than a minute at load 10 of two."""

RING_AGAIN_SECONDS = 10.0
"""An exception that is raised where none gets through, in a destructor or a callback, is lost: so it comes again."""

STUCK_MORE_SECONDS = 60
"""After so much more its program is ended: it stands still where no exception gets through."""

EVENTS_SHOWN = 40
MESAS = 400
"""From how many mesas a night's sheets come: nights share their pictures, which are dear to draw and to read."""

RESTS = {f"\nrest {number}": encoded(np.full((24, 32), 200 + number, np.uint8)) for number in range(4)}
"""Pictures of the rest of an acta, beyond its QR end, by what stands for them in a pile: the reader is told that they
are paper without a code (see `_told`)."""

MENU = "https://example.org/menu"
"""A QR code that is no acta: kept when it is insisted on, and never counted."""

MEMORY = Path("/dev/shm")  # noqa: S108  a file system in memory, where there is one: nothing of a night needs to last

_HASH = re.compile(r"[0-9a-f]{64}|(?<= key )[0-9a-f]{8}\b")


class StuckError(BaseException):
    """Something does not come to an end. No program catches it: it is no `Exception`."""


@dataclass(frozen=True, slots=True)
class Night:
    """What came of a night.

    Attributes:
        seed, hours: which night.
        digest: of every event of it.
        tally: how often each thing happened.
        broken: the promise that was broken, or what the firmware or a hub died of; empty when nothing was.
        last: the last events.
        cpu_seconds: what it cost.
    """

    seed: int
    hours: float
    digest: str
    tally: Counter[str]
    broken: str
    last: tuple[str, ...]
    cpu_seconds: float

    @property
    def replay(self) -> str:
        """The command that replays it."""
        return f"testigo-sim hunt --seed {self.seed} --hours {self.hours:g}"


def hunt(seed: int, hours: float, folder: Path | None = None) -> Night:
    """One night.

    Args:
        seed: of all its chance.
        hours: how long faults happen; then it goes on without, until all is quiet.
        folder: for cards and hubs, in memory if it can be; emptied in the end.
    """
    began = time.process_time()
    where = folder or (MEMORY if MEMORY.is_dir() else None)
    with tempfile.TemporaryDirectory(dir=where, prefix="testigo-hunt-") as made, names_from(f"{seed} names"):
        world = _World(seed, ms := round(hours * HOUR), Path(made))
        broken = ""
        try:
            world.night(ms)
            world.morning()
        except BrokenPromiseError as error:
            broken = str(error)
        except StuckError as error:
            broken = f"it comes to an end: {error}"
        except Exception as error:  # noqa: BLE001  whatever firmware or hub end with is what is looked for
            where_from = traceback.extract_tb(error.__traceback__)[-1]
            broken = f"{type(error).__name__}: {error} ({Path(where_from.filename).name}, line {where_from.lineno})"
        finally:
            world.close()
    tally = world.tally + world.oracle.said
    for weather in world.weathers:
        tally += weather.happened
    cpu = time.process_time() - began
    return Night(seed, hours, world.digest.hexdigest(), tally, broken, tuple(world.last), cpu)


@cache
def picture_of(payload: str) -> bytes:
    """The photograph of a sheet: small and clean, but as a file of one to three chunks."""
    if payload in RESTS:
        return RESTS[payload]
    tray: NDArray[np.uint8] = np.full((90, 90), 240, np.uint8)
    if payload:
        code = segno.make_qr(payload.encode("latin-1"), mode="byte", error="q", mask=0)  # to choose a mask is slow
        modules = np.pad(1 - np.array(code.matrix, np.uint8), 5, constant_values=1)
        tray = np.kron(modules, np.ones((3, 3), np.uint8)).astype(np.uint8) * np.uint8(240)
    chance, more, out = random.Random(payload), PngInfo(), BytesIO()
    more.add(b"teSt", chance.randbytes(chance.choice((0, 0, 20_000, 90_000, 150_000))))
    Image.fromarray(tray).save(out, "PNG", pnginfo=more)
    return out.getvalue()


def acta(mesa: int, differing: bool) -> str:
    """The payload of a mesa's acta, or of another one of the same mesa."""
    chance = random.Random(f"{mesa} {differing}")
    votes = ",".join(str(chance.randrange(40)) for _ in range(38))
    return f"{240111000 + mesa // 90}.{mesa % 90 + 1:02}.1.0001!{votes}!{chance.randrange(5)}!{chance.randrange(5)}"


def _told() -> Seen:
    """What the reader is told of the rests, however often it looks at one during a press: to find nothing is dear."""
    read = FrameRead(quality=Quality(cause=Cause.NO_CODE.value, sharpness=40), is_paper=True)
    frames = [hashlib.sha256(b"32 " + bytes([200 + number]) * 24 * 32).digest() for number in range(len(RESTS))]
    return {(frame,) * looks: read for frame in frames for looks in range(1, FRAMES_MAX + 2)}


_SEEN: Seen = _told()
"""Shared by all nights of a program: the same frames are read the same (see `SimReader`)."""


class _World:
    """The fleet, its hubs and exchanges, its volunteers, and what befalls them."""

    def __init__(self, seed: int, ms: Ms, folder: Path) -> None:
        self.clock = SteppedClock()
        self.digest = hashlib.sha256()
        self.last: deque[str] = deque(maxlen=EVENTS_SHOWN)
        self.tally: Counter[str] = Counter()
        self.is_night = True
        self._folder = folder
        self._seed = seed
        self._chance = self.chance("mishaps")
        together = self._chance.random() < 0.25
        made = deployment.make(
            folder / "trial",
            UNITS,
            1883,
            PROFILE,
            "live",
            seed,
            hubs=HUBS,
            ports=() if together else (1884,),
            receipts=2,
        )
        self.weathers = [Weather(self.chance(f"weather {rank}"), 0.01) for rank in range(1 if together else 2)]
        self.exchanges = [Exchange(self.clock, None, weather) for weather in self.weathers]
        self.hubs = [
            SimHub(path, self.clock, self.exchanges[number % len(self.exchanges)])
            for number, path in enumerate(made.hubs)
        ]
        self._frail = self._chance.choice(self.hubs)
        for number, exchange in enumerate(self.exchanges):
            at_it = [hub for at, hub in enumerate(self.hubs) if at % len(self.exchanges) == number]
            exchange.hub = partial(_receive, at_it)
        self.units = [
            SimUnit(path, self.clock, self.exchanges, seed + number, wake_ms=WAKE_MS, seen=_SEEN, in_one_thread=True)
            for number, path in enumerate(made.units.values())
        ]
        piles = self._piles(ms)
        sheets = RESTS | {payload: picture_of(payload) for pile in piles for payload in pile}
        self.oracle = Oracle(
            {unit.name: (unit.settings, unit.signer.verifier) for unit in self.units},
            {hub.name: (hub.settings, hub.keys.opener, hub.keys.signer.verifier) for hub in self.hubs},
            sheets,
        )
        for hub in self.hubs:
            hub.answered = partial(self._answered, hub)
            hub.logged = partial(self._hub_logged, hub)
            hub.went_dark = partial(self._hub_died, hub)
            self.tell(f"{hub.name} starts")
            hub.start()
        self.volunteers = [_Volunteer(self, unit, pile) for unit, pile in zip(self.units, piles, strict=True)]
        for exchange in self.exchanges:
            exchange.sent = self.oracle.published
        for unit, volunteer in zip(self.units, self.volunteers, strict=True):
            unit.heard = partial(self._heard, unit, volunteer)
            unit.logged = partial(self._unit_logged, unit)
            unit.handed = partial(self.oracle.handed, unit.name)
            unit.went_dark = partial(self._unit_died, unit)
            unit.switched_off = partial(self._switched_off, unit)

    def chance(self, what: str) -> random.Random:
        """The chance of one thing: what is drawn for another does not change it."""
        return random.Random(f"{self._seed} {what}")

    def night(self, ms: Ms) -> None:
        """Lets time pass in which everything may happen.

        Raises:
            BrokenPromiseError: something was said that is not so.
        """
        for unit, volunteer in zip(self.units, self.volunteers, strict=True):
            self._power_on(unit)
            volunteer.begin()
        for often, mishap in self._mishaps():
            self._befall(HOUR / often, mishap)
        self._each(MINUTE, self._look)
        self._each(30 * MINUTE, self.oracle.look_at_all)
        self._each(30 * MINUTE, self._back_up)
        while self.clock.ms() < ms:
            self.clock.step()

    def morning(self) -> None:
        """No more faults: all is mended, the volunteers finish, and all that was kept gets where it belongs.

        Raises:
            BrokenPromiseError: it does not, or something was said that is not so.
        """
        self.tell("the faults stop")
        self.is_night = False
        for weather in self.weathers:
            weather.bad = 0.0
        for exchange in self.exchanges:
            exchange.mend()
        for hub in self.hubs:
            hub.plug.push_in()
            hub.dies_unheard = False
            self._enrol(hub, self.units)
            if not hub.is_on:
                self._start(hub)
        for unit in self.units:
            unit.plug.push_in()
            unit.card.push_in()
            unit.set_card_size(None)
            self._power_on(unit)
            _repair(unit)
        end = self.clock.ms() + QUIET_HOURS_MAX * HOUR
        while not self._is_quiet():
            if self.clock.ms() > end:
                raise BrokenPromiseError(f"all is receipted in the end: {self._unquiet()}")
            for unit in self.units:
                self._power_on(unit)
            self.clock.run(10 * SECOND)
        self.tell("all is quiet")
        laid = self.oracle.live()
        if lost := {payload for volunteer in self.volunteers for payload in volunteer.kept} - laid:
            raise BrokenPromiseError(f"what is announced as kept outside training counts: {lost}")
        profile = self.units[0].settings.profile
        counts = {
            hub.name: totals(count(hub.intake.ledger, profile, hub.settings.roster, hub.settings.mode))
            for hub in self.hubs
        }
        true = truth(profile, laid)
        self.oracle.end(counts, true)
        self.tally["mesas counted"] += true[0]
        self.tally["mesas in conflict"] += len(true[1])
        self.tell(f"{true[0]} mesas count, {len(true[1])} are in conflict")

    def close(self) -> None:
        """Ends everything."""
        for unit in self.units:
            unit.went_dark = lambda: None
            unit.cut_power()
        for hub in self.hubs:
            hub.kill()

    def tell(self, what: str, often: str = "") -> None:
        """Something happened; `often` names what it is counted as."""
        told = f"{self.clock.ms()} {_HASH.sub('…', what.replace(str(self._folder), '…'))}"
        self.digest.update(told.encode() + b"\n")
        self.last.append(told)
        if often:
            self.tally[often] += 1

    # What is overheard

    def _heard(self, unit: SimUnit, volunteer: "_Volunteer", signal: Signal) -> None:
        self.tell(f"{unit.name} shows {signal.word}")
        self.oracle.heard(unit.name, signal)
        volunteer.heard(signal)

    def _unit_logged(self, unit: SimUnit, event: Enum, facts: dict[str, Any]) -> None:
        self.tell(f"{unit.name} {event.name.lower()} {facts}")
        self.oracle.logged(unit.name, event, facts)
        if event is Event.LINK_UP:
            self.tally["connections"] += 1
        if self.is_night and event in _CUT_AFTER and self._chance.random() < _CUT_AFTER[event]:
            self.tell(f"{unit.name} loses its power", f"power cut right after {event.name.lower()}")
            raise PulledError

    def _answered(self, hub: SimHub, answers: Sequence[Publication]) -> None:
        for topic, payload in answers:
            self.tell(f"{hub.name} answers {topic} {note.kind_of(payload)}")
        self.oracle.answered(hub.name, answers)

    def _hub_logged(self, hub: SimHub, event: Enum, facts: dict[str, Any]) -> None:
        self.tell(f"{hub.name} {event.name.lower()} {facts}")
        self.oracle.hub_logged(hub.name, event)

    # What goes on by itself

    def _each(self, ms: Ms, action: Callable[[], object]) -> None:
        def again() -> None:
            if self.is_night:
                action()
                self.clock.after(ms, again)

        self.clock.after(ms, again)

    def _befall(self, mean_ms: float, mishap: Any) -> None:
        chance = self.chance(mishap.__name__)

        def again() -> None:
            if self.is_night:
                mishap()
                self.clock.after(round(chance.expovariate(1 / mean_ms)) + 1, again)

        self.clock.after(round(chance.expovariate(1 / mean_ms)) + 1, again)

    def _look(self) -> None:
        for unit in self.units:
            self.oracle.look_at_card(unit.name)

    def _back_up(self) -> None:
        for hub in self.hubs:
            number = self.clock.ms() // (30 * MINUTE) % 2
            hub.back_up(self._folder / "backups" / f"{hub.name}-{number}")

    # What befalls units

    def _mishaps(self) -> list[tuple[float, Callable[[], object]]]:
        """All that may happen, and how often an hour."""
        return [
            (4.0, self._cut_power),
            (8.0, self._kill_unit),
            (8.0, self._hold_button),
            (8.0, self._loosen_unit),
            (4.0, self._set_clock),
            (6.0, self._spoil_camera),
            (4.0, self._spoil_reader),
            (3.0, self._fill_card),
            (3.0, self._refuse_write),
            (3.0, self._cut_exchange),
            (3.0, self._worsen),
            (8.0, self._cut_off),
            (2.0, self._kill_hub),
            (4.0, self._loosen_hub),
            (2.0, self._kill_unheard),
            (0.5, self._restore_hub),
            (1.0, self._set_hub_clock),
            (0.5, self._lose_session),
            (1.0, self._strike_off),
        ]

    def _cut_power(self) -> None:
        unit = self._chance.choice(self.units)
        if unit.is_on:
            self.tell(f"{unit.name} is unplugged", "power cut between two events")
            unit.cut_power()
            self._dark(unit)

    def _kill_unit(self) -> None:
        unit = self._chance.choice(self.units)
        if unit.is_on:
            self._restart(unit)

    def _restart(self, unit: SimUnit) -> None:
        """The firmware begins anew, and the power was on all the time."""
        self.tell(f"{unit.name} begins anew", "firmware killed, and started anew")
        try:
            unit.restart()
        except CardError as error:
            self.tell(f"{unit.name} does not start: {error}", "unit did not start")
            self._dark(unit)

    def _loosen_unit(self) -> None:
        unit = self._chance.choice(self.units)
        if unit.is_on:
            unit.plug.pull_after(span(self._chance, 1, 5000))

    def _unit_died(self, unit: SimUnit) -> None:
        self.oracle.look_at_card(unit.name)
        if self._chance.random() < 0.3:
            self.tell(f"{unit.name} is killed", "firmware killed in the middle of something")
            self.clock.after(2 * SECOND, lambda: None if unit.is_on else self._restart(unit))
            return
        self.tell(f"{unit.name} is dark", "power cut in the middle of something")
        self._dark(unit)

    def _dark(self, unit: SimUnit) -> None:
        if self._chance.random() < 0.05:
            self._spoil_index(unit)
        self.clock.after(span(self._chance, SECOND, 20 * MINUTE), partial(self._power_on, unit))

    def _power_on(self, unit: SimUnit) -> None:
        if unit.is_on:
            return
        unit.cut_power()  # whoever finds a unit dark pulls its plug first: it may have been switched off
        if self.is_night and self._chance.random() < 0.15:
            unit.plug.pull_after(span(self._chance, 1, 1000))
        self.tell(f"{unit.name} is plugged in", "unit started")
        self.oracle.powered(unit.name)
        try:
            unit.power_on()
        except CardError as error:
            self.tell(f"{unit.name} does not start: {error}", "unit did not start")
            self._dark(unit)
        if self.is_night and unit.is_on and self._chance.random() < 0.25:
            self.tell(f"{unit.name} has its button held as it starts", "button held at power-on, for training")
            unit.body.post(ButtonHeld())
            self.clock.after(3 * SECOND, unit.body.release)

    def _spoil_index(self, unit: SimUnit) -> None:
        """An index of rubbish, or none: what a card does that was pulled out while it wrote."""
        index = unit.settings.card / "index.db"
        if not index.exists():
            return  # the power went before there was one
        for suffix in ("-wal", "-shm"):
            index.with_name(index.name + suffix).unlink(missing_ok=True)
        if self._chance.random() < 0.5:
            index.unlink(missing_ok=True)
        else:
            index.write_bytes(self._chance.randbytes(50_000))
        self.oracle.lost_index(unit.name)
        self.tell(f"{unit.name} has lost its index", "index spoilt")

    def _set_clock(self) -> None:
        unit = self._chance.choice(self.units)
        self._jump(unit.clock, unit.name)

    def _jump(self, clock: Any, name: str) -> None:
        sign = self._chance.choice((-1, 1))
        clock.jump_seconds = self._chance.choice((0, sign * span(self._chance, 1, 10 * 365 * 24 * 3600)))
        self.tell(f"{name} has its clock set wrong by {clock.jump_seconds} s", "clock jump")

    def _hold_button(self) -> None:
        """Somebody holds the button, to count, to make the unit quiet, to switch it off; or something lies on it."""
        unit = self._chance.choice(self.units)
        if unit.is_on:
            body, ms = unit.body, self._chance.choice((3 * SECOND, 6 * SECOND, 9 * SECOND, 40 * SECOND))
            self.tell(f"{unit.name} has its button held for {ms} ms", f"button held for {ms // SECOND} s")
            body.hold()
            self.clock.after(ms, body.release)

    def _switched_off(self, unit: SimUnit) -> None:
        self.tell(f"{unit.name} is off", "switched off by its button")
        self.oracle.look_at_card(unit.name)
        self.clock.after(span(self._chance, SECOND, 10 * MINUTE), partial(self._power_on, unit))

    def _spoil_camera(self) -> None:
        unit = self._chance.choice(self.units)
        if unit.is_on:
            camera = unit.body.camera
            spoil, mend = self._chance.choice(
                ((camera.unplug, camera.plug), (camera.stall, camera.resume), (camera.stall, camera.forget))
            )
            self.tell(f"{unit.name} camera: {spoil.__name__}", f"camera {spoil.__name__}, {mend.__name__}")
            spoil()
            self.clock.after(span(self._chance, SECOND, 2 * MINUTE), mend)

    def _spoil_reader(self) -> None:
        unit = self._chance.choice(self.units)
        if unit.is_on:
            reader, how = unit.reader, self._chance.choice(("lose", "gone", "mute"))
            self.tell(f"{unit.name} reader: {how}", f"reader {how}")
            if how == "lose":
                reader.lose(self._chance.randrange(1, 5))
            elif how == "gone":
                reader.is_gone = True
            else:
                reader.is_mute = True

            def mend() -> None:
                reader.is_gone = reader.is_mute = False

            self.clock.after(span(self._chance, SECOND, 2 * MINUTE), mend)

    def _fill_card(self) -> None:
        """A card that is full, or so nearly full that room is made by purging."""
        unit = self._chance.choice(self.units)
        size = self._chance.choice((0, 300_000_000))
        self.tell(f"{unit.name} has a card of {size} bytes", "card full" if size == 0 else "card nearly full")
        unit.set_card_size(size)
        self.clock.after(span(self._chance, 10 * SECOND, 20 * MINUTE), partial(unit.set_card_size, None))

    def _refuse_write(self) -> None:
        unit = self._chance.choice(self.units)
        self.tell(f"{unit.name} has a card that refuses soon", "write refused")
        unit.card.pull_after(self._chance.randrange(60))

    # What befalls exchanges

    def _cut_exchange(self) -> None:
        number = self._chance.randrange(len(self.exchanges))
        self.tell(f"exchange {number} is cut", "broker lost")
        self.exchanges[number].cut()
        self.clock.after(span(self._chance, SECOND, 30 * MINUTE), self.exchanges[number].mend)

    def _worsen(self) -> None:
        weather = self._chance.choice(self.weathers)
        weather.bad = span(self._chance, 1, 40) / 100
        self.tell(f"weather {self.weathers.index(weather)} is {weather.bad}", "bad weather")

        def mend() -> None:
            weather.bad = min(weather.bad, 0.01)

        self.clock.after(span(self._chance, MINUTE, 30 * MINUTE), mend)

    def _cut_off(self) -> None:
        unit = self._chance.choice(self.units)
        for exchange in self.exchanges:
            exchange.cut_off(unit.name)
        self.tell(f"{unit.name} is cut off", "link cut")

    def _lose_session(self) -> None:
        hub = self._chance.choice(self.hubs)
        self.tell(f"{hub.name}: its broker forgets {hub.lose_session()}", "broker forgot what waited for a hub")

    # What befalls hubs

    def _kill_hub(self) -> None:
        hub = self._chance.choice(self.hubs)
        if hub.is_on:
            self.tell(f"{hub.name} is killed", "hub killed between two batches")
            hub.kill()
            self._hub_dark(hub)

    def _loosen_hub(self) -> None:
        hub = self._chance.choice(self.hubs)
        if hub.is_on:
            hub.plug.pull_after(span(self._chance, 1, 5000))

    def _kill_unheard(self) -> None:
        self._chance.choice(self.hubs).dies_unheard = True

    def _hub_died(self, hub: SimHub) -> None:
        self.tell(f"{hub.name} is dead", "hub killed in the middle of a batch, or before it answered")
        self._hub_dark(hub)

    def _hub_dark(self, hub: SimHub) -> None:
        self.clock.after(span(self._chance, SECOND, 20 * MINUTE), partial(self._start, hub))

    def _start(self, hub: SimHub) -> None:
        if not hub.is_on:
            self.tell(f"{hub.name} starts")
            hub.start()

    def _restore_hub(self) -> None:
        hub = self._frail
        backups = sorted((self._folder / "backups").glob(f"{hub.name}-*"))
        if backups:
            hub.kill()
            backup = self._chance.choice(backups)
            hub.restore(backup)
            self.tell(f"{hub.name} is restored from {backup.name}", "hub restored from a backup")
            self.oracle.restored(hub.name)
            self._hub_dark(hub)

    def _set_hub_clock(self) -> None:
        hub = self._chance.choice(self.hubs)
        self._jump(hub.clock, hub.name)

    def _strike_off(self) -> None:
        """A hub's register lacks a unit for a while: it was written by a person."""
        hub, unit = self._chance.choice(self.hubs), self._chance.choice(self.units)
        self._enrol(hub, [each for each in self.units if each is not unit])
        self.tell(f"{hub.name} does not know {unit.name}", "unit not enrolled at a hub")
        self.clock.after(span(self._chance, MINUTE, 20 * MINUTE), partial(self._enrol, hub, self.units))

    def _enrol(self, hub: SimHub, units: Sequence[SimUnit]) -> None:
        """Writes a register so that it is seen as another file, as an editor does."""
        new = hub.settings.register.with_name("register.new")
        new.write_text("".join(f"{unit.signer.verifier}\n" for unit in units))
        new.replace(hub.settings.register)

    # How it ends

    def _is_quiet(self) -> bool:
        return (
            all(volunteer.is_done for volunteer in self.volunteers)
            and all(unit.is_on and not self._waits(unit) for unit in self.units)
            and all(hub.is_idle for hub in self.hubs)
        )

    def _waits(self, unit: SimUnit) -> int:
        """What of a unit's is not where it belongs, or not receipted, so that its lamp stays on."""
        return self.oracle.left(unit.name) or unit.unit.store.waiting_count(unit.settings.receipts)

    def _unquiet(self) -> str:
        waiting = {unit.name: self._waits(unit) if unit.is_on else "off" for unit in self.units}
        half_done = sum(not volunteer.is_done for volunteer in self.volunteers)
        return f"after {QUIET_HOURS_MAX} hours there wait, by unit, {waiting}, and {half_done} sheets are half done"

    def _piles(self, ms: Ms) -> list[list[str]]:
        """What each volunteer is given: mostly actas, each of a mesa of its own, and what else people bring."""
        chance, piles = self.chance("piles"), [list[str]() for _ in range(UNITS)]
        mesas = chance.sample(range(MESAS), MESAS)
        laid: list[tuple[int, int]] = []
        for number in range(min(MESAS, UNITS * round(1.5 * ms / SHEET_MS + 3))):
            at = number % UNITS
            kind = chance.random()
            if kind < 0.80 or not laid:
                mesa = mesas.pop()
                laid.append((at, mesa))
                piles[at].append(acta(mesa, differing=False))
            elif kind < 0.92:
                piles[at].append(acta(chance.choice(laid)[1], differing=False))
            elif kind < 0.95:
                piles[at].append(acta(chance.choice(laid)[1], differing=True))
            elif kind < 0.98:
                piles[at].append(MENU)
            else:
                piles[at].append("")
        return piles


class _Volunteer:
    """A volunteer: lays a sheet down, presses, looks at the lamps, and presses again until it is kept."""

    def __init__(self, world: _World, unit: SimUnit, pile: Sequence[str]) -> None:
        self.kept: set[str] = set()
        self._world = world
        self._unit = unit
        self._pile = deque(pile)
        self._chance = world.chance(f"volunteer {world.units.index(unit)}")
        self._presses = 0
        self._is_watching = False

    @property
    def is_done(self) -> bool:
        """Whether no sheet is half done."""
        return self._presses == 0

    def begin(self) -> None:
        """Goes to work."""
        self._press_after(SHEET_MS)

    def heard(self, signal: Signal) -> None:
        """Sees what the lamps say."""
        if signal not in VERDICTS or not self._is_watching:
            return
        self._is_watching = False
        payload = self._pile[0]
        if payload in RESTS:  # it is kept, or is not: it never counts
            pass
        elif signal not in _WITHOUT_QR and signal is not Signal.FAULT:
            if not self._world.oracle.trains(self._unit.name):
                self.kept.add(payload)
        elif payload:
            self._press_after(5 * SECOND)
            return
        # It is kept, or there was nothing on it.
        self._pile.popleft()
        self._presses = 0
        self._unit.body.camera.clear()
        self._world.oracle.lay(self._unit.name, None)
        if payload and payload != MENU and self._world.is_night and self._chance.random() < 0.25:
            self._pile.appendleft(self._chance.choice(list(RESTS)))
            self._press_after(2 * SECOND)
        else:
            self._press_after(SHEET_MS)

    def _press_after(self, mean_ms: Ms) -> None:
        self._world.clock.after(SECOND + round(self._chance.expovariate(1 / mean_ms)), self._press)

    def _press(self) -> None:
        if not self._pile or (self.is_done and not self._world.is_night):
            return
        if not self._unit.is_on:
            self._press_after(10 * SECOND)
            return
        picture = picture_of(self._pile[0])
        self._unit.body.camera.lay(picture, "image/png")
        self._world.oracle.lay(self._unit.name, Laid("" if self._pile[0] in RESTS else self._pile[0], picture))
        if self._world.is_night and self._chance.random() < 0.05:
            self._unit.plug.pull_after(self._chance.randrange(600))
        self._presses += 1
        self._is_watching = True
        self._world.tell(f"{self._unit.name} is pressed", "press")
        self._unit.body.press()
        self._world.clock.after(VERDICT_MS, partial(self._lose_patience, len(self._pile), self._presses))

    def _lose_patience(self, left: int, presses: int) -> None:
        if self._is_watching and (left, presses) == (len(self._pile), self._presses):
            self._is_watching = False
            self._press()


_WITHOUT_QR = UNREAD | {Signal.KEPT_UNREAD, Signal.KEPT_PART}
"""What a volunteer who knows that there is a QR code presses again for."""

_CUT_AFTER: dict[Enum, float] = {Event.KEPT: 0.03, Event.RECEIPTED: 0.003, Event.CARD_REPAIRED: 0.05}
"""How often the power is cut right after a unit has done something and before it can say so."""


def _receive(hubs: Sequence[SimHub], batch: Sequence[Publication]) -> list[Publication]:
    for hub in hubs:
        hub.receive(batch)
    return []


def _repair(unit: SimUnit) -> None:
    unit.body.camera.plug()
    unit.body.camera.resume()
    unit.reader.is_gone = unit.reader.is_mute = False


@contextmanager
def ends_within(seconds: float) -> Iterator[None]:
    """What is done meanwhile ends in time, by itself or by a `StuckError`; in a program's main thread only."""

    def ring(_signal: int, frame: FrameType | None) -> None:
        stack = " > ".join(f"{Path(at.filename).name}:{at.lineno}" for at in traceback.extract_stack(frame)[-8:])
        raise StuckError(f"after {seconds:g} s it stands at {stack}")

    rang = signal.signal(signal.SIGALRM, ring)
    left = signal.setitimer(signal.ITIMER_REAL, seconds, RING_AGAIN_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *left)  # whoever runs us may have set an alarm, too
        signal.signal(signal.SIGALRM, rang)


def bounded(seed: int, hours: float, folder: Path | None) -> Night:
    """A night that ends, in a program that is given nothing else to do."""
    seconds = max(1.0, hours) * STUCK_SECONDS
    faulthandler.dump_traceback_later(seconds + STUCK_MORE_SECONDS, exit=True)
    try:
        with ends_within(seconds):
            return hunt(seed, hours, folder)
    except StuckError as error:  # before it began, or after it had ended
        return Night(seed, hours, "", Counter(), f"it comes to an end: {error}", (), 0.0)
    finally:
        faulthandler.cancel_dump_traceback_later()


def _end_with_parent() -> None:
    """Ends this program when the one that began it was killed: else it would wait for ever for its next night."""
    parent, own = multiprocessing.parent_process(), threading.main_thread().ident
    assert parent is not None, "a process of a pool has a parent"
    assert own is not None, "the main thread runs"
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background has it ignored

    def watch() -> None:
        parent.join()
        ends = threading.Event()
        while not ends.wait(2):  # the night that it is at, so that its folder goes; and then the wait for the next one
            signal.pthread_kill(own, signal.SIGINT)

    threading.Thread(target=watch, daemon=True).start()


def hunt_many(seeds: Sequence[int], hours: float, jobs: int, folder: Path | None) -> Iterator[Night]:
    """Nights of many seeds, as they come to an end, in so many processes.

    Each ends, well or badly: one that stands still, or whose process is lost, is a night that failed.
    """
    left = dict.fromkeys(seeds)
    while left:
        pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), initializer=_end_with_parent)
        nights = [pool.submit(bounded, seed, hours, folder) for seed in left]
        try:
            for done in as_completed(nights):
                night = done.result()
                del left[night.seed]
                yield night
        except BrokenProcessPool:
            for seed in list(left)[:jobs]:  # they were begun in this order
                del left[seed]
                why = "its process, or that of a night beside it, was lost or ended for standing still (see above)"
                yield Night(seed, hours, "", Counter(), why, (), 0.0)
        finally:
            pool.shutdown(cancel_futures=True)


def report(night: Night) -> str:
    """What a night was, or what broke and how to see it again."""
    if night.broken:
        return "\n".join((*night.last, "", f"seed {night.seed}: {night.broken}", f"replay: {night.replay}"))
    return f"seed {night.seed}: nothing was lost and nothing told, log {night.digest[:16]}"


def summary(nights: int, tally: Counter[str], failures: int, cpu_seconds: float) -> str:
    """What so many nights held, and how many failed."""
    rows = "\n".join(f"{number:>12,}  {what}" for what, number in sorted(tally.items()))
    cost = cpu_seconds / nights if nights else 0.0
    return f"{rows}\n{nights:,} nights, {cost:.1f} s of CPU each, {failures} failures"
