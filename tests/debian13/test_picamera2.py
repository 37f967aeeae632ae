"""The driver on picamera2 itself: the stream, its faults, focus and exposure, and an acta that is read."""

import gc
import io
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from simplejpeg import encode_jpeg_yuv_planes  # pyright: ignore[reportMissingImports]

import device  # noqa: F401  before numpy: it says how many threads that may have
from device.eye import Eye
from device.ports import BodyEvent, CameraFailed, Frame, FrameTaken
from hardware import calibration as calibrations
from hardware.calibration import Calibration, Setting, focus_sweep
from hardware.camera import CameraFault, PiCamera, Stream, open_camera, open_stream
from sim import paper, photo
from tests.debian13.virtual import RIGHT_US, Library, Tray
from wire import profiles

SIZE = 2304, 1296
"""Half of Camera Module 3 each way, as in virtual.yaml."""

Open = Callable[..., Stream]


@pytest.fixture
def tray() -> Tray:
    tray = Tray()
    tray.lay(SHEET)
    return tray


@pytest.fixture
def opened(tray: Tray, tmp_path: Path) -> Iterator[Open]:
    """Opens the camera over the tray, and closes it in the end."""
    streams: list[Stream] = []

    def opening() -> Stream:
        streams[:] = [open_stream(Library(tray), encode_jpeg_yuv_planes, tmp_path / "calibration.json")]
        return streams[0]

    yield opening
    tray.is_plugged = True
    for stream in streams:
        stream.close()


def print_of(brightness: int) -> NDArray[np.uint8]:
    """A sheet with something like print on it, of which the most is that bright."""
    sheet = np.full(SIZE[::-1], brightness, np.uint8)
    chance = np.random.default_rng(brightness)
    sheet[300:1000, 500:1800] = (
        np.where(chance.integers(0, 4, (175, 325)) == 0, 30, brightness).repeat(4, 0).repeat(4, 1)
    )
    return sheet


SHEET = print_of(180)


def settled(stream: Stream) -> Stream:
    """Looks until focus and exposure are found."""
    for _ in range(30):
        stream.look(time.monotonic_ns())
        if Setting.found(stream.metadata):
            return stream
    raise AssertionError("neither is found")


def test_what_runs_is_the_wheel_on_debians_python_beside_debians_libcamera() -> None:
    import libcamera  # pyright: ignore[reportMissingImports]

    import hardware.camera

    assert "/opt/venv/" in hardware.camera.__file__
    assert "/usr/lib/python3/dist-packages/" in str(libcamera.__file__)


# The stream.


def test_a_look_has_the_first_frame_of_the_running_stream_whose_exposure_began_after_it(
    tray: Tray, opened: Open
) -> None:
    stream = settled(opened())
    for _ in range(5):
        press = time.monotonic_ns()
        stream.look(press)
        began = stream.metadata["SensorTimestamp"] - 1000 * stream.metadata["ExposureTime"]
        assert began == next(each for each in tray.began_ns if each >= press)


def test_a_frame_shows_what_lay_there_after_the_press_and_never_what_lay_there_before(tray: Tray, opened: Open) -> None:
    stream = settled(opened())
    for brightness in (60, 200, 90, 230):
        tray.lay(print_of(brightness))
        frame = stream.look(time.monotonic_ns())
        assert abs(int(np.median(frame.luma)) - brightness) <= 2


def test_no_two_looks_have_the_same_frame(tray: Tray, opened: Open) -> None:
    stream, stamps = settled(opened()), set()
    press = time.monotonic_ns()
    for _ in range(4):
        stream.look(press)
        stamps.add(stream.metadata["SensorTimestamp"])
    assert len(stamps) == 4


def test_the_photograph_is_all_that_was_captured(opened: Open) -> None:
    frame = settled(opened()).look(time.monotonic_ns())
    assert frame.luma.shape == SIZE[::-1]
    with Image.open(io.BytesIO(frame.picture)) as picture:
        assert (picture.size, picture.format, frame.media) == (SIZE, "JPEG", "image/jpeg")
        assert np.abs(np.asarray(picture.convert("L")).astype(int) - frame.luma).mean() < 2


