"""The ladder: each rung reads what the one before cannot, within its time, and nothing that is not there."""

from collections.abc import Sequence
from itertools import count
from time import process_time

import numpy as np
import pytest

from bench import doubtful
from device.reader import Knowledge, Reader, locate
from device.reader.locate import Candidate, Search
from device.reader.variants import symbols
from sim.paper import LENGTH_MM
from sim.photo import mixes
from tests.device.reader.plain import ACTA, Luma, curled, dimmed, smeared, stopped, symbol
from wire.profiles import named

KNOWN = Knowledge(versions=(8, 9), level="Q")
OTHER = ACTA.replace("149,6", "148,7")


def ladder(knowledge: Knowledge | None = None) -> Reader:
    return Reader(knowledge, clock=stopped)


def sprinkled(share: float) -> Luma:
    luma, chance = symbol(ACTA), np.random.default_rng(1).random((305, 305))
    luma = luma.copy()
    luma[chance < share / 2], luma[chance > 1 - share / 2] = 0, 255
    return luma


def test_a_clean_symbol_is_read_by_zxing_with_all_its_error_correction_left() -> None:
    reading = ladder().read(symbol(ACTA))
    assert (reading.payloads, reading.how, reading.erasures, reading.assumed) == ((ACTA,), "zxing-cpp", 0, 0)
    assert (reading.margin, reading.unread) == (1.0, 0)
    assert reading.px_per_module == pytest.approx(5, rel=0.01)
    assert reading.modules == 49


@pytest.mark.parametrize(
    ("luma", "how"),
    [
        (sprinkled(0.1), "variant median"),
        (dimmed(symbol(ACTA), light=0.1, noise=6), "variant threshold"),
        (dimmed(symbol(ACTA), light=0.06, noise=6), "grid"),
        (smeared(symbol(ACTA), 9), "grid"),
        (smeared(symbol(ACTA), 12), "grid equalised"),
        (curled(symbol(ACTA), 20), "grid"),
    ],
)
def test_a_rung_reads_what_those_before_it_cannot(luma: Luma, how: str) -> None:
    reading = ladder(KNOWN).read(luma)
    assert (reading.payloads, reading.how, reading.assumed) == ((ACTA,), how, 0)
    assert 0 < reading.margin <= 1


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("share", [0.1, 0.2])
def test_a_code_cut_off_with_two_finders_is_read_where_its_size_is_known(share: float, turns: int) -> None:
    whole = symbol(ACTA)
    left = whole[:, 30 + round(share * 49 * 5) :]
    reading = ladder(KNOWN).read(np.ascontiguousarray(np.rot90(left, turns)))
    assert (reading.payloads, reading.how) == ((ACTA,), "grid")
    assert reading.erasures > 0


def test_the_corners_of_a_symbol_read_by_the_grid_are_where_it_is() -> None:
    luma = np.full((500, 600), 230, np.uint8)
    luma[100:405, 200:505] = symbol(ACTA)
    corners = ladder(KNOWN).read(dimmed(luma, light=0.06, noise=6)).corners
    assert corners is not None
    assert np.array(corners) == pytest.approx(np.array([[230, 130], [475, 130], [475, 375], [230, 375]]) - 0.5, abs=3)


def test_what_is_white_on_black_is_read_only_by_who_knows_nothing_of_it() -> None:
    inverted = 255 - symbol(ACTA)
    assert ladder().read(inverted).how == "variant inverted"
    assert ladder(KNOWN).read(inverted).payloads == ()


def test_a_damaged_code_beside_a_good_one_is_read_too() -> None:
    other = ACTA.replace("240111020.01", "240111020.02")
    folded = symbol(other).copy()
    folded[110:150] = 230
    reading = ladder(KNOWN).read(np.hstack([symbol(ACTA), folded]))
    assert reading.payloads == (ACTA, other)
    assert reading.unread == 0


