"""The card that fills: what two hubs hold makes room in time; when nothing may go, a person is told."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from device.log import Event
from device.room import LOOK_MS, PORTION_BYTES, ROOM_BYTES
from device.scan import OPEN_MS, VERDICT_MS
from device.signals import FaultCode, Signal
from device.store import ROOM_BYTES_MIN, Store
from sim.body import SimStorage
from tests.device.sites import Sites, sites

SETTLED_MS_MAX = 150_000


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Sites]:
    """A unit with two hubs, on."""
    with sites(tmp_path) as made:
        made.power_on()
        yield made


def leave_room(here: Sites, free: int) -> None:
    """From now on so many bytes are free, less what will be written."""
    storage = here.unit.body.body.storage
    assert isinstance(storage, SimStorage)
    storage.size = free + sum(path.stat().st_size for path in storage.folder.rglob("*"))


def seqs(here: Sites) -> list[int]:
    """What is left on the card."""
    return sorted(int(path.stem.split("-")[1]) for path in (here.unit.settings.card / "kept").glob("*.envelope"))


def test_nothing_is_purged_while_there_is_room(two: Sites) -> None:
    two.scan(3)
    assert two.settle(SETTLED_MS_MAX) is not None
    leave_room(two, ROOM_BYTES + 1_000_000)
    two.clock.run(10 * LOOK_MS)
    assert seqs(two) == [1, 2, 3]
    assert Signal.CARD_NEARLY_FULL not in two.unit.shown


def test_when_room_runs_short_what_two_hubs_hold_goes_but_the_last_and_only_then_a_person_is_told(two: Sites) -> None:
    two.scan(3)
    assert two.settle(SETTLED_MS_MAX) is not None
    leave_room(two, ROOM_BYTES - PORTION_BYTES // 2)
    two.clock.run(LOOK_MS + 1_000)
    assert seqs(two) == [3]
    assert two.logged(Event.PURGED)
    two.clock.run(2 * LOOK_MS)
    assert two.unit.shown[-1] is Signal.CARD_NEARLY_FULL
    assert len(two.logged(Event.CARD_SHORT)) == 1


def test_what_only_one_hub_holds_stays_and_goes_when_the_other_holds_it_too(two: Sites) -> None:
    two.sites[1].exchange.cut()
    two.scan(4)
    two.clock.run(60_000)
    assert len(two.sites[0].mesas) == 4
    leave_room(two, ROOM_BYTES // 2)
    two.clock.run(2 * LOOK_MS)
    assert seqs(two) == [1, 2, 3, 4]
    assert two.unit.shown[-1] is Signal.CARD_NEARLY_FULL
    two.sites[1].exchange.mend()
    assert two.settle(1_500_000) is not None
    two.clock.run(2 * LOOK_MS)
    assert seqs(two) == [4]
    assert all(len(site.mesas) == 4 for site in two.sites)


def test_the_sign_comes_again_after_each_verdict_and_goes_when_there_is_room(two: Sites) -> None:
    leave_room(two, ROOM_BYTES // 2)
    two.clock.run(2 * LOOK_MS)
    assert two.unit.shown[-1] is Signal.CARD_NEARLY_FULL
    two.scan()
    two.clock.run(VERDICT_MS + OPEN_MS + 1_000)
    assert [signal for signal in two.unit.shown if not signal.on_link_lamp][-3:] == [
        Signal.KEPT,
        Signal.REST,
        Signal.CARD_NEARLY_FULL,
    ]
    leave_room(two, 2 * ROOM_BYTES)
    two.clock.run(2 * LOOK_MS)
    assert [signal for signal in two.unit.shown if not signal.on_link_lamp][-1] is Signal.IDLE


@pytest.fixture
def refusing(two: Sites) -> Sites:
    """The unit again: its card is short of room, and does not let the only record go that may."""
    two.scan(2)
    assert two.settle(SETTLED_MS_MAX) is not None
    (path,) = (two.unit.settings.card / "kept").glob("*-1.envelope")
    path.unlink()
    path.mkdir()
    leave_room(two, ROOM_BYTES // 2)
    return two


def test_a_card_that_lets_nothing_go_is_told_shown_and_looked_at_ever_less(
    refusing: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, purge = list[int](), Store.purge

    def look(store: Store, room: int) -> int:
        looks.append(refusing.clock.ms())
        return purge(store, room)

    monkeypatch.setattr(Store, "purge", look)
    before = len(refusing.unit.shown)
    refusing.clock.run(3_600_000)
    assert 10 < len(looks) <= 20, "twice as long each time, up to five minutes"
    assert 3 < len(refusing.logged(Event.CARD_BAD)) <= len(looks) + 1
    assert {FaultCode.CARD_WORN.signal, Signal.CARD_NEARLY_FULL} <= set(refusing.unit.shown[before:])
    assert len(refusing.logged(Event.CARD_SHORT)) == 1


def test_a_card_that_cannot_be_looked_at_for_want_of_memory_does_not_end_the_unit(
    refusing: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Store, "recover", raise_memory_error)
        refusing.clock.run(4 * LOOK_MS)
    assert "MemoryError" in "".join(refusing.logged(Event.CARD_BAD))
    assert refusing.try_scan() is Signal.KEPT


def raise_memory_error(_store: Store) -> None:
    raise MemoryError("MemoryError")


def test_room_is_made_and_told_of_while_a_fault_is_shown(two: Sites) -> None:
    two.scan(3)
    assert two.settle(SETTLED_MS_MAX) is not None
    two.unit.body.camera.unplug()
    assert two.try_scan() is FaultCode.CAMERA.signal
    leave_room(two, ROOM_BYTES - PORTION_BYTES // 2)
    two.clock.run(3 * LOOK_MS)
    assert (seqs(two), len(two.logged(Event.CARD_SHORT))) == ([3], 1)
    assert Signal.CARD_NEARLY_FULL not in two.unit.shown, "the fault is"


def test_on_a_full_card_nothing_that_waits_is_deleted_and_a_press_says_so(two: Sites) -> None:
    for site in two.sites:
        site.exchange.cut()
    two.scan(5)
    leave_room(two, ROOM_BYTES_MIN)
    for _ in range(3):
        assert two.try_scan() is Signal.FAULT
        two.clock.run(2 * LOOK_MS)
    assert seqs(two) == [1, 2, 3, 4, 5]
    for site in two.sites:
        site.exchange.mend()
    assert two.settle(600_000) is not None
    leave_room(two, ROOM_BYTES)
    assert two.try_scan() is Signal.KEPT
    assert two.settle(600_000) is not None
    assert all(len(site.mesas) == 6 for site in two.sites)


def test_three_hubs_of_which_one_is_always_behind_end_no_chain_on_a_card_that_is_always_short(tmp_path: Path) -> None:
    """Two are enough, so that nothing is offered to the third which both hold before it is asked."""
    chains = set[str]()
    with sites(tmp_path, hubs=3, receipts=2) as here:
        for _ in range(3):
            here.unit.set_card_size(60_000_000)
            here.power_on()
            here.clock.run(2 * 3_600_000)  # each hub is asked
            for _ in range(4):
                here.scan(1, more=600_000)
                here.clock.run(12_000)
            assert here.settle() is not None
            here.clock.run(2 * 3_600_000)
            chains.add(here.chain)
            here.unit.cut_power()
    assert len(chains) == 1