def test_what_libcamera_adjusts_is_taken_as_it_is(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """YUV420 is asked for and NV12 given; and here, a size that there is none of."""
    stream = opened()
    assert stream._main["format"] == "NV12"
    stream.close()
    monkeypatch.setattr(
        "picamera2.Picamera2.align_stream", staticmethod(lambda config, **_: config.update(size=(2000, 1000)))
    )
    stream = opened()
    frame = stream.look(time.monotonic_ns())
    assert frame.luma.shape[::-1] == stream.size != (2000, 1000)


def test_it_is_opened_again_any_number_of_times_and_leaves_nothing_behind(opened: Open) -> None:
    counts = []
    for _ in range(5):
        stream = opened()
        stream.look(time.monotonic_ns())
        stream.close()
        del stream
        gc.collect()
        counts.append(len(list(Path("/proc/self/fd").iterdir())))
    assert len(set(counts[1:])) == 1, counts


# Faults.


def asked(port: PiCamera, inbox: "SimpleQueue[BodyEvent]") -> BodyEvent:
    port.look()
    return inbox.get(timeout=20)


@pytest.mark.parametrize("flaw", ["blank", "half"])
def test_frames_with_a_flaw_are_passed_over_until_one_has_none(flaw: str, tray: Tray, opened: Open) -> None:
    stream = settled(opened())
    until = len(tray.began_ns) + 5

    def painted(request: object) -> None:
        tray.flaw = flaw if len(tray.began_ns) < until else ""
        tray.paint(request)

    stream._camera.pre_callback = painted
    frame = stream.look(time.monotonic_ns())
    assert stream.metadata["SensorTimestamp"] > tray.began_ns[until - 1]
    assert abs(int(np.median(frame.luma)) - 180) <= 2


@pytest.mark.parametrize("flaw", ["blank", "half"])
def test_nothing_but_frames_with_a_flaw_is_a_fault_in_words(
    flaw: str, tray: Tray, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = settled(opened())
    monkeypatch.setattr("hardware.camera.CAPTURE_SECONDS_MAX", 1.0)
    tray.flaw = flaw
    with pytest.raises(CameraFault, match=r"every frame (is blank|ends half-way): "):
        stream.look(time.monotonic_ns())


def test_a_ribbon_pulled_mid_capture_is_a_fault_and_put_back_it_works_again(
    tray: Tray, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox: SimpleQueue[BodyEvent] = SimpleQueue()
    port = PiCamera(opened, inbox.put, seconds_max=10)
    assert isinstance(asked(port, inbox), FrameTaken)
    monkeypatch.setattr("hardware.camera.CAPTURE_SECONDS_MAX", 1.0)
    tray.is_plugged = False
    assert asked(port, inbox) == CameraFailed(
        "the camera gives no frame: check the ribbon, and that nothing else uses the camera"
    )
    assert asked(port, inbox) == CameraFailed(
        "RuntimeError: Failed to start camera: Connection timed out: "
        "switch the unit off, check both ends of the ribbon, and start it again"
    )
    tray.is_plugged = True
    monkeypatch.undo()
    assert isinstance(asked(port, inbox), FrameTaken)


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # what picamera2 leaves of a failed opening
def test_a_camera_that_is_busy_is_a_fault_in_words_until_it_is_let_go(tray: Tray, opened: Open) -> None:
    first, inbox = open_stream(Library(tray), encode_jpeg_yuv_planes, Path("none.json")), SimpleQueue[BodyEvent]()
    port = PiCamera(opened, inbox.put, seconds_max=10)
    event = asked(port, inbox)
    assert isinstance(event, CameraFailed)
    assert event.why.startswith("another program has the camera (")
    first.close()
    assert isinstance(asked(port, inbox), FrameTaken)


def test_the_libraries_of_a_unit_are_loaded_by_the_driver_itself(
    tray: Tray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("picamera2.Picamera2", Library(tray))
    stream = open_camera(tmp_path / "none.json")
    frame = stream.look(time.monotonic_ns())
    assert frame.picture.startswith(b"\xff\xd8")
    stream.close()


# Focus and exposure.


def test_an_uncalibrated_camera_finds_focus_and_exposure_and_holds_on_to_them(tray: Tray, opened: Open) -> None:
    stream = settled(opened())
    assert (stream.metadata["LensPosition"], stream.metadata["ExposureTime"]) == (10.0, RIGHT_US)
    del tray.asked[:]
    stream.look(time.monotonic_ns())
    stream.look(time.monotonic_ns())
    held = dict(tray.asked)
    assert (held["AfMode"], held["LensPosition"], held["ExposureTime"], held["ExposureTimeMode"]) == (
        0,
        10.0,
        RIGHT_US,
        1,
    )
    assert stream.metadata["AeState"] == 0


def calibrated(stream: Stream, focus: float, file: Path) -> Calibration:
    calibration = Calibration.of(stream, Setting(RIGHT_US, 1.0, focus, (1.5, 1.6)), 5.75, SHEET)
    calibrations.write(calibration, file)
    stream.close()
    return calibration


def test_a_calibrated_camera_is_sharp_from_its_first_look_on(tray: Tray, opened: Open, tmp_path: Path) -> None:
    calibration = calibrated(opened(), 10.0, tmp_path / "calibration.json")
    stream = opened()
    frame = stream.look(time.monotonic_ns())
    assert frame.calibration == calibration.id
    assert (stream.metadata["LensPosition"], stream.metadata["ExposureTime"]) == (10.0, RIGHT_US)
    assert stream.metadata["ColourGains"] == (1.5, 1.6)
    assert abs(int(np.median(frame.luma)) - 180) <= 2


def test_a_look_anew_sweeps_for_the_focus_and_the_next_is_as_calibrated(
    tray: Tray, opened: Open, tmp_path: Path
) -> None:
    """AfMode and AfTrigger come in one request, in any order."""
    calibration = calibrated(opened(), 8.0, tmp_path / "calibration.json")
    stream = opened()
    for _ in range(3):
        blurred = stream.look(time.monotonic_ns())
        sharp = stream.look(time.monotonic_ns(), anew=True)
        assert calibrations.sharpness(sharp.luma) > 2 * calibrations.sharpness(blurred.luma)
        assert stream.metadata["LensPosition"] == 10.0
        assert (blurred.calibration, sharp.calibration) == (calibration.id, "")


def test_a_focus_that_is_not_found_holds_no_look_up(tray: Tray, opened: Open) -> None:
    stream = settled(opened())
    tray.can_focus = False
    assert stream.look(time.monotonic_ns(), anew=True).luma.shape == SIZE[::-1]
    assert stream.look(time.monotonic_ns()).luma.shape == SIZE[::-1]


@pytest.mark.timeout(100)
def test_a_sweep_through_the_whole_range_finds_where_the_lens_is_sharp(tray: Tray, opened: Open) -> None:
    tray.sharp_at = 11.3
    curve, setting = focus_sweep(opened(), lambda _: None)
    assert curve.is_clear, str(curve)
    assert setting.focus == pytest.approx(11.3, abs=0.2)


# An acta.


def test_an_acta_that_is_laid_down_is_read(tray: Tray, opened: Open) -> None:
    stream, eye = settled(opened()), Eye(profiles.named("ve-2024-presidential"))
    for seed in (3, 4):
        payload = paper.random_payload(random.Random(seed))
        tray.lay(photo.photograph(paper.draw(payload), seed=seed, size=SIZE, dpmm=5.75).luma)
        frame: Frame = stream.look(time.monotonic_ns())
        assert eye.see(frame.luma, press=seed).payloads == (payload,)


def test_an_acta_out_of_focus_is_read_after_a_look_anew(tray: Tray, opened: Open, tmp_path: Path) -> None:
    calibrated(opened(), 4.0, tmp_path / "calibration.json")
    stream, eye = opened(), Eye(profiles.named("ve-2024-presidential"))
    payload = paper.random_payload(random.Random(5))
    tray.lay(photo.photograph(paper.draw(payload), seed=5, size=SIZE, dpmm=5.75).luma)
    assert eye.see(stream.look(time.monotonic_ns()).luma, press=1).payloads == ()
    assert eye.see(stream.look(time.monotonic_ns(), anew=True).luma, press=1).payloads == (payload,)
