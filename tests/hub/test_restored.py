"""Restored from an old backup: a hub says at once that it has less, and no clock makes it say so in vain."""

import shutil

import pytest

from hub.log import Event
from tests.hub.conftest import HubHere
from tests.hub.some_unit import some_payload


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
