"""The bench: each part alone, on pins, a camera and files that behave as a unit's do, with hands that answer."""

import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import cv2
import numpy as np
import pytest
from gpiozero import LED
from gpiozero.pins.mock import MockFactory, MockPWMPin
from numpy.typing import NDArray
from PIL import Image

from device import settings
from device.keys import signer_from
from device.ports import BodyEvent, ButtonHeld
from device.readiness import FILE as FILE_OF_REPORT
from device.readiness import found
from hardware import calibration
from hardware.__main__ import UNENDED, main, report, run, self_test
from hardware.bench import PARTS, UNATTENDED, Bench, Button, UncalibratedError, calibrate
from hardware.calibration import FILE
from hardware.camera import open_camera, open_stream
from hardware.clock import EARLIEST_SECONDS, SystemClock
from hardware.pins import Pins
from sim import deployment
from tests.device.world import VE, acta, picture
from tests.hardware.roots import write
from tests.hardware.stream import FakeCamera, FakeLibrary, encode
from tests.house.tree import ROOT
from wire.errors import OurFault
from wire.readiness import Readiness

LAMPS = (Pins().ready, Pins().kept, Pins().again, Pins().link, Pins().paper)


class Scene(FakeCamera):
    """A camera over a tray on which an acta lies, or nothing; out of focus it is blurred.

    Attributes:
        is_laid: whether the acta lies there.
        dust: how much brighter a place of the empty tray is than it was.
        is_lit: whether the light over the tray is on; without it there is little to be seen.
    """

    def __init__(self, **asked: Any) -> None:
        sheet = np.asarray(Image.open(io.BytesIO(picture(acta()))).convert("L"))
        self.sheet = cv2.resize(sheet, (216, 216), interpolation=cv2.INTER_AREA)
        super().__init__((320, 240), **asked)
        self.is_laid = False
        self.dust = 0
        self.is_lit: Callable[[], bool] = lambda: True

    def _buffer(self) -> NDArray[np.uint8]:
        width, height = self.sensor_resolution
        buffer = np.full(height * self.stride * 3 // 2, 128, np.uint8)
        rows = buffer[: height * self.stride].reshape(height, self.stride)
        scene = np.tile(np.linspace(15, 35, width).astype(np.uint8), (height, 1))
        if self.is_laid:
            scene[12:228, 52:268] = self.sheet
        scene[:40, :40] += np.uint8(self.dust)
        scene = scene if self.is_lit() else scene // 16
        defocus = abs(self._told.get("LensPosition", self.sharp_at) - self.sharp_at)
        rows[:, :width] = cv2.GaussianBlur(scene, (0, 0), min(8.0, 0.1 + 3 * defocus)) if defocus > 0.01 else scene
        return buffer


@dataclass
class Unit:
    """A unit on the bench, and whoever is at it.

    Attributes:
        factory: its pins.
        camera: its camera.
        root: the kernel's files.
        card: the folder of its card.
        said: what it was told.
        lit: which pins were high while it waited.
        is_there: whether anybody answers.
    """

    settings: settings.Settings
    root: Path
    factory: MockFactory = field(default_factory=lambda: MockFactory(pin_class=MockPWMPin))
    camera: Scene | None = field(default_factory=Scene)
    said: list[str] = field(default_factory=list)
    lit: list[set[int]] = field(default_factory=list)
    is_there: bool = True

    @property
    def card(self) -> Path:
        return self.settings.card

    @property
    def bench(self) -> Bench:
        opened = partial(open_stream, FakeLibrary(self.camera), encode, self.card / FILE)
        return Bench(self.settings, lambda: self.factory, opened, self.hear, self.root, self.wait, 0.2)

    def hear(self, words: str) -> None:
        """Does as it is told."""
        self.said.append(words)
        if not self.is_there:
            return
        if self.camera is not None and "lay an acta" in words:
            self.camera.is_laid = True
        if self.camera is not None and "take everything off" in words:
            self.camera.is_laid = False
        if "press the button" in words:
            pin = self.factory.pin(Pins().button.bcm)
            pin.drive_low()
            pin.drive_high()

    def wait(self, _seconds: float) -> None:
        """Looks which lamps are lit."""
        self.lit.append({pin.bcm for pin in LAMPS if self.factory.pin(pin.bcm).state})

    def words(self, part: str) -> tuple[str, str]:
        check = self.bench.check(part)
        return check.outcome, check.words


@pytest.fixture
def unit(tmp_path: Path) -> Iterator[Unit]:
    (path,) = deployment.make(tmp_path / "trial", 1, 1883, VE).units.values()
    read = settings.read(path)
    read.card.mkdir(exist_ok=True)
    made = Unit(read, tmp_path / "root")
    assert made.camera is not None
    made.camera.is_lit = lambda: bool(made.factory.pin(Pins().paper.bcm).state)
    yield made
    made.factory.reset()
    made.factory.close()


def test_a_button_that_works_is_good(unit: Unit) -> None:
    assert unit.words("press") == ("good", "pressed, and let go")


def test_a_button_that_nobody_hears_is_named_with_its_pin(unit: Unit) -> None:
    unit.is_there = False
    assert unit.words("press") == ("bad", "nothing was heard of the button: check its wires, BCM 17, header 11")


def test_a_button_that_is_stuck_is_bad() -> None:
    events: SimpleQueue[BodyEvent] = SimpleQueue()
    events.put(ButtonHeld())
    with pytest.raises(Exception, match="down before anybody pressed it"):
        Button(events, 0).is_pressed()


def test_each_lamp_is_lit_alone_in_the_order_in_which_they_lie(unit: Unit) -> None:
    assert unit.words("light") == ("good", "all lamps were lit")
    assert unit.lit == [{pin.bcm} for pin in LAMPS]


def test_three_tones_are_sounded_and_confirmed(unit: Unit) -> None:
    assert unit.words("sound") == ("good", "three tones were heard")


@pytest.mark.parametrize("part", ["light", "sound"])
def test_what_nobody_confirms_is_bad(unit: Unit, part: str) -> None:
    unit.is_there = False
    outcome, words = unit.words(part)
    assert (outcome, words.startswith("nobody confirmed")) == ("bad", True)


def test_a_look_tells_camera_size_time_and_light(unit: Unit) -> None:
    outcome, words = unit.words("look")
    assert outcome == "good"
    assert words.startswith("imx708, 320 x 240, a look takes ")


@pytest.mark.parametrize("part", ["look", "read", "focus"])
def test_without_a_camera_every_part_that_needs_one_says_so(unit: Unit, part: str) -> None:
    unit.camera = None
    outcome, words = unit.words(part)
    assert outcome == "bad"
    assert words.startswith("no camera is found: ")


def test_a_sheet_is_read_by_the_units_own_reader(unit: Unit) -> None:
    outcome, words = unit.words("read")
    assert (outcome, words.startswith("read in ")) == ("good", True)


def test_a_sheet_out_of_focus_is_not_read_and_the_cause_is_told(unit: Unit) -> None:
    assert unit.camera is not None
    unit.camera.camera_controls = {
        name: value for name, value in unit.camera.camera_controls.items() if not name.startswith(("Af", "Lens"))
    }
    unit.camera.sharp_at = 4.0
    outcome, words = unit.words("read")
    assert (outcome, words.startswith("no QR code was read (")) == ("bad", True)


def test_a_focus_sweep_finds_the_peak_and_draws_it(unit: Unit) -> None:
    outcome, words = unit.words("focus")
    assert (outcome, words) == ("good", "sharpest at 10.00 dioptres")
    plot = next(words for words in unit.said if "####" in words)
    assert len(plot.splitlines()) > 24


def test_a_lens_that_cannot_be_moved_is_absent(unit: Unit) -> None:
    unit.camera = Scene(controls={"ExposureTime": (0, 66666, 20000), "AnalogueGain": (0.0, 16.0, 1.0)})
    assert unit.words("focus")[0] == "absent"


def test_a_calibration_is_written_to_the_unit_and_its_tray_is_known_from_then_on(unit: Unit) -> None:
    assert unit.words("tray")[0] == "absent"
    made = calibrate(unit.bench)
    assert calibration.read(unit.card / FILE) == made
    assert abs(made.setting.focus - 10) < 0.1 if made.setting.focus is not None else False
    assert made.dots > 500
    assert unit.words("tray")[0] == "good"
    assert unit.camera is not None
    unit.camera.dust = 60
    outcome, words = unit.words("tray")
    assert outcome == "bad"
    assert "0 % from the left, 0 % from the top" in words


@pytest.mark.parametrize("part", ["look", "read", "focus", "tray", "marks"])
def test_what_the_camera_sees_is_lit_as_in_a_scan_and_dark_again_afterwards(unit: Unit, part: str) -> None:
    calibrate(unit.bench)
    assert unit.camera is not None
    paper, lit = unit.factory.pin(Pins().paper.bcm), list[bool]()

    def is_lit() -> bool:
        lit.append(bool(paper.state))
        return lit[-1]

    unit.camera.is_lit = is_lit
    unit.words(part)
    assert lit
    assert all(lit)
    assert not paper.state


def test_a_light_that_cannot_be_had_is_named_and_nothing_is_calibrated_without_it(unit: Unit) -> None:
    taken = LED(Pins().paper.bcm, pin_factory=unit.factory)
    outcome, words = unit.words("look")
    assert outcome == "bad"
    assert words.startswith("paper light: its pin cannot be used (")
    with pytest.raises(UncalibratedError, match="paper light: its pin cannot be used"):
        calibrate(unit.bench)
    assert calibration.read(unit.card / FILE) is None
    taken.close()


def test_a_calibration_that_fails_changes_nothing(unit: Unit) -> None:
    before = calibrate(unit.bench)
    unit.is_there = False
    with pytest.raises(UncalibratedError, match="nobody laid a sheet down"):
        calibrate(unit.bench)
    unit.is_there = True
    assert unit.camera is not None
    unit.camera.sheet[:] = 200
    with pytest.raises(UncalibratedError):
        calibrate(unit.bench)
    assert calibration.read(unit.card / FILE) == before


def test_how_fast_the_card_is_is_told_and_nothing_is_left_on_it(unit: Unit) -> None:
    outcome, words = unit.words("card")
    assert outcome == "good"
    assert words.startswith("safe in ")
    assert sum("ms #" in line or line.endswith("ms ") for line in unit.said) == 7
    assert list(unit.card.iterdir()) == []


@pytest.mark.parametrize(
    ("files", "outcome", "words"),
    [
        ({}, "absent", "no battery gauge answers"),
        ({"type": "Battery", "capacity": "61", "status": "Discharging"}, "good", "61 % left; the battery gives"),
        ({"type": "Battery", "capacity": "61", "status": "Charging"}, "good", "61 % left; power comes from outside"),
    ],
)
def test_what_the_battery_says_is_told(unit: Unit, files: dict[str, str], outcome: str, words: str) -> None:
    for name, text in files.items():
        write(unit.root, f"sys/class/power_supply/battery/{name}", text)
    found = unit.words("battery")
    assert (found[0], found[1].startswith(words)) == (outcome, True)


@pytest.mark.parametrize(
    ("said", "outcome"),
    [(None, "absent"), ("0", "good"), ("50000", "bad"), ("1", "bad"), ("", "absent"), ("no number", "absent")],
)
def test_whether_the_voltage_has_held_is_told_if_the_firmware_says_so(
    unit: Unit, said: str | None, outcome: str
) -> None:
    if said is not None:
        write(unit.root, "sys/devices/platform/soc/soc:firmware/get_throttled", said)
    assert unit.words("power")[0] == outcome


@pytest.mark.parametrize(
    ("since", "outcome"), [(None, "absent"), (str(EARLIEST_SECONDS + 9), "good"), ("86400", "bad")]
)
def test_whether_the_clock_board_runs_is_told(unit: Unit, since: str | None, outcome: str) -> None:
    if since is not None:
        write(unit.root, "sys/class/rtc/rtc0/since_epoch", since)
    assert unit.words("clock")[0] == outcome


def reported(unit: Unit) -> Readiness:
    """What the report on the card says, verified as hubs verify it."""
    report = found(unit.card, unit.settings.deployment, signer_from(unit.settings.key, unit.settings.unit).verifier)
    assert report is not None
    return report[1]


def test_all_of_it_ends_in_a_report_that_the_units_key_has_signed(unit: Unit) -> None:
    made = calibrate(unit.bench)
    assert run(unit.bench, "all") == 0
    said = reported(unit)
    assert [check.part for check in said.checks] == list(PARTS)
    assert said.calibration == made.id
    assert {check.part for check in said.checks if check.outcome == "absent"} == {"marks", "battery", "power", "clock"}
    assert {check.outcome for check in said.checks} == {"good", "absent"}


def test_one_part_that_is_bad_keeps_none_of_the_others_from_being_looked_at(unit: Unit) -> None:
    unit.camera = None
    assert run(unit.bench, "all") == 1
    bad = {check.part for check in reported(unit).checks if check.outcome == "bad"}
    assert bad == {"look", "read", "focus", "marks"}


def test_the_self_test_asks_nobody_anything_and_says_by_which_firmware_it_was(unit: Unit) -> None:
    unit.is_there = False
    assert run(unit.bench, "self-test") == 0
    assert not any("press" in words or "lay" in words for words in unit.said)
    said = reported(unit)
    assert [check.part for check in said.checks] == list(UNATTENDED)
    assert {check.part: check.outcome for check in said.checks if check.outcome != "absent"} == {
        "card": "good",
        "look": "good",
    }
    assert said.firmware == version("testigo")


def test_a_self_test_that_is_cut_short_has_said_so_in_a_report_that_stays(unit: Unit) -> None:
    class CutError(BaseException):
        """The power goes."""

    def cut() -> Any:
        raise CutError

    with pytest.raises(CutError):
        self_test(replace(unit.bench, camera=cut))
    said = {check.part: check for check in reported(unit).checks}
    assert {part: said[part].words for part in said if said[part].outcome == "bad"} == {
        "look": UNENDED,
        "marks": UNENDED,
    }
    assert said["card"].outcome == "good"


def test_a_later_report_is_told_from_an_earlier_one_though_the_clock_has_stepped_back(
    unit: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    ages = []
    for seconds in (EARLIEST_SECONDS + 86_400, EARLIEST_SECONDS + 90_000, EARLIEST_SECONDS):
        monkeypatch.setattr(SystemClock, "seconds", lambda _clock, now=seconds: now)
        report(unit.bench, [])
        ages.append(reported(unit).age)
    assert ages == sorted(set(ages))
    assert len({date for date, _ in ages}) == 1


@pytest.mark.parametrize("left", [b"", b"half a rep"])
def test_a_report_that_nobody_can_read_is_written_anew(unit: Unit, left: bytes) -> None:
    (unit.card / FILE_OF_REPORT).write_bytes(left)
    report(unit.bench, [])
    assert reported(unit).number == 1


def test_without_pins_each_part_that_needs_them_says_in_one_sentence_what_lacks(unit: Unit, tmp_path: Path) -> None:
    def none() -> Any:
        raise OurFault("this machine has no lgpio: run the firmware on a Raspberry Pi")

    bench = Bench(unit.settings, none, unit.bench.camera, unit.hear, unit.root, unit.wait, 0.2)
    for part in ("press", "light", "sound", "read", "battery"):
        check = bench.check(part)
        assert (check.outcome, check.words) == ("bad", "this machine has no lgpio: run the firmware on a Raspberry Pi")
    assert bench.check("card").outcome == "good"


def test_without_the_pis_libraries_the_program_says_in_one_sentence_what_lacks(unit: Unit) -> None:
    source = (
        "import sys\n"
        "sys.modules.update(gpiozero=None, lgpio=None, libcamera=None, picamera2=None)\n"
        "from hardware.__main__ import main\n"
        "sys.exit(max(main(['--settings', sys.argv[1], part]) for part in ('press', 'look')))\n"
    )
    file = unit.settings.base / "unit.toml"
    ended = subprocess.run([sys.executable, "-c", source, file], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (1, "")
    for part, said in zip(("press", "look"), ended.stdout.splitlines(), strict=True):
        assert said.startswith(f"{part}: bad: this machine has no gpiozero")


def test_without_the_cameras_library_each_part_that_needs_it_says_what_to_install(
    unit: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "picamera2", None)
    bench = replace(unit.bench, camera=partial(open_camera, unit.card / FILE))
    for part in ("look", "read", "focus", "marks"):
        check = bench.check(part)
        assert check.outcome == "bad"
        assert check.words.startswith("the camera's library does not load (")
        assert "install python3-picamera2" in check.words


def test_a_unit_that_runs_is_not_looked_at(unit: Unit, capsys: pytest.CaptureFixture[str]) -> None:
    from device.alone import alone_on

    file = unit.settings.base / "unit.toml"
    with alone_on(unit.card):
        assert main(["--settings", str(file), "clock"]) == 2
    assert "stop that one first" in capsys.readouterr().err
