"""The receipts: lost, doubled, late, and all that others might send in their place."""

import random
from collections.abc import Callable, Sequence

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from device.log import Event
from device.signals import Signal
from tests.device.world import World, acta
from wire import note
from wire.note import KeySigner
from wire.receipt import Extra, Holding, Receipt, Refused
from wire.topics import Leaf, Topic

HUB = "hub-a"
OTHER_CHAIN = "c0ffee00" * 4


def receipt(world: World, **other: object) -> Receipt:
    """What the hub would say of all that the unit holds, but for the attributes given."""
    place = world.place
    true: dict[str, object] = {
        "at": 1_722_211_500,
        "chain": place.chain,
        "extras": (Extra(place.prev, place.seq - 1, whole=False),),
        "hash": place.prev,
        "hub": HUB,
        "missing": (),
        "seq": place.seq - 1,
        "unit": world.name,
        "whole": place.seq - 1,
    }
    return Receipt(**(true | other))  # type: ignore[arg-type]


def stranger(name: str) -> KeySigner:
    return KeySigner(name, ec.generate_private_key(ec.SECP256R1()))


def true_note(world: World, **other: object) -> bytes:
    return note.write(receipt(world, **other), world.intake.keys.signer)


def mutated(world: World) -> list[bytes]:
    """The true note with one byte altered, in any place."""
    true, chance = true_note(world), random.Random(5)
    places = chance.sample(range(len(true)), 60)
    return [true[:at] + bytes([true[at] ^ 1 << chance.randrange(8)]) + true[at + 1 :] for at in places]


Forge = Callable[[World], Sequence[bytes]]

FORGERIES: dict[str, Forge] = {
    "another key under the hub's name": lambda world: [note.write(receipt(world), stranger(HUB))],
    "an unknown hub": lambda world: [note.write(receipt(world, hub="hub-z"), stranger("hub-z"))],
    "the unit itself": lambda world: [note.write(receipt(world, hub=world.name), world.signer)],
    "for another unit": lambda world: [true_note(world, unit="u-another")],
    "for another chain": lambda world: [true_note(world, chain=OTHER_CHAIN)],
    "with another hash": lambda world: [true_note(world, hash="ab" * 32)],
    "with another seq": lambda world: [true_note(world, seq=7)],
    "one byte altered": mutated,
    "one byte too many": lambda world: [true_note(world) + b"\n", b"\n" + true_note(world)],
    "the end lost": lambda world: [true_note(world)[:length] for length in (0, 1, 18, 200, -1)],
    "rubbish": lambda _: [random.Random(6).randbytes(length) for length in (1, 100, 4_000)],
    "a novel": lambda _: [b"testigo/receipt/1\n" + b"{" * 1_000_000],
    "the unit's own word": lambda world: [
        note.write(Holding(world.place.chain, world.place.prev, (), 1, world.name), world.signer)
    ],
    "a refusal of nothing": lambda world: [
        note.write(
            Refused(1, HUB, "ab" * 32, world.name, "malformed", "no"),
            world.intake.keys.signer,
        )
    ],
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_what_is_no_receipt_for_this_card_changes_nothing(here: World, forge: Forge) -> None:
    topic = str(Topic("trial", here.name, Leaf.RECEIPT))
    here.mangle = lambda _answers: []
    here.scan(acta())
    forged = forge(here)
    here.mangle = lambda _answers: [(topic, each) for each in forged]
    here.clock.run(120_000)
    assert [kept.seq for kept in here.waiting] == [1]
    assert len(here.logged(Event.RECEIPT_IGNORED)) >= len(forged)
    assert not any("seq=1" in line for line in here.logged(Event.RECEIPTED))
    assert Signal.REFUSED not in here.shown
    here.mangle = lambda answers: answers
    assert here.settle()


def test_lost_receipts_are_given_again(here: World) -> None:
    chance = random.Random(7)
    here.mangle = lambda answers: [answer for answer in answers if chance.random() < 0.1]
    for mesa in range(8):
        here.scan(acta(mesa))
        here.clock.run(10_000)
    assert here.settle()
    assert len(here.mesas()) == len(here.records()) == 8


def test_doubled_receipts_do_no_harm(here: World) -> None:
    here.mangle = lambda answers: [answer for answer in answers for _ in range(3)]
    for mesa in range(5):
        here.scan(acta(mesa))
    assert here.settle()
    assert len(here.mesas()) == 5


def test_receipts_in_any_order_do_no_harm(here: World) -> None:
    """Every answer ever given comes again with each new one, the oldest last."""
    here.mangle = lambda _answers: here.answered[::-1]
    for mesa in range(6):
        here.scan(acta(mesa))
        here.clock.run(5_000)
    assert here.settle()
    assert (here.waiting, len(here.mesas())) == ([], 6)


def test_publications_lost_or_doubled_on_their_way_do_no_harm(here: World) -> None:
    chance = random.Random(8)
    here.exchange.hub = lambda batch: here.take([each for each in batch for _ in range(chance.choice((0, 0, 1, 2)))])
    for mesa in range(8):
        here.scan(acta(mesa))
    assert here.settle()
    assert len(here.mesas()) == 8
    assert not any("event=fork" in line for line in here.hub_log)


def test_a_true_receipt_on_any_topic_of_the_unit_counts(here: World) -> None:
    """What a receipt is for is signed in it; the topic it came on is the broker's word only."""
    here.mangle = lambda _answers: []
    here.scan(acta())
    receipted = true_note(here)
    here.mangle = lambda _answers: [(str(Topic("elsewhere", here.name, Leaf.RECEIPT)), receipted)]
    assert here.settle()


def test_a_chunk_that_a_hub_refuses_is_told_as_one_and_sent_when_the_hub_asks_again(here: World) -> None:
    free = here.intake.free

    def fill_up(batch: Sequence[tuple[str, bytes]]) -> Sequence[tuple[str, bytes]]:
        if any("/chunk/" in topic for topic, _ in batch):
            here.intake.free = lambda: 0
        return here.take(batch)

    here.exchange.hub = fill_up
    here.scan(acta())
    here.clock.run(60_000)
    (told, *_) = here.logged(Event.CHUNK_REFUSED)
    assert " why=no-room " in told
    assert here.logged(Event.RECEIPT_IGNORED) == here.logged(Event.REFUSED) == []
    assert here.waiting == []
    here.intake.free, here.exchange.hub = free, here.take
    assert here.settle()
