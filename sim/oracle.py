"""The oracle: knows only what was said, and asks after every step whether all of it is still true.

What units and hubs say is overheard: lamps, publications, receipts, receipts filed. What is true is looked up where it
must be: in the files of a card, and in what a hub's disk shows to a reader that is not the hub. Each promise has a
sentence, which is what a `BrokenPromiseError` says.
"""

import hashlib
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from device.log import Event
from device.ports import BodyEvent, Delivered
from device.settings import Settings
from device.signals import Signal
from hub.count import Count
from hub.log import Event as HubEvent
from hub.settings import Settings as HubSettings
from sim.body import EMPTY_TRAY
from sim.link import Publication
from wire import note
from wire.acta import Acta, Profile
from wire.beat import Beat
from wire.bundle import claims
from wire.envelope import CHUNK_BYTES, Envelope, context, split
from wire.errors import TestigoError
from wire.fields import NOTHING
from wire.note import Verifier
from wire.readiness import Readiness
from wire.receipt import MISSING_MAX, Holding, Receipt, Refused
from wire.record import Mode, Record
from wire.seal import Opener
from wire.topics import Leaf, parse

Place = tuple[str, str, int]
"""Unit, chain, seq."""

Totals = tuple[int, list[str], dict[str, dict[str, int]], dict[str, int], dict[str, int], int]
"""Mesas that count, those in conflict, votes, nulos, vacios, and how many envelopes are beside their chain."""

_KEPT = (Signal.KEPT, Signal.KEPT_DOUBTFUL)


class BrokenPromiseError(TestigoError):
    """Something that was said is not true."""


@dataclass(frozen=True, slots=True)
class Laid:
    """A sheet on the tray: its payload, and the photograph that the camera will take of it."""

    payload: str
    photograph: bytes


@dataclass(frozen=True, slots=True)
class Written:
    """A record as it was found whole on a card."""

    hash: str
    prev: str
    publication: str
    pictures: tuple[str, ...]
    payloads: tuple[str, ...]
    photographs: tuple[str, ...]
    part: int
    mode: Mode


@dataclass(frozen=True, slots=True)
class Filed:
    """A receipt that a unit has filed, and how often its hub had been restored when it signed it."""

    receipt: Receipt
    restored: int


@dataclass(slots=True)
class _OfUnit:
    """What one unit has said, and what was seen of its card."""

    settings: Settings
    verifier: Verifier
    there: set[Place] = field(default_factory=set)
    gone: set[Place] = field(default_factory=set)
    laid: Laid | None = None
    trains: bool = False
    announced: set[Place] = field(default_factory=set)
    delivered: bytes = b""
    filed: dict[tuple[str, str], list[Filed]] = field(default_factory=lambda: defaultdict(list))
    """By hub and chain: the youngest receipt, and all of the same second, for nobody knows which of them came first."""
    perhaps: dict[tuple[str, str], list[Filed]] = field(default_factory=lambda: defaultdict(list))
    """The same, of receipts that were handed over and may have been filed right before the power went."""


@dataclass(slots=True)
class _OfHub:
    """What one hub has said, and what was seen on its disk."""

    settings: HubSettings
    opener: Opener
    verifier: Verifier
    held: dict[tuple[str, str], int] = field(default_factory=dict)
    whole: dict[tuple[str, str], int] = field(default_factory=dict)
    restored: int = 0


