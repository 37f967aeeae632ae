"""The wear: each kind does what it says, as much as it says, and nothing else."""

import random
from dataclasses import fields, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sim.paper import INK, LENGTH_MM, PAPER, PX_PER_MM, TRAY, Sheet, Side, Wear, draw, random_payload, worn
from sim.photo import Shot

BLEACHING = {
    "missing": Wear(missing=0.1),
    "weak": Wear(weak=0.2),
    "erosion": Wear(gain=-0.1),
    "fade": Wear(fade=0.5),
    "thumb": Wear(thumb=0.8),
    "scratches": Wear(scratches=5),
    "crease": Wear(crease_mm=1.5),
}
DARKENING = {
    "gain": Wear(gain=0.1),
    "heat": Wear(heat=0.5),
    "back": Wear(back=0.5),
    "stamp": Wear(stamp=0.8),
    "pen": Wear(pen_mm=0.7),
}
REMOVING = {"tear": Wear(tear_mm=20), "cut": Wear(cut=0.2)}
LOCAL = {"thumb": 12, "blot": 27, "heat": 45, "stamp": 19}  # how far from its middle each can reach, in mm
ALL = BLEACHING | DARKENING | REMOVING | {"blot": Wear(blot=0.8)}


@cache
def sheet() -> Sheet:
    return draw(random_payload(random.Random(1)), length_mm=110)


def code_box(of: Sheet) -> tuple[slice, slice]:
    assert of.corners_mm is not None
    (x0, y0), (x1, y1) = np.round(of.corners_mm[[0, 2]] * PX_PER_MM).astype(int)
    return slice(y0, y1), slice(x0, x1)


def ink(luma: NDArray[np.uint8]) -> NDArray[np.float64]:
    return (PAPER - luma.astype(np.float64)) / (PAPER - INK)


def test_no_wear_changes_nothing() -> None:
    same = worn(sheet(), Wear(), 1)
    assert np.array_equal(same.luma, sheet().luma)
    assert same.paper is None
    assert same.creases == ()


@pytest.mark.parametrize("wear", ALL.values(), ids=ALL)
def test_a_seed_replays_and_another_differs(wear: Wear) -> None:
    once, again, other = (worn(sheet(), wear, seed) for seed in (1, 1, 2))
    assert np.array_equal(once.luma, again.luma)
    assert not np.array_equal(once.luma, sheet().luma)
    if not (wear.gain or wear.back):  # which leave nothing to chance
        assert not np.array_equal(once.luma, other.luma)


@pytest.mark.parametrize("wear", ALL.values(), ids=ALL)
def test_the_truth_about_the_code_stays(wear: Wear) -> None:
    after = worn(sheet(), wear, 3)
    assert (after.payload, after.modules) == (sheet().payload, 49)
    assert after.corners_mm is sheet().corners_mm is not None


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("wear", BLEACHING.values(), ids=BLEACHING)
def test_what_takes_print_away_darkens_nothing(wear: Wear, seed: int) -> None:
    after = worn(sheet(), wear, seed)
    assert (after.luma >= sheet().luma).all()
    assert after.luma.max() <= PAPER
    assert after.paper is None


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("wear", DARKENING.values(), ids=DARKENING)
def test_what_adds_dark_lightens_nothing(wear: Wear, seed: int) -> None:
    after = worn(sheet(), wear, seed)
    assert (after.luma <= sheet().luma).all()
    assert after.luma.min() >= INK
    assert after.paper is None


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("wear", REMOVING.values(), ids=REMOVING)
def test_what_removes_paper_leaves_the_rest_and_shows_the_tray(wear: Wear, seed: int) -> None:
    after = worn(sheet(), wear, seed)
    assert after.paper is not None
    assert (after.luma[~after.paper] == TRAY).all()
    assert np.array_equal(after.luma[after.paper], sheet().luma[after.paper])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", LOCAL)
def test_what_strikes_a_place_leaves_the_rest(kind: str, seed: int) -> None:
    changed = worn(sheet(), ALL[kind], seed).luma != sheet().luma
    for axis in (0, 1):
        struck = np.flatnonzero(changed.any(axis=axis))
        assert struck[-1] - struck[0] <= 2 * LOCAL[kind] * PX_PER_MM


