"""The corner: other units' bundles and hubs' answers to them, carried on the card from one stick to the next.

A unit whose area has no network leaves its bundle on a stick; any other unit that the stick is put into takes a copy
along and gives it to every later stick, until hubs' receipts come back the same way. A unit does not know the keys of
others, so what it carries it can neither verify nor open: it takes files that are what their names say, and hubs'
answers, which it can verify. The corner is bounded, grows only while the card has ample room, drops what enough hubs
hold, and is given up first when the unit needs the room itself. Nobody's custody rests on it.
"""

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from device.folder import Folder
from device.ports import Storage
from wire.bundle import ROOT, File, Leaf, answer_name, claims, is_answer, parse, read_answer
from wire.envelope import Envelope
from wire.errors import TheirFault
from wire.note import NAME, NOTE_BYTES_MAX, Note, Verifier
from wire.receipt import MISSING_MAX, Receipt, Refused

CORNER_BYTES_MAX = 512 * 1024 * 1024
"""How much is carried for others: some 250 records with their pictures, or 50,000 without."""

CORNER_FILES_MAX = 4096
"""How many files are carried of one unit: a day of one record a minute is a thousand."""

CARD_ROOM_BYTES = 1024 * 1024 * 1024
"""What carrying leaves free on the card: a day of one record a minute, at 2 MB each."""

UNITS_MAX = 64
"""How many other units have a place here: more than one courier meets, and few enough to look through. A place that a
hub has passed over, or in which only answers are left, on their way home, is given to a unit that needs one."""

ANSWERS_MAX = 1024
"""How many answers in one folder are read: one a hub and chain, and refusals."""

ANSWERS_ROOM_BYTES = 1024 * 1024
"""What is left free on a stick: were it full to the brim, no receipt could come back on it."""

_FIRST = (Leaf.ENVELOPE, Leaf.MANIFEST, Leaf.PICTURE)
"""Records go before pictures. Nothing else is carried: what a unit says that it holds is old before it arrives."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A hub's answer: what it says, and the bytes that carry it."""

    said: Note[Receipt] | Refused
    carried: bytes

    @property
    def statement(self) -> Receipt | Refused:
        """The statement in it."""
        return self.said if isinstance(self.said, Refused) else self.said.statement


