"""The camera driver: what its thread, its deadline and its conversion do when picamera2 behaves, fails or hangs."""

import io
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
import pytest
from PIL import Image

from device.ports import BodyEvent, CameraFailed, CameraHangs, Frame, FrameTaken, PartMissing
from hardware import calibration as calibrations
from hardware.calibration import COLUMNS, ROWS, Calibration
from hardware.camera import (
    AUTOMATIC,
    CameraFault,
    Exposure,
    PiCamera,
    Stream,
    in_words,
    open_camera,
    open_stream,
    planes_of,
)
from tests.hardware.stream import COLOUR, LENS, LIGHT, SETTLED_US, FakeCamera, FakeLibrary, encode

Inbox = SimpleQueue[BodyEvent]

NOWHERE = Path("no-calibration.json")
CALIBRATION = Calibration(
    blank=(20,) * (ROWS * COLUMNS),
    camera="imx708",
    colours=(2100, 1800),
    dots=11500,
    exposure_us=5000,
    focus=10250,
    gain=1500,
    size=(64, 48),
)
HOME = {
    "ExposureTime": 5000,
    "AnalogueGain": 1.5,
    "AfMode": 0,
    "LensPosition": 10.25,
    "ColourGains": (2.1, 1.8),
}


def opened(camera: FakeCamera, file: Path = NOWHERE) -> Callable[[], Stream]:
    return lambda: open_stream(FakeLibrary(camera), encode, file)


def taken(inbox: Inbox) -> Frame:
    event = inbox.get(timeout=10)
    assert isinstance(event, FrameTaken), event
    return event.frame


@pytest.fixture
def calibrated(tmp_path: Path) -> Path:
    calibrations.write(CALIBRATION, tmp_path / "calibration.json")
    return tmp_path / "calibration.json"


# A look.


def test_every_frame_was_exposed_after_its_look() -> None:
    inbox, camera = Inbox(), FakeCamera()
    port = PiCamera(opened(camera), inbox.put)
    looked = []
    for _ in range(10):
        looked.append(time.monotonic_ns())
        port.look()
        taken(inbox)
    assert all(started >= since for started, since in zip(camera.started_ns, looked, strict=True))


def test_looks_asked_for_at_once_are_a_burst_of_different_frames() -> None:
    inbox, camera = Inbox(), FakeCamera()
    port = PiCamera(opened(camera), inbox.put)
    for _ in range(4):
        port.look()
    for _ in range(4):
        taken(inbox)
    assert len(set(camera.started_ns)) == 4


def test_every_request_is_released_and_the_stream_is_kept_running() -> None:
    inbox, camera, left = Inbox(), FakeCamera(), [1]

    def once() -> Stream:
        left.pop()
        return opened(camera)()

    port = PiCamera(once, inbox.put)
    for _ in range(5):
        port.look()
        taken(inbox)
        assert camera.held == 0
    assert left == []


def test_a_camera_that_hangs_is_a_failure_at_the_deadline_and_only_one() -> None:
    inbox, camera = Inbox(), FakeCamera()
    camera.free.clear()
    port = PiCamera(opened(camera), inbox.put, seconds_max=0.3)
    began = time.monotonic()
    port.look()
    port.look()
    for _ in range(2):
        event = inbox.get(timeout=5)
        assert event == CameraFailed("no frame within 0.3 s: check the ribbon; if it goes on, start the unit again")
    assert 0.3 <= time.monotonic() - began < 4  # where frames are waited for; a busy machine may be late
    camera.free.set()  # the frame comes after all, for a look that was given up
    port.look()
    taken(inbox)
    assert inbox.empty()


def test_a_camera_that_hangs_on_and_on_is_told_for_nothing_else_ends_that_than_a_new_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hardware.camera.HANG_SECONDS_MAX", 0.3)
    inbox, camera = Inbox(), FakeCamera()
    camera.free.clear()
    port = PiCamera(opened(camera), inbox.put, seconds_max=0.2)
    port.look()
    assert isinstance(inbox.get(timeout=5), CameraFailed)
    assert inbox.get(timeout=5) == CameraHangs(
        "nothing has come back from the camera for 0.5 s: the unit starts anew by itself; if that does not help, "
        "switch it off and press both ends of the ribbon home"
    )
    assert inbox.empty()


def test_a_camera_that_was_only_slow_hangs_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hardware.camera.HANG_SECONDS_MAX", 0.5)
    inbox, camera = Inbox(), FakeCamera()
    camera.free.clear()
    port = PiCamera(opened(camera), inbox.put, seconds_max=0.2)
    port.look()
    assert isinstance(inbox.get(timeout=5), CameraFailed)
    camera.free.set()
    port.look()
    taken(inbox)
    with pytest.raises(Empty):
        inbox.get(timeout=1)


