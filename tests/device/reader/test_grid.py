"""The grid and the levels: modules straight from bent, covered and smeared paper."""

import numpy as np
import pytest
import segno

from device.reader.effort import attempts
from device.reader.grid import anchored, lay, smoothed
from device.reader.levels import agreement, covered, decided, fixed_of, sampled
from device.reader.locate import candidates, searched
from tests.device.reader.plain import ACTA, Luma, curled, dimmed, smeared, symbol

TRUTH = np.array(
    [list(row) for row in segno.make(ACTA, micro=False, error="q", boost_error=False, mode="byte").matrix], np.int8
)


def grid_of(luma: Luma):  # noqa: ANN201
    return lay(luma, candidates(searched(luma), (49,))[0])


def wrong(soft: np.ndarray, lost: np.ndarray | None = None) -> float:
    """The share of modules, of those seen, that are wrong."""
    differ = (soft > 0) != (TRUTH > 0)
    return float(differ[~lost].mean() if lost is not None else differ.mean())


def test_a_clean_symbol_has_every_module_right_at_once() -> None:
    first = next(attempts(grid_of(symbol(ACTA))))
    assert wrong(first.soft) == 0
    assert not first.lost.any()
    assert first.score > 0.85


def test_the_grid_grows_over_curled_paper() -> None:
    found = list(attempts(grid_of(curled(symbol(ACTA), 25))))
    assert wrong(found[0].soft) > 0.05
    assert min(wrong(each.soft) for each in found) < 0.01


def test_anchors_bend_the_grid_through_the_alignment_patterns() -> None:
    luma = curled(symbol(ACTA), 15)
    grid = grid_of(luma)
    known = fixed_of(49)
    before, _, _ = decided(sampled(grid.straightened()[0], 49), known)
    after, _, _ = decided(sampled(anchored(grid).straightened()[0], 49), known)
    assert agreement(after, known) > agreement(before, known)


def test_the_equaliser_takes_motion_out() -> None:
    found = list(attempts(grid_of(smeared(symbol(ACTA), 12))))
    plain = min(wrong(each.soft) for each in found if each.how == "grid")
    assert min(wrong(each.soft) for each in found if each.how == "grid equalised") < plain / 2


@pytest.mark.parametrize("shade", [20, 230])
@pytest.mark.parametrize("upright", [True, False])
def test_a_streak_over_the_symbol_is_lost_and_little_else(shade: int, upright: bool) -> None:
    luma = symbol(ACTA).copy()
    luma[:, 150:160] = shade  # two columns of modules
    luma = luma if upright else np.ascontiguousarray(luma.T[::-1])
    first = next(attempts(grid_of(luma)))
    lost = first.lost if upright else first.lost[::-1].T
    assert lost[:, 24:26].mean() > 0.75
    assert np.delete(lost, (24, 25), axis=1).mean() < 0.03


def test_a_clean_symbol_has_nothing_covered() -> None:
    for seed in range(10):
        soft = np.where(TRUTH > 0, 1.0, -1.0) + np.random.default_rng(seed).normal(0, 0.3, TRUTH.shape)
        assert covered(soft.astype(np.float32), fixed_of(49)).mean() < 0.02


def test_what_lies_outside_the_frame_is_lost() -> None:
    luma = symbol(ACTA)[:, :260]  # the last three columns are gone; the finder's core is not
    first = next(attempts(grid_of(np.ascontiguousarray(luma))))
    assert first.lost[:, 46:].all()
    assert first.lost[:, :44].mean() < 0.05


def test_noise_without_light_leaves_no_confident_module() -> None:
    luma = dimmed(symbol(ACTA), light=0.05, noise=4)
    first = next(attempts(grid_of(luma)))
    assert wrong(first.soft) < 0.05
    assert np.abs(first.soft[(first.soft > 0) != (TRUTH > 0)]).mean() < np.abs(first.soft).mean()


def test_a_plate_through_values_that_lie_on_a_slope_is_that_slope() -> None:
    at = np.array([[0, 0], [5, 1], [2, 5], [4, 4]], np.float32)
    plate = smoothed(6, at, at * np.float32(0.1), np.ones(4, np.float32), 0.01)
    rows, columns = np.indices((6, 6))
    assert plate == pytest.approx(np.stack([columns, rows], axis=-1) * 0.1, abs=1e-3)
