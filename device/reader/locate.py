"""The locating: a luma plane -> where a QR symbol may lie in it, whole, cut off or curled, and how sure that is.

Finder patterns are found by a matched filter over scales, not by runs of black and white, so blur, noise and broken
rings weaken a hit instead of losing it. What is built from them is judged by one measure: how well the picture agrees
with everything that every symbol of that size holds at known places (finders, timing, alignment, version, quiet zone).
"""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from device.reader.curl import FLAT, Curl, bent
from device.reader.symbol import layout, version_of

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

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
# A square's sides seen from 60 degrees are 1 to 2, and roughly found.
SIDES_MAX = 2.4


_SQUARE = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
# What share each corner of a parallelogram has in the place (x, y, 1) of the unit square.
_SHARES = np.array([[-1, -1, 1], [1, 0, 0], [0, 0, 0], [0, 1, 0]], np.float32)


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
        curl: how its paper is rolled up.
    """

    quad: Floats
    dim: int
    score: float
    curl: Curl = FLAT

    @property
    def corners(self) -> Floats:
        """The outer corners of the symbol, shape (4, 2), px, in the order of `quad`."""
        low, high = -3.5 / (self.dim - 7), 1 + 3.5 / (self.dim - 7)
        outer = np.array([[low, low], [high, low], [high, high], [low, high]], np.float32)
        outer += bent(np.array([self.curl], np.float32), outer * (self.dim - 7) + 3.5, self.dim)[0] / (self.dim - 7)
        found: Floats = _project(self.quad[None, None], _homogeneous(outer)[None])[:, 0, 0].T
        return found

    @property
    def px_per_module(self) -> float:
        """The mean length of a module's side, px."""
        return side_of(self.quad.tolist()) / (self.dim - 7)

    def is_at(self, other: "Candidate") -> bool:
        """Whether it is where another is: no corner a module away."""
        return self.dim == other.dim and bool(np.abs(self.quad - other.quad).max() < self.px_per_module)


def sides_of(corners: Sequence[Sequence[float]]) -> tuple[float, float, float, float]:
    """The four sides of a quadrangle, px."""
    # Not by numpy, nor in a loop: that takes a tenth as long as zxing-cpp over a small picture.
    a, b, c, d = corners
    return math.dist(a, b), math.dist(b, c), math.dist(c, d), math.dist(d, a)


def side_of(corners: Sequence[Sequence[float]]) -> float:
    """The mean side of a quadrangle, px."""
    return sum(sides_of(corners)) / 4


class _Levels(NamedTuple):
    """The search picture at all scales, flattened, from the finest: side by side, with a px of nothing around each.

    Attributes:
        sheet: all of them.
        px: shape (levels,): how many px of the frame one px of each is.
        corner: shape (levels, 2): where in the sheet each begins, (x, y).
        size: shape (levels, 2): how large each is, (width, height).
    """

    sheet: Floats
    px: Floats
    corner: Floats
    size: Floats


class _Guess(NamedTuple):
    """A parallelogram that may be a symbol's finder quad, and the corner where the finder is that it is made from."""

    score: float
    quad: Floats
    dim: int
    corner: int


class Search(NamedTuple):
    """A picture at all scales, from the finest, and the finders in it, the strongest first."""

    levels: _Levels
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


# A finder seen from 60 degrees, or where paper rolls away, is half as long one way: the filter misses it, or answers to
# its core, a module off. Hence filters of that shape and the same area, in as many directions.
SQUASHED = 0.5
SQUASHED_WAYS = 4
# They leave the finest scales out: what is squashed there has less than 1.5 px a module.
SQUASHED_FROM = 2


