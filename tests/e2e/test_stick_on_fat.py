"""The stick as it is sold: FAT32 and exFAT in a file of their own, with the hub's own program at the other end."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from device.log import Event
from device.signals import Signal
from tests.device.field import Field, field, logged, own

ROOT = Path(__file__).parents[2]
SECONDS = 60
MEGABYTES = 40
"""FAT32 is never smaller than 33."""

pytestmark = pytest.mark.e2e


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Field]:
    with field(tmp_path) as made:
        yield made


class Plugged:
    """A stick in its socket: the kernel's own driver where it has one, a program of that name (FUSE) where not."""

    def __init__(self, image: Path, folder: Path, kind: str) -> None:
        self._folder, self._device = folder, ""
        self._driver: subprocess.Popen[bytes] | None = None
        folder.mkdir(exist_ok=True)
        kernels = ["mount", "-t", kind, "-o", "loop,nosuid,nodev,noexec", str(image), str(folder)]
        if subprocess.run(kernels, capture_output=True, check=False).returncode == 0:
            return
        if kind == "vfat":
            command = ["fusefat", "-f", "-o", "rw+", str(image), str(folder)]
        else:
            lost = ["losetup", "--find", "--show", str(image)]
            self._device = subprocess.run(lost, capture_output=True, check=True, text=True).stdout.strip()
            command = ["mount.exfat-fuse", "-d", self._device, str(folder)]
        if shutil.which(command[0]) is None:
            self.out()
            pytest.skip(f"neither the kernel nor a program {command[0]} can mount {kind} here")
        self._driver = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not os.path.ismount(folder):
            assert self._driver.poll() is None, f"{command[0]} ended"
            time.sleep(0.01)

    def pull(self) -> None:
        """Pulls it without a word: nothing on it answers any more."""
        if self._driver is None:
            pytest.skip("the kernel's own driver cannot be pulled out from under a loop device")
        self._driver.send_signal(signal.SIGKILL)
        self._driver.wait(SECONDS)

    def out(self) -> None:
        """Unmounts it, pulled or not."""
        if os.path.ismount(self._folder) or self._driver is not None:
            subprocess.run(["umount", self._folder], check=True)
        if self._driver is not None:
            self._driver.wait(SECONDS)
        if self._device:
            subprocess.run(["losetup", "--detach", self._device], check=True)


@contextmanager
def plugged(image: Path, folder: Path, kind: str) -> Iterator[Plugged]:
    stick = Plugged(image, folder, kind)
    try:
        yield stick
    finally:
        stick.out()


@pytest.fixture(params=["vfat", "exfat"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def image(tmp_path: Path, kind: str) -> Path:
    """A stick of that kind, empty."""
    if os.geteuid() or shutil.which(f"mkfs.{kind}") is None:
        pytest.skip(
            f"a stick is mounted by root only, and mkfs.{kind} makes one: apt-get install dosfstools exfatprogs"
        )
    image = tmp_path / "stick.img"
    with image.open("wb") as file:
        file.truncate(MEGABYTES << 20)
    options = ["-F", "32"] if kind == "vfat" else []
    subprocess.run([f"mkfs.{kind}", *options, image], check=True, stdout=subprocess.DEVNULL)
    return image


def hub(here: Field, *arguments: str | Path) -> tuple[int, list[str], str]:
    command = (sys.executable, "-m", "hub", *arguments, "--settings", here.deployed.hub)
    ended = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=SECONDS)
    return ended.returncode, ended.stdout.splitlines(), ended.stderr


def test_a_stick_goes_from_the_unit_to_the_hub_and_back(here: Field, image: Path, kind: str, tmp_path: Path) -> None:
    (unit,), socket, desk = here.units, tmp_path / "socket", tmp_path / "desk"
    here.scan(unit, 1, 2, 3)
    with plugged(image, socket, kind):
        assert here.visit(unit, socket) is Signal.STICK_DONE, logged(unit, Event.STICK_BAD)
    with plugged(image, desk, kind):
        assert hub(here, "import", desk, "--dry-run")[:2] == (0, [f"{unit.name}: will import 3 records, 3 pictures"])
        assert hub(here, "import", desk)[:2] == (0, [f"{unit.name}: imported 3 records, 3 pictures"])
        before = {file.name: file.read_bytes() for file in own(desk, unit).iterdir()}
        code, lines, _ = hub(here, "import", desk)
        assert (code, lines[0]) == (0, f"{unit.name}: imported nothing")
        assert {file.name: file.read_bytes() for file in own(desk, unit).iterdir()} == before
    with plugged(image, socket, kind):
        assert here.visit(unit, socket) is Signal.STICK_DONE
    assert here.waiting(unit) == 0
    assert len(here.mesas()) == 3


def test_a_stick_that_is_pulled_while_it_is_written_is_never_taken_for_done(
    here: Field, image: Path, kind: str, tmp_path: Path
) -> None:
    (unit,), socket = here.units, tmp_path / "socket"
    here.scan(unit, 1, 2, 3)
    with plugged(image, socket, kind) as stick:
        here.put_in(unit, socket)
        here.clock.run(500)
        stick.pull()
        here.clock.run(20_000)
    assert Signal.STICK_DONE not in unit.shown
    assert "it failed, or was pulled too early" in logged(unit, Event.STICK_BAD)[0]
    assert here.waiting(unit) == 3
