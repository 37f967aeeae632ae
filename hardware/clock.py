"""The clock: the kernel's monotonic one, and the date the system believes in.

A Raspberry Pi before the 5 has no clock that runs without power: it starts with the date of its last stop, until the
network corrects it. A clock board (DS3231 on I2C: `dtoverlay=i2c-rtc,ds3231`) or the Pi 5's own clock with a cell keep
the date; the kernel sets the system's by it, and says so.
"""

import time
from pathlib import Path

from device.ports import Ms
from hardware.kernel import number, value

EARLIEST_SECONDS = 1_704_067_200
"""1 January 2024 UTC: a date before testigo was written was never set."""


class SystemClock:
    """The Pi's clocks; its monotonic one starts when this is made.

    Args:
        root: where the kernel's files are.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._start_ns = time.monotonic_ns()
        self._boot = root / "proc/sys/kernel/random/boot_id"
        self._board = root / "sys/class/rtc/rtc0"
        # Touched by systemd-timesyncd when the network has corrected the date since the power came on.
        self._corrected = root / "run/systemd/timesync/synchronized"

    @property
    def power(self) -> str:
        """The kernel draws it as it starts."""
        return self._boot.read_text("ascii").strip()

    def ms(self) -> Ms:
        """Milliseconds since this start of the unit."""
        return (time.monotonic_ns() - self._start_ns) // 1_000_000

    def seconds(self) -> int:
        """The believed date, seconds since 1970 UTC."""
        return int(time.time())

    def source(self) -> str:
        """Where the believed date comes from.

        `unset` while it is one that cannot be; `system` when the network has corrected it since the power came on;
        `rtc` when the kernel took it from a clock board that runs; else `stop`: the date of the last stop, which may be
        weeks ago, or a person's.
        """
        if self.seconds() < EARLIEST_SECONDS:
            return "unset"
        if self._corrected.exists():
            return "system"
        return "rtc" if value(self._board / "hctosys") == "1" and not self.is_lost else "stop"

    @property
    def has_board(self) -> bool:
        """Whether there is a clock that runs without power."""
        return self._board.is_dir()

    @property
    def is_lost(self) -> bool:
        """Whether there is one, and it does not know the date: its cell is flat, or it stopped, and answers nothing."""
        return self.has_board and (number(self._board / "since_epoch") or 0) < EARLIEST_SECONDS
