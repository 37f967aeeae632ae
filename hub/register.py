"""The register: which units are enrolled, read again whenever its file changes."""

from collections.abc import Mapping
from pathlib import Path

from hub.log import Event
from wire.errors import OurFault, TheirFault
from wire.log import Log
from wire.note import Verifier


def read(path: Path) -> dict[str, Verifier]:
    """Reads a register: a verifier key a line (`name+keyid+key`); empty lines and those that begin with `#` are notes.

    Raises:
        OurFault: it cannot be read, a line is no verifier key, or a name stands twice.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise OurFault(f"register {path}: {error.strerror}: put the units' verifier keys there") from error
    except UnicodeDecodeError as error:
        raise OurFault(f"register {path}: not UTF-8 text: put the units' verifier keys there") from error
    units: dict[str, Verifier] = {}
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            verifier = Verifier.parse(text)
        except TheirFault as error:
            raise OurFault(f"register {path}, line {number}: {error}") from error
        if units.setdefault(verifier.name, verifier) is not verifier:
            raise OurFault(f"register {path}, line {number}: {verifier.name} stands twice: keep one of its keys")
    return units


class Register:
    """The enrolled units, as the file has them now.

    Args:
        path: the file.
        log: where to tell that it was read again, or could not be.

    Raises:
        OurFault: it cannot be read at start. Later, the last good one holds: no unit is shut out by a slip of a pen.
    """

    def __init__(self, path: Path, log: Log) -> None:
        self._path = path
        self._log = log
        self._seen = self._stamp()
        self._units = read(path)

    def __call__(self) -> Mapping[str, Verifier]:
        """The verifiers of the enrolled units, by name."""
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen = stamp
            try:
                self._units = read(self._path)
            except OurFault as error:
                self._log(Event.REGISTER_BAD, why=str(error))
            else:
                self._log(Event.REGISTER_READ, units=len(self._units))
        return self._units

    def _stamp(self) -> tuple[int, int, int]:
        """Time, size and number of the file: an editor that replaces it within one tick of the clock is seen too."""
        try:
            status = self._path.stat()
        except OSError:
            return (0, 0, 0)
        return (status.st_mtime_ns, status.st_size, status.st_ino)
