"""The oracle: starts the firmware on a card as a power cut left it, and says whether every promise was kept.

It knows what was said before the cut, the keys of both hubs, and what each sheet looks like; it believes nothing that
is on the card.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path

from device.signals import Signal
from tests.crash.life import NAME, OFFERED_MS, OWN, Life, photograph
from tests.device import world
from tests.wire.samples import OPENERS, sha256
from wire import note
from wire.envelope import Envelope, context, split
from wire.errors import TestigoError
from wire.fields import NOTHING
from wire.note import Note
from wire.record import Record

Where = tuple[str, int]
"""A chain, and a seq in it."""

HUBS = 2
"""How many must hold what is purged."""

MESA = 900
"""Whose acta is kept after the cut."""


class BrokenPromiseError(Exception):
    """Which promise was broken, and how it shows."""


@dataclass(slots=True)
class Known:
    """What the world knows of a unit, from what was said.

    Attributes:
        kept: SHA-256 of the payload of what was announced as kept.
        hashes: of the envelopes that were announced, or told to anybody.
        sent: SHA-256 of the publications that were handed to the link, and may be anywhere.
        receipted: what a hub has receipted, whether or not it could be filed.
        settled: what had its receipt filed.
        held_by: the hubs that hold it whole, and whose receipt was filed.
        purgeable: what may be gone.
        followed: what may be gone too if the card has the next of its chain, of which nobody has heard: a scan may have
            ended in a fault and left it.
        purged: what is gone.
        chains: in the order in which they were begun.
        boot: the last start that was ready.
        is_ending: a hub holds another envelope of the present chain.
        is_spoiled: somebody overwrote the index, and no start since was ready.
        forks: places of which two things were said.
    """

    kept: dict[Where, str] = field(default_factory=dict)
    hashes: dict[Where, str] = field(default_factory=dict)
    sent: dict[Where, str] = field(default_factory=dict)
    receipted: set[Where] = field(default_factory=set)
    settled: set[Where] = field(default_factory=set)
    held_by: dict[Where, set[str]] = field(default_factory=dict)
    purgeable: set[Where] = field(default_factory=set)
    followed: set[Where] = field(default_factory=set)
    purged: set[Where] = field(default_factory=set)
    chains: list[str] = field(default_factory=list)
    boot: int = 0
    is_ending: bool = False
    is_spoiled: bool = False
    forks: list[Where] = field(default_factory=list)

    @classmethod
    def of(cls, said: Sequence[str]) -> "Known":
        """What these lines make known."""
        known = cls()
        for line in said:
            known.hear(line)
        return known

    def hear(self, line: str) -> None:
        """Takes a line that a life said; `tests.crash.life` tells which there are."""
        match line.split():
            case "chain", chain:
                if chain not in self.chains:
                    self.chains.append(chain)
                    self.is_ending = False
            case "boot", number:
                if self.is_spoiled:
                    self.receipted.clear()
                self.boot, self.is_spoiled = int(number), False
            case ["spoiled"]:
                self.is_spoiled, self.boot = True, 0
                self.settled.clear()
                self.held_by.clear()
            case ["ending"]:
                self.is_ending = True
            case "receipt", chain, seq, _:
                self.receipted |= {(chain, each) for each in range(1, int(seq) + 1)}
            case "settled", chain, seq, hub:
                self.settled |= {(chain, each) for each in range(1, int(seq) + 1)}
                for each in range(1, int(seq) + 1):
                    self.held_by.setdefault((chain, each), set()).add(hub)
            case ["purging"]:
                held = {where for where, hubs in self.held_by.items() if len(hubs) >= HUBS}
                self.purgeable |= {where for where in held if _next(where) in self.hashes}
                self.followed |= held - self.purgeable
            case "purged", chain, seq:
                self.purged.add((chain, int(seq)))
            case "kept" | "sent" | "held" as kind, chain, seq, hash_, *more:
                self._hear_of(kind, (chain, int(seq)), hash_, more)
            case _:
                raise AssertionError(f"nobody knows what this means: {line}")

    def _hear_of(self, kind: str, where: Where, hash_: str, more: list[str]) -> None:
        if where[1] == 0:
            return  # an empty chain
        if self.hashes.setdefault(where, hash_) != hash_:
            self.forks.append(where)
        if kind == "kept":
            self.kept[where] = more[0]
        elif kind == "sent":
            self.sent[where] = more[0]


@dataclass(frozen=True, slots=True)
class Opened:
    """An envelope that verifies, and the record that both hubs find in it."""

    envelope: Note[Envelope]
    record: Record

    @property
    def where(self) -> Where:
        """Its place."""
        return self.record.chain, self.record.seq


def judge(card: Path, said: Sequence[str]) -> None:
    """Starts the firmware on a card, lets it offer what it has, keeps one more record, and looks what came of it.

    Raises:
        BrokenPromiseError: a promise was not kept.
    """
    before, now = Known.of(said), Known.of(said)
    with _living(card, now) as life:
        life.clock.run_until(lambda: bool(life.sent), OFFERED_MS)
        first, life.sent = life.sent, []
        verdict = life.scan(MESA)
        _require(verdict is Signal.KEPT, "capture goes on", verdict.word)
        second = life.sent
    kept = card / "kept"
    found = _whole(kept)
    before.purgeable |= {where for where in before.followed if _is_followed(where, before, now, found)}
    _judge_what_is_there(before, found, kept)
    _judge_what_is_offered(before, _all_opened(first), found)
    _judge_how_it_goes_on(before, now, _all_opened(second), found, life.repaired)


@contextmanager
def _living(card: Path, known: Known) -> Iterator[Life]:
    life: Life | None = None
    try:
        life = Life(card, known.hear)
        yield life
    except (TestigoError, AssertionError, OSError) as error:
        raise BrokenPromiseError(f"the firmware starts and works: {type(error).__name__}: {error}") from error
    finally:
        if life is not None:
            life.unit.close()


def _next(where: Where) -> Where:
    return where[0], where[1] + 1


def _is_followed(where: Where, before: Known, now: Known, found: dict[Where, Opened]) -> bool:
    """Whether the next of its chain is on the card, and was before the one that was kept just now."""
    after = _next(where)
    return after in found and after not in now.kept and found[after].envelope.statement.prev == before.hashes.get(where)


def _judge_what_is_there(before: Known, found: dict[Where, Opened], kept: Path) -> None:
    unheld = before.purged - before.purgeable
    _require(not unheld, "what is purged was held whole by two hubs, and is not a chain's last", unheld)
    back = before.purged & found.keys()
    _require(not back, "what was purged does not come back", back)
    gone = before.purgeable - found.keys()
    for where, hash_ in before.hashes.items():
        is_there = where in found and found[where].envelope.hash == hash_
        _require(is_there or where in gone, "what was announced or sent is there, whole", where)
    for where, payload in before.kept.items():
        if where in gone:
            continue
        payloads = [sha256(payload.encode("latin-1")) for payload in found[where].record.payloads]
        _require(payloads == [payload], "what was announced holds what was read", where)
    for where, publication in before.sent.items():
        if where in gone:
            continue
        content = (kept / f"{where[0]}-{where[1]}.envelope").read_bytes()
        _require(sha256(content) == publication, "what was sent is there, byte for byte", where)


def _judge_what_is_offered(before: Known, offered: list[Opened], found: dict[Where, Opened]) -> None:
    places = [each.where for each in offered]
    _require(len(set(places)) == len(places), "a record is offered once", places)
    for where, each in zip(places, offered, strict=True):
        _require(where in found and found[where].envelope == each.envelope, "what is offered is kept, whole", where)
    lacks = before.kept.keys() - before.receipted - set(places) - (before.purgeable - found.keys())
    _require(not lacks, "what was announced and has no receipt is offered", lacks)
    again = before.settled & set(places)
    _require(not again, "what is receipted is not offered again", again)


def _judge_how_it_goes_on(
    before: Known, now: Known, offered: list[Opened], found: dict[Where, Opened], repaired: list[str]
) -> None:
    _require(not now.forks, "of one place one thing is said", now.forks)
    for (chain, seq), opened in found.items():
        last, purged = found.get((chain, seq - 1)), before.hashes if (chain, seq - 1) in before.purgeable else {}
        prev = NOTHING if seq == 1 else last.envelope.hash if last else purged.get((chain, seq - 1), "nothing")
        _require(opened.envelope.statement.prev == prev, "a chain has no gap", (chain, seq))
    new = [where for where in now.kept if where not in before.kept]
    _require([each.where for each in offered] == new, "what is kept after the cut is offered", new)
    if before.is_spoiled:
        return
    bad = [what for what in repaired if what.startswith("the index was bad")]
    _require(not bad, "a power cut does not spoil the index", bad)
    _require(now.boot > before.boot, "starts are counted", (before.boot, now.boot))
    chain = new[0][0]
    _require(chain not in before.chains[:-1], "a chain that was left is not gone back to", chain)
    is_last = chain in before.chains[-1:] or not before.chains or before.is_ending
    _require(is_last or any("left alone" in what for what in repaired), "a chain ends for a reason only", chain)


def _whole(kept: Path) -> dict[Where, Opened]:
    """All records in a folder that are whole: envelope, record and pictures."""
    found = {}
    for path in kept.glob("*.envelope"):
        try:
            opened = _opened(path.read_bytes())
        except TestigoError:
            continue  # it was never promised, or it will be missed
        where = opened.where
        if path.name == f"{where[0]}-{where[1]}.envelope" and _has_its_picture(kept, opened):
            found[where] = opened
    return found


def _all_opened(publications: Sequence[bytes]) -> list[Opened]:
    try:
        return [_opened(publication) for publication in publications]
    except TestigoError as error:
        raise BrokenPromiseError(f"what is offered verifies and opens: {error}") from error


@lru_cache(4096)
def _opened(publication: bytes) -> Opened:
    """A publication, verified, opened by each hub, and the record verified.

    Raises:
        TheirFault: it is none, or not a good one.
    """
    text, sealed = split(publication)
    envelope = note.read(text, Envelope, OWN)
    stated = envelope.statement
    stated.check(sealed)
    where = (stated.deployment, stated.unit, stated.chain, stated.seq)
    contents = {opener.open(sealed, context(*where, "record")) for opener in OPENERS[:2]}
    _require(len(contents) == 1, "both hubs find the same record", where)
    record = note.read(contents.pop(), Record, OWN).statement
    _require((record.deployment, record.unit, record.chain, record.seq) == where, "a record is of its place", where)
    _require(record.unit == NAME and len(stated.pictures) == 1, "an envelope is its unit's, with its picture", where)
    return Opened(envelope, record)


def _has_its_picture(kept: Path, opened: Opened) -> bool:
    """Whether the picture is on the card, whole, opens for each hub, and is the one that was laid down."""
    stated = opened.envelope.statement
    where = (stated.deployment, stated.unit, stated.chain, stated.seq)
    try:
        sealed = (kept / f"{stated.pictures[0].sha256}.picture").read_bytes()
    except FileNotFoundError:
        return False
    if sha256(sealed) != stated.pictures[0].sha256:
        return False
    named, laid = opened.record.pictures[0].sha256, _photographs().get(opened.record.payloads[0])
    return named == laid and {_picture_in(sealed, number, context(*where, "picture/0")) for number in (0, 1)} == {named}


@lru_cache(4096)
def _picture_in(sealed: bytes, hub: int, bound: bytes) -> str:
    return sha256(OPENERS[hub].open(sealed, bound))


@cache
def _photographs() -> dict[str, str]:
    """The SHA-256 of the photograph that is laid down for a payload."""
    return {world.acta(mesa): sha256(photograph(mesa)) for mesa in (*range(1, 120), MESA)}


def _require(is_so: bool, promise: str, found: object) -> None:
    if not is_so:
        raise BrokenPromiseError(f"{promise}: {found}")
