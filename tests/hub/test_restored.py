"""Restored from an old backup: a hub says at once that it has less, and no clock makes it say so in vain."""

import shutil

import pytest

from hub.intake import AHEAD_MAX, AHEAD_SECONDS_MAX
from hub.log import Event
from tests.hub.conftest import HubHere
from tests.hub.some_unit import some_payload
from wire.fields import INTEGER_MAX, NOTHING


@pytest.fixture
def hub(sqlite_hub: HubHere) -> HubHere:
    return sqlite_hub  # a backup is a copy of its file


def backed_up(hub: HubHere) -> None:
    hub.stop()
    shutil.copy(hub.database, hub.folder / "backup")
    hub.start()


def restored(hub: HubHere) -> None:
    hub.stop()
    shutil.copy(hub.folder / "backup", hub.database)
    hub.start()


def test_a_restored_hub_says_on_being_asked_that_it_has_less(hub: HubHere) -> None:
    unit = hub.unit()
    presses = [unit.press(some_payload(number)) for number in range(5)]
    hub.answer(*presses[:2])
    backed_up(hub)
    hub.clock += 100
    before = hub.answer(*presses[2:])
    hub.clock += 100
    restored(hub)
    now = hub.answer(unit.holding())
    assert (now.seq, now.hash) == (2, presses[1].hash)
    assert now.at > before.at
    assert hub.answer(*presses[2:]).seq == before.seq


def test_a_restored_hub_asks_again_for_the_pictures_that_its_ledger_lacks(hub: HubHere) -> None:
    unit, picture = hub.unit(), bytes(100_000)
    press = unit.press(some_payload(), pictures=[picture])
    hub.answer(press)
    backed_up(hub)
    hub.clock += 100
    before = hub.answer(*unit.chunks(picture))
    hub.clock += 100
    restored(hub)
    now = hub.answer(unit.holding())
    assert (before.whole, now.whole, now.at > before.at) == (1, 0, True)
    assert hub.answer(*unit.chunks(picture)).whole == 1


@pytest.mark.parametrize("restarted", [False, True])
def test_the_time_of_receipts_never_goes_back(hub: HubHere, restarted: bool) -> None:
    one, two = hub.unit("unit-1"), hub.unit("unit-2")
    first = hub.answer(one.press(some_payload()))
    hub.clock -= 1_000_000
    if restarted:
        hub.restart()
    assert hub.answer(one.press(some_payload(1))).at == first.at
    assert hub.answer(two.holding()).at == first.at
    assert hub.told().count(Event.CLOCK_BEHIND) == 1
    hub.clock += 1_000_001
    assert hub.answer(two.press(some_payload(2))).at == first.at + 1
    hub.clock -= 30  # a small step is no fault
    assert hub.answer(two.holding()).at == first.at + 1
    assert hub.told().count(Event.CLOCK_BEHIND) == 1


def test_a_time_that_was_not_committed_was_not_said(hub: HubHere) -> None:
    before = hub.answer(hub.unit().press(some_payload())).at

    def fail() -> None:
        with hub.ledger.transaction():
            hub.ledger.passes(before + 1000)
            raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        fail()
    hub.restart()
    assert hub.ledger.at == before


CENTURY = AHEAD_SECONDS_MAX


@pytest.mark.parametrize("behind", [0, 1, 1_000_000, 1_722_200_000 - 100], ids=["same", "a second", "days", "1970"])
def test_a_restored_hub_whose_clock_is_behind_is_believed_at_once(hub: HubHere, behind: int) -> None:
    unit, right = hub.unit(), hub.clock
    presses = [unit.press(some_payload(number)) for number in range(5)]
    backed_up(hub)
    hub.answer(*presses[:2])
    before = hub.answer(*presses[2:])
    restored(hub)
    hub.clock = right - behind
    now = hub.answer(unit.holding((before.at, hub.name), (before.at + 9, "hub-b")))
    assert (now.seq, now.at) == (0, before.at + 1)
    again = hub.answer(*presses)
    assert (again.seq, again.at) == (5, now.at)
    hub.clock = right + 100
    assert hub.answer(unit.press(some_payload(9))).at == hub.clock


def test_what_a_unit_says_of_late_receipts_dates_those_of_its_own_chain_alone(hub: HubHere) -> None:
    honest, liar = hub.unit("unit-1"), hub.unit("unit-2")
    late = hub.clock + CENTURY
    for unit in (honest, liar):
        hub.take(unit.press(some_payload()))
    assert hub.answer(liar.holding((late, hub.name))).at == late + 1
    assert hub.answer(honest.holding()).at == hub.clock
    assert hub.answer(honest.press(some_payload(1))).at == hub.clock
    hub.restart()
    assert hub.answer(liar.press(some_payload(2))).at == late + 1
    assert hub.answer(honest.press(some_payload(3))).at == hub.clock
    liar.chain, liar.seq, liar.prev = "d" * 32, 0, NOTHING
    assert hub.answer(liar.press(some_payload(4))).at == hub.clock
    assert [facts for event, facts in hub.events if event is Event.RECEIPT_AHEAD] == [{"unit": "unit-2"}]


@pytest.mark.parametrize("late", [INTEGER_MAX, 253402300799, 1_722_200_000 + CENTURY + 1])
def test_no_receipt_is_dated_more_than_a_century_ahead(hub: HubHere, late: int) -> None:
    unit = hub.unit()
    assert hub.answer(unit.holding((late, hub.name))).at == hub.clock
    assert hub.answer(unit.press(some_payload())).at == hub.clock
    assert hub.answer(unit.holding((late, hub.name))).at == hub.clock


def test_however_late_a_thief_dated_a_chain_there_is_always_a_later_receipt(hub: HubHere) -> None:
    unit = hub.unit()
    hub.take(unit.press(some_payload()))
    at = 0
    for _ in range(5):
        hub.clock += 1
        thief = hub.answer(unit.holding((hub.clock + CENTURY, hub.name)))
        hub.clock += 1
        honest = hub.answer(unit.holding((thief.at, hub.name)))
        assert honest.at > thief.at > at
        at = honest.at


def test_what_was_said_ahead_of_a_chain_that_is_not_held_is_remembered_of_a_few(hub: HubHere) -> None:
    unit, late = hub.unit(), hub.clock + 1000
    hub.intake.ahead = {("unit-9", f"{number:032x}"): late for number in range(AHEAD_MAX)}
    hub.answer(unit.holding((late, hub.name)))
    assert len(hub.intake.ahead) == AHEAD_MAX
    assert hub.answer(unit.press(some_payload())).at == late + 1
    assert hub.answer(unit.press(some_payload(1))).at == late + 1
    assert len(hub.intake.ahead) == AHEAD_MAX - 1
