"""The clock's promises, on every body."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from device.ports import Clock
from hardware.clock import EARLIEST_SECONDS, SystemClock
from sim.clock import DATE, SteppedClock, WallClock


@dataclass
class Bench:
    """A clock just made, and how to let some milliseconds pass."""

    clock: Clock
    pass_ms: Callable[[int], object]


def stepped() -> Bench:
    clock = SteppedClock()
    return Bench(clock, clock.run)


def until_passed(clock: Clock) -> Bench:
    def pass_ms(ms: int) -> None:
        end = time.monotonic_ns() + ms * 1_000_000
        while time.monotonic_ns() < end:
            pass

    return Bench(clock, pass_ms)


@pytest.fixture(params=["stepped", "wall", "hardware"])
def bench(request: pytest.FixtureRequest) -> Bench:
    match request.param:
        case "stepped":
            return stepped()
        case "wall":
            return until_passed(WallClock())
        case _:
            return until_passed(SystemClock())


def test_the_milliseconds_never_go_backward(bench: Bench) -> None:
    seen = []
    for _ in range(2000):
        bench.pass_ms(0)
        seen.append(bench.clock.ms())
    assert seen == sorted(seen)


@pytest.mark.parametrize("clocks", [lambda: (SystemClock(), SystemClock()), lambda: (SteppedClock(),) * 2])
def test_the_power_is_one_word_and_the_same_at_each_start(clocks: Callable[[], tuple[Clock, Clock]]) -> None:
    first, second = clocks()
    assert len(first.power.split()) == 1
    assert first.power == second.power


def test_the_milliseconds_are_milliseconds(bench: Bench) -> None:
    before = bench.clock.ms()
    bench.pass_ms(50)
    assert 50 <= bench.clock.ms() - before <= 1000


@pytest.mark.parametrize("clock", [SteppedClock, SystemClock])
def test_the_milliseconds_count_from_this_start_of_the_unit(clock: Callable[[], Clock]) -> None:
    assert 0 <= clock().ms() < 1000


def test_the_date_is_in_whole_seconds_and_says_where_it_comes_from(bench: Bench) -> None:
    assert isinstance(bench.clock.seconds(), int)
    assert bench.clock.source() in ("unset", "stop", "system", "rtc")


def test_the_date_of_a_real_unit_is_what_the_system_believes() -> None:
    before = int(time.time())
    assert before <= SystemClock().seconds() <= int(time.time())


@pytest.mark.parametrize(
    ("believed", "source"),
    [(0, "unset"), (EARLIEST_SECONDS - 1, "unset"), (EARLIEST_SECONDS, "stop"), (4_291_747_200, "stop")],
)
def test_a_date_from_before_testigo_was_written_was_never_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, believed: int, source: str
) -> None:
    monkeypatch.setattr(time, "time", lambda: float(believed))
    assert SystemClock(tmp_path).source() == source
    assert SystemClock(tmp_path).seconds() == believed


def test_a_jump_of_the_date_leaves_the_milliseconds_alone() -> None:
    clock = SteppedClock()
    clock.run(1000)
    clock.jump_seconds = -DATE
    assert (clock.seconds(), clock.ms()) == (1, 1000)


def test_the_real_milliseconds_do_not_come_from_the_date(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SystemClock()
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert clock.ms() < 1000
    assert re.fullmatch(r"\d+", str(clock.ms()))
