"""The solids: tray, foot, frames, arm and case, by their measures; for a printer with a bed of 220 x 220 mm.

Everything lies where it lies on the unit: mm, x across the tray, y along it towards the arrow, z up from its floor, the
lens over (0, 0). What is flat enough to be cut by a laser is also a `Flat`, and drawn in true size.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from manifold3d import CrossSection, FillRule, Manifold

from device.marks import CHANNEL_MM
from hardware.build.marks import HALF_MM, SIDE_MM
from hardware.build.optics import BAR_MM, height_mm
from hardware.build.parts import Board, Camera, parts
from hardware.build.sheet import Point, Sheet

BED_MM = 220.0

FLOOR_MM = 3.0
RAIL_MM = 4.0
"""How wide a rail is; as high as the clear plate is thick, so that a strip of cloth tape can be their hinge."""
PLATE_MM = (81.0, 2 * HALF_MM, 3.0)
"""The clear plate: between the rails with half a mm of air on each side."""
NOTCH_MM = 12.0
"""How far from the joint the rails begin: there fingers lift the plate."""

BEAM_MM = 8.0
"""How high foot and frames are under the tray."""
FOOT_WIDE_MM = 44.0
FRAME_WIDE_MM = 16.0
FRAME_Y_MM = HALF_MM - 9
FRAME_X_MM = 108.0
FRAME_THICK_MM = 10.0

BAR_SIDE_MM = 16.0
"""Of the corner profile that holds the LED strip."""
BAR_LONG_MM = 2 * FRAME_Y_MM + FRAME_WIDE_MM

MAST_MM = 20.0
MAST_X_MM = -118.0
SOCKET_MM = 36.0
SOCKET_TOP_MM = 45.0
SOCKET_FLOOR_MM = 3.0

ARM_THICK_MM = 6.0
ARM_WIDE_MM = 48.0
ARM_FLANGE_MM = (8.0, 40.0)

SCREWS_X_MM = (50.0, 62.0)
"""Outside the rails, where neither paper nor marks lie."""
FOOT_SCREWS_Y_MM = 12.0
M3_MM, M5_MM = 3.4, 5.4
NUT_MM = (3.3, 3.0)
"""An M3 nut: from its middle to a corner, and how deep it is let in."""

WALL_MM = 2.4
CASE_HIGH_MM = 52.0
"""Inside: 32 mm of button over 18 mm of perfboard and what is on it."""
PERFBOARD_MM = (50.0, 70.0)
PILLAR_MM = 6.0
"""In each corner, for the lid's screws."""
POST_MM = 4.0
"""Under the computer."""
BUTTON_MM = 30.2
LAMPS_APART_MM = 26.0
LAMPS_Y_MM = 24.0
BUTTON_Y_MM = -16.0
WELL_MM = (11.0, 14.0, 10.0)
"""Of the tube behind each lamp's window: inside, outside, deep; it keeps one lamp's light from the next window."""
WINDOW_MM = 9.0


def mast_mm(camera: Camera) -> float:
    """How long the mast is cut: from the socket's floor to the arm's underside, and up to the next 5 mm."""
    exact = arm_z_mm(camera) + FLOOR_MM + BEAM_MM - SOCKET_FLOOR_MM
    return 5 * math.ceil(exact / 5)


def arm_z_mm(camera: Camera) -> float:
    """How high the arm's underside is."""
    return height_mm(camera) + camera.eye_below_mm


@dataclass(frozen=True, slots=True)
class Flat:
    """What is cut from a sheet: outlines, and round holes as (x, y, radius)."""

    outlines: tuple[tuple[Point, ...], ...]
    holes: tuple[tuple[float, float, float], ...] = ()

    def solid(self, thick: float) -> Manifold:
        """Of that thickness, from z = 0 up."""
        body = _extruded(self.outlines, thick)
        for x, y, radius in self.holes:
            body -= _rod((x, y, -1), radius, thick + 2)
        return body

    def sheet(self, margin: float = 5) -> Sheet:
        """In true size, seen from above; hairlines for a laser cutter."""
        xs, ys = zip(*(point for ring in self.outlines for point in ring), strict=True)
        left, top = min(xs) - margin, max(ys) + margin
        sheet = Sheet(max(xs) - min(xs) + 2 * margin, max(ys) - min(ys) + 2 * margin, ground=None)
        for ring in self.outlines:
            sheet.outline([(x - left, top - y) for x, y in ring], line="#ff0000", width=0.1)
        for x, y, radius in self.holes:
            sheet.disc((x - left, top - y), radius, line="#ff0000", width=0.1)
        return sheet


