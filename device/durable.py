"""The durable writes: files and names that outlive a power cut."""

import contextlib
import os
from pathlib import Path
from typing import BinaryIO


def replace(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all, in the place of the one that may be there.

    Raises:
        OSError: the card refused; what was there is there still, or this is.
    """
    new = path.with_name(f"{path.name}.new")
    sync(write(new, content))
    new.replace(path)
    sync_folder(path.parent)


def write(path: Path, content: bytes) -> BinaryIO:
    """Hands a new file to the kernel, and no more than that: `sync` comes after it."""
    file = path.open("wb")
    try:
        file.write(content)
        file.flush()
        os.utime(file.fileno(), ns=(0, 0))  # a card must not tell when each record was kept
    except BaseException:
        with contextlib.suppress(OSError):  # closing writes what could not be written once more
            file.close()
        raise
    return file


def begin(path: Path, content: bytes) -> BinaryIO:
    """The same of a large file, which the kernel begins at once to write to the card."""
    file = write(path, content)
    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return file


def sync(file: BinaryIO) -> None:
    """Waits until the card has a file's content, and closes it; its name does not last yet."""
    with file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Makes what was renamed, made or removed in a folder last."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
