"""The bundle: what a unit leaves on a stick for whoever carries it, and the names of its files.

testigo/<deployment>/<unit>/<sha256>.envelope       a publication, as the card has it
testigo/<deployment>/<unit>/<sha256>.picture        a sealed picture, as the card has it
testigo/<deployment>/<unit>/<sha256>.manifest       a bundle: which of them the unit put there
testigo/<deployment>/<unit>/<sha256>.holding        what the unit holds of a chain, and has heard of hubs
testigo/<deployment>/<unit>/<hub>-<chain>.receipt   a hub's answer, on its way back
testigo/<deployment>/<unit>/<hub>-<sha256>.refused  another: it will not hold that publication

A file that a unit writes is named by the SHA-256 of its bytes, so each says by itself whether it is whole, whatever
carried it and whoever vouches for it; and none is called by a path or a name that somebody else chose.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from wire.envelope import PICTURE_BYTES_MAX, PUBLICATION_BYTES_MAX, Envelope, Sealed, split
from wire.errors import TheirFault
from wire.fields import Name
from wire.note import NOTE_BYTES_MAX, Note, Statement, Verifier, kind_of, read
from wire.receipt import Receipt, Refused

ROOT = "testigo"
"""The one folder of ours on a stick."""

RECORDS_MAX = 128
"""How many records a bundle has at most: places 1 to 128 of a chain are one, 129 to 256 the next."""

PICTURES_MAX = 512
"""How many pictures a bundle names at most, so that it fits a note: a file takes 94 bytes, all of them 60,160."""

_HASH = "[0-9a-f]{64}"
_NAMED = re.compile(rf"({_HASH})\.(envelope|picture|manifest|holding)")
_ANSWER = re.compile(rf"[a-z0-9](?:[a-z0-9-]{{0,30}}[a-z0-9])?-(?:[0-9a-f]{{32}}\.receipt|{_HASH}\.refused)")


class Bundle(Statement, frozen=True):
    """A unit's word on what it put on a stick: each file was read again from there, and was whole.

    Attributes:
        deployment: whose election trial or night it is.
        envelopes: the publications, in the order of their chain.
        pictures: the sealed pictures of these.
        unit: the unit's name, and signer.
    """

    KIND: ClassVar[str] = "testigo/bundle/1"

    deployment: Name
    envelopes: Annotated[tuple[Sealed, ...], Meta(min_length=1, max_length=RECORDS_MAX)]
    pictures: Annotated[tuple[Sealed, ...], Meta(max_length=PICTURES_MAX)]
    unit: Name

    @property
    def author(self) -> str:
        """The unit."""
        return self.unit


class Leaf(Enum):
    """What a file named by its own bytes is; its value is how the name ends."""

    ENVELOPE = "envelope"
    PICTURE = "picture"
    MANIFEST = "manifest"
    HOLDING = "holding"

    @property
    def bytes_max(self) -> int:
        """How long such a file may be."""
        return _BYTES_MAX[self]


_BYTES_MAX = {
    Leaf.ENVELOPE: PUBLICATION_BYTES_MAX,
    Leaf.PICTURE: PICTURE_BYTES_MAX,
    Leaf.MANIFEST: NOTE_BYTES_MAX,
    Leaf.HOLDING: NOTE_BYTES_MAX,
}


@dataclass(frozen=True, slots=True, order=True)
class File:
    """A file that is named by its own bytes."""

    sha256: str
    leaf: Leaf

    def __str__(self) -> str:
        """Its name on the stick."""
        return f"{self.sha256}.{self.leaf.value}"


def parse(name: str) -> File | None:
    """The file of that name; None when it is none that a unit writes."""
    match = _NAMED.fullmatch(name)
    return File(match[1], Leaf(match[2])) if match else None


def is_answer(name: str) -> bool:
    """Whether a file of that name should be a hub's answer."""
    return _ANSWER.fullmatch(name) is not None


def answer_name(answer: Receipt | Refused) -> str:
    """What a hub's answer is called: a younger one takes the place of an older one."""
    if isinstance(answer, Refused):
        return f"{answer.hub}-{answer.publication}.refused"
    return f"{answer.hub}-{answer.chain}.receipt"


def read_answer(note: bytes, hubs: Mapping[str, Verifier]) -> Note[Receipt] | Refused:
    """A hub's answer, verified.

    Raises:
        TheirFault: it is none of these hubs'.
    """
    return read(note, Refused, hubs).statement if kind_of(note) == Refused.KIND else read(note, Receipt, hubs)


def claims(publication: bytes) -> Envelope | None:
    """What a publication says that it is, verified by nobody: for those who carry it on and do not know its unit's key.

    Nothing may be kept, settled or counted by it.
    """
    try:
        note, _ = split(publication)
        kind, line, *_ = note.split(b"\n")
        return _CLAIMS.decode(line) if kind == Envelope.KIND.encode("ascii") else None
    except (TheirFault, ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return None


_CLAIMS = msgspec.json.Decoder(Envelope)
