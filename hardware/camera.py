"""The camera: a stream of full frames on picamera2 that is kept running, so that a look costs one exposure.

Nothing is promised of what libcamera does when a ribbon comes out: calls may throw, or never return. So the camera has
a thread of its own, each look has a deadline that does not need that thread, and whatever went wrong closes the camera,
to be opened again for the next look.
"""

import contextlib
import io
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from device.ports import CameraFailed, Frame, FrameTaken, Post

LOOK_SECONDS_MAX = 5.0
"""A look is answered by then, come what may."""

CAPTURE_SECONDS_MAX = 4.0
"""How long picamera2 waits for a frame."""

BUFFERS = 3
"""One being exposed, one waiting, one being read: 54 MB of a 12-megapixel sensor."""

JPEG_QUALITY = 90

Camera = Any
"""A configured and started `picamera2.Picamera2`, which has no types."""


def open_camera(picamera2: Any) -> Camera:
    """Opens the camera and starts its stream.

    Args:
        picamera2: the class `picamera2.Picamera2`.

    Raises:
        RuntimeError: there is no camera, or not one that suits; picamera2 raises others.
    """
    if not picamera2.global_camera_info():
        raise RuntimeError("no camera is found: switch the unit off and check both ends of the ribbon")
    camera = picamera2()
    try:
        # Focus that searches for itself, until a unit is calibrated; modules with a fixed lens do not know the word.
        controls = {"AfMode": 2} if "AfMode" in camera.camera_controls else {}
        main = {"size": camera.sensor_resolution, "format": "YUV420"}
        camera.configure(
            camera.create_still_configuration(main=main, raw=None, buffer_count=BUFFERS, controls=controls)
        )
        if (found := camera.camera_configuration()["main"]["format"]) != "YUV420":  # libcamera adjusts what is asked
            raise RuntimeError(f"the camera gives {found}, not YUV420: use a Raspberry Pi camera module")
        camera.start()
    except BaseException:
        camera.close()
        raise
    return camera


class PiCamera:
    """A Raspberry Pi camera.

    Args:
        opened: opens and starts the camera; called on the camera's own thread, again after each failure.
        post: the inbox.
        seconds_max: a look's deadline.
    """

    def __init__(self, opened: Callable[[], Camera], post: Post, seconds_max: float = LOOK_SECONDS_MAX) -> None:
        self._opened = opened
        self._post = post
        self._seconds_max = seconds_max
        self._camera: Camera = None
        self._looks: SimpleQueue[_Look] = SimpleQueue()
        threading.Thread(target=self._run, name="camera", daemon=True).start()

    def look(self) -> None:
        """Asks for one frame."""
        self._looks.put(_Look(self._post, self._seconds_max))

    def _run(self) -> None:
        with contextlib.suppress(Exception):  # the first look tries again, and says what is wrong
            self._camera = self._opened()
        while True:
            look = self._looks.get()
            if not look.is_answered():
                look.answer(self._take(look.since_ns))

    def _take(self, since_ns: int) -> FrameTaken | CameraFailed:
        try:
            if self._camera is None:
                self._camera = self._opened()
            main = self._camera.camera_configuration()["main"]
            # With `flush` picamera2 passes over frames whose exposure began before.
            request = self._camera.capture_request(wait=CAPTURE_SECONDS_MAX, flush=since_ns)
            try:
                planes = request.make_buffer("main")
            finally:
                request.release()
            return FrameTaken(frame_of(planes, main["size"], main["stride"]))
        except Exception as error:  # noqa: BLE001  whatever picamera2 makes of a bad ribbon, the look is answered
            self._let_go()
            words = str(error) or "the camera gives no frame: check the ribbon, and that nothing else uses the camera"
            return CameraFailed(f"{type(error).__name__}: {words}")

    def _let_go(self) -> None:
        camera, self._camera = self._camera, None
        if camera is not None:
            with contextlib.suppress(Exception):  # it is being given up
                camera.cancel_all_and_flush()
                camera.close()


def frame_of(planes: NDArray[np.uint8], size: tuple[int, int], stride: int) -> Frame:
    """A frame from a YUV420 buffer: all of Y, then U, then V, the latter two with half the rows and half the stride.

    Args:
        planes: uint8, 1.5 x rows x stride; the frame's luma is a view into it.
        size: columns and rows, both even.
        stride: bytes from one row of Y to the next.
    """
    width, height = size
    ends = height * stride
    luma = planes[:ends].reshape(height, stride)[:, :width]
    chroma = planes[ends : ends + ends // 2].reshape(2, height // 2, stride // 2)[:, :, : width // 2]
    bands = [Image.fromarray(plane).resize(size, Image.Resampling.NEAREST) for plane in chroma]
    jpeg = io.BytesIO()
    Image.merge("YCbCr", [Image.fromarray(luma), *bands]).save(jpeg, "JPEG", quality=JPEG_QUALITY)
    return Frame(luma, jpeg.getvalue(), "image/jpeg")


class _Look:
    """One look, answered once: by the camera's thread or, when that is too late, by its deadline."""

    def __init__(self, post: Post, seconds_max: float) -> None:
        self.since_ns = time.monotonic_ns()
        self._post = post
        self._answered = threading.Lock()
        why = f"no frame within {seconds_max:g} s: check the ribbon; if it goes on, restart the unit"
        self._deadline = threading.Timer(seconds_max, self.answer, [CameraFailed(why)])
        self._deadline.daemon = True
        self._deadline.start()

    def is_answered(self) -> bool:
        return self._answered.locked()

    def answer(self, event: FrameTaken | CameraFailed) -> None:
        if self._answered.acquire(blocking=False):
            self._deadline.cancel()
            self._post(event)
