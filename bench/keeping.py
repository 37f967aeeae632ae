"""Keeping: one record with a picture of 1 MB until it is durable, beside the bare file and database calls it needs.

The firmware seals a frame's photograph while the reader still reads the frame, so that is what is done here: a real
photograph of 12 megapixels is read, and the time counts from the end of that until the record is durable. What sealing
takes beyond the reading falls into that time; what it takes in all is printed beside.

The peer writes the same bytes to as many files with the same fsyncs, and commits one row with raw sqlite3 (WAL, FULL).

What sealing and signing add is the difference to a third: the same keeper and store, with a seal that seals nothing and
a signer that signs nothing. All take turns on one disk, in any order, so ratios hold when the machine's speed drifts.
"""

import os
import random
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from device.keeper import Keeper
from device.keys import signer_from
from device.ports import Frame
from device.reader import Reader
from device.settings import read
from device.store import Place, Store
from sim import deployment, paper
from sim.body import SimStorage
from sim.clock import SteppedClock
from sim.photo import photograph
from wire.note import Signer
from wire.record import Quality
from wire.seal import Seal

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
    store = Store(SimStorage(settings.card), signer.verifier, settings.hubs, settings.receipts, print)
    rest = settings.recipients, SteppedClock(), settings.profile.id, settings.mode
    ours = Keeper(store, settings.deployment, signer, *rest)
    plain = Plain(store, settings.deployment, Unsigned(signer), *rest)
    bare = Bare(folder / "bare")
    chance = random.Random(1)
    luma = photograph(paper.draw(paper.random_payload(chance)), seed=1).luma
    reader = Reader()
    times: dict[str, list[float]] = {"ours": [], "plain": [], "peer": []}
    sealings = []

    def read_by(keeper: Keeper, frame: Frame, payload: str) -> Callable[[], object]:
        prepared = keeper.prepare(frame)
        reader.read(frame.luma)
        return partial(keeper.keep, [payload], Quality(), "", [prepared])

    for number in range(ROUNDS):
        frame = Frame(luma, chance.randbytes(PICTURE_BYTES), "image/jpeg")
        payload, publication = paper.random_payload(chance), os.urandom(1800)
        began = time.perf_counter()
        ours.prepare(frame).result()
        sealings.append((time.perf_counter() - began) * 1000)
        contenders: dict[str, Callable[[], Callable[[], object]]] = {
            "ours": partial(read_by, ours, frame, payload),
            "plain": partial(read_by, plain, frame, payload),
            "peer": partial(partial, bare.keep, number, frame.picture, publication),
        }
        for name, prepare in chance.sample(list(contenders.items()), len(contenders)):
            keeping = prepare()
            began = time.perf_counter()
            keeping()
            times[name].append((time.perf_counter() - began) * 1000)
    medians = {name: statistics.median(each) for name, each in times.items()}
    print(f"one record with a picture of {PICTURE_BYTES} bytes, {ROUNDS} rounds in turn, medians:")
    print(f"  testigo, from read to durable      {medians['ours']:7.2f} ms")
    print(f"  same files, fsyncs and one commit  {medians['peer']:7.2f} ms")
    print(f"  ratio                              {_ratio(times['ours'], times['peer']):7.2f}    (wanted: at most 1.5)")
    print(f"  neither sealed nor signed          {medians['plain']:7.2f} ms")
    share = (_ratio(times["ours"], times["plain"]) - 1) * 100
    print(f"  what sealing and signing add       {share:7.1f} %     (wanted: under 5)")
    print(f"  sealing the picture, meanwhile     {statistics.median(sealings):7.2f} ms")


def _ratio(these: list[float], those: list[float]) -> float:
    return statistics.median(this / that for this, that in zip(these, those, strict=True))


class Unsigned:
    """A signer that signs nothing: what it gives was signed before."""

    def __init__(self, signer: Signer) -> None:
        self.verifier = signer.verifier
        self._signature = signer.sign(b"")

    def sign(self, text: bytes) -> bytes:  # noqa: ARG002  as every signer is called
        """A signature, of something else."""
        return self._signature


class Unsealed(Seal):
    """A seal that seals nothing."""

    def __init__(self) -> None:
        pass

    def close(self, content: bytes) -> bytes:
        """The content itself."""
        return content


class Plain(Keeper):
    """A keeper that seals nothing."""

    def _begun(self, place: Place, what: str) -> Seal:  # noqa: ARG002  as every keeper is asked
        return Unsealed()


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
