"""The measure: a symbol's place in a frame -> how bright, sharp, clear and large it is there, read or not.

Nothing here needs to know what the symbol says. Its modules are as good as random, so their spectrum is known before
one of them is, and what the photograph's lacks of it is blur; a place a few modules off costs nothing, for it moves
only the phases.
"""

import math
from dataclasses import dataclass, replace
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.uint8]
Floats = NDArray[np.float32]

# The straightened picture's px per module. Its spectrum reaches 2 cycles a module; no lens and paper leave any above 1.
PX = 4
# Modules of surroundings: the quiet zone, whose brightness is the paper's.
RIM = 3
# Modules of a symbol whose number of them is not known: an acta's.
MODULES = 49
# Cycles per module between which blur is fitted: light and shade lie below, and above a module itself has little.
BAND = (0.07, 0.85)
# A blur of more modules leaves nothing to measure.
BLUR_MAX = 1.5
# A direction's spectrum is told from noise while it is this many times as strong.
ABOVE_NOISE = 3.0
# Below this signal to noise a sharp symbol's spectrum may not stand out anywhere, and nothing can be said of its blur.
HIDING = 10.0
# Blur is what its first nats do to the power: farther down lie motion's lobes and what is left of the noise.
FALL = 2.5
# White and without an edge over this many modules a side, what is printed there is not seen: even three by three light
# modules come together by chance at 1 place in 500.
EDGELESS_MODULES = 4


@dataclass(frozen=True, slots=True)
class Measures:
    """What a photograph is like where a symbol lies.

    Attributes:
        light: brightness of the paper around it, 0 to 255.
        contrast: brightness of the paper less that of the ink, as seen, as a share of the paper's: 0 to 1.
        blur: standard deviation of a Gaussian, modules; of the worst of four directions, at most `BLUR_MAX`; 0 where
            noise leaves none to be seen.
        glare: share of the symbol that is brighter than the paper and without edges, 0 to 1.
        outside: share of the symbol that is not in the frame, 0 to 1.
        noise: standard deviation from pixel to pixel, levels of luma.
        pitch: px per module.
    """

    light: float
    contrast: float
    blur: float
    glare: float
    outside: float
    noise: float
    pitch: float

    @property
    def signal_to_noise(self) -> float:
        """The step from paper to ink to the noise that is left when a module's pixels are averaged."""
        return self.light * self.contrast * max(self.pitch, 1.0) / max(self.noise, 0.3)


def measure(luma: Luma, corners: NDArray[np.floating], modules: int = MODULES) -> Measures:
    """Measures a symbol, or what is left of one.

    Args:
        luma: shape (height, width), uint8.
        corners: shape (4, 2), px: the outer corners of what is printed, in order around it; they may lie outside the
            frame. Where a part is cut off, it is no square, and the longer sides are taken for whole ones.
        modules: modules along a whole side.
    """
    at = np.asarray(corners, np.float32)
    sides = np.linalg.norm(np.roll(at, -1, axis=0) - at, axis=1)
    across, down = float(sides[0] + sides[2]) / 2, float(sides[1] + sides[3]) / 2
    pitch = max(across, down, 1.0) / modules
    size = max(4, round(across / pitch)), max(4, round(down / pitch))
    picture, inside = _straightened(luma, at, size, pitch)
    code = np.zeros(picture.shape, bool)
    code[RIM * PX : -RIM * PX, RIM * PX : -RIM * PX] = True
    within = code & inside
    if not within.any():
        return Measures(0.0, 0.0, BLUR_MAX, 0.0, 1.0, 0.0, pitch)
    soft = cv2.blur(picture, (PX + 1,) * 2).astype(np.float32)  # a module's mean: of single px the lowest are noise
    rim = np.ones(picture.shape, bool)
    rim[2 * PX : -2 * PX, 2 * PX : -2 * PX] = False
    light = _light(soft, rim & inside, within)
    window = np.ones((EDGELESS_MODULES * PX,) * 2, np.uint8)
    lowest = cv2.erode(soft, window)
    glaring = (cv2.dilate(lowest, window) > (light + 255) / 2) & within
    seen = within & ~glaring
    black = float(np.percentile(lowest[seen], 25)) if seen.any() else light
    measures = Measures(
        light,
        min(max(1 - black / max(light, 1.0), 0.0), 1.0),
        blur_of(picture, seen.astype(np.float32)),
        float(glaring.sum() / within.sum()),
        1 - float(within.sum() / code.sum()),
        noise_of(luma, at),
        pitch,
    )
    hidden = measures.blur == BLUR_MAX and measures.signal_to_noise < HIDING
    return replace(measures, blur=0.0) if hidden else measures


