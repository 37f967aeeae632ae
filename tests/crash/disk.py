"""The model of a disk: which cards a power cut may leave, given what a program asked of its file system.

What a program wrote is *pending* until it is synced; then it is on the disk for good. At a cut, chance decides what of
the pending reached the disk all the same. Two models say what chance may do:

* `Strict` is what POSIX promises, and no more. Each write, each sector of 512 bytes of it, each truncation and each
  change of a name reaches the disk or does not, whatever becomes of the others; a name has any of the values it had
  since its folder was synced, so a renamed file may be under both names, or under none. Syncing a file says nothing
  of its name. Where a file grew, bytes that did not reach the disk are zeros or rubbish.
* `Journaled` is ext4 as it is mounted by default (`data=ordered`, delayed allocation). Names and truncations reach the
  disk in their order, and whatever is synced brings all earlier ones along. A file that grew ends with what was written
  or before it, never with rubbish; overwritten sectors reach the disk in any order. A renamed file that was not synced
  may be empty.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from random import Random
from typing import TypeAlias

SECTOR = 512
"""What a disk writes whole or not at all."""

PAGE = 4096
"""What ext4 allocates whole."""

Card: TypeAlias = dict[str, bytes | None]
"""A card's content: files by their path, and None for folders."""


class Link(bytes):
    """Where a symbolic link on a card leads to."""


@dataclass(frozen=True, slots=True)
class Made:
    """A file, or a folder, was made under a path that was free."""

    path: str
    is_folder: bool = False


@dataclass(frozen=True, slots=True)
class Resized:
    """A file was made shorter, or longer with zeros."""

    path: str
    length: int


@dataclass(frozen=True, slots=True)
class Wrote:
    """Bytes were written into a file."""

    path: str
    at: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Renamed:
    """A file took another name, perhaps that of another file."""

    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Removed:
    """A name was removed."""

    path: str


@dataclass(frozen=True, slots=True)
class Synced:
    """A file or folder was synced: what was asked before the call began, as op number `began`, is on the disk.

    `fully` is fsync; fdatasync need not bring along that a file became shorter.
    """

    path: str
    began: int
    fully: bool = True


@dataclass(frozen=True, slots=True)
class Said:
    """The program said something to the world: not to the disk, but in this order."""

    line: str


@dataclass(frozen=True, slots=True)
class Linked:
    """A symbolic link was made under a path that was free.

    ext4 keeps so short a target where it keeps a file's length: it is there with the link, or neither is.
    """

    path: str
    target: bytes


Op: TypeAlias = Made | Linked | Resized | Wrote | Renamed | Removed | Synced | Said


class Luck(Enum):
    """What becomes of what is pending in a file."""

    NONE = "nothing reaches the disk"
    ALL = "all does"
    FIRST = "the first of it does"
    SOME = "any of its writes"
    TORN = "any of its sectors"
    LENGTH = "its length, but not its bytes"


@dataclass(slots=True, eq=False)
class Node:
    """A file or folder, whatever it is called.

    Attributes:
        is_folder: else it is a file.
        is_link: a symbolic one, whose content is its target.
        content: what of it is on the disk for good.
        tail: what may still be there behind it, since it became shorter and only its data was synced.
        pending: what was asked since, each with its number.
    """

    is_folder: bool = False
    content: bytes = b""
    tail: bytes = b""
    pending: list[tuple[int, Resized | Wrote]] = field(default_factory=list)
    is_link: bool = False


@dataclass(frozen=True, slots=True)
class _NameChange:
    number: int
    path: str
    node: Node | None


