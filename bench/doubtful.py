"""The doubtful pictures: each drawn from its seed alone, of a kind that a reader could misread.

What is in view is known, so any payload that is not exactly one of those in view is wrong. The pictures are small, for
it takes a hundred thousand of them to say anything: nothing here is a photograph, see `sim.photo` for those.

Codewords are written straight into the symbol, by tables of segno's making and the standard's, not by the reader's:
a fault in a table that both used would not be seen.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

import cv2
import numpy as np
import segno
import zxingcpp
from numpy.typing import NDArray
from segno import consts

from sim import paper

Modules = NDArray[np.float32]
"""A symbol or a sheet of them as ink, shape (rows, columns): 0 is paper, 1 is black, one number a module."""

Luma = NDArray[np.uint8]

ACTA_VERSIONS = (8, 8, 8, 9)  # the acta's symbol; about 1 in 80 needs version 9, which is drawn more often here

# ISO/IEC 18004:2015, table 9, level Q: how many data codewords each block has, and how many check codewords.
HOLDS = {8: 108, 9: 130}  # bytes, at level Q
BLOCKS = {8: ((18, 18, 18, 18, 19, 19), 22), 9: ((16, 16, 16, 16, 17, 17, 17, 17), 20)}

QUIET = 4  # modules of paper around a symbol
FINE = 4  # pixels a module of the raster that is blurred before it is seen


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture and what is in view.

    Attributes:
        kind: the name of its kind, a key of `KINDS`.
        luma: shape (height, width), dtype uint8, 0 black.
        truths: every payload of which at least a part is in view; empty where no QR code of model 2 is.
    """

    kind: str
    luma: Luma
    truths: frozenset[str]


def kind_of(seed: int) -> str:
    """The kind of a seed's picture: the kinds take turns, in the shares of `KINDS`."""
    return _TURNS[seed % ROUND]


def draw(seed: int) -> Picture:
    """Draws the picture of a seed."""
    kind = kind_of(seed)
    luma, truths = KINDS[kind][1](np.random.default_rng(seed))
    return Picture(kind, luma, frozenset(truths))


Drawn = tuple[Luma, tuple[str, ...]]


# Symbols, and codewords in them.


def random_acta(rng: np.random.Generator, longest: int = HOLDS[9]) -> str:
    """A payload of at most so many characters."""
    while True:
        payload = paper.random_payload(random.Random(int(rng.integers(2**63))))
        if len(payload) <= longest:
            return payload


def _sibling(payload: str, rng: np.random.Generator, version: int) -> str:
    """Another payload that fits the version, as often of the next mesa of the same centre as of anywhere."""
    other = random_acta(rng, HOLDS[version])
    if rng.random() < 0.5:
        other = _at_next_mesa(other, payload)
    return other


def _retouched(payload: str, rng: np.random.Generator, least: int = 1, most: int = 3) -> str:
    """The same acta with so many counts changed, no digit more."""
    head, counts, tail = payload.split("!", 2)
    votes = counts.split(",")
    for place in rng.permutation(len(votes))[: rng.integers(least, most + 1)]:
        votes[place] = str((int(votes[place]) + int(rng.integers(1, 9))) % 10 ** len(votes[place]))
    return f"{head}!{','.join(votes)}!{tail}"


def alike(payload: str, rng: np.random.Generator) -> str:
    """Another mesa of the same centre, with many of the same counts."""
    return _at_next_mesa(_retouched(payload, rng, 3, 37), payload)


def _at_next_mesa(other: str, payload: str) -> str:
    return f"{payload[:10]}{int(payload[10:12]) % 15 + 1:02}{other[12:]}"


def symbol_of(content: str, *, version: int = 8, error: str = "q", mask: int = 0) -> Modules:
    """The symbol of a content in byte mode, with no quiet zone."""
    made = segno.make_qr(
        content.encode("latin-1"), error=error, version=version, mask=mask, mode="byte", boost_error=False
    )
    return np.array([list(row) for row in made.matrix], np.float32)


def _acta(rng: np.random.Generator) -> tuple[str, int, int]:
    """A payload, the version it is drawn in and the mask."""
    version = int(rng.choice(ACTA_VERSIONS))
    return random_acta(rng, HOLDS[version]), version, int(rng.integers(8))