def test_an_opening_that_hangs_is_a_failure_at_the_deadline() -> None:
    inbox, go_on = Inbox(), threading.Event()

    def hang() -> Stream:
        go_on.wait()
        return opened(FakeCamera())()

    port = PiCamera(hang, inbox.put, seconds_max=0.2)
    port.look()
    assert isinstance(inbox.get(timeout=5), CameraFailed)
    go_on.set()
    port.look()
    taken(inbox)


def test_a_failure_closes_the_camera_and_the_next_look_opens_it_again() -> None:
    inbox, cameras = Inbox(), [FakeCamera(), FakeCamera()]
    left = list(cameras)
    port = PiCamera(lambda: opened(left.pop(0))(), inbox.put)
    cameras[0].error = OSError("No such device")
    port.look()
    event = inbox.get(timeout=5)
    assert event == CameraFailed(
        "OSError: No such device: switch the unit off, check both ends of the ribbon, and start it again"
    )
    port.look()
    taken(inbox)
    assert (cameras[0].closed, cameras[1].closed) == (True, False)


def test_a_frame_that_does_not_come_in_time_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hardware.camera.CAPTURE_SECONDS_MAX", 0.1)
    inbox, camera = Inbox(), FakeCamera()
    camera.plugged.clear()
    PiCamera(opened(camera), inbox.put).look()
    event = inbox.get(timeout=5)
    assert isinstance(event, CameraFailed)
    assert event.why == "the camera gives no frame: check the ribbon, and that nothing else uses the camera"


# Frames with a flaw.

FLAWED: dict[str, Callable[[FakeCamera, bool], None]] = {
    "blank": lambda camera, on: setattr(camera, "is_seen", not on),
    "half": lambda camera, on: setattr(camera, "is_torn", on),
}


@pytest.mark.parametrize("flaw", FLAWED)
def test_a_frame_with_a_flaw_is_passed_over(flaw: str) -> None:
    camera = FakeCamera()
    stream = opened(camera)()
    FLAWED[flaw](camera, True)
    mend = threading.Timer(0.2, FLAWED[flaw], [camera, False])
    mend.start()
    assert planes_of_frame(stream.look(time.monotonic_ns())) == ""
    assert len(camera.started_ns) > 1
    assert camera.held == 0


def planes_of_frame(frame: Frame) -> str:
    assert isinstance(frame, Exposure)
    return frame._planes.flaw


