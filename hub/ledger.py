"""The ledger: everything a hub holds, in one database that is never overwritten.

SQLite (WAL, `synchronous=FULL`) or PostgreSQL (`synchronous_commit=on`), both asserted at start; one connection, used
by one thread, and one writer at a time. Rows are added and their states move on; no row that holds evidence is changed
in what it says, or removed: of forks and conflicts both sides are kept.
"""

import dataclasses
import fcntl
import hashlib
import itertools
import os
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import psycopg
from peewee import (
    BigIntegerField,
    BlobField,
    BooleanField,
    CompositeKey,
    Database,
    DatabaseError,
    ForeignKeyField,
    IntegerField,
    InterfaceError,
    Model,
    PostgresqlDatabase,
    SqliteDatabase,
    TextField,
    Value,
    fn,
)

from hub.settings import POSTGRESQL
from wire.envelope import Sealed
from wire.errors import NotForUsError, OurFault

_LOCK_NUMBER = 0x7465737469676F
"""What PostgreSQL's advisory lock of the one writer is called: `testigo` in ASCII."""

_NOT_FOR_US = NotForUsError.why

_STEP = 500
"""How many rows are asked for by their numbers in one query."""

_AT = "at"
"""What the time of the last receipt is called among what the ledger is of."""


class Outcome(Enum):
    """What the hub's profile says of a record's payloads."""

    ACTA = "acta"
    INCOMPLETE = "incomplete"
    UNREAD = "unread"
    TRAINING = "training"


class AboutRow(Model):
    """What the ledger is of: a deployment, a profile; and the time of the last receipt."""

    name = TextField(primary_key=True)
    value = TextField()

    class Meta:
        table_name = "about"


class ChainRow(Model):
    """A unit's chain: up to where it is held without a gap, and the last receipt said so."""

    id = BigIntegerField(primary_key=True)
    unit = TextField()
    chain = TextField()
    seq = BigIntegerField()
    hash = TextField()
    receipt = BlobField()
    state = TextField()

    class Meta:
        table_name = "chain"
        indexes = ((("unit", "chain"), True),)


class EnvelopeRow(Model):
    """An envelope and its sealed record, byte for byte.

    `stray` ones fork from their chain or do not follow in it: evidence, beside the chain. `fault` says why the sealed
    record could not be opened or does not fit; such an envelope has its place in the chain, but no record. `whole`
    says that all its pictures are.
    """

    id = BigIntegerField(primary_key=True)
    chain = ForeignKeyField(ChainRow, index=False)
    seq = BigIntegerField()
    hash = TextField()
    prev = TextField()
    at = BigIntegerField()
    stray = BooleanField()
    whole = BooleanField()
    fault = TextField()
    note = BlobField()
    sealed = BlobField()

    class Meta:
        table_name = "envelope"
        # With `prev` in it, what fits is found at once among however many others claim the same place.
        indexes = ((("chain", "seq", "prev", "hash"), True), (("chain", "whole", "seq"), False))


class RecordRow(Model):
    """An opened record: `reading` names its set of payloads, which are kept as a JSON array in `payloads`."""

    envelope = ForeignKeyField(EnvelopeRow, primary_key=True)
    outcome = TextField()
    mesa = TextField()
    reading = TextField()
    words = TextField()
    payloads = TextField()
    note = BlobField()

    class Meta:
        table_name = "record"
        indexes = ((("mesa", "reading"), False), (("outcome",), False))


class PictureRow(Model):
    """A sealed picture that a unit's envelopes name."""

    id = BigIntegerField(primary_key=True)
    unit = TextField()
    sha256 = TextField()
    size = IntegerField()
    whole = BooleanField()

    class Meta:
        table_name = "picture"
        indexes = ((("unit", "sha256", "size"), True),)


class NamedRow(Model):
    """Which envelope names which picture."""

    envelope = ForeignKeyField(EnvelopeRow, index=False)
    picture = ForeignKeyField(PictureRow)

    class Meta:
        table_name = "named"
        primary_key = CompositeKey("envelope", "picture")


