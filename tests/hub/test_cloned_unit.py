"""Cloned: two cards of one identity. The fork is an alarm, both sides are evidence, and the honest chain goes on."""

from copy import copy

from cryptography.hazmat.primitives.asymmetric import ec

from hub.log import Event
from hub.quota import STRAYS_MAX
from tests.hub.conftest import HubHere
from tests.hub.some_unit import SomeUnit, some_payload
from wire.note import KeySigner


def cloned(unit: SomeUnit) -> SomeUnit:
    """Another card with all that this one has now: key, chain and place."""
    return copy(unit)


def test_the_first_of_two_clones_goes_on_and_what_the_second_says_is_kept_beside(hub: HubHere) -> None:
    honest = hub.unit()
    hub.answer(honest.press(some_payload(1)))
    clone = cloned(honest)
    hub.answer(*(honest.press(some_payload(number)) for number in (2, 3)))
    forged = [clone.press(some_payload(number, votes=9)) for number in (2, 3, 4)]
    answers = hub.take(*forged)
    assert hub.receipt(answers[:1]).hash == honest.prev  # which tells the clone that the chain is not its own
    receipt = hub.answer(honest.press(some_payload(4)), honest.press(some_payload(5)))
    assert (receipt.seq, receipt.hash) == (5, honest.prev)
    assert hub.told().count(Event.FORK) == 3
    assert {aside.words for aside in hub.count().strays} == {each.hash for each in forged}
    assert (hub.count().counted, hub.count().conflicts) == (5, [])


def test_whatever_a_clone_puts_beyond_and_beside_the_chain_the_next_that_follows_has_its_place(hub: HubHere) -> None:
    honest = hub.unit()
    hub.answer(honest.press(some_payload(1)))
    clones = [cloned(honest) for _ in range(STRAYS_MAX + 10)]
    for number, clone in enumerate(clones):
        clone.seq, clone.prev = 1 + number % 3, f"{number:064x}"
    hub.take(*(clone.press() for clone in clones))
    for number in range(2, 6):
        press = honest.press(some_payload(number))
        answers = hub.take(press)
        assert hub.receipt(answers[:1]).hash == press.hash
    assert hub.count().counted == 5


def test_a_chain_that_a_clone_has_littered_goes_on_at_its_usual_pace(hub: HubHere) -> None:
    honest = hub.unit()
    hub.answer(honest.press(some_payload(1)))
    clones = [cloned(honest) for _ in range(2 * STRAYS_MAX)]
    for number, clone in enumerate(clones):
        clone.seq, clone.prev = 1 + number % 30, f"{number:064x}"
    hub.take(*(clone.press() for clone in clones))
    presses = [honest.press(some_payload(number)) for number in range(2, 22)]
    answers = hub.take(*presses)
    assert hub.receipt(answers[:1]).hash == presses[-1].hash
    assert hub.count().counted == 21


def test_the_second_of_two_clones_that_goes_on_in_a_new_chain_is_heard(hub: HubHere) -> None:
    """As a unit does that is told that its chain holds another's envelope."""
    honest = hub.unit()
    hub.answer(honest.press(some_payload(1)))
    clone = cloned(honest)
    hub.answer(clone.press(some_payload(2, votes=9)))
    assert hub.refusal(honest.press(some_payload(2))).why == "fork"
    honest.chain, honest.seq, honest.prev = "d" * 32, 0, "0" * 64
    assert hub.answer(honest.press(some_payload(2))).seq == 1
    assert hub.count().conflicts == ["110000000.03"]  # a person decides; neither counts until then
    assert Event.CONFLICT in hub.told()


def test_a_stolen_key_says_nothing_any_more_once_it_is_struck_from_the_register(hub: HubHere) -> None:
    honest = hub.unit()
    hub.answer(honest.press(some_payload(1)))
    thief = cloned(honest)
    del hub.units[honest.name]
    assert hub.refusal(thief.press(some_payload(2))).why == "unknown-signer"
    assert hub.refusal(thief.holding()).why == "unknown-signer"
    assert hub.count().counted == 1  # what was held stays
    honest.signer = KeySigner(honest.name, ec.generate_private_key(ec.SECP256R1()))
    honest.chain, honest.seq, honest.prev = "d" * 32, 0, "0" * 64
    hub.units[honest.name] = honest.signer.verifier  # enrolled anew, under its old name
    assert hub.answer(honest.press(some_payload(3))).seq == 1
    assert hub.refusal(thief.press(some_payload(4))).why == "unknown-signer"
