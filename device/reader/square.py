"""The square: a frame -> where on its paper a symbol seems to lie, though nobody could find its finders.

A symbol is what little else on paper is: a square of one grey, seen from afar or through any blur, with white paper
around it. The paper's own width says how large it can be.
"""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.uint8]
Floats = NDArray[np.float32]
Marks = NDArray[np.bool_]

# The picture that is searched. An acta's symbol is 75 px wide in it from 308 mm, and 30 are enough.
SEARCH_PIXELS = 150_000
# A piece of this share of the frame may be paper; the smallest whose symbol has modules of 1 px.
PAPER_SHARE = 0.0008
# Luma that a camera's exposure gives no paper, only a lamp's mirror image.
GLARE_LUMA = 240.0
# A square is searched as 8 x 8 cells with a ring of 2 around.
CELLS = 8
RING = 2
# Half of a symbol is ink, which blur and a camera's tone curve make a fifth; of lines of text it is a tenth.
INK_MIN = 0.07
# How much of a square's ink stands out from 1.5 times that of its ring, and from its own unevenness.
OUT_MIN = 0.25
# A symbol is at least this wide beside the paper it is on; an acta's is 0.72. One that is cut off may be wider than
# what is left of its paper.
WIDTH_MIN, WIDTH_MAX = 0.35, 1.1
STEP = 1.15
# Ink never fills a square of a ninth of the paper's width: an acta's finder has a core of a twentieth. The tray does.
SOLID = 1 / 9


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A frame made small, or of one with little paper in it the part that holds the paper.

    Attributes:
        luma: shape (height, width), float32.
        px: how many px of the frame one of its px is.
        origin: px of the frame at its corner, (x, y).
        white: what blank paper is, or would be, everywhere in it.
        paper: where paper is.
        glare: where paper is brighter than its light explains.
    """

    luma: Floats
    px: int
    origin: tuple[int, int]
    white: Floats
    paper: Marks
    glare: Marks

    @property
    def light(self) -> float:
        """The brightness of most of the paper."""
        return float(np.median(self.white[self.paper])) if self.paper.any() else 0.0

    @property
    def wide(self) -> float:
        """How wide the paper is, px: what its widest disc measures across."""
        framed = cv2.copyMakeBorder(self.paper.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
        return 2 * float(cv2.distanceTransform(framed, cv2.DIST_L2, 3).max())

    @property
    def seen(self) -> Marks:
        """Where paper and what is printed on it can be seen: no tray that shows through a tear, no glare."""
        size = max(3, round(self.wide * SOLID))
        tray = float(np.percentile(self.luma, 1))
        dark = (self.luma < tray + 0.25 * (self.white - tray)).astype(np.uint8)
        solid = cv2.morphologyEx(dark, cv2.MORPH_OPEN, np.ones((size, size), np.uint8)) > 0
        return self.paper & ~self.glare & ~solid

    @property
    def ink(self) -> Floats:
        """How dark each px is: 0 for paper, about 0.9 for full ink; below 0 where noise is brighter than paper."""
        return np.asarray(np.clip(1 - self.luma / self.white, -1, 1), np.float32)

    def in_frame(self, at: Floats) -> Floats:
        """Px of the view -> px of the frame."""
        return np.asarray(at * self.px + (self.px - 1) / 2 + np.array(self.origin), np.float32)

    def from_frame(self, at: NDArray[np.floating]) -> Floats:
        """Px of the frame -> px of the view."""
        return np.asarray((at - np.array(self.origin) - (self.px - 1) / 2) / self.px, np.float32)


def view_of(luma: Luma) -> View:
    """The view of a frame.

    Args:
        luma: shape (height, width), uint8.
    """
    view = _small(luma, (0, 0))
    rows, columns = (np.nonzero(view.paper.any(axis=axis))[0] for axis in (1, 0))
    if not rows.size or max(np.ptp(rows), np.ptp(columns)) * view.px > max(luma.shape) / 2:
        return view
    rim = max(8, int(0.1 * max(np.ptp(rows), np.ptp(columns))))
    x, y = max(0, int(columns[0]) - rim) * view.px, max(0, int(rows[0]) - rim) * view.px
    return _small(luma[y : (int(rows[-1]) + rim) * view.px, x : (int(columns[-1]) + rim) * view.px], (x, y))


def _small(luma: Luma, origin: tuple[int, int]) -> View:
    px = min(max(1, round((luma.size / SEARCH_PIXELS) ** 0.5)), *luma.shape)  # by whole px: a tenth of the time
    height, width = (size // px for size in luma.shape)
    whole = luma[: height * px, : width * px]
    small = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
    bright = _bright(small)
    paper = _paper(bright)
    lit = bright & paper
    glare = small > max((float(np.median(small[lit])) + 255) / 2, GLARE_LUMA) if lit.any() else lit
    glare = cv2.dilate(glare.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    white = _spread(small, lit & ~glare)
    white = _spread(small, lit & ~glare & (small > 0.8 * white))
    return View(small, px, origin, np.maximum(white, 1), paper, glare & paper)


def _bright(small: Floats) -> Marks:
    """The brighter of two kinds of px, whatever they are (Otsu's threshold)."""
    soft = cv2.GaussianBlur(small, (0, 0), 1.0)
    low, high = float(soft.min()), float(soft.max())
    scaled = ((soft - low) * (255 / max(high - low, 1e-3))).astype(np.uint8)
    _, found = cv2.threshold(scaled, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    return found > 0


def _paper(bright: Marks) -> Marks:
    """What is bright, and what it surrounds."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(bright.astype(np.uint8))
    found = np.zeros(bright.shape, np.uint8)
    for label in (1 + np.nonzero(stats[1:, cv2.CC_STAT_AREA] > PAPER_SHARE * bright.size)[0]).tolist():
        outline = cv2.convexHull(cv2.findNonZero((labels == label).astype(np.uint8)))
        cv2.fillConvexPoly(found, outline, (1,))
    return found > 0


def _spread(value: Floats, where: Marks) -> Floats:
    """The mean of some px around each, within a fifteenth of the picture, and farther where there is none."""
    height, width = value.shape
    size = max(1, width // 8), max(1, height // 8)
    weight = where.astype(np.float32)
    everywhere = float(value[where].mean()) if where.any() else float(value.max())

    def around(values: Floats) -> Floats:
        coarse = cv2.resize(values, size, interpolation=cv2.INTER_AREA)
        return cv2.GaussianBlur(coarse, (0, 0), max(size) / 15).astype(np.float32)

    coarse = (around(value * weight) + 1e-3 * everywhere) / (around(weight) + 1e-3)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32)


class _Square(NamedTuple):
    """A square along the view's sides: how well it stands out, its ink, its middle and its side, px."""

    score: float
    ink: float
    x: float
    y: float
    side: float


def square_of(view: View) -> Floats | None:
    """The corners of the grey square that stands out most, in order around it; None if none does.

    Returns:
        Shape (4, 2), px of the view. Where a part of the square is cut off, the corners of the rectangle that is left.
    """
    seen = view.seen.astype(np.float32)
    ink = view.ink * seen
    found: list[_Square] = []
    side = max(2.0 * CELLS, WIDTH_MIN * view.wide)
    while side <= WIDTH_MAX * view.wide:
        found += _best(ink, seen, side)
        side *= STEP
    best = max(found, default=None)
    if best is None or best.ink < INK_MIN or best.score < OUT_MIN * best.ink:
        return None
    return _outline(ink, seen, view.glare, best)


def _box(values: Floats, size: int) -> Floats:
    return cv2.boxFilter(values, -1, (size, size), normalize=False, borderType=cv2.BORDER_CONSTANT).astype(np.float32)


def _best(ink: Floats, seen: Floats, side: float) -> list[_Square]:
    """The best square of that side; none where that is more than the view holds."""
    cell = side / CELLS
    size = round(ink.shape[1] / cell), round(ink.shape[0] / cell)
    if min(size) < CELLS / 2:
        return []

    def cells(values: Floats) -> Floats:
        small = cv2.resize(values, size, interpolation=cv2.INTER_AREA)
        return np.pad(small.astype(np.float32), RING)

    inks, seens = cells(ink), cells(seen)
    mean = inks / np.maximum(seens, np.float32(0.2))
    whole = CELLS + 2 * RING
    inner, outer = _box(seens, CELLS), _box(seens, whole) - _box(seens, CELLS)
    level = _box(inks, CELLS) / np.maximum(inner, 1)
    ring = (_box(inks, whole) - _box(inks, CELLS)) / np.maximum(outer, 1)
    squared = _box((mean * mean * seens).astype(np.float32), CELLS) / np.maximum(inner, 1)
    spread = np.sqrt(np.maximum(squared - level * level, 0))
    enough = (inner > 0.375 * CELLS**2) & (outer > 0.25 * (whole**2 - CELLS**2))
    score = np.where(enough, level - 1.5 * ring - spread, -1)
    row, column = np.unravel_index(int(score.argmax()), score.shape)
    x, y = (float(place - RING) * cell for place in (column, row))
    return [_Square(float(score[row, column]), float(level[row, column]), x, y, side)]


def _outline(ink: Floats, seen: Floats, glare: Marks, square: _Square) -> Floats | None:
    """The rectangle around what is as grey as the square, in and next to it; under glare, what is in it."""
    around = max(3, round(square.side / 9)) | 1
    near = (cv2.blur(ink, (around, around)) > 0.5 * square.ink * cv2.blur(seen, (around, around))) & (seen > 0)
    half = square.side / 2
    inner = tuple(slice(max(0, int(middle - half)), max(0, int(middle + half))) for middle in (square.y, square.x))
    near[inner] |= glare[inner]
    x, y = max(0, int(square.x - square.side)), max(0, int(square.y - square.side))
    part = near[y : int(square.y + square.side), x : int(square.x + square.side)].astype(np.uint8)
    part = cv2.morphologyEx(part, cv2.MORPH_OPEN, np.ones((around, around), np.uint8)).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(part)
    if count < 2:
        return None
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    box = cv2.minAreaRect(cv2.findNonZero((labels == largest).astype(np.uint8)))
    return np.asarray(cv2.boxPoints(box) + np.array([x, y]), np.float32)
