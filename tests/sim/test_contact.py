"""The contact sheet: every kind at three grades, written where a person can look."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from sim import contact
from sim.__main__ import main
from sim.paper import LENGTH_MM, WIDTH_MM


def test_the_contact_sheet_shows_three_grades_of_each_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contact, "KINDS", contact.KINDS[:1] + contact.KINDS[-1:])
    file = tmp_path / "sheet.jpg"
    assert main(["paper", "--sheet", str(file)]) == 0
    picture = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    height, width = contact.LABEL_PX + contact.TILE_PX + contact.LABEL_PX, contact.TILE_PX * contact.GRADES
    acta, tiles = np.split(picture, [picture.shape[1] - width * contact.ACROSS], axis=1)
    assert acta.shape == (height, pytest.approx(height * WIDTH_MM / LENGTH_MM, abs=1))
    assert acta.min() < 100 < 200 < acta.max()
    assert len(tiles) == height
    assert tiles[: contact.LABEL_PX].min() < 100, "the legend"
    assert tiles[contact.LABEL_PX :, width * 2 :].min() > 250, "two kinds fill two of the three places in a row"


@pytest.mark.parametrize(("name", "why"), [("sheet.gif", "name it .png or .jpg"), ("none/sheet.png", "No such file")])
def test_a_sheet_that_cannot_be_written_is_refused_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str, why: str
) -> None:
    monkeypatch.setattr(contact, "KINDS", contact.KINDS[-1:])
    assert main(["paper", "--sheet", str(tmp_path / name)]) == 2
    assert why in capsys.readouterr().err
