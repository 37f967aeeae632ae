"""The light: what falls on the paper and what comes back, spot by spot, 1 where it is even and all.

Everything here is told by places on the paper, so that it stays where it is whatever the camera does.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

UNEVEN_MM = 18.0
RELIEF = 0.7  # how much darker paper is that leans away from the lamp by 45 degrees
CHART_MM = 320.0  # the side of the chart of uneven light, laid around the code


@dataclass(frozen=True, slots=True, eq=False)
class Lamps:
    """The lamps over the paper.

    Attributes:
        toward: where the light grows, a unit vector on the paper.
        fall: share by which light falls over `code_mm`.
        code_mm: width of the code.
        shadow: share of the light that is missing in the shadow.
        edge: the shadow begins where places @ its first two numbers exceed the third.
        soft_mm: over how much of the paper the shadow's edge is spread.
        chart: what makes the light uneven, each mm of `CHART_MM`; None: nothing.
        glare: light of the lamp's mirror image at its middle.
        glare_at: where that is.
        glare_mm: its half axes.
    """

    toward: NDArray[np.float64]
    fall: float
    code_mm: float
    shadow: float
    edge: tuple[float, float, float]
    soft_mm: float
    chart: Floats | None
    glare: float
    glare_at: NDArray[np.float64]
    glare_mm: tuple[float, float]

    def diffuse(self, x: Floats, y: Floats, rise: tuple[Floats, Floats] | None) -> Floats:
        """The light that paper scatters at (x, y), where it rises towards the camera by `rise` along x and y."""
        light = self.smooth(x, y, rise)
        return light * self.shade(x, y) if self.shadow else light

    def smooth(self, x: Floats, y: Floats, rise: tuple[Floats, Floats] | None) -> Floats:
        """The same but for the shadow's edge: what may be worked out at a few places and filled in."""
        light = np.ones_like(x)
        if self.fall:
            along = (x * self.toward[0] + y * self.toward[1]) / self.code_mm
            # Past two widths of the code the lamp's beam is even again.
            light *= np.exp(np.log(1 - self.fall) * -np.clip(along, -2, 2)).astype(np.float32)
        if rise is not None:
            lean = rise[0] * self.toward[0] + rise[1] * self.toward[1]
            light *= np.clip(1 - RELIEF * lean, 0.3, 1.5).astype(np.float32)
        if self.chart is not None:
            half = np.float32(CHART_MM / 2)
            light *= cv2.remap(self.chart, x + half, y + half, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        return light

    def shade(self, x: Floats, y: Floats) -> Floats:
        """What the shadow leaves of the light at (x, y)."""
        one, two, three = np.array(self.edge, np.float32) * np.float32(-4 / self.soft_mm)
        across = np.clip(x * one + y * two - three, -40, 40)
        left: Floats = 1 - np.float32(self.shadow) / (1 + np.exp(across.astype(np.float32)))
        return left

    def mirrored(self, x: Floats, y: Floats) -> Floats:
        """The light that the paper's gloss throws into the lens at (x, y), whatever is printed there."""
        far = ((x - self.glare_at[0]) / self.glare_mm[0]) ** 2 + ((y - self.glare_at[1]) / self.glare_mm[1]) ** 2
        light: Floats = (self.glare * np.exp(-(np.minimum(far, 20.0) ** 1.2))).astype(np.float32)
        return light


def uneven(share: float, rng: np.random.Generator) -> Floats:
    """A chart of light uneven by up to about that share, patches of `UNEVEN_MM`."""
    side = int(CHART_MM)
    rough = rng.standard_normal((side, side), np.float32)
    patches = cv2.GaussianBlur(rough, (0, 0), UNEVEN_MM / 2).astype(np.float32, copy=False)
    chart: Floats = 1 + np.float32(share / float(np.abs(patches).max())) * patches
    return chart
