"""The sheet of marks: what device/marks.py looks for, in true size, to be printed and glued on the tray."""

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np

from device.marks import CELLS, CHANNEL_MM, DICTIONARY, END_MM, MARK_MM, MARKS, QUIET_MM
from hardware.build.sheet import Point, Sheet, pdf

HALF_MM = 210.0
"""Half the tray: one strip of the sheet, and one print."""
SIDE_MM = (46.0, 66.0)
"""Where the strips beside the rails lie, in x."""
SIDE_END_MM = (20.0, 192.0)
"""Where they begin and end, in y: they leave the screws free."""

STRIPS = (
    ("left", (-SIDE_MM[1], -SIDE_MM[0]), SIDE_END_MM),
    ("middle", (-CHANNEL_MM / 2, CHANNEL_MM / 2), (0.0, HALF_MM)),
    ("right", SIDE_MM, SIDE_END_MM),
)
"""What is cut out of each half's page: from where to where, in x and in y."""

BLACK, WHITE, GREY = "#000000", "#ffffff", "#808080"
A4_MM = (210.0, 297.0)


def mark_on(sheet: Sheet, number: int, at: Point) -> None:
    """Draws a mark with its quiet margin, its middle at `at` on the sheet."""
    cells = cv2.aruco.getPredefinedDictionary(DICTIONARY).generateImageMarker(number, CELLS, borderBits=1)
    x, y = at
    side = MARK_MM + 2 * QUIET_MM
    sheet.box(x - side / 2, y - side / 2, side, side, fill=WHITE, line=None)
    sheet.box(x - MARK_MM / 2, y - MARK_MM / 2, MARK_MM, MARK_MM, fill=BLACK, line=None)
    for row, column in np.argwhere(cells > 127):
        left, top = x - MARK_MM / 2 + column * QUIET_MM, y - MARK_MM / 2 + row * QUIET_MM
        sheet.box(left, top, QUIET_MM, QUIET_MM, fill=WHITE, line=None)


def tray_sheet() -> Sheet:
    """The whole tray as it looks from above, the arrow's end at the top; (0, 0) is the sheet's middle."""
    wide, high = 2 * SIDE_MM[1], 2 * HALF_MM
    sheet = Sheet(wide, high, ground="#161616")
    on = partial(_on, wide / 2, high / 2)
    for number, place in MARKS.items():
        mark_on(sheet, number, on(*place))
    _arrow(sheet, on)
    return sheet


def pages() -> list[Sheet]:
    """Two sheets of A4, to be printed at 100 %, cut out and glued on the halves of the tray."""
    return [_page(half) for half in (1, -1)]


def marks_pdf() -> bytes:
    """The sheets as a PDF."""
    return pdf("testigo: marks for the tray, print at 100 %", *pages())


def _page(half: int) -> Sheet:
    """The strips of one half: 1 is the arrow's, -1 the other."""
    sheet = Sheet(*A4_MM)
    left, top = 36.0, 40.0
    # Where the tray's y is 0: the arrow's half ends there, the other begins.
    joint = top + HALF_MM if half > 0 else top
    x = left
    for name, (west, east), (near, far) in STRIPS:
        low, high = sorted((half * near, half * far))
        on = partial(_on, x - west, joint)
        sheet.box(x, joint - high, east - west, high - low, fill=BLACK, line=GREY, width=0.1)
        sheet.words(x + (east - west) / 2, joint - high - 2, name, 4, anchor="middle")
        for number, (mx, my) in MARKS.items():
            if west < mx < east and low < my < high:
                mark_on(sheet, number, on(mx, my))
        if name == "middle":
            sheet.words(*on(0, -4 if half > 0 else 7), "JOINT", 4, bold=True, anchor="middle")
            if half > 0:
                _arrow(sheet, on)
        x += east - west + 6
    which = "the arrow's half" if half > 0 else "the other half"
    sheet.words(left, 14, f"testigo: marks for the tray, {which}", 5, bold=True)
    for n, line in enumerate(
        (
            "Print at 100 % on matt white paper. Cut along the edges, glue down flat, seal with matt varnish.",
            f"The end marked JOINT lies at the joint of the halves, the strips beside {SIDE_END_MM[0]:g} mm from it.",
        )
    ):
        sheet.words(left, 21 + 5 * n, line, 3)
    ruler = top + HALF_MM + 12
    sheet.line((left, ruler), (left + 100, ruler), width=0.3)
    for mm in range(0, 101, 10):
        sheet.line((left + mm, ruler), (left + mm, ruler + (4 if mm % 50 else 6)), width=0.3)
    sheet.words(
        left, ruler + 11, "This line is 100 mm long. If yours is not, the printer scales: print again at 100 %.", 3
    )
    return sheet


def _on(x0: float, y0: float, x: float, y: float) -> Point:
    """A place of the tray on a sheet on which the tray's (0, 0) is at (x0, y0)."""
    return x0 + x, y0 - y


def _arrow(sheet: Sheet, on: Callable[[float, float], Point]) -> None:
    """The line for the QR end, with its arrows and words."""
    half = CHANNEL_MM / 2 - 1
    sheet.line(on(-half, END_MM), on(half, END_MM), line=WHITE, width=0.8)
    for side in (-1, 1):
        x = side * 26
        shaft, tip = END_MM - 15, END_MM - 1.5
        points = (
            (x - 2, shaft),
            (x - 2, tip - 6),
            (x - 5, tip - 6),
            (x, tip),
            (x + 5, tip - 6),
            (x + 2, tip - 6),
            (x + 2, shaft),
        )
        sheet.outline([on(*point) for point in points], fill=WHITE, line=None)
    for text, y in (("QR", END_MM - 24), ("aquí", END_MM - 29), ("here", END_MM - 34)):
        for beside in (-26.0, 26.0):
            sheet.words(*on(beside, y), text, 5, colour=WHITE, bold=True, anchor="middle")
