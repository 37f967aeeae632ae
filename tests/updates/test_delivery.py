"""The stick with releases: put into a unit, they are on its card, and testigo-update finds them there."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from device.delivery import DELIVERY_BYTES_MAX, ON_CARD, ON_STICK
from device.log import Event
from device.signals import Signal
from sim.fleet import SimUnit
from tests.device.field import Field, field, logged
from tests.updates.desk import Desk, Unit, root_of


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Field]:
    with field(tmp_path / "field") as made:
        yield made


def fill(stick: Path, desk: Desk) -> Path:
    """A stick with the desk's releases and whatever else lies in its folder."""
    return Path(shutil.copytree(desk.folder, stick / ON_STICK, symlinks=True, dirs_exist_ok=True))


def updater_of(unit: SimUnit, desk: Desk, folder: Path) -> Unit:
    return Unit(folder, root_of(desk), (str(unit.settings.card / ON_CARD),))


def test_releases_on_a_stick_reach_the_unit_and_what_waits_goes_out_all_the_same(
    tmp_path: Path, desk: Desk, here: Field
) -> None:
    (unit,), stick = here.units, here.stick()
    here.scan(unit, 1)
    fill(stick, desk)
    assert here.visit(unit, stick) is Signal.STICK_DONE
    assert logged(unit, Event.DELIVERED)[-1].endswith("files=8")
    assert here.imported(stick) == [f"{unit.name}: imported 1 record, 1 picture"]
    assert updater_of(unit, desk, tmp_path / "updater").run() == ["PREPARED"]


def test_a_later_stick_brings_what_is_new_and_takes_away_what_is_gone(tmp_path: Path, desk: Desk, here: Field) -> None:
    (unit,), stick = here.units, here.stick()
    fill(stick, desk)
    here.visit(unit, stick)
    shutil.rmtree(stick / ON_STICK)
    desk.release("0.1.2")
    fill(stick, desk)
    assert here.visit(unit, stick) is Signal.STICK_DONE
    assert updater_of(unit, desk, tmp_path / "updater").look() == 2
    on_card, on_stick = (
        sorted(path.name for path in folder.glob("*/*.*")) for folder in (unit.settings.card / ON_CARD, desk.folder)
    )
    assert on_card == on_stick
    assert here.visit(unit, stick) is Signal.STICK_DONE
    assert len(logged(unit, Event.DELIVERED)) == 2, "nothing was new"


def test_what_is_no_repository_s_file_stays_on_the_stick(desk: Desk, here: Field) -> None:
    (unit,), stick = here.units, here.stick()
    delivered = fill(stick, desk)
    wheel = next(delivered.glob("targets/*lens*"))
    wheel.write_bytes(b"!" + wheel.read_bytes()[1:])  # its name is its hash, no more
    (delivered / "targets" / "run-me").write_text("rm -rf /")
    (delivered / "metadata" / "timestamp.json").unlink()
    (delivered / "metadata" / "timestamp.json").symlink_to("/etc/passwd")
    (delivered / "metadata" / "1.snapshot.json").unlink()
    os.mkfifo(delivered / "metadata" / "1.snapshot.json")
    huge = delivered / "targets" / ("0" * 64 + ".huge-1-py3-none-any.whl")
    huge.touch()
    os.truncate(huge, DELIVERY_BYTES_MAX + 1)
    assert here.visit(unit, stick) is Signal.STICK_DONE
    names = {path.name for path in (unit.settings.card / ON_CARD).glob("*/*")}
    assert names.isdisjoint({wheel.name, "run-me", "timestamp.json", "1.snapshot.json", huge.name})
    assert any("testigo" in name for name in names)


def test_a_stick_without_releases_leaves_those_of_before(desk: Desk, here: Field) -> None:
    (unit,) = here.units
    fill(here.stick("one"), desk)
    here.visit(unit, here.stick("one"))
    here.visit(unit, here.stick("other"))
    assert (unit.settings.card / ON_CARD / "metadata" / "timestamp.json").exists()
