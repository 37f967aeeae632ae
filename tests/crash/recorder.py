"""The recorder: runs the workload under strace, and makes of what strace saw the list of what was asked of the card.

The program is the real interpreter with the real firmware in it, SQLite's own calls included. What SQLite does through
shared memory is not seen: only `index.db-shm` is mapped (anything else is a fault here), and that file is left out,
since SQLite makes it anew whenever nobody else has the database open.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.crash.disk import Card, Link, Linked, Made, Op, Removed, Renamed, Resized, Said, Synced, Wrote
from tests.house.tree import ROOT

SHARED = "index.db-shm"

_ASKED = "open openat creat write pwrite64 ftruncate fsync fdatasync rename unlink mkdir symlink mmap lseek"
_UNKNOWN = (
    "writev pwritev pwritev2 truncate fallocate sync syncfs sync_file_range renameat renameat2 unlinkat mkdirat rmdir "
    "link linkat symlinkat copy_file_range sendfile"
)
"""What would change a card too, and is not asked for: should it be, recording fails rather than proves nothing."""

_CALL = re.compile(r"(\d+) +(\w+)\((.*)\) += (-?\d+|0x[0-9a-f]+)\b")
_UNFINISHED = re.compile(r"(\d+) +(\w+\(.*) <unfinished \.\.\.>")
_RESUMED = re.compile(r"(\d+) +<\.\.\. \w+ resumed>(.*)")
_HANDLE = re.compile(r"(-?\d+)(?:<([^>]*)>)?")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')


@dataclass(frozen=True)
class Recording:
    """What a program asked of its card, in order, and what it said meanwhile.

    Attributes:
        folder: where it is kept: `trace`, the card as it was `before`, and what was `said` before.
        before: the card before.
        said: what was said before.
        ops: all that was asked and said.
    """

    folder: Path
    before: Card
    said: tuple[str, ...]
    ops: tuple[Op, ...]


def record(
    folder: Path, days: str, without: str = "", before: Card | None = None, said: tuple[str, ...] = ()
) -> Recording:
    """Records lives of a unit.

    Args:
        folder: an empty or new folder.
        days: which: a function of `tests.crash.workload`.
        without: a guard to be taken away; see there.
        before: the card to begin with; an empty one otherwise.
        said: what was said before.
    """
    assert shutil.which("strace"), "strace is not here: install it with 'apt-get install strace'"
    write_card(folder / "before", before or {})
    write_card(folder / "card", before or {})
    for name in ("said-before", "said"):
        (folder / name).write_text("".join(f"{line}\n" for line in said), "ascii")
    # -y names files by their handles, -xx writes all bytes in hexadecimal; the filter leaves other calls at full speed.
    watch = (
        "strace",
        "-f",
        "-y",
        "-xx",
        "-s",
        "10000000",
        "--seccomp-bpf",
        "-e",
        f"trace={_ASKED} {_UNKNOWN}".replace(" ", ","),
    )
    program = (sys.executable, "-m", "tests.crash.workload", str(folder), days, *([without] if without else []))
    ended = subprocess.run(
        (*watch, "-o", folder / "trace", *program), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, f"the recorded program ended with {ended.returncode}: {ended.stderr[-2000:]}"
    return load(folder)


def load(folder: Path) -> Recording:
    """Reads a recording."""
    said = tuple((folder / "said-before").read_text("ascii").splitlines())
    with (folder / "trace").open(encoding="ascii") as trace:
        return Recording(folder, read_card(folder / "before"), said, tuple(_Parser(folder).ops_of(trace)))


def write_card(folder: Path, card: Card) -> None:
    """Makes a folder with a card's content."""
    folder.mkdir(parents=True)
    for path, content in card.items():  # a folder sorts before what is in it
        if content is None:
            (folder / path).mkdir()
        elif isinstance(content, Link):
            (folder / path).symlink_to(content.decode())
        else:
            (folder / path).write_bytes(content)


def read_card(folder: Path) -> Card:
    """The content of a card in a folder."""
    found = sorted((path.relative_to(folder).as_posix(), path) for path in folder.rglob("*"))
    return {name: _content(path) for name, path in found if name != SHARED}


def _content(path: Path) -> bytes | None:
    if path.is_symlink():
        return Link(bytes(path.readlink()))
    return None if path.is_dir() else path.read_bytes()


