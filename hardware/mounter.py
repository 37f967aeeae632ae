"""The mounter: a small program that has systemd mount a USB stick for the unit, and unmount it when the unit asks.

The firmware may ask systemd for nothing: it talks to networks and reads pictures. This program does neither, and trusts
it with nothing but the wish that a stick may be pulled: an empty file of the stick's name in the folder `.release`.
The file is taken away once all that was written is on the stick.

Of all that is put in, only file systems of sticks are mounted (FAT32 and exFAT), and so that nothing on them is run, no
device on them opened and no link followed; what a stick says of owners and rights counts for nothing.

    python -m hardware.mounter --folder /run/testigo-sticks --user testigo

The folder and all above it must be root's alone: who could put a link in its place could have a stick mounted anywhere.
"""

import argparse
import contextlib
import os
import pwd
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from hardware.kernel import Mount, each, mount_table, mounts, value

SAFE = ("nosuid", "nodev", "noexec", "nosymfollow")

OWNED = "uid={uid},gid={gid},umask=0077"
KINDS: Mapping[str, str] = {"vfat": OWNED, "exfat": OWNED}
"""The file systems, each with the options that make all on it the unit's."""

RELEASE = ".release"
"""Hidden from whoever takes each folder here for a stick (testigo-enrol.service)."""

LOOK_SECONDS = 1.0
"""How often to look for sticks: a listing of a few names."""

UNMOUNT_SECONDS_MAX = 600
"""All that was written must get there, however slow the stick is."""

MOUNT = ("systemd-mount", "--quiet", "--collect", "--fsck=no", f"--property=TimeoutSec={UNMOUNT_SECONDS_MAX}")
UNMOUNT = ("systemd-umount", "--quiet")
"""systemd mounts, where all see it, and bounds how long that takes; so this program needs no right to."""


class Mounter:
    """Has sticks mounted and unmounted.

    Args:
        folder: where sticks are mounted, each in a folder of its own, called as the kernel calls it (`sda1`).
        uid, gid: whose the sticks are.
        say: tells a person.
        root: where the kernel's files are.
        kinds: see `KINDS`.
        mount, unmount: the programs that do it; util-linux's take the same options.
    """

    def __init__(
        self,
        folder: Path,
        uid: int,
        gid: int,
        say: Callable[[str], object],
        root: Path = Path("/"),
        kinds: Mapping[str, str] = KINDS,
        mount: Sequence[str] = MOUNT,
        unmount: Sequence[str] = UNMOUNT,
    ) -> None:
        self._folder = folder
        self._options = {
            kind: ",".join((*SAFE, *filter(None, [own.format(uid=uid, gid=gid)]))) for kind, own in kinds.items()
        }
        self._say = say
        self._root = root
        self._by = mount, unmount
        self._wishes = folder / RELEASE
        self._wishes.mkdir(mode=0o700, exist_ok=True)
        os.chown(self._wishes, uid, gid, follow_symlinks=False)
        self._seen = {name: turn_of(root, name) for name in self._mounted()}  # by the mounter of before

    def look(self) -> None:
        """Mounts what is new, unmounts what is gone or was asked for."""
        present = {name: turn_of(self._root, name) for name in self._sticks()}
        # systemd unmounts what was pulled too, but not while somebody has a file of it open: so here, until it can be.
        for name in sorted(name for name in self._mounted() if present.get(name, "gone") != self._seen.get(name)):
            self._unmount(name)
        mounted = self._mounted()
        for wish in each(self._wishes):
            if wish.name not in mounted or self._unmount(wish.name):
                with contextlib.suppress(OSError):  # whatever else the unit has put there is its own affair
                    wish.unlink()
        for name in sorted(self._seen.keys() - present.keys()):
            _remove(self._folder / name)
        for name in sorted(name for name, turn in present.items() if self._seen.get(name) != turn):
            self._mount(name)
        self._seen = present

    def _mounted(self) -> set[str]:
        """What is mounted of sticks, by whomever: systemd may be late, or have unmounted by itself what was pulled."""
        return {mount.place.name for mount in _all_mounts() if mount.place.parent == self._folder}

    def _sticks(self) -> Iterator[str]:
        """What is on USB and can have a file system: partitions, and whole disks that have none.

        A disk that the system itself has anything of mounted is no stick: there are units that start from USB.
        """
        used = {mount.device for mount in _all_mounts() if mount.place.parent != self._folder}
        for entry in each(self._root / "sys/class/block"):
            place = entry.resolve()
            disk = place.parent if (place / "partition").exists() else place
            is_usb = any(part.startswith("usb") for part in place.parts)
            has_parts = place == disk and any(place.glob("*/partition"))
            if is_usb and not has_parts and used.isdisjoint(map(value, (disk / "dev", *disk.glob("*/dev")))):
                yield entry.name

    def _mount(self, name: str) -> None:
        place, device = self._folder / name, self._root / "dev" / name
        place.mkdir(mode=0o755, exist_ok=True)
        for kind, options in self._options.items():
            if _done(*self._by[0], "-t", kind, "-o", options, str(device), str(place)):
                self._say(f"stick {name}: mounted ({kind})")
                return
        _remove(place)
        self._say(
            f"stick {name}: it is none of {', '.join(self._options)}, or broken: format it anew, or put in another"
        )

    def _unmount(self, name: str) -> bool:
        """Whether it is unmounted, with all that was written on it."""
        place = self._folder / name
        if not _done(*self._by[1], str(place)):
            return False
        _remove(place)
        self._say(f"stick {name}: unmounted")
        return True


def _all_mounts() -> list[Mount]:
    with mount_table() as table:
        return list(mounts(table.read()))


def _remove(place: Path) -> None:
    with contextlib.suppress(OSError):  # what is in the way is not the stick's, and the next one is mounted over it
        place.rmdir()


def turn_of(root: Path, name: str) -> str:
    """Which of all disks ever put in since the start this is: one pulled and put in again is another; empty if gone.

    Only the disk itself says it, not its partitions.
    """
    place = (root / "sys/class/block" / name).resolve()
    return value(place / "diskseq") or value(place.parent / "diskseq") or ""


def _done(*command: str) -> bool:
    """Whether a program did what it was told."""
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def main(arguments: list[str] | None = None) -> int:
    """Mounts and unmounts until told to stop; returns the exit status."""
    parser = argparse.ArgumentParser(
        "hardware.mounter", description="Mounts USB sticks for a unit; needs root's rights."
    )
    parser.add_argument("--folder", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--user", default="testigo", metavar="NAME", help="the unit's user")
    options = parser.parse_args(arguments)
    try:
        user = pwd.getpwnam(options.user)
        options.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        for folder in (options.folder, *options.folder.absolute().parents):
            found = folder.lstat()
            if found.st_uid != 0 or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                print(f"hardware.mounter: {folder} is not root's alone: choose another folder", file=sys.stderr)
                return 2
        mounter = Mounter(options.folder, user.pw_uid, user.pw_gid, lambda words: print(words, flush=True))
    except KeyError:
        print(f"hardware.mounter: there is no user {options.user}: say --user NAME", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"hardware.mounter: {options.folder}: {error.strerror}: run it as root", file=sys.stderr)
        return 2
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    mounter.look()
    while signal.sigtimedwait(ends, LOOK_SECONDS) is None:
        mounter.look()
    return 0  # what is mounted still is unmounted by systemd, or by the next mounter


if __name__ == "__main__":
    sys.exit(main())
