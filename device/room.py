"""The room on the card: before it runs short, what enough hubs hold whole is purged; then a person is told.

Nothing else is ever deleted: on a card that is full of what waits, keeping fails, and says so.
"""

from device.log import Event
from device.ports import Ms, Storage
from device.store import Kept, Store
from wire.log import Log

PHOTOGRAPH_BYTES = 4_000_000
"""A record with its photograph, at most: 12 megapixels as a JPEG of quality 90 are 2 to 4 MB; the rest is a few KB."""

ROOM_BYTES = 100 * PHOTOGRAPH_BYTES
"""So many records must still fit: more than an hour and a half at one acta a minute, from the moment that a person is
told to the moment that the first one is not kept."""

PORTION_BYTES = 4 * PHOTOGRAPH_BYTES
"""Purged at once: a press must not wait long behind it."""

LOOK_MS = 5_000
"""How often to look: less is kept in that time than a portion frees."""

LOOK_MS_MAX = 300_000
"""After a card has refused: each time after twice the time, up to this."""

PATIENCE_MS = 3_600_000
"""So long, in one start, the same record may hold a purge back: a hub that is slow or away is mostly there again by
then."""


class Room:
    """What is done about it while the unit is idle; a record that must be kept makes room for itself (`Store.reserve`).

    Args:
        store: the card.
        storage: tells what is free.
        log: writes log lines.

    Attributes:
        is_short: whether a person should be told.
    """

    def __init__(self, store: Store, storage: Storage, log: Log) -> None:
        self._store = store
        self._storage = storage
        self._log = log
        self._look_at: Ms = 0
        self._wait: Ms = LOOK_MS
        self._held_back: Kept | None = None
        self._since: Ms = 0
        self.is_short = False

    def idle(self, now: Ms) -> None:
        """Makes room while nobody waits for the unit, and sees whether it `is_short`.

        Raises:
            CardError: the card lets nothing go.
            OSError: it does not even tell what is free.
        """
        if now < self._look_at:
            return
        self._look_at, self._wait = now + self._wait, min(2 * self._wait, LOOK_MS_MAX)
        self.is_short = self._storage.free() < ROOM_BYTES
        if self.is_short:
            self.is_short = not self._purge(now)
        self._look_at, self._wait = now + LOOK_MS, LOOK_MS

    def _purge(self, now: Ms) -> bool:
        """Purges a portion; whether anything went."""
        freed = 0
        try:
            freed = self._store.purge(PORTION_BYTES)
        finally:
            if freed < PORTION_BYTES:
                self._mind_what_is_held_back(now)
        if freed:
            self._log(Event.PURGED, bytes=freed)
        return freed > 0

    def _mind_what_is_held_back(self, now: Ms) -> None:
        held_back = self._store.held_back()
        if held_back != self._held_back:
            self._held_back, self._since = held_back, now
        elif held_back and now - self._since >= PATIENCE_MS:
            self._store.free_what_comes()
