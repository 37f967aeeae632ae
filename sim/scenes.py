"""The scenes: what a camera may see that is no acta, drawn: the empty tray, a hand, a face, a room, a table, a blank.

They are drawn simply, but with light, blur and noise as a camera has them: what tells a sheet from them must not rest
on how clean a drawing is.
"""

import math
import random
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.uint8]
Floats = NDArray[np.float64]

SIZE = 1296, 2304
"""Rows and columns: half the resolution of the real camera, as in the demo."""


def scene(kind: str, seed: int, size: tuple[int, int] = SIZE) -> Luma:
    """A scene of a kind.

    Args:
        kind: one of `SCENES`.
        seed: of all its chance.
        size: rows and columns.

    Returns:
        Luma, uint8, rows x columns.
    """
    chance = random.Random(f"{kind} {seed}")
    drawn = SCENES[kind](chance, size)
    drawn = cv2.GaussianBlur(drawn, (0, 0), chance.uniform(0.6, 8)) * _shade(chance, size)
    noise = np.random.default_rng(chance.randrange(2**31)).normal(0, chance.uniform(1, 6), size)
    return np.clip(drawn + noise, 0, 255).astype(np.uint8)


def _shade(chance: random.Random, size: tuple[int, int]) -> Floats:
    """Light that falls off to one side."""
    rows, columns = size
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    toward = chance.uniform(0, 2 * math.pi)
    return np.asarray(1 - chance.uniform(0, 0.4) * (x * math.cos(toward) + y * math.sin(toward) + 1.5) / 3, np.float64)


def _plain(size: tuple[int, int], light: float) -> Floats:
    return np.full(size, light, np.float64)


def _empty(chance: random.Random, size: tuple[int, int]) -> Floats:
    return _plain(size, chance.uniform(6, 40))


def _blank(chance: random.Random, size: tuple[int, int]) -> Floats:
    """A strip of paper with nothing on it."""
    rows, columns = size
    strip = ((columns / 2, rows / 2), (0.8 * columns, 0.35 * rows), chance.gauss(0, 4))
    drawn = _empty(chance, size)
    cv2.fillPoly(drawn, [cv2.boxPoints(strip).astype(np.int32)], (chance.uniform(150, 230),))
    return drawn


def _room(chance: random.Random, size: tuple[int, int]) -> Floats:
    """Walls, windows and furniture: bright and dark, with straight edges and without."""
    rows, columns = size
    drawn = _plain(size, chance.uniform(40, 140))
    for _ in range(chance.randint(8, 24)):
        at = chance.randrange(columns), chance.randrange(rows)
        wide, high = (int(chance.uniform(0.03, 0.3) * side) for side in (columns, rows))
        light = chance.uniform(20, 240)
        if chance.random() < 0.75:
            cv2.rectangle(drawn, at, (at[0] + wide, at[1] + high), (light,), -1)
        else:
            cv2.ellipse(drawn, at, (wide, high), chance.uniform(0, 180), 0, 360, (light,), -1)
    return drawn


def _face(chance: random.Random, size: tuple[int, int]) -> Floats:
    """Somebody who bends over the unit."""
    rows, columns = size
    drawn = _plain(size, chance.uniform(10, 200))
    x, y, head = (
        int(columns * chance.uniform(0.3, 0.7)),
        int(rows * chance.uniform(0.4, 0.6)),
        chance.uniform(0.2, 0.45),
    )
    head *= rows
    skin = chance.uniform(80, 210)

    def oval(right: float, down: float, wide: float, high: float, light: float) -> None:
        middle = int(x + right * head), int(y + down * head)
        cv2.ellipse(drawn, middle, (max(1, int(wide * head)), max(1, int(high * head))), 0, 0, 360, (light,), -1)

    oval(0, 1.6, 1.5, 0.8, chance.uniform(20, 220))
    oval(0, -0.15, 0.82, 1.1, chance.uniform(10, 90))
    oval(0, 0, 0.7, 0.95, skin)
    for side in (-1, 1):
        oval(0.28 * side, -0.36, 0.16, 0.03, 30)
        oval(0.28 * side, -0.2, 0.12, 0.06, 240)
        oval(0.28 * side, -0.2, 0.05, 0.05, 20)
    oval(0, 0.12, 0.06, 0.14, 0.8 * skin)
    oval(0, 0.45, 0.25, 0.06, 0.5 * skin)
    return drawn


def _hand(chance: random.Random, size: tuple[int, int]) -> Floats:
    """A hand and its arm over the tray."""
    rows, columns = size
    drawn, skin = _empty(chance, size), chance.uniform(70, 220)
    palm = np.array([columns * chance.uniform(0.3, 0.7), rows * chance.uniform(0.3, 0.7)])
    wide, toward = rows * chance.uniform(0.12, 0.2), chance.uniform(0, 2 * math.pi)

    def limb(turned: float, long: float, thick: float) -> None:
        end = palm + wide * long * np.array([math.cos(toward + turned), math.sin(toward + turned)])
        tip = int(end[0]), int(end[1])
        cv2.line(drawn, (int(palm[0]), int(palm[1])), tip, (skin * chance.uniform(0.9, 1.0),), int(thick * wide))

    limb(math.pi, 8, 1.3)
    cv2.circle(drawn, (int(palm[0]), int(palm[1])), int(1.1 * wide), (skin,), -1)
    for finger in range(5):
        limb(0.3 * finger - 0.6, chance.uniform(2.2, 3), 0.5)
    return drawn


def _table(chance: random.Random, size: tuple[int, int]) -> Floats:
    """A wooden table, and perhaps a plate on it."""
    rows, columns = size
    grain = np.random.default_rng(chance.randrange(2**31)).normal(0, chance.uniform(3, 12), (rows // 8, 4))
    drawn = _plain(size, chance.uniform(60, 180)) + cv2.resize(grain, (columns, rows), interpolation=cv2.INTER_CUBIC)
    if chance.random() < 0.5:
        at = chance.randrange(columns), chance.randrange(rows)
        cv2.circle(drawn, at, rows // 5, (chance.uniform(10, 250),), -1)
    return drawn


SCENES: dict[str, Callable[[random.Random, tuple[int, int]], Floats]] = {
    "empty": _empty,
    "blank": _blank,
    "room": _room,
    "face": _face,
    "hand": _hand,
    "table": _table,
}
