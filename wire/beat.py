"""The beat: a unit's word on its own health, said now and then to whoever is behind the broker.

It travels in clear, so it names no place, no network and no mesa, and is coarse in everything that would tell one
evening from another. It decides nothing: no record counts more or less for what its unit says of itself.
"""

from typing import Annotated, ClassVar

from msgspec import Meta

from wire.fields import ChainId, Name, Natural, Positive, Word
from wire.note import Statement

SCANS_MAX = 50
"""Of how many scans the reading rate is told, the latest: a lens that was knocked shows within the hour, and among 50
one that reads 97 in 100 is told from one that reads 80."""

TROUBLES_MAX = 16
"""More than a unit knows of."""


class Beat(Statement, frozen=True, kw_only=True):
    """How a unit is.

    Attributes:
        battery: `outside` (power comes in), `high`, `half`, `low`, `empty`; `unknown` when nothing measures it.
        boot: how often the unit has started, from 1.
        chain: the unit's present one; of two beats of it the one with the higher `boot`, then `minutes`, is the later.
        deployment: whose election trial or night it is.
        heat: `cold`, `fine`, `warm`, `hot`; `unknown` when nothing measures it.
        kept: how many records are on the card.
        minutes: since the unit started, in whole tens.
        read: how many of the latest `scans` were read.
        room: how many more records the card has room for, at their longest.
        scans: how many scans `read` is of, since the unit started.
        troubles: what ails the unit, each in a word of its own, sorted.
        unit: the unit's name, and signer.
        waiting: how many of the records kept still wait for receipts.
    """

    KIND: ClassVar[str] = "testigo/beat/1"

    battery: Word
    boot: Positive
    chain: ChainId
    deployment: Name
    heat: Word
    kept: Natural
    minutes: Natural
    read: Annotated[int, Meta(ge=0, le=SCANS_MAX)]
    room: Natural
    scans: Annotated[int, Meta(ge=0, le=SCANS_MAX)]
    troubles: Annotated[tuple[Word, ...], Meta(max_length=TROUBLES_MAX)]
    unit: Name
    waiting: Natural

    @property
    def author(self) -> str:
        """The unit."""
        return self.unit

    @property
    def age(self) -> tuple[int, int]:
        """What a later beat of the same chain has more of."""
        return self.boot, self.minutes
