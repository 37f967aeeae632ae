"""The first boot, as far as it needs no machine: what is on the card, and what it leaves. `make nspawn` does it all."""

import hashlib
from pathlib import Path

import pytest

from provisioning import first_boot
from provisioning.first_boot import SUMS, Card, NotBornError, read_only

FSTAB = """proc            /proc           proc    defaults          0       0
PARTUUID=41bba91a-01  /boot/firmware  vfat    defaults          0       2
PARTUUID=41bba91a-02  /               ext4    defaults,noatime  0       1
/swapfile none swap sw 0 0
"""


def card(folder: Path) -> Card:
    for name in ("wheels/a.whl", "own/unit.pem"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(name)
    names = ("wheels/a.whl", "own/unit.pem")
    lines = [f"{hashlib.sha256(name.encode()).hexdigest()}  {name}\n" for name in names]
    (folder / SUMS).write_text("".join(lines))
    return Card(folder, folder / "root")


def test_a_card_is_held_against_what_was_written(tmp_path: Path) -> None:
    card(tmp_path).check()


@pytest.mark.parametrize("name", ["wheels/a.whl", "own/unit.pem"])
def test_a_file_that_rotted_or_was_lost_ends_it_by_name(tmp_path: Path, name: str) -> None:
    written = card(tmp_path)
    (tmp_path / name).write_text("rotten")
    with pytest.raises(NotBornError, match=f"{name} is not as it was written"):
        written.check()
    (tmp_path / name).unlink()
    with pytest.raises(NotBornError, match=name):
        written.check()


def test_what_a_run_before_has_taken_need_not_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written, taken = card(tmp_path / "card"), tmp_path / "data/own"
    monkeypatch.setattr(first_boot, "OURS", tmp_path / "data")
    taken.mkdir(parents=True)
    (tmp_path / "card/own/unit.pem").rename(taken / "unit.pem")
    written.check()


def test_secrets_are_written_over_where_they_lay(tmp_path: Path) -> None:
    written = card(tmp_path / "testigo")
    network = tmp_path / "network-config"
    network.write_text("password: not for everybody\n")
    with (tmp_path / "testigo/own/unit.pem").open("rb") as still_open:
        written.wipe()
        assert not still_open.read().strip(b"\0")
    assert not list((tmp_path / "testigo/own").iterdir())
    assert "password" not in network.read_text()


def test_the_systems_own_partitions_are_read_only_and_nothing_is_swapped_to() -> None:
    lines = read_only(FSTAB).splitlines()
    assert lines[2] == "PARTUUID=41bba91a-02 / ext4 ro,noatime 0 1"
    assert lines[1] == "PARTUUID=41bba91a-01 /boot/firmware vfat ro,nosuid,nodev,noexec,umask=0077 0 2"
    assert len(lines) == 3
    assert read_only(read_only(FSTAB)) == read_only(FSTAB)


def test_a_mount_is_there_once_however_often_it_is_added(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/fstab").write_text(FSTAB)
    written = Card(tmp_path, tmp_path)
    for _ in range(3):
        written.add_mount("tmpfs /var/log tmpfs nosuid 0 0")
    assert (tmp_path / "etc/fstab").read_text() == f"{FSTAB}tmpfs /var/log tmpfs nosuid 0 0\n"
