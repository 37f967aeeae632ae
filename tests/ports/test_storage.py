"""The storage's promises, on every body."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from device.ports import Storage
from device.quiet import Quiet
from hardware.storage import CardStorage
from sim.body import SimStorage
from wire.errors import OurFault
from wire.package import Loudness

Make = Callable[[Path], Storage]


@pytest.fixture(params=[SimStorage, CardStorage])
def make(request: pytest.FixtureRequest) -> Make:
    storage: Make = request.param
    return storage


def test_the_folder_exists_and_takes_files(make: Make, tmp_path: Path) -> None:
    storage = make(tmp_path)
    assert storage.folder == tmp_path
    (storage.folder / "record").write_bytes(b"kept")
    assert (storage.folder / "record").read_bytes() == b"kept"


def test_what_is_free_is_what_the_file_system_says(make: Make, tmp_path: Path) -> None:
    found = os.statvfs(tmp_path)
    assert 0 < make(tmp_path).free() <= found.f_blocks * found.f_frsize


def test_what_is_written_is_not_free_any_more(make: Make, tmp_path: Path) -> None:
    storage, size = make(tmp_path), 64 << 20
    before = storage.free()
    with (tmp_path / "picture").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, size)
    assert before - storage.free() > size // 2  # others write to this disk as well


def test_a_real_card_that_is_not_mounted_is_refused_and_never_made(tmp_path: Path) -> None:
    with pytest.raises(OurFault, match="there is no such folder: mount the data partition"):
        CardStorage(tmp_path / "card")
    assert list(tmp_path.iterdir()) == []


def test_whether_a_unit_is_quiet_is_no_question_that_a_card_can_fail_over(tmp_path: Path) -> None:
    storage = SimStorage(tmp_path)
    storage._folder = tmp_path / ("x" * 300)  # the kernel refuses to look there, as it does on a card that is broken
    assert not Quiet(storage, Loudness.LOUD, 1).is_on
