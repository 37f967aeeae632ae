"""The hold: what the button says by how long it is held, for any sequence of edges."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.hold import (
    COUNT_MS,
    LEAVING_MS,
    OFF_MS,
    QUIET_MS,
    STUCK_MS,
    CameUp,
    Event,
    Off,
    State,
    Stuck,
    Told,
    Up,
    WentDown,
    Woke,
    step,
)
from device.signals import Signal

WAKE_MS = 100
TICKS = {Told.TICK_COUNT, Told.TICK_QUIET, Told.TICK_OFF}


def fed(events: Sequence[Event], state: State | None = None) -> tuple[State, list[Told]]:
    """The state after these events, and all that was told."""
    state, heard = state or Up(), []
    for event in events:
        state, told = step(state, event)
        heard += [told] if told else []
    return state, heard


def woken(since: int, until: int) -> list[Event]:
    return [Woke(at) for at in range(since, until, WAKE_MS)]


def held(ms: int, at_power_on: bool = False) -> list[Event]:
    """The button held for so long, looked at as often as a unit does."""
    return [WentDown(0, at_power_on), *woken(0, ms), CameUp(ms)]


@pytest.mark.parametrize(
    ("ms", "told"),
    [
        (50, [Told.PRESSED]),
        (COUNT_MS - 50, [Told.PRESSED]),
        (COUNT_MS + 50, [Told.PRESSED, Told.TICK_COUNT, Told.COUNT]),
        (QUIET_MS + 50, [Told.PRESSED, Told.TICK_COUNT, Told.TICK_QUIET, Told.QUIET]),
        (OFF_MS + 50, [Told.PRESSED, *(Told.TICK_COUNT, Told.TICK_QUIET, Told.TICK_OFF), Told.LEAVING]),
        (STUCK_MS + 50, [Told.PRESSED, *(Told.TICK_COUNT, Told.TICK_QUIET, Told.TICK_OFF), Told.STUCK]),
    ],
)
def test_a_press_acts_at_once_and_a_tier_when_it_is_let_go(ms: int, told: list[Told]) -> None:
    assert fed(held(ms))[1] == told


def test_a_press_while_the_tones_fall_keeps_the_unit_on_and_captures_nothing() -> None:
    state, _ = fed(held(OFF_MS + 100))
    assert fed([WentDown(9_000), CameUp(9_100), *woken(9_100, 30_000)], state) == (Up(), [Told.STAYS])


def test_without_one_it_goes_off_when_they_have_fallen_and_hears_nothing_any_more() -> None:
    state, _ = fed(held(OFF_MS + 100))
    state, told = fed(woken(OFF_MS + 200, OFF_MS + 100 + LEAVING_MS), state)
    assert told == []
    after, told = fed([Woke(OFF_MS + 100 + LEAVING_MS), *held(500)], state)
    assert (after, told) == (Off(), [Told.OFF])


def test_the_tones_fall_as_long_as_a_press_can_still_keep_the_unit_on() -> None:
    assert sum(tone.value.ms + tone.value.gap_ms for tone in Signal.GOING_OFF.value.tones) == LEAVING_MS


@pytest.mark.parametrize(
    ("ms", "told"),
    [
        (500, []),
        (COUNT_MS + 100, [Told.TICK_COUNT, Told.TRAIN]),
        (OFF_MS + 100, [Told.TICK_COUNT, Told.TRAIN]),
        (STUCK_MS + 100, [Told.TICK_COUNT, Told.STUCK]),
    ],
)
def test_held_at_power_on_it_is_training_and_nothing_else(ms: int, told: list[Told]) -> None:
    """A button that is stuck as the power comes on must not make a night's records worthless."""
    assert fed(held(ms, at_power_on=True))[1] == told


def test_a_stuck_button_that_springs_back_is_a_button_again() -> None:
    state, _ = fed(held(STUCK_MS + 100))
    assert state == Up()
    assert fed(held(100), Stuck())[1] == [Told.PRESSED], "its coming up was never told"


def test_who_lets_go_before_a_late_tick_gets_the_tier_that_was_ticked() -> None:
    """A slow card may keep the unit from looking at the time: what was not told does not act."""
    assert fed([WentDown(0), CameUp(9_000)])[1] == [Told.PRESSED]
    assert fed([WentDown(0), Woke(9_000), CameUp(9_000)])[1] == [Told.PRESSED, Told.TICK_COUNT, Told.COUNT]


def test_a_press_whose_release_was_lost_does_not_cost_the_next_one() -> None:
    assert fed([WentDown(0), WentDown(700), CameUp(800)])[1] == [Told.PRESSED, Told.PRESSED]


EDGES = st.lists(st.tuples(st.sampled_from((WentDown, CameUp, Woke)), st.integers(0, 4_000)), max_size=60)


@given(EDGES)
def test_whatever_contacts_do_each_tier_acts_only_after_its_tick_and_off_only_after_a_warning(
    edges: list[tuple[type[WentDown | CameUp | Woke], int]],
) -> None:
    state: State = Up()
    now = 0
    told_before: list[Told] = []
    for kind, ms in edges:
        now += ms
        before, (state, told) = state, step(state, kind(now))
        match told:
            case Told.COUNT | Told.QUIET | Told.LEAVING:
                ticks = {Told.COUNT: Told.TICK_COUNT, Told.QUIET: Told.TICK_QUIET, Told.LEAVING: Told.TICK_OFF}
                assert told_before[-1] is ticks[told]
            case Told.OFF:
                assert told_before[-1] is Told.LEAVING
            case Told.PRESSED:
                assert kind is WentDown
            case _:
                pass
        if isinstance(before, Off):
            assert (state, told) == (before, None)
        told_before += [told] if told else []
