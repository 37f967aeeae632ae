"""A hub that is killed: takes one batch from standard input, and ends without a word at the place it is told.

    python -m tests.hub.killed_hub FOLDER DATABASE UNIT (committing|answering)

`committing` is killed with everything done but the commit; `answering` when all is durable and nothing is answered.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from hub.ledger import Ledger
from tests.hub.conftest import HubHere
from wire.note import Verifier


class KilledLedger(Ledger):
    """A ledger whose last act in a transaction is to end the program."""

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with super().transaction():
            yield
            os.kill(os.getpid(), signal.SIGKILL)


def main(folder: str, database: str, unit: str, where: str) -> None:
    hub = HubHere(database, Path(folder))
    verifier = Verifier.parse(unit)
    hub.units[verifier.name] = verifier
    if where == "committing":
        hub.ledger.__class__ = KilledLedger
    hub.intake.take(msgspec.msgpack.decode(sys.stdin.buffer.read(), type=list[tuple[str, bytes]]))
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(*sys.argv[1:])
