"""The worker: a second process that answers requests, and that may be lost over one without losing more.

What decodes strangers' pictures may loop for ever, crash, or eat all memory. Done in a worker, each of these costs one
request: its answer is `Lost`, which says how, and a fresh worker takes the next one.

It may also be taken over by a picture. So what it answers is never unpickled, which could run anything here: it is
MessagePack, of a type that was named beforehand, or it is no answer.
"""

import contextlib
import io
import mmap
import multiprocessing
import os
import pickle
import resource
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec
import numpy as np

from device.memory import never_dump, where
from wire.errors import OurFault

# A worker's start is 0.3 s here; a small board with a slow card needs many times that.
START_SECONDS_MAX = 60.0
# Arrays of a request travel through memory that both sides see: a luma plane of 12 megapixels is with the worker after
# 2 ms, where the pipe takes 62 ms. Only what is written to takes memory; this much holds 64 megapixels of luma.
SHARED_BYTES = 64 * 2**20
# Thousand times what a reading takes; a hostile worker must not fill our memory either.
ANSWER_BYTES_MAX = 16 * 2**20
# How soon the kernel ends a worker when memory is short, of -1000 to 1000: before all else, for it alone is replaced.
ENDED_FIRST = 1000

Request = TypeVar("Request")
Answer = TypeVar("Answer")

# Python's list of its children is not made for several threads: one may reap what another is about to ask after.
_CHILDREN = threading.Lock()

_NOBODY_THERE = (EOFError, OSError)  # what a pipe says, read from or written to, when its other end is closed

_NO_ANSWER = (msgspec.MsgspecError, KeyError)  # what is said of bytes that are nothing a worker may answer with

_READY = b"ready"

_KIND_AND_REST = msgspec.msgpack.Decoder(tuple[str, msgspec.Raw])


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
    with _interrupts_blocked(), _temporary_files_in_memory():
        forkserver.ensure_running()


@contextlib.contextmanager
def _temporary_files_in_memory() -> Iterator[None]:
    """A socket that is made meanwhile has its name in memory; else Python would first try out, with a file, where disks
    can be written to."""
    before, tempfile.tempdir = tempfile.tempdir, "/dev/shm"  # noqa: S108  a folder in it, for this user only, is made
    try:
        yield
    finally:
        tempfile.tempdir = before


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


