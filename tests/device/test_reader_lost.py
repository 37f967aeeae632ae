"""The reader that is lost over a frame: it costs time, never a press."""

from device.log import Event
from device.scan import LOOK_MS_MAX, SEARCH_MS_MAX
from device.signals import Signal
from tests.device.world import World, acta


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
