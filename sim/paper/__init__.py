"""The paper: payload -> acta sheet, and what printers, pockets, hands and years do to it.

What is drawn is the acta of 28 July 2024 as its scans show it, print and measures, with the names of nobody on it.
All of it follows from the payload and the seeds.
"""

import random
from typing import Any

import cv2
import numpy as np
import zxingcpp
from numpy.typing import NDArray

from device.pictures import Unreadable, luma_of
from sim.paper import roll, symbol
from sim.paper.roll import VENEZUELAN
from sim.paper.sheet import (
    CODE_LEFT_MM,
    CODE_MM,
    CODE_TOP_MM,
    DOTS_PER_MM,
    INK,
    LENGTH_MM,
    PAPER,
    PX_PER_MM,
    TRAY,
    WIDTH_MM,
    WIDTH_PX,
    Sheet,
)
from sim.paper.wear import Side, Wear, worn

__all__ = [
    "CODE_LEFT_MM",
    "CODE_MM",
    "CODE_TOP_MM",
    "INK",
    "LENGTH_MM",
    "PAPER",
    "PX_PER_MM",
    "TRAY",
    "VENEZUELAN",
    "WIDTH_MM",
    "WIDTH_PX",
    "Sheet",
    "Side",
    "Wear",
    "draw",
    "from_picture",
    "random_payload",
    "worn",
]


def random_payload(rng: random.Random) -> str:
    """A plausible payload of the profile ve-2024-presidential: 100 to 113 characters, votes spread as on real actas."""
    centro = f"{rng.randint(1, 24):02}{rng.randint(1, 29):02}{rng.randint(1, 22):02}{rng.randint(1, 60):03}"
    mesa = min(rng.randint(1, 4) * rng.choice((1, 1, 1, 1, 2, 3)), 15)
    # Four positions share nearly all votes: the first, and the 34th to 36th; the others get a handful each.
    weights = [rng.expovariate(0.2) for _ in range(38)]
    weights[0], weights[33], weights[34], weights[35] = 220.0, 15.0, 45.0, 600.0
    counts = [0] * 38
    for position in rng.choices(range(38), weights, k=rng.randint(120, 760)):
        counts[position] += 1
    votes = ",".join(map(str, counts))
    nulos = rng.choice((0, 0, 0, 0, 0, 0, 1, 2))
    return f"{centro}.{mesa:02}.1.0001!{votes}!{nulos}!0"


def draw(payload: str, *, seed: int = 0, length_mm: float = LENGTH_MM) -> Sheet:
    """Draws the acta that says this payload, or a sheet with no more than a header where it is no Venezuelan one.

    Args:
        payload: 1 to 1663 characters of ISO 8859-1 (what a QR code holds at correction level Q), each one byte of it.
        seed: of the UUID, the hex digits and the signatures, together with the payload.
        length_mm: how much of the end of the sheet to draw, 90 to `LENGTH_MM`; but for its first row it is the same as
            that of the whole sheet, in a tenth of the time.

    Raises:
        ValueError: the payload is empty, too long, or has characters beyond ISO 8859-1; or the code does not fit.
    """
    if not 90 <= length_mm <= LENGTH_MM:
        raise ValueError(f"{length_mm:g} mm of the end of a sheet were asked for, expected 90 to {LENGTH_MM}")
    rng = random.Random(f"{seed} {payload} code")
    # 10 of the 11 published crops have mask 0, one has mask 2.
    modules = symbol.modules_of(payload, mask=2 if rng.random() < 1 / 11 else 0)
    code = symbol.dots_of(modules, (rng.randrange(6), rng.randrange(6)))
    dots = roll.dots_of(payload, seed, length_mm)
    left = round(CODE_LEFT_MM * DOTS_PER_MM)
    top = dots.shape[0] - round((LENGTH_MM - CODE_TOP_MM) * DOTS_PER_MM)
    rim, side = symbol.RIM_DOTS, symbol.CODE_DOTS
    dots[top - rim : top + side + rim, left - rim : left + side + rim] = code
    right, bottom = left + side, top + side
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)]) / DOTS_PER_MM
    return Sheet(payload, roll.burnt(dots), corners, modules.shape[0])


