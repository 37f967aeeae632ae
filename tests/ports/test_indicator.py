"""The indicator's promises, on every body; what lamps and buzzer really do, on the real driver over mock pins."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from gpiozero.pins.mock import MockFactory, MockPWMPin

from device.ports import Indicator
from device.signals import Lamp, Rhythm, Signal
from hardware.indicator import SOUNDS, PinIndicator
from hardware.pins import Pins
from sim.body import SimIndicator

PINS = Pins()
LAMPS = {
    f"GPIO{PINS.ready}": Lamp.READY,
    f"GPIO{PINS.kept}": Lamp.KEPT,
    f"GPIO{PINS.again}": Lamp.AGAIN,
    f"GPIO{PINS.link}": Lamp.LINK,
    f"GPIO{PINS.paper}": Lamp.PAPER,
}


class Panel:
    """Someone looking at the lamps and listening: they are told of each change by the pins themselves."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.changes: dict[Lamp, list[tuple[float, bool]]] = {lamp: [] for lamp in Lamp}
        self.heard: list[tuple[float, float]] = []  # when, and hertz; 0 for silence

    def saw(self, lamp: Lamp, on: bool) -> None:
        with self.changed:
            self.changes[lamp].append((time.monotonic(), on))
            self.changed.notify_all()

    def hears(self, hertz: float) -> None:
        with self.changed:
            self.heard.append((time.monotonic(), hertz))
            self.changed.notify_all()

    def is_on(self, lamp: Lamp) -> bool:
        return bool(self.changes[lamp]) and self.changes[lamp][-1][1]

    def lit(self) -> set[Lamp]:
        with self.changed:
            return {lamp for lamp in Lamp if self.is_on(lamp)}

    def tones(self) -> list[float]:
        with self.changed:
            return [hertz for _, hertz in self.heard if hertz]

    def wait(self, true: Callable[[], bool], seconds: float = 10) -> bool:
        with self.changed:
            return self.changed.wait_for(true, seconds)


class Watched(MockFactory):  # type: ignore[misc]  # gpiozero is untyped
    """Mock pins that tell the panel; like lgpio's, all of them can do PWM."""

    def __init__(self, panel: Panel) -> None:
        class WatchedPin(MockPWMPin):  # type: ignore[misc]
            def _change_state(self, value: float) -> bool:
                changed: bool = super()._change_state(value)
                if changed and self.info.name == f"GPIO{PINS.buzzer}":
                    panel.hears(self.frequency or 0 if value else 0)
                elif changed:
                    panel.saw(LAMPS[self.info.name], bool(value))
                return changed

        super().__init__(pin_class=WatchedPin)


@pytest.fixture
def panel() -> Panel:
    return Panel()


@pytest.fixture
def real(panel: Panel) -> Iterator[PinIndicator]:
    indicator = PinIndicator(PINS, Watched(panel))
    yield indicator
    indicator.close()


@pytest.fixture(params=["sim", "hardware"])
def indicator(request: pytest.FixtureRequest) -> Indicator:
    if request.param == "sim":
        return SimIndicator()
    found: Indicator = request.getfixturevalue("real")
    return found


def test_show_returns_at_once_whatever_is_shown_and_sounds(indicator: Indicator) -> None:
    slowest = 0.0
    for first in Signal:
        for second in Signal:
            indicator.show(first)
            began = time.monotonic()
            indicator.show(second)
            slowest = max(slowest, time.monotonic() - began)
    assert slowest < 0.1


def lamps_of(signal: Signal) -> dict[Lamp, Rhythm]:
    return dict(signal.value.lamps)


@pytest.mark.parametrize("signal", Signal, ids=lambda signal: signal.name)
def test_a_signal_lights_its_own_lamps_and_no_others(signal: Signal, panel: Panel, real: PinIndicator) -> None:
    real.show(signal)
    assert panel.wait(lambda: {lamp for lamp in Lamp if panel.is_on(lamp)} == set(lamps_of(signal)))


@pytest.mark.parametrize("second", [signal for signal in Signal if not signal.on_link_lamp], ids=lambda s: s.name)
def test_lamps_that_a_pattern_does_not_name_go_off(second: Signal, panel: Panel, real: PinIndicator) -> None:
    for first in Signal:
        if not first.on_link_lamp:
            real.show(first)
            real.show(second)
            assert panel.lit() <= set(lamps_of(second))