@pytest.mark.parametrize(
    ("less", "more"),
    [
        (Wear(missing=0.03), Wear(missing=0.3)),
        (Wear(weak=0.03), Wear(weak=0.3)),
        (Wear(gain=0.05), Wear(gain=0.3)),
        (Wear(gain=-0.05), Wear(gain=-0.2)),
        (Wear(fade=0.2), Wear(fade=0.8)),
        (Wear(heat=0.2), Wear(heat=1)),
        (Wear(back=0.2), Wear(back=1)),
        (Wear(thumb=0.2), Wear(thumb=1)),
        (Wear(blot=0.2), Wear(blot=1)),
        (Wear(scratches=2), Wear(scratches=20)),
        (Wear(crease_mm=0.5), Wear(crease_mm=4)),
        (Wear(stamp=0.2), Wear(stamp=1)),
        (Wear(pen_mm=0.3), Wear(pen_mm=2)),
        (Wear(tear_mm=12), Wear(tear_mm=40)),
        (Wear(cut=0.05), Wear(cut=0.4)),
    ],
    ids=str,
)
def test_more_wear_changes_more(less: Wear, more: Wear) -> None:
    for seed in range(3):
        little, much = (
            np.abs(worn(sheet(), wear, seed).luma.astype(int) - sheet().luma).sum() for wear in (less, more)
        )
        assert 0 < 1.5 * little < much


def test_each_kind_has_chance_of_its_own() -> None:
    blank = replace(sheet(), luma=np.full_like(sheet().luma, PAPER))
    unstamped = worn(blank, Wear(stamp=1), 4).luma == PAPER
    alone, both = (worn(sheet(), wear, 4).luma for wear in (Wear(missing=0.05), Wear(missing=0.05, stamp=1)))
    assert np.array_equal(both[unstamped], alone[unstamped])
    assert not np.array_equal(both, alone)


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5])
def test_missing_dots_are_white_streaks_over_the_whole_length(share: float) -> None:
    after = worn(sheet(), Wear(missing=share), 5)
    printed = sheet().luma < PAPER // 2
    lost = (printed & (after.luma == PAPER)).any(axis=0)
    # A column that lost a dot lost all of them.
    assert (after.luma[:, lost] >= PAPER - 3).all()
    rows = code_box(sheet())[1]
    assert np.mean(lost[rows]) == pytest.approx(share, abs=0.04)


@pytest.mark.parametrize("modules", [-0.1, 0.05, 0.1, 0.25])
def test_gain_moves_each_edge_by_that_much(modules: float) -> None:
    # The rule under the hex digits has the only straight edges; it is 0.4 mm thick.
    rule = slice(-9 * PX_PER_MM, -7 * PX_PER_MM), slice(10 * PX_PER_MM, 20 * PX_PER_MM)
    before, after = (ink(one.luma[rule]).sum(axis=0).mean() for one in (sheet(), worn(sheet(), Wear(gain=modules), 1)))
    moved = (after - before) / 2 / PX_PER_MM / (57 / 49)
    assert float(moved) == pytest.approx(modules, abs=0.02)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_fade_leaves_the_rest_of_the_contrast(share: float) -> None:
    dark = sheet().luma[code_box(sheet())] == INK
    left = [ink(worn(sheet(), Wear(fade=share), seed).luma[code_box(sheet())])[dark].mean() for seed in range(8)]
    assert float(np.mean(left)) == pytest.approx(1 - share, abs=0.06)


@pytest.mark.parametrize("side", ["left", "right", "top", "bottom"])
@pytest.mark.parametrize("share", [0.1, 0.25])
def test_a_cut_takes_its_share_of_the_code_and_all_beyond(side: Side, share: float) -> None:
    after = worn(sheet(), Wear(cut=share, cut_side=side), 6)
    assert after.paper is not None
    assert 1 - after.paper[code_box(sheet())].mean() == pytest.approx(share, abs=0.01)
    edge = {"left": after.paper[:, 0], "right": after.paper[:, -1], "top": after.paper[0], "bottom": after.paper[-1]}
    assert {name for name, row in edge.items() if not row.any()} == {side}


