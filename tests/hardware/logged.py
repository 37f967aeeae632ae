"""The mixer, with a log of what a body told it and of what it had the body play."""

from typing import Any

from device.lamps import Change, Mixer
from device.ports import Ms
from device.signals import FaultCode, Signal


class Logged(Mixer):
    """A mixer that logs.

    Attributes:
        latest: the one that was made last.
        told: what it was told, in order: what its method is called, and with what.
        yielded: the changes that it had played.
    """

    latest: "Logged"

    def __init__(self, now: Ms) -> None:
        super().__init__(now)
        self.told: list[tuple[str, Any]] = []
        self.yielded: list[Change] = []
        Logged.latest = self

    def show(self, said: Signal | FaultCode, now: Ms) -> None:
        self.told.append(("show", said))
        super().show(said, now)

    def count(self, number: int, now: Ms) -> None:
        self.told.append(("count", number))
        super().count(number, now)

    def quiet(self, on: bool, now: Ms) -> None:
        self.told.append(("quiet", on))
        super().quiet(on, now)

    def play(self, now: Ms) -> list[Change]:
        changes = super().play(now)
        self.yielded += changes
        return changes
