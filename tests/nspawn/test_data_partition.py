"""The data partition: made from what the system leaves free on its disk, once; on a loop device, really divided."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from provisioning.first_boot import LABEL, NotBornError, data_partition, run
from provisioning.image import Disk, Image, copy, held
from tests.provisioning import test_images
from wire.errors import OurFault

MEGABYTE = 1024**2


@contextmanager
def disk(file: Path, megabytes: int, third: str = "") -> Iterator[str]:
    """A card as the image leaves it: boot and root, then nothing, or what somebody has made of it."""
    with file.open("xb") as opened:
        opened.truncate(megabytes * MEGABYTE)
    run("sfdisk", "--quiet", str(file), given=f"label: dos\n,16M,c\n,64M,83\n{third}")
    device = run("losetup", "--find", "--show", str(file)).strip()
    try:
        run("partx", "--update", device)
        run("mkfs.ext4", "-q", "-L", "rootfs", f"{device}p2")
        yield device
    finally:
        subprocess.run(["partx", "--delete", device], check=False)
        run("losetup", "--detach", device)


def table(device: str) -> list[dict[str, int]]:
    found: list[dict[str, int]] = json.loads(run("sfdisk", "--json", device))["partitiontable"]["partitions"]
    return found


def label(partition: str) -> str:
    return run("blkid", "--probe", "--output", "value", "--match-tag", "LABEL", partition).strip()


def test_it_takes_what_is_left_and_leaves_the_system_as_it_was(tmp_path: Path) -> None:
    with disk(tmp_path / "card.img", 3000) as device:
        before = table(device)
        partition = data_partition(device)
        assert table(device)[:2] == before
        assert label(f"{device}p2") == "rootfs"
        assert (partition, label(partition)) == (f"{device}p3", LABEL)
        assert table(device)[2]["size"] * 512 > 2900 * MEGABYTE
        told = run("dumpe2fs", "-h", partition)
        assert "Inode size:\t          128" in told
        assert "has_journal" in told


def test_a_partition_that_is_there_is_taken_as_it_is(tmp_path: Path) -> None:
    with disk(tmp_path / "card.img", 3000) as device:
        uuid = run("blkid", "--probe", "--output", "value", "--match-tag", "UUID", data_partition(device))
        assert run("blkid", "--probe", "--output", "value", "--match-tag", "UUID", data_partition(device)) == uuid


def test_a_partition_whose_making_was_cut_short_is_made_again(tmp_path: Path) -> None:
    with disk(tmp_path / "card.img", 3000, ",,L\n") as device:
        assert label(data_partition(device)) == LABEL


def test_what_somebody_else_has_put_there_is_left_alone(tmp_path: Path) -> None:
    with disk(tmp_path / "card.img", 3000, ",,L\n") as device:
        run("mkfs.ext4", "-q", "-L", "photographs", f"{device}p3")
        with pytest.raises(NotBornError, match="something else"):
            data_partition(device)
        assert label(f"{device}p3") == "photographs"


def test_a_card_that_is_too_small_is_told(tmp_path: Path) -> None:
    with disk(tmp_path / "card.img", 1500) as device:
        with pytest.raises(NotBornError, match=r"MB left, 2147 are needed"):
            data_partition(device)
        assert len(table(device)) == 2


def test_a_disk_that_is_being_written_is_mounted_by_nobody_and_a_mounted_one_is_not_held(tmp_path: Path) -> None:
    place = tmp_path / "mounted"
    place.mkdir()
    with disk(tmp_path / "card.img", 100) as device:
        mount = ["mount", f"{device}p2", str(place)]
        with held(Disk(Path(device), "", 0, "")):
            assert subprocess.run(mount, capture_output=True, check=False).returncode != 0
        run(*mount)
        try:
            with pytest.raises(OurFault, match="unmount it"), held(Disk(Path(device), "", 0, "")):
                pass
        finally:
            run("umount", str(place))


READER = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <linux/hdreg.h>
#include <stdarg.h>

int ioctl(int handle, unsigned long request, ...) {
    va_list more;
    va_start(more, request);
    void *given = va_arg(more, void *);
    va_end(more);
    if (request == HDIO_GETGEO) {
        *(struct hd_geometry *)given = (struct hd_geometry){.heads = 255, .sectors = 63, .cylinders = 12};
        return 0;
    }
    int (*next)(int, unsigned long, ...) = dlsym(RTLD_NEXT, "ioctl");
    return next(handle, request, given);
}
"""
"""Readers tell a geometry, which mtools asks a disk for before it writes; loop devices do not."""


def test_a_card_in_a_reader_is_written_while_it_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stock = test_images.image(tmp_path / "stock.img")
    (tmp_path / "reader.c").write_text(READER)
    run("gcc", "-shared", "-fPIC", "-o", str(tmp_path / "reader.so"), str(tmp_path / "reader.c"))
    monkeypatch.setenv("LD_PRELOAD", str(tmp_path / "reader.so"))
    size = stock.stat().st_size
    with disk(tmp_path / "card.img", 100) as device:
        behind = Path(device).read_bytes()[size:]
        with held(Disk(Path(device), "", 0, "")):
            copy(stock, Path(device), lambda _: None)
            boot = Image(Path(device))
            boot.write("testigo/own/unit.toml", b"its own")
            boot.sync()
        assert Image(Path(device)).read("testigo/own/unit.toml") == b"its own"
        assert Path(device).read_bytes()[size:] == behind
