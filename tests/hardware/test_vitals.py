"""What a unit measures of itself, off files as the kernel writes them: each part well, ill, absent and lying."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from queue import Queue
from threading import Event

import pytest
from gpiozero.pins.mock import MockFactory

from device.ports import BodyEvent, Measured, PartMissing, Vitals
from hardware.card import CardHealth
from hardware.clock import EARLIEST_SECONDS, SystemClock
from hardware.health import Sensors, Watch
from hardware.pins import Pins
from hardware.power import Gauges, Lines, Power, percent_of
from tests.hardware.roots import image, port, write

SECONDS = 30
BATTERY = "sys/class/power_supply/battery"
MONITOR = "sys/class/hwmon/hwmon3"
FIRMWARE = "sys/devices/platform/soc/soc:firmware/get_throttled"
OF_PI_5 = "sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled"
BOARD = "sys/class/rtc/rtc0"


def lay(root: Path, **files: str) -> Path:
    """Writes the kernel's files; `__` in a name stands for a slash."""
    for name, text in files.items():
        write(root, name.replace("__", "/"), text)
    return root


def supply(root: Path, capacity: str, status: str = "Discharging", kind: str = "Battery") -> None:
    for name, text in (("type", kind), ("capacity", capacity), ("status", status)):
        write(root, f"{BATTERY}/{name}", text)


def monitor(root: Path, mv: str, ma: str, name: str = "ina219") -> None:
    for file, text in (("name", name), ("in1_input", mv), ("curr1_input", ma)):
        write(root, f"{MONITOR}/{file}", text)


def sensors(root: Path, card: Path | None = None) -> Sensors:
    return Sensors(card or root, SystemClock(root), None, root)


# Power


@pytest.mark.parametrize(
    ("capacity", "status", "power"),
    [
        ("61", "Discharging", Power(True, 61)),
        ("61", "Charging", Power(False, 61)),
        ("100", "Full", Power(False, 100)),
        ("61", "Unknown", Power(None, 61)),
        ("103", "Not charging", Power(False, 100)),  # a MAX17048 says more than 100 at the end of charging
        ("", "Discharging", Power()),
        ("-1", "Discharging", Power(True, 0)),
    ],
)
def test_a_gauge_says_what_is_left(tmp_path: Path, capacity: str, status: str, power: Power) -> None:
    supply(tmp_path, capacity, status)
    assert Gauges(tmp_path).look() == power


def test_a_supply_that_is_no_battery_is_no_gauge(tmp_path: Path) -> None:
    supply(tmp_path, "50", kind="Mains")
    assert Gauges(tmp_path).look() == Power()


@pytest.mark.parametrize(
    ("mv", "ma", "power"),
    [
        ("3900", "-430", Power(True, 80)),
        ("7800", "-430", Power(True, 80)),
        ("11700", "600", Power(False, 80)),
        ("4180", "3", Power(None, 100)),
        ("3320", "-400", Power(True, 4)),
        ("3200", "-400", Power(True, 0)),
        ("5100", "-900", Power()),  # the supply of the computer, and no battery
        ("0", "0", Power()),
        ("900", "0", Power()),
    ],
)
def test_a_monitor_of_voltage_and_current_is_a_gauge_of_lithium_cells(
    tmp_path: Path, mv: str, ma: str, power: Power
) -> None:
    monitor(tmp_path, mv, ma)
    assert Gauges(tmp_path).look() == power


def test_a_monitor_of_something_else_is_no_gauge(tmp_path: Path) -> None:
    monitor(tmp_path, "3900", "-430", name="rpi_volt")
    assert Gauges(tmp_path).look() == Power()


def test_the_charge_of_a_cell_never_rises_as_its_voltage_falls() -> None:
    found = [percent_of(mv) for mv in range(4400, 2799, -1)]
    assert found == sorted(found, key=lambda percent: -(percent or 0))
    assert (found[0], found[-1]) == (100, 0)


def test_a_gauge_that_answered_and_does_not_any_more_is_silent(tmp_path: Path) -> None:
    supply(tmp_path, "61")
    unit = sensors(tmp_path)
    assert (unit.look().battery, unit.look().is_gauge_silent) == (61, False)
    (tmp_path / BATTERY / "capacity").unlink()
    assert (unit.look().battery, unit.look().is_gauge_silent) == (None, True)


