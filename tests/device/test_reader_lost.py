"""The reader that is lost over a frame: it costs time, never a press."""

import hashlib

from device.log import Event
from device.scan import LOOK_MS_MAX, SEARCH_MS_MAX
from device.signals import Signal
from sim.body import EXPOSURE_MS
from tests.device.world import World, acta, picture


def test_a_frame_lost_in_the_reader_is_taken_again_within_the_same_press(here: World) -> None:
    here.unit.reader.lose(3)
    assert here.scan(acta()) is Signal.KEPT
    assert [line.partition("why=")[2] for line in here.logged(Event.READER_LOST)] == ['"nobody knows why"'] * 3
    assert len(here.records()) == 1


def test_a_reader_lost_over_every_frame_ends_the_search_and_the_next_press_is_a_new_one(here: World) -> None:
    here.unit.reader.lose(10_000)
    began = here.clock.ms()
    assert here.scan(acta()) is Signal.AGAIN
    assert SEARCH_MS_MAX <= here.clock.ms() - began < LOOK_MS_MAX
    here.unit.reader.lose(0)
    assert here.scan(acta()) is Signal.KEPT


def test_a_reader_that_is_gone_is_a_fault_and_a_press_after_it_is_back_works(here: World) -> None:
    here.unit.reader.is_gone = True
    assert here.scan(acta()) is Signal.FAULT
    assert len(here.logged(Event.READER_BAD)) == 1
    here.unit.reader.is_gone = False
    assert here.scan(acta()) is Signal.KEPT


def test_an_answer_that_never_comes_is_the_readers_fault_and_no_photograph_is_kept_for_another(here: World) -> None:
    here.unit.reader.is_mute = True
    assert here.scan(acta(1)) is Signal.FAULT
    assert here.logged(Event.CAMERA_BAD) == []
    assert len(here.logged(Event.READER_BAD)) == 1
    here.unit.reader.is_mute = False
    here.lay_and_press()  # the tray is empty at the first look, and the sheet comes after it
    here.clock.run(EXPOSURE_MS)
    here.unit.body.camera.lay(picture(acta(2)))
    here.clock.run(1_000)
    assert Signal.KEPT in here.shown[-3:]
    (record,) = here.records()
    assert record.payloads == (acta(2),)
    assert record.pictures[0].sha256 == hashlib.sha256(picture(acta(2))).hexdigest()
