"""The simulated body: the ports of a unit with no hardware under them, and the things a person does to them beside."""

import errno
import hashlib
import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from device.lamps import Change, Mixer
from device.pictures import Unreadable, luma_of
from device.ports import (
    Body,
    BodyEvent,
    ButtonPressed,
    ButtonReleased,
    CameraFailed,
    CameraHangs,
    Frame,
    FrameRead,
    FrameTaken,
    Link,
    Ms,
    NetworkJoined,
    Post,
    ReaderFailed,
    StickIn,
    StickOut,
    StickWorked,
)
from device.signals import FaultCode, Signal
from sim.clock import Schedule
from wire.acta import Profile

EXPOSURE_MS = 120
"""From a look to its frame: what a streaming Camera Module 3 takes at 8 frames a second."""

JOIN_MS = 4_000
"""From a network's name to its answer."""

GIVEN_UP_MS = 5_000
HANG_MS = 30_000
"""A look that comes to nothing is given up, and later the camera, as those of a Raspberry Pi are."""

STICK_MS = 300
"""Each work beside the unit: enough for presses and answers to come between two."""


def encoded(luma: NDArray[np.uint8]) -> bytes:
    """A picture of it, as the bytes of a PNG file."""
    out = BytesIO()
    Image.fromarray(luma).save(out, "PNG")
    return out.getvalue()


_TRAY: NDArray[np.uint8] = np.full((486, 864), 18, np.uint8)
EMPTY_TRAY = Frame(_TRAY, encoded(_TRAY), "image/png")


class SimCamera:
    """A camera over a tray.

    Its hands: `lay` puts a picture of a sheet on the tray, `clear` takes it away, `unplug` pulls the ribbon and `plug`
    puts it back, `stall` keeps answers back; then `resume` gives them all, late, or `forget` none of them, ever.
    After `hang` nothing comes back from it, until the firmware starts anew.
    """

    def __init__(self, clock: Schedule, post: Post) -> None:
        self._clock = clock
        self._post = post
        self._scene = EMPTY_TRAY
        self._plugged = True
        self._stalled = False
        self._hangs = False
        self._late: list[BodyEvent] = []

    def look(self, anew: bool = False) -> None:  # noqa: ARG002  its pictures are as sharp as they are
        """Answers with what lies on the tray at the end of the exposure."""
        if self._hangs:
            self._clock.after(GIVEN_UP_MS, lambda: self._post(CameraFailed("nothing comes from the camera")))
            why = "nothing has come back from the camera: the unit starts anew by itself"
            self._clock.after(HANG_MS, lambda: self._post(CameraHangs(why)))
        else:
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
        self._scene = EMPTY_TRAY

    def unplug(self) -> None:
        """Pulls the ribbon: looks fail from now on."""
        self._plugged = False

    def plug(self) -> None:
        """Puts the ribbon back."""
        self._plugged = True

    def stall(self) -> None:
        """Answers to looks are kept back from now on."""
        self._stalled = True

    def hang(self) -> None:
        """Looks come to nothing from now on, and are given up."""
        self._hangs = True

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


Seen = dict[tuple[bytes, ...], FrameRead]
"""What was read before, by the digests of a frame and of those of the same press before it that could not be read."""


class SimReader:
    """The real reader, in the thread that asks: any number of units on one stepped clock need no process each.

    The reader's clock stands still: no budget runs out, and a run can be replayed. So what is read depends on the
    frames of a press and on nothing else, and with `seen` a sequence of frames that was read before is not read again.

    Its hands: `lose` makes it answer the next frames as lost; while `is_gone` there is no reader; while `is_mute` it
    does not answer, as no reader may.
    """

    def __init__(self, post: Post, profile: Profile, seen: Seen | None = None) -> None:
        self._post = post
        from device.eye import FRAMES_MAX, Eye  # a unit that reads apart never loads it

        self._open = partial(Eye, profile, lambda: 0.0)
        self._eye = self._open()
        self._seen = seen
        self._press: Ms | None = None
        self._unread: deque[NDArray[np.uint8]] = deque(maxlen=FRAMES_MAX)
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
            read = self._eye.see(luma, press) if self._seen is None else self._look_up(self._seen, luma, press)
            if not self.is_mute:
                self._post(replace(read, number=number))

    def _look_up(self, seen: Seen, luma: NDArray[np.uint8], press: Ms) -> FrameRead:
        if press != self._press:
            self._press = press
            self._unread.clear()
        frames = (*self._unread, luma)
        key = tuple(hashlib.sha256(b"%d %b" % (frame.shape[1], frame.tobytes())).digest() for frame in frames)
        if key not in seen:
            eye = self._open()
            seen[key] = [eye.see(frame, press) for frame in frames][-1]
        if seen[key].payloads:
            self._unread.clear()
        else:
            self._unread.append(luma)
        return seen[key]

    def ready(self) -> None:
        """Is ready from the start."""

    def lose(self, frames: int) -> None:
        """Breaks the reader for so many frames."""
        self._losing = frames

    def close(self) -> None:
        """Has nothing to end."""


