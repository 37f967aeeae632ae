"""The locating: a luma plane -> where a QR symbol may lie in it, whole, cut off or curled, and how sure that is.

Finder patterns are found by a matched filter over scales, not by runs of black and white, so blur, noise and broken
rings weaken a hit instead of losing it. What is built from them is judged by one measure: how well the picture agrees
with everything that every symbol of that size holds at known places (finders, timing, alignment, version, quiet zone).
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from device.reader.symbol import layout, version_of

Floats = NDArray[np.float32]

# The matched filter is made once for modules of 2 px and the picture is scaled to it. Below 1.5 px a module a
# finder's ring is no longer a ring. Between two scales the core may answer better than the whole: see `SCALES`.
FILTER_PX = 2.0
SCALE_STEP = 1.28
# The search picture, 60 ms a megapixel: an acta that fills a frame of 12 megapixels has 2 px a module in it.
SEARCH_PIXELS_MAX = 1_500_000
# Hits of the matched filter. Measured on drawn actas: true finders score 0.45 to 0.9, the best ones of text 0.5.
FINDER_SCORE_MIN = 0.40
FINDERS_MAX = 28
# Agreement with the landmarks of what is worth an attempt. Text and noise reach 0.35, so it is no proof of a symbol.
SCORE_MIN = 0.28


_SQUARE = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)


class Finder(NamedTuple):
    """A finder pattern's centre (px), its module (px) and the matched filter's score, at most about 1."""

    x: float
    y: float
    module: float
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A place where a symbol may lie.

    Attributes:
        quad: shape (4, 2), float32, px: where the module coordinates (3.5, 3.5), (dim-3.5, 3.5), (dim-3.5, dim-3.5) and
            (3.5, dim-3.5) lie: the centres of the three finders, the corner without one being third.
        dim: modules a side.
        score: agreement of the picture with the function modules, -1 to 1; a good symbol has above 0.6.
    """

    quad: Floats
    dim: int
    score: float

    @property
    def corners(self) -> Floats:
        """The outer corners of the symbol, shape (4, 2), px, in the order of `quad`."""
        low, high = -3.5 / (self.dim - 7), 1 + 3.5 / (self.dim - 7)
        outer = np.array([[low, low], [high, low], [high, high], [low, high]])
        found: Floats = _project(self.quad[None], _homogeneous(outer))[0].T
        return found

    @property
    def px_per_module(self) -> float:
        """The mean length of a module's side, px."""
        return float(np.linalg.norm(self.quad - np.roll(self.quad, 1, axis=0), axis=1).mean() / (self.dim - 7))


class _Level(NamedTuple):
    """The search picture at one scale: flattened, and how many px of the frame one of its px is."""

    flat: Floats
    px: float


class _Guess(NamedTuple):
    """A parallelogram that may be a symbol's finder quad, and the corner where the finder is that it is made from."""

    score: float
    quad: Floats
    dim: int
    corner: int


class Search(NamedTuple):
    """A picture at all scales, from the finest, and the finders in it, the strongest first."""

    levels: list[_Level]
    finders: list[Finder]


@cache
def _filter() -> Floats:
    """A finder with its light ring, turned through all angles and averaged, of mean 0 and norm 1."""
    side, fine = int(np.ceil(9 * FILTER_PX)) | 1, 8
    rings = np.abs(np.indices((9, 9)) - 4).max(axis=0)
    modules = np.where((rings == 2) | (rings == 4), 0.0, 1.0).astype(np.float32)
    middle = (side * fine - 1) / 2
    upright = np.zeros((side * fine,) * 2, np.float32)
    scale = FILTER_PX * fine
    placed = np.array([[scale, 0, middle - 4 * scale], [0, scale, middle - 4 * scale]], np.float32)
    cv2.warpAffine(modules, placed, upright.shape, upright, cv2.INTER_NEAREST, cv2.BORDER_TRANSPARENT)
    turned = np.zeros_like(upright)
    for angle in range(0, 90, 6):
        turned += cv2.warpAffine(upright, cv2.getRotationMatrix2D((middle, middle), angle, 1), upright.shape)
    small = cv2.resize(turned, (side, side), interpolation=cv2.INTER_AREA)
    small -= small.mean()
    return (small / np.linalg.norm(small)).astype(np.float32)


