"""The stick: what a unit does with one that was put in: it settles what hubs answered, exports what waits, and carries.

Everything slow is done beside the unit, one work after the other (`device.ports.Stick`): the unit's own thread only
decides, signs and files, so a press has its verdict in time. A work knows the stick and the card's files, and neither
the index nor the key. An export settles nothing: only hubs' receipts do.
"""

import contextlib
import errno
import hashlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from device import delivery
from device.corner import Corner, answers_in, check_room
from device.custody import holding
from device.folder import PIECE_BYTES, Folder
from device.log import Event
from device.package import Brought, Packages
from device.ports import Ms, Stick, StickIn, StickOut, StickWorked
from device.settings import Settings
from device.signals import Signal
from device.store import CardError, Kept, Store
from wire import note
from wire.bundle import PICTURES_MAX, RECORDS_MAX, ROOT, Bundle, File, Leaf, parse
from wire.envelope import Sealed
from wire.errors import TestigoError
from wire.log import Log
from wire.move import SUFFIX
from wire.note import NAME, NOTE_BYTES_MAX, Note, Signer, Verifier
from wire.receipt import Receipt, Refused

SHOWN_MS = 10_000
"""How long it is shown that a stick was not finished: whoever pulled it too early looks at the unit, not at the log. As
long is shown that one was, before a unit to which it brought a package starts anew."""

_NOTE_BYTES = range(1, NOTE_BYTES_MAX + 1)

Answered = Callable[[Note[Receipt] | Refused], None]
Work = Callable[[], Any]
Wanted = tuple[str, File]
"""A file of the card, by its name there, and what it is on a stick."""

Record = tuple[Kept, tuple[str, ...]]


class StickError(TestigoError):
    """The stick did not do what was asked, or is another deployment's; what is whole on it counts."""


class _LostError(Exception):
    """The card no longer has a file's bytes: it was purged meanwhile, or has rotted."""


