"""The power cut, at any step of an update: one good version is current, and the unit finds its way on."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from device.versions import STARTS_MAX, Versions
from provisioning.release import requirements
from tests.house.tree import ROOT
from tests.updates.desk import MADE, Unit, wheels_of

CHANGES = {"os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.truncate", "subprocess.Popen"}


def cut_at(number: int, act: Callable[[], object]) -> bool:
    """Does something in a copy of this program, which dies before its change of that number; whether it did die.

    Dying before a change is dying after the one before: so the numbers are both twins of each change.
    """
    child = os.fork()
    if child == 0:
        count = 0

        def watch(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal count
            # Of files that are opened only the new ones: flags that are None are Python's own way to open, by mode.
            flags = arguments[2] if event == "open" else 0
            if event in CHANGES or (isinstance(flags, int) and flags & (os.O_CREAT | os.O_TRUNC | os.O_APPEND)):
                if count == number:
                    os._exit(9)
                count += 1

        status = 1
        try:
            sys.addaudithook(watch)
            act()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, 9), f"the copy failed with {code}"
    return code == 9


def copied(folder: Path, name: str) -> Path:
    return Path(shutil.copytree(folder, folder.parent / name, symlinks=True))


def is_good(versions: Versions, number: int | None) -> bool:
    """Whether a version is whole: as whole as what was installed without a cut."""
    if number == 0:
        return versions.home(0).is_dir()
    asked = (versions.home(number or 0) / "bin" / "python", "-c", "import testigo, lens; print(testigo.version)")
    said = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    return said == "0.1.1\n"


def enumerate_cuts(unit: Unit, act: Callable[[Unit], object], step: int, from_: int = 0) -> list[Unit]:
    """The unit as it is after a cut at each change of what it does; the last one was not cut."""
    left = []
    for number in range(from_, 10_000, step):
        one = Unit(copied(unit.folder, f"cut-{number}"), unit.root, unit.mirrors, ready=unit.ready)
        was_cut = cut_at(number, partial(act, one))
        left.append(one)
        if not was_cut:
            return left
    raise AssertionError("it never comes to an end")


def check_update_cut(unit: Unit, step: int, from_: int) -> None:
    left = enumerate_cuts(unit, Unit.run, step, from_)
    assert len(left) > 40 // step
    for each in left:
        assert each.versions.proven == 0
        assert each.versions.current in (0, 1)
        assert is_good(each.versions, each.versions.current)
        each.run()
        assert each.versions.current == 1, "the next look brings it to its end"
        assert is_good(each.versions, 1)


def test_wherever_an_update_is_cut_the_current_version_is_whole(unit: Unit, seed: int) -> None:
    check_update_cut(unit, 19, seed % 19)


@pytest.mark.hunt
def test_at_each_change_of_an_update_a_cut_leaves_the_current_version_whole(unit: Unit) -> None:
    check_update_cut(unit, 1, 0)


def test_wherever_a_start_on_trial_is_cut_the_unit_returns_in_bounded_tries(unit: Unit) -> None:
    assert unit.run() == ["PREPARED"]
    for starts in range(STARTS_MAX + 1):
        for each in enumerate_cuts(unit, lambda one: one.versions.begin(MADE), 1):
            versions, tries = each.versions, 0
            while versions.current != 0:
                versions.begin(MADE)
                tries += 1
            assert tries <= STARTS_MAX + 1 - starts
            assert versions.failed == 1, "or the same release would be fetched again, and again"
            assert versions.proven == 0
        unit.versions.begin(MADE)
        for place in unit.folder.parent.glob("cut-*"):
            shutil.rmtree(place)


def test_wherever_the_proof_is_cut_it_comes_with_the_next_look(unit: Unit) -> None:
    assert unit.run() == ["PREPARED"]
    unit.versions.begin(MADE)
    for each in enumerate_cuts(unit, Unit.run, 1):
        assert each.versions.current == 1
        each.run()
        assert each.versions.proven == 1


def check_first_cut(tmp_path: Path, step: int, from_: int) -> None:
    wheels = wheels_of(tmp_path / "wheels", "0.1.1")
    pinned = requirements(wheels)
    for number in range(from_, 1000, step):
        versions = Versions(tmp_path / f"app-{number}")
        was_cut = cut_at(number, partial(versions.first, 3, wheels, pinned))
        versions.first(3, wheels, pinned)
        assert (versions.current, versions.proven) == (3, 3)
        assert is_good(versions, 3)
        if not was_cut:
            return


def test_wherever_the_first_installation_is_cut_it_is_done_at_the_next_start(tmp_path: Path, seed: int) -> None:
    check_first_cut(tmp_path, 19, seed % 19)


@pytest.mark.hunt
def test_at_each_change_of_the_first_installation_a_cut_is_made_good_at_the_next_start(tmp_path: Path) -> None:
    check_first_cut(tmp_path, 1, 0)


OPENED = re.compile(r'openat\(AT_FDCWD<[^>]*>, "([^"]+)", ([A-Z_|]+)[^)]*\) += (\d+)')
SYNCED = re.compile(r"(?:fsync|fdatasync)\(\d+<([^>]+)>\) += 0")
RENAMED = re.compile(r'rename\("([^"]+)", "([^"]+)"\) += 0')
NAMED = re.compile(r'(?:mkdir|symlink)\((?:"[^"]+", )?"([^"]+)"')


def test_all_that_a_version_consists_of_is_on_the_card_before_a_link_names_it(unit: Unit, tmp_path: Path) -> None:
    """A cut leaves what was synced, so: every file is after it was opened for writing, and every folder it is in."""
    trace = tmp_path / "trace"
    program = (
        "import sys; from pathlib import Path; from tests.updates.desk import Unit\n"
        "Unit(Path(sys.argv[1]), Path(sys.argv[2]).read_bytes(), (sys.argv[3],)).run()"
    )
    root = tmp_path / "root.json"
    root.write_bytes(unit.root)
    watch = ["strace", "-f", "-y", "-e", "trace=openat,fsync,fdatasync,rename,mkdir,symlink", "-o", str(trace)]
    command = [*watch, sys.executable, "-c", program, str(unit.folder), str(root), unit.mirrors[0]]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    home = str(unit.versions.home(1))
    unsynced = set[str]()
    synced = 0
    for line in trace.read_text("ascii").splitlines():
        if (opened := OPENED.search(line)) and "O_CREAT" in opened[2] and opened[1].startswith(home):
            unsynced |= {opened[1], str(Path(opened[1]).parent)}
        elif (named := NAMED.search(line)) and named[1].startswith(home):
            unsynced.add(str(Path(named[1]).parent))
        elif done := SYNCED.search(line):
            synced += done[1] in unsynced
            unsynced.discard(done[1])
        elif (renamed := RENAMED.search(line)) and renamed[2] == str(unit.versions.folder / "current"):
            break
    else:
        raise AssertionError("nothing was switched to")
    gone = {path for path in unsynced if not Path(path).exists()}
    assert unsynced - gone == set()
    assert synced > 5
