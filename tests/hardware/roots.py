"""The roots: the kernel's small files as a Raspberry Pi has them, in a folder of a test's own; and a stick's socket."""

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hardware.mounter import Mounter

USB = "sys/devices/platform/soc/3f980000.usb/usb1/1-1/1-1:1.0/host0/target0:0:0/0:0:0:0/block"


def write(root: Path, name: str, text: str) -> None:
    """Writes one of the kernel's files, which nobody ever finds half-written."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(f"{text}\n")
    new.replace(path)


class Port:
    """A USB socket of a machine that is not there: what is plugged in is a loop device with a real file system on it.

    Attributes:
        root: the kernel's files.
        folder: where sticks are mounted.
        said: what the mounter told.
        mounter: the real one.
    """

    def __init__(self, folder: Path) -> None:
        self.root, self.folder = folder / "root", folder / "sticks"
        (self.root / "sys/class/block").mkdir(parents=True)
        (self.root / "dev").mkdir()
        self.folder.mkdir()
        self.said: list[str] = []
        self.mounter = self.new_mounter()
        self._loops: list[str] = []

    def new_mounter(self, unmount: str = "umount") -> Mounter:
        """A mounter; where systemd does not run, it asks util-linux's programs (tests/nspawn asks systemd's)."""
        own = os.getuid(), os.getgid()
        return Mounter(self.folder, *own, self.said.append, self.root, {"ext4": ""}, ("mount",), (unmount,))

    def plug(self, image: Path, name: str = "sda1") -> None:
        """Puts a stick in."""
        found = subprocess.run(["losetup", "--find", "--show", image], capture_output=True, check=True, text=True)
        self._loops.append(found.stdout.strip())
        (self.root / "dev" / name).symlink_to(self._loops[-1])
        write(self.root, f"{USB}/{name[:3]}/{name}/partition", "1")
        write(self.root, f"{USB}/{name[:3]}/diskseq", str(len(self._loops)))
        (self.root / "sys/class/block" / name).symlink_to(self.root / USB / name[:3] / name)

    def pull(self, name: str = "sda1") -> None:
        """Pulls it, done or not."""
        (self.root / "sys/class/block" / name).unlink()
        shutil.rmtree(self.root / USB / name[:3])
        (self.root / "dev" / name).unlink()

    def close(self) -> None:
        """Leaves nothing behind."""
        for place in self.folder.iterdir():
            if place.is_mount():
                subprocess.run(["umount", place], check=True)
        for loop in self._loops:
            subprocess.run(["losetup", "--detach", loop], check=True)


@contextmanager
def port(folder: Path) -> Iterator[Port]:
    """A socket; the test is skipped where none can be had."""
    if os.geteuid() != 0 or not Path("/dev/loop-control").exists() or shutil.which("mkfs.ext4") is None:
        pytest.skip("needs root, loop devices and mkfs.ext4 to mount a stick for real")
    made = Port(folder)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def mounting(made: Port) -> Iterator[None]:
    """The mounter at work, beside."""
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(0.01):
            made.mounter.look()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def image(folder: Path, name: str = "stick.img", megabytes: int = 4) -> Path:
    """A stick, with a file system and nothing else on it."""
    path = folder / name
    with path.open("wb") as file:
        file.truncate(megabytes * 1024 * 1024)
    subprocess.run(["mkfs.ext4", "-q", "-F", path], check=True, capture_output=True)
    return path