def test_a_code_beside_a_good_one_that_nobody_can_read_is_counted() -> None:
    torn = symbol(ACTA).copy()
    chance = np.random.default_rng(3)
    torn[80:270, 80:270] = np.kron(chance.integers(0, 2, (38, 38)), np.ones((5, 5))) * 210 + 20
    reading = ladder(KNOWN).read(np.hstack([symbol(ACTA), torn]))
    assert (reading.payloads, reading.unread) == ((ACTA,), 1)


def test_rows_of_text_beside_a_code_are_no_code_that_nobody_can_read() -> None:
    scan = mixes.photograph("archive", 9, ACTA, length_mm=LENGTH_MM).luma
    assert sum(not found.valid for found in symbols(scan)) == 1, "zxing-cpp takes its text for a symbol"
    reading = ladder(KNOWN).read(scan)
    assert (reading.payloads, reading.unread) == ((ACTA,), 0)


def test_halves_of_two_codes_are_no_code() -> None:
    """The modules of two symbols are never mixed: the left half of one and the right half of the other are nothing."""
    one, other = symbol(ACTA), symbol(ACTA.replace("149,6,9,3", "9,146,3,9"))
    for columns in (120, 150, 180):
        mixed = np.hstack([one[:, :columns], other[:, columns:]])
        assert set(ladder(KNOWN).read(mixed).payloads) <= {ACTA, ACTA.replace("149,6,9,3", "9,146,3,9")}


def test_no_attempt_begins_after_the_deadline() -> None:
    ticks = count()
    hopeless = np.random.default_rng(4).integers(0, 256, (600, 600), np.uint8)
    assert Reader(KNOWN, seconds_max=0.5, clock=lambda: float(next(ticks))).read(hopeless).payloads == ()
    assert next(ticks) < 8


def test_a_place_that_is_tried_in_vain_leaves_the_next_one_its_share_of_the_time() -> None:
    hopeless, stained = symbol(ACTA).copy(), symbol(OTHER).copy()
    hopeless[80:270, 80:270] = np.kron(np.random.default_rng(5).integers(0, 2, (38, 38)), np.ones((5, 5))) * 210 + 20
    stained[100:200, 100:225] = 230
    ticks = count()
    knowledge = Knowledge.of(named("ve-2024-presidential"))
    reader = Reader(knowledge, seconds_max=44, clock=lambda: float(next(ticks)))  # the first could use up all of that
    assert reader.read(np.hstack([hopeless, stained])).payloads == (OTHER,)


@pytest.mark.parametrize(("errors", "least", "most"), [(0, 1.0, 1.0), (1, 0.9, 0.99), (9, 0.3, 0.6), (10, 0.2, 0.5)])
def test_the_margin_is_what_the_worst_block_has_left(errors: int, least: float, most: float) -> None:
    """zxing-cpp 3.1.1 writes a share of 0.09 as 0.9: what hung by one codeword of eleven looked like new."""
    chance = np.random.default_rng(errors)
    modules = doubtful.symbol_of(ACTA)
    doubtful.spoil(modules, chance.permutation(doubtful.blocks_of(8)[2])[:errors], 8, chance)
    luma = np.where(np.pad(modules, 4) > 0, 20, 230).astype(np.uint8).repeat(4, axis=0).repeat(4, axis=1)
    reading = Reader(KNOWN, clock=stopped).read(luma)
    assert (reading.payloads, reading.how) == ((ACTA,), "zxing-cpp")
    assert least <= reading.margin <= most


