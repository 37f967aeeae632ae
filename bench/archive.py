"""The archive: drawn actas scanned as in 2024, read by `testigo-unit read` and by a plain loop of zxing-cpp.

    python -m bench archive --count 24000 --keep FILE

`sim.photo.mixes.ARCHIVE` says what the scans are like. They are written as JPEG, PNG, WebP and PDF; the plain loop
opens the same files in the same way, and tries zxing-cpp once on each. That goes part by part, for 24,000 scans are
23 GB: a part is drawn, read both ways, counted and deleted. A run cut short goes on from its file.
"""

import argparse
import csv
import ctypes
import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing.pool import Pool
from pathlib import Path
from time import perf_counter

import cv2
import zxingcpp
from PIL import Image

from bench import counting
from device.pictures import Unreadable, luma_of
from sim import paper
from sim.photo import mixes

PART = 500  # scans on the disk at a time: half a gigabyte; the program's start, 1 s, is a twentieth of its time then
QR_ONLY = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
FORMATS = {".jpg": 75, ".png": 8, ".webp": 7, ".pdf": 10}
"""Of a hundred files, how many are of each format."""
SAVED = {".png": {"compress_level": 1}}
"""How a format is saved, where not as `_scan` says: at a quarter of the time, and the same pixels come back."""
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Count:
    """What one reader made of some scans.

    Attributes:
        scans: how many there were.
        right: those whose payload was read.
        wrong: those of which another was.
        seconds: it took, by the clock on the wall.
    """

    scans: int = 0
    right: int = 0
    wrong: int = 0
    seconds: float = 0.0

    def __add__(self, other: "Count") -> "Count":
        return Count(
            self.scans + other.scans, self.right + other.right, self.wrong + other.wrong, self.seconds + other.seconds
        )

    def __str__(self) -> str:
        rate, speed = 100 * self.right / self.scans, self.scans / self.seconds
        return f"{self.right:6} of {self.scans}  {rate:6.2f} %   wrong {self.wrong}   {speed:6.1f} pictures/s"


@dataclass(frozen=True, slots=True)
class Part:
    """What became of some scans: the counts of both readers; and of ours, what was misread and what was not read."""

    ours: Count
    plain: Count
    faults: Sequence[str]
    unread: Sequence[int]


def run(arguments: Sequence[str] = ()) -> int:
    """Draws and reads the scans part by part and prints the rates; returns 1 if any was misread."""
    options = _options(arguments)
    last = options.first + options.count
    parts = [range(begin, min(begin + PART, last)) for begin in range(options.first, last, PART)]
    ours, plain, faults = Count(), Count(), list[str]()
    for number, part in enumerate(_read(parts, options.jobs, options.keep), 1):
        ours, plain, faults = ours + part.ours, plain + part.plain, [*faults, *part.faults]
        if len(parts) > 1:
            print(f"  part {number} of {len(parts)}: testigo-unit read {part.ours}", flush=True)
    print(f"{options.count} drawn actas, scanned; {options.jobs} jobs")
    print(f"  testigo-unit read      {ours}")
    print(f"  plain zxing-cpp loop   {plain}")
    for fault in faults:
        print(f"  WRONG: {fault}")
    return int(ours.wrong > 0)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench archive", description="Reads an archive of drawn scans.")
    parser.add_argument("--first", type=int, default=0, help="the first scan's seed (default: 0)")
    parser.add_argument("--count", type=int, default=400, help="how many scans; AP had 24000 (default: 400)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at a time (default: the cores)")
    parser.add_argument("--keep", type=Path, help="a file to keep counts in, and to go on from after a run cut short")
    return parser.parse_args(arguments)


def _read(parts: Sequence[range], jobs: int, keep: Path | None) -> Iterator[Part]:
    """What became of each part's scans, from the file where it says so."""
    program = _program_is()
    kept = _kept(keep, program) if keep else {}
    spawn = multiprocessing.get_context("spawn")
    with spawn.Pool(jobs, _draw_in_kept_memory) as drawing, spawn.Pool(jobs) as reading:
        for part in parts:
            if part not in kept:
                with tempfile.TemporaryDirectory(prefix="bench-archive-") as folder:
                    kept[part] = _tried(part, Path(folder), drawing, reading, jobs)
                if _program_is() != program:
                    sys.exit("archive: the program was changed meanwhile; count with a copy that nobody works on")
                if keep:
                    counting.keep_in(keep, program, {"first": part.start} | asdict(kept[part]))
            yield kept[part]


