"""The ports: what the firmware asks of a body, and what a body tells the firmware.

A body is built with `post`, the firmware's inbox, and calls it from whatever thread it likes; that is all its
callbacks do. Each protocol's docstring is the contract, and tests/ports holds every body to it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from device.signals import FaultCode, Signal
from wire.record import NOTHING_KNOWN, Quality
from wire.settings import Broker

Ms = int
"""Milliseconds on a clock that only goes forward, from an arbitrary start."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One image from the camera.

    Attributes:
        luma: brightness, uint8, rows x columns; may be a view into a larger buffer.
        picture: the photograph to keep: the same image as the bytes of a file.
        media: the media type of `picture`.
        calibration: id of the calibration that the camera was set by; empty when by none.
    """

    luma: NDArray[np.uint8]
    picture: bytes
    media: str
    calibration: str = ""


@dataclass(frozen=True, slots=True)
class ButtonPressed:
    """The button went down and stayed down long enough not to be a bounce."""


@dataclass(frozen=True, slots=True)
class ButtonReleased:
    """The button, whose press was told, came up again and stayed up long enough not to be a bounce."""


@dataclass(frozen=True, slots=True)
class ButtonHeld:
    """The button is down as the body is made: told once, in place of its press; its release follows like any other's.

    So somebody holds it while the power comes on, or while the firmware alone begins anew; or it is stuck.
    """


@dataclass(frozen=True, slots=True)
class FrameTaken:
    """The camera's answer to a look."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class CameraFailed:
    """The camera's other answer to a look: what is wrong, in words."""

    why: str


@dataclass(frozen=True, slots=True)
class CameraHangs:
    """Nothing has come back from the camera since it failed: only a new start of the firmware helps; in words."""

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
        is_paper: whether what lies there looks like a printed sheet; asked only where nothing was read.
    """

    number: int = 0
    payloads: tuple[str, ...] = ()
    quality: Quality = NOTHING_KNOWN
    lost: str = ""
    uncertified: str = ""
    is_paper: bool = False


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


@dataclass(frozen=True, slots=True)
class Vitals:
    """What a body measures of itself; what it has nothing to measure with is as it should be, or None.

    Attributes:
        on_battery: whether no power comes from outside.
        battery: what is left in the battery, per cent.
        is_battery_low: whether the battery's own line says so.
        is_gauge_silent: whether the battery's gauge, which has answered before, does not any more.
        is_undervolted: whether the computer has too little voltage, now.
        is_slowed: whether the computer is slowed, now, for its heat or for want of power.
        celsius: how warm the computer is.
        is_read_only: whether the card takes nothing any more.
        card_errors: how many errors the card's file system has noted.
        card_wear: how much of the card's life is used up, per cent.
        is_date_lost: whether there is a clock with a battery of its own, and it has lost the date.
        is_date_unset: whether nobody has told the body the date.
    """

    on_battery: bool | None = None
    battery: int | None = None
    is_battery_low: bool = False
    is_gauge_silent: bool = False
    is_undervolted: bool = False
    is_slowed: bool = False
    celsius: int | None = None
    is_read_only: bool = False
    card_errors: int = 0
    card_wear: int | None = None
    is_date_lost: bool = False
    is_date_unset: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """The body has measured itself, and something is not what it was; the first time, whatever it is."""

    vitals: Vitals


@dataclass(frozen=True, slots=True)
class NetworkJoined:
    """What became of joining a network.

    Attributes:
        failure: why it is not joined, in words; empty when it is. Never its name or passphrase.
    """

    failure: str = ""


@dataclass(frozen=True, slots=True)
class PartMissing:
    """The body goes on without a part that is not there or cannot be used; told once.

    Attributes:
        why: which it is, and what to do, in words.
        code: how it is told on the lamps; None when nobody at the unit could do anything about it.
    """

    why: str
    code: FaultCode | None = None


BodyEvent = (
    ButtonPressed
    | ButtonReleased
    | ButtonHeld
    | FrameTaken
    | FrameRead
    | ReaderFailed
    | CameraFailed
    | CameraHangs
    | LinkUp
    | LinkDown
    | Acknowledged
    | Delivered
    | StickIn
    | StickWorked
    | StickOut
    | Measured
    | NetworkJoined
    | PartMissing
)
Post = Callable[[BodyEvent], None]


class Camera(Protocol):
    """Takes frames.

    * `look` returns at once.
    * Each look is answered by exactly one `FrameTaken` or `CameraFailed`.
    * The frame was exposed after `look` was called, and no two looks have the same frame.
    * Of a look that hangs, its `CameraFailed` is followed by `CameraHangs`, once the fault can have been read off the
      lamps.
    """

    def look(self, anew: bool = False) -> None:
        """Asks for one frame; with `anew`, focus, exposure and white balance are found again first, up to 2.5 s."""
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

    * `show` and all the others return at once; the pattern goes on by itself.
    * A signal on the link lamp never disturbs the others, and the other way round.
    * While it is quiet nothing sounds at all; the lamps say the same.
    """

    def show(self, said: Signal | FaultCode) -> None:
        """Shows a signal from now on; a fault by its code, never by `Signal.FAULT` or `TROUBLE` alone."""
        ...

    def count(self, number: int) -> None:
        """Reads a number out once, on the link lamp and the buzzer: its tens long, its units short.

        For 0 there is one low tone, and no light.
        """
        ...

    def quiet(self, on: bool) -> None:
        """Sounds nothing from now on, what sounds and what waits to sound included; or sounds again."""
        ...

    def hush(self) -> None:
        """Cuts what sounds, what waits to sound, and a number that is being read out: somebody has pressed."""
        ...


class Clock(Protocol):
    """Time.

    * `ms` never goes backward.
    * `seconds` is only believed; it may jump, and may stand in 1970.
    * `power` is the same at every start of the firmware until the power goes, and another when it has come back.
    """

    @property
    def power(self) -> str:
        """Which time it is that the power is on: one word."""
        ...

    def ms(self) -> Ms:
        """Milliseconds since this start of the unit."""
        ...

    def seconds(self) -> int:
        """The believed date, seconds since 1970 UTC."""
        ...

    def source(self) -> str:
        """Where the believed date comes from: `unset`, `stop` (the last one, perhaps long ago), `system` or `rtc`."""
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
    """A connection to one of the brokers, which are ranked from 0, at first as in the settings; it comes and goes.

    * `connect` returns at once; `LinkUp` or `LinkDown` follows.
    * After `LinkUp` comes exactly one `LinkDown`, and nothing else until the next `connect`.
    * Nothing is queued while there is no connection.
    * A publication that is not acknowledged in two minutes ends the connection: nothing is on its way for ever.
    """

    def connect(self, rank: int) -> None:
        """Asks for a connection to the broker of that rank; does nothing while there is one or one is being made."""
        ...

    def reach(self, brokers: Sequence[Broker]) -> None:
        """These are the brokers from now on, by rank; a connection that there is, or that is being made, stays."""
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


class Network(Protocol):
    """The wireless network that a control card names.

    * `join` returns at once; each is answered by exactly one `NetworkJoined`, within two minutes.
    * Name and passphrase are written nowhere that outlives the power.
    * The last one named takes the place of the one before; others that the system was set up with stay.
    """

    def join(self, name: str, passphrase: str) -> None:
        """Joins it, and again whenever it comes back; an empty passphrase is for an open one."""
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
    network: Network
