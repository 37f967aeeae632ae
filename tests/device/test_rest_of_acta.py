"""The rest of an acta: its QR end first, then its other parts; an acta without a QR code; what is no acta at all.

What the eye makes of such pictures is its own tests' affair (test_eye.py, test_tray.py): here it is told.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from device.cause import Cause
from device.eye import FRAMES_MAX
from device.log import Event
from device.ports import FrameRead
from device.scan import INSIST_MS, OPEN_MS, PART_MS, SEARCH_MS_MAX, VERDICT_MS
from device.signals import Signal
from sim.body import Seen, encoded
from sim.fleet import VERDICTS
from tests.device.world import World, acta, world
from wire.fields import NOTHING
from wire.record import Quality

LOOK_MS = 300


QUALITY = Quality(cause=Cause.NO_CODE.value, sharpness=40)


def shade(level: int) -> bytes:
    """A small picture of one grey."""
    return encoded(np.full((24, 32), level, np.uint8))


def part(number: int) -> bytes:
    """What is told to be a sheet without a QR code."""
    return shade(200 + number)


NO_SHEET = shade(90)


def told() -> Seen:
    """What the eye makes of each of these, however often it is looked at during one press."""
    found: Seen = {}
    for level in (90, *range(201, 205)):
        frame = hashlib.sha256(b"32 %b" % (bytes([level]) * 24 * 32)).digest()
        read = FrameRead(quality=QUALITY, is_paper=level > 200)
        found |= {(frame,) * looks: read for looks in range(1, FRAMES_MAX + 2)}
    return found


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, seen=told()) as made:
        yield made.power_on()


def press_over(here: World, laid: bytes, limit_ms: int = 10_000) -> tuple[Signal, int]:
    """Lays this down, presses, and waits; the verdict, and after how many milliseconds it came."""
    seen, began = len(here.shown), here.clock.ms()
    here.unit.body.camera.lay(laid, "image/png")
    here.unit.body.press()
    assert here.clock.run_until(lambda: not VERDICTS.isdisjoint(here.shown[seen:]), limit_ms)
    return next(signal for signal in here.shown[seen:] if signal in VERDICTS), here.clock.ms() - began


def test_the_parts_of_an_acta_are_linked_to_its_qr_end_and_each_leaves_by_itself(here: World) -> None:
    assert here.scan(acta()) is Signal.KEPT
    for seed in (1, 2):
        verdict, ms = press_over(here, part(seed))
        assert verdict is Signal.KEPT_PART
        assert PART_MS <= ms <= PART_MS + LOOK_MS
    qr_end, *rest = here.records()
    assert (qr_end.first, qr_end.part) == (NOTHING, 1)
    assert [(record.first, record.part, record.payloads) for record in rest] == [
        (here.identity(1), 2, ()),
        (here.identity(1), 3, ()),
    ]
    assert [record.pictures[0].size for record in rest] == [len(part(1)), len(part(2))]
    assert here.settle()
    counted = here.counted()
    assert (counted.counted, counted.unread) == (1, [])
    assert [each.words for each in counted.parts] == ["part 2 of record 1", "part 3 of record 1"]


def test_eight_seconds_of_nothing_close_it_and_a_sheet_without_a_code_is_then_another(here: World) -> None:
    here.scan(acta())
    here.clock.run(OPEN_MS + 200)
    verdict, ms = press_over(here, part(1))
    assert verdict is Signal.KEPT_UNREAD
    assert ms >= SEARCH_MS_MAX
    assert (here.records()[1].first, here.records()[1].part) == (NOTHING, 1)


def test_each_part_leaves_eight_seconds_for_the_next(here: World) -> None:
    here.scan(acta())
    for seed in (1, 2, 3):
        here.clock.run(OPEN_MS - 500)
        assert press_over(here, part(seed))[0] is Signal.KEPT_PART
    assert [record.part for record in here.records()] == [1, 2, 3, 4]


def test_who_scans_only_qr_ends_is_not_slowed_down(here: World) -> None:
    for mesa in range(5):
        began = here.clock.ms()
        assert here.scan(acta(mesa)) is Signal.KEPT
        assert here.clock.ms() - began < 500
    assert [(record.first, record.part) for record in here.records()] == [(NOTHING, 1)] * 5


def test_another_actas_qr_in_the_middle_starts_a_new_one_and_says_so(here: World) -> None:
    here.scan(acta(1))
    press_over(here, part(1))
    assert here.scan(acta(2)) is Signal.KEPT
    press_over(here, part(2))
    firsts = [here.identity(1), here.identity(3)]
    assert [(record.first, record.part) for record in here.records()] == [
        (NOTHING, 1),
        (firsts[0], 2),
        (NOTHING, 1),
        (firsts[1], 2),
    ]


def test_a_new_acta_without_its_code_is_taken_for_a_part_and_listed_as_one(here: World) -> None:
    """Laid within eight seconds nothing tells it from one. It is told as one, and the hub shows it to people as one."""
    here.scan(acta(1))
    assert press_over(here, part(1))[0] is Signal.KEPT_PART
    assert here.scan(acta(2)) is Signal.KEPT
    assert here.settle()
    assert len(here.mesas()) == 2
    (listed,) = here.counted().parts
    assert (listed.seq, listed.words) == (2, "part 2 of record 1")


def test_a_hold_before_it_keeps_a_new_acta_without_a_code_apart(here: World) -> None:
    here.scan(acta(1))
    here.clock.run(1_000)
    here.unit.hold(2_500)
    assert press_over(here, part(1))[0] is Signal.KEPT_UNREAD
    assert [(record.first, record.part) for record in here.records()] == [(NOTHING, 1), (NOTHING, 1)]


def test_the_rest_of_an_acta_that_was_kept_before_is_linked_to_it(here: World) -> None:
    here.scan(acta(1))
    press_over(here, part(1))
    here.scan(acta(2))
    assert here.scan(acta(1)) is Signal.KEPT_BEFORE
    assert press_over(here, part(2))[0] is Signal.KEPT_PART
    assert [(here.records()[-1].first, here.records()[-1].part)] == [(here.identity(1), 3)]


def test_an_acta_without_a_qr_code_is_kept_with_its_parts(here: World) -> None:
    assert press_over(here, part(1))[0] is Signal.KEPT_UNREAD
    assert press_over(here, part(2))[0] is Signal.KEPT_PART
    one, two = here.records()
    assert (one.payloads, one.doubt, one.first, two.first, two.part) == ((), "", NOTHING, here.identity(1), 2)
    assert here.settle()
    counted = here.counted()
    assert [each.words for each in counted.unread] == ["no QR code was read"]
    assert [each.words for each in counted.parts] == ["part 2 of record 1"]


def test_a_sheet_whose_code_was_not_made_out_is_searched_as_long_when_it_is_pressed_again(here: World) -> None:
    assert press_over(here, part(1))[0] is Signal.KEPT_UNREAD
    for _ in range(2):
        verdict, ms = press_over(here, part(1))
        assert verdict is Signal.KEPT_PART
        assert ms >= SEARCH_MS_MAX
    assert here.scan(acta()) is Signal.KEPT
    assert press_over(here, part(2))[1] <= PART_MS + LOOK_MS


def test_a_part_that_the_card_did_not_take_is_a_part_still_when_it_is_pressed_again(here: World) -> None:
    here.scan(acta())
    here.unit.set_card_size(0)
    assert press_over(here, part(1))[0] is Signal.FAULT
    here.unit.set_card_size(None)
    assert press_over(here, part(1))[0] is Signal.KEPT_PART
    assert [record.part for record in here.records()] == [1, 2]


def test_what_is_no_sheet_is_never_stored_nor_sent(here: World) -> None:
    before = sorted(here.settings.card.rglob("*"))
    assert press_over(here, NO_SHEET)[0] is Signal.AGAIN
    here.clock.run(60_000)
    assert (here.records(), here.waiting) == ([], [])
    assert sorted(here.settings.card.rglob("*")) == before
    assert not here.logged(Event.KEPT)


def test_who_insists_has_it_kept_as_a_picture(here: World) -> None:
    assert press_over(here, NO_SHEET)[0] is Signal.AGAIN
    here.clock.run(INSIST_MS - 1_000)
    assert press_over(here, NO_SHEET)[0] is Signal.KEPT_UNREAD
    assert [record.payloads for record in here.records()] == [()]
    assert here.settle()
    assert here.mesas() == set()


def test_nobody_insists_who_presses_later(here: World) -> None:
    for _ in range(2):
        assert press_over(here, NO_SHEET)[0] is Signal.AGAIN
        here.clock.run(INSIST_MS)
    assert here.records() == []


def test_a_lost_reader_makes_no_picture_of_what_nobody_has_looked_at(here: World) -> None:
    here.unit.reader.lose(1000)
    assert press_over(here, part(1))[0] is Signal.AGAIN
    assert here.records() == []


def test_what_is_open_is_shown_until_it_is_closed(here: World) -> None:
    here.scan(acta())
    here.clock.run(VERDICT_MS + 200)
    shown = [signal for signal in here.shown if not signal.on_link_lamp]
    assert shown[-1] is Signal.REST
    here.clock.run(OPEN_MS)
    shown = [signal for signal in here.shown if not signal.on_link_lamp]
    assert shown[-1] is Signal.IDLE
