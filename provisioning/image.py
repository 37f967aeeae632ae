"""The image: boot partitions that a card is written through: a mounted folder, or the one inside an image or a disk.

Nothing is ever mounted here. What lies inside an image or on a disk is reached by mtools, at the place that the
partition table names; a disk is written to only after it was found to be one that can be taken out, in no use, and
whoever is at the desk has typed its size.
"""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hub.pictures import fsync_folder
from wire.errors import OurFault

SECTOR = 512

FAT_TYPES = (0x0B, 0x0C)
"""FAT32, as the first partition of Raspberry Pi OS is."""

DISK_BYTES_MAX = 512 * 10**9
"""No card of a unit is larger: what is, is somebody's disk."""

BLOCK = 4 * 1024 * 1024

BOOT = Path("/boot")
"""Where a computer has its own boot partition."""

Progress = Callable[[int], object]
"""Is told how many more bytes were written."""


class Boot(Protocol):
    """The boot partition of a card."""

    def read(self, name: str) -> bytes | None:
        """A file's content, as the card gives it back; None if there is none."""

    def write(self, name: str, content: bytes) -> None:
        """Writes a file, in the place of one that may be there; folders in its name are made."""

    def sync(self) -> None:
        """Returns when all that was written is on the card."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A boot partition that is mounted."""

    path: Path

    def read(self, name: str) -> bytes | None:
        try:
            with self._place(name).open("rb") as file:
                _settle(file.fileno())
                return file.read()
        except FileNotFoundError:
            return None

    def write(self, name: str, content: bytes) -> None:
        place = self._place(name)
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def _place(self, name: str) -> Path:
        """Where a file is. A card brings its own file system, and a link on it could name any file of this computer."""
        place = self.path / name
        for part in (place, *place.parents[: len(Path(name).parents) - 1]):
            if part.is_symlink():
                raise OurFault(f"{part} is a link, which a card of the guide's image has none of: take another card")
        return place

    def sync(self) -> None:
        fsync_folder(self.path)


class Image:
    """The boot partition inside an image, or on a disk.

    Raises:
        OurFault: there is none, or mtools are missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._at = f"{path}@@{_fat_begins(path)}"
        self._folders: set[str] = set()
        if not (self.read("cmdline.txt") or self.read("config.txt")):
            raise OurFault(f"{path}: its first partition is no boot partition: take an image of Raspberry Pi OS")

    def read(self, name: str) -> bytes | None:
        found = _mtool("mtype", "-i", self._at, f"::{name}")
        return found.stdout if found.returncode == 0 else None

    def write(self, name: str, content: bytes) -> None:
        for folder in _folders_of(name):
            if folder not in self._folders:
                _mtool("mmd", "-i", self._at, "-D", "s", f"::{folder}")  # one that is there already is no fault
                self._folders.add(folder)
        done = _mtool("mcopy", "-i", self._at, "-o", "-D", "o", "-", f"::{name}", given=content)
        if done.returncode != 0 or done.stderr:  # of a full disk it says so, and ends as if all were well
            why = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise OurFault(f"{self.path}: {name}: {why}: take another card")

    def sync(self) -> None:
        handle = os.open(self.path, os.O_RDONLY)
        try:
            _settle(handle)
        finally:
            os.close(handle)


def _folders_of(name: str) -> Iterator[str]:
    parts = name.split("/")[:-1]
    return ("/".join(parts[: count + 1]) for count in range(len(parts)))


def _mtool(*command: str, given: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    try:
        # Its check of the geometry is for floppy disks.
        environment = {**os.environ, "MTOOLS_SKIP_CHECK": "1"}
        return subprocess.run(command, input=given, capture_output=True, check=False, env=environment)
    except FileNotFoundError as error:
        raise OurFault(f"there is no {command[0]} here, which writes into images: apt-get install mtools") from error


def _fat_begins(path: Path) -> int:
    """Where the first partition of an image begins, in bytes."""
    with path.open("rb") as file:
        sector = file.read(SECTOR)
    kind, start = sector[446 + 4 : 446 + 5], int.from_bytes(sector[446 + 8 : 446 + 12], "little")
    if sector[510:] != b"\x55\xaa" or not kind or kind[0] not in FAT_TYPES or start == 0:
        raise OurFault(f"{path}: it has no boot partition: take an image of Raspberry Pi OS, unpacked (.img)")
    return start * SECTOR


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk that may be written over.

    Attributes:
        path: by which it was named.
        model: what it calls itself.
        size: in bytes.
        seq: the kernel's number of what is in that place: another for each card put into a reader.
    """

    path: Path
    model: str
    size: int
    seq: str

    def __str__(self) -> str:
        """What whoever is at the desk compares with the card in their hand."""
        return f"{self.path}: {self.model}, {self.size_words}"

    @property
    def size_words(self) -> str:
        """Its size as it is printed on cards."""
        return f"{self.size / 10**9:.1f} GB"