class Sticks:
    """What the unit's own thread does about sticks.

    Args:
        settings: the unit's.
        store: the card.
        signer: the unit's key.
        corner: what is carried for others.
        packages: takes a deployment package.
        answered: files a hub's answer.
        moved: takes what a hub says of where it is now.
        brought: is told what became of a deployment package.
        log: where to tell what happened.

    Attributes:
        signal: what the link lamp should show instead of the link; None when nothing.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        signer: Signer,
        corner: Corner,
        packages: Packages,
        answered: Answered,
        moved: Callable[[bytes], None],
        brought: Callable[[Brought], None],
        log: Log,
    ) -> None:
        self._settings = settings
        self._store = store
        self._signer = signer
        self._corner = corner
        self._packages = packages
        self._answered = answered
        self._moved = moved
        self._brought = brought
        self._log = log
        self._stick: Stick | None = None
        self._visit: Generator[Work, Any, None] | None = None
        self._ended: Ms = 0
        self.signal: Signal | None = None

    def handle(self, event: StickIn | StickWorked | StickOut, now: Ms) -> None:
        """Takes one event of a stick."""
        match event:
            case StickIn(stick):
                self._stick, self._visit, self.signal = stick, self._visiting(stick), Signal.LINK_SENDING
                self._go_on(None, now)
            case StickWorked(stick, outcome):
                if stick is self._stick and self._visit is not None:
                    self._go_on(outcome, now)
            case StickOut(stick):
                if stick is self._stick:
                    self._stick, self.signal = None, None if self._visit is None else self.signal
                    if self._visit is not None:
                        self._end("it was pulled before it was safe: what is whole on it counts: put it in again", now)

    def is_idle(self, now: Ms) -> bool:
        """Whether nothing is being done with a stick, and what became of the last one was shown."""
        return self._visit is None and now >= self._ended + SHOWN_MS

    def wake(self, now: Ms) -> bool:
        """Whether the link lamp may go back to the link."""
        is_over = self.signal is Signal.STICK_BAD and now >= self._ended + SHOWN_MS
        if is_over:
            self.signal = None
        return is_over

    def _go_on(self, outcome: object, now: Ms) -> None:
        """Has the next thing done, or ends the visit."""
        if isinstance(outcome, StickError):
            self._end(str(outcome), now)
        elif isinstance(outcome, OSError):
            self._end(_sentence(outcome), now)
        elif isinstance(outcome, Exception):
            # A fault of ours. But whoever prepared a stick that finds one must not stop the unit with it.
            self._end(f"{type(outcome).__name__}: {outcome}: tell the developers, and put in another", now)
        elif self._visit is not None and self._stick is not None:
            try:
                self._stick.beside(self._visit.send(outcome))
            except StopIteration:
                self._visit, self.signal, self._ended = None, Signal.STICK_DONE, now
            except CardError as error:
                self._end(str(error), now)

    def _end(self, why: str, now: Ms) -> None:
        self._visit, self.signal, self._ended = None, Signal.STICK_BAD, now
        self._log(Event.STICK_BAD, why=why)

    def _visiting(self, stick: Stick) -> Generator[Work, Any, None]:
        """All that is done with a stick: yields what is to be done beside, and is sent what that returned."""
        own = partial(_own, stick.folder, self._settings.deployment, self._settings.unit)
        self._brought((yield partial(self._packages.bring, stick.folder)))
        notices, trouble = yield partial(moves, stick.folder, self._settings.deployment, tuple(self._settings.hubs))
        if trouble:
            self._log(Event.CONTROL_REFUSED, why=trouble)
        for notice in notices:
            self._moved(notice)
        answers = yield partial(look, own, self._settings.unit, self._settings.hubs)
        self._settle(answers)
        with contextlib.suppress(CardError):  # then it is shown, and what is known to be there is exported all the same
            self._store.recover()
        places = self._store.places()  # first, for a stick may be too small for the rest
        yield partial(tell, own, [holding(self._store, place, self._signer) for place in places if place.seq > 1])
        seen = set[str]()
        records = 0
        while waiting := self._waiting(seen):
            records += yield from self._export(own, waiting)  # and then once more, what was kept meanwhile
        carried, trouble = yield partial(self._corner.visit, stick.folder)
        if trouble:
            self._log(Event.CARRY_BAD, why=trouble)
        delivered, trouble = yield partial(delivery.take, stick.folder, self._corner.storage)
        if trouble:
            self._log(Event.DELIVERY_BAD, why=trouble)
        elif delivered:
            self._log(Event.DELIVERED, files=delivered)
        yield stick.release
        self._log(Event.STICK_DONE, answers=len(answers), records=records, carried=carried)

    def _settle(self, answers: Sequence[Note[Receipt] | Refused]) -> None:
        """Files hubs' answers; a refusal only of what still waits, for a stick may bring old ones."""
        for answer in answers:
            if not isinstance(answer, Refused):
                self._answered(answer)
        waiting = {kept.publication for kept, _ in self._store.unsettled(self._settings.receipts)}
        for answer in answers:
            if isinstance(answer, Refused) and answer.publication in waiting:
                self._answered(answer)

    def _waiting(self, seen: set[str]) -> list[Record]:
        """What waits and is not among those seen yet; from then on it is."""
        waiting = [each for each in self._store.unsettled(self._settings.receipts) if each[0].publication not in seen]
        seen |= {kept.publication for kept, _ in waiting}
        return waiting

    def _export(self, own: "Own", records: Sequence[Record]) -> Generator[Work, Any, int]:
        """Exports records, all of them before their pictures; returns how many are on the stick with all of these."""
        put_ = partial(put, own, self._store.folder)
        whole: dict[File, Sealed] = yield partial(put_, [(kept.file_name, _envelope(kept)) for kept, _ in records])
        for bundle in bundles(records):
            pictures = dict.fromkeys(File(sha256, Leaf.PICTURE) for _, named in bundle for sha256 in named)
            whole |= yield partial(put_, [(str(picture), picture) for picture in pictures])
            envelopes = [_envelope(kept) for kept, _ in bundle]
            if whole.keys().isdisjoint(envelopes):
                continue
            manifest = Bundle(
                deployment=self._settings.deployment,
                envelopes=tuple(whole[each] for each in envelopes if each in whole),
                pictures=tuple(whole[each] for each in pictures if each in whole),
                unit=self._settings.unit,
            )
            yield partial(close, own, note.write(manifest, self._signer))
        return sum(self._is_whole(record, whole) for record in records)

    def _is_whole(self, record: Record, whole: Mapping[File, Sealed]) -> bool:
        kept, pictures = record
        if _envelope(kept) in whole and all(File(sha256, Leaf.PICTURE) in whole for sha256 in pictures):
            return True
        if self._store.find(kept.publication):  # else it was receipted and purged meanwhile
            self._log(Event.RECORD_BAD, file=kept.file_name)
        return False


