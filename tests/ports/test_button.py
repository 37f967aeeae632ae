"""The button's promise, on every body: each press is one event, and nothing else is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

import pytest
from gpiozero.pins.mock import MockFactory, MockPin

from device.ports import BodyEvent, ButtonPressed
from hardware.button import BOUNCE_SECONDS, PushButton
from hardware.pins import Pins
from sim.body import make
from sim.clock import SteppedClock
from sim.link import Exchange


@dataclass
class Bench:
    """A finger on a button, and what comes of it.

    Attributes:
        down, up: what the finger does.
        inbox: what was posted.
        holding: the button itself, which must be held on to.
    """

    down: Callable[[], object]
    up: Callable[[], object]
    inbox: "SimpleQueue[BodyEvent]"
    holding: object

    def posted(self) -> list[BodyEvent]:
        found = []
        while True:
            try:
                found.append(self.inbox.get_nowait())
            except Empty:
                return found


@pytest.fixture(params=["sim", "hardware"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    inbox: SimpleQueue[BodyEvent] = SimpleQueue()
    if request.param == "sim":
        clock = SteppedClock()
        body = make(clock, tmp_path, Exchange(clock).link("unit-1", inbox.put), inbox.put)
        yield Bench(body.press, lambda: None, inbox, body)
        return
    factory = MockFactory()
    button = PushButton(Pins().button, factory, inbox.put)
    pin: MockPin = factory.pin(Pins().button)
    yield Bench(pin.drive_low, pin.drive_high, inbox, button)
    factory.close()


def test_nothing_is_posted_before_a_press(bench: Bench) -> None:
    assert bench.posted() == []


def test_a_press_is_posted_when_the_button_goes_down_and_not_when_it_comes_up(bench: Bench) -> None:
    bench.down()
    assert bench.posted() == [ButtonPressed()]
    bench.up()
    assert bench.posted() == []


def test_ten_presses_are_ten_events(bench: Bench) -> None:
    for _ in range(10):
        bench.down()
        bench.up()
    assert bench.posted() == [ButtonPressed()] * 10


def test_the_pin_is_pulled_up_and_told_to_wait_for_bounces_to_end() -> None:
    """What the driver makes of bounces is the kernel's and lgpio's: see docs/on-device.md."""
    factory = MockFactory()
    button = PushButton(Pins().button, factory, lambda _event: None)
    pin: MockPin = factory.pin(Pins().button)
    assert (pin.pull, pin.bounce, BOUNCE_SECONDS) == ("up", 0.03, 0.03)
    factory.close()
    assert button is not None