def test_nothing_is_searched_for_after_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where time was spent on what zxing-cpp took for a symbol, the whole frame is not searched as well."""
    hopeless = symbol(ACTA).copy()
    hopeless[80:270, 80:270] = np.kron(np.random.default_rng(5).integers(0, 2, (38, 38)), np.ones((5, 5))) * 210 + 20
    searches: list[Search] = []

    def candidates(search: Search, dims: Sequence[int] | None) -> list[Candidate]:
        searches.append(search)
        return locate.candidates(search, dims)

    monkeypatch.setattr("device.reader.candidates", candidates)
    reader = Reader(KNOWN, clock=lambda: 10.0 * len(searches))  # the first search takes all the time there is
    assert reader.read(np.pad(hopeless, 600, constant_values=230)).payloads == ()
    assert len(searches) == 1


def test_a_hopeless_symbol_is_given_up_within_its_time() -> None:
    """Everything about it is right but what it says: nothing that is tried can tell before it was tried."""
    chance = np.random.default_rng(5)
    hopeless = symbol(ACTA).copy()
    hopeless[80:270, 80:270] = np.kron(chance.integers(0, 2, (38, 38)), np.ones((5, 5))) * 210 + 20
    for luma in (hopeless, smeared(hopeless, 9), dimmed(hopeless, light=0.1, noise=5)):
        begun = process_time()
        assert Reader(KNOWN, clock=process_time).read(luma).payloads == ()
        assert process_time() - begun < 2  # twice what it may take here, for the machine may be busy


def test_the_same_picture_is_always_read_the_same() -> None:
    luma = dimmed(symbol(ACTA), light=0.06, noise=6)
    assert ladder(KNOWN).read(luma) == ladder(KNOWN).read(luma)


def test_where_a_code_seems_to_be_is_told_though_it_cannot_be_read() -> None:
    luma = symbol(ACTA).copy()
    luma[100:230, 100:230] = 230
    luma[40:110, 120:180] = 20
    luma[180:250, 150:240] = 20
    reading = ladder(KNOWN).read(smeared(luma, 9))
    assert reading.payloads == ()
    assert reading.corners is not None
    assert np.array(reading.corners).mean(axis=0) == pytest.approx([152, 152], abs=15)


def test_the_mean_of_still_frames_reads_what_no_frame_of_them_does() -> None:
    frames = [dimmed(symbol(ACTA, px=3), light=0.04, noise=9, seed=seed) for seed in range(8)]
    assert all(ladder(KNOWN).read(frame).payloads == () for frame in frames[:2])
    fused = ladder(KNOWN).fused(frames)
    assert fused is not None
    assert fused.payloads == (ACTA,)
    assert fused.how.startswith("mean of 8, ")


def test_moved_frames_are_summed_module_by_module() -> None:
    whole = np.pad(symbol(ACTA, px=4), 30, constant_values=230)
    frames = [
        dimmed(np.roll(whole, (7 * seed, -5 * seed), (0, 1)), light=0.045, noise=6.5, seed=seed) for seed in range(6)
    ]
    fused = ladder(KNOWN).fused(frames)
    assert fused is not None
    assert (fused.payloads, fused.how) == ((ACTA,), "sum of 6")


@pytest.mark.parametrize("moved", [0, 7], ids=["still", "moved"])
def test_frames_of_two_actas_are_never_read_as_one(moved: int) -> None:
    """Two actas of one centre, as alike as can be, each seen as well as the other, in turn."""
    other = ACTA.replace("149,6,9,3", "9,146,3,9")
    pictures = [np.pad(symbol(code, px=4), 30, constant_values=230) for code in (ACTA, other)]
    for seed in range(2):
        frames = [
            dimmed(np.roll(pictures[turn % 2], moved * turn, (0, 1)), light=0.06, noise=4 + turn, seed=6 * seed + turn)
            for turn in range(4)
        ]
        fused = ladder(KNOWN).fused(frames)
        assert fused is None or not fused.how.endswith("of 4")


def test_a_frame_of_another_acta_is_left_out_of_the_sum() -> None:
    other = ACTA.replace("149,6,9,3", "9,146,3,9")
    pictures = [np.pad(symbol(code, px=4), 30, constant_values=230) for code in (ACTA, other, *(ACTA,) * 4)]
    frames = [
        dimmed(np.roll(picture, (7 * seed, -5 * seed), (0, 1)), light=0.045, noise=6.5, seed=seed)
        for seed, picture in enumerate(pictures)
    ]
    fused = ladder(KNOWN).fused(frames)
    assert fused is not None
    assert (fused.payloads, fused.how) == ((ACTA,), "sum of 5")
    gone = [
        *frames[2:],
        np.full_like(frames[0], 18),
    ]  # the sheet was taken away: nothing may be kept with that photograph
    assert ladder(KNOWN).fused(gone) is None
    assert ladder(KNOWN).fused([*frames[2:], frames[1]]) is None
