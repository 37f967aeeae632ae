"""The keeper: what it makes of what was seen is signed, sealed, bound to its place, and opens for its recipients."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from device.keeper import PAYLOADS_CHARACTERS_MAX, Keeper
from device.ports import Frame
from device.store import CardError, Store
from sim.clock import DATE, SteppedClock
from tests.device.cards import OWN, PHOTOGRAPH, RECIPIENTS, opened
from tests.wire.samples import DEPLOYMENT, OPENERS, UNIT, fault_of, sha256
from wire import note
from wire.envelope import PICTURE_BYTES_MAX, Envelope, context, split
from wire.errors import NotForUsError
from wire.fields import NOTHING
from wire.record import PARTS_MAX, Mode, Picture, Quality, Record

QUALITY = Quality(margin=80, pitch=1200, step="zxing-cpp")
FRAME = Frame(np.zeros((2, 2), np.uint8), PHOTOGRAPH, "image/jpeg")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path) as made:
        yield made


@pytest.fixture
def keeper(store: Store) -> Keeper:
    return Keeper(store, DEPLOYMENT, UNIT, RECIPIENTS, SteppedClock(), "ve-2024-presidential", Mode.LIVE)


def envelope_of(store: Store, seq: int) -> tuple[Envelope, bytes]:
    kept = next(kept for kept in store.waiting(1) if kept.seq == seq)
    text, sealed = split(store.read(kept) or b"")
    return note.read(text, Envelope, OWN).statement, sealed


def record_of(store: Store, seq: int) -> Record:
    envelope, sealed = envelope_of(store, seq)
    bound = context(DEPLOYMENT, UNIT.verifier.name, envelope.chain, seq, "record")
    return note.read(OPENERS[0].open(sealed, bound), Record, OWN).statement


def test_a_record_holds_what_was_seen_and_where_it_stands(store: Store, keeper: Keeper) -> None:
    place = keeper.keep(["a payload", "another"], QUALITY, "a doubt", [keeper.prepare(FRAME)])
    assert record_of(store, 1) == Record(
        after=NOTHING,
        boot=1,
        chain=place.chain,
        clock="system",
        date="2024-07-29T00:04:06Z",
        deployment=DEPLOYMENT,
        doubt="a doubt",
        mode=Mode.LIVE,
        ms=0,
        payloads=("a payload", "another"),
        pictures=(Picture("image/jpeg", sha256(PHOTOGRAPH), len(PHOTOGRAPH)),),
        profile="ve-2024-presidential",
        quality=QUALITY,
        seq=1,
        unit=UNIT.verifier.name,
    )
    assert SteppedClock().seconds() == DATE


def test_every_recipient_can_open_it_alone_and_nobody_else_can(store: Store, keeper: Keeper) -> None:
    keeper.keep(["a payload"], QUALITY, "", [])
    envelope, sealed = envelope_of(store, 1)
    bound = context(DEPLOYMENT, UNIT.verifier.name, envelope.chain, 1, "record")
    assert OPENERS[0].open(sealed, bound) == OPENERS[1].open(sealed, bound)
    assert isinstance(fault_of(OPENERS[2].open, sealed, bound), NotForUsError)


def test_what_is_sealed_opens_at_its_own_place_only(store: Store, keeper: Keeper) -> None:
    keeper.keep(["a payload"], QUALITY, "", [keeper.prepare(FRAME)])
    envelope, sealed = envelope_of(store, 1)
    for seq, what in ((2, "record"), (1, "picture/0")):
        assert fault_of(OPENERS[0].open, sealed, context(DEPLOYMENT, UNIT.verifier.name, envelope.chain, seq, what))


def test_the_envelope_says_whose_deployment_it_is_of(store: Store, keeper: Keeper) -> None:
    keeper.keep(["a payload"], QUALITY, "", [])
    assert envelope_of(store, 1)[0].deployment == DEPLOYMENT


def test_a_second_record_follows_the_first(store: Store, keeper: Keeper) -> None:
    keeper.keep(["a payload"], QUALITY, "", [])
    before = store.place().prev
    keeper.keep(["another"], QUALITY, "", [])
    assert envelope_of(store, 2)[0].prev == before


@pytest.mark.parametrize(
    ("payloads", "fits"),
    [
        ((), True),
        (["x"] * PARTS_MAX, True),
        (["x"] * (PARTS_MAX + 1), False),
        (["\0" * (PAYLOADS_CHARACTERS_MAX // 2)] * 2, True),
        (["7" * 7089, "7" * 7089], False),
    ],
    ids=["none", "most parts", "too many parts", "the longest escapes", "too long"],
)
def test_what_does_not_fit_a_record_is_kept_as_its_picture_with_the_reason(
    store: Store, keeper: Keeper, payloads: list[str], fits: bool
) -> None:
    keeper.keep(payloads, QUALITY, "", [keeper.prepare(FRAME)])
    record = record_of(store, 1)
    assert record.payloads == (tuple(payloads) if fits else ())
    assert record.doubt == (
        ""
        if fits
        else f"{len(payloads)} QR codes of {sum(map(len, payloads))} characters do not fit a record: see the picture"
    )


def test_a_photograph_too_long_to_be_sent_is_a_fault_and_nothing_is_kept(store: Store, keeper: Keeper) -> None:
    longest = PICTURE_BYTES_MAX // 1024 * 1024 - 1024  # the header takes part of a kilobyte
    too_long = Frame(FRAME.luma, bytes(longest + 1024), FRAME.media)
    with pytest.raises(CardError, match=r"photograph: 671\d{5} bytes sealed, at most 67108864 are kept"):
        keeper.keep(["a payload"], QUALITY, "", [keeper.prepare(too_long)])
    assert (store.count(), store.place().seq) == (0, 1)
    assert keeper.keep(["a payload"], QUALITY, "", [keeper.prepare(FRAME)]).seq == 1
