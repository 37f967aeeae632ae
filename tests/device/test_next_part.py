"""The next part: an acta of several QR codes, shown one after the other, in any order, with other things in between."""

import hashlib

from device.signals import Signal
from tests.device.world import World, acta
from tests.wire.samples import BR_PARTS
from wire.fields import NOTHING

PART_1, PART_2 = BR_PARTS


def another_part_1() -> str:
    """Part 1 of another sheet: another section, and the hash that goes with it."""
    text = PART_1.replace("SECA:16", "SECA:17").partition(" HASH:")[0]
    digest = hashlib.sha512(text.split(" ", 3)[3].encode()).hexdigest().upper()
    return f"{text} HASH:{digest}"


def test_after_the_first_part_the_next_is_asked_for_and_then_all_is_kept(in_brazil: World) -> None:
    assert [in_brazil.scan(PART_1), in_brazil.scan(PART_2)] == [Signal.NEXT_PART, Signal.KEPT]
    one, two = in_brazil.records()
    assert [set(one.payloads), set(two.payloads)] == [{PART_1}, {PART_1, PART_2}]
    assert ((one.first, one.part), (two.first, two.part)) == ((NOTHING, 1), (in_brazil.identity(1), 2))
    assert in_brazil.settle()
    assert in_brazil.mesas() == {"1392.9.16"}


def test_the_parts_may_come_in_the_other_order(in_brazil: World) -> None:
    assert [in_brazil.scan(PART_2), in_brazil.scan(PART_1)] == [Signal.NEXT_PART, Signal.KEPT]
    assert in_brazil.settle()
    assert in_brazil.mesas() == {"1392.9.16"}


def test_both_parts_in_one_view_are_kept_at_once(in_brazil: World) -> None:
    assert in_brazil.scan(PART_1, PART_2) is Signal.KEPT
    assert len(in_brazil.records()) == 1


def test_the_same_part_twice_asks_for_the_next_again_and_is_kept_once(in_brazil: World) -> None:
    verdicts = [in_brazil.scan(part) for part in (PART_1, PART_1, PART_2)]
    assert verdicts == [Signal.NEXT_PART, Signal.NEXT_PART, Signal.KEPT]
    assert len(in_brazil.records()) == 2


def test_another_actas_part_in_the_middle_starts_anew(in_brazil: World) -> None:
    other = another_part_1()
    assert [in_brazil.scan(PART_1), in_brazil.scan(other)] == [Signal.NEXT_PART, Signal.NEXT_PART]
    assert in_brazil.records()[-1].payloads == (other,)
    assert [in_brazil.scan(PART_1), in_brazil.scan(PART_2)] == [Signal.NEXT_PART, Signal.KEPT]


def test_something_foreign_in_the_middle_is_again_and_the_parts_are_remembered(in_brazil: World) -> None:
    assert in_brazil.scan(PART_1) is Signal.NEXT_PART
    assert in_brazil.scan(acta()) is Signal.AGAIN
    assert in_brazil.scan() is Signal.AGAIN
    assert in_brazil.scan(PART_2) is Signal.KEPT


def test_the_parts_are_remembered_when_the_verdict_is_over(in_brazil: World) -> None:
    in_brazil.scan(PART_1)
    in_brazil.clock.run(60_000)
    assert in_brazil.scan(PART_2) is Signal.KEPT


def test_the_whole_acta_shown_again_is_known(in_brazil: World) -> None:
    for part in BR_PARTS:
        in_brazil.scan(part)
    assert [in_brazil.scan(part) for part in BR_PARTS] == [Signal.NEXT_PART, Signal.KEPT_BEFORE]
    assert len(in_brazil.records()) == 2


def lamps(world: World) -> list[Signal]:
    return [signal for signal in world.shown if not signal.on_link_lamp]


def test_the_next_part_is_asked_for_until_somebody_presses(in_brazil: World) -> None:
    in_brazil.scan(PART_1)
    in_brazil.clock.run(600_000)
    assert lamps(in_brazil)[-1] is Signal.NEXT_PART
    assert lamps(in_brazil).count(Signal.NEXT_PART) == 1, "it sounds once"
    in_brazil.scan(PART_2)
    in_brazil.clock.run(10_000)
    assert lamps(in_brazil)[-3:] == [Signal.KEPT, Signal.REST, Signal.IDLE]


def test_the_next_part_is_asked_for_again_after_a_picture_that_could_not_be_read(in_brazil: World) -> None:
    in_brazil.scan(PART_1)
    in_brazil.scan()
    assert lamps(in_brazil)[-1] is Signal.AGAIN
    in_brazil.clock.run(600_000)
    assert lamps(in_brazil)[-2:] == [Signal.AGAIN, Signal.NEXT_PART]
