"""Images and disks: the boot partition inside one, and which disks are written over."""

import argparse
import os
import shutil
import subprocess
from contextlib import nullcontext
from pathlib import Path

import pytest
from rich.progress import Progress

import provisioning.image
from provisioning import cards_desk
from provisioning.authority import Authority
from provisioning.cards import Batch
from provisioning.image import SECTOR, Disk, Image, check_foreign, copy, disk_at, look_again
from tests.provisioning import desk
from wire.errors import OurFault

pytestmark = pytest.mark.skipif(shutil.which("mcopy") is None, reason="there are no mtools: apt-get install mtools")

START, SECTORS = 2048, 36 * 2048
NAME = "sdx"


def image(file: Path) -> Path:
    """An image as Raspberry Pi OS comes: a FAT partition, then the system's."""
    table = bytearray(SECTOR)
    for number, (kind, start, size) in enumerate(((0x0C, START, SECTORS), (0x83, START + SECTORS, 2048))):
        entry = 446 + 16 * number
        table[entry + 4] = kind
        table[entry + 8 : entry + 16] = start.to_bytes(4, "little") + size.to_bytes(4, "little")
    table[510:] = b"\x55\xaa"
    with file.open("xb") as opened:
        opened.write(table)
        opened.truncate((START + SECTORS + 2048) * SECTOR)
    at = f"{file}@@{START * SECTOR}"
    environment = {**os.environ, "MTOOLS_SKIP_CHECK": "1"}
    subprocess.run(["mformat", "-i", at, "-F", "-c", "1", "-T", str(SECTORS), "::"], check=True, env=environment)
    for name, text in desk.STOCK.items():
        subprocess.run(["mcopy", "-i", at, "-", f"::{name}"], check=True, input=text.encode(), env=environment)
    return file


def test_a_card_is_written_into_an_image_and_the_rest_of_it_stays(authority: Authority, tmp_path: Path) -> None:
    stock = image(tmp_path / "stock.img")
    batch = Batch.of(authority, desk.kit(tmp_path / "kit"), desk.package(authority, tmp_path / "package"))
    copied = list[int]()
    copy(stock, tmp_path / "card.img", copied.append)
    assert sum(copied) == 2 * stock.stat().st_size, "written, and read back"
    assert (tmp_path / "card.img").stat().st_mode & 0o777 == 0o600
    boot = Image(tmp_path / "card.img")
    card = batch.write(boot, "", lambda _: None)
    own = Image(tmp_path / "card.img").read("testigo/own/unit.toml") or b""
    assert f'unit = "{card.unit}"'.encode() in own
    assert boot.read("testigo/nothing") is None
    content, before = (tmp_path / "card.img").read_bytes(), stock.read_bytes()
    assert content[: START * SECTOR] == before[: START * SECTOR]
    assert content[(START + SECTORS) * SECTOR :] == before[(START + SECTORS) * SECTOR :]


def test_a_card_that_does_not_give_the_image_back_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stock, kept = image(tmp_path / "stock.img"), os.fsync

    def worn(handle: int) -> None:
        kept(handle)
        os.pwrite(handle, b"worn", (START + SECTORS) * SECTOR)

    monkeypatch.setattr(os, "fsync", worn)
    with pytest.raises(OurFault, match="does not come back"):
        copy(stock, tmp_path / "card.img", lambda _: None)


def test_an_image_that_is_full_is_told_by_name(authority: Authority, tmp_path: Path) -> None:
    batch = Batch.of(authority, desk.kit(tmp_path / "kit"), desk.package(authority, tmp_path / "package"))
    file = image(tmp_path / "card.img")
    Image(file).write("filling", bytes(SECTORS * SECTOR - 700_000))
    (batch.kit.folder / "wheels/pip-26.3-py3-none-any.whl").write_bytes(bytes(800_000))
    with pytest.raises(OurFault, match=r"pip-26\.3.*another card"):
        batch.write(Image(file), "", lambda _: None)


@pytest.mark.parametrize("content", [b"", bytes(4096), b"PK" * 4096])
def test_what_is_no_image_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.img").write_bytes(content)
    with pytest.raises(OurFault, match="image"):
        Image(tmp_path / "x.img")


def machine(root: Path) -> Path:
    """The kernel's files of a machine with a card in its reader; the disk's folder among them."""
    disk = root / "sys/class/block" / NAME
    for name, text in {
        "dev": "8:16",
        "diskseq": "9",
        "size": "62521344",
        "removable": "1",
        "device/vendor": "Generic",
        "device/model": "Card Reader",
        "sdx1/dev": "8:17",
        "sdx1/partition": "1",
    }.items():
        (disk / name).parent.mkdir(parents=True, exist_ok=True)
        (disk / name).write_text(f"{text}\n")
    (disk / "holders").mkdir()
    part = root / "sys/class/block/sdx1"
    part.symlink_to(disk / "sdx1")
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/mountinfo").write_text("22 1 254:1 / / rw - ext4 /dev/vda1 rw\n")
    (root / "proc/swaps").write_text("Filename Type Size Used Priority\n")
    return disk


