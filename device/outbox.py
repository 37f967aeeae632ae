"""The outbox: the records without enough receipts, and when to offer each again.

It holds no records: what waits is asked of the store each time. What it does hold is this connection's memory of what
is on its way, which may be lost at any moment without harm.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from device.ports import Ms
from device.store import Kept, Store
from wire.envelope import CHUNK_BYTES
from wire.receipt import Missing

OFFER_MS_MIN = 15_000
"""How long a hub may take to answer before a record is offered again; doubles with each try."""

OFFER_MS_MAX = 600_000

CUSTODY_WINDOW = 64
"""How many records may be on their way without an answer: a silent hub is not buried."""

REFUSED_MS = 600_000
"""A refused record is offered again after this: the hub may have learnt of the unit since."""

SILENT_MS = 180_000
"""A hub that speaks after such a silence is back: what its receipt does not cover is offered at once."""

_TRIES_MAX = 4096


@dataclass(slots=True)
class _Try:
    """An offer made: when it is due again, how often it was made, and whether a hub refused it."""

    due: Ms
    times: int = 1
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Chunk:
    """One piece of a sealed picture, to be sent."""

    sha256: str
    number: int
    content: bytes


@dataclass(slots=True)
class Outbox:
    """What to offer now.

    Attributes:
        store: the card.
        receipts: how many hubs must have receipted a record.
        chance: spreads the retries of many units.
    """

    store: Store
    receipts: int
    chance: Random
    _tries: dict[str, _Try] = field(default_factory=dict)
    _missing: dict[str, tuple[Missing, ...]] = field(default_factory=dict)
    _heard: dict[str, Ms] = field(default_factory=dict)
    _connected_at: Ms = 0

    def connected(self, now: Ms) -> None:
        """A new connection: nothing is on its way."""
        self._connected_at = now
        self._tries.clear()
        self._missing.clear()
        self._heard.clear()

    def due(self, now: Ms, room: int, chunks: int) -> Iterator[Kept | Chunk]:
        """What may be offered now: at most `room`, records before pictures, and at most `chunks` of these."""
        window = CUSTODY_WINDOW
        for kept in self.store.waiting(self.receipts):
            if self._is_put_off(kept.publication, now):
                continue  # it takes no place in the window: any number of refused records leave room for the others
            if window <= 0 or room <= 0:
                break
            window -= 1
            if self._is_due(kept.publication, now):
                room -= 1
                yield kept
        for missing in self._missing.values():
            for picture in missing:
                for number in picture.chunks:
                    if room <= 0 or chunks <= 0:
                        return
                    if self._is_due(f"{picture.sha256}/{number}", now):
                        content = self.store.read_chunk(picture.sha256, number * CHUNK_BYTES, CHUNK_BYTES)
                        if content:
                            room, chunks = room - 1, chunks - 1
                            yield Chunk(picture.sha256, number, content)

    def offered(self, what: Kept | Chunk, now: Ms) -> None:
        """Something was published; it is due again when no receipt has come by then (full jitter on top)."""
        key = _key(what)
        times = self._tries[key].times + 1 if key in self._tries else 1
        if len(self._tries) > _TRIES_MAX:
            self._tries = {key: each for key, each in self._tries.items() if each.due > now}
        wait = min(OFFER_MS_MAX, OFFER_MS_MIN << min(times - 1, 10))
        self._tries[key] = _Try(now + wait + self.chance.randrange(wait), times)

    def refused(self, kept: Kept, now: Ms) -> None:
        """A hub refuses a record: the others go first for a while."""
        self._tries[kept.publication] = _Try(now + REFUSED_MS, refused=True)

    def settled(self, hub: str, missing: tuple[Missing, ...], now: Ms) -> None:
        """A receipt was filed: these chunks are what that hub asks for."""
        self._missing[hub] = missing
        if now - self._heard.get(hub, self._connected_at) >= SILENT_MS:
            self._tries = {key: each for key, each in self._tries.items() if each.refused}
        self._heard[hub] = now

    def _is_put_off(self, key: str, now: Ms) -> bool:
        return key in self._tries and self._tries[key].refused and not self._is_due(key, now)

    def _is_due(self, key: str, now: Ms) -> bool:
        return key not in self._tries or now >= self._tries[key].due


def _key(what: Kept | Chunk) -> str:
    return what.publication if isinstance(what, Kept) else f"{what.sha256}/{what.number}"
