"""Replayed and forged: true bytes said again, elsewhere, by others; and false bytes that look true."""

from pathlib import Path

import msgspec
import pytest

from hub.log import Event
from tests.hub.conftest import HubHere
from tests.hub.some_unit import Publication, SomeUnit, some_payload
from wire import note
from wire.envelope import Envelope, join, split
from wire.receipt import Holding
from wire.topics import Leaf


@pytest.fixture
def other_hub(tmp_path_factory: pytest.TempPathFactory) -> HubHere:
    folder: Path = tmp_path_factory.mktemp("other")
    return HubHere(str(folder / "ledger.sqlite"), folder, "hub-b")


def test_what_is_replayed_changes_nothing_and_is_answered_with_what_is_held_now(hub: HubHere) -> None:
    unit, picture = hub.unit(), bytes(70_000)
    empty = unit.holding()
    said = [unit.press(some_payload(1), pictures=[picture]), *unit.chunks(picture), unit.press(some_payload(2))]
    hub.take(*said)
    hub.clock += 3600
    receipt = hub.answer(*reversed(said), empty)
    assert (receipt.seq, receipt.whole, receipt.at) == (2, 2, hub.clock)
    assert (hub.count().counted, hub.count().strays) == (2, [])
    assert Event.FORK not in hub.told()


@pytest.mark.parametrize("leaf", [Leaf.ENVELOPE, Leaf.HOLDING])
@pytest.mark.parametrize("of", ["own", "other"])
def test_a_receipt_that_is_given_to_a_hub_is_no_word_of_a_unit(
    hub: HubHere, other_hub: HubHere, leaf: Leaf, of: str
) -> None:
    unit = hub.unit()
    speaking = hub if of == "own" else other_hub
    speaking.units = hub.units
    unit.recipients = [hub.opener.recipient, other_hub.opener.recipient]
    ((_, receipt),) = speaking.take(unit.press(some_payload()))
    content = receipt if leaf is Leaf.HOLDING else join(receipt, b"sealed")
    before = hub.count()
    assert hub.refusal(Publication(unit.topic(leaf), content)).why == "unknown-signer"
    assert hub.take(Publication(unit.topic(Leaf.RECEIPT), receipt)) == []
    assert hub.count() == before
    other_hub.stop()


def test_a_hub_with_a_units_name_is_no_unit(hub: HubHere) -> None:
    """Names are told apart by their keys."""
    unit = hub.unit("hub-a")
    ((_, receipt),) = hub.take(unit.press(some_payload()))
    assert hub.refusal(Publication(unit.topic(Leaf.HOLDING), receipt)).why == "unknown-signer"


def test_a_note_of_one_kind_is_none_of_another(hub: HubHere) -> None:
    unit = hub.unit()
    press = unit.press(some_payload())
    text, sealed = split(press.content)
    assert hub.refusal(Publication(unit.topic(Leaf.HOLDING), text)).why == "malformed"
    assert hub.refusal(Publication(press.topic, join(unit.holding().content, sealed))).why == "malformed"
    assert hub.answer(press).seq == 1


def test_whoever_has_a_units_name_and_not_its_key_is_refused(hub: HubHere) -> None:
    unit = hub.unit()
    forger = SomeUnit(unit.recipients, unit.name)
    assert hub.refusal(forger.press(some_payload(1, votes=9))).why == "unknown-signer"
    # With the key id of the true key, which is public, the signature itself must hold.
    signature = unit.holding().content.rpartition(b"\n\n")[2]
    forged = note.text_of(forger.holding().content) + b"\n" + signature
    assert hub.refusal(Publication(unit.topic(Leaf.HOLDING), forged)).why == "bad-signature"
    assert hub.count().counted == 0


def test_an_enrolled_unit_cannot_speak_for_another_even_on_its_topic(hub: HubHere) -> None:
    honest, thief = hub.unit("unit-1"), hub.unit("unit-2")
    said = msgspec.json.encode(
        Holding(chain=honest.chain, hash="f" * 64, heard=(), seq=7, unit=honest.name), order="sorted"
    )
    signed = thief.sign(b"testigo/holding/1\n" + said + b"\n")
    assert hub.refusal(Publication(honest.topic(Leaf.HOLDING), signed)).why == "malformed"
    moved = Publication(honest.topic(Leaf.ENVELOPE), thief.press(some_payload()).content)
    assert hub.refusal(moved).why == "wrong-topic"
    assert hub.answer(honest.holding()).seq == 0


def test_the_sealed_record_of_one_unit_in_the_envelope_of_another_does_not_open(hub: HubHere) -> None:
    honest, thief = hub.unit("unit-1"), hub.unit("unit-2")
    _, sealed = split(honest.press(some_payload()).content)
    assert hub.refusal(thief.enclose(sealed)).why == "malformed"
    assert hub.count().counted == 0


def test_another_sealed_record_under_a_true_envelope_is_refused(hub: HubHere) -> None:
    unit = hub.unit()
    first, second = unit.press(some_payload(1)), unit.press(some_payload(2))
    swapped = join(split(first.content)[0], split(second.content)[1])
    assert hub.refusal(Publication(first.topic, swapped)).why == "malformed"
    assert note.read(split(first.content)[0], Envelope, hub.units).statement.seq == 1
    assert hub.answer(first, second).seq == 2
