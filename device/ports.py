"""The ports: what the firmware asks of a body, and what a body tells the firmware.

A body is built with `post`, the firmware's inbox, and calls it from whatever thread it likes; that is all its
callbacks do. Each protocol's docstring is the contract, and tests/ports holds every body to it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from device.signals import Signal
from wire.record import NOTHING_KNOWN, Quality

Ms = int
"""Milliseconds on a clock that only goes forward, from an arbitrary start."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One image from the camera.

    Attributes:
        luma: brightness, uint8, rows x columns; may be a view into a larger buffer.
        picture: the photograph to keep: the same image as the bytes of a file.
        media: the media type of `picture`.
    """

    luma: NDArray[np.uint8]
    picture: bytes
    media: str


@dataclass(frozen=True, slots=True)
class ButtonPressed:
    """The button went down and stayed down long enough not to be a bounce."""


@dataclass(frozen=True, slots=True)
class FrameTaken:
    """The camera's answer to a look."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class CameraFailed:
    """The camera's other answer to a look: what is wrong, in words."""

    why: str


@dataclass(frozen=True, slots=True)
class LinkUp:
    """The link is connected and subscribed.

    Attributes:
        window: how many publications may be on their way unacknowledged.
        bytes_max: the longest packet that the other side takes.
    """

    window: int
    bytes_max: int


@dataclass(frozen=True, slots=True)
class LinkDown:
    """The link is not connected any more, or could not be: why, in words."""

    why: str


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The broker answered a publication. It is not custody: only a hub's receipt is.

    Attributes:
        token: what `Link.publish` returned.
        failure: why the broker did not take it, in words; empty when it says it did.
    """

    token: int
    failure: str


@dataclass(frozen=True, slots=True)
class Delivered:
    """Something came in."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class FrameRead:
    """The reader's answer to a frame.

    Attributes:
        number: the frame's.
        payloads: of the QR codes that were read, sorted.
        quality: how well the frame could be read.
        lost: how the reader was lost over it, in words; empty when it was not.
        uncertified: where telling the quality failed, in words; empty when it did not.
    """

    number: int = 0
    payloads: tuple[str, ...] = ()
    quality: Quality = NOTHING_KNOWN
    lost: str = ""
    uncertified: str = ""


@dataclass(frozen=True, slots=True)
class ReaderFailed:
    """The reader's other answer to a frame: there is none any more, and no other can be started; why, in words."""

    number: int
    why: str


@dataclass(frozen=True, slots=True)
class StickIn:
    """A stick was put in and mounted, or was in when the unit started."""

    stick: "Stick"


@dataclass(frozen=True, slots=True)
class StickWorked:
    """What work beside the unit came to: what it returned, or the exception that it raised."""

    stick: "Stick"
    outcome: object


@dataclass(frozen=True, slots=True)
class StickOut:
    """The stick was pulled, whatever went on on it."""

    stick: "Stick"


BodyEvent = (
    ButtonPressed
    | FrameTaken
    | FrameRead
    | ReaderFailed
    | CameraFailed
    | LinkUp
    | LinkDown
    | Acknowledged
    | Delivered
    | StickIn
    | StickWorked
    | StickOut
)
Post = Callable[[BodyEvent], None]


class Camera(Protocol):
    """Takes frames.

    * `look` returns at once.
    * Each look is answered by exactly one `FrameTaken` or `CameraFailed`.
    * The frame was exposed after `look` was called.
    """

    def look(self) -> None:
        """Asks for one frame."""
        ...


class FrameReader(Protocol):
    """Reads frames; where is its own affair.

    * `read` returns at once.
    * Each frame is answered by exactly one `FrameRead` or `ReaderFailed` with its number, in the order given.
    * A reader that hangs or dies over a frame is replaced, and the frame answered as unread, within 4 seconds.
    """

    def ready(self) -> None:
        """Waits until frames can be read.

        Raises:
            OurFault: they never can.
        """
        ...

    def read(self, number: int, luma: NDArray[np.uint8], press: Ms) -> None:
        """Reads a frame taken for the press at that time; frames of one press may be read together."""
        ...

    def close(self) -> None:
        """Ends it; frames not yet answered are not answered any more."""
        ...


class Indicator(Protocol):
    """Lamps and buzzer.

    * `show` returns at once; the pattern goes on by itself.
    * A signal on the link lamp never disturbs the others, and the other way round.
    """

    def show(self, signal: Signal) -> None:
        """Shows a signal from now on."""
        ...


class Clock(Protocol):
    """Time.

    * `ms` never goes backward.
    * `seconds` is only believed; it may jump, and may stand in 1970.
    """

    def ms(self) -> Ms:
        """Milliseconds since this start of the unit."""
        ...

    def seconds(self) -> int:
        """The believed date, seconds since 1970 UTC."""
        ...

    def source(self) -> str:
        """Where the believed date comes from: `unset`, `system`, `rtc` or `hub`."""
        ...


class Storage(Protocol):
    """The card's data partition."""

    @property
    def folder(self) -> Path:
        """An existing folder that is the unit's own."""
        ...

    def free(self) -> int:
        """Bytes that can still be written."""
        ...


class Link(Protocol):
    """A connection to one of the settings' brokers, which are ranked from 0; it comes and goes.

    * `connect` returns at once; `LinkUp` or `LinkDown` follows.
    * After `LinkUp` comes exactly one `LinkDown`, and nothing else until the next `connect`.
    * Nothing is queued while there is no connection.
    * A publication that is not acknowledged in two minutes ends the connection: nothing is on its way for ever.
    """

    def connect(self, rank: int) -> None:
        """Asks for a connection to the broker of that rank; does nothing while there is one or one is being made."""
        ...

    def publish(self, topic: str, payload: bytes) -> int | None:
        """Sends at least once; a token for its `Acknowledged`, or None when there is no connection to send on."""
        ...

    def leave(self) -> None:
        """Ends the connection, if there is one; its `LinkDown` follows."""
        ...

    def close(self) -> None:
        """Ends the connection for good."""
        ...


class Stick(Protocol):
    """A USB stick, from `StickIn` to `StickOut`; a body that has no socket for one posts neither.

    * It is mounted so that nothing on it is run and no device on it opened (nosuid, nodev, noexec, nosymfollow).
    * `beside` returns at once; each work is answered by exactly one `StickWorked`, though the stick was pulled.
    * There is one stick at a time: another one's `StickIn` comes after the `StickOut` of the one before.
    """

    @property
    def folder(self) -> Path:
        """Where it is mounted."""
        ...

    def beside(self, work: Callable[[], object]) -> None:
        """Does something slow on a thread of its own, one thing after the other."""
        ...

    def release(self) -> None:
        """Unmounts it; waits until it may be pulled. It is called as work, and may be again.

        Raises:
            OSError: it cannot be unmounted, so what was written may be lost.
        """
        ...


@dataclass(frozen=True, slots=True)
class Body:
    """A body: one of each port. Its button and its socket for sticks need nothing from the firmware."""

    camera: Camera
    indicator: Indicator
    clock: Clock
    storage: Storage
    link: Link
