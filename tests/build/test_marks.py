"""The marks: printed in true size, and what device/marks.py tells of a photograph of the tray."""

from typing import Any

import cv2
import numpy as np
import pypdfium2  # type: ignore[import-untyped]
import pytest
from numpy.typing import NDArray

from device import marks
from hardware.build.marks import HALF_MM, SIDE_MM, marks_pdf, pages, tray_sheet
from hardware.build.parts import Camera, parts
from hardware.build.sheet import Outline, Sheet, Words, pdf

Luma = NDArray[np.uint8]

PX_PER_MM = 6.0
PAPER = 230
"""Luma of white paper in these pictures."""


def rendered(sheet: Sheet, px_per_mm: float = PX_PER_MM) -> Luma:
    page = pypdfium2.PdfDocument(pdf("a sheet", sheet))[0]
    scale: Any = px_per_mm * 25.4 / 72  # an int, says the library's own default
    picture: Luma = page.render(scale=scale, grayscale=True).to_numpy().squeeze()
    return picture


TRAY = rendered(tray_sheet())


def photographed(
    camera: Camera,
    tray: Luma = TRAY,
    *,
    narrowed: float = 0.0,
    off_mm: tuple[float, float] = (0, 0),
    turn: bool = False,
    shrink: int = 2,
) -> Luma:
    """The tray as a camera above it sees it, its arrow's end on the left, or `turn`ed on the right.

    Args:
        camera: which.
        tray: the picture of the tray to be seen.
        narrowed: share by which the arrow's end is smaller than the other.
        off_mm: what lies in the picture's middle.
        turn: whether the camera is turned round.
        shrink: the picture is taken so much smaller, which is quicker.
    """
    wide, high = camera.columns // shrink, camera.rows // shrink
    px = wide / marks.FIELD_MM * (-1 if turn else 1)
    corners = np.array([(-66.0, 210.0), (66.0, 210.0), (66.0, -210.0), (-66.0, -210.0)]) - off_mm
    shares = np.array([1 - narrowed / 2, 1 - narrowed / 2, 1 + narrowed / 2, 1 + narrowed / 2])
    to = np.stack([wide / 2 - px * corners[:, 1], high / 2 - px * corners[:, 0] * shares], axis=1)
    rows, columns = tray.shape
    frame = np.array([(0, 0), (columns, 0), (columns, rows), (0, rows)], np.float32)
    warp = cv2.getPerspectiveTransform(frame, to.astype(np.float32))
    lit = (30 + tray * 0.75).astype(np.uint8)
    seen = cv2.GaussianBlur(cv2.warpPerspective(lit, warp, (wide, high), borderValue=(120,)), (0, 0), 2 / shrink)
    noise = np.random.default_rng(7).integers(-10, 11, (high, wide), np.int16)
    shot: Luma = np.clip(seen + noise, 0, 255).astype(np.uint8)
    return shot


def with_paper(from_y: float, to_y: float) -> Luma:
    """The tray with white paper in its channel between those places."""
    tray = TRAY.copy()
    rows = slice(*(round((HALF_MM - y) * PX_PER_MM) for y in (max(from_y, to_y), min(from_y, to_y))))
    half = 39.6
    tray[rows, round((SIDE_MM[1] - half) * PX_PER_MM) : round((SIDE_MM[1] + half) * PX_PER_MM)] = PAPER
    return tray


@pytest.mark.parametrize("name", list(parts().cameras))
@pytest.mark.parametrize("turn", [False, True])
def test_the_empty_tray_tells_its_scale_whichever_way_the_camera_is_turned(name: str, turn: bool) -> None:
    camera = parts().cameras[name]
    seen = marks.seen(photographed(camera, turn=turn, shrink=1))
    assert seen is not None
    assert seen.px_per_mm == pytest.approx(camera.columns / marks.FIELD_MM, rel=0.003)
    assert seen.leans == pytest.approx((0, 0), abs=0.005)
    assert seen.is_empty
    assert seen.covered == frozenset()
    assert max(map(abs, seen.off_mm)) < 0.5


