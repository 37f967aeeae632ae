"""The custody: what waits is brought to hubs, and waits until their signed receipts say that they hold it.

The route says over which broker, the outbox what to offer; the store alone knows what is receipted. Nothing here is
remembered that a power cut could not take.
"""

from collections.abc import Callable
from random import Random

from device.log import Event
from device.outbox import Chunk, Outbox
from device.ports import Acknowledged, Clock, Delivered, Indicator, Link, LinkDown, LinkUp, Ms
from device.route import Route
from device.settings import Settings
from device.signals import Signal
from device.store import Place, Store
from wire import note
from wire.errors import TheirFault
from wire.log import Log
from wire.move import Move
from wire.note import Signer
from wire.receipt import Holding, Receipt, Refused
from wire.settings import Broker
from wire.topics import Leaf, Topic

CHUNKS_ON_THEIR_WAY_MAX = 4
"""256 KB: a record that is kept meanwhile must not wait long behind pictures on a slow link."""

RECONCILE_MS = 3_000
"""How long to wait after connecting for a hub to say what it holds, before offering it again."""

HOLDING_MS = 60_000
"""While something waits and no hub says anything, how often to say what is held."""

OFFER_MS = 1_000
"""How often to look for offers that have come due."""

PATIENCE_MS = 20_000
"""A broker behind which no hub has said anything new for so long, up to twice this, is left for another: a hub answers
within seconds even when a whole fleet has come back at once."""

HELD_MS_MAX = 600_000
"""What is still on its way is waited for beyond that, as on a slow link, but no longer: a broker that acknowledges late
and brings nothing to a hub must not hold the unit."""

HOME_MS = 600_000
"""A unit with nothing to send goes back to the first broker after this: else all would stay with the second for good,
after the first was away for a minute."""

ASK_MS = 1_800_000
"""A unit with nothing to send asks every hub this often what it holds: one that was restored from an old backup cannot
know what it has lost. 2,000 units make two more handshakes in a second."""

_NEVER: Ms = 2**63
"""No unit runs for so long."""

REFUSED_SHOWN_MS = 4_000
"""How long the signal of a refusal lasts."""

LinkEvent = LinkUp | LinkDown | Acknowledged | Delivered


