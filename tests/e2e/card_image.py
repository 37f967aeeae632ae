"""The card as an image: a file with an ext4 file system in it, mounted where a unit keeps its records."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

IMAGE_BYTES = 24 * 2**20


def why_not() -> str:
    """Why no image can be mounted here; empty when one can."""
    if os.geteuid() != 0:
        return "mounting an image needs root"
    return "" if Path("/dev/loop-control").exists() else "there are no loop devices"


class CardImage:
    """An image, made anew, and mounted while in use.

    Args:
        folder: where it is mounted; the image lies beside it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._image = folder.with_name(f"{folder.name}.ext4")

    def __enter__(self) -> Self:
        """Makes and mounts it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._image.open("wb") as file:
            file.truncate(IMAGE_BYTES)
        _do("mkfs.ext4", "-q", str(self._image))
        self._mount()
        return self

    def __exit__(self, *_error: object) -> None:
        """Unmounts it; whatever the kernel still held is then in the image."""
        _do("umount", str(self.folder))

    @contextmanager
    def mounted(self) -> Iterator[Path]:
        """Mounts it once more, as it was left."""
        self._mount()
        try:
            yield self.folder
        finally:
            self.__exit__()

    def _mount(self) -> None:
        _do("mount", "-o", "loop", str(self._image), str(self.folder))

    @staticmethod
    def sync(folder: Path) -> None:
        """Has the kernel write what it holds."""
        _do("sync", "-f", str(folder))

    def content(self) -> bytes:
        """The image, without the blocks in it that are all zeros."""
        image, block = self._image.read_bytes(), 4096
        blocks = (image[at : at + block] for at in range(0, len(image), block))
        return b"".join(each for each in blocks if each.count(0) < len(each))


def _do(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
