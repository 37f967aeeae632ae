"""What the tests of updates begin with: a desk that has signed one release, and a unit that knows its root."""

from pathlib import Path

import pytest

from tests.updates.desk import Desk, Unit, root_of


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A desk whose first release is for all units."""
    desk = Desk(tmp_path / "desk")
    desk.release("0.1.1")
    return desk


@pytest.fixture
def unit(tmp_path: Path, desk: Desk) -> Unit:
    """A unit whose only mirror is the desk's own folder, as on a stick."""
    return Unit(tmp_path / "unit", root_of(desk), (str(desk.folder),))