def _flatten(luma: NDArray[np.uint8]) -> Floats:
    """Darkness with local mean 0 and deviation 1, within nine modules of 2 px: light, shade and fading taken out."""
    plane = luma.astype(np.float32)
    mean = cv2.blur(plane, (19, 19))
    plane = mean - plane
    # The floor is the noise of a still sensor, 1 grey level: below it there is nothing to bring out.
    plane /= cv2.sqrt(cv2.blur(plane * plane, (19, 19)) + 1.0)
    return plane


def _levels(luma: NDArray[np.uint8], module_px_min: float) -> list[_Level]:
    """The scales of the search, from the finest."""
    height, width = luma.shape
    px = max(module_px_min / FILTER_PX, (luma.size / SEARCH_PIXELS_MAX) ** 0.5)
    found: list[_Level] = []
    scaled, how = luma, cv2.INTER_AREA if px > 1 else cv2.INTER_LINEAR
    while min(height, width) / px >= 24:  # a symbol of 21 modules has 42 px, and a finder cut off from it 14
        # Each scale from the one before: bilinear steps of 1.28 smooth enough, ten times faster than areas.
        size = (round(width / px), round(height / px))
        scaled = np.asarray(cv2.resize(scaled, size, interpolation=how), np.uint8)
        found.append(_Level(_flatten(scaled), px))
        px, how = px * SCALE_STEP, cv2.INTER_LINEAR
    return found


def _finders(levels: Sequence[_Level]) -> list[Finder]:
    """The strongest hits of the matched filter, none within three modules of a stronger one."""
    pattern = _filter()
    half, norm = (pattern.shape[0] - 1) / 2, pattern.shape[0]
    hits: list[Finder] = []
    for flat, px in levels:
        match = cv2.matchTemplate(
            cv2.copyMakeBorder(flat, 8, 8, 8, 8, cv2.BORDER_CONSTANT, value=0.0), pattern, cv2.TM_CCORR
        ) / np.float32(norm)
        peaks = (match == cv2.dilate(match, np.ones((9, 9), np.uint8))) & (match > FINDER_SCORE_MIN)
        rows, columns = np.nonzero(peaks)
        hits += [
            Finder((c - 8 + half + 0.5) * px - 0.5, (r - 8 + half + 0.5) * px - 0.5, FILTER_PX * px, float(match[r, c]))
            for r, c in zip(rows.tolist(), columns.tolist(), strict=True)
        ]
    hits.sort(key=lambda hit: -hit.score)
    kept: list[Finder] = []
    for hit in hits:
        if all((hit.x - k.x) ** 2 + (hit.y - k.y) ** 2 > (3 * max(hit.module, k.module)) ** 2 for k in kept):
            kept.append(hit)
            if len(kept) == FINDERS_MAX:
                break
    return kept


def searched(luma: NDArray[np.uint8], *, module_px_min: float = 1.5) -> Search:
    """Looks for finders in a picture.

    Args:
        luma: shape (height, width), uint8.
        module_px_min: the smallest module looked for, px; more where the picture is so large that it is scaled down.
    """
    levels = _levels(luma, module_px_min)
    return Search(levels, _finders(levels))


@cache
def _landmarks(dim: int) -> tuple[Floats, Floats]:
    """What every symbol of this size holds: places, shape (3, n), in units of the finder quad; signs, dark positive.

    The light ring around the symbol is among them, at every second module and with half the weight: a torn or crowded
    sheet may lack it.
    """
    known = layout(version_of(dim)).fixed
    rows, columns = np.nonzero(known >= 0)
    sign = np.where(known[rows, columns] > 0, 1.0, -1.0)
    at = np.stack([columns + 0.5, rows + 0.5], axis=1)
    ring = np.arange(0, dim + 1, 2) + 0.5
    low, high = np.full_like(ring, -0.6), np.full_like(ring, dim + 0.6)
    around = np.concatenate([np.stack(pair, axis=1) for pair in ((ring, low), (ring, high), (low, ring), (high, ring))])
    at, sign = np.concatenate([at, around]), np.concatenate([sign, np.full(len(around), -0.5)])
    return _homogeneous((at - 3.5) / (dim - 7)), sign.astype(np.float32)


def _homogeneous(at: NDArray[np.floating]) -> Floats:
    return np.concatenate([at.T, np.ones((1, len(at)))]).astype(np.float32)


def _project(quads: Floats, at: Floats) -> Floats:
    """Where the homographies of the unit square onto each quad take these places.

    Args:
        quads: shape (k, 4, 2).
        at: shape (3, n): places in units of the square, homogeneous.

    Returns:
        Shape (k, 2, n).
    """
    seen = homographies(quads) @ at
    return np.asarray(seen[:, :2] / np.maximum(seen[:, 2:], 0.05), np.float32)


