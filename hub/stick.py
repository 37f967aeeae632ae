"""The import: what units left on a stick, taken by the same intake as what a broker brings, and answered on the stick.

A bundle's files say by their names whether they are whole, so what a stick that was pulled too early has whole still
counts; the manifest says what else should be there. Nothing on a stick is believed for being there: a publication has
to pass every check of the intake, and a picture goes in by the same chunks as over the air.
"""

import errno
import hashlib
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from hub.examine import Examiner, printable
from hub.folder import Folder
from hub.intake import Intake
from hub.ledger import Ledger
from wire import note
from wire.bundle import ROOT, Bundle, File, Leaf, answer_name, claims, parse, read_answer
from wire.envelope import CHUNK_BYTES, Envelope, Sealed, split
from wire.errors import MalformedError, OurFault, TheirFault
from wire.move import Move
from wire.note import NAME, NOTE_BYTES_MAX, Verifier
from wire.receipt import Holding, Receipt, Refused
from wire.topics import Leaf as TopicLeaf
from wire.topics import Topic

BATCH = 64
"""How many publications or chunks are taken in one commit: 12 MB of the longest, and a hundred commits for 6,400."""

ANSWERS_MAX = 256
"""How many answers are left for one unit: the receipts of what is held, and of what it signed and is refused as many as
there is room for. A refusal settles nothing, and a thief of its key could fill its stick with them."""

HOLDINGS_MAX = 64
"""What a unit says that it holds, of how many chains at most: a card has one, and one more for each index it lost."""

Batch = Sequence[tuple[str, bytes]]

_PULLED = (errno.ENODEV, errno.ENXIO, errno.ENOTCONN)
_HELD = "held already"
_CHANGED = "half-written, or changed since: put the stick into its unit again"


@dataclass(frozen=True, slots=True)
class _Offer:
    """A publication on the stick."""

    sha256: str
    content: bytes
    claim: Envelope | None

    @property
    def place(self) -> tuple[str, int]:
        """The chain and the place in it that it claims."""
        return (self.claim.chain, self.claim.seq) if self.claim else ("", 0)

    @property
    def hash(self) -> str:
        """The hash of the envelope that it claims to be."""
        kind, line, *_ = split(self.content)[0].split(b"\n")
        return hashlib.sha256(kind + b"\n" + line + b"\n").hexdigest()


@dataclass(frozen=True, slots=True)
class _Fate:
    """What becomes of an offer: why it is skipped, empty if it is not; and whether it has its place in the chain."""

    why: str
    is_held: bool


class _Answer(NamedTuple):
    """An answer for the stick: how many envelopes it says are held, its file's name, and its bytes."""

    held: int
    name: str
    carried: bytes


class _Refusal(NamedTuple):
    """A refusal, and as an answer for the stick."""

    refused: Refused
    answer: _Answer


@dataclass(slots=True)
class _Tally:
    """What becomes of one unit's files.

    Attributes:
        imported: how many of what.
        skipped: how many of what for which reason.
        whys: each of these reasons with its words, those of the first: there may be thousands.
        missing: what should be there.
        why_none: why all is skipped, where it is.
    """

    imported: Counter[str] = field(default_factory=Counter)
    skipped: Counter[tuple[str, str]] = field(default_factory=Counter)
    whys: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    why_none: str = ""

    @property
    def is_all(self) -> bool:
        """Whether nothing is left on the stick that is not held."""
        return not self.why_none and not self.missing and all(reason == _HELD for _, reason in self.skipped)

    def skip(self, what: str, why: str, count: int = 1) -> None:
        """Counts what is skipped."""
        reason = why.partition(": ")[0]
        self.whys.setdefault(reason, why)
        self.skipped[what, reason] += count

    def lines(self, unit: str, *, is_dry: bool) -> Iterator[str]:
        """The tally in sentences."""
        imports, skips = ("will import", "will skip") if is_dry else ("imported", "skipped")
        if self.why_none:
            yield f"{unit}: {skips} all: {self.why_none}"
        if not (self.imported or self.skipped or self.missing):
            return
        what = ", ".join(many(count, what) for what, count in sorted(self.imported.items(), reverse=True))
        yield f"{unit}: {imports} {what or 'nothing'}"
        for (what, reason), count in sorted(self.skipped.items()):
            yield f"{unit}: {skips} {many(count, what)}: {printable(self.whys[reason])}"
        yield from (f"{unit}: missing {each}" for each in self.missing)


