"""The kernel's word: small files under /sys, each holding one value, and the table of mounts, read as they are now."""

import select
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

MOUNTS = Path("/proc/self/mountinfo")

VALUE_BYTES_MAX = 4096
"""What the kernel gives in one such file at most: a page."""


def value(path: Path) -> str | None:
    """What the file says; None when there is no such file, or the part behind it does not answer."""
    try:
        with path.open("rb") as file:
            return file.read(VALUE_BYTES_MAX).decode("ascii", "replace").strip()
    except OSError:
        return None


def number(path: Path, base: int = 10) -> int | None:
    """What the file says, as a number; None also when it is none."""
    try:
        return int(value(path) or "", base)
    except ValueError:
        return None


def each(folder: Path) -> Iterator[Path]:
    """The entries of a folder, in the order of their names; none when it is not there."""
    try:
        yield from sorted(folder.iterdir())
    except OSError:
        return


def mount_table() -> TextIO:
    """The table of mounts, opened; a desktop mounts sticks by their labels, in which anything may be written."""
    return MOUNTS.open(encoding="utf-8", errors="surrogateescape", newline="\n")


def mount_tables(seconds: float) -> Iterator[str]:
    """The table of mounts as it is now, and again whenever it has changed, or so many seconds later."""
    with mount_table() as table:
        changed = select.poll()
        changed.register(table, select.POLLPRI)  # the kernel's word that the table is not what was read
        while True:
            table.seek(0)
            yield table.read()
            changed.poll(seconds * 1000)


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of the table of mounts.

    Attributes:
        device: its numbers (`8:1`).
        place: where it is mounted.
        options: how.
    """

    device: str
    place: Path
    options: frozenset[str]


def mounts(table: str) -> Iterator[Mount]:
    """What is mounted, by proc_pid_mountinfo(5); a space in a path is written otherwise there, and ours have none."""
    for line in filter(None, table.split("\n")):
        words = line.split(" ")
        yield Mount(words[2], Path(words[4]), frozenset(words[5].split(",")))
