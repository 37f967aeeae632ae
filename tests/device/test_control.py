"""The control cards: what is shown is kept, and then done; what is forged, foreign, old or for others is kept, too, and
refused with a signal of its own."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from device.log import Event
from device.signals import FaultCode, Signal
from hub.control import Said, said, text
from hub.ledger import Outcome
from hub.settings import read
from sim import deployment
from sim.clock import DATE
from tests.device.controlling import DAY, card
from tests.device.world import World, acta, world
from wire.control import (
    KINDS,
    Box,
    Centre,
    Hub,
    Incident,
    Network,
    Order,
    Quiet,
    Run,
    State,
    Training,
    Turnout,
)
from wire.note import KeySigner
from wire.record import Mode

ON, OFF = Quiet(State.ON), Quiet(State.OFF)
NETWORK = Network("Teléfono de José", "la casa de la esquina")

ORDERS: dict[Order, str] = {
    Centre("240111000"): "centre 240111000 (7)",
    Run("run-3"): "run run-3 (7)",
    Box("B-12"): "box B-12 (7)",
    Incident("no-access"): "incident no-access (7)",
    Turnout(2): "turnout round 2 (7)",
    NETWORK: "network (7)",
    Hub("hub-a"): "hub hub-a first (7)",
    ON: "quiet on (7)",
    OFF: "quiet off (7)",
    Training(): "training (7)",
}


def show(world: World, order: Order, **changes: Any) -> Signal:
    return world.scan(card(world.deployed, order, **changes))


def told(world: World) -> list[Said]:
    """What the hub's program tells of all control cards."""
    assert world.settle()
    return list(said(world.intake.ledger, read(world.deployed.hub)))


def test_every_kind_is_tried() -> None:
    assert {type(order) for order in ORDERS} == set(KINDS)


def test_a_card_is_kept_and_done_and_the_hub_tells_what_it_said(here: World) -> None:
    here.unit.body.network.in_reach[NETWORK.name] = NETWORK.passphrase
    for order in ORDERS:
        assert show(here, order) is Signal.CONTROL_DONE
    records, found = here.records(), told(here)
    for order, record, one in zip(ORDERS, records, found, strict=True):
        assert record.payloads == (card(here.deployed, order),)
        assert (record.mode, record.doubt) == (Mode.LIVE, "")
        assert (one.unit, one.seq, one.kind, one.words) == (here.name, record.seq, order.kind, ORDERS[order])
    chain = here.place.chain
    assert text(found[:2]) == f"{here.name} {chain} 1: {found[0].words}\n{here.name} {chain} 2: {found[1].words}\n"


def test_a_card_is_never_counted_and_never_taken_for_an_acta(here: World) -> None:
    show(here, Centre("240111000"))
    here.scan(acta(1))
    assert here.settle()
    counted = here.counted()
    assert (counted.counted, counted.controls, counted.unread) == (1, 1, [])
    assert len(here.intake.ledger.records(Outcome.CONTROL)) == 1


def test_the_name_and_passphrase_of_a_network_are_told_by_nobody(here: World) -> None:
    show(here, NETWORK)
    here.clock.run(10_000)
    assert NETWORK.name not in text(told(here))
    lines = "\n".join([*here.unit.log, *here.hub_log])
    assert NETWORK.passphrase not in lines
    assert NETWORK.name not in lines


STRANGER = KeySigner("cards", ec.generate_private_key(ec.SECP256R1()))


def stranger(of: deployment.Deployment) -> deployment.Deployment:
    """The same, signed by another key of the same name."""
    return deployment.Deployment(of.folder, of.hubs, of.units, of.authority, STRANGER)


REFUSED: dict[str, tuple[Callable[[World], str], str]] = {
    "forged": (lambda w: card(stranger(w.deployed), ON), "which is not trusted here"),
    "altered": (lambda w: card(w.deployed, ON).replace('"on"', '"off"'), "does not match the text"),
    "cut short": (lambda w: card(w.deployed, ON)[:200], "does not end in a blank line"),
    "expired": (lambda w: card(w.deployed, ON, end=DATE), "its time is over"),
    "too early": (lambda w: card(w.deployed, ON, begin=DATE + DAY), "its time has not come"),
    "foreign": (lambda w: card(w.deployed, ON, deployment="elsewhere"), "of the deployment elsewhere"),
    "of no hub": (lambda w: card(w.deployed, Hub("hub-z")), "this unit knows no hub hub-z"),
    "for others": (lambda w: card(w.deployed, ON, units=("u-other",)), "it is for other units"),
}


