"""The camera driver: what its thread, its deadline and its conversion do when picamera2 behaves, fails or hangs."""

import io
import threading
import time
from queue import SimpleQueue
from typing import Any

import numpy as np
import pytest
from PIL import Image

from device.ports import BodyEvent, CameraFailed, FrameTaken
from hardware.camera import PiCamera, frame_of, open_camera
from tests.hardware.stream import FakeStream

Inbox = SimpleQueue[BodyEvent]


def test_every_frame_was_exposed_after_its_look() -> None:
    inbox, stream = Inbox(), FakeStream()
    camera = PiCamera(lambda: stream, inbox.put)
    looked = []
    for _ in range(10):
        looked.append(time.monotonic_ns())
        camera.look()
        assert isinstance(inbox.get(timeout=10), FrameTaken)
    assert all(started >= since for started, since in zip(stream.started_ns, looked, strict=True))


def test_every_request_is_released_and_the_stream_is_kept_running() -> None:
    inbox, stream, left = Inbox(), FakeStream(), [1]

    def opened() -> FakeStream:
        left.pop()
        return stream

    camera = PiCamera(opened, inbox.put)
    for _ in range(5):
        camera.look()
        assert isinstance(inbox.get(timeout=10), FrameTaken)
        assert stream.held == 0
    assert left == []


def test_a_camera_that_hangs_is_a_failure_at_the_deadline_and_only_one() -> None:
    inbox, stream = Inbox(), FakeStream()
    stream.free.clear()
    camera = PiCamera(lambda: stream, inbox.put, seconds_max=0.3)
    began = time.monotonic()
    camera.look()
    camera.look()
    for _ in range(2):
        event = inbox.get(timeout=5)
        assert event == CameraFailed("no frame within 0.3 s: check the ribbon; if it goes on, restart the unit")
    assert 0.3 <= time.monotonic() - began < 1
    stream.free.set()  # the frame comes after all, for a look that was given up
    camera.look()
    assert isinstance(inbox.get(timeout=5), FrameTaken)
    assert inbox.empty()


def test_an_opening_that_hangs_is_a_failure_at_the_deadline() -> None:
    inbox, go_on = Inbox(), threading.Event()

    def hang() -> FakeStream:
        go_on.wait()
        return FakeStream()

    camera = PiCamera(hang, inbox.put, seconds_max=0.2)
    camera.look()
    assert isinstance(inbox.get(timeout=5), CameraFailed)
    go_on.set()
    camera.look()
    assert isinstance(inbox.get(timeout=5), FrameTaken)


def test_a_failure_closes_the_camera_and_the_next_look_opens_it_again() -> None:
    inbox, streams = Inbox(), [FakeStream(), FakeStream()]
    left = list(streams)
    camera = PiCamera(lambda: left.pop(0), inbox.put)
    streams[0].error = OSError("No such device")
    camera.look()
    assert inbox.get(timeout=5) == CameraFailed("OSError: No such device")
    camera.look()
    assert isinstance(inbox.get(timeout=5), FrameTaken)
    assert (streams[0].closed, streams[1].closed) == (True, False)


def test_a_frame_that_does_not_come_in_time_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hardware.camera.CAPTURE_SECONDS_MAX", 0.1)
    inbox, stream = Inbox(), FakeStream()
    stream.plugged.clear()
    PiCamera(lambda: stream, inbox.put).look()
    event = inbox.get(timeout=5)
    assert isinstance(event, CameraFailed)
    assert "the camera gives no frame: check the ribbon" in event.why


def test_a_frame_keeps_colours_and_leaves_the_padding_out() -> None:
    """BT.601 full range, as JPEG has it: blue is Y 29, U 255, V 107."""
    height, width, stride = 20, 30, 64
    buffer = np.full(height * stride * 3 // 2, 77, np.uint8)
    buffer[: height * stride].reshape(height, stride)[:, :width] = 29
    chroma = buffer[height * stride :].reshape(2, height // 2, stride // 2)
    chroma[0, :, : width // 2], chroma[1, :, : width // 2] = 255, 107
    frame = frame_of(buffer, (width, height), stride)
    assert frame.luma.shape == (height, width)
    assert np.shares_memory(frame.luma, buffer)
    assert (frame.luma == 29).all()
    with Image.open(io.BytesIO(frame.picture)) as picture:
        assert picture.size == (width, height)
        assert np.abs(np.asarray(picture.convert("RGB")).astype(int) - (0, 0, 255)).max() <= 6


class FakeLibrary:
    """The class `Picamera2`, as far as opening goes."""

    def __init__(self, cameras: int = 1, gives: str = "YUV420", controls: tuple[str, ...] = ("AfMode",)) -> None:
        self.cameras, self.gives = cameras, gives
        self.camera_controls = dict.fromkeys(controls)
        self.sensor_resolution = (4608, 2592)
        self.asked: dict[str, Any] = {}
        self.state = "new"

    def global_camera_info(self) -> list[str]:
        return ["imx708"] * self.cameras

    def __call__(self) -> "FakeLibrary":
        self.state = "open"
        return self

    def create_still_configuration(self, **asked: Any) -> dict[str, Any]:
        return asked

    def configure(self, asked: dict[str, Any]) -> None:
        self.asked = asked

    def camera_configuration(self) -> dict[str, Any]:
        return {"main": {"format": self.gives}}

    def start(self) -> None:
        self.state = "started"

    def close(self) -> None:
        self.state = "closed"


def test_the_camera_is_opened_at_full_size_in_yuv_and_focuses_itself() -> None:
    library = FakeLibrary()
    assert open_camera(library).state == "started"
    assert library.asked["main"] == {"size": (4608, 2592), "format": "YUV420"}
    assert library.asked["controls"] == {"AfMode": 2}


def test_a_lens_that_cannot_focus_is_not_asked_to() -> None:
    library = FakeLibrary(controls=())
    open_camera(library)
    assert library.asked["controls"] == {}


def test_no_camera_is_said_in_words() -> None:
    with pytest.raises(RuntimeError, match="no camera is found: switch the unit off and check both ends of the ribbon"):
        open_camera(FakeLibrary(cameras=0))


def test_a_camera_that_does_not_suit_is_let_go() -> None:
    library = FakeLibrary(gives="MJPEG")
    with pytest.raises(RuntimeError, match="gives MJPEG, not YUV420"):
        open_camera(library)
    assert library.state == "closed"
