"""The indicator's driver: parts that are missing, fail or are in use, and a thread that ends; each is told, once."""

import threading
from collections.abc import Iterator
from queue import SimpleQueue

import pytest
from gpiozero.pins.mock import MockFactory, MockPWMPin

from device.lamps import Change
from device.ports import BodyEvent, Ms, PartMissing
from device.signals import FaultCode, Lamp, Signal
from hardware.button import PushButton
from hardware.indicator import PinIndicator
from hardware.pins import Pin, Pins
from tests.hardware.chip import chip, lacking
from tests.hardware.wired import LAMPS, Wired, panel

PINS = Pins()
PANEL: list[Pin] = [PINS.ready, PINS.kept, PINS.again, PINS.link, PINS.paper, PINS.buzzer]

SHOWS = {
    Signal.IDLE: {Lamp.READY},
    Signal.STICK_DONE: {Lamp.READY, Lamp.LINK},
    Signal.SEARCHING: {Lamp.LINK, Lamp.PAPER},
    Signal.KEPT: {Lamp.READY, Lamp.LINK, Lamp.KEPT},
    Signal.AGAIN: {Lamp.READY, Lamp.LINK, Lamp.AGAIN},
}
"""Lamps that are lit at once, each after those before."""

Inbox = SimpleQueue[BodyEvent]


class Stubborn(MockPWMPin):  # type: ignore[misc]  # gpiozero is untyped
    """A pin that can stop taking what it is told."""

    broken: frozenset[str] = frozenset()
    told = threading.Condition()

    def _change_state(self, value: float) -> bool:
        with self.told:
            self.told.notify_all()
            if self.info.name in self.broken:
                raise OSError("Input/output error")
            return bool(super()._change_state(value))


@pytest.fixture
def pins() -> Iterator[MockFactory]:
    factory = MockFactory(pin_class=Stubborn)
    yield factory
    Stubborn.broken = frozenset()
    factory.close()


def lit(factory: MockFactory) -> set[Lamp]:
    return {lamp for bcm, lamp in LAMPS.items() if factory.pin(bcm).state}


def waited(factory: MockFactory, lamps: set[Lamp]) -> bool:
    with Stubborn.told:
        return Stubborn.told.wait_for(lambda: lit(factory) == lamps, 10)


@pytest.mark.parametrize("pin", PANEL, ids=lambda pin: pin.part)
def test_a_part_whose_pin_cannot_be_had_is_told_once_and_all_others_go_on(pins: MockFactory, pin: Pin) -> None:
    inbox = Inbox()
    taken = PushButton(pin, pins, inbox.put)  # which pulls it up
    indicator = PinIndicator(PINS, pins, inbox.put)
    event = inbox.get(timeout=5)
    assert isinstance(event, PartMissing)
    assert event.code is FaultCode.PANEL
    assert event.why.startswith(f"{pin.part}: its pin cannot be used (")
    assert event.why.endswith("end whatever else uses it, or go on without")
    gone = {LAMPS[pin.bcm]} if pin.bcm in LAMPS else set[Lamp]()
    for signal, shows in SHOWS.items():
        indicator.show(signal)
        assert waited(pins, shows | gone)
    assert inbox.empty()
    indicator.close()
    taken.close()


def test_a_part_that_fails_later_is_told_once_and_all_others_go_on(pins: MockFactory) -> None:
    inbox = Inbox()
    indicator = PinIndicator(PINS, pins, inbox.put)
    indicator.show(Signal.IDLE)
    assert waited(pins, {Lamp.READY})
    Stubborn.broken = frozenset({f"GPIO{PINS.kept.bcm}"})
    for _ in range(3):
        indicator.show(Signal.KEPT)
        indicator.show(Signal.SEARCHING)
        assert waited(pins, {Lamp.PAPER})
        indicator.show(Signal.IDLE)
        assert waited(pins, {Lamp.READY})
    event = inbox.get(timeout=5)
    assert isinstance(event, PartMissing)
    assert event.code is FaultCode.PANEL
    assert event.why == (
        "KEPT, a green lamp, centre left: its pin cannot be used (Input/output error): end whatever else uses it, "
        "or go on without"
    )
    Stubborn.broken = frozenset()
    assert inbox.empty()
    indicator.close()


