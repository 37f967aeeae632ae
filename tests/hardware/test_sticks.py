"""The socket for sticks: what is mounted, how, and what the unit is told; on loop devices, by the real mounter."""

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue

import pytest

from device.ports import BodyEvent, PartMissing, Stick, StickIn, StickOut, StickWorked
from hardware import kernel
from hardware.kernel import MOUNTS, Mount, mount_table, mounts
from hardware.mounter import KINDS, RELEASE, SAFE, Mounter, main
from hardware.sticks import RELEASE_LOOK_SECONDS, Socket, mounts_in
from tests.hardware.roots import USB, Port, image, mounting, port, write

SECONDS = 30


class Watched:
    """A socket that is watched, and what is posted of it."""

    def __init__(self, made: Port) -> None:
        self.posted: Queue[BodyEvent] = Queue()
        self.socket = Socket(made.folder, self.posted.put, made.root, seconds=0.01)

    def stick(self) -> Stick:
        event = self.posted.get(timeout=SECONDS)
        assert isinstance(event, StickIn)
        return event.stick

    def next(self) -> BodyEvent:
        return self.posted.get(timeout=SECONDS)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Port]:
    with port(tmp_path) as made:
        yield made


@pytest.fixture
def watched(here: Port) -> Iterator[Watched]:
    made = Watched(here)
    yield made
    made.socket.close()


def table(here: Port) -> dict[str, frozenset[str]]:
    found = mounts_in(Path("/proc/self/mountinfo").read_text(), here.folder)
    return {name: mount.options for name, mount in found.items()}


def test_a_stick_is_mounted_so_that_nothing_on_it_is_run_opened_or_followed(here: Port, tmp_path: Path) -> None:
    here.plug(image(tmp_path))
    here.mounter.look()
    assert set(SAFE) == {"nosuid", "nodev", "noexec", "nosymfollow"}
    assert table(here)["sda1"] >= set(SAFE)
    place = here.folder / "sda1"
    (place / "program").write_text("#!/bin/sh\n")
    (place / "program").chmod(0o755)
    with pytest.raises(PermissionError):
        subprocess.run([place / "program"], check=False)
    (place / "link").symlink_to("/etc/passwd")
    with pytest.raises(OSError, match="symbolic links"):
        (place / "link").read_text()
    os.mknod(place / "null", 0o666 | 0o020000, os.makedev(1, 3))
    with pytest.raises(PermissionError):
        (place / "null").read_bytes()


def test_on_the_file_systems_of_real_sticks_all_is_the_units_own() -> None:
    assert list(KINDS) == ["vfat", "exfat"]
    assert {options.format(uid=7, gid=8) for options in KINDS.values()} == {"uid=7,gid=8,umask=0077"}


def test_what_is_no_stick_of_ours_is_told_once_and_left_alone(here: Port, tmp_path: Path) -> None:
    rubbish = tmp_path / "rubbish.img"
    rubbish.write_bytes(bytes(2_000_000))
    here.plug(rubbish)
    for _ in range(3):
        here.mounter.look()
    assert here.said == ["stick sda1: it is none of ext4, or broken: format it anew, or put in another"]
    assert table(here) == {}
    assert sorted(path.name for path in here.folder.iterdir()) == [RELEASE]


def test_a_disk_that_is_not_on_usb_is_no_stick(here: Port, tmp_path: Path) -> None:
    here.plug(image(tmp_path))
    entry = here.root / "sys/class/block/sda1"
    entry.unlink()
    entry.mkdir()
    here.mounter.look()
    assert (table(here), here.said) == ({}, [])


def test_a_disk_with_partitions_is_not_mounted_as_a_whole(here: Port, tmp_path: Path) -> None:
    here.plug(image(tmp_path))
    (here.root / "sys/class/block/sda").symlink_to((here.root / "sys/class/block/sda1").resolve().parent)
    here.mounter.look()
    assert list(table(here)) == ["sda1"]


def test_a_stick_that_was_in_before_the_unit_is_told(here: Port, tmp_path: Path) -> None:
    here.plug(image(tmp_path))
    here.mounter.look()
    watched = Watched(here)
    assert watched.stick().folder == here.folder / "sda1"
    watched.socket.close()