class ChunkRow(Model):
    """A chunk of a picture that is not whole yet; with the last one they become a file and go."""

    picture = ForeignKeyField(PictureRow, index=False)
    number = IntegerField()
    content = BlobField()

    class Meta:
        table_name = "chunk"
        primary_key = CompositeKey("picture", "number")


class RefusedRow(Model):
    """A refusal, as it was signed: sent again for every copy."""

    id = BigIntegerField(primary_key=True)
    publication = TextField()
    unit = TextField()
    why = TextField()
    at = BigIntegerField()
    note = BlobField()

    class Meta:
        table_name = "refused"
        indexes = ((("publication", "unit", "why"), True), (("unit",), False))


_TABLES: tuple[type[Model], ...] = (
    AboutRow,
    ChainRow,
    EnvelopeRow,
    RecordRow,
    PictureRow,
    NamedRow,
    ChunkRow,
    RefusedRow,
)


@dataclass(slots=True)
class Chain:
    """A chain's state; `receipt` is the last signed note, and `state` names what it says."""

    id: int
    unit: str
    chain: str
    seq: int
    hash: str
    receipt: bytes
    state: str


@dataclass(frozen=True, slots=True)
class Place:
    """An envelope's place in its chain."""

    id: int
    seq: int
    hash: str
    prev: str
    stray: bool
    fault: str


@dataclass(frozen=True, slots=True)
class Kept:
    """An envelope to be kept."""

    chain: Chain
    seq: int
    hash: str
    prev: str
    stray: bool
    fault: str
    note: bytes
    sealed: bytes
    pictures: tuple[Sealed, ...]
    record: "Read | None"


@dataclass(frozen=True, slots=True)
class Read:
    """An opened record, and what the profile says of it."""

    outcome: Outcome
    mesa: str
    reading: str
    words: str
    payloads: str
    note: bytes


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture's state."""

    id: int
    name: Sealed
    whole: bool


@dataclass(frozen=True, slots=True)
class Lacking:
    """A picture that is not whole, and the envelope that names it."""

    picture: Picture
    seq: int

    @property
    def place(self) -> tuple[int, int]:
        """Where it stands among those of its chain."""
        return self.seq, self.picture.id


@dataclass(frozen=True, slots=True)
class _Slot:
    """Where an argument of a prepared query goes."""

    number: int


def _slot(number: int) -> Value:
    return Value(_Slot(number), converter=False)


class _Prepared:
    """A query whose SQL is built once: peewee takes longer to build one than a database to answer it."""

    def __init__(self, database: Database, query: Any) -> None:
        self._database = database
        self._sql, self._values = database.get_sql_context().sql(query).query()  # type: ignore[no-untyped-call]

    def __call__(self, *arguments: Any) -> Any:
        """Runs it, and returns the cursor."""
        values = [arguments[each.number] if isinstance(each, _Slot) else each for each in self._values]
        return _do(self._database, self._sql, *values)