class _Parser:
    """One pass over a trace."""

    def __init__(self, folder: Path) -> None:
        self._card, self._said = f"{folder / 'card'}", f"{folder / 'said'}"
        self._known: set[str] = set(read_card(folder / "before"))
        self._at: dict[int, int] = {}
        self._ops: list[Op] = []

    def ops_of(self, trace: Iterator[str]) -> list[Op]:
        begun: dict[str, tuple[str, int]] = {}
        for line in trace:
            began = len(self._ops)
            if unfinished := _UNFINISHED.match(line):
                begun[unfinished[1]] = unfinished[2], began
                continue
            if resumed := _RESUMED.match(line):
                beginning, began = begun.pop(resumed[1])
                line = f"{resumed[1]} {beginning}{resumed[2]}"
            call = _CALL.match(line)
            if call and not call[4].startswith("-"):
                self._take(call[2], call[3], int(call[4], 0), began)
        return self._ops

    def _take(self, name: str, arguments: str, result: int, began: int) -> None:
        strings = [bytes.fromhex(match[1].replace("\\x", "")) for match in _STRING.finditer(arguments)]
        if name in ("openat", "open", "creat"):
            self._opened(name, arguments, strings[0], result)
        elif name == "symlink":
            self._linked(strings[0], self._on_card(strings[1].decode()))
        elif name in ("rename", "unlink", "mkdir"):
            self._named(name, [self._on_card(string.decode()) for string in strings])
        elif name in _ASKED.split():
            handle = _HANDLE.match(arguments.split(", ")[4] if name == "mmap" else arguments)
            assert handle is not None, f"{name}: no handle in {arguments[:200]}"
            self._used(name, arguments, int(handle[1]), _path(handle[2] or ""), strings, result, began)
        else:
            is_elsewhere = self._card.encode() not in b" ".join(strings) and _hex(self._card) not in arguments
            assert is_elsewhere, f"{name} of the card: the model of the disk lacks this: {arguments[:200]}"

    def _opened(self, name: str, arguments: str, path: bytes, handle: int) -> None:
        self._at[handle] = 0
        on_card = self._on_card(path.decode())
        if on_card is None:
            return
        assert name == "openat", f"{name} of {on_card}: the model of the disk lacks this"
        assert "O_APPEND" not in arguments, f"{on_card} is opened to append: the model of the disk lacks this"
        if "O_CREAT" in arguments and on_card not in self._known:
            self._known.add(on_card)
            self._ops.append(Made(on_card))
        elif "O_TRUNC" in arguments:
            self._ops.append(Resized(on_card, 0))

    def _linked(self, target: bytes, path: str | None) -> None:
        if path is not None:
            self._known.add(path)
            self._ops.append(Linked(path, target))

    def _named(self, name: str, paths: list[str | None]) -> None:
        known = [path for path in paths if path is not None]
        if not known:
            return
        assert len(known) == len(paths), f"{name}: something came onto the card from outside, or left it: {known}"
        if name == "mkdir":
            self._ops.append(Made(known[0], is_folder=True))
        elif name == "unlink":
            self._known.remove(known[0])
            self._ops.append(Removed(known[0]))
        else:
            self._known = self._known - {known[0]} | {known[1]}
            self._ops.append(Renamed(known[0], known[1]))

    def _used(
        self, name: str, arguments: str, handle: int, path: str, strings: list[bytes], result: int, began: int
    ) -> None:
        if name == "lseek":
            self._at[handle] = result
            return
        if path == self._said and name == "write":
            self._ops += map(Said, strings[0].decode("ascii").splitlines())
            return
        on_card = self._on_card(path)
        if on_card is None:
            return
        if name in ("write", "pwrite64"):
            at = int(arguments.rpartition(", ")[2]) if name == "pwrite64" else self._at[handle]
            if name == "write":
                self._at[handle] = at + result
            self._ops.append(Wrote(on_card, at, strings[0][:result]))
        elif name in ("fsync", "fdatasync"):
            self._ops.append(Synced(on_card, began, name == "fsync"))
        elif name == "ftruncate":
            self._ops.append(Resized(on_card, int(arguments.rpartition(", ")[2])))
        else:
            assert "PROT_WRITE" not in arguments, f"{name} of {on_card}: the model of the disk lacks this"

    def _on_card(self, path: str) -> str | None:
        """Where on the card a path is; None elsewhere, and for what SQLite shares."""
        if path == self._card:
            return ""
        name = path.removeprefix(f"{self._card}/")
        return None if name in (path, SHARED) else name


def _path(named: str) -> str:
    return bytes.fromhex(named.replace("\\x", "")).decode() if named.startswith("\\x") else named


def _hex(text: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in text.encode())
