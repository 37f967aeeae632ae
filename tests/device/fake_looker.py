"""What a worker answers with in tests of the archive: true identities, fake pictures. Each worker loads this module."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

from device.archive import Answer, Entry, Page, Seen, identity_of
from device.reader import Reading
from wire.record import NOTHING_KNOWN


def fake(path: Path, content: str, scan: int = 0) -> Path:
    """A file that calls itself a JPEG, and whose content are the codes in view, one a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\xff\xd8\xff" + bytes([scan]) + content.encode())
    return path


def fake_looker(_profile_id: str) -> Callable[[Entry | Page], Answer]:
    """What reads fakes, and tells standard output of each."""
    return _look


def _look(request: Entry | Page) -> Answer:
    if isinstance(request, Entry):
        return identity_of(request)
    os.write(1, request.path.name.encode() + b"\n")
    content = request.path.read_bytes()[4:].decode()
    match content:
        case "loops for ever":
            while True:
                pass
        case "is killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case _:
            pass
    return Seen(640, 480, Reading(payloads=tuple(content.split("\n")) if content else (), how="fake"), NOTHING_KNOWN)