class Oracle:
    """Told everything that is said, it raises `BrokenPromiseError` when something of it is not so.

    Args:
        units: settings and public key of each unit.
        hubs: settings, seal key and public key of each hub.
        photographs: of every sheet that is ever laid down, by payload.
    """

    def __init__(
        self,
        units: Mapping[str, tuple[Settings, Verifier]],
        hubs: Mapping[str, tuple[HubSettings, Opener, Verifier]],
        photographs: Mapping[str, bytes],
    ) -> None:
        self.written: dict[Place, Written] = {}
        self.sent: dict[Place, str] = {}
        self.said: Counter[str] = Counter()
        self.checks = 0
        self._units = {name: _OfUnit(*each) for name, each in units.items()}
        self._hubs = {name: _OfHub(*each) for name, each in hubs.items()}
        self._pictures = {
            hashlib.sha256(picture).hexdigest() for picture in (*photographs.values(), EMPTY_TRAY.picture)
        }
        self._photographs = {
            payload: hashlib.sha256(picture).hexdigest() for payload, picture in photographs.items() if payload
        }
        self._chunks: set[tuple[str, int, bytes]] = set()
        self._said_in: dict[bytes, int] = {}
        self._identities: dict[str, Place] = {}
        self._beyond_reach: dict[str, set[Place]] = defaultdict(set)
        """By hub, what had left its card when that hub lost it to an old backup, if it did."""

    # What units say

    def lay(self, unit: str, laid: Laid | None) -> None:
        """A sheet is laid down, or nothing is left on the tray."""
        self._units[unit].laid = laid

    def heard(self, unit: str, signal: Signal) -> None:
        """A unit shows a signal."""
        of = self._units[unit]
        if signal in (Signal.KEPT_UNREAD, Signal.KEPT_PART):
            self.said[signal.word] += 1
            self.look_at_card(unit)
            new = {place for place in of.there | of.gone if not self.written[place].payloads} - of.announced
            parts = {place for place in new if self.written[place].part > 1}
            is_so = bool(parts if signal is Signal.KEPT_PART else new)
            self._require(is_so, "a picture that is announced as kept is on the card, whole", (unit, signal.word))
            of.announced |= new  # among them what was kept right before a power cut, and not announced
        if signal in _KEPT or signal is Signal.KEPT_BEFORE:
            self.said[signal.word] += 1
            self._require(of.laid is not None and bool(of.laid.payload), "a unit says kept of a sheet only", unit)
            assert of.laid is not None
            self.look_at_card(unit)
            own = of.there | of.gone
            records = {place for place in own if self.written[place].payloads == (of.laid.payload,)}
            new = records - of.announced
            # What is no acta is shown as kept each time that it is insisted on, though it is kept once.
            is_so = bool(new) if signal is Signal.KEPT else bool(records)
            self._require(is_so, "what is announced as kept is on the card, whole", (unit, signal.word))
            of.announced |= records
        if signal is Signal.LINK_SETTLED:
            self._settled(of, unit)

    def powered(self, unit: str) -> None:
        """The power of a unit comes on: if it was training, it is no more."""
        self.look_at_card(unit)
        self._units[unit].trains = False

    def trains(self, unit: str) -> bool:
        """Whether nothing that a unit keeps counts."""
        return self._units[unit].trains

    def live(self) -> set[str]:
        """The text of all that was kept so that it counts."""
        return {payload for each in self.written.values() if each.mode is Mode.LIVE for payload in each.payloads}

    def _settled(self, of: _OfUnit, unit: str) -> None:
        waits = [place for place in of.there if self._filed(of, place) < of.settings.receipts]
        self._require(not waits, "the link lamp is off only when all is receipted by enough hubs", (unit, waits))

    def _filed(self, of: _OfUnit, place: Place) -> int:
        """How many hubs have receipted a record whole, as far as the unit has filed what they said."""
        keys = [(hub, place[1]) for hub in of.settings.hubs]
        return sum(
            any(self._is_whole_by(filed.receipt, place) for filed in of.filed[key] + of.perhaps[key]) for key in keys
        )

    def _is_whole_by(self, receipt: Receipt, place: Place) -> bool:
        return says_whole(receipt, place[2], self.written[place].pictures)

    def published(self, unit: str, topic: str, payload: bytes) -> None:
        """A unit publishes something, whatever becomes of it."""
        of, parsed = self._units[unit], parse(topic)
        self._require(parsed is not None and parsed.unit == unit, "a unit publishes on its own topics", topic)
        assert parsed is not None
        self.said[parsed.leaf.value] += 1
        match parsed.leaf:
            case Leaf.ENVELOPE:
                self._published_envelope(unit, payload)
            case Leaf.CHUNK:
                chunk = (parsed.sha256, parsed.number, hashlib.sha256(payload).digest())
                if chunk in self._chunks:
                    return
                start = parsed.number * CHUNK_BYTES
                path = of.settings.card / "kept" / f"{parsed.sha256}.picture"
                content = path.read_bytes() if path.exists() else b""
                whole = hashlib.sha256(content).hexdigest() == parsed.sha256
                is_so = whole and content[start : start + CHUNK_BYTES] == payload
                self._require(is_so, "a chunk that is sent is of a whole picture on the card", topic)
                self._chunks.add(chunk)
            case Leaf.HOLDING:
                holding = note.read(payload, Holding, {unit: of.verifier}).statement
                place = (unit, holding.chain, holding.seq)
                if holding.seq and place not in self.written:
                    self.look_at_card(unit)
                known = self.written[place].hash if place in self.written else NOTHING
                self._require(holding.hash == known, "a unit says that it holds what it holds", place)
            case Leaf.BEAT:
                beat = note.read(payload, Beat, {unit: of.verifier}).statement
                self._require(beat.waiting <= beat.kept, "no more waits than was kept", unit)
            case Leaf.READINESS:
                note.read(payload, Readiness, {unit: of.verifier})
            case Leaf.RECEIPT:
                self._require(False, "a unit signs no receipts", topic)

    def _published_envelope(self, unit: str, publication: bytes) -> None:
        _, sealed = split(publication)
        name = hashlib.sha256(publication).hexdigest()
        stated = claims(publication)
        assert stated is not None, "a unit publishes envelopes"
        place = (unit, stated.chain, stated.seq)
        self._require(self.sent.get(place, name) == name, "of one place in a chain one thing is said", place)
        if place in self.sent:
            return
        if place not in self.written:
            self.look_at_card(unit)
        self._require(place in self.written, "what is sent is on the card, whole", place)
        self._require(self.written[place].publication == name, "what is sent is what is on the card", place)
        self._require(len(sealed) == stated.record.size, "what is sent is whole", place)
        self.sent[place] = name

    def handed(self, unit: str, event: BodyEvent) -> None:
        """A unit is handed something; whether it files it is to be heard."""
        if isinstance(event, Delivered):
            of = self._units[unit]
            of.delivered = event.payload
            if note.kind_of(event.payload) == Receipt.KIND:
                filed = self._filed_as(event.payload)
                of.perhaps[filed.receipt.hub, filed.receipt.chain].append(filed)

    def logged(self, unit: str, event: Enum, facts: Mapping[str, Any]) -> None:
        """A unit tells what it does."""
        if event in (Event.PURGED, Event.STARTED, Event.TRAINING):  # what it goes by may be another thing in a moment
            self.look_at_card(unit)
        if event is Event.TRAINING:
            self._units[unit].trains = True
        if event is Event.RECEIPTED:
            of = self._units[unit]
            new = self._filed_as(of.delivered)
            receipt = new.receipt
            self._require((receipt.hub, receipt.seq) == (facts["hub"], facts["seq"]), "a unit files what came", unit)
            key = (receipt.hub, receipt.chain)
            known = [*of.filed[key], new]
            youngest = max(each.receipt.at for each in known)
            of.filed[key] = [each for each in known if each.receipt.at == youngest]
            # What was handed over before a power cut may have been filed, and not be older than what is filed now.
            of.perhaps[key] = [each for each in of.perhaps[key] if each.receipt.at >= youngest and each != new]

    def _filed_as(self, payload: bytes) -> Filed:
        receipt = msgspec.json.decode(note.text_of(payload).partition(b"\n")[2], type=Receipt)
        return Filed(receipt, self._said_in[payload])

    def lost_index(self, unit: str) -> None:
        """A unit's index is no more, and with it every receipt that it had filed: an older one counts then."""
        self.look_at_card(unit)
        self._units[unit].filed.clear()
        self._units[unit].perhaps.clear()

    def look_at_card(self, unit: str) -> None:
        """Looks what has come to a card, and what has gone from it."""
        of = self._units[unit]
        folder = of.settings.card / "kept"
        found = set[Place]()
        for path in folder.iterdir() if folder.exists() else ():
            if path.suffix == ".envelope":
                chain, _, seq = path.stem.partition("-")
                found.add((unit, chain, int(seq)))
        for place in sorted(found - of.there, key=lambda each: each[2]):
            self._require(place not in of.gone, "what was purged does not come back", place)
            self._came(of, place, folder)
        for place in of.there - found:
            enough = self._filed(of, place) >= max(2, of.settings.receipts)
            self._require(enough, "only what enough hubs have receipted whole is purged", place)
            is_last = not any(other[1] == place[1] and other[2] > place[2] for other in found)
            self._require(not is_last, "the last of a chain is not purged", place)
            of.gone.add(place)
            for hub, of_hub in self._hubs.items():
                said = [each for each in of.filed[hub, place[1]] if self._is_whole_by(each.receipt, place)]
                if said and max(each.restored for each in said) < of_hub.restored:
                    self._beyond_reach[hub].add(place)  # the unit could not know that it was lost there
            self.said["purged"] += 1
        of.there = found

    def _came(self, of: _OfUnit, place: Place, folder: Path) -> None:
        unit, chain, seq = place
        publication = (folder / f"{chain}-{seq}.envelope").read_bytes()
        try:
            text, sealed = split(publication)
            envelope = note.read(text, Envelope, {unit: of.verifier})
            stated = envelope.statement
            stated.check(sealed)
            opener = next(iter(self._hubs.values())).opener
            bound = context(stated.deployment, unit, chain, seq, "record")
            opened = note.read(opener.open(sealed, bound), Record, {unit: of.verifier})
            record = opened.statement
        except TestigoError as error:
            raise BrokenPromiseError(f"a record that has its name is whole: {place}: {error}") from error
        is_its_own = (stated.unit, stated.chain, stated.seq) == place == (record.unit, record.chain, record.seq)
        self._require(is_its_own, "a record is of its place", place)
        before = self.written.get((unit, chain, seq - 1))
        follows = stated.prev == (NOTHING if seq == 1 else before.hash if before else "")
        self._require(follows, "a chain has no gap", place)
        for named in stated.pictures:
            path = folder / f"{named.sha256}.picture"
            whole = path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == named.sha256
            self._require(whole, "a record on the card has its pictures, whole", place)
        photographs = tuple(picture.sha256 for picture in record.pictures)
        taken = tuple(self._photographs.get(payload) for payload in record.payloads)
        is_taken = photographs == taken if taken else self._pictures.issuperset(photographs) and len(photographs) == 1
        self._require(is_taken, "a record has the photograph that it was read in", place)
        first = self._identities.get(record.first, place)
        is_linked = (record.part == 1) is (record.first == NOTHING) and first[2] <= seq
        self._require(is_linked, "a further part names a first one that was kept before", place)
        is_its_mode = (record.mode is Mode.TRAINING) is of.trains
        self._require(is_its_mode, "what is kept in training says so, and nothing else does", (place, record.mode))
        self._identities[opened.hash] = place
        self.written[place] = Written(
            envelope.hash,
            stated.prev,
            hashlib.sha256(publication).hexdigest(),
            tuple(named.sha256 for named in stated.pictures),
            record.payloads,
            photographs,
            record.part,
            record.mode,
        )
        self.said["record"] += 1

    # What hubs say

    def answered(self, hub: str, answers: Sequence[Publication]) -> None:
        """A hub lets answers out."""
        of = self._hubs[hub]
        for topic, payload in answers:
            parsed = parse(topic)
            assert parsed is not None, "a hub answers on topics of ours"
            kind = note.kind_of(payload)
            if kind == Refused.KIND:
                refused = note.read(payload, Refused, {hub: of.verifier}).statement
                self.said["refusal"] += 1
                expected = refused.why in ("unknown-signer", "unknown-picture")
                self._require(expected, "nothing that a unit has sent is refused", (parsed.unit, refused.words))
            else:
                self.said["receipt"] += 1
                self._said_in[payload] = of.restored
                self._receipted(of, note.read(payload, Receipt, {hub: of.verifier}).statement)

    def _receipted(self, of: _OfHub, receipt: Receipt) -> None:
        unit, chain = receipt.unit, receipt.chain
        for seq, hash_ in [(receipt.seq, receipt.hash), *((extra.seq, extra.hash) for extra in receipt.extras)]:
            if seq:
                place = (unit, chain, seq)
                was_sent = place in self.sent and self.written[place].hash == hash_
                self._require(was_sent, "nothing is receipted that was not sent", (of.settings.name, place))
        key = (unit, chain)
        held, whole = of.held.get(key, 0), of.whole.get(key, 0)
        self._require(receipt.seq >= held and receipt.whole >= whole, "a hub does not forget", (of.settings.name, key))
        if receipt.seq > held or receipt.extras:
            wanted = {*range(held + 1, receipt.seq + 1), *(extra.seq for extra in receipt.extras)}
            rows = self._rows(of, unit, chain)
            lacks = [seq for seq in wanted if rows.get(seq) != [self.written[unit, chain, seq].hash]]
            self._require(not lacks, "what is receipted is on the hub's disk", (of.settings.name, key, lacks))
            of.held[key] = receipt.seq
        for seq in (*range(whole + 1, receipt.seq + 1), *(extra.seq for extra in receipt.extras)):
            place = (unit, chain, seq)
            for picture in self.written[place].pictures if self._is_whole_by(receipt, place) else ():
                path = of.settings.pictures / picture
                is_whole = path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == picture
                self._require(is_whole, "a picture that is receipted is on the hub's disk, whole", place)
        of.whole[key] = receipt.whole

    def _rows(self, of: _OfHub, unit: str, chain: str) -> dict[int, list[str]]:
        """What a reader that is not the hub finds of a chain: hashes by seq."""
        rows: dict[int, list[str]] = defaultdict(list)
        query = (
            "SELECT e.seq, e.hash FROM envelope e JOIN chain c ON e.chain_id = c.id WHERE c.unit = ? AND c.chain = ?"
        )
        with closing(_read_only(of.settings.database)) as database:
            for seq, hash_ in database.execute(query, (unit, chain)):
                rows[seq].append(hash_)
        return rows

    def hub_logged(self, hub: str, event: Enum) -> None:
        """A hub tells what it does."""
        self._require(event is not HubEvent.FORK, "no unit's chain ever forks", hub)
        self._require(event is not HubEvent.PICTURE_WRONG, "chunks make up the picture that they are of", hub)

    def restored(self, hub: str) -> None:
        """A hub's disk is as it was at its last backup: what it has said since is forgotten, and is to be said anew."""
        of = self._hubs[hub]
        of.held.clear()
        of.whole.clear()
        of.restored += 1
        for name, unit in self._units.items():
            self.look_at_card(name)
            self._beyond_reach[hub] |= unit.gone

    # All of it

    def look_at_all(self) -> None:
        """The dear look: every file of every card, byte for byte."""
        self.checks += 1
        for unit, of in self._units.items():
            self.look_at_card(unit)
            folder = of.settings.card / "kept"
            for place in of.there:
                written = self.written[place]
                content = (folder / f"{place[1]}-{place[2]}.envelope").read_bytes()
                same = hashlib.sha256(content).hexdigest() == written.publication
                self._require(same, "what was kept stays as it is", place)
                for picture in written.pictures:
                    path = folder / f"{picture}.picture"
                    whole = path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == picture
                    self._require(whole, "the pictures of what is kept stay as they are", place)
            lost = of.announced - of.there - of.gone
            self._require(not lost, "what was announced is on the card or receipted", lost)

    def end(self, counts: Mapping[str, Totals], true: Totals) -> None:
        """All faults have stopped, and all is quiet: what was announced is with the hubs, and counts once."""
        self.look_at_all()
        for name, of_hub in self._hubs.items():
            lost = self.written.keys() - self._look_at_hub(of_hub)
            unexplained = sorted(lost - self._beyond_reach[name])
            self._require(not unexplained, "all that was kept is with every hub, whole", (name, unexplained[:3]))
            self._require(bool(lost) or counts[name] == true, "the totals are the truth", (name, counts[name], true))
        for unit, of in self._units.items():
            self._settled(of, unit)

    def left(self, unit: str) -> int:
        """How many records of a card some hub does not hold whole, as its disk says."""
        held = [self._held(of_hub) for of_hub in self._hubs.values()]
        return sum(not all(place in each for each in held) for place in self._units[unit].there)

    def _held(self, of: _OfHub) -> set[Place]:
        """What a hub holds whole, as its disk says."""
        query = "SELECT c.unit, c.chain, e.seq FROM envelope e JOIN chain c ON e.chain_id = c.id WHERE e.whole"
        with closing(_read_only(of.settings.database)) as database:
            return set(database.execute(query))

    def _look_at_hub(self, of: _OfHub) -> set[Place]:
        """Every place that a hub holds whole: once each, the record as it was written, and its pictures as taken."""
        query = (
            "SELECT c.unit, c.chain, e.seq, e.hash, e.stray, e.whole, r.payloads FROM envelope e "
            "JOIN chain c ON e.chain_id = c.id LEFT JOIN record r ON r.envelope_id = e.id"
        )
        held, lacking = set[Place](), set[Place]()
        with closing(_read_only(of.settings.database)) as database:
            rows = database.execute(query).fetchall()
        for unit, chain, seq, hash_, stray, whole, payloads in rows:
            place = (unit, chain, seq)
            self._require(place not in held, "a record is with a hub once", (of.settings.name, place))
            held.add(place)
            written = self.written.get(place)
            self._require(written is not None, "a hub holds nothing that was not kept", place)
            assert written is not None
            same = hash_ == written.hash and not stray and tuple(msgspec.json.decode(payloads)) == written.payloads
            self._require(same, "a hub holds what was kept", (of.settings.name, place))
            if not whole:
                lacking.add(place)
                continue
            for number, (picture, photograph) in enumerate(zip(written.pictures, written.photographs, strict=True)):
                sealed = (of.settings.pictures / picture).read_bytes()
                bound = context(of.settings.deployment, unit, chain, seq, f"picture/{number}")
                content = of.opener.open(sealed, bound)
                is_it = hashlib.sha256(content).hexdigest() == photograph
                self._require(is_it, "a hub can open the photograph that was taken", (of.settings.name, place))
        return held - lacking

    def _require(self, is_so: bool, promise: str, found: object) -> None:
        if not is_so:
            raise BrokenPromiseError(f"{promise}: {found}")


