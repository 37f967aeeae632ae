"""Every fault of a body, from its driver to the lamps: a code, one sentence with what to do, and all else goes on.

The drivers are the real ones, with what ails them at their far end; the unit is the real firmware on a stepped clock.
That codes are seen on pins that go through lgpio is the affair of test_fault_at_start.py.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from queue import SimpleQueue
from threading import Event as Flag
from typing import Any

import pytest
from gpiozero import LED
from gpiozero.pins.mock import MockFactory, MockPWMPin

from device.hold import STUCK_MS
from device.log import Event
from device.ports import BodyEvent, Measured, PartMissing
from device.signals import PAUSE_MS, FaultCode, Lamp, Signal
from hardware.button import PushButton
from hardware.camera import PiCamera, Stream, open_camera, open_stream
from hardware.clock import EARLIEST_SECONDS, SystemClock
from hardware.health import Sensors, Watch
from hardware.indicator import PinIndicator
from hardware.pins import Pin, Pins
from sim.body import EXPOSURE_MS
from sim.clock import SteppedClock
from tests.device.looking import spans
from tests.device.world import World, acta, picture, world
from tests.hardware.contact import ContactFactory
from tests.hardware.roots import write
from tests.hardware.stream import FakeCamera, FakeLibrary, encode
from wire.log import facts

SECONDS = 30
PINS = Pins()
PANEL = (PINS.ready, PINS.kept, PINS.again, PINS.link, PINS.paper, PINS.buzzer)
FIRMWARE = "sys/devices/platform/soc/soc:firmware/get_throttled"
BOARD = "sys/class/rtc/rtc0"
BATTERY = "sys/class/power_supply/battery"


class Ill:
    """A unit on its simulated body, one part of which is a real driver.

    Attributes:
        here: the unit's world.
        root: the kernel's files.
        stack: what is closed in the end.
        posted: what the driver posts.
    """

    def __init__(self, here: World, root: Path, stack: ExitStack) -> None:
        self.here, self.root, self.stack = here, root, stack
        self.posted: SimpleQueue[BodyEvent] = SimpleQueue()

    def pass_on(self, wanted: type[BodyEvent]) -> BodyEvent:
        """Gives the unit what its driver posts, up to the first event of a kind."""
        while True:
            event = self.posted.get(timeout=SECONDS)
            self.here.unit.body.post(event)
            self.here.clock.run(0)
            if isinstance(event, wanted):
                return event

    def has(self, opened: Callable[[], Stream], seconds_max: float = 5) -> None:
        """Gives the unit a camera, which is as slow as it likes while the unit's clock stands."""
        camera, here, posted = PiCamera(opened, self.posted.put, seconds_max), self.here, self.posted

        class Waited:
            def look(self, anew: bool = False) -> None:
                camera.look(anew)
                event = posted.get(timeout=SECONDS)
                here.clock.after(EXPOSURE_MS, lambda: here.unit.body.post(event))

        unit = here.unit.unit
        unit._body = replace(unit._body, camera=Waited())

    def factory(self, **of: Any) -> MockFactory:
        """Pins."""
        made = MockFactory(**of)
        self.stack.callback(made.close)
        return made

    def watch(self) -> Flag:
        """Measures the unit: has been measured once when this returns, and is again when the flag is set."""
        changed = Flag()
        watch = Watch(Sensors(self.root, SystemClock(self.root), None, self.root), self.posted.put, changed, SECONDS)
        self.stack.callback(watch.close)
        self.pass_on(Measured)
        return changed

    def read_off(self) -> int:
        """The code that AGAIN reads out."""
        clock, indicator = self.here.clock, self.here.unit.body.indicator
        indicator.played()
        clock.run(30_000)
        lit = spans(indicator.played(), Lamp.AGAIN, clock.ms())
        gaps = [0, *(n + 1 for n, (one, two) in enumerate(pairwise(lit)) if two[0] - one[1] >= PAUSE_MS)]
        steps = [end - start for start, end in lit[gaps[1] : gaps[2]]]  # the first may have begun before
        return sum(10 if ms > 650 else 1 for ms in steps)


@pytest.fixture
def ill(tmp_path: Path) -> Iterator[Ill]:
    with world(tmp_path) as here, ExitStack() as stack:
        (tmp_path / "root").mkdir()
        yield Ill(here.power_on(), tmp_path / "root", stack)


