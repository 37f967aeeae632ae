"""The pins' chip: had on any board that has one, and one sentence that says what to do where there is none."""

import subprocess
import sys
from pathlib import Path

import pytest

from hardware.gpio import open_pins
from tests.hardware.chip import PI_4, PI_5, Chip, chip, lacking
from wire.errors import OurFault

SOURCE = """
import os, sys
from pathlib import Path
from hardware.gpio import open_pins
from wire.errors import OurFault
before = Path.cwd(), set(os.environ)
try:
    print(open_pins(Path(sys.argv[1])).chip)
except OurFault as error:
    print(error)
assert (Path.cwd(), set(os.environ)) == before
"""

needs_a_chip = pytest.mark.skipif(bool(lacking()), reason=lacking())


def opened(of: Chip, folder: Path, model: str, **environment: str) -> str:
    (folder / "model").write_text(model + "\0")
    ended = subprocess.run(
        [sys.executable, "-c", SOURCE, folder / "model"],
        env={**of.environment, "TMPDIR": str(folder / "tmp"), **environment},
        cwd=folder / "cwd",
        capture_output=True,
        text=True,
        check=True,
    )
    return ended.stdout.strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cwd").mkdir()
    (tmp_path / "tmp").mkdir()
    return tmp_path


@needs_a_chip
@pytest.mark.parametrize("revision", [PI_4, PI_5])
def test_pins_are_had_and_nothing_is_left_lying_about(revision: int, folder: Path) -> None:
    """As it loads, lgpio changes to another folder and leaves a pipe there; see `open_pins`."""
    with chip(revision) as of:
        assert opened(of, folder, "Raspberry Pi 5 Model B Rev 1.0") == "0"
    assert [*(folder / "cwd").iterdir(), *(folder / "tmp").iterdir()] == []


@needs_a_chip
def test_another_board_is_named(folder: Path) -> None:
    with chip(None) as of:
        said = opened(of, folder, "Radxa ZERO 3")
    assert said.startswith("the pins cannot be had (unable to locate Pi revision")
    assert said.endswith(
        ": this is Radxa ZERO 3; run the firmware on a Raspberry Pi, or try it without hardware with testigo-sim"
    )


@needs_a_chip
def test_pins_that_may_not_be_used_are_said_to_be(folder: Path) -> None:
    with chip() as of:
        said = opened(of, folder, "Raspberry Pi 4 Model B Rev 1.5", TESTIGO_CHIP=str(folder / "nowhere"))
    assert said.startswith("the pins cannot be had (")
    assert said.endswith(": let the user of the unit be in the group gpio, and end whatever else uses the pins")


@pytest.mark.parametrize("name", ["gpiozero", "lgpio"])
def test_a_library_that_is_missing_is_named_with_what_to_do(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for loaded in ("gpiozero.pins.lgpio", *(module for module in sys.modules if module.startswith(f"{name}."))):
        monkeypatch.delitem(sys.modules, loaded, raising=False)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(OurFault) as raised:
        open_pins()
    assert str(raised.value) == (
        f"this machine has no {name}: run the firmware on a Raspberry Pi (whose system has python3-lgpio), "
        "or try it without hardware with testigo-sim"
    )
