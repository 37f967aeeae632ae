"""The card's health: what the kernel knows of the card that a folder is on.

SD cards tell nothing of their wear; an eMMC does. The file system notes the errors it meets, and where it must not
write any more it is read-only.
"""

import os
import re
from pathlib import Path

from hardware.kernel import number, value

_TENTHS = re.compile(r"0x[0-9a-fA-F]{2}\b")


class CardHealth:
    """How the card under a folder is.

    Args:
        folder: on the card.
        root: where the kernel's files are.
    """

    def __init__(self, folder: Path, root: Path = Path("/")) -> None:
        self._folder = folder
        self._root = root
        device = folder.stat().st_dev
        self._device = root / f"sys/dev/block/{os.major(device)}:{os.minor(device)}"

    @property
    def is_read_only(self) -> bool:
        """Whether nothing can be written to it: the kernel does that to a file system that it has found broken."""
        try:
            return bool(os.statvfs(self._folder).f_flag & os.ST_RDONLY)
        except OSError:
            return True  # nothing answers there any more

    @property
    def errors(self) -> int | None:
        """How many errors an ext4 has noted since it was made or last checked; None of another file system."""
        name = self._device.resolve().name  # mmcblk0p3, sda1
        return number(self._root / "sys/fs/ext4" / name / "errors_count")

    @property
    def wear(self) -> int | None:
        """How much of its life is used up, in tenths as per cent, by the worse of its two kinds of cells; None: untold.

        A card says 1 for up to 10 per cent, 2 for up to 20 ... and 11 once all is used up (JESD84-B51, 7.4.39).
        """
        partition = self._device.resolve()
        # The card is what the partition is of: .../mmc0:0001/block/mmcblk0/mmcblk0p3.
        for folder in (partition, partition.parent):
            said = value(folder / "device/life_time")
            if said is not None:
                tenths = [int(word, 16) for word in _TENTHS.findall(said)]
                return min(100, 10 * max(tenths)) if any(tenths) else None
        return None