def test_a_card_that_is_not_for_here_and_now_is_refused_and_kept_for_the_hub_to_see(here: World) -> None:
    for make, words in REFUSED.values():
        assert here.scan(make(here)) is Signal.CONTROL_REFUSED
        assert words in here.logged(Event.CONTROL_REFUSED)[-1]
    assert not here.unit.body.indicator.is_quiet
    for why, record, one in zip(REFUSED, here.records(), told(here), strict=True):
        assert REFUSED[why][1] in record.doubt
        assert REFUSED[why][1] in one.refused
        assert one.kind == {"expired": "quiet", "too early": "quiet", "of no hub": "hub"}.get(why, "")
    assert here.counted().counted == 0


def test_a_refused_card_that_is_shown_again_and_again_is_kept_once(here: World) -> None:
    for _ in range(3):
        assert show(here, ON, end=DATE) is Signal.CONTROL_REFUSED
    assert len(here.records()) == 1


def test_a_card_for_this_unit_by_its_name_is_taken(here: World) -> None:
    assert show(here, ON, units=("u-other", here.name)) is Signal.CONTROL_DONE


def test_cards_of_one_number_hold_side_by_side_and_void_all_before(here: World) -> None:
    for order, number, signal, is_quiet in (
        (ON, 7, Signal.CONTROL_DONE, True),
        (OFF, 7, Signal.CONTROL_DONE, False),
        (ON, 7, Signal.CONTROL_DONE, True),
        (OFF, 8, Signal.CONTROL_DONE, False),
        (ON, 7, Signal.CONTROL_REFUSED, False),
        (ON, 8, Signal.CONTROL_DONE, True),
    ):
        assert show(here, order, number=number) is signal
        assert here.unit.body.indicator.is_quiet is is_quiet


def test_each_kind_has_numbers_of_its_own(here: World) -> None:
    assert show(here, ON, number=9) is Signal.CONTROL_DONE
    assert show(here, Centre("240111000"), number=8) is Signal.CONTROL_DONE


def test_an_older_card_is_refused_after_a_power_cut_too(here: World) -> None:
    show(here, ON, number=9)
    here.unit.cut_power()
    here.power_on()
    assert here.unit.body.indicator.is_quiet
    assert show(here, OFF, number=8) is Signal.CONTROL_REFUSED


def test_a_unit_whose_memory_of_cards_is_rubbish_goes_on_and_says_so(here: World) -> None:
    show(here, ON, number=9)
    here.unit.cut_power()
    (here.settings.card / "standing").write_bytes(b"\xff rubbish")
    here.power_on()
    assert any("control cards" in line for line in here.logged(Event.CARD_REPAIRED))
    assert show(here, OFF, number=8) is Signal.CONTROL_DONE


def test_a_card_that_cannot_be_remembered_is_a_fault_and_done_when_it_is_shown_again(here: World) -> None:
    (here.settings.card / "standing.new").mkdir()
    assert show(here, ON) is Signal.FAULT
    assert here.unit.body.indicator.codes[-1] is FaultCode.CARD
    assert not here.unit.body.indicator.is_quiet
    (here.settings.card / "standing.new").rmdir()
    assert show(here, ON) is Signal.CONTROL_DONE
    assert here.unit.body.indicator.is_quiet
    assert len(here.records()) == 2


@pytest.mark.parametrize("order", [Incident("no-access"), Box("B-12"), Turnout(1)], ids=lambda order: order.kind)
def test_what_is_reported_twice_is_kept_twice(here: World, order: Order) -> None:
    for _ in range(2):
        assert show(here, order) is Signal.CONTROL_DONE
    assert [one.seq for one in told(here)] == [1, 2]


def test_what_was_said_is_told_in_the_order_of_the_chain(here: World) -> None:
    show(here, Centre("240111000"))
    here.scan(acta(1))
    show(here, Centre("240112000"))
    here.scan(acta(2))
    show(here, Box("B-12"))
    assert [(one.seq, one.kind) for one in told(here)] == [(1, "centre"), (3, "centre"), (5, "box")]


def test_training_by_card_marks_all_that_follows_until_the_power_goes(here: World) -> None:
    assert show(here, Training()) is Signal.CONTROL_DONE
    here.scan(acta(1))
    assert Signal.TRAINING in here.shown
    here.unit.cut_power()
    here.power_on()
    here.scan(acta(2))
    assert [record.mode for record in here.records()] == [Mode.LIVE, Mode.TRAINING, Mode.LIVE]


@pytest.fixture
def undated(tmp_path: Path) -> Iterator[World]:
    """A unit that nobody has told the date; nothing is receipted yet."""
    with world(tmp_path) as made:
        made.unit.clock.is_set = False
        made.exchange.cut()
        yield made.power_on()


