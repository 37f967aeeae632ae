"""The paper: payload -> acta sheet -> photograph of it.

What is drawn is the acta of 28 July 2024 as its scans show it, print and measures, with the names of nobody on it.
All of it follows from the payload and the seeds.
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from io import BytesIO

import numpy as np
import segno
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from device.pictures import Unreadable, luma_of

WIDTH_MM = 80
LENGTH_MM = 850
DOTS_PER_MM = 8  # the thermal head, 203 dpi
PX_PER_MM = 2 * DOTS_PER_MM  # a sheet is drawn at twice that, so that the round dots of the QR code have a shape

CODE_MM = 57.0
CODE_LEFT_MM = 11.0
CODE_TOP_MM = 0.904 * LENGTH_MM

PAPER = 235  # luma, evenly lit, of blank paper, of full ink, and of the matt black tray
INK = 35
TRAY = 18

# How many ballot positions each of the ten candidates has, in the order of the payload.
POSITIONS = (13, 6, 1, 4, 6, 1, 2, 3, 1, 1)
DIGITS = ("Cero", "Uno", "Dos", "Tres", "Cuatro", "Cinco", "Seis", "Siete", "Ocho", "Nueve")
VENEZUELAN = re.compile(r"(\d{9})\.(\d{2})\.(\d+\.\d+)!(\d+(?:,\d+){37})!(\d+)!(\d+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet of paper, flat and evenly lit.

    Attributes:
        payload: what its QR code holds.
        luma: shape (length, width) at `PX_PER_MM`, dtype uint8, 0 black; text begins at row 0, the code is at the end.
    """

    payload: str
    luma: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Photograph:
    """What the camera over the tray sees.

    Attributes:
        luma: shape (height, width), dtype uint8, 0 black.
    """

    luma: NDArray[np.uint8]

    def jpeg(self, quality: int = 90) -> bytes:
        """The photograph as a grey JPEG, at a quality of 1 to 95."""
        file = BytesIO()
        Image.fromarray(self.luma).save(file, "JPEG", quality=quality)
        return file.getvalue()


def random_payload(rng: random.Random) -> str:
    """A plausible payload of the profile ve-2024-presidential: 100 to 113 characters, votes spread as on real actas."""
    centro = f"{rng.randint(1, 24):02}{rng.randint(1, 29):02}{rng.randint(1, 22):02}{rng.randint(1, 60):03}"
    mesa = min(rng.randint(1, 4) * rng.choice((1, 1, 1, 1, 2, 3)), 15)
    # Four positions share nearly all votes: the first, and the 34th to 36th; the others get a handful each.
    weights = [rng.expovariate(0.2) for _ in range(38)]
    weights[0], weights[33], weights[34], weights[35] = 220.0, 15.0, 45.0, 600.0
    counts = [0] * 38
    for position in rng.choices(range(38), weights, k=rng.randint(120, 760)):
        counts[position] += 1
    votes = ",".join(map(str, counts))
    nulos = rng.choice((0, 0, 0, 0, 0, 0, 1, 2))
    return f"{centro}.{mesa:02}.1.0001!{votes}!{nulos}!0"


def draw(payload: str, *, seed: int = 0) -> Sheet:
    """Draws the acta that says this payload, or a sheet with no more than a header where it is no Venezuelan one.

    Args:
        payload: 1 to 1663 characters of ISO 8859-1 (what a QR code holds at correction level Q), each one byte of it.
        seed: of the UUID, the hex digits and the signatures, together with the payload.

    Raises:
        ValueError: the payload is empty, too long, or has characters beyond ISO 8859-1.
    """
    code = _code(payload)
    rng = random.Random(f"{seed} {payload}")
    roll = _Roll(rng)
    acta = VENEZUELAN.fullmatch(payload)
    roll.header(f"{acta[1]}.{acta[2]}.{acta[3]}" if acta else "")
    if acta:
        roll.body(acta[1], acta[2], [int(count) for count in acta[4].split(",")], int(acta[5]), int(acta[6]))
    roll.foot()
    luma = _printed(roll.ink)
    rim = (code.shape[0] / PX_PER_MM - CODE_MM) / 2
    _lay(luma, code, CODE_LEFT_MM - rim, CODE_TOP_MM - rim)
    return Sheet(payload, luma)


