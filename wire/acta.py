"""The acta: what a tally sheet's QR codes say, read by an election's profile; and why they may say nothing.

Reading a payload has three outcomes, all of them values: an `Acta`, `Incomplete` where a sheet has several QR codes
and some are still to come, and a `Refusal`. A refusal never quotes the payload: votes do not go into logs.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

COUNT = re.compile(r"0|[1-9][0-9]{0,5}")
"""A count as every known acta prints it: no sign, no leading zero, below a million."""


@dataclass(frozen=True, slots=True)
class Contest:
    """One office voted for.

    Attributes:
        id: the profile's or the sheet's name for it.
        votes: ballot options in the sheet's order, each with its votes.
        nulos: votes that were void.
        vacios: ballots that were blank.
    """

    id: str
    votes: tuple[tuple[str, int], ...]
    nulos: int
    vacios: int

    @property
    def valid(self) -> int:
        """The votes for any option."""
        return sum(count for _, count in self.votes)


@dataclass(frozen=True, slots=True)
class Acta:
    """A tally sheet as its QR codes tell it.

    Attributes:
        profile: id of the profile it was read by.
        mesa: the key of the polling table: two actas of one mesa must be the same.
        fields: what else the sheet says of itself, as read, sorted by name.
        contests: one for each office.
        doubts: soft rules that it breaks: each a sentence for a person, never a reason to refuse.
        seal: what the election's own machine signed, as read (hex); empty when the profile has no such thing.
    """

    profile: str
    mesa: str
    fields: tuple[tuple[str, str], ...]
    contests: tuple[Contest, ...]
    doubts: tuple[str, ...] = ()
    seal: str = ""


@dataclass(frozen=True, slots=True)
class Incomplete:
    """Some of a sheet's QR codes, all good so far: `have` lists their numbers from 1, `of` says how many there are."""

    profile: str
    have: tuple[int, ...]
    of: int

    def __str__(self) -> str:
        """The same as a sentence."""
        return f"QR codes {', '.join(map(str, self.have))} of {self.of} are read: show the others"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why payloads are no acta of a profile: what it expects, and what was found instead."""

    profile: str
    expected: str
    found: str

    def __str__(self) -> str:
        """The same as a sentence."""
        return f"the payload has {self.found}, the profile {self.profile} has {self.expected}"


class MesaField(Protocol):
    """One of the fields that together are a mesa's key."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def pattern(self) -> str:
        """A regular expression of all that it can be."""
        ...

    @property
    def words(self) -> str:
        """The same for people."""
        ...


class Profile(Protocol):
    """An election's layout: data, read from TOML (see `wire.profiles`)."""

    @property
    def id(self) -> str:
        """Its name, as records carry it."""
        ...

    @property
    def mesa_fields(self) -> Sequence[MesaField]:
        """What `Acta.mesa` is made of, joined by points, in that order."""
        ...

    def read(self, payloads: Sequence[str]) -> Acta | Incomplete | Refusal:
        """Reads the QR codes of one sheet, in any order; never raises."""
        ...

    def candidate(self, contest: str, option: str) -> str:
        """Who gets the votes of a ballot option of an acta that this profile has read."""
        ...
