"""Keeping: one record with a picture of 1 MB until it is durable, beside the bare file and database calls it needs.

The firmware seals a frame's photograph while the reader still reads the frame, so that is what is done here: a real
photograph of 12 megapixels is read, and the time counts from the end of that until the record is durable. What sealing
takes beyond the reading falls into that time; what it takes in all is printed beside.

The peer writes the same bytes to as many files with the same fsyncs, and commits one row with raw sqlite3 (WAL, FULL).
Both take turns on one disk and in either order, so the ratio holds when the machine's speed drifts.
"""

import os
import random
import shutil
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

from device.keeper import Keeper
from device.keys import signer_from
from device.ports import Frame
from device.reader import Reader
from device.settings import read
from device.store import Store
from sim import deployment, paper
from sim.clock import SteppedClock
from sim.photo import photograph
from wire.record import Quality

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
    luma = photograph(paper.draw(paper.random_payload(chance)), seed=1).luma
    reader = Reader()
    ours, peers, sealings = [], [], []
    for number in range(ROUNDS):
        frame = Frame(luma, chance.randbytes(PICTURE_BYTES), "image/jpeg")
        payload, publication = paper.random_payload(chance), os.urandom(1800)
        began = time.perf_counter()
        keeper.prepare(frame).result()
        sealings.append((time.perf_counter() - began) * 1000)

        def keep(frame: Frame = frame, payload: str = payload) -> float:
            prepared = keeper.prepare(frame)
            reader.read(frame.luma)
            began = time.perf_counter()
            keeper.keep([payload], Quality(), "", [prepared])
            return (time.perf_counter() - began) * 1000

        def peer(number: int = number, picture: bytes = frame.picture, publication: bytes = publication) -> float:
            began = time.perf_counter()
            bare.keep(number, picture, publication)
            return (time.perf_counter() - began) * 1000

        if number % 2:
            ours.append(keep())
            peers.append(peer())
        else:
            peers.append(peer())
            ours.append(keep())
    ratios = [our / peer for our, peer in zip(ours, peers, strict=True)]
    print(f"one record with a picture of {PICTURE_BYTES} bytes, {ROUNDS} rounds in turn, medians:")
    print(f"  testigo, from read to durable      {statistics.median(ours):7.2f} ms")
    print(f"  same files, fsyncs and one commit  {statistics.median(peers):7.2f} ms")
    print(f"  ratio                              {statistics.median(ratios):7.2f}    (wanted: at most 1.5)")
    print(f"  sealing the picture, meanwhile     {statistics.median(sealings):7.2f} ms")


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