def homographies(quads: Floats) -> Floats:
    """Unit square -> each quad (k, 4, 2), as matrices (k, 3, 3).

    The closed form of Heckbert (Fundamentals of Texture Mapping, 1989, section 2.2.3).
    """
    p0, p1, p2, p3 = (quads[:, i] for i in range(4))
    bend, d1, d2 = p0 - p1 + p2 - p3, p1 - p2, p3 - p2
    area = d1[:, 0] * d2[:, 1] - d1[:, 1] * d2[:, 0]
    area = np.where(np.abs(area) < 1e-6, 1e-6, area)
    g = (bend[:, 0] * d2[:, 1] - bend[:, 1] * d2[:, 0]) / area
    h = (d1[:, 0] * bend[:, 1] - d1[:, 1] * bend[:, 0]) / area
    made = np.ones((len(quads), 3, 3), np.float32)
    made[:, :2, 0], made[:, 2, 0] = p1 - p0 + g[:, None] * p1, g
    made[:, :2, 1], made[:, 2, 1] = p3 - p0 + h[:, None] * p3, h
    made[:, :2, 2] = p0
    return made


def _agreement(level: _Level, where: Floats, sign: Floats) -> Floats:
    """The correlation of the picture with landmarks, shape (k,); what lies outside the picture is neutral.

    Args:
        level: the picture.
        where: where the landmarks would lie, px of the frame, shape (k, 2, n).
        sign: what they are, shape (n,), the magnitude a weight.
    """
    at = (where + np.float32(0.5)) / np.float32(level.px) - np.float32(0.5)
    seen = cv2.remap(level.flat, at[:, 0], at[:, 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    weight = np.abs(sign)
    norm = np.sqrt((seen * seen) @ weight * weight.sum())
    return np.asarray((seen @ sign) / np.maximum(norm, 1e-6), np.float32)


def _laid(quads: Floats, at: Floats) -> Floats:
    """`_project` for parallelograms, without perspective and so three times as fast."""
    sheets = np.stack([quads[:, 1] - quads[:, 0], quads[:, 3] - quads[:, 0], quads[:, 0]], axis=-1)
    placed: Floats = sheets @ at
    return placed


def _level_for(levels: Sequence[_Level], module: float) -> int:
    """Which level has modules of about 2.2 px, where a module is that long in the frame (px)."""
    place = math.log(max(module, 1e-3) / (2.2 * levels[0].px)) / math.log(SCALE_STEP)
    return min(max(round(place), 0), len(levels) - 1)


def _triples(finders: Sequence[Finder]) -> list[tuple[Floats, float]]:
    """Three finders that could be one symbol's: their parallelogram as a quad, their module (px); the best 60."""
    if len(finders) < 3:
        return []
    table = np.array(finders, np.float32)
    at, module, score = table[:, :2], table[:, 2], table[:, 3]
    n = len(finders)
    corner, one, two = (grid.ravel() for grid in np.meshgrid(np.arange(n), np.arange(n), np.arange(n), indexing="ij"))
    keep = (one < two) & (corner != one) & (corner != two)
    corner, one, two = corner[keep], one[keep], two[keep]
    u, w = at[one] - at[corner], at[two] - at[corner]
    length_u, length_w = np.hypot(*u.T), np.hypot(*w.T)
    skew = np.abs((u * w).sum(axis=1)) / np.maximum(length_u * length_w, 1)
    ratio = np.maximum(length_u, length_w) / np.maximum(np.minimum(length_u, length_w), 1)
    sizes = np.sort(np.stack([module[corner], module[one], module[two]]), axis=0)
    uneven = sizes[2] / sizes[0]
    between = (length_u + length_w) / 2 / sizes[1:].mean(axis=0)
    # Seen from 60 degrees a square's sides are 1 to 2 and its corners up to 45 degrees off. A finder's core alone
    # answers to the filter too, at 0.4 of the size, hence 2.9.
    fit = (skew < 0.7) & (ratio < 2.4) & (uneven < 2.9) & (between > 10) & (between < 180)
    quality = score[corner] + score[one] + score[two] - 0.45 * skew - 0.25 * (ratio - 1) - 0.15 * (uneven - 1)
    order = np.nonzero(fit)[0]
    order = order[np.argsort(-quality[order], kind="stable")][:60]
    found = []
    for i in order.tolist():
        a, b, c = at[corner[i]], at[one[i]], at[two[i]]
        if u[i, 0] * w[i, 1] - u[i, 1] * w[i, 0] < 0:  # a symbol is never mirrored on paper: turn clockwise
            b, c = c, b
        quad = np.stack([a, b, b + c - a, c])
        found.append((quad, float(sizes[1:, i].mean())))
    return found


def _dims(apart: float, dims: Sequence[int] | None) -> Sequence[int]:
    """The sizes to try for finders so many modules apart, when the size is not known."""
    if dims is not None:
        return dims
    near: set[int] = set()
    for factor in (1.0, 1 / 2.2):
        guess = apart * factor + 7
        near |= {d for d in range(21, 178, 4) if abs(d - guess) <= max(8.0, 0.16 * guess)}
    return sorted(near)


def _fourth_corners(quad: Floats) -> Floats:
    """The quad with its corner that has no finder moved about, for perspective: shape (49, 4, 2)."""
    steps = np.linspace(-0.18, 0.18, 7, dtype=np.float32)
    a, b = (grid.reshape(-1, 1) for grid in np.meshgrid(steps, steps))
    moved = np.repeat(quad[None], a.size, axis=0)
    moved[:, 2] += a * (quad[1] - quad[0]) + b * (quad[3] - quad[0])
    return moved


_NUDGES = np.zeros((24, 4, 2), np.float32)  # every corner alone four ways, and the sides together
for _i in range(4):
    for _j, _way in enumerate(((1, 0), (-1, 0), (0, 1), (0, -1))):
        _NUDGES[4 * _i + _j, _i] = _way
        _NUDGES[16 + 2 * _i + _j // 2, [_i, (_i + 1) % 4]] = _way if _j % 2 else (-_way[0], -_way[1])


def _settled(level: _Level, guess: Candidate) -> Candidate:
    """The guess with its corners moved, by a module and then by less, as long as the agreement grows."""
    quad, dim, score = guess.quad, guess.dim, guess.score
    at, sign = _landmarks(dim)
    module, step = guess.px_per_module, 1.0
    while step > 0.12:
        tried = (quad + _NUDGES * (step * module)).astype(np.float32)
        found = _agreement(level, _project(tried, at), sign)
        best = int(found.argmax())
        if found[best] > score + 1e-4:
            quad, score = tried[best], float(found[best])
        else:
            step /= 2
    return Candidate(quad, dim, score)


@cache
def _near(dim: int, corner: int, reach: float) -> tuple[Floats, Floats]:
    """The landmarks within so many modules of a corner of the finder quad."""
    at, sign = _landmarks(dim)
    middle = _SQUARE[corner]
    near = np.hypot(at[0] - middle[0], at[1] - middle[1]) * (dim - 7) <= reach
    return np.ascontiguousarray(at[:, near]), sign[near]


@cache
def _leans(corner: int) -> Floats:
    """Ways to move a quad without perspective: shape (16, 4, 2), of each corner, in units of the quad's two sides.

    It is stretched, sheared, turned and scaled about the corner that is held, and moved as a whole by a tenth of that.
    """
    u, v = (_SQUARE - _SQUARE[corner]).T
    none, all_ = np.zeros(4, np.float32), np.ones(4, np.float32)
    ways = [(u, none), (none, v), (v, none), (none, u), (-v, u), (u, v), (0.1 * all_, none), (none, 0.1 * all_)]
    moves = np.array([np.stack(way, axis=1) for way in ways], np.float32)
    return np.concatenate([moves, -moves])


# How far from the finder that is held landmarks are believed, modules, and the agreement up to there below which a
# guess is dropped. 44 real crops cut by 12 or 18 % ended at 0.83 and more; drawn ones, worn too, from 0.6.
REACHES = ((13.0, 0.42), (19.0, 0.36), (28.0, 0.32), (42.0, 0.28), (400.0, SCORE_MIN))


def _spread(level: _Level, quad: Floats, dim: int, corner: int) -> Candidate | None:
    """A guess that is right around one finder, made right all over: fitted to landmarks farther and farther away."""
    score = -1.0
    for reach, least in REACHES:
        at, sign = _near(dim, corner, reach)
        score = float(_agreement(level, _laid(quad[None], at), sign)[0])
        far = min(reach, dim)
        step = 1.2 / far
        while step * far > 0.2:
            u, v = quad[1] - quad[0], quad[3] - quad[0]
            moves = _leans(corner) * np.float32(step)
            tried = quad + moves[..., :1] * u + moves[..., 1:] * v
            found = _agreement(level, _laid(tried, at), sign)
            best = int(found.argmax())
            if found[best] > score + 1e-4:
                quad, score = tried[best], float(found[best])
            else:
                step /= 2
        if score < least:
            return None
    return Candidate(quad, dim, score)


def _pairs(finders: Sequence[Finder], dims: Sequence[int]) -> list[tuple[Floats, int, int]]:
    """Quads, sizes and held corners for every two finders that could be one symbol's, the third unseen."""
    found = []
    for a in finders:
        for b in finders:
            if a is b or max(a.module, b.module) > 1.7 * min(a.module, b.module):
                continue
            one, two = np.array(a[:2], np.float32), np.array(b[:2], np.float32)
            u = two - one
            v = np.array([-u[1], u[0]], np.float32)
            module = (a.module + b.module) / 2
            for dim in dims:
                if 0.7 < np.hypot(*u) / (dim - 7) / module < 1.4:
                    found.append((np.stack([one, two, two + v, one + v]), dim, 0))  # tl and tr
                    found.append((np.stack([two, two + v, one + v, one]), dim, 0))  # bl and tl
                if 0.7 < np.hypot(*u) / np.sqrt(2) / (dim - 7) / module < 1.4 and a.x < b.x:
                    middle, arm = (one + two) / 2, (two - one) / 2
                    turned = np.array([-arm[1], arm[0]], np.float32)
                    found.append((np.stack([middle - turned, two, middle + turned, one]), dim, 1))  # tr and bl
                    found.append((np.stack([middle + turned, one, middle - turned, two]), dim, 1))
    return found


# A finder with its light ring, modules from its middle.
FINDER_REACH = 6.4
# Finders that are tried alone, and guesses of each; a guess that fits this well ends the search.
SINGLES_MAX = 10
PAIRS_MAX = 6
GUESSES_MAX = 8
SURE = 0.6
# The module may be this much larger than the matched filter says; the last ones are for hits of a finder's core alone.
SCALES = (0.79, 0.89, 1.0, 1.12, 1.26, 1.95, 2.2, 2.5)


def _single(levels: Sequence[_Level], finder: Finder, dims: Sequence[int]) -> list[_Guess]:
    """Guesses with one finder alone, the best few: first how it lies itself, then which of the three it is."""
    lying: list[tuple[float, float, float]] = []
    turns = np.deg2rad(np.arange(0, 90, 6, dtype=np.float32))
    at, sign = _near(dims[0], 0, FINDER_REACH)
    for scale in SCALES:
        module = finder.module * scale
        bank = _turned(finder, turns, module * (dims[0] - 7), 0)
        scores = _agreement(levels[_level_for(levels, module)], _laid(bank, at), sign)
        best = int(scores.argmax())
        lying.append((float(scores[best]), module, float(turns[best])))
    found: list[_Guess] = []
    for _, module, turn in sorted(lying, reverse=True)[:2]:
        four = np.float32(turn) + np.deg2rad(np.array([0, 90, 180, 270], np.float32))
        for dim in dims:
            for corner in (0, 1, 3):
                bank = _turned(finder, four, module * (dim - 7), corner)
                at, sign = _near(dim, corner, REACHES[0][0])
                scores = _agreement(levels[_level_for(levels, module)], _laid(bank, at), sign)
                found += [_Guess(score, quad, dim, corner) for score, quad in zip(scores.tolist(), bank, strict=True)]
    return sorted(found, key=lambda guess: -guess.score)[:GUESSES_MAX]


def _turned(finder: Finder, turns: Floats, side: float, corner: int) -> Floats:
    """Squares of this side (px), turned so, with a corner at the finder: shape (turns, 4, 2)."""
    square = _SQUARE - _SQUARE[corner]
    cosine, sine = np.cos(turns)[:, None] * side, np.sin(turns)[:, None] * side
    x = square[:, 0] * cosine - square[:, 1] * sine + finder.x
    y = square[:, 0] * sine + square[:, 1] * cosine + finder.y
    return np.stack([x, y], axis=-1).astype(np.float32)


def partial(search: Search, dims: Sequence[int]) -> list[Candidate]:
    """The likeliest places of symbols of which one or two finders are cut off or covered, best first.

    Args:
        search: the picture.
        dims: the sizes that can be there: with so little in sight they must be known.
    """
    levels, finders = search.levels, search.finders
    grouped: dict[tuple[int, int], list[tuple[Floats, int]]] = defaultdict(list)
    for quad, dim, corner in _pairs(finders, dims):
        side = float(np.hypot(*(quad[1] - quad[0])))
        grouped[dim, _level_for(levels, side / (dim - 7))].append((quad, corner))
    guesses: list[_Guess] = []
    for (dim, place), pairs in grouped.items():
        at, sign = _landmarks(dim)
        scores = _agreement(levels[place], _laid(np.stack([quad for quad, _ in pairs]), at), sign)
        guesses += [_Guess(float(score), pair[0], dim, pair[1]) for score, pair in zip(scores, pairs, strict=True)]
    guesses = sorted(guesses, key=lambda guess: -guess.score)[:PAIRS_MAX]
    alone = [guess for finder in finders[:SINGLES_MAX] for guess in _single(levels, finder, dims)]
    guesses += sorted(alone, key=lambda guess: -guess.score)
    found: list[Candidate] = []
    for _, quad, dim, corner in guesses:
        level = levels[_level_for(levels, float(np.hypot(*(quad[1] - quad[0]))) / (dim - 7))]
        spread = _spread(level, quad, dim, corner)
        if spread is not None:
            found.append(_settled(level, spread))
            if found[-1].score > SURE:
                break
    return sorted(found, key=lambda each: -each.score)


def candidates(search: Search, dims: Sequence[int] | None = None) -> list[Candidate]:
    """The likeliest places of symbols with three finders in sight, best first.

    Args:
        search: the picture.
        dims: the sizes that can be there, modules a side; None for any.
    """
    levels = search.levels
    guesses: dict[tuple[int, int], list[Floats]] = defaultdict(list)
    for quad, module in _triples(search.finders):
        side = float(np.linalg.norm(quad[[1, 3]] - quad[0], axis=1).mean())
        for dim in _dims(side / module, dims):
            guesses[dim, _level_for(levels, side / (dim - 7))].append(quad)
    first: list[tuple[float, Floats, int, _Level]] = []
    for (dim, place), quads in guesses.items():
        at, sign = _landmarks(dim)
        scores = _agreement(levels[place], _laid(np.stack(quads), at), sign)
        first += [(score, quad, dim, levels[place]) for score, quad in zip(scores.tolist(), quads, strict=True)]
    first.sort(key=lambda each: -each[0])
    second: list[Candidate] = []
    for _, quad, dim, level in first[:12]:
        bank = _fourth_corners(quad)
        at, sign = _landmarks(dim)
        scores = _agreement(level, _project(bank, at), sign)
        best = int(scores.argmax())
        second.append(Candidate(bank[best], dim, float(scores[best])))
    second.sort(key=lambda each: -each.score)
    third = [_settled(levels[_level_for(levels, each.px_per_module)], each) for each in second[:4]]
    return sorted((each for each in third if each.score >= SCORE_MIN), key=lambda each: -each.score)


def find(luma: NDArray[np.uint8], dims: Sequence[int] | None = None) -> Candidate | None:
    """The likeliest place of a symbol, read or not; None where nothing looks like one.

    Args:
        luma: shape (height, width), uint8.
        dims: the sizes that can be there, modules a side; None for any, but then all three finders must be in sight.
    """
    search = searched(luma)
    found = candidates(search, dims) or (partial(search, dims) if dims else [])
    return next(iter(found), None)


def busiest(luma: NDArray[np.uint8], side: int, count: int) -> list[tuple[int, int]]:
    """Where a large frame has most fine structure: corners (x, y) of `count` squares of `side` px, busiest first."""
    height, width = luma.shape
    px = (luma.size / SEARCH_PIXELS_MAX) ** 0.5
    small = cv2.resize(luma, (round(width / px), round(height / px)), interpolation=cv2.INTER_AREA).astype(np.float32)
    light = cv2.blur(small, (9, 9))
    # In units of the light that falls there: a lamp must not make the wall the busiest.
    busy = cv2.blur(np.abs(small - light) / (light + 8), (48, 48))
    found = []
    for _ in range(count):
        _, _, _, (column, row) = cv2.minMaxLoc(busy)
        cv2.circle(busy, (column, row), 60, 0.0, -1)
        x, y = column * px - side / 2, row * px - side / 2
        found.append((int(np.clip(x, 0, max(0, width - side))), int(np.clip(y, 0, max(0, height - side)))))
    return found
