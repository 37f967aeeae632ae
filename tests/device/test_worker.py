"""The worker: it answers, and whatever becomes of it costs one request."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from device.worker import SHARED_BYTES, Lost, Worker, share_of_memory
from tests.device.fates import fates, meet
from wire.errors import OurFault


class Counter:
    """An answering side that is made once and remembers."""

    def __init__(self, start: int) -> None:
        self._count = start

    def __call__(self, step: int) -> int:
        self._count += step
        return self._count


@dataclass(frozen=True, slots=True)
class Array:
    """What a worker sees of an array: its numbers where they are few."""

    shape: tuple[int, ...]
    numbers: tuple[int, ...]
    writeable: bool


def seen(array: NDArray[np.uint8]) -> Array:
    numbers = array.ravel().tolist() if array.size < 1000 else ()
    return Array(array.shape, tuple(numbers), array.flags.writeable)


def arrays_seen() -> Callable[[NDArray[np.uint8]], Array]:
    return seen


def fated(seconds_max: float) -> Worker[str, str]:
    return Worker(fates, [str], seconds_max=seconds_max, bytes_max=BYTES_MAX)


BYTES_MAX = 2**30


def fates_unless(obstacle: Path) -> Callable[[str], str]:
    return refuse() if obstacle.exists() else meet


def test_a_lost_worker_costs_its_own_request_only() -> None:
    reasons = {
        "loops for ever": "not read within 1 s, given up",
        "segfaults": "the worker was lost over it (SIGSEGV)",
        "is killed": "the worker was lost over it (SIGKILL)",
        "exits": "the worker was lost over it (exit code 3)",
        "eats memory": "reading it takes more than the 1024 MiB of memory that a worker has",
    }
    worker = fated(1.0)
    for fate, why in reasons.items():
        assert worker.ask(fate)[0] == Lost(why)
        assert worker.ask("is well")[0] == "is well"
    worker.end()


def test_a_request_takes_the_seconds_it_is_said_to_take() -> None:
    worker = fated(1.0)
    assert worker.ask("is well")[1] < 1
    assert 1 <= worker.ask("loops for ever")[1] < 10
    worker.end()


def test_what_answers_is_made_once_in_each_worker() -> None:
    worker = Worker(partial(Counter, 10), [int], seconds_max=5.0, bytes_max=BYTES_MAX)
    assert [worker.ask(1)[0] for _ in range(3)] == [11, 12, 13]
    worker.end()


def test_one_process_answers_until_it_is_lost() -> None:
    worker = fated(5.0)
    first, second = (worker.ask("names its process")[0] for _ in range(2))
    worker.ask("exits")
    assert first == second != worker.ask("names its process")[0]
    worker.end()


def test_ctrl_c_is_not_for_the_worker() -> None:
    worker = fated(5.0)
    assert worker.ask("is interrupted")[0] == "is interrupted"
    worker.end()


def test_the_kernel_ends_a_worker_before_all_else_when_memory_is_short() -> None:
    worker = fated(5.0)
    assert worker.ask("tells how soon the kernel ends it")[0] == "1000"
    worker.end()


def test_a_worker_has_a_share_of_the_memory_but_no_less_than_it_needs() -> None:
    whole = share_of_memory(1, at_least=0)
    assert whole > 2**26
    assert share_of_memory(1 / 2, at_least=2**20) == whole // 2
    assert share_of_memory(1 / 2, at_least=whole) == whole


@pytest.mark.parametrize("fate", ["answers with code", "answers with another type", "answers with no end"])
def test_what_is_no_answer_runs_nothing_here_and_costs_the_worker(fate: str, tmp_path: Path) -> None:
    """A worker that a picture has taken over says what it likes."""
    trap = tmp_path / "trap"
    worker = Worker(fates, [str], seconds_max=1.0, bytes_max=BYTES_MAX)
    answer = worker.ask(f"{fate}: {trap}")[0]
    assert isinstance(answer, Lost)
    assert answer.why.startswith("the worker was lost over it")
    assert not trap.exists()
    assert worker.ask("is well")[0] == "is well"
    worker.end()


def test_ending_does_not_wait_for_a_worker_that_hangs() -> None:
    worker = fated(60.0)
    worker.start()
    with ThreadPoolExecutor(1) as thread:
        asking = thread.submit(worker.ask, "loops for ever")
        while not worker._asking.locked():
            pass
        began = time.monotonic()
        worker.end()
        assert isinstance(asking.exception(), OurFault), "there is no answer, and nobody to give another"
    assert time.monotonic() - began < 10
    with pytest.raises(OurFault, match="was ended"):
        worker.start()


def test_a_worker_leaves_no_core_file() -> None:
    worker = fated(5.0)
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
    worker = Worker(arrays_seen, [Array], seconds_max=5.0, bytes_max=BYTES_MAX)
    for name, array in ARRAYS.items():
        assert worker.ask(array)[0] == replace(seen(array), writeable=name == "larger")
    worker.end()


def test_an_array_does_not_go_through_the_pipe_which_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker(arrays_seen, [Array], seconds_max=5.0, bytes_max=BYTES_MAX)
    worker.start()
    sent: list[int] = []
    send = worker._pipe.send

    def weigh(parts: tuple[bytes, list[int]]) -> None:
        sent.append(len(parts[0]))
        send(parts)

    monkeypatch.setattr(worker._pipe, "send", weigh)
    padded = np.zeros((1000, 1100), np.uint8)
    for array in (padded, padded[:, :1000]):
        worker.ask(array)
    assert max(sent) < 1000
    worker.end()


def test_a_request_is_not_blamed_for_a_worker_lost_while_idle() -> None:
    worker = fated(5.0)
    number = int(str(worker.ask("names its process")[0]))
    assert worker._process is not None
    ended = worker._process.sentinel
    os.kill(number, signal.SIGKILL)
    assert wait([ended], 10)
    assert worker.ask("is well")[0] == "is well"
    worker.end()


def test_a_worker_that_could_not_be_replaced_is_when_it_can_be_again(tmp_path: Path) -> None:
    obstacle = tmp_path / "obstacle"
    worker = Worker(partial(fates_unless, obstacle), [str], seconds_max=5.0, bytes_max=BYTES_MAX)
    obstacle.touch()
    with pytest.raises(OurFault, match="ended before it was ready"):
        worker.ask("exits")
    obstacle.unlink()
    assert worker.ask("is well")[0] == "is well"
    worker.end()


def test_a_worker_does_not_outlive_a_killed_program_for_long() -> None:
    program = (
        "from device.worker import Worker; from tests.device.fates import fates; "
        "Worker(fates, [str], seconds_max=1.0, bytes_max=2**30).ask('loops for ever')"
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
        Worker(refuse, [str], seconds_max=5.0, bytes_max=BYTES_MAX).start()


def refuse() -> Callable[[str], str]:
    raise SystemExit(1)
