"""The tray: whether what lies under the camera looks like a printed sheet, asked of a frame in which nothing was read.

What is no sheet (a face, a room, a hand, the empty tray) is refused before anything of it is stored. A sheet that is
refused costs more than a table top that is stored, so whatever could be one passes, and a second press insists.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from device.reader.square import View, view_of

Luma = NDArray[np.uint8]

# What each is at its least among 270 drawn sheets of all mixes in which print can be seen, and what it is of other
# things (docs/reading.md): paper's light beside that of the tray or table; the share of its smallest rectangle that it
# fills; the share of it that is strokes; the share of its places where there are any.
LIGHT_TO_TRAY = 1.5
FILLED = 0.78
STROKES = 0.04
PRINTED = 0.4
# A stroke is darker than what is around it within so many px of the view, by so much of white.
STROKE_PX = 7
STROKE_INK = 0.08
# A place is one of so many across the paper; where so much of it is strokes, there is print.
PLACES = 6
PRINT_SHARE = 0.03
# Edges of print are looked for within a square of so many px, 44 mm of an acta.
SHARP_PX = 512
# Text of 11.5 px a mm below this cannot be read by a person either.
SHARPNESS_MIN = 0.12


@dataclass(frozen=True, slots=True)
class Lies:
    """What lies there.

    Attributes:
        is_paper: whether it looks like a printed sheet.
        skew_deg: by how much it is turned against the picture, the nearest way: 0 to 45.
        sharpness: share of the step from paper to ink that the sharpest edges take within a px, 0 to 1.
    """

    is_paper: bool
    skew_deg: float
    sharpness: float


def look(luma: Luma, view: View | None = None) -> Lies:
    """Looks what lies there.

    Args:
        luma: shape (height, width), uint8.
        view: of this frame, where it is at hand; else it is made.
    """
    view = view or view_of(luma)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(view.paper.astype(np.uint8))
    if count < 2:
        return Lies(is_paper=False, skew_deg=0.0, sharpness=0.0)
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    outline = cv2.findNonZero((labels == largest).astype(np.uint8))
    middle, (across, down), angle = cv2.minAreaRect(outline)
    filled = float(stats[largest, cv2.CC_STAT_AREA]) / max(across * down, 1.0)
    is_paper = filled >= FILLED and _is_bright(view) and _is_printed(view)
    (at,) = view.in_frame(np.array([middle], np.float32))
    return Lies(is_paper, turned(angle), sharpness(luma, (float(at[0]), float(at[1]))))


def turned(angle_deg: float) -> float:
    """How far an angle is from upright, the nearest way: 0 to 45 degrees."""
    return abs((angle_deg + 45) % 90 - 45)


def sharpness(luma: Luma, middle: tuple[float, float]) -> float:
    """How much of the step from paper to ink the sharpest edges take within a px, in the worse of two directions.

    Args:
        luma: shape (height, width), uint8.
        middle: px; it is asked of a square around it.
    """
    height, width = luma.shape
    sides = zip(middle, (width, height), strict=True)
    x, y = (round(min(max(at - SHARP_PX / 2, 0), max(side - SHARP_PX, 0))) for at, side in sides)
    cut = luma[y : y + SHARP_PX, x : x + SHARP_PX].astype(np.int16)
    if min(cut.shape) < 2:
        return 0.0
    step = max(float(np.subtract(*np.percentile(cut, (98, 2)))), 1.0)
    return min(1.0, min(float(np.percentile(np.abs(np.diff(cut, axis=axis)), 99.5)) for axis in (0, 1)) / step)


def _is_bright(view: View) -> bool:
    tray = view.luma[~view.paper]
    return tray.size < 0.02 * view.luma.size or view.light >= LIGHT_TO_TRAY * max(float(np.median(tray)), 1.0)


def _is_printed(view: View) -> bool:
    """Whether there are thin strokes, and nearly everywhere: shades, folds and features are wide, or few."""
    strokes = cv2.morphologyEx(view.luma, cv2.MORPH_BLACKHAT, np.ones((STROKE_PX, STROKE_PX), np.uint8))
    # Along the paper's own edge the tray is a stroke; the edge of the picture is none.
    within = cv2.erode(view.paper.astype(np.uint8), np.ones((STROKE_PX + 2,) * 2, np.uint8), borderValue=1) > 0
    within &= ~view.glare
    ink = (strokes > STROKE_INK * view.white) & within
    if not within.any() or float(ink.sum()) < STROKES * float(within.sum()):
        return False
    size = max(2, round(view.wide / PLACES))
    seen, printed = (
        cv2.boxFilter(marks.astype(np.float32), -1, (size, size))[size // 2 :: size, size // 2 :: size]
        for marks in (within, ink)
    )
    places = seen > 0.6
    return bool(places.any()) and float((printed[places] > PRINT_SHARE * seen[places]).mean()) >= PRINTED
