"""The second process: half of a large batch is examined there, while the hub's own examines the other half.

It holds nothing and decides nothing; when it is lost, the hub examines everything itself. It ends with the hub, however
that ends: its pipe closes.
"""

import functools
import multiprocessing
import signal
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from hub.examine import Examined, Examiner
from hub.keys import Keys
from wire import profiles
from wire.errors import TheirFault
from wire.note import Verifier

Task = tuple[str, bytes, str]
"""A unit's name, a publication that came on its topic, and the unit's verifier key as text; empty when not enrolled."""

Outcome = Examined | TheirFault


class Second:
    """A process that examines. It is started at once, and is of use as soon as it `is_ready`."""

    def __init__(self, keys: Path, hub: str, profile: str) -> None:
        spawning = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawning.Pipe()
        self._ready = False
        self._process = spawning.Process(target=_serve, args=(theirs, keys, hub, profile), name="second", daemon=True)
        self._process.start()
        theirs.close()  # else it would not be seen when the process is lost

    def is_ready(self) -> bool:
        """Whether it can be given something now."""
        try:
            if not self._ready and self._pipe.poll():
                self._ready = self._pipe.recv() == "ready"
        except (EOFError, OSError):
            self._ready = False
        return self._ready and self._process.is_alive()

    def begin(self, tasks: Sequence[Task]) -> bool:
        """Hands over publications to examine; whether there was somebody to take them."""
        try:
            self._pipe.send(list(tasks))
        except OSError:
            return False
        return True

    def end(self) -> list[Outcome] | None:
        """What came of those handed over, in their order; None when the process was lost over them."""
        try:
            outcomes: list[Outcome] = self._pipe.recv()
        except (EOFError, OSError):
            return None
        return outcomes

    def close(self) -> None:
        """Ends it."""
        self._pipe.close()
        self._process.join()


def _serve(pipe: Connection, keys: Path, hub: str, profile: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the hub, which then closes the pipe
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    examiner = Examiner(Keys.read(keys, hub).opener, profiles.named(profile))
    try:
        pipe.send("ready")
        while True:
            pipe.send([_examine(examiner, *task) for task in pipe.recv()])
    except (EOFError, OSError):
        return


def _examine(examiner: Examiner, unit: str, publication: bytes, verifier: str) -> Outcome:
    try:
        return examiner.examine(unit, publication, _trusted(verifier))
    except TheirFault as fault:
        return fault


@functools.lru_cache(4096)
def _trusted(verifier: str) -> dict[str, Verifier]:
    if not verifier:
        return {}
    parsed = Verifier.parse(verifier)
    return {parsed.name: parsed}
