"""The clocks: one that is stepped by hand and seeded, for any number of simulated units; one that is the wall's.

Both can also be asked to do something later, which is all the scheduling a simulated body needs.
"""

import heapq
import itertools
import secrets
import threading
import time
from collections.abc import Callable
from typing import Protocol

from device.ports import Ms

Action = Callable[[], object]

DATE = 1722211446
"""29 July 2024 00:04:06 UTC: what simulated units believe the date to be when they start."""


class Schedule(Protocol):
    """A unit's clock that can also do things later."""

    @property
    def power(self) -> str:
        """Which time it is that the power is on."""
        ...

    def ms(self) -> Ms:
        """Milliseconds since the start."""
        ...

    def seconds(self) -> int:
        """The believed date."""
        ...

    def source(self) -> str:
        """Where it comes from."""
        ...

    def after(self, ms: Ms, action: Action) -> None:
        """Does something `ms` milliseconds from now."""
        ...


class SteppedClock:
    """Time that passes only in `run`: everything due is done in order, on the caller's thread; the power stays on."""

    power = "on"

    def __init__(self) -> None:
        self.jump_seconds = 0
        self._now: Ms = 0
        self._order = itertools.count()
        self._due: list[tuple[Ms, int, Action]] = []

    def ms(self) -> Ms:
        """Milliseconds since the start."""
        return self._now

    def seconds(self) -> int:
        """The believed date; `jump_seconds` sets it wrong."""
        return DATE + self._now // 1000 + self.jump_seconds

    def source(self) -> str:
        """It is believed to come from the system."""
        return "system"

    def after(self, ms: Ms, action: Action) -> None:
        """Does something `ms` milliseconds from now, after everything that is due before."""
        heapq.heappush(self._due, (self._now + ms, next(self._order), action))

    def run(self, ms: Ms) -> None:
        """Lets `ms` milliseconds pass."""
        end = self._now + ms
        while self._due and self._due[0][0] <= end:
            self.step()
        self._now = end

    def step(self) -> None:
        """Does the one thing that is due next, whenever that is: between two steps nothing happens."""
        self._now, _, action = heapq.heappop(self._due)
        action()

    def run_until(self, true: Callable[[], bool], limit_ms: Ms) -> bool:
        """Lets time pass until something is true; whether it became so within `limit_ms`."""
        end = self._now + limit_ms
        while not true():
            if self._now >= end:
                return False
            self.run(50)
        return True


class OwnClock:
    """One machine's own view of the time of all: since its last start, and as wrong as it was set.

    Attributes:
        jump_seconds: how wrong it is.
        is_set: whether it knows where its date comes from.
        is_kept: whether it knew the date while the power was off.
        powers: how often its power has come on.
    """

    def __init__(self, of: Schedule) -> None:
        self.jump_seconds = 0
        self.is_set = True
        self.is_kept = True
        self.powers = 0
        self._of = of
        self._began: Ms = of.ms()

    def start(self) -> None:
        """The machine starts: its milliseconds begin again."""
        self._began = self._of.ms()

    @property
    def power(self) -> str:
        """Which time it is that its power is on."""
        return str(self.powers)

    def ms(self) -> Ms:
        """Milliseconds since the start of the machine."""
        return self._of.ms() - self._began

    def seconds(self) -> int:
        """The date it believes in."""
        return self._of.seconds() + self.jump_seconds

    def source(self) -> str:
        """Where that comes from."""
        if not self.is_set:
            return "unset"
        return self._of.source() if self.is_kept else "stop"

    def after(self, ms: Ms, action: Action) -> None:
        """Does something `ms` milliseconds from now, whatever the clock is set to meanwhile."""
        self._of.after(ms, action)


class WallClock:
    """The machine's own time; what is to be done later is done on a thread of its own.

    Attributes:
        power: each clock is made as the power of a simulated unit comes on.
    """

    def __init__(self) -> None:
        self.power = secrets.token_hex(8)
        self._began = time.monotonic_ns()

    def ms(self) -> Ms:
        """Milliseconds of the monotonic clock since this was made."""
        return (time.monotonic_ns() - self._began) // 1_000_000

    def seconds(self) -> int:
        """The machine's date."""
        return int(time.time())

    def source(self) -> str:
        """It comes from the system."""
        return "system"

    def after(self, ms: Ms, action: Action) -> None:
        """Does something `ms` milliseconds from now."""
        timer = threading.Timer(ms / 1000, action)
        timer.daemon = True
        timer.start()
