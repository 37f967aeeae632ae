"""The power: what holds from the time it comes on until it goes, however often the firmware begins anew meanwhile.

Training ends with the power. A firmware that crashed in training and came back live would count the sheets of an
exercise; one that was held down at a crash and came back in training would lose those of the night.
"""

from device.ports import Storage


class Power:
    """What is remembered of this time that the power is on, in a file on the card that says which time it is of.

    Args:
        storage: the card.
        power: which time it is: `Clock.power`.

    Attributes:
        is_new: whether the firmware begins for the first time since the power came on.
        is_training: whether it is training that goes on.
    """

    def __init__(self, storage: Storage, power: str) -> None:
        self._file = storage.folder / "power"
        self._power = power
        try:
            said = self._file.read_text("utf-8", "replace").split()
        except OSError:  # of a card that is broken; whoever opens it says what is wrong
            said = []
        self.is_new = said[:1] != [power]
        self.is_training = not self.is_new and said[1:] == ["training"]

    def remember(self, *, is_training: bool) -> None:
        """Remembers it for later starts: no fsync, for a power cut is to forget it.

        Raises:
            OSError: the card refuses; then it holds until the next start only.
        """
        self.is_training = is_training
        new = self._file.with_suffix(".new")
        new.write_text(f"{self._power}{' training' if is_training else ''}\n", "utf-8")
        new.replace(self._file)