def test_the_lines_of_a_battery_board_are_heard_at_once_and_unwired_say_nothing() -> None:
    factory, pins, heard = MockFactory(), Pins(), Event()
    posted: list[BodyEvent] = []
    lines = Lines(pins, factory, heard.set, posted.append)
    assert (lines.on_battery, lines.is_low, heard.is_set()) == (False, False, False)
    factory.pin(pins.on_battery.bcm).drive_low()
    assert (lines.on_battery, heard.is_set()) == (True, True)
    heard.clear()
    factory.pin(pins.battery_low.bcm).drive_low()
    assert (lines.is_low, heard.is_set()) == (True, True)
    lines.close()
    factory.close()
    assert posted == []


def test_a_line_whose_pin_is_in_use_is_missed_and_the_other_goes_on() -> None:
    factory, pins, posted = MockFactory(), Pins(), list[BodyEvent]()
    first = Lines(pins, factory, lambda: None, posted.append)
    second = Lines(pins, factory, lambda: None, posted.append)
    assert [type(event) for event in posted] == [PartMissing] * 2
    assert (second.on_battery, second.is_low) == (False, False)
    first.close()
    factory.close()


# Heat and voltage


@pytest.mark.parametrize("name", [FIRMWARE, OF_PI_5])
@pytest.mark.parametrize(
    ("said", "undervolted", "slowed"),
    [
        ("0", False, False),
        ("50005", True, True),
        ("50000", False, False),  # of the time before
        ("1", True, False),
        ("2", False, True),
        ("8", False, True),
    ],
)
def test_the_firmwares_word_on_voltage_and_heat_is_heard(
    tmp_path: Path, name: str, said: str, undervolted: bool, slowed: bool
) -> None:
    write(tmp_path, name, said)
    found = sensors(tmp_path).look()
    assert (found.is_undervolted, found.is_slowed) == (undervolted, slowed)


@pytest.mark.parametrize(("said", "sags"), [("1", True), ("0", False), ("", False)])
def test_the_kernels_alarm_on_voltage_is_heard(tmp_path: Path, said: str, sags: bool) -> None:
    lay(tmp_path, sys__class__hwmon__hwmon1__name="rpi_volt", sys__class__hwmon__hwmon1__in0_lcrit_alarm=said)
    assert sensors(tmp_path).look().is_undervolted is sags


def test_how_warm_it_is_is_told_in_whole_degrees(tmp_path: Path) -> None:
    write(tmp_path, "sys/class/thermal/thermal_zone0/temp", "80490")
    assert sensors(tmp_path).look().celsius == 80


# Card


def block(root: Path, folder: Path, name: str = "mmcblk0p3") -> Path:
    """The kernel's folder of the card that a folder is on, as a partition of an eMMC."""
    device = folder.stat().st_dev
    place = root / "sys/devices/mmc0:0001/block/mmcblk0" / name
    place.mkdir(parents=True)
    link = root / f"sys/dev/block/{os.major(device)}:{os.minor(device)}"
    link.parent.mkdir(parents=True)
    link.symlink_to(place)
    return place.parent


@pytest.mark.parametrize(
    ("said", "wear"),
    [
        ("0x01 0x01", 10),
        ("0x02 0x0a", 100),
        ("0x03 0x02", 30),
        ("0x0b 0x01", 100),
        ("0x00 0x00", None),
        ("0xno 0xsense", None),
    ],
)
def test_a_card_that_tells_its_wear_is_believed_by_its_worse_half(tmp_path: Path, said: str, wear: int | None) -> None:
    disk = block(tmp_path / "root", tmp_path)
    lay(disk, device__life_time=said)
    assert CardHealth(tmp_path, tmp_path / "root").wear == wear


def test_errors_that_the_file_system_has_noted_are_counted(tmp_path: Path) -> None:
    block(tmp_path / "root", tmp_path)
    write(tmp_path / "root", "sys/fs/ext4/mmcblk0p3/errors_count", "7")
    assert CardHealth(tmp_path, tmp_path / "root").errors == 7


def test_the_errors_of_a_real_ext4_are_found(tmp_path: Path) -> None:
    with port(tmp_path):
        place = tmp_path / "card"
        place.mkdir()
        subprocess.run(["mount", "-o", "loop", image(tmp_path), place], check=True)
        try:
            card = CardHealth(place)
            assert (card.errors, card.wear, card.is_read_only) == (0, None, False)
            subprocess.run(["mount", "-o", "remount,ro", place], check=True)
            assert card.is_read_only
        finally:
            subprocess.run(["umount", place], check=True)


