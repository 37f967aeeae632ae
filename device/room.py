"""The room on the card: before it runs short, what enough hubs hold whole is purged; then a person is told.

Nothing else is ever deleted: on a card that is full of what waits, keeping fails, and says so.
"""

from device.log import Event
from device.ports import Ms, Storage
from device.store import CardError, Kept, Store
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

PATIENCE_MS = 3_600_000
"""So long the same record may hold a purge back, for a hub that is slow or away is there again by then mostly."""


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
        self._held_back: Kept | None = None
        self._since: Ms = 0
        self.is_short = False

    def idle(self, now: Ms) -> bool:
        """Makes room while nobody waits for the unit; whether `is_short` has changed.

        Raises:
            OSError: the card does not even tell what is free.
        """
        if now < self._look_at:
            return False
        self._look_at, before = now + LOOK_MS, self.is_short
        self.is_short = self._storage.free() < ROOM_BYTES and not self._purge(now)
        return self.is_short is not before

    def _purge(self, now: Ms) -> bool:
        """Purges a portion; whether anything went."""
        freed = 0
        try:
            freed = self._store.purge(PORTION_BYTES)
            if freed:
                self._log(Event.PURGED, bytes=freed)
            if freed < PORTION_BYTES:
                self._mind_what_is_held_back(now)
        except CardError as error:
            self._log(Event.CARD_BAD, why=str(error))
        return freed > 0

    def _mind_what_is_held_back(self, now: Ms) -> None:
        held_back = self._store.held_back()
        if held_back != self._held_back:
            self._held_back, self._since = held_back, now
        elif held_back and now - self._since >= PATIENCE_MS:
            self._store.free_what_comes()
