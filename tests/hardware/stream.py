"""A camera that behaves as a `picamera2.Picamera2` does, for what our driver calls of it.

It gives frames at a rate, each exposed for a while and handed out once, when it is done; it has a lens, an exposure and
a white balance that are set or find themselves. It is for what the real one cannot be made to do at will; the real one
goes through the same suite in tests/debian13.
"""

import io
import threading
import time
from collections import deque
from concurrent.futures import TimeoutError as TimedOutError
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FRAME_NS = 10_000_000
"""From one exposure's start to the next's, and how long each lasts."""

SETTLED_US = 8000
"""The exposure that finds itself."""

SETTLING_FRAMES = 3

LENS: dict[str, Any] = {"AfMode": (0, 2, 0), "AfTrigger": (0, 1, 0), "LensPosition": (0.0, 15.0, 1.0)}
LIGHT: dict[str, Any] = {"ExposureTime": (0, 66666, 20000), "AnalogueGain": (0.0, 16.0, 1.0)}
COLOUR: dict[str, Any] = {"AwbEnable": (False, True, None), "ColourGains": (0.0, 32.0, None)}


def encode(luma: NDArray[np.uint8], blue: NDArray[np.uint8], red: NDArray[np.uint8], quality: int) -> bytes:
    """JPEG by Pillow, called as simplejpeg is, which refuses columns of any stride too."""
    assert blue.flags.c_contiguous
    assert red.flags.c_contiguous
    bands = [Image.fromarray(plane).resize(luma.shape[::-1], Image.Resampling.NEAREST) for plane in (blue, red)]
    jpeg = io.BytesIO()
    Image.merge("YCbCr", [Image.fromarray(luma), *bands]).save(jpeg, "JPEG", quality=quality)
    return jpeg.getvalue()


class FakeRequest:
    """A completed request: one frame's buffer, which must be released once."""

    def __init__(self, camera: "FakeCamera", buffer: NDArray[np.uint8], metadata: dict[str, Any]) -> None:
        self._camera = camera
        self._metadata = metadata
        self._buffer: NDArray[np.uint8] | None = buffer

    def get_metadata(self) -> dict[str, Any]:
        """What is told of the frame."""
        return self._metadata

    def make_buffer(self, name: str) -> NDArray[np.uint8]:
        """A copy of the stream's bytes."""
        assert name == "main"
        assert self._buffer is not None, "used after its release"
        return self._buffer.copy()

    def release(self) -> None:
        """Gives the buffer back."""
        assert self._buffer is not None, "released twice"
        self._buffer = None
        self._camera.held -= 1


