"""Keeping: one record with a picture of 1 MB until it is durable, beside the bare file and database calls it needs.

The peer writes the same bytes to as many files with the same fsyncs, and commits one row with raw sqlite3 (WAL, FULL).
Both take turns on one disk, so the ratio holds when the machine's speed drifts.
"""

import os
import random
import shutil
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from device.keeper import Keeper
from device.keys import signer_from
from device.ports import Frame
from device.settings import read
from device.store import Store
from sim import deployment, paper
from sim.clock import SteppedClock

ROUNDS = 200
PICTURE_BYTES = 1_000_000


def run() -> None:
    """Prints both medians in milliseconds, and the ratio of each pair."""
    folder = Path(tempfile.mkdtemp(prefix="bench-keeping-", dir=Path.cwd()))
    try:
        _run(folder)
    finally:
        shutil.rmtree(folder)


def _run(folder: Path) -> None:
    made = deployment.make(folder / "deployment", 1, 1883, "ve-2024-presidential")
    settings = read(next(iter(made.units.values())))
    signer = signer_from(settings.key, settings.unit)
    settings.card.mkdir()
    store = Store(settings.card, signer.verifier, print)
    clock, profile = SteppedClock(), settings.profile.id
    keeper = Keeper(store, settings.deployment, signer, settings.recipients, clock, profile, settings.mode)
    bare = Bare(folder / "bare")
    chance = random.Random(1)
    luma = np.zeros((1, 1), np.uint8)
    ours, peers = [], []
    for number in range(ROUNDS):
        frame = Frame(luma, chance.randbytes(PICTURE_BYTES), "image/jpeg")
        payload = paper.random_payload(chance)
        began = time.perf_counter()
        keeper.keep([payload], "bench", "", [frame])
        kept = time.perf_counter()
        bare.keep(number, frame.picture, os.urandom(1800))
        ended = time.perf_counter()
        ours.append((kept - began) * 1000)
        peers.append((ended - kept) * 1000)
    ratios = [our / peer for our, peer in zip(ours, peers, strict=True)]
    print(f"one record with a picture of {PICTURE_BYTES} bytes, {ROUNDS} rounds in turn, medians:")
    print(f"  testigo, sealed, signed, durable   {statistics.median(ours):7.2f} ms")
    print(f"  same files, fsyncs and one commit  {statistics.median(peers):7.2f} ms")
    print(f"  ratio                              {statistics.median(ratios):7.2f}    (wanted: at most 1.5)")


class Bare:
    """The peer: the same calls with nothing around them."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._handle = os.open(folder, os.O_RDONLY)
        self._database = sqlite3.connect(folder / "index.db", isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        self._database.execute("CREATE TABLE kept (seq INTEGER PRIMARY KEY, hash TEXT, publication TEXT)")

    def keep(self, number: int, picture: bytes, publication: bytes) -> None:
        """Two files written, synced and renamed, their folder synced, one row committed."""
        for name, content in ((f"{number}.picture", picture), (f"{number}.envelope", publication)):
            with (self._folder / f"{name}.new").open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for name in (f"{number}.picture", f"{number}.envelope"):
            (self._folder / f"{name}.new").replace(self._folder / name)
        os.fsync(self._handle)
        self._database.execute("INSERT INTO kept VALUES (?, ?, ?)", (number, "0" * 64, "0" * 64))
