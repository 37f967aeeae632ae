"""The import contracts: kept by the tree as it is, and broken, by name, by each stray import they are there to stop."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.tree import PACKAGES, ROOT, modules, named, parsed

ONE_WAY = "imports run one way"
PURE = "what decides does not touch the world"
ONE_BODY = "only hardware knows it is on a Raspberry Pi"
NO_TESTS = "nothing asks whether it is under test"


def run_contracts(folder: Path) -> tuple[bool, str]:
    """Whether all contracts are kept in that folder's copy of the tree, and what import-linter says."""
    program = Path(sys.executable).with_name("lint-imports")
    ended = subprocess.run(
        [program, "--no-logo", "--no-cache"], cwd=folder, capture_output=True, text=True, check=False
    )
    return ended.returncode == 0, " ".join(ended.stdout.split())


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_tree_keeps_every_import_contract() -> None:
    kept, report = run_contracts(ROOT)
    assert kept, report


@pytest.mark.parametrize(
    ("module", "stray", "contract"),
    [
        ("wire/topics.py", "import device", ONE_WAY),
        ("wire/topics.py", "import hub", ONE_WAY),
        ("device/__init__.py", "import hub", ONE_WAY),
        ("hub/__init__.py", "import device", ONE_WAY),
        ("hub/__init__.py", "import sim", ONE_WAY),
        ("device/__init__.py", "import hardware", ONE_WAY),
        ("sim/__init__.py", "import provisioning", ONE_WAY),
        ("wire/topics.py", "import time", PURE),
        ("wire/topics.py", "from os import path", PURE),
        ("wire/topics.py", "import paho.mqtt.client", PURE),
        ("device/scan.py", "from datetime import datetime", PURE),
        ("device/scan.py", "import random", PURE),
        ("device/__init__.py", "from gpiozero import Button", ONE_BODY),
        ("sim/__init__.py", "import picamera2", ONE_BODY),
        ("hardware/__init__.py", "import tests.conftest", NO_TESTS),
    ],
)
def test_a_stray_import_breaks_its_contract_by_name(copy: Path, module: str, stray: str, contract: str) -> None:
    with (copy / module).open("a", encoding="utf-8") as source:
        source.write(f"\n{stray}\n")
    kept, report = run_contracts(copy)
    assert not kept
    assert f"{contract} BROKEN" in report
    importer = module.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    imported = stray.split()[1].split(".")[0]
    assert f"{importer} -> {imported}" in report


def test_a_clock_two_imports_away_from_the_scan_is_found(copy: Path) -> None:
    (copy / "device" / "stray.py").write_text("import time\n", "utf-8")
    with (copy / "device" / "scan.py").open("a", encoding="utf-8") as source:
        source.write("\nimport device.stray\n")
    kept, report = run_contracts(copy)
    assert not kept
    assert f"{PURE} BROKEN" in report
    assert "device.stray -> time" in report


@pytest.mark.parametrize("module", [*modules("wire"), ROOT / "device" / "scan.py"], ids=named)
def test_what_decides_neither_opens_nor_prints(module: Path) -> None:
    """The doors to the world that need no import."""
    calls = [
        node.func.id
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    assert set(calls) & {"open", "input", "print", "eval", "exec", "__import__", "breakpoint"} == set()
