"""The card's one user: two programs that keep records on one card would write over each other's."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wire.errors import OurFault


@contextmanager
def alone_on(card: Path) -> Iterator[None]:
    """The card is this program's alone, until it lets go or dies.

    Raises:
        OurFault: it is not there, or another program has it.
    """
    try:
        handle = os.open(card, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise OurFault(f"card {card}: {error.strerror}: check that it is mounted") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OurFault(f"card {card}: a unit is already running on it: stop that one first") from error
        yield
    finally:
        os.close(handle)
