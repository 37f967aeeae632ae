"""What the tests of the power cut share: recordings of a unit's lives."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash.recorder import Recording, record

Record = Callable[..., Recording]


@pytest.fixture(scope="session")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """Some lives of a unit on one card, each ended in another way."""
    return record(tmp_path_factory.mktemp("weeks") / "recording", "weeks")


@pytest.fixture(scope="session")
def spoiled(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A card whose index turns to rubbish between two lives."""
    return record(tmp_path_factory.mktemp("spoiled") / "recording", "spoiled")


@pytest.fixture
def recorded(tmp_path: Path) -> Record:
    """Records other lives; see `tests.crash.recorder.record`."""
    return lambda *arguments, **named: record(tmp_path / "recording", *arguments, **named)
