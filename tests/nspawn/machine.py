"""The machine: a Debian 13 that systemd starts in a container, from a disk of its own, with a card in it.

What is no computer's is missing: it has no disk of its own that could be divided, so the data partition is mounted for
it; nothing in it sees a network. What it boots, mounts and runs is what a unit does.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

CACHE = Path(os.environ.get("TESTIGO_NSPAWN", "no-nspawn"))
SECONDS = 120.0
"""How long anything may take on a machine that is busy with something else."""

STICK_BYTES = 256 * 1024**2
"""Room for a release."""

MOUNTER = """
import pwd, time
from pathlib import Path
from hardware.mounter import LOOK_SECONDS, Mounter
user = pwd.getpwnam("testigo")
own = user.pw_uid, user.pw_gid
say = lambda words: print(words, flush=True)
mounter = Mounter(Path("/run/testigo-sticks"), *own, say, Path("/run/socket"), {"xfs": "", "ext4": ""})
while True:
    mounter.look()
    time.sleep(LOOK_SECONDS)
"""
"""The mounter's own program, but that it looks for sticks elsewhere, none of the first kind, as exFAT is not."""


class Machine:
    """A machine; not running at first.

    Args:
        folder: where its disks lie.
        boot: its boot partition.
    """

    def __init__(self, folder: Path, boot: Path) -> None:
        self.folder, self.boot = folder, boot
        self.root, self.ours = folder / "root", folder / "data"
        shutil.copyfile(CACHE / "system/root.img", folder / "root.img")
        self.root.mkdir()
        self.ours.mkdir()
        subprocess.run(["mount", "-o", "loop", folder / "root.img", self.root], check=True)
        self._program: subprocess.Popen[bytes] | None = None

    def put_in(self, disk: Path) -> None:
        """Mounts its data partition."""
        subprocess.run(["mount", "-o", "loop,noatime,nosuid,nodev", disk, self.ours], check=True)

    def start(self) -> None:
        """Starts it; returns at once."""
        options = ["--register=no", "--keep-unit", "--private-network", "--console=pipe"]
        options += ["--resolv-conf=off", "--timezone=off", "--link-journal=no"]
        binds = [f"--bind={self.boot}:/boot/firmware", f"--bind={self.ours}:/data"]
        with (self.folder / "console").open("ab") as console:
            self._program = subprocess.Popen(
                ["systemd-nspawn", "-D", str(self.root), *options, *binds, "--boot"],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
            )

    def started(self) -> str:
        """Waits until it has started; what systemd thinks of it then."""
        until(lambda: self._state() in ("running", "degraded"), "it does not start")
        return self._state()

    def _state(self) -> str:
        return self.says("systemctl", "is-system-running").strip()

    def ended(self) -> None:
        """Waits until it is off."""
        assert self._program is not None
        self._program.wait(SECONDS)

    def cut(self) -> None:
        """Takes its power away: its first process dies, and all that runs in it with that."""
        assert self._program is not None
        os.kill(self.leader or self._program.pid, signal.SIGKILL)
        self._program.wait(SECONDS)

    @property
    def leader(self) -> int:
        """Its first process, as this machine counts; 0 while there is none."""
        assert self._program is not None
        number = self._program.pid
        try:
            children = Path(f"/proc/{number}/task/{number}/children").read_text().split()
        except FileNotFoundError:
            return 0
        return int(children[0]) if children else 0

    def does(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Runs a program in it, as root."""
        inside = ["nsenter", f"--target={self.leader}", *("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup")]
        return subprocess.run([*inside, *command], capture_output=True, text=True, check=False)

    def says(self, *command: str) -> str:
        """What a program in it says."""
        return self.does(*command).stdout if self.leader else ""

    def shows(self, unit: str, what: str) -> str:
        """A property of one of its units."""
        return self.says("systemctl", "show", unit, "--value", f"--property={what}").strip()

    def seconds_of(self, number: int) -> float:
        """How many seconds of a core a process of it has had, with all that it started."""
        stats = sorted(
            self.says("sh", "-c", "cat /proc/[0-9]*/stat").splitlines(), key=lambda stat: int(stat.split()[0])
        )
        ours, ticks = {number}, 0
        for stat in stats:  # a process comes after the one that started it
            words = stat.rpartition(")")[2].split()
            if int(stat.split()[0]) in ours or int(words[1]) in ours:
                ours.add(int(stat.split()[0]))
                ticks += sum(map(int, words[11:15]))
        return ticks / os.sysconf("SC_CLK_TCK")

    @property
    def inside(self) -> Path:
        """What its first process sees of the disk, from outside."""
        return Path(f"/proc/{self.leader}/root")

    def pins(self) -> "Pins":
        """The pins of the firmware that runs in it."""
        return Pins(self.root, self.inside / "run/chip/pins")


class Stick:
    """A stick of a machine: a loop device with ext4, for not every kernel has FAT, on a USB that only its mounter sees.

    Args:
        machine: whose socket it is put in.
        content: the folder of what is on it.
    """

    def __init__(self, machine: Machine, content: Path) -> None:
        image = machine.folder / "stick.img"
        owner = machine.says("sh", "-c", "echo $(id -u testigo):$(id -g testigo)").strip()
        with image.open("wb") as file:
            file.truncate(STICK_BYTES)
        form = ("-q", "-t", "ext4", "-E", f"root_owner={owner}")
        subprocess.run(["mke2fs", *form, "-d", content, image], check=True)
        found = subprocess.run(["losetup", "--find", "--show", image], capture_output=True, text=True, check=True)
        self._device = Path(found.stdout.strip())
        self.name = self._device.name
        self.place = machine.inside / "run/testigo-sticks" / self.name
        self._machine = machine

    def __enter__(self) -> "Stick":
        """Puts it in; the mounter, in the sandbox of its service, is shown it in a tree of its own."""
        machine, device = self._machine, self._device
        number = device.stat().st_rdev
        at = machine.inside / "run/socket"
        usb, block = at / "sys/devices/usb1" / self.name, at / "sys/class/block"
        machine.does("mkdir", "--parents", "/run/socket")
        # A file system on which devices can be opened; and not /dev: for what is there systemd waits until udev tells.
        machine.does("mount", "-t", "tmpfs", "socket", "/run/socket")
        for folder in (usb, block, at / "dev"):
            folder.mkdir(parents=True, exist_ok=True)
        (usb / "dev").write_text(f"{os.major(number)}:{os.minor(number)}\n")
        (usb / "diskseq").write_text(Path("/sys/class/block", self.name, "diskseq").read_text())
        for place in (device, Path("/run/socket", device.relative_to("/"))):
            machine.does("mknod", str(place), "b", str(os.major(number)), str(os.minor(number)))
        (at / "mounter.py").write_text(MOUNTER)
        drop_in = machine.inside / "run/systemd/system/testigo-sticks.service.d"
        drop_in.mkdir(parents=True, exist_ok=True)
        begin = "/data/app/current/bin/python -I /run/socket/mounter.py"
        (drop_in / "socket.conf").write_text(f"[Service]\nExecStart=\nExecStart={begin}\n")
        (block / self.name).symlink_to(f"../../devices/usb1/{self.name}")
        machine.does("systemctl", "daemon-reload")
        machine.does("systemctl", "restart", "testigo-sticks")
        return self

    def __exit__(self, *_: object) -> None:
        """Pulls it."""
        (self._machine.inside / "run/socket/sys/class/block" / self.name).unlink()
        self._machine.does("umount", "/run/socket")
        subprocess.run(["losetup", "--detach", self._device], check=True)


class Pins:
    """The pins of a unit, from outside."""

    def __init__(self, root: Path, file: Path) -> None:
        self._chip = ctypes.CDLL(str(root / "opt/chip/chip.so"))
        assert self._chip.chip_map(os.fsencode(file)) == 0

    def level(self, bcm: int) -> bool:
        """Whether a pin is high."""
        return bool(self._chip.chip_level(bcm))

    def drive(self, bcm: int, level: int) -> None:
        """Drives a pin from outside; -1 lets go of it."""
        self._chip.chip_drive(bcm, level)


def until(what: Callable[[], object], otherwise: str | Callable[[], str], seconds: float = SECONDS) -> str:
    """Waits until something is so; what it then is, as text. Otherwise there are these words, or what is said then."""
    end, pause = time.monotonic() + seconds, threading.Event()
    while time.monotonic() < end:
        if found := what():
            return str(found)
        pause.wait(0.1)
    raise AssertionError(otherwise if isinstance(otherwise, str) else otherwise())
