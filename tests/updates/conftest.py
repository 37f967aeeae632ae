"""What the tests of updates begin with: a desk that has signed one release, and a unit that knows its root."""

import copy
import shutil
from pathlib import Path

import pytest

from tests.updates.desk import Desk, Unit, root_of


@pytest.fixture(scope="session")
def first_desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A desk whose first release is for all units; each test takes a copy."""
    desk = Desk(tmp_path_factory.mktemp("updates") / "desk")
    desk.release("0.1.1")
    return desk


@pytest.fixture
def desk(tmp_path: Path, first_desk: Desk) -> Desk:
    """The same, for one test."""
    desk = copy.copy(first_desk)
    desk.folder = Path(shutil.copytree(first_desk.folder, tmp_path / "desk"))
    desk.roots = list(first_desk.roots)
    return desk


@pytest.fixture
def unit(tmp_path: Path, desk: Desk) -> Unit:
    """A unit whose only mirror is the desk's own folder, as on a stick."""
    return Unit(tmp_path / "unit", root_of(desk), (str(desk.folder),))
