"""Marring: graded harm to any luma picture that an upright code fills, such as the published crops of real scans.

Each kind's full grade is far past what a reader can take; grades between are even steps of the harm itself.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.uint8]
Floats = NDArray[np.float32]

GRADES = 8  # that benches take, see `grade`


def grade(step: int) -> float:
    """The grade of a bench's step, 0 to `GRADES` - 1: an eighth to all."""
    return (step + 1) / GRADES


def mar(luma: Luma, kind: str, grade: float, seed: int) -> Luma:
    """The picture with that kind of harm done to it.

    Args:
        luma: shape (height, width), dtype uint8; harm is measured in shares of its shorter side.
        kind: one of `KINDS`.
        grade: 0, no harm, to 1.
        seed: of where it strikes, 0 or more.

    Raises:
        ValueError: no such kind, or a grade beyond 0 to 1.
    """
    if kind not in KINDS:
        raise ValueError(f"there is no kind {kind} of marring; there are {', '.join(KINDS)}")
    if not 0 <= grade <= 1:
        raise ValueError(f"grade of marring is {grade:g}, expected 0 to 1")
    if grade == 0:
        return luma.copy()
    rng = np.random.default_rng([seed, list(KINDS).index(kind)])
    marred = KINDS[kind](luma.astype(np.float32), np.float32(grade), rng)
    return np.clip(np.rint(marred), 0, 255).astype(np.uint8)


def _blur(luma: Floats, grade: np.float32, _: np.random.Generator) -> Floats:
    """Sigma of up to 1/70 of the picture: three quarters of a module of the published crops."""
    return cv2.GaussianBlur(luma, (0, 0), float(grade) * min(luma.shape) / 70).astype(np.float32, copy=False)


def _dim(luma: Floats, grade: np.float32, rng: np.random.Generator) -> Floats:
    """As little light as leaves white at luma 9, with the noise of so few photons, each worth half a level."""
    light = luma * (np.float32(1) - np.float32(0.96) * np.sqrt(grade))
    noise = rng.standard_normal(luma.shape, np.float32) * np.sqrt(light / 2 + 4 * grade)
    dimmed: Floats = light + noise.astype(np.float32)
    return dimmed


def _fade(luma: Floats, grade: np.float32, rng: np.random.Generator) -> Floats:
    """The contrast goes, unevenly: at full grade to a hundredth or less, with a scanner's noise over it."""
    white = np.float32(np.percentile(luma, 90))
    coarse = rng.uniform(0.8, 1.1, (5, 5)).astype(np.float32)
    patches = cv2.resize(coarse, luma.shape[::-1], interpolation=cv2.INTER_CUBIC)
    left = np.maximum(1 - np.sqrt(grade) * patches, np.float32(0.01))
    noise = rng.standard_normal(luma.shape, np.float32) * np.float32(2)
    faded: Floats = (white + (luma - white) * left + noise).astype(np.float32)
    return faded


def _streaks(luma: Floats, grade: np.float32, rng: np.random.Generator) -> Floats:
    """Columns without print, each 1/400 to 1/150 of the picture wide: 30 % of it at full grade."""
    width = luma.shape[1]
    order = rng.permutation(width)
    wide = rng.uniform(1 / 400, 1 / 150, width) * width
    struck = luma.copy()
    white, gone = np.percentile(luma, 90), np.zeros(width, bool)
    for column, breadth in zip(order, wide, strict=True):
        if gone.mean() >= 0.3 * float(grade):
            break
        gone[column : column + max(1, round(float(breadth)))] = True
    struck[:, gone] = white
    return struck


def _cut(luma: Floats, grade: np.float32, rng: np.random.Generator) -> Floats:
    """An edge is gone, up to 30 % of the picture, and white instead."""
    turns = int(rng.integers(4))
    turned = np.rot90(luma, turns).copy()
    turned[:, : round(0.3 * float(grade) * turned.shape[1])] = np.percentile(luma, 90)
    return np.ascontiguousarray(np.rot90(turned, -turns))


def _fold(luma: Floats, grade: np.float32, rng: np.random.Generator) -> Floats:
    """A fold through the code: print flaked off along it, up to 6 % of the picture, and one half in the shade."""
    height, width = luma.shape
    angle = rng.choice([0.0, np.pi / 2]) + rng.normal(0, 0.15)
    middle = rng.uniform(0.3, 0.7, 2) * (width, height)
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    off = ((x - middle[0]) * np.cos(angle) + (y - middle[1]) * np.sin(angle)) / min(height, width)
    flaked = np.exp(-((off / (0.03 * float(grade))) ** 4))
    shaded = 1 - 0.5 * float(grade) / (1 + np.exp(-off * 80))
    white = np.percentile(luma, 90)
    folded: Floats = ((luma + (white - luma) * flaked) * shaded).astype(np.float32)
    return folded


KINDS: dict[str, Callable[[Floats, np.float32, np.random.Generator], Floats]] = {
    "blur": _blur,
    "dim": _dim,
    "fade": _fade,
    "streaks": _streaks,
    "cut": _cut,
    "fold": _fold,
}
