"""The clock: the kernel's monotonic one, and the date the system believes in."""

import time

from device.ports import Ms

EARLIEST_SECONDS = 1_704_067_200
"""1 January 2024 UTC: a date before testigo was written was never set."""


class SystemClock:
    """The Pi's clocks; its monotonic one starts when this is made."""

    def __init__(self) -> None:
        self._start_ns = time.monotonic_ns()

    def ms(self) -> Ms:
        """Milliseconds since this start of the unit."""
        return (time.monotonic_ns() - self._start_ns) // 1_000_000

    def seconds(self) -> int:
        """The believed date, seconds since 1970 UTC."""
        return int(time.time())

    def source(self) -> str:
        """`system`, or `unset` while the date is one that cannot be."""
        return "system" if self.seconds() >= EARLIEST_SECONDS else "unset"