@cache
def places_of(version: int) -> NDArray[np.intp]:
    """Where the bits of each codeword are: shape (codewords, 8), indices into the flat symbol, highest bit first."""
    side = 17 + 4 * version
    free = np.ones((side, side), bool)
    free[:9, :9] = free[:9, -8:] = free[-8:, :9] = False  # finders and format
    free[6] = free[:, 6] = False  # timing
    if version >= 7:
        free[:6, -11:-8] = free[-11:-8, :6] = False  # version
    centres = consts.ALIGNMENT_POS[version - 2] if version > 1 else ()
    for row, column in product(centres, repeat=2):
        if (row, column) not in ((6, 6), (6, side - 7), (side - 7, 6)):
            free[row - 2 : row + 3, column - 2 : column + 3] = False
    columns = [*range(side - 1, 7, -2), 5, 3, 1]  # none begins in column 6, which is timing
    order = []
    for turn, right in enumerate(columns):
        rows = range(side) if turn % 2 else range(side - 1, -1, -1)
        order += [row * side + column for row in rows for column in (right, right - 1) if free[row, column]]
    return np.array(order[: len(order) // 8 * 8], np.intp).reshape(-1, 8)


@cache
def blocks_of(version: int) -> tuple[NDArray[np.intp], ...]:
    """For each block of level Q, the numbers of its codewords in the order they are placed: data, then checks."""
    lengths, checks = BLOCKS[version]
    blocks: list[list[int]] = [[] for _ in lengths]
    number = 0
    for place in range(max(lengths) + checks):
        for block, length in enumerate(lengths):
            data_left, check = place < length, place >= max(lengths)
            if data_left or check:
                blocks[block].append(number)
                number += 1
    return tuple(np.array(block, np.intp) for block in blocks)


def spoil(symbol: Modules, codewords: NDArray[np.intp], version: int, rng: np.random.Generator) -> None:
    """Makes each of the codewords another than it is, in place."""
    places = places_of(version)[codewords]
    flips = np.unpackbits(rng.integers(1, 256, (len(codewords), 1), np.uint8), axis=1)
    flat = symbol.reshape(-1)
    flat[places] = np.abs(flat[places] - flips)


def _randomised(symbol: Modules, codewords: NDArray[np.intp], version: int, rng: np.random.Generator) -> None:
    places = places_of(version)[codewords]
    symbol.reshape(-1)[places] = rng.integers(0, 2, places.shape)


# Seeing: from modules to a small picture.


def _seen(
    modules: Modules,
    rng: np.random.Generator,
    *,
    px: float | None = None,
    blur: float | None = None,
    turned: bool = True,
    cut: float = 0.0,
) -> Luma:
    """The modules as a camera or a scanner sees them: size, place, blur, light, contrast, noise, now and then JPEG.

    Args:
        modules: ink.
        rng: the picture's chance.
        px: pixels a module; 1.4 to 5 by chance if None, at which 150,000 pixels or less are to be read.
        blur: standard deviation in modules; up to half a module by chance if None.
        turned: whether by any angle, rather than one of a few degrees.
        cut: share of the modules' width that lies outside the picture, at any of the four sides.
    """
    px = float(rng.uniform(1.4, 5.0)) if px is None else px
    blur = float(min(rng.exponential(0.15), 0.5)) if blur is None else blur
    rows, columns = modules.shape
    around = QUIET + 2
    ink = cv2.copyMakeBorder(modules, around, around, around, around, cv2.BORDER_CONSTANT, value=0)
    ink = cv2.resize(ink, None, fx=FINE, fy=FINE, interpolation=cv2.INTER_NEAREST)
    # The lens, and a sensor's pixel, which is a box of 1 / px modules: as wide as a Gaussian of 0.29 of it.
    ink = cv2.GaussianBlur(ink, (0, 0), FINE * float(np.hypot(blur, 0.29 / px)))
    side = np.hypot(rows, columns) + 2 * QUIET if turned else max(rows, columns) + 2 * QUIET + 2
    size = int(np.ceil(side * px))
    angle = np.radians(rng.uniform(0, 360) if turned else rng.choice((0, 90, 180, 270)) + rng.uniform(-4, 4))
    scale = px / FINE
    middle = np.array([[1, 0, -ink.shape[1] / 2], [0, 1, -ink.shape[0] / 2], [0, 0, 1]])
    spin = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    askew = np.array([[scale, 0, 0], [0, scale, 0], [*rng.uniform(-0.12, 0.12, 2) / ink.shape[0], 1]])
    centre = np.array([[1, 0, size / 2 + rng.uniform(0, 1)], [0, 1, size / 2 + rng.uniform(0, 1)], [0, 0, 1]])
    seen = cv2.warpPerspective(ink, centre @ askew @ spin @ middle, (size, size), flags=cv2.INTER_LINEAR)
    if cut:
        gone = round((size - max(rows, columns) * px) / 2 + cut * max(rows, columns) * px)
        seen = np.ascontiguousarray(np.rot90(np.rot90(seen, k := int(rng.integers(4)))[gone:], -k))
    return _lit(seen, rng)


def _lit(ink: NDArray[Any], rng: np.random.Generator) -> Luma:
    """Ink as levels: paper of some brightness, ink of some contrast, a slope of light, noise, one in four as JPEG."""
    height, width = ink.shape
    white = rng.uniform(60, 250)
    contrast = 1 - 0.95 * rng.random() ** 3
    slope = rng.uniform(-0.3, 0.3, 2)
    light = 1 + slope[0] * np.linspace(-1, 1, height)[:, None] + slope[1] * np.linspace(-1, 1, width)[None, :]
    levels = white * light * (1 - contrast * ink) + rng.exponential(4) * rng.standard_normal(ink.shape)
    luma: Luma = np.clip(levels, 0, 255).astype(np.uint8)
    if rng.random() < 0.25:
        _, file = cv2.imencode(".jpg", luma, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 95))])
        luma = np.asarray(cv2.imdecode(file, cv2.IMREAD_GRAYSCALE), np.uint8)
    return luma