def from_picture(picture: bytes, payload: str, *, width_mm: float = 72.0, length_mm: float = LENGTH_MM) -> Sheet:
    """Lays the picture of a QR code on a blank sheet, where an acta has its own.

    Where the code truly is, its known modules say: fitted from where zxing-cpp reads them, to a twentieth of one.

    Args:
        picture: the bytes of an image file, upright.
        payload: what the code in it holds.
        width_mm: how wide the picture is on paper, at most `WIDTH_MM`. The published crops show 72 mm of paper: the
            code and half its quiet zone.
        length_mm: how much of the end of the sheet to make.

    Raises:
        ValueError: the picture cannot be decoded, or is too wide or too long for the paper.
    """
    crop = luma_of(picture)
    if isinstance(crop, Unreadable):
        raise ValueError(f"picture of a QR code: {crop.why}")
    height, width = crop.shape
    picture_mm = width_mm * height / width
    top_mm = length_mm - LENGTH_MM + CODE_TOP_MM + CODE_MM / 2 - picture_mm / 2
    if width_mm > WIDTH_MM or top_mm < 0 or top_mm + picture_mm > length_mm:
        raise ValueError(
            f"picture of {width_mm:g} x {picture_mm:g} mm does not fit on the end of the sheet; lay it smaller"
        )
    luma = np.full((round(length_mm * PX_PER_MM), WIDTH_PX), PAPER, np.uint8)
    size = round(width_mm * PX_PER_MM), round(picture_mm * PX_PER_MM)
    laid = cv2.resize(crop, size, interpolation=cv2.INTER_CUBIC).astype(np.uint8, copy=False)
    left, top = round((WIDTH_MM - width_mm) / 2 * PX_PER_MM), round(top_mm * PX_PER_MM)
    luma[top : top + laid.shape[0], left : left + laid.shape[1]] = laid
    corners = _found(crop, payload)
    if corners is None:
        return Sheet(payload, luma)
    corners = corners * laid.shape[::-1] / crop.shape[::-1] + (left, top)
    return Sheet(payload, luma, corners / PX_PER_MM, symbol.modules_of(payload).shape[0])


def _found(luma: NDArray[np.uint8], payload: str) -> NDArray[np.float64] | None:
    """The outer corners of the code that holds this payload, in pixels, float64 of shape (4, 2)."""
    for code in zxingcpp.read_barcodes(luma, formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)):
        if code.bytes == payload.encode("latin-1"):
            at = code.position
            corners = [(corner.x, corner.y) for corner in (at.top_left, at.top_right, at.bottom_right, at.bottom_left)]
            extra: Any = code.extra
            return _fitted(luma, symbol.modules_of(payload, extra["DataMask"]), np.array(corners, np.float32))
    return None


def _fitted(luma: NDArray[np.uint8], modules: NDArray[np.uint8], corners: NDArray[np.float32]) -> NDArray[np.float64]:
    """The corners of known modules in a picture, from a guess: where those, blurred, correlate best with it (ECC)."""
    pitch = 6
    side = np.float32(pitch * modules.shape[0])
    square = np.array([(0, 0), (side, 0), (side, side), (0, side)], np.float32) + pitch
    light = np.pad(1 - modules, 1, constant_values=1).repeat(pitch, axis=0).repeat(pitch, axis=1)
    expected = cv2.GaussianBlur(light.astype(np.float32), (0, 0), pitch / 3)
    guess = cv2.getPerspectiveTransform(square, corners).astype(np.float32)
    until = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 50, 1e-5)
    _, onto = cv2.findTransformECC(expected, luma.astype(np.float32), guess, cv2.MOTION_HOMOGRAPHY, until)
    # Pixels have their integers in the middle here, at their corner on a sheet.
    fitted = cv2.perspectiveTransform(square[None] - np.float32(0.5), onto)[0]
    return np.asarray(fitted, np.float64) + 0.5