def share_of_memory(share: float, at_least: int) -> int:
    """A share of this machine's memory, in bytes; but no less than that."""
    return max(at_least, int(share * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")))


class Worker(Generic[Request, Answer]):
    """A worker, kept alive: when one is lost, the next is started before `ask` returns.

    One thread asks, one request at a time; several workers may be asked by as many threads.
    """

    def __init__(
        self,
        make: Callable[[], Callable[[Request], Answer]],
        answers: Sequence[type[Any]],
        *,
        seconds_max: float,
        bytes_max: int,
    ) -> None:
        """A worker, which the first `ask` starts; or `start`, where that is to be over by then.

        Args:
            make: called once in each worker, gives what answers there; importable by its name, and so is what a
                `functools.partial` binds to it. A class will do whose objects are called with a request.
            answers: all types that an answer may have: each a class that msgspec knows how to decode.
            seconds_max: how long the worker may take over one request before it is given up.
            bytes_max: address space it may add to what it holds when it is ready.
        """
        self._make = make
        self._decoders: dict[str, msgspec.msgpack.Decoder[Any]] = {
            kind.__name__: msgspec.msgpack.Decoder(kind) for kind in (*answers, Lost)
        }
        self._seconds_max = seconds_max
        self._bytes_max = bytes_max
        # It has no name on any disk, so nothing of a picture is left behind however we end.
        self._shared_fd = os.memfd_create("requests")
        os.ftruncate(self._shared_fd, SHARED_BYTES)
        self._shared = mmap.mmap(self._shared_fd, SHARED_BYTES)
        self._asking = threading.Lock()
        self._ended = False
        self._process: BaseProcess | None = None

    def start(self) -> None:
        """Starts the worker unless it is there, and waits until it is ready.

        Raises:
            OurFault: it cannot be started.
        """
        with self._asking:
            if self._process is None:
                self._start()

    def ask(self, request: Request) -> tuple[Answer | Lost, float]:
        """What the worker answers, or how it was lost over the request; and the seconds that took.

        Args:
            request: anything that can be pickled. The answering side sees its arrays read-only, and only until it has
                answered.

        Raises:
            OurFault: the worker was lost, and no other can be started.
        """
        with self._asking:
            if self._process is not None and not self._is_there():  # lost while idle: no fault of this request
                self._bury()
            if self._process is None:
                self._start()
            began = time.monotonic()
            try:
                self._send(request)
                if self._pipe.poll(self._seconds_max):
                    answer = self._received()
                    seconds = time.monotonic() - began
                    self._shared.madvise(mmap.MADV_REMOVE)  # its memory goes back, and with it what is on the picture
                    return answer, seconds
                why = f"not read within {self._seconds_max:g} s, given up"
            except _NO_ANSWER:
                why = "the worker was lost over it (what it answered is no answer)"
            except _NOBODY_THERE:
                why = f"the worker was lost over it ({self._how_it_ended()})"
            seconds = time.monotonic() - began
            self._bury()
            self._start()
            return Lost(why), seconds

    def end(self) -> None:
        """Ends the worker, whatever it is at, and so an `ask` that waits for it; it is asked no more."""
        with _CHILDREN:
            self._ended = True
            if self._process is not None:
                self._process.kill()
        with self._asking:
            self._bury()
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

    def _received(self) -> Answer | Lost:
        kind, rest = _KIND_AND_REST.decode(self._pipe.recv_bytes(ANSWER_BYTES_MAX))
        answer: Answer | Lost = self._decoders[kind].decode(rest)
        return answer

    def _is_there(self) -> bool:
        with _CHILDREN:
            return self._process is not None and self._process.is_alive()

    def _bury(self) -> None:
        if self._process is None:
            return
        with _CHILDREN:
            self._process.kill()
            self._process.join()
            self._process = None
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
                if self._ended:
                    raise OurFault("worker: was ended, and is started no more")
                process.start()
                self._process, self._pipe = process, pipe
        except _NOBODY_THERE as error:  # no memory, or no file left: what forks may die of it
            raise OurFault(f"worker: cannot be started: {type(error).__name__}: {error}") from error
        theirs.close()  # else we would keep its end open ourselves and never see that it died
        try:
            if self._pipe.poll(START_SECONDS_MAX):
                self._pipe.recv_bytes(len(_READY))
                return
            why = f"not ready {START_SECONDS_MAX:g} s after its start; is the machine overloaded?"
        except _NOBODY_THERE:
            why = f"ended before it was ready ({self._how_it_ended()}); see what it printed"
        self._bury()
        raise OurFault(f"worker: {why}")

    def _how_it_ended(self) -> str:
        assert self._process is not None, "who ended was there"
        wait([self._process.sentinel], self._seconds_max)  # its end of the pipe closes a little before it is gone
        with _CHILDREN:
            self._process.kill()
            self._process.join()
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
    # It is forked with Ctrl-C blocked, unless what forks was started by another part of the program.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Path("/proc/self/oom_score_adj").write_text(str(ENDED_FIRST))
    never_dump()  # a core file would hold the picture, with the names and signatures in it
    view = memoryview(mmap.mmap(shared.detach(), SHARED_BYTES, prot=mmap.PROT_READ))
    answer = make()
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    allowed = held + bytes_max
    resource.setrlimit(resource.RLIMIT_AS, (allowed if hard == resource.RLIM_INFINITY else min(allowed, hard), hard))
    pipe.send_bytes(_READY)
    while True:
        try:
            body, sizes = pipe.recv()
        except EOFError:
            return
        # The program ends us sooner; but if it was itself killed, a loop in a library must not spin on for ever.
        signal.setitimer(signal.ITIMER_REAL, 2 * seconds_max)
        try:
            arrays = [view[end - size : end] for end, size in zip(accumulate(sizes), sizes, strict=True)]
            answered = _packed(answer(pickle.loads(body, buffers=arrays)))  # noqa: S301 - our own other half pickled it
        except MemoryError:
            answered = _packed(
                Lost(f"reading it takes more than the {bytes_max >> 20} MiB of memory that a worker has")
            )
        except Exception as error:  # noqa: BLE001  else it would be printed with its text, and go into a log
            sys.exit(f"worker: {where(error)}")
        pipe.send_bytes(answered)
        signal.setitimer(signal.ITIMER_REAL, 0)


def _packed(answer: object) -> bytes:
    return msgspec.msgpack.encode((type(answer).__name__, answer))