def said(ill: Ill, event: Event) -> str:
    """The one sentence that was logged last: what is so, and what to do."""
    why = facts(ill.here.logged(event)[-1])["why"]
    assert ": " in why
    return why


def opening(camera: FakeCamera | None) -> Callable[[], Stream]:
    return partial(open_stream, FakeLibrary(camera), encode, Path("no-calibration.json"))


# The camera


def _none(_ill: Ill, _camera: FakeCamera) -> Callable[[], Stream]:
    return opening(None)


def _ribbon_out(ill: Ill, camera: FakeCamera) -> Callable[[], Stream]:
    """In the middle of a search: the first frame comes, of an empty tray, and then no other."""
    take, left = camera.capture_request, [1]

    def capture(wait: float, flush: int) -> Any:
        if not left:
            raise OSError("No such device")
        left.pop()
        return take(wait, flush)

    camera.capture_request = capture  # type: ignore[method-assign]
    return opening(camera)


def _late(_ill: Ill, camera: FakeCamera) -> Callable[[], Stream]:
    camera.plugged.clear()
    return opening(camera)


def _hangs(_ill: Ill, camera: FakeCamera) -> Callable[[], Stream]:
    camera.free.clear()
    return opening(camera)


def _black(_ill: Ill, camera: FakeCamera) -> Callable[[], Stream]:
    camera.luma, camera.is_seen = 0, False
    return opening(camera)


def _half(_ill: Ill, camera: FakeCamera) -> Callable[[], Stream]:
    camera.is_torn = True
    return opening(camera)


def _no_library(_ill: Ill, _camera: FakeCamera) -> Callable[[], Stream]:
    return partial(open_camera, Path("no-calibration.json"))


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (_none, "no camera is found: switch the unit off and check both ends of the ribbon"),
        (
            _ribbon_out,
            "OSError: No such device: switch the unit off, check both ends of the ribbon, and start it again",
        ),
        (_late, "the camera gives no frame: check the ribbon, and that nothing else uses the camera"),
        (_hangs, "no frame within 1 s: check the ribbon; if it goes on, start the unit again"),
        (_black, "every frame is blank: uncover the lens, see that the light over the tray comes on, check the ribbon"),
        (_half, "every frame ends half-way: check the ribbon, and that the power supply is strong enough"),
        (_no_library, "the camera's library does not load ("),
    ],
    ids=["none", "ribbon out", "late", "hangs", "black", "half", "no picamera2"],
)
def test_a_bad_camera_is_read_off_and_what_was_kept_is_still_sent(
    ill: Ill,
    fault: Callable[[Ill, FakeCamera], Callable[[], Stream]],
    why: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "picamera2", None)
    monkeypatch.setattr("hardware.camera.CAPTURE_SECONDS_MAX", 0.5)
    here = ill.here
    here.exchange.cut()
    assert here.scan(acta()) is Signal.KEPT
    ill.has(fault(ill, FakeCamera()), seconds_max=1)
    here.unit.body.press()
    assert here.clock.run_until(lambda: here.shown[-1] is Signal.FAULT, 9_500)
    assert said(ill, Event.CAMERA_BAD).startswith(why)
    assert ill.read_off() == FaultCode.CAMERA.value.number
    here.unit.hold(2_500)
    assert here.unit.body.indicator.counted == [1]
    here.exchange.mend()
    assert here.settle()


# Lamps, buzzer, button


def goes_on(ill: Ill, mesa: int = 1) -> None:
    """What is pressed is kept, and sent."""
    assert ill.here.scan(acta(mesa)) is Signal.KEPT
    assert ill.here.settle()


@pytest.mark.parametrize("pin", PANEL, ids=lambda pin: pin.part)
def test_a_lamp_or_a_buzzer_without_its_pin_is_read_off_and_the_unit_goes_on(ill: Ill, pin: Pin) -> None:
    factory = ill.factory(pin_class=MockPWMPin)
    ill.stack.callback(LED(pin.bcm, pin_factory=factory).close)
    ill.stack.callback(PinIndicator(PINS, factory, ill.posted.put).close)
    ill.pass_on(PartMissing)
    assert said(ill, Event.PART_MISSING).startswith(f"{pin.part}: its pin cannot be used (")
    assert ill.read_off() == FaultCode.PANEL.value.number
    goes_on(ill)


