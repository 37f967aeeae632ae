"""The control: what a unit makes of a control card or a hub's move, whoever shows or brings it; it touches nothing.

Whether it is genuine, for this unit, of today, and no older than what was taken before. What then is done is the
unit's.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from wire import control, move, note
from wire.control import Control, Hub, Order, Training
from wire.errors import TheirFault
from wire.move import Move
from wire.note import Verifier

WORDS_MAX = 300
"""So that a record's `doubt` can quote them."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom a unit believes.

    Attributes:
        deployment: whose election trial or night it is.
        unit: the unit's name.
        cards: who may sign control cards, by name.
        hubs: whose moves count, by name.
    """

    deployment: str
    unit: str
    cards: Mapping[str, Verifier]
    hubs: Mapping[str, Verifier]


@dataclass(frozen=True, slots=True)
class Taken:
    """It is to be done.

    Attributes:
        said: what it says.
        what: its signer, his key and its kind: of one, no lower number is taken from now on.
        number: its own.
        note: the note.
    """

    said: Order | Move
    what: str
    number: int
    note: bytes

    @property
    def kind(self) -> str:
        """Which kind it is, for the log."""
        return "move" if isinstance(self.said, Move) else self.said.kind


@dataclass(frozen=True, slots=True)
class Declined:
    """It is not, in words."""

    why: str

    @property
    def doubt(self) -> str:
        """What the record says of it."""
        return f"control card refused: {self.why}"


def is_card(payload: str) -> bool:
    """Whether a QR code's text is that of a control card or a move, genuine or not."""
    return control.is_note(payload) or move.is_note(payload)


def judge(
    payload: bytes, trust: Trust, taken: Mapping[str, int], now: int | None, past: int | None = None
) -> Taken | Declined:
    """What a unit makes of it.

    Args:
        payload: the note.
        trust: whom the unit believes.
        taken: the highest number taken of each `Taken.what`.
        now: the date, in seconds since 1970 UTC; None when nobody has told it to the unit.
        past: a moment that is past, perhaps for weeks: where there is no date it says what is over, and never that
            something has not come yet.
    """
    try:
        if note.kind_of(payload) == Move.KIND:
            said = note.read(payload, Move, trust.hubs).statement
            found = Taken(said, _what(trust.hubs[said.hub], "move"), said.number, payload)
            return _of_ours(said.deployment, trust) or _of_order(found, taken) or found
        card = note.read(payload, Control, trust.cards).statement
    except TheirFault as fault:
        return Declined(str(fault)[:WORDS_MAX])
    found = Taken(card.order, _what(trust.cards[card.signer], card.order.kind), card.number, payload)
    return _of_ours(card.deployment, trust) or _of_scope(card, trust, now, past) or _of_order(found, taken) or found


def _what(verifier: Verifier, kind: str) -> str:
    """A stolen key's numbers, however high, void no card of the key that takes its place."""
    return f"{verifier.name}+{verifier.key_id.hex()} {kind}"


def _of_ours(deployment: str, trust: Trust) -> Declined | None:
    if deployment != trust.deployment:
        return Declined(f"it is of the deployment {deployment}, this unit is of {trust.deployment}: show one of ours")
    return None


def _of_scope(card: Control, trust: Trust, now: int | None, past: int | None) -> Declined | None:
    if card.units and trust.unit not in card.units:
        return Declined("it is for other units: show it to one of those it names")
    if isinstance(card.order, Hub) and card.order.hub not in trust.hubs:
        return Declined(f"this unit knows no hub {card.order.hub}: print it anew")
    latest = past if now is None else now
    if latest is not None and latest >= card.end:
        return Declined("its time is over: ask the operators for a new one")
    # All others do no harm that their own kind's next card does not undo; this one has records not counted.
    if now is None and isinstance(card.order, Training) and (past is None or past < card.begin):
        return Declined("this unit has no date: training needs one")
    if now is not None and now < card.begin:
        return Declined("its time has not come: show it later, or set the clock")
    return None


def _of_order(found: Taken, taken: Mapping[str, int]) -> Declined | None:
    if found.number < taken.get(found.what, 0):
        return Declined(f"it is older than one of its kind that was taken: number {found.number} is void")
    return None
