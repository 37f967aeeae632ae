"""The wear of print and paper: what the printer's head, heat, years, hands, ink and scissors do to a sheet.

Nearly all of it does one of two things to a spot of the sheet: it takes print away (a share of the way from the spot's
luma to blank paper's) or adds dark (a share of the way to full ink's). What bends the paper, and with it the light on
it, belongs to `sim.photo`.
"""

from dataclasses import dataclass, fields, replace
from functools import cache, partial
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from sim.paper.roll import rounded, weave
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
    Sheet,
)

Side = Literal["left", "right", "top", "bottom"]
Floats = NDArray[np.float32]
Window = tuple[slice, slice]

WHOLE: Window = (slice(None), slice(None))
THUMB_MM = (17.0, 23.0)  # an adult's thumb, pressed flat, and from ridge to ridge of it
RIDGE_MM = 0.48
STAMP_MM = 36.0
STAMP_INK = 0.65  # how dark blue or violet ink is to a grey camera: luma 105 on paper of 235
PEN_INK = 0.9
PEN_STROKES = 3
MODULES = 49  # of an acta of version 8: by these a sheet without a code measures what is told in modules


@dataclass(frozen=True, slots=True, kw_only=True)
class Wear:
    """How worn a sheet is. Zero is none, of every kind; shares go from 0 to 1, the rest says its unit.

    What strikes one place, strikes in or around the code.

    Attributes:
        gain: by how much dark grows at each of its edges, in modules, -0.4 to 0.4; below zero it shrinks.
        missing: share of the head's columns that print nothing: white streaks along the whole roll, 1 to 4 dots wide.
        weak: share of the head's columns that are heated too little: they lose 20 to 70 % of their contrast.
        fade: share of the contrast that years and light took, on average; patches of 15 mm keep up to half more or less
            than that leaves.
        heat: how dark a spot of 30 to 60 mm turned that lay in heat; 1: as dark as ink.
        back: how much the security print of the back shows through beyond its faint self; 1: half as dark as ink.
        thumb: share of the contrast that a greasy thumb took under its ridges; between them half of that.
        blot: what a drop of water of 20 to 35 mm did: at 1 the print has run by 0.4 mm and lost 0.7 of its contrast.
        scratches: how many scratches cross the code, 0.1 to 0.3 mm wide; the print is gone there.
        crease_mm: how wide the strip is from which the print flaked, 0 to 5, along a fold through the code; see
            `Sheet.creases`.
        stamp: opacity of a round rubber stamp of 36 mm; 1: a fresh ink pad.
        pen_mm: width of three strokes of a pen across the code, 0 to 3.
        tear_mm: how deep the deepest point is of a piece torn from the left or right edge beside the code, 0 to 60.
        cut: share of the code that is cut off with the paper beyond it.
        cut_side: where; None leaves it to the seed.
    """

    gain: float = 0
    missing: float = 0
    weak: float = 0
    fade: float = 0
    heat: float = 0
    back: float = 0
    thumb: float = 0
    blot: float = 0
    scratches: int = 0
    crease_mm: float = 0
    stamp: float = 0
    pen_mm: float = 0
    tear_mm: float = 0
    cut: float = 0
    cut_side: Side | None = None

    def __post_init__(self) -> None:
        limits = {"gain": (-0.4, 0.4), "scratches": (0, 100), "crease_mm": (0, 5), "pen_mm": (0, 3), "tear_mm": (0, 60)}
        for field in fields(self):
            value = getattr(self, field.name)
            low, high = limits.get(field.name, (0, 1))
            if field.name != "cut_side" and not low <= value <= high:
                raise ValueError(f"wear: {field.name} is {value:g}, expected {low:g} to {high:g}")


def worn(sheet: Sheet, wear: Wear, seed: int) -> Sheet:
    """The sheet after that wear; the truth about its code stays what it was.

    Each kind has chance of its own: a sheet with one kind more differs by that kind only.

    Args:
        sheet: as drawn, or worn already.
        wear: what happened to it, in the order of its attributes.
        seed: of where and in what pattern, 0 or more.
    """
    if wear == Wear():
        return sheet  # a copy of it as floats and back takes as long as drawing it
    wearing = _Wearing(sheet, seed)
    for amount, strike in (
        (wear.gain, wearing.gain),
        (wear.missing, partial(wearing.head, "missing", 1.0, 1.0)),
        (wear.weak, partial(wearing.head, "weak", 0.2, 0.7)),
        (wear.fade, wearing.fade),
        (wear.heat, wearing.heat),
        (wear.back, wearing.back),
        (wear.thumb, wearing.thumb),
        (wear.blot, wearing.blot),
        (wear.scratches, wearing.scratches),
        (wear.crease_mm, wearing.crease),
        (wear.stamp, wearing.stamp),
        (wear.pen_mm, wearing.pen),
        (wear.tear_mm, wearing.tear),
        (wear.cut, partial(wearing.cut, wear.cut_side)),
    ):
        if amount:
            strike(amount)
    return wearing.sheet()


