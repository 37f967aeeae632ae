"""The vitals: what a unit measures of itself, on a thread of its own: power, heat, card and clock.

A part that is not there is missed once, in a sentence, and the rest goes on.
"""

import threading
from collections.abc import Iterator
from pathlib import Path

from device.ports import Measured, PartMissing, Post, Vitals
from hardware.card import CardHealth
from hardware.clock import SystemClock
from hardware.kernel import each, number, value
from hardware.power import Gauges, Lines

LOOK_SECONDS = 10.0
"""Heat, charge and wear change over minutes; what cannot wait, a line of the battery board, wakes the thread."""

UNDERVOLTED, CAPPED, THROTTLED, TOO_WARM = 1, 2, 4, 8
"""The bits of what the Pi's firmware tells of now."""

WAS_UNDERVOLTED = UNDERVOLTED << 16
"""Its bit for any time since the power came on."""


def throttled(root: Path) -> int | None:
    """What the Pi's firmware tells of voltage and heat, by the kernel; None where it tells nothing."""
    for path in (root / "sys/devices/platform").glob("soc*/*firmware/get_throttled"):
        return number(path, 16)  # in soc/soc:firmware, on a Pi 5 in soc@107c000000/...
    return None


class Sensors:
    """All that can be measured, whether it is there or not.

    Args:
        card: a folder on the card.
        clock: the unit's.
        lines: of a battery board; None where there are no pins.
        root: where the kernel's files are.
    """

    def __init__(self, card: Path, clock: SystemClock, lines: Lines | None, root: Path = Path("/")) -> None:
        self._clock = clock
        self._lines = lines
        self._card = CardHealth(card, root)
        self._gauges = Gauges(root)
        self._root = root

    def look(self) -> Vitals:
        """What is measured now."""
        power, has_line = self._gauges.look(), self._lines is not None and self._lines.on_battery
        told = throttled(self._root) or 0
        return Vitals(
            on_battery=True if has_line else power.on_battery,
            battery=power.percent,
            is_battery_low=self._lines is not None and self._lines.is_low,
            is_gauge_silent=self._gauges.has_answered and power.percent is None,
            is_undervolted=bool(told & UNDERVOLTED) or self._sags() is True,
            is_slowed=bool(told & (CAPPED | THROTTLED | TOO_WARM)),
            celsius=self._celsius(),
            is_read_only=self._card.is_read_only,
            card_errors=self._card.errors or 0,
            card_wear=self._card.wear,
            is_date_lost=self._clock.is_lost,
            is_date_unset=self._clock.source() == "unset",
        )

    def missing(self) -> Iterator[str]:
        """A sentence for each part that is not there."""
        if self._gauges.look().percent is None:
            yield (
                "no battery gauge answers: if the unit has one, name it in config.txt and restart (docs/on-device.md); "
                "an empty battery cannot be told before it is empty"
            )
        if self._celsius() is None:
            yield "the computer does not tell how warm it is: keep it out of the sun"
        if throttled(self._root) is None and self._sags() is None:
            yield "the computer does not tell whether its voltage holds: it is no Raspberry Pi, or has another's kernel"
        if self._card.errors is None:
            yield "the card's file system counts no errors: make it ext4"
        if self._card.wear is None:
            yield "the card does not tell how worn it is, as SD cards do not: change it before each election"
        if not self._clock.has_board:
            yield "there is no clock board: after a start without network the date is that of the last stop"

    def _celsius(self) -> int | None:
        milli = number(self._root / "sys/class/thermal/thermal_zone0/temp")
        return None if milli is None else milli // 1000

    def _sags(self) -> bool | None:
        """Whether the kernel's driver for that (rpi_volt) says that the voltage is too low."""
        for path in each(self._root / "sys/class/hwmon"):
            if value(path / "name") == "rpi_volt":
                return number(path / "in0_lcrit_alarm") == 1
        return None


class Watch:
    """Looks again and again, and posts what has changed.

    Args:
        sensors: all that can be measured.
        post: the inbox.
        changed: set by who knows that something has changed.
        seconds: how often to look without being told.
    """

    def __init__(self, sensors: Sensors, post: Post, changed: threading.Event, seconds: float = LOOK_SECONDS) -> None:
        self._sensors = sensors
        self._post = post
        self._changed = changed
        self._seconds = seconds
        self._closed = False
        threading.Thread(target=self._run, name="vitals", daemon=True).start()

    def close(self) -> None:
        """Looks no more."""
        self._closed = True
        self._changed.set()

    def _run(self) -> None:
        for why in self._sensors.missing():
            self._post(PartMissing(why))
        last: Vitals | None = None
        is_told = False
        while not self._closed:
            self._changed.clear()
            try:
                vitals = self._sensors.look()
                if vitals != last:
                    last = vitals
                    self._post(Measured(vitals))
            except Exception as error:  # noqa: BLE001  lgpio raises many kinds, and nobody else looks at all the rest
                if not is_told:
                    self._post(
                        PartMissing(f"nothing is measured ({type(error).__name__}: {error}): go on; charge early")
                    )
                is_told = True
            self._changed.wait(self._seconds)
