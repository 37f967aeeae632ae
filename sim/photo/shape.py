"""The shape: how the paper lies and bends, and where each spot of it is seen.

Places on the paper are (x, y) in mm from the code's middle, x to the code's right and y to its foot. Paper bends
without stretching: each bend is a profile along one direction, walked at the paper's own pace, so that a millimetre
stays a millimetre. Bends in several directions are added; that is exact for one and good to second order for gentle
ones. What the paper hides behind itself is not modelled: slopes stay below 66 degrees.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STEP_MM = 0.25
REACH_MM = 950.0  # a sheet's length from the code, and some more
STEEPEST = 1.15  # radians
CREASE_MM = 0.7  # paper of 0.06 mm does not bend sharper than over about this
CURLED_MM = (45.0, 95.0)  # so far from its middle a curl is whole, and gone
NEWTON = 8  # steps; what bends gently takes three


@dataclass(frozen=True, slots=True, eq=False)
class Bend:
    """A bend of the paper.

    Attributes:
        along: the direction in which the paper's slope changes, a unit vector on the paper.
        profile: rows of (shift in mm, height in mm, cosine of the slope - 1, sine of the slope) each `STEP_MM`.
    """

    along: Floats
    profile: Floats

    @classmethod
    def of_slopes(cls, along_deg: float, slopes: Floats) -> "Bend":
        """The bend with these slopes in radians at `places()`."""
        slopes = np.clip(slopes, -STEEPEST, STEEPEST)
        cosine, sine = np.cos(slopes) - 1, np.sin(slopes)
        middle = slopes.size // 2
        walked = [np.cumsum(part) * STEP_MM for part in (cosine, sine)]
        angle = np.radians(along_deg)
        return cls(
            np.array([np.cos(angle), np.sin(angle)]),
            np.stack([*(part - part[middle] for part in walked), cosine, sine], axis=1),
        )

    def at(self, places: Floats) -> Floats:
        """Shift, height, cosine - 1 and sine at places of shape (n, 2): shape (n, 4)."""
        at = np.clip((places @ self.along + REACH_MM) / STEP_MM, 0, len(self.profile) - 1.001)
        below = at.astype(np.intp)
        share = (at - below)[:, None]
        found: Floats = self.profile[below] * (1 - share) + self.profile[below + 1] * share
        return found


def places() -> Floats:
    """Where a profile is told, in mm along its direction."""
    return np.arange(-REACH_MM, REACH_MM + STEP_MM, STEP_MM)


def curled(radius_mm: float) -> Bend:
    """The curl of a roll: a cylinder across the paper, which has flattened out some 95 mm from the code's middle."""
    at = places()
    whole, gone = CURLED_MM
    lasting = np.clip((gone - np.abs(at)) / (gone - whole), 0, 1)
    return Bend.of_slopes(90.0, np.clip(at / radius_mm, -STEEPEST, STEEPEST) * lasting)


def waved(amplitude_mm: float, length_mm: float, along_deg: float, phase: float) -> Bend:
    """Waves."""
    turn = 2 * np.pi / length_mm
    return Bend.of_slopes(along_deg, np.arctan(amplitude_mm * turn * np.cos(turn * places() + phase)))


def folded(by_deg: float, along_deg: float, at_mm: float) -> Bend:
    """A fold: the paper's slope changes by so many degrees at one place, half to either side."""
    return Bend.of_slopes(along_deg, np.radians(by_deg) / 2 * np.tanh((places() - at_mm) / CREASE_MM))


