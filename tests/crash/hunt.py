"""The hunt: enumerates the cards that a power cut may leave of a recording, and asks the oracle about each."""

import hashlib
import multiprocessing
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Self

from tests.crash.disk import MODELS, Card, Disk, Said
from tests.crash.oracle import BrokenPromiseError, judge
from tests.crash.recorder import SHARED, Recording, load, record, write_card

CORES = os.cpu_count() or 1

DRAWS = 32
"""How often chance is asked about one cut. Twice as many find half as many new states again."""

SECONDS = 20
"""How many cuts of each recording a hunt follows up with second ones."""

PIECE = 20
"""How many cuts a process takes at a time."""

MEMORY = Path("/dev/shm")
"""A file system in memory, where there is one: nothing of these cards needs to last."""


@dataclass(frozen=True, slots=True)
class State:
    """A state of the card: the model of the disk, after how many operations the power went, and the draw of chance."""

    model: str
    cut: int
    draw: int

    def __str__(self) -> str:
        """As it is given to the program that replays it."""
        return f"{self.model}/{self.cut}/{self.draw}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads the same."""
        model, cut, draw = text.split("/")
        return cls(model, int(cut), int(draw))


@dataclass(frozen=True, slots=True)
class Case:
    """A state, the card in it, what had been said, and a digest of these two."""

    state: State
    card: Card
    said: tuple[str, ...]
    digest: bytes


@dataclass(frozen=True, slots=True)
class Broken:
    """A state in which a promise was broken, and the command that replays it."""

    state: State
    promise: str
    replay: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a hunt found.

    Attributes:
        tried: by model, the different states that were tried: a digest of the card and of what had been said.
        broken: those in which a promise was broken.
    """

    tried: frozenset[tuple[str, bytes]] = frozenset()
    broken: tuple[Broken, ...] = ()

    def __or__(self, other: "Verdict") -> "Verdict":
        return Verdict(self.tried | other.tried, self.broken + other.broken)

    def __str__(self) -> str:
        """How many states of each model were tried, what was broken, and the commands that replay the first."""
        counts = ", ".join(f"{model} {sum(each == model for each, _ in self.tried)}" for model in MODELS)
        first = [f"\n{each.state}: {each.promise}\n  {each.replay}" for each in self.broken[:5]]
        return f"{self.states} states ({counts}), {len(self.broken)} of them broken{''.join(first)}"

    @property
    def states(self) -> int:
        """How many different ones, in whichever model."""
        return len({digest for _, digest in self.tried})


def states(recording: Recording, draws: Iterable[int], cuts: Sequence[int] = ()) -> list[State]:
    """All states of a recording, or those after some cuts, of both models, for these draws."""
    cuts = cuts or range(1, len(recording.ops) + 1)
    return [State(model, cut, draw) for model in MODELS for cut in cuts for draw in draws]


def announcements(recording: Recording) -> list[int]:
    """The cuts right after something was said: when most was promised and least time was there for it."""
    return [number for number, op in enumerate(recording.ops, 1) if isinstance(op, Said)]


def sample(recording: Recording, count: int, seed: int) -> list[State]:
    """Some states, in which chance decides; many of them come to the same card."""
    return Random(seed).sample(states(recording, range(2, DRAWS)), count)


def cases(recording: Recording, wanted: Iterable[State], seed: int) -> Iterator[Case]:
    """The cases of these states, each different one of a model once."""
    for model, disk_of in MODELS.items():
        disk, cut, said, met = disk_of(recording.before), 0, list(recording.said), set[bytes]()
        for state in sorted((state for state in wanted if state.model == model), key=lambda state: state.cut):
            for op in recording.ops[cut : state.cut]:
                disk.apply(op)
                said += [op.line] if isinstance(op, Said) else []
            cut = state.cut
            card = _card(disk, state, seed)
            digest = _digest(card, said)
            if digest not in met:
                met.add(digest)
                yield Case(state, card, tuple(said), digest)


def hunt(recording: Recording, wanted: Sequence[State], seed: int) -> Verdict:
    """Tries these states, here and now."""
    tried, broken = set[tuple[str, bytes]](), list[Broken]()
    for case in cases(recording, wanted, seed):
        tried.add((case.state.model, case.digest))
        promise = judged(case.card, case.said)
        if promise:
            replay = f"python -m tests.crash {recording.folder} {case.state} {seed}"
            broken.append(Broken(case.state, promise, replay))
    return Verdict(frozenset(tried), tuple(broken))


def hunt_second_cuts(recording: Recording, first: State, wanted: int, seed: int) -> Verdict:
    """Records a life on a card as a first cut left it, and tries what a second cut in that life leaves.

    Args:
        recording: what the first cut cut off.
        first: the first cut.
        wanted: how many draws for each second cut.
        seed: of all chance.
    """
    (case,) = cases(recording, [first], seed)
    folder = recording.folder / "second" / f"{seed}-{first}".replace("/", "-")
    second = record(folder, "recovery", before=case.card, said=case.said)
    return hunt(second, states(second, range(wanted)), seed)


def hunt_on_all_cores(recordings: Sequence[Recording], seconds: int, seed: int) -> Verdict:
    """Tries every cut of some recordings, and every second cut after some of them.

    Args:
        recordings: these.
        seconds: how many cuts of each recording are followed by second ones.
        seed: of all chance.
    """
    found, spawn = Verdict(), multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(CORES, spawn) as pool:
        pieces = [
            pool.submit(_hunt_piece, recording.folder, cut, seed)
            for recording in recordings
            for cut in range(1, len(recording.ops) + 1, PIECE)
        ]
        pieces += [
            pool.submit(_hunt_second, recording.folder, first, seed)
            for recording in recordings
            for first in sample(recording, seconds, seed)
        ]
        for piece in pieces:
            found |= piece.result()
    return found


def judged(card: Card, said: Sequence[str]) -> str:
    """The promise that is broken on a card; empty when all are kept."""
    memory = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(dir=memory, prefix="testigo-crash-") as folder:
        write_card(Path(folder) / "card", card)
        try:
            judge(Path(folder) / "card", said)
        except BrokenPromiseError as broken:
            return str(broken)
    return ""


def _hunt_piece(folder: Path, cut: int, seed: int) -> Verdict:
    recording = _loaded(folder)
    cuts = range(cut, min(cut + PIECE, len(recording.ops) + 1))
    return hunt(recording, states(recording, range(DRAWS), cuts), seed)


def _hunt_second(folder: Path, first: State, seed: int) -> Verdict:
    return hunt_second_cuts(_loaded(folder), first, DRAWS // 2, seed)


@lru_cache(4)
def _loaded(folder: Path) -> Recording:
    return load(folder)


def _card(disk: Disk, state: State, seed: int) -> Card:
    chance = Random(f"{seed} {state}")
    card = disk.after_cut(state.draw, chance)
    # What SQLite shares was mapped: after a cut it is missing, or anything.
    return card | {SHARED: chance.randbytes(32768)} if state.draw > 1 and chance.random() < 0.5 else card


def _digest(card: Card, said: Sequence[str]) -> bytes:
    digest = hashlib.blake2b("\n".join(said).encode(), digest_size=12)
    for path, content in card.items():
        if path != SHARED:  # its rubbish alone makes no state of its own
            digest.update(b"\n%b %b" % (path.encode(), b"a folder" if content is None else _digest_of(content)))
    return digest.digest()


@lru_cache(4096)
def _digest_of(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=12).digest()
