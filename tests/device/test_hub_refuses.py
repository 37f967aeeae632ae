"""The refusing hub: the operators are told, the record stays, and the others go on."""

import hashlib
from collections.abc import Callable, Sequence

from device.custody import REFUSED_SHOWN_MS
from device.log import Event
from device.outbox import CUSTODY_WINDOW, REFUSED_MS
from device.signals import Signal
from sim.link import Publication
from tests.device.world import World, acta, leaves
from wire import note
from wire.receipt import Refused
from wire.topics import Leaf, Topic


def refusing(world: World, refuse: Callable[[bytes], bool]) -> Callable[[Sequence[Publication]], Sequence[Publication]]:
    """A hub that signs refusals of some envelopes and takes the others."""

    def take(batch: Sequence[Publication]) -> Sequence[Publication]:
        refused = [
            payload for topic, payload in batch if leaves([(topic, payload)]) == [Leaf.ENVELOPE] and refuse(payload)
        ]
        signed = [
            note.write(
                Refused(1, "hub-a", hashlib.sha256(payload).hexdigest(), world.name, "bad-signature", "no"),
                world.intake.keys.signer,
            )
            for payload in refused
        ]
        taken = world.take([each for each in batch if each[1] not in refused])
        return [*taken, *((str(Topic("trial", world.name, Leaf.RECEIPT)), each) for each in signed)]

    return take


def on_link_lamp(world: World) -> list[Signal]:
    return [signal for signal in world.shown if signal.on_link_lamp]


def test_a_unit_that_is_not_enrolled_keeps_everything_until_it_is(here: World) -> None:
    register = here.settings.base.parent / "hub" / "register.txt"
    enrolled = register.read_text()
    register.write_text("# nobody yet\n")
    here.scan(acta(1))
    here.scan(acta(2))
    here.clock.run(1_000)
    assert Signal.REFUSED in here.shown
    assert "why=unknown-signer" in here.logged(Event.REFUSED)[0]
    here.clock.run(REFUSED_MS // 2)
    assert on_link_lamp(here)[-1] is Signal.LINK_SENDING, "a dark lamp would say that all is receipted"
    assert len(here.waiting) == 2
    register.write_text(enrolled)
    assert here.settle()
    assert len(here.mesas()) == 2


def test_one_refused_record_does_not_hold_up_the_others(here: World) -> None:
    here.scan(acta(1))
    first = (here.settings.card / "kept" / f"{here.place.chain}-1.envelope").read_bytes()
    here.exchange.hub = refusing(here, lambda payload: payload == first)
    for mesa in range(2, 6):
        here.scan(acta(mesa))
    here.clock.run(60_000)
    assert [kept.seq for kept in here.waiting] == [1]
    assert len(here.mesas()) == 4
    here.exchange.hub = here.take
    assert here.settle()


def test_a_refusal_is_seen_and_heard_once_whatever_comes_with_it(here: World) -> None:
    here.exchange.hub = refusing(here, lambda _payload: True)
    here.exchange.cut()
    for mesa in range(3):
        here.scan(acta(mesa))
    here.exchange.mend()
    here.clock.run_until(lambda: Signal.REFUSED in here.shown, 60_000)
    here.exchange.answer(here.answered[-1:])  # a receipt, right behind it
    here.unit.body.put_in(here.settings.base)  # and what a stick has to say
    here.clock.run(REFUSED_SHOWN_MS - 200)
    assert on_link_lamp(here)[-1] is Signal.REFUSED
    here.clock.run(60_000)
    assert on_link_lamp(here)[-1] is not Signal.REFUSED
    assert on_link_lamp(here).count(Signal.REFUSED) == 1


def test_any_number_of_refused_records_leaves_room_for_the_others(here: World) -> None:
    refused: set[bytes] = set()

    def among_the_first(payload: bytes) -> bool:
        if len(refused) < CUSTODY_WINDOW + 6:
            refused.add(payload)
        return payload in refused

    here.exchange.cut()
    for mesa in range(CUSTODY_WINDOW + 10):
        here.scan(acta(mesa))
    here.exchange.hub = refusing(here, among_the_first)
    here.exchange.mend()
    here.clock.run(180_000)
    assert len(here.waiting) == CUSTODY_WINDOW + 6
    assert len(here.mesas()) == 4


def test_a_refused_record_is_offered_again_after_a_while(here: World) -> None:
    seen: list[bytes] = []

    def every_one(payload: bytes) -> bool:
        seen.append(payload)
        return True

    here.exchange.hub = refusing(here, every_one)
    here.scan(acta())
    here.clock.run(REFUSED_MS - 1_000)
    assert len(seen) == 1
    here.clock.run(5_000)
    assert len(seen) == 2