def _straightened(luma: Luma, at: Floats, modules: tuple[int, int], pitch: float) -> tuple[Floats, NDArray[np.bool_]]:
    """The symbol with its rim upright, `PX` px a module; and what of it the frame holds."""
    height, width = luma.shape
    low = np.floor(at.min(axis=0) - 2 * RIM * pitch).clip(0, (width - 1, height - 1)).astype(int)
    high = np.ceil(at.max(axis=0) + 2 * RIM * pitch).clip(1, (width, height)).astype(int)
    cut = luma[low[1] : max(high[1], low[1] + 1), low[0] : max(high[0], low[0] + 1)]
    scale = min(max(1, int(pitch / PX)), *cut.shape)  # whole px: a tenth of the time
    if scale > 1:
        cut = cut[: cut.shape[0] // scale * scale, : cut.shape[1] // scale * scale]
        size = cut.shape[1] // scale, cut.shape[0] // scale
        cut = cv2.resize(cut, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    side = (modules[0] + 2 * RIM) * PX, (modules[1] + 2 * RIM) * PX
    left, right, bottom = RIM * PX, side[0] - RIM * PX, side[1] - RIM * PX
    upright = np.array([(left, left), (right, left), (right, bottom), (left, bottom)], np.float32)
    onto = cv2.getPerspectiveTransform(upright, ((at - low) / scale).astype(np.float32))
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    inside = cv2.warpPerspective(np.full(cut.shape, 255, np.uint8), onto, side, flags=how) > 127
    picture = cv2.warpPerspective(cut, onto, side, flags=how, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(picture, np.float32), inside


def _light(soft: Floats, rim: NDArray[np.bool_], within: NDArray[np.bool_]) -> float:
    """The paper's brightness: of the quiet zone the darker part, for glare may lie over the rest; no tray, no ink."""
    around = soft[rim if rim.sum() > PX * min(soft.shape) else within]
    paper = around[around >= float(np.percentile(around, 90)) / 2]
    return float(np.percentile(paper, 40))


def noise_of(luma: Luma, at: Floats) -> float:
    """The noise from pixel to pixel: what neighbours along a row differ by beyond a straight slope, at the median.

    Edges are few pixels among many; where they are not, below 3 px a module, they count as noise.
    """
    height, width = luma.shape
    middle = at.mean(axis=0)
    half = float(np.ptp(at, axis=0).max()) * 0.7
    x0, x1 = (int(np.clip(middle[0] + way * half, 0, width)) for way in (-1, 1))
    y0, y1 = (int(np.clip(middle[1] + way * half, 0, height)) for way in (-1, 1))
    step = max(1, (y1 - y0) // 64)
    rows = luma[y0:y1:step, x0:x1].astype(np.float32)
    if rows.shape[1] < 3 or rows.size == 0:
        return 0.0
    second = rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:]
    # The mean of the lower half of such differences of white noise is 0.3188 * sqrt(6) of its deviation. Their median
    # would do for real numbers, but of whole ones it is 0 or 1 when noise is less than a level.
    magnitude = np.sort(np.abs(second), axis=None)[: max(1, second.size // 2)]
    return float(magnitude.mean() / (0.3188 * 6**0.5))


# Rings of the spectrum, cycles per module, up to where no symbol has any left.
RING = 0.05
RINGS = 36
SECTORS = 4


@cache
def _directions(shape: tuple[int, int]) -> tuple[NDArray[np.intp], Floats, Floats]:
    """For each place of the spectrum of such a picture its bin, 0 for none; and for all bins, shape (sectors, rings),
    the mean square of their frequency and the power that random modules have there."""
    fy, fx = np.fft.fftfreq(shape[0])[:, None] * PX, np.fft.rfftfreq(shape[1])[None, :] * PX
    radius = np.hypot(fx, fy)
    sector = np.floor(np.arctan2(fy, fx) % np.pi / (np.pi / SECTORS) + 0.5).astype(int) % SECTORS
    ring = np.floor((radius - BAND[0]) / RING).astype(int)
    bins = np.where((ring >= 0) & (ring < RINGS), 1 + sector * RINGS + ring, 0)
    random = np.sinc(fx) ** 2 * np.sinc(fy) ** 2
    return bins, _means(bins, radius**2), _means(bins, random)


def _means(bins: NDArray[np.intp], values: NDArray[np.floating]) -> Floats:
    """The mean of what is in each bin, shape (sectors, rings)."""
    size = 1 + SECTORS * RINGS
    found = np.bincount(bins.ravel(), values.ravel(), size) / np.maximum(np.bincount(bins.ravel(), minlength=size), 1)
    return found[1:].reshape(SECTORS, RINGS).astype(np.float32)


def blur_of(picture: Floats, seen: Floats) -> float:
    """The blur, in modules, of the worst of four directions.

    Args:
        picture: `PX` px a module.
        seen: the same shape: 1 where the symbol is to be seen, 0 where not.
    """
    bins, squared, random = _directions(picture.shape)
    soft = (4 * PX) | 1  # a sharp edge of what is seen has a spectrum of its own
    weight = seen * cv2.blur(seen, (soft, soft)) ** 2
    around = (12 * PX) | 1
    mean = cv2.blur(picture * seen, (around, around)) / (cv2.blur(seen, (around, around)) + np.float32(1e-3))
    power = _means(bins, np.abs(np.fft.rfft2((picture - mean) * weight)) ** 2)
    noise = float(power.mean(axis=0).min())
    return max(_fitted(*each, noise) for each in zip(power, squared, random, strict=True))


def _fitted(power: Floats, squared: Floats, random: Floats, noise: float) -> float:
    """The Gaussian that takes random modules' spectrum to this one: its logarithm falls straight with f squared."""
    usable = (power > ABOVE_NOISE * noise) & (squared < BAND[1] ** 2)
    known = np.log(np.maximum(power - noise, 1e-12) / np.maximum(random, 1e-12))
    usable &= known > known[:3].max() - FALL
    end = int(np.argmin(usable)) if not usable.all() else len(usable)  # what rises again behind a gap is another lobe
    if end < 3:
        return BLUR_MAX
    known = known[:end]
    at = squared[:end] - squared[:end].mean()
    slope = float((at * known).sum() / (at * at).sum())
    return min(math.sqrt(max(-slope, 0.0)) / (2 * math.pi), BLUR_MAX)
