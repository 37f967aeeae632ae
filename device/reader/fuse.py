"""The fusing: several frames in which nothing moved -> one better picture.

The mean of frames is worth as much light as there are frames, but only where nothing moved: a mean of moved frames is a
blur; there the modules of each frame's own grid are summed instead. That nothing moved does not prove that all show the
same symbol: `device.reader.decode.speaks_for` does.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.uint8]

# A fifth of the smallest module that is read; chosen, not measured.
STILL_PX = 0.3
REGISTERED_PX = 256


def mean_of(frames: Sequence[Luma]) -> Luma | None:
    """The mean of frames that did not move, its contrast stretched so that rounding loses nothing; None if they did."""
    if any(frame.shape != frames[0].shape for frame in frames):
        return None
    if any(_moved(frames[0], frame) > STILL_PX for frame in frames[1:]):
        return None
    total = np.zeros(frames[0].shape, np.float32)
    for frame in frames:
        cv2.accumulate(frame, total)
    low, high = np.percentile(total[::8, ::8], (0.5, 99.5)).tolist()
    gain = 255.0 / max(high - low, 1.0)
    return np.asarray(cv2.convertScaleAbs(np.maximum(total, low), alpha=gain, beta=-low * gain), np.uint8)


def _moved(one: Luma, other: Luma) -> float:
    """How far the other frame lies from the first, px, at the worst of five places."""
    height, width = one.shape
    side = min(REGISTERED_PX, height, width)
    window = cv2.createHanningWindow((side, side), cv2.CV_32F)
    worst = 0.0
    for y, x in ((0.5, 0.5), (0.25, 0.25), (0.25, 0.75), (0.75, 0.25), (0.75, 0.75)):
        top, left = int(y * (height - side)), int(x * (width - side))
        a, b = (frame[top : top + side, left : left + side].astype(np.float32) for frame in (one, other))
        (dx, dy), response = cv2.phaseCorrelate(a, b, window)
        if response > 0.1:  # a bare wall has nothing to say
            worst = max(worst, float(np.hypot(dx, dy)))
    return worst
