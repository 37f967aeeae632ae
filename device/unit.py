"""The unit: scan, store, custody and body joined: an inbox, and `handle(event)` for one event at a time.

One thread owns it. What the body's own threads have to say they put into the inbox; on a Pi `run` takes it out again,
in the simulator a scheduler calls `handle` and `wake` directly. So there are no locks here.
"""

import contextlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from random import Random

from device.corner import Corner
from device.custody import Custody
from device.keeper import Keeper, Prepared
from device.log import Event
from device.ports import (
    Acknowledged,
    Body,
    BodyEvent,
    ButtonPressed,
    CameraFailed,
    Delivered,
    FrameRead,
    FrameReader,
    FrameTaken,
    LinkDown,
    LinkUp,
    Ms,
    ReaderFailed,
    StickIn,
    StickOut,
    StickWorked,
)
from device.room import Room
from device.scan import (
    LOOK_MS_MAX,
    Failed,
    Idle,
    Keep,
    Kept,
    Look,
    Looked,
    Novelty,
    Payloads,
    Pressed,
    Searching,
    Show,
    Started,
    Starting,
    State,
    Woke,
    step,
)
from device.scan import (
    Event as ScanEvent,
)
from device.settings import Settings
from device.signals import Signal
from device.stick import Sticks
from device.store import CardError, Store
from wire.acta import Refusal
from wire.errors import OurFault
from wire.log import Log
from wire.note import Signer
from wire.record import Quality

WAKE_MS = 100
"""How often time is looked at; a verdict may be shown this much too long."""


