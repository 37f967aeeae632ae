"""The failing card: whichever call the kernel refuses, nothing announced is lost, and no fault goes unseen."""

import errno
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from device.signals import Signal
from device.store import CardError
from tests.crash.failing import Case, Lived, cases, live, sample
from tests.crash.life import Life
from tests.crash.oracle import BrokenPromiseError, judge
from tests.device.cards import keep, opened

SAMPLE = 20
"""Two of each call."""

Begun = tuple[Path, Lived]


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Begun:
    """A good card with two records, one of which may be purged."""
    card = tmp_path_factory.mktemp("begun") / "card"
    lived = live(card, (), (1, 2), None)
    assert lived.verdicts == (Signal.KEPT.word,) * 2
    return card, lived


def on_failing_card(begun: Begun, folder: Path, case: Case) -> str:
    """Three records are to be kept while the card fails, and then it is good again; what is broken, in words."""
    card = folder / str(case).replace(" ", "-")
    shutil.copytree(begun[0], card)
    lived = live(card, begun[1].said, (3, 4, 5), case)
    if not set(lived.verdicts) <= {Signal.KEPT.word, Signal.FAULT.word}:
        return f"{case}: a person saw {lived.verdicts}"
    if case.is_once and not lived.fault and lived.verdicts.count(Signal.KEPT.word) < 3:
        return f"{case}: capture did not go on after one failure: {lived.verdicts}"
    try:
        judge(card, lived.said)
    except BrokenPromiseError as broken:
        return f"{case}: {broken}"
    shutil.rmtree(card)
    return ""


def test_whatever_fails_on_a_card_nothing_announced_is_lost_and_nothing_half_is_offered(
    begun: Begun, tmp_path: Path, seed: int
) -> None:
    broken = [on_failing_card(begun, tmp_path, case) for case in sample(SAMPLE, seed)]
    assert not any(broken), list(filter(None, broken))


@pytest.mark.hunt
@pytest.mark.parametrize("case", cases(), ids=str)
def test_each_failure_of_a_card(begun: Begun, tmp_path: Path, case: Case) -> None:
    assert on_failing_card(begun, tmp_path, case) == ""


def test_after_the_names_could_not_be_synced_the_fault_is_shown_and_the_next_press_keeps(
    begun: Begun, tmp_path: Path
) -> None:
    card = tmp_path / "card"
    shutil.copytree(begun[0], card)
    lived = live(card, begun[1].said, (3,), Case("fsync", "EIO", "3"))  # that of the card, of the envelope, of names
    assert lived.verdicts == (Signal.FAULT.word, Signal.KEPT.word)
    judge(card, lived.said)


def test_a_sync_that_failed_is_not_believed_when_it_then_succeeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the card was to write before may be gone from memory: it is written again."""
    fsync, failures = os.fsync, iter([OSError(errno.EIO, "Input/output error")])

    def failing_once(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            for failure in failures:
                raise failure
        fsync(handle)

    with opened(tmp_path) as store:
        monkeypatch.setattr(os, "fsync", failing_once)
        with pytest.raises(CardError, match="record 1 could not be written"):
            keep(store)
        written = {path.name: path.stat().st_ino for path in store.folder.iterdir()}
        store.recover()
        again = {path.name: path.stat().st_ino for path in store.folder.iterdir()}
        assert again.keys() == written.keys()
        assert all(again[name] != inode for name, inode in written.items())
        assert [kept.seq for kept in store.waiting(1)] == [1]


def mounted(card: Path, image: Path) -> bool:
    """Mounts an ext4 of 24 MB that becomes read-only with its first error; whether that could be done."""
    if not image.exists():
        with image.open("wb") as file:
            file.truncate(24 * 1024 * 1024)
        if subprocess.run(["mkfs.ext4", "-q", image], check=False).returncode:
            return False
    command = ("mount", "-o", "loop,errors=remount-ro", image, card)
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a card of its own")
def test_a_card_that_becomes_read_only_while_the_unit_runs_is_shown_and_goes_on_once_it_is_mounted_again(
    tmp_path: Path,
) -> None:
    card, image = tmp_path / "card", tmp_path / "image"
    card.mkdir()
    if not mounted(card, image):
        pytest.skip("root may not mount a loop device here, or mkfs.ext4 is missing")
    said: list[str] = []
    try:
        life = Life(card, said.append)
        assert [life.scan(mesa) for mesa in (1, 2)] == [Signal.KEPT] * 2
        device = subprocess.run(["findmnt", "-no", "SOURCE", card], check=True, capture_output=True, text=True).stdout
        Path(f"/sys/fs/ext4/{Path(device.strip()).name}/trigger_fs_error").write_text("1")
        assert life.scan(3) is Signal.FAULT
        life.unit.close()
        subprocess.run(["umount", card], check=True)
        assert mounted(card, image)
        judge(card, said)
    finally:
        subprocess.run(["umount", "--lazy", card], check=True)
