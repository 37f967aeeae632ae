"""A unit that cannot start: its lamps say why for long enough to be read, and then its program says it in words."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from device.settings import Settings, read
from device.signals import FaultCode
from hardware.pins import Pins
from sim import deployment
from tests.device.world import VE
from tests.hardware.chip import Chip, chip, lacking
from tests.house.tree import ROOT

PINS = Pins()


def _bad_key(settings: Settings) -> None:
    assert isinstance(settings.key, Path)
    settings.key.write_text("no key\n")


def _bad_card(settings: Settings) -> None:
    (settings.card / "kept").write_text("where a folder should be\n")


def _no_card(settings: Settings) -> None:
    settings.card.rmdir()


def _bad_package(settings: Settings) -> None:
    settings.package.write_bytes(settings.package.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (_bad_key, FaultCode.KEY),
        (_bad_card, FaultCode.CARD),
        (_no_card, FaultCode.CARD),
        (_bad_package, FaultCode.PACKAGE),
    ],
    ids=["key", "card", "no card", "package"],
)
def test_a_unit_that_cannot_start_shows_its_code_until_it_is_told_to_end(
    spoil: Callable[[Settings], None], code: FaultCode, tmp_path: Path
) -> None:
    if why := lacking():
        pytest.skip(why)
    (path,) = deployment.make(tmp_path / "trial", 1, 1883, VE).units.values()
    settings = read(path)
    settings.card.mkdir(exist_ok=True)
    spoil(settings)
    with chip() as made:
        program = subprocess.Popen(
            [sys.executable, "-m", "device", "--settings", str(path)],
            cwd=ROOT,
            env=made.environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        with program:
            try:
                lengths = code_of(made, program, sum(divmod(code.value.number, 10)))
            finally:
                program.send_signal(signal.SIGTERM)
                _, said = program.communicate(timeout=30)
    tens, units = divmod(code.value.number, 10)
    assert lengths == ["long"] * tens + ["short"] * units
    assert program.returncode == 2
    assert "testigo-unit: " in said


def code_of(made: Chip, program: "subprocess.Popen[str]", blinks: int) -> list[str]:
    """What AGAIN reads out, once."""
    end, pause = time.monotonic() + 60, threading.Event()
    while time.monotonic() < end:
        assert program.poll() is None, "it ended before anybody could read its code"
        changes = [(ns, level) for ns, bcm, level in made.changes(0) if bcm == PINS.again.bcm]
        if len(changes) >= 2 * blinks:
            spans = [off[0] - on[0] for on, off in zip(changes[::2], changes[1::2], strict=False)][:blinks]
            return ["long" if ns > 650_000_000 else "short" for ns in spans]
        pause.wait(0.05)
    raise AssertionError("AGAIN has read out nothing")