class Unit:
    """The firmware.

    Args:
        settings: the unit's.
        body: its body, already posting to `inbox`.
        reader: reads the frames, and posts to `inbox` too.
        inbox: where the body's events go.
        signer: the unit's key.
        chance: spreads retries; a unit needs no more from it.
        log: writes log lines.

    Raises:
        CardError: the card cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        body: Body,
        reader: FrameReader,
        inbox: "SimpleQueue[BodyEvent]",
        signer: Signer,
        chance: Random,
        log: Log,
    ) -> None:
        self._settings = settings
        self._body = body
        self._inbox = inbox
        self._signer = signer
        self._log = log
        self._reader = reader
        self._state: State = Starting()
        self._looks: deque[Ms] = deque()
        self._frames: dict[int, tuple[Ms, Future[Prepared]]] = {}
        self._number = 0
        self._prepared: Future[Prepared] | None = None
        self._kept: set[frozenset[str]] = set()
        self._mesas: set[str] = set()
        self._pressed_at: Ms = 0
        body.indicator.show(Signal.STARTING)
        try:
            self._keeper = self._open_card()
        except CardError:
            body.indicator.show(Signal.FAULT)
            raise
        self._room = Room(self._keeper.store, body.storage, log)
        self._corner = Corner(body.storage, settings.deployment, settings.unit, settings.hubs, settings.receipts)
        self._custody = Custody(
            settings, self._keeper.store, signer, body.link, body.clock, body.indicator, chance, log
        )
        self._sticks = Sticks(settings, self._keeper.store, signer, self._corner, self._custody.answered, log)

    @property
    def store(self) -> Store:
        """The card."""
        return self._keeper.store

    def start(self) -> None:
        """Says that it is ready, and asks for a connection.

        Raises:
            OurFault: there is no reader.
        """
        try:
            self._reader.ready()
        except OurFault as error:
            self._log(Event.READER_BAD, why=str(error))
            self._body.indicator.show(Signal.FAULT)
            raise
        store, waiting = self.store, self.store.waiting_count(self._settings.receipts)
        self._log(Event.STARTED, unit=self._settings.unit, boot=store.boot, kept=store.count(), waiting=waiting)
        self._scan(Started())
        self._custody.start()

    def run(self, stopped: Callable[[], bool]) -> None:
        """Handles events until `stopped` says so."""
        self.start()
        while not stopped():
            with contextlib.suppress(Empty):
                self.handle(self._inbox.get(timeout=WAKE_MS / 1000))
            self.wake()
        self.close()

    def close(self) -> None:
        """Ends in order; nothing is lost if it never gets to."""
        self._body.link.close()
        self.store.close()
        self._reader.close()
        self._log(Event.STOPPED, unit=self._settings.unit)

    def handle(self, event: BodyEvent) -> None:
        """Takes one event from the body."""
        match event:
            case ButtonPressed():
                self._scan(Pressed(self._now()))
            case FrameTaken(frame):
                if self._looks:  # else it is the answer to a look that was given up
                    press = self._looks.popleft()
                    self._number += 1
                    self._frames[self._number] = press, self._keeper.prepare(frame)
                    self._reader.read(self._number, frame.luma, press)
            case FrameRead(number, payloads, quality, lost, uncertified):
                if lost:
                    self._log(Event.READER_LOST, why=lost)
                if uncertified:
                    self._log(Event.UNCERTIFIED, where=uncertified)
                if number in self._frames:  # it is kept with the photograph that it was read in, and no other
                    press, self._prepared = self._frames.pop(number)
                    self._scan(self._judge(press, payloads, quality))
                    self._prepared = None  # nobody needs the photograph any more
            case ReaderFailed(number, why):
                self._log(Event.READER_BAD, why=why)
                if number in self._frames:
                    self._failed(self._frames.pop(number)[0])
            case CameraFailed(why):
                self._log(Event.CAMERA_BAD, why=why)
                if self._looks:
                    self._failed(self._looks.popleft())
            case LinkUp() | LinkDown() | Acknowledged() | Delivered():
                self._custody.handle(event)
            case StickIn() | StickWorked() | StickOut():
                self._sticks.handle(event, self._now())
                self._custody.show(self._sticks.signal)

    def wake(self) -> None:
        """Lets time pass: verdicts end, connections and offers come due."""
        self._scan(Woke(self._now()))
        self._custody.wake()
        if isinstance(self._state, Idle) and not self._state.parts and self._room.idle(self._now()):
            if self._room.is_short:
                self._log(Event.CARD_SHORT, free=self._body.storage.free())
            self._body.indicator.show(self._room_signal)
        if self._sticks.wake(self._now()):
            self._custody.show(self._sticks.signal)

    # The scan: pressed, looked, kept.

    def _scan(self, event: ScanEvent) -> None:
        self._state, orders = step(self._state, event)
        for order in orders:
            match order:
                case Show(signal):
                    self._body.indicator.show(self._room_signal if signal is Signal.IDLE else signal)
                    self._log_scan(event, signal)
                case Look(since):
                    self._looks.append(since)
                    self._body.camera.look()
                case Keep():
                    self._corner.make_way()
                    self._scan(self._keep(order))  # the verdict first: a volunteer waits for it
                    self._custody.kept()

    @property
    def _room_signal(self) -> Signal:
        """What says that the unit is ready."""
        return Signal.CARD_NEARLY_FULL if self._room.is_short else Signal.IDLE

    def _failed(self, press: Ms) -> None:
        """What was asked for a press failed; if it was an earlier one, this one's own answer is still to come."""
        if not isinstance(self._state, Searching) or press == self._state.since:
            self._scan(Failed(self._now()))

    def _log_scan(self, event: ScanEvent, signal: Signal) -> None:
        if isinstance(event, Pressed):
            self._pressed_at = event.at
        elif isinstance(event, Woke) and signal is Signal.FAULT:
            silent = Event.READER_BAD if self._frames else Event.CAMERA_BAD
            self._frames.clear()
            self._log(silent, why=f"no answer within {LOOK_MS_MAX} ms")
        elif isinstance(event, Looked | Kept | Failed):
            self._log(Event.SCANNED, signal=signal.word, ms=self._now() - self._pressed_at)

    def _judge(self, since: Ms, found: Payloads, quality: Quality) -> Looked:
        """What the profile says of what was read, together with the parts read before."""
        profile = self._settings.profile
        if not found:
            return Looked(self._now(), since, quality=quality)
        parts: Payloads = self._state.parts if isinstance(self._state, Searching) else ()
        together = tuple(dict.fromkeys(parts + found))
        verdict = profile.read(together)
        if parts and isinstance(verdict, Refusal):  # another acta was laid down before the first was complete
            together, verdict = found, profile.read(found)
        if isinstance(verdict, Refusal):
            together = found
            self._log(Event.REFUSED_PAYLOAD, why=str(verdict))
        return Looked(self._now(), since, together, quality, verdict)

    def _keep(self, order: Keep) -> Kept | Failed:
        payloads = frozenset(order.payloads)
        if payloads in self._kept:
            return Kept(self._now(), Novelty.BEFORE)
        if self._prepared is None:
            raise AssertionError("something was read, and there is no frame it was read in")
        try:
            place = self._keeper.keep(order.payloads, order.quality, order.doubt, [self._prepared])
        except CardError as error:
            self._log(Event.CARD_BAD, why=str(error))
            return Failed(self._now())
        except MemoryError:
            self._log(Event.CARD_BAD, why="no memory left to seal the photograph in: press again")
            return Failed(self._now())
        self._log(Event.KEPT, seq=place.seq, step=order.quality.step)
        novelty = Novelty.DIFFERS if order.mesa in self._mesas else Novelty.FIRST
        self._kept.add(payloads)
        if order.mesa:
            self._mesas.add(order.mesa)
        return Kept(self._now(), novelty)

    def _open_card(self) -> Keeper:
        settings = self._settings
        store = Store(self._body.storage, self._signer.verifier, settings.hubs, settings.receipts, self._log)
        return Keeper(
            store,
            settings.deployment,
            self._signer,
            settings.recipients,
            self._body.clock,
            settings.profile.id,
            settings.mode,
        )

    def _now(self) -> Ms:
        return self._body.clock.ms()