@cache
def _squashed() -> list[Floats]:
    """The filter shortened along each of some directions and lengthened across it, of mean 0 and norm 1."""
    upright = _filter()
    large = round(len(upright) * SQUASHED**-0.5) | 1
    found = []
    for turn in np.pi * np.arange(SQUASHED_WAYS) / SQUASHED_WAYS:
        along = np.array([np.cos(turn), np.sin(turn)])
        shape = np.eye(2) * SQUASHED**0.5 + np.outer(along, along) * (SQUASHED**-0.5 - SQUASHED**0.5)
        shift = (len(upright) - 1) / 2 - shape @ np.full(2, (large - 1) / 2)
        place = np.column_stack([shape, shift]).astype(np.float32)
        taken = [
            cv2.warpAffine(values, place, (large, large), flags=how | cv2.WARP_INVERSE_MAP)
            for values, how in ((upright, cv2.INTER_LINEAR), (np.ones_like(upright), cv2.INTER_NEAREST))
        ]
        made, inside = taken[0], taken[1] > 0
        made = np.where(inside, made - made[inside].mean(), np.float32(0))
        made = made[np.ix_(inside.any(axis=1), inside.any(axis=0))]
        found.append((made / np.linalg.norm(made)).astype(np.float32))
    return found


def _flatten(luma: NDArray[np.uint8]) -> Floats:
    """Darkness with local mean 0 and deviation 1, within nine modules of 2 px: light, shade and fading taken out."""
    plane = luma.astype(np.float32)
    mean = cv2.blur(plane, (19, 19))
    plane = mean - plane
    # The floor is the noise of a still sensor, 1 grey level: below it there is nothing to bring out.
    plane /= cv2.sqrt(cv2.blur(plane * plane, (19, 19)) + 1.0)
    return plane


def _levels(luma: NDArray[np.uint8], module_px_min: float) -> _Levels:
    """The scales of the search, from the finest."""
    height, width = luma.shape
    px = max(module_px_min / FILTER_PX, (luma.size / SEARCH_PIXELS_MAX) ** 0.5)
    flat: list[Floats] = []
    every: list[float] = []
    scaled, how = luma, cv2.INTER_AREA if px > 1 else cv2.INTER_LINEAR
    while min(height, width) / px >= 24:  # a symbol of 21 modules has 42 px, and a finder cut off from it 14
        # Each scale from the one before: bilinear steps of 1.28 smooth enough, ten times faster than areas.
        size = (round(width / px), round(height / px))
        scaled = np.asarray(cv2.resize(scaled, size, interpolation=how), np.uint8)
        flat.append(_flatten(scaled))
        every.append(px)
        px, how = px * SCALE_STEP, cv2.INTER_LINEAR
    sizes = np.array([(each.shape[1], each.shape[0]) for each in flat], np.intp).reshape(-1, 2)
    # Along the shorter side, for `cv2.remap` takes no picture of more than 32,767 px a side.
    along = int(width >= height)
    corners = np.ones_like(sizes)
    corners[1:, along] += np.cumsum(sizes[:-1, along] + 1)
    columns, rows = (corners + sizes + 1).max(axis=0, initial=1).tolist()
    sheet = np.zeros((rows, columns), np.float32)
    for (x, y), each in zip(corners.tolist(), flat, strict=True):
        sheet[y : y + each.shape[0], x : x + each.shape[1]] = each
    return _Levels(sheet, np.array(every, np.float32), corners.astype(np.float32), sizes.astype(np.float32))


def _hits(levels: _Levels, pattern: Floats) -> list[Finder]:
    """Where a matched filter answers."""
    high, wide = ((side - 1) / 2 for side in pattern.shape)
    norm = np.count_nonzero(pattern) ** 0.5
    hits: list[Finder] = []
    for px, corner, size in zip(levels.px.tolist(), levels.corner.astype(int), levels.size.astype(int), strict=True):
        (x, y), (right, bottom) = corner.tolist(), (corner + size).tolist()
        flat = np.ascontiguousarray(levels.sheet[y:bottom, x:right])
        match = cv2.matchTemplate(
            cv2.copyMakeBorder(flat, 8, 8, 8, 8, cv2.BORDER_CONSTANT, value=0.0), pattern, cv2.TM_CCORR
        ) / np.float32(norm)
        peaks = (match == cv2.dilate(match, np.ones((9, 9), np.uint8))) & (match > FINDER_SCORE_MIN)
        rows, columns = np.nonzero(peaks)
        hits += [
            Finder((c - 8 + wide + 0.5) * px - 0.5, (r - 8 + high + 0.5) * px - 0.5, FILTER_PX * px, float(match[r, c]))
            for r, c in zip(rows.tolist(), columns.tolist(), strict=True)
        ]
    return hits