class FakeCamera:
    """A camera, and the hands that reach it.

    Attributes:
        luma: how bright the sheet before it is.
        is_seen: whether anything is to be seen at all; else every pixel is as bright as the next.
        is_torn: whether the second half of each frame is never written.
        sharp_at: where the lens is focused, in dioptres.
        can_focus: whether looking for that ever ends.
        held: requests handed out and not released.
        closed: whether `close` was called.
        plugged: while cleared, no frame is ever done.
        free: while cleared, calls do not return, whatever their time-out.
        error: what calls raise, if anything.
        started_ns: when each exposure that was handed out began.
        asked: every set of controls so far, in order.
        configuration: what was asked for.
    """

    def __init__(
        self,
        size: tuple[int, int] = (64, 48),
        luma: int = 40,
        gives: str = "YUV420",
        controls: dict[str, Any] | None = None,
    ) -> None:
        self.sensor_resolution, self.luma, self.gives = size, luma, gives
        self.stride = size[0] + 32
        self.camera_controls = LENS | LIGHT | COLOUR if controls is None else controls
        self.is_seen, self.is_torn = True, False
        self.sharp_at, self.can_focus = 10.0, True
        self.held = 0
        self.closed = False
        self.plugged = threading.Event()
        self.plugged.set()
        self.free = threading.Event()
        self.free.set()
        self.error: Exception | None = None
        self.started_ns: list[int] = []
        self.asked: deque[dict[str, Any]] = deque()
        self.configuration: dict[str, Any] = {}
        self.state = "open"
        self._is_stuck = False
        self._next_ns = 0
        self._pace = threading.Event()
        self._settling = 0
        self._told: dict[str, Any] = {"ExposureTime": 20000, "AnalogueGain": 1.0, "AeState": 1}
        if "ColourGains" in self.camera_controls:
            self._told["ColourGains"] = (1.0, 1.0)
        if "AfMode" in self.camera_controls:
            self._told |= {"LensPosition": 1.0, "AfState": 0}

    # Opening.

    def create_still_configuration(self, **asked: Any) -> dict[str, Any]:
        """A configuration."""
        return asked

    def configure(self, configuration: dict[str, Any]) -> None:
        """Takes a configuration."""
        self.configuration = configuration

    def camera_configuration(self) -> dict[str, Any]:
        """What is given instead of what was asked for."""
        return {"main": {"format": self.gives, "size": self.sensor_resolution, "stride": self.stride}}

    def start(self) -> None:
        """Starts the stream."""
        self.state = "started"

    def cancel_all_and_flush(self) -> None:
        """Forgets what was asked for."""
        self._is_stuck = False

    def close(self) -> None:
        """Lets the camera go."""
        assert not self.closed
        self.closed = True
        self.state = "closed"

    # What it is set to.

    def set_controls(self, controls: dict[str, Any]) -> None:
        """Sets controls from the next frame on."""
        unknown = set(controls) - set(self.camera_controls)
        assert not unknown, f"Control {unknown} is not advertised by libcamera"
        self.asked.append(dict(controls))
        if controls.get("AfMode") == 2:
            self._told |= {"LensPosition": self.sharp_at, "AfState": 2}
        if controls.get("AfMode") == 0:
            self._told["AfState"] = 0
        if controls.get("ExposureTime", 0) > 0:
            self._settling = 10**9
            self._told["AeState"] = 0
        elif "ExposureTime" in controls:
            self._settling = 0
            self._told["AeState"] = 1
        # A 0 is no exposure and no gain, but the farthest there is.
        self._told |= {
            name: value for name, value in controls.items() if (name in self._told and value) or name == "LensPosition"
        }

    def autofocus_cycle(self, wait: float) -> bool:
        """Moves the lens to where it is sharp."""
        if not self.can_focus:
            self._pace.wait(min(wait, 0.05))
            self._is_stuck = True  # what was asked for stays first in the queue until it is cancelled
            raise TimedOutError
        self.asked.append({"AfMode": 1, "AfTrigger": 0})
        self._told |= {"LensPosition": self.sharp_at, "AfState": 2}
        return True

    # Frames.

    def capture_metadata(self, wait: float) -> dict[str, Any]:
        """What is told of the next frame."""
        request = self.capture_request(wait, 0)
        try:
            return request.get_metadata()
        finally:
            request.release()
            self.started_ns.pop()

    def capture_request(self, wait: float, flush: int) -> FakeRequest:
        """The first frame that was not handed out yet and whose exposure began at `flush` or later, once it is done."""
        assert not self.closed
        assert not self._is_stuck, "something else is asked for, and is never done"
        self.free.wait()
        if self.error is not None:
            raise self.error
        start = max(-(-max(flush, time.monotonic_ns() - FRAME_NS) // FRAME_NS) * FRAME_NS, self._next_ns)
        self._next_ns = start + FRAME_NS
        self._pace.wait((start + FRAME_NS - time.monotonic_ns()) / 1e9)
        if not self.plugged.wait(wait):
            raise TimedOutError
        self._settling += 1
        if self._told["AeState"] == 1 and self._settling >= SETTLING_FRAMES:
            self._told |= {"AeState": 2, "ExposureTime": SETTLED_US}
        self.started_ns.append(start)
        self.held += 1
        return FakeRequest(self, self._buffer(), dict(self._told))

    def _buffer(self) -> NDArray[np.uint8]:
        width, height = self.sensor_resolution
        buffer = np.full(height * self.stride * 3 // 2, 128, np.uint8)
        rows = buffer[: height * self.stride].reshape(height, self.stride)
        rows[:, :width], rows[:, width:] = self.luma, 255
        if self.is_seen:
            # Light that falls off to one side, and lines of print as sharp as the lens has them.
            rows[:, :width] += np.linspace(-20, 20, width).round().astype(np.int8).astype(np.uint8)
            defocus = abs(self._told.get("LensPosition", self.sharp_at) - self.sharp_at)
            rows[8::16, :width:2] += np.uint8(round(30 / (1 + defocus**2)))
        if self.is_torn:
            rows[height // 2 :] = 0
            buffer[height * self.stride :].reshape(2, height // 2, -1)[:, height // 4 :] = 0
        return buffer


class FakeLibrary:
    """The class `Picamera2`: what cameras there are, and opening the first of them, once."""

    def __init__(self, camera: FakeCamera | None, model: str = "imx708") -> None:
        self.camera = camera
        self.model = model
        self.error: Exception | None = None

    def global_camera_info(self) -> list[dict[str, Any]]:
        """What cameras there are."""
        return [{"Model": self.model, "Num": 0}] if self.camera else []

    def __call__(self) -> FakeCamera:
        """Opens the first."""
        if self.error is not None:
            raise self.error
        assert self.camera is not None
        self.camera.closed, self.camera.state = False, "open"
        return self.camera
