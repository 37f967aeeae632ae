"""The bad stick: full, locked, of another deployment, no stick at all: told in one sentence, and nothing is lost."""

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from device.folder import Folder
from device.log import Event
from device.signals import Signal
from tests.device.controlling import move
from tests.device.field import Field, field, logged, own
from wire.package import FILE


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Field]:
    with field(tmp_path) as made:
        yield made


@contextmanager
def mounted(folder: Path, kilobytes: int, *options: str) -> Iterator[Path]:
    """A file system of its own in a file, mounted: as small, or as locked, as is asked for."""
    if os.geteuid() or not shutil.which("mkfs.ext4"):
        pytest.skip("a file system can be mounted by root only, and mkfs.ext4 makes one")
    image, stick = folder / "stick.img", folder / "mounted"
    stick.mkdir(exist_ok=True)
    if not image.exists():
        with image.open("wb") as file:
            file.truncate(kilobytes * 1024)
        subprocess.run(["mkfs.ext4", "-q", "-O", "^has_journal", "-m", "0", "-N", "256", image], check=True)
    ended = subprocess.run(
        ["mount", "-o", ",".join(["loop", *options]), image, stick], capture_output=True, check=False
    )
    if ended.returncode:
        pytest.skip(f"this machine mounts no loop device: {ended.stderr.decode()}")
    try:
        yield stick
    finally:
        subprocess.run(["umount", stick], check=True)


def test_a_full_stick_is_told_and_has_all_records_some_pictures_and_room_for_receipts(
    here: Field, tmp_path: Path
) -> None:
    (unit,) = here.units
    here.scan(unit, *range(60))
    with mounted(tmp_path, 1300) as stick:
        assert here.visit(unit, stick) is Signal.STICK_BAD
        assert "it is full: what is whole on it counts: put in another" in logged(unit, Event.STICK_BAD)[0]
        (first, *_) = here.imported(stick)
        assert first.startswith(f"{unit.name}: imported 60 records, ")
        assert here.waiting(unit) == 60
        here.visit(unit, stick)
        assert here.waiting(unit) < 60, "there was no room left for the receipt"
    assert here.visit(unit, here.stick("larger")) is Signal.STICK_DONE
    here.imported(here.stick("larger"))
    here.visit(unit, here.stick("larger"))
    assert here.waiting(unit) == 0


def test_a_locked_stick_is_told_and_nothing_is_lost(here: Field, tmp_path: Path) -> None:
    (unit,) = here.units
    here.scan(unit, 1)
    with mounted(tmp_path, 2048, "ro") as stick:
        assert here.visit(unit, stick) is Signal.STICK_BAD
    assert "it cannot be written: slide its lock back" in logged(unit, Event.STICK_BAD)[0]
    with mounted(tmp_path, 2048) as stick:
        assert here.visit(unit, stick) is Signal.STICK_DONE


def test_a_stick_of_another_deployment_is_named_and_left_alone(here: Field) -> None:
    (unit,), stick = here.units, here.stick()
    here.scan(unit, 1)
    (stick / "testigo" / "last-year" / "u-somebody").mkdir(parents=True)
    before = sorted(stick.rglob("*"))
    assert here.visit(unit, stick) is Signal.STICK_BAD
    assert (
        'why="it is of the deployment last-year, this unit is of trial: put in another"'
        in logged(unit, Event.STICK_BAD)[0]
    )
    assert sorted(stick.rglob("*")) == before


@pytest.mark.parametrize("level", ["testigo", "testigo/trial", "testigo/trial/UNIT"])
@pytest.mark.parametrize("what", ["file", "link"])
def test_what_stands_where_a_folder_should_is_no_way_in(here: Field, tmp_path: Path, level: str, what: str) -> None:
    (unit,), stick = here.units, here.stick()
    here.scan(unit, 1)
    place = stick / level.replace("UNIT", unit.name)
    place.parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "elsewhere").mkdir()
    if what == "file":
        place.write_bytes(b"")
    else:
        place.symlink_to(tmp_path / "elsewhere")
    assert here.visit(unit, stick) is Signal.STICK_BAD
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert here.waiting(unit) == 1


def test_a_stick_that_is_gone_is_told(here: Field, tmp_path: Path) -> None:
    (unit,) = here.units
    here.scan(unit, 1)
    assert here.visit(unit, tmp_path / "nothing") is Signal.STICK_BAD
    assert "No such file or directory: it failed, or was pulled too early" in logged(unit, Event.STICK_BAD)[0]


def test_the_link_is_shown_again_a_while_after_a_bad_stick(here: Field, tmp_path: Path) -> None:
    (unit,) = here.units
    here.scan(unit, 1)
    here.put_in(unit, tmp_path / "nothing")
    lamps = []
    for wait_ms in (2_000, 15_000):
        here.clock.run(wait_ms)
        lamps.append(unit.shown[-1])
    assert lamps == [Signal.STICK_BAD, Signal.LINK_WAITING]


def test_thousands_of_files_of_no_meaning_do_not_hinder_an_export(here: Field) -> None:
    (unit,), stick = here.units, here.stick()
    here.scan(unit, 1)
    own(stick, unit).mkdir(parents=True)
    for number in range(3_000):
        (own(stick, unit) / f"hub-{number}-{'0' * 32}.receipt").write_bytes(b"")
    assert here.visit(unit, stick) is Signal.STICK_DONE
    assert here.imported(stick) == [f"{unit.name}: imported 1 record, 1 picture"]


@pytest.mark.parametrize("name", [FILE, "hub-a.move"])
def test_a_file_that_cannot_be_read_is_told_and_everything_goes_out_all_the_same(
    here: Field, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (unit,), stick = here.units, here.stick()
    here.scan(unit, 1)
    (stick / "testigo" / "trial").mkdir(parents=True)
    for bad in (stick / FILE, stick / "testigo" / "trial" / "hub-a.move"):
        bad.write_bytes(b"rot")
    read = Folder.pieces

    def pieces(folder: Folder, asked: str, bytes_max: int) -> Iterator[bytes]:
        if asked == name:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read(folder, asked, bytes_max)

    monkeypatch.setattr(Folder, "pieces", pieces)
    assert here.visit(unit, stick) is Signal.STICK_DONE
    assert len(list(own(stick, unit).glob("*.envelope"))) == 1
    (line,) = [*logged(unit, Event.PACKAGE_REFUSED), *logged(unit, Event.CONTROL_REFUSED)][name != FILE :][:1]
    assert f"{name}: Input/output error" in line


def test_what_the_card_cannot_file_of_a_stick_does_not_keep_its_records_from_going_out(here: Field) -> None:
    (unit,), stick = here.units, here.stick()
    here.scan(unit, 1)
    (stick / "testigo" / "trial").mkdir(parents=True)
    (stick / "testigo" / "trial" / "hub-a.move").write_bytes(move(here.deployed, 0, 5, 1900))
    (unit.settings.card / "standing.new").mkdir()  # the card refuses what is to be remembered
    assert here.visit(unit, stick) is Signal.STICK_DONE
    assert len(list(own(stick, unit).glob("*.envelope"))) == 1
    assert logged(unit, Event.CARD_BAD)
    (unit.settings.card / "standing.new").rmdir()
    here.visit(unit, stick)
    assert logged(unit, Event.MOVED)
