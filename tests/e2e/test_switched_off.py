"""Switched off by its button: the program ends with a status of its own, and all that it kept is on the card."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from device.running import OFF_STATUS
from sim.deployment import make

pytestmark = pytest.mark.e2e


def test_a_button_held_for_eight_seconds_ends_the_program_for_good(tmp_path: Path, sheets: Path) -> None:
    (settings,) = make(tmp_path / "trial", 1, 1, "ve-2024-presidential").units.values()
    tray = tmp_path / "tray"
    tray.mkdir()
    shutil.copy(min(sheets.iterdir()), tray / "1-an-acta.jpg")
    (tray / "2-hold-9").touch()
    command = [sys.executable, "-m", "sim", "unit", "--settings", str(settings), "--tray", str(tray)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == OFF_STATUS
    assert "event=switched-off" in ended.stderr
    assert "event=stopped" in ended.stderr
    kept = settings.parent / "card" / "kept"
    assert sorted(path.suffix for path in kept.iterdir()) == [".envelope", ".picture"]
