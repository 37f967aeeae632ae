"""The stick's promises, on every body: work is done beside the unit, in order, and answered once, though it fails or is
pulled. The hardware's stick is a loop device that the real mounter mounts.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Queue

import pytest

from device.ports import BodyEvent, Stick, StickIn, StickOut, StickWorked
from hardware.sticks import Socket
from sim.body import SimStick
from sim.clock import WallClock
from tests.hardware.roots import image, mounting, port

SECONDS = 30


@dataclass
class Bench:
    """A stick in its socket, in real time, and what is posted.

    Attributes:
        stick: the stick.
        posted: what was posted since it was put in.
        pull: what a hand does.
        place: where it is mounted.
    """

    stick: Stick
    posted: "Queue[BodyEvent]"
    pull: Callable[[], object]
    place: Path

    def outcomes(self, count: int) -> list[object]:
        """What so many works came to."""
        events = [self.posted.get(timeout=SECONDS) for _ in range(count)]
        assert self.posted.empty()
        return [event.outcome for event in events if isinstance(event, StickWorked) and event.stick is self.stick]


@pytest.fixture(params=["sim", "hardware"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    posted: Queue[BodyEvent] = Queue()
    if request.param == "sim":
        simulated = SimStick(WallClock(), tmp_path, posted.put)
        yield Bench(simulated, posted, simulated.pull, tmp_path)
        return
    with port(tmp_path) as made, mounting(made):
        made.plug(image(tmp_path))
        socket = Socket(made.folder, posted.put, made.root, seconds=0.01)
        put_in = posted.get(timeout=SECONDS)
        assert isinstance(put_in, StickIn)
        yield Bench(put_in.stick, posted, made.pull, made.folder / "sda1")
        socket.close()


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
    bench.stick.beside(lambda: 1)  # perhaps it is done before the stick is out of its socket
    bench.pull()
    bench.stick.beside(lambda: 2)
    events = [bench.posted.get(timeout=SECONDS) for _ in range(3)]
    assert events.count(StickOut(bench.stick)) == 1
    *_, outcome = [event.outcome for event in events if isinstance(event, StickWorked)]
    assert isinstance(outcome, OSError)
    assert bench.posted.empty()


def test_a_released_stick_may_be_released_again(bench: Bench) -> None:
    bench.stick.beside(bench.stick.release)
    bench.stick.beside(bench.stick.release)
    assert bench.outcomes(2) == [None, None]


def test_it_is_out_when_it_is_pulled_once_however_it_was_released(bench: Bench) -> None:
    bench.stick.beside(bench.stick.release)
    assert bench.outcomes(1) == [None]
    bench.pull()
    assert bench.posted.get(timeout=SECONDS) == StickOut(bench.stick)
    assert bench.posted.empty()


def test_its_folder_is_where_it_is_mounted_and_can_be_written(bench: Bench) -> None:
    assert bench.stick.folder == bench.place
    bench.stick.beside(lambda: (bench.stick.folder / "a").write_text("b"))
    assert bench.outcomes(1) == [1]
