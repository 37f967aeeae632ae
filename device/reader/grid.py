"""The grid: where each module of a symbol lies in the picture, on paper that is tilted, curled, folded or crumpled.

A homography takes the symbol to the picture, and a smooth bend, in modules, is added before it. The bend first goes
through the finder and alignment patterns; then it grows by analysis and synthesis: what was decided is drawn, and each
neighbourhood of the drawing is slid over the picture until it fits. Decisions near good places are good, so
the fit spreads from the finders over the paper.
"""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from device.reader.curl import bent
from device.reader.locate import Candidate, homographies
from device.reader.symbol import layout, version_of

Floats = NDArray[np.float32]

# The straightened picture. What lies below 4 px a module of the frame it holds whole.
PX = 4
# Growing looks at half of that: it finds shifts to a tenth of a module, in a quarter of the time.
GROWTH_PX = 2
# Modules of surroundings in the straightened picture, so that what is slid over it does not fall off.
BORDER = 3
# A knot of the bend every 4 modules: paper bends less sharply than that.
KNOT_MODULES = 4
KNOTS_MAX = 24
# Larger modules are scaled down: the noise averages out and nothing is lost.
MODULE_PX_MAX = 6.0
BEND_MODULES_MAX = 9.0


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Where the modules are.

    Attributes:
        luma: the picture around the symbol, uint8 or float32.
        across: shape (3, 3), float64: homography from module coordinates, 0 to dim, to px of `luma` from its corner.
        dim: modules a side.
        bend: shape (n, n, 2), float32: added to module coordinates (x, y) before `across`, at knots spread evenly over
            the symbol.
        origin: px of the frame at the corner of `luma`, and how many px of the frame one of its px is.
        ink: by how many px of the straightened picture ink is grown at each of its edges, because it shrank by that.
    """

    luma: NDArray[np.uint8] | Floats
    across: NDArray[np.float64]
    dim: int
    bend: Floats
    origin: tuple[float, float, float]
    ink: int = 0

    def places(self, at: Floats) -> Floats:
        """Module coordinates, shape (..., 2) -> px of `luma`, as cv2 counts them: 0 is the middle of the first."""
        bend = cv2.remap(self.bend, *self._knots(at), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        bent = at + bend.reshape(at.shape)
        seen = cv2.perspectiveTransform(bent.reshape(1, -1, 2), self.across).reshape(at.shape)
        return (seen - 0.5).astype(np.float32)

    def _knots(self, at: Floats) -> tuple[Floats, Floats]:
        scaled = np.clip(at / self.dim, 0, 1) * (self.bend.shape[0] - 1)
        flat = scaled.reshape(at.shape[0], -1, 2) if at.ndim == 3 else scaled[None]
        return np.ascontiguousarray(flat[..., 0]), np.ascontiguousarray(flat[..., 1])

    def straightened(self) -> tuple[Floats, NDArray[np.bool_]]:
        """The symbol upright, `PX` px a module, `BORDER` modules around, float32; and where the frame did not reach."""
        where = self.places(_raster(self.dim))
        picture = cv2.remap(self.luma, where[..., 0], where[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        if self.ink:
            picture = cv2.erode(picture, np.ones((2 * self.ink + 1,) * 2, np.uint8))
        height, width = self.luma.shape
        outside = (where < -0.5).any(axis=2) | (where[..., 0] > width - 0.5) | (where[..., 1] > height - 0.5)
        return picture.astype(np.float32), outside

    def corners(self) -> Floats:
        """The outer corners in px of the frame, clockwise from the one at module (0, 0); shape (4, 2)."""
        side = float(self.dim)
        x, y, scale = self.origin
        inside = self.places(np.array([[0, 0], [side, 0], [side, side], [0, side]], np.float32))
        return np.asarray((inside + 0.5) * scale + (x - 0.5, y - 0.5), np.float32)


@cache
def _raster(dim: int) -> Floats:
    along = (np.arange((dim + 2 * BORDER) * PX, dtype=np.float32) + 0.5) / PX - BORDER
    return np.stack(np.meshgrid(along, along), axis=-1).astype(np.float32)


def knots(dim: int) -> Floats:
    """Where the knots are, module coordinates along one side."""
    return np.linspace(0, dim, min(round(dim / KNOT_MODULES), KNOTS_MAX) + 1, dtype=np.float32)


def lay(luma: NDArray[np.uint8], candidate: Candidate) -> Grid:
    """A grid over a candidate, bent as it is curled, on the cut of the picture that holds it."""
    height, width = luma.shape
    corners, module = candidate.corners, candidate.px_per_module
    low = np.floor(corners.min(axis=0) - 8 * module).clip(0).astype(int)
    high = np.ceil(corners.max(axis=0) + 8 * module).astype(int)
    cut = luma[low[1] : min(high[1], height), low[0] : min(high[0], width)]
    scale = max(1.0, module / MODULE_PX_MAX)
    if scale > 1:
        size = (max(1, round(cut.shape[1] / scale)), max(1, round(cut.shape[0] / scale)))
        cut = np.asarray(cv2.resize(cut, size, interpolation=cv2.INTER_AREA), np.uint8)
    quad = (candidate.quad + np.float32(0.5) - low.astype(np.float32)) / np.float32(scale)
    span = candidate.dim - 7
    into = np.array([[1 / span, 0, -3.5 / span], [0, 1 / span, -3.5 / span], [0, 0, 1]])
    across = homographies(quad[None])[0].astype(np.float64) @ into
    along = knots(candidate.dim)
    at = np.stack(np.meshgrid(along, along), axis=-1)
    bend = bent(np.array([candidate.curl], np.float32), at.reshape(-1, 2), candidate.dim).reshape(at.shape)
    return Grid(cut, across, candidate.dim, bend, (float(low[0]), float(low[1]), scale))


@cache
def _stiffness(n: int) -> NDArray[np.float64]:
    """The energy of a bent thin plate on n x n knots: of all ways through some places paper takes that with least."""
    one = np.eye(n)
    second, first = np.diff(one, 2, axis=0), np.diff(one, axis=0)
    along, across, twist = np.kron(one, second), np.kron(second, one), np.kron(first, first)
    return np.asarray(along.T @ along + across.T @ across + 2 * twist.T @ twist, np.float64)


def smoothed(n: int, at: Floats, value: Floats, weight: Floats, stiff: float) -> Floats:
    """The thin plate nearest to some values: minimum of sum weight (plate - value)^2 + stiff * bending energy.

    Args:
        n: knots a side.
        at: shape (k, 2): places (x, y), each 0 to n - 1.
        value: shape (k, 2).
        weight: shape (k,).
        stiff: 0.01 follows every value, 10 is nearly flat.

    Returns:
        Shape (n, n, 2), float32.
    """
    low = np.clip(np.floor(at).astype(int), 0, n - 2)
    part = at - low
    rows = np.zeros((len(at), n * n))
    k = np.arange(len(at))
    for dx in (0, 1):
        for dy in (0, 1):
            share = (part[:, 0] if dx else 1 - part[:, 0]) * (part[:, 1] if dy else 1 - part[:, 1])
            rows[k, (low[:, 1] + dy) * n + low[:, 0] + dx] = share
    weighed = rows.T * weight
    plate = np.linalg.solve(weighed @ rows + stiff * _stiffness(n) + 1e-6 * np.eye(n * n), weighed @ value)
    return np.asarray(np.clip(plate, -BEND_MODULES_MAX, BEND_MODULES_MAX).reshape(n, n, 2), np.float32)


@cache
def _mark(rings: int) -> Floats:
    """A finder (4 rings around its middle, the last one light) or an alignment pattern (2 rings), straightened."""
    modules = (np.abs(np.indices((2 * rings + 1,) * 2) - rings).max(axis=0) % 2 == 0).astype(np.float32)
    if rings == 4:
        modules = np.isin(np.abs(np.indices((9, 9)) - 4).max(axis=0), (0, 1, 3)).astype(np.float32)
    drawn = 1 - np.kron(modules, np.ones((PX, PX), np.float32))
    return _blurred(drawn, 0.35 * PX)


def _blurred(picture: Floats, spread_px: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), spread_px), np.float32)


@cache
def _marks(dim: int) -> list[tuple[float, float, int]]:
    """Centres (x, y) of finder and alignment patterns, module coordinates, and their rings; near a finder first."""
    fixed = layout(version_of(dim)).fixed
    finders = [(3.5, 3.5), (dim - 3.5, 3.5), (3.5, dim - 3.5)]
    match = cv2.matchTemplate(
        np.where(fixed == 1, 1, np.where(fixed == 0, -1, 0)).astype(np.float32),
        np.where(np.abs(np.indices((5, 5)) - 2).max(axis=0) == 1, -1, 1).astype(np.float32),
        cv2.TM_CCORR,
    )
    found = [(float(c) + 2.5, float(r) + 2.5, 2) for r, c in zip(*np.nonzero(match > 24.5), strict=True)]
    found.sort(key=lambda mark: min((mark[0] - x) ** 2 + (mark[1] - y) ** 2 for x, y in finders))
    return [(x, y, 4) for x, y in finders] + found


def anchored(grid: Grid, *, reach: float = 2.2, trust: float = 0.45) -> Grid:
    """The grid bent so that it goes through the finder and alignment patterns that are found near where they should be.

    Args:
        grid: the grid as it is.
        reach: how far from its place a pattern may be, modules.
        trust: the correlation from which a pattern is believed.
    """
    picture, _ = grid.straightened()
    n = grid.bend.shape[0]
    at: list[tuple[float, float]] = []
    value: list[tuple[float, float]] = []
    for x, y, rings in _marks(grid.dim):
        ahead = np.zeros(2)
        if len(at) >= 3:  # what was found nearest says where to look
            apart = ((np.array(at) - (x, y)) ** 2).sum(axis=1)
            near = np.argsort(apart)[:4]
            ahead = np.average(np.array(value)[near], axis=0, weights=1 / (apart[near] + 1))
        hit = _nearby(picture, x + ahead[0], y + ahead[1], _mark(rings), reach if rings == 2 else 1.5)
        if hit is not None and hit[2] > trust:
            at.append((x, y))
            value.append((ahead[0] + hit[0], ahead[1] + hit[1]))
    if len(at) < 3:
        return grid
    scaled = (np.array(at, np.float32) / grid.dim * (n - 1)).astype(np.float32)
    found = np.array(value, np.float32)
    bend = smoothed(n, scaled, found, np.ones(len(at), np.float32), 0.02)
    return replace(grid, bend=grid.bend + bend)


def _nearby(picture: Floats, x: float, y: float, mark: Floats, reach: float) -> tuple[float, float, float] | None:
    """How far from (x, y) the mark is (modules), and its correlation there; None off the picture."""
    half = mark.shape[0] / 2
    left, top = (round((v + BORDER) * PX - half - reach * PX) for v in (x, y))
    size = mark.shape[0] + 2 * round(reach * PX)
    x0, y0 = max(left, 0), max(top, 0)
    window = picture[y0 : top + size, x0 : left + size]
    if min(window.shape) < mark.shape[0]:
        return None
    match = cv2.matchTemplate(window, mark, cv2.TM_CCOEFF_NORMED)
    _, score, _, (column, row) = cv2.minMaxLoc(match)
    dx = (x0 + column + _peak(match[row], column) + half) / PX - BORDER - x
    dy = (y0 + row + _peak(match[:, column], row) + half) / PX - BORDER - y
    return dx, dy, score


def _peak(line: NDArray[Any], i: int) -> float:
    """Where between its samples the top of a peak lies, by the parabola through three of them."""
    if not 0 < i < len(line) - 1:
        return 0.0
    before, at, after = line[i - 1 : i + 2].tolist()
    curve = before - 2 * at + after
    return float(np.clip(0.5 * (before - after) / curve, -0.5, 0.5)) if curve < -1e-6 else 0.0


def grown(grid: Grid, decided: Floats, sure: Floats, turn: int) -> Grid:
    """The grid after one turn of analysis and synthesis.

    Args:
        grid: the grid as it is.
        decided: shape (dim, dim): 1 dark, 0 light.
        sure: shape (dim, dim): the weight of each decision, 0 to about 2.5.
        turn: 0, 1, ...: the first ones look farther and believe less.
    """
    window, reach = (9, 1.5) if turn < 2 else (9 if turn == 2 else 7, 1.0)
    shift, match = _shifts(grid, decided, sure, window, reach)
    n = grid.bend.shape[0]
    least = max(0.55, float(np.quantile(match, 0.35 if turn > 2 else 0.6)))
    if (match >= least).sum() < 6:
        least = float(np.quantile(match, 0.8))
    weight = np.where(match >= least, match, 0).astype(np.float32)
    y, x = np.indices((n, n), np.float32)
    at = np.stack([x.ravel(), y.ravel()], axis=1)
    bend = smoothed(n, at, (grid.bend + shift).reshape(-1, 2), weight.ravel(), 0.5 if turn < 4 else 0.2)
    return replace(grid, bend=bend)


def _shifts(grid: Grid, decided: Floats, sure: Floats, window: int, reach: float) -> tuple[Floats, Floats]:
    """How far the picture around each knot lies from the drawing of what was decided.

    Returns:
        Shape (n, n, 2), modules; and shape (n, n), the correlation there.
    """
    straight, _ = grid.straightened()
    picture = cv2.resize(straight, None, fx=GROWTH_PX / PX, fy=GROWTH_PX / PX, interpolation=cv2.INTER_AREA)
    drawn = np.zeros((grid.dim + 2 * BORDER,) * 2, np.float32)
    weight = np.full_like(drawn, 0.5)
    inner = slice(BORDER, -BORDER)
    drawn[inner, inner], weight[inner, inner] = decided, sure
    drawn = _blurred(1 - np.kron(drawn, np.ones((GROWTH_PX,) * 2, np.float32)), 0.45 * GROWTH_PX)
    weight = np.kron(weight, np.ones((GROWTH_PX,) * 2, np.float32))
    side = (window * GROWTH_PX) | 1
    where = np.clip(((knots(grid.dim) + BORDER) * GROWTH_PX).astype(int), 0, picture.shape[0] - 1)
    nodes = np.ix_(where, where)

    def around(values: Floats) -> Floats:
        return np.asarray(cv2.blur(values, (side, side), borderType=cv2.BORDER_REFLECT)[nodes], np.float32)

    total = around(weight) + 1e-6
    weighed = weight * drawn
    mean_drawn = around(weighed) / total
    spread_drawn = np.maximum(around(weighed * drawn) / total - mean_drawn**2, 1e-4)
    most = round(reach * GROWTH_PX)
    offsets = range(-most, most + 1)
    padded = cv2.copyMakeBorder(picture, most, most, most, most, cv2.BORDER_REPLICATE)
    size = picture.shape[0]
    scores = np.empty((len(offsets), len(offsets), len(where), len(where)), np.float32)
    for i, dy in enumerate(offsets):
        for j, dx in enumerate(offsets):
            slid = padded[most + dy : most + dy + size, most + dx : most + dx + size]
            here = weight * slid
            mean = around(here) / total
            spread = np.maximum(around(here * slid) / total - mean**2, 1.0)
            together = around(weighed * slid) / total - mean * mean_drawn
            scores[i, j] = together / np.sqrt(spread * spread_drawn)
    k, n = len(offsets), len(where)
    flat = scores.reshape(k * k, n * n)
    best = flat.argmax(axis=0)
    row, column = np.divmod(best, k)
    every = np.arange(n * n)
    cube = scores.reshape(k, k, n * n)

    def between(index: NDArray[np.intp], before: Floats, at: Floats, after: Floats) -> NDArray[np.floating]:
        curve = before - 2 * at + after
        part = np.where(curve < -1e-6, 0.5 * (before - after) / np.minimum(curve, -1e-6), 0).clip(-0.6, 0.6)
        return np.asarray((index + part - most) / GROWTH_PX)

    inner_row, inner_column = row.clip(1, k - 2), column.clip(1, k - 2)
    dy_found = between(inner_row, *(cube[inner_row + d, column, every] for d in (-1, 0, 1)))
    dx_found = between(inner_column, *(cube[row, inner_column + d, every] for d in (-1, 0, 1)))
    shift = np.stack([dx_found, dy_found], axis=-1).reshape(n, n, 2).astype(np.float32)
    return shift, flat.max(axis=0).reshape(n, n)
