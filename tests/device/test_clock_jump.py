"""The clock that jumps: the date is never evidence, and no date stops a unit."""

import pytest

from device.dates import utc
from device.signals import Signal
from sim.clock import DATE
from tests.device.world import World, acta

JUMPS = {
    "1970-01-01T00:00:00Z": -DATE,
    "1970-01-01T00:00:05Z": 5 - DATE,
    "1969 is shown as the beginning": -2 * DATE,
    "2106, where 32 bits end": 2**32 - 1 - DATE,
    "2038, where 31 bits end": 2**31 - DATE,
    "far beyond the year 9999": 2**50,
}


@pytest.mark.parametrize("jump", JUMPS.values(), ids=JUMPS)
def test_whatever_the_date_records_are_kept_and_receipted(here: World, jump: int) -> None:
    assert here.scan(acta(1)) is Signal.KEPT
    here.clock.jump_seconds = jump
    assert here.scan(acta(2)) is Signal.KEPT
    here.clock.jump_seconds = 0
    assert here.scan(acta(3)) is Signal.KEPT
    here.clock.jump_seconds = jump
    assert here.settle(limit_ms=120_000)
    assert len(here.mesas()) == 3
    assert [record.ms for record in here.records()] == sorted(record.ms for record in here.records())


def test_a_unit_starts_in_1970(here: World) -> None:
    here.unit.cut_power()
    here.clock.jump_seconds = -DATE - 10_000
    here.power_on()
    assert here.scan(acta()) is Signal.KEPT
    assert here.settle(limit_ms=120_000)
    assert here.records()[0].date == "1970-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "1970-01-01T00:00:00Z"),
        (0, "1970-01-01T00:00:00Z"),
        (DATE, "2024-07-29T00:04:06Z"),
        (2**32 - 1, "2106-02-07T06:28:15Z"),
        (253_402_300_799, "9999-12-31T23:59:59Z"),
        (253_402_300_800, "9999-12-31T23:59:59Z"),
    ],
)
def test_a_date_is_written_to_the_second_within_what_can_be_written(seconds: int, text: str) -> None:
    assert utc(seconds) == text