def test_the_second_of_two_sticks_comes_when_the_first_is_out(here: Port, watched: Watched, tmp_path: Path) -> None:
    with mounting(here):
        here.plug(image(tmp_path, "a"), "sda1")
        first = watched.stick()
        here.plug(image(tmp_path, "b"), "sdb1")
        first.beside(first.release)
        assert watched.next() == StickWorked(first, None)
        here.pull("sda1")
        assert watched.next() == StickOut(first)
        assert watched.stick().folder == here.folder / "sdb1"


def test_what_was_written_is_there_when_the_stick_comes_back(here: Port, watched: Watched, tmp_path: Path) -> None:
    of_stick = image(tmp_path)
    with mounting(here):
        here.plug(of_stick)
        stick = watched.stick()
        stick.beside(lambda: (stick.folder / "kept").write_text("whole"))
        stick.beside(stick.release)
        assert [watched.next(), watched.next()] == [StickWorked(stick, 5), StickWorked(stick, None)]
        assert table(here) == {}
        here.pull()
        assert watched.next() == StickOut(stick)
        here.plug(of_stick)
        assert (watched.stick().folder / "kept").read_text() == "whole"


def test_a_released_stick_is_not_mounted_again_while_it_is_in(here: Port, watched: Watched, tmp_path: Path) -> None:
    here.plug(image(tmp_path))
    with mounting(here):
        stick = watched.stick()
        stick.beside(stick.release)
        assert watched.next() == StickWorked(stick, None)
    for _ in range(3):
        here.mounter.look()
    assert table(here) == {}
    assert watched.posted.empty()


def test_a_stick_that_is_in_use_is_released_later(here: Port, watched: Watched, tmp_path: Path) -> None:
    here.plug(image(tmp_path))
    here.mounter.look()
    stick = watched.stick()
    with (stick.folder / "open").open("w"):
        stick.beside(stick.release)
        wish = here.folder / ".release/sda1"
        while not wish.exists():
            pass
        here.mounter.look()
        assert list(table(here)) == ["sda1"]
    here.mounter.look()
    assert watched.next() == StickWorked(stick, None)
    assert not wish.exists()


def test_a_stick_that_is_pulled_while_it_is_released_is_not_released(
    here: Port, watched: Watched, tmp_path: Path
) -> None:
    here.plug(image(tmp_path))
    here.mounter.look()
    stick = watched.stick()
    stick.beside(stick.release)
    while not (here.folder / ".release/sda1").exists():
        pass
    here.pull()
    here.mounter.look()
    found = [watched.next(), watched.next()]
    (worked,) = [event for event in found if isinstance(event, StickWorked)]
    assert isinstance(worked.outcome, OSError)
    assert worked.outcome.errno == errno.ENODEV
    assert StickOut(stick) in found
    assert here.said[-1] == "stick sda1: unmounted"


def test_a_mount_that_is_not_safe_is_refused_in_a_sentence(here: Port, watched: Watched, tmp_path: Path) -> None:
    of_stick = image(tmp_path)
    place = here.folder / "sda1"
    place.mkdir()
    subprocess.run(["mount", "-o", "loop,nosuid,nodev", of_stick, place], check=True)
    try:
        here.plug(of_stick)
        told = watched.next()
        assert told == PartMissing(
            "the stick sda1 is mounted without noexec, nosymfollow: let hardware.mounter mount it"
        )
        assert watched.posted.empty()
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_wish_for_what_is_not_a_stick_does_nothing(here: Port, tmp_path: Path) -> None:
    for name in ("sda1", RELEASE, ".."):
        if name != "..":
            (here.folder / RELEASE / name).touch()
    here.plug(image(tmp_path))
    here.mounter.look()
    here.mounter.look()
    assert list(table(here)) == ["sda1"]  # the wish was there before the stick was, and is not for it


def test_only_the_units_user_can_wish(tmp_path: Path) -> None:
    (tmp_path / "sticks").mkdir(mode=0o755)
    Mounter(tmp_path / "sticks", os.getuid(), os.getgid(), lambda _words: None, tmp_path)
    assert (tmp_path / "sticks" / RELEASE).stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "sticks").stat().st_mode & 0o777 == 0o755


