"""The whole unit, on pins that really go through lgpio: the program that runs on a Raspberry Pi, with little of one.

No camera, no clock board, no gauge, no mounter for sticks: each is told in one sentence, and everything else goes on.
"""

import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from device.running import ANEW_STATUS
from device.settings import read
from hardware.pins import Pins
from sim import deployment
from tests.device.world import VE
from tests.hardware.chip import Chip, chip, lacking
from tests.house.tree import ROOT
from wire.log import facts

SECONDS = 60.0
PINS = Pins()


@dataclass
class Running:
    """The program, what systemd hears of it, and its log so far.

    Attributes:
        chip: its pins.
        program: itself.
        notify: systemd's socket.
        lines: its log.
    """

    chip: Chip
    program: "subprocess.Popen[str]"
    notify: socket.socket
    lines: list[dict[str, str]]

    def heard(self) -> str:
        """What it tells systemd next."""
        return self.notify.recv(4096).decode()

    def until(self, event: str) -> dict[str, str]:
        """Reads its log up to an event."""
        stderr: IO[str] | None = self.program.stderr
        assert stderr is not None
        while True:
            ready, _, _ = select.select([stderr], [], [], SECONDS)
            line = stderr.readline() if ready else ""
            assert line.startswith("ts="), (
                f"it ended, or was silent for {SECONDS} s; before that it said {self.lines}, then {line}"
            )
            self.lines.append(facts(line))
            if self.lines[-1].get("event") == event:
                return self.lines[-1]


@contextmanager
def running(folder: Path, **environment: str) -> Iterator[Running]:
    if why := lacking():
        pytest.skip(why)
    (path,) = deployment.make(folder / "trial", 1, 1883, VE).units.values()
    read(path).card.mkdir(exist_ok=True)
    with chip() as made, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        where = folder / "notify"
        notify.bind(str(where))
        notify.settimeout(SECONDS)
        environment = {**made.environment, "NOTIFY_SOCKET": str(where), **environment}
        command = [sys.executable, "-m", "device", "--settings", str(path)]
        program = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
        try:
            yield Running(made, program, notify, [])
        finally:
            program.kill()
            program.communicate()


def test_a_unit_with_most_of_it_missing_says_so_goes_on_and_ends_in_order(tmp_path: Path) -> None:
    with running(tmp_path) as unit:
        unit.until("started")
        assert unit.heard() == "READY=1\nWATCHDOG=1"
        unit.chip.drive(PINS.button.bcm, False)
        assert "camera" in unit.until("camera-bad")["why"]
        unit.chip.drive(PINS.button.bcm, True)
        unit.program.send_signal(signal.SIGTERM)
        unit.until("stopped")
        assert unit.program.wait(SECONDS) == 0
        missed = [line["why"] for line in unit.lines if line["event"] == "part-missing"]
        for part in ("battery gauge", "clock board", "stick"):
            assert sum(part in why for why in missed) == 1, part


HANGING = """
import threading
import hardware.camera
hardware.camera.HANG_SECONDS_MAX = 0.5  # nobody reads its lamps
threading.Thread(target=threading.Event().wait).start()  # as libcamera's, it would hang the end of the program too
threading.Event().wait()
"""


def test_a_unit_whose_camera_hangs_ends_to_be_started_anew(tmp_path: Path) -> None:
    libraries = tmp_path / "libraries"
    libraries.mkdir()
    (libraries / "picamera2.py").write_text(HANGING)
    with running(tmp_path, PYTHONPATH=f"{ROOT}:{libraries}") as unit:
        unit.until("started")
        unit.chip.drive(PINS.button.bcm, False)
        assert unit.until("camera-bad")["why"].startswith("no frame within 5 s: ")
        unit.chip.drive(PINS.button.bcm, True)
        assert unit.until("camera-bad")["why"].startswith("nothing has come back from the camera for 5.5 s: ")
        unit.until("stopped")
        assert unit.program.wait(SECONDS) == ANEW_STATUS