def tray_screws() -> list[Point]:
    """Where the tray is screwed to foot and frames."""
    return [
        (side * x, end * y)
        for end in (-1, 1)
        for y in (FOOT_SCREWS_Y_MM, FRAME_Y_MM)
        for x in SCREWS_X_MM
        for side in (-1, 1)
    ]


def tray_flat() -> Flat:
    """The tray's floor in one piece, with the four rails beside it, for a laser cutter."""
    half = SIDE_MM[1]
    floor = _box2(-half, half, -HALF_MM, HALF_MM)
    rails = [
        _box2(half + 6 + n * (RAIL_MM + 3), half + 6 + n * (RAIL_MM + 3) + RAIL_MM, NOTCH_MM, HALF_MM) for n in range(4)
    ]
    return Flat((floor, *rails), tuple((x, y, M3_MM / 2) for x, y in tray_screws()))


def plate_flat() -> Flat:
    """The clear plate."""
    wide, long, _ = PLATE_MM
    return Flat((_box2(-wide / 2, wide / 2, -long / 2, long / 2),))


def frame_flat() -> Flat:
    """A frame as seen along the tray: x, and z for y."""
    out, lip = FRAME_X_MM, FRAME_X_MM - FRAME_THICK_MM - BAR_SIDE_MM
    inside = out - FRAME_THICK_MM
    low, base = -FLOOR_MM - BEAM_MM, -FLOOR_MM
    corner = BAR_MM + BAR_SIDE_MM / 2
    right = [
        (out, low), (out, corner + 6), (lip, corner + 6), (lip, corner), (inside, corner), (inside, base + 14),
        (inside - 14, base),
    ]  # fmt: skip
    return Flat(((*right, *[(-x, z) for x, z in reversed(right)]),))


def tray_half() -> Manifold:
    """The arrow's half of the tray; the other is the same, turned round."""
    half = SIDE_MM[1]
    body = _box((-half, half), (0, HALF_MM), (-FLOOR_MM, 0))
    for side in (-1, 1):
        west, east = sorted((side * CHANNEL_MM / 2, side * (CHANNEL_MM / 2 + RAIL_MM)))
        body += _box((west, east), (NOTCH_MM, HALF_MM), (-1, PLATE_MM[2]))
    for x, y in tray_screws():
        if y > 0:
            body -= _rod((x, y, -FLOOR_MM - 1), M3_MM / 2, FLOOR_MM + 2)
    return body


def tray() -> Manifold:
    """Both halves."""
    return tray_half() + tray_half().rotate((0, 0, 180))


def foot() -> Manifold:
    """The beam under the joint, which holds both halves together and the mast beside them."""
    low, base = -FLOOR_MM - BEAM_MM, -FLOOR_MM
    west, half = MAST_X_MM - SOCKET_MM / 2 - 2, FOOT_WIDE_MM / 2
    body = _box((west, SIDE_MM[1] + 4), (-half, half), (low, base))
    edge = SOCKET_MM / 2
    body += _box((MAST_X_MM - edge, MAST_X_MM + edge), (-edge, edge), (low, SOCKET_TOP_MM))
    east = MAST_X_MM + edge
    web = ((east - 1, base - 1), (east + 28, base - 1), (east + 28, base), (east - 1, base + 30))
    body += _extruded([web], 8).rotate((90, 0, 0)).translate((0, 4, 0))
    hole = MAST_MM / 2 + 0.2
    body -= _box((MAST_X_MM - hole, MAST_X_MM + hole), (-hole, hole), (low + SOCKET_FLOOR_MM, SOCKET_TOP_MM + 1))
    for z in (12.0, 34.0):
        body -= _rod((MAST_X_MM - edge - 1, 0, z), M5_MM / 2, edge, axis="x")
        body -= _rod((MAST_X_MM, -edge - 1, z), M5_MM / 2, edge, axis="y")
    for x, y in tray_screws():
        if abs(y) < half:
            body -= _screw(x, y, low)
    return body


def frame() -> Manifold:
    """An end of the tray, with the corners that hold the light bars; the other is the same."""
    body = frame_flat().solid(FRAME_WIDE_MM).rotate((90, 0, 0)).translate((0, FRAME_Y_MM + FRAME_WIDE_MM / 2, 0))
    for x, y in tray_screws():
        if y > HALF_MM / 2:
            body -= _screw(x, y, -FLOOR_MM - BEAM_MM)
    return body


