"""The camera: a stream of full frames on picamera2 that is kept running, so that a look costs one exposure.

Nothing is promised of what libcamera does when a ribbon comes out: calls may throw, or never return. So the camera has
a thread of its own, each look has a deadline that does not need that thread, and whatever went wrong closes the camera,
to be opened again for the next look.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import TimeoutError as TimedOutError
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.ports import CameraFailed, CameraHangs, Frame, FrameTaken, PartMissing, Post
from hardware.calibration import AE_CONVERGED, AF_CONTINUOUS, Calibration, Controls, Metadata, Setting, fitting

LOOK_SECONDS_MAX = 5.0
"""A look is answered by then, come what may."""

HANG_SECONDS_MAX = 25.0
"""What has not come back so long after that never will: a camera is opened in less on the slowest board, with all that
its library loads. Until then the lamps have read out the code of the fault four times."""

CAPTURE_SECONDS_MAX = 4.0
"""How long a frame is waited for, from the look on: every fault but a hang is known before the look's deadline."""

FOCUS_SECONDS_MAX = 1.5
"""How long the lens may search: a Camera Module 3 needs well under a second where it sees anything."""

SETTLE_SECONDS_MAX = 1.0
"""How long exposure, white balance and lens may take to be as asked: ten frames at the slowest rate of any module."""

BUFFERS = 2
"""One being exposed while the other is copied: 36 MB of a 12-megapixel sensor, where a third would be 18 MB more of the
512 that a Pi Zero 2 W has. The stream keeps none back for us (`queue`), for a frame from before the press is no use."""

JPEG_QUALITY = 90

FORMATS = ("YUV420", "NV12")
"""What `planes_of` knows, and what is asked for first."""

FLAT = 4
"""Levels of brightness: what differs by no more all over a frame shows nothing. The noise of a sensor that sees light
is above that, and an empty tray has marks on it."""

STEP = 16
"""Of so many rows and columns one is looked at for flaws: 47,000 pixels of 12 megapixels, a millisecond."""

Camera = Any
"""A `picamera2.Picamera2`, which has no types."""

Plane = NDArray[np.uint8]

Encode = Callable[[Plane, Plane, Plane, int], bytes]
"""JPEG from planes of Y, U and V, the latter two with half the rows and columns, at a quality: what picamera2 itself
encodes with, `simplejpeg.encode_jpeg_yuv_planes`. Measured beside Pillow at 12 megapixels: 14 times as fast, and
without the 60 MB that Pillow needs for an interleaved copy."""

AUTOMATIC: Controls = {"ExposureTime": 0, "AnalogueGain": 0, "AwbEnable": True}
"""Exposure and white balance that the camera finds for itself; picamera2 says the modes to libcamera for a 0."""

FLAWS = {
    "": "the camera gives no frame: check the ribbon, and that nothing else uses the camera",
    "blank": "every frame is blank: uncover the lens, see that the light over the tray comes on, check the ribbon",
    "half": "every frame ends half-way: check the ribbon, and that the power supply is strong enough",
}
"""What is said of a camera that gives nothing but frames with a flaw."""


class CameraFault(Exception):
    """The camera gives no frame that is any use: why, and what to do, in one sentence."""


@dataclass(frozen=True, slots=True, eq=False)
class Planes:
    """A frame in the memory of this process: Y, U and V as uint8, the latter two with half the rows and columns."""

    luma: Plane
    blue: Plane
    red: Plane

    @property
    def flaw(self) -> str:
        """What is wrong with the frame as a whole, in a word; empty when nothing is."""
        luma = self.luma[::STEP, ::STEP]
        if int(luma.max()) - int(luma.min()) <= FLAT:
            return "blank"
        # Black has 128 in both chroma planes. Rows with nothing but zeros in both were never written: memory for frames
        # comes cleared, and no sheet of whatever green is that green all along a row.
        if not (self.blue[::STEP] | self.red[::STEP]).any(axis=1).all():
            return "half"
        return ""


