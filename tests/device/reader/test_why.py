"""The why, on drawn photographs whose truth is known: the measures of the certificate, and the cause."""

import random
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from device.cause import Cause
from device.reader.measure import Measures, measure
from device.reader.why import Hindered, why
from sim import paper
from sim.paper import Sheet, Wear, worn
from sim.photo import Photograph, Shot, Truth, shoot

LAID = Shot(camera="ov5647", dpmm=6.5, at=(0.3, 0.5), rotation_deg=91, tilt_deg=2, gradient=0.1)
CUT = {"left": Cause.CUT_LEFT, "right": Cause.CUT_RIGHT, "top": Cause.CUT_TOP, "bottom": Cause.CUT_BOTTOM}
# Which side of the picture a side of the code is at, when the paper is turned by 90 degrees.
TURNED = {"left": "top", "right": "bottom", "top": "right", "bottom": "left"}


@cache
def sheet(number: int = 0) -> Sheet:
    return paper.draw(paper.random_payload(random.Random(number)), seed=number, length_mm=250)


def shot(seed: int = 0, wear: Wear | None = None, **grades: object) -> Photograph:
    """A photograph of a sheet on the tray, with those grades of the shot changed."""
    how = Shot(**{**{name: getattr(LAID, name) for name in Shot.__slots__}, **grades})
    return shoot(worn(sheet(seed % 3), wear or Wear(), seed), how, seed)


def measured(photograph: Photograph) -> tuple[Measures, Truth]:
    truth = photograph.truth
    assert truth is not None
    return measure(photograph.luma, truth.corners, truth.modules), truth


@pytest.mark.parametrize("defocus_modules", [0.4, 0.8, 1.2, 1.6])
def test_defocus_is_measured(defocus_modules: float) -> None:
    found, truth = measured(shot(defocus_px=defocus_modules * 7.6))
    assert found.blur == pytest.approx(truth.blur_modules, rel=0.25, abs=0.1)


@pytest.mark.parametrize("degrees", [0, 30, 45, 90])
def test_motion_is_measured_whichever_way_it_goes(degrees: float) -> None:
    found, truth = measured(shot(motion_px=14, motion_deg=degrees))
    assert found.blur == pytest.approx(truth.blur_modules, rel=0.25, abs=0.12)


def test_blur_is_measured_at_a_place_three_modules_off() -> None:
    photograph = shot(defocus_px=6)
    assert photograph.truth is not None
    found = measure(photograph.luma, photograph.truth.corners + 3 * 7.6, 49)
    assert found.blur == pytest.approx(photograph.truth.blur_modules, abs=0.12)


@pytest.mark.parametrize("dim_stops", [0, 3, 6, 8])
def test_light_and_pitch_are_measured_down_to_the_dark(dim_stops: float) -> None:
    found, truth = measured(shot(dim_stops=dim_stops))
    assert found.light == pytest.approx(truth.white, rel=0.15)
    assert found.pitch == pytest.approx(truth.px_per_module, rel=0.02)


@pytest.mark.parametrize("glare_mm", [8, 14, 20])
def test_the_share_under_glare_is_measured(glare_mm: float) -> None:
    found, truth = measured(shot(glare=3, glare_mm=glare_mm))
    assert truth.glare > 0.04
    assert found.glare == pytest.approx(truth.glare, abs=0.12)


def test_a_clean_code_has_no_glare_no_blur_and_all_its_contrast() -> None:
    found, _ = measured(shot())
    assert found.glare == 0
    assert found.blur < 0.2
    assert found.contrast > 0.7
    assert found.outside == 0


def test_what_the_frame_does_not_show_of_the_code_is_measured() -> None:
    found, truth = measured(shot(cut=0.3, cut_side="top"))
    assert found.outside == pytest.approx(truth.outside, abs=0.05)


