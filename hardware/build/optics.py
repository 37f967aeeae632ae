"""The optics: how high each camera hangs so that its picture's long side is the field, and what a module gets.

Heights are from the tray's floor to the point from which the lens sees. The clear plate lifts the paper by 1 mm to the
eye; that is less than the height is set to.
"""

import math

from device.marks import FIELD_MM
from hardware.build.parts import Camera

MODULE_MM = 1.16
"""Of the code on an acta of 2024."""
PX_PER_MODULE_MIN = 8.0
"""What the reader's test photographs have at least; a smaller module is read, but not when it is worn too."""

PAPER_MM = 79.5
ACTA_MM = 880.0
OVERLAP_MM = 40.0
"""Of two parts of one acta: a dozen lines of text, by which they can be joined."""

BAR_MM = 90.0
"""The middle of each light bar's diffuser, beside and above the middle of the paper: so it shines at 45 degrees."""
DIFFUSER_MM = 16.0 * math.sqrt(2)
"""Its width, between the edges of a corner profile of 16 mm."""


def half_tangent(camera: Camera) -> float:
    """The tangent of half the angle that the long side sees: by the maker's field of view, or by focal length."""
    if camera.across_deg is not None:
        return math.tan(math.radians(camera.across_deg / 2))
    return half_tangent_by_focal_length(camera)


def half_tangent_by_focal_length(camera: Camera) -> float:
    """The same by pixels, pitch and focal length, as a lens without distortion at infinity has it."""
    return camera.columns * camera.pitch_um / 1000 / 2 / camera.focal_mm


def height_mm(camera: Camera) -> float:
    """How high the camera hangs."""
    return FIELD_MM / 2 / half_tangent(camera)


def field_mm(camera: Camera) -> tuple[float, float]:
    """What it sees of the tray: along it and across."""
    return FIELD_MM, FIELD_MM * camera.rows / camera.columns


def px_per_mm(camera: Camera) -> float:
    """Pixels of the picture for a mm of paper."""
    return camera.columns / FIELD_MM


def px_per_module(camera: Camera) -> float:
    """Pixels of the picture for a module of the code."""
    return px_per_mm(camera) * MODULE_MM


def glare_mm(camera: Camera) -> float:
    """How far from the middle the plate mirrors the nearest edge of a light bar into the lens.

    A mirror shows the lamp as far below as it is above: the line from the lens to that meets the plate here.
    """
    x, z = BAR_MM - DIFFUSER_MM / 2 * math.sqrt(0.5), BAR_MM + DIFFUSER_MM / 2 * math.sqrt(0.5)
    high = height_mm(camera)
    return x * high / (high + z)


def hidden_mm(camera: Camera) -> float:
    """How far from the middle the tray is hidden from the lens by a light bar."""
    x, z = BAR_MM - DIFFUSER_MM / 2 * math.sqrt(0.5), BAR_MM + DIFFUSER_MM / 2 * math.sqrt(0.5)
    high = height_mm(camera)
    return x * high / (high - z)


def parts_of_an_acta(end_mm: float) -> int:
    """How many pictures a whole acta takes, its QR end laid `end_mm` from the middle of the field."""
    first = end_mm + FIELD_MM / 2
    return 1 + math.ceil((ACTA_MM - first) / (FIELD_MM - OVERLAP_MM))