class Custody:
    """What becomes of records once they are kept.

    Whatever is done here may find that the card refuses (CardError): what is undone then is done when its time comes.

    Args:
        settings: the unit's.
        store: the card.
        signer: the unit's key.
        link: carries.
        clock: the unit's.
        indicator: is shown what the link lamp says.
        chance: spreads retries.
        log: writes log lines.
        moved: takes what hubs say of where they are now.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        signer: Signer,
        link: Link,
        clock: Clock,
        indicator: Indicator,
        chance: Random,
        log: Log,
        moved: Callable[[bytes], None],
    ) -> None:
        self._settings = settings
        self._store = store
        self._signer = signer
        self._link = link
        self._clock = clock
        self._indicator = indicator
        self._chance = chance
        self._log = log
        self._moved = moved
        self._brokers = settings.brokers
        self._outbox = Outbox(store, settings.receipts, tuple(settings.hubs), chance)
        self._route = Route(len(settings.brokers), settings.fleet, chance)
        self._up: LinkUp | None = None
        self._is_connecting = False
        self._is_leaving = False
        self._on_their_way: dict[int, bool] = {}
        self._waits = False
        self._patient_until: Ms = 0
        self._bound_at = _NEVER
        self._offer_from: Ms = 0
        self._offer_at: Ms = 0
        self._holding_at: Ms = 0
        self._unsaid: list[Place] = []
        self._refused_until: Ms = 0
        self._lamp: Signal | None = None
        self._instead: Signal | None = None

    def start(self) -> None:
        """Shows what waits; the first `wake` asks for a connection."""
        self._show()

    def kept(self) -> None:
        """There is a new record."""
        if not self._waits:
            self._hope()
        self._show()
        self._offer()

    def handle(self, event: LinkEvent) -> None:
        """Takes one event from the link."""
        match event:
            case LinkUp():
                self._is_up(event)
            case LinkDown(why):
                self._is_down(why)
            case Acknowledged(token, failure):
                self._on_their_way.pop(token, None)
                if failure:
                    self._log(Event.NOT_TAKEN, why=failure)
                self._offer()
            case Delivered(_, payload):
                self._delivered(payload)

    @property
    def has_room(self) -> bool:
        """Whether there is a link with room on it."""
        return self._up is not None and not self._is_leaving and len(self._on_their_way) < self._up.window

    def say(self, leaf: Leaf, payload: bytes) -> None:
        """Publishes something that waits nowhere: lost, it is lost."""
        self._publish(leaf, payload)

    def wake(self) -> None:
        """Lets time pass: connections, offers and farewells come due."""
        now = self._clock.ms()
        if self._lamp is Signal.REFUSED and now >= self._refused_until:
            self._show()  # a dark lamp would say that all is receipted
        if self._up is None:
            self._connect(now)
            return
        if now >= self._offer_at:
            self._offer_at = now + OFFER_MS
            self._offer()
        if self._unsaid or now >= self._holding_at + (0 if self._waits else ASK_MS):
            self._say_holding()
        is_held = bool(self._on_their_way) and now < self._patient_until + HELD_MS_MAX
        if now >= self._patient_until and not is_held and not self._is_leaving:
            self._go_on(now)

    def reach(self, brokers: tuple[Broker, ...]) -> None:
        """These are the brokers from now on; whoever has a link elsewhere goes there soon, not all units at once."""
        if brokers == self._brokers:
            return
        self._brokers = brokers
        self._link.reach(brokers)
        self._route = Route(len(brokers), self._settings.fleet, self._chance)
        self._bound_at = self._patient_until = self._clock.ms() + self._route.spread()

    # The link: which broker, and for how long.

    def _connect(self, now: Ms) -> None:
        if not self._is_connecting and (rank := self._route.next(now)) is not None:
            self._is_connecting = True
            self._link.connect(rank)

    def _is_up(self, up: LinkUp) -> None:
        self._log(Event.LINK_UP, rank=self._route.rank, window=up.window)
        self._up, self._is_connecting, self._is_leaving = up, False, False
        self._bound_at = _NEVER
        self._on_their_way.clear()
        self._unsaid = []
        self._outbox.connected(self._clock.ms())
        self._offer_from = self._clock.ms() + RECONCILE_MS
        self._hope()
        self._say_holding()
        self._show()

    def _is_down(self, why: str) -> None:
        now, rank = self._clock.ms(), self._route.rank
        if not self._is_leaving:
            if self._up is None:
                self._route.missed(now)
            else:
                self._route.lost(now)
            self._log(Event.LINK_DOWN, rank=rank, why=why, next_ms=self._route.wait(now))
        self._up, self._is_connecting, self._is_leaving = None, False, False
        self._connect(now)
        self._show()

    def _go_on(self, now: Ms) -> None:
        """Leaves this broker if another may give what it does not."""
        is_long = now >= self._patient_until + (HOME_MS if self._route.rank > 0 else ASK_MS)
        if (self._waits or is_long) and self._route.leave(now):
            self._log(Event.LINK_LEFT, rank=self._route.rank)
            self._is_leaving = True
            self._link.leave()

    def _hope(self) -> None:
        hope = self._clock.ms() + PATIENCE_MS + self._chance.randrange(PATIENCE_MS)
        self._patient_until = min(hope, self._bound_at)

    # What is said to hubs.

    def _say_holding(self) -> None:
        """Says of each chain on the card what is held, as far as there is room on the link; the rest next time."""
        self._unsaid = self._unsaid or self._store.places()
        while self._unsaid:
            if self._up is None or len(self._on_their_way) >= self._up.window:
                return
            place = self._unsaid.pop(0)
            self._publish(Leaf.HOLDING, holding(self._store, place, self._signer))
        self._holding_at = self._clock.ms() + HOLDING_MS + self._chance.randrange(HOLDING_MS)

    def _offer(self) -> None:
        """Publishes what is due, as far as there is room on the link."""
        now = self._clock.ms()
        if self._up is None or self._is_leaving or now < self._offer_from:
            return
        room = self._up.window - len(self._on_their_way)
        for offer in self._outbox.due(now, room, CHUNKS_ON_THEIR_WAY_MAX - sum(self._on_their_way.values())):
            if isinstance(offer, Chunk):
                sent = self._publish(Leaf.CHUNK, offer.content, offer.sha256, offer.number)
            else:
                publication = self._store.read(offer)
                if publication is None:
                    self._outbox.damaged(offer, now)  # it takes no place from those that can be sent
                    continue
                sent = self._publish(Leaf.ENVELOPE, publication)
            if not sent:
                return
            self._outbox.offered(offer, now)

    def _publish(self, leaf: Leaf, payload: bytes, sha256: str = "", number: int = 0) -> bool:
        """Publishes on a topic of ours; whether the link is still there."""
        topic = str(Topic(self._settings.deployment, self._settings.unit, leaf, sha256, number))
        if self._up is None:
            return False
        if len(payload) + len(topic) + 16 > self._up.bytes_max:
            self._log(Event.TOO_LARGE, leaf=leaf.value, bytes=len(payload), max=self._up.bytes_max)
            return True
        token = self._link.publish(topic, payload)
        if token is None:
            return False
        self._on_their_way[token] = leaf is Leaf.CHUNK
        return True

    # What hubs say.

    def answered(self, answer: note.Note[Receipt] | Refused) -> None:
        """Files a hub's answer that came by another way than the link."""
        if isinstance(answer, Refused):
            self._refused(answer)
        else:
            self._receipted(answer)

    def _delivered(self, payload: bytes) -> None:
        now = self._clock.ms()
        try:
            if note.kind_of(payload) == Move.KIND:
                self._moved(payload)
                return
            if note.kind_of(payload) == Refused.KIND:
                refused = note.read(payload, Refused, self._settings.hubs).statement
                if self._refused(refused):
                    self._outbox.heard(refused.hub, now)
                return
            receipt = note.read(payload, Receipt, self._settings.hubs)
        except TheirFault as error:
            self._log(Event.RECEIPT_IGNORED, why=str(error))
            return
        gains = self._store.gains
        if self._receipted(receipt):
            self._route.answered()
            if self._store.gains != gains:
                self._route.gained()
                self._hope()
            self._outbox.asked(receipt.statement.hub, receipt.statement.chain, receipt.statement.missing, now)
            self._offer_from = now  # a hub has spoken: what it holds is known
            self._offer()

    def _receipted(self, receipt: note.Note[Receipt]) -> bool:
        """Files a receipt; whether it was for us."""
        statement = receipt.statement
        is_ours = statement.unit == self._settings.unit and self._store.settle(receipt)
        if is_ours:
            self._log(Event.RECEIPTED, hub=statement.hub, seq=statement.seq, whole=statement.whole)
            self._show()
        else:
            self._log(Event.RECEIPT_IGNORED, hub=statement.hub, why="it is of a chain or an envelope this card has not")
        return is_ours

    def _refused(self, refused: Refused) -> bool:
        """Puts a refused record off for that hub; whether that, or a chunk, was ours."""
        kept, is_ours = self._store.find(refused.publication), refused.unit == self._settings.unit
        if is_ours and kept is None and (picture := self._store.picture_of(refused.publication)):
            # Nothing is to be done: the hub asks for the chunk again when it would take it.
            self._log(Event.CHUNK_REFUSED, hub=refused.hub, sha256=picture, why=refused.why, words=refused.words)
            return True
        if kept is None or not is_ours:
            self._log(Event.RECEIPT_IGNORED, hub=refused.hub, why="it refuses something this card does not know")
            return False
        self._log(Event.REFUSED, hub=refused.hub, seq=kept.seq, why=refused.why, words=refused.words)
        self._outbox.refused(refused.hub, kept, self._clock.ms())
        self._refused_until = self._clock.ms() + REFUSED_SHOWN_MS
        self._say(Signal.REFUSED)
        return True

    # The lamp.

    def show(self, instead: Signal | None) -> None:
        """Shows this on the link lamp from now on, whatever becomes of the link; None shows the link again."""
        self._instead = instead
        self._show()

    def _show(self) -> None:
        self._waits = not self._store.is_sure or self._store.waiting_count(self._settings.receipts) > 0
        if self._lamp is Signal.REFUSED and self._clock.ms() < self._refused_until:
            return  # the receipts that come with a refusal must not hide it
        if self._instead is not None:
            self._say(self._instead)
        elif not self._waits:
            self._say(Signal.LINK_SETTLED)
        else:
            self._say(Signal.LINK_WAITING if self._up is None else Signal.LINK_SENDING)

    def _say(self, signal: Signal) -> None:
        if signal is not self._lamp:
            self._lamp = signal
            self._indicator.show(signal)


def holding(store: Store, place: Place, signer: Signer) -> bytes:
    """The unit's word on what it holds of a chain that stands at `place`, and has heard of hubs about it."""
    heard, unit = store.heard(place.chain), signer.verifier.name
    said = Holding(chain=place.chain, hash=place.prev, heard=heard, seq=place.seq - 1, unit=unit)
    return note.write(said, signer)
