"""The contact sheet: a whole acta; every wear and shot at three grades, each with what stock zxing-cpp makes of it."""

from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import cv2
import numpy as np
import zxingcpp
from numpy.typing import NDArray

from sim.paper import Sheet, Wear, draw, random_payload, worn
from sim.photo import Photograph, Shot, shoot
from sim.photo.mixes import END_MM
from wire.errors import OurFault

Luma = NDArray[np.uint8]

TILE_PX = 260
LABEL_PX = 22
GRADES = 3
ACROSS = 3  # kinds side by side
SHOT_PX = 1300


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of harm.

    Attributes:
        name: on the label.
        grades: what is asked for at each of `GRADES` grades, the last the worst.
        wear: whether that is wear; else it is a shot.
        always: what holds for the shot at each grade.
    """

    name: str
    grades: tuple[dict[str, Any], ...]
    wear: bool = False
    always: dict[str, Any] = field(default_factory=dict)


def _rising(name: str, worst: float, *, wear: bool = False, whole: bool = False, **always: Any) -> Kind:
    steps = [worst * (step + 1) / GRADES for step in range(GRADES)]
    return Kind(name, tuple({name: round(step) if whole else step} for step in steps), wear, always)


def _steps(name: str, *values: Any, **always: Any) -> Kind:
    return Kind(name, tuple({name: value} for value in values), always=always)


KINDS = (
    *(
        _rising(name, worst, wear=True, whole=name == "scratches")
        for name, worst in {
            "missing": 0.15, "weak": 0.6, "gain": 0.36, "fade": 0.95, "heat": 0.9, "back": 1.0, "thumb": 1.0,
            "blot": 1.0, "scratches": 30, "crease_mm": 4.0, "stamp": 1.0, "pen_mm": 2.0, "tear_mm": 40.0,
        }.items()
    ),
    _steps("camera", "ov5647", "imx219", "imx477", dim_stops=3.0),
    _steps("dpmm", 6.0, 2.6, 1.3, window_px=0, at=(0.5, 0.5)),
    _steps("rotation_deg", 30.0, 90.0, 180.0),
    _rising("tilt_deg", 60.0),
    _steps("curl_mm", 80.0, 40.0, 25.0),
    _rising("wave_mm", 4.5),
    _rising("fold_deg", 75.0),
    _rising("crumple_deg", 22.0),
    _rising("cut", 0.3, cut_side="left"),
    _rising("gradient", 0.9),
    _rising("shadow", 0.9),
    _rising("glare", 8.0),
    _rising("uneven", 0.75),
    _rising("dim_stops", 10.5),
    _rising("banding", 0.8),
    _rising("defocus_px", 12.0),
    _rising("motion_px", 36.0),
    _steps("screen_mm", 0.1, 0.2, 0.4, rotation_deg=4.0),
    _steps("scan_dpi", 300.0, 200.0, 100.0),
    _steps("contrast", 0.4, 0.8, 1.0, scan_dpi=200.0),
    _steps("threshold", 90, 170, 232, scan_dpi=200.0),
    _rising("shrink", 0.75, scan_dpi=200.0),
    _steps("jpeg", 40, 12, 4, scan_dpi=200.0),
    _steps("copies", 1, 2, 4, scan_dpi=200.0),
    _steps("jpeg_again", 40, 12, 4, scan_dpi=200.0, jpeg=15),
)  # fmt: skip


def contact(seed: int) -> Luma:
    """The contact sheet, uint8 of shape (height, width); the acta at its left is as long as it is high."""
    payload = random_payload(Random(seed))
    sheet = draw(payload, seed=seed, length_mm=END_MM)
    strips = [np.hstack([_tile(sheet, kind, grade, seed) for grade in range(GRADES)]) for kind in KINDS]
    blank = np.full_like(strips[0], 255)
    strips += [blank] * (-len(strips) % ACROSS)
    rows = [np.hstack(strips[row : row + ACROSS]) for row in range(0, len(strips), ACROSS)]
    tiles = np.vstack([_legend(rows[0].shape[1], seed), *rows])
    whole = draw(payload, seed=seed).luma
    size = round(whole.shape[1] * len(tiles) / len(whole)), len(tiles)
    return np.hstack([cv2.resize(whole, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False), tiles])


def write(file: Path, seed: int) -> None:
    """Writes the contact sheet, as PNG or JPEG by the file's name.

    Raises:
        OurFault: the name is of neither kind, or the file cannot be written.
    """
    if file.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise OurFault(f"sheet {file}: name it .png or .jpg")
    done, picture = cv2.imencode(file.suffix.lower(), contact(seed))
    assert done, "OpenCV is built without PNG or JPEG"
    try:
        file.write_bytes(picture.tobytes())
    except OSError as error:
        raise OurFault(f"sheet {file}: {error.strerror}: give a place that can be written to") from None


def stock_reads(photograph: Photograph) -> bool:
    """Whether stock zxing-cpp, asked for QR codes only, reads what the code holds."""
    found = zxingcpp.read_barcodes(photograph.luma, formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode))
    return any(code.bytes == photograph.payload.encode("latin-1") for code in found)


def _legend(width: int, seed: int) -> Luma:
    """The line above it all that says what is seen."""
    line = np.full((LABEL_PX, width), 255, np.uint8)
    for left, read, words in (
        (0, True, "stock zxing-cpp reads it"),
        (TILE_PX, False, "it does not"),
        (2 * TILE_PX, None, f"each kind at {GRADES} grades, in the units of docs/paper.md; seed {seed}"),
    ):
        _label(line[:, left:], read, words)
    return line


def _label(onto: Luma, read: bool | None, words: str) -> None:
    """A full circle: read; an empty one: not; None: no circle. And words."""
    if read is not None:
        cv2.circle(onto, (10, 11), 6, 0, 1, cv2.LINE_AA)
        cv2.circle(onto, (10, 11), 5, 60 if read else 255, -1, cv2.LINE_AA)
    cv2.putText(onto, words, (22, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, 0, 1, cv2.LINE_AA)


def _tile(sheet: Sheet, kind: Kind, grade: int, seed: int) -> Luma:
    asked = kind.grades[grade]
    wear = Wear(**asked) if kind.wear else Wear()
    shot = Shot(**{"window_px": SHOT_PX, **kind.always, **({} if kind.wear else asked)})
    taken = shoot(worn(sheet, wear, seed), shot, seed)
    value = next(iter(asked.values()))
    tile = np.full((TILE_PX + LABEL_PX, TILE_PX), 255, np.uint8)
    _label(
        tile,
        stock_reads(taken),
        f"{kind.name} {round(value, 2):g}" if isinstance(value, float) else f"{kind.name} {value}",
    )
    luma = _around(taken)
    scale = min((TILE_PX - 4) / luma.shape[1], (TILE_PX - 4) / luma.shape[0])
    size = max(1, round(luma.shape[1] * scale)), max(1, round(luma.shape[0] * scale))
    small = cv2.resize(luma, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)
    tile[LABEL_PX : LABEL_PX + size[1], 2 : 2 + size[0]] = small
    return tile


def _around(photograph: Photograph) -> Luma:
    """What is around the code, for the person who looks."""
    assert photograph.truth is not None, "a drawn sheet has a code"
    low, high = photograph.truth.corners.min(axis=0), photograph.truth.corners.max(axis=0)
    rim = 0.2 * float((high - low).max())
    left, top = np.maximum(low - rim, 0).astype(int)
    right, bottom = np.maximum(high + rim, 16).astype(int)
    return np.ascontiguousarray(photograph.luma[top:bottom, left:right])
