"""The archive: drawn actas scanned as in 2024, read by `testigo-unit read` and by a plain loop of zxing-cpp.

    python -m bench archive --count 24000 --folder FOLDER

`sim.photo.mixes.ARCHIVE` says what the scans are like. They are written as JPEG, PNG, WebP and PDF; the plain loop
opens the same files in the same way, and tries zxing-cpp once on each.
"""

import argparse
import csv
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from time import perf_counter

import cv2
import zxingcpp
from PIL import Image

from device.pictures import Unreadable, luma_of
from sim import paper
from sim.photo import mixes

QR_ONLY = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
FORMATS = {".jpg": 75, ".png": 8, ".webp": 7, ".pdf": 10}
"""Of a hundred files, how many are of each format."""


def run(arguments: Sequence[str] = ()) -> None:
    """Writes the archive, reads it both ways and prints the rates."""
    options = _options(arguments)
    folder = options.folder or Path(tempfile.mkdtemp(prefix="bench-archive-", dir=Path.cwd()))
    try:
        _run(folder, options.count, options.jobs)
    finally:
        if not options.folder:
            shutil.rmtree(folder)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench archive", description="Reads an archive of drawn scans.")
    parser.add_argument("--count", type=int, default=400, help="how many scans; AP had 24000 (default: 400)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at a time (default: the cores)")
    parser.add_argument("--folder", type=Path, help="write them here and keep them; what is there is not redrawn")
    return parser.parse_args(arguments)


def _run(folder: Path, count: int, jobs: int) -> None:
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        truths = dict(pool.imap_unordered(partial(_scan, folder), range(count), chunksize=4))
        megabytes = sum((folder / name).stat().st_size for name in truths) / 1e6
        print(f"{count} drawn actas, scanned, {megabytes:.0f} MB; {jobs} jobs")
        began = perf_counter()
        plain = dict(pool.imap_unordered(partial(_plain, folder), truths, chunksize=4))
        plain_seconds = perf_counter() - began
    table = folder / "archive.csv"
    table.unlink(missing_ok=True)
    command = [sys.executable, "-m", "device", "read", str(folder), "--jobs", str(jobs), "--csv", str(table)]
    began = perf_counter()
    status = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    ours_seconds = perf_counter() - began
    if status.returncode not in (0, 1):
        raise SystemExit(f"archive: testigo-unit read ended with {status.returncode}: {status.stderr.strip()}")
    ours: dict[str, set[str]] = {name: set() for name in truths}
    with table.open(newline="", encoding="utf-8-sig") as rows:
        for row in csv.DictReader(rows):
            if row["payload"]:
                ours[Path(row["file"]).name].add(row["payload"])
    _print("testigo-unit read", ours, truths, ours_seconds)
    _print("plain zxing-cpp loop", plain, truths, plain_seconds)


def _print(who: str, read: dict[str, set[str]], truths: dict[str, str], seconds: float) -> None:
    right = sum(truths[name] in payloads for name, payloads in read.items())
    wrong = [name for name, payloads in read.items() if payloads - {truths[name]}]
    rate, speed = 100 * right / len(truths), len(truths) / seconds
    print(f"  {who:22} {right:6} of {len(truths)}  {rate:6.2f} %   wrong {len(wrong)}   {speed:6.1f} pictures/s")
    for name in wrong:
        print(f"    WRONG: {name}: read {sorted(read[name])}, holds {truths[name]}")


def _plain(folder: Path, name: str) -> tuple[str, set[str]]:
    luma = luma_of((folder / name).read_bytes())
    if isinstance(luma, Unreadable):
        return name, set()
    return name, {code.text for code in zxingcpp.read_barcodes(luma, formats=QR_ONLY)}


def _scan(folder: Path, number: int) -> tuple[str, str]:
    """Draws one scan into its file, unless it is there; gives the file's name and the payload."""
    cv2.setNumThreads(1)
    chance = random.Random(number)
    payload = paper.random_payload(chance)
    suffix = chance.choices(list(FORMATS), list(FORMATS.values()))[0]
    path = folder / f"{number:05}{suffix}"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        scan = mixes.photograph("archive", number, payload, length_mm=paper.LENGTH_MM)
        unfinished = folder / f".{path.name}"
        # The scan has gone through the JPEG of its station already: nearly nothing is lost here.
        Image.fromarray(scan.luma).save(unfinished, Image.registered_extensions()[suffix], quality=92, resolution=200)
        unfinished.replace(path)
    return path.name, payload
