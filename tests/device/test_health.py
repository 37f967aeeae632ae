"""What ails a unit: when each trouble begins and ends, what is shown, logged and said of it, and what none stops."""

from dataclasses import replace

import pytest

from device.health import BEAT_MS, BEAT_MS_MIN, EMPTY_MS, READS_MIN, Reads, Trouble, ailing
from device.log import Event
from device.ports import Measured, PartMissing, Vitals
from device.signals import FaultCode, Signal
from tests.device.world import World, acta
from wire import note
from wire.beat import Beat
from wire.topics import Leaf, parse

WELL = Vitals(on_battery=True, battery=80, celsius=45)


@pytest.mark.parametrize(
    ("vitals", "troubles"),
    [
        (Vitals(), []),
        (WELL, []),
        (replace(WELL, battery=16), []),
        (replace(WELL, battery=15), [Trouble.BATTERY_LOW]),
        (replace(WELL, battery=15, on_battery=None), [Trouble.BATTERY_LOW]),
        (replace(WELL, battery=15, on_battery=False), []),
        (replace(WELL, battery=4), [Trouble.BATTERY_EMPTY, Trouble.BATTERY_LOW]),
        (replace(WELL, battery=0, on_battery=False), []),
        (Vitals(is_battery_low=True), [Trouble.BATTERY_LOW]),
        (Vitals(is_battery_low=True, on_battery=False), []),
        (replace(WELL, is_gauge_silent=True), [Trouble.GAUGE_SILENT]),
        (replace(WELL, is_undervolted=True), [Trouble.UNDERVOLTED]),
        (replace(WELL, is_undervolted=True, is_slowed=True), [Trouble.UNDERVOLTED]),
        (replace(WELL, is_slowed=True), [Trouble.HOT]),
        (replace(WELL, celsius=79), []),
        (replace(WELL, celsius=80), [Trouble.HOT]),
        (replace(WELL, celsius=-20), []),
        (replace(WELL, is_read_only=True), [Trouble.CARD_READ_ONLY]),
        (replace(WELL, card_errors=1), [Trouble.CARD_ERRORS]),
        (replace(WELL, card_wear=80), []),
        (replace(WELL, card_wear=90), [Trouble.CARD_WORN]),
        (replace(WELL, is_date_lost=True), [Trouble.CLOCK_LOST]),
        (replace(WELL, is_date_unset=True), [Trouble.CLOCK_UNSET]),
    ],
)
def test_what_is_measured_says_what_ails_a_unit(vitals: Vitals, troubles: list[Trouble]) -> None:
    assert ailing(vitals, Reads()) == troubles


@pytest.mark.parametrize(
    ("trouble", "still", "over"),
    [
        (Trouble.BATTERY_LOW, replace(WELL, battery=20), replace(WELL, battery=21)),
        (Trouble.BATTERY_LOW, replace(WELL, battery=15), replace(WELL, battery=15, on_battery=False)),
        (Trouble.HOT, replace(WELL, celsius=75), replace(WELL, celsius=74)),
    ],
)
def test_a_trouble_ends_only_beyond_a_margin(trouble: Trouble, still: Vitals, over: Vitals) -> None:
    assert ailing(still, Reads(), [trouble]) == [trouble]
    assert ailing(over, Reads(), [trouble]) == []


@pytest.mark.parametrize(
    ("read", "scans", "was", "is_bad"),
    [
        (0, READS_MIN - 1, False, False),
        (0, READS_MIN, False, True),
        (6, 10, False, False),
        (5, 10, False, True),
        (37, 50, True, True),
        (38, 50, True, False),
    ],
)
def test_a_unit_knows_its_own_reading_rate(read: int, scans: int, was: bool, is_bad: bool) -> None:
    before = [Trouble.READS_BADLY] if was else []
    assert (ailing(WELL, Reads(read, scans), before) == [Trouble.READS_BADLY]) is is_bad


def test_every_trouble_can_be_told_in_a_beat_and_says_what_to_do() -> None:
    assert all(": " in trouble.value.why for trouble in Trouble)
    assert len({trouble.word for trouble in Trouble}) == len(Trouble) <= 16


def measure(here: World, vitals: Vitals) -> None:
    here.unit.unit.handle(Measured(vitals))


def beats(here: World) -> list[Beat]:
    trusted = {here.name: here.signer.verifier}
    found = [(parse(topic), content) for topic, content in here.published]
    return [
        note.read(content, Beat, trusted).statement for topic, content in found if topic and topic.leaf is Leaf.BEAT
    ]


def test_a_trouble_is_shown_and_logged_once_and_so_is_its_end(here: World) -> None:
    for vitals in (WELL, replace(WELL, celsius=82), replace(WELL, celsius=83), WELL):
        measure(here, vitals)
    assert here.unit.body.indicator.codes.count(FaultCode.HOT) == 1
    (line,) = here.logged(Event.AILING)
    assert "trouble=hot" in line
    assert "celsius=82" in line
    assert len(here.logged(Event.MENDED)) == 1


def test_a_low_battery_is_shown_until_there_is_power_again(here: World) -> None:
    for vitals in (WELL, replace(WELL, battery=9), replace(WELL, battery=9, on_battery=False)):
        measure(here, vitals)
    shown = [said for said in here.unit.body.indicator.shown if said in (Signal.BATTERY_LOW, Signal.POWER_GOOD)]
    assert shown == [Signal.BATTERY_LOW, Signal.POWER_GOOD]


