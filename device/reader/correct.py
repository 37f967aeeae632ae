"""The correction: Reed-Solomon words of GF(256) with errors and erasures, many words at once.

QR's code: polynomial 0x11D, generator 2, first root 2**0. A word with e errors and f erasures is mended while
2 e + f <= check symbols. Why this is not a library: docs/decisions/0010.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from segno import consts

Bytes = NDArray[np.uint8]

_EXP = np.array(consts.GALIOS_EXP[:255] * 2, np.uint8)
_LOG = np.array(consts.GALIOS_LOG, np.int32)
_TIMES = np.zeros((256, 256), np.uint8)
_TIMES[1:, 1:] = _EXP[_LOG[1:, None] + _LOG[None, 1:]]
_TIMES_FLAT = _TIMES.ravel()
_OVER = np.zeros(256, np.uint8)  # 1 / x; 0 for 0, which nothing asks for
_OVER[1:] = _EXP[255 - _LOG[1:]]


def _times(a: Bytes, b: Bytes) -> Bytes:
    # One flat table is twice as fast as an index pair, and needs no exception for 0 as logarithms do.
    return _TIMES_FLAT.take((a.astype(np.uint16) << 8) | b)


@cache
def _powers(terms: int, points: tuple[int, ...]) -> NDArray[np.uint64]:
    """What symbol s times the t-th power of each point is, as shape (terms, 256, words of eight points each)."""
    at = np.array([[_EXP[power * term % 255] for power in points] for term in range(terms)], np.uint8)
    table = np.zeros((terms, 256, -(-len(points) // 8) * 8), np.uint8)
    table[..., : len(points)] = _TIMES[:, at].transpose(1, 0, 2)
    return table.view(np.uint64)


def _evaluated(polynomials: Bytes, points: tuple[int, ...]) -> Bytes:
    """The values of polynomials, shape (words, terms) from the constant up, at the powers `points` of 2."""
    terms = polynomials.shape[1]
    parts = _powers(terms, points)[np.arange(terms), polynomials]
    values: Bytes = np.bitwise_xor.reduce(parts, axis=1).view(np.uint8)[:, : len(points)]
    return values


def syndromes(words: Bytes, checks: int) -> Bytes:
    """The syndromes, shape (words, checks): all 0 in a word of the code."""
    return _evaluated(words[:, ::-1], tuple(range(checks)))


def corrected(words: Bytes, erased: NDArray[np.bool_], checks: int) -> tuple[Bytes, NDArray[np.bool_]]:
    """Mends each word whose errors and erasures the code can mend.

    Args:
        words: shape (words, length), uint8; length at most 255.
        erased: the same shape: symbols known to be worth nothing, whatever they hold.
        checks: how many symbols at the end of each are check symbols.

    Returns:
        The words, mended where they could be, and shape (words,), bool, where they were. A mended word is of the code
        and 2 e + f <= checks. That alone proves little: with f close to `checks` any word is mended into something.
    """
    count, length = words.shape
    faults = syndromes(words, checks)
    if not faults.any():
        return words, np.ones(count, bool)
    erasures = erased.sum(axis=1)
    # The locator begins with the erasures: the product of (1 + X x) for each.
    locator = np.zeros((count, checks + 1), np.uint8)
    locator[:, 0] = 1
    where = np.argsort(~erased, axis=1, kind="stable")[:, : min(checks, int(erasures.max(initial=0)))]
    roots = np.where(np.take_along_axis(erased, where, axis=1), _EXP[length - 1 - where], 0)
    for root in roots.T:
        locator[:, 1:] ^= _times(locator[:, :-1], root[:, None])
    # Then Berlekamp's and Massey's steps, each word joining when its erasures are used up.
    degree = erasures.copy()
    spare = locator.copy()
    for step in range(int(erasures.min(initial=checks)), checks):
        joined = erasures <= step
        off = np.bitwise_xor.reduce(_times(locator[:, : step + 1], faults[:, step::-1]), axis=1)
        off[~joined] = 0
        spare[:, 1:] = np.where(joined[:, None], spare[:, :-1], spare[:, 1:])
        spare[joined, 0] = 0
        longer = (off > 0) & (2 * degree <= step + erasures)
        after = locator ^ _times(spare, off[:, None])
        spare[longer] = _times(locator[longer], _OVER[off[longer], None])
        degree = np.where(longer, step + 1 + erasures - degree, degree)
        locator = after
    evaluator = np.zeros_like(locator)
    for power in range(checks):
        evaluator[:, power:checks] ^= _times(locator[:, : checks - power], faults[:, power : power + 1])
    # The locator's roots are 1 / X; what was off there is evaluator / (x locator'), and x locator' is its odd terms.
    points = tuple((255 - place) % 255 for place in range(length - 1, -1, -1))
    odd = locator.copy()
    odd[:, ::2] = 0
    slope = _evaluated(odd, points)
    locator[:, 1::2] = 0
    root_there = _evaluated(locator, points) == slope
    mended = words ^ np.where(root_there, _times(_evaluated(evaluator, points), _OVER[slope]), 0)
    errors = ((mended != words) & ~erased).sum(axis=1)
    done = ~syndromes(mended, checks).any(axis=1) & (2 * errors + erasures <= checks)
    return np.where(done[:, None], mended, words), done


def likeliest(odds: NDArray[np.float32], checks: int) -> Bytes:
    """The word of the code that soft bits speak for, as nearly as order 2 finds it, for each of several blocks.

    Ordered statistics (Fossorier and Lin, "Soft-decision decoding of linear block codes based on ordered statistics",
    1995): the surest bits that determine a word are believed, all but at most two of them, and the best of those
    12,000 words is taken as the new belief until none is better. Where bits are doubtful it finds words far beyond
    `corrected`; where many are sure and wrong it does not. It always finds something.

    Args:
        odds: shape (blocks, length, 8), float32: log odds that each bit is 1, most significant first; 0: not known.
        checks: how many symbols at the end of each are check symbols.

    Returns:
        shape (blocks, length), uint8.
    """
    count, length, _ = odds.shape
    odds = odds.reshape(count, 8 * length)
    surest = np.argsort(-np.abs(odds), axis=1, kind="stable")
    odds = np.take_along_axis(odds, surest, axis=1)
    bases, told_by = _bases(_generator(length, checks), surest)
    words = np.zeros(odds.shape, np.uint8)
    for block, (base, told) in enumerate(zip(bases, told_by, strict=True)):
        hard = odds[block] > 0
        word = hard[told] @ base % 2
        while True:
            agreement = np.abs(odds[block]) * np.where(word == hard, np.float32(1), np.float32(-1))
            one = base @ agreement
            two = one[:, None] + one - 2 * ((base * agreement) @ base.T)
            np.fill_diagonal(two, one)  # the same one twice: that one alone
            first, second = divmod(int(two.argmin()), len(base))
            if two[first, second] >= -1e-3:  # what float32 rounds away is no gain, and could go round for ever
                break
            word = (word + base[first] + (base[second] if second != first else 0)) % 2
        words[block, surest[block]] = word
    return np.packbits(words, axis=1)


@cache
def _generator(length: int, checks: int) -> Bytes:
    """The words that have one content bit set, as bits: shape (content bits, 8 * length)."""
    content = 8 * (length - checks)
    words = np.zeros((content, length), np.uint8)
    words[:, : length - checks] = np.packbits(np.eye(content, dtype=np.uint8), axis=1)
    erased = np.broadcast_to(np.arange(length) >= length - checks, words.shape)
    return np.unpackbits(corrected(words, erased, checks)[0], axis=1)


def _bases(generator: Bytes, surest: NDArray[np.intp]) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """For each block the words by which the surest independent bits, one a word, tell all others.

    Returns:
        shape (blocks, content bits, bits), float32: 1 and 0, in the order of `surest`; and shape (blocks, content
        bits): the place, in that order, of the bit that tells whether each takes part.
    """
    count, bits = surest.shape
    words = np.zeros((count, len(generator), -(-bits // 64) * 64), np.uint8)
    words[..., :bits] = generator[:, surest].transpose(1, 0, 2)
    rows = np.packbits(words, axis=2, bitorder="little").view(np.uint64)
    free = np.ones(rows.shape[:2], bool)
    told_by = np.zeros(rows.shape[:2], np.intp)
    each = np.arange(count)
    for place in range(bits):  # Gauss and Jordan, all blocks at once
        has = rows[:, :, place // 64] >> np.uint64(place % 64) & np.uint64(1)
        pivot = (has.astype(bool) & free).argmax(axis=1)
        found = free[each, pivot] & (has[each, pivot] > 0)
        has[each, pivot] = 0
        has[~found] = 0
        rows ^= has[:, :, None] * rows[each, pivot][:, None]
        free[each[found], pivot[found]] = False
        told_by[each[found], pivot[found]] = place
        if not free.any():
            break
    return np.unpackbits(rows.view(np.uint8), axis=2, bitorder="little")[..., :bits].astype(np.float32), told_by
