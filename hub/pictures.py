"""The pictures: sealed, whole, and each a file named by its SHA-256."""

import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from wire.envelope import CHUNK_BYTES, Sealed
from wire.errors import OurFault

MARK = "testigo-pictures"
"""A file beside the pictures: where it lies, pictures were kept. A folder without it and them is of no disk of ours."""


class Pictures:
    """A folder of whole sealed pictures.

    Args:
        folder: made when it is not there, but not the one that it is in; what a killed hub left half written in it is
            removed.

    Raises:
        OurFault: the folder cannot be made or written in.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            folder.mkdir(exist_ok=True)
            for half in folder.glob("*.part"):
                half.unlink()
        except OSError as error:
            # The folder around it is never made: it could be the mount point of a disk that is not there.
            raise OurFault(f"pictures {folder}: {error.strerror}: give a folder inside one that is there") from error

    def __str__(self) -> str:
        """What it is called in what is said of faults."""
        return f"pictures in {self._folder}"

    def path(self, sha256: str) -> Path:
        """Where the picture of that name is, once it is whole."""
        return self._folder / sha256

    def sizes(self) -> dict[str, int]:
        """The sizes of all files, by name; a file that the disk cannot tell of is as good as lost."""
        try:
            with os.scandir(self._folder) as entries:
                return {entry.name: _size(entry) for entry in entries}
        except OSError as error:
            raise OurFault(f"{self}: {error.strerror}: see that its disk is whole") from error

    def mark(self) -> None:
        """Marks the folder as one of pictures."""
        try:
            (self._folder / MARK).touch()
        except OSError as error:
            raise OurFault(f"{self}: {error.strerror}: see that the hub may write there") from error

    def holds(self, picture: Sealed) -> bool:
        """Whether the picture is there, and each of its bytes still is what it was."""
        try:
            with self.path(picture.sha256).open("rb") as file:
                if os.fstat(file.fileno()).st_size != picture.size:
                    return False  # a unit may have named it with other sizes, too: many, if its key was stolen
                return hashlib.file_digest(file, "sha256").hexdigest() == picture.sha256
        except OSError:  # a sector that cannot be read is as good as lost
            return False

    def keep(self, sha256: str, sizes: Iterable[int], chunk: Callable[[int], bytes]) -> int | None:
        """Writes a picture so that it survives a power cut.

        Args:
            sha256: its name.
            sizes: how long it may be, in order.
            chunk: gives the chunk of it that ends at a byte.

        Returns:
            How long it is; None when it is none of these: then nothing is kept.

        Raises:
            OurFault: the disk is full or failing.
        """
        half = self._folder / f"{sha256}.part"
        try:
            with half.open("wb") as file:
                size = _write(file, sha256, sizes, chunk)
            if size is None:
                half.unlink()
                return None
            half.rename(self.path(sha256))
            (self._folder / MARK).touch()
            fsync_folder(self._folder)
        except OSError as error:
            raise OurFault(f"{self}: {error.strerror}: make room and start again") from error
        return size


def _size(entry: "os.DirEntry[str]") -> int:
    """How long a file is; less than nothing when the disk cannot tell."""
    try:
        return entry.stat(follow_symlinks=False).st_size
    except OSError:
        return -1


def _write(file: BinaryIO, sha256: str, sizes: Iterable[int], chunk: Callable[[int], bytes]) -> int | None:
    """Writes what has that SHA-256, durably, if it is as long as one of these sizes; returns which."""
    digest, end = hashlib.sha256(), 0
    for size in sizes:
        while end + CHUNK_BYTES <= size:
            end += CHUNK_BYTES
            content = chunk(end)
            digest.update(content)
            file.write(content)
        last = chunk(size) if end < size else b""
        whole = digest.copy()
        whole.update(last)
        if whole.hexdigest() == sha256:
            file.write(last)
            file.flush()
            os.fsync(file.fileno())
            return size
    return None


def fsync_folder(folder: Path) -> None:
    """Makes a rename in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
