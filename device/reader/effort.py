"""The effort: one candidate -> soft modules, again and again, each time with more work put in.

Each attempt is meant to be decoded before the next is asked for. Cheap things come first, and what they found out about
the paper is what the dear ones begin with.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

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
# Attempts of which fewer modules differ say the same. Of 840 pictures 126 were read by a second or later attempt, and
# 0.58 % of its modules or more were new each time; of those nobody could read most attempts brought 0.00 %.
SAME = 1 / 250
# Where ink shrank, dark modules that are known look so much less dark than light ones light; and by how many px of the
# straightened picture, a quarter of a module, it is grown back at each edge. Of 75 drawn actas those that shrank by 0.2
# modules or more have 0.24 to 0.57, most others 0.13 or less.
THIN = 0.2
SHRUNKEN_PX = 1


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

    @property
    def seen(self) -> Floats:
        """The soft modules, 0 where they are lost."""
        return np.where(self.lost, np.float32(0), self.soft)

    def repeats(self, other: "Attempt") -> bool:
        """Whether nearly every module is as dark, as light or as lost as in another attempt."""
        if self.soft.shape != other.soft.shape:
            return False
        return bool((np.sign(self.seen) != np.sign(other.seen)).mean() < SAME)


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


def _is_thin(attempt: Attempt) -> bool:
    """Whether dark modules that are known look lighter than light ones look dark: ink that shrank."""
    known = fixed_of(attempt.grid.dim)
    seen = [attempt.soft[(known == shade) & ~attempt.lost] for shade in (1, 0)]
    return all(soft.size for soft in seen) and sum(float(np.tanh(1.5 * soft).mean()) for soft in seen) < -THIN


def _grown(attempt: Attempt, turn: int) -> Grid:
    """The grid after one turn of growing from what was decided; what is known weighs most, what is lost nothing."""
    known = fixed_of(attempt.grid.dim)
    sure = 0.6 * np.clip(np.abs(np.tanh(attempt.soft)), 0.05, 1) * ~attempt.lost
    dark = np.where(known >= 0, known > 0, attempt.soft > 0)
    return grown(attempt.grid, dark.astype(np.float32), np.where(known >= 0, 2.5, sure).astype(np.float32), turn)


def attempts(grid: Grid, stop: Callable[[], bool] = bool) -> Iterator[Attempt]:
    """Soft modules with growing effort: as laid, anchored, equalised, grown, equalised again; until told to stop.

    Where ink shrank all that follows is of thickened ink.
    """
    best = first_attempt(grid)
    yield best
    bent = first_attempt(anchored(grid))
    if bent.score > best.score - ASTRAY:
        best = bent
        yield best
    if best.score < HOPELESS:
        return
    if _is_thin(best):
        best = first_attempt(replace(best.grid, ink=SHRUNKEN_PX))
        yield best
    clear = first_attempt(best.grid, best)
    yield clear
    now, score = best, best.score
    for turn in range(GROWTH_TURNS):
        if stop():
            return
        now = first_attempt(_grown(now, turn))
        if not turn and clear.repeats(best) and now.repeats(best):  # so crisp and so well laid that nothing will change
            return
        if turn % 3 == 2:
            yield now
            if now.repeats(best):  # so are all that follow
                return
            if now.score > score - ASTRAY:
                best, score = now, max(score, now.score)
    for _ in range(2):
        clear = first_attempt(best.grid, best)
        yield clear
        best = first_attempt(_grown(clear, GROWTH_TURNS), clear)
    yield best
