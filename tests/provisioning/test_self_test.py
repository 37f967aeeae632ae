"""The self-test of a unit that nobody can log in to: once, bounded, and never in the way of the firmware."""

import re
import shlex
import subprocess
from pathlib import Path

from tests.house.tree import ROOT

SERVICE = (ROOT / "provisioning/etc/systemd/system/testigo-unit.service").read_text("utf-8")
(COMMAND,) = re.findall(r"^ExecStartPre=(.*self-test.*)$", SERVICE, re.MULTILINE)


def started(ours: Path, python: str) -> subprocess.CompletedProcess[str]:
    """What systemd does, on a data partition of our own with a program for its Python."""
    place = ours / "app/current/bin/python"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(f"#!/bin/sh\n{python}\n")
    place.chmod(0o755)
    (ours / "card").mkdir(exist_ok=True)
    command = shlex.split(COMMAND.removeprefix("-").replace("/data/", f"{ours}/").replace("KILL 60", "KILL 0.5"))
    return subprocess.run(
        command,
        env={"PATH": "/usr/bin:/bin", "CREDENTIALS_DIRECTORY": "/own"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_unit_looks_at_itself_before_its_first_start_and_never_again(tmp_path: Path) -> None:
    first = started(tmp_path, f'echo "$@"; echo x >{tmp_path}/card/readiness.note')
    assert first.stdout == "-I -m hardware --settings /own/unit.toml self-test\n"
    again = started(tmp_path, "echo again")
    assert (again.stdout, again.returncode) == ("", 0)


def test_a_self_test_that_hangs_is_ended(tmp_path: Path) -> None:
    assert started(tmp_path, "trap '' TERM; exec sleep 60").returncode in (137, -9)


def test_whatever_becomes_of_it_the_firmware_starts() -> None:
    assert COMMAND.startswith("-")
    bound = re.search(r"--signal=KILL (\d+) ", COMMAND)
    patience = re.search(r"^TimeoutStartSec=(\d+)$", SERVICE, re.MULTILINE)
    assert bound
    assert patience
    assert int(bound[1]) < int(patience[1])  # else systemd would give up the whole start