def test_whatever_ails_a_unit_what_is_pressed_is_kept(here: World) -> None:
    measure(here, WELL)
    ill = replace(WELL, battery=9, celsius=90, is_undervolted=True, is_slowed=True, card_errors=3, card_wear=100)
    measure(here, replace(ill, is_date_lost=True, is_date_unset=True, is_gauge_silent=True))
    assert here.scan(acta()) is Signal.KEPT
    assert here.settle()


def test_an_empty_battery_ends_the_run_in_order(here: World) -> None:
    assert here.scan(acta()) is Signal.KEPT
    measure(here, WELL)
    measure(here, replace(WELL, battery=3))
    here.clock.run(EMPTY_MS - 1_000)
    assert here.unit.is_on
    here.clock.run(2_000)
    assert not here.unit.is_on
    assert here.shown[-1] is Signal.OFF


def test_a_gauge_that_says_once_that_the_battery_is_empty_switches_nothing_off(here: World) -> None:
    for _ in range(10):
        measure(here, WELL)
        here.clock.run(EMPTY_MS)
        measure(here, replace(WELL, battery=0))
        here.clock.run(10_000)
    measure(here, WELL)
    here.clock.run(2 * EMPTY_MS)
    assert here.unit.is_on


def test_an_empty_battery_lets_the_last_scan_end(here: World) -> None:
    measure(here, WELL)
    measure(here, replace(WELL, battery=3))
    here.clock.run(EMPTY_MS - 200)
    assert here.scan(acta()) is Signal.KEPT
    here.clock.run(1_000)
    assert not here.unit.is_on
    assert len(here.records()) == 1


@pytest.mark.parametrize("charge", [0, 4])
def test_a_gauge_that_never_told_of_any_charge_stops_nobody(here: World, charge: int) -> None:
    for _ in range(3):
        measure(here, replace(WELL, battery=charge))
        measure(here, replace(WELL, battery=charge, celsius=50))
        here.clock.run(2 * EMPTY_MS)
    assert here.unit.is_on


def test_power_that_comes_in_keeps_a_unit_with_an_empty_battery_on(here: World) -> None:
    measure(here, WELL)
    measure(here, replace(WELL, battery=2))
    measure(here, replace(WELL, battery=2, on_battery=False))
    here.clock.run(2 * EMPTY_MS)
    assert here.unit.is_on


def test_a_part_that_is_missing_is_told_in_the_log_and_by_its_code_if_it_has_one(here: World) -> None:
    here.unit.unit.handle(PartMissing("there is no clock board: go on"))
    here.unit.unit.handle(PartMissing("a lamp does not light: go on", FaultCode.PANEL))
    assert len(here.logged(Event.PART_MISSING)) == 2
    assert here.unit.body.indicator.codes.count(FaultCode.PANEL) == 1


def test_a_unit_that_reads_badly_says_so_while_the_paper_is_still_in_the_hand(here: World) -> None:
    health = here.unit.unit._health
    for _ in range(READS_MIN):
        health.scanned(False)
    assert here.unit.body.indicator.codes.count(FaultCode.LENS) == 1
    for _ in range(40):
        health.scanned(True)
    assert health.troubles == []


def test_scans_that_were_read_count_and_an_empty_tray_does_not(here: World) -> None:
    assert here.scan(acta()) is Signal.KEPT
    assert here.scan(acta()) is Signal.KEPT_BEFORE
    here.scan()
    assert here.unit.unit._health.reads == Reads(2, 2)


def test_a_unit_beats_every_ten_minutes_while_it_has_a_link(here: World) -> None:
    assert here.scan(acta()) is Signal.KEPT
    here.clock.run(3 * BEAT_MS)
    found = beats(here)
    assert [beat.minutes for beat in found] == [10, 20, 30][: len(found)]
    assert len(found) in (2, 3)
    beat = found[-1]
    assert (beat.unit, beat.deployment, beat.kept, beat.waiting) == (here.name, here.settings.deployment, 1, 0)
    assert (beat.read, beat.scans, beat.battery, beat.heat, beat.troubles) == (1, 1, "unknown", "unknown", ())


def test_a_unit_without_a_link_beats_when_it_has_one_again(here: World) -> None:
    here.exchange.cut()
    here.clock.run(2 * BEAT_MS)
    assert beats(here) == []
    here.exchange.mend()
    here.clock.run(BEAT_MS)
    assert len(beats(here)) == 1


def test_what_begins_to_ail_a_unit_is_told_within_a_minute_and_not_more_often(here: World) -> None:
    measure(here, replace(WELL, celsius=82))
    here.clock.run(BEAT_MS_MIN)
    (beat,) = beats(here)
    assert (beat.troubles, beat.heat, beat.battery) == (("hot",), "hot", "high")
    for _ in range(20):
        measure(here, WELL)
        measure(here, replace(WELL, celsius=82))
        here.clock.run(1_000)
    assert len(beats(here)) == 1
    here.clock.run(BEAT_MS_MIN)
    assert len(beats(here)) == 2


@pytest.mark.parametrize(
    ("vitals", "battery", "heat"),
    [
        (Vitals(), "unknown", "unknown"),
        (replace(WELL, on_battery=False, battery=3), "outside", "fine"),
        (replace(WELL, battery=50), "half", "fine"),
        (replace(WELL, battery=51, celsius=60), "high", "warm"),
        (replace(WELL, battery=12, celsius=-3), "low", "cold"),
    ],
)
def test_a_beat_is_coarse(here: World, vitals: Vitals, battery: str, heat: str) -> None:
    measure(here, vitals)
    here.clock.run(BEAT_MS)
    assert [(beat.battery, beat.heat) for beat in beats(here)][-1] == (battery, heat)
