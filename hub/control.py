"""The control cards that units were shown, as the ledger has them: what was said, by which unit, in order.

Whether a card is genuine is asked anew each time, by the keys of the deployment package. What it says of records
follows from the order in the chain: a centro holds for what the unit keeps after it, until the next one.
"""

from collections.abc import Iterable, Iterator

import msgspec

from hub.examine import printable
from hub.ledger import Ledger, Outcome
from hub.settings import Settings
from wire import control, note
from wire.control import Control
from wire.errors import TheirFault
from wire.move import Move
from wire.record import Record


class Said(msgspec.Struct, frozen=True):
    """One showing of a card.

    Attributes:
        unit, chain, seq: where its record stands.
        at: when the hub kept that, seconds since 1970 UTC.
        kind: of the card; `move` for a hub's move; empty when it is not genuine.
        words: what it says; or why it is not genuine.
        refused: why the unit refused it; empty when it did what the card says.
    """

    unit: str
    chain: str
    seq: int
    at: int
    kind: str
    words: str
    refused: str


def said(ledger: Ledger, settings: Settings) -> Iterator[Said]:
    """All that was said, by unit and chain, each in its order."""
    rows = {(unit, chain, seq): (at, doubt) for unit, chain, seq, at, doubt in ledger.records(Outcome.CONTROL)}
    for unit, chain in sorted({(unit, chain) for unit, chain, _ in rows}):
        for seq, text in ledger.notes(unit, chain):
            if (unit, chain, seq) in rows:
                (payload,) = _record(text).payloads
                kind, words = _says(payload.encode("latin-1"), unit, settings)
                yield Said(unit, chain, seq, rows[unit, chain, seq][0], kind, words, rows[unit, chain, seq][1])


def _record(text: bytes) -> Record:
    """A record that the intake has verified."""
    return msgspec.json.decode(note.text_of(text).split(b"\n")[1], type=Record)


def _says(payload: bytes, unit: str, settings: Settings) -> tuple[str, str]:
    try:
        if note.kind_of(payload) == Move.KIND:
            moved = note.read(payload, Move, settings.hubs).statement
            deployment, kind, number = moved.deployment, "move", moved.number
            words = f"{moved.hub} is at {' '.join(f'{each.host}:{each.port}' for each in moved.brokers)}"
        else:
            card = note.read(payload, Control, settings.cards).statement
            deployment, kind, number, words = card.deployment, card.order.kind, card.number, control.words(card.order)
            if card.units and unit not in card.units:
                return "", f"not for this unit: {words}"
    except TheirFault as fault:
        return "", f"not genuine: {fault}"
    if deployment != settings.deployment:
        return "", f"of the deployment {deployment}: {words}"
    return kind, f"{words} ({number})"


def text(all_said: Iterable[Said]) -> str:
    """The same for people to read; what was refused says so."""
    lines = [
        f"{each.unit} {each.chain} {each.seq}: {each.words}" + (f"; refused: {each.refused}" if each.refused else "")
        for each in all_said
    ]
    return "".join(f"{printable(line)}\n" for line in lines) or "no control card was shown\n"