@pytest.mark.parametrize("depth_mm", [10, 30])
def test_a_tear_is_as_deep_as_it_says(depth_mm: float) -> None:
    for seed in range(5):
        after = worn(sheet(), Wear(tear_mm=depth_mm), seed)
        assert after.paper is not None
        gone = (~after.paper).sum(axis=1)
        assert gone.max() / PX_PER_MM == pytest.approx(depth_mm, abs=1.2)
        assert (gone == 0).any()


def test_a_crease_runs_from_edge_to_edge_through_the_code_and_is_told() -> None:
    for seed in range(10):
        after = worn(sheet(), Wear(crease_mm=1), seed)
        ((start, end),) = after.creases
        height, width = (size / PX_PER_MM for size in sheet().luma.shape)
        for x, y in (start, end):
            assert min(abs(x), abs(x - width), abs(y), abs(y - height)) < 1e-6
        lost_y, lost_x = np.nonzero(after.luma != sheet().luma)
        (x0, y0), (x1, y1) = start, end
        away = np.abs((y1 - y0) * (lost_x / PX_PER_MM - x0) - (x1 - x0) * (lost_y / PX_PER_MM - y0))
        away /= np.hypot(x1 - x0, y1 - y0)
        assert away.max() < 1.5
        assert np.mean(away < 0.6) > 0.9
        assert (after.luma != sheet().luma)[code_box(sheet())].any()


def test_wear_adds_up() -> None:
    cut = worn(sheet(), Wear(cut=0.2, cut_side="left"), 1)
    torn = worn(cut, Wear(tear_mm=30, crease_mm=1), 2)
    assert cut.paper is not None
    assert torn.paper is not None
    assert not (torn.paper & ~cut.paper).any()
    assert torn.paper.sum() < cut.paper.sum()
    assert len(worn(torn, Wear(crease_mm=1), 3).creases) == 2


def test_a_sheet_without_a_code_wears_where_an_acta_has_its_own() -> None:
    whole = draw("x")
    blank = Sheet("", np.full_like(whole.luma, PAPER)[-150 * PX_PER_MM :])
    stamped = worn(blank, Wear(stamp=1), 1).luma != PAPER
    rows = np.flatnonzero(stamped.any(axis=1)) / PX_PER_MM + LENGTH_MM - 150
    assert 0.904 * LENGTH_MM - 20 < rows[0] < rows[-1] < 0.97 * LENGTH_MM + 20


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"fade": 1.1}, "wear: fade is 1.1, expected 0 to 1"),
        ({"gain": -0.5}, "wear: gain is -0.5, expected -0.4 to 0.4"),
        ({"tear_mm": 70}, "wear: tear_mm is 70, expected 0 to 60"),
        ({"missing": float("nan")}, "wear: missing is nan, expected 0 to 1"),
    ],
)
def test_impossible_wear_is_refused(wrong: dict[str, float], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Wear(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["missing", "weak"])
def test_no_streak_is_wider_than_four_dots_whatever_the_seed(kind: str) -> None:
    """Seed 11 once struck the whole sheet, for a streak that began left of it."""
    plain = draw(random_payload(random.Random(1)), length_mm=90)
    for seed in range(40):
        struck = worn(plain, Wear(**{kind: 0.02}), seed)  # type: ignore[arg-type]
        lighter = (struck.luma > plain.luma).any(axis=0)
        assert lighter.mean() < 0.06, seed


@pytest.mark.parametrize("kind", [Wear, Shot])
def test_the_page_says_what_each_parameter_is_and_in_which_unit(kind: type[Wear | Shot]) -> None:
    page, told = (Path(__file__).parents[2] / "docs" / "paper.md").read_text(), " ".join(str(kind.__doc__).split())
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| `")]
    described = {name.strip("`") for name, *_, what in rows if f" {name.strip('`')}: {what} " in f"{told} "}
    assert described == {field.name for field in fields(kind)}
