"""What a worker answers with in tests of the archive: true identities, fake pictures. Each worker loads this module."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from device.archive import Answer, Entry, Page, Seen, identity_of
from device.reader import Reading
from tests.device.fates import meet
from wire.record import NOTHING_KNOWN


def fake(path: Path, content: str, scan: int = 0) -> Path:
    """A file that calls itself a JPEG, and whose content are the codes in view, one a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\xff\xd8\xff" + bytes([scan]) + content.encode())
    return path


def fake_looker(_profile_id: str, told: Path = Path("/dev/stdout")) -> Callable[[Entry | Page], Answer]:
    """What reads fakes, or meets the fate that one names; `told` gets the name of each."""
    return partial(_look, told)


def _look(told: Path, request: Entry | Page) -> Answer:
    if isinstance(request, Entry):
        return identity_of(request)
    with told.open("ab") as file:
        file.write(request.path.name.encode() + b"\n")
    content = meet(request.path.read_bytes()[4:].decode())
    return Seen(640, 480, Reading(payloads=tuple(content.split("\n")) if content else (), how="fake"), NOTHING_KNOWN)