class _Wearing:
    """A sheet while it wears. Places are pixels, (x, y) from the left edge and from row 0."""

    def __init__(self, sheet: Sheet, seed: int) -> None:
        self._before = sheet
        self._seed = seed
        self._luma: Floats = sheet.luma.astype(np.float32)
        self._shape = sheet.luma.shape
        self._paper = np.ones(self._shape, bool) if sheet.paper is None else sheet.paper.copy()
        self._creases = sheet.creases
        if sheet.corners_mm is None:  # then what strikes the code strikes where an acta has its own
            top = self._shape[0] / PX_PER_MM - LENGTH_MM + CODE_TOP_MM
            low, high = np.array([(CODE_LEFT_MM, top), (CODE_LEFT_MM + CODE_MM, top + CODE_MM)])
        else:
            low, high = sheet.corners_mm.min(axis=0), sheet.corners_mm.max(axis=0)
        self._low, self._size = low * PX_PER_MM, (high - low) * PX_PER_MM

    def sheet(self) -> Sheet:
        luma = np.rint(self._luma).astype(np.uint8)
        luma[~self._paper] = TRAY
        paper = None if self._paper.all() else self._paper
        return replace(self._before, luma=luma, paper=paper, creases=self._creases)

    def gain(self, modules: float) -> None:
        radius = abs(modules) * self._size[0] / (self._before.modules or MODULES)
        grow = cv2.erode if modules > 0 else cv2.dilate  # of the luma, so the other way round
        # Between two whole radii a mixture: at an edge that is the sub-pixel place of it.
        less, more = (grow(self._luma, _disc(whole)) for whole in (int(radius), int(radius) + 1))
        self._luma = np.asarray(cv2.addWeighted(less, 1 - radius % 1, more, radius % 1, 0), np.float32)

    def head(self, kind: str, least: float, most: float, share: float) -> None:
        rng = self._chance(kind)
        px = PX_PER_MM // DOTS_PER_MM
        dots = -(-self._shape[1] // px)
        lost = np.zeros(dots, np.float32)
        while np.count_nonzero(lost) < share * dots:
            first, taken = int(rng.integers(-3, dots)), rng.uniform(least, most)
            beyond = first + int(rng.integers(1, 5))
            lost[max(first, 0) : max(beyond, 0)] = taken
        self._bleach(lost.repeat(px)[None, : self._shape[1]])

    def fade(self, share: float) -> None:
        left = (1 - share) * (1 + _patches(self._chance("fade"), self._shape, 15) / 4)
        self._bleach(np.clip(1 - left, 0, 1))

    def heat(self, share: float) -> None:
        rng = self._chance("heat")
        window, hot = self._blob(rng, rng.uniform(15, 30))
        self._darken(share * np.clip(1.5 * hot, 0, 1), window)

    def back(self, share: float) -> None:
        self._darken(np.float32(0.5 * share) * weave(*self._shape))

    def thumb(self, share: float) -> None:
        rng = self._chance("thumb")
        turn = rng.uniform(-0.6, 0.6)
        cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
        window, x, y = self._around(self._somewhere(rng), max(THUMB_MM) / 2)
        across, along = x * cos + y * sin, y * cos - x * sin
        outline = np.hypot(across / (THUMB_MM[0] / 2), along / (THUMB_MM[1] / 2))
        # Ridges run in loops around a core below the middle, bent by a smooth noise.
        way = np.hypot(across, (along - 3) * 0.75) + 0.25 * _patches(rng, across.shape, 4)
        ridges = 0.75 + 0.25 * np.clip(1.6 * np.sin(way * (2 * np.pi / RIDGE_MM)), -1, 1)
        self._bleach(share * np.clip(6 * (1 - outline), 0, 1) * ridges, window)

    def blot(self, share: float) -> None:
        rng = self._chance("blot")
        window, drop = self._blob(rng, rng.uniform(10, 17.5))
        wet = np.clip(8 * drop, 0, 1)
        dry = self._luma[window]
        run = np.asarray(cv2.GaussianBlur(dry, (0, 0), 0.4 * PX_PER_MM * share), np.float32)
        dry += wet * (run - dry)
        self._bleach(np.float32(0.7 * share) * wet, window)
        # Where the drop dried last it left a rim of what it had dissolved.
        self._darken(np.float32(0.25 * share) * np.exp(-((drop / 0.04) ** 2)), window)

    def scratches(self, count: float) -> None:
        rng = self._chance("scratches")
        gone = np.zeros(self._shape, np.uint8)
        for _ in range(int(count)):
            _trace(gone, self._across(rng, steps=3, bend=0.05), rng.uniform(0.1, 0.3))
        self._bleach(gone / np.float32(255))

    def crease(self, width_mm: float) -> None:
        rng = self._chance("crease")
        x, y = self._somewhere(rng)
        # Most folds go across the roll, for it is long.
        angle = rng.normal(0, 0.06) + (np.pi / 2 if rng.random() < 0.3 else 0)
        dx, dy = np.cos(angle), np.sin(angle)
        rows, columns = (np.arange(size, dtype=np.float32) for size in self._shape)
        away = np.abs((rows - y)[:, None] * np.float32(dx) - (columns - x)[None, :] * np.float32(dy))
        ragged = 1 + 0.35 * _patches(rng, self._shape, 0.5)
        # Half a pixel to the edge of what flaked: 8 per millimetre of 16 pixels.
        self._bleach(np.clip((width_mm / 2 * ragged - away / PX_PER_MM) * 8, 0, 1))
        # Where the fold leaves the sheet: of its ways to the four edges the last to begin and the first to end.
        ways = ((0 - x) / dx, (self._shape[1] - x) / dx), ((0 - y) / dy, (self._shape[0] - y) / dy)
        start, end = max(map(min, ways)), min(map(max, ways))
        here, there = ((float(x + way * dx) / PX_PER_MM, float(y + way * dy) / PX_PER_MM) for way in (start, end))
        self._creases = (*self._creases, (here, there))

    def stamp(self, opacity: float) -> None:
        rng = self._chance("stamp")
        x, y = self._somewhere(rng)
        window, _, _ = self._around((x, y), STAMP_MM / 2)
        height, width = self._luma[window].shape
        face = _stamp_face()
        half = face.shape[0] / 2
        onto = cv2.getRotationMatrix2D((half, half), rng.uniform(-40, 40), 1.0)
        onto[:, 2] += (x - half - window[1].start, y - half - window[0].start)
        ink = np.asarray(cv2.warpAffine(face, onto, (width, height)), np.float32) / 255
        patchy = np.clip(0.85 + 0.2 * _patches(rng, ink.shape, 1.5), 0, 1)
        self._darken(np.float32(STAMP_INK * opacity) * ink * patchy, window)

    def pen(self, width_mm: float) -> None:
        rng = self._chance("pen")
        ink = np.zeros(self._shape, np.uint8)
        for _ in range(PEN_STROKES):
            way = self._across(rng, steps=6, bend=0.25)
            _trace(ink, np.array(list(rounded([*map(tuple, way)]))), width_mm)
        self._darken(ink * np.float32(PEN_INK / 255))

    def tear(self, depth_mm: float) -> None:
        rng = self._chance("tear")
        height, width = self._shape
        reach = rng.uniform(0.8, 1.5) * depth_mm * PX_PER_MM
        middle = self._somewhere(rng)[1]
        depth = depth_mm * PX_PER_MM * np.clip(1 - np.abs(np.arange(height) - middle) / reach, 0, 1) ** 0.7
        depth -= 0.3 * PX_PER_MM * np.abs(_patches(rng, (height, 1), 0.8)[:, 0])
        from_edge = np.arange(width) if rng.random() < 0.5 else np.arange(width)[::-1]
        self._paper &= from_edge[None, :] >= depth[:, None]

    def cut(self, side: Side | None, share: float) -> None:
        rng = self._chance("cut")
        side = get_args(Side)[rng.integers(4)] if side is None else side
        across = 0 if side in ("left", "right") else 1  # the axis, of (x, y), along which paper is missing
        size_across, size_along = self._shape[1 - across], self._shape[across]
        begins = side in ("left", "top")
        middle = self._low[1 - across] + self._size[1 - across] / 2
        edge = self._low[across] + self._size[across] * (share if begins else 1 - share)
        # Not quite straight, and by a degree or so askew.
        line = edge + np.tan(rng.normal(0, 0.01)) * (np.arange(size_along) - middle)
        line += 0.1 * PX_PER_MM * _patches(rng, (size_along, 1), 1.0)[:, 0]
        beyond = np.arange(size_across)[None, :] >= line[:, None]
        kept = beyond if begins else ~beyond
        self._paper &= kept if across == 0 else kept.T

    def _bleach(self, share: NDArray[np.floating], window: Window = WHOLE) -> None:
        spot = self._luma[window]
        spot += share.astype(np.float32, copy=False) * np.maximum(PAPER - spot, 0)

    def _darken(self, share: NDArray[np.floating], window: Window = WHOLE) -> None:
        spot = self._luma[window]
        spot -= share.astype(np.float32, copy=False) * np.maximum(spot - INK, 0)

    def _chance(self, kind: str) -> np.random.Generator:
        return np.random.default_rng([self._seed, *kind.encode()])

    def _somewhere(self, rng: np.random.Generator) -> tuple[float, float]:
        """A place in the code, not right at its edge."""
        x, y = self._low + self._size * rng.uniform(0.1, 0.9, 2)
        return float(x), float(y)

    def _around(self, place: tuple[float, float], reach_mm: float) -> tuple[Window, Floats, Floats]:
        """What is up to that far away: the window of it, and each pixel's distance along x and along y in mm."""
        slices, away = [], []
        for middle, size in zip(reversed(place), self._shape, strict=True):
            first = max(int(middle - reach_mm * PX_PER_MM), 0)
            last = min(int(middle + reach_mm * PX_PER_MM) + 1, size)
            slices.append(slice(first, last))
            away.append((np.arange(first, last, dtype=np.float32) - np.float32(middle)) / PX_PER_MM)
        y, x = (np.asarray(grid, np.float32) for grid in np.meshgrid(*away, indexing="ij"))
        return (slices[0], slices[1]), x, y

    def _blob(self, rng: np.random.Generator, radius_mm: float) -> tuple[Window, Floats]:
        """The window of a ragged blob somewhere; in it 1 at the middle, 0 at the edge, negative beyond."""
        window, x, y = self._around(self._somewhere(rng), 1.5 * radius_mm)
        ragged = 0.1 * _patches(rng, x.shape, radius_mm / 2)
        return window, (1 - np.hypot(x, y) / radius_mm + ragged).astype(np.float32, copy=False)

    def _across(self, rng: np.random.Generator, *, steps: int, bend: float) -> NDArray[np.float64]:
        """A way from one edge of the code to the other, bent by at most that share of it; float64 (steps + 1, 2)."""
        way = np.linspace((0, rng.uniform()), (1, rng.uniform()), steps + 1)
        way[1:-1] += rng.uniform(-bend, bend, (steps - 1, 2))
        way = way if rng.random() < 0.5 else way[:, ::-1]
        return np.asarray(self._low + self._size * way, np.float64)


def _trace(onto: NDArray[np.uint8], way: NDArray[np.float64], width_mm: float) -> None:
    points = np.round(way * 16).astype(np.int32)  # with 4 bits behind the point
    cv2.polylines(onto, [points], False, (255,), max(1, round(width_mm * PX_PER_MM)), cv2.LINE_AA, 4)


def _disc(radius: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)), np.uint8)


