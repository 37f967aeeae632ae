"""The worker: a second process that answers requests, and that may be lost over one without losing more.

What decodes strangers' pictures may loop for ever, crash, or eat all memory. Done in a worker, each of these costs one
request: its answer is `Lost`, which says how, and a fresh worker takes the next one.
"""

import contextlib
import io
import mmap
import multiprocessing
import os
import pickle
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from wire.errors import OurFault

# A worker's start is 0.3 s here; a small board with a slow card needs many times that.
START_SECONDS_MAX = 60.0
# Address space a worker may add to what its libraries hold when it begins.
BYTES_MAX = 2 * 2**30
# Arrays of a request travel through memory that both sides see: a luma plane of 12 megapixels is with the worker after
# 2 ms, where the pipe takes 62 ms. Only what is written to takes memory; this much holds 64 megapixels of luma.
SHARED_BYTES = 64 * 2**20

Request = TypeVar("Request")
Answer = TypeVar("Answer")

# Python's list of its children is not made for several threads: one may reap what another is about to ask after.
_CHILDREN = threading.Lock()

_NOBODY_THERE = (EOFError, OSError)  # what a pipe says, read from or written to, when its other end is closed


@dataclass(frozen=True, slots=True)
class Lost:
    """How the worker was lost over a request, in words that finish a sentence about it."""

    why: str


def warm(*modules: str) -> None:
    """Begins to load what workers will need, in the process that they are forked from, while the program goes on.

    To be called before the program's first worker. A worker is then there in 0.04 s, where loading the reader anew
    takes 0.5 s here and seconds on a small board.
    """
    multiprocessing.set_forkserver_preload(list(modules))
    with _interrupts_blocked():
        forkserver.ensure_running()