@pytest.mark.parametrize("other", [signal for signal in Signal if not signal.on_link_lamp], ids=lambda s: s.name)
def test_the_link_lamp_and_the_others_never_disturb_each_other(other: Signal, panel: Panel, real: PinIndicator) -> None:
    real.show(Signal.READY)
    real.show(Signal.LINK_WAITING)
    assert panel.wait(lambda: panel.is_on(Lamp.LINK))
    changes = len(panel.changes[Lamp.LINK])
    real.show(other)
    assert len(panel.changes[Lamp.LINK]) == changes
    real.show(Signal.READY)
    before = {lamp: len(panel.changes[lamp]) for lamp in Lamp if lamp is not Lamp.LINK}
    for link in (signal for signal in Signal if signal.on_link_lamp):
        real.show(link)
    assert {lamp: len(panel.changes[lamp]) for lamp in before} == before
    assert panel.lit() - {Lamp.LINK} == {Lamp.READY}
    real.show(Signal.LINK_SENDING)
    assert panel.wait(lambda: panel.is_on(Lamp.LINK))


def test_two_blinks_are_two_blinks_of_the_length_named_and_then_dark(panel: Panel, real: PinIndicator) -> None:
    real.show(Signal.AGAIN)
    assert panel.wait(lambda: len(panel.changes[Lamp.AGAIN]) == 4)
    assert not panel.wait(lambda: len(panel.changes[Lamp.AGAIN]) > 4, 0.8)
    times = [at for at, _ in panel.changes[Lamp.AGAIN]]
    assert [on for _, on in panel.changes[Lamp.AGAIN]] == [True, False, True, False]
    assert [later - earlier for earlier, later in itertools.pairwise(times)] == pytest.approx([0.3] * 3, abs=0.1)


def test_a_lamp_lit_once_goes_out_by_itself(panel: Panel, real: PinIndicator) -> None:
    real.show(Signal.KEPT)
    assert panel.wait(lambda: [on for _, on in panel.changes[Lamp.KEPT]] == [True, False])
    (lit, _), (dark, _) = panel.changes[Lamp.KEPT]
    assert dark - lit == pytest.approx(2.5, abs=0.2)
    assert panel.lit() == {Lamp.READY}


def test_a_blinking_lamp_goes_on_blinking_by_itself(panel: Panel, real: PinIndicator) -> None:
    real.show(Signal.LINK_SENDING)
    assert panel.wait(lambda: len(panel.changes[Lamp.LINK]) >= 6)


def test_a_signal_sounds_its_tones_in_order(panel: Panel, real: PinIndicator) -> None:
    real.show(Signal.READY)
    assert panel.wait(lambda: len(panel.heard) == 6)
    assert panel.tones() == [SOUNDS[tone][0] for tone in Signal.READY.value.tones]
    assert [bool(hertz) for _, hertz in panel.heard] == [True, False] * 3


def test_a_press_cuts_the_sound_in_progress_and_what_waits(panel: Panel, real: PinIndicator) -> None:
    real.show(Signal.REFUSED)
    assert panel.wait(lambda: len(panel.heard) == 1)
    real.show(Signal.AGAIN)
    pressed = time.monotonic()
    real.show(Signal.SEARCHING)
    assert panel.wait(lambda: len(panel.heard) == 4)
    click = SOUNDS[Signal.SEARCHING.value.tones[0]][0]
    assert [hertz for _, hertz in panel.heard[1:]] == [0, click, 0]
    assert panel.heard[1][0] - pressed < 0.1
    assert not panel.wait(lambda: len(panel.heard) > 4, 0.5)


def test_a_sound_of_the_link_waits_for_the_verdicts_and_neither_is_lost(panel: Panel, real: PinIndicator) -> None:
    real.show(Signal.SEARCHING)
    assert panel.wait(lambda: len(panel.heard) == 1)
    real.show(Signal.REFUSED)
    real.show(Signal.KEPT)
    expected = [SOUNDS[tone][0] for s in (Signal.SEARCHING, Signal.KEPT, Signal.REFUSED) for tone in s.value.tones]
    assert panel.wait(lambda: len(panel.heard) == 2 * len(expected))
    assert panel.tones() == expected


def test_of_sounds_that_wait_only_the_newest_is_played(panel: Panel, real: PinIndicator) -> None:
    real.show(Signal.SEARCHING)
    assert panel.wait(lambda: len(panel.heard) == 1)
    for signal in (Signal.FAULT, Signal.AGAIN, Signal.KEPT):
        real.show(signal)
    assert panel.wait(lambda: len(panel.heard) == 4)
    assert not panel.wait(lambda: len(panel.heard) > 4, 0.5)
    assert panel.tones() == [SOUNDS[tone][0] for s in (Signal.SEARCHING, Signal.KEPT) for tone in s.value.tones]


def test_close_leaves_all_dark_and_silent(panel: Panel, real: PinIndicator) -> None:
    for signal in (Signal.FAULT, Signal.LINK_WAITING):
        real.show(signal)
    real.close()
    assert panel.lit() == set()
    assert not panel.wait(lambda: bool(panel.heard and panel.heard[-1][1]), 0.5)
