"""The store: records and pictures on the card.

Each kept record is one file, `<chain>-<seq>.envelope` (a publication, see `wire.envelope`), and each sealed picture is
one, `<sha256>.picture`, in the folder `kept`. They are the truth; `index.db` is an index of them and holds receipts. A
crash between files and index leaves whole files without a row: they are adopted at the next start. A bad index, found
at a start or later, is moved aside and built again from the files; the receipts are then asked for anew.

SQLite runs with WAL and synchronous=FULL on one connection, used by one thread; both are asserted at start.
"""

import contextlib
import functools
import hashlib
import os
import re
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Concatenate, ParamSpec, TypeVar

from peewee import JOIN, PeeweeException, SqliteDatabase, Table, fn

from device import durable
from device.log import Event
from device.ports import Storage
from wire.envelope import CHUNK_BYTES, Envelope, split
from wire.errors import MalformedError, TestigoError, TheirFault
from wire.fields import NOTHING
from wire.log import Log
from wire.note import Note, Verifier, read, statement_of
from wire.receipt import EXTRAS_MAX, MISSING_MAX, Heard, Receipt

_ENVELOPE_FILE = re.compile(r"([0-9a-f]{32})-([1-9][0-9]{0,15})\.envelope")

PURGE_RECEIPTS_MIN = 2
"""A record that is on one hub only is as easily lost as one that is on this card only."""

PURGE_BYTES_MIN = 32 * 1024 * 1024
"""How much room is made at a time, some twenty records: making room takes two syncs more, and a volunteer waits."""

LONG_CHAIN = 300
"""Records after which a chain may be left again on the word of the same hub: hubs take eight chains of a unit."""

ROOM_BYTES_MIN = 8 * 1024 * 1024
"""What no record may take: a unit that cannot write its index cannot start, file a receipt, nor make room again.
SQLite's log grows to 4 MB, and what is in it must find room in the index as well."""

_DIGESTED_MAX = 64
"""Of how many pictures the chunks' digests are remembered; each has some dozens."""

_VERSION = 4
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE chain (id INTEGER PRIMARY KEY, chain TEXT NOT NULL UNIQUE);
CREATE TABLE envelope (
    id INTEGER PRIMARY KEY, chain_id INTEGER NOT NULL REFERENCES chain, seq INTEGER NOT NULL, hash TEXT NOT NULL,
    prev TEXT NOT NULL, publication TEXT NOT NULL, UNIQUE (chain_id, seq));
CREATE INDEX envelope_publication ON envelope (publication);
CREATE TABLE picture (sha256 TEXT NOT NULL, envelope_id INTEGER NOT NULL REFERENCES envelope);
CREATE INDEX picture_sha256 ON picture (sha256);
CREATE INDEX picture_envelope ON picture (envelope_id);
CREATE TABLE receipt (
    hub TEXT NOT NULL, chain_id INTEGER NOT NULL REFERENCES chain, seq INTEGER NOT NULL, whole INTEGER NOT NULL,
    at INTEGER NOT NULL, text BLOB NOT NULL, PRIMARY KEY (hub, chain_id)) WITHOUT ROWID;
CREATE TABLE missing (
    hub TEXT NOT NULL, chain_id INTEGER NOT NULL REFERENCES chain, sha256 TEXT NOT NULL,
    PRIMARY KEY (hub, chain_id, sha256)) WITHOUT ROWID;
CREATE TABLE extra (
    hub TEXT NOT NULL, envelope_id INTEGER NOT NULL REFERENCES envelope, whole INTEGER NOT NULL,
    PRIMARY KEY (hub, envelope_id)) WITHOUT ROWID;
CREATE INDEX extra_envelope ON extra (envelope_id);
CREATE TABLE boot (id INTEGER PRIMARY KEY);
PRAGMA user_version={_VERSION};
COMMIT;
"""
"""`envelope.publication` is the SHA-256 of the file; `receipt` is the youngest of a hub for a chain, and `hub` its name
and key: what another key signed under the same name counts no more. `missing` is which pictures of the chain this hub
lacks, where that receipt names all of them; `extra.whole` whether that receipt itself says so."""


_UNREADABLE = (sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ)
_OF_THE_CARD = (
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
)


class CardError(TestigoError):
    """The card did not do what was asked, or cannot be asked for so much; nothing was announced as kept."""


@dataclass(frozen=True, slots=True)
class Place:
    """The next place in the chain."""

    chain: str
    seq: int
    prev: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A kept envelope, as the outbox needs it: `publication` is the SHA-256 of its file."""

    chain: str
    seq: int
    publication: str

    @property
    def file_name(self) -> str:
        """Its file in the folder `kept`."""
        return f"{self.chain}-{self.seq}.envelope"


@dataclass(frozen=True, slots=True)
class Signed:
    """A record, sealed and signed, that is to be kept.

    Attributes:
        identity: the record's.
        envelope: its envelope.
        publication: the envelope's note and the sealed record, joined.
    """

    identity: str
    envelope: Note[Envelope]
    publication: bytes


@dataclass(frozen=True, slots=True)
class _Row:
    """A kept record's row, and the names of all its pictures' files."""

    id: int
    kept: Kept
    pictures: tuple[str, ...]


ParamsT = ParamSpec("ParamsT")
ReturnT = TypeVar("ReturnT")


