"""The hub that is restored from an old backup: what it has lost since is offered again, without being asked twice."""

import shutil
from pathlib import Path

import pytest

from device.custody import ASK_MS, PATIENCE_MS
from device.log import Event
from device.signals import Signal
from hub import settings as hub_settings
from sim import deployment
from tests.device import field as fields
from tests.device.field import field, logged, own
from tests.device.sites import sites
from tests.device.world import VE, World, acta, leaves
from wire.topics import Leaf


def test_what_a_restored_hub_has_lost_of_a_chain_that_was_left_comes_to_it_again(tmp_path: Path) -> None:
    deployed = deployment.make(tmp_path / "trial", 1, 1883, VE, "live")
    hub = hub_settings.read(deployed.hub)
    made, backup = World(deployed), tmp_path / "backup"
    kept, chain = made.unit.settings.card / "kept", ""
    for mesas in ((1, 2), (3, 4, 5)):
        with made.running(hub):
            made.power_on()
            assert [made.scan(acta(mesa)) for mesa in mesas] == [Signal.KEPT] * len(mesas)
            assert made.settle()
            chain = made.place.chain
        if not backup.exists():
            shutil.copytree(hub.base, backup)
    # A picture that is gone when the index has to be made anew: nobody knows what was said last, so a chain begins.
    (kept.parent / "index.db").unlink()
    last = (kept / f"{chain}-5.envelope").read_bytes()
    next(file for file in kept.glob("*.picture") if file.stem.encode() in last).unlink()
    with made.running(hub):
        made.power_on()
        assert made.scan(acta(6)) is Signal.KEPT
        assert made.place.chain != chain
        assert made.settle()
        assert len(made.mesas()) == 6
    shutil.rmtree(hub.base)
    shutil.copytree(backup, hub.base)
    with made.running(hub):
        made.power_on()
        assert made.clock.run_until(lambda: len(made.mesas()) == 5, 600_000)  # all but the one whose picture is gone
        assert made.settle()


@pytest.mark.parametrize("its_clock", ["right", "1970"])
def test_what_a_restored_hub_has_lost_comes_to_it_again_whatever_its_clock_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, its_clock: str
) -> None:
    deployed = deployment.make(tmp_path / "trial", 1, 1883, VE, "live")
    hub = hub_settings.read(deployed.hub)
    made, backup = World(deployed), tmp_path / "backup"
    for mesas in ((1, 2), (3, 4, 5)):
        with made.running(hub):
            made.power_on()
            assert [made.scan(acta(mesa)) for mesa in mesas] == [Signal.KEPT] * len(mesas)
            assert made.settle()
        if not backup.exists():
            shutil.copytree(hub.base, backup)
    shutil.rmtree(hub.base)
    shutil.copytree(backup, hub.base)
    if its_clock == "1970":
        monkeypatch.setattr(made, "_hub_seconds", lambda: made.clock.ms() // 1000)
    with made.running(hub):
        assert len(made.mesas()) == 2
        made.power_on()
        assert made.clock.run_until(lambda: len(made.mesas()) == 5, 600_000)
        assert made.settle()
        assert len(made.logged(Event.HUB_RESTORED)) == 1


@pytest.mark.parametrize("its_clock", ["right", "1970"])
@pytest.mark.parametrize("new", [(), (5,)], ids=["nothing new", "something new"])
def test_what_a_restored_hub_has_lost_comes_to_it_again_by_stick_too_whatever_its_clock_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, its_clock: str, new: tuple[int, ...]
) -> None:
    with field(tmp_path) as here:
        (unit,), hub, backup = here.units, hub_settings.read(here.deployed.hub), tmp_path / "backup"
        for mesas in ((1, 2), (3, 4)):
            here.scan(unit, *mesas)
            stick = here.stick(f"of {mesas}")
            here.visit(unit, stick)
            here.imported(stick)
            here.visit(unit, stick)
            assert here.waiting(unit) == 0
            if not backup.exists():
                shutil.copytree(hub.base, backup)
        shutil.rmtree(hub.base)
        shutil.copytree(backup, hub.base)
        here.clock.run(60_000)
        if its_clock == "1970":
            monkeypatch.setattr(fields, "DATE", 0)
        here.scan(unit, *new)
        courier = here.stick("courier's")
        for waits in (len(new), 2, 0):  # what is new; then what the hub is found to have lost
            here.visit(unit, courier)
            assert here.waiting(unit) == waits
            here.imported(courier)
        assert len(here.mesas()) == 4 + len(new)
        assert len(logged(unit, Event.HUB_RESTORED)) == 1
        here.imported(courier)
        answers = {file.name: file.read_bytes() for file in own(courier, unit).glob("*.receipt")}
        here.imported(courier)
        assert answers == {file.name: file.read_bytes() for file in own(courier, unit).glob("*.receipt")}


@pytest.mark.parametrize("brokers", [1, 2])
def test_a_unit_with_nothing_to_send_still_asks_every_hub_now_and_then_what_it_holds(
    tmp_path: Path, brokers: int
) -> None:
    with sites(tmp_path, brokers=brokers) as here:
        here.power_on()
        here.scan(1)
        assert here.settle() is not None
        here.clock.run(2 * PATIENCE_MS)
        for site in here.sites:
            site.came.clear()
        here.clock.run(2 * ASK_MS)  # there and back: it is at home most of the time
        assert all(Leaf.HOLDING in leaves(site.came) for site in here.sites)
