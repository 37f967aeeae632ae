"""The eye: the certificate of a frame, and how its cause comes to the volunteer as a signal."""

import random
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from device.cause import Cause
from device.eye import Eye, certificate
from device.log import Event
from device.reader import Reader
from device.scan import AGAIN, SEARCH_MS_MAX
from device.signals import Signal
from sim import paper
from sim.fleet import VERDICTS
from sim.photo import Photograph, Shot, burst, shoot
from tests.device.reader.plain import stopped
from tests.device.world import VE, World, acta
from wire.profiles import named
from wire.record import NOTHING_KNOWN

PRESS = 1000
EYE = Eye(named(VE), stopped)
SHEET = paper.draw(paper.random_payload(random.Random(5)), seed=5, length_mm=250)


def photograph(**grades: object) -> Photograph:
    laid = {"camera": "ov5647", "dpmm": 6.5, "at": (0.3, 0.5), "rotation_deg": 90}
    return shoot(SHEET, Shot(**{**laid, **grades}), 5)  # type: ignore[arg-type]


def test_the_certificate_of_a_clean_photograph_is_sane() -> None:
    clean = photograph()
    seen = EYE.see(clean.luma, PRESS)
    quality = seen.quality
    assert seen.payloads == (SHEET.payload,)
    assert clean.truth is not None
    assert quality.cause == ""
    assert quality.step == "zxing-cpp"
    assert quality.light == pytest.approx(clean.truth.white, abs=15)
    assert quality.pitch == pytest.approx(100 * clean.truth.px_per_module, rel=0.03)
    assert quality.blur < 20
    assert quality.contrast > 70
    assert (quality.glare, quality.erasures, quality.assumed) == (0, 0, 0)
    assert quality.margin > 50
    assert quality.dpi == pytest.approx(6.5 * 25.4, rel=0.03)
    assert quality.skew <= 5
    assert quality.sharpness > 30


@pytest.mark.parametrize("fails", ["measure", "why"])
def test_what_was_read_is_kept_though_the_certificate_fails(fails: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("somebody's name")

    monkeypatch.setattr(f"device.eye.{fails}", fail)
    sheet = {"measure": photograph().luma, "why": np.full((486, 864), 18, np.uint8)}[fails]
    seen = EYE.see(sheet, PRESS)
    assert seen.payloads == ((SHEET.payload,) if fails == "measure" else ())
    assert seen.quality == NOTHING_KNOWN
    assert seen.uncertified.startswith("ZeroDivisionError in test_eye.py")
    assert "name" not in seen.uncertified


def test_the_certificate_tells_of_a_code_that_was_seen_beside_the_one_read_and_not_read() -> None:
    luma = photograph().luma
    reading = replace(Reader().read(luma), unread=1)
    assert certificate(luma, reading)[0].unread == 1


def test_the_certificate_of_a_photograph_that_was_read_says_how_blurred_it_is() -> None:
    blurred = photograph(defocus_px=4)
    seen = EYE.see(blurred.luma, PRESS)
    assert blurred.truth is not None
    assert seen.payloads
    assert seen.quality.cause == ""
    assert seen.quality.blur == pytest.approx(100 * blurred.truth.blur_modules, abs=12)


def test_the_certificate_of_an_unread_photograph_names_its_cause_and_measures_it() -> None:
    blurred = photograph(defocus_px=16)
    quality = EYE.see(blurred.luma, PRESS).quality
    assert blurred.truth is not None
    assert (quality.cause, quality.step) == (Cause.BLURRED.value, "")
    assert quality.blur == pytest.approx(100 * blurred.truth.blur_modules, abs=20)


@pytest.mark.parametrize(("rotation_deg", "skew"), [(90, 0), (97, 70), (83, 70), (135, 450)])
def test_the_certificate_tells_how_far_the_sheet_is_turned_the_nearest_way(rotation_deg: float, skew: int) -> None:
    assert EYE.see(photograph(rotation_deg=rotation_deg).luma, PRESS).quality.skew == pytest.approx(skew, abs=5)


def test_the_certificate_of_an_empty_tray_measures_nothing() -> None:
    quality = EYE.see(np.full((486, 864), 18, np.uint8), PRESS).quality
    assert (quality.cause, quality.pitch, quality.light) == (Cause.NO_CODE.value, 0, 0)


def test_a_certificate_that_fails_is_logged_and_the_acta_is_kept(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("device.eye.measure", fail)
    assert here.scan(acta()) is Signal.KEPT
    assert len(here.logged(Event.UNCERTIFIED)) == 1


DIM = 9.5


@cache
def dim() -> list[Photograph]:
    """Frames too dark to be read alone, of a sheet that lies still; the noise of each is its own."""
    return burst(SHEET, Shot(camera="ov5647", dpmm=2.5, window_px=400, rotation_deg=90, dim_stops=DIM), 5, 4)


def test_frames_of_one_press_are_read_together_where_none_can_be_read_alone() -> None:
    eye = Eye(named(VE), stopped)
    seen = [eye.see(frame.luma, PRESS) for frame in dim()]
    assert seen[0].payloads == ()
    assert any(each.payloads == (SHEET.payload,) and each.quality.step.startswith("mean of ") for each in seen)


def test_a_new_press_begins_without_the_frames_of_the_one_before() -> None:
    eye = Eye(named(VE), stopped)
    seen = [eye.see(frame.luma, PRESS + turn) for turn, frame in enumerate(dim())]
    assert [each.payloads for each in seen] == [()] * 4


SCENES: dict[Cause, dict[str, object]] = {
    Cause.BLURRED: {"defocus_px": 16},
    Cause.DARK: {"dim_stops": 11},
    Cause.GLARE: {"glare": 5, "glare_mm": 30},
    Cause.CUT_TOP: {"cut": 0.7, "cut_side": "left"},
    Cause.FAR: {"dpmm": 1.0},
}


def verdict_of_one_look(here: World) -> Signal:
    """Presses, and lets the camera answer its first look only when the search is over: one frame, one verdict."""
    seen = len(here.shown)
    here.unit.body.camera.stall()
    here.unit.body.press()
    here.clock.run(SEARCH_MS_MAX + 100)
    here.unit.body.camera.resume()
    here.clock.run(100)
    return next(signal for signal in here.shown[seen:] if signal in VERDICTS)


@pytest.mark.parametrize("cause", SCENES)
def test_the_cause_comes_to_the_volunteer_as_its_signal(here: World, cause: Cause) -> None:
    here.unit.body.camera.lay(photograph(**SCENES[cause]).jpeg())
    assert verdict_of_one_look(here) is AGAIN[cause]


def test_an_empty_tray_asks_for_another_press(here: World) -> None:
    here.unit.body.camera.clear()
    assert verdict_of_one_look(here) is Signal.AGAIN
