"""The camera's promises, on every body: the simulated one, and the real driver over a stream like picamera2's.

tests/debian13 holds the real driver to them over picamera2 itself.
"""

import io
import queue
import time
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

import numpy as np
import pytest
from PIL import Image

from device.ports import BodyEvent, Camera, CameraFailed, CameraHangs, FrameTaken
from hardware.camera import PiCamera, open_stream
from sim.body import make
from sim.clock import SteppedClock
from sim.link import Exchange
from tests.hardware.stream import FakeCamera, FakeLibrary, encode

BRIGHT, DARK = 200, 60


class Bench(Protocol):
    """A camera, and the hands of a person beside it."""

    camera: Camera

    def next(self) -> BodyEvent:
        """What the camera posts next; queue.Empty when it stays quiet."""
        ...

    def is_quiet(self) -> bool:
        """Whether it posts nothing for a while."""
        ...

    def lay(self, brightness: int) -> None:
        """Lays down a sheet of that brightness."""
        ...

    def unplug(self) -> None:
        """Pulls the ribbon."""
        ...

    def plug(self) -> None:
        """Puts it back."""
        ...

    def hang(self) -> None:
        """Lets nothing come back from it any more."""
        ...


class SimBench:
    def __init__(self, folder: Path) -> None:
        self.inbox: SimpleQueue[BodyEvent] = SimpleQueue()
        self.clock = SteppedClock()
        self.body = make(self.clock, folder, Exchange(self.clock).link("unit-1", self.inbox.put), self.inbox.put)
        self.camera: Camera = self.body.camera

    def next(self) -> BodyEvent:
        self.clock.run_until(lambda: not self.inbox.empty(), 30_000)
        return self.inbox.get_nowait()

    def is_quiet(self) -> bool:
        self.clock.run(60_000)
        return self.inbox.empty()

    def lay(self, brightness: int) -> None:
        sheet = io.BytesIO()
        Image.new("L", (64, 48), brightness).save(sheet, "PNG")
        self.body.camera.lay(sheet.getvalue(), "image/png")

    def unplug(self) -> None:
        self.body.camera.unplug()

    def plug(self) -> None:
        self.body.camera.plug()

    def hang(self) -> None:
        self.body.camera.hang()


class PiBench:
    def __init__(self) -> None:
        self.inbox: SimpleQueue[BodyEvent] = SimpleQueue()
        self.stream = FakeCamera()
        library, file = FakeLibrary(self.stream), Path("no-calibration.json")
        self.camera: Camera = PiCamera(lambda: open_stream(library, encode, file), self.inbox.put, seconds_max=2)

    def next(self) -> BodyEvent:
        return self.inbox.get(timeout=10)

    def is_quiet(self) -> bool:
        try:
            self.inbox.get(timeout=2.3)
        except queue.Empty:
            return True
        return False

    def lay(self, brightness: int) -> None:
        self.stream.luma = brightness

    def unplug(self) -> None:
        self.stream.error = RuntimeError("the ribbon is out")

    def plug(self) -> None:
        self.stream.error = None

    def hang(self) -> None:
        self.stream.free.clear()


@pytest.fixture(params=["sim", "hardware"])
def bench(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr("hardware.camera.HANG_SECONDS_MAX", 0.2)
    return SimBench(tmp_path) if request.param == "sim" else PiBench()


def test_look_returns_at_once(bench: Bench) -> None:
    began = time.monotonic()
    bench.camera.look()
    assert time.monotonic() - began < 2  # on a machine that is busy with all the other tests too
    assert isinstance(bench.next(), FrameTaken)


def test_each_look_is_answered_by_exactly_one_frame(bench: Bench) -> None:
    for _ in range(5):
        bench.camera.look()
    assert all(isinstance(bench.next(), FrameTaken) for _ in range(5))
    assert bench.is_quiet()


def test_a_look_anew_is_answered_as_any_other(bench: Bench) -> None:
    bench.camera.look(anew=True)
    assert isinstance(bench.next(), FrameTaken)
    assert bench.is_quiet()


def test_each_look_without_a_camera_is_answered_by_exactly_one_failure_in_words(bench: Bench) -> None:
    bench.unplug()
    for _ in range(3):
        bench.camera.look()
    for _ in range(3):
        event = bench.next()
        assert isinstance(event, CameraFailed)
        assert len(event.why.split()) >= 3
    assert bench.is_quiet()


def test_a_camera_that_comes_back_takes_frames_again(bench: Bench) -> None:
    bench.unplug()
    bench.camera.look()
    assert isinstance(bench.next(), CameraFailed)
    bench.plug()
    bench.camera.look()
    assert isinstance(bench.next(), FrameTaken)


def test_a_look_that_hangs_is_a_failure_and_that_it_hangs_on_is_told_afterwards(bench: Bench) -> None:
    bench.camera.look()
    assert isinstance(bench.next(), FrameTaken)
    bench.hang()
    bench.camera.look()
    assert isinstance(bench.next(), CameraFailed)
    event = bench.next()
    assert isinstance(event, CameraHangs)
    assert ": the unit starts anew by itself" in event.why
    assert bench.is_quiet()


def test_nothing_comes_without_a_look(bench: Bench) -> None:
    assert bench.is_quiet()


def test_the_frame_shows_what_lay_there_after_the_look(bench: Bench) -> None:
    for brightness in (BRIGHT, DARK, BRIGHT):
        bench.lay(brightness)
        bench.camera.look()
        event = bench.next()
        assert isinstance(event, FrameTaken)
        assert abs(int(np.median(event.frame.luma)) - brightness) <= 2


def test_luma_and_picture_are_the_same_image(bench: Bench) -> None:
    bench.lay(BRIGHT)
    bench.camera.look()
    event = bench.next()
    assert isinstance(event, FrameTaken)
    frame = event.frame
    assert frame.luma.dtype == np.uint8
    assert frame.luma.ndim == 2
    with Image.open(io.BytesIO(frame.picture)) as picture:
        assert picture.get_format_mimetype() == frame.media
        assert (picture.height, picture.width) == frame.luma.shape
        assert np.abs(np.asarray(picture.convert("L")).astype(int) - frame.luma).mean() <= 2