class Ledger:
    """An open ledger; see `opened`.

    Every method belongs to the thread that opened it. What changes the ledger is called within `transaction`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._thread = threading.get_ident()
        self._prepared: dict[str, _Prepared] = {}
        self._ids = {
            table: itertools.count(1 + (self._rows(table.select(fn.MAX(table.id)))[0][0] or 0))
            for table in (ChainRow, EnvelopeRow, PictureRow, RefusedRow)
        }
        self._prepare()
        self.refusals = int(self._rows(RefusedRow.select(fn.COUNT(RefusedRow.id)))[0][0])
        """How many refusals are kept, durably."""
        self._refusals_added = 0
        self._held: dict[str, int] = {}
        """How many bytes of pictures are held for a unit, as far as it was asked since they last changed otherwise."""
        self.at = int(next(iter(self._rows(self._about_at())), ("0",))[0])
        """The time of the last receipt; no later one is older."""

    @classmethod
    @contextmanager
    def opened(cls, place: str, about: Mapping[str, str], *, write: bool) -> Iterator[Self]:
        """Opens a ledger, and closes it in the end.

        Args:
            place: path of an SQLite file, made when it is not there, or a `postgresql://` DSN.
            about: what the ledger must be of; a new one is of that.
            write: whether to keep; only one can at a time. Reading needs no lock, and never disturbs the writer.

        Raises:
            OurFault: it cannot be opened, is another's, or does not promise to survive a power cut.
        """
        where = "the PostgreSQL database" if place.startswith(POSTGRESQL) else place
        try:
            with _connected(place, write=write) as database:
                _check_about(database, about, where, write=write)
                yield cls(database)
        except (DatabaseError, InterfaceError, sqlite3.Error, psycopg.Error) as error:
            raise OurFault(f"ledger in {where}: {str(error).strip()}: see that it is whole and not full") from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is done within becomes durable together at the end, or not at all."""
        assert threading.get_ident() == self._thread, "the ledger belongs to the thread that opened it"
        self._refusals_added = 0
        try:
            with self._database.atomic():
                yield
        except BaseException:
            self._held.clear()
            raise
        self.refusals += self._refusals_added

    def _prepare(self) -> None:
        """Builds the queries that are asked for each chain of each batch."""
        row, chain, seq = EnvelopeRow, EnvelopeRow.chain == _slot(0), EnvelopeRow.seq
        places = row.select(row.id, row.seq, row.hash, row.prev, row.stray, row.fault).order_by(row.seq, row.id)
        # Said so, and not as `NOT whole`, SQLite takes the index, and does not read all of a long chain.
        incomplete = chain & (row.whole == Value(False, converter=False)) & ~row.stray
        lacking = (PictureRow.id, PictureRow.sha256, PictureRow.size, seq)
        missing = PictureRow.select(*lacking).join(NamedRow).join(EnvelopeRow).order_by(seq, PictureRow.id)
        beyond = (seq >= _slot(1)) & ((seq > _slot(1)) | (PictureRow.id > _slot(2)))
        held = places.where(chain & (seq > _slot(1)) & ~row.stray).limit(_slot(2))
        fitting = places.where(chain & (seq == _slot(1)) & (row.prev == _slot(2))).limit(1)
        moved = {"seq": _slot(1), "hash": _slot(2), "receipt": _slot(3), "state": _slot(4)}
        chunks = ChunkRow.picture == _slot(0)
        for name, query in {
            "places": places.where(chain & (seq >= _slot(1)) & (seq <= _slot(2))),
            "following": held,
            "extras": held.order_by(row.seq.desc(), row.id.desc()),
            "fitting": fitting,
            "whole": row.select(fn.MIN(seq)).where(incomplete & (seq <= _slot(1))),
            "missing": missing.where(incomplete & beyond & ~PictureRow.whole).limit(_slot(3)),
            "strays": row.select(fn.COUNT(row.id)).where(chain & row.stray),
            "numbers": ChunkRow.select(ChunkRow.number).where(chunks),
            "chunk": ChunkRow.select(ChunkRow.content).where(chunks & (ChunkRow.number == _slot(1))),
            "move on": ChainRow.update(**moved).where(ChainRow.id == _slot(0)),
        }.items():
            self._prepared[name] = _Prepared(self._database, query)

    def _rows(self, query: Any) -> list[tuple[Any, ...]]:
        assert threading.get_ident() == self._thread, "the ledger belongs to the thread that opened it"
        return list(query.tuples().execute(self._database))

    def _do(self, query: Any) -> None:
        query.execute(self._database)

    def _insert(self, table: type[Model], rows: Sequence[tuple[Any, ...]], fields: Sequence[Any]) -> None:
        """Adds rows; one that is there already is an error."""
        names = ", ".join(f'"{field.column_name}"' for field in fields)
        slots = ", ".join(self._database.param for _ in fields)
        sql = f'INSERT INTO "{table._meta.table_name}" ({names}) VALUES ({slots})'  # noqa: S608  names of our own
        if rows:
            self._database.cursor().executemany(sql, rows)  # type: ignore[no-untyped-call]

    # Chains

    def chains(self, wanted: Collection[tuple[str, str]]) -> dict[tuple[str, str], Chain]:
        """The chains of these (unit, chain) that are known."""
        row = ChainRow
        fields = (row.id, row.unit, row.chain, row.seq, row.hash, row.receipt, row.state)
        units, names = sorted({unit for unit, _ in wanted}), sorted({chain for _, chain in wanted})
        query = row.select(*fields).where((row.unit << units) & (row.chain << names))
        rows = self._rows(query) if wanted else []
        known = {
            (unit, chain): Chain(id_, unit, chain, seq, hash_, bytes(receipt), state)
            for id_, unit, chain, seq, hash_, receipt, state in rows
        }
        return {key: known[key] for key in wanted if key in known}

    def begin(self, chain: Chain) -> Chain:
        """Adds a new chain, and says under which number."""
        row, new = ChainRow, dataclasses.replace(chain, id=next(self._ids[ChainRow]))
        fields = (row.id, row.unit, row.chain, row.seq, row.hash, row.receipt, row.state)
        self._insert(row, [(new.id, new.unit, new.chain, new.seq, new.hash, new.receipt, new.state)], fields)
        return new

    def chains_of(self, unit: str) -> int:
        """How many chains a unit has."""
        return int(self._rows(ChainRow.select(fn.COUNT(ChainRow.id)).where(ChainRow.unit == unit))[0][0])

    def move_on(self, chain: Chain) -> None:
        """Keeps a chain's state as it is now."""
        self._prepared["move on"](chain.id, chain.seq, chain.hash, chain.receipt, chain.state)

    def passes(self, at: int) -> None:
        """Keeps the time that receipts bear now."""
        if at > self.at:
            row = AboutRow
            query = row.insert(name=_AT, value=str(at))
            self._do(query.on_conflict(conflict_target=[row.name], update={row.value: str(at)}))
            self.at = at

    def _about_at(self) -> Any:
        return AboutRow.select(AboutRow.value).where(AboutRow.name == _AT)

    # Envelopes

    def places(self, chain: Chain, seqs: Iterable[int]) -> list[Place]:
        """What is held at these places of a chain."""
        found: list[Place] = []
        # Most often the places are one run without a gap: one query.
        for _, run in itertools.groupby(enumerate(sorted(seqs)), lambda numbered: numbered[1] - numbered[0]):
            numbers = [seq for _, seq in run]
            found += self._places("places", chain, numbers[0], numbers[-1])
        return found

    def following(self, chain: Chain, limit: int) -> list[Place]:
        """What is held beyond a chain's contiguous part and may come to follow, lowest first."""
        return self._places("following", chain, chain.seq, limit)

    def fitting(self, chain: Chain) -> Place | None:
        """What follows the last of a chain's contiguous part, stray or not; of several the first that came."""
        return next(iter(self._places("fitting", chain, chain.seq + 1, chain.hash)), None)

    def extras(self, chain: Chain, limit: int) -> list[Place]:
        """What is held beyond a chain's contiguous part and may come to follow, highest first."""
        return self._places("extras", chain, chain.seq, limit)

    def _places(self, name: str, chain: Chain, *arguments: int | str) -> list[Place]:
        return [
            Place(id_, seq, hash_, prev, bool(stray), fault)
            for id_, seq, hash_, prev, stray, fault in self._prepared[name](chain.id, *arguments)
        ]

    def strays_beside(self, chain: Chain) -> int:
        """How many envelopes are held beside a chain."""
        return int(self._prepared["strays"](chain.id).fetchone()[0])

    def publication(self, place: Place) -> tuple[bytes, bytes]:
        """An envelope's note and sealed record, as they came."""
        query = EnvelopeRow.select(EnvelopeRow.note, EnvelopeRow.sealed).where(EnvelopeRow.id == place.id)
        note, sealed = self._rows(query)[0]
        return bytes(note), bytes(sealed)

    def keep(self, envelopes: Sequence[Kept], at: int) -> None:
        """Adds envelopes, their records, and the pictures they name."""
        row = EnvelopeRow
        ids = [next(self._ids[EnvelopeRow]) for _ in envelopes]
        wanted = {(each.chain.unit, name) for each in envelopes for name in each.pictures}
        pictures = self._begun(wanted)
        naming = [
            (id_, pictures[each.chain.unit, name])
            for id_, each in zip(ids, envelopes, strict=True)
            for name in dict.fromkeys(each.pictures)
        ]
        lacking = {id_ for id_, picture in naming if not picture.whole}
        self._insert(
            row,
            [
                (
                    *(id_, kept.chain.id, kept.seq, kept.hash, kept.prev, at, kept.stray, id_ not in lacking),
                    *(kept.fault, kept.note, kept.sealed),
                )
                for id_, kept in zip(ids, envelopes, strict=True)
            ],
            (
                row.id,
                row.chain,
                row.seq,
                row.hash,
                row.prev,
                row.at,
                row.stray,
                row.whole,
                row.fault,
                row.note,
                row.sealed,
            ),
        )
        self._add_records(
            [(id_, kept.record) for id_, kept in zip(ids, envelopes, strict=True) if kept.record is not None]
        )
        self._insert(NamedRow, [(id_, picture.id) for id_, picture in naming], (NamedRow.envelope, NamedRow.picture))

    def _add_records(self, records: Sequence[tuple[int, Read]]) -> None:
        row = RecordRow
        self._insert(
            row,
            [
                (id_, read.outcome.value, read.mesa, read.reading, read.words, read.payloads, read.note)
                for id_, read in records
            ],
            (row.envelope, row.outcome, row.mesa, row.reading, row.words, row.payloads, row.note),
        )

    def set_stray(self, place: Place, *, stray: bool) -> None:
        """Says that an envelope does not follow in its chain, or does after all."""
        self._do(EnvelopeRow.update(stray=stray).where(EnvelopeRow.id == place.id))

    def sealed_to_others(self) -> Iterator[tuple[int, str, bytes, bytes]]:
        """The envelopes that the hub's key did not open when they came: (id, unit, note, sealed record)."""
        row = EnvelopeRow
        for id_, unit in self._rows(row.select(row.id, ChainRow.unit).join(ChainRow).where(row.fault == _NOT_FOR_US)):
            note, sealed = self._rows(row.select(row.note, row.sealed).where(row.id == id_))[0]
            yield id_, unit, bytes(note), bytes(sealed)

    def opened_late(self, envelope: int, read: Read) -> None:
        """Adds the record of an envelope that could not be opened before."""
        self._add_records([(envelope, read)])
        self._do(EnvelopeRow.update(fault="").where(EnvelopeRow.id == envelope))

    def mesas(self, envelopes: Collection[int]) -> dict[int, str]:
        """The mesas of which these envelopes hold a reading, by envelope."""
        query = RecordRow.select(RecordRow.envelope, RecordRow.mesa).where(
            (RecordRow.envelope << sorted(envelopes)) & (RecordRow.mesa != "")
        )
        return dict(self._rows(query)) if envelopes else {}

    def differing(self, mesas: Collection[str]) -> set[str]:
        """Which of these mesas have more than one reading among what may count."""
        query = (
            RecordRow.select(RecordRow.mesa)
            .join(EnvelopeRow)
            .where((RecordRow.mesa << sorted(mesas)) & (RecordRow.outcome == Outcome.ACTA.value) & ~EnvelopeRow.stray)
            .group_by(RecordRow.mesa)
            .having(fn.COUNT(RecordRow.reading.distinct()) > 1)
        )
        return {mesa for (mesa,) in self._rows(query)} if mesas else set()

    # Pictures

    def whole(self, chain: Chain) -> int:
        """Up to which place of a chain all is held, pictures included."""
        first = self._prepared["whole"](chain.id, chain.seq).fetchone()[0]
        return chain.seq if first is None else first - 1

    def missing(self, chain: Chain, after: tuple[int, int], limit: int) -> list[Lacking]:
        """The pictures of a chain that are not whole, the oldest first, from beyond a place in that order."""
        rows = self._prepared["missing"](chain.id, *after, limit).fetchall()
        return [Lacking(Picture(id_, Sealed(sha256, size), whole=False), seq) for id_, sha256, size, seq in rows]

    def missing_chunks(self, picture: Picture, limit: int) -> tuple[int, ...]:
        """The first chunks of a picture that are not held."""
        held = self._chunk_numbers(picture.id)
        missing = (number for number in range(picture.name.chunks) if number not in held)
        return tuple(itertools.islice(missing, limit))

    def _chunk_numbers(self, picture_id: int) -> set[int]:
        return {number for (number,) in self._prepared["numbers"](picture_id)}

    def pictures(self, unit: str, sha256: str) -> list[Picture]:
        """The pictures of that SHA-256 that a unit's envelopes name: one, or as many as it claims sizes, in order."""
        row = PictureRow
        which = (row.unit == unit) & (row.sha256 == sha256)
        # What was claimed first was claimed before anybody could know the name and lie about the size.
        query = row.select(row.id, row.sha256, row.size, row.whole).where(which).order_by(row.id)
        return [Picture(id_, Sealed(sha256, size), bool(whole)) for id_, sha256, size, whole in self._rows(query)]

    def held(self, unit: str) -> int:
        """How many bytes of pictures are held for a unit, whole or not."""
        if unit not in self._held:
            row, whole = PictureRow, (PictureRow.unit == unit) & PictureRow.whole
            chunks = ChunkRow.select(fn.SUM(fn.LENGTH(ChunkRow.content))).join(row).where(row.unit == unit)
            sums = self._rows(row.select(fn.SUM(row.size)).where(whole)) + self._rows(chunks)
            self._held[unit] = sum(int(found or 0) for (found,) in sums)
        return self._held[unit]

    def add_chunk(self, unit: str, picture: Picture, number: int, content: bytes) -> bool:
        """Adds a chunk of a unit's picture unless it is held; True when with it no chunk is missing."""
        numbers = self._chunk_numbers(picture.id)
        if number not in numbers:
            row, before = ChunkRow, self.held(unit)
            self._insert(row, [(picture.id, number, content)], (row.picture, row.number, row.content))
            self._held[unit] = before + len(content)
        return len(numbers | {number}) == picture.name.chunks

    def chunks(self, picture: Picture) -> Iterator[bytes]:
        """The chunks of a picture in order, one in memory at a time."""
        for number in range(picture.name.chunks):
            yield bytes(self._prepared["chunk"](picture.id, number).fetchone()[0])

    def forget_chunks(self, unit: str, picture: Picture) -> None:
        """Removes the chunks of a unit's picture: it is a file now, or they were not its own."""
        self._held.pop(unit, None)
        self._do(ChunkRow.delete().where(ChunkRow.picture == picture.id))

    def complete(self, picture: Picture) -> None:
        """Says that a picture is whole."""
        self._do(PictureRow.update(whole=True).where(PictureRow.id == picture.id))
        naming = NamedRow.select(NamedRow.envelope).where(NamedRow.picture == picture.id)
        lacking = (
            NamedRow.select(NamedRow.envelope).join(PictureRow).where((NamedRow.envelope << naming) & ~PictureRow.whole)
        )
        self._do(EnvelopeRow.update(whole=True).where((EnvelopeRow.id << naming) & EnvelopeRow.id.not_in(lacking)))

    def named_pictures(self, *, whole: bool) -> list[tuple[str, Picture]]:
        """The pictures that are whole, or those that are not, with the unit that named each, in order."""
        row = PictureRow
        rows = self._rows(row.select(row.unit, row.sha256, row.size, row.id).where(row.whole == whole))
        return [(unit, Picture(id_, Sealed(sha256, size), whole=whole)) for unit, sha256, size, id_ in sorted(rows)]

    def lose(self, pictures: Sequence[Picture]) -> None:
        """Says that pictures are no longer whole."""
        for begin in range(0, len(pictures), _STEP):
            ids = [picture.id for picture in pictures[begin : begin + _STEP]]
            naming = NamedRow.select(NamedRow.envelope).where(NamedRow.picture << ids)
            self._do(EnvelopeRow.update(whole=False).where(EnvelopeRow.id << naming))
            self._do(PictureRow.update(whole=False).where(PictureRow.id << ids))
            # The last receipt of these chains says what is no longer so: the next answer is signed anew.
            chains = EnvelopeRow.select(EnvelopeRow.chain).where(EnvelopeRow.id << naming)
            self._do(ChainRow.update(state="").where(ChainRow.id << chains))
        self._held.clear()

    def chains_naming(self, picture: Picture) -> set[tuple[str, str]]:
        """The (unit, chain) whose envelopes name a picture."""
        query = (
            ChainRow.select(ChainRow.unit, ChainRow.chain)
            .join(EnvelopeRow)
            .join(NamedRow)
            .where(NamedRow.picture == picture.id)
            .distinct()
        )
        return {(unit, chain) for unit, chain in self._rows(query)}

    def _begun(self, wanted: Collection[tuple[str, Sealed]]) -> dict[tuple[str, Sealed], Picture]:
        """The pictures named, by unit and name; those that are not known yet are begun, without a chunk."""
        row = PictureRow
        fields = (row.id, row.unit, row.sha256, row.size, row.whole)
        units, hashes = sorted({unit for unit, _ in wanted}), sorted({name.sha256 for _, name in wanted})
        query = row.select(*fields).where((row.unit << units) & (row.sha256 << hashes))
        known = {
            (unit, Sealed(sha256, size)): Picture(id_, Sealed(sha256, size), bool(whole))
            for id_, unit, sha256, size, whole in (self._rows(query) if wanted else [])
        }
        begun = {
            (unit, name): Picture(next(self._ids[PictureRow]), name, whole=False)
            for unit, name in wanted
            if (unit, name) not in known
        }
        self._insert(
            row, [(new.id, unit, name.sha256, name.size, False) for (unit, name), new in begun.items()], fields
        )
        return known | begun

    # Refusals

    def refused(self, publications: Collection[str]) -> dict[tuple[str, str, str], bytes]:
        """The refusals that were signed before, by (publication, unit, why)."""
        row = RefusedRow
        query = row.select(row.publication, row.unit, row.why, row.note).where(row.publication << sorted(publications))
        rows = self._rows(query) if publications else []
        return {(publication, unit, why): bytes(note) for publication, unit, why, note in rows}

    def refusals_of(self, unit: str) -> int:
        """How many refusals are kept of a unit's topics."""
        query = RefusedRow.select(fn.COUNT(RefusedRow.id)).where(RefusedRow.unit == unit)
        return int(self._rows(query)[0][0])

    def add_refusals(self, rows: Sequence[tuple[str, str, str, int, bytes]]) -> None:
        """Keeps refusals: (publication, unit, why, at, note)."""
        row = RefusedRow
        fields = (row.id, row.publication, row.unit, row.why, row.at, row.note)
        self._insert(row, [(next(self._ids[RefusedRow]), *each) for each in rows], fields)
        self._refusals_added += len(rows)

    # Reading, for the count

    def readings(self) -> list[tuple[str, str, int, int, int]]:
        """What may count: (mesa, reading, units, first seen at, an envelope that holds it), in order."""
        record, envelope = RecordRow, EnvelopeRow
        query = (
            record.select(
                record.mesa,
                record.reading,
                fn.COUNT(ChainRow.unit.distinct()),
                fn.MIN(envelope.at),
                fn.MIN(envelope.id),
            )
            .join(envelope)
            .join(ChainRow)
            .where((record.outcome == Outcome.ACTA.value) & ~envelope.stray)
            .group_by(record.mesa, record.reading)
        )
        return sorted(self._rows(query))

    def payloads(self, envelopes: Sequence[int]) -> Iterator[str]:
        """The payloads (a JSON array) that these envelopes hold, in their order, read a few hundred at a time."""
        for begin in range(0, len(envelopes), _STEP):
            some = envelopes[begin : begin + _STEP]
            query = RecordRow.select(RecordRow.envelope, RecordRow.payloads).where(RecordRow.envelope << list(some))
            found = dict(self._rows(query))
            yield from (found[envelope] for envelope in some)

    def records(self, outcome: Outcome) -> list[tuple[str, str, int, int, str]]:
        """All records of that outcome: (unit, chain, seq, kept at, words), in order."""
        query = (
            RecordRow.select(ChainRow.unit, ChainRow.chain, EnvelopeRow.seq, EnvelopeRow.at, RecordRow.words)
            .join(EnvelopeRow)
            .join(ChainRow)
            .where((RecordRow.outcome == outcome.value) & ~EnvelopeRow.stray)
        )
        return sorted(self._rows(query))

    def unopened(self) -> list[tuple[str, str, int, int, str]]:
        """All envelopes whose record could not be opened: (unit, chain, seq, kept at, why), in order."""
        return self._envelopes((EnvelopeRow.fault != "") & ~EnvelopeRow.stray)

    def strays(self) -> list[tuple[str, str, int, int, str]]:
        """All envelopes beside their chain: (unit, chain, seq, kept at, hash), in order."""
        return self._envelopes(EnvelopeRow.stray, EnvelopeRow.hash)

    def _envelopes(self, which: Any, last: Any = EnvelopeRow.fault) -> list[tuple[str, str, int, int, str]]:
        query = (
            EnvelopeRow.select(ChainRow.unit, ChainRow.chain, EnvelopeRow.seq, EnvelopeRow.at, last)
            .join(ChainRow)
            .where(which)
        )
        return sorted(self._rows(query))