@dataclass(frozen=True, slots=True)
class Corner:
    """What a unit carries for others.

    Attributes:
        storage: the card.
        deployment: whose bundles are carried.
        unit: whose are not: our own.
        hubs: those whose answers count.
        receipts: how many of them must have receipted a record before it is carried no more.
    """

    storage: Storage
    deployment: str
    unit: str
    hubs: Mapping[str, Verifier]
    receipts: int

    def visit(self, stick: Path) -> tuple[int, str]:
        """Gives a stick what it lacks, and takes along what is new on it; done beside the unit.

        Returns:
            How many files went either way, and what went wrong in words. Neither the stick nor the unit is worse for
            it: what could not be carried is where it was.
        """
        moved, trouble = 0, ""
        try:
            with contextlib.ExitStack() as open_:
                corner = open_.enter_context(self._opened())
                root = open_.enter_context(open_.enter_context(Folder.at(stick)).made(ROOT))
                ours = open_.enter_context(root.made(self.deployment))
                units, spare, passed_over = self._units(corner, ours)
                before = set(corner.names())
                for unit in units:
                    try:
                        with corner.made(unit) as here, ours.made(unit) as there:
                            unread = list[str]()
                            moved += self._exchange(unit, here, there, self._room(corner), unread)
                            if unread:
                                trouble = f"{unit}: {len(unread)} that cannot be read, the first {unread[0]}"
                            if unit in spare and unit not in passed_over and _files(here):
                                spare.remove(unit)  # something of it waits for a hub again
                    except OSError as error:  # what is wrong with one unit's files is nothing to the others
                        trouble = f"{unit}: {error.strerror or error}"
                    corner.forget(unit)
                    ours.forget(unit)
                    if unit not in before and len(list(corner.names())) > UNITS_MAX:
                        _empty(corner, spare.pop(0) if spare else unit)
        except OSError as error:
            trouble = f"{error.strerror or error}"
        return moved, trouble and f"{trouble}: not all could be carried for others: it is tried on each stick"

    def make_way(self) -> None:
        """Gives up as much as the card lacks room for the unit's own records, of each unit pictures first.

        Raises:
            OSError: the card refused.
        """
        lacks = CARD_ROOM_BYTES - self.storage.free()
        if lacks <= 0:
            return
        with self._opened() as corner:
            for unit in list(corner.names()):
                with corner.made(unit) as here:
                    for name in sorted(here.names(), key=lambda name: not name.endswith(Leaf.PICTURE.value)):
                        if lacks <= 0:
                            return
                        lacks -= here.size(name) or 0
                        here.remove(name)
                corner.forget(unit)

    def _opened(self) -> Folder:
        with Folder.at(self.storage.folder) as card:
            return card.made("carried")

    def _units(self, corner: Folder, ours: Folder) -> tuple[list[str], list[str], set[str]]:
        """Whom to carry for: those carried for already, then those new on the stick; and whose places are to be had.

        These are the ones that a hub has passed over, and then those with nothing but answers in them, the oldest
        first. Their units hold all that they have until some courier brings an answer, and what waits for a hub that
        has not seen it is never driven out by what may be rubbish.
        """
        carried, there = (
            [name for name in sorted(folder.names()) if NAME.fullmatch(name) and name != self.unit]
            for folder in (corner, ours)
        )
        new = [name for name in there if name not in carried]
        spare, passed_over = dict[str, int](), set[str]()
        if len(carried) + len(new) > UNITS_MAX:
            unanswered = self._unanswered(ours)
            for unit in carried:
                with corner.made(unit) as here:
                    answers = answers_in(here, unit, self.hubs).values()
                    if _files(here) and not answers and _files(here) <= unanswered.get(unit, set()):
                        passed_over.add(unit)
                        spare[unit] = -1
                    elif not _files(here):
                        spare[unit] = max((answer.statement.at for answer in answers), default=0)
        free = max(0, UNITS_MAX - len(carried) + len(spare))
        return [*carried, *new[:free]], sorted(spare, key=lambda unit: spare[unit]), passed_over

    def _unanswered(self, ours: Folder) -> dict[str, set[File]]:
        """What lies on a stick that was at a hub, of units that no hub has answered there: hubs answer those they know.

        It may have come to lie there later; then its unit's place may be given away, if somebody else needs one, and
        nothing is lost: the unit holds it, and so does the stick.
        """
        found, was_at_hub = dict[str, set[File]](), False
        for unit in filter(NAME.fullmatch, list(ours.names())):
            folder = ours.inner(unit)
            if folder is not None:
                with folder:
                    if answers_in(folder, unit, self.hubs):
                        was_at_hub = True
                    else:
                        found[unit] = _files(folder)
        return found if was_at_hub else {}

    def _room(self, corner: Folder) -> int:
        used = 0
        for unit in list(corner.names()):
            with corner.made(unit) as here:
                used += sum(here.size(name) or 0 for name in here.names())
        return min(CORNER_BYTES_MAX - used, self.storage.free() - CARD_ROOM_BYTES)

    def _exchange(self, unit: str, here: Folder, there: Folder, room: int, unread: list[str]) -> int:
        """Both come to have the younger answers and all files that still wait, as far as there is room on the card.

        What cannot be read is passed over, and added to `unread`.
        """
        for name in [name for name in here.names() if name.endswith(".part")]:
            here.remove(name)
        ours, theirs = answers_in(here, unit, self.hubs), answers_in(there, unit, self.hubs)
        moved = _write_answers(ours, theirs, there) + _write_answers(theirs, ours, here)
        youngest = sorted((*ours.items(), *theirs.items()), key=lambda each: each[1].statement.at)
        receipts = [answer.statement for answer in dict(youngest).values()]
        wanted = self._drop_settled(unit, here, receipts)
        moved += _give(here, there, unread)
        return moved + self._take(unit, here, there, room, receipts, wanted, unread)

    def _take(
        self,
        unit: str,
        here: Folder,
        there: Folder,
        room: int,
        receipts: Sequence[Receipt | Refused],
        wanted: set[str],
        unread: list[str],
    ) -> int:
        """Takes along what is new on a stick; returns how many files.

        Args:
            unit: whose.
            here, there: its folders on the card and on the stick.
            room: how many bytes may be taken.
            receipts: what hubs said of it.
            wanted: the pictures that what is carried names; others are not carried.
            unread: is told what cannot be read.
        """
        held = _files(here)
        carries, count, before = any(file.leaf is Leaf.ENVELOPE for file in held), len(held), len(held)
        for file in sorted(_files(there) - held, key=_in_turn):
            size = there.size(str(file))
            if size is None or size > min(room, file.leaf.bytes_max) or count >= CORNER_FILES_MAX:
                continue
            with _passing_over(unread, str(file)):
                if file.leaf is Leaf.ENVELOPE:
                    envelope = self._claimed(unit, b"".join(_pieces(there, str(file), size)), receipts)
                    if envelope is None:
                        continue
                    carries = True
                    wanted |= {picture.sha256 for picture in envelope.pictures}
                elif file.sha256 not in wanted if file.leaf is Leaf.PICTURE else not carries:
                    continue
                if here.write(str(file), _pieces(there, str(file), size), file.sha256) is not None:
                    count, room = count + 1, room - size
        here.sync()
        return count - before

    def _drop_settled(self, unit: str, here: Folder, receipts: Iterable[Receipt | Refused]) -> set[str]:
        """Removes what enough hubs hold, and what cannot be read; returns the pictures that the rest names."""
        wanted, envelopes = set[str](), 0
        for file in [file for file in _files(here) if file.leaf is Leaf.ENVELOPE]:
            try:
                envelope = self._claimed(unit, here.read(str(file), file.leaf.bytes_max), receipts)
            except OSError:  # nobody knows what it names: its unit holds it, and some stick brings it again
                envelope = None
            if envelope is None:
                with contextlib.suppress(OSError):  # if it stays, all others go on
                    here.remove(str(file))
            else:
                wanted |= {picture.sha256 for picture in envelope.pictures}
                envelopes += 1
        for file in _files(here):
            is_idle = file.leaf is Leaf.PICTURE and file.sha256 not in wanted
            if is_idle or (file.leaf is Leaf.MANIFEST and not envelopes):
                with contextlib.suppress(OSError):
                    here.remove(str(file))
        return wanted

    def _claimed(self, unit: str, publication: bytes, receipts: Iterable[Receipt | Refused]) -> Envelope | None:
        """What an envelope claims to be, unless it is not of this unit and deployment or enough hubs hold it whole."""
        envelope = claims(publication)
        if envelope is None or (envelope.deployment, envelope.unit) != (self.deployment, unit):
            return None
        hubs = {each.hub for each in receipts if isinstance(each, Receipt) and _says_whole(each, envelope)}
        return None if len(hubs) >= self.receipts else envelope


