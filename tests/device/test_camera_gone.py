"""The camera that is gone, or slow, or dumb: a fault is shown in time, and the next press tries again."""

from device.log import Event
from device.scan import LOOK_MS_MAX
from device.signals import Signal
from device.unit import WAKE_MS
from tests.device.world import World, acta, picture


def test_an_unplugged_camera_is_a_fault_and_a_press_after_it_is_back_works(here: World) -> None:
    here.unit.body.camera.unplug()
    assert here.scan(acta()) is Signal.FAULT
    assert here.scan(acta()) is Signal.FAULT
    assert len(here.logged(Event.CAMERA_BAD)) == 2
    here.unit.body.camera.plug()
    assert here.scan(acta()) is Signal.KEPT


def test_a_camera_unplugged_while_it_searches_is_a_fault(here: World) -> None:
    here.lay_and_press()
    here.clock.run(1_000)
    here.unit.body.camera.unplug()
    here.clock.run(500)
    assert here.shown[-1] is Signal.FAULT
    assert here.records() == []


def test_a_camera_that_never_answers_is_a_fault_before_ten_seconds(here: World) -> None:
    here.unit.body.camera.stall()
    began = here.clock.ms()
    assert here.scan(acta()) is Signal.FAULT
    assert LOOK_MS_MAX <= here.clock.ms() - began <= LOOK_MS_MAX + 2 * WAKE_MS < 10_000
    assert f'why="no answer within {LOOK_MS_MAX} ms: switch off, press' in here.logged(Event.CAMERA_BAD)[0]


def test_a_frame_from_before_the_press_is_never_kept(here: World) -> None:
    """The answer to a look that was given up comes at last, when another sheet is being scanned."""
    camera = here.unit.body.camera
    camera.stall()
    assert here.scan(acta(1)) is Signal.FAULT
    here.lay_and_press(acta(2))
    here.clock.run(1_000)
    camera.resume()
    here.clock.run(1_000)
    assert [record.payloads for record in here.records()] == [(acta(2),)]


def test_a_late_answer_without_a_search_is_ignored(here: World) -> None:
    camera = here.unit.body.camera
    camera.stall()
    assert here.scan(acta()) is Signal.FAULT
    camera.resume()
    here.clock.run(1_000)
    assert here.records() == []
    assert here.shown[-1] is Signal.FAULT


def test_a_camera_that_swallowed_a_look_reads_at_the_next_press(here: World) -> None:
    camera = here.unit.body.camera
    camera.stall()
    assert here.scan(acta(1)) is Signal.FAULT
    camera.forget()
    for mesa in (2, 3):
        assert here.scan(acta(mesa)) is Signal.KEPT
    assert [record.payloads for record in here.records()] == [(acta(2),), (acta(3),)]


def test_a_late_failure_of_one_look_does_not_shift_the_answers_to_others(here: World) -> None:
    camera = here.unit.body.camera
    camera.stall()
    camera.unplug()
    assert here.scan() is Signal.FAULT
    camera.plug()
    here.unit.body.camera.lay(picture(acta(1)))
    here.unit.body.press()
    here.clock.run(1_000)
    camera.resume()
    here.clock.run(1_000)
    assert here.scan(acta(2)) is Signal.KEPT
    assert [record.payloads for record in here.records()] == [(acta(1),), (acta(2),)]
