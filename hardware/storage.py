"""The storage: the folder that the card's data partition is mounted on."""

import os
from pathlib import Path

from wire.errors import OurFault


class CardStorage:
    """A folder on the data partition.

    It is never made here: where the partition is not mounted, a new folder would lie on the system's own, which may
    forget everything at the next start.

    Raises:
        OurFault: it is not there.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise OurFault(f"card {folder}: there is no such folder: mount the data partition, or correct `card`")
        self._folder = folder

    @property
    def folder(self) -> Path:
        """The folder."""
        return self._folder

    def free(self) -> int:
        """Bytes that can still be written by who runs this, not counting what is reserved for root."""
        found = os.statvfs(self._folder)
        return found.f_bavail * found.f_frsize