def disk_at(path: Path, root: Path = Path("/")) -> Disk:
    """A disk that may be written over.

    Args:
        path: by which it was named.
        root: where the kernel's files are.

    Raises:
        OurFault: it is no disk, or one that must not be written over.
    """
    name = path.resolve().name
    block = root / "sys/class/block" / name
    if not (block / "dev").exists():
        raise OurFault(f"{path}: no disk of this name is there: put the card in, and look with 'lsblk'")
    if (block / "partition").exists():
        raise OurFault(f"{path} is a partition: name the whole disk")
    home = block.resolve()
    is_card = _word(home / "device/type") == "SD"
    if _word(home / "removable") != "1" and not is_card:
        raise OurFault(f"{path} cannot be taken out of this computer: name the card reader's disk")
    size = int(_word(home / "size") or 0) * SECTOR
    if not 0 < size <= DISK_BYTES_MAX:
        raise OurFault(f"{path} has {size / 10**9:.1f} GB, a unit's card at most {DISK_BYTES_MAX // 10**9}: put one in")
    numbers = {_word(part) for part in (home / "dev", *home.glob("*/dev"))}
    mounted = (root / "proc/self/mountinfo").read_text().splitlines()
    for line in mounted:
        if line.split()[2] in numbers:
            raise OurFault(f"{path} is in use at {line.split()[4]}: unmount it first, and look whether it is the card")
    swaps = (root / "proc/swaps").read_text().splitlines()[1:]
    if any(Path(line.split()[0]).name.startswith(name) for line in swaps) or any(
        any(holders.iterdir()) for holders in (home / "holders", *home.glob("*/holders")) if holders.is_dir()
    ):
        raise OurFault(f"{path} is in use by this computer: it is not written to; name the card reader's disk")
    model = " ".join(filter(None, (_word(home / f"device/{part}") for part in ("vendor", "model", "name"))))
    return Disk(path, model or "unnamed", size, _word(home / "diskseq"))


def look_again(disk: Disk, root: Path = Path("/")) -> None:
    """Looks at a disk once more, when it is held: nothing can come into its place from then on.

    Raises:
        OurFault: something has, since whoever is at the desk typed its size.
    """
    if disk_at(disk.path, root) != disk:
        raise OurFault(f"{disk.path} is another one than when its size was typed: nothing was written; begin again")


@contextmanager
def held(disk: Disk) -> Iterator[None]:
    """Holds a disk, so that nobody mounts it meanwhile: desktops do, as soon as they see a file system.

    Raises:
        OurFault: somebody has it.
    """
    try:
        handle = os.open(disk.path, os.O_RDONLY | os.O_EXCL)
    except OSError as error:
        raise OurFault(f"{disk.path}: {error.strerror}: unmount it, and run this as root") from error
    try:
        yield
    finally:
        os.close(handle)


def check_foreign(folder: Path, root: Path = Path("/")) -> None:
    """Looks whether a folder may be a card's: a desk that is a Raspberry Pi has a boot partition of its own.

    Raises:
        OurFault: it is another partition of the disk that this computer runs from, or where this computer has its own.
    """
    part, system = (_block(root, place.stat().st_dev) for place in (folder, Path("/")))
    is_beside = (part / "partition").exists() and part != system and part.parent == system.parent
    if is_beside or folder.resolve().is_relative_to(BOOT):  # the system may lie where no partition tells its disk
        raise OurFault(f"{folder} is on the disk that this computer runs from: name the card's boot partition")


def serial_of(place: Path, root: Path = Path("/")) -> str:
    """The serial number that the card under a folder or disk tells; empty where the reader does not pass it on."""
    number = place.stat()
    block = _block(root, number.st_rdev or number.st_dev)
    return next((word for home in (block, block.parent) if (word := _word(home / "device/cid"))), "")


def copy(stock: Path, target: Path, progress: Progress) -> None:
    """Copies a stock image onto a disk or into a file, and reads it back: worn cards, and those that say they hold more
    than they do, take everything without a word.

    Raises:
        OurFault: it could not be written whole, or does not come back as it was written.
    """
    try:
        if not target.exists():
            target.touch(mode=0o600)  # a unit's keys will be in it
        with stock.open("rb") as source, target.open("r+b") as sink:
            while block := source.read(BLOCK):
                sink.write(block)
                progress(len(block))
            sink.flush()
            _settle(sink.fileno())
            source.seek(0)
            sink.seek(0)
            while block := source.read(BLOCK):
                if sink.read(len(block)) != block:
                    raise OurFault(f"{target}: the image does not come back as it was written: take another card")
                progress(len(block))
    except OSError as error:
        raise OurFault(f"{target}: {error.strerror}: take another card") from error


def _block(root: Path, device: int) -> Path:
    """Where the kernel tells of a disk or partition."""
    return (root / f"sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve()


def _settle(handle: int) -> None:
    """Has all that was written be on the card alone: what is only in this computer's memory says nothing of it."""
    os.fsync(handle)
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)


def _word(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace").strip()
    except OSError:
        return ""