# Without a QR code.


def _noise(rng: np.random.Generator) -> Drawn:
    height, width = rng.integers(60, 400, 2)
    grain = rng.choice((0.0, 0.7, 1.5, 4.0))
    ink = rng.random((height, width), np.float32)
    if grain:
        ink = np.asarray(cv2.GaussianBlur(ink, (0, 0), float(grain)), np.float32)
        ink = (ink - ink.min()) / (np.ptp(ink) + 1e-6)
    if rng.random() < 0.4:
        ink = (ink > np.median(ink)).astype(np.float32)
    return _lit(ink, rng), ()


def _text(rng: np.random.Generator) -> Drawn:
    height, width = (int(side) for side in rng.integers(120, 400, 2))
    ink = np.zeros((height, width), np.float32)
    letters = "ACDEILMNORSTU 0123456789#@%&|-.,"
    row = 0
    while row < height:
        scale = float(rng.uniform(0.3, 1.2))
        row += int(rng.uniform(24, 40) * scale)
        line = "".join(letters[letter] for letter in rng.integers(0, len(letters), 60))
        cv2.putText(ink, line, (-10, row), int(rng.integers(0, 8)), scale, 1.0, int(rng.integers(1, 4)), cv2.LINE_AA)
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), float(rng.uniform(0, 360)), 1.0)
    return _lit(cv2.warpAffine(ink, turn, (width, height)), rng), ()


@cache
def _without_code(number: int) -> Luma:
    """An acta down to where its code begins, at 4 pixels a millimetre."""
    sheet = paper.draw(paper.random_payload(random.Random(number)), seed=number).luma
    above = sheet[: int(0.9 * len(sheet))]
    zoom = 4 / paper.PX_PER_MM
    return np.asarray(cv2.resize(above, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA), np.uint8)


def _acta_without_code(rng: np.random.Generator) -> Drawn:
    sheet = _without_code(int(rng.integers(8)))
    size = int(rng.integers(120, sheet.shape[1]))
    top, left = int(rng.integers(0, len(sheet) - size)), int(rng.integers(0, sheet.shape[1] - size + 1))
    part = sheet[top : top + size, left : left + size]
    zoom = float(rng.uniform(0.6, 1.6))
    seen = cv2.resize(part, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA)
    return _lit(1 - np.asarray(seen, np.float32) / 255, rng), ()


