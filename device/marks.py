"""The marks: what is printed on the tray, where it lies, and what a picture of it tells: scale, tilt, an empty tray.

Places are in mm: (0, 0) lies on the tray under the lens, x across it and to the right, y along it towards the arrow at
which the QR end is laid. The sheet to print is hardware/build/exports/marks.pdf.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.uint8]
Floats = NDArray[np.floating[Any]]
Place = tuple[float, float]

FIELD_MM = 400.0
"""How much of the paper's length the camera sees."""
CHANNEL_MM = 82.0
"""Between the rails: the widest acta measured is 79.5 mm."""
END_MM = 170.0
"""Where the paper's QR end is laid, in y: its code, 25 to 82 mm from there, then lies well within the field."""

MARK_MM = 12.0
CELLS = 6
"""Along a side of a mark: its four, and the black border."""
QUIET_MM = MARK_MM / CELLS
"""White around a mark."""

SCALE: Mapping[int, Place] = dict(enumerate((x, y) for y in (174.0, 60.0, -60.0, -174.0) for x in (-56.0, 56.0)))
"""Beside the channel: always in view. None lies at y = 0, where the halves of the tray are joined."""
EMPTY: Mapping[int, Place] = {10 + n: (0.0, y) for n, y in enumerate((150.0, 90.0, 30.0, -30.0, -90.0, -150.0))}
"""In the channel: in view where nothing lies."""
CUT: Mapping[int, Place] = {20: (0.0, 180.0), 21: (0.0, -180.0)}
"""In the channel, near the ends of the field: what covers one may run on beyond what the camera sees."""
MARKS: Mapping[int, Place] = {**SCALE, **EMPTY, **CUT}

DICTIONARY = cv2.aruco.DICT_4X4_50
"""ArUco marks, which stock OpenCV finds."""

SIDE_PX_MAX = 1600
"""A picture is made smaller than this before marks are looked for: a cell still has 8 px of a field of 400 mm."""
SCALE_MARKS_MIN = 4
"""So many marks, 16 corners, tell scale and tilt."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a picture of the tray tells.

    Attributes:
        px_per_mm: of the whole picture, at the middle of the tray.
        leans: by what share a mm is larger on the tray's right than on its left, and at the arrow's end than at the
            other; (0, 0) where the camera looks straight down.
        off_mm: what lies in the picture's middle; (0, 0) where the camera hangs right.
        is_empty: whether every mark in the channel is in view.
        covered: the ends of the channel (`CUT`) whose mark is not in view.
    """

    px_per_mm: float
    leans: Place
    off_mm: Place
    is_empty: bool
    covered: frozenset[int]


def seen(luma: Luma) -> Seen | None:
    """Looks for the marks.

    Args:
        luma: shape (height, width), uint8.

    Returns:
        None, where fewer than `SCALE_MARKS_MIN` of those beside the channel are in view: this is no tray.
    """
    shrink = max(1.0, max(luma.shape) / SIDE_PX_MAX)
    small = luma if shrink == 1 else cv2.resize(luma, None, fx=1 / shrink, fy=1 / shrink, interpolation=cv2.INTER_AREA)
    detector = cv2.aruco.ArucoDetector(cv2.aruco.getPredefinedDictionary(DICTIONARY))
    corners, numbers, _ = detector.detectMarkers(small)
    found = {int(n): c[0] for n, c in zip(numbers.ravel(), corners, strict=True)} if corners else {}
    scale = [number for number in SCALE if number in found]
    if len(scale) < SCALE_MARKS_MIN:
        return None
    half = MARK_MM / 2
    outline = np.array([(-half, half), (half, half), (half, -half), (-half, -half)])
    places = np.concatenate([np.array(SCALE[number]) + outline for number in scale])
    # The edge of a small picture's first pixel, not its middle, is the edge of the large one's.
    pixels = (np.concatenate([found[number] for number in scale]) + 0.5) * shrink - 0.5
    to_pixels = np.asarray(cv2.findHomography(places, pixels)[0], np.float64)
    to_mm = np.linalg.inv(to_pixels)
    # A mm across the tray at its ends and middle, and along it at its sides.
    far, here, near = (_length(to_pixels, (0.0, y), (1.0, 0.0)) for y in (END_MM, 0.0, -END_MM))
    right, along, left = (_length(to_pixels, (x, 0.0), (0.0, 1.0)) for x in (CHANNEL_MM / 2, 0.0, -CHANNEL_MM / 2))
    x, y = _through(to_mm, ((luma.shape[1] - 1) / 2, (luma.shape[0] - 1) / 2))
    return Seen(
        px_per_mm=(here * along) ** 0.5,
        leans=(right / left - 1, far / near - 1),
        off_mm=(x, y),
        is_empty=all(number in found for number in EMPTY),
        covered=frozenset(number for number in CUT if number not in found),
    )


def _through(matrix: Floats, place: Place) -> Place:
    x, y, w = (matrix @ np.array([*place, 1.0])).tolist()
    return x / w, y / w


def _length(to_pixels: Floats, at: Place, step: Place) -> float:
    """How many px a step is whose middle is at a place."""
    (x, y), (dx, dy) = at, step
    before, after = (_through(to_pixels, (x + side * dx / 2, y + side * dy / 2)) for side in (-1, 1))
    return float(np.hypot(after[0] - before[0], after[1] - before[1]))
