"""The quiet mode: whether the unit is to sound at all, remembered on the card.

A unit that was made quiet has a reason to be, and whoever cuts its power must not make it sound.
"""

import os

from device.ports import Storage
from device.store import sync_folder


class Quiet:
    """Quiet mode: an empty file on the card says that it is on.

    Args:
        storage: the card.

    Attributes:
        is_on: whether the unit is quiet.
    """

    def __init__(self, storage: Storage) -> None:
        self._file = storage.folder / "quiet"
        # Of a card that is broken this is false, and raises nothing: whoever opens the card says what is wrong.
        self.is_on = os.path.exists(self._file)  # noqa: PTH110

    def turn(self, is_on: bool) -> None:
        """Turns it on or off, for every later start too.

        Raises:
            OSError: the card refuses; then it holds until the next start only.
        """
        self.is_on = is_on
        if is_on:
            self._file.touch()
        else:
            self._file.unlink(missing_ok=True)
        sync_folder(self._file.parent)
