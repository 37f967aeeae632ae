"""The watchdog: tells systemd that the unit is ready, and that it still takes its events.

`alive` is called by the unit's own thread between any two events, and by nothing else: a thread of its own would go on
telling so while the unit hangs. With `Type=notify` and `WatchdogSec=` systemd restarts a unit that falls silent.
Whether systemd itself still runs is for the computer's own watchdog (/dev/watchdog), which systemd serves with
`RuntimeWatchdogSec=` (docs/on-device.md): two programs cannot share it.
"""

import contextlib
import os
import socket
import time

FEEDS = 4
"""How often within the time that systemd waits: one feed that comes late is no reason to be killed."""

SECOND_USEC = 1_000_000


class Watchdog:
    """The watchdog of the systemd that started this program; of a program started by hand nobody is told."""

    def __init__(self) -> None:
        where = os.environ.get("NOTIFY_SOCKET", "")
        self._where = "\0" + where[1:] if where.startswith("@") else where
        self._fed_at: float | None = None
        limit = os.environ.get("WATCHDOG_USEC", "")
        # systemd waits for the main program only, whose children inherit the environment.
        is_ours = os.environ.get("WATCHDOG_PID", "") == str(os.getpid())
        self._seconds = int(limit) / SECOND_USEC / FEEDS if limit.isdecimal() and is_ours else None

    def alive(self) -> None:
        """The unit has taken an event, or found that there was none; the first time this tells that it is ready."""
        now = time.monotonic()
        if self._fed_at is None:
            self._tell("READY=1\nWATCHDOG=1")
        elif self._seconds is None or now < self._fed_at + self._seconds:
            return
        else:
            self._tell("WATCHDOG=1")
        self._fed_at = now

    def _tell(self, text: str) -> None:
        if not self._where:
            return
        # Where nobody listens, or not now, systemd restarts what it has not heard of, and nothing is lost.
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as plug, contextlib.suppress(OSError):
            plug.setblocking(False)
            plug.sendto(text.encode("ascii"), self._where)
