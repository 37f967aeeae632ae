"""The sheet: lines, shapes and words in millimetres, drawn once and written as SVG or as PDF."""

import functools
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Literal
from xml.sax.saxutils import escape

import reportlab
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

Point = tuple[float, float]
Anchor = Literal["start", "middle", "end"]

INK = "#1a1a1a"
PT_PER_MM = 72 / 25.4

FONTS = {False: "Vera", True: "VeraBd"}
"""Bitstream Vera, which reportlab carries: free, and with all Spanish letters."""

FAMILY = "Bitstream Vera Sans, DejaVu Sans, Verdana, sans-serif"
"""In an SVG: fonts of the same widths."""


@dataclass(frozen=True, slots=True)
class Outline:
    """Straight lines through points; several rings are one shape with holes (even-odd)."""

    rings: tuple[tuple[Point, ...], ...]
    fill: str | None
    line: str | None
    width: float
    closed: bool
    dash: float


@dataclass(frozen=True, slots=True)
class Disc:
    """A circle: true, so that a laser cutter cuts one."""

    at: Point
    radius: float
    fill: str | None
    line: str | None
    width: float


@dataclass(frozen=True, slots=True)
class Words:
    """A line of text: `size` is the font's, `at` its base line."""

    at: Point
    text: str
    size: float
    colour: str
    bold: bool
    anchor: Anchor


@dataclass(slots=True)
class Sheet:
    """A sheet of paper, or of what is cut: mm, from the top left corner, y down."""

    width: float
    height: float
    ground: str | None = "#ffffff"
    drawn: list[Outline | Disc | Words] = field(default_factory=list)

    def outline(
        self,
        *rings: Sequence[Point],
        fill: str | None = None,
        line: str | None = INK,
        width: float = 0.25,
        closed: bool = True,
        dash: float = 0,
    ) -> None:
        self.drawn.append(Outline(tuple(map(tuple, rings)), fill, line, width, closed, dash))

    def line(self, *points: Point, line: str = INK, width: float = 0.25, dash: float = 0) -> None:
        self.outline(points, line=line, width=width, closed=False, dash=dash)

    def box(
        self, x: float, y: float, wide: float, high: float, fill: str | None = None, line: str | None = INK,
        width: float = 0.25,
    ) -> None:  # fmt: skip
        corners = ((x, y), (x + wide, y), (x + wide, y + high), (x, y + high))
        self.outline(corners, fill=fill, line=line, width=width)

    def disc(
        self, at: Point, radius: float, fill: str | None = None, line: str | None = INK, width: float = 0.25
    ) -> None:
        self.drawn.append(Disc(at, radius, fill, line, width))

    def words(
        self, x: float, y: float, text: str, size: float = 4, *, colour: str = INK, bold: bool = False,
        anchor: Anchor = "start",
    ) -> None:  # fmt: skip
        self.drawn.append(Words((x, y), text, size, colour, bold, anchor))

    def svg(self) -> str:
        """The sheet as SVG in true millimetres."""
        size = (
            f'width="{_n(self.width)}mm" height="{_n(self.height)}mm" viewBox="0 0 {_n(self.width)} {_n(self.height)}"'
        )
        lines = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{FAMILY}">']
        if self.ground:
            lines.append(f'<rect width="100%" height="100%" fill="{self.ground}"/>')
        for each in self.drawn:
            match each:
                case Outline(rings, fill, line, width, closed, dash):
                    way = "".join(
                        "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in ring) + ("Z" if closed else "") for ring in rings
                    )
                    dashes = f' stroke-dasharray="{_n(dash)}"' if dash else ""
                    even = ' fill-rule="evenodd"' if len(rings) > 1 else ""
                    lines.append(f'<path d="{way}"{even}{_paint(fill, line, width)}{dashes} stroke-linejoin="round"/>')
                case Disc((x, y), radius, fill, line, width):
                    lines.append(f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(radius)}"{_paint(fill, line, width)}/>')
                case Words((x, y), text, letters, colour, bold, anchor):
                    weight = ' font-weight="bold"' if bold else ""
                    where = f'x="{_n(x)}" y="{_n(y)}" font-size="{_n(letters)}" text-anchor="{anchor}"'
                    lines.append(f'<text {where} fill="{colour}"{weight}>{escape(text)}</text>')
        return "\n".join([*lines, "</svg>"]) + "\n"


