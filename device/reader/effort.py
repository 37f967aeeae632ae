"""The effort: one candidate -> soft modules, again and again, each time with more work put in.

Each attempt is meant to be decoded before the next is asked for. Cheap things come first, and what they found out about
the paper is what the dear ones begin with.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from device.reader.grid import BORDER, PX, Grid, anchored, grown
from device.reader.levels import agreement, covered, decided, equalised, fixed_of, phases, sampled

Floats = NDArray[np.float32]

GROWTH_TURNS = 6
# A bend that loses this much agreement with the function modules went astray.
ASTRAY = 0.03
# Below this agreement with the function modules the grid is not on the symbol, and better levels are no use.
HOPELESS = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class Attempt:
    """Soft modules to be decoded.

    Attributes:
        how: "grid", or "grid equalised".
        soft: shape (dim, dim), float32: above 0 dark.
        lost: shape (dim, dim), bool: not in the picture.
        grid: where they were taken from.
        score: how well `soft` agrees with the modules that are known, -1 to 1.
    """

    how: str
    soft: Floats
    lost: NDArray[np.bool_]
    grid: Grid
    score: float


def first_attempt(grid: Grid, equalise: Attempt | None = None) -> Attempt:
    """Soft modules from a grid; equalised from what another attempt decided."""
    known = fixed_of(grid.dim)
    picture, outside = grid.straightened()
    if equalise:
        soft = equalised(phases(picture, equalise.soft, known), equalise.soft, known, equalise.lost)
    else:
        soft, _, _ = decided(sampled(picture, grid.dim), known)
    middles = slice(BORDER * PX + PX // 2, -BORDER * PX, PX)
    unseen = outside[middles, middles]
    lost = unseen | covered(np.where(unseen, np.float32(0), soft), known)
    return Attempt("grid equalised" if equalise else "grid", soft, lost, grid, agreement(soft, known))


def _grown(attempt: Attempt, turn: int) -> Grid:
    """The grid after one turn of growing from what was decided; what is known weighs most, what is lost nothing."""
    known = fixed_of(attempt.grid.dim)
    sure = 0.6 * np.clip(np.abs(np.tanh(attempt.soft)), 0.05, 1) * ~attempt.lost
    dark = np.where(known >= 0, known > 0, attempt.soft > 0)
    return grown(attempt.grid, dark.astype(np.float32), np.where(known >= 0, 2.5, sure).astype(np.float32), turn)


def attempts(grid: Grid) -> Iterator[Attempt]:
    """Soft modules with growing effort: as laid, anchored, equalised, grown, equalised again."""
    best = first_attempt(grid)
    yield best
    bent = first_attempt(anchored(grid))
    if bent.score > best.score - ASTRAY:
        best = bent
        yield best
    if best.score < HOPELESS:
        return
    clear = first_attempt(best.grid, best)
    yield clear
    now, score = best, best.score
    for turn in range(GROWTH_TURNS):
        now = first_attempt(_grown(now, turn))
        if turn % 3 == 2:
            yield now
            if now.score > score - ASTRAY:
                best, score = now, max(score, now.score)
    for _ in range(2):
        clear = first_attempt(best.grid, best)
        yield clear
        best = first_attempt(_grown(clear, GROWTH_TURNS), clear)
    yield best