def arm(camera: Camera) -> Manifold:
    """From the mast to over the middle of the tray; its underside at z = 0."""
    thick, deep = ARM_FLANGE_MM
    west, half = MAST_X_MM + MAST_MM / 2, ARM_WIDE_MM / 2
    body = _box((west, half), (-half, half), (0, ARM_THICK_MM))
    body += _box((west, west + thick), (-half, half), (-deep, 1))
    web = ((west + thick - 1, 1), (west + thick - 1, -deep + 4), (west + thick + 34, 0), (west + thick + 34, 1))
    for y in (-half, half - 4):
        body += _extruded([web], 4).rotate((90, 0, 0)).translate((0, y + 4, 0))
    for z in (-deep / 4, -deep * 3 / 4):
        body -= _rod((west - 1, 0, z), M5_MM / 2, thick + 2, axis="x")
    body -= _rod((0, 0, -1), camera.lens_hole_mm / 2, ARM_THICK_MM + 2)
    along, across = camera.holes
    for x in (-across / 2, across / 2):
        for y in (-along / 2, along / 2):
            body -= _rod((x - camera.lens_aside_mm, y, -1), camera.screw_mm / 2, ARM_THICK_MM + 2)
    return body


def case_inside(board: Board) -> Point:
    """How wide and deep the case is inside: perfboard left, computer right, 5 mm around."""
    return PERFBOARD_MM[0] + board.size[0] + 15, max(PERFBOARD_MM[1], board.size[1]) + 14


def board_at(board: Board) -> Point:
    """Where the computer's left front corner is: its right end 1 mm from the wall, its back clear of the pillars."""
    wide, deep = case_inside(board)
    return wide / 2 - 1 - board.size[0], deep / 2 - PILLAR_MM - 1 - board.size[1]


def case(board: Board) -> Manifold:
    """The case without its lid, its middle at (0, 0), its floor at z = 0."""
    wide, deep = case_inside(board)
    x, y, high = wide / 2, deep / 2, CASE_HIGH_MM + WALL_MM
    body = _box((-x - WALL_MM, x + WALL_MM), (-y - WALL_MM, y + WALL_MM), (0, high))
    body -= _box((-x, x), (-y, y), (WALL_MM, high + 1))
    left, front = board_at(board)
    for dx in (0, board.holes[0]):
        for dy in (0, board.holes[1]):
            at = (left + board.hole[0] + dx, front + board.hole[1] + dy)
            body += _rod((*at, WALL_MM - 1), 3, POST_MM + 1) - _rod((*at, WALL_MM), 1.1, POST_MM + 1)
    for sx in (-1, 1):
        for sy in (-1, 1):
            west, east = sorted((sx * (x - PILLAR_MM), sx * (x + 1)))
            south, north = sorted((sy * (y - PILLAR_MM), sy * (y + 1)))
            body += _box((west, east), (south, north), (WALL_MM - 1, high))
            body -= _rod((sx * (x - 2.5), sy * (y - 2.5), high - 12), 1.1, 13)
    opening, top = board.opening
    middle = front + board.size[1] / 2
    body -= _box(
        (x - 1, x + WALL_MM + 1), (middle - opening / 2, middle + opening / 2), (WALL_MM + 5, WALL_MM + 5 + top)
    )
    back, half = (y - 1, y + WALL_MM + 1), left + board.size[0] / 2
    body -= _box((left + 4, left + board.size[0] - 4), back, (WALL_MM + 3, WALL_MM + 14))  # power
    body -= _box((half - 16, half + 16), back, (high - 4, high + 1))  # the camera's ribbon
    body -= _rod((-x - WALL_MM - 1, 0, high / 2), 4, WALL_MM + 2, axis="x")  # the light bars' cable
    for n in range(5):
        west = 12 - x + 8 * n
        body -= _box((west, west + 3), back, (16, 40))  # air
    return body


def lid(board: Board) -> Manifold:
    """The lid, its top at z = 0: it is printed lying on that."""
    wide, deep = case_inside(board)
    x, y = wide / 2, deep / 2
    body = _box((-x - WALL_MM, x + WALL_MM), (-y - WALL_MM, y + WALL_MM), (-WALL_MM, 0))
    inside, outside, long = WELL_MM
    for at in lamps_x():
        body += _rod((at, LAMPS_Y_MM, -WALL_MM - long), outside / 2, long + 1) - _rod(
            (at, LAMPS_Y_MM, -WALL_MM - long - 1), inside / 2, long + 1
        )
    for at, window in zip(lamps_x(), windows(), strict=True):
        body -= _extruded(window, WALL_MM + 2).translate((at, LAMPS_Y_MM, -WALL_MM - 1))
    body -= _rod((button_x(board), BUTTON_Y_MM, -WALL_MM - 1), BUTTON_MM / 2, WALL_MM + 2, segments=96)
    for n in range(5):
        body -= _rod((x - 34 + 6 * n, BUTTON_Y_MM, -WALL_MM - 1), 1.5, WALL_MM + 2)  # the buzzer is glued behind these
    for sx in (-1, 1):
        for sy in (-1, 1):
            body -= _rod((sx * (x - 2.5), sy * (y - 2.5), -WALL_MM - 1), 1.4, WALL_MM + 2)
    return body


