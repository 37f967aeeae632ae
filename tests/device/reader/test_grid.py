"""The grid and the levels: modules straight from bent, covered and smeared paper."""

from dataclasses import replace

import numpy as np
import pytest
import segno
from numpy.typing import NDArray

from device.reader.effort import attempts
from device.reader.grid import Grid, anchored, lay, smoothed
from device.reader.levels import agreement, covered, decided, fixed_of, sampled
from device.reader.locate import candidates, partial, searched
from tests.device.reader.plain import ACTA, Luma, curled, dimmed, smeared, symbol, thinned

TRUTH = np.array(
    [list(row) for row in segno.make(ACTA, micro=False, error="q", boost_error=False, mode="byte").matrix], np.int8
)


def grid_of(luma: Luma) -> Grid:
    return lay(luma, candidates(searched(luma), (49,))[0])


def wrong(soft: NDArray[np.float32]) -> float:
    """The share of modules that are wrong."""
    return float(((soft > 0) != (TRUTH > 0)).mean())


def test_a_clean_symbol_has_every_module_right_at_once() -> None:
    first = next(attempts(grid_of(symbol(ACTA))))
    assert wrong(first.soft) == 0
    assert first.lost.mean() < 0.01
    assert first.score > 0.85


def test_a_crisp_symbol_that_lies_well_costs_no_growth() -> None:
    found = list(attempts(grid_of(symbol(ACTA))))
    assert len(found) <= 3
    assert all(each.repeats(found[0]) for each in found)


def test_ink_that_shrank_is_grown_back() -> None:
    found = list(attempts(grid_of(thinned(symbol(ACTA, px=10), 4))))
    assert [each.grid.ink for each in found[:3]] == [0, 0, 1]
    assert wrong(found[2].soft) < 0.5 * wrong(found[1].soft)
    assert wrong(found[3].soft) < 0.005


def test_an_attempt_is_a_repetition_until_one_module_of_250_is_new() -> None:
    first = next(attempts(grid_of(symbol(ACTA))))
    others = np.where(np.arange(49 * 49).reshape(49, 49) < 9, -1, 1) * first.soft
    assert replace(first, soft=others).repeats(first)
    others = np.where(np.arange(49 * 49).reshape(49, 49) < 10, -1, 1) * first.soft
    assert not replace(first, soft=others).repeats(first)


def test_no_attempt_is_made_after_it_is_told_to_stop() -> None:
    assert len(list(attempts(grid_of(curled(symbol(ACTA), 18)), lambda: True))) <= 3


def test_the_grid_grows_over_curled_paper() -> None:
    found = list(attempts(grid_of(curled(symbol(ACTA), 18))))
    assert wrong(found[0].soft) > 0.02
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
    first = next(attempts(grid_of(luma if upright else np.ascontiguousarray(np.rot90(luma)))))
    lost = first.lost  # the grid lies as the symbol does, however the picture is turned
    assert lost[:, 24:26].mean() > 0.75
    assert np.delete(lost, (24, 25), axis=1).mean() < 0.03


def test_a_clean_symbol_has_nothing_covered() -> None:
    for seed in range(10):
        soft = np.where(TRUTH > 0, 1.0, -1.0) + np.random.default_rng(seed).normal(0, 0.3, TRUTH.shape)
        assert covered(soft.astype(np.float32), fixed_of(49)).mean() < 0.02


def test_what_lies_outside_the_frame_is_lost() -> None:
    luma = np.ascontiguousarray(symbol(ACTA)[:, 75:])  # the first nine columns are gone
    first = next(attempts(lay(luma, partial(searched(luma), (49,))[0])))
    assert first.lost[:, :8].all()
    assert first.lost[:, 10:].mean() < 0.05


def test_what_noise_gets_wrong_is_not_sure() -> None:
    luma = dimmed(symbol(ACTA), light=0.05, noise=9)
    first = next(attempts(grid_of(luma)))
    differ = (first.soft > 0) != (TRUTH > 0)
    assert 0 < differ.mean() < 0.1
    assert np.abs(first.soft[differ]).mean() < np.abs(first.soft).mean() / 2


def test_a_plate_through_values_that_lie_on_a_slope_is_that_slope() -> None:
    at = np.array([[0, 0], [5, 1], [2, 5], [4, 4]], np.float32)
    plate = smoothed(6, at, at * np.float32(0.1), np.ones(4, np.float32), 0.01)
    rows, columns = np.indices((6, 6))
    assert plate == pytest.approx(np.stack([columns, rows], axis=-1) * 0.1, abs=1e-3)