def _says_whole(receipt: Receipt, envelope: Envelope) -> bool:
    """Whether a hub says that it holds an envelope and its pictures: point 7 of custody in docs/wire.md."""
    names_all = 0 < len(receipt.missing) < MISSING_MAX
    lacks = {each.sha256 for each in receipt.missing} & {each.sha256 for each in envelope.pictures}
    is_whole = receipt.whole >= envelope.seq or (receipt.seq >= envelope.seq and names_all and not lacks)
    return receipt.chain == envelope.chain and is_whole


def check_room(stick: Folder, size: int) -> None:
    """Sees that so much can be written, and hubs' answers after it.

    Raises:
        OSError: it cannot.
    """
    if stick.room() < size + ANSWERS_ROOM_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _in_turn(file: File) -> tuple[int, str]:
    return _FIRST.index(file.leaf), file.sha256


class _UnreadError(Exception):
    """A file that was to be copied cannot be read: all others go on."""


@contextlib.contextmanager
def _passing_over(unread: list[str], name: str) -> Iterator[None]:
    try:
        yield
    except _UnreadError:
        unread.append(name)


def _give(here: Folder, there: Folder, unread: list[str]) -> int:
    """Gives a stick the files that it lacks, or has of another length; returns how many."""
    given = 0
    for file in sorted(_files(here), key=_in_turn):
        name = str(file)
        size = here.size(name)
        if size is None or size == there.size(name):
            continue
        check_room(there, size)
        # A folder of that name is passed over.
        with _passing_over(unread, name), contextlib.suppress(IsADirectoryError):
            given += there.write(name, _pieces(here, name, size), file.sha256) is not None
    there.sync()
    return given


def _pieces(folder: Folder, name: str, size: int) -> Iterator[bytes]:
    try:
        yield from folder.pieces(name, size)
    except OSError as error:
        raise _UnreadError from error


def _empty(corner: Folder, unit: str) -> None:
    """Gives up a unit's place."""
    with corner.made(unit) as here:
        for name in list(here.names()):
            here.remove(name)
    corner.forget(unit)


def answers_in(folder: Folder, unit: str, hubs: Mapping[str, Verifier]) -> dict[str, Answer]:
    """The hubs' answers for a unit that lie in a folder, by name; what is none, or cannot be read, is passed over."""
    found = dict[str, Answer]()
    for name in [name for name in folder.names() if is_answer(name)][:ANSWERS_MAX]:
        try:
            carried = folder.read(name, NOTE_BYTES_MAX)
            answer = Answer(read_answer(carried, hubs), carried)
        except (OSError, TheirFault):
            continue
        if answer.statement.unit == unit and answer_name(answer.statement) == name:
            found[name] = answer
    return found


def _write_answers(one: Mapping[str, Answer], other: Mapping[str, Answer], there: Folder) -> int:
    """Writes where the other answers are those that are younger or new; returns how many."""
    written = 0
    for name, answer in one.items():
        if name not in other or answer.statement.at > other[name].statement.at:
            with contextlib.suppress(IsADirectoryError):  # a folder of that name is passed over
                there.put(name, answer.carried)
                written += 1
    return written


def _files(folder: Folder) -> set[File]:
    return {file for file in map(parse, folder.names()) if file is not None and file.leaf in _FIRST}
