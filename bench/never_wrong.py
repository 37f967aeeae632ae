"""Never wrong: how often the reader reads something that is not in view, on a great many doubtful pictures.

    python -m bench never_wrong --count 100000 --jobs 2 --keep FILE

A run may be cut short and taken up again from its file, or split: `--first` says where its seeds begin. Each picture
follows from its seed alone, so one that was misread is drawn again with `--first SEED --count 1 --show FILE.png`.
"""

import argparse
import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from queue import SimpleQueue
from time import perf_counter, process_time

import cv2

import device.reader
from bench import counting, doubtful
from device.reader import Knowledge, Reader
from device.worker import Lost, Worker
from wire.profiles import named

BLOCK = 500  # pictures between two lines of the file
SECONDS_MAX = 30.0  # ten times what the reader may ever take, even where the machine is busy
BYTES_MAX = 2**30  # ten times what any of these pictures takes


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of one picture.

    Attributes:
        kind: of `doubtful.KINDS`.
        read: how many payloads.
        wrong: those that are not in view.
        how: the rung that read them.
        seconds: processor time of the reading.
    """

    kind: str
    read: int
    wrong: tuple[str, ...]
    how: str
    seconds: float


class Trying:
    """Draws the picture of a seed and reads it: three times of four as an acta is read, else as any QR code is."""

    def __init__(self) -> None:
        cv2.setNumThreads(1)
        knowledge = Knowledge.of(named("ve-2024-presidential"))
        self._acta, self._any = Reader(knowledge, clock=process_time), Reader(clock=process_time)

    def __call__(self, seed: int) -> Trial:
        """One picture's trial."""
        picture = doubtful.draw(seed)
        reader = self._acta if seed // doubtful.ROUND % 4 else self._any
        began = process_time()
        reading = reader.read(picture.luma)
        seconds = process_time() - began
        wrong = tuple(payload for payload in reading.payloads if payload not in picture.truths)
        return Trial(picture.kind, len(reading.payloads), wrong, reading.how, seconds)


@dataclass(slots=True)
class Tally:
    """Counts of one kind, or of all."""

    pictures: int = 0
    read: int = 0
    wrong: int = 0
    stuck: int = 0
    seconds: float = 0.0

    def add(self, other: "Tally") -> None:
        """Adds the counts of another."""
        self.pictures += other.pictures
        self.read += other.read
        self.wrong += other.wrong
        self.stuck += other.stuck
        self.seconds += other.seconds


@dataclass(slots=True)
class Tallies:
    """The counts of a range of seeds by kind, and a sentence for each picture that was misread or not read in time."""

    kinds: dict[str, Tally] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def add(self, other: "Tallies") -> None:
        """Adds the counts and faults of another range."""
        for kind, tally in other.kinds.items():
            self.kinds.setdefault(kind, Tally()).add(tally)
        self.faults += other.faults

    @property
    def whole(self) -> Tally:
        """The counts of all kinds together."""
        whole = Tally()
        for tally in self.kinds.values():
            whole.add(tally)
        return whole


def bound(wrong: int, of: int) -> float:
    """The share of misread pictures that 95 % confidence does not exclude, given `wrong` in `of` (Clopper and Pearson).

    With none wrong it is 1 - 0.05 ** (1 / of), nearly 3 / of.
    """
    if of == 0 or wrong >= of:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(60):
        share = (low + high) / 2
        at_most = sum(
            math.exp(
                math.lgamma(of + 1)
                - math.lgamma(k + 1)
                - math.lgamma(of - k + 1)
                + (k * math.log(share) if k else 0.0)
                + (of - k) * math.log1p(-share)
            )
            for k in range(wrong + 1)
        )
        low, high = (share, high) if at_most > 0.05 else (low, share)
    return high


def tally(seeds: range, jobs: int, keep: Path | None = None) -> Iterator[tuple[range, Tallies]]:
    """Tries the pictures of the seeds, a block at a time; yields each block's counts, those kept in the file first."""
    done = _kept(keep) if keep else {}
    blocks = [seeds[begin : begin + BLOCK] for begin in range(0, len(seeds), BLOCK)]
    for block in blocks:
        if block in done:
            yield block, done[block]
    workers: SimpleQueue[Worker[int, Trial]] = SimpleQueue()
    for _ in range(jobs):
        workers.put(Worker(Trying, [Trial], seconds_max=SECONDS_MAX, bytes_max=BYTES_MAX))

    def tried(block: range) -> tuple[range, Tallies]:
        worker = workers.get()
        try:
            return block, _tried(block, worker)
        finally:
            workers.put(worker)

    with ThreadPoolExecutor(jobs) as pool:
        for block, tallies in pool.map(tried, [block for block in blocks if block not in done]):
            if keep:
                _keep(keep, block, tallies)
            yield block, tallies
    while not workers.empty():
        workers.get().end()


