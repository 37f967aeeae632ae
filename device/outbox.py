"""The outbox: the records without enough receipts, and when to offer each again.

It holds no records: what waits is asked of the store each time. What it does hold is this connection's memory of what
is on its way, which may be lost at any moment without harm.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from random import Random

from device.ports import Ms
from device.store import Kept, Store
from wire.receipt import Missing

OFFER_MS_MIN = 15_000
"""How long a hub may take to answer before a record is offered again; doubles with each try."""

OFFER_MS_MAX = 600_000

CUSTODY_WINDOW = 64
"""How many records may be on their way without an answer: a silent hub is not buried."""

REFUSED_MS = 600_000
"""A refused record is offered to that hub again after this: it may have learnt of the unit since."""

SILENT_MS = 180_000
"""A hub that speaks after such a silence is back: what its receipt does not cover is offered at once."""

REMEMBERED_MAX = 4096
"""So many things are remembered of each kind: what is forgotten is offered once more than need be."""


@dataclass(slots=True)
class _Try:
    """An offer made: when it is due again, and how often it was made."""

    due: Ms
    times: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """One piece of a sealed picture, to be sent."""

    sha256: str
    number: int
    content: bytes


@dataclass(slots=True)
class Outbox:
    """What to offer now.

    Each hub has a window of its own: one that is dead, or far behind, takes no place from the others. Until a hub has
    spoken on this connection nobody knows which are behind this broker, and any may be.

    Attributes:
        store: the card.
        receipts: how many hubs must have receipted a record.
        hubs: the names of those whose receipts count.
        chance: spreads the retries of many units.
    """

    store: Store
    receipts: int
    hubs: Collection[str]
    chance: Random
    _tries: dict[str, _Try] = field(default_factory=dict)
    _put_off: dict[tuple[str, str], Ms] = field(default_factory=dict)
    _missing: dict[tuple[str, str], tuple[Missing, ...]] = field(default_factory=dict)
    _heard: dict[str, Ms] = field(default_factory=dict)
    _connected_at: Ms = 0

    def connected(self, now: Ms) -> None:
        """A new connection: nothing is on its way. What was refused stays refused."""
        self._connected_at = now
        self._tries.clear()
        self._missing.clear()
        self._heard.clear()

    def due(self, now: Ms, room: int, chunks: int) -> Iterator[Kept | Chunk]:
        """What may be offered now: at most `room`, records before pictures, and at most `chunks` of these."""
        for hub in self._heard or self.hubs:
            window = CUSTODY_WINDOW
            for kept in self.store.waiting(self.receipts, hub):
                if now < self._put_off.get((hub, kept.publication), 0):
                    continue  # it takes no place in the window: any number of refused records leave room for the others
                if window <= 0 or room <= 0:
                    break
                window -= 1
                if self._is_due(kept.publication, now):
                    room -= 1
                    yield kept
        for asker, missing in list(self._missing.items()):
            hub, _ = asker
            for picture in missing:
                # Of each hub its own: one that asks for what there is not must keep no other from what there is.
                if now < self._put_off.get((hub, picture.sha256), 0):
                    continue
                for number in picture.chunks:
                    if room <= 0 or chunks <= 0:
                        return
                    if self._is_due(f"{picture.sha256}/{number}", now):
                        content = self.store.read_chunk(picture.sha256, number)
                        if not content:  # a card that cannot read it may take long to say so, and a press would wait
                            self._put_by(hub, picture.sha256, now)
                            break
                        room, chunks = room - 1, chunks - 1
                        self._missing[asker] = self._missing.pop(asker)  # the others come first next time
                        yield Chunk(picture.sha256, number, content)

    def offered(self, what: Kept | Chunk, now: Ms) -> None:
        """Something was published; it is due again when no receipt has come by then (full jitter on top)."""
        key = what.publication if isinstance(what, Kept) else f"{what.sha256}/{what.number}"
        times = self._tries[key].times + 1 if key in self._tries else 1
        if len(self._tries) > REMEMBERED_MAX:
            self._tries = {key: each for key, each in self._tries.items() if each.due > now}
        wait = min(OFFER_MS_MAX, OFFER_MS_MIN << min(times - 1, 10))
        self._tries[key] = _Try(now + wait + self.chance.randrange(wait), times)

    def refused(self, hub: str, kept: Kept, now: Ms) -> None:
        """A hub refuses a record: it gets the others for a while; other hubs are offered it as before."""
        self._put_by(hub, kept.publication, now)

    def damaged(self, kept: Kept, now: Ms) -> None:
        """A record cannot be read from the card: all others go on."""
        for hub in self.hubs:
            self._put_by(hub, kept.publication, now)

    def _put_by(self, hub: str, what: str, now: Ms) -> None:
        self._put_off.pop((hub, what), None)
        if len(self._put_off) >= REMEMBERED_MAX:
            del self._put_off[next(iter(self._put_off))]  # the oldest: it is over first
        self._put_off[hub, what] = now + REFUSED_MS

    def heard(self, hub: str, now: Ms) -> None:
        """A hub spoke on this connection."""
        if now - self._heard.get(hub, self._connected_at) >= SILENT_MS:
            self._tries.clear()
        self._heard[hub] = now

    def asked(self, hub: str, chain: str, missing: tuple[Missing, ...], now: Ms) -> None:
        """A hub's receipt says which chunks it lacks of a chain."""
        self._missing[hub, chain] = missing
        self.heard(hub, now)

    def _is_due(self, key: str, now: Ms) -> bool:
        return key not in self._tries or now >= self._tries[key].due
