"""The labels: for each card written, a label to glue on the unit and a quick card to put beside it.

They bear the unit's name and nothing of where it goes or to whom. The code on them is that name, for whoever hands
units out to tick it off.
"""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import segno
from reportlab.lib.units import mm
from reportlab.lib.utils import simpleSplit
from reportlab.pdfgen.canvas import Canvas

A4_MM = (210.0, 297.0)

LABEL_MM = (63.5, 38.1)
"""Of the common sheets of 3 times 7 labels."""
COLUMNS, ROWS = 3, 7
MARGIN_MM, TOP_MM, GAP_MM = 7.2, 15.1, 2.5

CARD_MM = (105.0, 148.5)
"""A quarter of the sheet."""

STEPS = (
    (
        "Antes de empezar",
        "1. Conecte la corriente. Espere la luz blanca fija: LISTA (menos de un minuto).",
        "2. Ponga el acta: el lado del QR en la flecha. Baje la tapa.",
        "3. Pulse una vez. Marca verde: GUARDADA, ya no se pierde.",
        "4. Cruz roja: acomode el papel y pulse otra vez.",
        "5. Para apagar: sostenga el botón 8 segundos, suelte, espere que todo se apague.",
    ),
    (
        "Before you begin",
        "1. Plug it in. Wait for the steady white lamp: READY (less than a minute).",
        "2. Lay the acta down: QR end at the arrow. Lower the plate.",
        "3. Press once. Green tick: KEPT, it is safe.",
        "4. Red cross: lay the paper right and press again.",
        "5. To switch off: hold the button for 8 seconds, let go, wait until all is dark.",
    ),
)


def pdf(deployment: str, units: Sequence[str]) -> bytes:
    """A page of labels for each 21 units, then a page of quick cards for each four, to be cut."""
    file = BytesIO()
    canvas = Canvas(file, pagesize=(A4_MM[0] * mm, A4_MM[1] * mm), invariant=1)
    canvas.setTitle(f"testigo: labels of {deployment}")
    for number, unit in enumerate(units):
        row, column = divmod(number % (COLUMNS * ROWS), COLUMNS)
        if number and not row and not column:
            canvas.showPage()
        x = MARGIN_MM + column * (LABEL_MM[0] + GAP_MM)
        _label(canvas, deployment, unit, x, A4_MM[1] - TOP_MM - (row + 1) * LABEL_MM[1])
    for number, unit in enumerate(units):
        if number % 4 == 0:
            canvas.showPage()
        row, column = divmod(number % 4, 2)
        _card(canvas, unit, column * CARD_MM[0], A4_MM[1] - (row + 1) * CARD_MM[1])
    canvas.save()
    return file.getvalue()


def _label(canvas: Any, deployment: str, unit: str, x: float, y: float) -> None:
    _code(canvas, unit, x + 2, y + 4, LABEL_MM[1] - 8)
    _words(canvas, "Helvetica-Bold", 13, x + LABEL_MM[1] - 3, y + 20, unit)
    _words(canvas, "Helvetica", 8, x + LABEL_MM[1] - 3, y + 14, f"testigo · {deployment}")


def _card(canvas: Any, unit: str, x: float, y: float) -> None:
    canvas.setLineWidth(0.2)
    canvas.rect(x * mm, y * mm, CARD_MM[0] * mm, CARD_MM[1] * mm)
    _code(canvas, unit, x + 8, y + CARD_MM[1] - 32, 24)
    _words(canvas, "Helvetica-Bold", 18, x + 38, y + CARD_MM[1] - 22, unit)
    at = y + CARD_MM[1] - 42
    for title, *steps in STEPS:
        at = _lines(canvas, "Helvetica-Bold", 10, x + 8, at, title) - 1
        for step in steps:
            at = _lines(canvas, "Helvetica", 9, x + 8, at, step)
        at -= 3


def _lines(canvas: Any, font: str, size: float, x: float, y: float, text: str) -> float:
    """Lines of a text, each below the other; where the next would begin."""
    for line in simpleSplit(text, font, size, (CARD_MM[0] - 16) * mm):
        _words(canvas, font, size, x, y, line)
        y -= size * 0.45
    return y - 1


def _words(canvas: Any, font: str, size: float, x: float, y: float, text: str) -> None:
    canvas.setFont(font, size)
    canvas.drawString(x * mm, y * mm, text)


def _code(canvas: Any, text: str, x: float, y: float, wide: float) -> None:
    rows = [bytes(row) for row in segno.make(text, error="m", micro=False).matrix]
    module = wide / len(rows)
    for down, row in enumerate(rows):
        for across, is_dark in enumerate(row):
            if is_dark:
                at = (x + across * module) * mm, (y + wide - (down + 1) * module) * mm
                canvas.rect(*at, module * mm * 1.02, module * mm * 1.02, stroke=0, fill=1)
