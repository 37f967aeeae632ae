"""The cards: stores in folders, what is kept in them, and hubs' receipts for it, for the tests of the store."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

import numpy as np

from device.keeper import Keeper
from device.log import Event
from device.ports import Frame
from device.room import Room
from device.store import Place, Store
from sim.body import SimStorage
from sim.clock import SteppedClock
from tests.device.world import acta
from tests.wire.samples import DEPLOYMENT, HUB, OPENERS, OTHER_HUB, UNIT
from wire import note
from wire.envelope import Envelope, context, split
from wire.fields import NOTHING
from wire.log import Log
from wire.note import KeySigner, Note
from wire.receipt import Extra, Missing, Receipt
from wire.record import Mode, Quality, Record

RECIPIENTS = [opener.recipient for opener in OPENERS[:2]]
OWN = {UNIT.verifier.name: UNIT.verifier}
PHOTOGRAPH = b"a photograph, as far as a card can tell"


@contextmanager
def opened(
    folder: Path,
    repaired: Callable[[str], object] = lambda _what: None,
    log: Log = lambda _event, **_facts: None,
    hubs: Sequence[KeySigner] = (HUB, OTHER_HUB),
    receipts: int = 1,
    size: int | None = None,
) -> Iterator[Store]:
    """The store of a card, of that size if one is given."""

    def told(event: Enum, **facts: str) -> None:
        log(event, **facts)
        if event is Event.CARD_REPAIRED:
            repaired(facts["what"])

    storage = SimStorage(folder)
    storage.size = size
    store = Store(storage, UNIT.verifier, {hub.verifier.name: hub.verifier for hub in hubs}, receipts, told)
    try:
        yield store
    finally:
        store.close()


def room_on(folder: Path, store: Store) -> Room:
    """What minds the room on a card that is always short of it."""
    storage = SimStorage(folder)
    storage.size = 0
    return Room(store, storage, lambda _event, **_facts: None)


def keep(store: Store, number: int = 1, pictures: int = 1, content: bytes = PHOTOGRAPH) -> Place:
    """Keeps the acta of a mesa."""
    keeper = Keeper(store, DEPLOYMENT, UNIT, RECIPIENTS, SteppedClock(), "ve-2024-presidential", Mode.LIVE)
    frame = Frame(np.zeros((2, 2), np.uint8), content, "image/jpeg")
    return keeper.keep([acta(number)], Quality(), "", [keeper.prepare(frame, picture) for picture in range(pictures)])


def keep_many(store: Store, count: int) -> str:
    """Keeps the actas of so many mesas, and answers their chain."""
    return [keep(store, number) for number in range(1, count + 1)][-1].chain


def envelopes(folder: Path, photograph: bytes = PHOTOGRAPH) -> dict[tuple[str, int], Note[Envelope]]:
    """Every envelope in the folder `kept`, verified, opened, and its pictures there, by chain and seq."""
    found = {}
    for path in (folder / "kept").glob("*.envelope"):
        text, sealed = split(path.read_bytes())
        envelope = note.read(text, Envelope, OWN)
        statement = envelope.statement
        statement.check(sealed)
        place = (statement.deployment, statement.unit, statement.chain, statement.seq)
        record = note.read(OPENERS[1].open(sealed, context(*place, "record")), Record, OWN).statement
        assert (record.deployment, record.unit, record.chain, record.seq) == place
        for number, picture in enumerate(statement.pictures):
            content = (folder / "kept" / f"{picture.sha256}.picture").read_bytes()
            assert OPENERS[0].open(content, context(*place, f"picture/{number}")) == photograph
        assert path.name == f"{statement.chain}-{statement.seq}.envelope"
        found[statement.chain, statement.seq] = envelope
    return found


def assert_chained(found: dict[tuple[str, int], Note[Envelope]]) -> None:
    """Each chain runs from 1 without gaps, and each envelope names the one before."""
    for (chain, seq), envelope in found.items():
        before = found[chain, seq - 1].hash if seq > 1 else NOTHING
        assert envelope.statement.prev == before, f"{chain}-{seq} does not follow"


def offered(store: Store, receipts: int = 1) -> set[tuple[str, int]]:
    """What the store offers, each with its bytes."""
    waiting = list(store.waiting(receipts))
    assert all(store.read(kept) is not None for kept in waiting)
    return {(kept.chain, kept.seq) for kept in waiting}


def receipt(
    chain: str,
    seq: int,
    hash_: str,
    *,
    hub: KeySigner = HUB,
    extras: tuple[Extra, ...] = (),
    missing: tuple[Missing, ...] = (),
    whole: int = 0,
    at: int = 1,
) -> Note[Receipt]:
    """A hub's receipt, signed and read."""
    name, unit = hub.verifier.name, UNIT.verifier.name
    stated = Receipt(
        at=at, chain=chain, extras=extras, hash=hash_, hub=name, missing=missing, seq=seq, unit=unit, whole=whole
    )
    return note.read(note.write(stated, hub), Receipt, {name: hub.verifier})