def _asking(ask: "Callable[Concatenate[Store, ParamsT], ReturnT]") -> "Callable[Concatenate[Store, ParamsT], ReturnT]":
    """A method that asks the index: by the one thread that may, and once more if the index had to be built again."""

    @functools.wraps(ask)
    def asked(self: "Store", /, *args: ParamsT.args, **kwargs: ParamsT.kwargs) -> ReturnT:
        self._on_thread()
        try:
            return ask(self, *args, **kwargs)
        except (PeeweeException, sqlite3.Error) as error:
            self._mend(error)
        try:
            return ask(self, *args, **kwargs)
        except (PeeweeException, sqlite3.Error) as error:
            raise _refused(error) from error

    return asked


class Store:
    """The card's records, pictures and receipts.

    Any method that asks the index may find that it has gone bad, and builds it again; it raises CardError if it cannot.

    Args:
        storage: the data partition.
        verifier: the unit's own public key: only its own envelopes are adopted.
        hubs: those whose receipts count, by name; receipts of others, filed under other settings, count no more.
        receipts: how many of them must have receipted a record whole before it may be purged, but never fewer than two.
        log: told what had to be put right.

    Attributes:
        aside: a second thread, for sealing and writing pictures while the first one reads and signs.
        boot: how often the unit has started on this card.
        gains: how often a receipt was filed that said something new.
        purge_receipts: how many hubs must have receipted a record whole before it may be purged.

    Raises:
        CardError: the folder cannot be written, or SQLite does not give the durability asked for.
    """

    def __init__(
        self, storage: Storage, verifier: Verifier, hubs: Mapping[str, Verifier], receipts: int, log: Log
    ) -> None:
        self._storage = storage
        self._trusted = {verifier.name: verifier}
        self._hubs = {name: f"{name}+{hub.key_id.hex()}" for name, hub in hubs.items()}
        self.purge_receipts = max(PURGE_RECEIPTS_MIN, receipts)
        self._log = log
        self.gains = 0
        self._thread = threading.get_ident()
        self._built: dict[tuple[str | int, ...], tuple[str, Any]] = {}
        self._told: set[str] = set()
        self._left_for: set[str] = set()
        self._refused: set[int] = set()
        self._told_to_stay: set[str] = set()
        self._digests: dict[str, tuple[bytes, ...]] = {}
        self.aside = ThreadPoolExecutor(1, "card")
        self.folder = storage.folder / "kept"
        self._index = storage.folder / "index.db"
        self._database: Any = SqliteDatabase(str(self._index), thread_safe=False, autoconnect=False)
        self._chains = self._table("chain", "id", "chain")
        self._envelopes = self._table("envelope", "id", "chain_id", "seq", "hash", "prev", "publication")
        self._pictures = self._table("picture", "sha256", "envelope_id")
        self._receipts = self._table("receipt", "hub", "chain_id", "seq", "whole", "at", "text")
        self._missing = self._table("missing", "hub", "chain_id", "sha256")
        self._extras = self._table("extra", "hub", "envelope_id", "whole")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            durable.sync_folder(storage.folder)
            self._open()
            self.boot = self._count_boot(None)
        except (OSError, PeeweeException, sqlite3.Error) as error:
            self._database.close()
            raise CardError(
                f"card {storage.folder}: {error}: check that it is mounted, writable and not full"
            ) from error

    def close(self) -> None:
        """Closes the index."""
        self.aside.shutdown()
        self._database.close()

    def _count_boot(self, boot: int | None) -> int:
        return int(self._database.execute_sql("INSERT OR IGNORE INTO boot (id) VALUES (?)", (boot,)).lastrowid)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing, durable at the end; within another one, a part of it.

        peewee's own would hide why SQLite gave up behind the failure to roll back what SQLite has rolled back already.
        """
        connection: sqlite3.Connection = self._database.connection()
        if connection.in_transaction:
            yield
            return
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _repaired(self, what: str) -> None:
        self._log(Event.CARD_REPAIRED, what=what)

    def _table(self, name: str, *columns: str, alias: str | None = None) -> Any:
        return Table(name, columns, alias=alias, _database=self._database)

    def _open(self) -> None:
        """Opens the index, checked, and makes it agree with the files."""
        try:
            _connect(self._database)
        except sqlite3.Error as error:
            if not _means_bad_file(error):
                raise
            aside = self._index.with_name(f"index-bad-{secrets.token_hex(4)}.db")
            with contextlib.suppress(FileNotFoundError):
                self._index.replace(aside)
            for suffix in ("-wal", "-shm"):
                self._index.with_name(self._index.name + suffix).unlink(missing_ok=True)
            durable.sync_folder(self._index.parent)
            self._repaired(f"the index was bad ({error}); it is now {aside.name}, and is built again from the files")
            _connect(self._database)
        self._look_at_files()
        self._last_receipt = self._youngest_receipt()

    def _mend(self, error: PeeweeException | sqlite3.Error) -> None:
        """After a question that failed, opens the index anew: should it be bad, it is built again in its place.

        Raises:
            CardError: it is not the index that is at fault, or the card refuses.
        """
        if _blames_the_card(error):
            raise _refused(error) from error
        try:
            self._database.close()
            self._open()
            self._count_boot(self.boot)
        except (OSError, PeeweeException, sqlite3.Error) as refusal:
            raise _refused(refusal) from refusal

    def _look_at_files(self) -> None:
        with self._transaction():
            repaired = list(self._adopt())
        self._chain, self._place = self._places()[0]
        self._is_sure = True
        for what in repaired:  # not before it is so
            self._repaired(what)

    def _adopt(self) -> Iterator[str]:
        """Makes the index agree with the files: half-written ones go, whole ones without a row get theirs.

        Yields:
            What had to be put right.
        """
        names = {entry.name for entry in os.scandir(self.folder)}
        for name in names:
            if name.endswith(".new"):
                (self.folder / name).unlink()
        rows = {(row["chain"], row["seq"]) for row in self._joined()}
        files = {(match[1], int(match[2])) for match in map(_ENVELOPE_FILE.fullmatch, names) if match}
        if rows - files:
            yield from self._purge_on(names)
        orphans = sorted(files - rows)
        if orphans:
            # Whoever was to sync the last one's names may have been killed: a row, or a hub, must not outlive them.
            # Or that sync failed, and after one that failed another says nothing of what was to be written before.
            for kept in {chain: Kept(chain, seq, "") for chain, seq in orphans}.values():
                self._write_again(kept)
            durable.sync_folder(self.folder)
        present = self._chains.select().order_by(self._chains.id.desc()).first()
        left_alone = set[str]()
        for chain, seq in orphans:
            kept = Kept(chain, seq, "")
            try:
                self._adopt_one(kept, names)
            except (OSError, TheirFault) as error:
                left_alone.add(chain)
                yield f"{kept.file_name} is not whole and was left alone: {error}"
            else:
                yield f"{kept.file_name} was whole but not in the index, and is now"
        if present is None or present["chain"] in left_alone:
            # The card is new, lost its index, or lost a record that may have been sent: nobody knows for sure what was
            # said last, and to say something else in its place would be a fork. So a new chain begins.
            self._chains.insert(chain=secrets.token_hex(16)).execute()

    def _purge_on(self, names: set[str]) -> Iterator[str]:
        """Ends a purge that a cut has ended: of receipted records without an envelope the rest goes, too."""
        try:
            begun = (row for row in self._purgeable(ever=True) if row[1].file_name not in names)
            self._remove([self._with_pictures(*row) for row in begun])
        except OSError as error:
            yield f"what was being purged cannot be removed and was left alone: {error}"

    def _write_again(self, kept: Kept) -> None:
        try:
            publication = (self.folder / kept.file_name).read_bytes()
            envelope = read(split(publication)[0], Envelope, self._trusted).statement
            names = [f"{picture.sha256}.picture" for picture in envelope.pictures]
            contents = {name: (self.folder / name).read_bytes() for name in names}
        except (OSError, TheirFault):
            return  # it is not whole, and is left alone
        # The envelope's file comes last, as when it was kept.
        for name, content in (contents | {kept.file_name: publication}).items():
            durable.sync(durable.write(self.folder / "again.new", content))
            (self.folder / "again.new").replace(self.folder / name)

    def _adopt_one(self, kept: Kept, names: set[str]) -> None:
        """Gives a file its row; OSError or TheirFault when it, or what it names, is not whole."""
        envelope, publication = self._envelope(kept)
        lost = sum(f"{picture.sha256}.picture" not in names for picture in envelope.statement.pictures)
        if lost:
            raise MalformedError(f"it lacks {lost} pictures")
        self._chains.insert(chain=kept.chain).on_conflict_ignore().execute()
        self._insert(int(self._chain_id(kept.chain) or 0), envelope, publication)

    def _envelope(self, kept: Kept) -> tuple[Note[Envelope], bytes]:
        """The envelope in a file, and the file's bytes; OSError or TheirFault when it is not whole."""
        publication = (self.folder / kept.file_name).read_bytes()
        note, sealed = split(publication)
        envelope = read(note, Envelope, self._trusted)
        envelope.statement.check(sealed)
        chain, seq = envelope.statement.chain, envelope.statement.seq
        if (chain, seq) != (kept.chain, kept.seq):
            raise MalformedError(f"it holds envelope {seq} of {chain}")
        return envelope, publication

    def _insert(self, chain_id: int, envelope: Note[Envelope], publication: bytes) -> None:
        # As plain SQL: a volunteer waits for it, and building queries would cost more than the commit.
        statement, execute = envelope.statement, self._database.execute_sql
        row = (chain_id, statement.seq, envelope.hash, statement.prev, hashlib.sha256(publication).hexdigest())
        with self._transaction():
            done = execute("INSERT INTO envelope (chain_id, seq, hash, prev, publication) VALUES (?, ?, ?, ?, ?)", row)
            for picture in statement.pictures:
                execute("INSERT INTO picture (sha256, envelope_id) VALUES (?, ?)", (picture.sha256, done.lastrowid))

    @_asking
    def recover(self) -> None:
        """After a write that failed, finds out from the files what the card holds; does nothing otherwise.

        Raises:
            CardError: the card still refuses.
        """
        try:
            if not self._is_sure:
                self._look_at_files()
        except OSError as error:
            raise _refused(error) from error

    @property
    def is_sure(self) -> bool:
        """Whether it is known what the card holds: not after a write that failed, until `recover`."""
        return self._is_sure

    def reserve(self, size: int) -> None:
        """Sees to it that there is room for so many bytes; what may be purged is, if there is not.

        Raises:
            CardError: there is not.
        """
        try:
            lacks = ROOM_BYTES_MIN + size - self._storage.free()
        except OSError as error:
            raise _refused(error) from error
        if lacks > 0 and self.purge(max(lacks, PURGE_BYTES_MIN)) < lacks:
            raise CardError(
                f"card: {lacks} bytes too few are free, and nothing more may be purged: let hubs receipt, or change it"
            )

    def place(self) -> Place:
        """Where the next record goes."""
        self._on_thread()
        return self._place

    @_asking
    def places(self) -> list[Place]:
        """Where every chain of the card stands, the present one first: hubs may have lost of an earlier one, too."""
        return [self._place, *(place for id_, place in self._places() if id_ != self._chain and place.seq > 1)]

    @_asking
    def heard(self, chain: str) -> tuple[Heard, ...]:
        """Of which moment the youngest receipts for a chain are, of each hub that counts."""
        table, names = self._receipts, {signer: hub for hub, signer in self._hubs.items()}
        rows = table.select(table.hub, table.at).where(
            table.chain_id == self._chain_id(chain), table.hub.in_(self._counted)
        )
        return tuple(Heard(row["at"], names[row["hub"]]) for row in rows.order_by(table.hub))

    def _places(self) -> list[tuple[int, Place]]:
        """Every chain's number, and where it stands; the youngest first."""
        table, chains = self._envelopes, self._chains
        # In SQLite the hash is that of the row with the greatest seq.
        last = chains.select(chains.id, chains.chain, table.hash, fn.MAX(table.seq).alias("seq"))
        rows = last.join(table, JOIN.LEFT_OUTER, on=table.chain_id == chains.id).group_by(chains.id)
        return [
            (row["id"], Place(row["chain"], (row["seq"] or 0) + 1, row["hash"] or NOTHING))
            for row in rows.order_by(chains.id.desc())
        ]

    def keep(self, signed: "Future[Signed]", pictures: Sequence[bytes]) -> None:
        """Keeps a record and its pictures; when this returns they survive a power cut.

        Args:
            signed: the record, at the place that `place` gave; it may still be signed while its pictures are written.
            pictures: the sealed pictures that its envelope names, in its order.

        Raises:
            CardError: the card refused; `recover` before the next record.
        """
        self._on_thread()
        self._is_sure = False
        files = list[BinaryIO]()
        try:
            try:
                for number, picture in enumerate(pictures):
                    files.append(durable.begin(self.folder / f"picture-{number}.new", picture))
                envelope, publication = signed.result().envelope, signed.result().publication
                file = durable.write(self.folder / "envelope.new", publication)
            finally:  # not before: all are on the card sooner when they are synced side by side
                syncing = [self.aside.submit(durable.sync, each) for each in files]
            durable.sync(file)
            statement = envelope.statement
            for synced in syncing:
                synced.result()  # before the first has its name: the pictures of a record that is not kept have none
            for named, new in zip(statement.pictures, files, strict=True):
                Path(new.name).replace(self.folder / f"{named.sha256}.picture")
            # The envelope's file comes last: where it is, its pictures are.
            (self.folder / "envelope.new").replace(self.folder / f"{statement.chain}-{statement.seq}.envelope")
            durable.sync_folder(self.folder)
            self._insert(self._chain, envelope, publication)
            self._place, self._is_sure = Place(statement.chain, statement.seq + 1, envelope.hash), True
        except (OSError, PeeweeException, sqlite3.Error) as error:
            raise CardError(f"card: record {self._place.seq} could not be written: {error}: press again") from error

    @_asking
    def count(self) -> int:
        """How many records the card holds."""
        return int(self._envelopes.select().count())

    def last_receipt(self) -> str:
        """The hash of the receipt filed last, after a start of the youngest one held; `NOTHING` before the first."""
        self._on_thread()
        return self._last_receipt

    def _youngest_receipt(self) -> str:
        table = self._receipts
        row = table.select(table.text).where(table.hub.in_(self._counted)).order_by(table.at.desc()).first()
        return hashlib.sha256(row["text"]).hexdigest() if row else NOTHING

    def waiting(self, receipts: int, hub: str = "") -> Iterator[Kept]:
        """The outbox: records that too few hubs have receipted, the oldest first.

        Args:
            receipts: how many are enough.
            hub: those that this one has not receipted, and fewer than `receipts` whole: whoever has the envelope may
                never have the pictures. Without a name: those that fewer than `receipts` have receipted at all.
        """
        self._on_thread()

        def query() -> Any:
            lacks = self._held_by([self._hubs[hub]]) < 1 if hub else self._held_by(self._counted) < receipts
            too_few = self._held_whole_by(self._counted) < receipts
            return self._joined().where(lacks, too_few).order_by(self._envelopes.id)

        try:
            for chain, seq, publication in self._rows(("waiting", receipts, hub), query):
                yield Kept(chain, seq, publication)
        except (PeeweeException, sqlite3.Error) as error:
            self._mend(error)  # and whoever asks next gets them all

    @_asking
    def unsettled(self, receipts: int) -> list[tuple[Kept, tuple[str, ...]]]:
        """Every record that waits, or whose pictures do, and the names of these; in the order of their chains."""
        table, named = self._envelopes, self._pictures
        pictures = named.select(fn.GROUP_CONCAT(named.sha256)).where(named.envelope_id == table.id)
        waiting = self._joined(pictures.alias("pictures")).where(self._held_whole_by(self._counted) < receipts)
        return [
            (
                Kept(row["chain"], row["seq"], row["publication"]),
                tuple(filter(None, str(row["pictures"] or "").split(","))),
            )
            for row in waiting.order_by(table.chain_id, table.seq)
        ]

    @_asking
    def waiting_count(self, receipts: int) -> int:
        """How many records wait: for receipts, or for their pictures to be receipted."""

        def query() -> Any:
            return self._envelopes.select(fn.COUNT(1)).where(self._held_whole_by(self._counted) < receipts)

        return int(self._rows(("waiting count", receipts), query).fetchone()[0])

    @_asking
    def find(self, publication: str) -> Kept | None:
        """The record whose publication has this SHA-256."""
        row = self._joined().where(self._envelopes.publication == publication).first()
        return Kept(row["chain"], row["seq"], row["publication"]) if row else None

    def read(self, kept: Kept) -> bytes | None:
        """A record's publication; None when the file does not have its bytes any more, which is told once."""
        try:
            publication = (self.folder / kept.file_name).read_bytes()
        except OSError:
            publication = b""
        if hashlib.sha256(publication).hexdigest() == kept.publication:
            return publication
        self._tell(Event.RECORD_BAD, kept.file_name)
        return None

    @_asking
    def read_chunk(self, sha256: str, number: int) -> bytes:
        """A chunk of a sealed picture that this card keeps; empty when there is none.

        Nothing is read from a picture that does not have its bytes any more, which is told once.
        """
        if not self._is_named(sha256):
            return b""
        name = f"{sha256}.picture"
        try:
            with (self.folder / name).open("rb") as file:
                if sha256 not in self._digests:
                    self._digest(file, sha256)
                digests = self._digests[sha256]
                if number >= len(digests) > 0:
                    return b""
                file.seek(number * CHUNK_BYTES)
                chunk = file.read(CHUNK_BYTES)
        except OSError:
            digests, chunk = (), b""
        if digests and hashlib.sha256(chunk).digest() == digests[number]:
            return chunk
        self._tell(Event.PICTURE_BAD, name)
        return b""

    def picture_of(self, chunk: str) -> str:
        """The picture of which a chunk with this SHA-256 was read not long ago; empty when there is none."""
        digest = bytes.fromhex(chunk)
        return next((sha256 for sha256, digests in self._digests.items() if digest in digests), "")

    def _digest(self, file: BinaryIO, sha256: str) -> None:
        """Remembers what each chunk of a picture must be; of one that is not what its name says, nothing."""
        if len(self._digests) >= _DIGESTED_MAX:
            self._digests.clear()
        whole, digests = hashlib.sha256(), list[bytes]()
        while chunk := file.read(CHUNK_BYTES):
            whole.update(chunk)
            digests.append(hashlib.sha256(chunk).digest())
        self._digests[sha256] = tuple(digests) if whole.hexdigest() == sha256 else ()

    def _tell(self, event: Event, name: str) -> None:
        if name not in self._told:
            self._told.add(name)
            self._log(event, file=name)

    @_asking
    def settle(self, receipt: Note[Receipt]) -> bool:
        """Files a receipt.

        The youngest one of a hub tells what it holds; older ones, which come late or again, change nothing. So if it
        holds less than it did, it was restored from an old backup: what it has lost waits again, if it is still here.

        Returns:
            Whether it was one for this card: of a hub that counts and a chain it has, with the hash it knows.

        Raises:
            CardError: the card refused; the hub will say it again.
        """
        statement = receipt.statement
        chain_id = self._chain_id(statement.chain)
        if statement.hub not in self._hubs:
            return False
        seq = None if chain_id is None else self._agreed(chain_id, statement.seq, statement.hash)
        if chain_id is None or seq is None:
            if chain_id == self._chain and statement.seq > 0:
                # The card lost its end, or was copied: whatever came next in the chain would be a fork.
                self._leave_chain(statement.hub, f"holds another envelope {statement.seq} of this chain")
            return False
        self.gains += self._file(receipt, chain_id, seq)
        stuck = self._stuck()
        if len(self._hubs) - len(stuck) < self.purge_receipts:
            self._leave_chain_of(stuck)
        return True

    def _leave_chain(self, hub: str, why: str) -> None:
        """Ends the chain here and begins a new one, once a start for each hub.

        In a chain begun since, no hub can hold what the card has not: one that says so lies, and must not use up the
        chains that the others take of a unit (`unit_chains`).
        """
        if hub not in self._left_for:
            self._chains.insert(chain=secrets.token_hex(16)).execute()
            self._chain, self._place = self._places()[0]
            self._left_for.add(hub)
            self._repaired(f"{hub} {why}: a new chain begins")

    def _file(self, receipt: Note[Receipt], chain_id: int, seq: int) -> bool:
        """Files a receipt that is agreed with up to `seq`; whether it says something new."""
        statement, table, hub = receipt.statement, self._receipts, self._hubs[receipt.statement.hub]
        filed = table.select().where(table.hub == hub, table.chain_id == chain_id).first()
        if filed and (statement.at < filed["at"] or receipt.text == bytes(filed["text"])):
            return False
        whole, missing = min(statement.whole, seq), {each.sha256 for each in statement.missing}
        if len(statement.missing) == MISSING_MAX:
            missing.clear()  # there may be more
        of_hub = (self._missing.hub == hub) & (self._missing.chain_id == chain_id)
        lacked = {row["sha256"] for row in self._missing.select(self._missing.sha256).where(of_hub)}
        extras = self._extras.select(fn.COUNT(1), fn.TOTAL(self._extras.whole)).where(self._extras.hub == hub)
        named = extras.tuples().first()
        with self._transaction():
            if filed and statement.at == filed["at"]:  # of one second: nobody knows which came first
                if filed["seq"] == seq:
                    missing = missing & lacked or missing or lacked
                elif filed["seq"] > seq:
                    missing = lacked
                seq, whole = max(seq, filed["seq"]), max(whole, filed["whole"])
            elif filed:
                is_less = seq < filed["seq"] or whole < filed["whole"]
                if is_less:
                    self._log(Event.HUB_RESTORED, hub=statement.hub, seq=statement.seq, before=filed["seq"])
                self._forget_extras(hub, chain_id, statement, every=is_less)
            table.insert(
                hub=hub, chain_id=chain_id, seq=seq, whole=whole, at=statement.at, text=receipt.text
            ).on_conflict_replace().execute()
            if missing != lacked:
                self._missing.delete().where(of_hub).execute()
                for sha256 in missing:
                    self._missing.insert(hub=hub, chain_id=chain_id, sha256=sha256).execute()
            for extra in statement.extras:
                envelope_id = self._envelope_id(chain_id, extra.seq, extra.hash)
                if envelope_id is not None:
                    named_now = self._extras.insert(hub=hub, envelope_id=envelope_id, whole=extra.whole)
                    (named_now.on_conflict_replace() if extra.whole else named_now.on_conflict_ignore()).execute()
        # As it came, and not as it is dated: who dates one far ahead would else be the last for ever.
        self._last_receipt = receipt.hash
        before = (filed["seq"], filed["whole"], lacked) if filed else (0, 0, lacked)
        return (seq, whole, missing) != before or extras.tuples().first() != named

    @_asking
    def held_back(self) -> Kept | None:
        """The oldest record of the present chain that some hub has, and too few hold whole."""
        table = self._envelopes
        held = self._joined().where(table.chain_id == self._chain, self._held_by(self._counted) > 0)
        row = held.where(self._held_whole_by(self._counted) < self.purge_receipts).order_by(table.seq).first()
        return Kept(row["chain"], row["seq"], row["publication"]) if row else None

    @_asking
    def free_what_comes(self) -> None:
        """Leaves the chain, if a hub is stuck in it: those that are not have died, or have no room for pictures.

        To be called when room is short and a record was `held_back` for long. In a long chain any hub counts again that
        was left for in this start: that costs few chains.
        """
        if self._place.seq > LONG_CHAIN:
            self._left_for.clear()
        self._leave_chain_of(self._stuck())

    def _leave_chain_of(self, stuck: Sequence[str]) -> None:
        if not_yet := [hub for hub in stuck if hub not in self._left_for]:
            self._leave_chain(not_yet[0], "lacks what has gone from this chain")

    def _stuck(self) -> list[str]:
        """The hubs that can hold no more of the present chain whole than a receipt can name, by their last receipts.

        Of such a one what it lacks next has gone from here; or it lacks more pictures than its receipts can name, none
        of which can be given to it.
        """
        table, stuck = self._receipts, list[str]()
        rows = table.select().where(table.chain_id == self._chain, table.hub.in_(self._counted)).order_by(table.hub)
        for row in list(rows):
            try:
                said = statement_of(row["text"], Receipt)
            except TheirFault:  # it rotted, or was of an earlier version: that hub will say something else
                continue
            is_all = said.seq >= row["seq"] and said.whole >= row["whole"]  # of two receipts of one second, the other
            is_full = len(said.missing) == MISSING_MAX and not any(self._has(each.sha256) for each in said.missing)
            if is_all and (is_full or self._has_gone(said.seq + 1)):
                stuck.append(said.hub)
        return stuck

    def _forget_extras(self, hub: str, chain_id: int, statement: Receipt, *, every: bool) -> None:
        """What a hub named beyond a gap before and would name again, if it still held it.

        A receipt with room left names all; a full one names some only, and yet says that the first after `seq` lacks.
        Whether one that it does not name is whole, nobody knows any more: nothing may be purged for it.
        """
        table, is_all = self._envelopes, every or len(statement.extras) < EXTRAS_MAX
        told_of = table.chain_id == chain_id
        if not is_all:
            # Beyond the last that it names it mostly holds nothing; what it does hold there is offered once more.
            last = max(each.seq for each in statement.extras)
            told_of &= (table.seq <= statement.seq + 1) | (table.seq > last)
        envelopes = table.select(table.id).where(told_of)
        of_hub = self._extras.hub == hub
        self._extras.delete().where(of_hub, self._extras.envelope_id.in_(envelopes)).execute()
        of_chain = table.select(table.id).where(table.chain_id == chain_id)
        self._extras.update(whole=False).where(of_hub, self._extras.envelope_id.in_(of_chain)).execute()

    @_asking
    def purge(self, room: int) -> int:
        """Makes room: removes whole records that enough hubs have receipted whole, the oldest first.

        The last envelope of a chain always stays: the next one is chained to it.

        That the card does not let a file go is told once, and its record is tried again after all others.

        Args:
            room: about how many bytes are wanted.

        Returns:
            How many bytes were freed; fewer than wanted when nothing more may go.

        Raises:
            CardError: the card let nothing go, or refused altogether; what has gone may go, and `recover` finishes it.
        """
        self.recover()
        freed, stayed = self._purge(room)
        tried = set[int]()
        while stayed and freed < room and tried != self._refused:
            tried = set(self._refused)  # these come last now
            more, stayed = self._purge(room - freed)
            freed += more
        if stayed and not freed:
            raise CardError(f"card: {stayed} records that may go cannot be removed, the log says why: change it")
        return freed

    def _purge(self, room: int) -> tuple[int, int]:
        """Removes what may go, once; how many bytes went, and how many records that were to go stayed."""
        going, wanted = dict[_Row, int](), room
        for found in self._purgeable():
            if wanted <= 0:
                break
            row = self._with_pictures(*found)
            going[row] = sum(_size(self.folder / name) for name in (row.kept.file_name, *row.pictures))
            wanted -= going[row]
        self._is_sure = False
        try:
            gone = self._remove(list(going))
        except OSError as error:
            raise CardError(f"card: {len(going)} receipted records could not be purged: {error}: change it") from error
        self._is_sure = len(gone) == len(going)
        return sum(going[row] for row in gone), len(going) - len(gone)

    def _purgeable(self, *, ever: bool = False) -> Iterator[tuple[int, Kept]]:
        """What may be purged, the oldest first; with `ever`, also by receipts of hubs that have ceased to count.

        What hubs hold whole mostly has no gap before it; a picture that is lost for good keeps its own record only.
        """
        table, later = self._envelopes, self._table("envelope", "chain_id", "seq", alias="later")
        has_later = later.select(1).where(later.chain_id == table.chain_id, later.seq > table.seq)
        held_by = self._held_whole_by(None if ever else self._counted)
        query = self._joined(table.id).where(held_by >= self.purge_receipts, fn.EXISTS(has_later))
        refused_last = [table.id.in_(list(self._refused))] if self._refused else []
        for row in query.order_by(*refused_last, table.chain_id, table.seq).iterator():
            yield row["id"], Kept(row["chain"], row["seq"], row["publication"])

    def _with_pictures(self, envelope_id: int, kept: Kept) -> "_Row":
        named = self._pictures.select(self._pictures.sha256).where(self._pictures.envelope_id == envelope_id)
        return _Row(envelope_id, kept, tuple(f"{picture['sha256']}.picture" for picture in named))

    def _remove(self, rows: "Sequence[_Row]") -> "Sequence[_Row]":
        """Removes records, so that after a cut at any step each is whole, or has a row but no envelope, or is gone.

        The second are removed at the next start. Were a picture or a row to go first, what is left might be taken for a
        record that was never whole, or be adopted again. A picture that the card does not let go stays alone.

        Returns:
            Those that have gone: of the others the card does not let the envelope go.

        Raises:
            OSError: the card does not sync what went.
        """
        if not rows:
            return []
        gone = [row for row in rows if self._unlink(row.kept.file_name)]
        durable.sync_folder(self.folder)
        for name in (name for row in gone for name in row.pictures):
            self._unlink(name)
        durable.sync_folder(self.folder)
        self._refused |= {row.id for row in rows} - {row.id for row in gone}
        with self._transaction():
            for row in gone:
                self._pictures.delete().where(self._pictures.envelope_id == row.id).execute()
                self._extras.delete().where(self._extras.envelope_id == row.id).execute()
                self._envelopes.delete().where(self._envelopes.id == row.id).execute()
        return gone

    def _unlink(self, name: str) -> bool:
        """Removes a file of a record that may go; whether it has gone. Has it not, that is told once."""
        try:
            (self.folder / name).unlink(missing_ok=True)
        except OSError as error:
            if name not in self._told_to_stay:
                self._told_to_stay.add(name)
                self._log(Event.CARD_BAD, why=f"card: {error}: what hubs hold cannot be removed: change the card")
            return False
        return True

    def _agreed(self, chain_id: int, seq: int, hash_: str) -> int | None:
        """Up to where this card agrees with a hub that `hash_` is the `seq`th envelope's; None where it does not.

        Of what was purged only the last hash is known, from the envelope after it. What cannot be checked settles
        nothing: it comes to no more than that the hub has the chain.
        """
        if seq == 0:
            return 0 if hash_ == NOTHING else None
        table = self._envelopes
        query = table.select(table.seq, table.hash, table.prev).where(table.chain_id == chain_id, table.seq >= seq)
        row = query.order_by(table.seq).first()
        if row is None:
            return seq if hash_ == self._left_alone(chain_id, seq) else None
        if row["seq"] > seq + 1:
            return 0
        return seq if hash_ == row["hash" if row["seq"] == seq else "prev"] else None

    def _has_gone(self, seq: int) -> bool:
        """Whether a record of the present chain was here, and was purged or is known to have rotted."""
        table = self._envelopes
        here = table.select().where(table.chain_id == self._chain, table.seq == seq)
        has_rotted = Kept(self._place.chain, seq, "").file_name in self._told
        return seq < self._place.seq and (has_rotted or not here.exists())

    def _is_named(self, sha256: str) -> bool:
        """Whether a record on the card names that picture."""
        return bool(self._pictures.select().where(self._pictures.sha256 == sha256).exists())

    def _has(self, sha256: str) -> bool:
        """Whether a picture is on the card, as far as is known."""
        return self._is_named(sha256) and f"{sha256}.picture" not in self._told

    def _left_alone(self, chain_id: int, seq: int) -> str | None:
        """The hash of an envelope that was left alone for its pictures: what was before it is receipted with it."""
        chain = self._chains.select().where(self._chains.id == chain_id).first()["chain"]
        try:
            envelope, _ = self._envelope(Kept(chain, seq, ""))
        except (OSError, TheirFault):
            return None
        return envelope.hash

    def _chain_id(self, chain: str) -> int | None:
        row = self._chains.select().where(self._chains.chain == chain).first()
        return row["id"] if row else None

    def _envelope_id(self, chain_id: int, seq: int, hash_: str) -> int | None:
        table = self._envelopes
        row = table.select(table.id).where(table.chain_id == chain_id, table.seq == seq, table.hash == hash_).first()
        return row["id"] if row else None

    def _rows(self, name: tuple[str | int, ...], query: Callable[[], Any]) -> Any:
        """The rows of a query of that name, whose SQL is built once.

        A unit asks what waits every second, and peewee takes longer to build the question than SQLite to answer it.
        """
        if name not in self._built:
            self._built[name] = query().sql()
        return self._database.execute_sql(*self._built[name])

    def _joined(self, *columns: Any) -> Any:
        table = self._envelopes
        query = table.select(self._chains.chain, table.seq, table.publication, *columns)
        return query.join(self._chains, on=table.chain_id == self._chains.id)

    @property
    def _counted(self) -> list[str]:
        return list(self._hubs.values())

    def _held_by(self, hubs: list[str]) -> Any:
        """How many of these hubs have receipted an envelope."""
        # COALESCE makes values of the two queries, for peewee writes UNION ALL for a sum of bare ones.
        return fn.COALESCE(self._receipted_by(hubs), 0) + fn.COALESCE(self._extras_of(hubs), 0)

    def _receipted_by(self, hubs: list[str]) -> Any:
        """How many of these hubs' receipts reach an envelope."""
        table = self._receipts
        reaches = (table.chain_id == self._envelopes.chain_id) & (table.seq >= self._envelopes.seq)
        return table.select(fn.COUNT(1)).where(reaches, table.hub.in_(hubs))

    def _held_whole_by(self, hubs: list[str] | None) -> Any:
        """How many of these hubs, of all there ever were for None, hold an envelope and all its pictures.

        Beyond a gap, that is what a hub's youngest receipt says of the envelope itself.
        A hub is one by its name, however many keys it has had.
        """
        table, missing, picture, envelope = self._receipts, self._missing, self._pictures, self._envelopes
        lacked = missing.select(1).where(missing.hub == table.hub, missing.chain_id == table.chain_id)
        lacks = lacked.join(picture, on=picture.sha256 == missing.sha256).where(picture.envelope_id == envelope.id)
        is_whole = (table.whole >= envelope.seq) | (fn.EXISTS(lacked) & ~fn.EXISTS(lacks))
        extra = self._extras
        named = extra.select(1).where(extra.hub == table.hub, extra.envelope_id == envelope.id, extra.whole)
        is_held_whole = ((table.seq >= envelope.seq) & is_whole) | fn.EXISTS(named)
        held = (table.chain_id == envelope.chain_id) & is_held_whole
        if hubs is not None:
            held &= table.hub.in_(hubs)
        name = fn.SUBSTR(table.hub, 1, fn.INSTR(table.hub, "+") - 1)
        return table.select(fn.COUNT(name.distinct())).where(held)

    def _extras_of(self, hubs: list[str]) -> Any:
        """How many of these hubs have receipted an envelope as an extra and have not reached it since."""
        extra, receipt = self._extras, self._receipts
        reached = receipt.select(1).where(
            receipt.hub == extra.hub, receipt.chain_id == self._envelopes.chain_id, receipt.seq >= self._envelopes.seq
        )
        beyond = (extra.envelope_id == self._envelopes.id) & extra.hub.in_(hubs)
        return extra.select(fn.COUNT(1)).where(beyond, ~fn.EXISTS(reached))

    def _on_thread(self) -> None:
        if threading.get_ident() != self._thread:
            raise AssertionError("the store is used by the one thread that opened it")