def test_a_thread_that_ends_by_a_fault_of_ours_is_told_where_and_the_next_signal_ends_the_program(
    pins: MockFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: SimpleQueue[BaseException | None] = SimpleQueue()
    monkeypatch.setattr(threading, "excepthook", lambda fell: told.put(fell.exc_value))
    indicator = PinIndicator(PINS, pins, Inbox().put)

    def fall(_now: Ms) -> list[Change]:
        raise ZeroDivisionError

    monkeypatch.setattr("hardware.indicator.Mixer.play", lambda _mixer, now: fall(now))
    indicator.show(Signal.READY)
    assert isinstance(told.get(timeout=10), ZeroDivisionError)
    indicator._thread.join(10)
    with pytest.raises(AssertionError, match="nothing moves the lamps any more: restart the unit"):
        indicator.show(Signal.KEPT)


def test_close_leaves_all_dark_and_silent(pins: MockFactory) -> None:
    indicator = PinIndicator(PINS, pins, Inbox().put)
    indicator.show(FaultCode.CAMERA)
    indicator.show(Signal.STICK_DONE)
    with Stubborn.told:
        assert Stubborn.told.wait_for(lambda: Lamp.AGAIN in lit(pins), 10)
    indicator.close()
    assert lit(pins) == set()
    assert not pins.pin(PINS.buzzer.bcm).state


def test_on_lgpio_every_part_has_its_pin_as_an_output_and_is_off(wired_unit: Wired) -> None:
    wired_unit.anew()
    for pin in PANEL:
        assert wired_unit.chip.owner(pin.bcm) == wired_unit.program.pid, pin.part
        assert not wired_unit.chip.level(pin.bcm), pin.part


def test_on_lgpio_the_paper_lamp_is_lit_without_a_flicker(wired_unit: Wired) -> None:
    """A shutter would show one as bands: at full brightness its PWM is no PWM."""
    wired_unit.anew()
    before = wired_unit.chip.count
    wired_unit.show(Signal.SEARCHING)
    assert wired_unit.until(lambda: len(wired_unit.played()) >= 3)  # the lamp, and the click's beginning and end
    assert wired_unit.until(lambda: wired_unit.chip.level(PINS.paper.bcm))
    assert [level for _, bcm, level in wired_unit.chip.changes(before) if bcm == PINS.paper.bcm] == [True]


def test_on_lgpio_nothing_is_timed_while_nothing_sounds(wired_unit: Wired) -> None:
    """lgpio does so in a thread, also for pulses of no length, which cost a fifth of a core."""
    wired_unit.anew()
    wired_unit.show(Signal.STICK_DONE)
    assert wired_unit.until(lambda: len(wired_unit.played()) >= 5)  # the lamp, and two tones
    pause = threading.Event()
    pause.wait(0.5)  # the last pulse may be late
    before = wired_unit.chip.writes
    pause.wait(0.3)
    assert wired_unit.chip.writes == before


def test_on_lgpio_a_pin_that_another_program_has_is_told_and_all_others_go_on() -> None:
    if why := lacking():
        pytest.skip(why)
    with chip() as shared:
        shared.break_pin(PINS.buzzer.bcm)
        with panel(shared) as first:
            (event,) = first.posted(2, 0.2)
            assert "buzzer" in event
            assert "code=<FaultCode.PANEL" in event
            shared.break_pin(PINS.buzzer.bcm, is_broken=False)
            with panel(shared) as second:
                events = second.posted(6, 0.2)  # all lamps, and the button; the buzzer is free
                assert len(events) == 6
                assert all("'GPIO busy'" in event for event in events)
                assert sum("FaultCode.BUTTON" in event for event in events) == 1
                second.show(Signal.READY)
                assert second.until(lambda: len(second.moves()) >= 10)
            first.show(Signal.READY)
            assert first.until(lambda: shared.level(PINS.ready.bcm))


def test_on_lgpio_the_pins_of_a_program_that_was_killed_can_be_had_again() -> None:
    if why := lacking():
        pytest.skip(why)
    with chip() as shared:
        with panel(shared) as first:
            first.program.kill()
        with panel(shared) as second:
            assert second.posted(1, 0.1) == []
            assert shared.owner(PINS.ready.bcm) == second.program.pid
