"""The simulator's clock: everything due is done in order, at its time, and only while time passes."""

import threading

import pytest

from sim.clock import DATE, SteppedClock, WallClock


def test_nothing_happens_until_time_passes() -> None:
    clock, done = SteppedClock(), list[int]()
    clock.after(0, lambda: done.append(clock.ms()))
    clock.after(5, lambda: done.append(clock.ms()))
    assert done == []
    clock.run(0)
    assert done == [0]
    clock.run(4)
    assert (done, clock.ms()) == ([0], 4)
    clock.run(1)
    assert (done, clock.ms()) == ([0, 5], 5)


def test_what_is_due_together_is_done_in_the_order_it_was_asked_for() -> None:
    clock, done = SteppedClock(), list[str]()
    for name in "abc":
        clock.after(10, lambda name=name: done.append(name))  # type: ignore[misc]
    clock.after(5, lambda: clock.after(5, lambda: done.append("asked for later")))
    clock.run(10)
    assert done == ["a", "b", "c", "asked for later"]


def test_what_is_asked_for_meanwhile_is_done_within_the_same_run() -> None:
    clock, times = SteppedClock(), list[int]()

    def again() -> None:
        times.append(clock.ms())
        clock.after(100, again)

    again()
    clock.run(350)
    assert (times, clock.ms()) == ([0, 100, 200, 300], 350)


def test_a_step_does_one_thing() -> None:
    clock, done = SteppedClock(), list[str]()
    clock.after(20, lambda: done.append("second"))
    clock.after(10, lambda: done.append("first"))
    clock.step()
    assert (done, clock.ms()) == (["first"], 10)


@pytest.mark.parametrize(("limit", "became"), [(1_000, True), (100, False)])
def test_waiting_for_something_ends_when_it_is_true_or_at_the_limit(limit: int, became: bool) -> None:
    clock, done = SteppedClock(), list[int]()
    clock.after(400, lambda: done.append(1))
    assert clock.run_until(lambda: bool(done), limit) is became
    assert clock.ms() == (400 if became else limit)


def test_the_date_goes_on_with_the_time_and_jumps_when_told() -> None:
    clock = SteppedClock()
    clock.run(2_500)
    assert (clock.seconds(), clock.source()) == (DATE + 2, "system")
    clock.jump_seconds = -DATE
    assert (clock.seconds(), clock.ms()) == (2, 2_500)


def test_the_walls_clock_goes_forward_and_does_later_what_it_is_asked_to() -> None:
    clock, done = WallClock(), threading.Event()
    began = clock.ms()
    clock.after(20, done.set)
    assert done.wait(10)
    assert clock.ms() - began >= 20
    assert clock.seconds() > DATE
    assert clock.source() == "system"
