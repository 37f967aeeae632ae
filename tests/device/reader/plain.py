"""Plain symbols for the reader's tests, and what can befall them; seeded, and as simple as the test allows."""

import cv2
import numpy as np
import segno
from numpy.typing import NDArray

Luma = NDArray[np.uint8]

# Read off a real acta, mesa 240111020.01: version 8, as its profile says.
ACTA = "240111020.01.1.0001!149,6,9,3,13,2,0,2,11,4,1,1,3,1,0,0,1,1,0,0,1,0,0,1,1,0,0,0,0,0,0,0,0,8,23,334,2,2!0!0"


def stopped() -> float:
    """A clock on which no time passes: what is read must not hang on how slow or busy the machine is."""
    return 0.0


def symbol(content: str | bytes, *, px: int = 5, border: int = 6, **how: object) -> Luma:
    """A symbol of square modules with its quiet zone, an acta's unless told otherwise; 20 black, 230 white."""
    how = {"micro": False, "error": "q", "boost_error": False, "mode": "byte"} | how
    made = segno.make(content, **how)  # type: ignore[arg-type]
    modules = np.array([list(row) for row in made.matrix_iter(scale=px, border=border)], np.uint8)
    return np.where(modules > 0, 20, 230).astype(np.uint8)


def dimmed(luma: Luma, *, light: float, noise: float, seed: int = 0) -> Luma:
    """Less light and the sensor's noise (grey levels, standard deviation)."""
    dim = luma * light + np.random.default_rng(seed).normal(0, noise, luma.shape)
    return np.clip(dim, 0, 255).astype(np.uint8)


def smeared(luma: Luma, px: int) -> Luma:
    """Moved along a row while the shutter was open."""
    return np.asarray(cv2.blur(luma, (px, 1)), np.uint8)


def turned(luma: Luma, degrees: float) -> Luma:
    """Turned about its middle, on white."""
    height, width = luma.shape
    around = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1)
    return np.asarray(cv2.warpAffine(luma, around, (width, height), borderValue=230.0), np.uint8)


def curled(luma: Luma, px: float) -> Luma:
    """Bent along its columns: the middle is moved down by so many px, the ends are not."""
    at = np.indices(luma.shape).astype(np.float32)
    rows, columns = at[0], at[1]
    height, width = luma.shape
    moved = (rows - px * np.sin(np.pi * rows / height) * np.sin(np.pi * columns / width)).astype(np.float32)
    return np.asarray(cv2.remap(luma, columns, moved, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def on_a_roll(luma: Luma, turn: float) -> Luma:
    """On a roll seen from straight above: along its rows, with the slope at either end in radians."""
    height, width = luma.shape
    rows, columns = np.indices((height, round(width * np.sin(turn) / turn))).astype(np.float32)
    beside = (columns * 2 / (columns.shape[1] - 1) - 1) * np.sin(turn)
    on_paper = ((np.arcsin(beside) / turn + 1) * (width - 1) / 2).astype(np.float32)
    return np.asarray(cv2.remap(luma, on_paper, rows, cv2.INTER_LINEAR), np.uint8)


def thinned(luma: Luma, px: int) -> Luma:
    """Ink that shrank by so many px at each of its edges."""
    return np.asarray(cv2.dilate(luma, np.ones((2 * px + 1,) * 2, np.uint8)), np.uint8)
