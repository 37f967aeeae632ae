"""The notices: what hubs say of where they are now, for units to be told; a folder, read again whenever it changes.

Units that are connected are told at once; any other is when it says what it holds, as each does on connecting. So
nothing has to stay at a broker, and a unit that was off is told by whichever hub it reaches.
"""

import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from hub.log import Event
from hub.pictures import fsync_folder
from wire import note
from wire.errors import OurFault, TheirFault
from wire.log import Log
from wire.move import SUFFIX, Move
from wire.note import NOTE_BYTES_MAX, Note, Verifier


class Notices:
    """The notices as the folder has them now; it need not be there.

    Args:
        folder: a file `<hub>.move` for each hub that has moved.
        deployment: whose election trial or night it is.
        hubs: whose moves count, by name.
        log: where to tell that they were read again, or one could not be.
    """

    def __init__(self, folder: Path, deployment: str, hubs: Mapping[str, Verifier], log: Log) -> None:
        self._folder = folder
        self._deployment = deployment
        self._hubs = hubs
        self._log = log
        self._seen: tuple[tuple[int, int, int], ...] = ()
        self._notices: Sequence[bytes] = ()

    def __call__(self) -> Sequence[bytes]:
        """The notes, in the order of their hubs' names."""
        paths = [self._folder / f"{hub}{SUFFIX}" for hub in sorted(self._hubs)]
        seen = tuple(map(_stamp, paths))
        if seen != self._seen:
            self._seen = seen
            self._notices = [read for path in paths if (read := self._read(path))]
            if any(each != _NOTHING for each in seen):
                self._log(Event.NOTICES_READ, hubs=len(self._notices))
        return self._notices

    def _read(self, path: Path) -> bytes | None:
        try:
            content = path.read_bytes()
            check(content, self._deployment, self._hubs)
        except FileNotFoundError:
            return None
        except (OSError, TheirFault, OurFault) as error:
            self._log(Event.NOTICE_BAD, why=f"{path.name}: {error}")
            return None
        return content


_NOTHING = (0, 0, 0)


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        status = path.stat()
    except OSError:
        return _NOTHING
    return status.st_mtime_ns, status.st_size, status.st_ino


def check(content: bytes, deployment: str, hubs: Mapping[str, Verifier]) -> Note[Move]:
    """Verifies a hub's move.

    Raises:
        TheirFault: it is not one of these hubs' own word.
        OurFault: it is of another deployment.
    """
    found = note.read(content, Move, hubs)
    if found.statement.deployment != deployment:
        raise OurFault(f"it is of the deployment {found.statement.deployment}, this hub is of {deployment}")
    return found


def last(folder: Path, hub: str, hubs: Mapping[str, Verifier]) -> int:
    """The number of a hub's last move that is known here; 0 where none is, or another key of it signed that."""
    try:
        return note.read((folder / f"{hub}{SUFFIX}").read_bytes(), Move, hubs).statement.number
    except (OSError, TheirFault):
        return 0


def keep(folder: Path, content: bytes, deployment: str, hubs: Mapping[str, Verifier]) -> Move:
    """Keeps a move, for units to be told; what it says is returned.

    Raises:
        OurFault: it is none of ours, an older one, or the folder cannot be written.
    """
    try:
        move = check(content, deployment, hubs).statement
    except TheirFault as fault:
        raise OurFault(f"the move: {fault}") from fault
    if move.number < last(folder, move.hub, hubs):
        raise OurFault(f"move {move.number} of {move.hub}: a later one is known here: bring that one")
    new = folder / f".{move.hub}.{secrets.token_hex(8)}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with new.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(folder / f"{move.hub}{SUFFIX}")
        fsync_folder(folder)
    except OSError as error:
        raise OurFault(f"notices {folder}: {error.strerror}: name a folder that can be written") from error
    finally:
        new.unlink(missing_ok=True)
    return move


def read(path: Path) -> bytes:
    """A file that is to be a move.

    Raises:
        OurFault: it cannot be read, or is too long to be one.
    """
    try:
        with path.open("rb") as file:
            content = file.read(NOTE_BYTES_MAX + 1)
    except OSError as error:
        raise OurFault(f"{path}: {error.strerror}: name the file that testigo-hub move made") from error
    if len(content) > NOTE_BYTES_MAX:
        raise OurFault(f"{path}: it is too long to be a move: name the file that testigo-hub move made")
    return content
