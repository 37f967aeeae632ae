"""The stick's promises: work is done beside the unit, in order, and answered once, though it fails or is pulled."""

from functools import partial
from pathlib import Path
from queue import Queue

import pytest

from device.ports import BodyEvent, StickOut, StickWorked
from sim.body import SimStick
from sim.clock import WallClock

SECONDS = 30


class Bench:
    """A stick in its socket, in real time, and what is posted."""

    def __init__(self, folder: Path) -> None:
        self.posted: Queue[BodyEvent] = Queue()
        self.stick = SimStick(WallClock(), folder, self.posted.put)

    def outcomes(self, count: int) -> list[object]:
        """What so many works came to."""
        events = [self.posted.get(timeout=SECONDS) for _ in range(count)]
        assert self.posted.empty()
        return [event.outcome for event in events if isinstance(event, StickWorked) and event.stick is self.stick]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_beside_returns_before_the_work_is_done(bench: Bench) -> None:
    gate: Queue[int] = Queue()
    bench.stick.beside(lambda: gate.get(timeout=SECONDS))
    assert bench.posted.empty()
    gate.put(7)
    assert bench.outcomes(1) == [7]


def test_each_work_is_answered_once_with_what_it_returned(bench: Bench) -> None:
    found = []
    for number in range(3):
        bench.stick.beside(partial(int, number))
        found += bench.outcomes(1)
    assert found == [0, 1, 2]


def test_what_a_work_raises_is_its_answer(bench: Bench) -> None:
    fault = OSError("no such stick")

    def fail() -> None:
        raise fault

    bench.stick.beside(fail)
    assert bench.outcomes(1) == [fault]


def test_a_work_on_a_stick_that_was_pulled_is_answered_too(bench: Bench) -> None:
    bench.stick.beside(lambda: 1)
    bench.stick.pull()
    assert isinstance(bench.posted.get(timeout=SECONDS), StickOut)
    (outcome,) = bench.outcomes(1)
    assert isinstance(outcome, OSError)


def test_a_released_stick_may_be_released_again(bench: Bench) -> None:
    bench.stick.release()
    bench.stick.release()


def test_its_folder_is_where_it_is_mounted(bench: Bench, tmp_path: Path) -> None:
    assert bench.stick.folder == tmp_path
