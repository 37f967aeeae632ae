"""The chip: pins for programs that really use lgpio, and for tests that are what hangs on them (chip.c)."""

import ctypes
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.house.tree import ROOT

PI_4 = 0xC03115
PI_5 = 0xD04170
"""Revision codes: which board it is."""


@cache
def lacking() -> str:
    """What this machine lacks to have such a chip; empty when it can."""
    if importlib.util.find_spec("lgpio") is None:
        return "lgpio has no wheel for this Python and machine"
    if shutil.which("cc") is None or not Path("/usr/include/linux/gpio.h").exists():
        return "there is no C compiler with Linux' headers: apt-get install gcc libc6-dev"
    return ""


class Chip:
    """A chip with 54 pins; made by `chip`.

    Attributes:
        environment: what a program is started with to find this chip and no other, on this board.
    """

    def __init__(self, folder: Path, revision: int | None) -> None:
        library = folder / "chip.so"
        subprocess.run(
            ["cc", "-O2", "-fPIC", "-shared", "-o", library, Path(__file__).parent / "chip.c", "-ldl", "-lpthread"],
            check=True,
        )
        (folder / "pins").touch()
        tree = folder / "tree"
        (tree / "system").mkdir(parents=True)
        if revision is not None:
            (tree / "system" / "linux,revision").write_bytes(revision.to_bytes(4, "big"))
        self._library = ctypes.CDLL(str(library))
        self._library.chip_count.restype = self._library.chip_writes.restype = ctypes.c_uint64
        self.environment = {
            **os.environ,
            "LD_PRELOAD": str(library),
            "PYTHONPATH": str(ROOT),
            "TESTIGO_CHIP": str(folder / "pins"),
            "TESTIGO_TREE": str(tree),
        }
        if self._library.chip_map(os.fsencode(folder / "pins")):
            raise AssertionError("the chip's file cannot be mapped")

    def drive(self, bcm: int, level: bool | None) -> None:
        """Drives a pin from outside; with None, lets go of it."""
        self._library.chip_drive(bcm, -1 if level is None else int(level))

    def level(self, bcm: int) -> bool:
        """What a pin is at."""
        return bool(self._library.chip_level(bcm))

    def pull(self, bcm: int) -> str:
        """Where a pin is pulled."""
        return {1: "up", -1: "down", 0: "floating"}[self._library.chip_pull(bcm)]

    def owner(self, bcm: int) -> int:
        """The process that has a pin; 0 for none."""
        return int(self._library.chip_owner(bcm))

    def break_pin(self, bcm: int, *, is_broken: bool = True) -> None:
        """Makes a pin unusable, or usable again."""
        self._library.chip_break(bcm, int(is_broken))

    @property
    def count(self) -> int:
        """How many changes of outputs there were."""
        return int(self._library.chip_count())

    @property
    def writes(self) -> int:
        """How often outputs were written to, whether that changed them or not."""
        return int(self._library.chip_writes())

    def changes(self, since: int) -> Iterator[tuple[int, int, bool]]:
        """Changes of outputs after so many: nanoseconds of the monotonic clock, BCM number, level."""
        ns, line, level = ctypes.c_uint64(), ctypes.c_uint32(), ctypes.c_uint32()
        for which in range(since, self.count):
            self._library.chip_change(ctypes.c_uint64(which), ctypes.byref(ns), ctypes.byref(line), ctypes.byref(level))
            yield ns.value, line.value, bool(level.value)


@contextmanager
def chip(revision: int | None = PI_4) -> Iterator[Chip]:
    """A chip of its own, on a board of that revision, or on none that is a Raspberry Pi."""
    with TemporaryDirectory(prefix="chip-") as folder:
        yield Chip(Path(folder), revision)
