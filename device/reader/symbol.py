"""The symbol: what a QR code of model 2 keeps in which module, for all 40 versions.

Everything here is ISO/IEC 18004; the numbers come from segno's tables, which hold the same standard for drawing. All
arrays are shared and cannot be written to.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from segno import consts

VERSION_MAX = 40
LEVELS = "MLHQ"
"""Error-correction levels, each at the place of its two-bit indicator."""
FORMATS = np.array([[word >> place & 1 for place in range(14, -1, -1)] for word in consts.FORMAT_INFO], np.int8)
"""Format information: shape (32, 15), int8, masked; row = level's indicator * 8 + mask pattern."""
VERSIONS = np.array([[word >> place & 1 for place in range(18)] for word in consts.VERSION_INFO], np.int8)
"""Version information of versions 7 to 40: shape (34, 18), int8; least significant bit first."""


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """What the modules of a version are.

    Attributes:
        version: 1 to 40.
        dim: modules a side.
        fixed: shape (dim, dim), int8: 1 dark, 0 light, in every symbol of this version; -1 depends on what it says.
        order: shape (codewords, 8), intp: the module, as row * dim + column, of each bit, most significant first.
        masks: shape (8, codewords, 8), bool: where each mask pattern turns light and dark round.
        format_at: shape (2, 15), intp: the modules of both copies of the format information.
        version_at: shape (2, 18), intp, the same for the version information; (2, 0) below version 7.
    """

    version: int
    dim: int
    fixed: NDArray[np.int8]
    order: NDArray[np.intp]
    masks: NDArray[np.bool_]
    format_at: NDArray[np.intp]
    version_at: NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """How a version and level share codewords out to Reed-Solomon blocks.

    Shorter blocks have one content codeword less than longer ones. Here each begins with a codeword that is always 0
    and not in the symbol, which leaves its check codewords as they are, and so all blocks have one shape.

    Attributes:
        checks: check codewords of each block.
        places: shape (blocks, length), intp: where in `Layout.order` each codeword is, content first; -1: always 0.
        content: shape (content codewords,), intp: where in the flattened `places` the content is, in its order.
    """

    checks: int
    places: NDArray[np.intp]
    content: NDArray[np.intp]


def version_of(dim: int) -> int:
    """The version of a symbol with so many modules a side.

    Raises:
        ValueError: no version has.
    """
    version, rest = divmod(dim - 17, 4)
    if rest or not 1 <= version <= VERSION_MAX:
        raise ValueError(f"QR symbol: expected a side of 21, 25, ... 177 modules, found {dim}; give the whole symbol")
    return version


@cache
def layout(version: int) -> Layout:
    """What the modules of a version are."""
    dim = 17 + 4 * version
    fixed = np.full((dim, dim), -1, np.int8)
    ring = np.ones((7, 7), np.int8)  # the finder pattern
    ring[1:6, 1:6], ring[2:5, 2:5] = 0, 1
    for row, column in ((0, 0), (0, dim - 7), (dim - 7, 0)):
        fixed[max(0, row - 1) : row + 8, max(0, column - 1) : column + 8] = 0  # its separator
        fixed[row : row + 7, column : column + 7] = ring
    if version > 1:
        centres = consts.ALIGNMENT_POS[version - 2]
        for row in centres:
            for column in centres:
                if fixed[row, column] < 0:  # not over a finder pattern
                    fixed[row - 2 : row + 3, column - 2 : column + 3] = 1
                    fixed[row - 1 : row + 2, column - 1 : column + 2] = 0
                    fixed[row, column] = 1
    timing = np.arange(8, dim - 8)
    fixed[6, timing] = fixed[timing, 6] = 1 - timing % 2
    fixed[dim - 8, 8] = 1  # the dark module

    ends = np.arange(7)
    format_at = np.array(
        [
            [8 * dim + at for at in (0, 1, 2, 3, 4, 5, 7, 8)] + [at * dim + 8 for at in (7, 5, 4, 3, 2, 1, 0)],
            [*((dim - 1 - ends) * dim + 8), *(8 * dim + dim - 8 + np.arange(8))],
        ],
        np.intp,
    )
    version_at = np.zeros((2, 0), np.intp)
    if version >= 7:
        along, across = np.divmod(np.arange(18), 3)
        version_at = np.array([along * dim + dim - 11 + across, (dim - 11 + across) * dim + along], np.intp)
        fixed.flat[version_at] = VERSIONS[version - 7]

    free = fixed < 0
    free.flat[format_at] = False
    # Codewords run in columns two modules wide, from the right, up and down in turn; the timing column is stepped over.
    rights = [right - (right <= 6) for right in range(dim - 1, 0, -2)]
    places = [
        row * dim + column
        for turn, right in enumerate(rights)
        for row in (range(dim) if turn % 2 else range(dim - 1, -1, -1))
        for column in (right, right - 1)
        if free[row, column]
    ]
    order = np.array(places[: len(places) // 8 * 8], np.intp).reshape(-1, 8)  # the rest bits say nothing
    i, j = np.divmod(order, dim)  # row and column, as the standard calls them
    masks = np.stack(
        [
            (i + j) % 2 == 0,
            i % 2 == 0,
            j % 3 == 0,
            (i + j) % 3 == 0,
            (i // 2 + j // 3) % 2 == 0,
            i * j % 2 + i * j % 3 == 0,
            (i * j % 2 + i * j % 3) % 2 == 0,
            ((i + j) % 2 + i * j % 3) % 2 == 0,
        ]
    )
    for array in (fixed, order, masks, format_at, version_at):
        array.flags.writeable = False
    return Layout(version, dim, fixed, order, masks, format_at, version_at)


@cache
def blocks(version: int, level: str) -> Blocks:
    """How the codewords of a version are shared out at a level, one of `LEVELS`."""
    shares: Any = consts.ECC[version]  # segno's tables have no types
    groups = shares[LEVELS.index(level)]
    sizes = [group.num_data for group in groups for _ in range(group.num_blocks)]
    longest, checks = max(sizes), groups[0].num_total - groups[0].num_data
    places = np.full((len(sizes), longest + checks), -1, np.intp)
    # The symbol takes one codeword of each block in turn; short blocks, which come first, have none left at the end.
    turns = [
        (block, longest - size + turn) for turn in range(longest) for block, size in enumerate(sizes) if turn < size
    ] + [(block, longest + turn) for turn in range(checks) for block in range(len(sizes))]
    for place, (block, at) in enumerate(turns):
        places[block, at] = place
    content = np.array(
        [block * places.shape[1] + at for block, size in enumerate(sizes) for at in range(longest - size, longest)],
        np.intp,
    )
    for array in (places, content):
        array.flags.writeable = False
    return Blocks(checks, places, content)
