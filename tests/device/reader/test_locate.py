"""The locating: where a symbol lies, whole or cut, at any size and turn; and nowhere where there is none."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from device.reader.locate import SCORE_MIN, busiest, candidates, partial, rolled, searched, squashed
from tests.device.reader.plain import ACTA, Luma, dimmed, on_a_roll, symbol, turned


def laid(px: float, degrees: float) -> tuple[Luma, NDArray[np.float64]]:
    """A symbol of so many px a module, turned, in the middle of a larger sheet; and its outer corners."""
    side = round(49 * px)
    code = cv2.resize(symbol(ACTA, px=8, border=0), (side, side), interpolation=cv2.INTER_AREA)
    around = side // 2 + 20
    sheet = np.full((side + 2 * around,) * 2, 230, np.uint8)
    sheet[around : around + side, around : around + side] = code
    middle = (sheet.shape[0] - 1) / 2
    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * side / 2
    angle = np.deg2rad(-degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return turned(sheet, degrees), square @ turn + middle


@pytest.mark.parametrize("px", [1.5, 2.2, 4.0, 9.0])
@pytest.mark.parametrize("degrees", [0, 17, 45, 90, 200])
def test_a_symbol_is_found_at_any_size_and_turn(px: float, degrees: float) -> None:
    luma, corners = laid(px, degrees)
    found, *_ = candidates(searched(luma))
    assert found.dim == 49
    assert found.px_per_module == pytest.approx(px, rel=0.03)
    assert found.corners == pytest.approx(corners, abs=1.5 * px)


def test_a_symbol_is_found_in_noise_that_hides_it_from_the_eye() -> None:
    luma, corners = laid(4, 30)
    found, *_ = candidates(searched(dimmed(luma, light=0.05, noise=7)))
    assert found.corners == pytest.approx(corners, abs=6)


def test_a_symbol_on_a_roll_is_found_as_it_is_bent() -> None:
    luma = dimmed(on_a_roll(symbol(ACTA, px=8), 1.0), light=0.6, noise=6)
    search = searched(luma)
    flat = candidates(search, (49,))
    found, *_ = rolled(squashed(search), flat, (49,))
    assert found.score > 0.9 > flat[0].score
    left, right = (luma.shape[1] / 2 * (1 + side * np.sin(1 - 12 / 61) / np.sin(1)) for side in (-1, 1))
    corners = np.array([[left, 48], [right, 48], [right, 440], [left, 440]])
    assert found.corners == pytest.approx(corners, abs=8)


@pytest.mark.parametrize("degrees", [0, 45, 90, 140])
def test_finders_half_as_long_as_wide_are_found(degrees: float) -> None:
    luma = np.full((1000, 1000), 230, np.uint8)
    luma[101:899, 301:700] = cv2.resize(symbol(ACTA, px=14, border=4), (399, 798))
    finders = np.array([[-21, -21], [21, -21], [-21, 21]]) * (7, 14)
    angle = np.deg2rad(-degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    finders = finders @ turn + 499.5
    hits = np.array([hit[:2] for hit in squashed(searched(turned(luma, degrees))).finders])
    apart = np.linalg.norm(hits[:, None] - finders, axis=2).min(axis=0)
    assert (apart < 5).all()


@pytest.mark.parametrize("turns", range(4))
def test_a_cut_symbol_of_known_size_is_found_by_one_finder(turns: int) -> None:
    luma = np.ascontiguousarray(np.rot90(symbol(ACTA)[:, 75:], turns))  # 9 columns are gone, and two finders with them
    search = searched(luma)
    found = partial(search, (49, 53))
    assert found[0].dim == 49
    assert found[0].score > 0.6
    assert found[0].px_per_module == pytest.approx(5, rel=0.02)


@pytest.mark.parametrize("upright", [True, False])
def test_a_symbol_in_a_strip_longer_than_opencv_can_sample_at_once_is_found(upright: bool) -> None:
    strip = np.full((305, 24_000), 230, np.uint8)
    strip[:, 20_000:20_305] = symbol(ACTA)
    search = searched(strip if upright else np.ascontiguousarray(strip.T))
    assert max(search.levels.sheet.shape) < 32_767
    assert candidates(search, (49,))[0].score > 0.6


def test_what_is_told_to_stop_finds_nothing_more() -> None:
    search = searched(np.ascontiguousarray(symbol(ACTA)[:, 75:]))
    assert partial(search, (49,), lambda: True) == []


def test_nothing_is_found_where_nothing_is() -> None:
    rng = np.random.default_rng(5)
    for luma in (
        np.zeros((1, 1), np.uint8),
        np.full((500, 700), 200, np.uint8),
        rng.integers(0, 256, (500, 700), np.uint8),
        np.kron(rng.integers(0, 2, (90, 90), np.uint8) * np.uint8(255), np.ones((5, 5), np.uint8)),
    ):
        assert all(found.score < SCORE_MIN + 0.12 for found in candidates(searched(luma)))


def test_the_busiest_square_of_a_large_frame_holds_the_small_symbol() -> None:
    frame = np.full((2592, 4608), 180, np.uint8)
    small = cv2.resize(symbol(ACTA, px=8), (98, 98), interpolation=cv2.INTER_AREA)
    frame[700 : 700 + small.shape[0], 3000 : 3000 + small.shape[1]] = small
    (x, y), *_ = busiest(dimmed(frame, light=0.8, noise=2), 512, 2)
    assert x <= 3000
    assert x + 512 >= 3000 + small.shape[1]
    assert y <= 700
    assert y + 512 >= 700 + small.shape[0]
    assert candidates(searched(frame[y : y + 512, x : x + 512]), (49,))[0].dim == 49
