"""The board: one table of pins, and one clear sentence where there is no Raspberry Pi."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
from gpiozero import Device

from device.settings import Settings
from hardware.board import make_body
from hardware.pins import Pins
from tests.house.tree import ROOT
from tests.wire.samples import PACKAGES
from wire import profiles
from wire.errors import OurFault
from wire.package import FILE, Loudness, Roster
from wire.record import Mode
from wire.settings import Broker


def settings(folder: Path) -> Settings:
    return Settings(
        unit="unit-1",
        packages=PACKAGES.verifier,
        package=folder / FILE,
        number=1,
        deployment="trial",
        profile=profiles.named("ve-2024-presidential"),
        roster=Roster(),
        mode=Mode.LIVE,
        sound=Loudness.LOUD,
        card=folder,
        key=folder / "key.pem",
        hubs={},
        cards={},
        recipients=(),
        receipts=1,
        fleet=1,
        brokers=(Broker("127.0.0.1", 1883),),
        base=folder,
    )


def test_no_two_parts_share_a_pin_and_none_is_taken_by_a_bus() -> None:
    pins = [getattr(Pins(), field.name).bcm for field in dataclasses.fields(Pins)]
    assert len(set(pins)) == len(pins)
    assert set(pins) <= set(range(4, 28)) - {7, 8, 9, 10, 11, 14, 15}


def is_a_pi() -> bool:
    return Path("/proc/device-tree/model").exists()


@pytest.mark.skipif(is_a_pi(), reason="this machine is a Raspberry Pi, which has them")
def test_a_machine_that_is_no_unit_gets_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(OurFault) as raised:
        make_body(settings(tmp_path), lambda _event: None)
    assert str(raised.value).startswith(("this machine has no lgpio", "the pins cannot be had ("))
    assert "un the firmware on a Raspberry Pi" in str(raised.value)
    assert str(raised.value).endswith("or try it without hardware with testigo-sim")


def test_the_board_loads_without_any_of_the_pis_libraries() -> None:
    source = (
        "import sys\n"
        "sys.modules.update(gpiozero=None, lgpio=None, libcamera=None, picamera2=None)\n"
        "import hardware.board\n"
    )
    subprocess.run([sys.executable, "-c", source], cwd=ROOT, check=True)


def test_no_global_pin_factory_is_ever_set() -> None:
    assert Device.pin_factory is None


@pytest.mark.pi
def test_a_wired_unit_makes_its_body(tmp_path: Path) -> None:
    body = make_body(settings(tmp_path), lambda _event: None)
    assert body.storage.free() > 0
    body.link.close()
