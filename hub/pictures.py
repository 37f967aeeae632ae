"""The pictures: sealed, whole, and each a file named by its SHA-256."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from wire.envelope import Sealed
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
                whole = hashlib.file_digest(file, "sha256").hexdigest() == picture.sha256
                return whole and file.tell() == picture.size  # a unit may have named it with another size, too
        except OSError:  # a sector that cannot be read is as good as lost
            return False

    def keep(self, picture: Sealed, chunks: Iterable[bytes]) -> bool:
        """Writes a picture so that it survives a power cut.

        Args:
            picture: its name and size.
            chunks: all of it, in order.

        Returns:
            False when the chunks are not the picture named: then nothing is kept.

        Raises:
            OurFault: the disk is full or failing.
        """
        half = self._folder / f"{picture.sha256}.part"
        try:
            digest = _write(half, chunks)
            if digest != picture.sha256:
                half.unlink()
                return False
            half.rename(self.path(picture.sha256))
            (self._folder / MARK).touch()
            fsync_folder(self._folder)
        except OSError as error:
            raise OurFault(f"{self}: {error.strerror}: make room and start again") from error
        return True


def _size(entry: "os.DirEntry[str]") -> int:
    """How long a file is; less than nothing when the disk cannot tell."""
    try:
        return entry.stat(follow_symlinks=False).st_size
    except OSError:
        return -1


def _write(path: Path, chunks: Iterable[bytes]) -> str:
    """Writes a file durably; returns its SHA-256."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for chunk in chunks:
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def fsync_folder(folder: Path) -> None:
    """Makes a rename in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
