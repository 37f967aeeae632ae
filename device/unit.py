"""The unit: scan, store, custody and body joined: an inbox, and `handle(event)` for one event at a time.

One thread owns it. What the body's own threads have to say they put into the inbox; on a Pi `run` takes it out again,
in the simulator a scheduler calls `handle` and `wake` directly. So there are no locks here.
"""

import contextlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty
from random import Random

import msgspec

from device import hold, readiness
from device.control import WORDS_MAX, Declined, Taken, Trust, is_card, judge
from device.corner import Corner
from device.custody import Custody
from device.health import Health
from device.inbox import Inbox
from device.keeper import Keeper, Prepared
from device.log import Event
from device.package import Brought, Packages
from device.ports import (
    Acknowledged,
    Body,
    BodyEvent,
    ButtonHeld,
    ButtonPressed,
    ButtonReleased,
    CameraFailed,
    CameraHangs,
    Delivered,
    FrameRead,
    FrameReader,
    FrameTaken,
    LinkDown,
    LinkUp,
    Measured,
    Ms,
    NetworkJoined,
    PartMissing,
    ReaderFailed,
    StickIn,
    StickOut,
    StickWorked,
)
from device.power import Power
from device.quiet import Quiet
from device.room import Room
from device.scan import (
    LOOK_MS_MAX,
    Failed,
    Faulted,
    Held,
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
    Stuck,
    Woke,
    step,
)
from device.scan import (
    Event as ScanEvent,
)
from device.settings import Settings
from device.signals import FaultCode, Signal
from device.standing import Standing
from device.stick import Sticks
from device.store import CardError, Store
from wire import note
from wire.acta import Refusal
from wire.control import Network, Training
from wire.control import Quiet as QuietCard
from wire.control import State as Turned
from wire.errors import OurFault
from wire.fields import NOTHING
from wire.log import Log
from wire.note import Signer
from wire.record import Mode, Quality
from wire.topics import Leaf

WAKE_MS = 100
"""How often time is looked at; a verdict may be shown this much too long."""

RECOVER_MS = 10_000
"""When a card that has refused is looked at again: that reads the names of all its files. Each time twice as late, for
the record that it may have is then written once more, and an ailing card must not be worn out so."""

RECOVER_MS_MAX = 600_000
"""The latest that it is looked at again."""

