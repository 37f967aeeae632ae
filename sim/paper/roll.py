"""The roll: what the thermal head burns, dot by dot, from the acta's head down to its foot. Measures in millimetres."""

import math
import random
import re
from collections.abc import Iterator
from functools import cache, lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from sim.paper.sheet import (
    CODE_LEFT_MM,
    CODE_MM,
    CODE_TOP_MM,
    DOTS_PER_MM,
    INK,
    LENGTH_MM,
    PAPER,
    PX_PER_MM,
    WIDTH_MM,
    WIDTH_PX,
)

# How many ballot positions each of the ten candidates has, in the order of the payload.
POSITIONS = (13, 6, 1, 4, 6, 1, 2, 3, 1, 1)
DIGITS = ("Cero", "Uno", "Dos", "Tres", "Cuatro", "Cinco", "Seis", "Siete", "Ocho", "Nueve")
ROLES = ("PRESIDENTE", "SECRETARIO", "MIEMBRO A", "TESTIGO A", "TESTIGO B", "OPERADOR")
VENEZUELAN = re.compile(r"(\d{9})\.(\d{2})\.(\d+\.\d+)!(\d+(?:,\d+){37})!(\d+)!(\d+)", re.ASCII)


def dots_of(payload: str, seed: int, length_mm: float) -> NDArray[np.bool_]:
    """The dots that are burnt for the end of a sheet, `length_mm` long, but for its code.

    Returns:
        Where a dot is burnt: shape (length, width), `DOTS_PER_MM` to the millimetre.
    """
    roll = _Roll(f"{seed} {payload}", LENGTH_MM - length_mm)
    acta = VENEZUELAN.fullmatch(payload)
    roll.header(f"{acta[1]}.{acta[2]}.{acta[3]}" if acta else "")
    if acta:
        roll.body(acta[1], acta[2], [int(count) for count in acta[4].split(",")], int(acta[5]), int(acta[6]))
    roll.foot()
    return np.asarray(roll.ink) > 0