def pdf(title: str, *sheets: Sheet) -> bytes:
    """The sheets as pages of a PDF in true millimetres, fonts within; the same bytes each time."""
    _fonts()
    file = io.BytesIO()
    # Invariant: no dates, and no id of this run.
    canvas = Canvas(file, invariant=1, pageCompression=1)
    canvas.setTitle(title)
    canvas.setAuthor("testigo")
    for sheet in sheets:
        canvas.setPageSize((sheet.width * PT_PER_MM, sheet.height * PT_PER_MM))
        canvas.translate(0, sheet.height * PT_PER_MM)
        canvas.scale(PT_PER_MM, PT_PER_MM)
        if sheet.ground and sheet.ground != "#ffffff":
            canvas.setFillColor(sheet.ground)
            canvas.rect(0, -sheet.height, sheet.width, sheet.height, stroke=0, fill=1)
        canvas.setLineJoin(1)
        for each in sheet.drawn:
            _on_canvas(canvas, each)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def width_of(text: str, size: float, bold: bool = False) -> float:
    """How wide a line of text is, in mm."""
    font = _fonts()[bold]
    lacking = {letter for letter in text if ord(letter) not in font.face.charToGlyph}
    assert not lacking, f"the font has no {lacking}, wanted for {text!r}: say it in other letters"
    return float(font.stringWidth(text, size))


def wrapped(text: str, wide: float, size: float, bold: bool = False) -> list[str]:
    """The text broken at spaces into lines that are not wider."""
    lines: list[str] = []
    for word in text.split():
        joined = f"{lines[-1]} {word}" if lines else word
        if lines and width_of(joined, size, bold) <= wide:
            lines[-1] = joined
        else:
            lines.append(word)
    return lines


def _on_canvas(canvas: Canvas, each: Outline | Disc | Words) -> None:
    match each:
        case Outline(rings, fill, line, width, closed, dash):
            _brush(canvas, fill, line, width)
            canvas.setDash([dash] if dash else [])
            path = canvas.beginPath()
            for ring in rings:
                path.moveTo(ring[0][0], -ring[0][1])
                for x, y in ring[1:]:
                    path.lineTo(x, -y)
                if closed:
                    path.close()
            canvas.drawPath(path, stroke=int(line is not None), fill=int(fill is not None), fillMode=0)
        case Disc((x, y), radius, fill, line, width):
            _brush(canvas, fill, line, width)
            canvas.setDash([])
            canvas.circle(x, -y, radius, stroke=int(line is not None), fill=int(fill is not None))
        case Words((x, y), text, size, colour, bold, anchor):
            width_of(text, size, bold)  # has every letter, or says so
            canvas.setFillColor(colour)
            canvas.setFont(FONTS[bold], size)
            {"start": canvas.drawString, "middle": canvas.drawCentredString, "end": canvas.drawRightString}[anchor](
                x, -y, text
            )


def _brush(canvas: Canvas, fill: str | None, line: str | None, width: float) -> None:
    if fill:
        canvas.setFillColor(fill)
    if line:
        canvas.setStrokeColor(line)
        canvas.setLineWidth(width)


@functools.cache
def _fonts() -> dict[bool, TTFont]:
    """The fonts, plain and bold, made known to reportlab."""
    folder = FilePath(reportlab.__file__).parent / "fonts"
    fonts = {bold: TTFont(name, str(folder / f"{name}.ttf")) for bold, name in FONTS.items()}
    for font in fonts.values():
        pdfmetrics.registerFont(font)
    return fonts


def _paint(fill: str | None, line: str | None, width: float) -> str:
    stroke = f' stroke="{line}" stroke-width="{_n(width)}"' if line else ""
    return f' fill="{fill or "none"}"{stroke}'


def _n(number: float) -> str:
    # Pushed off the middle, so that a last binary digit, which differs from machine to machine, never decides.
    text = f"{number + 1e-7:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