def _patches(rng: np.random.Generator, shape: tuple[int, ...], mm: float) -> Floats:
    """Smooth noise of mean 0 and variance 1 in patches of that size, float32 of that shape."""
    nodes = [round(size / (mm * PX_PER_MM / 2)) + 4 for size in shape]
    coarse = np.asarray(cv2.GaussianBlur(rng.standard_normal(nodes, np.float32), (0, 0), 1.0), np.float32)
    smooth = cv2.resize((coarse - coarse.mean()) / coarse.std(), shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(smooth, np.float32)


@cache
def _stamp_face() -> NDArray[np.uint8]:
    """A round stamp of no office: how much ink each pixel of it takes, shape (side, side), 255 full."""
    side = round(STAMP_MM * PX_PER_MM)
    face = Image.new("L", (side, side), 0)
    pen = ImageDraw.Draw(face)
    for inset, width in ((4, 16), (side // 5, 8)):
        pen.ellipse((inset, inset, side - inset, side - inset), outline=255, width=width)
    font = ImageFont.load_default(side // 9)
    for line, text in enumerate(("OFICINA", "DE NADIE", "* * *")):
        pen.text((side / 2, side * (0.36 + 0.14 * line)), text, fill=255, font=font, anchor="mm", stroke_width=1)
    around = Image.new("L", (side, side), 0)
    for number, letter in enumerate("SELLO DE PRUEBA * SIN VALOR ALGUNO * "):
        one = Image.new("L", (side, side), 0)
        ImageDraw.Draw(one).text((side / 2, side * 0.115), letter, fill=255, font=font, anchor="mm")
        around.paste(255, mask=one.rotate(-number * 360 / 37, Image.Resampling.BICUBIC))
    face.paste(255, mask=around)
    return np.asarray(face)
