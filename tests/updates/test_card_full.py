"""The full card: an update takes no room from records, and what it could not finish leaves nothing behind."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from device.versions import Versions
from provisioning.release import requirements
from tests.updates.desk import MADE, Desk, Unit, root_of, wheels_of
from wire.errors import OurFault


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A card of 1 MB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small card")
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(place)], check=True)
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_release_for_which_there_is_no_room_beside_the_records_is_not_fetched(small: Path, desk: Desk) -> None:
    unit = Unit(small / "unit", root_of(desk), (str(desk.folder),))
    assert unit.run() == ["NOT_INSTALLED"]
    assert "must stay free for records" in unit.whys()
    assert unit.versions.current == 0
    assert not unit.versions.wheels.exists()


def test_an_installation_that_fills_the_card_is_gone_again(tmp_path: Path, small: Path) -> None:
    wheels = wheels_of(tmp_path / "wheels", "0.1.0", lines="#" * 2**20)
    versions = Versions(small / "app")
    versions.folder.mkdir()
    with pytest.raises(OurFault, match="full"):
        versions.install(7, wheels, requirements(wheels))
    assert not versions.home(7).exists()
    assert versions.current is None


def test_a_version_whose_starts_cannot_be_counted_is_returned_from_at_once(small: Path) -> None:
    unit = Unit(small / "unit", b"", ())
    unit.versions.home(1).mkdir()
    unit.versions.switch(1)
    with pytest.raises(OSError, match="No space left"):
        (small / "records").write_bytes(bytes(2**21))
    assert unit.versions.begin(MADE) == 1
    assert unit.versions.current == 0
