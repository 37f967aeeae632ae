"""Never wrong: on the doubtful pictures nothing is read that is not in view; and they are what they are said to be.

`python -m bench never_wrong` is the long run, with counts by kind and the bound that they give.
"""

import os

import numpy as np
import pytest
import zxingcpp
from numpy.typing import NDArray

from bench import doubtful
from bench.never_wrong import Tallies, Trying, bound, tally

ROUNDS = 2
HUNTED = 20_000


@pytest.fixture
def chance() -> np.random.Generator:
    return np.random.default_rng(2024)


@pytest.fixture(scope="module")
def trying() -> Trying:
    return Trying()


@pytest.mark.parametrize("kind", doubtful.KINDS)
def test_nothing_is_read_that_is_not_in_view(kind: str, trying: Trying) -> None:
    turns = [turn for turn in range(doubtful.ROUND) if doubtful.kind_of(turn) == kind]
    # As many of each kind, from rounds of both ways to read.
    for number in range(ROUNDS):
        seed = number * doubtful.ROUND + turns[number % len(turns)]
        assert trying(seed).wrong == (), f"seed {seed}"


@pytest.mark.parametrize("seed", [3860])
def test_what_was_once_misread_is_not_any_more(seed: int, trying: Trying) -> None:
    assert trying(seed).wrong == ()


@pytest.mark.hunt
@pytest.mark.timeout(4 * 3600)
def test_nothing_is_read_that_is_not_in_view_on_a_great_many_pictures(seed: int) -> None:
    tallies = Tallies()
    for _, block in tally(range(seed, seed + HUNTED), os.cpu_count() or 1):
        tallies.add(block)
    assert not tallies.faults, "\n".join(tallies.faults)


def test_a_seed_always_draws_the_same_picture() -> None:
    for seed in range(doubtful.ROUND):
        once, again = doubtful.draw(seed), doubtful.draw(seed)
        assert once.truths == again.truths
        np.testing.assert_array_equal(once.luma, again.luma)


def test_every_kind_is_drawn_in_its_share() -> None:
    drawn = [doubtful.kind_of(seed) for seed in range(doubtful.ROUND)]
    assert {kind: drawn.count(kind) for kind in drawn} == {kind: share for kind, (share, _) in doubtful.KINDS.items()}


def read_plain(symbol: NDArray[np.float32]) -> list[bytes]:
    """What zxing-cpp, another's judge, reads of a symbol's modules drawn plainly."""
    plain = np.pad(np.where(symbol > 0.5, 0, 255).astype(np.uint8), 4, constant_values=255)
    codes = zxingcpp.read_barcodes(plain.repeat(4, axis=0).repeat(4, axis=1))
    return [code.bytes for code in codes]


@pytest.mark.parametrize("version", doubtful.BLOCKS)
@pytest.mark.parametrize("mask", range(8))
def test_codewords_are_where_they_are_said_to_be(version: int, mask: int, chance: np.random.Generator) -> None:
    """A block takes as many wrong codewords as it has pairs of checks, whichever they are, and not one more."""
    payload = doubtful.random_acta(chance, doubtful.HOLDS[version])
    blocks, limit = doubtful.blocks_of(version), doubtful.BLOCKS[version][1] // 2
    symbol = doubtful.symbol_of(payload, version=version, mask=mask)
    assert sorted(np.concatenate(blocks)) == list(range(len(doubtful.places_of(version))))
    for block in blocks:
        doubtful.spoil(symbol, chance.permutation(block)[:limit], version, chance)
    assert read_plain(symbol) == [payload.encode()]
    one_more = doubtful.symbol_of(payload, version=version, mask=mask)
    doubtful.spoil(one_more, chance.permutation(blocks[0])[: limit + 1], version, chance)
    assert read_plain(one_more) == []


@pytest.mark.parametrize(
    ("wrong", "of", "share"),
    [(0, 1, 0.95), (0, 100_000, 2.9957e-5), (1, 10, 0.3942), (2, 20, 0.2826), (3, 3, 1.0), (0, 0, 1.0)],
)
def test_the_bound_is_the_one_of_the_tables(wrong: int, of: int, share: float) -> None:
    """Clopper and Pearson, one-sided, 95 %."""
    assert bound(wrong, of) == pytest.approx(share, rel=1e-3)
