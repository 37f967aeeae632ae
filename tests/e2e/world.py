"""The world: a trial deployment as real processes with a real broker; each can be killed and started again."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from device.keys import signer_from
from device.settings import read
from device.store import Store
from sim import deployment, paper, photo
from sim.broker import Broker
from wire import note
from wire.envelope import Envelope, split
from wire.log import facts
from wire.note import Note

SECONDS_MAX = 60


class Program:
    """One of our programs: `start`, `stop` (SIGTERM), `kill` (SIGKILL), any number of times."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.log = folder / "log"
        self.out = folder / "out"
        self._arguments = arguments
        self._running: subprocess.Popen[bytes] | None = None

    def start(self, *more: str) -> None:
        """Starts it; log and output grow through all starts."""
        with self.log.open("ab") as log, self.out.open("ab") as out:
            self._running = subprocess.Popen(
                [sys.executable, "-m", *self._arguments, *more], stdout=out, stderr=log, env={**os.environ}
            )

    def stop(self) -> int:
        """Asks it to end; its exit status."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it at once."""
        self._end(signal.SIGKILL)

    @property
    def runs(self) -> bool:
        """Whether it still runs."""
        return self._running is not None and self._running.poll() is None

    def events(self, name: str) -> list[dict[str, str]]:
        """The log lines of one event, as words by name."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        parsed = [facts(line) for line in lines]
        return [words for words in parsed if words.get("event") == name]

    def _end(self, number: signal.Signals) -> int:
        if self._running is None:
            return 0
        self._running.send_signal(number)
        try:
            return self._running.wait(20)
        except subprocess.TimeoutExpired:
            self._running.kill()
            raise AssertionError(f"{self._arguments} does not end on {number.name}: see {self.log}") from None


class World:
    """A hub, units and a broker; nothing runs until it is started.

    Args:
        folder: for everything.
        units: how many.
        broker_lines: more lines of the broker's configuration.
    """

    def __init__(self, folder: Path, units: int = 1, broker_lines: Sequence[str] = ()) -> None:
        self.folder = folder
        (folder / "broker").mkdir(parents=True)
        self.broker = Broker(folder / "broker", *broker_lines)
        self.made = deployment.make(folder / "deployment", units, self.broker.port, "ve-2024-presidential")
        self.hub = Program(self.made.hub.parent, "hub", "--settings", str(self.made.hub))
        self.units = {
            name: Program(settings.parent, "sim", "unit", "--settings", str(settings), "--pace", "0.05")
            for name, settings in self.made.units.items()
        }
        (folder / "no sheets").mkdir()

    @property
    def unit(self) -> Program:
        """The first unit."""
        return next(iter(self.units.values()))

    @property
    def name(self) -> str:
        """The first unit's name."""
        return next(iter(self.units))

    def power_on(self, pile: Path | None = None, name: str = "") -> None:
        """Starts a unit, whose volunteer lays down the pictures of a folder, or none."""
        self.units[name or self.name].start("--tray", str(pile or self.folder / "no sheets"))

    def laid(self, name: str = "") -> list[dict[str, Any]]:
        """What the unit's volunteer has said of each sheet."""
        out = self.units[name or self.name].out
        said = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
        return [each for each in said if "file" in each]

    def kept(self, name: str = "") -> int:
        """How many times the kept lamp came on for something new."""
        return sum(each["signal"] in ("kept", "kept-doubtful") for each in self.laid(name))

    def envelopes(self, name: str = "") -> list[Note[Envelope]]:
        """The envelopes on a unit's card, verified."""
        settings = read(self.made.units[name or self.name])
        verifier = signer_from(settings.key, settings.unit).verifier
        files = (settings.card / "kept").glob("*.envelope")
        return [note.read(split(file.read_bytes())[0], Envelope, {verifier.name: verifier}) for file in files]

    def waiting(self, name: str = "") -> int:
        """How many records wait on a unit's card; the unit must not be running."""
        return self._store(name, lambda store: store.waiting_count(1))

    def held(self, name: str = "") -> int:
        """How many records a unit's card holds; the unit must not be running."""
        return self._store(name, lambda store: store.count())

    def _store(self, name: str, ask: Callable[[Store], int]) -> int:
        settings = read(self.made.units[name or self.name])
        store = Store(settings.card, signer_from(settings.key, settings.unit).verifier, print)
        try:
            return ask(store)
        finally:
            store.close()

    def receipted(self, name: str = "") -> int:
        """Up to which seq the unit has a receipt, pictures included."""
        told = self.units[name or self.name].events("receipted")
        return max((min(int(each["seq"]), int(each["whole"])) for each in told), default=0)

    def totals(self) -> dict[str, Any]:
        """What the hub's program says it counts."""
        command = [sys.executable, "-m", "hub", "totals", "--json", "--settings", str(self.made.hub)]
        told: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
        return told

    def end(self) -> None:
        """Ends everything that still runs."""
        for program in (*self.units.values(), self.hub):
            program.kill()
        self.broker.kill()


def wait_until(true: Callable[[], bool], what: str, seconds: float = SECONDS_MAX) -> None:
    """Waits until something is so.

    Raises:
        AssertionError: it did not become so in time.
    """
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


def pile(folder: Path, sheets: int, seed: int) -> Path:
    """A folder of photographs of that many different actas."""
    folder.mkdir()
    chance = random.Random(seed)
    for number in range(sheets):
        sheet = paper.draw(paper.random_payload(chance))
        picture = photo.photograph(sheet, seed=number, size=(1536, 864), dpmm=11.5 / 3)
        (folder / f"{number:03}.jpg").write_bytes(picture.jpeg())
    return folder