def test_a_card_in_a_reader_is_shown_with_its_model_and_size(tmp_path: Path) -> None:
    machine(tmp_path)
    assert str(disk_at(Path("/dev/sdx"), tmp_path)) == "/dev/sdx: Generic Card Reader, 32.0 GB"


def test_a_card_in_a_slot_of_its_own_is_one_too(tmp_path: Path) -> None:
    disk = machine(tmp_path)
    (disk / "removable").write_text("0\n")
    (disk / "device/type").write_text("SD\n")
    assert disk_at(Path("/dev/sdx"), tmp_path).size == 62521344 * SECTOR


MISHAPS = {
    "built in": ("sys/class/block/sdx/removable", "0\n", "taken out"),
    "somebody's archive": ("sys/class/block/sdx/size", "7814037168\n", "at most"),
    "an empty reader": ("sys/class/block/sdx/size", "0\n", "put one in"),
    "mounted": ("proc/self/mountinfo", "22 1 8:17 / /media/me/photos rw - vfat /dev/sdx1 rw\n", "/media/me/photos"),
    "mounted whole": ("proc/self/mountinfo", "22 1 8:16 / /mnt rw - vfat /dev/sdx rw\n", "/mnt"),
    "swapped to": ("proc/swaps", "Filename Type Size\n/dev/sdx1 partition 1\n", "in use"),
    "held by another": ("sys/class/block/sdx/holders/dm-0", "", "in use"),
    "held through a partition": ("sys/class/block/sdx/sdx1/holders/md0", "", "in use"),
}


@pytest.mark.parametrize(("name", "text", "said"), MISHAPS.values(), ids=MISHAPS)
def test_a_disk_that_is_somebody_elses_is_never_written_over(tmp_path: Path, name: str, text: str, said: str) -> None:
    machine(tmp_path)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    with pytest.raises(OurFault, match=said):
        disk_at(Path("/dev/sdx"), tmp_path)


@pytest.mark.parametrize(("name", "said"), [("sdx1", "whole disk"), ("sdq", "no disk")])
def test_a_name_that_is_no_whole_disks_is_refused(tmp_path: Path, name: str, said: str) -> None:
    machine(tmp_path)
    with pytest.raises(OurFault, match=said):
        disk_at(Path("/dev") / name, tmp_path)


@pytest.mark.parametrize("changed", ["size", "device/model", "diskseq"])
def test_a_disk_that_came_into_its_place_while_its_size_was_typed_is_not_written_over(
    tmp_path: Path, changed: str
) -> None:
    home = machine(tmp_path)
    disk = disk_at(Path("/dev/sdx"), tmp_path)
    look_again(disk, tmp_path)
    (home / changed).write_text("31116288\n")
    with pytest.raises(OurFault, match="another one than when its size was typed: nothing was written"):
        look_again(disk, tmp_path)


def test_the_desk_looks_again_before_a_disk_is_written(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card, stock = tmp_path / "card", tmp_path / "stock.img"
    card.write_text("somebody's")
    stock.write_bytes(b"stock")
    found = [Disk(card, "Card Reader", 32 * 10**9, "9"), Disk(card, "Card Reader", 32 * 10**9, "10")]
    for module in (provisioning.image, cards_desk):
        monkeypatch.setattr(module, "disk_at", lambda *_: found.pop(0))
    with pytest.raises(OurFault, match="another one than when its size was typed"):
        write_one(authority, tmp_path, card, stock)
    assert card.read_text() == "somebody's"


def test_the_desk_writes_no_boot_partition_of_its_own(authority: Authority, tmp_path: Path) -> None:
    with pytest.raises(OurFault, match="this computer"):
        write_one(authority, tmp_path, Path("/boot"), None)


def write_one(authority: Authority, folder: Path, target: Path, stock: Path | None) -> None:
    """As `testigo-provision write` does, at a desk where somebody types the size of the disk."""
    package = desk.package(authority, folder / "deployment.testigo")
    options = argparse.Namespace(to=target, image=stock)
    with Progress(disable=True) as bar:
        bar.add_task("card")
        batch = Batch.of(authority, desk.kit(folder / "kit"), package)
        cards_desk._one(options, batch, 1, lambda _: "32.0 GB", bar)


@pytest.mark.parametrize(("disk", "is_ours"), [("mmcblk0", True), ("sda", False)])
def test_the_boot_partition_of_this_computer_is_no_cards(tmp_path: Path, disk: str, is_ours: bool) -> None:
    folder = Path("/proc")  # it is mounted by itself everywhere
    for place, part in ((folder, f"{disk}/p1"), (Path("/"), "mmcblk0/p2")):
        device, home = place.stat().st_dev, tmp_path / "sys/devices/block" / part
        home.mkdir(parents=True)
        (home / "partition").touch()
        link = tmp_path / f"sys/dev/block/{os.major(device)}:{os.minor(device)}"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(home)
    with pytest.raises(OurFault, match="the disk that this computer runs from") if is_ours else nullcontext():
        check_foreign(folder, tmp_path)
    check_foreign(tmp_path)