def test_the_disk_that_the_system_runs_from_is_no_stick_though_it_is_on_usb(here: Port, tmp_path: Path) -> None:
    here.plug(image(tmp_path))
    at = next(mount.device for mount in mounts(MOUNTS.read_text()) if mount.place == Path("/"))
    write(here.root, f"{USB}/sda/sda2/partition", "2")
    write(here.root, f"{USB}/sda/sda2/dev", at)
    here.mounter.look()
    assert (table(here), here.said) == ({}, [])


def test_a_stick_is_released_once_its_unmounting_has_ended_and_not_before(
    here: Port, watched: Watched, tmp_path: Path
) -> None:
    """The kernel takes it from the table of mounts first, and writes to it what it had not written yet after that."""
    gate, slow = tmp_path / "gate", tmp_path / "slow"
    os.mkfifo(gate)
    slow.write_text(f'#!/bin/sh\numount "$1" && read ended <{gate}\n')
    slow.chmod(0o755)
    here.mounter = here.new_mounter(str(slow))
    here.plug(image(tmp_path))
    with mounting(here):
        stick = watched.stick()
        stick.beside(stick.release)
        while table(here):
            pass
        try:
            with pytest.raises(Empty):
                watched.posted.get(timeout=3 * RELEASE_LOOK_SECONDS)
        finally:
            gate.write_text("ended\n")
        assert watched.next() == StickWorked(stick, None)


def test_a_stick_that_is_pulled_while_a_file_of_it_is_open_is_unmounted_when_that_is_closed(
    here: Port, tmp_path: Path
) -> None:
    here.plug(image(tmp_path))
    here.mounter.look()
    with (here.folder / "sda1/open").open("w"):
        here.pull()
        here.mounter.look()
        assert list(table(here)) == ["sda1"]
    here.mounter.look()
    assert table(here) == {}
    assert not (here.folder / "sda1").exists()


def test_what_systemd_has_unmounted_itself_is_forgotten(here: Port, tmp_path: Path) -> None:
    of_stick = image(tmp_path)
    here.plug(of_stick)
    here.mounter.look()
    here.pull()
    subprocess.run(["umount", here.folder / "sda1"], check=True)
    here.mounter.look()
    assert not (here.folder / "sda1").exists()
    here.plug(of_stick)
    here.mounter.look()
    assert list(table(here)) == ["sda1"]


def test_a_mounter_that_was_killed_goes_on_where_it_was(here: Port, watched: Watched, tmp_path: Path) -> None:
    here.plug(image(tmp_path))
    here.mounter.look()
    stick = watched.stick()
    here.mounter = here.new_mounter()
    here.mounter.look()
    assert here.said == ["stick sda1: mounted (ext4)"]
    with mounting(here):
        stick.beside(stick.release)
        assert watched.next() == StickWorked(stick, None)
    assert table(here) == {}


def test_a_mount_whose_name_is_no_text_hides_no_stick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "MOUNTS", tmp_path / "mountinfo")
    kernel.MOUNTS.write_bytes(  # as a desktop calls one after its label
        b"36 35 8:17 / /media/caf\xe9\r\xe2\x80\xa8 rw - vfat /dev/sdb1 rw\n"
        b"37 35 8:1 / /run/sticks/sda1 rw,nosuid - vfat /dev/sda1 rw\n"
    )
    with mount_table() as opened:
        found = mounts_in(opened.read(), Path("/run/sticks"))
    assert found == {"sda1": Mount("8:1", Path("/run/sticks/sda1"), frozenset({"rw", "nosuid"}))}


def test_a_wish_that_is_no_file_stops_nobody(here: Port, watched: Watched, tmp_path: Path) -> None:
    here.plug(image(tmp_path))
    here.mounter.look()
    watched.stick()
    (here.folder / ".release/sda1").mkdir()
    here.mounter.look()
    here.mounter.look()
    assert table(here) == {}


def test_a_folder_that_others_can_write_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, as the mounter does")
    tmp_path.chmod(0o777)
    assert main(["--folder", str(tmp_path / "sticks"), "--user", "root"]) == 2
    assert capsys.readouterr().err == f"hardware.mounter: {tmp_path} is not root's alone: choose another folder\n"


def test_a_user_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["--folder", str(tmp_path), "--user", "nobody-of-that-name"]) == 2
    assert capsys.readouterr().err == ("hardware.mounter: there is no user nobody-of-that-name: say --user NAME\n")
