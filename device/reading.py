"""Reading: the `testigo-unit read` command, from picture files to one line of JSON each.

The files may be anybody's, and what decodes them may hang, crash or eat all memory. So they are read in a worker, a
process of its own that may be lost: the file's line then says why, and a fresh worker reads the next file.
"""

import json
import multiprocessing
import resource
import signal
import stat
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TextIO

from device.pictures import Unreadable, luma_of
from device.reader import Reader, Reading
from wire.errors import OurFault

# A file's time. Random noise of 64 megapixels takes 0.7 s here as PGM, 1.4 s as JPEG and 3 s as PNG with alpha.
SECONDS_MAX = 10.0
# A worker's start is 0.3 s here; a small board with a slow card needs many times that.
START_SECONDS_MAX = 60.0
# The largest picture we would decode, 64 megapixels of 16-bit colour, is 384 MB uncompressed.
FILE_BYTES_MAX = 512 * 2**20
# Address space a worker may add to what its libraries hold when it begins.
WORKER_BYTES_MAX = 2 * 2**30

Outcome = Reading | Unreadable

_NOBODY_THERE = (EOFError, OSError)  # what a pipe says, read from or written to, when its other end is closed


def read_file(path: Path) -> Outcome:
    """Reads one picture file; only a regular one is opened, for a pipe or a device may block, or worse."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            return Unreadable("not a regular file; give the picture's own path")
        if found.st_size > FILE_BYTES_MAX:
            return Unreadable(f"file has {found.st_size} bytes, at most {FILE_BYTES_MAX} are read")
        picture = path.read_bytes()
    except OSError as error:
        return Unreadable(f"file cannot be opened: {error.strerror}")
    luma = luma_of(picture)
    return luma if isinstance(luma, Unreadable) else Reader().read(luma)


def read_files(
    paths: Sequence[Path],
    out: TextIO,
    *,
    read: Callable[[Path], Outcome] = read_file,
    seconds_max: float = SECONDS_MAX,
) -> int:
    """Reads each picture and prints one line of JSON for it, at once.

    Keys: `file`; `payload`, null unless exactly one was read; `ms`, the time to open, decode and read; `how`, the
    reader's step; where `payload` is null `why`, a sentence; where several are in view `payloads`, all of them.

    Args:
        paths: the files; what is no regular file is refused on its line.
        out: where the lines go; pure ASCII, whatever names and payloads hold.
        read: what the worker does with a file, importable by its name.
        seconds_max: how long it may take over one.

    Returns:
        The exit code: 0, or 1 when any line has no payload.

    Raises:
        OurFault: no worker can be started.
    """
    worker = Worker(read, seconds_max)
    all_read = True
    try:
        for path in paths:
            outcome, seconds = worker.read(path)
            line: dict[str, object] = {"file": str(path), "payload": None, "ms": round(seconds * 1000, 1), "how": ""}
            match outcome:
                case Unreadable(why):
                    line["why"] = why
                case Reading((payload,), how):
                    line |= {"payload": payload, "how": how}
                case Reading((), _):
                    line["why"] = "no QR code could be read in the picture"
                case Reading(payloads, how):
                    line |= {"payloads": payloads, "how": how, "why": f"{len(payloads)} different QR codes are in view"}
            all_read = all_read and line["payload"] is not None
            print(json.dumps(line), file=out, flush=True)
    finally:
        worker.end()
    return 0 if all_read else 1


class Worker:
    """The worker: a process that reads one file at a time, and is replaced when it is lost."""

    def __init__(self, read: Callable[[Path], Outcome], seconds_max: float) -> None:
        self._read = read
        self._seconds_max = seconds_max
        self._start()

    def read(self, path: Path) -> tuple[Outcome, float]:
        """What the file gave, or how the worker was lost over it; and the seconds that took."""
        began = time.monotonic()
        try:
            self._pipe.send(path)
            if self._pipe.poll(self._seconds_max):
                outcome: Outcome = self._pipe.recv()
                return outcome, time.monotonic() - began
            self.end()
            why = f"not read within {self._seconds_max:g} s, given up"
        except _NOBODY_THERE:
            why = f"the worker was lost over it ({self._how_it_ended()})"
        seconds = time.monotonic() - began
        self._start()
        return Unreadable(why), seconds

    def end(self) -> None:
        """Ends the worker, whatever it is at."""
        self._process.kill()
        self._process.join()
        self._pipe.close()

    def _start(self) -> None:
        # Spawned, not forked: a fresh interpreter inherits no half-held lock and no open file of ours.
        spawning = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawning.Pipe()
        self._process = spawning.Process(
            target=_serve, args=(theirs, self._read, self._seconds_max), name="reader", daemon=True
        )
        self._process.start()
        theirs.close()  # else we would keep its end open ourselves and never see that it died
        try:
            if self._pipe.poll(START_SECONDS_MAX):
                self._pipe.recv()
                return
            self.end()
            why = f"not ready {START_SECONDS_MAX:g} s after its start; is the machine overloaded?"
        except _NOBODY_THERE:
            why = f"ended before it was ready ({self._how_it_ended()}); see what it printed"
        raise OurFault(f"reading worker: {why}")

    def _how_it_ended(self) -> str:
        self._process.join(self._seconds_max)  # its end of the pipe closes a little before it is gone
        self.end()
        code = self._process.exitcode
        return signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"


def _serve(pipe: "Connection[object, Path]", read: Callable[[Path], Outcome], seconds_max: float) -> None:
    """The worker's own side: reads what it is told to until nobody tells it any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command, which then ends us
    # A core file would hold the picture, with the names and signatures in it.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    allowed = held + WORKER_BYTES_MAX
    resource.setrlimit(resource.RLIMIT_AS, (allowed if hard == resource.RLIM_INFINITY else min(allowed, hard), hard))
    pipe.send("ready")
    while True:
        try:
            path = pipe.recv()
        except EOFError:
            return
        # The command ends us sooner; but if it was itself killed, a loop in a library must not spin on for ever.
        signal.setitimer(signal.ITIMER_REAL, 2 * seconds_max)
        try:
            pipe.send(read(path))
        except MemoryError:
            pipe.send(Unreadable(f"reading it takes more than the {WORKER_BYTES_MAX} bytes of memory a worker has"))
        signal.setitimer(signal.ITIMER_REAL, 0)