def crumpled(slope_deg: float, rng: np.random.Generator) -> tuple[Bend, ...]:
    """Facets of 8 to 25 mm, whose slopes in each of four directions are at most `slope_deg`."""
    at = places()
    bends = []
    for turn in range(4):
        ridges = np.cumsum(rng.uniform(8, 25, at.size // 30)) - REACH_MM
        facet = np.searchsorted(ridges, at)
        slopes = rng.uniform(0.4, 1.0, ridges.size + 1) * (1 - 2 * (np.arange(ridges.size + 1) % 2))
        blunt = np.convolve(np.pad(slopes[facet], 3, mode="edge"), np.full(7, 1 / 7), mode="valid")
        bends.append(Bend.of_slopes(45 * turn + rng.uniform(-15, 15), np.radians(slope_deg) * blunt))
    return tuple(bends)


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """How a camera sees the paper.

    Attributes:
        focal_px: the lens's focal length; infinite for a scanner.
        dpmm: px for a mm of paper at the code's middle, if it were not tilted.
        turned: rotation from the paper to the camera, shape (3, 3), the camera's axis last.
        middle: where the code's middle is seen, px of the frame.
        centre: the frame's own, px.
        distortion: by which share the lens shifts what is at the frame's corner outwards.
        bends: of the paper.
    """

    focal_px: float
    dpmm: float
    turned: Floats
    middle: Floats
    centre: Floats
    distortion: float
    bends: tuple[Bend, ...]

    def seen(self, places: Floats) -> Floats:
        """Places on the paper of shape (n, 2) -> px of the frame."""
        return self._distorted(self._projected(places)[0])

    def lain(self, pixels: Floats) -> Floats:
        """Px of the frame of shape (n, 2) -> places on the paper; far off it where the camera looks past its plane."""
        wanted = self._straight(pixels)
        places = self._flat(wanted)
        if not self.bends:
            return places
        for _ in range(NEWTON):
            seen, slope = self._projected(places)
            off = wanted - seen
            determinant = slope[:, 0, 0] * slope[:, 1, 1] - slope[:, 0, 1] * slope[:, 1, 0]
            determinant = np.where(np.abs(determinant) < 1e-3, 1e-3, determinant)
            step = np.stack(
                [
                    slope[:, 1, 1] * off[:, 0] - slope[:, 0, 1] * off[:, 1],
                    slope[:, 0, 0] * off[:, 1] - slope[:, 1, 0] * off[:, 0],
                ],
                axis=1,
            )
            places = np.clip(places + np.clip(step / determinant[:, None], -6, 6), -REACH_MM, REACH_MM)
            if np.abs(step).max() < 0.02 * np.abs(determinant).min():
                break
        return places

    def slopes(self, places: Floats) -> Floats:
        """How the paper rises towards the camera at places of shape (n, 2), along x and along y of the paper."""
        rise = np.zeros_like(places)
        for bend in self.bends:
            rise += bend.at(places)[:, 3:4] * bend.along
        return rise

    def _projected(self, places: Floats) -> tuple[Floats, Floats]:
        """Px without the lens's distortion, and how they change with the place: shape (n, 2, 2)."""
        solid = np.concatenate([places, np.zeros((len(places), 1))], axis=1)
        change = np.zeros((len(places), 3, 2))
        change[:, 0, 0] = change[:, 1, 1] = 1
        for bend in self.bends:
            bent = bend.at(places)
            solid[:, :2] += bent[:, :1] * bend.along
            solid[:, 2] += bent[:, 1]
            change[:, :2] += bent[:, 2, None, None] * np.outer(bend.along, bend.along)
            change[:, 2] += bent[:, 3:4] * bend.along
        turned = solid @ self.turned.T
        change = self.turned @ change
        near = np.maximum(1 - turned[:, 2] * self.dpmm / self.focal_px, 0.05)[:, None]
        pixels = self.dpmm * turned[:, :2] / near + self.middle
        gain = turned[:, :2, None] * change[:, 2:3] * (self.dpmm / self.focal_px)
        return pixels, self.dpmm * (change[:, :2] / near[:, None] + gain / near[:, None] ** 2)

    def _flat(self, pixels: Floats) -> Floats:
        """Where flat paper would lie."""
        rays = np.concatenate([(pixels - self.middle) / self.dpmm, np.ones((len(pixels), 1))], axis=1)
        plane = np.stack([self.turned[:, 0], self.turned[:, 1], np.array([0.0, 0.0, 1.0])], axis=1)
        plane[2, :2] *= -self.dpmm / self.focal_px
        found = rays @ np.linalg.inv(plane).T
        depth = np.where(found[:, 2] > 0.02, found[:, 2], np.nan)[:, None]
        places: Floats = np.clip(np.nan_to_num(found[:, :2] / depth, nan=REACH_MM), -REACH_MM, REACH_MM)
        return places

    def _distorted(self, pixels: Floats) -> Floats:
        off = pixels - self.centre
        reach: Floats = (off**2).sum(axis=1, keepdims=True) / (self.centre**2).sum()
        shifted: Floats = self.centre + off * (1 + self.distortion * reach)
        return shifted

    def _straight(self, pixels: Floats) -> Floats:
        straight = pixels
        if self.distortion:
            for _ in range(3):
                straight = straight + pixels - self._distorted(straight)
        return straight


def turned(rotation_deg: float, tilt_deg: float, toward_deg: float) -> Floats:
    """The rotation that turns the paper in its plane (clockwise as seen), then lifts its side at `toward_deg`."""
    a, t, d = np.radians([rotation_deg, tilt_deg, toward_deg])
    plane = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    direction = np.array([[np.cos(d), -np.sin(d), 0], [np.sin(d), np.cos(d), 0], [0, 0, 1]])
    lift = np.array([[np.cos(t), 0, -np.sin(t)], [0, 1, 0], [np.sin(t), 0, np.cos(t)]])
    rotation: Floats = direction @ lift @ direction.T @ plane
    return rotation
