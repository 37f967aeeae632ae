"""The folder: one on a stick, held open; whatever lies in it is reached from there, and never by a path.

A stick is a hostile carrier. Its links may point anywhere, its files may be devices or pipes, be of any number and
size, and change while they are read. So no link is followed, nothing but plain files and folders is opened, what is
read is bounded, and what is written counts once it was read again from the stick.

hub/folder.py and device/folder.py are one text, and a test holds them so: siblings do not import each other.
"""

import contextlib
import errno
import hashlib
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

NAMES_MAX = 65_536
"""How many names of a folder are looked at: FAT holds no more, and a stick with millions would hold a unit up."""

PIECE_BYTES = 262_144
"""How much of a file is in memory at once."""

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe's far end is not waited for
_FOLDER = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Folder:
    """An open folder, closed by `with`; every method raises OSError where the stick fails or is no stick of ours."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def at(cls, path: Path) -> Self:
        """Opens a folder that this machine's own people name: the last of its path must be no link."""
        return cls(os.open(path, _FOLDER))

    def __enter__(self) -> Self:
        """Is open already."""
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Closes it."""
        os.close(self._descriptor)

    def made(self, name: str) -> Self:
        """Opens a folder in this one, made if it is not there, so that it outlives a power cut."""
        try:
            os.mkdir(name, dir_fd=self._descriptor)
            self.sync()
        except FileExistsError:
            pass
        return type(self)(os.open(name, _FOLDER, dir_fd=self._descriptor))

    def inner(self, name: str) -> Self | None:
        """Opens a folder in this one; None when there is no folder of that name."""
        try:
            return type(self)(os.open(name, _FOLDER, dir_fd=self._descriptor))
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return None
            raise

    def names(self) -> Iterator[str]:
        """The names in it, at most `NAMES_MAX`, in no order; a name may hold anything but a slash."""
        with os.scandir(self._descriptor) as entries:
            for _, entry in zip(range(NAMES_MAX), entries, strict=False):
                yield entry.name

    def size(self, name: str) -> int | None:
        """How long a plain file is; None when there is none of that name."""
        try:
            found = os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def pieces(self, name: str, bytes_max: int) -> Iterator[bytes]:
        """Reads a plain file.

        Raises:
            OSError: it cannot be read, is no plain file, or is longer.
        """
        # Asked before it is opened, for opening a device can set it going; and again, for it may have been exchanged.
        _check_plain(os.stat(name, dir_fd=self._descriptor, follow_symlinks=False))
        with os.fdopen(os.open(name, _READ, dir_fd=self._descriptor), "rb", buffering=0) as file:
            _check_plain(os.fstat(file.fileno()))
            left = bytes_max
            while piece := file.read(PIECE_BYTES):
                left -= len(piece)
                if left < 0:
                    raise OSError(errno.EFBIG, f"longer than {bytes_max} bytes")
                yield piece

    def read(self, name: str, bytes_max: int) -> bytes:
        """The whole of a short file."""
        return b"".join(self.pieces(name, bytes_max))

    def has(self, name: str, sha256: str, bytes_max: int) -> int | None:
        """How long the file of that name is, if it has these bytes; it is read whole."""
        if self.size(name) is None:
            return None
        digest, size = hashlib.sha256(), 0
        try:
            for piece in self.pieces(name, bytes_max):
                digest.update(piece)
                size += len(piece)
        except OSError as error:
            if error.errno != errno.EFBIG:
                raise
        return size if digest.hexdigest() == sha256 else None

    def write(self, name: str, pieces: Iterable[bytes], sha256: str) -> int | None:
        """Writes a file: under another name, synced, read again from the stick, and only then renamed.

        Its name lasts once `sync` was called. After a stick was pulled, the kernel takes writes for a while and keeps
        them to itself; what it holds of the file is therefore dropped before the file is read again.

        Returns:
            Its length, or None if the pieces are not what was announced: then nothing is left of them.

        Raises:
            OSError: the stick is full, pulled, failing or not to be written.
        """
        half = f"{name}.part"
        with contextlib.suppress(FileNotFoundError):  # of a stick that was pulled
            os.unlink(half, dir_fd=self._descriptor)
        digest = hashlib.sha256()
        try:
            with os.fdopen(os.open(half, _NEW, 0o600, dir_fd=self._descriptor), "wb") as file:
                for piece in pieces:
                    digest.update(piece)
                    file.write(piece)
                file.flush()
                size = os.fstat(file.fileno()).st_size
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            is_whole = digest.hexdigest() == sha256
            if is_whole:
                if self.has(half, sha256, size) is None:
                    raise OSError(errno.EIO, "what was written reads back as something else")
                os.replace(half, name, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)
                return size
        finally:
            with contextlib.suppress(OSError):
                os.unlink(half, dir_fd=self._descriptor)
        return None

    def put(self, name: str, content: bytes) -> None:
        """Writes a short file as `write` does, and makes its name last."""
        self.write(name, [content], hashlib.sha256(content).hexdigest())
        self.sync()

    def remove(self, name: str) -> None:
        """Removes a file, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._descriptor)

    def forget(self, name: str) -> None:
        """Removes a folder in this one, if nothing is in it."""
        with contextlib.suppress(OSError):
            os.rmdir(name, dir_fd=self._descriptor)

    def room(self) -> int:
        """How many bytes can still be written, as far as its file system tells: not each does (fusefat)."""
        found = os.fstatvfs(self._descriptor)
        return found.f_bavail * found.f_frsize if found.f_blocks else sys.maxsize

    def sync(self) -> None:
        """Makes the names in it last."""
        os.fsync(self._descriptor)


def _check_plain(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "no plain file")