def test_a_unit_without_a_date_takes_what_does_no_harm_and_no_training(undated: World) -> None:
    assert show(undated, ON, end=DATE - DAY) is Signal.CONTROL_DONE
    assert show(undated, Training()) is Signal.CONTROL_REFUSED
    assert undated.records()[-1].mode is Mode.LIVE


def test_a_unit_that_was_off_for_weeks_and_has_no_clock_of_its_own_takes_a_card_of_today(undated: World) -> None:
    undated.unit.clock.is_set, undated.unit.clock.is_kept = True, False
    undated.unit.clock.jump_seconds = -30 * DAY
    assert show(undated, NETWORK) is Signal.CONTROL_DONE
    assert show(undated, Training(), begin=DATE - 40 * DAY) is Signal.CONTROL_REFUSED, "it may be another exercise's"


def test_a_unit_without_a_date_goes_by_the_last_receipt(undated: World) -> None:
    undated.exchange.mend()
    undated.scan(acta(1))
    assert undated.settle()
    assert show(undated, ON, end=DATE - DAY) is Signal.CONTROL_REFUSED
    assert show(undated, Training()) is Signal.CONTROL_DONE


def test_a_receipt_of_weeks_ago_says_what_is_over_and_not_what_has_not_come(undated: World) -> None:
    undated.exchange.mend()
    undated.scan(acta(1))
    assert undated.settle()
    undated.exchange.cut()
    today = {"begin": DATE + 20 * DAY, "end": DATE + 21 * DAY}
    assert show(undated, NETWORK, **today) is Signal.CONTROL_DONE
    assert show(undated, ON, begin=DATE - 2 * DAY, end=DATE - DAY) is Signal.CONTROL_REFUSED
    assert show(undated, Training(), **today) is Signal.CONTROL_REFUSED, "it may be for another day"


def test_a_network_is_joined_and_forgotten_when_the_power_goes(here: World) -> None:
    here.unit.body.network.in_reach[NETWORK.name] = NETWORK.passphrase
    assert show(here, NETWORK) is Signal.CONTROL_DONE
    here.clock.run(10_000)
    assert here.unit.body.network.joined == NETWORK.name
    assert here.logged(Event.NETWORK_JOINED)
    here.unit.cut_power()
    here.power_on()
    here.clock.run(10_000)
    assert here.unit.body.network.joined == ""


def test_a_network_that_is_not_joined_is_told_by_its_code(here: World) -> None:
    assert show(here, NETWORK) is Signal.CONTROL_DONE
    here.clock.run(10_000)
    assert here.unit.body.indicator.codes == [FaultCode.NETWORK]
    assert here.logged(Event.NETWORK_BAD)


def test_no_file_of_the_card_names_a_network_or_what_was_reported(here: World) -> None:
    orders = (NETWORK, Centre("240111000"), Incident("no-access"), Run("run-3"), Box("B-12"))
    for order in orders:
        show(here, order)
    telling = [NETWORK.name, NETWORK.passphrase, "240111000", "no-access", "run-3", "B-12"]
    for path in here.settings.card.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert [each for each in telling if each.encode() in content or each.encode().hex().encode() in content] == []


def test_a_card_shown_between_two_parts_of_an_acta_leaves_it_open(in_brazil: World) -> None:
    from tests.wire.samples import BR_PARTS

    assert in_brazil.scan(BR_PARTS[0]) is Signal.NEXT_PART
    assert show(in_brazil, Incident("no-access")) is Signal.CONTROL_DONE
    assert in_brazil.scan(BR_PARTS[1]) is Signal.KEPT
    first, incident, second = in_brazil.records()
    assert second.first == in_brazil.identity(1)
    assert incident.first == first.first


def test_a_card_that_lies_beside_an_acta_neither_spoils_it_nor_is_done(here: World) -> None:
    assert here.scan(card(here.deployed, Training()), acta(1)) is Signal.KEPT
    assert [record.payloads for record in here.records()] == [(acta(1),)]
    assert here.logged(Event.CONTROL_REFUSED)
    here.scan(acta(2))
    assert {record.mode for record in here.records()} == {Mode.LIVE}
    assert here.settle()
    assert len(here.mesas()) == 2


def test_two_cards_in_one_frame_are_no_card(here: World) -> None:
    both = (card(here.deployed, ON), card(here.deployed, Incident("late")))
    assert here.scan(*both) is Signal.AGAIN
    assert not here.unit.body.indicator.is_quiet


def test_what_only_begins_like_a_card_is_kept_and_refused(here: World) -> None:
    payload = f"testigo/card/1\n{acta(1)}"
    assert here.scan(payload) is Signal.CONTROL_REFUSED
    assert [record.payloads for record in here.records()] == [(payload,)]