def _texture(rng: np.random.Generator) -> Drawn:
    height, width = rng.integers(100, 350, 2)
    y, x = np.indices((height, width), np.float32)
    angles, periods = rng.uniform(0, np.pi, 2), rng.uniform(3, 40, 2)
    waves = [np.sin((x * np.cos(a) + y * np.sin(a)) * 2 * np.pi / p) for a, p in zip(angles, periods, strict=True)]
    match int(rng.integers(4)):
        case 0:  # chequers
            ink = (waves[0] * np.roll(waves[0].T, 1)[:height, :width] if height == width else waves[0] * waves[1]) > 0
        case 1:  # a grating, or a moiré of two
            ink = (waves[0] + rng.choice((0, 1)) * waves[1]) / 4 + 0.5
        case 2:  # dots
            ink = waves[0] + waves[1] > rng.uniform(0.2, 1.5)
        case _:  # rings, as round a finder
            ink = np.sin(np.maximum(abs(x - width / 2), abs(y - height / 2)) * 2 * np.pi / periods[0]) > 0
    return _lit(ink.astype(np.float32), rng), ()


_OTHERS = (
    zxingcpp.BarcodeFormat.Aztec,
    zxingcpp.BarcodeFormat.DataMatrix,
    zxingcpp.BarcodeFormat.PDF417,
    zxingcpp.BarcodeFormat.MicroQRCode,
    zxingcpp.BarcodeFormat.RMQRCode,
    zxingcpp.BarcodeFormat.Code128,
    zxingcpp.BarcodeFormat.ITF,
    zxingcpp.BarcodeFormat.MaxiCode,
)


def _other_codes(rng: np.random.Generator) -> Drawn:
    kind = _OTHERS[rng.integers(len(_OTHERS))]
    digits = "".join(map(str, rng.integers(0, 10, 2 * rng.integers(3, 8))))
    made = zxingcpp.create_barcode(digits, kind)
    luma = np.asarray(zxingcpp.write_barcode_to_image(made, scale=1))
    return _seen((luma < 128).astype(np.float32), rng, px=float(rng.uniform(1.5, 6))), ()


_FINDER = np.ones((7, 7), np.float32)
_FINDER[1:6, 1:6] = 0
_FINDER[2:5, 2:5] = 1


def _finders(rng: np.random.Generator) -> Drawn:
    """Finder patterns where no symbol is: a few in the corners of a square, or many anywhere."""
    side = int(rng.choice((25, 45, 49, 53, 61)))
    ink = np.zeros((side, side), np.float32)
    if rng.random() < 0.5:
        corners = [(0, 0), (0, side - 7), (side - 7, 0), (side - 7, side - 7)]
        for row, column in corners[: rng.integers(2, 5)]:
            ink[row : row + 7, column : column + 7] = _FINDER
    else:
        for row, column in rng.integers(0, side - 7, (rng.integers(4, 30), 2)):
            ink[row : row + 7, column : column + 7] = _FINDER
    return _seen(ink, rng), ()


# Random modules in perfect geometry.


def _random_modules(rng: np.random.Generator) -> Drawn:
    """All that finds and places a symbol is right, whatever carries its content is chance: every bit, or nearly."""
    version = int(rng.choice((8, 8, 8, 8, 9, 1, 2, 5, 10)))
    symbol = symbol_of("", version=version, error="q", mask=int(rng.integers(8)))
    places = places_of(version)
    if rng.random() < 0.3:  # the format says nothing either
        symbol[8, :9] = symbol[:9, 8] = rng.integers(0, 2, 9)
        symbol[8, -8:] = rng.integers(0, 2, 8)
        symbol[-8:, 8] = rng.integers(0, 2, 8)
    symbol.reshape(-1)[places] = rng.integers(0, 2, places.shape)
    return _seen(symbol, rng), ()


def _grey_modules(rng: np.random.Generator) -> Drawn:
    """The same where modules are any grey: a reader that weighs its doubts could talk itself into anything."""
    version = int(rng.choice(ACTA_VERSIONS))
    symbol = symbol_of("", version=version, mask=int(rng.integers(8)))
    places = places_of(version)
    symbol.reshape(-1)[places] = rng.beta(rng.choice((0.4, 1.0, 4.0)), rng.choice((0.4, 1.0, 4.0)), places.shape)
    return _seen(symbol, rng), ()


def _one_block_random(rng: np.random.Generator) -> Drawn:
    """An acta of which one or two blocks are chance, checks and all, and the others as printed."""
    payload, version, mask = _acta(rng)
    symbol = symbol_of(payload, version=version, mask=mask)
    for block in rng.permutation(len(blocks_of(version)))[: rng.integers(1, 3)]:
        _randomised(symbol, blocks_of(version)[block], version, rng)
    return _seen(symbol, rng, px=float(rng.uniform(2, 5))), (payload,)


