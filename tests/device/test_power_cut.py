"""The power cut: whatever was on the card then, nothing announced is lost and nothing half kept is offered."""

import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from device.signals import Signal
from tests.device.cards import assert_chained, envelopes, keep, keep_many, offered, opened
from tests.device.world import acta, picture, world
from tests.house.tree import ROOT


class Cut:
    """A card on which the power went while the third record was being kept: its files and its index, as of before."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kept = folder / "kept"
        with opened(folder) as store:
            self.chain = keep_many(store, 2)
        index = (folder / "index.db").read_bytes()
        before = set(self.kept.iterdir())
        with opened(folder) as store:
            keep(store, 3)
        (folder / "index.db").write_bytes(index)
        self.envelope, self.picture = sorted(set(self.kept.iterdir()) - before, key=lambda path: path.suffix)

    def envelope_is_new(self, bytes_written: int | None = None) -> None:
        """The envelope's file is still called `.new`; so many of its bytes were written, or all."""
        self.envelope.replace(self.kept / "envelope.new")
        self._shorten(self.kept / "envelope.new", bytes_written)

    def picture_is_new(self, bytes_written: int | None = None) -> None:
        """The same for the picture's."""
        self.picture.replace(self.kept / "picture-0.new")
        self._shorten(self.kept / "picture-0.new", bytes_written)

    @staticmethod
    def _shorten(path: Path, length: int | None) -> None:
        if length is not None:
            path.write_bytes(path.read_bytes()[:length])


def nothing_written(cut: Cut) -> None:
    cut.envelope.unlink()
    cut.picture.unlink()


def picture_half_written(cut: Cut) -> None:
    cut.envelope.unlink()
    cut.picture_is_new(100)


def envelope_half_written(cut: Cut) -> None:
    cut.envelope_is_new(100)
    cut.picture_is_new()


def both_written(cut: Cut) -> None:
    cut.envelope_is_new()
    cut.picture_is_new()


def picture_renamed(cut: Cut) -> None:
    cut.envelope_is_new()


def envelope_renamed_first(cut: Cut) -> None:
    """A folder that was not synced may have any of its renames."""
    cut.picture_is_new()


def both_renamed(cut: Cut) -> None:
    """Only the row in the index lacks."""


NOT_KEPT = [nothing_written, picture_half_written, envelope_half_written, both_written, picture_renamed]


@pytest.mark.parametrize("state", NOT_KEPT)
def test_what_was_not_wholly_written_is_as_if_never_begun(tmp_path: Path, state: Callable[[Cut], None]) -> None:
    cut = Cut(tmp_path)
    state(cut)
    with opened(tmp_path) as store:
        assert offered(store) == {(cut.chain, 1), (cut.chain, 2)}
        place = keep(store, 4)
        assert (place.chain, place.seq) == (cut.chain, 3)
    assert list(cut.kept.glob("*.new")) == []
    assert_chained(envelopes(tmp_path))


def test_whole_files_without_a_row_are_adopted_and_the_chain_goes_on(tmp_path: Path) -> None:
    cut = Cut(tmp_path)
    both_renamed(cut)
    repaired: list[str] = []
    with opened(tmp_path, repaired.append) as store:
        assert offered(store) == {(cut.chain, seq) for seq in (1, 2, 3)}
        assert (keep(store, 4).chain, keep(store, 5).seq) == (cut.chain, 5)
    assert repaired == [f"{cut.envelope.name} was whole but not in the index, and is now"]
    assert_chained(envelopes(tmp_path))
    with opened(tmp_path, repaired.append) as store:
        assert store.count() == 5
    assert len(repaired) == 1, "what is repaired stays so"


def test_the_first_record_of_a_card_is_adopted_into_its_chain(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        chain = store.place().chain
    index = (tmp_path / "index.db").read_bytes()
    with opened(tmp_path) as store:
        keep(store)
    (tmp_path / "index.db").write_bytes(index)
    with opened(tmp_path) as store:
        place = store.place()
        assert (place.chain, place.seq, offered(store)) == (chain, 2, {(chain, 1)})


def test_an_envelope_without_its_picture_is_left_alone_and_its_place_is_not_taken(tmp_path: Path) -> None:
    cut = Cut(tmp_path)
    envelope_renamed_first(cut)
    evidence = cut.envelope.read_bytes()
    repaired: list[str] = []
    for seq in (1, 2):
        with opened(tmp_path, repaired.append) as store:
            assert (cut.chain, 3) not in offered(store)
            place = keep(store, 4)
            assert place.chain != cut.chain, "another envelope 3 of that chain would be a fork"
            assert place.seq == seq, "a chain is begun once"
    assert cut.envelope.read_bytes() == evidence
    assert repaired == [f"{cut.envelope.name} is not whole and was left alone: it lacks 1 pictures"] * 2


def test_a_card_as_it_is_while_the_unit_runs_is_whole(tmp_path: Path) -> None:
    """A copy of the living card, with SQLite's log beside its database, is what a power cut leaves."""
    with opened(tmp_path / "card") as store:
        for number in range(1, 6):
            keep(store, number)
            shutil.copytree(tmp_path / "card", tmp_path / f"copy-{number}")
    for number in range(1, 6):
        repaired: list[str] = []
        with opened(tmp_path / f"copy-{number}", repaired.append) as store:
            assert (len(offered(store)), store.place().seq, repaired) == (number, number + 1, [])


def test_killed_at_any_moment_a_unit_still_has_all_it_announced(tmp_path: Path, seed: int) -> None:
    chance, announced = random.Random(seed), set[tuple[str, int]]()
    for _ in range(8):
        command = [sys.executable, "-m", "tests.device.keeping_until_killed", str(tmp_path)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as keeping:
            assert keeping.stdout is not None
            for _ in range(chance.randint(1, 6)):
                chain, seq = keeping.stdout.readline().split()
                announced.add((chain, int(seq)))
            try:
                keeping.wait(chance.uniform(0, 0.02))
            except subprocess.TimeoutExpired:
                keeping.kill()
            announced |= {(chain, int(seq)) for chain, seq in map(str.split, keeping.stdout)}
        assert keeping.returncode == -signal.SIGKILL
        with opened(tmp_path) as store:
            assert announced <= offered(store)
        found = envelopes(tmp_path)
        assert announced <= found.keys()
        assert_chained(found)
        assert len({chain for chain, _ in found}) == 1


@pytest.mark.parametrize("steps", range(0, 90, 3))
def test_with_the_power_cut_after_any_step_all_that_was_announced_is_receipted_in_the_end(
    tmp_path: Path, steps: int
) -> None:
    with world(tmp_path) as made:
        made.unit.power_on()
        for step in range(steps):
            if step in (0, 45):
                made.unit.body.camera.lay(picture(acta(step)))
                made.unit.body.press()
            made.clock.step()
        announced = made.shown.count(Signal.KEPT)
        made.unit.cut_power()
        made.power_on()
        records = len(made.records())
        assert announced <= records == made.unit.unit.store.count()
        assert made.scan(acta(99)) is Signal.KEPT
        assert made.settle()
        assert len(made.mesas()) == len(made.records()) == records + 1


def test_after_a_power_cut_the_same_acta_is_kept_once_more_and_is_still_one_mesa(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        for _ in range(2):
            made.power_on()
            assert made.scan(acta()) is Signal.KEPT
            made.unit.cut_power()
        made.power_on()
        assert made.settle()
        assert [record.boot for record in made.records()] == [1, 2]
        assert len(made.mesas()) == 1
