"""The first light: within a tenth of a second of every press, through the whole firmware on the simulated clock."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from device.lamps import ON_MS_MIN, Change, Lit
from device.ports import Measured, Vitals
from device.signals import FaultCode, Lamp, Ms, Signal
from tests.device.looking import heard, spans
from tests.device.world import World, acta, world

FIRST_LIGHT_MS_MAX = 100


class Looker:
    """Somebody who looks at the lamps all the time."""

    def __init__(self, here: World) -> None:
        self.here = here
        self.changes: list[Change] = []

    def is_on(self, lamp: Lamp) -> bool:
        self.changes += self.here.unit.body.indicator.played()
        return ([False] + [c.is_on for c in self.changes if isinstance(c, Lit) and c.lamp is lamp])[-1]

    def has_seen(self, signal: Signal, since: int) -> bool:
        return signal in self.here.shown[since:]

    def press(self) -> None:
        self.here.unit.body.press()
        self.here.clock.run(FIRST_LIGHT_MS_MAX)


@pytest.fixture
def looker(tmp_path: Path) -> Iterator[Looker]:
    with world(tmp_path) as here:
        yield Looker(here.power_on())


def _link_cut(here: World) -> None:
    here.exchange.cut()


def _fault(here: World) -> None:
    here.unit.body.camera.unplug()
    here.scan(acta(7))


def _kept(here: World) -> None:
    assert here.scan(acta(8)) is Signal.KEPT


def _battery_low(here: World) -> None:
    here.unit.body.post(Measured(Vitals(on_battery=True, battery=10)))
    here.clock.run(100)


def _trouble(here: World) -> None:
    here.unit.body.indicator.show(FaultCode.HOT)


def _quiet(here: World) -> None:
    here.unit.body.indicator.quiet(True)


@pytest.mark.parametrize(
    "while_so",
    [lambda _here: None, _fault, _kept, _battery_low, _trouble, _quiet],
    ids=["idle", "fault", "verdict", "battery low", "trouble", "quiet"],
)
@pytest.mark.parametrize("wait_ms", [0, 170, 480, 2450])
def test_the_first_light_is_there_within_a_tenth_of_a_second(
    looker: Looker, while_so: Callable[[World], None], wait_ms: Ms
) -> None:
    while_so(looker.here)
    looker.here.clock.run(wait_ms)
    looker.press()
    assert looker.is_on(Lamp.PAPER)
    looker.here.clock.run(ON_MS_MIN - FIRST_LIGHT_MS_MAX)
    assert not looker.is_on(Lamp.KEPT), "what was kept before is not kept again"


def test_presses_that_follow_each_other_as_fast_as_verdicts_do_are_all_answered_by_light(looker: Looker) -> None:
    for mesa in range(8):
        looker.here.lay_and_press(acta(mesa))
        seen = len(looker.here.shown)
        assert looker.here.clock.run_until(partial(looker.has_seen, Signal.KEPT, seen), 5000)
        looker.press()  # at once, with the verdict just shown
        assert looker.is_on(Lamp.PAPER)
        looker.here.clock.run(600)


def test_kept_is_lit_for_two_and_a_half_seconds_from_the_moment_it_is_kept(looker: Looker) -> None:
    assert looker.here.scan(acta(1)) is Signal.KEPT
    kept_at = looker.here.clock.ms()
    looker.here.clock.run(20_000)
    looker.is_on(Lamp.KEPT)
    start, end = spans(looker.changes, Lamp.KEPT, looker.here.clock.ms())[0]
    assert end - start >= 2500
    assert kept_at - start <= 50, "the clock of this test goes in steps of so much"


def test_a_press_is_heard_as_a_click_and_what_is_kept_as_one_high_tone(looker: Looker) -> None:
    looker.here.clock.run(3000)
    looker.is_on(Lamp.READY)
    looker.changes.clear()
    assert looker.here.scan(acta(1)) is Signal.KEPT
    looker.here.clock.run(1000)
    looker.is_on(Lamp.READY)
    assert heard(looker.changes) == [(2700, 20), (2700, 120)]
