"""Starting: from nothing to the ready lamp on a simulated body, and how much memory 1,000 captures leave behind."""

import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import segno

from device.ports import Body, ButtonPressed, Frame, FrameTaken, Post
from device.signals import Signal
from sim import deployment, paper
from sim.clock import SteppedClock

STARTS = 7
CAPTURES = 1000
EARLY = 200
PICTURE_BYTES = 1_000_000


def run() -> None:
    """Prints the medians of starts, and the resident memory early and late."""
    folder = Path(tempfile.mkdtemp(prefix="bench-starting-", dir=Path.cwd()))
    try:
        made = deployment.make(folder / "deployment", 1, 1883, "ve-2024-presidential")
        settings = next(iter(made.units.values()))
        starts = [_seconds([sys.executable, "-m", "bench.starting", "start", str(settings)]) for _ in range(STARTS)]
        bare = [_seconds([sys.executable, "-c", "pass"]) for _ in range(STARTS)]
        print(f"process start to READY, {STARTS} starts, medians:")
        print(f"  testigo unit          {statistics.median(starts):6.2f} s    (wanted: under 1)")
        print(f"  the interpreter alone {statistics.median(bare):6.2f} s", flush=True)
        subprocess.run([sys.executable, "-m", "bench.starting", "capture", str(settings)], check=True)
    finally:
        shutil.rmtree(folder)


def _seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - began


def _start(path: Path) -> None:
    from sim.fleet import SimUnit
    from sim.link import Exchange

    clock = SteppedClock()
    unit = SimUnit(path, clock, Exchange(clock))
    unit.power_on()
    if Signal.READY not in unit.shown:
        raise AssertionError("not ready")


class Stream:
    """A camera of 12 megapixels that sees a new acta at each look, and costs nothing itself."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._chance = random.Random(1)
        self._luma = np.full((2592, 4608), 20, np.uint8)

    def look(self) -> None:
        """Posts a frame at once."""
        code = segno.make(paper.random_payload(self._chance), error="q", boost_error=False, micro=False)
        modules = np.array([list(row) for row in code.matrix_iter(border=4)], np.uint8)
        square = np.kron(np.where(modules, 35, 235).astype(np.uint8), np.ones((12, 12), np.uint8))
        self._luma[900 : 900 + len(square), 2000 : 2000 + len(square)] = square
        self._post(FrameTaken(Frame(self._luma, self._chance.randbytes(PICTURE_BYTES), "image/jpeg")))


def _capture(path: Path) -> None:
    from queue import SimpleQueue

    from device.keys import signer_from
    from device.ports import BodyEvent
    from device.settings import read
    from device.unit import Unit
    from sim.body import make
    from sim.link import Exchange

    clock, settings = SteppedClock(), read(path)
    inbox: SimpleQueue[BodyEvent] = SimpleQueue()
    link = Exchange(clock).link(settings.unit, inbox.put)
    body = make(clock, settings.card, link, inbox.put)
    stream = Body(Stream(inbox.put), body.indicator, clock, body.body.storage, link)
    signer = signer_from(settings.key, settings.unit)
    unit = Unit(settings, stream, inbox, signer, random.Random(1), lambda *_, **__: None)
    unit.start()
    early = 0
    before = unit.store.count()
    for number in range(1, CAPTURES + 1):
        unit.handle(ButtonPressed())
        while not inbox.empty():
            unit.handle(inbox.get())
        clock.run(3000)
        unit.wake()
        if number == EARLY:
            early = _resident()
    kept = unit.store.count() - before
    print(f"resident memory after {EARLY} captures of 12 megapixels {early / 1e6:6.1f} MB, after {CAPTURES} ", end="")
    print(f"{_resident() / 1e6:6.1f} MB    (wanted: under 150, not growing; {kept} records kept)")
    print(f"  highest {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:6.1f} MB")


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


if __name__ == "__main__":
    {"start": _start, "capture": _capture}[sys.argv[1]](Path(sys.argv[2]))
