"""The second process: half of a large batch is examined there, while the hub's own examines the other half.

It holds nothing and decides nothing; when it is lost or hangs, the hub examines everything itself. It ends with the
hub, however that ends: its pipe closes.
"""

import functools
import multiprocessing
import os
import signal
import socket
import struct
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from hub.examine import Examined, Examiner
from hub.keys import Keys
from wire.acta import Profile
from wire.errors import TheirFault
from wire.note import Verifier

Task = tuple[str, bytes, str]
"""A unit's name, a publication that came on its topic, and the unit's verifier key as text; empty when not enrolled."""

Outcome = Examined | TheirFault

SECONDS_MAX = 30
"""How long it may keep the hub waiting, many times what the largest batch takes; then it is ended."""


class Second:
    """A process that examines. It is started at once, and is of use as soon as it `is_ready`."""

    def __init__(self, deployment: str, keys: Path, hub: str, profile: Profile) -> None:
        spawning = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawning.Pipe()
        _limit(self._pipe)
        self._ready = False
        arguments = (theirs, deployment, keys, hub, profile)
        self._process = spawning.Process(target=_serve, args=arguments, name="second", daemon=True)
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
            self._lose()
            return False
        return True

    def end(self) -> list[Outcome] | None:
        """What came of those handed over, in their order; None when the process was lost over them, or hung."""
        try:
            outcomes: list[Outcome] = self._pipe.recv()
        except (EOFError, OSError):
            self._lose()
            return None
        return outcomes

    def close(self) -> None:
        """Ends it."""
        self._pipe.close()
        self._process.join(SECONDS_MAX)
        self._process.kill()
        self._process.join()

    def _lose(self) -> None:
        """Ends what does not answer: an answer that came late would be taken for that to the next batch."""
        self._ready = False
        self._pipe.close()
        self._process.kill()


def _limit(pipe: Connection) -> None:
    """Lets no sending or receiving through the pipe, which is a socket, wait for ever: it is an OSError then."""
    with socket.socket(fileno=os.dup(pipe.fileno())) as same:
        for way in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
            same.setsockopt(socket.SOL_SOCKET, way, struct.pack("ll", SECONDS_MAX, 0))


def _serve(pipe: Connection, deployment: str, keys: Path, hub: str, profile: Profile) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the hub, which then closes the pipe
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    examiner = Examiner(deployment, Keys.read(keys, hub).opener, profile)
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
