"""The simulated body: the ports of a unit with no hardware under them, and the things a person does to them beside."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from device.pictures import Unreadable, luma_of
from device.ports import (
    Body,
    BodyEvent,
    ButtonPressed,
    CameraFailed,
    Frame,
    FrameRead,
    FrameTaken,
    Link,
    Ms,
    Post,
    ReaderFailed,
)
from device.signals import Signal
from sim.clock import Schedule
from wire.acta import Profile

EXPOSURE_MS = 120
"""From a look to its frame: what a streaming Camera Module 3 takes at 8 frames a second."""

_EMPTY_TRAY = Frame(np.full((486, 864), 18, np.uint8), b"", "image/jpeg")


class SimCamera:
    """A camera over a tray.

    Its hands: `lay` puts a picture of a sheet on the tray, `clear` takes it away, `unplug` pulls the ribbon and `plug`
    puts it back, `stall` keeps answers back; then `resume` gives them all, late, or `forget` none of them, ever.
    """

    def __init__(self, clock: Schedule, post: Post) -> None:
        self._clock = clock
        self._post = post
        self._scene = _EMPTY_TRAY
        self._plugged = True
        self._stalled = False
        self._late: list[BodyEvent] = []

    def look(self) -> None:
        """Answers with what lies on the tray at the end of the exposure."""
        self._clock.after(EXPOSURE_MS, self._answer)

    def lay(self, picture: bytes, media: str = "image/jpeg") -> None:
        """Lays down a sheet of which the camera will see exactly this picture.

        Raises:
            ValueError: it is no picture.
        """
        luma = luma_of(picture)
        if isinstance(luma, Unreadable):
            raise ValueError(luma.why)
        self._scene = Frame(luma, picture, media)

    def clear(self) -> None:
        """Takes everything off the tray."""
        self._scene = _EMPTY_TRAY

    def unplug(self) -> None:
        """Pulls the ribbon: looks fail from now on."""
        self._plugged = False

    def plug(self) -> None:
        """Puts the ribbon back."""
        self._plugged = True

    def stall(self) -> None:
        """Answers to looks are kept back from now on."""
        self._stalled = True

    def resume(self) -> None:
        """Gives the answers kept back, each with what lay on the tray when it was asked for."""
        for answer in self._late:
            self._post(answer)
        self.forget()

    def forget(self) -> None:
        """The answers kept back are never given, as no camera may; later ones are."""
        self._stalled = False
        self._late.clear()

    def _answer(self) -> None:
        answer = FrameTaken(self._scene) if self._plugged else CameraFailed("nothing answers on the ribbon")
        if self._stalled:
            self._late.append(answer)
        else:
            self._post(answer)


class SimReader:
    """The real reader, in the thread that asks: any number of units on one stepped clock need no process each.

    The reader's clock stands still: no budget runs out, and a run can be replayed.

    Its hands: `lose` makes it answer the next frames as lost; while `is_gone` there is no reader; while `is_mute` it
    does not answer, as no reader may.
    """

    def __init__(self, post: Post, profile: Profile) -> None:
        self._post = post
        from device.eye import Eye  # a unit that reads apart never loads it

        self._eye = Eye(profile, lambda: 0.0)
        self._losing = 0
        self.is_gone = False
        self.is_mute = False

    def read(self, number: int, luma: NDArray[np.uint8], press: Ms) -> None:
        """Reads the frame at once."""
        if self.is_gone:
            self._post(ReaderFailed(number, "no memory for it"))
        elif self._losing:
            self._losing -= 1
            self._post(FrameRead(number, lost="nobody knows why"))
        else:
            read = replace(self._eye.see(luma, press), number=number)
            if not self.is_mute:
                self._post(read)

    def ready(self) -> None:
        """Is ready from the start."""

    def lose(self, frames: int) -> None:
        """Breaks the reader for so many frames."""
        self._losing = frames

    def close(self) -> None:
        """Has nothing to end."""


class SimIndicator:
    """Lamps and buzzer that are only remembered: `shown` is every signal so far, `heard` is called with each."""

    def __init__(self) -> None:
        self.shown: list[Signal] = []
        self.heard: Callable[[Signal], None] = lambda _signal: None

    def show(self, signal: Signal) -> None:
        """Shows a signal."""
        self.shown.append(signal)
        self.heard(signal)


class SimStorage:
    """A folder of this machine as the card."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    @property
    def folder(self) -> Path:
        """The folder."""
        return self._folder

    def free(self) -> int:
        """Bytes that can still be written."""
        found = os.statvfs(self._folder)
        return found.f_bavail * found.f_frsize


@dataclass(frozen=True, slots=True)
class SimBody:
    """A body, and the parts that a person's hands reach.

    Attributes:
        body: what the firmware is given.
        camera, indicator: the same parts, with their hands' side.
        post: the inbox.
    """

    body: Body
    camera: SimCamera
    indicator: SimIndicator
    post: Post

    def press(self) -> None:
        """Presses the button."""
        self.post(ButtonPressed())


def make(clock: Schedule, folder: Path, link: Link, post: Post) -> SimBody:
    """A simulated body.

    Args:
        clock: its time.
        folder: its card.
        link: its link, real or not.
        post: the firmware's inbox.
    """
    camera, indicator = SimCamera(clock, post), SimIndicator()
    return SimBody(Body(camera, indicator, clock, SimStorage(folder), link), camera, indicator, post)
