"""The fleet: units on one clock; what goes in comes out, and the same seed is the same run."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from device.signals import Signal
from hub.running import opened
from hub.settings import read
from sim import deployment
from sim.clock import SteppedClock
from sim.fleet import SimUnit
from sim.link import Exchange, Publication
from tests.device.world import VE, acta, picture


def fleet(folder: Path, count: int, exchange: Exchange, clock: SteppedClock) -> list[SimUnit]:
    deployed = deployment.make(folder, count, 1883, VE)
    return [SimUnit(path, clock, [exchange], seed) for seed, path in enumerate(deployed.units.values())]


@pytest.fixture
def unit(tmp_path: Path) -> SimUnit:
    clock = SteppedClock()
    (made,) = fleet(tmp_path / "trial", 1, Exchange(clock), clock)
    return made


def test_many_units_on_one_exchange_each_get_their_own_receipts(tmp_path: Path) -> None:
    clock = SteppedClock()
    deployed = deployment.make(tmp_path / "trial", 5, 1883, VE)
    with opened(read(deployed.hub), clock.seconds, lambda *_, **__: None) as intake:
        exchange = Exchange(clock, intake.take)
        units = [SimUnit(path, clock, [exchange], seed) for seed, path in enumerate(deployed.units.values())]
        for each in units:
            each.power_on()
        for mesa in range(15):
            assert units[mesa % 5].scan(picture(acta(mesa))) is Signal.KEPT
        assert clock.run_until(lambda: all(each.unit.store.waiting_count(1) == 0 for each in units), 600_000)
        assert [each.unit.store.count() for each in units] == [3] * 5
        assert len(intake.ledger.readings()) == 15
        for each in units:
            each.cut_power()


def test_the_same_seed_is_the_same_run(tmp_path: Path) -> None:
    runs = []
    for name in ("one", "other"):
        clock = SteppedClock()
        exchange = Exchange(clock)
        (made,) = fleet(tmp_path / name, 1, exchange, clock)
        made.power_on()
        for mesa in range(3):
            exchange.cut()
            made.scan(picture(acta(mesa)))
            clock.run(20_000)
            exchange.mend()
            clock.run(20_000)
        made.cut_power()
        runs.append((made.log, clock.ms()))
    assert runs[0] == runs[1]


def test_with_the_power_off_there_is_no_unit_to_ask(unit: SimUnit) -> None:
    assert not unit.is_on
    for ask in (lambda: unit.unit, lambda: unit.body, lambda: unit.shown):
        with pytest.raises(AssertionError, match="the power is off"):
            ask()


def test_nothing_of_a_life_before_reaches_the_next(tmp_path: Path) -> None:
    """Frames, acknowledgements and wakes that were due when the power was cut come to nobody."""
    clock, taken = SteppedClock(), list[Publication]()

    def take(batch: Sequence[Publication]) -> Sequence[Publication]:
        taken.extend(batch)
        return []

    (made,) = fleet(tmp_path / "trial", 1, Exchange(clock, take), clock)
    made.power_on()
    made.body.camera.lay(picture(acta()))
    made.body.press()
    clock.run(50)
    made.cut_power()
    made.power_on()
    clock.run(5_000)
    assert made.shown == [Signal.STARTING, Signal.READY, Signal.LINK_SETTLED]
    assert made.unit.store.count() == 0
    assert sum("event=link-up" in line for line in made.log) == 1
    made.cut_power()


def test_a_scan_without_a_verdict_in_time_is_an_error_that_says_what_was_shown(unit: SimUnit) -> None:
    unit.power_on()
    unit.body.camera.stall()
    with pytest.raises(AssertionError, match=r"no verdict within 1000 ms, only .*SEARCHING"):
        unit.scan(picture(acta()), limit_ms=1_000)
    unit.cut_power()


def test_only_pictures_can_be_laid_on_the_tray(unit: SimUnit) -> None:
    unit.power_on()
    with pytest.raises(ValueError, match="no picture of a known kind"):
        unit.body.camera.lay(b"rubbish")
    unit.cut_power()