def _tried(block: range, worker: Worker[int, Trial]) -> Tallies:
    tallies = Tallies()
    for seed in block:
        trial, seconds = worker.ask(seed)
        again = f"python -m bench never_wrong --first {seed} --count 1 --show picture.png"
        if isinstance(trial, Lost):
            kind = doubtful.kind_of(seed)
            tallies.faults.append(f"seed {seed}, {kind}: {trial.why} ({again})")
            one = Tally(1, stuck=1, seconds=seconds)
        else:
            kind = trial.kind
            if trial.wrong:
                tallies.faults.append(f"seed {seed}, {kind}: read by {trial.how}, not in view: {trial.wrong} ({again})")
            one = Tally(1, bool(trial.read), bool(trial.wrong), 0, trial.seconds)
        tallies.kinds.setdefault(kind, Tally()).add(one)
    return tallies


def _reader_is() -> str:
    """The reader under test, and what draws its pictures."""
    folder = Path(device.reader.__file__).parent
    sources = [*sorted(folder.glob("*.py")), Path(doubtful.__file__), Path(__file__)]
    return counting.program_of(sources, ("zxing-cpp", "opencv-python-headless"))


def _kept(keep: Path) -> dict[range, Tallies]:
    kept = {}
    for entry in counting.kept(keep, _reader_is()):
        kinds = {kind: Tally(**counts) for kind, counts in entry["kinds"].items()}
        kept[range(entry["first"], entry["first"] + entry["count"])] = Tallies(kinds, entry["faults"])
    return kept


def _keep(keep: Path, block: range, tallies: Tallies) -> None:
    counting.keep_in(keep, _reader_is(), {"first": block.start, "count": len(block)} | asdict(tallies))


def run(arguments: Sequence[str] = ()) -> int:
    """Tries pictures and prints the counts with the bound they give; returns 1 if any was misread."""
    options = _options(arguments)
    seeds = range(options.first, options.first + options.count)
    if options.show:
        picture = doubtful.draw(options.first)
        cv2.imwrite(str(options.show), picture.luma)
        print(f"seed {options.first}, {picture.kind}, in view: {sorted(picture.truths)}; see {options.show}")
    tallies, began = Tallies(), perf_counter()
    for number, (_, block) in enumerate(tally(seeds, options.jobs, options.keep), 1):
        for fault in block.faults:
            print(f"  {fault}", flush=True)
        tallies.add(block)
        if number % 20 == 0:
            print(f"  {tallies.whole.pictures} of {len(seeds)} in {perf_counter() - began:.0f} s", flush=True)
    _print(tallies)
    return 1 if tallies.whole.wrong else 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench never_wrong", description="Looks for wrong readings.")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default: 0)")
    parser.add_argument("--count", type=int, default=2 * BLOCK, help="how many pictures; a whole run has 100000")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at a time (default: the cores)")
    parser.add_argument("--keep", type=Path, help="a file to keep counts in, and to go on from after a run cut short")
    parser.add_argument("--show", type=Path, help="write the first picture to this file too")
    return parser.parse_args(arguments)


def _print(tallies: Tallies) -> None:
    print(f"{'in the picture':34} {'pictures':>8} {'read':>7} {'wrong':>6} {'stuck':>6} {'at most':>11} {'cpu ms':>7}")
    rows = [(kind, tallies.kinds[kind]) for kind in doubtful.KINDS if kind in tallies.kinds]
    whole = tallies.whole
    for kind, row in [*rows, ("all", whole)]:
        share = f"1 in {1 / bound(row.wrong, row.pictures):.0f}"
        ms = 1000 * row.seconds / max(row.pictures, 1)
        print(f"{kind:34} {row.pictures:8} {row.read:7} {row.wrong:6} {row.stuck:6} {share:>11} {ms:7.1f}")
    print(
        f"{whole.wrong} of {whole.pictures} pictures were misread: of pictures drawn like these at most "
        f"1 in {1 / bound(whole.wrong, whole.pictures):.0f} is, with 95 % confidence.\n"
        "That is no bound for other kinds of pictures, nor for somebody who looks for one that is misread."
    )
