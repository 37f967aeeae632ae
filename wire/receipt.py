"""The receipt: a hub's signed answer, and with it the note a unit asks for one with.

Receipts are cumulative: each says everything the hub holds of one chain, so that any of them may be lost, repeated or
overtaken by a later one without harm.
"""

from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from wire.fields import ChainId, Hash, Name, Natural, Positive, Sentence, Word
from wire.note import Statement

EXTRAS_MAX = 256
"""How many envelopes beyond a gap a receipt names; the rest wait for the gap to close."""

MISSING_MAX = 16
"""How many incomplete pictures a receipt names; the next receipt names the next ones."""

CHUNKS_MAX = 64
"""How many missing chunks of one picture a receipt names: 4 MB, the window of one answer."""

HEARD_MAX = 16
"""How many hubs a holding names: a unit's settings name no more."""


class Extra(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An envelope that is held although one before it is not, and whether all its pictures are."""

    hash: Hash
    seq: Positive
    whole: bool


class Missing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A picture that is not whole yet: the first chunks that lack, counted from 0."""

    chunks: Annotated[tuple[Natural, ...], Meta(min_length=1, max_length=CHUNKS_MAX)]
    sha256: Hash


class Receipt(Statement, frozen=True):
    """What a hub holds of one chain, durably, at this moment.

    Attributes:
        at: the hub's clock, seconds since 1970 UTC: nothing receipted here is younger.
        chain, unit: whose chain.
        extras: envelopes held beyond the first gap.
        hash: hash of the envelope `seq`; `NOTHING` when `seq` is 0.
        hub: the hub's name, and signer.
        missing: pictures that are not whole, the oldest first.
        seq: every envelope from 1 to here is held.
        whole: every picture of the envelopes from 1 to here is held.
    """

    KIND: ClassVar[str] = "testigo/receipt/1"

    at: Natural
    chain: ChainId
    extras: Annotated[tuple[Extra, ...], Meta(max_length=EXTRAS_MAX)]
    hash: Hash
    hub: Name
    missing: Annotated[tuple[Missing, ...], Meta(max_length=MISSING_MAX)]
    seq: Natural
    unit: Name
    whole: Natural

    @property
    def author(self) -> str:
        """The hub."""
        return self.hub


class Refused(Statement, frozen=True):
    """A hub's word that it will not hold a publication, so that one bad record does not block the others.

    Attributes:
        at: the hub's clock, seconds since 1970 UTC.
        hub: the hub's name, and signer.
        publication: SHA-256 of the bytes that came, whatever they were.
        unit: whose topic they came on.
        why: a short code (docs/wire.md lists them; new ones may come).
        words: the same for people.
    """

    KIND: ClassVar[str] = "testigo/refused/1"

    at: Natural
    hub: Name
    publication: Hash
    unit: Name
    why: Word
    words: Sentence

    @property
    def author(self) -> str:
        """The hub."""
        return self.hub


class Heard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of which moment, as receipts tell it, a hub's youngest receipt for a chain is that the unit knows."""

    at: Natural
    hub: Name


class Holding(Statement, frozen=True):
    """A unit's word on what it holds, said on connecting; the hub answers with its receipt for that chain.

    Attributes:
        chain: one of the unit's, the present one or an earlier one.
        hash: hash of the last envelope; `NOTHING` when `seq` is 0.
        heard: of the hubs that have receipted the chain, for the unit believes none that says less in an older receipt.
        seq: the last envelope.
        unit: the unit's name, and signer.
    """

    KIND: ClassVar[str] = "testigo/holding/1"

    chain: ChainId
    hash: Hash
    heard: Annotated[tuple[Heard, ...], Meta(max_length=HEARD_MAX)]
    seq: Natural
    unit: Name

    @property
    def author(self) -> str:
        """The unit."""
        return self.unit
