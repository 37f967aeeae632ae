"""The readiness: a unit's word on what its bench has seen of it, for whoever sends it out.

It travels in clear, so what is seen is parts of a unit, and no place, network or mesa.
"""

from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from wire.fields import Name, Positive, Sentence, Word
from wire.note import Statement

CHECKS_MAX = 32
"""More than a unit has parts."""


class Check(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What became of one part: `good`, `bad` or `absent`, and what was seen, in words."""

    outcome: Word
    part: Word
    words: Sentence


class Readiness(Statement, frozen=True, kw_only=True):
    """A unit's word on what its bench has seen: whether it may go out.

    Attributes:
        calibration: which calibration its camera has; empty for none.
        checks: each part that was looked at, in that order.
        date: what the unit believed, the day alone (`2024-07-28`), and no day before that of the report before.
        deployment: whose election trial or night it is.
        firmware: of which version the bench was.
        number: the how manieth report of the unit's card this is.
        unit: the unit's name, and signer.
    """

    KIND: ClassVar[str] = "testigo/readiness/1"

    calibration: Annotated[str, Meta(pattern=r"\A([0-9a-f]{16})?\Z")]
    checks: Annotated[tuple[Check, ...], Meta(max_length=CHECKS_MAX)]
    date: Annotated[str, Meta(pattern=r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")]
    deployment: Name
    firmware: Word
    number: Positive
    unit: Name

    @property
    def author(self) -> str:
        """The unit."""
        return self.unit

    @property
    def age(self) -> tuple[str, int]:
        """What a later report has more of; also one of a card written anew, whose numbers begin again."""
        return self.date, self.number
