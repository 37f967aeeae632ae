"""The worker: it answers, and whatever becomes of it costs one request."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from device.worker import SHARED_BYTES, Lost, Worker
from tests.device.fates import fates, meet
from wire.errors import OurFault


class Counter:
    """An answering side that is made once and remembers."""

    def __init__(self, start: int) -> None:
        self._count = start

    def __call__(self, step: int) -> int:
        self._count += step
        return self._count


def arrays_seen() -> Callable[[tuple[str, NDArray[np.uint8]]], tuple[str, object, bool]]:
    return array_seen


def array_seen(request: tuple[str, NDArray[np.uint8]]) -> tuple[str, object, bool]:
    name, array = request
    return name, array.tolist() if array.size < 1000 else array.shape, array.flags.writeable


def fates_unless(obstacle: Path) -> Callable[[str], str]:
    return refuse() if obstacle.exists() else meet


def test_a_lost_worker_costs_its_own_request_only() -> None:
    reasons = {
        "loops for ever": "not read within 1 s, given up",
        "segfaults": "the worker was lost over it (SIGSEGV)",
        "is killed": "the worker was lost over it (SIGKILL)",
        "exits": "the worker was lost over it (exit code 3)",
        "eats memory": "reading it takes more than the 2147483648 bytes of memory a worker has",
    }
    worker = Worker(fates, 1.0)
    for fate, why in reasons.items():
        assert worker.ask(fate)[0] == Lost(why)
        assert worker.ask("is well")[0] == "is well"
    worker.end()


def test_a_request_takes_the_seconds_it_is_said_to_take() -> None:
    worker = Worker(fates, 1.0)
    assert worker.ask("is well")[1] < 1
    assert 1 <= worker.ask("loops for ever")[1] < 10
    worker.end()


def test_what_answers_is_made_once_in_each_worker() -> None:
    worker = Worker(partial(Counter, 10), 5.0)
    assert [worker.ask(1)[0] for _ in range(3)] == [11, 12, 13]
    worker.end()


def test_one_process_answers_until_it_is_lost() -> None:
    worker = Worker(fates, 5.0)
    first, second = (worker.ask("names its process")[0] for _ in range(2))
    worker.ask("exits")
    assert first == second != worker.ask("names its process")[0]
    worker.end()


def test_ctrl_c_is_not_for_the_worker() -> None:
    worker = Worker(fates, 5.0)
    assert worker.ask("is interrupted")[0] == "is interrupted"
    worker.end()


def test_a_worker_leaves_no_core_file() -> None:
    worker = Worker(fates, 5.0)
    assert worker.ask("tells the limit of its core file")[0] == "0"
    worker.end()


ARRAYS = {
    "whole": np.arange(200, dtype=np.uint8).reshape(10, 20),
    "cut out": np.arange(200, dtype=np.uint8).reshape(10, 20)[:, 3:17],
    "turned": np.arange(200, dtype=np.uint8).reshape(10, 20)[::-2, ::3].T,
    "empty": np.empty((0, 3), np.uint8),
    "as large as the shared memory": np.ones((SHARED_BYTES // 1024, 1024), np.uint8),
    "larger": np.ones((SHARED_BYTES // 1024 + 1, 1024), np.uint8),
}


def test_arrays_arrive_as_they_are_and_cannot_be_written_to() -> None:
    worker = Worker(arrays_seen, 5.0)
    for name, array in ARRAYS.items():
        seen = array.tolist() if array.size < 1000 else array.shape
        assert worker.ask((name, array))[0] == (name, seen, name == "larger")
    worker.end()


def test_an_array_does_not_go_through_the_pipe_which_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker(arrays_seen, 5.0)
    sent: list[int] = []
    send = worker._pipe.send

    def weigh(parts: tuple[bytes, list[int]]) -> None:
        sent.append(len(parts[0]))
        send(parts)

    monkeypatch.setattr(worker._pipe, "send", weigh)
    padded = np.zeros((1000, 1100), np.uint8)
    for array in (padded, padded[:, :1000]):
        worker.ask(("plane", array))
    assert max(sent) < 1000
    worker.end()


def test_a_request_is_not_blamed_for_a_worker_lost_while_idle() -> None:
    worker = Worker(fates, 5.0)
    ended = worker._process.sentinel
    os.kill(int(str(worker.ask("names its process")[0])), signal.SIGKILL)
    assert wait([ended], 10)
    assert worker.ask("is well")[0] == "is well"
    worker.end()


def test_a_worker_that_could_not_be_replaced_is_when_it_can_be_again(tmp_path: Path) -> None:
    obstacle = tmp_path / "obstacle"
    worker = Worker(partial(fates_unless, obstacle), 5.0)
    obstacle.touch()
    with pytest.raises(OurFault, match="ended before it was ready"):
        worker.ask("exits")
    obstacle.unlink()
    assert worker.ask("is well")[0] == "is well"
    worker.end()


def test_a_worker_does_not_outlive_a_killed_program_for_long() -> None:
    program = (
        "from device.worker import Worker; from tests.device.fates import fates; "
        "Worker(fates, 1.0).ask('loops for ever')"
    )
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", program], cwd=root, stdout=subprocess.PIPE) as asking:
        assert asking.stdout
        assert asking.stdout.readline() == b"looping\n"
        asking.kill()
        # The worker has the same standard output: its end comes when the worker, too, is gone.
        rest, _ = asking.communicate(timeout=30)
        assert rest == b""


def test_a_worker_that_cannot_start_is_our_fault() -> None:
    with pytest.raises(OurFault, match=r"worker: ended before it was ready \(exit code 1\)"):
        Worker(refuse, 5.0)


def refuse() -> Callable[[str], str]:
    raise SystemExit(1)
