"""The roster's import: a CSV file, as a spreadsheet saves it, becomes the list of mesas that a package carries.

It is taken whole or not at all. Whatever is wrong is named by line and column, all of it at once: whoever prepares a
roster of 30,000 lines should not have to come back for each of them.

    centro,mesa
    010101001,01

The columns are the fields of the profile's mesas, in any order and no others: what else a list of polling places says,
of people above all, has no business on a unit.
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wire.acta import MesaField, Profile
from wire.errors import OurFault
from wire.package import MESA_CHARACTERS_MAX, ROSTER_BYTES_MAX, Roster

SEPARATORS = ",;\t"
"""What spreadsheets write between fields: some by the language of their user."""

CSV_BYTES_MAX = 64 * 1024 * 1024
"""Eight times the longest roster."""

_FOUND_CHARACTERS = 40
_ZEROS_MAX = 32
_LINE_END = re.compile(rb"\r\n|\n|\r")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_UTF_8_MARK = b"\xef\xbb\xbf"
_NUMBER = re.compile(r"[0-9]+[.,][0-9]*|[0-9.,]+E[+-]?[0-9]+|[0-9]{1,3}([.,'\u00a0\u202f ][0-9]{3})+", re.IGNORECASE)
_FORMULA = re.compile(r"""'.*|=".*"|"*'?=.*""")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong at one place; `column` is empty where it is the line, `line` 0 where it is the file."""

    line: int
    column: str
    words: str

    def __str__(self) -> str:
        """The same as a sentence."""
        where = ", ".join(
            filter(None, (f"line {self.line}" if self.line else "the file", self.column and f"column {self.column}"))
        )
        return f"{where}: {self.words}"


class RosterError(OurFault):
    """A roster that is not taken.

    Attributes:
        faults: everything that is wrong with it, by line.
    """

    def __init__(self, path: Path, faults: Sequence[Fault]) -> None:
        super().__init__(f"roster {path}: {_some(len(faults), 'fault')}: nothing was taken; correct them, say it again")
        self.faults = faults


def read(path: Path, profile: Profile) -> Roster:
    """The roster in a CSV file.

    Raises:
        RosterError: something in it is wrong; it says all of it.
        OurFault: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            content = file.read(CSV_BYTES_MAX + 1)
    except OSError as error:
        raise OurFault(f"roster {path}: {error.strerror}: name the CSV file") from error
    mesas, faults = check(content, profile.mesa_fields)
    if faults:
        raise RosterError(path, faults)
    return Roster.of(mesas)


def check(content: bytes, fields: Sequence[MesaField]) -> tuple[list[str], list[Fault]]:
    """The mesas of a CSV file, and everything that is wrong with it.

    Args:
        content: the file's.
        fields: what a mesa is made of.
    """
    fault = _of_file(content)
    if fault:
        return [], [Fault(0, "", fault)]
    lines = _LINE_END.split(content.removeprefix(_UTF_8_MARK))
    if not lines[-1]:
        lines.pop()  # what ends with a newline has no line behind it
    faults = list[Fault]()
    texts = [_text(number, line, faults) for number, line in enumerate(lines, start=1)]
    separator = max(SEPARATORS, key=texts[0].count)
    header = _cells(1, texts[0], separator, faults) or []
    columns, is_header = _columns(header, fields, faults)
    begin = 1 if is_header else 0
    seen = dict[str, int]()
    for number, text in enumerate(texts[begin:], start=begin + 1):
        cells = _cells(number, text, separator, faults)
        if cells is None:
            continue
        if not any(map(str.strip, cells)):
            faults.append(Fault(number, "", "it is empty: remove it"))
            continue
        if len(cells) != len(header):
            what = f"expected {_some(len(header), 'field')} as in line 1, found {len(cells)}: look for a separator"
            faults.append(Fault(number, "", f"{what} too many or too few"))
            continue
        wrong = [Fault(number, field.name, why) for at, field in columns if (why := _of_cell(cells[at], field))]
        faults += wrong
        if wrong or len(columns) != len(fields):
            continue
        mesa = ".".join(cells[at] for at, _ in sorted(columns, key=lambda column: fields.index(column[1])))
        if mesa in seen:
            faults.append(Fault(number, "", f"the mesa {mesa} is in line {seen[mesa]} already: remove one of them"))
        elif len(mesa) > MESA_CHARACTERS_MAX:
            what = f"a mesa of {len(mesa)} characters, at most {MESA_CHARACTERS_MAX} are allowed"
            faults.append(Fault(number, "", f"{what}: correct it"))
        seen.setdefault(mesa, number)
    size = sum(map(len, seen)) + len(seen)
    if not faults and not seen:
        faults.append(Fault(0, "", "there is no mesa in it: put them below the header, one a line"))
    if size > ROSTER_BYTES_MAX:
        what = f"{len(seen)} mesas take {size} bytes, a package has room for {ROSTER_BYTES_MAX}"
        faults.append(Fault(0, "", f"{what}: divide the election into deployments"))
    return list(seen), sorted(faults, key=lambda fault: fault.line)


def _of_file(content: bytes) -> str:
    """What is wrong with the whole of it, so that no line of it can be looked at."""
    if len(content) > CSV_BYTES_MAX:
        return f"it is longer than {CSV_BYTES_MAX} bytes: name the CSV file of the mesas alone"
    if content.startswith(_UTF_16):
        return "it is UTF-16 ('Unicode text'): save it as CSV UTF-8"
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        return "it is a spreadsheet's own file: save it as CSV UTF-8"
    if not content.removeprefix(_UTF_8_MARK).strip():
        return "it is empty: put a header and the mesas into it"
    return ""


def _text(number: int, line: bytes, faults: list[Fault]) -> str:
    """A line's text; one that is not UTF-8 is read as Latin-1, so that all else in it is looked at, too."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        what = f"byte {error.start + 1} (0x{line[error.start]:02X}) is not UTF-8, perhaps Latin-1"
        faults.append(Fault(number, "", f"{what}: save the file as CSV UTF-8"))
        return line.decode("latin-1")