def _strongest(hits: list[Finder]) -> list[Finder]:
    """The strongest hits, none within three modules of a stronger one."""
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
    return Search(levels, _strongest(_hits(levels, _filter())))


def squashed(search: Search) -> Search:
    """The same search, for finders too that are half as long in one direction."""
    coarser = _Levels(search.levels.sheet, *(part[SQUASHED_FROM:] for part in search.levels[1:]))
    hits = [hit for pattern in _squashed() for hit in _hits(coarser, pattern)]
    return Search(search.levels, _strongest(search.finders + hits))


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
        quads: shape (k, m, 4, 2).
        at: shape (k, 3, n), or (1, 3, n) for all: places in units of the square, homogeneous.

    Returns:
        Shape (2, k, m, n).
    """
    made = homographies(quads.reshape(-1, 4, 2)).reshape(*quads.shape[:2], 3, 3)
    seen = np.ascontiguousarray(made.transpose(2, 0, 1, 3)) @ at
    return np.asarray(seen[:2] / np.maximum(seen[2], 0.05), np.float32)


def _laid(quads: Floats, at: Floats) -> Floats:
    """`_project` for parallelograms, without perspective and so three times as fast."""
    shares = _SHARES @ at
    return np.asarray(np.ascontiguousarray(quads.transpose(3, 0, 1, 2)) @ shares, np.float32)


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


def _agreement(
    levels: _Levels, place: NDArray[np.intp], quads: Floats, landmarks: tuple[Floats, Floats], *, perspective: bool
) -> Floats:
    """The correlation of the picture with landmarks, shape (k, m); what lies outside the picture is neutral.

    Args:
        levels: the picture.
        place: shape (k,): at which level to look.
        quads: shape (k, m, 4, 2): finder quads, px of the frame.
        landmarks: what is there, as from `_landmarks` with one axis more, of length k, or 1 for all.
        perspective: whether the quads are any, or all parallelograms.
    """
    at, sign = landmarks
    px, corner, size = levels.px[place], levels.corner[place], levels.size[place]
    there = (quads + 0.5) / px[:, None, None, None] + (corner - 0.5)[:, None, None]
    where = (_project if perspective else _laid)(np.asarray(there, np.float32), at)
    low, high = (corner - 1).T[..., None, None], (corner + size).T[..., None, None]
    np.clip(where, low, high, out=where)
    flat = where.reshape(2, -1, where.shape[-1])
    seen = cv2.remap(levels.sheet, flat[0], flat[1], cv2.INTER_LINEAR).reshape(where.shape[1:])
    weight = np.abs(sign)
    norm = np.sqrt((seen * seen @ weight[..., None])[..., 0] * weight.sum(axis=1)[:, None])
    return np.asarray((seen @ sign[..., None])[..., 0] / np.maximum(norm, np.float32(1e-6)), np.float32)


def _all(landmarks: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    """Several sets of landmarks as arrays; the shorter ones are filled up with what weighs nothing."""
    most = max(len(sign) for _, sign in landmarks)
    ats, signs = np.zeros((len(landmarks), 3, most), np.float32), np.zeros((len(landmarks), most), np.float32)
    for i, (at, sign) in enumerate(landmarks):
        ats[i, :, : len(sign)], ats[i, 2, len(sign) :], signs[i, : len(sign)] = at, 1, sign
    return ats, signs


def _level_for(levels: _Levels, module: Floats) -> NDArray[np.intp]:
    """Which levels have modules of about 2.2 px, where modules are that long in the frame (px)."""
    place = np.log(np.maximum(module, 1e-3) / (2.2 * levels.px[0])) / math.log(SCALE_STEP)
    return np.asarray(np.clip(np.rint(place), 0, len(levels.px) - 1), np.intp)


def _sides(quads: Floats) -> Floats:
    """The mean length of the two sides at the first corner, px: shape (k,)."""
    sides: Floats = np.hypot(*np.moveaxis(quads[:, [1, 3]] - quads[:, :1], -1, 0)).mean(axis=1)
    return sides


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
    # Seen from 60 degrees a square's corners are up to 45 degrees off. A finder's core alone answers to the filter too,
    # at 0.4 of the size, hence 2.9.
    fit = (skew < 0.7) & (ratio < SIDES_MAX) & (uneven < 2.9) & (between > 10) & (between < 180)
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


def _climbed(
    levels: _Levels,
    place: NDArray[np.intp],
    quads: Floats,
    moves: Floats,
    landmarks: tuple[Floats, Floats],
    *,
    perspective: bool,
    steps: tuple[float, float],
) -> tuple[Floats, Floats]:
    """Quads moved, each for itself, as long as the agreement grows; by the first step, then by halves of it.

    Args:
        levels: the picture.
        place: shape (k,): at which level to look.
        quads: shape (k, 4, 2).
        moves: shape (k, m, 4, 2): the ways to move each by a step of 1: with perspective in px, without in units of its
            own two sides.
        landmarks: what is there, as for `_agreement`, of length k.
        perspective: whether the quads are any, or all parallelograms.
        steps: the first step, and that at which it ends.

    Returns:
        The quads; and shape (k,), their agreement.
    """
    at, sign = landmarks
    quads = quads.copy()
    score = _agreement(levels, place, quads[:, None], landmarks, perspective=perspective)[:, 0]
    step, last = np.full(len(quads), steps[0], np.float32), steps[1]
    while len(on := np.flatnonzero(step > last)):
        now, move = quads[on, None], moves[on] * step[on, None, None, None]
        if not perspective:
            sides = now[:, :, [1, 3]] - now[:, :, :1]
            move = move[..., :1] * sides[:, :, :1] + move[..., 1:] * sides[:, :, 1:]
        tried = np.asarray(now + move, np.float32)
        found = _agreement(levels, place[on], tried, (at[on], sign[on]), perspective=perspective)
        best = found.argmax(axis=1)
        top = found[np.arange(len(on)), best]
        better = top > score[on] + 1e-4
        quads[on[better]], score[on[better]] = tried[better, best[better]], top[better]
        step[on[~better]] /= 2
    return quads, score


def _settled(levels: _Levels, guesses: Sequence[Candidate]) -> list[Candidate]:
    """The guesses with their corners moved, by a module and then by less."""
    if not guesses:
        return []
    module = np.array([each.px_per_module for each in guesses], np.float32)
    quads, scores = _climbed(
        levels,
        _level_for(levels, module),
        np.stack([each.quad for each in guesses]),
        _NUDGES * module[:, None, None, None],
        _all([_landmarks(each.dim) for each in guesses]),
        perspective=True,
        steps=(1.0, 0.12),
    )
    return [Candidate(quad, each.dim, score) for quad, each, score in zip(quads, guesses, scores.tolist(), strict=True)]


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


def _spread(levels: _Levels, guesses: Sequence[_Guess]) -> list[Candidate]:
    """Guesses that are right around one finder, made right all over, without those that are right nowhere.

    They are fitted to landmarks farther and farther away.
    """
    quads = np.stack([each.quad for each in guesses])
    place = _level_for(levels, _sides(quads) / (np.array([each.dim for each in guesses], np.float32) - 7))
    left = np.arange(len(guesses))
    score = np.zeros(len(guesses), np.float32)
    for reach, least in REACHES:
        kinds = [(guesses[i].dim, guesses[i].corner) for i in left.tolist()]
        quads[left], score[left] = _climbed(
            levels,
            place[left],
            quads[left],
            np.stack([_leans(corner) / np.float32(min(reach, dim)) for dim, corner in kinds]),
            _all([_near(dim, corner, reach) for dim, corner in kinds]),
            perspective=False,
            steps=(1.2, 0.2),
        )
        left = left[score[left] >= least]
        left = left[_apart(quads[left], np.array([guesses[i].dim for i in left.tolist()]), score[left], 0.3)]
        if not len(left):
            break
    return [Candidate(quads[i], guesses[i].dim, float(score[i])) for i in left.tolist()]


def _distinct(found: Sequence[Candidate]) -> list[Candidate]:
    """The candidates, best first, each place once."""
    if not found:
        return []
    score = np.array([each.score for each in found], np.float32)
    apart = _apart(np.stack([each.quad for each in found]), np.array([each.dim for each in found]), score, 1.0)
    return sorted((found[i] for i in np.flatnonzero(apart).tolist()), key=lambda each: -each.score)


def _apart(quads: Floats, dim: NDArray[np.intp], score: Floats, within: float) -> Bools:
    """Which quads are not within so many modules of a better one of the same size, shape (k,)."""
    far = np.abs(quads[:, None] - quads).max(axis=(2, 3), initial=0)
    same = (far < within * _sides(quads) / (dim - 7)) & (dim[:, None] == dim)
    rank = np.argsort(np.argsort(-score, kind="stable"), kind="stable")
    apart: Bools = ~(same & (rank < rank[:, None])).any(axis=1)
    return apart


def _pairs(finders: Sequence[Finder], dims: Sequence[int]) -> list[tuple[int, int, Floats]]:
    """Quads with two finders that could be one symbol's, the third unseen: size, corner that is held, quads."""
    if len(finders) < 2:
        return []
    table = np.array(finders, np.float32)
    one, two = (table[side] for side in np.nonzero(~np.eye(len(finders), dtype=bool)))
    like = np.maximum(one[:, 2], two[:, 2]) <= 1.7 * np.minimum(one[:, 2], two[:, 2])
    one, two = one[like], two[like]
    apart = np.hypot(*(two - one)[:, :2].T) / ((one[:, 2] + two[:, 2]) / 2)
    a, b = one[:, :2], two[:, :2]
    along = b - a
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    middle, turned = (a + b) / 2, across / 2
    beside = [(a, b, b + across, a + across), (b, b + across, a + across, a)]  # tl and tr, bl and tl
    opposed = [(middle - turned, b, middle + turned, a), (middle + turned, a, middle - turned, b)]  # tr and bl
    found = []
    for dim in dims:
        side = apart / (dim - 7)
        near = (side > 0.7) & (side < 1.4)
        far = (side > 0.7 * 2**0.5) & (side < 1.4 * 2**0.5) & (one[:, 0] < two[:, 0])
        found += [(dim, 0, np.stack(corners, axis=1)[near]) for corners in beside]
        found += [(dim, 1, np.stack(corners, axis=1)[far]) for corners in opposed]
    return [(dim, corner, quads) for dim, corner, quads in found if len(quads)]


