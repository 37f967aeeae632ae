"""The view: solids seen from above and aside, as flat shapes on a sheet; what is in front hides what is behind."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from manifold3d import Manifold
from numpy.typing import NDArray

from hardware.build.sheet import Point, Sheet

Floats = NDArray[np.float64]

PX_PER_MM = 6.0
"""Of the raster on which it is found out what hides what; a line's end is right to a sixth of a mm of the picture."""
SMOOTH_COS = math.cos(math.radians(20))
"""Faces that meet at a flatter angle are one: a round wall is not drawn as many."""
LIGHT = np.array([-0.35, -0.55, 0.76])
"""Where it comes from."""


@dataclass(frozen=True, slots=True)
class Body:
    """A solid with its colour, moved by `shift` from where it lies on the unit, as in an exploded view."""

    solid: Manifold
    colour: str
    shift: tuple[float, float, float] = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class View:
    """A direction to look in, and what a mm of the unit is on the sheet.

    Attributes:
        turn_deg: how far the unit is turned before it is looked at; 0 looks along y.
        down_deg: how steeply one looks down on it.
        scale: mm on the sheet for a mm of the unit.
        at: where the unit's (0, 0, 0) is on the sheet.
    """

    turn_deg: float
    down_deg: float
    scale: float
    at: Point

    def seen(self, places: Floats) -> Floats:
        """Places of shape (n, 3) as (x and y on the sheet, nearness), shape (n, 3)."""
        turn, down = math.radians(self.turn_deg), math.radians(self.down_deg)
        x = places[:, 0] * math.cos(turn) - places[:, 1] * math.sin(turn)
        y = places[:, 0] * math.sin(turn) + places[:, 1] * math.cos(turn)
        up = y * math.sin(down) + places[:, 2] * math.cos(down)
        near = places[:, 2] * math.sin(down) - y * math.cos(down)
        return np.stack([self.at[0] + self.scale * x, self.at[1] - self.scale * up, near], axis=1)

    def point(self, x: float, y: float, z: float) -> Point:
        """Where one place is on the sheet."""
        seen = self.seen(np.array([[x, y, z]]))[0]
        return float(seen[0]), float(seen[1])


def draw(sheet: Sheet, view: View, bodies: Sequence[Body]) -> None:
    """Draws the bodies on the sheet."""
    high, wide = round(sheet.height * PX_PER_MM), round(sheet.width * PX_PER_MM)
    depth = np.full((high, wide), -np.inf)
    owner = np.full((high, wide), -1, np.int32)
    faces: list[tuple[str, tuple[slice, slice]]] = []
    for body in bodies:
        mesh = body.solid.to_mesh()
        places = mesh.vert_properties[:, :3].astype(np.float64) + np.array(body.shift)
        triangles = mesh.tri_verts.astype(np.int64)
        normals = np.cross(
            places[triangles[:, 1]] - places[triangles[:, 0]], places[triangles[:, 2]] - places[triangles[:, 0]]
        )
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        seen = view.seen(places)
        # Off the raster's symmetry, so that no edge runs through the middles of pixels.
        seen[:, :2] = seen[:, :2] * PX_PER_MM + (0.0137, 0.0071)
        for face in _faces(triangles, normals):
            normal = normals[face].mean(axis=0)
            tone = _tone(body.colour, normal / max(float(np.linalg.norm(normal)), 1e-9))
            for triangle in triangles[face]:
                _fill(depth, owner, seen[triangle], len(faces))
            faces.append((tone, _pixels(seen[triangles[face]].reshape(-1, 3), depth.shape)))
    for number, (tone, place) in enumerate(faces):
        _trace(sheet, owner[place] == number, (place[1].start, place[0].start), tone)


def _faces(triangles: NDArray[np.int64], normals: Floats) -> list[NDArray[np.int64]]:
    """The triangles of each smooth face, found from neighbour to neighbour."""
    parent = list(range(len(triangles)))

    def root(one: int) -> int:
        while parent[one] != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        return one

    across: dict[tuple[int, int], int] = {}
    for number, corners in enumerate(triangles.tolist()):
        for a, b in zip(corners, [*corners[1:], corners[0]], strict=True):
            other = across.setdefault((min(a, b), max(a, b)), number)
            if other != number and float(normals[other] @ normals[number]) > SMOOTH_COS:
                parent[root(number)] = root(other)
    groups: dict[int, list[int]] = {}
    for number in range(len(triangles)):
        groups.setdefault(root(number), []).append(number)
    return [np.array(group) for group in groups.values()]


def _fill(depth: Floats, owner: NDArray[np.int32], corners: Floats, number: int) -> None:
    """Fills a triangle's pixels where nothing nearer is."""
    (ax, ay, az), (bx, by, bz), (cx, cy, cz) = corners.tolist()
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    if area > -1e-9:  # seen from behind: a sheet's y runs down
        return
    place = _pixels(corners, depth.shape)
    y = np.arange(place[0].start, place[0].stop)[:, None] + 0.5
    x = np.arange(place[1].start, place[1].stop)[None, :] + 0.5
    u = ((bx - x) * (cy - y) - (by - y) * (cx - x)) / area
    v = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) / area
    w = 1 - u - v
    near = u * az + v * bz + w * cz
    ahead = (u >= -1e-9) & (v >= -1e-9) & (w >= -1e-9) & (near > depth[place] + 1e-6)
    depth[place][ahead] = near[ahead]
    owner[place][ahead] = number


def _pixels(seen: Floats, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """The rows and columns of the raster that hold these places."""
    (left, top), (right, foot) = np.floor(seen[:, :2].min(axis=0)), np.ceil(seen[:, :2].max(axis=0))
    return (
        slice(min(max(int(top), 0), shape[0]), min(max(int(foot), 0), shape[0])),
        slice(min(max(int(left), 0), shape[1]), min(max(int(right), 0), shape[1])),
    )


def _trace(sheet: Sheet, mask: NDArray[np.bool_], at: tuple[int, int], tone: str) -> None:
    """Draws the pixels of a face, the first of them at column and row `at`, as a shape with holes."""
    left, top = at
    # Twice the size, so that the middle of an outline's pixel is an edge of the face's.
    twice = mask.repeat(2, axis=0).repeat(2, axis=1).astype(np.uint8)
    big = cv2.copyMakeBorder(twice, 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    contours, _ = cv2.findContours(big, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    rings = []
    for contour in contours:
        ring = cv2.approxPolyDP(contour, 2.1, True)[:, 0]
        if len(ring) > 2:
            rings.append([((x - 0.5) / 2 + left, (y - 0.5) / 2 + top) for x, y in ring.tolist()])
    if rings:
        scaled = [[(x / PX_PER_MM, y / PX_PER_MM) for x, y in ring] for ring in rings]
        sheet.outline(*scaled, fill=tone, line="#20242a", width=0.3)


def _tone(colour: str, normal: Floats) -> str:
    """The colour in the light that falls on such a face."""
    light = 0.62 + 0.38 * float(normal @ LIGHT)
    channels = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return "#" + "".join(f"{min(round(channel * light + 1e-6), 255):02x}" for channel in channels)
