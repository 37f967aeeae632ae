"""The hands: a volunteer by script, who lays sheets down one after the other, presses, and looks at the lamps."""

import json
import queue
import re
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from device.signals import Signal
from sim.body import SimBody
from sim.fleet import VERDICTS

VERDICT_SECONDS_MAX = 20
HOLD = re.compile(r".*hold-(\d{1,3})")
"""A file of this name in the pile is no sheet: the button is then held for so many seconds, and let go. Nor is
a folder: it is put in as a stick, and stays in."""

PRESSES_MAX = 2
"""A sheet that is not read is tried once more, as the card beside the unit says."""


class Hands(threading.Thread):
    """Works through a pile of pictures in real time; a sheet's further parts are those that follow it.

    Args:
        body: the unit's body.
        pile: picture files, in the order they are laid down.
        pace_seconds: how long changing sheets takes.
        out: where a JSON line is written for each sheet: `file`, `signal` (the verdict, or `none`), `presses`, `ms`, or
            `why` it is no picture, for how many seconds the button was `held`, or that a `stick` is in; at the end
            `{"done": N}`.
    """

    def __init__(self, body: SimBody, pile: Sequence[Path], pace_seconds: float, out: TextIO) -> None:
        super().__init__(name="hands", daemon=True)
        self._body = body
        self._pile = pile
        self._pace_seconds = pace_seconds
        self._out = out
        self._signals: queue.SimpleQueue[Signal] = queue.SimpleQueue()
        body.indicator.heard = self._signals.put

    def run(self) -> None:
        """Waits for the ready lamp, then works until the pile is empty."""
        while self._signals.get() is not Signal.READY:
            pass
        for file in self._pile:
            if held := HOLD.fullmatch(file.name):
                self._hold(int(held[1]))
                self._say({"file": str(file), "held": int(held[1])})
                continue
            if file.is_dir():
                self._body.put_in(file)
                self._say({"file": str(file), "stick": "in"})
                continue
            try:
                self._body.camera.lay(file.read_bytes())
            except (OSError, ValueError) as error:
                self._say({"file": str(file), "signal": "none", "why": str(error)})
                continue
            began, verdict, presses = time.monotonic(), "again", 0
            while verdict.startswith("again") and presses < PRESSES_MAX:
                presses += 1
                verdict = self._press()
            ms = round((time.monotonic() - began) * 1000)
            self._say({"file": str(file), "signal": verdict, "presses": presses, "ms": ms})
            self._body.camera.clear()
            time.sleep(self._pace_seconds)
        self._say({"done": len(self._pile)})

    def _hold(self, seconds: int) -> None:
        self._body.hold()
        time.sleep(seconds)
        self._body.release()
        time.sleep(self._pace_seconds)
        while not self._signals.empty():  # what this press came to is nobody's verdict
            self._signals.get()

    def _press(self) -> str:
        self._body.press()
        end = time.monotonic() + VERDICT_SECONDS_MAX
        try:
            while (signal := self._signals.get(timeout=max(0.0, end - time.monotonic()))) not in VERDICTS:
                pass
        except queue.Empty:
            return "none"
        return signal.word

    def _say(self, what: dict[str, object]) -> None:
        print(json.dumps(what), file=self._out, flush=True)