@dataclass(frozen=True, slots=True)
class Import:
    """An import, or what one would do.

    Attributes:
        deployment: whose bundles are taken.
        ledger: where what was held before is looked up.
        examiner: says what a publication is worth.
        units: the enrolled units' keys, by name.
        intake: takes what is there; None only tells what would be taken.
    """

    deployment: str
    ledger: Ledger
    examiner: Examiner
    units: Mapping[str, Verifier]
    intake: Intake | None = None

    def run(self, stick: Path) -> Generator[str, None, bool]:
        """Goes through a stick, and tells line by line what becomes of what is on it.

        Returns:
            Whether all of it is held now, or would be.

        Raises:
            OurFault: there is nothing of this deployment, it cannot be read, or the answers could not be written.
        """
        is_all, unwritten = True, ""
        try:
            with Folder.at(stick.resolve()) as top, self._ours(top, stick) as ours:
                for unit in sorted(filter(NAME.fullmatch, ours.names())):
                    tally = _Tally()
                    unwritten = self._visit(unit, ours, tally) or unwritten
                    yield from tally.lines(unit, is_dry=self.intake is None)
                    is_all = is_all and tally.is_all
        except OSError as error:
            raise OurFault(f"stick {stick}: {error.strerror}: see that it is mounted, and import again") from error
        if unwritten:
            raise OurFault(
                f"stick {stick}: what is listed was imported, but the receipts could not be written: {unwritten}: "
                "see that it is not full and mounted to be written, and import again"
            )
        return is_all

    def _ours(self, top: Folder, stick: Path) -> Folder:
        root = top.inner(ROOT)
        if root is None:
            raise OurFault(f"stick {stick}: no folder {ROOT} on it: give the folder where a unit's stick is mounted")
        with root:
            ours = root.inner(self.deployment)
            if ours is None:
                found = ", ".join(sorted(filter(NAME.fullmatch, root.names()))[:8]) or "nothing"
                raise OurFault(
                    f"stick {stick}: expected bundles of {self.deployment}, found {found}: this hub takes its own only"
                )
        return ours

    def _visit(self, unit: str, ours: Folder, tally: _Tally) -> str:
        """Takes one unit's files and answers; returns why the answers could not be written, where they could not."""
        try:
            folder = ours.inner(unit)
            if folder is None:
                return ""
            with folder:
                if unit in self.units:
                    return _write(folder, self._take(unit, folder, tally))
                tally.why_none = "it is not in the register: enrol it, and import again"
        except OSError as error:
            if error.errno in _PULLED:
                raise
            tally.why_none = f"its folder cannot be read: {error.strerror}: look for another stick of it"
        return ""

    def _take(self, unit: str, folder: Folder, tally: _Tally) -> list[_Answer]:
        """Takes one unit's files; returns the answers."""
        names = list(folder.names())
        halves = sum(name.endswith(".part") for name in names)
        if halves:
            tally.skip("file", _CHANGED, halves)
        files = {file for file in map(parse, names) if file is not None}
        self._check_manifests(unit, folder, files, tally)
        answers: dict[str, _Answer] = {}
        pictures: dict[Sealed, int] = {}
        envelopes = sorted(file for file in files if file.leaf is Leaf.ENVELOPE)
        for begin in range(0, len(envelopes), BATCH):
            offers = list(self._offers(folder, envelopes[begin : begin + BATCH], tally))
            if self.intake is None:
                fates = self._would_be_taken(unit, offers)
            else:
                fates = self._taken(self.intake, unit, offers, answers)
            for offer, fate in zip(offers, fates, strict=True):
                if fate.why:
                    tally.skip("record", fate.why)
                else:
                    tally.imported["record"] += 1
                if offer.claim and fate.is_held:
                    pictures |= dict.fromkeys(offer.claim.pictures, offer.claim.seq)
        for picture, seq in sorted(pictures.items(), key=lambda each: each[1]):
            self._take_picture(unit, folder, picture, seq, tally, answers)
        holdings = sorted(file for file in files if file.leaf is Leaf.HOLDING)[:HOLDINGS_MAX]
        for content in [_read(folder, file) for file in holdings]:
            if content and self.intake:
                self._take_holding(self.intake, unit, folder, content, tally, answers)
        return list(answers.values())

    def _take_holding(
        self, intake: Intake, unit: str, folder: Folder, content: bytes, tally: _Tally, answers: dict[str, _Answer]
    ) -> None:
        """Answers what a unit says that it holds, unless it would believe the receipt that it is left anyway.

        A hub that was restored from an old backup is found out so, as on a link; and one whose clock is behind signs
        receipts that the unit does not take for old ones. Imported again, the stick is as it was.
        """
        own = intake.keys.signer.verifier
        try:
            said = note.read(content, Holding, {unit: self.units[unit]}).statement
        except TheirFault as fault:
            tally.skip("word of what it holds", f"{fault.why}: {fault}")
            return
        heard = max((each.at for each in said.heard if each.hub == own.name), default=-1)
        chains = self.ledger.chains({(unit, said.chain)}).values()
        held = [chain.receipt for chain in chains]
        # Of a chain of which nothing is held no receipt is kept, but the one that says so may lie there already.
        last = held[0] if held else _lying(folder, f"{own.name}-{said.chain}.receipt")
        try:
            current = note.read(last, Receipt, {own.name: own}).statement
        except TheirFault:  # there is none yet, or it is by a key that the hub had before
            current = None
        if (
            current
            and (current.unit, current.chain) == (unit, said.chain)  # whatever the file was called
            and current.at > heard
            and (held or not (current.seq or current.extras))
            and all(chain.state for chain in chains)  # nothing was lost since
        ):
            answer = _answer(current, last)
            answers[answer.name] = answer
        else:
            _gather(intake, [(str(Topic(self.deployment, unit, TopicLeaf.HOLDING)), content)], answers)

    def _check_manifests(self, unit: str, folder: Folder, files: set[File], tally: _Tally) -> None:
        """Tells what manifests name and is not there."""
        named: dict[File, None] = {}
        for file in sorted(file for file in files if file.leaf is Leaf.MANIFEST):
            content = _read(folder, file)
            try:
                if content is None:
                    raise MalformedError(_CHANGED)
                bundle = note.read(content, Bundle, {unit: self.units[unit]}).statement
                if bundle.deployment != self.deployment:
                    raise MalformedError(f"of the deployment {bundle.deployment}")
            except TheirFault as fault:
                tally.skip("manifest", f"{fault.why}: {fault}")
                continue
            named |= dict.fromkeys(File(each.sha256, Leaf.ENVELOPE) for each in bundle.envelopes)
        lost = len(named.keys() - files)
        if lost:
            tally.missing.append(f"{many(lost, 'record')} that its manifests name: look for another stick of it")

    def _offers(self, folder: Folder, files: Sequence[File], tally: _Tally) -> Iterator[_Offer]:
        for file in files:
            content = _read(folder, file)
            if content is None:
                tally.skip("record", _CHANGED)
            else:
                yield _Offer(file.sha256, content, claims(content))

    def _held(self, unit: str, offers: Sequence[_Offer]) -> Mapping[tuple[str, int], set[str]]:
        """Which hashes are held, and not as strays, at the places that the offers claim."""
        return self.ledger.hashes(unit, {offer.place for offer in offers})

    def _would_be_taken(self, unit: str, offers: Sequence[_Offer]) -> list[_Fate]:
        """What the intake would make of each offer, as far as that can be told without taking it."""
        held = self._held(unit, offers)
        fates = []
        for offer in offers:
            try:
                examined = self.examiner.examine(unit, offer.content, self.units)
            except TheirFault as fault:
                fates.append(_Fate(f"{fault.why}: {fault}", is_held=False))
                continue
            beside = held[offer.place]
            if examined.envelope.hash in beside:
                fates.append(_Fate(_HELD, is_held=True))
            elif beside:
                fates.append(_Fate("fork: another has its place: it is kept as evidence", is_held=False))
            else:
                why = f"{examined.fault.why}: {examined.fault}" if examined.fault else ""
                fates.append(_Fate(why, is_held=True))
        return fates

    def _taken(self, intake: Intake, unit: str, offers: Sequence[_Offer], answers: dict[str, _Answer]) -> list[_Fate]:
        """Has the offers taken."""
        before = self._held(unit, offers)
        topic = str(Topic(self.deployment, unit, TopicLeaf.ENVELOPE))
        refused = _gather(intake, [(topic, offer.content) for offer in offers], answers)
        after = self._held(unit, offers)
        fates = []
        for offer in offers:
            refusal = refused.get(offer.sha256)
            why = f"{refusal.refused.why}: {refusal.refused.words}" if refusal else ""
            if refusal and self._is_signed(unit, offer):
                answers[refusal.answer.name] = refusal.answer
            is_held = offer.claim is not None and offer.hash in after[offer.place]
            if is_held and not why and offer.hash in before[offer.place]:
                why = _HELD
            fates.append(_Fate(why, is_held))
        return fates

    def _is_signed(self, unit: str, offer: _Offer) -> bool:
        """Whether the unit itself signed it: of what anybody can put on its stick it need not be told."""
        try:
            note.read(split(offer.content)[0], Envelope, {unit: self.units[unit]})
        except TheirFault:
            return False
        return True

    def _take_picture(
        self,
        unit: str,
        folder: Folder,
        picture: Sealed,
        seq: int,
        tally: _Tally,
        answers: dict[str, _Answer],
    ) -> None:
        """Takes a picture that an envelope held, or to be held, names."""
        if self._has(unit, picture):
            tally.skip("picture", _HELD)
            return
        content = _read(folder, File(picture.sha256, Leaf.PICTURE))
        if content is None or len(content) != picture.size:
            tally.missing.append(f"picture {picture.sha256} of record {seq}")
            return
        if self.intake is None:
            tally.imported["picture"] += 1
            return
        chunks = [
            (
                str(Topic(self.deployment, unit, TopicLeaf.CHUNK, picture.sha256, number)),
                content[begin : begin + CHUNK_BYTES],
            )
            for number, begin in enumerate(range(0, picture.size, CHUNK_BYTES))
        ]
        for begin in range(0, len(chunks), BATCH):
            for refusal in _gather(self.intake, chunks[begin : begin + BATCH], answers).values():
                tally.skip("picture", f"{refusal.refused.why}: {refusal.refused.words}")
                return  # the receipt says that it lacks: a unit need not be told of each chunk
        if self._has(unit, picture):
            tally.imported["picture"] += 1
        else:
            tally.skip("picture", "chunks that had come before were not its own, and are gone: import again")

    def _has(self, unit: str, picture: Sealed) -> bool:
        return any(each.whole and each.name == picture for each in self.ledger.pictures(unit, picture.sha256))


