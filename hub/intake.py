"""The intake: what comes in from units is checked, opened, kept in one transaction, and only then answered.

The checks of a publication, in this order; each ends in a signed refusal that says why (see docs/wire.md):

1. Its topic is one of this deployment's; on another there is nobody to answer, and it is dropped.
2. It comes apart into a note and a sealed record (`malformed`).
3. The note is signed by an enrolled unit (`unknown-signer`, `bad-signature`) and well formed (`malformed`).
4. Its deployment and its unit are the topic's (`wrong-topic`).
5. The sealed record is the one that the envelope names, and only the first of a chain has none before it (`malformed`).
6. No other envelope has its place in the chain, and it follows the one before it (`fork`).
7. The sealed record opens with the hub's key (`not-for-us`, `malformed`).
8. What is in it is a record signed by the same unit (`unknown-signer`, `bad-signature`, `malformed`).
9. The record is of the same deployment and place in the chain, with as many pictures (`record-mismatch`).

From 6 on the envelope is a unit's own signed word, so it is kept whatever comes of it: forks as evidence beside the
chain; what cannot be opened in its place in the chain, receipted as held and yet refused. Else one such envelope would
leave a gap for ever, and all behind it would wait for receipts that cannot come.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import TypeVar

import msgspec

from hub.examine import Examined, Examiner, WrongTopicError, check_unit
from hub.keys import Keys
from hub.ledger import Chain, Claims, Kept, Lacking, Ledger, Picture, Place, Told
from hub.log import Event
from hub.pictures import Pictures
from hub.quota import MEGABYTE, STRAYS_MAX, NoRoomError, Quota, QuotaError
from hub.second import Second, Task
from wire import note
from wire.acta import Profile
from wire.beat import Beat
from wire.envelope import CHUNK_BYTES, join
from wire.errors import MalformedError, TheirFault, UnknownSignerError
from wire.fields import NOTHING
from wire.log import Log
from wire.note import Verifier
from wire.readiness import Readiness
from wire.receipt import CHUNKS_MAX, EXTRAS_MAX, MISSING_MAX, Extra, Holding, Missing, Receipt, Refused
from wire.topics import FROM_UNITS, Leaf, Topic, parse

TellingT = TypeVar("TellingT", Beat, Readiness)
"""What a unit tells of itself."""

ANSWERED_REFUSALS_MAX = 200
"""How many refusals are answered in one batch: rubbish must not keep the hub from signing receipts."""

TOLD_REFUSALS_MAX = 16
"""Of how many units' topics a batch's refusals are told in the log, those with the most: a log can be filled too."""

REFUSALS_OF_A_UNIT_MAX = 256
"""How many refusals are kept as evidence for one unit's topics; later ones are signed, and not kept."""

REFUSALS_MAX = 65536
"""How many refusals are kept in all, half of them for enrolled units: names of others are free to anybody."""

SHARED_MIN = 32
"""From how many publications at once it is worth handing half of them to the second process."""

BEHIND_SECONDS_MAX = 60
"""By how much the clock may be behind the last receipt before it is told: a small step back is no fault."""

AHEAD_SECONDS_MAX = 100 * 365 * 86400
"""How far beyond the clock a receipt is dated because its unit says that it knows as late a one: a clock that was lost
says 1970. Since the clock goes on, there is always a later moment within it, however far a liar went."""

BEAT_SECONDS_MIN = 30
"""What a unit says of itself sooner after its last beat is passed over: it never says so much, but a thief of its key
might, or a broker that has beats of two of its chains, and fill the log."""

AHEAD_MAX = 4096
"""Of how many chains of which nothing is held it is remembered; of one that is forgotten, its unit says it again."""

_WORDS_MAX = 400
_STEP = 256
"""How many places of a chain are looked at in one go."""


class ForkError(TheirFault):
    """The unit signed another envelope for that place, or this one does not follow the one before it."""

    why = "fork"


class UnknownPictureError(TheirFault):
    """No envelope that is held names the picture."""

    why = "unknown-picture"


Answers = list[tuple[str, bytes]]


