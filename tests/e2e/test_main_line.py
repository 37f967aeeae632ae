"""From the press of a button to the counted mesa, with real programs and a real broker."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import SHEETS, MakeWorld
from tests.e2e.world import wait_until

pytestmark = pytest.mark.e2e


def test_what_is_laid_down_is_counted_and_receipted(world: MakeWorld, sheets: Path) -> None:
    here = world(units=2)
    here.broker.start()
    here.hub.start()
    for name in here.units:
        here.power_on(sheets, name)
    wait_until(lambda: all(here.receipted(name) == SHEETS for name in here.units), "every card is receipted")
    assert [each["signal"] for each in here.laid()] == ["kept"] * SHEETS
    assert here.totals()["counted"] == SHEETS
    assert [unit.stop() for unit in here.units.values()] == [0, 0]
    assert here.hub.stop() == 0
    assert here.waiting() == 0


def test_a_unit_killed_at_any_moment_loses_nothing_it_announced(world: MakeWorld, sheets: Path) -> None:
    here = world()
    here.broker.start()
    here.hub.start()
    announced = 0
    for _ in range(4):
        here.power_on(sheets)
        wait_until(lambda before=announced: here.kept() > before, "one more is kept")  # type: ignore[misc]
        here.unit.kill()
        announced = here.kept()
        assert here.held() >= announced
    here.power_on(sheets)
    wait_until(lambda: here.receipted() >= announced + SHEETS, "everything announced is receipted")
    assert here.totals()["counted"] == SHEETS


def test_a_hub_killed_again_and_again_holds_everything_once(world: MakeWorld, sheets: Path) -> None:
    here = world()
    here.broker.start()
    here.power_on(sheets)
    for kills in range(5):
        here.hub.start()
        wait_until(lambda kills=kills: len(here.hub.events("kept")) > kills or here.receipted() == SHEETS, "hub kept")  # type: ignore[misc]
        here.hub.kill()
    here.hub.start()
    wait_until(lambda: here.receipted() == SHEETS, "every card is receipted")
    assert here.totals()["counted"] == SHEETS
    assert here.totals()["strays"] == []


@pytest.mark.parametrize("program", ["hub", "device"])
def test_a_program_without_its_settings_says_what_to_do(program: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", program, "--settings", str(tmp_path / "none.toml")]
    told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert told.returncode == 2
    assert "give the right file with --settings" in told.stderr
    assert "Traceback" not in told.stderr