def many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _gather(intake: Intake, batch: Batch, answers: dict[str, _Answer]) -> dict[str, _Refusal]:
    """Has a batch taken and gathers the receipts; returns the refusals, by the publications' SHA-256."""
    own = intake.keys.signer.verifier
    refused: dict[str, _Refusal] = {}
    for _, carried in intake.take(batch):
        if note.kind_of(carried) == Move.KIND:
            continue  # it is left for all units together: `hub.moving`
        said = read_answer(carried, {own.name: own})
        if isinstance(said, Refused):
            refused[said.publication] = _Refusal(said, _Answer(0, answer_name(said), carried))
        else:
            answer = _answer(said.statement, carried)
            answers[answer.name] = answer
    return refused


def _answer(receipt: Receipt, carried: bytes) -> _Answer:
    return _Answer(receipt.seq + len(receipt.extras), answer_name(receipt), carried)


def _lying(folder: Folder, name: str) -> bytes:
    """The answer of that name that lies on a stick; empty if there is none that can be read."""
    try:
        return folder.read(name, NOTE_BYTES_MAX)
    except OSError:
        return b""


def _write(folder: Folder, answers: Sequence[_Answer]) -> str:
    """Writes the answers that the stick has not; returns the last that could not be written, and why."""
    unwritten = ""
    for _, name, carried in sorted(answers, key=lambda each: (-each.held, each.name))[:ANSWERS_MAX]:
        try:
            if _lying(folder, name) != carried:
                folder.put(name, carried)
        except OSError as error:  # somebody's folder of that name, say: the others are written all the same
            unwritten = f"{name}: {error.strerror}"
    return unwritten


def _read(folder: Folder, file: File) -> bytes | None:
    """A file's bytes, if they are the ones that it is named for."""
    try:
        content = folder.read(str(file), file.leaf.bytes_max)
    except OSError as error:
        if error.errno in _PULLED:
            raise
        return None
    return content if hashlib.sha256(content).hexdigest() == file.sha256 else None