def from_picture(picture: bytes, payload: str, *, width_mm: float = 72.0) -> Sheet:
    """Lays the picture of a QR code on a blank sheet, where an acta has its own.

    Args:
        picture: the bytes of an image file, upright.
        payload: what the code in it holds.
        width_mm: how wide the picture is on paper, at most `WIDTH_MM`. The published crops show 72 mm of paper: the
            code and half its quiet zone.

    Raises:
        ValueError: the picture cannot be decoded, or is too wide or too long for the paper.
    """
    crop = luma_of(picture)
    if isinstance(crop, Unreadable):
        raise ValueError(f"picture of a QR code: {crop.why}")
    height, width = crop.shape
    length_mm = width_mm * height / width
    top_mm = CODE_TOP_MM + CODE_MM / 2 - length_mm / 2
    if width_mm > WIDTH_MM or top_mm + length_mm > LENGTH_MM:
        raise ValueError(
            f"picture of {width_mm:g} x {length_mm:g} mm does not fit on the end of the sheet; lay it smaller"
        )
    luma = np.full((LENGTH_MM * PX_PER_MM, WIDTH_MM * PX_PER_MM), PAPER, np.uint8)
    size = round(width_mm * PX_PER_MM), round(length_mm * PX_PER_MM)
    printed = Image.fromarray(crop).resize(size, Image.Resampling.BICUBIC)
    _lay(luma, np.asarray(printed), (WIDTH_MM - width_mm) / 2, top_mm)
    return Sheet(payload, luma)


def photograph(
    sheet: Sheet,
    *,
    seed: int,
    size: tuple[int, int] = (4608, 2592),
    dpmm: float = 11.5,
    length_mm: float = 400.0,
    upside_down: bool | None = None,
) -> Photograph:
    """Photographs the QR end of a sheet as a Camera Module 3 over the black tray would, the paper along the frame.

    Args:
        sheet: what lies on the tray.
        seed: of how it lies, of the light and of the noise.
        size: the frame's (width, height) in pixels.
        dpmm: pixels for one millimetre of paper; to ask for a cheaper photograph, scale it together with the size.
        length_mm: how much of the sheet's end is on the tray.
        upside_down: whether the end of the sheet is at the right of the frame; None leaves it to the seed.
    """
    rng = np.random.default_rng(seed)
    flip = bool(rng.integers(2)) if upside_down is None else upside_down
    end = sheet.luma[-round(length_mm * PX_PER_MM) :]
    scene = _seen(end, rng, size, dpmm, flip)
    return Photograph(_exposed(scene, rng))


