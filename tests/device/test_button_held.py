"""The button held: count, quiet mode, safe-off, training, stuck; on the firmware, with its card and its hub."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from device import hold
from device.log import Event
from device.ports import ButtonHeld, ButtonReleased
from device.scan import LOOK_MS_MAX, OPEN_MS, SEARCH_MS_MAX, VERDICT_MS
from device.signals import FaultCode, Signal
from sim.body import SimIndicator
from tests.device.world import BR, World, acta, picture, world
from tests.wire.samples import BR_PARTS
from wire.record import Mode

COUNT, QUIET, OFF = (ms + 200 for ms in (hold.COUNT_MS, hold.QUIET_MS, hold.OFF_MS))


def hold_it(here: World, ms: int, *payloads: str) -> None:
    """Holds the button for so long over these sheets, or over a small blank one, which is soon looked at."""
    here.unit.body.camera.lay(picture(*payloads))
    here.unit.hold(ms)


def indicator(here: World) -> SimIndicator:
    return here.unit.body.indicator


def test_two_seconds_read_out_what_waits(here: World) -> None:
    here.exchange.cut()
    for mesa in (1, 2, 3):
        here.scan(acta(mesa))
    hold_it(here, COUNT)
    assert indicator(here).counted == [3]
    here.exchange.mend()
    assert here.settle()
    hold_it(here, COUNT)
    assert indicator(here).counted == [3, 0]


def test_a_hold_does_not_delay_the_capture_and_what_it_captured_is_kept(here: World) -> None:
    hold_it(here, COUNT, acta())
    assert here.shown.index(Signal.KEPT) < here.shown.index(Signal.HELD_COUNT)
    assert len(here.records()) == 1


def test_a_hold_over_nothing_says_nothing_of_it(here: World) -> None:
    hold_it(here, COUNT)
    here.clock.run(LOOK_MS_MAX)
    assert Signal.AGAIN not in here.shown
    assert here.shown[-1] is Signal.IDLE
    assert here.records() == []


def test_a_press_after_a_hold_has_its_verdict_though_the_search_of_the_hold_still_goes_on(here: World) -> None:
    hold_it(here, COUNT)
    here.unit.body.press()
    here.clock.run(LOOK_MS_MAX)
    assert Signal.AGAIN in here.shown


def test_each_tier_ticks_once_and_the_last_one_told_acts(here: World) -> None:
    hold_it(here, OFF)
    told = [signal for signal in here.shown if signal in (Signal.HELD_COUNT, Signal.HELD_QUIET, Signal.HELD_OFF)]
    assert told == [Signal.HELD_COUNT, Signal.HELD_QUIET, Signal.HELD_OFF]
    assert here.shown[-1] is Signal.GOING_OFF
    assert indicator(here).counted == []
    assert not indicator(here).is_quiet


def test_five_seconds_turn_quiet_mode_on_and_five_more_off(here: World) -> None:
    hold_it(here, QUIET)
    assert indicator(here).is_quiet
    assert Signal.QUIET in here.shown
    hold_it(here, QUIET)
    assert not indicator(here).is_quiet
    assert Signal.LOUD in here.shown


def test_quiet_mode_outlives_a_power_cut_and_is_shown_again(here: World) -> None:
    hold_it(here, QUIET)
    here.unit.cut_power()
    here.power_on()
    assert indicator(here).is_quiet
    assert Signal.QUIET in here.shown
    hold_it(here, QUIET)
    here.unit.cut_power()
    here.power_on()
    assert not indicator(here).is_quiet


def test_quiet_mode_that_the_card_does_not_take_holds_and_is_logged(here: World) -> None:
    (here.settings.card / "quiet" / "in the way").mkdir(parents=True)
    hold_it(here, QUIET)  # there is something of its name that is no file
    hold_it(here, QUIET)
    assert len(here.logged(Event.CARD_BAD)) == 1
    assert not indicator(here).is_quiet


def go_off(here: World, *payloads: str) -> None:
    hold_it(here, OFF, *payloads)
    here.clock.run(hold.LEAVING_MS + 200)


def searching(here: World) -> None:
    here.unit.body.camera.stall()
    here.unit.body.press()
    here.clock.run(1_000)


def faulted(here: World) -> None:
    here.unit.body.camera.unplug()
    here.scan()


def without_a_reader(here: World) -> None:
    here.unit.reader.is_gone = True
    here.scan(acta())


def with_a_full_card(here: World) -> None:
    here.unit.set_card_size(0)
    here.scan(acta())


def with_an_acta_open(here: World) -> None:
    here.scan(acta())


def without_a_link(here: World) -> None:
    here.exchange.cut()
    here.scan(acta())


def with_a_verdict_shown(here: World) -> None:
    here.scan()


@pytest.mark.parametrize(
    "what",
    [
        lambda _here: None,
        searching,
        faulted,
        without_a_reader,
        with_a_full_card,
        with_an_acta_open,
        without_a_link,
        with_a_verdict_shown,
    ],
)
def test_safe_off_works_in_every_state_and_all_is_on_the_card(here: World, what: Callable[[World], None]) -> None:
    what(here)
    kept = len(here.records())
    go_off(here)
    assert not here.unit.is_on
    assert here.shown[-1] is Signal.OFF
    assert here.logged(Event.SWITCHED_OFF)
    assert here.logged(Event.STOPPED), "the store is closed"
    assert len(here.records()) >= kept
    here.clock.run(600_000)
    assert not here.unit.is_on, "nothing starts it but its plug"
    here.unit.set_card_size(None)
    here.unit.cut_power()
    here.power_on()
    assert here.scan(acta(7)) is Signal.KEPT


def test_the_last_capture_of_a_unit_that_goes_off_is_kept_before(here: World) -> None:
    go_off(here, acta())
    assert len(here.records()) == 1
    assert here.shown.index(Signal.KEPT) < here.shown.index(Signal.OFF)


def test_dark_says_that_nothing_is_written_and_waits_for_no_link(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Signal] = []
    link = here.unit.body.body.link
    monkeypatch.setattr(link, "close", lambda: shown.extend(here.shown))
    go_off(here)
    assert shown[-1] is Signal.OFF


def test_a_release_that_nobody_had_time_to_hear_makes_no_hold_of_a_press(here: World) -> None:
    here.unit.body.hold()
    here.clock.run(0)
    inbox = here.unit.unit._inbox
    inbox.put(ButtonReleased())
    here.clock.run(OFF)
    here.unit.unit.handle(inbox.get(0))
    here.clock.run(OFF)
    assert {Signal.HELD_COUNT, Signal.GOING_OFF}.isdisjoint(here.shown)
    assert indicator(here).counted == []


def test_a_press_while_the_tones_fall_keeps_it_on_and_is_no_capture(here: World) -> None:
    hold_it(here, OFF)
    here.clock.run(1_000)
    searched = here.shown.count(Signal.SEARCHING)
    here.unit.body.press()
    here.clock.run(60_000)
    assert Signal.STAYING_ON in here.shown
    assert here.shown.count(Signal.SEARCHING) == searched
    assert here.unit.is_on
    assert here.scan(acta()) is Signal.KEPT


def lamps(here: World) -> list[Signal]:
    return [signal for signal in here.shown if not signal.on_link_lamp]


@pytest.fixture
def in_training(here: World) -> World:
    here.unit.cut_power()
    here.unit.power_on()
    here.unit.body.post(ButtonHeld())
    here.clock.run(COUNT)
    here.unit.body.release()
    here.clock.run(1_000)
    return here


def test_held_at_power_on_all_that_is_kept_is_training_and_never_counts(here: World) -> None:
    here.scan(acta(1))
    here.unit.cut_power()
    here.unit.power_on()
    here.unit.body.post(ButtonHeld())
    here.clock.run(COUNT)
    here.unit.body.release()
    here.clock.run(5_000)
    assert here.shown[-2:].count(Signal.TRAINING) + here.shown[-1:].count(Signal.TRAINING) >= 1
    assert here.scan(acta(2)) is Signal.KEPT
    here.clock.run(OPEN_MS + 5_000)
    assert [signal for signal in here.shown if not signal.on_link_lamp][-1] is Signal.TRAINING
    assert [record.mode for record in here.records()] == [Mode.LIVE, Mode.TRAINING]
    assert here.settle()
    assert len(here.mesas()) == 1
    here.unit.cut_power()
    here.power_on()
    assert here.scan(acta(3)) is Signal.KEPT
    assert here.records()[-1].mode is Mode.LIVE, "a new start is no training any more"


def test_training_goes_on_though_the_firmware_begins_anew_and_ends_with_the_power(in_training: World) -> None:
    for mesa in (1, 2):  # it may crash more than once
        in_training.unit.restart()
        in_training.clock.run(1_000)
        assert lamps(in_training)[-1] is Signal.TRAINING
        in_training.scan(acta(mesa))
    in_training.unit.cut_power()
    in_training.unit.power_on()
    in_training.scan(acta(3))
    assert [record.mode for record in in_training.records()] == [Mode.TRAINING, Mode.TRAINING, Mode.LIVE]


@pytest.mark.parametrize("spoiled", [b"", b"\xff\xfe", b"training", b"2", b"2 trainin", b"2 training live"])
def test_what_is_no_word_of_ours_on_training_makes_no_training(in_training: World, spoiled: bytes) -> None:
    (in_training.settings.card / "power").write_bytes(spoiled)
    in_training.unit.restart()
    in_training.scan(acta())
    assert in_training.records()[-1].mode is Mode.LIVE


def test_training_is_shown_between_any_two_scans_however_fast_they_follow(in_training: World) -> None:
    for mesa in (1, 2, 3):
        in_training.scan(acta(mesa))
        in_training.clock.run(VERDICT_MS + 500)
        assert lamps(in_training)[-1] is Signal.TRAINING


@pytest.mark.parametrize("ms", [200, COUNT, OFF])
def test_a_button_held_while_the_firmware_alone_begins_anew_is_a_press_and_no_training(here: World, ms: int) -> None:
    here.unit.restart()
    here.unit.body.camera.lay(picture(acta()))
    here.unit.body.post(ButtonHeld())
    here.clock.run(ms)
    here.unit.body.release()
    here.clock.run(200)
    assert Signal.TRAINING not in here.shown
    here.clock.run(LOOK_MS_MAX)
    assert [record.mode for record in here.records()] == [Mode.LIVE]
    assert here.unit.is_on is (ms != OFF)


def test_a_button_that_is_stuck_at_power_on_leaves_the_unit_live(here: World) -> None:
    here.unit.cut_power()
    here.unit.power_on()
    here.unit.body.post(ButtonHeld())
    here.clock.run(hold.STUCK_MS + 200)
    here.unit.body.release()
    here.clock.run(200)
    assert indicator(here).codes == [FaultCode.BUTTON]
    assert here.scan(acta()) is Signal.KEPT
    assert here.records()[-1].mode is Mode.LIVE


def test_a_stuck_button_is_told_and_does_nothing_else(here: World) -> None:
    hold_it(here, hold.STUCK_MS + 600_000)
    here.clock.run(60_000)
    assert indicator(here).codes == [FaultCode.BUTTON]
    assert len(here.logged(Event.BUTTON_STUCK)) == 1
    assert here.unit.is_on
    assert indicator(here).counted == []
    assert here.scan(acta()) is Signal.KEPT


def test_a_press_cuts_what_sounds(here: World) -> None:
    here.scan(acta())
    assert indicator(here).hushed == 1


@pytest.fixture
def in_brazil(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, BR) as made:
        yield made.power_on()


def test_a_hold_ends_the_waiting_for_a_next_part(in_brazil: World) -> None:
    assert in_brazil.scan(BR_PARTS[0]) is Signal.NEXT_PART
    hold_it(in_brazil, COUNT)
    in_brazil.clock.run(SEARCH_MS_MAX)
    assert in_brazil.shown[-1] is Signal.IDLE
    assert in_brazil.scan(BR_PARTS[1]) is Signal.NEXT_PART, "it is the first of another acta"
