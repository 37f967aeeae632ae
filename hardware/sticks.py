"""The socket for sticks: what the unit sees of a stick that `hardware.mounter` mounts, from the mount table alone.

A stick is in once it is mounted safely, and out once the kernel has it no more: between its release and that, it is
safe to pull, and still there.
"""

import errno
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

from device.ports import PartMissing, Post, StickIn, StickOut, StickWorked
from hardware.kernel import Mount, mount_tables, mounts
from hardware.mounter import RELEASE, SAFE, UNMOUNT_SECONDS_MAX, turn_of

FOLDER = Path("/run/testigo-sticks")
"""Where the mounter mounts them, unless it is told otherwise."""

LOOK_SECONDS = 1.0
"""How often to look whether a stick is still there; a new mount wakes the thread by itself."""

RELEASE_LOOK_SECONDS = 0.1
"""How often to look whether it may be pulled: somebody stands there with a hand on it."""


def mounts_in(table: str, folder: Path) -> dict[str, Mount]:
    """What is mounted directly in a folder, by name."""
    return {mount.place.name: mount for mount in mounts(table) if mount.place.parent == folder}


class Socket:
    """Watches for sticks, one at a time, and works beside the unit.

    Args:
        folder: where sticks are mounted.
        post: the inbox.
        root: where the kernel's files are.
        seconds: how often to look.
    """

    def __init__(self, folder: Path, post: Post, root: Path = Path("/"), seconds: float = LOOK_SECONDS) -> None:
        self._folder = folder
        self._post = post
        self._root = root
        self._seconds = seconds
        self._refused: set[str] = set()
        self._closed = threading.Event()
        if not folder.is_dir():
            post(PartMissing(f"no stick can be used: there is no {folder}: start hardware.mounter (docs/on-device.md)"))
        self.works: SimpleQueue[tuple[PiStick, Callable[[], object]] | None] = SimpleQueue()
        for name, task in (("sticks", self._watch), ("beside", self._work)):
            threading.Thread(target=task, name=name, daemon=True).start()

    def close(self) -> None:
        """Watches no more."""
        self._closed.set()
        self.works.put(None)

    def turn_of(self, name: str) -> str:
        """Which turn the stick of that name is; empty when there is none."""
        return turn_of(self._root, name)

    def _watch(self) -> None:
        stick: PiStick | None = None
        for table in mount_tables(self._seconds):
            if self._closed.is_set():
                return
            found = mounts_in(table, self._folder)
            if stick is not None and not stick.is_in:
                self._post(StickOut(stick))
                stick = None
            self._refused &= found.keys()
            for name, mount in found.items():
                if stick is None and name not in self._refused and self.turn_of(name):
                    stick = self._take(name, mount)

    def _take(self, name: str, mount: Mount) -> "PiStick | None":
        lacking = [option for option in SAFE if option not in mount.options]
        if lacking:
            self._refused.add(name)
            self._post(
                PartMissing(f"the stick {name} is mounted without {', '.join(lacking)}: let hardware.mounter mount it")
            )
            return None
        stick = PiStick(self, name, mount.place, self._folder / RELEASE)
        self._post(StickIn(stick))
        return stick

    def _work(self) -> None:
        while (task := self.works.get()) is not None:
            stick, work = task
            outcome: object
            try:
                outcome = work() if stick.is_in else _gone()
            except Exception as error:  # noqa: BLE001  it is the unit's to tell what failed from what cannot be
                outcome = error
            self._post(StickWorked(stick, outcome))


class PiStick:
    """A stick in the socket.

    Attributes:
        name: as the kernel calls it.
        folder: where it is mounted.
    """

    def __init__(self, socket: Socket, name: str, folder: Path, wishes: Path) -> None:
        self.name = name
        self.folder = folder
        self._turn = socket.turn_of(name)
        self._is_released = False
        self._socket = socket
        self._wishes = wishes

    @property
    def is_in(self) -> bool:
        """Whether it is still there, and not another in its place."""
        return self._socket.turn_of(self.name) == self._turn

    def beside(self, work: Callable[[], object]) -> None:
        """Does it on the socket's thread."""
        self._socket.works.put((self, work))

    def release(self) -> None:
        """Asks the mounter to unmount it, and waits until it has: then all that was written is there.

        It is gone from the table of mounts before that, so only the mounter's word counts.

        Raises:
            OSError: it was pulled, or is not unmounted in the time that the slowest stick needs.
        """
        if self._is_released:
            return
        if not os.path.ismount(self.folder):
            raise _gone()
        wish = self._wishes / self.name
        wish.touch()
        end = time.monotonic() + UNMOUNT_SECONDS_MAX
        for _ in mount_tables(RELEASE_LOOK_SECONDS):
            if not wish.exists():
                break
            if not self.is_in:
                raise _gone()
            if time.monotonic() > end:
                raise OSError(errno.EBUSY, "it is not unmounted: see whether hardware.mounter runs")
        if not self.is_in:
            raise _gone()
        self._is_released = True


def _gone() -> OSError:
    return OSError(errno.ENODEV, os.strerror(errno.ENODEV))
