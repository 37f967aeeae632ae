"""The sheet: its measures, and what is known of it: payload, luma, where the code truly is, where paper is missing."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Measures of the scans of 2024: 79.1 to 79.5 mm wide, 850 to 880 mm long, code 56.4 to 57.0 mm wide, 11 mm from the
# left edge, from 90.4 % of the length on.
WIDTH_MM = 79.25
LENGTH_MM = 850
DOTS_PER_MM = 8  # the thermal head, 203 dpi
PX_PER_MM = 2 * DOTS_PER_MM  # a sheet is drawn at twice that, so that the round dots of the QR code have a shape
WIDTH_PX = int(WIDTH_MM * PX_PER_MM)

CODE_MM = 57.0
CODE_LEFT_MM = 11.0
CODE_TOP_MM = 0.904 * LENGTH_MM

PAPER = 235  # luma, evenly lit, of blank paper, of full ink, and of the matt black tray
INK = 35
TRAY = 18

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet of paper, flat and evenly lit. Places on it are (x, y) in mm from the left edge and from row 0.

    The pixel at (row, column) covers the paper from (column, row) / `PX_PER_MM` to one pixel further.

    Attributes:
        payload: what its QR code holds.
        luma: shape (length, width) at `PX_PER_MM`, dtype uint8, 0 black; the code is at the end, upright. `TRAY` where
            there is no paper.
        corners_mm: the outer corners of the code's modules, float64 of shape (4, 2): top left (where the finder is
            that has two neighbours), top right, bottom right, bottom left. None: there is no code, or nobody knows
            where (a picture that no reader reads). They stay where they are when that piece of paper is torn off.
        modules: how many modules the code has along a side; 0 if there is none.
        paper: where there is paper, bool of the shape of luma; None: everywhere.
        creases: the two ends of each line along which the paper was folded, in mm.
    """

    payload: str
    luma: NDArray[np.uint8]
    corners_mm: NDArray[np.float64] | None = None
    modules: int = 0
    paper: NDArray[np.bool_] | None = None
    creases: tuple[tuple[Point, Point], ...] = ()
