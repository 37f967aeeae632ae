"""The power goes while a release is switched to, started, proved and returned from: both links name a whole version."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from device.versions import STARTS_MAX, Versions
from tests.crash.conftest import Record
from tests.crash.disk import Card, Journaled, Link, Strict
from tests.crash.recorder import Recording, write_card
from tests.crash.test_package_taken import cards

BEFORE: Card = {
    "current": Link(b"versions/0"),
    "proven": Link(b"versions/0"),
    "versions": None,
    **{f"versions/{number}": None for number in range(3)},
}

STEPS = [
    # the current version, the proven one, and of one on trial how often it was started and how often badly
    (0, 0, 0, 0),
    (1, 0, 0, 0),  # switched to
    (1, 0, 1, 1),  # started
    (1, 0, 1, 0),  # which ended well
    (1, 1, 0, 0),  # proved
    *((2, 1, starts, starts) for starts in range(STARTS_MAX + 1)),  # switched to, and started
    (1, 1, 0, 0),  # returned from
]


def fault(card: Card, done: int, folder: Path) -> str:
    """What is wrong with a card after so many steps, of which the next may have been begun."""
    shutil.rmtree(folder, ignore_errors=True)
    write_card(folder, card)
    versions = Versions(folder)
    current, proven = versions.current, versions.proven
    if current is None or proven is None or not versions.home(current).is_dir():
        return "a link is gone"
    counted = (versions.starts, versions.bad_starts) if versions.is_on_trial else (0, 0)
    if (current, proven, *counted) not in STEPS[done : done + 2]:
        return f"it is at {current, proven, *counted}"
    for _ in range(STARTS_MAX + 1 - counted[1]):
        versions.begin(0)
    if versions.current != proven:
        return "it does not return in bounded starts"
    return "" if versions.failed == 2 or done < 5 or current != 2 else "what it returned from would be taken again"


def broken(recording: Recording, folder: Path, seed: int, rounds: int) -> Iterator[tuple[int, str]]:
    for round_ in range(rounds):
        for model in (Strict, Journaled):
            for done, card in cards(recording, model, seed + round_):
                if found := fault(card, done, folder):
                    yield done, found


def test_after_any_cut_a_whole_version_is_current_and_no_start_is_forgotten(
    recorded: Record, tmp_path: Path, seed: int
) -> None:
    assert list(broken(recorded("versions", before=BEFORE), tmp_path / "card", seed, 1)) == []


@pytest.mark.hunt
def test_and_however_much_chance_is_asked(recorded: Record, tmp_path: Path, seed: int) -> None:
    assert list(broken(recorded("versions", before=BEFORE), tmp_path / "card", seed, 20)) == []


@pytest.mark.hunt
@pytest.mark.parametrize("guard", ["files", "folders"])
def test_without_a_guard_starts_are_forgotten(recorded: Record, tmp_path: Path, seed: int, guard: str) -> None:
    recording = recorded("versions", without=guard, before=BEFORE)
    assert next(broken(recording, tmp_path / "card", seed, 1), None)