# Damaged actas.


def _near_the_limit(rng: np.random.Generator) -> Drawn:
    """As many wrong codewords a block as can just be corrected, or some fewer or more."""
    payload, version, mask = _acta(rng)
    symbol = symbol_of(payload, version=version, mask=mask)
    limit = BLOCKS[version][1] // 2
    level = limit + int(rng.integers(-3, 6))
    for block in blocks_of(version):
        wrong = level + int(rng.integers(-1, 2))
        spoil(symbol, rng.permutation(block)[:wrong], version, rng)
    return _seen(symbol, rng, px=float(rng.uniform(2, 5))), (payload,)


def _burst(rng: np.random.Generator) -> Drawn:
    """A stain, a white patch or streaks over 10 to 50 % of the symbol."""
    payload, version, mask = _acta(rng)
    symbol = symbol_of(payload, version=version, mask=mask)
    side = len(symbol)
    share = rng.uniform(0.1, 0.5)
    where = np.zeros((side, side), bool)
    match int(rng.integers(4)):
        case 0:
            height = int(side * np.sqrt(share) * rng.uniform(0.7, 1.3))
            width = min(side, int(side * side * share / max(height, 1)))
            row, column = rng.integers(0, max(side - height, 0) + 1), rng.integers(0, side - width + 1)
            where[row : row + height, column : column + width] = True
        case 1:
            rows, columns = np.indices((side, side))
            middle = rng.uniform(0, side, 2)
            where = (rows - middle[0]) ** 2 + (columns - middle[1]) ** 2 < share * side * side / np.pi
        case 2:
            where[:, rng.permutation(side)[: int(share * side / 2)]] = True
        case _:
            cells = rng.random((side // 6 + 1, side // 6 + 1)) < share
            where = np.kron(cells, np.ones((6, 6), bool))[:side, :side].astype(bool)
    fills = (0.0, 1.0, 0.5, rng.integers(0, 2, symbol.shape), 1 - symbol)
    symbol = np.where(where, fills[rng.integers(len(fills))], symbol).astype(np.float32)
    return _seen(symbol, rng, px=float(rng.uniform(2, 5))), (payload,)


def _cut(rng: np.random.Generator) -> Drawn:
    payload, version, mask = _acta(rng)
    symbol = symbol_of(payload, version=version, mask=mask)
    return _seen(symbol, rng, px=float(rng.uniform(2, 4)), turned=False, cut=rng.uniform(0.02, 0.5)), (payload,)


def _half_and_half(rng: np.random.Generator) -> Drawn:
    """A part of one acta's symbol beside, below or scattered among the rest of another's, most often a neighbour's."""
    payload, version, mask = _acta(rng)
    other = _sibling(payload, rng, version)
    one, two = (symbol_of(content, version=version, mask=mask) for content in (payload, other))
    rows, columns = np.indices(one.shape)
    angle, side = rng.uniform(0, 2 * np.pi), len(one)
    across = (columns - side / 2) * np.cos(angle) + (rows - side / 2) * np.sin(angle)
    where = across < rng.uniform(-0.35, 0.35) * side
    if rng.random() < 0.2:
        where = rng.random(one.shape) < rng.uniform(0.1, 0.9)
    return _seen(np.where(where, one, two), rng, px=float(rng.uniform(2, 5))), (payload, other)


def half_of_each(version: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which modules are of the first of two symbols: up to a line, or of the checks' codewords the last ones.

    That is where error correction is torn between the two: what they say is alike, and half the checks are of each.
    """
    side = 17 + 4 * version
    rows, columns = np.indices((side, side)) - side // 2
    beyond = np.zeros((side, side), bool)
    if rng.random() < 0.5:
        angle = rng.uniform(0, 2 * np.pi)
        beyond = columns * np.cos(angle) + rows * np.sin(angle) < rng.uniform(-0.35, 0.35) * side
    else:
        places, (lengths, _) = places_of(version), BLOCKS[version]
        checks = places[sum(lengths) :]
        beyond.flat[checks[int(rng.uniform(0.3, 0.7) * len(checks)) :]] = True
    return beyond


def _half_alike(rng: np.random.Generator) -> Drawn:
    """Half of one acta's symbol beside half of an alike one's, as sharp as they come."""
    payload, version, mask = _acta(rng)
    other = alike(payload, rng)
    if rng.random() < 0.5:
        other = _retouched(_retouched(payload, rng), rng)
    one, two = (symbol_of(content, version=version, mask=mask) for content in (payload, other))
    mixed = np.where(half_of_each(version, rng), one, two)
    return _seen(mixed, rng, px=float(rng.uniform(2, 5)), blur=0.1), (payload, other)


def _mixed_codewords(rng: np.random.Generator) -> Drawn:
    """Codewords of one acta among those of another: the data of one and the checks of the other, or any."""
    payload, version, mask = _acta(rng)
    lengths, checks = BLOCKS[version]
    whole = sum(lengths) + checks * len(lengths)
    match int(rng.integers(4)):
        case 0:  # the checks are those of an acta that differs in little: what they say is what it says
            taken, other = np.arange(sum(lengths), whole), _retouched(payload, rng)
        case 1:  # the checks are any other's
            taken, other = np.arange(sum(lengths), whole), _sibling(payload, rng, version)
        case 2:
            taken, other = np.flatnonzero(rng.random(whole) < rng.uniform(0.1, 0.9)), _sibling(payload, rng, version)
        case _:  # two blocks have changed places, but kept their checks
            return _seen(_blocks_changed(payload, version, mask, rng), rng, px=float(rng.uniform(2, 5))), (payload,)
    symbol, two = (symbol_of(content, version=version, mask=mask) for content in (payload, other))
    places = places_of(version)[taken]
    symbol.reshape(-1)[places] = two.reshape(-1)[places]
    return _seen(symbol, rng, px=float(rng.uniform(2, 5))), (payload, other)


def _blocks_changed(payload: str, version: int, mask: int, rng: np.random.Generator) -> Modules:
    lengths, _ = BLOCKS[version]
    symbol = symbol_of(payload, version=version, mask=mask)
    flat, masked = symbol.reshape(-1), _mask(version, mask).reshape(-1)
    chosen = rng.permutation(lengths.count(lengths[0]))[:2]  # two of the same length
    pair = [places_of(version)[blocks_of(version)[block][: lengths[0]]] for block in chosen]
    contents = [np.abs(flat[places] - masked[places]) for places in pair]
    for places, content in zip(pair, reversed(contents), strict=True):
        flat[places] = np.abs(content - masked[places])
    return symbol


def _mask(version: int, mask: int) -> Modules:
    """A mask as modules: what it changes against mask 0, whose rule is that row and column add up to an even number."""
    drawn, plain = (symbol_of("0", version=version, mask=number) for number in (mask, 0))
    rows, columns = np.indices(plain.shape)
    return np.asarray(np.abs(drawn - plain) != ((rows + columns) % 2 == 0), np.float32)


# Two actas.


def _two_in_view(rng: np.random.Generator) -> Drawn:
    """Two symbols side by side, one torn, one laid over the other, or one that shows through the other."""
    payload, version, mask = _acta(rng)
    other = _sibling(payload, rng, version)
    one, two = (symbol_of(content, version=version, mask=mask) for content in (payload, other))
    side = len(one)
    px = float(rng.uniform(2, 4))
    match int(rng.integers(4)):
        case 0:
            modules = np.hstack([one, np.zeros((side, int(rng.integers(2, 9))), np.float32), two])
        case 1:
            torn = two[: int(side * rng.uniform(0.3, 0.9))]
            modules = np.vstack([one, np.zeros((int(rng.integers(2, 6)), side), np.float32), torn])
        case 2:
            shift = rng.integers(0, side * 2 // 3, 2)
            modules = np.zeros((side + QUIET + int(shift[0]), side + QUIET + int(shift[1])), np.float32)
            modules[:side, :side] = one
            modules[shift[0] :, shift[1] :] = 0  # the upper sheet's own paper
            modules[shift[0] + QUIET :, shift[1] + QUIET :] = two
        case _:
            shift = rng.integers(0, 4, 2)
            modules = np.zeros((side + 4, side + 4), np.float32)
            modules[:side, :side] = one
            ghost = np.zeros_like(modules)
            ghost[shift[0] : shift[0] + side, shift[1] : shift[1] + side] = two
            share = rng.uniform(0.1, 0.9)
            modules = share * modules + (1 - share) * ghost
    return _seen(modules.astype(np.float32), rng, px=px), (payload, other)


# Whole symbols that are no acta, or not the usual one.


def _broken_grammar(payload: str, rng: np.random.Generator) -> str:
    """The payload with one thing about it that no acta has."""
    head, counts, tail = payload.split("!", 2)
    votes = counts.split(",")
    place = int(rng.integers(len(votes)))
    match int(rng.integers(9)):
        case 0:
            del votes[place]
        case 1:
            votes.insert(place, "0")
        case 2:
            votes[place] = f"0{votes[place]}"
        case 3:
            votes[place] = chr(int(rng.integers(58, 126)))
        case 4:
            votes[place] = f"-{votes[place]}"
        case 5:
            head = f"{head[:-1]}{rng.integers(2, 10)}"
        case 6:
            head = head.replace(".1.", f".{rng.integers(2, 10)}.")
        case 7:
            tail = tail.replace("!", ",")
        case _:
            whole = list(payload)
            for spot in rng.integers(0, len(whole), rng.integers(1, 4)):
                whole[spot] = chr(ord(whole[spot]) ^ (1 << int(rng.integers(0, 5))))
            return "".join(whole)
    return f"{head}!{','.join(votes)}!{tail}"


def _near_an_acta(rng: np.random.Generator) -> Drawn:
    """A symbol whose content breaks the grammar, more or less damaged: a reader that knows better must not mend it."""
    payload, version, mask = _acta(rng)
    broken = _broken_grammar(payload, rng)
    symbol = symbol_of(broken, version=version if len(broken) <= HOLDS[version] else 9, mask=mask)
    version = (len(symbol) - 17) // 4
    limit = BLOCKS[version][1] // 2
    worst = int(rng.integers(0, limit + 5))
    for block in blocks_of(version):
        spoil(symbol, rng.permutation(block)[: rng.integers(0, worst + 1)], version, rng)
    if rng.random() < 0.3:
        edge = int(len(symbol) * rng.uniform(0.05, 0.25))
        symbol[:, -edge:] = 0
    return _seen(symbol, rng, px=float(rng.uniform(2, 5))), (broken,)


def _other_symbols(rng: np.random.Generator) -> Drawn:
    """An acta's payload in another version, level or mode than an acta's, or no acta's content; lightly damaged."""
    payload = random_acta(rng)
    if rng.random() < 0.4:
        payload = "".join(chr(32 + int(letter)) for letter in rng.integers(0, 95, rng.integers(1, 90)))
    error = str(rng.choice(tuple("lmqh")))
    made = segno.make_qr(payload, error=error, mask=int(rng.integers(8)), boost_error=False)
    symbol = np.array([list(row) for row in made.matrix], np.float32)
    flips = rng.random(symbol.shape) < rng.uniform(0, 0.04)
    return _seen(np.abs(symbol - flips).astype(np.float32), rng, px=float(rng.uniform(2, 5))), (payload,)


KINDS: dict[str, tuple[int, Callable[[np.random.Generator], Drawn]]] = {
    "noise": (2, _noise),
    "text": (2, _text),
    "an acta without its code": (2, _acta_without_code),
    "textures and chequers": (2, _texture),
    "bar codes, other square codes": (2, _other_codes),
    "finder patterns alone": (2, _finders),
    "random modules": (5, _random_modules),
    "grey modules": (2, _grey_modules),
    "one or two blocks random": (3, _one_block_random),
    "errors near the limit": (4, _near_the_limit),
    "stains and streaks": (3, _burst),
    "cut off": (3, _cut),
    "half one, half another": (4, _half_and_half),
    "half one, half an alike one": (8, _half_alike),
    "codewords of two actas": (6, _mixed_codewords),
    "two actas in view": (4, _two_in_view),
    "content that breaks the grammar": (4, _near_an_acta),
    "other symbols": (2, _other_symbols),
}
"""Each kind with its share of the pictures, and how it is drawn; most go where most is to be lost: all that earlier
readers misread were parts of two actas."""

_TURNS = tuple(kind for kind, (share, _) in KINDS.items() for _ in range(share))
ROUND = len(_TURNS)
"""How many seeds make one round of all the kinds."""
