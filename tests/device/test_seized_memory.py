"""The memory keeps what was read to itself when a program fails, and the card has one user; as functions.

The same of whole programs, and the card as those find it who seize it: `tests/e2e/test_seized_unit.py`.
"""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from device.alone import alone_on
from device.memory import tell_where, where
from wire.errors import OurFault

SECRET = "051903017.01.1.0001!89,5,3"


def fail() -> None:
    try:
        raise KeyError(SECRET)
    except KeyError as error:
        raise ValueError(f"cannot keep {SECRET}") from error


def test_where_an_error_was_raised_is_told_and_its_text_is_not() -> None:
    with pytest.raises(ValueError, match="cannot keep") as caught:
        fail()
    told = where(caught.value)
    assert "ValueError in test_seized_memory.py:" in told
    assert " fail < test_seized_memory.py:" in told
    assert "after KeyError in test_seized_memory.py:" in told
    assert SECRET not in told


def test_a_thread_that_nobody_waits_for_is_told_of_too(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    for hook in ("excepthook", "unraisablehook"):
        monkeypatch.setattr(sys, hook, getattr(sys, hook))
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    tell_where(told.append)
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    assert [each.split(" < ")[0].split(":")[0] for each in told] == ["ValueError in test_seized_memory.py"]
    assert SECRET not in told[0]


HOLDING = """
from pathlib import Path
from device.alone import alone_on
with alone_on(Path({card!r})):
    print("taken", flush=True)
    input()
"""


def test_a_card_has_one_program_at_a_time_until_that_lets_go_or_dies(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDING.format(card=str(tmp_path))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"taken\n"
        with pytest.raises(OurFault, match="a unit is already running on it: stop that one first"), alone_on(tmp_path):
            pass
        other.kill()
    with alone_on(tmp_path):
        pass
    with alone_on(tmp_path):
        pass


def test_a_card_that_is_not_there_is_told_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(OurFault, match=r"none: No such file or directory: check that it is mounted"):
        alone_on(tmp_path / "none").__enter__()