# A finder with its light ring, modules from its middle.
FINDER_REACH = 6.4
# Finders that are tried alone, and guesses of each; a guess that fits this well ends the search.
SINGLES_MAX = 10
PAIRS_MAX = 6
GUESSES_MAX = 8
# Guesses that are spread together at first, and then twice as many: what follows a sure one is in vain.
TOGETHER = 12
SURE = 0.6
# The module may be this much larger than the matched filter says; the last ones are for hits of a finder's core alone.
SCALES = (0.79, 0.89, 1.0, 1.12, 1.26, 1.95, 2.2, 2.5)


def _singles(levels: _Levels, finders: Sequence[Finder], dims: Sequence[int]) -> list[_Guess]:
    """Guesses with one finder alone, the best few of each: first how it lies, then which of the three it is."""
    if not finders:
        return []
    table = np.array(finders, np.float32)
    scales, turns = np.array(SCALES, np.float32), np.deg2rad(np.arange(0, 90, 6, dtype=np.float32))
    at, module = np.repeat(table[:, :2], len(scales), axis=0), np.outer(table[:, 2], scales).ravel()
    banks = _turned(at, np.tile(turns, (len(at), 1)), module * (dims[0] - 7), 0)
    finder_alone = _all([_near(dims[0], 0, FINDER_REACH)])
    scores = _agreement(levels, _level_for(levels, module), banks, finder_alone, perspective=False)
    ranked = np.argsort(-scores.max(axis=1).reshape(len(table), -1), axis=1, kind="stable")[:, :2]
    likely = (ranked + len(scales) * np.arange(len(table))[:, None]).ravel()
    at, module = at[likely], module[likely]
    four = turns[scores[likely].argmax(axis=1), None] + np.deg2rad(np.array([0, 90, 180, 270], np.float32))
    place = _level_for(levels, module)
    found: list[list[_Guess]] = [[] for _ in finders]
    for dim in dims:
        for corner in (0, 1, 3):
            quads = _turned(at, four, module * (dim - 7), corner)
            near = _all([_near(dim, corner, REACHES[0][0])])
            scores = _agreement(levels, place, quads, near, perspective=False)
            for i, (bank, told) in enumerate(zip(quads, scores.tolist(), strict=True)):
                found[i // 2] += [_Guess(score, quad, dim, corner) for score, quad in zip(told, bank, strict=True)]
    return [guess for each in found for guess in sorted(each, key=lambda guess: -guess.score)[:GUESSES_MAX]]


def _turned(at: Floats, turns: Floats, side: Floats, corner: int) -> Floats:
    """Squares with a corner at a place.

    Args:
        at: shape (k, 2): the places, px.
        turns: shape (k, t): by how much each is turned.
        side: shape (k,): its side, px.
        corner: which of its corners.

    Returns:
        Shape (k, t, 4, 2).
    """
    x, y = ((_SQUARE - _SQUARE[corner])[None, None] * side[:, None, None, None]).transpose(3, 0, 1, 2)
    cosine, sine = np.cos(turns)[..., None], np.sin(turns)[..., None]
    turned: Floats = np.stack([x * cosine - y * sine, x * sine + y * cosine], axis=-1) + at[:, None, None]
    return turned


def partial(search: Search, dims: Sequence[int], stop: Callable[[], bool] = bool) -> list[Candidate]:
    """The likeliest places of symbols of which one or two finders are cut off or covered, best first.

    Args:
        search: the picture.
        dims: the sizes that can be there: with so little in sight they must be known.
        stop: whether to make do with what was found so far.
    """
    levels, finders = search.levels, search.finders
    guesses: list[_Guess] = []
    for dim, corner, quads in _pairs(finders, dims):
        place = _level_for(levels, _sides(quads) / np.float32(dim - 7))
        scores = _agreement(levels, place, quads[:, None], _all([_landmarks(dim)]), perspective=False)[:, 0]
        best = np.argsort(-scores, kind="stable")[:PAIRS_MAX].tolist()
        guesses += [_Guess(float(scores[i]), quads[i], dim, corner) for i in best]
    guesses = sorted(guesses, key=lambda guess: -guess.score)[:PAIRS_MAX]
    guesses += sorted(_singles(levels, finders[:SINGLES_MAX], dims), key=lambda guess: -guess.score)
    found: list[Candidate] = []
    begin, end = 0, TOGETHER
    while begin < len(guesses) and not stop() and not any(each.score > SURE for each in found):
        found += _settled(levels, _spread(levels, guesses[begin:end]))
        begin, end = end, 3 * end
    return _distinct(found)


def _parallelograms(search: Search, dims: Sequence[int] | None) -> list[_Guess]:
    """Through three finders, those first that agree best."""
    levels = search.levels
    guesses: dict[int, list[Floats]] = defaultdict(list)
    for quad, module in _triples(search.finders):
        for dim in _dims(float(_sides(quad[None])[0]) / module, dims):
            guesses[dim].append(quad)
    found: list[_Guess] = []
    for dim, quads in guesses.items():
        bank = np.stack(quads)
        place = _level_for(levels, _sides(bank) / np.float32(dim - 7))
        scores = _agreement(levels, place, bank[:, None], _all([_landmarks(dim)]), perspective=False)[:, 0]
        found += [_Guess(score, quad, dim, 0) for score, quad in zip(scores.tolist(), quads, strict=True)]
    return sorted(found, key=lambda guess: -guess.score)


def candidates(search: Search, dims: Sequence[int] | None = None) -> list[Candidate]:
    """The likeliest places of symbols with three finders in sight, best first.

    Args:
        search: the picture.
        dims: the sizes that can be there, modules a side; None for any.
    """
    levels = search.levels
    second: list[Candidate] = []
    for _, quad, dim, _ in _parallelograms(search, dims)[:12]:
        bank = _fourth_corners(quad)
        place = _level_for(levels, _sides(quad[None]) / np.float32(dim - 7))
        scores = _agreement(levels, place, bank[None], _all([_landmarks(dim)]), perspective=True)[0]
        best = int(scores.argmax())
        second.append(Candidate(bank[best], dim, float(scores[best])))
    second.sort(key=lambda each: -each.score)
    third = _settled(levels, second[:4])
    return _distinct([each for each in third if each.score >= SCORE_MIN])


# Agreement of flat candidates between which paper may be rolled: actas that are, of 25 to 50 mm, reach 0.43 to 0.66;
# where there is no symbol most reach less.
ROLLED_LIKELY = (0.4, 0.75)
# A curl is freer to agree: it is worth an attempt only if it agrees so much better.
ROLLED_GAIN = 0.05
# How many flat candidates and parallelograms are begun with, and how many of these are fitted, 20 ms each: those that
# agree nearly as well as the best.
ROLLED_FROM = (2, 12)
FITTED_MAX = 3
FITTED_WITHIN = 0.1
# To begin with, every third landmark tells enough.
BEGIN_EVERY = 3
_CURLS = np.array(list(product((0, 1), (0.5, 1.0), (-0.5, 0.0, 0.5), (-0.5, 0.0, 0.5))), np.float32)
_ROLLS = np.kron(np.diag([0.0, 0.1, 0.08, 0.08])[1:], [[1], [-1]]).astype(np.float32)  # ways to move a curl


def rolled(search: Search, flat: Sequence[Candidate], dims: Sequence[int] | None = None) -> list[Candidate]:
    """The likeliest places of symbols on rolled paper, with three finders in sight, best first.

    Args:
        search: the picture.
        flat: where symbols may be on flat paper.
        dims: the sizes that can be there, modules a side; None for any.
    """
    starts: list[Candidate] = []
    guesses = [(each.quad, each.dim) for each in flat[: ROLLED_FROM[0]]]
    guesses += [(each.quad, each.dim) for each in _parallelograms(search, dims)[: ROLLED_FROM[1]]]
    for quad, dim in guesses:
        quads = np.repeat(quad[None], len(_CURLS), axis=0)
        scores = _rolled_agreement(search.levels, quads, _CURLS, dim, BEGIN_EVERY)
        best = int(scores.argmax())
        starts.append(Candidate(quad, dim, float(scores[best]), Curl(*_CURLS[best].tolist())))
    starts.sort(key=lambda start: -start.score)
    likely = [start for start in starts[:FITTED_MAX] if start.score > starts[0].score - FITTED_WITHIN]
    return _distinct([_fitted(search.levels, start) for start in likely])


def _fitted(levels: _Levels, start: Candidate) -> Candidate:
    """A candidate moved and rolled as long as that agrees better, by a module and by less."""
    quad, dim, curl = start.quad, start.dim, np.array(start.curl, np.float32)
    module = np.float32(_sides(quad[None])[0] / (dim - 7))
    score = float(_rolled_agreement(levels, quad[None], curl[None], dim)[0])
    step = np.float32(1.0)
    while step > 0.12:
        curls = np.concatenate([curl + step * _ROLLS, np.repeat(curl[None], len(_NUDGES), axis=0)])
        quads = np.concatenate([np.repeat(quad[None], len(_ROLLS), axis=0), quad + step * module * _NUDGES])
        scores = _rolled_agreement(levels, np.asarray(quads, np.float32), np.asarray(curls, np.float32), dim)
        best = int(scores.argmax())
        if scores[best] > score + 1e-3:
            score, quad, curl = float(scores[best]), quads[best], curls[best]
        else:
            step /= 2
    return Candidate(quad, dim, score, Curl(*curl.tolist()))


def _rolled_agreement(levels: _Levels, quads: Floats, curls: Floats, dim: int, every: int = 1) -> Floats:
    """The agreement of quads, shape (k, 4, 2), under curls, shape (k, 4), with every so many of the landmarks."""
    at, sign = _landmarks(dim)
    at, sign = at[:, ::every], sign[::every]
    where = np.ones((len(curls), 3, len(sign)), np.float32)
    where[:, :2] = at[:2] + bent(curls, at[:2].T * (dim - 7) + 3.5, dim).transpose(0, 2, 1) / (dim - 7)
    place = _level_for(levels, _sides(quads) / np.float32(dim - 7))
    return _agreement(levels, place, quads[:, None], (where, sign[None]), perspective=True)[:, 0]


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