def test_a_camera_beside_its_place_is_told_by_how_much() -> None:
    seen = marks.seen(photographed(parts().cameras["module-3"], off_mm=(3.0, -6.0)))
    assert seen is not None
    assert seen.off_mm == pytest.approx((3.0, -6.0), abs=0.5)


def test_a_camera_that_does_not_look_straight_down_is_told_whereto() -> None:
    seen = marks.seen(photographed(parts().cameras["module-3"], narrowed=0.08))
    assert seen is not None
    assert seen.is_empty
    across, along = seen.leans
    assert across == pytest.approx(0, abs=0.005)
    # The corners of the tray are 210 mm from its middle, the places compared 170 mm.
    assert along == pytest.approx(-0.08 * 170 / 210, abs=0.006)


def test_paper_laid_right_covers_the_channel_but_not_the_end_beyond_the_arrow() -> None:
    seen = marks.seen(photographed(parts().cameras["module-3"], with_paper(marks.END_MM, -HALF_MM)))
    assert seen is not None
    assert not seen.is_empty
    assert seen.covered == {21}


def test_paper_over_the_arrow_may_be_cut_off() -> None:
    seen = marks.seen(photographed(parts().cameras["module-3"], with_paper(HALF_MM, -HALF_MM)))
    assert seen is not None
    assert seen.covered == {20, 21}


def test_a_scrap_of_paper_is_not_an_empty_tray() -> None:
    seen = marks.seen(photographed(parts().cameras["module-3"], with_paper(60, 0)))
    assert seen is not None
    assert not seen.is_empty
    assert seen.covered == frozenset()


@pytest.mark.parametrize("luma", [0, 128, 255])
def test_what_is_no_tray_tells_nothing(luma: int) -> None:
    assert marks.seen(np.full((600, 800), luma, np.uint8)) is None


def test_half_a_tray_with_too_few_marks_tells_nothing() -> None:
    picture = photographed(parts().cameras["module-3"])
    assert marks.seen(np.ascontiguousarray(picture[:, :500])) is None


def test_the_arrow_says_in_two_languages_where_the_qr_end_is_laid() -> None:
    shown = {each.text for each in tray_sheet().drawn if isinstance(each, Words)}
    assert shown == {"QR", "aquí", "here"}
    lines = [each.rings[0] for each in tray_sheet().drawn if isinstance(each, Outline) and not each.closed]
    assert [{y for _, y in line} for line in lines] == [{HALF_MM - marks.END_MM}]


def test_no_mark_has_another_s_number_or_place() -> None:
    assert len(marks.MARKS) == len(marks.SCALE) + len(marks.EMPTY) + len(marks.CUT)
    assert len(set(marks.MARKS.values())) == len(marks.MARKS)


@pytest.mark.parametrize("half", [0, 1])
def test_a_page_prints_every_mark_of_its_half_in_true_size(half: int) -> None:
    """On the strips marks keep their distances along the tray; across it, those of one strip."""
    document = pypdfium2.PdfDocument(marks_pdf())
    assert [round(size * 25.4 / 72) for size in document.get_page_size(half)] == [210, 297]
    picture = rendered(pages()[half])
    detector = cv2.aruco.ArucoDetector(cv2.aruco.getPredefinedDictionary(marks.DICTIONARY))
    corners, numbers, _ = detector.detectMarkers(picture)
    found = {int(n): c[0].mean(axis=0) / PX_PER_MM for n, c in zip(numbers.ravel(), corners, strict=True)}
    there = {number: at for number, at in marks.MARKS.items() if (at[1] > 0) == (half == 0)}
    assert set(found) == set(there)
    for corner in corners:
        sides = np.linalg.norm(corner[0] - np.roll(corner[0], 1, axis=0), axis=1) / PX_PER_MM
        assert sides == pytest.approx([marks.MARK_MM] * 4, abs=0.35)
    first = min(there)
    for number, (x, y) in there.items():
        assert found[number][1] - found[first][1] == pytest.approx(there[first][1] - y, abs=0.2)
        if x == there[first][0]:
            assert found[number][0] == pytest.approx(found[first][0], abs=0.2)
