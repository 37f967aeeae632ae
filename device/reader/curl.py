"""The curl: paper off a roll keeps the roll's shape: a cylinder whose axis runs across the paper.

A symbol is printed along its paper, so the axis runs along one of its sides. A homography takes a plane that touches
the paper to the picture; what the paper is away from that plane is a bend of the symbol, in modules.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class Curl(NamedTuple):
    """How a symbol lies on a roll. Zero is flat.

    Attributes:
        side: along which side of the symbol the paper's slope changes: 0 for x, 1 for y.
        turn: by how much from the symbol's middle to its edge, radians.
        lean_x, lean_y: where what is as high as half the symbol is wide is seen, in units of that.
    """

    side: float
    turn: float
    lean_x: float
    lean_y: float


FLAT = Curl(0.0, 0.0, 0.0, 0.0)


def bent(curls: Floats, at: Floats, dim: int) -> Floats:
    """By how much places of a symbol are moved, modules; the middles of the finders are not.

    Args:
        curls: shape (k, 4), as `Curl`.
        at: shape (n, 2), module coordinates (x, y).
        dim: modules a side.

    Returns:
        Shape (k, n, 2).
    """
    finders = np.array([[3.5, 3.5], [dim - 3.5, 3.5], [3.5, dim - 3.5]], np.float32)
    every = np.concatenate([finders, at]).astype(np.float32)
    side, turn = curls[:, :1] > 0, np.maximum(curls[:, 1:2], 1e-2)
    along = np.where(side, every[:, 1], every[:, 0]) * np.float32(2 / dim) - 1
    angle = along * turn
    nearer, height = np.sin(angle) / turn - along, (1 - np.cos(angle)) / turn
    moved = curls[:, None, 2:] * height[..., None] + np.stack([nearer * ~side, nearer * side], axis=-1)
    held, moved = moved[:, :3], moved[:, 3:]
    right, down = (at.T - 3.5) / (dim - 7)
    flat = held[:, :1] + right[:, None] * (held[:, 1:2] - held[:, :1]) + down[:, None] * (held[:, 2:] - held[:, :1])
    return np.asarray((moved - flat) * (dim / 2), np.float32)
