"""Reed-Solomon correction, against words that segno encodes."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from segno import consts, encoder

from device.reader.correct import corrected, likeliest, syndromes

# (length, checks): versions 1-L, 1-H, 8-Q and 27-L, the longest block of all.
SHAPES = ((26, 7), (26, 17), (41, 22), (153, 30))

Bytes = NDArray[np.uint8]


def encoded(count: int, length: int, checks: int, rng: np.random.Generator) -> Bytes:
    """Words of the code, by segno's own encoder."""
    content = rng.integers(0, 256, (count, length - checks), np.uint8)
    shares = (consts.EC(num_blocks=count, num_total=length, num_data=length - checks),)
    make_blocks: Any = encoder.make_blocks  # segno has no types inside
    buffer: Any = encoder.Buffer
    parts, check = make_blocks(shares, buffer(np.unpackbits(content).tolist()))
    return np.hstack([np.array(parts, np.uint8), np.array(check, np.uint8)])


def damaged(words: Bytes, errors: int, erasures: int, rng: np.random.Generator) -> tuple[Bytes, NDArray[np.bool_]]:
    """The words with so many symbols wrong, and so many erased, of which some are right by chance."""
    there = rng.permuted(np.tile(np.arange(words.shape[1]), (len(words), 1)), axis=1)
    wrong, erased = there < errors, (there >= errors) & (there < errors + erasures)
    worse = np.where(wrong, words ^ rng.integers(1, 256, words.shape, np.uint8), words)
    return np.where(erased, rng.integers(0, 256, words.shape, np.uint8), worse), erased


@pytest.mark.parametrize(("length", "checks"), SHAPES)
def test_segnos_words_have_no_syndromes(length: int, checks: int) -> None:
    assert not syndromes(encoded(20, length, checks, np.random.default_rng(length)), checks).any()


@pytest.mark.parametrize(("length", "checks"), SHAPES)
def test_every_number_of_errors_and_erasures_within_the_bound_is_mended(length: int, checks: int) -> None:
    rng = np.random.default_rng(checks)
    words = encoded(5, length, checks, rng)
    pairs = [(e, f) for f in range(checks + 1) for e in range((checks - f) // 2 + 1)]
    cases = [damaged(words, errors, erasures, rng) for errors, erasures in pairs]
    mended, done = corrected(np.vstack([case[0] for case in cases]), np.vstack([case[1] for case in cases]), checks)
    assert done.all()
    np.testing.assert_array_equal(mended, np.tile(words, (len(pairs), 1)))


@given(st.integers(0, 2**32 - 1), st.integers(0, 22), st.integers(0, 41))
def test_what_is_beyond_the_bound_is_refused_or_is_another_word_within_it(seed: int, erasures: int, more: int) -> None:
    rng = np.random.default_rng(seed)
    errors = min(41 - erasures, (22 - erasures) // 2 + 1 + more)
    words, erased = damaged(encoded(8, 41, 22, rng), errors, erasures, rng)
    mended, done = corrected(words, erased, 22)
    np.testing.assert_array_equal(mended[~done], words[~done])
    assert not syndromes(mended[done], 22).any()
    assert (2 * ((mended != words) & ~erased).sum(axis=1) + erasures <= 22)[done].all()


def test_more_erasures_than_check_symbols_are_refused() -> None:
    rng = np.random.default_rng(5)
    words, erased = damaged(encoded(50, 41, 22, rng), 0, 23, rng)
    assert not corrected(words, erased, 22)[1].any()


def test_no_words_are_no_words() -> None:
    mended, done = corrected(np.zeros((0, 41), np.uint8), np.zeros((0, 41), bool), 22)
    assert mended.shape == (0, 41)
    assert done.shape == (0,)


def test_chance_is_mended_as_rarely_as_counting_says() -> None:
    # With 18 erasures 4 checks are left for 2 errors: 22 * 21 / 2 places of 255**2 values, of 256**4, are 3.5e-3.
    rng = np.random.default_rng(18)
    words = rng.integers(0, 256, (5_000, 40), np.uint8)
    erased = np.broadcast_to(np.arange(40) < 18, words.shape)
    assert 2e-3 < corrected(words, erased, 22)[1].mean() < 5e-3


def odds_of(words: Bytes, noise: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Log odds of the words' bits, sent as -1 and 1 with gaussian noise added."""
    sent = np.unpackbits(words[..., None], axis=2) * 2.0 - 1
    return ((sent + rng.normal(0, noise, sent.shape)) * 2 / noise**2).astype(np.float32)


def test_soft_bits_of_which_7_in_100_are_wrong_find_their_words() -> None:
    rng = np.random.default_rng(7)
    words = encoded(24, 41, 22, rng)
    odds = odds_of(words, 0.68, rng)
    assert 0.06 < ((odds > 0) != np.unpackbits(words[..., None], axis=2)).mean() < 0.08
    np.testing.assert_array_equal(likeliest(odds, 22), words)


def test_soft_bits_find_their_words_when_half_of_them_are_lost() -> None:
    rng = np.random.default_rng(8)
    words = encoded(24, 41, 22, rng)
    odds = odds_of(words, 0.4, rng)
    odds[:, rng.permutation(41)[:20]] = 0
    np.testing.assert_array_equal(likeliest(odds, 22), words)


def test_the_likeliest_word_is_a_word_even_of_nothing() -> None:
    odds = np.zeros((3, 41, 8), np.float32)
    odds[1] = np.random.default_rng(9).normal(0, 1, odds[1].shape)
    odds[2] = 5
    assert not syndromes(likeliest(odds, 22), 22).any()
