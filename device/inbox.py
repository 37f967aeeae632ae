"""The inbox: what a body's threads have to say, taken by the unit's own thread, one event at a time.

What a person waits for goes before what the link brings. And of what the link brings only so much waits here: the
link's thread is held until there is room, so it reads no faster than the unit takes, and TCP holds the broker.
"""

import threading
from collections import deque
from queue import Empty

from device.ports import Acknowledged, BodyEvent, Delivered, LinkDown, LinkUp

DELIVERED_MAX = 16
"""So many more are not read from the link: at 64 KB, the longest a hub says, they are a megabyte."""


class Inbox:
    """Two queues in one, each in the order in which its events came."""

    def __init__(self) -> None:
        self._link: deque[BodyEvent] = deque()
        self._others: deque[BodyEvent] = deque()
        self._changed = threading.Condition()
        self._is_closed = False

    def put(self, event: BodyEvent) -> None:
        """Adds an event, from any thread; returns at once but for a `Delivered` that there is no room for yet."""
        with self._changed:
            if isinstance(event, Delivered):
                self._changed.wait_for(lambda: self._is_closed or len(self._link) < DELIVERED_MAX)
            is_links = isinstance(event, LinkUp | LinkDown | Acknowledged | Delivered)
            (self._link if is_links else self._others).append(event)
            self._changed.notify_all()

    def get(self, timeout: float) -> BodyEvent:
        """Takes the next event.

        Raises:
            Empty: none has come within so many seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._others or self._link, timeout):
                raise Empty
            event = (self._others or self._link).popleft()
            self._changed.notify_all()
            return event

    @property
    def is_urgent(self) -> bool:
        """Whether anything waits that is not the link's."""
        return bool(self._others)

    def close(self) -> None:
        """Nobody takes any more: nobody waits for room."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
