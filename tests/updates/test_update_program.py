"""The program testigo-update: what it is told by its file, and what it asks of systemd, in a folder as on a unit."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from device.update import IDLE_SECONDS, main
from tests.house.tree import ROOT
from tests.updates.desk import MADE, Desk, Unit
from tests.wire.samples import PACKAGE, PACKAGES, PROFILE, ROSTER
from wire import package

SYSTEMCTL = """#!/bin/sh
# What systemd's own says of a service that has been ready since the machine started.
test "$*" = "show --property=ActiveState,ActiveEnterTimestampMonotonic testigo-unit.service" || exit 1
echo ActiveState=active
echo ActiveEnterTimestampMonotonic=1000000
"""


@pytest.fixture
def home(desk: Desk, unit: Unit, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A unit's folder with its settings file, whose mirror is a stick."""
    monkeypatch.setattr("tempfile.tempdir", None)  # which the program sets for itself
    (unit.folder / "update.toml").write_text(
        'unit = "u-v8skdnn7"\napp = "app"\ncard = "card"\npackage = "deployment.testigo"\nroot = "update-root.json"\n'
        f'packages = "{PACKAGES.verifier}"\nmirrors = ["{desk.folder}"]\n'
    )
    (unit.folder / "update-root.json").write_bytes(unit.root)
    (unit.folder / "deployment.testigo").write_bytes(package.write(PACKAGE, PROFILE, ROSTER.text, PACKAGES))
    kept = unit.folder / "card" / "kept"
    os.utime(kept, (0, kept.stat().st_mtime - 2 * IDLE_SECONDS))
    (unit.folder / "bin").mkdir()
    (unit.folder / "bin" / "systemctl").write_text(SYSTEMCTL)
    (unit.folder / "bin" / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{unit.folder / 'bin'}:{os.environ['PATH']}")
    return unit.folder


def program(home: Path) -> "subprocess.CompletedProcess[str]":
    """As systemd starts it."""
    command = [sys.executable, "-m", "device.update", "--settings", str(home / "update.toml")]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def say(home: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The same, without what a new interpreter costs: its exit status, and what it said."""
    return main(["--settings", str(home / "update.toml")]), capsys.readouterr().err


def take(home: Path, **changes: int) -> None:
    """Puts a later package on the card, as the firmware does."""
    import msgspec

    later = msgspec.structs.replace(PACKAGE, number=PACKAGE.number + 1, **changes)
    (home / "card" / package.FILE).write_bytes(package.write(later, PROFILE, ROSTER.text, PACKAGES))


def test_from_a_stick_to_a_proven_release(home: Path, unit: Unit, capsys: pytest.CaptureFixture[str]) -> None:
    take(home, day=10**11)
    ended = program(home)
    assert (ended.returncode, ended.stderr.count("\n")) == (0, 1), ended.stderr
    assert ended.stderr.endswith("level=info event=prepared release=1\n")
    unit.versions.begin(MADE)
    assert say(home, capsys)[1].endswith("level=info event=proven release=1\n")
    assert unit.versions.proven == 1


def test_the_package_that_the_unit_took_last_says_when_election_day_is(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    take(home, day=0)
    assert "event=frozen" in say(home, capsys)[1]


def test_where_systemd_says_nothing_nothing_is_proven(
    home: Path, unit: Unit, capsys: pytest.CaptureFixture[str]
) -> None:
    take(home, day=10**11)
    say(home, capsys)
    unit.versions.begin(MADE)
    (home / "bin" / "systemctl").write_text("#!/bin/sh\nexit 1\n")
    status, said = say(home, capsys)
    assert status == 2
    assert "systemd does not say how testigo-unit.service is" in said
    assert unit.versions.is_on_trial


def _endless(place: Path) -> None:
    place.touch()
    os.truncate(place, 1 << 40)


@pytest.mark.parametrize("rubbish", [lambda place: place.write_bytes(b"rubbish"), _endless, os.mkfifo, os.mkdir])
def test_rubbish_in_the_place_of_a_package_does_not_keep_away_what_may_mend_it(
    home: Path, rubbish: Callable[[Path], object], capsys: pytest.CaptureFixture[str]
) -> None:
    """Who has broken the firmware can write to the card, and must not be able to stay."""
    place = home / "card" / package.FILE
    rubbish(place)
    _, said = say(home, capsys)
    assert "event=package-bad" in said
    assert "event=frozen release=1" in said, "what the unit began with holds: its election day is long past"


@pytest.mark.parametrize(
    ("file", "content", "why"),
    [
        ("update.toml", b'app = "app"', "missing required field"),
        ("update.toml", b'mirror = ["/media"]', "there is no setting 'mirror'; the nearest is 'mirrors'"),
        ("update.toml", b"\xff", "give the right files"),
        ("deployment.testigo", b"", "does not begin with a signed note"),
        ("update-root.json", b"{}", "event=mirror-bad"),
    ],
)
def test_what_cannot_be_used_is_named_and_nothing_changes(
    home: Path, unit: Unit, capsys: pytest.CaptureFixture[str], file: str, content: bytes, why: str
) -> None:
    (home / file).write_bytes(content)
    status, said = say(home, capsys)
    assert status in (0, 2)
    assert why in said
    assert unit.versions.current == 0
