"""Starting: from nothing to the ready lamp on a simulated body, and how much memory 1,000 captures leave behind."""

import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import segno

from device.ports import ButtonPressed, Camera, Frame, FrameTaken, Post
from device.signals import Signal
from sim import deployment
from sim.clock import SteppedClock

if TYPE_CHECKING:
    from device.inbox import Inbox
    from device.unit import Unit

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
        (folder / "tray").mkdir()
        starts = [_seconds_to_ready(settings, folder / "tray") for _ in range(STARTS)]
        bare = [_seconds([sys.executable, "-c", "pass"]) for _ in range(STARTS)]
        print(f"process start to READY, {STARTS} starts, medians:")
        print(f"  testigo unit          {statistics.median(starts):6.2f} s    (wanted: under 1)")
        print(f"  the interpreter alone {statistics.median(bare):6.2f} s", flush=True)
        subprocess.run([sys.executable, "-m", "bench.starting", str(settings)], check=True)
    finally:
        shutil.rmtree(folder)


def _seconds_to_ready(settings: Path, tray: Path) -> float:
    """Of the real program on a simulated body, until it logs that it has started, as the lamp comes on."""
    command = [sys.executable, "-m", "sim", "unit", "--settings", str(settings), "--tray", str(tray)]
    began = time.perf_counter()
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as unit:
        assert unit.stderr is not None
        ready = next((time.perf_counter() for line in unit.stderr if "event=started" in line), None)
        unit.terminate()
        unit.stderr.read()
    if ready is None:
        raise AssertionError("it never got ready")
    return ready - began


def _seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - began


@dataclass(frozen=True, slots=True)
class Bench:
    """A unit that is on, its inbox, its clock, and every signal so far."""

    unit: "Unit"
    inbox: "Inbox"
    clock: SteppedClock
    shown: list[Signal]


def _unit(path: Path, camera: Callable[[Post], Camera] | None = None) -> Bench:
    from device.apart import ReaderApart, open_eye
    from device.inbox import Inbox
    from device.keys import signer_from
    from device.settings import read
    from device.unit import Unit
    from sim.body import make
    from sim.link import Exchange

    clock, settings = SteppedClock(), read(path)
    inbox = Inbox()
    reader = ReaderApart(inbox.put, partial(open_eye, settings.profile))
    link = Exchange(clock).link(settings.unit, inbox.put)
    simulated = make(clock, settings.card, link, inbox.put)
    body = replace(simulated.body, camera=camera(inbox.put)) if camera else simulated.body
    signer = signer_from(settings.key, settings.unit)
    unit = Unit(settings, body, reader, inbox, signer, random.Random(1), lambda *_, **__: None)
    unit.start()
    return Bench(unit, inbox, clock, simulated.indicator.shown)


class Stream:
    """A camera of 12 megapixels that sees a new acta at each look, and costs nothing itself."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._chance = random.Random(1)
        self._luma = np.full((2592, 4608), 20, np.uint8)

    def _payload(self) -> str:
        # Not `sim.paper`'s: that loads OpenCV, which the firmware's own process never does.
        counts = ",".join(str(self._chance.randrange(10)) for _ in range(38))
        return f"{self._chance.randrange(10**8, 10**9)}.01.1.0001!{counts}!0!0"

    def look(self, anew: bool = False) -> None:
        """Posts a frame at once, which is as sharp as any."""
        del anew
        code = segno.make(self._payload(), error="q", boost_error=False, micro=False)
        modules = np.array([list(row) for row in code.matrix_iter(border=4)], np.uint8)
        square = np.kron(np.where(modules, 35, 235).astype(np.uint8), np.ones((12, 12), np.uint8))
        self._luma[900 : 900 + len(square), 2000 : 2000 + len(square)] = square
        self._post(FrameTaken(Frame(self._luma, self._chance.randbytes(PICTURE_BYTES), "image/jpeg")))


def _capture(path: Path) -> None:
    bench = _unit(path, Stream)
    unit, inbox, clock = bench.unit, bench.inbox, bench.clock
    early = 0
    before = unit.store.count()
    for number in range(1, CAPTURES + 1):
        unit.handle(ButtonPressed())
        while unit.store.count() < before + number:
            unit.handle(inbox.get(timeout=10))
        clock.run(3000)
        unit.wake()
        if number == EARLY:
            early = _resident()
    kept = unit.store.count() - before
    print(f"resident memory of all processes after {EARLY} captures of 12 megapixels {early / 1e6:6.1f} MB, ", end="")
    print(f"after {CAPTURES} {_resident() / 1e6:6.1f} MB    (wanted: under 150, not growing; {kept} records kept)")
    unit.close()


def _resident() -> int:
    """Of this process, the reader's and the one it was forked from, in bytes; what they share is counted once."""
    ours = [os.getpid()]
    for number in ours:  # it grows as it goes
        for task in Path(f"/proc/{number}/task").iterdir():
            ours += map(int, (task / "children").read_text().split())
    rollups = [Path(f"/proc/{number}/smaps_rollup").read_text() for number in ours]
    return sum(int(re.findall(r"^Pss: +(\d+) kB", rollup, re.MULTILINE)[0]) for rollup in rollups) * 1024


if __name__ == "__main__":
    _capture(Path(sys.argv[1]))