def burnt(dots: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The paper that a head with these dots has printed on, the security print of its back showing through faintly.

    Returns:
        Luma at `PX_PER_MM`, measured from the end of the paper.
    """
    fine = cv2.resize(dots.view(np.uint8) * np.uint8(255), None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    # Heat spreads by half a dot: dots get round, neighbours join, and one alone still shows.
    heat = cv2.GaussianBlur(fine, (0, 0), 0.5 * PX_PER_MM / DOTS_PER_MM).astype(np.uint8, copy=False)
    cv2.threshold(heat, 95, 255, cv2.THRESH_BINARY_INV, dst=heat)
    cv2.bitwise_and(_blank()[-fine.shape[0] :], heat, dst=heat)
    return np.maximum(heat, np.uint8(INK), out=heat)


class _Roll:
    """What is burnt from `top` on, in mm from the head of the acta; what lies above it is left out."""

    def __init__(self, seed: str, top: float) -> None:
        rows = round((LENGTH_MM - top) * DOTS_PER_MM)
        self.ink = Image.new("L", (round(WIDTH_MM * DOTS_PER_MM), rows), 0)
        self._pen = ImageDraw.Draw(self.ink)
        self._pen.fontmode = "1"  # a dot is burnt or not
        self._seed = seed
        self._top = LENGTH_MM - rows / DOTS_PER_MM
        self._y = 0.0

    def header(self, code: str) -> None:
        self._mark(0)
        self._pen.ellipse(self._dots(8, 10, 24, 26), outline=255, width=6)
        x, y, _, _ = self._dots(16, 18, 0, 0)
        self._pen.regular_polygon((x, y, 46), 5, rotation=36, fill=255)
        rng = self._chance("header")
        uuid = f"{rng.getrandbits(128):032x}"
        at = f"{rng.randint(6, 11):02}:{rng.randint(0, 59):02}:{rng.randint(0, 59):02}"
        column = (
            "Acta de escrutinio",
            code,
            f"{uuid[:8]}-{uuid[8:12]}-{uuid[12:16]}-",
            f"{uuid[16:20]}-{uuid[20:]}",
            f"28/07/2024 {at} PM",
        )
        for row, text in enumerate(column):
            self._text(33, 9 + 5 * row, text, 4.2 if row == 0 else 3.4)
        self._y = 40

    def body(self, centro: str, mesa: str, counts: list[int], nulos: int, vacios: int) -> None:
        for line in ("PRESIDENTE O", "PRESIDENTA DE LA", "REPUBLICA", "BOLIVARIANA", "DE VENEZUELA"):
            self._line(line, 6.2, 7.5, bold=True)
        self._y += 3
        votantes = sum(counts) + nulos + vacios
        for line in (
            "ELECCION PRESIDENCIAL 2024",
            "PAIS: VENEZUELA",
            f"ESTADO: {centro[:2]}",
            f"MUNICIPIO: {centro[2:4]}",
            f"PARROQUIA: {centro[4:6]}",
            "CENTRO: UNIDAD EDUCATIVA DE NADIE",
            "DIRECCION: CALLE SIN NOMBRE, CENTRO",
            f"CODIGO: {centro}   MESA: {mesa}",
            f"{votantes + self._chance('body').randint(80, 400)} Electores",
        ):
            self._line(line, 3.2, 5)
        self._y += 1
        self._rule()
        self._text(36, self._y, "NRO.", 2.8)
        self._text(44, self._y, "LETRAS", 2.8)
        self._y += 4.5
        self._numbers("Votantes", votantes)
        self._rule()
        of_candidate = iter(enumerate(counts, 1))
        for candidate, width in enumerate(POSITIONS, 1):
            self._y += 2
            self._line(f"CANDIDATO {candidate}", 5, 7.5, bold=True)
            for _ in range(width):
                position, count = next(of_candidate)
                self._numbers(f"PARTIDO {position}", count, code=str(100 + position))
        self._y += 3
        self._line("Resumen de votos", 4.2, 6.5, bold=True)
        for name, count in (("Validos", sum(counts)), ("Nulos", nulos), ("Vacios", vacios)):
            self._numbers(name, count)
        self._line("Observaciones", 4.2, 24.4, bold=True)
        for role in ROLES:
            self._box(role)

    def foot(self) -> None:
        # 7 to 8 mm are blank under the code.
        below = CODE_TOP_MM + CODE_MM
        digits = f"{self._chance('foot').getrandbits(256):064x}"
        self._text(CODE_LEFT_MM, below + 7.2, digits[:32], 3.1)
        self._text(CODE_LEFT_MM, below + 11.2, digits[32:], 3.1)
        self._y = below + 16.5
        self._rule()
        self._mark(LENGTH_MM)

    def _numbers(self, name: str, count: int, *, code: str = "") -> None:
        self._text(6, self._y, name, 3.2)
        self._text(28, self._y, code, 3.2)
        self._text(36, self._y, str(count), 3.4)
        self._text(44, self._y, ", ".join(DIGITS[int(digit)] for digit in f"{count:04}"), 2.4)
        self._y += 7.2

    def _line(self, text: str, size: float, advance: float, *, bold: bool = False) -> None:
        self._text(6, self._y, text, size, bold=bold)
        self._y += advance

    def _text(self, x: float, y: float, text: str, size: float, *, bold: bool = False) -> None:
        if text and y + 2 * size > self._top:  # else nothing of it is seen, and rendering it would be most of the work
            places = x * DOTS_PER_MM, (y - self._top) * DOTS_PER_MM
            left, top = (math.floor(place) for place in places)
            words, inset_x, inset_y = _written(text, round(size * DOTS_PER_MM), bold, places[0] - left, places[1] - top)
            self.ink.paste(255, (left + inset_x, top + inset_y), words)

    def _rule(self) -> None:
        self._pen.rectangle(self._dots(5, self._y, WIDTH_MM - 5, self._y + 0.4), fill=255)
        self._y += 2.5

    def _mark(self, y: float) -> None:
        """The black half-round mark at the middle of an edge, by which the printer finds the sheet."""
        self._pen.ellipse(self._dots(WIDTH_MM / 2 - 3, y - 3, WIDTH_MM / 2 + 3, y + 3), fill=255)

    def _box(self, role: str) -> None:
        """A signature box, signed by nobody with a scribble."""
        if self._y + 33 < self._top:
            self._y += 33
            return
        self._pen.rectangle(self._dots(5, self._y, WIDTH_MM - 5, self._y + 30.5), outline=255, width=3)
        for row, text in enumerate((role, "NOMBRE:", "CI:", "FIRMA:")):
            self._text(7, self._y + 1 + 5.5 * row, text, 3.2)
        rng = self._chance(role)
        x, y = 24.0, self._y + 22.0
        stroke = [(x, y)]
        for _ in range(14):
            x = min(x + rng.uniform(-2.0, 5.0), WIDTH_MM - 8)
            y = min(max(y + rng.uniform(-6.0, 6.0), self._y + 14), self._y + 29)
            stroke.append((x, y))
        line = [(x * DOTS_PER_MM, (y - self._top) * DOTS_PER_MM) for x, y in rounded(stroke)]
        self._pen.line(line, fill=255, width=4, joint="curve")
        self._y += 33

    def _dots(self, x0: float, y0: float, x1: float, y1: float) -> tuple[float, float, float, float]:
        y0, y1 = y0 - self._top, y1 - self._top
        return x0 * DOTS_PER_MM, y0 * DOTS_PER_MM, x1 * DOTS_PER_MM, y1 * DOTS_PER_MM

    def _chance(self, part: str) -> random.Random:
        """Each part has chance of its own, so that it is the same however much of the sheet is drawn."""
        return random.Random(f"{self._seed} {part}")


@lru_cache(4096)  # most words stand at the same place of every acta, and rendering them is most of the work
def _written(text: str, dots: int, bold: bool, x: float, y: float) -> tuple[Image.Image, int, int]:
    """Words begun at a fraction of a dot: which dots are burnt, and how far to the right and down that begins."""
    words = Image.new("L", (dots * (len(text) + 2), 3 * dots), 0)
    pen = ImageDraw.Draw(words)
    pen.fontmode = "1"  # a dot is burnt or not
    pen.text((dots + x, dots + y), text, fill=255, font=_font(dots), stroke_width=1 if bold else 0)
    box = words.getbbox()
    assert box is not None, "words have ink"
    return words.crop(box), box[0] - dots, box[1] - dots


@cache
def _font(dots: int) -> ImageFont.FreeTypeFont:
    """The sans serif that Pillow carries, for a bare machine has none; it has ASCII only, so words lack accents."""
    font = ImageFont.load_default(dots)
    assert isinstance(font, ImageFont.FreeTypeFont), "Pillow is built without FreeType"
    return font


@cache
def _blank() -> NDArray[np.uint8]:
    """The blank sheet at `PX_PER_MM`, with the security print of the back showing through faintly."""
    luma = np.full((LENGTH_MM * PX_PER_MM, WIDTH_PX), PAPER, np.uint8)
    luma[weave(*luma.shape)] -= 3
    return luma


def weave(height: int, width: int) -> NDArray[np.bool_]:
    """The pattern of the security print at `PX_PER_MM`: shape (height, width), measured from the end of the paper."""
    period = 10 * PX_PER_MM
    x, y = (np.arange(-size, 0) * (2 * np.pi / period) for size in (width, height))
    wave: NDArray[np.bool_] = np.sin(y[-period:, None] + 2 * np.sin(x[None, :])) > 0.6
    return np.tile(wave, (-(-height // period), 1))[-height:]


def rounded(corners: list[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """A line through the middles of the edges, bent at each corner as a hand would (quadratic Bezier curves)."""
    for (ax, ay), (bx, by), (cx, cy) in zip(corners, corners[1:], corners[2:], strict=False):
        for step in range(8):
            t = step / 8
            start, bend, end = (1 - t) ** 2 / 2, 0.5 + t - t**2, t**2 / 2
            yield start * ax + bend * bx + end * cx, start * ay + bend * by + end * cy
