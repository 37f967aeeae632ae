"""A wired panel: the real drivers on real libraries in a program of its own, and what is at its pins' other ends."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from device.lamps import Change, Lit, Sounded
from device.signals import FaultCode, Lamp, Ms, Signal
from hardware.pins import Pins
from tests.hardware.chip import Chip, chip
from tests.house.tree import ROOT

PINS = Pins()
LAMPS = {
    PINS.ready.bcm: Lamp.READY,
    PINS.kept.bcm: Lamp.KEPT,
    PINS.again.bcm: Lamp.AGAIN,
    PINS.link.bcm: Lamp.LINK,
    PINS.paper.bcm: Lamp.PAPER,
}

GLITCH_NS = 2_000_000
"""A lamp that is off for less stays lit for eyes and cameras: lgpio may begin a PWM with a pulse of its own."""


class Wired:
    """A panel on a chip."""

    def __init__(self, of: Chip, program: "subprocess.Popen[str]") -> None:
        self.chip = of
        self.program = program
        self._began = of.count
        self.began_ns = time.monotonic_ns()
        self._answer()

    def ask(self, *what: object) -> list[str]:
        """Has the program do something, and waits until it is done."""
        return [str(each) for each in self._ask(*what)]

    def _ask(self, *what: object) -> list[Any]:
        assert self.program.stdin is not None
        self.program.stdin.write(json.dumps(what) + "\n")
        self.program.stdin.flush()
        return self._answer()

    def anew(self) -> None:
        """Lets everything go and begins again, dark, silent and with the button up."""
        self.chip.drive(PINS.button.bcm, None)
        self.ask("anew")
        self.ask("posted", 100, 0)
        self._began, self.began_ns = self.chip.count, time.monotonic_ns()

    def show(self, said: Signal | FaultCode) -> None:
        self.ask("show" if isinstance(said, Signal) else "fault", said.name)

    def down(self) -> None:
        self.chip.drive(PINS.button.bcm, False)

    def up(self) -> None:
        self.chip.drive(PINS.button.bcm, None)

    def until(self, true: Callable[[], bool]) -> bool:
        """Looks every few milliseconds whether something is true; whether it ever was."""
        end, pause = time.monotonic() + 15, threading.Event()
        while not true():
            if time.monotonic() > end:
                return False
            pause.wait(0.01)
        return True

    def posted(self, count: int, seconds: float = 5) -> list[str]:
        """The next events, if so many come, each within so long."""
        return self.ask("posted", count, seconds)

    def lit(self) -> list[Lit]:
        """What the lamps have done since this was new."""
        found: list[Lit] = []
        dark: dict[int, int] = {}
        for ns, bcm, level in self.chip.changes(self._began):
            if bcm not in LAMPS:
                continue
            if level and ns - dark.get(bcm, 0) < GLITCH_NS:
                found.remove(Lit(self._ms(dark[bcm]), LAMPS[bcm], False))
            else:
                dark |= {} if level else {bcm: ns}
                found.append(Lit(self._ms(ns), LAMPS[bcm], level))
        return found

    def moves(self) -> list[Ms]:
        """When the buzzer was moved."""
        changes = self.chip.changes(self._began)
        return [self._ms(ns) for ns, bcm, level in changes if bcm == PINS.buzzer.bcm and level]

    def played(self) -> list[Change]:
        """What the mixer has had played since this was new."""
        began = self.began_ns // 1_000_000
        return [
            Lit(at - began, Lamp[lamp], bool(level)) if lamp else Sounded(at - began, level)
            for at, lamp, level in self._ask("played")
        ]

    def _ms(self, ns: int) -> Ms:
        return (ns - self.began_ns) // 1_000_000

    def _answer(self) -> list[Any]:
        assert self.program.stdout is not None
        line = self.program.stdout.readline()
        assert line, "the panel's program has ended"
        answer: list[Any] = json.loads(line)
        return answer


@contextmanager
def panel(of: Chip) -> Iterator[Wired]:
    """Runs a panel on a chip."""
    program = subprocess.Popen(
        [sys.executable, "-m", "tests.hardware.panel"],
        env=of.environment,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with program:
        try:
            yield Wired(of, program)
        finally:
            assert program.stdin is not None
            program.stdin.close()
            program.wait(10)


@contextmanager
def wired() -> Iterator[Wired]:
    """A panel on a chip of its own."""
    with chip() as of, panel(of) as made:
        yield made
