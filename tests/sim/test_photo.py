"""The photograph: what it says of itself is true, grade by grade, and the same each time."""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import zxingcpp

from sim.paper import Sheet, draw, random_payload
from sim.photo import CAMERAS, Photograph, Shot, Truth, burst, mixes, shoot
from sim.photo.marred import KINDS, mar

SMALL = Shot(dpmm=7, window_px=700)


@pytest.fixture(scope="module")
def sheet() -> Sheet:
    return draw(random_payload(random.Random(1)), length_mm=130)


def _truth(photograph: Photograph) -> Truth:
    assert photograph.truth is not None
    return photograph.truth


@pytest.mark.parametrize(
    "shot",
    [
        SMALL,
        replace(SMALL, rotation_deg=37),
        replace(SMALL, rotation_deg=180, tilt_deg=25, tilt_toward_deg=20),
        replace(SMALL, tilt_deg=35, tilt_toward_deg=250, rotation_deg=100),
        replace(SMALL, at=(0.2, 0.75), camera="imx219"),
        Shot(scan_dpi=200, rotation_deg=181, shrink=0.2),
        Shot(scan_dpi=300, rotation_deg=5, copies=3, shrink=0.1),
        Shot(scan_dpi=300, bed_mm=210, window_px=900),
    ],
    ids=["straight", "turned", "upside-down", "tilted", "corner", "scan", "copies", "bed"],
)
def test_the_true_corners_are_where_zxing_cpp_finds_them(sheet: Sheet, shot: Shot) -> None:
    taken = shoot(sheet, shot, 1)
    (code,) = zxingcpp.read_barcodes(taken.luma, formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode))
    at = code.position
    found = np.array([(p.x, p.y) for p in (at.top_left, at.top_right, at.bottom_right, at.bottom_left)])
    truth = _truth(taken)
    # zxing-cpp gives whole pixels, and takes the code for a plane.
    assert np.abs(found - truth.corners).max() < truth.px_per_module / 3 + 0.5


@pytest.mark.parametrize(
    ("changed", "measure"),
    [
        ([{"dpmm": dpmm} for dpmm in (9.0, 6.0, 3.0)], lambda truth: -truth.px_per_module),
        ([{"tilt_deg": tilt} for tilt in (0, 25, 50)], lambda truth: -truth.px_per_module_least),
        ([{"curl_mm": radius} for radius in (0, 60, 25)], lambda truth: -truth.px_per_module_least),
        ([{"wave_mm": wave} for wave in (0, 2, 4)], lambda truth: -truth.px_per_module_least),
        ([{"crumple_deg": slope} for slope in (0, 8, 20)], lambda truth: -truth.px_per_module_least),
        ([{"cut": cut, "cut_side": "top"} for cut in (0, 0.1, 0.2)], lambda truth: truth.outside),
        ([{"glare": glare} for glare in (0, 2, 8)], lambda truth: truth.glare),
        ([{"defocus_px": radius} for radius in (0, 2, 5)], lambda truth: truth.blur_px),
        ([{"motion_px": length} for length in (0, 4, 12)], lambda truth: truth.blur_px),
        ([{"dim_stops": stops} for stops in (0, 3, 8)], lambda truth: -truth.light),
        ([{"dim_stops": stops} for stops in (4, 6, 8)], lambda truth: -truth.white),
    ],
    ids=["far", "tilt", "curl", "wave", "crumple", "cut", "glare", "defocus", "motion", "dim", "black"],
)
def test_each_grade_is_worse_by_its_own_measure(
    sheet: Sheet, changed: list[dict[str, Any]], measure: Callable[[Truth], float]
) -> None:
    worse = [measure(_truth(shoot(sheet, Shot(**{"window_px": 500, "dpmm": 5.0, **one}), 3))) for one in changed]
    assert worse == sorted(set(worse))


def test_the_share_cut_off_is_the_share_asked_for(sheet: Sheet) -> None:
    for turn, side in ((0, "top"), (90, "right"), (180, "bottom"), (270, "left")):
        truth = _truth(shoot(sheet, replace(SMALL, cut=0.2, cut_side="top", rotation_deg=turn), 5))
        assert truth.outside == pytest.approx(0.2, abs=0.02)
        assert truth.side == side


def test_the_same_seed_gives_the_same_photograph_and_another_another(sheet: Sheet) -> None:
    shot = replace(SMALL, glare=2, shadow=0.5, uneven=0.3, motion_px=3, crumple_deg=5, jpeg=80)
    assert np.array_equal(shoot(sheet, shot, 7).luma, shoot(sheet, shot, 7).luma)
    assert not np.array_equal(shoot(sheet, shot, 7).luma, shoot(sheet, shot, 8).luma)


@pytest.mark.parametrize("camera", list(CAMERAS))
def test_a_whole_frame_has_the_cameras_size(sheet: Sheet, camera: str) -> None:
    luma = shoot(sheet, Shot(camera=camera), 1).luma
    assert luma.shape == (CAMERAS[camera].height, CAMERAS[camera].width)
    assert luma.dtype == np.uint8


def test_a_burst_moves_with_the_hand_and_has_new_noise(sheet: Sheet) -> None:
    first, second = burst(sheet, replace(SMALL, jitter_px=4), 1, 2)
    moved = np.abs(_truth(first).corners - _truth(second).corners).max()
    assert 0 < moved < 8
    still = burst(sheet, SMALL, 1, 2)
    assert np.array_equal(_truth(still[0]).corners, _truth(still[1]).corners)
    assert not np.array_equal(still[0].luma, still[1].luma)


@pytest.mark.parametrize(
    ("asked", "why"),
    [({"cut": 1.5}, "cut is 1.5, expected 0 to 0.9"), ({"camera": "ov1"}, "camera is ov1"), ({"dpmm": 0}, "dpmm is 0")],
)
def test_a_shot_that_cannot_be_is_refused(asked: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Shot(**asked)


@pytest.mark.parametrize("name", list(mixes.MIXES))
def test_every_mix_replays(name: str) -> None:
    once, again = (mixes.photograph(name, 3) for _ in range(2))
    assert np.array_equal(once.luma, again.luma)
    assert (once.truth is None) is (name == "none")


def test_a_mix_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no mix soft"):
        mixes.mix("soft", 1)


@pytest.mark.parametrize("kind", list(KINDS))
def test_marring_grows_with_its_grade_and_replays(kind: str, sheet: Sheet) -> None:
    luma = shoot(sheet, Shot(scan_dpi=200, window_px=560), 1).luma
    harm = [np.abs(mar(luma, kind, grade, 5).astype(float) - luma).mean() for grade in (0, 0.3, 0.6, 1.0)]
    assert harm[0] == 0
    assert harm == sorted(set(harm))
    assert np.array_equal(mar(luma, kind, 0.5, 5), mar(luma, kind, 0.5, 5))


def test_marring_that_cannot_be_is_refused(sheet: Sheet) -> None:
    for kind, grade, why in (("rust", 0.5, "no kind rust"), ("blur", 1.5, "expected 0 to 1")):
        with pytest.raises(ValueError, match=why):
            mar(sheet.luma, kind, grade, 1)
