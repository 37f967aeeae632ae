"""The ledger: everything a hub holds, in one database that is never overwritten.

SQLite (WAL, `synchronous=FULL`) or PostgreSQL (`synchronous_commit=on`), both asserted at start; one connection, used
by one thread, and one writer at a time. Rows are added and their states move on; no row that holds evidence is changed
in what it says, or removed: of forks and conflicts both sides are kept.
"""

import dataclasses
import fcntl
import functools
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
    OperationalError,
    PostgresqlDatabase,
    SqliteDatabase,
    TextField,
    Value,
    fn,
)

from hub.settings import POSTGRESQL
from wire.envelope import CHUNK_BYTES, PICTURE_BYTES_MAX, Sealed
from wire.errors import NotForUsError, OurFault

_LOCK_NUMBER = 0x7465737469676F
"""What PostgreSQL's advisory lock of the one writer is called: `testigo` in ASCII."""

_IS_OPEN = "the hub is running and has it open: stop it first, or give each hub its own"

LOCK_SECONDS = 5
"""How long PostgreSQL may take to see that a hub which had the lock is gone: one that was killed has no time to say."""

_NOT_FOR_US = NotForUsError.why

_STEP = 500
"""How many rows are asked for by their numbers in one query."""

_AT = "at"
"""What the time of the last receipt is called among what the ledger is of."""


class NoLedgerError(OurFault):
    """There is no ledger yet: no hub has run on that database."""


class Outcome(Enum):
    """What the hub's profile says of a record's payloads."""

    ACTA = "acta"
    INCOMPLETE = "incomplete"
    PART = "part"
    UNREAD = "unread"
    CONTROL = "control"
    TRAINING = "training"


PACKAGE = "package"
"""In what the ledger is of: the number of the latest package that its hub went by; none goes back."""


class AboutRow(Model):
    """What the ledger is of: a deployment, a profile, a package; and the time of the last receipt."""

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
    """A chunk of a picture that is not whole yet, up to which byte of it; with the last one they become a file and go.

    It is of all the unit's pictures of that SHA-256 that it fits: whoever stole the unit's key may claim many sizes, of
    which one at most is true. `tried` ones are not the picture of a size that they end, and may be in a longer one.
    """

    unit = TextField()
    sha256 = TextField()
    length = IntegerField()
    until = IntegerField()
    tried = BooleanField()
    content = BlobField()

    class Meta:
        table_name = "chunk_held"  # in `chunk` hubs kept those of each size apart; what lies there is asked for again
        # By length: however many short ones were claimed and came, the full ones are found at once.
        primary_key = CompositeKey("unit", "sha256", "length", "until")


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


class BeatRow(Model):
    """A unit's last beat, as it was signed, and when it came: of today's health, not of the evidence."""

    unit = TextField(primary_key=True)
    at = BigIntegerField()
    note = BlobField()

    class Meta:
        table_name = "beat"


class ReadinessRow(Model):
    """A unit's last readiness report, as it was signed, and when it came: of the unit, not of the evidence."""

    unit = TextField(primary_key=True)
    at = BigIntegerField()
    note = BlobField()

    class Meta:
        table_name = "readiness"


_TABLES: tuple[type[Model], ...] = (
    AboutRow,
    ChainRow,
    EnvelopeRow,
    RecordRow,
    PictureRow,
    NamedRow,
    ChunkRow,
    RefusedRow,
    BeatRow,
    ReadinessRow,
)


_TellingRow = type[BeatRow] | type[ReadinessRow]


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
    """An envelope's place in its chain; it is `whole` when all its pictures are held, too."""

    id: int
    seq: int
    hash: str
    prev: str
    stray: bool
    fault: str
    whole: bool


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
class Told:
    """What a unit last told of itself, a beat or a readiness report: whose, when it came, the note."""

    unit: str
    at: int
    note: bytes


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture's state."""

    id: int
    name: Sealed
    whole: bool