HINDERED: list[tuple[Cause, dict[str, object], Wear]] = [
    (Cause.BLURRED, {"defocus_px": 12.0}, Wear()),
    (Cause.BLURRED, {"defocus_px": 20.0}, Wear()),
    (Cause.BLURRED, {"motion_px": 25.0}, Wear()),
    (Cause.DARK, {"dim_stops": 10.0}, Wear()),
    (Cause.DARK, {"dim_stops": 10.8}, Wear()),
    (Cause.GLARE, {"glare": 4.0, "glare_mm": 25.0}, Wear()),
    (Cause.GLARE, {"glare": 3.0, "glare_mm": 16.0}, Wear()),
    (Cause.FAR, {"dpmm": 1.2}, Wear()),
    (Cause.DAMAGED, {}, Wear(fade=0.6)),
    (Cause.DAMAGED, {}, Wear(missing=0.3)),
    (Cause.DAMAGED, {}, Wear(thumb=1)),
    (Cause.DAMAGED, {}, Wear(stamp=1)),
]


@pytest.mark.parametrize(("cause", "grades", "wear"), HINDERED)
@pytest.mark.parametrize("seed", [1, 2])
def test_one_hindrance_alone_is_the_cause(cause: Cause, grades: dict[str, object], wear: Wear, seed: int) -> None:
    assert why(shot(seed, wear, **grades).luma).cause is cause


@pytest.mark.parametrize("side", ["left", "right", "top", "bottom"])
def test_the_side_cut_off_by_the_frame_is_told(side: str) -> None:
    photograph = shot(cut=0.3, cut_side=side)
    assert photograph.truth is not None
    assert photograph.truth.side == TURNED[side]
    assert why(photograph.luma).cause is CUT[TURNED[side]]


@pytest.mark.parametrize("side", ["left", "right", "top", "bottom"])
def test_the_side_torn_off_with_the_paper_is_told(side: str) -> None:
    assert why(shot(wear=Wear(cut=0.3, cut_side=side)).luma).cause is CUT[TURNED[side]]  # type: ignore[arg-type]


def test_the_place_of_what_could_not_be_read_is_found_without_the_reader() -> None:
    photograph = shot(defocus_px=14)
    hindered = why(photograph.luma)
    assert photograph.truth is not None
    assert hindered.measures is not None
    assert hindered.measures.pitch == pytest.approx(photograph.truth.px_per_module, rel=0.1)
    assert hindered.measures.blur == pytest.approx(photograph.truth.blur_modules, rel=0.3)


def test_a_pen_across_the_code_is_no_blur_where_its_corners_are_known() -> None:
    photograph = shot(1, Wear(pen_mm=3, scratches=30))
    assert photograph.truth is not None
    assert why(photograph.luma, photograph.truth.corners).cause is Cause.DAMAGED


def blank(length_mm: int, luma: int) -> Sheet:
    return Sheet("", np.full((length_mm * paper.PX_PER_MM, paper.WIDTH_PX), luma, np.uint8))


OTHER = {
    "the empty tray": blank(1, paper.TRAY),
    "blank paper": blank(150, paper.PAPER),
    "the head of an acta": Sheet("", sheet().luma[: -100 * paper.PX_PER_MM]),
}


@pytest.mark.parametrize("what", OTHER)
@pytest.mark.parametrize("dim_stops", [0.0, 2.0])
def test_where_there_is_no_code_none_is_told_of(what: str, dim_stops: float) -> None:
    photograph = shoot(OTHER[what], Shot(camera="ov5647", dpmm=6.5, rotation_deg=90, dim_stops=dim_stops), 1)
    assert why(photograph.luma) == Hindered(Cause.NO_CODE)


def plain(height: int, width: int, luma: int) -> NDArray[np.uint8]:
    return np.full((height, width), luma, np.uint8)


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (700, 1), (3, 3), (64, 64), (900, 1600)])
@pytest.mark.parametrize("luma", [0, 18, 255])
def test_a_frame_of_one_grey_holds_no_code(size: tuple[int, int], luma: int) -> None:
    assert why(plain(*size, luma)).cause is Cause.NO_CODE


def test_what_a_locator_took_for_a_symbol_on_plain_paper_is_none() -> None:
    corners = np.array([(300, 300), (500, 300), (500, 500), (300, 500)], np.float32)
    assert why(plain(900, 1600, 200), corners).cause is Cause.NO_CODE