def test_a_card_that_is_gone_takes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "card"
    folder.mkdir()
    card = CardHealth(folder, tmp_path)
    folder.rmdir()
    assert card.is_read_only


# Clock


@pytest.mark.parametrize(
    ("hctosys", "since", "corrected", "source", "is_lost"),
    [
        ("1", str(EARLIEST_SECONDS + 9), False, "rtc", False),
        ("1", str(EARLIEST_SECONDS + 9), True, "system", False),
        ("0", str(EARLIEST_SECONDS + 9), False, "stop", False),
        ("1", "86400", False, "stop", True),  # its cell is flat
        ("1", None, False, "stop", True),  # it stopped, and reading it fails
        (None, None, False, "stop", False),  # there is none
        (None, None, True, "system", False),
    ],
)
def test_where_the_date_comes_from_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    hctosys: str | None,
    since: str | None,
    corrected: bool,
    source: str,
    is_lost: bool,
) -> None:
    monkeypatch.setattr(time, "time", lambda: EARLIEST_SECONDS + 100.0)
    for name, text in (("hctosys", hctosys), ("since_epoch", since)):
        if text is not None:
            write(tmp_path, f"{BOARD}/{name}", text)
    if corrected:
        write(tmp_path, "run/systemd/timesync/synchronized", "")
    clock = SystemClock(tmp_path)
    assert (clock.source(), clock.is_lost, clock.has_board) == (source, is_lost, hctosys is not None)


# All of it


def watched(root: Path, post: Callable[[BodyEvent], None], changed: Event) -> Watch:
    return Watch(sensors(root), post, changed, seconds=SECONDS)


def test_each_part_that_is_not_there_is_missed_in_one_sentence_and_the_rest_goes_on(tmp_path: Path) -> None:
    posted: Queue[BodyEvent] = Queue()
    changed = Event()
    watch = watched(tmp_path, posted.put, changed)
    missed = []
    while isinstance(event := posted.get(timeout=SECONDS), PartMissing):
        missed.append(event.why)
    assert event == Measured(Vitals())
    assert len(missed) == 6
    assert all(": " in why for why in missed)  # what is so: what to do
    supply(tmp_path, "61")
    changed.set()
    assert posted.get(timeout=SECONDS) == Measured(Vitals(on_battery=True, battery=61))
    watch.close()


def test_nothing_is_missed_of_a_unit_that_has_everything(tmp_path: Path) -> None:
    supply(tmp_path, "61")
    write(tmp_path, FIRMWARE, "0")
    write(tmp_path, "sys/class/thermal/thermal_zone0/temp", "40000")
    write(tmp_path, "sys/fs/ext4/mmcblk0p3/errors_count", "0")
    write(tmp_path, f"{BOARD}/since_epoch", str(EARLIEST_SECONDS))
    lay(block(tmp_path, tmp_path), device__life_time="0x01 0x01")
    assert list(sensors(tmp_path).missing()) == []


def test_what_has_not_changed_is_not_told_again(tmp_path: Path) -> None:
    posted: Queue[BodyEvent] = Queue()
    changed = Event()
    supply(tmp_path, "61")
    watch = watched(tmp_path, posted.put, changed)
    while not isinstance(posted.get(timeout=SECONDS), Measured):
        pass
    for capacity in ("61", "60"):
        supply(tmp_path, capacity)
        changed.set()
        while changed.is_set():
            pass
    assert posted.get(timeout=SECONDS) == Measured(Vitals(on_battery=True, battery=60))
    assert posted.empty()
    watch.close()


def test_what_cannot_be_measured_at_all_is_told_once_and_is_looked_at_again(tmp_path: Path) -> None:
    class Broken(Lines):
        is_broken = True

        def __init__(self) -> None:
            """Has no pins."""

        @property
        def on_battery(self) -> bool:
            if self.is_broken:
                raise RuntimeError("the chip of the pins is gone")
            return True

        @property
        def is_low(self) -> bool:
            return False

    posted: Queue[BodyEvent] = Queue()
    changed, lines = Event(), Broken()
    watch = Watch(Sensors(tmp_path, SystemClock(tmp_path), lines, tmp_path), posted.put, changed, seconds=0.01)
    missed = [posted.get(timeout=SECONDS) for _ in range(7)]
    assert isinstance(missed[-1], PartMissing)
    assert "RuntimeError: the chip of the pins is gone" in missed[-1].why
    lines.is_broken = False
    assert posted.get(timeout=SECONDS) == Measured(Vitals(on_battery=True))
    watch.close()
