"""The readiness: a unit's word on what its bench has seen of it, for whoever sends it out."""

from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from wire.fields import Name, Sentence, Word
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
        date: what the unit believed, the day alone (`2024-07-28`).
        deployment: whose election trial or night it is.
        unit: the unit's name, and signer.
    """

    KIND: ClassVar[str] = "testigo/readiness/1"

    calibration: Annotated[str, Meta(pattern=r"\A([0-9a-f]{16})?\Z")]
    checks: Annotated[tuple[Check, ...], Meta(max_length=CHECKS_MAX)]
    date: Annotated[str, Meta(pattern=r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")]
    deployment: Name
    unit: Name

    @property
    def author(self) -> str:
        """The unit."""
        return self.unit