@contextmanager
def _connected(place: str, *, write: bool) -> Iterator[Database]:
    """A connection that keeps what it promises, and the writer's lock with it."""
    if place.startswith(POSTGRESQL):
        with _used(PostgresqlDatabase(place, prefer_psycopg3=True, thread_safe=False)) as database:
            if write:
                # A hub killed a moment ago may still be going: its lock is waited for, not for ever.
                _do(database, "SET lock_timeout = '10s'")
                _do(database, "SELECT pg_advisory_lock(%s)", _LOCK_NUMBER)
                _do(database, "SET synchronous_commit = on")
                for setting in ("synchronous_commit", "fsync", "full_page_writes"):
                    found = _value(database, f"SHOW {setting}")
                    if found != "on":
                        raise OurFault(f"PostgreSQL has {setting} = {found}, expected on: correct its configuration")
            else:
                _do(database, "SET default_transaction_read_only = on")
                _do(database, "SET default_transaction_isolation = 'repeatable read'")
            yield database
    elif write:
        try:
            lock = os.open(f"{place}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            # A folder made here could be the mount point of a disk that is not there.
            raise OurFault(f"ledger {place}: {error.strerror}: make its folder, for the hub to write in") from error
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise OurFault(
                    f"ledger {place}: the hub is running and has it open: stop it first, or give each hub its own"
                ) from error
            pragmas = {"journal_mode": "wal", "synchronous": "full", "foreign_keys": 1}
            with _used(SqliteDatabase(place, pragmas=pragmas, thread_safe=False)) as database:
                found = [_value(database, f"PRAGMA {name}") for name in ("journal_mode", "synchronous")]
                if found != ["wal", 2]:
                    raise OurFault(f"ledger {place}: expected wal and synchronous 2, found {found}: use a local disk")
                yield database
        finally:
            os.close(lock)
    else:
        if not Path(place).is_file():
            raise OurFault(f"ledger {place}: there is none yet: run the hub first")
        # Read-only it never checkpoints; SQLite before 3.51.3 can corrupt a database that two connections checkpoint.
        uri = f"file:{quote(place)}?mode=ro"
        with _used(SqliteDatabase(uri, uri=True, thread_safe=False)) as database:
            yield database


@contextmanager
def _used(database: Database) -> Iterator[Database]:
    database.connect()
    try:
        yield database
    finally:
        database.close()


def _do(database: Database, sql: str, *values: Any) -> Any:
    return database.execute_sql(sql, values)  # type: ignore[no-untyped-call]


def _value(database: Database, sql: str) -> Any:
    return _do(database, sql).fetchone()[0]


def _check_about(database: Database, about: Mapping[str, str], where: str, *, write: bool) -> None:
    if write:
        with database.atomic(), database.bind_ctx(_TABLES):
            database.create_tables(_TABLES)
            rows = list(about.items())
            AboutRow.insert_many(rows, (AboutRow.name, AboutRow.value)).on_conflict_ignore().execute(database)
    query: Any = AboutRow.select(AboutRow.name, AboutRow.value).tuples()
    found = dict(query.execute(database))
    for name, value in about.items():
        if found.get(name) != value:
            raise OurFault(f"ledger in {where}: {name}: expected {value!r}, found {found.get(name)!r}: it is another's")


def reading_of(payloads: Iterable[str]) -> str:
    """The name of a set of payloads: in whatever order and how often they were read, it is the same."""
    digest = hashlib.sha256()
    for payload in sorted(set(payloads)):
        encoded = payload.encode("utf-8")
        digest.update(len(encoded).to_bytes(4, "big") + encoded)
    return digest.hexdigest()