class Disk:
    """A disk under a program.

    Args:
        before: what is on it for good.
    """

    def __init__(self, before: Mapping[str, bytes | None]) -> None:
        self._on_disk = {
            path: Node(content is None, content or b"", is_link=isinstance(content, Link))
            for path, content in before.items()
        }
        self._on_disk[""] = Node(is_folder=True)
        self._seen = dict(self._on_disk)
        self._names: list[_NameChange] = []
        self._number = 0

    @property
    def seen(self) -> Card:
        """What a program sees while the power is on."""
        return _card({path: (node, _apply(node.content, node.pending)) for path, node in self._seen.items()})

    def apply(self, op: Op) -> None:
        """Does the next thing the program asked for."""
        match op:
            case Made(path, is_folder):
                self._name(path, Node(is_folder))
            case Linked(path, target):
                self._name(path, Node(content=target, is_link=True))
            case Resized(path) | Wrote(path):
                self._seen[path].pending.append((self._number, op))
            case Renamed(old, new):
                self._name(new, self._seen[old])
                self._name(old, None)
            case Removed(path):
                self._name(path, None)
            case Synced():
                self._sync(op)
            case Said():
                pass
        self._number += 1

    def after_cut(self, draw: int, chance: Random) -> Card:
        """A card that a power cut may leave now.

        Args:
            draw: 0 when nothing that is pending reaches the disk, 1 when all does, and chance decides beyond.
            chance: see `draw`.
        """
        raise NotImplementedError

    def _sync(self, op: Synced) -> None:
        raise NotImplementedError

    def _nodes(self) -> Iterable[Node]:
        """Every file and folder that has or had a name."""
        return {id(node): node for node in (*self._on_disk.values(), *self._seen.values())}.values()

    def _name(self, path: str, node: Node | None) -> None:
        self._names.append(_NameChange(self._number, path, node))
        if node is None:
            del self._seen[path]
        else:
            self._seen[path] = node

    def _settle_names(self, settled: Iterable[_NameChange]) -> None:
        for change in settled:
            _put(self._on_disk, change)
        self._names = [change for change in self._names if change not in settled]


class Strict(Disk):
    """What POSIX promises, and no more."""

    def after_cut(self, draw: int, chance: Random) -> Card:
        found, names = dict(self._on_disk), dict[str, list[_NameChange]]()
        for change in self._names:
            names.setdefault(change.path, []).append(change)
        for changes in names.values():
            reached = (0, len(changes), chance.randint(0, len(changes)))[min(draw, 2)]
            for change in changes[:reached]:
                _put(found, change)
        return _card({path: (node, self._content(node, draw, chance)) for path, node in found.items()})

    def _content(self, node: Node, draw: int, chance: Random) -> bytes:
        luck = (Luck.NONE, Luck.ALL, chance.choice(list(Luck)))[min(draw, 2)]
        if luck is Luck.NONE:
            return node.content + node.tail
        if not node.pending:
            return node.content
        if luck is Luck.ALL:
            return _apply(node.content, node.pending)
        if luck is Luck.FIRST:
            return _apply(node.content, node.pending[: chance.randint(0, len(node.pending))])
        likely = 0.0 if luck is Luck.LENGTH else chance.choice((0.1, 0.5, 0.9))
        filler = chance.choice((None, chance))
        content = bytearray(node.content)
        for _, change in node.pending:
            if isinstance(change, Resized):
                if chance.random() < likely:
                    _resize(content, change.length, None)
                continue
            for at, piece in _sectors(change) if luck is Luck.TORN else [(change.at, change.content)]:
                if chance.random() < likely:
                    _place(content, at, piece, filler)
                elif luck is Luck.LENGTH:
                    _resize(content, max(len(content), at + len(piece)), filler)
        return bytes(content)

    def _sync(self, op: Synced) -> None:
        node = self._seen[op.path]
        if node.is_folder:
            self._settle_names(
                [change for change in self._names if parent(change.path) == op.path and change.number < op.began]
            )
            return
        settled = [pending for pending in node.pending if pending[0] < op.began]
        longer = _apply(node.content + node.tail, [each for each in settled if isinstance(each[1], Wrote)])
        node.content = _apply(node.content, settled)
        node.tail = b"" if op.fully else longer[len(node.content) :]
        node.pending = node.pending[len(settled) :]


