"""The control card: what operators tell a unit that has no screen, as a signed note in a QR code.

    testigo/card/1
    {"begin":1722146400,...,"order":{"code":"240111000","kind":"centre"},...}
    <blank line>
    — cards 3qJ7...

A unit keeps what it is shown like anything else, and then does it. The record is the statement: where it stands in the
unit's chain tells which records it is about. docs/wire.md is the specification.
"""

from enum import Enum
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from wire.fields import Name, Natural, Positive, Word
from wire.note import Statement

UNITS_MAX = 16
"""How many units a card names at most: the QR code must stay coarse enough to be read at once."""

ROUND_MAX = 99

Code = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9.:-]{0,31}\Z")]
"""A number or a short name as the election has it: of a centro, a courier's run, a box."""

NETWORK_BYTES_MAX = 32
"""IEEE 802.11-2020, 9.4.2.2: the name of a network, whatever its letters are, in UTF-8."""


class State(Enum):
    """One of the two states that something can be in."""

    ON = "on"
    OFF = "off"


class _Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    """What a card says. It is told apart by its `kind`."""

    @property
    def kind(self) -> str:
        """Which it is, as the note writes it."""
        return str(self.__struct_config__.tag)


class Centre(_Order, frozen=True, tag="centre"):
    """What is kept from here on is of this centro."""

    code: Code


class Run(_Order, frozen=True, tag="run"):
    """What is kept from here on was brought by this courier's run."""

    code: Code


class Box(_Order, frozen=True, tag="box"):
    """This box is closed: the actas kept since the last one was are in it."""

    code: Code


class Incident(_Order, frozen=True, tag="incident"):
    """Something has happened, here and now, of this kind."""

    what: Word


class Turnout(_Order, frozen=True, tag="turnout"):
    """What is kept from here on tells how many have voted, as of this round."""

    round: Annotated[int, Meta(ge=1, le=ROUND_MAX)]


class Network(_Order, frozen=True, tag="network"):
    """A wireless network to use until the power goes; without a passphrase, an open one."""

    name: Annotated[str, Meta(pattern=r"\A[^\x00-\x1f\x7f]{1,32}\Z")]
    passphrase: Annotated[str, Meta(pattern=r"\A([ -~]{8,63})?\Z")]


class Hub(_Order, frozen=True, tag="hub"):
    """The hub whose broker is to be tried first."""

    hub: Name


class Quiet(_Order, frozen=True, tag="quiet"):
    """Lamps only from here on, or sounds again."""

    state: State


class Training(_Order, frozen=True, tag="training"):
    """Nothing that is kept from here on counts, until the power goes."""


Order = Centre | Run | Box | Incident | Turnout | Network | Hub | Quiet | Training
KINDS: tuple[type[Order], ...] = (Centre, Run, Box, Incident, Turnout, Network, Hub, Quiet, Training)


class Control(Statement, frozen=True, kw_only=True):
    """What a control card states.

    Attributes:
        begin, end: from when until when it holds, seconds since 1970 UTC; the end itself not included.
        deployment: whose election trial or night it is.
        number: of cards of one kind and signer those with a lower number are void once a higher one was taken; those
            that bear the same one hold side by side, in any order and as often as they are shown.
        order: what it says.
        signer: the name of the key for control cards that signs it.
        units: for which units it is; for all where none is named.
    """

    KIND: ClassVar[str] = "testigo/card/1"

    begin: Natural
    deployment: Name
    end: Natural
    number: Positive
    order: Order
    signer: Name
    units: Annotated[tuple[Name, ...], Meta(max_length=UNITS_MAX)]

    @property
    def author(self) -> str:
        """The key for control cards."""
        return self.signer


def words(order: Order) -> str:
    """What a card says, for people; never the name of a network nor its passphrase."""
    match order:
        case Centre(code) | Run(code) | Box(code):
            return f"{order.kind} {code}"
        case Incident(what):
            return f"incident {what}"
        case Turnout(number):
            return f"turnout round {number}"
        case Hub(hub):
            return f"hub {hub} first"
        case Quiet(state):
            return f"quiet {state.value}"
        case Network() | Training():
            return order.kind


def is_note(payload: str) -> bool:
    """Whether a QR code's text begins as a control card does, forged or not."""
    return payload.startswith(f"{Control.KIND}\n")