@contextlib.contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Whatever is started meanwhile inherits Ctrl-C blocked: it is for the program, which then ends its workers."""
    # Python starts its own tracker with the first worker and would unblock it again: so that is started before.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Worker(Generic[Request, Answer]):
    """A worker, kept alive: when one is lost, the next is started before `ask` returns.

    One thread asks, one request at a time; several workers may be asked by as many threads.
    """

    def __init__(
        self,
        make: Callable[[], Callable[[Request], Answer]],
        seconds_max: float,
        *,
        bytes_max: int = BYTES_MAX,
    ) -> None:
        """Starts the worker, and waits until it is ready.

        Args:
            make: called once in each worker, gives what answers there; importable by its name, and so is what a
                `functools.partial` binds to it. A class will do whose objects are called with a request.
            seconds_max: how long the worker may take over one request before it is given up.
            bytes_max: address space it may add to what it holds when it is ready.

        Raises:
            OurFault: no worker can be started.
        """
        self._make = make
        self._seconds_max = seconds_max
        self._bytes_max = bytes_max
        # It has no name on any disk, so nothing of a picture is left behind however we end.
        self._shared_fd = os.memfd_create("requests")
        os.ftruncate(self._shared_fd, SHARED_BYTES)
        self._shared = mmap.mmap(self._shared_fd, SHARED_BYTES)
        self._start()

    def ask(self, request: Request) -> tuple[Answer | Lost, float]:
        """What the worker answers, or how it was lost over the request; and the seconds that took.

        Args:
            request: anything that can be pickled. The answering side sees its arrays read-only, and only until it has
                answered.

        Raises:
            OurFault: the worker was lost, and no other can be started.
        """
        began = time.monotonic()
        with _CHILDREN:
            is_there = self._process.is_alive()
        if not is_there:  # lost while idle, or never replaced: no fault of this request
            self._kill()
            self._start()
        try:
            self._send(request)
            if self._pipe.poll(self._seconds_max):
                answer: Answer | Lost = self._pipe.recv()
                seconds = time.monotonic() - began
                self._shared.madvise(mmap.MADV_REMOVE)  # its memory goes back, and with it what is on the picture
                return answer, seconds
            self._kill()
            lost = Lost(f"not read within {self._seconds_max:g} s, given up")
        except _NOBODY_THERE:
            lost = Lost(f"the worker was lost over it ({self._how_it_ended()})")
        seconds = time.monotonic() - began
        self._start()
        return lost, seconds

    def end(self) -> None:
        """Ends the worker, whatever it is at; it is asked no more."""
        self._kill()
        self._shared.close()
        os.close(self._shared_fd)

    def _send(self, request: Request) -> None:
        apart: list[pickle.PickleBuffer] = []
        body = io.BytesIO()
        _Pickler(body, protocol=5, buffer_callback=apart.append).dump(request)
        arrays = [buffer.raw() for buffer in apart]
        sizes = [array.nbytes for array in arrays]
        if sum(sizes) > SHARED_BYTES:
            self._pipe.send((pickle.dumps(request), []))
            return
        begin = 0
        for array, size in zip(arrays, sizes, strict=True):
            self._shared[begin : begin + size] = array
            begin += size
        self._pipe.send((body.getvalue(), sizes))

    def _kill(self) -> None:
        with _CHILDREN:
            self._process.kill()
            self._process.join()
        self._pipe.close()

    def _start(self) -> None:
        # Forked, but not from us: from a process that loads modules and does nothing else, and so holds no lock and no
        # open file of ours.
        forking = multiprocessing.get_context("forkserver")
        try:
            pipe, theirs = forking.Pipe()
            process = forking.Process(
                target=_serve,
                args=(theirs, DupFd(self._shared_fd), self._make, self._seconds_max, self._bytes_max),
                name="worker",
                daemon=True,
            )
            with _interrupts_blocked(), _CHILDREN:
                process.start()
        except (
            EOFError,
            OSError,
        ) as error:  # no memory, or no file left: what forks may die of it
            raise OurFault(f"worker: cannot be started: {type(error).__name__}: {error}") from error
        self._pipe, self._process = pipe, process
        theirs.close()  # else we would keep its end open ourselves and never see that it died
        try:
            if self._pipe.poll(START_SECONDS_MAX):
                self._pipe.recv()
                return
            self._kill()
            why = f"not ready {START_SECONDS_MAX:g} s after its start; is the machine overloaded?"
        except _NOBODY_THERE:
            why = f"ended before it was ready ({self._how_it_ended()}); see what it printed"
        raise OurFault(f"worker: {why}")

    def _how_it_ended(self) -> str:
        wait([self._process.sentinel], self._seconds_max)  # its end of the pipe closes a little before it is gone
        self._kill()
        with _CHILDREN:
            code = self._process.exitcode
        return signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"


class _Pickler(pickle.Pickler):
    """Keeps every array out of the pickle, also one that is cut out of a larger one, as a camera's padded plane is."""

    def reducer_override(self, obj: object) -> Any:
        if isinstance(obj, np.ndarray) and not obj.flags.forc:
            return np.ascontiguousarray(obj).__reduce_ex__(5)  # 1 ms for 12 megapixels
        return NotImplemented


def _serve(
    pipe: "Connection[Any, Any]",
    shared: Any,  # what `DupFd` gives has no type of its own
    make: Callable[[], Callable[[Any], Any]],
    seconds_max: float,
    bytes_max: int,
) -> None:
    """The worker's own side: answers what it is asked until nobody asks any more."""
    # A core file would hold the picture, with the names and signatures in it.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    view = memoryview(mmap.mmap(shared.detach(), SHARED_BYTES, prot=mmap.PROT_READ))
    answer = make()
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    allowed = held + bytes_max
    resource.setrlimit(resource.RLIMIT_AS, (allowed if hard == resource.RLIM_INFINITY else min(allowed, hard), hard))
    pipe.send("ready")
    while True:
        try:
            body, sizes = pipe.recv()
        except EOFError:
            return
        # The program ends us sooner; but if it was itself killed, a loop in a library must not spin on for ever.
        signal.setitimer(signal.ITIMER_REAL, 2 * seconds_max)
        try:
            ends = [sum(sizes[: index + 1]) for index in range(len(sizes))]
            arrays = [view[end - size : end] for end, size in zip(ends, sizes, strict=True)]
            pipe.send(answer(pickle.loads(body, buffers=arrays)))  # noqa: S301 - our own other half pickled it
        except MemoryError:
            pipe.send(Lost(f"reading it takes more than the {bytes_max} bytes of memory a worker has"))
        signal.setitimer(signal.ITIMER_REAL, 0)
