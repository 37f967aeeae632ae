"""The why: a frame that could not be read -> what hindered, so that the next press can do better.

What hinders is measured where a symbol lies, and each hindrance is held against what the reader can take of it alone:
the one that is the largest part of that is the cause. Where none comes near, the photograph is good and the print is
not.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from device.cause import Cause
from device.reader.measure import MODULES, Measures, measure, noise_of
from device.reader.square import Floats, Luma, View, square_of, view_of

# What the reader takes of each hindrance alone until it fails on half of the frames (bench/why.py).
BLUR_MODULES = 0.65
PITCH_PX = 1.8
SIGNAL_TO_NOISE = 8.0
GLARE_SHARE = 0.10
CUT_SHARE = 0.05
# Where there is no paper beyond a side, the quiet zone at least is cut off.
QUIET_SHARE = 0.03
# What is less than this of a limit did not hinder.
HINDERS = 0.75
# Ink of a symbol, as a share of what would be all black: half, and through a camera's tone curve a third. In a
# paragraph it is a tenth, in what is one grey all.
INK_OF_CONTRAST = 0.22, 0.75
# What is so smooth can be a symbol only where nothing in view is sharp.
SMOOTH_MODULES = 1.1
SHARP = 0.4
# Below this nothing printed can be seen; an edge of paper still can, for along it the noise averages out.
LIGHT_TO_NOISE = 3.5
EDGE_PX = 15
EDGE_STEP = 0.08
# Paper is at least so much brighter than the matt black tray; shading of the tray alone makes 1.5.
PAPER_TO_TRAY = 2.0
# Glare this large beside the paper's width squared can hide a symbol.
GLARE_ON_PAPER = 0.13
# No edge of the picture has more of its step within a px of the search: a blur of more than 3 modules.
FOGGED = 0.1


@dataclass(frozen=True, slots=True)
class Hindered:
    """Why a frame could not be read, and what was measured; None where there was nothing to measure."""

    cause: Cause
    measures: Measures | None = None


def why(
    luma: Luma, corners: NDArray[np.floating] | None = None, modules: int = MODULES, view: View | None = None
) -> Hindered:
    """Says why a frame could not be read.

    Args:
        luma: shape (height, width), uint8.
        corners: shape (4, 2), px: the outer corners of what the reader took for a symbol; None when it found nothing.
            Where a square stands out they only say its corners more exactly.
        modules: modules a side, where known.
        view: of this frame, where it is at hand; else it is made.
    """
    view = view or view_of(luma)
    square, located = square_of(view), None if corners is None else view.from_frame(corners)
    hindered = None
    if square is not None:
        exact = located if located is not None and _are_one(square, located) else square
        hindered = _at(luma, view, exact, _cut(view, square), modules)
    hindered = hindered or Hindered(_without_symbol(luma, view))
    if hindered.cause is Cause.NO_CODE and located is not None:
        hindered = _at(luma, view, located, _cut(view, located), modules) or hindered
    return hindered


def _at(luma: Luma, view: View, square: Floats, cut: tuple[float, Cause], modules: int) -> Hindered | None:
    """What hindered where this square is; None where it is no symbol."""
    measures = measure(luma, view.in_frame(square), modules)
    return None if _is_something_else(view, square, measures) else Hindered(_cause(measures, *cut), measures)


def _are_one(one: Floats, other: Floats) -> bool:
    """Whether two squares are nearly the same."""
    (here, side), (there, other_side) = (
        (square.mean(axis=0), float(np.linalg.norm(square - np.roll(square, 1, axis=0), axis=1).mean()))
        for square in (one, other)
    )
    return 0.75 < side / max(other_side, 1.0) < 1.33 and float(np.linalg.norm(here - there)) < 0.2 * side


def _cause(measures: Measures, cut: float, side: Cause) -> Cause:
    hindrances = {
        side: cut / CUT_SHARE,
        Cause.GLARE: measures.glare / GLARE_SHARE,
        Cause.FAR: PITCH_PX / max(measures.pitch, 0.1),
        Cause.DARK: SIGNAL_TO_NOISE / max(measures.signal_to_noise, 0.1),
        Cause.BLURRED: measures.blur / BLUR_MODULES,
    }
    worst = max(hindrances, key=hindrances.__getitem__)
    return worst if hindrances[worst] >= HINDERS else Cause.DAMAGED


def _is_something_else(view: View, square: Floats, measures: Measures) -> bool:
    """Whether what looks like a symbol from afar is none: a hand, a picture, print in lines."""
    within = np.zeros(view.luma.shape, np.uint8)
    cv2.fillConvexPoly(within, np.rint(square).astype(np.int32), (1,))
    seen = view.ink[(within > 0) & view.seen]
    least, most = (share * measures.contrast for share in INK_OF_CONTRAST)
    if not seen.size or float(seen.mean()) < least:
        return True
    if measures.blur < SMOOTH_MODULES:
        return float(seen.mean()) > most
    return min(_sharpness(view)) > SHARP


def _sharpness(view: View) -> tuple[float, float]:
    """How much of the step from black to white the steepest edges take within a px, along columns and along rows."""
    step = max(view.light - float(np.percentile(view.luma, 2)), 1.0)
    down, across = (float(np.percentile(np.abs(np.diff(view.luma, axis=axis)), 99.95)) / step for axis in (0, 1))
    return down, across


def _cut(view: View, square: Floats) -> tuple[float, Cause]:
    """The share of the symbol, with its quiet zone, that is cut off; and at which side: one with no paper beyond it."""
    lengths = np.linalg.norm(np.roll(square, -1, axis=0) - square, axis=1)
    beyond = (view.seen | view.glare).astype(np.uint8)
    middle = square.mean(axis=0)
    missing, where = 0.0, Cause.CUT_TOP
    for i in range(4):
        one, other = square[i], square[(i + 1) % 4]
        out = (one + other) / 2 - middle
        out /= max(float(np.linalg.norm(out)), 1e-3)
        along = one + np.linspace(0.1, 0.9, 20)[:, None, None] * (other - one)
        strip = along + np.linspace(0.03, 0.12, 4)[None, :, None] * float(lengths.max()) * out
        share = QUIET_SHARE + 1 - float(lengths[(i + 1) % 4] / max(lengths.max(), 1e-3))
        if share > missing and _share(beyond, strip.reshape(-1, 2)) < 0.5:
            missing, where = share, _side(out)
    return missing, where


def _side(out: Floats) -> Cause:
    if abs(out[0]) > abs(out[1]):
        return Cause.CUT_LEFT if out[0] < 0 else Cause.CUT_RIGHT
    return Cause.CUT_TOP if out[1] < 0 else Cause.CUT_BOTTOM


def _share(marks: NDArray[np.uint8], at: NDArray[np.floating]) -> float:
    """The share of these places, px, where there is a mark."""
    height, width = marks.shape
    x, y = np.rint(at).astype(int).T
    inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    return float((marks[y.clip(0, height - 1), x.clip(0, width - 1)] * inside).mean())


def _without_symbol(luma: Luma, view: View) -> Cause:
    """What hindered where no symbol can be made out: nothing, unless the whole picture says that one could not be."""
    tray = view.luma[~view.paper]
    on_tray = tray.size > 0.02 * view.luma.size and float(np.median(tray)) * PAPER_TO_TRAY < view.light
    height, width = luma.shape
    noise = noise_of(luma, np.array([(0, 0), (width, height)], np.float32))
    if view.light < LIGHT_TO_NOISE * max(noise, 1.0) and _has_edge(view):
        return Cause.DARK
    if view.glare.sum() > GLARE_ON_PAPER * view.wide**2:
        return Cause.GLARE
    if on_tray and max(_sharpness(view)) < FOGGED:
        return Cause.BLURRED
    return Cause.NO_CODE


def _has_edge(view: View) -> bool:
    """Whether something lies there: light that changes within a few px, as by noise or a lens's shading it does not."""
    soft = cv2.blur(view.luma, (EDGE_PX, EDGE_PX)).astype(np.float32)
    steps = [soft[EDGE_PX:] - soft[:-EDGE_PX], soft[:, EDGE_PX:] - soft[:, :-EDGE_PX]]
    steepest = max((float(np.percentile(np.abs(step), 99)) for step in steps if step.size), default=0.0)
    return steepest > EDGE_STEP * max(float(soft.mean()), 1.0)
