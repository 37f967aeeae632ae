"""The camera's promises over picamera2 itself: the same suite that the other bodies take."""

import queue
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from threading import Event

import numpy as np
import pytest
from simplejpeg import encode_jpeg_yuv_planes  # pyright: ignore[reportMissingImports]

from device.ports import BodyEvent, Camera
from hardware.camera import PiCamera, Stream, open_stream
from tests.debian13.virtual import Library, Tray
from tests.ports import test_camera as suite

globals().update({name: test for name, test in vars(suite).items() if name.startswith("test_")})


class VirtualBench:
    """The real driver over picamera2, and the hands beside it."""

    def __init__(self) -> None:
        self.inbox: SimpleQueue[BodyEvent] = SimpleQueue()
        self.tray = Tray()
        self.streams: list[Stream] = []
        self.free = Event()
        self.camera: Camera = PiCamera(self._open, self.inbox.put, seconds_max=8)

    def next(self) -> BodyEvent:
        return self.inbox.get(timeout=10)

    def is_quiet(self) -> bool:
        try:
            self.inbox.get(timeout=1)
        except queue.Empty:
            return True
        return False

    def lay(self, brightness: int) -> None:
        sheet = np.full((1296, 2304), brightness, np.uint8)
        sheet[::40] = 255 - brightness
        self.tray.lay(sheet)

    def unplug(self) -> None:
        self.tray.is_plugged = False

    def plug(self) -> None:
        self.tray.is_plugged = True

    def hang(self) -> None:
        self.streams[0].look = lambda *_asked: self.free.wait()  # type: ignore[assignment]

    def _open(self) -> Stream:
        stream = open_stream(Library(self.tray), encode_jpeg_yuv_planes, Path("no-calibration.json"))
        self.streams[:] = [stream]
        return stream


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[VirtualBench]:
    monkeypatch.setattr("hardware.camera.CAPTURE_SECONDS_MAX", 3.0)
    monkeypatch.setattr("hardware.camera.HANG_SECONDS_MAX", 0.2)
    bench = VirtualBench()
    yield bench
    bench.plug()
    for stream in bench.streams:
        stream.close()