class SimIndicator:
    """Lamps and buzzer that nobody needs to look at: what they have shown is worked out when somebody does.

    Attributes:
        shown: every signal so far.
        heard: is called with each.
        codes: every fault so far.
        counted: every number that was read out.
        is_quiet: whether nothing sounds.
        hushed: how often what sounds was cut.
    """

    def __init__(self, clock: Schedule) -> None:
        self.shown: list[Signal] = []
        self.heard: Callable[[Signal], None] = lambda _signal: None
        self.codes: list[FaultCode] = []
        self.counted: list[int] = []
        self.is_quiet = False
        self.hushed = 0
        self._clock = clock
        self._mixer = Mixer(clock.ms())
        self._unmixed: list[tuple[Ms, Callable[[Mixer, Ms], None]]] = []

    def show(self, said: Signal | FaultCode) -> None:
        """Shows a signal."""
        signal = said.signal if isinstance(said, FaultCode) else said
        if isinstance(said, FaultCode):
            self.codes.append(said)
        self.shown.append(signal)
        self._mix(lambda mixer, at: mixer.show(said, at))
        self.heard(signal)

    def count(self, number: int) -> None:
        """Reads a number out."""
        self.counted.append(number)
        self._mix(lambda mixer, at: mixer.count(number, at))

    def quiet(self, on: bool) -> None:
        """Sounds nothing, or sounds again."""
        self.is_quiet = on
        self._mix(lambda mixer, at: mixer.quiet(on, at))

    def hush(self) -> None:
        """Cuts what sounds."""
        self.hushed += 1
        self._mix(lambda mixer, at: mixer.hush(at))

    def played(self) -> list[Change]:
        """What lamps and buzzer have shown until now, since this was last asked."""
        for at, said in self._unmixed:
            said(self._mixer, at)
        self._unmixed.clear()
        return self._mixer.play(self._clock.ms())

    def _mix(self, said: Callable[[Mixer, Ms], None]) -> None:
        self._unmixed.append((self._clock.ms(), said))


class SimNetwork:
    """The air around a unit, and what networks are in it.

    Its hand: `in_reach` holds their passphrases by name. `joined` is the name of the one it is in.
    """

    def __init__(self, clock: Schedule, post: Post) -> None:
        self._clock = clock
        self._post = post
        self.in_reach: dict[str, str] = {}
        self.joined = ""

    def join(self, name: str, passphrase: str) -> None:
        """Tries to join it, and says after a while what came of it."""
        self._clock.after(JOIN_MS, lambda: self._try(name, passphrase))

    def _try(self, name: str, passphrase: str) -> None:
        is_there = self.in_reach.get(name) == passphrase
        self.joined = name if is_there else ""
        self._post(NetworkJoined("" if is_there else "there is no such network here, or it takes another passphrase"))


class SimStorage:
    """A folder of this machine as the card.

    Its hand: `size` makes it a card of so many bytes; None, of as many as the machine has.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.size: int | None = None

    @property
    def folder(self) -> Path:
        """The folder."""
        return self._folder

    def free(self) -> int:
        """Bytes that can still be written."""
        if self.size is not None:
            return max(0, self.size - sum(path.stat().st_size for path in self._folder.rglob("*")))
        found = os.statvfs(self._folder)
        return found.f_bavail * found.f_frsize


class SimStick:
    """A folder of this machine as a stick; what is done beside the unit is done a moment later, all at once."""

    def __init__(self, clock: Schedule, folder: Path, post: Post) -> None:
        self.folder = folder
        self._clock = clock
        self._post = post
        self._is_in = True

    def beside(self, work: Callable[[], object]) -> None:
        """Does it after a moment; it fails if the stick was pulled until then."""
        self._clock.after(STICK_MS, lambda: self._do(work))

    def release(self) -> None:
        """Has nothing to unmount."""

    def pull(self) -> None:
        """Pulls it, done or not."""
        self._is_in = False
        self._post(StickOut(self))

    def _do(self, work: Callable[[], object]) -> None:
        outcome: object
        try:
            outcome = work() if self._is_in else OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        except Exception as error:  # noqa: BLE001  it is the unit's to tell what failed from what cannot be
            outcome = error
        self._post(StickWorked(self, outcome))


@dataclass(frozen=True, slots=True)
class SimBody:
    """A body, and the parts that a person's hands reach.

    Attributes:
        body: what the firmware is given.
        camera, indicator, network: the same parts, with their hands' side.
        clock: its time.
        post: the inbox.
    """

    body: Body
    camera: SimCamera
    indicator: SimIndicator
    network: SimNetwork
    clock: Schedule
    post: Post

    def press(self) -> None:
        """Presses the button, and lets it go at once."""
        self.hold()
        self.release()

    def hold(self) -> None:
        """Presses the button, and holds it down."""
        self.post(ButtonPressed())

    def release(self) -> None:
        """Lets the button go."""
        self.post(ButtonReleased())

    def put_in(self, folder: Path) -> SimStick:
        """Puts in a stick, which is returned: it has a hand to pull it."""
        stick = SimStick(self.clock, folder, self.post)
        self.post(StickIn(stick))
        return stick


def make(clock: Schedule, folder: Path, link: Link, post: Post) -> SimBody:
    """A simulated body.

    Args:
        clock: its time.
        folder: its card.
        link: its link, real or not.
        post: the firmware's inbox.
    """
    camera, indicator, network = SimCamera(clock, post), SimIndicator(clock), SimNetwork(clock, post)
    body = Body(camera, indicator, clock, SimStorage(folder), link, network)
    return SimBody(body, camera, indicator, network, clock, post)