def _cells(number: int, text: str, separator: str, faults: list[Fault]) -> list[str] | None:
    """A line's fields; None where its quotes are not closed. A line is a line: no mesa has two."""
    try:
        rows = list(csv.reader([text], delimiter=separator, strict=True))
    except csv.Error:
        faults.append(Fault(number, "", "a quote is opened and not closed, or closed and more follows: correct it"))
        return None
    return rows[0] if rows else [""]


def _columns(
    header: Sequence[str], fields: Sequence[MesaField], faults: list[Fault]
) -> tuple[list[tuple[int, MesaField]], bool]:
    """At which place of a line each field is, as the header says; and whether there is one."""
    known = {field.name.casefold(): field for field in fields}
    wanted = ",".join(field.name for field in fields)
    names = [name.strip().casefold() for name in header]
    if not known.keys() & set(names):
        faults.append(Fault(1, "", f"expected the header {wanted}, found {_clipped(','.join(header))}: put it on top"))
        return (list(enumerate(fields)) if len(header) == len(fields) else []), False
    columns = list[tuple[int, MesaField]]()
    for at, name in enumerate(names):
        if name not in known:
            what = f"{_clipped(header[at])} is none of {wanted}" if name else "it has no name"
            faults.append(Fault(1, str(at + 1), f"{what}: remove the column"))
        elif name in names[:at]:
            faults.append(Fault(1, str(at + 1), f"{_clipped(header[at])} is there twice: remove one of them"))
        else:
            columns.append((at, known[name]))
    for name, field in known.items():
        if name not in names:
            faults.append(Fault(1, field.name, f"it lacks: add it ({field.words})"))
    return columns, True


def _of_cell(cell: str, field: MesaField) -> str:
    """What is wrong with a field; empty when nothing is."""
    if re.fullmatch(field.pattern, cell, re.ASCII):
        return ""
    expected, bare = f"expected {field.words}, found {_clipped(cell)}", cell.strip()
    if not bare:
        return f"expected {field.words}, found nothing: fill it in"
    if not cell.isprintable():
        return f"{expected}, with a character that cannot be seen: type it anew"
    if bare != cell:
        return f"{expected}, with a space before or behind it: remove the space"
    if _FORMULA.fullmatch(cell):
        return f"{expected}: remove what tells a spreadsheet that it is text or a formula"
    if cell.isdecimal() and cell.isascii() and _is_short(cell, field):
        return f"{expected}, which has lost leading zeros: format the column as text, and write them again"
    if _NUMBER.fullmatch(cell):
        return f"{expected}, a number as spreadsheets write them: format the column as text, and type it anew"
    return f"{expected}: correct it"


def _is_short(cell: str, field: MesaField) -> bool:
    return any(re.fullmatch(field.pattern, cell.zfill(width), re.ASCII) for width in range(len(cell) + 1, _ZEROS_MAX))


def _clipped(text: str) -> str:
    return repr(text if len(text) <= _FOUND_CHARACTERS else f"{text[:_FOUND_CHARACTERS]}...")


def _some(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