@pytest.mark.parametrize(
    ("flaw", "why"),
    [
        (
            "blank",
            "every frame is blank: uncover the lens, see that the light over the tray comes on, check the ribbon",
        ),
        ("half", "every frame ends half-way: check the ribbon, and that the power supply is strong enough"),
    ],
)
def test_nothing_but_frames_with_a_flaw_is_a_failure_in_words(
    flaw: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hardware.camera.CAPTURE_SECONDS_MAX", 0.2)
    inbox, camera = Inbox(), FakeCamera()
    FLAWED[flaw](camera, True)
    port = PiCamera(opened(camera), inbox.put)
    port.look()
    assert inbox.get(timeout=5) == CameraFailed(why)
    monkeypatch.undo()
    FLAWED[flaw](camera, False)
    port.look()
    taken(inbox)


def test_a_flaw_is_what_is_told_though_no_frame_came_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hardware.camera.CAPTURE_SECONDS_MAX", 1.0)
    camera = FakeCamera()
    stream = opened(camera)()
    camera.is_torn = True
    cut = threading.Timer(0.5, camera.plugged.clear)
    cut.start()
    with pytest.raises(CameraFault, match="every frame ends half-way"):
        stream.look(time.monotonic_ns())


def test_no_sheet_is_taken_for_a_flaw() -> None:
    """Black but for its noise, burnt out but for a corner, and as green as paper gets."""
    noise = np.random.default_rng(1).integers(0, 8, (96, 64), dtype=np.uint8)
    corner = np.full((96, 64), 255, np.uint8)
    corner[:16, :16] = 200
    black, green = np.full((48, 32), 128, np.uint8), np.zeros((48, 32), np.uint8)
    green[:, 0] = 1
    for luma, chroma in ((noise, black), (corner, black), (noise, green)):
        buffer = np.concatenate([luma.ravel(), chroma.ravel(), chroma.ravel()])
        assert planes_of(buffer, {"format": "YUV420", "size": (64, 96), "stride": 64}).flaw == ""


# The photograph.


@pytest.mark.parametrize("format_", ["YUV420", "NV12"])
def test_a_frame_keeps_colours_and_leaves_the_padding_out(format_: str) -> None:
    """BT.601 full range, as JPEG has it: blue is Y 29, U 255, V 107."""
    height, width, stride = 20, 30, 64
    buffer = np.full(height * stride * 3 // 2 + 100, 77, np.uint8)  # buffers may be longer than what is in them
    buffer[: height * stride].reshape(height, stride)[:, :width] = 29
    ends = height * stride * 3 // 2
    if format_ == "NV12":
        turns = buffer[height * stride : ends].reshape(height // 2, stride)
        turns[:, 0:width:2], turns[:, 1:width:2] = 255, 107
    else:
        chroma = buffer[height * stride : ends].reshape(2, height // 2, stride // 2)
        chroma[0, :, : width // 2], chroma[1, :, : width // 2] = 255, 107
    planes = planes_of(buffer, {"format": format_, "size": (width, height), "stride": stride})
    frame = Exposure(planes, encode, "")
    assert frame.luma.shape == (height, width)
    assert np.shares_memory(frame.luma, buffer)
    assert (frame.luma == 29).all()
    with Image.open(io.BytesIO(frame.picture)) as picture:
        assert picture.size == (width, height)
        assert np.abs(np.asarray(picture.convert("RGB")).astype(int) - (0, 0, 255)).max() <= 6


def test_a_photograph_is_made_once_and_only_when_it_is_asked_for() -> None:
    made = []

    def counted(*planes: Any) -> bytes:
        made.append(planes)
        return b"jpeg"

    stream = open_stream(FakeLibrary(FakeCamera()), counted, NOWHERE)
    frame = stream.look(time.monotonic_ns())
    assert made == []
    assert (frame.picture, frame.picture, frame.media) == (b"jpeg", b"jpeg", "image/jpeg")
    assert len(made) == 1


# Opening.


def test_the_camera_is_opened_at_full_size_in_yuv_with_nothing_kept_back() -> None:
    camera = FakeCamera()
    opened(camera)()
    asked = camera.configuration
    assert camera.state == "started"
    assert asked["main"] == {"size": (64, 48), "format": "YUV420"}
    assert (asked["raw"], asked["queue"], asked["buffer_count"]) == (None, False, 2)


def test_no_camera_is_said_in_words() -> None:
    with pytest.raises(CameraFault, match="no camera is found: switch the unit off and check both ends of the ribbon"):
        open_stream(FakeLibrary(None), encode, NOWHERE)


def test_a_camera_that_does_not_suit_is_let_go() -> None:
    camera = FakeCamera(gives="MJPEG")
    with pytest.raises(CameraFault, match="gives MJPEG, not YUV420: use a Raspberry Pi camera module"):
        opened(camera)()
    assert camera.closed


def test_what_libcamera_gives_instead_is_taken_as_it_is() -> None:
    camera = FakeCamera(gives="NV12")
    assert opened(camera)().look(time.monotonic_ns()).luma.shape == (48, 64)


def test_a_camera_that_another_program_has_is_said_in_words() -> None:
    error = RuntimeError("Camera __init__ sequence did not complete.")
    error.__cause__ = RuntimeError("Failed to acquire camera: Device or resource busy")
    inbox, library = Inbox(), FakeLibrary(FakeCamera())
    library.error = error
    PiCamera(lambda: open_stream(library, encode, NOWHERE), inbox.put).look()
    assert inbox.get(timeout=5) == CameraFailed(
        "another program has the camera (Failed to acquire camera: Device or resource busy): "
        "end it, or start the unit again"
    )


def test_the_root_of_a_fault_is_what_is_told() -> None:
    error = RuntimeError("Camera __init__ sequence did not complete.")
    error.__cause__ = OSError("no sensor answers")
    assert in_words(error).startswith("OSError: no sensor answers: switch the unit off")


@pytest.mark.skipif(Path("/usr/lib/python3/dist-packages/libcamera").exists(), reason="this machine has the library")
def test_a_machine_without_the_library_has_no_camera_and_says_so() -> None:
    with pytest.raises(CameraFault, match=r"library does not load \(No module named 'picamera2'\): install python3-"):
        open_camera(NOWHERE)


# Focus, exposure, white balance.


def test_a_calibrated_camera_begins_as_it_was_calibrated_and_its_frames_say_so(calibrated: Path) -> None:
    camera = FakeCamera()
    stream = opened(camera, calibrated)()
    frames = [stream.look(time.monotonic_ns()) for _ in range(5)]
    assert list(camera.asked) == [HOME]
    assert {frame.calibration for frame in frames} == {CALIBRATION.id}


def test_a_look_anew_trusts_nothing_that_was_set_and_the_next_one_does_again(calibrated: Path) -> None:
    camera = FakeCamera()
    camera.sharp_at = 12.0  # somebody has bent the lens' holder
    stream = opened(camera, calibrated)()
    frame = stream.look(time.monotonic_ns(), anew=True)
    assert list(camera.asked) == [HOME, AUTOMATIC, {"AfMode": 1, "AfTrigger": 0}]
    assert (stream.metadata["LensPosition"], stream.metadata["ExposureTime"]) == (12.0, SETTLED_US)
    assert frame.calibration == ""
    frame = stream.look(time.monotonic_ns())
    assert list(camera.asked)[3:] == [HOME]
    assert (stream.metadata["LensPosition"], stream.metadata["ExposureTime"]) == (10.25, 5000)
    assert frame.calibration == CALIBRATION.id


def test_an_uncalibrated_camera_holds_on_to_what_it_has_found() -> None:
    camera = FakeCamera()
    stream = opened(camera)()
    frames = [stream.look(time.monotonic_ns()) for _ in range(6)]
    found = {
        "ExposureTime": SETTLED_US,
        "AnalogueGain": 1.0,
        "AfMode": 0,
        "LensPosition": 10.0,
        "ColourGains": (1.0, 1.0),
    }
    assert list(camera.asked) == [{"AfMode": 2}, found]
    camera.sharp_at = 12.0
    stream.look(time.monotonic_ns(), anew=True)
    stream.look(time.monotonic_ns())
    assert camera.asked[-1] == found | {"LensPosition": 12.0}
    assert {frame.calibration for frame in frames} == {""}


KNOWN: dict[str, dict[str, Any]] = {
    "a fixed lens": LIGHT | COLOUR,
    "no colours": LENS | LIGHT,
    "nothing at all": {},
}


@pytest.mark.parametrize("lacking", KNOWN)
def test_a_module_is_asked_for_nothing_that_it_does_not_know(lacking: str, calibrated: Path) -> None:
    """FakeCamera refuses what it does not know, as picamera2 does."""
    for file in (NOWHERE, calibrated):
        stream = opened(FakeCamera(controls=KNOWN[lacking]), file)()
        for anew in (False, True, False):
            assert stream.look(time.monotonic_ns(), anew).luma.shape == (48, 64)


def test_a_focus_that_is_never_found_holds_no_look_up(calibrated: Path) -> None:
    camera = FakeCamera()
    camera.can_focus = False
    stream = opened(camera, calibrated)()
    stream.look(time.monotonic_ns(), anew=True)
    stream.look(time.monotonic_ns())
    assert camera.held == 0


def test_a_look_anew_is_a_port_s_look_too(calibrated: Path) -> None:
    inbox, camera = Inbox(), FakeCamera()
    port = PiCamera(opened(camera, calibrated), inbox.put)
    port.look(anew=True)
    assert taken(inbox).calibration == ""
    port.look()
    assert taken(inbox).calibration == CALIBRATION.id


def test_a_calibration_of_another_camera_is_told_once_and_not_used(calibrated: Path) -> None:
    inbox = Inbox()
    cameras = [FakeCamera(size=(80, 48)), FakeCamera(size=(80, 48))]
    left = list(cameras)
    port = PiCamera(lambda: opened(left.pop(0), calibrated)(), inbox.put)
    assert inbox.get(timeout=5) == PartMissing(
        "calibration.json is for imx708 with 64 x 48, the camera is imx708 with 80 x 48: "
        "calibrate the unit again (testigo-bench calibrate)"
    )
    cameras[0].error = OSError("No such device")
    port.look()
    assert isinstance(inbox.get(timeout=5), CameraFailed)
    port.look()
    assert taken(inbox).calibration == ""


def test_a_calibration_that_cannot_be_read_is_told_and_the_camera_works_without(tmp_path: Path) -> None:
    (tmp_path / "calibration.json").write_text("{}")
    inbox = Inbox()
    port = PiCamera(opened(FakeCamera(), tmp_path / "calibration.json"), inbox.put)
    event = inbox.get(timeout=5)
    assert isinstance(event, PartMissing)
    assert event.why.startswith("calibration.json: Object missing required field")
    port.look()
    taken(inbox)