def planes_of(buffer: Plane, main: Mapping[str, Any]) -> Planes:
    """The planes in a stream's buffer, as views.

    Args:
        buffer: uint8, at least 1.5 x rows x stride: all of Y, then the chroma.
        main: the stream's configuration: `format`, YUV420 (all of U, then V, with half the stride) or NV12 (U and V in
            turns, which USB cameras and libcamera's virtual one give); `size`, columns and rows, both even; `stride`.
    """
    (width, height), stride = main["size"], main["stride"]
    luma, chroma = np.split(buffer[: height * stride * 3 // 2], [height * stride])
    luma = luma.reshape(height, stride)[:, :width]
    if main["format"] == "NV12":
        turns = chroma.reshape(height // 2, stride)[:, :width]
        return Planes(luma, turns[:, 0::2], turns[:, 1::2])
    blue, red = chroma.reshape(2, height // 2, stride // 2)[:, :, : width // 2]
    return Planes(luma, blue, red)


class Exposure(Frame):
    """A frame whose photograph is made when it is first asked for: by the thread that seals it, while it is read."""

    _planes: Planes
    _encode: Encode

    def __init__(self, planes: Planes, encode: Encode, calibration: str) -> None:
        told = {"luma": planes.luma, "media": "image/jpeg", "calibration": calibration}
        for name, value in {**told, "_planes": planes, "_encode": encode}.items():
            object.__setattr__(self, name, value)  # it is frozen, as every frame

    @cached_property
    def picture(self) -> bytes:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The photograph: all that was captured, at full size."""
        planes = self._planes
        # simplejpeg takes rows of any stride, but no columns of one.
        blue, red = np.ascontiguousarray(planes.blue), np.ascontiguousarray(planes.red)
        return self._encode(planes.luma, blue, red, JPEG_QUALITY)


class Stream:
    """An open camera whose stream runs, set as a unit wants it; for one thread.

    It begins as it was calibrated. Without a calibration it finds focus, exposure and white balance for itself, and
    holds on to what it has found: the light over the tray is its own, and what changes between two frames of the same
    paper helps nobody.

    Args:
        camera: configured and started.
        encode: makes the photographs.
        model: of the camera's sensor, as libcamera names it.
        calibration: what the camera was set by as it was started; None: it finds everything for itself.
        remark: why there is no calibration, though there is a file of one, in words.

    Attributes:
        metadata: what was told of the last frame.
    """

    def __init__(
        self, camera: Camera, encode: Encode, model: str, calibration: Calibration | None, remark: str = ""
    ) -> None:
        self.model = model
        self.remark = remark
        self.metadata: Metadata = {}
        self._camera = camera
        self._encode = encode
        self._main = dict(camera.camera_configuration()["main"])
        self._calibration = calibration
        self._home = calibration.setting if calibration else None
        self._is_home = calibration is not None

    @property
    def dioptres_max(self) -> float:
        """How near the lens can focus, in dioptres; 0 for one that cannot be moved."""
        known = self._camera.camera_controls
        return float(known["LensPosition"][1]) if "AfMode" in known else 0.0

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows of its frames."""
        width, height = self._main["size"]
        return width, height

    def look(self, since_ns: int, anew: bool = False) -> Frame:
        """The first frame exposed after a moment on the monotonic clock; with `anew`, once all is found again.

        Raises:
            CameraFault: there is none, or none of any use.
            Exception: whatever picamera2 and libcamera make of a bad ribbon.
        """
        until = time.monotonic() + CAPTURE_SECONDS_MAX
        if anew:
            self.find()
        elif self._home is not None and not self._is_home:
            self.hold(self._home)
        frame = self.take(since_ns, until - time.monotonic())
        if not self._calibration and not self._is_home and (found := Setting.found(self.metadata)) is not None:
            self._set(found.controls())
            self._home, self._is_home = found, True
        return frame

    def take(self, since_ns: int, seconds_max: float = CAPTURE_SECONDS_MAX) -> Frame:
        """The first frame without a flaw exposed after a moment on the monotonic clock, with the camera as it is set.

        Raises:
            CameraFault: there is none.
            Exception: whatever picamera2 and libcamera make of a bad ribbon.
        """
        flaw, until = "", time.monotonic() + seconds_max
        while (left := until - time.monotonic()) > 0:
            try:
                # With `flush` picamera2 passes over frames whose exposure began before.
                request = self._camera.capture_request(wait=left, flush=since_ns)
            except TimedOutError:
                break
            try:
                self.metadata = request.get_metadata()
                planes = planes_of(request.make_buffer("main"), self._main)
            finally:
                request.release()
            if not (flaw := planes.flaw):
                by = self._calibration.id if self._calibration and self._is_home else ""
                return Exposure(planes, self._encode, by)
        raise CameraFault(FLAWS[flaw])

    def hold(self, setting: Setting) -> None:
        """Sets focus, exposure and white balance, and waits until frames are taken so."""
        self._is_home = setting == self._home
        self._set(setting.controls())
        self._wait_until(setting.is_in)

    def find(self) -> None:
        """Lets the camera find focus, exposure and white balance for itself, and waits until it has."""
        self._is_home = False
        self._set(AUTOMATIC)
        if self.dioptres_max:
            try:
                self._camera.autofocus_cycle(wait=FOCUS_SECONDS_MAX)
            except TimedOutError:
                self._camera.cancel_all_and_flush()  # picamera2 would go on with it, and nothing else have its turn
        self._wait_until(lambda metadata: metadata.get("AeState") == AE_CONVERGED)

    def close(self) -> None:
        """Lets the camera go, in whatever state it is."""
        self._camera.cancel_all_and_flush()
        self._camera.close()

    def _set(self, controls: Controls) -> None:
        self._camera.set_controls(known_of(controls, self._camera))

    def _wait_until(self, is_so: Callable[[Metadata], bool]) -> None:
        """Waits until a frame is as asked, but not for ever: what comes instead may still be read."""
        until = time.monotonic() + SETTLE_SECONDS_MAX
        while time.monotonic() < until:
            if is_so(self._camera.capture_metadata(wait=SETTLE_SECONDS_MAX)):
                return


def open_camera(file: Path) -> Stream:
    """Opens the camera of a Raspberry Pi; the unit's calibration is in that file, if it has one.

    The libraries are the system's and take seconds to load on a small board, so this is for the camera's own thread:
    without them there is no camera, and everything else goes on.

    Raises:
        CameraFault: the libraries are not there or do not load; and what `open_stream` raises.
    """
    try:
        from picamera2 import Picamera2  # pyright: ignore[reportMissingImports]
        from simplejpeg import encode_jpeg_yuv_planes  # pyright: ignore[reportMissingImports]
    except Exception as error:  # those that were built for another numpy raise many kinds
        raise CameraFault(
            f"the camera's library does not load ({error}): install python3-picamera2, and see docs/on-device.md"
        ) from error
    return open_stream(Picamera2, encode_jpeg_yuv_planes, file)


def open_stream(picamera2: Any, encode: Encode, file: Path) -> Stream:
    """Opens the camera and starts its stream.

    Args:
        picamera2: the class `picamera2.Picamera2`.
        encode: makes the photographs.
        file: where the unit's calibration is, if it has one.

    Raises:
        CameraFault: there is no camera, or none that suits.
        Exception: whatever picamera2 and libcamera make of one that does not answer.
    """
    if not (found := picamera2.global_camera_info()):
        raise CameraFault("no camera is found: switch the unit off and check both ends of the ribbon")
    model, camera = found[0]["Model"], picamera2()
    try:
        asked = camera.create_still_configuration(
            main={"size": camera.sensor_resolution, "format": FORMATS[0]},
            raw=None,
            buffer_count=BUFFERS,
            queue=False,
        )
        camera.configure(asked)
        given = camera.camera_configuration()["main"]  # libcamera adjusts what is asked
        if given["format"] not in FORMATS:
            raise CameraFault(f"the camera gives {given['format']}, not {FORMATS[0]}: use a Raspberry Pi camera module")
        calibration, remark = fitting(file, model, given["size"])
        controls = calibration.setting.controls() if calibration else {"AfMode": AF_CONTINUOUS}
        camera.set_controls(known_of(controls, camera))
        camera.start()
        return Stream(camera, encode, model, calibration, remark)
    except BaseException:
        with contextlib.suppress(Exception):  # what went wrong first is what is told
            camera.close()
        raise


def known_of(controls: Controls, camera: Camera) -> Controls:
    """Those that the camera knows: a lens that cannot move has no focus, a sensor without colours no white balance."""
    return {name: value for name, value in controls.items() if name in camera.camera_controls}


class PiCamera:
    """A Raspberry Pi camera.

    Args:
        opened: opens the camera; called on the camera's own thread, again after each failure.
        post: the inbox.
        seconds_max: a look's deadline.
    """

    def __init__(self, opened: Callable[[], Stream], post: Post, seconds_max: float = LOOK_SECONDS_MAX) -> None:
        self._opened = opened
        self._post = post
        self._seconds_max = seconds_max
        self._stream: Stream | None = None
        self._remark = ""
        self._looks: SimpleQueue[_Look] = SimpleQueue()
        threading.Thread(target=self._run, name="camera", daemon=True).start()

    def look(self, anew: bool = False) -> None:
        """Asks for one frame."""
        self._looks.put(_Look(self._post, self._seconds_max, anew))

    def _run(self) -> None:
        with contextlib.suppress(Exception):  # the first look tries again, and says what is wrong
            self._open()
        while True:
            look = self._looks.get()
            if not look.is_answered():
                look.answer(self._take(look))
            look.is_over.set()

    def _take(self, look: "_Look") -> FrameTaken | CameraFailed:
        try:
            stream = self._stream or self._open()
            return FrameTaken(stream.look(look.since_ns, look.anew))
        except Exception as error:  # noqa: BLE001  whatever picamera2 makes of a bad ribbon, the look is answered
            self._let_go()
            return CameraFailed(in_words(error))

    def _open(self) -> Stream:
        self._stream = stream = self._opened()
        if stream.remark != self._remark:
            self._remark = stream.remark
            if stream.remark:
                self._post(PartMissing(stream.remark))
        return stream

    def _let_go(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            with contextlib.suppress(Exception):  # it is being given up
                stream.close()


def in_words(error: Exception) -> str:
    """What is wrong and what to do about it, of whatever came of asking for a frame."""
    if isinstance(error, CameraFault):
        return str(error)
    if isinstance(error, TimedOutError):
        return FLAWS[""]
    root: BaseException = error
    while root.__cause__ is not None:  # picamera2 says little, but says what it was raised from
        root = root.__cause__
    if "busy" in str(root).lower():
        return f"another program has the camera ({root}): end it, or start the unit again"
    return f"{type(root).__name__}: {root}: switch the unit off, check both ends of the ribbon, and start it again"


class _Look:
    """One look, answered once: by the camera's thread or, when that is too late, by its deadline.

    Attributes:
        since_ns: when it was asked for.
        anew: as in `Camera.look`.
        is_over: set when the camera's thread has done with it.
    """

    def __init__(self, post: Post, seconds_max: float, anew: bool) -> None:
        self.since_ns = time.monotonic_ns()
        self.anew = anew
        self.is_over = threading.Event()
        self._post = post
        self._seconds_max = seconds_max
        self._answered = threading.Lock()
        self._deadline = threading.Timer(seconds_max, self._end)
        self._deadline.daemon = True
        self._deadline.start()

    def is_answered(self) -> bool:
        return self._answered.locked()

    def answer(self, event: FrameTaken | CameraFailed) -> None:
        if self._answered.acquire(blocking=False):
            self._deadline.cancel()
            self._post(event)

    def _end(self) -> None:
        """It is too late; after a while perhaps for ever, for libcamera can hang, and its thread cannot be ended."""
        seconds = self._seconds_max
        why = f"no frame within {seconds:g} s: check the ribbon; if it goes on, start the unit again"
        self.answer(CameraFailed(why))
        if not self.is_over.wait(HANG_SECONDS_MAX):
            seconds += HANG_SECONDS_MAX
            why = (
                f"nothing has come back from the camera for {seconds:g} s: the unit starts anew by itself; if that "
                "does not help, switch it off and press both ends of the ribbon home"
            )
            self._post(CameraHangs(why))
