"""The bench's look at the marks: how the camera hangs, told to whoever builds a unit, and what to move."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from gpiozero.pins.mock import MockFactory
from numpy.typing import NDArray

from hardware.bench import Bench
from hardware.build.parts import parts
from tests.build.test_marks import photographed

CAMERA = parts().cameras["module-3"]


def told(luma: NDArray[np.uint8], tmp_path: Path) -> tuple[str, str]:
    """What the bench says of a camera that sees this."""
    stream: Any = SimpleNamespace(look=lambda _since: SimpleNamespace(luma=luma), close=lambda: None)
    settings: Any = SimpleNamespace(card=tmp_path)
    pins = MockFactory()
    try:
        check = Bench(settings, lambda: pins, lambda: stream, print).check("marks")
    finally:
        pins.close()
    return check.outcome, check.words


def test_a_camera_that_hangs_right_is_good(tmp_path: Path) -> None:
    outcome, words = told(photographed(CAMERA), tmp_path)
    assert outcome == "good"
    assert words.startswith("5.8 px a mm: it sees 400 mm of 400;")  # pictures of half the size


@pytest.mark.parametrize(
    ("seen", "remedy"),
    [
        ({"off_mm": (3.0, -9.0)}, "move the arm along the mast, or the camera on the arm"),
        ({"narrowed": 0.09}, "set the mast upright, the camera level"),
    ],
)
def test_a_camera_that_hangs_wrong_is_told_and_what_to_move(tmp_path: Path, seen: dict[str, Any], remedy: str) -> None:
    outcome, words = told(photographed(CAMERA, **seen), tmp_path)
    assert outcome == "bad"
    assert remedy in words


def test_a_camera_that_hangs_too_low_is_told(tmp_path: Path) -> None:
    near = photographed(CAMERA)
    columns = near.shape[1]
    outcome, words = told(np.ascontiguousarray(near[:, columns // 40 : -columns // 40]), tmp_path)
    assert outcome == "bad"
    assert "it sees 380 mm of 400" in words


def test_a_tray_without_marks_has_none(tmp_path: Path) -> None:
    assert told(np.full((1200, 2000), 40, np.uint8), tmp_path)[0] == "absent"
