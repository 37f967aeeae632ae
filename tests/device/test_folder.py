"""The folder on a hostile stick: links, pipes, devices and endless files are not opened; what is written is there."""

import errno
import hashlib
import itertools
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

import device.folder
import hub.folder
from device.folder import PIECE_BYTES, Folder

CONTENT = bytes(range(256)) * 2048
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MAX = len(CONTENT)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Folder]:
    (tmp_path / "stick").mkdir()
    with Folder.at(tmp_path / "stick") as folder:
        yield folder


@pytest.fixture
def stick(here: Folder, tmp_path: Path) -> Path:
    return tmp_path / "stick"


def test_the_units_folder_and_the_hubs_are_one_text() -> None:
    assert Path(str(device.folder.__file__)).read_bytes() == Path(str(hub.folder.__file__)).read_bytes()


def test_what_is_written_is_there_under_its_name_and_nothing_else_is(here: Folder, stick: Path) -> None:
    assert here.write("a", [CONTENT[:1000], CONTENT[1000:]], SHA256) == MAX
    assert {file.name: file.read_bytes() for file in stick.iterdir()} == {"a": CONTENT}
    assert here.has("a", SHA256, MAX) == MAX
    assert b"".join(here.pieces("a", MAX)) == CONTENT


def test_what_is_not_what_was_announced_leaves_nothing(here: Folder, stick: Path) -> None:
    assert here.write("a", [CONTENT[:-1]], SHA256) is None
    assert list(stick.iterdir()) == []


def test_a_write_that_fails_leaves_nothing_and_the_file_that_was_there(here: Folder, stick: Path) -> None:
    def failing() -> Iterator[bytes]:
        yield CONTENT[:1000]
        raise OSError(errno.EIO, "pulled")

    here.put("a", b"before")
    with pytest.raises(OSError, match="pulled"):
        here.write("a", failing(), SHA256)
    assert {file.name: file.read_bytes() for file in stick.iterdir()} == {"a": b"before"}


def test_what_a_pulled_stick_has_half_written_is_no_hindrance(here: Folder, stick: Path) -> None:
    (stick / "a.part").write_bytes(b"half")
    here.write("a", [CONTENT], SHA256)
    assert [file.name for file in stick.iterdir()] == ["a"]


@pytest.mark.parametrize("name", ["a", "a.part"])
def test_nothing_is_ever_written_through_a_link(here: Folder, stick: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "elsewhere").write_bytes(b"precious")
    (stick / name).symlink_to(tmp_path / "elsewhere")
    here.write("a", [CONTENT], SHA256)
    assert (tmp_path / "elsewhere").read_bytes() == b"precious"
    assert (stick / "a").read_bytes() == CONTENT
    assert not (stick / "a").is_symlink()


def test_no_folder_is_reached_through_a_link(here: Folder, stick: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (stick / "a").symlink_to(tmp_path / "elsewhere")
    assert here.inner("a") is None
    with pytest.raises(OSError, match=r"Not a directory|symbolic links"):
        here.made("a")
    with pytest.raises(OSError, match=r"Not a directory|symbolic links"):
        Folder.at(stick / "a")


def test_what_is_no_plain_file_is_not_opened(
    here: Folder, stick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").write_bytes(CONTENT)
    (stick / "link").symlink_to(tmp_path / "elsewhere")
    (stick / "folder").mkdir()
    os.mkfifo(stick / "pipe")
    with socket.socket(socket.AF_UNIX) as plug:
        monkeypatch.chdir(stick)  # a socket's name must be short
        plug.bind("plug")
    names = ["link", "folder", "pipe", "plug"]
    if os.geteuid() == 0:
        os.mknod(stick / "device", 0o600 | 0o020000, os.makedev(1, 5))  # an endless file of zeros
        names.append("device")
    for name in names:
        assert here.size(name) is None
        assert here.has(name, SHA256, MAX) is None
        with pytest.raises(OSError, match="no plain file"):
            here.read(name, MAX)


def test_a_file_is_read_no_further_than_it_may_be_long(here: Folder, stick: Path) -> None:
    with (stick / "endless").open("wb") as file:
        file.truncate(1 << 40)
    assert here.has("endless", SHA256, MAX) is None
    pieces = here.pieces("endless", MAX)
    assert sum(len(piece) for piece in itertools.islice(pieces, MAX // PIECE_BYTES)) == MAX
    with pytest.raises(OSError, match="longer than"):
        next(pieces)


def test_a_file_that_grows_while_it_is_read_ends_where_it_may(here: Folder, stick: Path) -> None:
    (stick / "a").write_bytes(CONTENT)
    pieces = here.pieces("a", MAX)
    next(pieces)
    with (stick / "a").open("ab") as file:
        file.write(CONTENT)
    with pytest.raises(OSError, match="longer than"):
        list(pieces)


def test_names_in_any_encoding_and_any_number_are_looked_at_up_to_a_limit(
    here: Folder, stick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device.folder, "NAMES_MAX", 20)
    for number in range(30):
        Path(os.fsdecode(os.fsencode(stick) + b"/\xff\xfe%d\n" % number)).write_bytes(b"")
    assert len(list(here.names())) == 20
    assert len(list(here.names())) == 20, "a second look begins where the first ended"


def test_a_stick_that_gives_other_bytes_back_than_it_was_given_is_no_stick(
    here: Folder, stick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As flash that has worn out does: what was written is altered behind the kernel's back before it is read again."""
    sync = os.fsync

    def rotting(descriptor: int) -> None:
        sync(descriptor)
        file = Path(f"/proc/self/fd/{descriptor}").readlink()
        if file.suffix == ".part":
            file.write_bytes(b"?" + CONTENT[1:])

    monkeypatch.setattr(os, "fsync", rotting)
    with pytest.raises(OSError, match="reads back as something else"):
        here.write("a", [CONTENT], SHA256)
    assert list(stick.iterdir()) == []


def test_a_folder_that_is_not_empty_is_not_forgotten(here: Folder, stick: Path) -> None:
    for name in ("full", "empty"):
        with here.made(name) as made:
            if name == "full":
                made.put("a", b"a")
    for name in ("full", "empty", "nothing"):
        here.forget(name)
    assert [file.name for file in stick.iterdir()] == ["full"]


def test_a_file_in_the_place_of_a_folder_is_no_folder(here: Folder, stick: Path) -> None:
    here.put("a", b"a")
    assert here.inner("a") is None
    assert here.inner("nothing") is None