class Journaled(Disk):
    """ext4 as it is mounted by default."""

    def after_cut(self, draw: int, chance: Random) -> Card:
        moments = {change.number for change in self._names}
        for node in self._nodes():
            moments |= {number for number, change in node.pending if isinstance(change, Resized)}
        committed = (-1, self._number, chance.choice([-1, *sorted(moments)]))[min(draw, 2)]
        found = dict(self._on_disk)
        for change in self._names:
            if change.number <= committed:
                _put(found, change)
        return _card({path: (node, self._content(node, committed, draw, chance)) for path, node in found.items()})

    def _content(self, node: Node, committed: int, draw: int, chance: Random) -> bytes:
        content, writes = node.content, list[Wrote]()
        for number, change in node.pending:
            if isinstance(change, Wrote):
                writes.append(change)
            elif number <= committed:
                content, writes = _resized(content, writes, change.length)
            else:
                break  # what was written afterwards went into new blocks, which nothing on the disk knows
        if draw == 0 or not writes:
            return content
        whole, length = _apply(content, enumerate(writes)), len(content)
        if draw == 1:
            return whole
        likely = chance.choice((0.0, 0.1, 0.5, 0.9, 1.0))
        kept = bytearray(content)
        for write in writes:
            for at, piece in _sectors(write):
                if at < length and chance.random() < likely:
                    _place(kept, at, piece[: length - at], None)
        ends = [length, *range(length // PAGE * PAGE + PAGE, len(whole), PAGE), len(whole)]
        return bytes(kept) + whole[length : chance.choice(ends)]

    def _sync(self, op: Synced) -> None:
        node = self._seen[op.path]
        self._settle_names([change for change in self._names if change.number < op.began])
        for each in self._nodes():
            _journal(each, op.began)
        settled = [pending for pending in node.pending if pending[0] < op.began]
        node.content = _apply(node.content, settled)
        node.pending = node.pending[len(settled) :]


MODELS: dict[str, type[Disk]] = {"strict": Strict, "journaled": Journaled}


def parent(path: str) -> str:
    """The folder a path is in; the card itself is the empty path."""
    return path.rpartition("/")[0]


def _journal(node: Node, began: int) -> None:
    """Brings to the disk how long a file was made before op number `began`; what was written to it stays pending."""
    cuts = [n for n, (number, change) in enumerate(node.pending) if isinstance(change, Resized) and number < began]
    if not cuts:
        return
    before, after = node.pending[: cuts[-1] + 1], node.pending[cuts[-1] + 1 :]
    writes = list[Wrote]()
    for _, change in before:
        if isinstance(change, Wrote):
            writes.append(change)
        else:
            node.content, writes = _resized(node.content, writes, change.length)
    node.pending = [*((before[0][0], write) for write in writes), *after]


def _resized(content: bytes, writes: Iterable[Wrote], length: int) -> tuple[bytes, list[Wrote]]:
    """A file's content, and what was written to it before it was made this long."""
    shorter = (Wrote(write.path, write.at, write.content[: max(0, length - write.at)]) for write in writes)
    return content[:length].ljust(length, b"\0"), [write for write in shorter if write.content]


def _put(names: dict[str, Node], change: _NameChange) -> None:
    if change.node is None:
        names.pop(change.path, None)
    else:
        names[change.path] = change.node


def _card(found: Mapping[str, tuple[Node, bytes]]) -> Card:
    """What can be reached from the card's own folder."""
    folders = {path for path, (node, _) in found.items() if node.is_folder}
    return {
        path: None if node.is_folder else Link(content) if node.is_link else content
        for path, (node, content) in sorted(found.items())
        if path and parent(path) in folders
    }


def _apply(content: bytes, changes: Iterable[tuple[int, Resized | Wrote]]) -> bytes:
    result = bytearray(content)
    for _, change in changes:
        if isinstance(change, Resized):
            _resize(result, change.length, None)
        else:
            _place(result, change.at, change.content, None)
    return bytes(result)


def _sectors(write: Wrote) -> Iterator[tuple[int, bytes]]:
    """A write, cut where sectors begin."""
    start, end = write.at, write.at + len(write.content)
    for at in (start, *range(start // SECTOR * SECTOR + SECTOR, end, SECTOR)):
        yield at, write.content[at - start : at // SECTOR * SECTOR + SECTOR - start]


def _place(content: bytearray, at: int, piece: bytes, filler: Random | None) -> None:
    _resize(content, max(len(content), at), filler)
    content[at : at + len(piece)] = piece


def _resize(content: bytearray, length: int, filler: Random | None) -> None:
    lacks = length - len(content)
    if lacks > 0:
        content += filler.randbytes(lacks) if filler else bytes(lacks)
    del content[length:]