class _Roll:
    """The thermal roll: what the head burns, dot by dot, from the top down to the code. Measures in millimetres."""

    def __init__(self, rng: random.Random) -> None:
        self.ink = Image.new("L", (WIDTH_MM * DOTS_PER_MM, LENGTH_MM * DOTS_PER_MM), 0)
        self._pen = ImageDraw.Draw(self.ink)
        self._pen.fontmode = "1"  # a dot is burnt or not
        self._rng = rng
        self._y = 0.0

    def header(self, code: str) -> None:
        self._mark(0)
        self._pen.ellipse(_dots(8, 10, 24, 26), outline=255, width=6)
        self._pen.regular_polygon((16 * DOTS_PER_MM, 18 * DOTS_PER_MM, 46), 5, rotation=36, fill=255)
        uuid = self._hex(32)
        at = f"{self._rng.randint(6, 11):02}:{self._rng.randint(0, 59):02}:{self._rng.randint(0, 59):02}"
        column = (
            "Acta de escrutinio",
            code,
            f"{uuid[:8]}-{uuid[8:12]}-{uuid[12:16]}-",
            f"{uuid[16:20]}-{uuid[20:]}",
            f"28/07/2024 {at} PM",
        )
        for row, text in enumerate(column):
            self._text(33, 9 + 5 * row, text, 4.2 if row == 0 else 3.4)
        self._y = 42

    def body(self, centro: str, mesa: str, counts: list[int], nulos: int, vacios: int) -> None:
        for line in ("PRESIDENTE O", "PRESIDENTA DE LA", "REPUBLICA", "BOLIVARIANA", "DE VENEZUELA"):
            self._line(line, 6.2, 7.5, bold=True)
        self._y += 4
        for line in (
            "ELECCION PRESIDENCIAL 2024",
            "PAIS: VENEZUELA",
            f"ESTADO: {centro[:2]}",
            f"MUNICIPIO: {centro[2:4]}",
            f"PARROQUIA: {centro[4:6]}",
            "CENTRO: UNIDAD EDUCATIVA DE NADIE",
            "DIRECCION: CALLE SIN NOMBRE, CENTRO",
            f"CODIGO: {centro}   MESA: {mesa}",
            f"{sum(counts) + nulos + vacios + self._rng.randint(80, 400)} Electores",
        ):
            self._line(line, 3.2, 5)
        self._y += 3
        self._rule()
        self._numbers(("Votantes", sum(counts) + nulos + vacios))
        self._rule()
        of_candidate = iter(enumerate(counts, 1))
        for candidate, width in enumerate(POSITIONS, 1):
            self._y += 2
            self._line(f"CANDIDATO {candidate}", 5, 7.5, bold=True)
            for _ in range(width):
                position, count = next(of_candidate)
                self._numbers((f"PARTIDO {position}", count), code=str(100 + position))
        self._y += 3
        self._line("Resumen de votos", 4.2, 6.5, bold=True)
        self._numbers(("Validos", sum(counts)), ("Nulos", nulos), ("Vacios", vacios))
        self._line("Observaciones", 4.2, 12, bold=True)
        for role in ("PRESIDENTE", "SECRETARIO", "MIEMBRO A", "TESTIGO A", "TESTIGO B", "OPERADOR"):
            self._box(role)

    def foot(self) -> None:
        below = CODE_TOP_MM + CODE_MM
        for row in range(2):
            self._text(CODE_LEFT_MM, below + 4 + 4 * row, self._hex(32), 3.3)
        self._y = below + 13.5
        self._rule()
        self._mark(LENGTH_MM)

    def _numbers(self, *rows: tuple[str, int], code: str = "") -> None:
        for name, count in rows:
            self._text(6, self._y, name, 3.2)
            self._text(28, self._y, code, 3.2)
            self._text(36, self._y, str(count), 3.4)
            self._text(44, self._y, ", ".join(DIGITS[int(digit)] for digit in f"{count:04}"), 2.8)
            self._y += 7.2

    def _line(self, text: str, size: float, advance: float, *, bold: bool = False) -> None:
        self._text(6, self._y, text, size, bold=bold)
        self._y += advance

    def _text(self, x: float, y: float, text: str, size: float, *, bold: bool = False) -> None:
        place = x * DOTS_PER_MM, y * DOTS_PER_MM
        self._pen.text(place, text, fill=255, font=_font(round(size * DOTS_PER_MM)), stroke_width=1 if bold else 0)

    def _rule(self) -> None:
        self._pen.rectangle(_dots(5, self._y, WIDTH_MM - 5, self._y + 0.4), fill=255)
        self._y += 2.5

    def _mark(self, y: float) -> None:
        """The black half-round mark at the middle of an edge, by which the printer finds the sheet."""
        self._pen.ellipse(_dots(WIDTH_MM / 2 - 3, y - 3, WIDTH_MM / 2 + 3, y + 3), fill=255)

    def _box(self, role: str) -> None:
        """A signature box, signed by nobody with a scribble."""
        self._pen.rectangle(_dots(5, self._y, WIDTH_MM - 5, self._y + 31), outline=255, width=3)
        for row, text in enumerate((role, "NOMBRE:", "CI:", "FIRMA:")):
            self._text(7, self._y + 1 + 5.5 * row, text, 3.2)
        x, y = 24.0, self._y + 22.0
        stroke = [(x, y)]
        for _ in range(14):
            x = min(x + self._rng.uniform(-2.0, 5.0), WIDTH_MM - 8)
            y = min(max(y + self._rng.uniform(-6.0, 6.0), self._y + 14), self._y + 29)
            stroke.append((x, y))
        self._pen.line(
            [(x * DOTS_PER_MM, y * DOTS_PER_MM) for x, y in _rounded(stroke)], fill=255, width=4, joint="curve"
        )
        self._y += 33.5

    def _hex(self, digits: int) -> str:
        return f"{self._rng.getrandbits(4 * digits):0{digits}x}"


