"""The applying: on a hub's machine, what was carried there from the authority takes the place of what is there.

Whoever was revoked is out within a second: Mosquitto is told to read its files again, and its plugin puts out whom they
name (provisioning/plugin.c). Everybody else's session stays.
"""

import hashlib
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

from hub.folder import Folder
from hub.register import read as read_register
from provisioning.files import write
from wire import note
from wire.belonging import ACCESS, FILE, FILES, REGISTER, REVOKED, Belonging
from wire.errors import OurFault, TheirFault
from wire.note import NOTE_BYTES_MAX, Verifier

PID_FILE = Path("/run/mosquitto/mosquitto.pid")
"""Where Debian's Mosquitto says which process it is."""

_NAMES = {
    REGISTER: re.compile(rb"^([a-z0-9-]+)\+", re.MULTILINE),
    ACCESS: re.compile(rb"^user ([a-z0-9-]+)$", re.MULTILINE),
    REVOKED: re.compile(rb"^([a-z0-9-]+)$", re.MULTILINE),
}
"""The names that stand in each: of units; of hubs, and of who is revoked; of who is revoked."""

FILE_BYTES_MAX = 32 * 1024 * 1024
"""100,000 units take 18 MB of register."""


def apply(carried: Path, at: Path, register: Path, tell: Callable[[], None]) -> tuple[int, int]:
    """Puts what was carried in its place, and has Mosquitto go by it; said again, it does the same again.

    Args:
        carried: the folder or stick with the files.
        at: the folder of the broker's files.
        register: the hub's, as its settings name it.
        tell: has Mosquitto read its files again.

    Returns:
        How many units belong now, and how many units and hubs are revoked.

    Raises:
        OurFault: they are not of this deployment's authority, older than what is there, or of a copy that does not know
            who belongs there; then nothing was changed.
    """
    if not register.exists():
        raise OurFault(f"{register}: there is none: nothing was changed; name the one of hub.toml")
    trusted = _trusted(at / "packages.pub")
    signed = _read(carried / FILE, NOTE_BYTES_MAX)
    new = _verified(carried / FILE, signed, trusted)
    if (at / FILE).exists():
        old = _verified(at / FILE, _read(at / FILE, NOTE_BYTES_MAX), trusted)
        if new.deployment != old.deployment or new.number < old.number:
            raise OurFault(
                f"{carried}: number {new.number} of {new.deployment}, but here is number {old.number} of "
                f"{old.deployment}: nothing was changed; carry what the authority made last"
            )
    contents = {name: _read(carried / name, FILE_BYTES_MAX) for name in FILES}
    for name, content in contents.items():
        if new.files.get(name) != hashlib.sha256(content).hexdigest():
            raise OurFault(f"{carried / name}: not the one that was signed: nothing was changed; carry all files again")
    here = {name: path.read_bytes() if (path := _place(name, at, register)).exists() else b"" for name in FILES}
    if lost := sorted(_lost(here, contents)):
        raise OurFault(
            f"{carried} does not know {', '.join(lost[:5])} as those here do: of two copies of the authority it is the "
            "other: nothing was changed; bring both together (docs/guides/authority.md)"
        )
    # The hub first: what a revoked unit still sends it refuses. The note last: until it is there, this is not done.
    write(register, contents.pop(REGISTER), owner=register)
    for name, content in {**contents, FILE: signed}.items():
        write(at / name, content, secret=True, owner=at)
    tell()
    return len(read_register(register)), len(contents[REVOKED].splitlines())


def reload(pid_file: Path) -> None:
    """Has Mosquitto read its files again.

    Raises:
        OurFault: it does not run.
    """
    try:
        number = int(pid_file.read_text().strip())
        if Path(f"/proc/{number}/comm").read_text().strip() != "mosquitto":
            raise ProcessLookupError
        os.kill(number, signal.SIGHUP)
    except (OSError, ValueError) as error:
        raise OurFault(
            f"{pid_file}: no Mosquitto that runs: all files are in place; it goes by them once it starts"
        ) from error


def _place(name: str, at: Path, register: Path) -> Path:
    return register if name == REGISTER else at / name


def _lost(old: dict[str, bytes], new: dict[str, bytes]) -> set[str]:
    """Who would belong again though revoked, or belong no more though not: a number that rises does not tell that."""
    was, will = ({file: set(names.findall(each[file])) for file, names in _NAMES.items()} for each in (old, new))
    lost = was[REVOKED] - will[REVOKED] | (was[REGISTER] | was[ACCESS]) - will[REGISTER] - will[ACCESS]
    return {name.decode("ascii") for name in lost}


def _trusted(path: Path) -> dict[str, Verifier]:
    try:
        verifier = Verifier.parse(_read(path, 1024).decode("utf-8", "replace").strip())
    except TheirFault as error:
        raise OurFault(f"{path}: {error}") from error
    return {verifier.name: verifier}


def _verified(path: Path, content: bytes, trusted: dict[str, Verifier]) -> Belonging:
    try:
        return note.read(content, Belonging, trusted).statement
    except TheirFault as error:
        raise OurFault(f"{path}: {error}: nothing was changed; carry what this deployment's authority made") from error


def _read(path: Path, bytes_max: int) -> bytes:
    try:
        with Folder.at(path.parent) as folder:
            return folder.read(path.name, bytes_max)
    except OSError as error:
        raise OurFault(f"{path}: {error.strerror}: nothing was changed; carry all files again") from error
