"""The power goes while a deployment package is taken, or it is remembered which control card was: the last one or the
new one is there whole, and no older one."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from device.control import Trust
from device.package import NoPackageError, Packages
from device.standing import Standing
from sim.body import SimStorage
from tests.crash.conftest import Record
from tests.crash.disk import Card, Disk, Journaled, Said, Strict
from tests.crash.recorder import Recording, write_card
from tests.wire.samples import PACKAGES

DRAWS = 8
NOWHERE = Path("nowhere")


def cards(recording: Recording, model: type[Disk], seed: int) -> Iterator[tuple[int, Card]]:
    """What cuts may leave, each once, with the number that was said to be taken by then."""
    disk, said = model(recording.before), 0
    seen = set[tuple[int, frozenset[tuple[str, bytes | None]]]]()
    for op in recording.ops:
        disk.apply(op)
        said = int(op.line.split()[1]) if isinstance(op, Said) else said
        for draw in range(DRAWS):
            card = disk.after_cut(draw, Random(f"{seed} {draw}"))
            left = len(seen)
            seen.add((said, frozenset(card.items())))
            if len(seen) > left:
                yield said, card


def package_on(folder: Path) -> int:
    """Which package a unit with this card would go by; 0 for none."""
    try:
        return Packages(folder, PACKAGES.verifier).chosen(NOWHERE).package.number
    except NoPackageError:
        return 0


def control_card_on(folder: Path) -> int:
    """Which control card a unit with this card has taken last; 0 for none that it remembers."""
    standing = Standing(SimStorage(folder), Trust("trial", "u-0", {}, {}), lambda *_, **__: None)
    return standing.numbers.get("cards quiet", 0)


TAKEN = {"packages": package_on, "standing": control_card_on}


def broken(
    recording: Recording, number_on: Callable[[Path], int], folder: Path, seed: int
) -> Iterator[tuple[int, int]]:
    """What was said to be taken and what was there, where that was not it or the next one."""
    for model in (Strict, Journaled):
        for said, card in cards(recording, model, seed):
            shutil.rmtree(folder, ignore_errors=True)
            write_card(folder, card)
            if (found := number_on(folder)) not in (said, said + 1):
                yield said, found


@pytest.mark.parametrize("what", TAKEN)
def test_what_was_taken_is_there_whole_after_any_cut(recorded: Record, tmp_path: Path, seed: int, what: str) -> None:
    recording = recorded(what)
    assert [op.line for op in recording.ops if isinstance(op, Said)] == ["taken 1", "taken 2", "taken 3"]
    assert list(broken(recording, TAKEN[what], tmp_path / "card", seed)) == []


@pytest.mark.parametrize("what", TAKEN)
@pytest.mark.parametrize("guard", ["files", "folders"])
def test_without_a_guard_it_is_lost(recorded: Record, tmp_path: Path, seed: int, guard: str, what: str) -> None:
    assert next(broken(recorded(what, without=guard), TAKEN[what], tmp_path / "card", seed), None)
