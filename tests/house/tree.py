"""The tree: which files are the project's own, for the tests that read it."""

import ast
import functools
import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("wire", "device", "hardware", "sim", "hub", "provisioning", "bench", "tests")
PACKAGES = FOLDERS[:6]


def files() -> Iterator[Path]:
    """All files somebody wrote, in a checkout or a copy of one: not .git, .venv, caches, nor what a run leaves."""
    for folder, folders, names in os.walk(ROOT):
        at_top = Path(folder) == ROOT
        folders[:] = [
            name
            for name in folders
            if (name == ".ci" or not name.startswith("."))
            and name != "__pycache__"
            and not (at_top and name in ("demo", "dist"))
        ]
        yield from (Path(folder, name) for name in names if name != ".git")


def modules(*folders: str) -> list[Path]:
    return sorted(module for folder in folders for module in (ROOT / folder).rglob("*.py"))


@functools.cache
def parsed(module: Path) -> ast.Module:
    return ast.parse(module.read_text("utf-8"), str(module))


def named(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()