CARD_TOLD_MS = 60_000
"""How often it is told again that the card refuses: what is tried each second would fill the log."""


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

    Attributes:
        is_off: whether somebody has switched it off by its button, or its battery is empty: whoever runs it closes it,
            and lets it be.
        begins_anew: whether its camera hangs, which nothing else can end, or the card has a newer package than these
            settings: whoever runs it closes it, and starts it with its settings read again.

    Raises:
        CardError: the card cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        body: Body,
        reader: FrameReader,
        inbox: Inbox,
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
        self._hold: hold.State = hold.Up()
        self.is_off = self.begins_anew = False
        self._hangs = self._has_newer = False
        self._report = b""
        self._looks: deque[Ms] = deque()
        self._frames: dict[int, tuple[Ms, str, Future[Prepared]]] = {}
        self._number = 0
        self._prepared: Future[Prepared] | None = None
        self._kept: dict[frozenset[str], str] = {}
        self._parts: dict[str, int] = {}
        self._mesas: set[str] = set()
        self._pressed_at: Ms = 0
        self._card_told_at: Ms = 0
        self._recover_at: Ms = 0
        self._recover_wait: Ms = RECOVER_MS
        self._power = Power(body.storage, body.clock.power)
        self._quiet = Quiet(body.storage, settings.sound, settings.number)
        body.indicator.quiet(self._quiet.is_on)
        body.indicator.show(Signal.STARTING)
        try:
            self._keeper = self._open_card()
        except CardError:
            body.indicator.show(FaultCode.CARD)
            raise
        self._room = Room(self._keeper.store, body.storage, log)
        self._health = Health(settings, self._keeper.store, body.storage, body.clock, body.indicator.show, log)
        self._corner = Corner(body.storage, settings.deployment, settings.unit, settings.hubs, settings.receipts)
        self._trust = Trust(settings.deployment, settings.unit, settings.cards, settings.hubs)
        self._standing = Standing(body.storage, self._trust, log)
        self._custody = Custody(
            settings, self._keeper.store, signer, body.link, body.clock, body.indicator, chance, log, self._moved
        )
        self._custody.reach(self._standing.brokers(settings.brokers))
        self._packages = Packages(body.storage.folder, settings.packages)
        self._sticks = Sticks(
            settings,
            self._keeper.store,
            signer,
            self._corner,
            self._packages,
            lambda answer: self._with_card(lambda: self._custody.answered(answer)),
            lambda notice: self._with_card(lambda: self._moved(notice)),
            self._brought,
            log,
        )

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
            self._body.indicator.show(FaultCode.READER)
            raise
        try:
            store, waiting = self.store, self.store.waiting_count(self._settings.receipts)
            self._log(
                Event.STARTED,
                unit=self._settings.unit,
                package=self._settings.number,
                boot=store.boot,
                kept=store.count(),
                waiting=waiting,
            )
            self._scan(Started())
            self._custody.start()
        except CardError:  # started anew it looks at all of the card again, which is all that could be done here
            self._body.indicator.show(FaultCode.CARD)
            raise
        self._with_card(lambda: self._power.remember(is_training=self._power.is_training))
        if self._settings.mode is Mode.TRAINING or self._power.is_training:
            self._mark_training()
        self._with_card(lambda: self._brought(self._packages.settle(self._settings.package, self._settings.number)))
        if self._quiet.is_on:
            self._body.indicator.show(Signal.QUIET)

    def run(self, stopped: Callable[[], bool]) -> None:
        """Handles events until `stopped` says so, or somebody has switched it off."""
        self.start()
        while not (stopped() or self.is_off or self.begins_anew):
            with contextlib.suppress(Empty):
                self.handle(self._inbox.get(timeout=WAKE_MS / 1000))
            self.wake()
        self.close()

    def close(self) -> None:
        """Ends in order; nothing is lost if it never gets to."""
        self._inbox.close()
        self.store.close()
        if self.is_off:
            self._body.indicator.show(Signal.OFF)  # only now: dark says that nothing is written any more
        self._body.link.close()  # a link that is being made lets nobody close it for seconds
        self._reader.close()
        self._log(Event.STOPPED, unit=self._settings.unit)

    def handle(self, event: BodyEvent) -> None:
        """Takes one event from the body."""
        match event:
            case ButtonPressed():
                self._button(hold.WentDown(self._now()))
            case ButtonReleased():
                self._button(hold.CameUp(self._now()))
            case ButtonHeld():  # by whoever wants to train, if the power has just come on; else it is a press
                self._button(hold.WentDown(self._now(), self._power.is_new))
            case FrameTaken(frame):
                if self._looks:  # else it is the answer to a look that was given up
                    press = self._looks.popleft()
                    self._number += 1
                    self._frames[self._number] = press, frame.calibration, self._keeper.prepare(frame)
                    self._reader.read(self._number, frame.luma, press)
            case FrameRead(number, payloads, quality, lost, uncertified, is_paper):
                if lost:
                    self._log(Event.READER_LOST, why=lost)
                if uncertified:
                    self._log(Event.UNCERTIFIED, where=uncertified)
                if number in self._frames:  # it is kept with the photograph that it was read in, and no other
                    press, calibration, self._prepared = self._frames.pop(number)
                    quality = msgspec.structs.replace(quality, calibration=calibration)
                    self._scan(self._judge(press, payloads, quality, is_paper))
                    self._prepared = None  # nobody needs the photograph any more
            case ReaderFailed(number, why):
                self._log(Event.READER_BAD, why=why)
                if number in self._frames:
                    self._failed(self._frames.pop(number)[0], FaultCode.READER)
            case CameraFailed(why):
                self._log(Event.CAMERA_BAD, why=why)
                if self._looks:
                    self._failed(self._looks.popleft(), FaultCode.CAMERA)
            case CameraHangs(why):
                self._log(Event.CAMERA_BAD, why=why)
                self._hangs = True
            case LinkUp() | LinkDown() | Acknowledged() | Delivered():
                self._with_card(lambda: self._custody.handle(event))
                if isinstance(event, LinkUp):
                    self._with_card(self._find_report)
            case StickIn() | StickWorked() | StickOut():
                self._sticks.handle(event, self._now())
                self._with_card(lambda: self._custody.show(self._sticks.signal))
            case Measured(vitals):
                self._health.measured(vitals)
            case NetworkJoined(""):
                self._log(Event.NETWORK_JOINED)
            case NetworkJoined(failure):
                self._log(Event.NETWORK_BAD, why=failure)
                self._body.indicator.show(FaultCode.NETWORK)
            case PartMissing(why, code):
                self._log(Event.PART_MISSING, why=why)
                if code is not None:
                    self._body.indicator.show(code)

    def wake(self) -> None:
        """Lets time pass: tiers of a hold are reached, verdicts end, connections and offers come due."""
        now = self._now()
        if not self._inbox.is_urgent:  # else the release of what seems held may wait in it
            self._button(hold.Woke(now))
        self._scan(Woke(now, self._waited_for))
        self._with_card(self._custody.wake)
        self._with_card(lambda: self._beat(now))
        if self._is_between or isinstance(self._state, Faulted):
            self._with_card(lambda: self._make_room(now))
        if self._sticks.wake(now):
            self._with_card(lambda: self._custody.show(self._sticks.signal))
        if not isinstance(self._state, Searching):  # whoever has pressed waits for a verdict
            self._recover(now)
            self.is_off = self.is_off or self._health.is_empty(now)
            # Nor does it start anew under a finger, or instead of going off.
            is_wanted = self._hangs or (self._has_newer and self._is_between and self._sticks.is_idle(now))
            self.begins_anew = is_wanted and not isinstance(self._hold, hold.Down | hold.Leaving | hold.Off)

    @property
    def _is_between(self) -> bool:
        """Whether nothing is shown, searched or open: the time between two actas."""
        return isinstance(self._state, Idle) and self._state.memory.prompt is Signal.IDLE

    def _with_card(self, act: Callable[[], object]) -> None:
        """Does something that is not the scan's. If the card refuses, that is told and shown; all else goes on.

        What was left undone is done when its time comes again; and a press, which says itself whether it was kept, must
        not wait for a unit that is starting anew because a receipt could not be filed.
        """
        try:
            act()
        except (CardError, MemoryError, OSError) as error:
            if (now := self._now()) >= self._card_told_at:
                self._card_told_at = now + CARD_TOLD_MS
                self._log(Event.CARD_BAD, why=str(error))
                self._body.indicator.show(FaultCode.CARD_WORN)

    def _recover(self, now: Ms) -> None:
        """What the card may have kept though it refused is found and sent, even if nobody presses again."""
        if self.store.is_sure:
            self._recover_wait = RECOVER_MS
        elif now >= self._recover_at:
            try:
                self.store.recover()
            except (CardError, MemoryError):  # told and shown when the write failed; and whoever presses tries at once
                self._recover_at = self._now() + self._recover_wait
                self._recover_wait = min(2 * self._recover_wait, RECOVER_MS_MAX)
            else:
                self._with_card(self._custody.kept)

    def _make_room(self, now: Ms) -> None:
        was_short = self._room.is_short
        try:
            self._room.idle(now)
        finally:
            if self._room.is_short is not was_short:
                if self._room.is_short:
                    self._log(Event.CARD_SHORT, free=self._body.storage.free())
                if self._is_between:
                    self._show(Signal.IDLE)

    def _beat(self, now: Ms) -> None:
        """Says how the unit is, when it is time, and what its bench saw; without a link, it is time again later."""
        if self._custody.has_room and (beat := self._health.beat(now)):
            self._custody.say(Leaf.BEAT, note.write(beat, self._signer))
        if self._custody.has_room and self._report:
            self._custody.say(Leaf.READINESS, self._report)
            self._report = b""

    def _find_report(self) -> None:
        """What the bench has left is said once a connection: it is tiny, and nobody answers it."""
        report = readiness.found(self._body.storage.folder, self._settings.deployment, self._signer.verifier)
        self._report = report[0] if report else b""

    # The button: pressed, held, let go.

    def _button(self, event: hold.Event) -> None:
        self._hold, told = hold.step(self._hold, event)
        match told:
            case hold.Told.PRESSED:
                self._body.indicator.hush()
                self._scan(Pressed(event.at))
            case hold.Told.TICK_COUNT:
                self._body.indicator.show(Signal.HELD_COUNT)
                self._scan(Held())
            case hold.Told.TICK_QUIET:
                self._body.indicator.show(Signal.HELD_QUIET)
            case hold.Told.TICK_OFF:
                self._body.indicator.show(Signal.HELD_OFF)
            case hold.Told.COUNT:
                self._with_card(self._read_out)
            case hold.Told.QUIET:
                self._turn_quiet()
            case hold.Told.LEAVING:
                self._body.indicator.show(Signal.GOING_OFF)
            case hold.Told.STAYS:
                self._body.indicator.hush()
                self._body.indicator.show(Signal.STAYING_ON)
            case hold.Told.OFF:
                self._log(Event.SWITCHED_OFF)
                self.is_off = True
            case hold.Told.TRAIN:
                self._body.indicator.hush()  # what the button was told is over, and hides that it is training
                self._train()
            case hold.Told.STUCK:
                button = FaultCode.BUTTON.value
                self._log(Event.BUTTON_STUCK, ms=hold.STUCK_MS, why=f"{button.meaning}: {button.remedy}")
                self._scan(Stuck())
            case None:
                pass

    def _read_out(self) -> None:
        """Tells how many records wait."""
        self._body.indicator.count(self.store.waiting_count(self._settings.receipts))

    def _turn_quiet(self) -> None:
        is_on = not self._quiet.is_on
        self._be_quiet(is_on)
        self._body.indicator.show(Signal.QUIET if is_on else Signal.LOUD)

    def _be_quiet(self, is_on: bool) -> None:
        self._body.indicator.quiet(is_on)
        self._with_card(lambda: self._quiet.turn(is_on))

    def _train(self) -> None:
        """Begins training: whatever the package says, until the power goes."""
        self._with_card(lambda: self._power.remember(is_training=True))
        self._mark_training()

    def _mark_training(self) -> None:
        """Marks all that is kept from now on as training, and shows it."""
        self._keeper.mode = Mode.TRAINING
        self._log(Event.TRAINING)
        self._show(Signal.IDLE)

    def _brought(self, brought: Brought) -> None:
        """A package came: with the settings, or on a stick."""
        if brought.refused:
            self._log(Event.PACKAGE_REFUSED, why=brought.refused)
            self._body.indicator.show(FaultCode.PACKAGE_REFUSED)
        elif brought.number > self._settings.number:
            self._log(Event.PACKAGE_TAKEN, number=brought.number)
            self._has_newer = True

    # The scan: pressed, looked, kept.

    def _scan(self, event: ScanEvent) -> None:
        self._state, orders = step(self._state, event)
        for order in orders:
            match order:
                case Show(signal):
                    self._show(signal)
                    self._log_scan(event, signal)
                case Look(since, anew):
                    self._looks.append(since)
                    self._body.camera.look(anew)
                case Keep():
                    self._with_card(self._corner.make_way)
                    self._scan(self._keep(order))  # the verdict first: a volunteer waits for it
                    self._with_card(self._custody.kept)

    def _show(self, said: Signal | FaultCode) -> None:
        """Shows what the scan has to say; in training that nothing counts, whatever else it waits for."""
        is_ready = said is Signal.IDLE or (said is Signal.REST and self._keeper.mode is Mode.TRAINING)
        self._body.indicator.show(self._ready if is_ready else said)

    @property
    def _ready(self) -> Signal:
        """What says that the unit is ready: first of all that nothing will count."""
        if self._keeper.mode is Mode.TRAINING:
            return Signal.TRAINING
        return Signal.CARD_NEARLY_FULL if self._room.is_short else Signal.IDLE

    @property
    def _waited_for(self) -> FaultCode:
        """What is at fault if a look is not answered."""
        return FaultCode.READER if self._frames else FaultCode.CAMERA

    def _failed(self, press: Ms, code: FaultCode) -> None:
        """What was asked for a press failed; if it was an earlier one, this one's own answer is still to come."""
        if not isinstance(self._state, Searching) or press == self._state.since:
            self._scan(Failed(self._now(), code))

    def _log_scan(self, event: ScanEvent, said: Signal | FaultCode) -> None:
        if isinstance(event, Pressed):
            self._pressed_at = event.at
        elif isinstance(event, Woke) and isinstance(said, FaultCode):
            self._frames.clear()
            silent = Event.READER_BAD if said is FaultCode.READER else Event.CAMERA_BAD
            self._log(silent, why=f"no answer within {LOOK_MS_MAX} ms: {said.value.remedy}")
        elif isinstance(event, Looked | Kept | Failed):
            signal = said.signal if isinstance(said, FaultCode) else said
            self._log(Event.SCANNED, signal=signal.word, ms=self._now() - self._pressed_at)
            # What is no sheet, and the rest of an acta that was read, say nothing of how well the unit reads.
            if isinstance(event, Looked) and (event.payloads or event.is_paper):
                self._health.scanned(bool(event.payloads))
            elif isinstance(event, Kept) and signal is not Signal.KEPT_PART:
                self._health.scanned(signal is not Signal.KEPT_UNREAD)

    def _judge(self, since: Ms, found: Payloads, quality: Quality, is_paper: bool) -> Looked:
        """What the profile says of what was read, together with the parts read before."""
        profile = self._settings.profile
        if not found:
            return Looked(self._now(), since, quality=quality, is_paper=is_paper)
        actas = tuple(payload for payload in found if not is_card(payload))
        if actas and actas != found:  # a card left on the tray must not make an acta one that is not counted
            self._log(Event.CONTROL_REFUSED, why="it lies beside an acta: show it alone")
            found = actas
        if len(found) == 1 and is_card(found[0]):
            card = self._judge_card(found[0].encode("latin-1"))
            if isinstance(card, Declined):
                self._log(Event.CONTROL_REFUSED, why=card.why)
            return Looked(self._now(), since, found, quality, card)
        parts: Payloads = self._state.memory.parts if isinstance(self._state, Searching) else ()
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
        if payloads in self._kept and order.control is None:
            return Kept(self._now(), Novelty.BEFORE, self._kept[payloads])
        if self._prepared is None:
            raise AssertionError("something is to be kept, and there is no frame that it was seen in")
        part = self._parts.get(order.first, 1) + 1 if order.first else 1
        try:
            placed = self._keeper.keep(
                order.payloads, order.quality, order.doubt, [self._prepared], order.first or NOTHING, part
            )
        except CardError as error:
            self._log(Event.CARD_BAD, why=str(error))
            return Failed(self._now(), FaultCode.CARD)
        except MemoryError:
            self._log(Event.READER_BAD, why="no memory left to seal the photograph in: press again")
            return Failed(self._now(), FaultCode.READER)
        self._log(Event.KEPT, seq=placed.seq, part=part, step=order.quality.step)
        if order.control is not None:
            return self._obey(order.control) or Kept(self._now(), Novelty.FIRST, placed.identity)
        novelty = Novelty.DIFFERS if order.mesa in self._mesas else Novelty.FIRST
        if order.mesa and self._settings.roster and order.mesa not in self._settings.roster:
            self._log(Event.OFF_ROSTER)
            novelty = Novelty.OFF_ROSTER
        if payloads:
            self._kept[payloads] = placed.identity
        if order.first:
            self._parts[order.first] = part
        if order.mesa:
            self._mesas.add(order.mesa)
        return Kept(self._now(), novelty, placed.identity)

    # Control cards, and moves of hubs.

    def _judge_card(self, payload: bytes) -> Taken | Declined:
        now = self._body.clock.seconds() if self._body.clock.source() not in ("unset", "stop") else None
        try:
            heard = self.store.heard(self.store.place().chain) if now is None else ()
        except CardError as error:
            return Declined(str(error)[:WORDS_MAX])
        past = max((each.at for each in heard), default=None)
        return judge(payload, self._trust, self._standing.numbers, now, past)

    def _obey(self, taken: Taken) -> Failed | None:
        """Does what a control card says, once it is kept; why not, if not."""
        try:
            self._remember(taken)
        except CardError as error:
            self._log(Event.CARD_BAD, why=str(error))
            return Failed(self._now(), FaultCode.CARD)
        match taken.said:
            case QuietCard(state):
                self._be_quiet(state is Turned.ON)
            case Training():
                self._train()
            case Network(name, passphrase):
                self._body.network.join(name, passphrase)
            case _:
                pass  # its record says it all, or which brokers to try was changed with what is remembered
        return None

    def _moved(self, notice: bytes) -> None:
        """Takes a hub's move that came over the link, or on a stick; one that is known already is passed over.

        Raises:
            CardError: the card refuses; it is taken when it comes again.
        """
        match self._judge_card(notice):
            case Taken() as taken if self._standing.numbers.get(taken.what) != taken.number:
                self._remember(taken)
            case Taken():
                pass
            case Declined(why):
                self._log(Event.CONTROL_REFUSED, why=why)

    def _remember(self, taken: Taken) -> None:
        if self._standing.take(taken):
            brokers = self._standing.brokers(self._settings.brokers)
            self._log(Event.MOVED, brokers=" ".join(f"{each.host}:{each.port}" for each in brokers))
            self._custody.reach(brokers)
        self._log(Event.CONTROL_TAKEN, kind=taken.kind, number=taken.number)

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