class Intake:
    """What a hub does with what comes in, without a broker.

    Args:
        deployment: whose topics are ours.
        ledger: where all is kept.
        pictures: where whole pictures are kept.
        keys: the hub's.
        register: tells the enrolled units' keys, by name.
        profile: reads payloads.
        now: tells the hub's clock, seconds since 1970 UTC.
        log: where to tell what happened.
        quota: how much one unit may have here.
        free: tells how many bytes are free on the hub's disks.
        notices: tells what hubs say of where they are now.
        second: a process that examines half of what comes at once; without one it is all done here.
    """

    def __init__(
        self,
        *,
        deployment: str,
        ledger: Ledger,
        pictures: Pictures,
        keys: Keys,
        register: Callable[[], Mapping[str, Verifier]],
        profile: Profile,
        now: Callable[[], int],
        log: Log,
        quota: Quota,
        free: Callable[[], int],
        notices: Callable[[], Sequence[bytes]] = tuple,
        second: Second | None = None,
    ) -> None:
        self.deployment = deployment
        self.ledger = ledger
        self.pictures = pictures
        self.keys = keys
        self.register = register
        self.profile = profile
        self.now = now
        self.log = log
        self.second = second
        self.quota = quota
        self.free = free
        self.notices = notices
        self._told: Sequence[bytes] = ()
        self.lasting: set[tuple[Event, str, str]] = set()
        """What lasts and was told when it began: a unit at its quota, a disk that is low, a clock that is behind."""
        self.turns: dict[tuple[str, str], tuple[int, int]] = {}
        """Beyond which place each chain's pictures are asked for in turn, where they are too many for one receipt."""
        self.ahead: dict[tuple[str, str], int] = {}
        """What receipts of chains of which nothing is held were dated, where that is beyond the clock."""
        self.examiner = Examiner(deployment, keys.opener, profile)

    def take(self, batch: Sequence[tuple[str, bytes]]) -> Answers:
        """Takes a batch of publications, each with its topic.

        Returns:
            The answers to publish, each with its topic: when they are returned, what they say is durable. Every copy
            of a publication is answered with the same bytes, until more is held of its chain or what it lacks or has
            beyond a gap is too much for one receipt.
        """
        return _Batch(self).take(batch)

    def news(self) -> Answers:
        """What all units are to be told now, though none has asked: once, for who is not there asks on connecting."""
        notices, told = self.notices(), self._told
        self._told = notices
        if notices == told:
            return []
        return [(self.topic(unit), notice) for unit in sorted(self.register()) for notice in notices]

    def topic(self, unit: str) -> str:
        """Where a unit is answered."""
        return str(Topic(self.deployment, unit, Leaf.RECEIPT))

    def open_late(self) -> None:
        """Opens what came sealed to another key than the hub had then: units do not offer again what is receipted."""
        found: dict[str, dict[str, str | int]] = {}
        with self.ledger.transaction():
            for id_, unit, text, sealed in self.ledger.sealed_to_others():
                try:
                    examined = self.examiner.examine(unit, join(text, sealed), self.register())
                except TheirFault:
                    continue  # the unit is not enrolled now, or has a new key
                if examined.read:
                    self.ledger.opened_late(id_, examined.read)
                    place = examined.envelope.statement
                    found[examined.read.mesa] = {"unit": unit, "chain": place.chain, "seq": place.seq}
            conflicts = sorted(self.ledger.differing(found))
        for mesa in conflicts:
            self.log(Event.CONFLICT, **found[mesa])


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A chunk as it came."""

    topic: Topic
    content: bytes


class _Batch:
    """One batch on its way."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._ledger = intake.ledger
        self._trusted = intake.register()
        clock = intake.now()
        self._now = max(clock, self._ledger.at)
        self._is_low = intake.free() < intake.quota.free_bytes
        self._key_id = f" {intake.keys.signer.verifier.key_id.hex()}"
        self._dropped = 0
        self._offers: dict[tuple[str, str], list[Examined]] = defaultdict(list)
        self._came: list[tuple[str, bytes]] = []
        self._chunks: list[_Chunk] = []
        self._strays: dict[int, int] = {}
        self._claims: dict[tuple[str, str], Claims] = {}
        self._asked: set[tuple[str, str]] = set()
        self._grown: set[tuple[str, str]] = set()
        self._fitted: dict[int, tuple[Chain, int]] = {}
        self._holdings: dict[tuple[str, str], int] = {}
        self._refusals: dict[tuple[str, str, str], str] = {}
        self._beats: dict[str, tuple[Beat, bytes]] = {}
        self._reports: dict[str, tuple[Readiness, bytes]] = {}
        self._events: list[tuple[Event, dict[str, str | int]]] = []
        self._lasts(Event.CLOCK_BEHIND, self._now - clock > BEHIND_SECONDS_MAX)
        self._lasts(Event.DISK_LOW, self._is_low)
        self._kept = self._copies = self._chunks_kept = 0

    def take(self, batch: Sequence[tuple[str, bytes]]) -> Answers:
        for topic, publication in batch:
            self._sort(parse(topic), publication)
        for (unit, publication), outcome in zip(self._came, self._examined(), strict=True):
            if isinstance(outcome, TheirFault):
                self._refuse(unit, publication, outcome)
            else:
                envelope = outcome.envelope.statement
                self._offers[envelope.unit, envelope.chain].append(outcome)
        with self._ledger.transaction():
            chains = self._chains()
            self._keep(chains)
            for chunk in self._chunks:
                try:
                    self._take_chunk(chunk)
                except TheirFault as fault:
                    self._refuse(chunk.topic.unit, chunk.content, fault)
            chains |= self._ledger.chains((self._asked | self._grown) - chains.keys())
            # Who asks anew is perhaps without what the last receipt asked for: its turn is over.
            for key in sorted(self._grown | self._holdings.keys()):
                self._receipt(chains[key])
            answers = [(self._intake.topic(unit), chains[unit, chain].receipt) for unit, chain in sorted(chains)]
            notices = self._intake.notices() if self._holdings else ()
            for unit in sorted({unit for unit, _ in self._holdings}):
                answers += [(self._intake.topic(unit), notice) for notice in notices]
            refusals = self._signed_refusals()
            for beat, publication in self._beats.values():
                self._take_beat(beat, publication)
            for report, publication in self._reports.values():
                self._take_report(report, publication)
            self._ledger.passes(self._now)
        # Durable from here on.
        self._tell()
        return answers + refusals

    # Checks 1 to 5

    def _sort(self, topic: Topic | None, publication: bytes) -> None:
        if topic is None or topic.deployment != self._intake.deployment or topic.leaf not in FROM_UNITS:
            self._dropped += 1
            return
        try:
            match topic.leaf:
                case Leaf.CHUNK:
                    self._chunks.append(_Chunk(topic, publication))
                case Leaf.HOLDING:
                    holding = note.read(publication, Holding, self._trusted).statement
                    check_unit(holding.unit, topic.unit)
                    self._asked.add((holding.unit, holding.chain))
                    self._hold(holding)
                case Leaf.BEAT:
                    beat = self._telling(Beat, "beat", topic, publication)
                    self._beats[beat.unit] = beat, publication  # one in a batch: a stolen key must not fill the log
                case Leaf.READINESS:
                    report = self._telling(Readiness, "report", topic, publication)
                    if report.unit not in self._reports or report.age > self._reports[report.unit][0].age:
                        self._reports[report.unit] = report, publication  # nobody says it again before it connects
                case _:
                    self._came.append((topic.unit, publication))
        except TheirFault as fault:
            self._refuse(topic.unit, publication, fault)

    def _telling(self, kind: type[TellingT], what: str, topic: Topic, publication: bytes) -> TellingT:
        """What a unit tells of itself, on the topic where it belongs."""
        telling = note.read(publication, kind, self._trusted).statement
        check_unit(telling.unit, topic.unit)
        if telling.deployment != topic.deployment:
            raise WrongTopicError(f"a {what} of the deployment {telling.deployment}: publish it in its own")
        return telling

    def _hold(self, holding: Holding) -> None:
        """Notes from when on a receipt must be, for the unit to believe that it is the youngest."""
        key, own = (holding.unit, holding.chain), self._intake.keys.signer.verifier.name
        latest = max((each.at for each in holding.heard if each.hub == own), default=-1)
        if latest > self._now + BEHIND_SECONDS_MAX:
            self._lasts(Event.RECEIPT_AHEAD, True, holding.unit)
        heeded = latest + 1 if latest <= self._now + AHEAD_SECONDS_MAX else 0
        self._holdings[key] = max(heeded, self._holdings.get(key, 0))

    def _take_beat(self, beat: Beat, publication: bytes) -> None:
        """Keeps a unit's last beat; one that was said before it, and comes again, is none."""
        beaten = self._ledger.beat(beat.unit)
        last = told_in(beaten, Beat, self._trusted)
        if beaten and last and self._now < beaten.at + BEAT_SECONDS_MIN:
            return
        if last and last.chain == beat.chain and last.age >= beat.age:
            return
        self._ledger.keep_beat(Told(beat.unit, self._now, publication))
        if beat.troubles and not (last and last.troubles == beat.troubles):
            self._events.append((Event.AILING, {"unit": beat.unit, "troubles": " ".join(beat.troubles)}))

    def _take_report(self, report: Readiness, publication: bytes) -> None:
        """Keeps a unit's last readiness report; one that is held, or older, is passed over: units say it again."""
        told = self._ledger.readiness(report.unit)
        last = told_in(told, Readiness, self._trusted)
        if told and last and (self._now < told.at + BEAT_SECONDS_MIN or last.age >= report.age):
            return
        self._ledger.keep_readiness(Told(report.unit, self._now, publication))

    def _examined(self) -> list[Examined | TheirFault]:
        """What the publications say by themselves (checks 2 to 5 and 7 to 9), half of them by the second process."""
        second, came = self._intake.second, self._came
        half = len(came) // 2 if second and len(came) >= SHARED_MIN and second.is_ready() else 0
        begun = half > 0 and second is not None and second.begin([self._task(*each) for each in came[:half]])
        rest = [self._examine(*each) for each in came[half:]]
        ended = second.end() if begun and second else None
        answered: Sequence[Examined | TheirFault | None] = ended or [None] * half
        # Of the register it is told the topic's unit only: whether another unit signed is seen here.
        first = [
            self._examine(*each) if outcome is None or isinstance(outcome, UnknownSignerError) else outcome
            for each, outcome in zip(came[:half], answered, strict=True)
        ]
        return first + rest

    def _task(self, unit: str, publication: bytes) -> Task:
        verifier = self._trusted.get(unit)
        return unit, publication, str(verifier) if verifier else ""

    def _examine(self, unit: str, publication: bytes) -> Examined | TheirFault:
        try:
            return self._intake.examiner.examine(unit, publication, self._trusted)
        except TheirFault as fault:
            return fault

    # Check 6

    def _chains(self) -> dict[tuple[str, str], Chain]:
        """The chains that are spoken of; new ones are begun, as long as their units may have more."""
        chains = self._ledger.chains(self._offers.keys() | self._asked)
        begun: dict[str, int] = {}
        for key in sorted((self._offers.keys() | self._asked) - chains.keys()):
            # Nothing is held of it, and of what is only asked for, or beyond the quota, nothing is kept: it has no
            # number yet.
            chains[key] = Chain(0, *key, 0, NOTHING, b"", "")
            if all(offer.envelope.statement.seq > self._intake.quota.records for offer in self._offers.get(key, ())):
                continue
            if key[0] not in begun:
                begun[key[0]] = self._chains_of(key[0])
            if begun[key[0]] < self._intake.quota.chains:
                begun[key[0]] += 1
                chains[key] = self._ledger.begin(chains[key])
                continue
            fault = self._over(key[0], "unit_chains", f"{self._intake.quota.chains} chains")
            for offer in self._offers.pop(key):
                self._refuse(key[0], join(offer.note, offer.sealed), fault)
        return chains

    def _chains_of(self, unit: str) -> int:
        """How many chains a unit has begun with its present key: those of a stolen one shut nobody out."""
        key_id = self._trusted[unit].key_id
        return sum(note.key_id_of(first) == key_id for first in self._ledger.firsts(unit))

    def _over(self, unit: str, setting: str, most: str) -> QuotaError:
        """That a unit has as much here as it may have."""
        self._lasts(Event.QUOTA, True, unit, setting)
        return QuotaError(f"this hub holds {most} for a unit: keep it, and tell its operators to raise {setting}")

    def _lasts(self, event: Event, holds: bool, unit: str = "", setting: str = "") -> None:
        """Tells what lasts when it begins, and not again until it has ended."""
        lasting, key = self._intake.lasting, (event, unit, setting)
        if not holds:
            lasting.discard(key)
        elif key not in lasting:
            lasting.add(key)
            self._events.append((event, {name: said for name, said in (("unit", unit), ("setting", setting)) if said}))

    def _keep(self, chains: Mapping[tuple[str, str], Chain]) -> None:
        kept: list[Kept] = []
        for key, offers in self._offers.items():
            kept += self._of_chain(chains[key], offers)
        self._ledger.keep(kept, self._now)
        self._kept = len(kept)
        for key in {(each.chain.unit, each.chain.chain) for each in kept}:
            self._follow(chains[key])
            self._grown.add(key)
        # A copy from beyond a gap may be one that the last receipt had no room for.
        self._grown |= {
            key
            for key, offers in self._offers.items()
            if any(offer.envelope.statement.seq > chains[key].seq for offer in offers)
        }
        # A chain without a receipt, or with one that another key of this hub signed: no unit would take it.
        self._grown |= {key for key, chain in chains.items() if not chain.state.endswith(self._key_id)}
        self._alarm_conflicts(kept)

    def _of_chain(self, chain: Chain, offers: Iterable[Examined]) -> list[Kept]:
        """What is new of a chain; copies and forks among it are answered as such."""
        offers = sorted(offers, key=lambda offer: offer.envelope.statement.seq)
        held: dict[int, dict[str, tuple[bool, str]]] = defaultdict(dict)
        for place in self._ledger.places(chain, {offer.envelope.statement.seq for offer in offers}):
            held[place.seq][place.hash] = (place.stray, place.fault)
        kept = []
        end = (chain.seq, chain.hash)
        for offer in offers:
            envelope, hash_ = offer.envelope.statement, offer.envelope.hash
            follows = (envelope.seq - 1, envelope.prev) == end
            if follows:
                end = (envelope.seq, hash_)
            beside = held[envelope.seq]
            known = beside.get(hash_)
            stray = known[0] if known else any(not each_stray for each_stray, _ in beside.values())
            over = None if known else self._over_in_chain(chain, envelope.seq, beside=stray and not follows)
            if over:
                self._refuse(chain.unit, join(offer.note, offer.sealed), over)
                continue
            if stray:
                self._refuse_fork(chain, envelope.seq, offer.note, offer.sealed, alarm=known is None)
            if offer.fault and not stray:
                self._refuse(chain.unit, join(offer.note, offer.sealed), offer.fault)
            if known:
                self._copies += 1
                continue
            why = offer.fault.why if offer.fault else ""
            beside[hash_] = (stray, why)
            kept.append(
                Kept(
                    chain,
                    envelope.seq,
                    hash_,
                    envelope.prev,
                    stray,
                    why,
                    offer.note,
                    offer.sealed,
                    envelope.pictures,
                    offer.read,
                )
            )
        return kept

    def _over_in_chain(self, chain: Chain, seq: int, *, beside: bool) -> QuotaError | None:
        """Why an envelope is too many of its chain.

        Places are limited, and what lies beside them: so whatever a thief of the unit's key has put there and beyond,
        what follows is always taken.
        """
        quota = self._intake.quota
        if seq > quota.records:
            return self._over(chain.unit, "unit_records", f"{quota.records} records of a chain")
        if beside:
            if chain.id not in self._strays:
                self._strays[chain.id] = self._ledger.strays_beside(chain)
            self._strays[chain.id] += 1
            if self._strays[chain.id] > STRAYS_MAX:
                return QuotaError(f"envelope {seq}: {STRAYS_MAX} beside its chain are kept as evidence: enrol anew")
        return None

    def _follow(self, chain: Chain) -> None:
        """Moves a chain on over every envelope that follows, and tells those apart that do not.

        At each place at most one envelope is no stray (see `_of_chain`); should it not follow, a stray there may.
        """
        while True:
            held = self._ledger.following(chain, _STEP)
            for place in held:
                if place.seq != chain.seq + 1:
                    break
                if place.prev != chain.hash:
                    self._ledger.set_stray(place, stray=True)
                    self._refuse_fork(chain, place.seq, *self._ledger.publication(place), alarm=True)
                    break
                chain.seq, chain.hash = place.seq, place.hash
            else:
                if len(held) == _STEP:
                    continue
            fitting = self._ledger.fitting(chain)
            if fitting is None:
                return
            self._ledger.set_stray(fitting, stray=False)
            self._fitted[fitting.id] = (chain, fitting.seq)
            chain.seq, chain.hash = fitting.seq, fitting.hash

    def _refuse_fork(self, chain: Chain, seq: int, text: bytes, sealed: bytes, *, alarm: bool) -> None:
        fault = ForkError(f"envelope {seq}: another has its place, or it does not follow: kept as evidence: enrol anew")
        self._refuse(chain.unit, join(text, sealed), fault)
        if alarm:
            self._events.append((Event.FORK, {"unit": chain.unit, "chain": chain.chain, "seq": seq}))

    def _alarm_conflicts(self, kept: Iterable[Kept]) -> None:
        places = {
            each.record.mesa: (each.chain, each.seq)
            for each in kept
            if each.record and each.record.mesa and not each.stray
        }
        places |= {mesa: self._fitted[id_] for id_, mesa in self._ledger.mesas(self._fitted).items()}
        for mesa in sorted(self._ledger.differing(places)):
            chain, seq = places[mesa]
            self._events.append((Event.CONFLICT, {"unit": chain.unit, "chain": chain.chain, "seq": seq}))

    # Chunks

    def _take_chunk(self, chunk: _Chunk) -> None:
        topic, size = chunk.topic, len(chunk.content)
        key = (topic.unit, topic.sha256)
        if key not in self._claims:
            self._claims[key] = self._ledger.claims(*key)
        claims, until = self._claims[key], topic.number * CHUNK_BYTES + size
        if not claims.pictures:
            raise UnknownPictureError("no envelope that is held names this picture: offer the envelope first")
        if not claims.fits(until, size):
            raise MalformedError(f"chunk {topic.number}: {size} bytes are not its length: cut the picture again")
        self._asked |= claims.chains
        if claims.is_whole:
            self._copies += 1
            return
        self._grown |= claims.chains
        if self._is_low:
            raise NoRoomError(
                f"chunk {topic.number}: this hub's disk is nearly full: it is asked for when there is room"
            )
        full = self._filled(topic.unit)
        if full:
            raise full
        self._chunks_kept += 1
        self._ledger.add_chunk(claims, until, chunk.content)
        sizes = claims.complete()
        if sizes:
            self._finish(claims, sizes)

    def _filled(self, unit: str) -> QuotaError | None:
        """Why no more chunks of a unit's pictures are taken, if that is so."""
        most = self._intake.quota.picture_bytes
        full = self._ledger.held(unit) >= most
        return self._over(unit, "unit_mb", f"{most // MEGABYTE} MB of pictures") if full else None

    def _finish(self, claims: Claims, sizes: Sequence[int]) -> None:
        """Keeps the picture if one of these sizes is the true one: one pass over the chunks decides on all of them."""
        size = self._intake.pictures.keep(claims.sha256, sizes, partial(self._ledger.chunk, claims))
        if size is None:
            self._events.append((Event.PICTURE_WRONG, {"unit": claims.unit, "sha256": claims.sha256}))
            self._ledger.refute(claims, sizes)
        else:
            self._ledger.complete(claims.pictures[size])
            self._ledger.forget_chunks(claims.unit, claims.sha256)
            del self._claims[claims.unit, claims.sha256]

    # Answers

    def _receipt(self, chain: Chain) -> None:
        """Signs a receipt, if what is held of the chain is not what the last one says, or its unit asks.

        A unit believes the youngest one. So whoever asks gets a younger one than it knows, lest a hub that was restored
        from an old backup repeat what the unit has long known more than; and none is of an earlier date than the last,
        lest it be ignored when the hub's clock was set back.
        """
        missing = self._missing(chain)
        lacking = {each: self._ledger.missing_chunks(chain.unit, each, CHUNKS_MAX) for each in set(missing)}
        receipt = Receipt(
            at=0,
            chain=chain.chain,
            extras=tuple(Extra(place.hash, place.seq, place.whole) for place in self._extras(chain)),
            hash=chain.hash,
            hub=self._intake.keys.signer.verifier.name,
            missing=tuple(Missing(lacking[each], each.name.sha256) for each in missing),
            seq=chain.seq,
            unit=chain.unit,
            whole=self._ledger.whole(chain),
        )
        state = hashlib.sha256(msgspec.json.encode(receipt)).hexdigest() + self._key_id
        if state != chain.state or (chain.unit, chain.chain) in self._holdings:
            signed = note.write(msgspec.structs.replace(receipt, at=self._at(chain)), self._intake.keys.signer)
            chain.state, chain.receipt = state, signed
            self._ledger.move_on(chain)

    def _at(self, chain: Chain) -> int:
        """Of when a chain's next receipt is: never before its last one, nor before the last that its unit knows.

        That may be beyond the clock, on the unit's word; so it is its own chain's alone, and not kept in the ledger as
        the time that all others have passed.
        """
        key, ahead = (chain.unit, chain.chain), self._intake.ahead
        last = _at_of(chain.receipt) + (not chain.state)  # of two of one moment a unit believes that nothing was lost
        at = max(self._now, last, self._holdings.get(key, 0), ahead.pop(key, 0))
        if at > self._now and not chain.id:
            if len(ahead) >= AHEAD_MAX:
                del ahead[next(iter(ahead))]
            ahead[key] = at
        return at

    def _extras(self, chain: Chain) -> list[Place]:
        """What a receipt names beyond the gap, lowest first: what came in this batch, and then the newest.

        A unit files for good that these are held, and offers the rest again, so all is named in the end, though the gap
        stays. Whether they are whole it believes of the youngest receipt only, so of the others it never knows.
        """
        newest = self._ledger.extras(chain, EXTRAS_MAX)
        if len(newest) < EXTRAS_MAX:
            return newest[::-1]
        offers = [offer.envelope for offer in self._offers.get((chain.unit, chain.chain), ())]
        hashes = {offer.hash for offer in offers}
        places = self._ledger.places(
            chain, {offer.statement.seq for offer in offers if offer.statement.seq > chain.seq}
        )
        came = [place for place in places if place.hash in hashes and not place.stray]
        chosen = list(dict.fromkeys([*reversed(came), *newest]))[:EXTRAS_MAX]
        return sorted(chosen, key=lambda place: place.seq)

    def _missing(self, chain: Chain) -> list[Picture]:
        """The pictures a receipt asks for, the oldest first: half its room for the oldest, half for the others in turn.

        Pictures may be lost from a card for ever. Were only the oldest asked for, or only those at both ends, enough
        lost ones would keep all others waiting. The turn goes on each time that the unit says what it holds, and not
        with each receipt: what is under way is not broken off. Are there fewer than a receipt has room for, it names
        them all, and the unit sees which records are whole behind one that is lost for good.
        """
        key, turns, half = (chain.unit, chain.chain), self._intake.turns, MISSING_MAX // 2
        oldest = self._ledger.missing(chain, (0, 0), MISSING_MAX)
        if oldest and (self._is_low or self._filled(chain.unit)):
            return []  # what would be refused is not asked for; `whole` tells that it lacks
        if len(oldest) < MISSING_MAX:
            turns.pop(key, None)
            return [each.picture for each in oldest]
        first = oldest[half - 1].place
        begin = max(turns.get(key, first), first)
        in_turn = self._in_turn(chain, begin, first)
        if key in self._holdings and key in turns:
            begin = in_turn[-1].place
            in_turn = self._in_turn(chain, begin, first)
        turns[key] = begin
        return [each.picture for each in (*oldest[:half], *in_turn)]

    def _in_turn(self, chain: Chain, begin: tuple[int, int], first: tuple[int, int]) -> list[Lacking]:
        """The pictures whose turn it is: those from beyond a place, and when these end, from the first one again."""
        half = MISSING_MAX // 2
        in_turn = self._ledger.missing(chain, begin, half)
        return in_turn + self._ledger.missing(chain, first, half - len(in_turn))

    def _refuse(self, unit: str, publication: bytes, fault: TheirFault) -> None:
        self._refusals[hashlib.sha256(publication).hexdigest(), unit, fault.why] = str(fault)[:_WORDS_MAX]

    def _answered_refusals(self) -> list[tuple[tuple[str, str, str], str]]:
        """The refusals that are answered: of each unit's topics one, then a second of each, and so on."""
        turns: Counter[str] = Counter()
        in_turn = []
        for key, words in self._refusals.items():
            turns[key[1]] += 1
            in_turn.append((turns[key[1]], key, words))
        return [(key, words) for _, key, words in sorted(in_turn, key=itemgetter(0))[:ANSWERED_REFUSALS_MAX]]

    def _signed_refusals(self) -> Answers:
        """The refusals, those sent before byte for byte the same; new ones are kept while there is room for them."""
        before = self._ledger.refused({publication for publication, _, _ in self._refusals})
        kept: Counter[str] = Counter()
        rows: list[tuple[str, str, str, int, bytes]] = []
        answers: Answers = []
        for (publication, unit, why), words in self._answered_refusals():
            signed = before.get((publication, unit, why))
            if signed is None:
                refused = Refused(self._now, self._intake.keys.signer.verifier.name, publication, unit, why, words)
                signed = note.write(refused, self._intake.keys.signer)
                if unit not in kept:
                    kept[unit] = self._ledger.refusals_of(unit)
                most = REFUSALS_MAX if unit in self._trusted else REFUSALS_MAX // 2
                if kept[unit] < REFUSALS_OF_A_UNIT_MAX and self._ledger.refusals + len(rows) < most:
                    kept[unit] += 1
                    rows.append((publication, unit, why, self._now, signed))
            answers.append((self._intake.topic(unit), signed))
        self._ledger.add_refusals(rows)
        return answers

    def _tell(self) -> None:
        log = self._intake.log
        for event, facts in self._events:
            log(event, **facts)
        most = Counter((unit, why) for _, unit, why in self._refusals).most_common(TOLD_REFUSALS_MAX)
        for (unit, why), count in sorted(most):
            log(Event.REFUSED, unit=unit, why=why, count=count)
        if len(self._refusals) > ANSWERED_REFUSALS_MAX:
            log(Event.UNANSWERED, count=len(self._refusals) - ANSWERED_REFUSALS_MAX)
        if self._dropped:
            log(Event.TOPIC_UNKNOWN, count=self._dropped)
        if self._kept or self._chunks_kept or self._copies:
            log(Event.KEPT, envelopes=self._kept, chunks=self._chunks_kept, copies=self._copies)


def told_in(told: Told | None, kind: type[TellingT], trusted: Mapping[str, Verifier]) -> TellingT | None:
    """What a unit last told of itself; None when there is nothing that its key of today has signed."""
    try:
        return note.read(told.note, kind, trusted).statement if told else None
    except TheirFault:
        return None


class _Dated(msgspec.Struct):
    at: int


_DATED = msgspec.json.Decoder(_Dated)


def _at_of(receipt: bytes) -> int:
    """Of when a receipt of our own is; 0 where there is none yet."""
    return _DATED.decode(receipt.split(b"\n", 2)[1]).at if receipt else 0
