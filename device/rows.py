"""The rows: a CSV file with one line for each picture of an archive, so kept that a run cut short can go on.

It is UTF-8 behind a byte order mark (without which Excel takes names for another alphabet), comma-separated, quoted as
RFC 4180 says, one row a line. So that this holds, and no spreadsheet runs a cell as a formula, whatever comes from
outside, names and payloads, is percent-encoded where it must be: see `cell`.
"""

import csv
import fcntl
import io
import os
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

from device.reader import Reading
from wire.errors import OurFault
from wire.record import Quality

# What is said of a reading, and of how well the picture could be read: a column each.
READING = tuple(field.name for field in fields(Reading) if field.name != "payloads")
# `step` is Reading's how; a scan has neither a tray's calibration nor its scale.
QUALITY = tuple(name for name in Quality.__struct_fields__ if name not in (*READING, "step", "calibration", "dpi"))
COLUMNS = (
    *("file", "page", "pages", "state", "sha256", "bytes", "width", "height"),
    *("payload", "codes", "profile", "mesa", "refusal", "doubts"),
    *READING,
    *QUALITY,
    *("ms", "why", "same_payload_as", "same_picture_as", "conflict", "several"),
)
Row = Mapping[str, str]
"""A row, by the names of its columns."""

# What a spreadsheet may take for the beginning of a formula; in some countries also as wide as an ideogram.
FORMULA_SIGNS = frozenset("=+-@＝＋－＠")
MARK = "\ufeff"
# What Python's csv reads at most, unless told otherwise, is less than the codes of one hostile picture can hold.
CELL_CHARS_MAX = 2**24
# How much a power cut may cost. A kill costs nothing: each row is with the kernel at once. (One fsync is 1 to 20 ms.)
SYNC_SECONDS = 1.0


def cell(text: bytes) -> str:
    """Bytes as a cell: the text that they are in UTF-8, with `%` and two digits for each byte that cannot stay.

    Those are the bytes that are no UTF-8; the characters that cannot be printed, line ends among them; the percent
    sign; and a first character that could begin a formula. Percent-decoding gives back the bytes, all of them:
    `urllib.parse.unquote_to_bytes(cell(text)) == text`.
    """
    shown = text.decode("utf-8", "surrogateescape")
    return "".join(
        char
        if char.isprintable() and char != "%" and (index > 0 or char not in FORMULA_SIGNS)
        else "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogateescape"))
        for index, char in enumerate(shown)
    )


@contextmanager
def open_rows(path: Path) -> "Iterator[Rows]":
    """Opens the file for this process alone, or begins it; leaves all rows on the disk.

    A last line torn by a kill or a power cut is taken off.

    Raises:
        OurFault: the file cannot be opened; another run has it; or it holds something else, and is left as it is.
    """
    try:
        file = path.open("ab+", buffering=0)  # what a full disk did not take must not be tried again at the end
    except OSError as error:
        raise OurFault(f"{path}: cannot be opened: {error.strerror}; name another file") from error
    with file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OurFault(f"{path}: is no regular file; name another")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise OurFault(f"{path}: another run is writing it; wait for it, or name another file") from error
        header = f"{MARK}{','.join(COLUMNS)}\n".encode()
        file.seek(0)
        there = file.read()
        if not header.startswith(there) and not there.startswith(header):
            raise OurFault(f"{path}: is no table with the columns of this version; name another file")
        whole = there.rfind(b"\n") + 1
        if whole < len(there):
            file.truncate(whole)
        rows = Rows(path, file)
        try:
            if whole == 0:
                rows.write(header)
            yield rows
        finally:
            rows.sync()


class Rows:
    """The rows in an open file."""

    def __init__(self, path: Path, file: io.FileIO) -> None:
        self._path = path
        self._file = file
        self._synced = time.monotonic()

    def __iter__(self) -> Iterator[Row]:
        """The rows that are there.

        Raises:
            OurFault: one has not the columns it should have.
        """
        csv.field_size_limit(CELL_CHARS_MAX)
        self._file.seek(0)  # rows are appended at the end all the same
        lines = io.TextIOWrapper(io.BytesIO(self._file.read()), "utf-8-sig", newline="")
        for number, row in enumerate(csv.DictReader(lines), 2):
            if None in row or None in row.values():
                raise OurFault(f"{self._path}: line {number} has not {len(COLUMNS)} columns; mend it or delete it")
            yield row

    def append(self, row: Row) -> None:
        """Adds a row; what it says nothing of stays empty.

        Raises:
            OurFault: the disk does not take it.
        """
        self.write(_line(row).encode())
        if time.monotonic() - self._synced >= SYNC_SECONDS:
            self.sync()

    def write(self, line: bytes) -> None:
        """Adds a line as it is; raises as `append` does."""
        try:
            while line:
                line = line[self._file.write(line) :]
        except OSError as error:
            raise self._refused(error) from error

    def sync(self) -> None:
        """Waits until the disk has all rows; raises as `append` does."""
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._refused(error) from error
        self._synced = time.monotonic()

    def _refused(self, error: OSError) -> OurFault:
        return OurFault(f"{self._path}: cannot be written: {error.strerror}; make room, and the same command goes on")


def _line(row: Row) -> str:
    # A reason may quote a library, and that the picture: what would end the line is left out.
    printable = {name: "".join(filter(str.isprintable, value)) for name, value in row.items()}
    line = io.StringIO()
    csv.DictWriter(line, COLUMNS, lineterminator="\n").writerow(printable)
    return line.getvalue()
