"""The button's driver: contacts that bounce, stick and vanish, on a pin that is told of as lgpio does, and on lgpio."""

from queue import SimpleQueue

import pytest
from gpiozero.pins.mock import MockFactory
from hypothesis import given
from hypothesis import strategies as st

from device.ports import BodyEvent, ButtonHeld, ButtonPressed, ButtonReleased, PartMissing
from device.signals import FaultCode
from hardware.button import BOUNCE_SECONDS, PushButton
from hardware.pins import Pins
from sim.clock import SteppedClock
from tests.hardware.contact import ContactFactory
from tests.hardware.wired import Wired

PIN = Pins().button
BOUNCE_MS = round(BOUNCE_SECONDS * 1000)


class Finger:
    """A button, a finger on it, and when it was told what."""

    def __init__(self, *, is_down: bool = False) -> None:
        self.clock = SteppedClock()
        self.told: list[tuple[int, BodyEvent]] = []
        self.factory = ContactFactory(self.clock)
        self.pin = self.factory.contact(PIN.bcm)
        self.pin.touch(is_down)
        self.button = PushButton(PIN, self.factory, lambda event: self.told.append((self.clock.ms(), event)))

    def touch(self, is_down: bool, then_ms: int) -> None:
        self.pin.touch(is_down)
        self.clock.run(then_ms)

    @property
    def events(self) -> list[BodyEvent]:
        return [event for _, event in self.told]


BOUNCES = st.lists(st.integers(1, BOUNCE_MS - 1), max_size=20).map(lambda gaps: gaps[: len(gaps) // 2 * 2])
"""Milliseconds from one contact to the next; as many closings as openings."""


@given(BOUNCES, BOUNCES)
def test_a_press_that_bounces_is_one_press_and_one_release(down: list[int], up: list[int]) -> None:
    finger = Finger()
    is_down = True
    for gap in (*down, 200):
        finger.touch(is_down, gap)
        is_down = not is_down
    assert finger.told == [(sum(down) + BOUNCE_MS, ButtonPressed())]
    is_down = False
    for gap in (*up, 200):
        finger.touch(is_down, gap)
        is_down = not is_down
    assert finger.events == [ButtonPressed(), ButtonReleased()]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 100)), max_size=40), st.booleans())
def test_whatever_a_contact_does_presses_and_releases_take_turns(moves: list[tuple[bool, int]], is_down: bool) -> None:
    finger = Finger(is_down=is_down)
    for move, then_ms in moves:
        finger.touch(move, then_ms)
    finger.clock.run(1000)
    events = finger.events
    assert all(isinstance(event, ButtonReleased) for event in events[1::2])
    assert not any(isinstance(event, ButtonReleased) for event in events[::2])
    assert (len(events) % 2 == 1) is (finger.pin.state == 0), "in the end it is told as it is"


@pytest.mark.parametrize("ms", [1, 10, BOUNCE_MS - 1])
def test_what_is_shorter_than_a_bounce_is_nothing(ms: int) -> None:
    finger = Finger()
    finger.touch(True, ms)
    finger.touch(False, 1000)
    assert finger.told == []


def test_a_bounce_is_waited_for_between_20_and_50_milliseconds() -> None:
    assert 20 <= BOUNCE_MS <= 50


def test_the_pin_is_pulled_up() -> None:
    assert Finger().pin.pull == "up"


def test_a_button_that_is_stuck_as_the_unit_starts_is_told_once_and_no_more() -> None:
    finger = Finger(is_down=True)
    finger.clock.run(3_600_000)
    assert finger.events == [ButtonHeld()]


def test_a_button_that_is_let_go_while_it_is_made_is_told_as_held_and_then_released() -> None:
    finger = Finger(is_down=True)
    finger.touch(False, 1000)
    assert finger.events == [ButtonHeld(), ButtonReleased()]


def test_a_button_whose_pin_cannot_be_had_is_told_once_and_everything_else_goes_on() -> None:
    factory, inbox = MockFactory(), SimpleQueue[BodyEvent]()
    first = PushButton(PIN, factory, inbox.put)
    second = PushButton(PIN, factory, inbox.put)
    event = inbox.get_nowait()
    assert isinstance(event, PartMissing)
    assert event.code is FaultCode.BUTTON
    assert event.why.startswith("the button's pin cannot be used (")
    assert event.why.endswith("end whatever else uses it, and restart the unit")
    assert inbox.empty()
    second.close()
    first.close()
    factory.close()


def test_on_lgpio_the_pin_is_an_input_that_is_pulled_up(wired_unit: Wired) -> None:
    wired_unit.anew()
    assert wired_unit.chip.owner(PIN.bcm) == wired_unit.program.pid
    assert wired_unit.chip.pull(PIN.bcm) == "up"
    assert wired_unit.chip.level(PIN.bcm)


def test_on_lgpio_a_press_that_bounces_is_one_press_and_one_release(wired_unit: Wired) -> None:
    wired_unit.anew()
    for _ in range(5):
        for is_down in (True, False) * 7:  # far faster than lgpio waits
            wired_unit.chip.drive(PIN.bcm, not is_down)
        wired_unit.down()
        assert wired_unit.posted(1) == [repr(ButtonPressed())]
        for is_down in (False, True) * 7:
            wired_unit.chip.drive(PIN.bcm, not is_down)
        wired_unit.up()
        assert wired_unit.posted(1) == [repr(ButtonReleased())]
    assert wired_unit.posted(1, 0.1) == []


def test_on_lgpio_a_touch_that_is_shorter_than_a_bounce_is_nothing(wired_unit: Wired) -> None:
    wired_unit.anew()
    for _ in range(10):
        wired_unit.down()
        wired_unit.up()
    assert wired_unit.posted(1, 0.2) == []
