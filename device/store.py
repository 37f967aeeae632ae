"""The store: records and pictures on the card.

Each kept record is one file, `<chain>-<seq>.envelope` (a publication, see `wire.envelope`), and each sealed picture is
one, `<sha256>.picture`, in the folder `kept`. They are the truth; `index.db` is an index of them and holds receipts. A
crash between files and index leaves whole files without a row: they are adopted at the next start. A bad index is
moved aside and built again from the files; the receipts are then asked for anew.

SQLite runs with WAL and synchronous=FULL on one connection, used by one thread; both are asserted at start.
"""

import hashlib
import os
import re
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peewee import EXCLUDED, DatabaseError, SqliteDatabase, Table, fn

from wire.envelope import PICTURE_BYTES_MAX, Envelope, split
from wire.errors import TestigoError, TheirFault
from wire.fields import NOTHING
from wire.note import Note, Verifier, read
from wire.receipt import Receipt

_ENVELOPE_FILE = re.compile(r"([0-9a-f]{32})-([1-9][0-9]{0,15})\.envelope")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS chain (id INTEGER PRIMARY KEY, chain TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS envelope (
    id INTEGER PRIMARY KEY, chain_id INTEGER NOT NULL REFERENCES chain, seq INTEGER NOT NULL, hash TEXT NOT NULL,
    publication TEXT NOT NULL, UNIQUE (chain_id, seq));
CREATE INDEX IF NOT EXISTS envelope_publication ON envelope (publication);
CREATE TABLE IF NOT EXISTS picture (sha256 TEXT NOT NULL, envelope_id INTEGER NOT NULL REFERENCES envelope);
CREATE INDEX IF NOT EXISTS picture_sha256 ON picture (sha256);
CREATE TABLE IF NOT EXISTS receipt (
    hub TEXT NOT NULL, chain_id INTEGER NOT NULL REFERENCES chain, seq INTEGER NOT NULL, whole INTEGER NOT NULL,
    at INTEGER NOT NULL, text BLOB NOT NULL, PRIMARY KEY (hub, chain_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS extra (
    hub TEXT NOT NULL, envelope_id INTEGER NOT NULL REFERENCES envelope, PRIMARY KEY (hub, envelope_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS boot (id INTEGER PRIMARY KEY);
"""
"""`envelope.publication` is the SHA-256 of the file; `receipt` is all that a hub has said of a chain."""


class CardError(TestigoError):
    """The card did not do what was asked; nothing was announced as kept."""


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


class Store:
    """The card's records, pictures and receipts.

    Args:
        folder: the data partition.
        verifier: the unit's own public key: only its own envelopes are adopted.
        repaired: called with a sentence for each thing that had to be put right.

    Attributes:
        aside: a second thread, for sealing and writing pictures while the first one reads and signs.
        boot: how often the unit has started on this card.

    Raises:
        CardError: the folder cannot be written, or SQLite does not give the durability asked for.
    """

    def __init__(self, folder: Path, verifier: Verifier, repaired: Callable[[str], None]) -> None:
        self._verifier = verifier
        self._repaired = repaired
        self._thread = threading.get_ident()
        self.aside = ThreadPoolExecutor(1, "card")
        self.folder = folder / "kept"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _sync_folder(folder)
            self._database = self._open(folder / "index.db")
        except (OSError, DatabaseError, sqlite3.Error) as error:
            raise _unusable(folder, error) from error
        try:
            self._chains = self._table("chain", "id", "chain")
            self._envelopes = self._table("envelope", "id", "chain_id", "seq", "hash", "publication")
            self._pictures = self._table("picture", "sha256", "envelope_id")
            self._receipts = self._table("receipt", "hub", "chain_id", "seq", "whole", "at", "text")
            self._extras = self._table("extra", "hub", "envelope_id")
            self._look_at_files()
            self._last_receipt = self._youngest_receipt()
            self.boot = int(self._database.execute_sql("INSERT INTO boot DEFAULT VALUES").lastrowid)
        except (OSError, DatabaseError, sqlite3.Error) as error:
            self._database.close()
            raise _unusable(folder, error) from error

    def close(self) -> None:
        """Closes the index."""
        self.aside.shutdown()
        self._database.close()

    def _table(self, name: str, *columns: str) -> Any:
        return Table(name, columns, _database=self._database)

    def _open(self, path: Path) -> Any:
        try:
            return _connect(path)
        except sqlite3.Error as error:
            if not _means_bad_file(error):
                raise
            aside = path.with_name(f"index-bad-{secrets.token_hex(4)}.db")
            path.replace(aside)
            for suffix in ("-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            _sync_folder(path.parent)
            self._repaired(f"the index was bad ({error}); it is now {aside.name}, and is built again from the files")
            return _connect(path)

    def _look_at_files(self) -> None:
        with self._database.atomic():
            self._adopt()
        self._chain, self._place = self._last_place()
        self._is_sure = True

    def _adopt(self) -> None:
        """Makes the index agree with the files: half-written ones go, whole ones without a row get theirs."""
        names = {entry.name for entry in os.scandir(self.folder)}
        for name in names:
            if name.endswith(".new"):
                (self.folder / name).unlink()
        rows = {(row["chain"], row["seq"]) for row in self._joined()}
        matches = ((match[1], int(match[2])) for match in map(_ENVELOPE_FILE.fullmatch, names) if match)
        orphans = sorted(place for place in matches if place not in rows)
        if orphans:
            # Whoever was to sync their names may have been killed, and was not: a row, or a hub, must not outlive them.
            _sync_folder(self.folder)
        present = self._chains.select().order_by(self._chains.id.desc()).first()
        left_alone = {chain for chain, seq in orphans if not self._adopt_one(Kept(chain, seq, ""), names)}
        if present is None or present["chain"] in left_alone:
            # The card is new, lost its index, or lost a record that may have been sent: nobody knows for sure what was
            # said last, and to say something else in its place would be a fork. So a new chain begins.
            self._chains.insert(chain=secrets.token_hex(16)).execute()

    def _adopt_one(self, kept: Kept, names: set[str]) -> bool:
        try:
            publication = (self.folder / kept.file_name).read_bytes()
            note, sealed = split(publication)
            envelope = read(note, Envelope, {self._verifier.name: self._verifier})
            envelope.statement.check(sealed)
        except (OSError, TheirFault) as error:
            self._repaired(f"{kept.file_name} is not whole and was left alone: {error}")
            return False
        lost = sum(f"{picture.sha256}.picture" not in names for picture in envelope.statement.pictures)
        if (envelope.statement.chain, envelope.statement.seq) != (kept.chain, kept.seq) or lost:
            self._repaired(f"{kept.file_name} has another content or lacks {lost} pictures, and was left alone")
            return False
        self._chains.insert(chain=kept.chain).on_conflict_ignore().execute()
        self._insert(int(self._chain_id(kept.chain) or 0), envelope, publication)
        self._repaired(f"{kept.file_name} was whole but not in the index, and is now")
        return True

    def _insert(self, chain_id: int, envelope: Note[Envelope], publication: bytes) -> None:
        # As plain SQL: a volunteer waits for it, and building queries would cost more than the commit.
        statement, execute = envelope.statement, self._database.execute_sql
        row = (chain_id, statement.seq, envelope.hash, hashlib.sha256(publication).hexdigest())
        with self._database.atomic():
            done = execute("INSERT INTO envelope (chain_id, seq, hash, publication) VALUES (?, ?, ?, ?)", row)
            for picture in statement.pictures:
                execute("INSERT INTO picture (sha256, envelope_id) VALUES (?, ?)", (picture.sha256, done.lastrowid))

    def recover(self) -> None:
        """After a write that failed, finds out from the files what the card holds; does nothing otherwise.

        Raises:
            CardError: the card still refuses.
        """
        self._on_thread()
        try:
            if not self._is_sure:
                self._look_at_files()
        except (OSError, DatabaseError, sqlite3.Error) as error:
            raise CardError(f"card: {error}: make room or change it, and press again") from error

    def place(self) -> Place:
        """Where the next record goes."""
        self._on_thread()
        return self._place

    def _last_place(self) -> tuple[int, Place]:
        chain = self._chains.select().order_by(self._chains.id.desc()).first()
        last = (
            self._envelopes.select(self._envelopes.seq, self._envelopes.hash)
            .where(self._envelopes.chain_id == chain["id"])
            .order_by(self._envelopes.seq.desc())
            .first()
        )
        place = Place(chain["chain"], last["seq"] + 1, last["hash"]) if last else Place(chain["chain"], 1, NOTHING)
        return chain["id"], place

    def write(self, sealed: Sequence[bytes], number: int) -> "Future[None]":
        """Begins to write a sealed picture, to be handed to `keep`: there is time to sign while the card works.

        Args:
            sealed: its sealed bytes, in pieces.
            number: which of the record's pictures it is.
        """
        self._on_thread()
        return self.aside.submit(_write_durably, self.folder / f"picture-{number}.new", sealed)

    def keep(self, envelope: Note[Envelope], publication: bytes, pictures: Sequence["Future[None]"]) -> None:
        """Keeps a record and its pictures; when this returns they survive a power cut.

        Args:
            envelope: the envelope, at the place that `place` gave.
            publication: the envelope's note and sealed record, joined.
            pictures: what `write` returned for the sealed pictures that it names, in its order.

        Raises:
            CardError: the card refused; `recover` before the next record.
        """
        self._on_thread()
        statement = envelope.statement
        names = [f"{picture.sha256}.picture" for picture in statement.pictures]
        self._is_sure = False
        try:
            _write_durably(self.folder / "envelope.new", [publication])
            for number, (name, written) in enumerate(zip(names, pictures, strict=True)):
                written.result()
                (self.folder / f"picture-{number}.new").replace(self.folder / name)
            # The envelope's file comes last: where it is, its pictures are.
            (self.folder / "envelope.new").replace(self.folder / f"{statement.chain}-{statement.seq}.envelope")
            _sync_folder(self.folder)
            self._insert(self._chain, envelope, publication)
            self._place, self._is_sure = Place(statement.chain, statement.seq + 1, envelope.hash), True
        except (OSError, DatabaseError, sqlite3.Error) as error:
            raise CardError(f"card: record {statement.seq} could not be written: {error}: press again") from error

    def count(self) -> int:
        """How many records the card holds."""
        self._on_thread()
        return int(self._envelopes.select().count())

    def last_receipt(self) -> str:
        """The hash of the youngest receipt held, `NOTHING` before the first."""
        self._on_thread()
        return self._last_receipt

    def _youngest_receipt(self) -> str:
        row = self._receipts.select(self._receipts.text).order_by(self._receipts.at.desc()).first()
        return hashlib.sha256(row["text"]).hexdigest() if row else NOTHING

    def waiting(self, receipts: int) -> Iterator[Kept]:
        """The outbox: records that fewer than `receipts` hubs have receipted, the oldest first."""
        self._on_thread()
        # COALESCE makes values of the two queries, for peewee writes UNION ALL for a sum of bare ones.
        held_by = fn.COALESCE(self._receipted_by("seq"), 0) + fn.COALESCE(self._extras_of(), 0)
        query = self._joined().where(held_by < receipts)
        for row in query.order_by(self._envelopes.id).iterator():
            yield Kept(row["chain"], row["seq"], row["publication"])

    def waiting_count(self, receipts: int) -> int:
        """How many records wait: for receipts, or for their pictures to be receipted."""
        self._on_thread()
        return int(self._joined().where(self._receipted_by("whole") < receipts).count())

    def find(self, publication: str) -> Kept | None:
        """The record whose publication has this SHA-256."""
        self._on_thread()
        row = self._joined().where(self._envelopes.publication == publication).first()
        return Kept(row["chain"], row["seq"], row["publication"]) if row else None

    def read(self, kept: Kept) -> bytes | None:
        """A record's publication; None when the file does not have its bytes any more."""
        try:
            publication = (self.folder / kept.file_name).read_bytes()
        except OSError:
            return None
        return publication if hashlib.sha256(publication).hexdigest() == kept.publication else None

    def read_chunk(self, sha256: str, start: int, length: int) -> bytes:
        """A piece of a sealed picture that this card keeps; empty when there is none, or it cannot be read."""
        self._on_thread()
        is_ours = self._pictures.select().where(self._pictures.sha256 == sha256).exists()
        if not is_ours or start >= PICTURE_BYTES_MAX:  # a hub may ask for a chunk beyond what files can be long
            return b""
        try:
            with (self.folder / f"{sha256}.picture").open("rb") as file:
                file.seek(start)
                return file.read(length)
        except OSError:
            return b""

    def settle(self, receipt: Note[Receipt]) -> bool:
        """Files a receipt.

        Receipts may come late and again: what a hub has once said it holds stays said.

        Returns:
            Whether it was one for this card: of a chain it has, with the hash it knows.

        Raises:
            CardError: the card refused; the hub will say it again.
        """
        self._on_thread()
        statement = receipt.statement
        chain_id = self._chain_id(statement.chain)
        try:
            if chain_id is None or not self._agrees(chain_id, statement.seq, statement.hash):
                if chain_id == self._chain and statement.seq > 0:
                    self._leave_chain(statement)
                return False
            self._file(receipt, chain_id)
            self._last_receipt = self._youngest_receipt()
        except (DatabaseError, sqlite3.Error) as error:
            raise CardError(f"card: a receipt of {statement.hub} could not be filed: {error}: make room") from error
        return True

    def _leave_chain(self, statement: Receipt) -> None:
        """A hub holds envelopes of this chain that the card does not: it lost its end, or was copied.

        Whatever came next in the chain would be a fork; so it ends here, and a new one begins.
        """
        self._repaired(f"{statement.hub} holds another envelope {statement.seq} of this chain: a new chain begins")
        self._chains.insert(chain=secrets.token_hex(16)).execute()
        self._chain, self._place = self._last_place()

    def _file(self, receipt: Note[Receipt], chain_id: int) -> None:
        statement = receipt.statement
        table, new = self._receipts, EXCLUDED
        younger = new.at >= table.at
        with self._database.atomic():
            table.insert(
                hub=statement.hub,
                chain_id=chain_id,
                seq=statement.seq,
                whole=min(statement.whole, statement.seq),
                at=statement.at,
                text=receipt.text,
            ).on_conflict(
                conflict_target=(table.hub, table.chain_id),
                update={
                    table.seq: fn.MAX(table.seq, new.seq),
                    table.whole: fn.MAX(table.whole, new.whole),
                    table.text: fn.IIF(younger, new.text, table.text),
                    table.at: fn.MAX(table.at, new.at),
                },
            ).execute()
            for extra in statement.extras:
                envelope_id = self._envelope_id(chain_id, extra.seq, extra.hash)
                if envelope_id is not None:
                    self._extras.insert(hub=statement.hub, envelope_id=envelope_id).on_conflict_ignore().execute()

    def _agrees(self, chain_id: int, seq: int, hash_: str) -> bool:
        return hash_ == NOTHING if seq == 0 else self._envelope_id(chain_id, seq, hash_) is not None

    def _chain_id(self, chain: str) -> int | None:
        row = self._chains.select().where(self._chains.chain == chain).first()
        return row["id"] if row else None

    def _envelope_id(self, chain_id: int, seq: int, hash_: str) -> int | None:
        table = self._envelopes
        row = table.select(table.id).where(table.chain_id == chain_id, table.seq == seq, table.hash == hash_).first()
        return row["id"] if row else None

    def _joined(self) -> Any:
        table = self._envelopes
        query = table.select(self._chains.chain, table.seq, table.publication)
        return query.join(self._chains, on=table.chain_id == self._chains.id)

    def _receipted_by(self, column: str) -> Any:
        """How many hubs' receipts reach an envelope, by `seq` or by `whole`."""
        table = self._receipts
        reaches = (table.chain_id == self._envelopes.chain_id) & (getattr(table, column) >= self._envelopes.seq)
        return table.select(fn.COUNT(1)).where(reaches)

    def _extras_of(self) -> Any:
        """How many hubs have receipted an envelope as an extra and have not reached it since."""
        extra, receipt = self._extras, self._receipts
        reached = receipt.select(1).where(
            receipt.hub == extra.hub, receipt.chain_id == self._envelopes.chain_id, receipt.seq >= self._envelopes.seq
        )
        return extra.select(fn.COUNT(1)).where(extra.envelope_id == self._envelopes.id, ~fn.EXISTS(reached))

    def _on_thread(self) -> None:
        if threading.get_ident() != self._thread:
            raise AssertionError("the store is used by the one thread that opened it")


def _connect(path: Path) -> Any:
    """Opens the index, checked, and with the durability that the kept lamp promises."""
    database: Any = SqliteDatabase(str(path), thread_safe=False)
    database.connect()
    connection: sqlite3.Connection = database.connection()
    try:
        connection.execute("PRAGMA synchronous=FULL")
        asked = ("journal_mode=WAL", "synchronous", "quick_check(1)")
        mode, synchronous, check = (connection.execute(f"PRAGMA {pragma}").fetchone()[0] for pragma in asked)
        if (mode, synchronous) != ("wal", 2):
            raise OSError(f"{path}: expected journal mode wal and synchronous 2, found {mode} and {synchronous}")
        if check != "ok":
            raise sqlite3.DatabaseError(check)
        connection.executescript(_SCHEMA)
    except BaseException:
        database.close()
        raise
    return database


def _means_bad_file(error: sqlite3.Error) -> bool:
    """Whether the file itself is at fault: one on a full or locked card may be as good as ever."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)  # what we raise ourselves has none
    unreadable = (sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ)
    return code in unreadable or code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _unusable(folder: Path, error: Exception) -> CardError:
    return CardError(f"card {folder}: {error}: check that it is mounted, writable and not full")


def _write_durably(path: Path, pieces: Sequence[bytes]) -> None:
    with path.open("wb") as file:
        file.writelines(pieces)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
