"""Sheets and views: what is near hides what is far, and one drawing is the same as SVG and as PDF."""

import re
from typing import Any

import numpy as np
import pypdfium2  # type: ignore[import-untyped]
import pytest
from manifold3d import Manifold

from hardware.build.sheet import Sheet, pdf, wrapped
from hardware.build.view import Body, View, draw

CUBE = Manifold.cube((20, 20, 20))


def fills(sheet: Sheet) -> list[str]:
    return re.findall(r'fill="(#[0-9a-f]{6})" stroke', sheet.svg())


def test_a_box_shows_three_faces() -> None:
    sheet = Sheet(60, 60)
    draw(sheet, View(-35, 28, 1.0, (20, 40)), [Body(CUBE, "#808080")])
    assert len(fills(sheet)) == 3
    assert len(set(fills(sheet))) == 3


@pytest.mark.parametrize("order", [1, -1])
def test_the_nearer_hides_the_farther_whatever_is_drawn_first(order: int) -> None:
    sheet = Sheet(80, 80)
    bodies = [Body(CUBE, "#ff0000", (0, 40, 0)), Body(Manifold.cube((60, 2, 60)), "#0000ff", (-20, -20, -20))]
    draw(sheet, View(0, 10, 1.0, (30, 50)), bodies[::order])
    assert all(fill.startswith("#0000") for fill in fills(sheet))


def test_a_hole_is_seen_through() -> None:
    sheet = Sheet(60, 60)
    ring = CUBE - Manifold.cylinder(30, 6, circular_segments=32).translate((10, 10, -5))
    draw(sheet, View(0, 90, 1.0, (20, 40)), [Body(ring, "#808080")])
    assert 'fill-rule="evenodd"' in sheet.svg()


def test_svg_and_pdf_are_the_same_drawing_in_true_size() -> None:
    sheet = Sheet(100, 50)
    sheet.box(10, 5, 30, 20, fill="#000000", line=None)
    sheet.disc((70, 25), 10, fill="#000000", line=None)
    assert '<svg xmlns="http://www.w3.org/2000/svg" width="100mm" height="50mm" viewBox="0 0 100 50"' in sheet.svg()
    page = pypdfium2.PdfDocument(pdf("a box", sheet))[0]
    scale: Any = 10 * 25.4 / 72
    dark = page.render(scale=scale, grayscale=True).to_numpy().squeeze() < 128
    ys, xs = np.nonzero(dark[:, :500])
    assert (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1) == pytest.approx((100, 50, 400, 250), abs=2)
    assert dark[:, 500:].sum() == pytest.approx(np.pi * 100**2, rel=0.01)


def test_words_with_signs_of_xml_are_safe() -> None:
    sheet = Sheet(10, 10)
    sheet.words(1, 1, "a < b & c")
    assert ">a &lt; b &amp; c</text>" in sheet.svg()


def test_a_line_of_words_is_broken_at_spaces_and_a_long_word_is_not() -> None:
    assert wrapped("uno dos tres", 8, 4) == ["uno", "dos", "tres"]
    assert wrapped("uno dos tres", 200, 4) == ["uno dos tres"]
    assert wrapped("", 10, 4) == []
