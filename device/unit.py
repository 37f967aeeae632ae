"""The unit: scan, store, outbox and body joined: an inbox, and `handle(event)` for one event at a time.

One thread owns it. What the body's own threads have to say they put into the inbox; on a Pi `run` takes it out again,
in the simulator a scheduler calls `handle` and `wake` directly. So there are no locks here.
"""

import contextlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from random import Random

from device.keeper import Keeper, Prepared
from device.log import Event
from device.outbox import Chunk, Outbox
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
)
from device.scan import (
    LOOK_MS_MAX,
    Failed,
    Faulted,
    Keep,
    Kept,
    Look,
    Looked,
    Novelty,
    Payloads,
    Pressed,
    Searching,
    Show,
    Showing,
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
from device.store import CardError, Store
from wire import note
from wire.acta import Refusal
from wire.errors import OurFault, TheirFault
from wire.log import Log
from wire.note import Signer
from wire.receipt import Holding, Receipt, Refused
from wire.record import Quality
from wire.topics import Leaf, Topic

WAKE_MS = 100
"""How often time is looked at; a verdict may be shown this much too long."""

CHUNKS_ON_THEIR_WAY_MAX = 4
"""256 KB: a record that is kept meanwhile must not wait long behind pictures on a slow link."""

RECONNECT_MS_MIN = 1_000
RECONNECT_MS_MAX = 120_000

RECONCILE_MS = 3_000
"""How long to wait after connecting for a hub to say what it holds, before offering it again."""

HOLDING_MS = 60_000
"""While something waits and no hub says anything, how often to say what is held."""

OFFER_MS = 1_000
"""How often to look for offers that have come due."""


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
        self._chance = chance
        self._log = log
        self._reader = reader
        self._state: State = Starting()
        self._looks: deque[Ms] = deque()
        self._frames: dict[int, tuple[Ms, Future[Prepared]]] = {}
        self._number = 0
        self._prepared: Future[Prepared] | None = None
        self._kept: set[frozenset[str]] = set()
        self._mesas: set[str] = set()
        self._link: LinkUp | None = None
        self._failures = 0
        self._pressed_at: Ms = 0
        self._connect_at: Ms | None = None
        self._offer_from: Ms = 0
        self._offer_at: Ms = 0
        self._holding_at: Ms = 0
        self._on_their_way: dict[int, bool] = {}
        self._lamp: Signal | None = None
        body.indicator.show(Signal.STARTING)
        try:
            self._keeper = self._open_card()
        except CardError:
            body.indicator.show(Signal.FAULT)
            raise
        self._outbox = Outbox(self._keeper.store, settings.receipts, chance)

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
        self._connect_at = self._now()
        store, waiting = self.store, self.store.waiting_count(self._settings.receipts)
        self._log(Event.STARTED, unit=self._settings.unit, boot=store.boot, kept=store.count(), waiting=waiting)
        self._scan(Started())
        self._show_link()

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
            case FrameRead(number, payloads, quality, lost):
                if lost:
                    self._log(Event.READER_LOST, why=lost)
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
            case LinkUp():
                self._link_is_up(event)
            case LinkDown(why):
                self._link_is_down(why)
            case Acknowledged(token, failure):
                self._on_their_way.pop(token, None)
                if failure:
                    self._log(Event.NOT_TAKEN, why=failure)
                self._offer()
            case Delivered(_, payload):
                self._delivered(payload)

    def wake(self) -> None:
        """Lets time pass: verdicts end, connections and offers come due."""
        now = self._now()
        self._scan(Woke(now))
        if self._connect_at is not None and now >= self._connect_at:
            self._connect_at = None
            self._body.link.connect()
        if self._link is not None and now >= self._offer_at:
            self._offer_at = now + OFFER_MS
            self._offer()
        if self._link is not None and now >= self._holding_at and self._lamp is not Signal.LINK_SETTLED:
            self._say_holding()

    # The scan: pressed, looked, kept.

    def _scan(self, event: ScanEvent) -> None:
        self._state, orders = step(self._state, event)
        for order in orders:
            match order:
                case Show(signal):
                    self._body.indicator.show(signal)
                    self._log_scan(event, signal)
                case Look(since):
                    self._looks.append(since)
                    self._body.camera.look()
                case Keep():
                    self._scan(self._keep(order))  # the verdict first: a volunteer waits for it
                    self._show_link()
                    self._offer()

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
        elif isinstance(self._state, Showing | Faulted):
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
        store = Store(
            self._body.storage.folder, self._signer.verifier, lambda what: self._log(Event.CARD_REPAIRED, what=what)
        )
        return Keeper(
            store,
            settings.deployment,
            self._signer,
            settings.recipients,
            self._body.clock,
            settings.profile.id,
            settings.mode,
        )

    # The link: connected, offered, receipted.

    def _link_is_up(self, link: LinkUp) -> None:
        self._log(Event.LINK_UP, window=link.window)
        self._link = link
        self._on_their_way.clear()
        self._outbox.connected(self._now())
        self._offer_from = self._now() + RECONCILE_MS
        self._say_holding()
        self._show_link()

    def _link_is_down(self, why: str) -> None:
        wait = self._chance.randrange(min(RECONNECT_MS_MAX, RECONNECT_MS_MIN << min(self._failures, 10)))
        self._failures += 1
        self._link = None
        self._connect_at = self._now() + wait
        self._log(Event.LINK_DOWN, why=why, next_ms=wait)
        self._show_link()

    def _say_holding(self) -> None:
        if self._link is None or len(self._on_their_way) >= self._link.window:
            return  # asked again at the next wake
        place = self.store.place()
        holding = Holding(chain=place.chain, hash=place.prev, seq=place.seq - 1, unit=self._settings.unit)
        self._publish(Leaf.HOLDING, note.write(holding, self._signer))
        self._holding_at = self._now() + HOLDING_MS + self._chance.randrange(HOLDING_MS)

    def _offer(self) -> None:
        """Publishes what is due, as far as there is room on the link."""
        if self._link is None or self._now() < self._offer_from:
            return
        now, room = self._now(), self._link.window - len(self._on_their_way)
        for offer in self._outbox.due(now, room, CHUNKS_ON_THEIR_WAY_MAX - sum(self._on_their_way.values())):
            if isinstance(offer, Chunk):
                sent = self._publish(Leaf.CHUNK, offer.content, offer.sha256, offer.number)
            else:
                publication = self.store.read(offer)
                if publication is None:
                    self._log(Event.RECORD_BAD, file=offer.file_name)
                    self._outbox.refused(offer, now)  # it takes no place from those that can be sent
                    continue
                sent = self._publish(Leaf.ENVELOPE, publication)
            if not sent:
                return
            self._outbox.offered(offer, now)

    def _publish(self, leaf: Leaf, payload: bytes, sha256: str = "", number: int = 0) -> bool:
        """Publishes on a topic of ours; whether the link is still there."""
        topic = str(Topic(self._settings.deployment, self._settings.unit, leaf, sha256, number))
        if self._link is None:
            return False
        if len(payload) + len(topic) + 16 > self._link.bytes_max:
            self._log(Event.TOO_LARGE, leaf=leaf.value, bytes=len(payload), max=self._link.bytes_max)
            return True
        token = self._body.link.publish(topic, payload)
        if token is None:
            return False
        self._on_their_way[token] = leaf is Leaf.CHUNK
        return True

    def _delivered(self, payload: bytes) -> None:
        try:
            if note.kind_of(payload) == Refused.KIND:
                self._refused(note.read(payload, Refused, self._settings.hubs).statement)
            else:
                self._receipted(note.read(payload, Receipt, self._settings.hubs))
        except TheirFault as error:
            self._log(Event.RECEIPT_IGNORED, why=str(error))

    def _receipted(self, receipt: note.Note[Receipt]) -> None:
        statement = receipt.statement
        try:
            is_ours = statement.unit == self._settings.unit and self.store.settle(receipt)
        except CardError as error:
            self._log(Event.CARD_BAD, why=str(error))
            return
        if not is_ours:
            self._log(Event.RECEIPT_IGNORED, hub=statement.hub, why="it is of a chain or an envelope this card has not")
            return
        self._failures = 0
        self._log(Event.RECEIPTED, hub=statement.hub, seq=statement.seq, whole=statement.whole)
        self._outbox.settled(statement.hub, statement.missing, self._now())
        self._offer_from = self._now()  # a hub has spoken: what it holds is known
        self._show_link()
        self._offer()

    def _refused(self, refused: Refused) -> None:
        kept = self.store.find(refused.publication)
        if kept is None or refused.unit != self._settings.unit:
            self._log(Event.RECEIPT_IGNORED, hub=refused.hub, why="it refuses something this card has not")
            return
        self._log(Event.REFUSED, hub=refused.hub, seq=kept.seq, why=refused.why, words=refused.words)
        self._body.indicator.show(Signal.REFUSED)
        self._lamp = Signal.REFUSED
        self._outbox.refused(kept, self._now())

    def _show_link(self) -> None:
        waits = self.store.waiting_count(self._settings.receipts) > 0
        lamp = Signal.LINK_SETTLED
        if waits:
            lamp = Signal.LINK_WAITING if self._link is None else Signal.LINK_SENDING
        if lamp is not self._lamp:
            self._lamp = lamp
            self._body.indicator.show(lamp)

    def _now(self) -> Ms:
        return self._body.clock.ms()