def _dots(x0: float, y0: float, x1: float, y1: float) -> tuple[float, float, float, float]:
    return x0 * DOTS_PER_MM, y0 * DOTS_PER_MM, x1 * DOTS_PER_MM, y1 * DOTS_PER_MM


@cache
def _font(dots: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(dots)
    assert isinstance(font, ImageFont.FreeTypeFont), "Pillow is built without FreeType"
    return font


def _rounded(corners: list[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """A line through the middles of the edges, bent at each corner as a hand would (quadratic Bezier curves)."""
    for (ax, ay), (bx, by), (cx, cy) in zip(corners, corners[1:], corners[2:], strict=False):
        for step in range(8):
            t = step / 8
            start, bend, end = (1 - t) ** 2 / 2, 0.5 + t - t**2, t**2 / 2
            yield start * ax + bend * bx + end * cx, start * ay + bend * by + end * cy


def _code(payload: str) -> NDArray[np.uint8]:
    """The QR code as printed: version as needed, correction level Q, byte mode, a module 3 x 3 places for dots.

    Returns:
        Luma of shape (side, side) at `PX_PER_MM`: the code, `CODE_MM` wide, and a rim one place wide.
    """
    if not payload:
        raise ValueError("payload is empty; an acta has at least one character to draw")
    try:
        symbol = segno.make_qr(payload.encode("latin-1"), error="q", mode="byte", boost_error=False)
    except segno.DataOverflowError:
        raise ValueError(f"payload has {len(payload)} bytes, a QR code of correction level Q holds 1663") from None
    modules = np.array([list(row) for row in symbol.matrix], np.uint8)
    # The scans show edges scalloped with a period of two thirds of a module (11 scallops along a finder's 7 modules)
    # and single modules as stars: every other place is heated, as on a chequered board; the heat spreads and the paper
    # turns black where enough arrives. With this spread and threshold ink covers 0.94 of what square modules would; on
    # the published scans it is 0.85 to 0.90 where they are grey and 1.00 where one was made black and white.
    heated = np.kron(modules, np.ones((3, 3), np.uint8))
    heated *= np.indices(heated.shape).sum(axis=0) % 2 == 0
    heated = np.pad(heated, 1) * np.uint8(255)
    fine = 8
    cells = Image.fromarray(heated.repeat(fine, axis=0).repeat(fine, axis=1))
    heat = np.asarray(cells.filter(ImageFilter.GaussianBlur(0.5 * fine)))
    black = Image.fromarray((heat > 70) * np.uint8(255))
    places = heated.shape[0]
    side = round(CODE_MM * PX_PER_MM * places / (places - 2))
    ink = np.asarray(black.resize((side, side), Image.Resampling.BOX))
    return (PAPER - ink * ((PAPER - INK) / 255)).astype(np.uint8)


def _printed(ink: Image.Image) -> NDArray[np.uint8]:
    """The sheet at `PX_PER_MM` from the roll's dots, with the security print of the back showing through faintly."""
    back = np.arange(0, 2 * np.pi, 2 * np.pi / 80)
    weave = np.uint8(3) * (np.sin(back[:, None] + 2 * np.sin(back[None, :])) > 0.6)
    blank = PAPER - np.tile(weave, (LENGTH_MM * DOTS_PER_MM // 80, WIDTH_MM * DOTS_PER_MM // 80))
    dots = np.where(np.asarray(ink) > 0, np.uint8(INK), blank).astype(np.uint8)
    return dots.repeat(2, axis=0).repeat(2, axis=1)


def _lay(sheet: NDArray[np.uint8], patch: NDArray[np.uint8], left_mm: float, top_mm: float) -> None:
    left, top = round(left_mm * PX_PER_MM), round(top_mm * PX_PER_MM)
    sheet[top : top + patch.shape[0], left : left + patch.shape[1]] = patch


def _seen(
    paper: NDArray[np.uint8], rng: np.random.Generator, size: tuple[int, int], dpmm: float, flip: bool
) -> NDArray[np.float32]:
    """The frame through a perfect lens and an even light: the paper, slightly askew, on the black tray."""
    width, height = size
    # The paper is first brought near the frame's scale, so that the projection need not average.
    scale = min(1.0, 1.5 * dpmm / PX_PER_MM)
    near = Image.fromarray(paper)
    near = near.resize((round(near.width * scale), round(near.height * scale)), Image.Resampling.BOX)
    px_per_mm = PX_PER_MM * scale
    # From pixels of the paper to millimetres on the tray, origin under the lens: its end 6 to 14 mm from the left.
    end = near.height / px_per_mm - width / dpmm / 2 + rng.uniform(6, 14)
    laid = np.array([[0, -1 / px_per_mm, end], [1 / px_per_mm, 0, -WIDTH_MM / 2 + rng.uniform(-1, 1)], [0, 0, 1]])
    angle = np.radians(rng.uniform(-1.5, 1.5) + 180 * flip)
    turned = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    # A camera 308 mm above that looks 1 degree askew shrinks by 6e-5 for each millimetre; up to 2 degrees here.
    askew = np.array([[1, 0, 0], [0, 1, 0], [*rng.uniform(-1.2e-4, 1.2e-4, 2), 1]])
    pixels = np.array([[dpmm, 0, width / 2], [0, dpmm, height / 2], [0, 0, 1]])
    to_frame = pixels @ askew @ turned @ laid
    # Only the rectangle of the frame that the paper covers is projected.
    corners = to_frame @ np.array([[0, near.width, near.width, 0], [0, 0, near.height, near.height], [1, 1, 1, 1]])
    xs, ys = corners[0] / corners[2], corners[1] / corners[2]
    left, right = np.clip([np.floor(xs.min()), np.ceil(xs.max())], 0, width).astype(int)
    top, bottom = np.clip([np.floor(ys.min()), np.ceil(ys.max())], 0, height).astype(int)
    back = np.linalg.inv(to_frame) @ np.array([[1, 0, left], [0, 1, top], [0, 0, 1]])
    back /= back[2, 2]
    seen = near.transform(
        (int(right - left), int(bottom - top)),
        Image.Transform.PERSPECTIVE,
        back.ravel()[:8].tolist(),
        Image.Resampling.BILINEAR,
        fillcolor=TRAY,
    ).filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 0.8)))
    frame = np.full((height, width), TRAY, np.float32)
    frame[top:bottom, left:right] = np.asarray(seen)
    return frame


def _exposed(scene: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.uint8]:
    """The frame as the sensor delivers it: lamps uneven by up to a quarter, corners darker, photon and read noise."""
    height, width = scene.shape
    x = np.linspace(-1, 1, width, dtype=np.float32)
    y = np.linspace(-1, 1, height, dtype=np.float32)
    lean_x, lean_y = rng.uniform(-0.12, 0.12, 2).astype(np.float32)
    light = (0.88 + lean_x * x - 0.1 * x**2)[None, :] + (lean_y * y - 0.06 * y**2)[:, None]
    light *= scene
    # The variance grows with the light, as photons' does; a full well of about 4000 electrons, read noise of one level.
    noise = rng.standard_normal(scene.shape, np.float32)
    noise *= np.sqrt(1 + light / 16)
    light += noise
    levels: NDArray[np.uint8] = np.clip(light, 0, 255, out=light).astype(np.uint8)
    return levels