def _tried(seeds: range, folder: Path, drawing: Pool, reading: Pool, jobs: int) -> Part:
    truths = dict(drawing.imap_unordered(partial(_scan, folder), seeds, chunksize=4))
    began = perf_counter()
    plain = dict(reading.imap_unordered(partial(_plain, folder), truths, chunksize=4))
    plain_seconds = perf_counter() - began
    table = folder / "archive.csv"
    command = [sys.executable, "-m", "device", "read", str(folder), "--jobs", str(jobs), "--csv", str(table)]
    began = perf_counter()
    ended = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    ours_seconds = perf_counter() - began
    if ended.returncode not in (0, 1):
        sys.exit(f"archive: testigo-unit read ended with {ended.returncode}: {ended.stderr.strip()}")
    ours: dict[str, set[str]] = {name: set() for name in truths}
    with table.open(newline="", encoding="utf-8-sig") as rows:
        for row in csv.DictReader(rows):
            if row["payload"]:
                ours[Path(row["file"]).name].add(row["payload"])
    faults = [
        f"{name}: read {sorted(read)}, holds {truths[name]} (python -m bench archive --first {_seed(name)} --count 1)"
        for name, read in ours.items()
        if read - {truths[name]}
    ]
    unread = sorted(_seed(name) for name, read in ours.items() if truths[name] not in read)
    return Part(_counted(ours, truths, ours_seconds), _counted(plain, truths, plain_seconds), faults, unread)


def _counted(read: dict[str, set[str]], truths: dict[str, str], seconds: float) -> Count:
    right = sum(truths[name] in payloads for name, payloads in read.items())
    return Count(len(truths), right, sum(bool(read[name] - {truth}) for name, truth in truths.items()), seconds)


def _seed(name: str) -> int:
    return int(Path(name).stem)


def _plain(folder: Path, name: str) -> tuple[str, set[str]]:
    luma = luma_of((folder / name).read_bytes())
    if isinstance(luma, Unreadable):
        return name, set()
    return name, {code.text for code in zxingcpp.read_barcodes(luma, formats=QR_ONLY)}


def _draw_in_kept_memory() -> None:
    """Has the C library keep its memory: else each array of a scan is new pages, which is a sixth of drawing's time."""
    trim_threshold, mmap_max = -1, -4  # malloc.h
    libc = ctypes.CDLL(None)
    libc.mallopt(mmap_max, 0)
    libc.mallopt(trim_threshold, 2**31 - 1)


def _scan(folder: Path, seed: int) -> tuple[str, str]:
    """Draws the scan of a seed into a file; gives its name and the payload."""
    cv2.setNumThreads(1)
    chance = random.Random(seed)
    payload = paper.random_payload(chance)
    suffix = chance.choices(list(FORMATS), list(FORMATS.values()))[0]
    scan = mixes.photograph("archive", seed, payload, length_mm=paper.LENGTH_MM)
    # The scan has gone through the JPEG of its station already: nearly nothing is lost here.
    options = {"quality": 92, "resolution": 200} | SAVED.get(suffix, {})
    path = folder / f"{seed:06}{suffix}"
    Image.fromarray(scan.luma).save(path, Image.registered_extensions()[suffix], **options)
    return path.name, payload


def _program_is() -> str:
    """The program that is counted, and what draws the scans that it is given."""
    folders = ("device", "wire", "sim/paper", "sim/photo")
    sources = sorted(
        path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".toml")
    )
    packages = ("zxing-cpp", "opencv-python-headless", "numpy", "pillow", "pypdfium2", "segno")
    return counting.program_of([*sources, Path(__file__)], packages)


def _kept(keep: Path, program: str) -> dict[range, Part]:
    kept = {}
    for entry in counting.kept(keep, program):
        part = Part(Count(**entry["ours"]), Count(**entry["plain"]), entry["faults"], entry["unread"])
        kept[range(entry["first"], entry["first"] + part.ours.scans)] = part
    return kept
