"""The envelope: what a unit keeps and sends: sealed, signed, numbered and chained.

An envelope's note and the sealed record it speaks of travel as one *publication*; the same bytes are the file on the
card. Sealed pictures travel apart, in chunks, and are named by their SHA-256.
"""

import hashlib
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from wire.errors import MalformedError
from wire.fields import NOTHING, ChainId, Hash, Name, Positive
from wire.note import NOTE_BYTES_MAX, Statement
from wire.record import PARTS_MAX

CHUNK_BYTES = 65536
"""How a sealed picture is cut for sending: every chunk but the last is this long."""

PICTURE_BYTES_MAX = 64 * 1024 * 1024
"""The longest sealed picture: twice a 12-megapixel frame kept without compression would be."""

SEALED_BYTES_MAX = 131072
"""The longest sealed record: sixteen of the largest QR codes, escaped, and room to spare."""

_LENGTH_BYTES = 4

PUBLICATION_BYTES_MAX = _LENGTH_BYTES + NOTE_BYTES_MAX + SEALED_BYTES_MAX
"""The longest publication there is (`join`)."""


class Sealed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sealed bytes, named: their SHA-256 and size in bytes."""

    sha256: Hash
    size: Annotated[int, Meta(ge=1, le=PICTURE_BYTES_MAX)]

    @classmethod
    def of(cls, blob: bytes) -> "Sealed":
        """The name of these bytes."""
        return cls(hashlib.sha256(blob).hexdigest(), len(blob))

    @property
    def chunks(self) -> int:
        """How many chunks it is sent in."""
        return -(-self.size // CHUNK_BYTES)


class Envelope(Statement, frozen=True):
    """The outer, signed statement: nothing in it tells what was seen.

    Attributes:
        chain: 32 hex digits, drawn anew at each enrolment or rebuilt card.
        deployment: whose election trial or night it is; checked against the topic's.
        pictures: the sealed pictures, in the order of the record's.
        prev: hash of the envelope before this one in the chain; `NOTHING` for the first.
        seq: from 1, without gaps.
        record: the sealed record.
        unit: the unit's name, and signer.
    """

    KIND: ClassVar[str] = "testigo/envelope/1"

    chain: ChainId
    deployment: Name
    pictures: Annotated[tuple[Sealed, ...], Meta(max_length=PARTS_MAX)]
    prev: Hash
    record: Sealed
    seq: Positive
    unit: Name

    @property
    def author(self) -> str:
        """The unit."""
        return self.unit

    def check(self, sealed_record: bytes) -> None:
        """Checks that the sealed bytes are the ones named, and that first and only first envelopes have no `prev`.

        Raises:
            MalformedError: they are not.
        """
        if Sealed.of(sealed_record) != self.record:
            raise MalformedError(f"envelope {self.seq}: the sealed record is not the one the envelope names: drop it")
        if (self.prev == NOTHING) != (self.seq == 1):
            raise MalformedError(f"envelope {self.seq}: only the first of a chain has no envelope before it: drop it")


def context(deployment: str, unit: str, chain: str, seq: int, what: str) -> bytes:
    """What a seal is bound to, so that sealed bytes cannot be moved to another place.

    Args:
        deployment: the deployment's name.
        unit: the unit's name.
        chain: the chain.
        seq: the place in it.
        what: `record`, or `picture/0` for the first picture, and so on.
    """
    return f"testigo/sealed/1 {deployment} {unit} {chain} {seq} {what}".encode("ascii")


def join(note: bytes, sealed_record: bytes) -> bytes:
    """The publication: the note's length in 4 bytes (big-endian), the note, the sealed record."""
    return len(note).to_bytes(_LENGTH_BYTES, "big") + note + sealed_record


def split(publication: bytes) -> tuple[bytes, bytes]:
    """Takes a publication apart: the note and the sealed record.

    Raises:
        MalformedError: it is too short or too long to be one.
    """
    length = int.from_bytes(publication[:_LENGTH_BYTES], "big")
    note, sealed = publication[_LENGTH_BYTES : _LENGTH_BYTES + length], publication[_LENGTH_BYTES + length :]
    if len(publication) <= _LENGTH_BYTES or len(note) != length or not sealed or len(sealed) > SEALED_BYTES_MAX:
        raise MalformedError(
            f"a publication of {len(publication)} bytes is no note and sealed record of at most "
            f"{SEALED_BYTES_MAX} bytes: drop it"
        )
    return note, sealed