def test_a_button_without_its_pin_is_read_off_and_what_was_kept_is_still_sent(ill: Ill) -> None:
    ill.here.exchange.cut()
    assert ill.here.scan(acta()) is Signal.KEPT
    factory = ill.factory()
    ill.stack.callback(LED(PINS.button.bcm, pin_factory=factory).close)
    PushButton(PINS.button, factory, ill.posted.put)
    ill.pass_on(PartMissing)
    assert said(ill, Event.PART_MISSING).startswith("the button's pin cannot be used (")
    assert ill.read_off() == FaultCode.BUTTON.value.number
    ill.here.exchange.mend()
    assert ill.here.settle()


class Finger:
    """A contact on the unit's own clock, heard by the unit through the real driver."""

    def __init__(self, ill: Ill) -> None:
        clock = ill.here.clock
        assert isinstance(clock, SteppedClock)
        factory = ContactFactory(clock)
        ill.stack.callback(factory.close)
        self.pin = factory.contact(PINS.button.bcm)
        self.button = PushButton(PINS.button, factory, ill.here.unit.body.post)


def test_a_button_that_is_stuck_is_read_off_and_works_again_when_it_springs_back(ill: Ill) -> None:
    finger = Finger(ill)
    ill.here.unit.body.camera.lay(picture(acta()))
    finger.pin.touch(True)
    ill.here.clock.run(STUCK_MS + 1_000)
    assert said(ill, Event.BUTTON_STUCK).endswith(FaultCode.BUTTON.value.remedy)
    assert ill.read_off() == FaultCode.BUTTON.value.number
    assert ill.here.unit.is_on
    finger.pin.touch(False)
    ill.here.clock.run(1_000)
    goes_on(ill, mesa=2)


def test_a_button_that_bounces_is_one_press_and_no_fault(ill: Ill) -> None:
    finger = Finger(ill)
    ill.here.unit.body.camera.lay(picture(acta()))
    for is_down in (True, False, True, False, True):
        finger.pin.touch(is_down)
        ill.here.clock.run(7)
    ill.here.clock.run(100)
    for is_down in (False, True, False):
        finger.pin.touch(is_down)
        ill.here.clock.run(7)
    ill.here.clock.run(5_000)
    assert ill.here.shown.count(Signal.SEARCHING) == 1
    assert ill.here.unit.body.indicator.codes == []


# Power, heat, clock, I2C


def test_without_anything_on_i2c_each_part_is_missed_in_a_sentence_and_nothing_is_shown(ill: Ill) -> None:
    """Nobody at the unit could do anything about a board that it never had."""
    ill.watch()
    missed = [facts(line)["why"] for line in ill.here.logged(Event.PART_MISSING)]
    for part in ("no battery gauge answers: ", "there is no clock board: "):
        assert sum(why.startswith(part) for why in missed) == 1
    assert ill.here.unit.body.indicator.codes == []
    goes_on(ill)


def _gauge_gone(root: Path) -> None:
    (root / BATTERY / "capacity").unlink()


def _undervolted(root: Path) -> None:
    write(root, FIRMWARE, "50005")


def _throttled(root: Path) -> None:
    write(root, FIRMWARE, "4")


def _clock_dead(root: Path) -> None:
    write(root, f"{BOARD}/since_epoch", "86400")


def _clock_gone(root: Path) -> None:
    (root / BOARD / "since_epoch").unlink()


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (_gauge_gone, FaultCode.BATTERY_BOARD),
        (_undervolted, FaultCode.POWER),
        (_throttled, FaultCode.HOT),
        (_clock_dead, FaultCode.CLOCK),
        (_clock_gone, FaultCode.CLOCK),
    ],
    ids=["I2C gone: gauge", "under-voltage", "throttled", "RTC dead", "I2C gone: RTC"],
)
def test_what_begins_to_ail_a_unit_is_read_off_and_the_unit_goes_on(
    ill: Ill, fault: Callable[[Path], None], code: FaultCode
) -> None:
    for name, text in (("type", "Battery"), ("capacity", "80"), ("status", "Discharging")):
        write(ill.root, f"{BATTERY}/{name}", text)
    write(ill.root, f"{BOARD}/since_epoch", str(EARLIEST_SECONDS + 9))
    write(ill.root, FIRMWARE, "0")
    changed = ill.watch()
    assert ill.here.unit.body.indicator.codes == []
    fault(ill.root)
    changed.set()
    ill.pass_on(Measured)
    assert said(ill, Event.AILING) == f"{code.value.meaning}: {code.value.remedy}"
    assert ill.read_off() == code.value.number
    goes_on(ill)
