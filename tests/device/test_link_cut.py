"""The cut link: at any moment, for any time; the unit goes on, and all is sent in the end."""

import re

import pytest

from device.log import Event
from device.route import WINDOW_MS_MAX, WINDOW_MS_MIN
from device.signals import Signal
from tests.device.world import World, acta


@pytest.mark.parametrize("steps", range(1, 60, 3))
def test_cut_after_any_step_all_is_receipted_in_the_end(here: World, steps: int) -> None:
    here.lay_and_press(acta(1))
    for _ in range(steps):
        here.clock.step()
    here.exchange.cut()
    here.clock.run(1_000)
    assert here.scan(acta(2)) is Signal.KEPT
    here.exchange.mend()
    assert here.settle()
    assert len(here.mesas()) == len(here.records()) == 2


def test_cut_for_good_the_unit_goes_on_keeping(here: World) -> None:
    here.exchange.cut()
    for mesa in range(10):
        assert here.scan(acta(mesa)) is Signal.KEPT
    assert len(here.waiting) == 10
    assert here.shown.count(Signal.LINK_WAITING) == 1


def test_cut_again_and_again_all_is_receipted_in_the_end(here: World) -> None:
    for mesa in range(10):
        here.scan(acta(mesa))
        here.exchange.cut()
        here.clock.run(700)
        here.exchange.mend()
        here.clock.run(900)
    assert here.settle()
    assert len(here.mesas()) == 10


def test_pauses_between_attempts_grow_are_spread_and_are_short_again_after_a_receipt(here: World) -> None:
    here.exchange.cut()
    here.clock.run(1_800_000)
    pauses = [int(found[1]) for line in here.logged(Event.LINK_DOWN) if (found := re.search(r"next_ms=(\d+)", line))]
    assert max(pauses[:3]) < 4 * WINDOW_MS_MIN
    assert max(pauses) < WINDOW_MS_MAX
    assert sum(pauses[10:]) / len(pauses[10:]) > WINDOW_MS_MAX / 4
    assert len(set(pauses)) > len(pauses) / 2
    here.exchange.mend()
    here.clock.run(WINDOW_MS_MAX + 5_000)
    here.exchange.cut()
    here.clock.run(0)
    assert int(here.logged(Event.LINK_DOWN)[-1].rpartition("=")[2]) < WINDOW_MS_MIN
