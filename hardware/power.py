"""The power: what a battery board says, by the kernel's drivers and by two lines on pins.

Battery boards are read through the kernel, not by us on I2C: its drivers know the chips, share the bus with others, and
need no rights of the unit. Each is named in config.txt (docs/on-device.md):

* MAX17040, 17043, 17048 and their like, or any other gauge that the kernel has a driver for: a battery in
  /sys/class/power_supply, which says its charge by itself.
* INA219 and its like, which measure voltage and current only: a monitor in /sys/class/hwmon. The charge is reckoned
  from the voltage of lithium cells; the current is negative while the battery gives.
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from device.ports import PartMissing, Post
from hardware.kernel import each, number, value
from hardware.pins import Pin, Pins

if TYPE_CHECKING:
    from gpiozero.pins import Factory

CELL_MV = (3300, 3450, 3550, 3650, 3750, 3850, 4000, 4150)
CELL_PERCENT = (0, 4, 10, 20, 40, 60, 80, 95, 100)
"""What is left in a lithium cell that is drained in hours, by its voltage: flat in the middle, where it is a guess, and
steep at the end, which is what matters. To be set right for a unit's own cells (docs/on-device.md)."""

CELL_MV_MIN, CELL_MV_MAX = 2800, 4400
"""Beyond this none is connected, or the monitor measures something else: the 5 volts of the supply are no two cells."""

CELLS_MAX = 4
IDLE_MA = 50
"""Less than this flows neither way: the monitor does not know who gives."""


@dataclass(frozen=True, slots=True)
class Power:
    """What is known of the power; None where nothing tells."""

    on_battery: bool | None = None
    percent: int | None = None


class Gauges:
    """What the kernel's drivers say of batteries.

    Args:
        root: where the kernel's files are.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._supplies = root / "sys/class/power_supply"
        self._monitors = root / "sys/class/hwmon"
        self._has_answered = False

    def look(self) -> Power:
        """What they say now."""
        found = self._of_supply() or self._of_monitor() or Power()
        self._has_answered = self._has_answered or found.percent is not None
        return found

    @property
    def has_answered(self) -> bool:
        """Whether any has ever said what is left."""
        return self._has_answered

    def _of_supply(self) -> Power | None:
        supplies = {path: value(path / "type") for path in each(self._supplies)}
        for path, kind in supplies.items():
            percent = number(path / "capacity")
            if kind == "Battery" and percent is not None:
                return Power(_is_giving(value(path / "status")), min(100, max(0, percent)))
        return None

    def _of_monitor(self) -> Power | None:
        for path in each(self._monitors):
            if (value(path / "name") or "").startswith("ina2"):
                mv, ma = number(path / "in1_input"), number(path / "curr1_input")
                percent = None if mv is None else percent_of(mv)
                if percent is not None:
                    return Power(None if ma is None or abs(ma) < IDLE_MA else ma < 0, percent)
        return None


def percent_of(mv: int) -> int | None:
    """What is left in lithium cells in series, by their voltage together; None when that can be none's."""
    cells = min(CELLS_MAX, max(1, -(-mv // CELL_MV_MAX)))
    each_mv = mv // cells
    if not CELL_MV_MIN <= each_mv <= CELL_MV_MAX:
        return None
    return CELL_PERCENT[bisect_right(CELL_MV, each_mv)]


def _is_giving(status: str | None) -> bool | None:
    match status:
        case "Discharging":
            return True
        case "Charging" | "Full" | "Not charging":
            return False
        case _:
            return None  # the MAX17040 does not measure what flows


class Lines:
    """Two lines from a battery board; one that is not wired, or whose pin cannot be had, says that all is well.

    Args:
        pins: what is wired where.
        factory: where pins come from.
        changed: called when one of them has changed.
        post: the inbox.
    """

    def __init__(self, pins: Pins, factory: "Factory", changed: Callable[[], None], post: Post) -> None:
        from gpiozero import DigitalInputDevice  # who has a factory has it; the gauges need neither

        self._lines: dict[Pin, DigitalInputDevice] = {}
        self._outage, self._low = pins.on_battery, pins.battery_low
        for pin in (self._outage, self._low):
            try:
                line = DigitalInputDevice(pin.bcm, pull_up=True, pin_factory=factory)
            except Exception as error:  # noqa: BLE001  lgpio and gpiozero raise many kinds, and the unit goes on
                post(PartMissing(f"the pin {pin.bcm} ({pin.part}) cannot be used ({error}): end whatever else uses it"))
                continue
            line.when_activated = line.when_deactivated = changed
            self._lines[pin] = line

    @property
    def on_battery(self) -> bool:
        """Whether the board says that no power comes from outside."""
        return self._is_active(self._outage)

    @property
    def is_low(self) -> bool:
        """Whether the board says that the battery is low."""
        return self._is_active(self._low)

    def close(self) -> None:
        """Lets the pins go."""
        for line in self._lines.values():
            line.close()

    def _is_active(self, pin: Pin) -> bool:
        return pin in self._lines and bool(self._lines[pin].is_active)