def lamps_x() -> list[float]:
    """Where the four lamps lie on the lid, left to right."""
    return [(n - 1.5) * LAMPS_APART_MM for n in range(4)]


def button_x(board: Board) -> float:
    """Over the perfboard, where there is room for it."""
    return -case_inside(board)[0] / 2 + 5 + PERFBOARD_MM[0] / 2


def windows() -> list[list[list[Point]]]:
    """The lamps' windows, left to right: a disc, a tick, a cross, a bar; each around (0, 0), y up."""
    r = WINDOW_MM / 2
    disc = [(r * math.cos(a * math.pi / 24), r * math.sin(a * math.pi / 24)) for a in range(48)]
    tick = [(-r, 0.2), (-r + 1.5, 1.7), (-1.2, -0.9), (r - 1.5, r - 0.6), (r, r - 2.1), (-1.2, -r + 0.6)]
    w, turn = 1.1, math.sqrt(0.5)
    plus = [(w, w), (r, w), (r, -w), (w, -w), (w, -r), (-w, -r), (-w, -w), (-r, -w), (-r, w), (-w, w), (-w, r), (w, r)]
    cross = [((x - y) * turn, (x + y) * turn) for x, y in plus]
    bar = [(-r, -1.5), (r, -1.5), (r, 1.5), (-r, 1.5)]
    return [[disc], [tick], [cross], [bar]]


@functools.cache
def printed() -> dict[str, Manifold]:
    """What is printed, by file name, each as it lies on the printer's bed: none needs supports."""
    found = {
        "tray-half": tray_half(),
        "foot": foot(),
        "frame": frame().rotate((90, 0, 0)),
    }
    found |= {f"arm-{name}": arm(camera).rotate((180, 0, 0)) for name, camera in parts().cameras.items()}
    found |= {f"case-{name}": case(board) for name, board in parts().boards.items()}
    found |= {f"lid-{name}": lid(board).rotate((180, 0, 0)) for name, board in parts().boards.items()}
    return {name: _on_bed(solid) for name, solid in found.items()}


def cut() -> dict[str, Flat]:
    """What can be cut by a laser, by file name."""
    return {"tray": tray_flat(), "plate": plate_flat(), "frame": frame_flat()}


def light_bar() -> Manifold:
    """The right one, as it is bought: a corner profile with its diffuser, which looks at the middle of the tray."""
    edge = BAR_MM + BAR_SIDE_MM / 2
    corner = ((edge, edge), (edge - BAR_SIDE_MM, edge), (edge, edge - BAR_SIDE_MM))
    return _extruded([corner], BAR_LONG_MM).rotate((90, 0, 0)).translate((0, BAR_LONG_MM / 2, 0))


def mast(camera: Camera) -> Manifold:
    """The mast, as it is bought: its slots are not drawn."""
    low = -FLOOR_MM - BEAM_MM + SOCKET_FLOOR_MM
    r = MAST_MM / 2
    return _box((MAST_X_MM - r, MAST_X_MM + r), (-r, r), (low, low + mast_mm(camera)))


def _on_bed(solid: Manifold) -> Manifold:
    """Moved so that it stands on z = 0 with its middle over (0, 0)."""
    west, south, low, east, north, _ = solid.bounding_box()
    return solid.translate((-(west + east) / 2, -(south + north) / 2, -low))


def _extruded(rings: Sequence[Sequence[Point]], high: float) -> Manifold:
    """What the rings enclose, in x and y, from z = 0 up."""
    return Manifold.extrude(CrossSection([np.array(ring) for ring in rings], FillRule.EvenOdd), high)


def _box2(west: float, east: float, south: float, north: float) -> tuple[Point, ...]:
    return ((west, south), (east, south), (east, north), (west, north))


def _box(x: Point, y: Point, z: Point) -> Manifold:
    return Manifold.cube((x[1] - x[0], y[1] - y[0], z[1] - z[0])).translate((x[0], y[0], z[0]))


def _rod(at: Sequence[float], radius: float, long: float, axis: str = "z", segments: int = 32) -> Manifold:
    rod = Manifold.cylinder(long, radius, circular_segments=segments)
    turned = {"x": (0, 90, 0), "y": (-90, 0, 0), "z": (0, 0, 0)}[axis]
    return rod.rotate(turned).translate((at[0], at[1], at[2]))


def _screw(x: float, y: float, low: float) -> Manifold:
    """The hole for an M3 screw through what is under the tray, its nut let in from below."""
    corner, deep = NUT_MM
    nut = Manifold.cylinder(deep + 1, corner, circular_segments=6).translate((x, y, low - 1))
    return _rod((x, y, low - 1), M3_MM / 2, BEAM_MM + 20) + nut