@dataclass(frozen=True, slots=True)
class Claims:
    """All that a unit's envelopes claim of one SHA-256, and what is held of it.

    Attributes:
        unit, sha256: whose, and of what.
        pictures: their ids, by their sizes; one of them at most is the true one.
        longest: the greatest of these sizes.
        is_whole: whether the true one is there; no other can be.
        chains: the (unit, chain) that name them.
        held: the chunks, by where they end in the picture, and whether they were tried.
    """

    unit: str
    sha256: str
    pictures: Mapping[int, int]
    longest: int
    is_whole: bool
    chains: frozenset[tuple[str, str]]
    held: dict[int, bool]

    def fits(self, until: int, length: int) -> bool:
        """Whether a chunk is as long as one that ends there must be."""
        inner = length == CHUNK_BYTES and until < self.longest
        return 0 < length <= CHUNK_BYTES and (inner or until in self.pictures)

    def complete(self) -> list[int]:
        """The sizes to be tried, in order: every chunk is held, and none that ends in a full one was tried with it.

        A short chunk is the last of one size only, and whoever sent it meant that one. A full one may be the last of
        one and inside the true one, and stays when the former is not it: so it is marked, lest that be tried for ever.
        """
        end = untried = 0
        while end + CHUNK_BYTES in self.held:
            end += CHUNK_BYTES
        while self.held.get(untried + CHUNK_BYTES) is False:
            untried += CHUNK_BYTES
        short = [until for until in self.held if until % CHUNK_BYTES and until < end + CHUNK_BYTES]
        full = [until for until in range(CHUNK_BYTES, untried + 1, CHUNK_BYTES) if until in self.pictures]
        return sorted(short + full)


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


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A query whose SQL is built once: peewee takes longer to build one than a database to answer it."""

    database: Database
    sql: str
    values: Sequence[Any]

    def __call__(self, *arguments: Any) -> Any:
        """Runs it, and returns the cursor."""
        values = [arguments[each.number] if isinstance(each, _Slot) else each for each in self.values]
        return _do(self.database, self.sql, *values)


@functools.cache
def _built(*, postgresql: bool) -> Mapping[str, tuple[str, Sequence[Any]]]:
    """The queries that are asked for each chain or picture of each batch, as SQL for a kind of database."""
    row, chain, seq = EnvelopeRow, EnvelopeRow.chain == _slot(0), EnvelopeRow.seq
    columns = (row.id, row.seq, row.hash, row.prev, row.stray, row.fault, row.whole)
    places = row.select(*columns).order_by(row.seq, row.id)
    # Said so, and not as `NOT whole`, SQLite takes the index, and does not read all of a long chain.
    incomplete = chain & (row.whole == Value(False, converter=False)) & ~row.stray
    lacking = (PictureRow.id, PictureRow.sha256, PictureRow.size, seq)
    missing = PictureRow.select(*lacking).join(NamedRow).join(EnvelopeRow).order_by(seq, PictureRow.id)
    beyond = (seq >= _slot(1)) & ((seq > _slot(1)) | (PictureRow.id > _slot(2)))
    held = places.where(chain & (seq > _slot(1)) & ~row.stray).limit(_slot(2))
    fitting = places.where(chain & (seq == _slot(1)) & (row.prev == _slot(2))).limit(1)
    moved = {"seq": _slot(1), "hash": _slot(2), "receipt": _slot(3), "state": _slot(4)}
    chunk, of_claims = ChunkRow, (ChunkRow.unit == _slot(0)) & (ChunkRow.sha256 == _slot(1))
    of_size = of_claims & (chunk.length << [Value(CHUNK_BYTES, converter=False), _slot(2)])
    added = {"unit": _slot(0), "sha256": _slot(1), "length": _slot(2), "until": _slot(3), "content": _slot(4)}
    untried = Value(False, converter=False)
    again = {
        "conflict_target": [chunk.unit, chunk.sha256, chunk.length, chunk.until],
        "update": {chunk.content: _slot(4), chunk.tried: untried},
    }
    picture, of_unit = PictureRow, PictureRow.unit == _slot(0)
    pictures = picture.select(picture.id, picture.size, picture.whole)
    whole = picture.whole == Value(True, converter=False)
    naming = NamedRow.select(NamedRow.envelope).where(NamedRow.picture == _slot(0))
    chains = ChainRow.select(ChainRow.unit, ChainRow.chain).join(row).join(NamedRow).join(picture)
    lacks = NamedRow.select(NamedRow.envelope).join(picture).where((NamedRow.envelope << naming) & ~picture.whole)
    queries = {
        "places": places.where(chain & (seq >= _slot(1)) & (seq <= _slot(2))),
        "following": held,
        "extras": held.order_by(row.seq.desc(), row.id.desc()),
        "fitting": fitting,
        "whole": row.select(fn.MIN(seq)).where(incomplete & (seq <= _slot(1))),
        "missing": missing.where(incomplete & beyond & ~PictureRow.whole).limit(_slot(3)),
        "strays": row.select(fn.COUNT(row.id)).where(chain & row.stray),
        "chunks": chunk.select(chunk.until, chunk.tried).where(of_claims),
        "chunks of size": chunk.select(chunk.until, chunk.tried).where(of_size),
        "chunk": chunk.select(chunk.content).where(of_claims & (chunk.length == _slot(2)) & (chunk.until == _slot(3))),
        "add chunk": chunk.insert(**added, tried=untried).on_conflict(**again),
        "try": chunk.update(tried=True).where(of_claims & (chunk.until <= _slot(2))),
        "move on": ChainRow.update(**moved).where(ChainRow.id == _slot(0)),
        "pictures": pictures.where(of_unit & (picture.sha256 == _slot(1))),
        "bytes whole": picture.select(fn.SUM(picture.size)).where(of_unit & whole),
        "bytes of chunks": chunk.select(fn.SUM(chunk.length)).where(chunk.unit == _slot(0)),
        "chains naming": chains.where(of_unit & (picture.sha256 == _slot(1))).distinct(),
        "forget": chunk.delete().where(of_claims & (chunk.until <= _slot(2))),
        "complete": picture.update(whole=True).where(picture.id == _slot(0)),
        "complete envelopes": row.update(whole=True).where((row.id << naming) & row.id.not_in(lacks)),
    }
    database: Any = PostgresqlDatabase(None) if postgresql else SqliteDatabase(None)
    return {name: database.get_sql_context().sql(query).query() for name, query in queries.items()}


class Ledger:
    """An open ledger; see `opened`.

    Every method belongs to the thread that opened it. What changes the ledger is called within `transaction`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._thread = threading.get_ident()
        built = _built(postgresql=isinstance(database, PostgresqlDatabase))
        self._prepared = {name: _Prepared(database, sql, values) for name, (sql, values) in built.items()}
        self._ids = {
            table: itertools.count(1 + (self._rows(table.select(fn.MAX(table.id)))[0][0] or 0))
            for table in (ChainRow, EnvelopeRow, PictureRow, RefusedRow)
        }
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

    def firsts(self, unit: str) -> Iterator[bytes]:
        """Of each of a unit's chains the envelope that began it, as a note."""
        row = EnvelopeRow
        first = row.select(fn.MIN(row.id)).join(ChainRow).where(ChainRow.unit == unit).group_by(row.chain)
        return (bytes(note) for (note,) in self._rows(row.select(row.note).where(row.id << first)))

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

    def hashes(self, unit: str, places: Collection[tuple[str, int]]) -> Mapping[tuple[str, int], set[str]]:
        """Which envelopes are held at these places (chain, seq) of a unit's chains, and not as strays: their hashes."""
        row, chains, seqs = EnvelopeRow, {chain for chain, _ in places}, {seq for _, seq in places}
        among = (ChainRow.unit == unit) & (ChainRow.chain << sorted(chains)) & (row.seq << sorted(seqs))
        query = row.select(ChainRow.chain, row.seq, row.hash).join(ChainRow).where(among & ~row.stray)
        found: dict[tuple[str, int], set[str]] = {place: set() for place in places}
        for chain, seq, hash_ in self._rows(query) if places else []:
            found.setdefault((chain, seq), set()).add(hash_)
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
            Place(id_, seq, hash_, prev, bool(stray), fault, bool(whole))
            for id_, seq, hash_, prev, stray, fault, whole in self._prepared[name](chain.id, *arguments)
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

    def publications(self) -> Iterator[tuple[str, bytes, bytes]]:
        """All envelopes but those beside their chain: (unit, note, sealed record), unit after unit."""
        row = EnvelopeRow
        held = self._rows(row.select(ChainRow.unit, row.id).join(ChainRow).where(~row.stray))
        for unit, id_ in sorted(held):
            note, sealed = self._rows(row.select(row.note, row.sealed).where(row.id == id_))[0]
            yield unit, bytes(note), bytes(sealed)

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

    def missing_chunks(self, unit: str, picture: Picture, limit: int) -> tuple[int, ...]:
        """The first chunks of a unit's picture that are not held.

        Were all held when it was named, it is the first: with whatever comes, all is tried.
        """
        size = picture.name.size
        last = size % CHUNK_BYTES
        held = {
            until
            for until, tried in self._prepared["chunks of size"](unit, picture.name.sha256, last)
            if last or not tried
        }
        ends = (min(size, (number + 1) * CHUNK_BYTES) for number in range(picture.name.chunks))
        missing = (number for number, until in enumerate(ends) if until not in held)
        return tuple(itertools.islice(missing, limit)) or (0,)

    def claims(self, unit: str, sha256: str) -> Claims:
        """All that a unit's envelopes claim of one SHA-256."""
        rows = self._prepared["pictures"](unit, sha256).fetchall()
        pictures = {size: id_ for id_, size, _ in rows}
        chains = frozenset((its, chain) for its, chain in self._prepared["chains naming"](unit, sha256))
        held = {until: bool(tried) for until, tried in self._prepared["chunks"](unit, sha256)}
        is_whole = any(whole for _, _, whole in rows)
        return Claims(unit, sha256, pictures, max(pictures, default=0), is_whole, chains, held)

    def pictures(self, unit: str, sha256: str) -> list[Picture]:
        """The pictures of that SHA-256 that a unit's envelopes name: one, or as many as it claims sizes."""
        rows = self._prepared["pictures"](unit, sha256)
        return [Picture(id_, Sealed(sha256, size), bool(whole)) for id_, size, whole in rows]

    def held(self, unit: str) -> int:
        """How many bytes of pictures are held for a unit, whole or not."""
        if unit not in self._held:
            sums = (self._prepared[name](unit).fetchone()[0] for name in ("bytes whole", "bytes of chunks"))
            self._held[unit] = sum(int(found or 0) for found in sums)
        return self._held[unit]

    def add_chunk(self, claims: Claims, until: int, content: bytes) -> None:
        """Adds a chunk that fits, unless it is held; one that was tried gives way."""
        if claims.held.get(until, True):
            before = self.held(claims.unit)
            self._prepared["add chunk"](claims.unit, claims.sha256, len(content), until, content)
            self._held[claims.unit] = before + len(content) * (until not in claims.held)
            claims.held[until] = False

    def chunk(self, claims: Claims, until: int) -> bytes:
        """The chunk that is held of a picture up to there."""
        length = (until - 1) % CHUNK_BYTES + 1
        return bytes(self._prepared["chunk"](claims.unit, claims.sha256, length, until).fetchone()[0])

    def refute(self, claims: Claims, sizes: Sequence[int]) -> None:
        """Says that a picture is of none of these sizes, or has a wrong chunk: what was tried must come anew.

        Full chunks stay for what is claimed to be longer, though: else a false size would cost the true picture another
        sending. They go with the longest, and with what a short one ends: nothing is tried twice as it is.
        """
        gone = max((size for size in sizes if size % CHUNK_BYTES or size == claims.longest), default=0)
        self.forget_chunks(claims.unit, claims.sha256, gone)
        self._prepared["try"](claims.unit, claims.sha256, sizes[-1])
        held = {until: tried or until <= sizes[-1] for until, tried in claims.held.items() if until > gone}
        claims.held.clear()
        claims.held.update(held)

    def forget_chunks(self, unit: str, sha256: str, until: int = PICTURE_BYTES_MAX) -> None:
        """Removes the chunks of a unit's picture up to there: it is a file now, or they were not its own."""
        self._held.pop(unit, None)
        self._prepared["forget"](unit, sha256, until)

    def complete(self, picture_id: int) -> None:
        """Says that a picture is whole."""
        self._prepared["complete"](picture_id)
        self._prepared["complete envelopes"](picture_id)

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

    # What units tell of themselves

    def beat(self, unit: str) -> Told | None:
        """A unit's last beat."""
        return self._told(BeatRow, unit)

    def beats(self) -> list[Told]:
        """The last beat of every unit, in the order of their names; none where a hub that knew no beats ran last."""
        return self._all_told(BeatRow)

    def keep_beat(self, told: Told) -> None:
        """Puts a beat in the place of the unit's last one."""
        self._keep_told(BeatRow, told)

    def readiness(self, unit: str) -> Told | None:
        """A unit's last readiness report."""
        return self._told(ReadinessRow, unit)

    def readinesses(self) -> list[Told]:
        """That of every unit, in the order of their names; none where a hub that knew no such reports ran last."""
        return self._all_told(ReadinessRow)

    def keep_readiness(self, told: Told) -> None:
        """Puts a readiness report in the place of the unit's last one."""
        self._keep_told(ReadinessRow, told)

    def _told(self, row: _TellingRow, unit: str) -> Told | None:
        rows = self._rows(row.select().where(row.unit == unit))
        return next((Told(name, at, bytes(note)) for name, at, note in rows), None)

    def _all_told(self, row: _TellingRow) -> list[Told]:
        if row._meta.table_name not in _tables(self._database):
            return []
        return [Told(unit, at, bytes(note)) for unit, at, note in self._rows(row.select().order_by(row.unit))]

    def _keep_told(self, row: _TellingRow, told: Told) -> None:
        query = row.insert(unit=told.unit, at=told.at, note=told.note)
        self._do(query.on_conflict(conflict_target=[row.unit], update={row.at: told.at, row.note: told.note}))

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

    def notes(self, unit: str, chain: str) -> Iterator[tuple[int, bytes]]:
        """The notes of all records of a chain, (seq, note), read a few hundred at a time."""
        ours = (ChainRow.unit == unit) & (ChainRow.chain == chain) & ~EnvelopeRow.stray
        held = sorted(self._rows(EnvelopeRow.select(EnvelopeRow.seq, EnvelopeRow.id).join(ChainRow).where(ours)))
        for begin in range(0, len(held), _STEP):
            seqs = {id_: seq for seq, id_ in held[begin : begin + _STEP]}
            query = RecordRow.select(RecordRow.envelope, RecordRow.note).where(RecordRow.envelope << list(seqs))
            yield from ((seqs[id_], bytes(text)) for id_, text in self._rows(query))

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
                _do(database, f"SET lock_timeout = '{LOCK_SECONDS}s'")
                try:
                    _do(database, "SELECT pg_advisory_lock(%s)", _LOCK_NUMBER)
                except OperationalError as error:
                    if not isinstance(error.__context__, psycopg.errors.LockNotAvailable):
                        raise
                    raise OurFault(f"ledger in the PostgreSQL database: {_IS_OPEN}") from error
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
                raise OurFault(f"ledger {place}: {_IS_OPEN}") from error
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
            raise NoLedgerError(f"ledger {place}: there is none yet: run the hub first")
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
            if not {table._meta.table_name for table in _TABLES} <= _tables(database):
                database.create_tables(_TABLES)
            rows = list(about.items())
            AboutRow.insert_many(rows, (AboutRow.name, AboutRow.value)).on_conflict_ignore().execute(database)
    elif AboutRow._meta.table_name not in _tables(database):
        raise NoLedgerError(f"ledger in {where}: there is none yet: run the hub first")
    query: Any = AboutRow.select(AboutRow.name, AboutRow.value).tuples()
    found = dict(query.execute(database))
    last, now = int(found.get(PACKAGE, "0")), int(about.get(PACKAGE, "0"))
    if now < last:
        raise OurFault(f"ledger in {where}: package {now} is older than {last}, by which it was kept: bring the latest")
    if write and now > last:
        with database.bind_ctx(_TABLES):
            AboutRow.update(value=str(now)).where(AboutRow.name == PACKAGE).execute(database)
    for name, value in about.items():
        if name != PACKAGE and found.get(name) != value:
            raise OurFault(f"ledger in {where}: {name}: expected {value!r}, found {found.get(name)!r}: it is another's")


def _tables(database: Database) -> set[str]:
    """The names of the tables that are there."""
    schema = _value(database, "SELECT current_schema()") if isinstance(database, PostgresqlDatabase) else None
    return set(database.get_tables(schema))


def reading_of(payloads: Iterable[str]) -> str:
    """The name of a set of payloads: in whatever order and how often they were read, it is the same."""
    digest = hashlib.sha256()
    for payload in sorted(set(payloads)):
        encoded = payload.encode("utf-8")
        digest.update(len(encoded).to_bytes(4, "big") + encoded)
    return digest.hexdigest()
