"""The recipe for units whose whole system is updated (docs/guides/tier2.md): its files, read by their own tools."""

import json
import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.house.tree import ROOT

RECIPE = ROOT / "docs" / "guides" / "tier2"
PAGE = (ROOT / "docs" / "guides" / "tier2.md").read_text("utf-8")

needs_rauc = pytest.mark.skipif(
    not (shutil.which("rauc") and shutil.which("mksquashfs")), reason="rauc and squashfs-tools are not installed here"
)


def said(*command: object, **more: str) -> "subprocess.CompletedProcess[str]":
    words = [str(each) for each in command]
    return subprocess.run(words, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin", **more})


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A key and its certificate, made as the guide says."""
    key, made = folder / f"{name}.key", folder / f"{name}.pem"
    (line,) = re.findall(r"openssl req .*", PAGE)
    words = line.replace('"', "").replace("image.key", str(key)).replace("keyring.pem", str(made))
    words = words.replace("/CN=testigo images", f"/CN={name}")
    ended = said(*words.split(" "), "-nodes")
    assert ended.returncode == 0, ended.stderr
    return key, made


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bundle of two file systems, signed by one key, and the recipe's system.conf that trusts it."""
    folder = tmp_path_factory.mktemp("bundle")
    key, trusted = certificate(folder, "images")
    certificate(folder, "others")
    content = folder / "content"
    content.mkdir()
    shutil.copy(RECIPE / "manifest.raucm", content)
    for name in "boot.vfat", "system.ext4":
        (content / name).write_bytes(random.Random(name).randbytes(65536))  # what cannot be packed smaller
    made = said("rauc", "bundle", f"--cert={trusted}", f"--key={key}", content, folder / "update.raucb")
    assert made.returncode == 0, made.stderr
    configured = (RECIPE / "system.conf").read_text().replace("/etc/rauc/keyring.pem", str(trusted))
    (folder / "system.conf").write_text(configured)
    return folder


@needs_rauc
def test_a_bundle_of_the_recipe_is_taken_by_the_system_of_the_recipe(bundle: Path) -> None:
    found = said("rauc", f"--conf={bundle / 'system.conf'}", "info", bundle / "update.raucb")
    assert found.returncode == 0, found.stderr
    assert "Compatible: \t'testigo-pi5'" in found.stdout
    assert found.stdout.count("Filename:") == 2


@needs_rauc
def test_a_bundle_of_another_key_is_refused(bundle: Path) -> None:
    found = said("rauc", f"--keyring={bundle / 'others.pem'}", "info", bundle / "update.raucb")
    assert found.returncode != 0
    assert "signature verification failed" in found.stderr


@needs_rauc
def test_a_bundle_that_was_altered_is_refused(bundle: Path) -> None:
    """Here the signed manifest at its end is; its content hangs on that by a hash tree, read when it is installed."""
    altered = bundle / "altered.raucb"
    content = bytearray((bundle / "update.raucb").read_bytes())
    content[-900] ^= 1
    altered.write_bytes(content)
    assert said("rauc", f"--conf={bundle / 'system.conf'}", "info", altered).returncode != 0


@needs_rauc
@pytest.mark.parametrize(
    ("line", "other"), [("bootloader=custom", "bootloader=costume"), ("parent=system.0", "parrent=system.0")]
)
def test_rauc_reads_every_line_of_the_system_s_file(bundle: Path, line: str, other: str) -> None:
    spoiled = bundle / "spoiled.conf"
    spoiled.write_text((bundle / "system.conf").read_text().replace(line, other))
    found = said("rauc", f"--conf={spoiled}", "info", bundle / "update.raucb")
    assert "Failed to load system config" in found.stderr


@pytest.fixture
def bootfs(tmp_path: Path) -> Path:
    shutil.copy(RECIPE / "autoboot.txt", tmp_path)
    return tmp_path


def choose(bootfs: Path, *words: str) -> str:
    ended = said("sh", RECIPE / "bootchooser", *words, BOOTFS=str(bootfs))
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def test_what_is_installed_is_only_tried_until_it_says_that_it_is_good(bootfs: Path) -> None:
    before = (bootfs / "autoboot.txt").read_text()
    assert (choose(bootfs, "get-primary"), choose(bootfs, "get-state", "A")) == ("A", "good")
    choose(bootfs, "set-state", "B", "bad")  # as RAUC does before it writes to it
    choose(bootfs, "set-primary", "B")
    assert choose(bootfs, "get-primary") == "B"
    assert (bootfs / "try").read_text() == "3\n"
    assert (bootfs / "autoboot.txt").read_text() == before, "the Pi still starts A of itself"
    choose(bootfs, "set-state", "B", "good")
    assert (choose(bootfs, "get-primary"), choose(bootfs, "get-state", "B")) == ("B", "good")
    assert choose(bootfs, "get-state", "A") == "bad"
    after = (bootfs / "autoboot.txt").read_text()
    assert after == before.replace("2", "x").replace("3", "2").replace("x", "3")
    assert len(after) < 512, "the Pi reads no more"
    assert not (bootfs / "try").exists()


def test_a_system_that_was_tried_in_vain_is_not_tried_again(bootfs: Path) -> None:
    choose(bootfs, "set-primary", "B")
    choose(bootfs, "set-state", "B", "bad")
    assert choose(bootfs, "get-primary") == "A"
    assert not (bootfs / "try").exists()


def test_what_is_no_slot_is_refused(bootfs: Path) -> None:
    for words in (["set-primary", "C"], ["get-state", "C"], ["dance"], []):
        assert said("sh", RECIPE / "bootchooser", *words, BOOTFS=str(bootfs)).returncode == 1
    assert (bootfs / "autoboot.txt").read_text() == (RECIPE / "autoboot.txt").read_text()


def test_the_slots_are_the_partitions_that_the_layout_makes() -> None:
    """Of rpi-image-gen's image-rota: bootconfig, boot_a, boot_b, system_a, system_b, persistent, in this order."""
    layout = ["bootconfig", "boot_a", "boot_b", "system_a", "system_b", "persistent"]
    configured = (RECIPE / "system.conf").read_text()
    assert set(re.findall(r"by-partlabel/(\w+)", configured)) == set(layout[1:5])
    numbers = re.findall(r"boot_partition=(\d)", (RECIPE / "autoboot.txt").read_text())
    assert [layout[int(number) - 1] for number in numbers] == ["boot_a", "boot_b"]


def test_the_page_names_every_file_of_the_recipe() -> None:
    assert [path.name for path in RECIPE.iterdir() if path.name not in PAGE] == []


def test_what_the_image_is_built_from_is_yaml_and_names_its_layers() -> None:
    read = "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))"
    found = {}
    for name in "image.yaml", "testigo-unit.yaml":
        ended = said("/usr/bin/python3", "-c", read, RECIPE / name)
        if "No module named 'yaml'" in ended.stderr:
            pytest.skip("the system's Python has no yaml here: python3-yaml")
        assert ended.returncode == 0, ended.stderr
        found[name] = json.loads(ended.stdout)[-1]
    assert found["image.yaml"]["image"]["layer"] == "image-rota"
    assert found["image.yaml"]["layer"]["unit"] == "testigo-unit"
    assert "rauc" in found["testigo-unit.yaml"]["mmdebstrap"]["packages"]
    (hook,) = found["testigo-unit.yaml"]["mmdebstrap"]["customize-hooks"]
    assert said("sh", "-n", "-c", hook).returncode == 0
