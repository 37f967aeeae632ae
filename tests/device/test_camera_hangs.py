"""The camera that hangs: the fault is shown, and the firmware then starts anew by itself, for nothing else helps."""

from device.log import Event
from device.scan import LOOK_MS_MAX
from device.signals import Signal
from sim.body import HANG_MS
from tests.device.world import World, acta

STARTED_MS = 10_000


def test_the_fault_is_shown_and_then_the_unit_starts_anew_and_reads(here: World) -> None:
    assert here.scan(acta(1)) is Signal.KEPT
    here.unit.body.camera.hang()
    assert here.scan(acta(2)) is Signal.FAULT
    shown = here.shown
    here.clock.run(HANG_MS - LOOK_MS_MAX)
    assert shown[-1] is Signal.FAULT, "long enough to be read"
    here.clock.run(STARTED_MS)
    assert here.shown is not shown
    assert Signal.READY in here.shown
    assert "the unit starts anew" in here.logged(Event.CAMERA_BAD)[-1]
    assert here.scan(acta(2)) is Signal.KEPT
    assert [record.payloads for record in here.records()] == [(acta(1),), (acta(2),)]
    assert here.settle()


def test_a_press_meanwhile_has_its_verdict_first(here: World) -> None:
    here.unit.body.camera.hang()
    assert here.scan(acta()) is Signal.FAULT
    here.clock.run(HANG_MS - LOOK_MS_MAX)
    shown = here.shown
    here.lay_and_press(acta())
    here.clock.run(LOOK_MS_MAX)
    assert shown[-1] is Signal.FAULT
    here.clock.run(STARTED_MS)
    assert here.scan(acta()) is Signal.KEPT


def test_whoever_switches_it_off_meanwhile_is_not_answered_by_a_unit_that_starts(here: World) -> None:
    here.unit.body.camera.hang()
    assert here.scan(acta()) is Signal.FAULT
    here.clock.run(HANG_MS - LOOK_MS_MAX - 5_000)
    here.unit.hold(9_000)
    here.clock.run(60_000)
    assert not here.unit.is_on
    assert len(here.logged(Event.STARTED)) == 1


def test_a_camera_that_hangs_again_after_each_start_is_started_anew_once_a_press(here: World) -> None:
    for presses in range(1, 4):
        here.unit.body.camera.hang()
        assert here.scan(acta()) is Signal.FAULT
        here.clock.run(600_000)
        assert len(here.logged(Event.STARTED)) == 1 + presses


def test_it_is_still_training_after_such_a_start(here: World) -> None:
    here.unit.unit._train()
    here.unit.body.camera.hang()
    assert here.scan(acta()) is Signal.FAULT
    here.clock.run(HANG_MS + STARTED_MS)
    assert here.shown[-1] is Signal.TRAINING
