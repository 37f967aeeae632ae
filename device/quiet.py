"""The quiet mode: whether the unit is to sound at all, remembered on the card.

A unit that was made quiet has a reason to be, and whoever cuts its power must not make it sound. So of the button and
the deployment package, whoever wants it quiet has it so: the button's *quiet* holds until the button says *loud*, and
its *loud* only for as long as the unit goes by the package under which it was said.
"""

import os

from device import durable
from device.ports import Storage
from wire.package import Loudness


class Quiet:
    """Quiet mode: an empty file on the card says that it is on; another, under which package it was turned off.

    Args:
        storage: the card.
        sound: how units start by their package.
        number: that package's.

    Attributes:
        is_on: whether the unit is quiet.
    """

    def __init__(self, storage: Storage, sound: Loudness, number: int) -> None:
        self._file = storage.folder / "quiet"
        self._loud = storage.folder / "loud"
        self._number = number
        # Of a card that is broken both are false, and raise nothing: whoever opens the card says what is wrong.
        was_made_quiet = os.path.exists(self._file)  # noqa: PTH110
        self.is_on = was_made_quiet or (sound is Loudness.QUIET and not self._was_made_loud())

    def turn(self, is_on: bool) -> None:
        """Turns it on or off, for every later start too.

        Raises:
            OSError: the card refuses; then it holds until the next start only.
        """
        self.is_on = is_on
        if is_on:
            self._file.touch()
        else:
            durable.replace(self._loud, f"{self._number}\n".encode("ascii"))
            self._file.unlink(missing_ok=True)
        durable.sync_folder(self._file.parent)

    def _was_made_loud(self) -> bool:
        try:
            return self._loud.read_text("utf-8", "replace").strip() == str(self._number)
        except OSError:
            return False