def _connect(database: Any) -> None:
    """Opens the index, checked, and with the durability that the kept lamp promises."""
    database.connect()
    connection: sqlite3.Connection = database.connection()
    try:
        connection.execute("PRAGMA synchronous=FULL")
        # Of what was purged and of older receipts nothing stays in the index; a purge writes 23 pages instead of 21.
        connection.execute("PRAGMA secure_delete=ON")
        asked = ("journal_mode=WAL", "synchronous", "quick_check(1)")
        mode, synchronous, check = (connection.execute(f"PRAGMA {pragma}").fetchone()[0] for pragma in asked)
        if (mode, synchronous) != ("wal", 2):
            raise OSError(f"expected journal mode wal and synchronous 2, found {mode} and {synchronous}")
        if check != "ok":
            raise sqlite3.DatabaseError(check)
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        if not tables:
            connection.executescript(_SCHEMA)
        elif version != _VERSION:
            raise sqlite3.DatabaseError(f"it is of version {version}, not {_VERSION}")
    except BaseException:
        database.close()
        raise


def _code(error: PeeweeException | sqlite3.Error) -> int:
    """SQLite's own code of what went wrong, which peewee hides; what we raise ourselves is of a bad file.

    So is a question to an index that is closed because it could not be opened anew.
    """
    cause = error if isinstance(error, sqlite3.Error) else error.__context__
    return int(getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT))


def _means_bad_file(error: sqlite3.Error) -> bool:
    """Whether the file itself is at fault: one on a full or locked card may be as good as ever."""
    return _code(error) in _UNREADABLE or _code(error) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _blames_the_card(error: PeeweeException | sqlite3.Error) -> bool:
    """Whether to open the index anew would be of no use: the card is full or refuses, or another program has it."""
    return _code(error) & 0xFF in _OF_THE_CARD and _code(error) not in _UNREADABLE


def _refused(error: Exception) -> CardError:
    return CardError(f"card: {error}: make room or change it, and press again")


def _size(path: Path) -> int:
    """Its bytes, as far as is known; none if it is not there."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
