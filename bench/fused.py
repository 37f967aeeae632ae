"""Fused: what the frames of one press say together of which none says it alone, lying still on a tray and by hand.

    python -m bench fused                           some five minutes
    python -m bench fused --first 500 --count 50

A burst is taken of each drawn acta; stock zxing-cpp has as many tries as we have frames.
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from random import Random

import cv2

from device.reader import Knowledge, Reader
from sim import paper
from sim.contact import stock_reads
from sim.paper import Wear, worn
from sim.photo import CAMERAS, Shot, burst, mixes
from wire.profiles import named

FRAMES = 3
WAYS = {"on a tray": 0.0, "by hand": 1.0}
"""How far the sheet moves between two frames, mm."""


def run(arguments: Sequence[str] = ()) -> int:
    """Prints how many actas are read of one frame, of any, and of all together; returns 1 if any was misread."""
    parser = argparse.ArgumentParser(prog="python -m bench fused", description="Reads bursts of drawn actas.")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default: 0)")
    parser.add_argument("--count", type=int, default=30, help="how many actas of each mix and way (default: 30)")
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    reader = Reader(Knowledge.of(named("ve-2024-presidential")), clock=time.thread_time)
    wrong = 0
    print(f"{options.count} drawn actas each, {FRAMES} frames a press:")
    print(f"  {'':18} {'first frame':>12} {'any frame':>12} {'and fused':>12} {'zxing-cpp, any':>16}")
    for mix in MIXES:
        for way, moved_mm in WAYS.items():
            read = Counter[str]()
            for seed in range(options.first, options.first + options.count):
                wrong += _press(reader, mix, moved_mm, seed, read)
            counts = [read[of] for of in ("first", "any", "fused", "stock")]
            print(f"  {mix + ', ' + way:18} {counts[0]:12} {counts[1]:12} {counts[2]:12} {counts[3]:16}", flush=True)
    return int(wrong > 0)


def _dim(seed: int) -> tuple[Wear, Shot]:
    """Little light on few pixels: where the sensor's noise decides, which is another one in each frame."""
    rng = Random(f"dim {seed}")
    return Wear(), Shot(
        camera=rng.choice(sorted(CAMERAS)),
        dim_stops=rng.uniform(9, 11),
        dpmm=rng.uniform(2, 4),
        rotation_deg=rng.uniform(0, 360),
        tilt_deg=rng.uniform(0, 8),
        window_px=500,
    )


MIXES: dict[str, Callable[[int], tuple[Wear, Shot]]] = {"dim": _dim, "hard": partial(mixes.mix, "hard")}


def _press(reader: Reader, mix: str, moved_mm: float, seed: int, read: Counter[str]) -> bool:
    """Counts what one press gives; returns whether anything was misread."""
    wear, shot = MIXES[mix](seed)
    sheet = paper.draw(paper.random_payload(Random(seed)), seed=seed, length_mm=mixes.END_MM)
    taken = burst(worn(sheet, wear, seed), replace(shot, jitter_px=moved_mm * shot.dpmm), seed, FRAMES)
    frames, truth = [each.luma for each in taken], {taken[0].payload}
    found = [set(reader.read(frame).payloads) for frame in frames]
    together = reader.fused(frames) if not any(found) else None
    fused = set(together.payloads) if together else set[str]()
    read["first"] += truth <= found[0]
    read["any"] += any(truth <= each for each in found)
    read["fused"] += any(truth <= each for each in [*found, fused])
    read["stock"] += any(stock_reads(each) for each in taken)
    wrong = set.union(*found, fused) - truth
    if wrong:
        print(f"  WRONG: {sorted(wrong)}: python -m bench fused --first {seed} --count 1 ({mix})")
    return bool(wrong)