def says_whole(receipt: Receipt, seq: int, pictures: Iterable[str]) -> bool:
    """Whether a receipt says that its hub holds its chain's envelope `seq` and these, its pictures.

    That is point 7 of custody in docs/wire.md, read here again lest the oracle believe what the store believes.
    """
    if seq <= receipt.whole or any(extra.whole for extra in receipt.extras if extra.seq == seq):
        return True
    if seq > receipt.seq or not 0 < len(receipt.missing) < MISSING_MAX:
        return False
    return {each.sha256 for each in receipt.missing}.isdisjoint(pictures)


def totals(counted: Count) -> Totals:
    """What a hub has counted."""
    return (
        counted.counted,
        sorted(counted.conflicts),
        counted.votes,
        counted.nulos,
        counted.vacios,
        len(counted.strays),
    )


def truth(profile: Profile, sheets: Iterable[str]) -> Totals:
    """What a hub must count when these sheets were laid down until they were kept, each once or often.

    The sums are made here, from the text of the sheets.
    """
    readings: dict[str, set[str]] = defaultdict(set)
    for payload in sheets:
        acta = profile.read((payload,))
        if isinstance(acta, Acta):
            readings[acta.mesa].add(payload)
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    nulos, vacios = Counter[str](), Counter[str]()
    for payloads in readings.values():
        if len(payloads) == 1:
            (payload,) = payloads
            acta = profile.read((payload,))
            assert isinstance(acta, Acta), "it was one before"
            (contest,) = acta.contests
            _, numbers, null, empty = payload.split("!")
            for (option, _), number in zip(contest.votes, numbers.split(","), strict=True):
                votes[contest.id][profile.candidate(contest.id, option)] += int(number)
            nulos[contest.id] += int(null)
            vacios[contest.id] += int(empty)
    conflicts = sorted(mesa for mesa, payloads in readings.items() if len(payloads) > 1)
    sums = {contest: dict(each) for contest, each in votes.items()}
    return len(readings) - len(conflicts), conflicts, sums, dict(nulos), dict(vacios), 0


def _read_only(database: str) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(database)}?mode=ro", uri=True)