def bundles(records: Sequence[Record]) -> Iterator[list[Record]]:
    """Cuts records in chain order into bundles, always at the same places, so that one put again is the same one."""
    bundle = list[Record]()
    for record in records:
        pictures = sum(len(named) for _, named in (*bundle, record))
        if bundle and (_range(bundle[0]) != _range(record) or pictures > PICTURES_MAX):
            yield bundle
            bundle = []
        bundle.append(record)
    if bundle:
        yield bundle


def _range(record: Record) -> tuple[str, int]:
    return record[0].chain, (record[0].seq - 1) // RECORDS_MAX


def _envelope(kept: Kept) -> File:
    return File(kept.publication, Leaf.ENVELOPE)


# What follows is done beside the unit. An OSError in it is the stick's.

Own = Callable[[], "contextlib.AbstractContextManager[Folder]"]
"""Opens the unit's own folder on the stick."""


@contextmanager
def _own(stick: Path, deployment: str, unit: str) -> Iterator[Folder]:
    with Folder.at(stick) as top, top.made(ROOT) as root:
        theirs = sorted(filter(NAME.fullmatch, root.names()))
        if theirs and deployment not in theirs:
            raise StickError(f"it is of the deployment {theirs[0]}, this unit is of {deployment}: put in another")
        with root.made(deployment) as ours, ours.made(unit) as own:
            yield own


def moves(stick: Path, deployment: str, hubs: Sequence[str]) -> tuple[list[bytes], str]:
    """What hubs have left there of where they are now, and which of it cannot be read."""
    notices, trouble = list[bytes](), ""
    with Folder.at(stick) as folder, contextlib.ExitStack() as stack:
        for name in (ROOT, deployment):
            inner = folder.inner(name)
            if inner is None:
                return [], ""
            folder = stack.enter_context(inner)
        for name in [f"{hub}{SUFFIX}" for hub in hubs]:
            if (folder.size(name) or 0) in _NOTE_BYTES:
                try:
                    notices.append(folder.read(name, NOTE_BYTES_MAX))
                except OSError as error:
                    trouble = f"the stick: {name}: {error.strerror}: copy it there again"
    return notices, trouble


def look(own: Own, unit: str, hubs: Mapping[str, Verifier]) -> list[Note[Receipt] | Refused]:
    """The hubs' answers for this unit, and what is left of a stick that was pulled goes."""
    with own() as folder:
        for name in [name for name in folder.names() if name.endswith(".part")]:
            folder.remove(name)
        return [each.said for each in answers_in(folder, unit, hubs).values()]


def put(own: Own, card: Path, wanted: Sequence[Wanted]) -> dict[File, Sealed]:
    """Puts files of the card on the stick, and reads each again from there, though it had been there before.

    Returns:
        Those that are on the stick, whole; the others the card has lost.
    """
    whole = dict[File, Sealed]()
    with own() as folder:
        for name, file in wanted:
            size = folder.has(str(file), file.sha256, file.leaf.bytes_max)
            if size is None:
                with contextlib.suppress(_LostError):
                    check_room(folder, _size(card / name))
                    size = folder.write(str(file), _of_card(card / name), file.sha256)
            if size is not None:
                whole[file] = Sealed(file.sha256, size)
        folder.sync()
    return whole


def close(own: Own, manifest: bytes) -> None:
    """Puts a bundle's manifest on the stick: last, for it says that all else is there."""
    with own() as folder:
        _put_note(folder, manifest, Leaf.MANIFEST)


def tell(own: Own, holdings: Sequence[bytes]) -> None:
    """Puts what the unit holds on the stick, in place of what it held before."""
    with own() as folder:
        told = {_put_note(folder, each, Leaf.HOLDING) for each in holdings}
        for name in [name for name in folder.names() if (file := parse(name)) and file.leaf is Leaf.HOLDING]:
            if name not in told:
                folder.remove(name)


def _put_note(folder: Folder, content: bytes, leaf: Leaf) -> str:
    """Puts a note on the stick, unless it is there; its name."""
    file = File(hashlib.sha256(content).hexdigest(), leaf)
    if folder.has(str(file), file.sha256, file.leaf.bytes_max) is None:
        folder.put(str(file), content)
    return str(file)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise _LostError from error


def _of_card(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                yield piece
    except OSError as error:
        raise _LostError from error


def _sentence(error: OSError) -> str:
    """What is wrong with a stick, and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "it is full: what is whole on it counts: put in another for the rest"
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return "it cannot be written: slide its lock back, or put in another"
    return f"{error.strerror or error}: it failed, or was pulled too early: put it in again, or another"
