"""The failing card: a unit's life in a process of its own, in which the kernel refuses what strace is told to refuse.

The process is the real interpreter with the real firmware in it; SQLite's own calls fail like any others. What it has
to say it says through a socket, for `write` may be what fails.
"""

import multiprocessing
import os
import resource
import socket
import subprocess
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from device.signals import Signal
from tests.crash.life import ALL_BYTES, OFFERED_MS, Life, SmallHub
from tests.wire.samples import HUB, OTHER_HUB
from wire.errors import TestigoError

CALLS = ("write", "pwrite64", "fsync", "fdatasync", "rename", "unlink", "ftruncate", "utimensat", "openat")
ERRORS = ("EIO", "ENOSPC", "EROFS")
FIRST_MAX = 14
"""A life makes no more of most calls in one thread."""

FORMS = ("", "+", "+3")
"""As strace words it: once, from then on for good, and every third time from then on."""

TRIES = 3
"""How often a person presses again."""


@dataclass(frozen=True, slots=True)
class Case:
    """What fails: a system call, with which error, and when, as strace words it; or files beyond a length.

    A `call` of "limit" has no error: every write beyond `when` bytes is a short one, or fails.
    """

    call: str
    error: str = ""
    when: str = ""

    @property
    def is_once(self) -> bool:
        """Whether the card is good again after one failure."""
        return bool(self.error) and self.when.isdecimal()

    def __str__(self) -> str:
        """As a test is named."""
        return " ".join(filter(None, (self.call, self.error, self.when)))


@dataclass(frozen=True, slots=True)
class Lived:
    """What came of a life: what it said, with which verdicts its scans ended, and the fault that it ended with."""

    said: tuple[str, ...]
    verdicts: tuple[str, ...]
    fault: str


def cases() -> list[Case]:
    """All of them."""
    injected = [
        Case(call, error, f"{first}{form}")
        for call in CALLS
        for error in ERRORS
        for form in FORMS
        for first in range(1, FIRST_MAX + 1)
    ]
    return [*injected, *(Case("limit", when=str(length)) for length in range(0, 40_000, 1_300))]


def sample(count: int, seed: int) -> list[Case]:
    """Some, with each call among them."""
    chance = Random(seed)
    by_call = [[case for case in cases() if case.call == call] for call in (*CALLS, "limit")]
    return [chance.choice(by_call[number % len(by_call)]) for number in range(count)]


def live(card: Path, said: Sequence[str], mesas: Sequence[int], case: Case | None) -> Lived:
    """Lives a life on a card in which these actas are scanned, each again while its scan ends in a fault.

    Raises:
        AssertionError: the firmware ended otherwise than with a sentence for people.
    """
    # A forkserver has everything loaded already, and none of this process's threads.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.crash.failing"])
    ours, theirs = socket.socketpair()
    process = context.Process(target=_live, args=(card, said, mesas, case, theirs))
    process.start()
    theirs.close()
    with ours, ours.makefile("r", encoding="utf-8") as lines:
        if case is None or case.call == "limit":
            ours.sendall(b"go")
            told = list(map(str.rstrip, lines))
        else:
            told = _told_under_strace(process.pid or 0, card, case, ours, lines)
    process.join()
    crashed = [line for line in told if line.startswith("crashed ")]
    assert process.exitcode in (0, 2), f"{case}: exit {process.exitcode}: {crashed}"
    verdicts = tuple(line.removeprefix("verdict ") for line in told if line.startswith("verdict "))
    fault = "".join(line.removeprefix("fault ") for line in told if line.startswith("fault "))
    facts = tuple(line for line in told if not line.startswith(("verdict ", "fault ")))
    return Lived((*said, *facts), verdicts, fault)


def _told_under_strace(process: int, card: Path, case: Case, ours: socket.socket, lines: Iterator[str]) -> list[str]:
    # Opening fails on the card only: whatever else a program opens is none of the card's business.
    kept = card / "kept"
    paths = (kept, kept / "envelope.new", kept / "picture-0.new", card / "index.db", card / "index.db-wal")
    only = [word for path in paths for word in ("-P", str(path))] if case.call == "openat" else []
    inject = f"inject={case.call}:error={case.error}:when={case.when}"
    command = ("strace", "-f", "-o", "/dev/null", *only, "-e", inject, "-p", str(process))
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
        assert strace.stderr is not None
        attached = strace.stderr.readline()
        assert "attached" in attached, f"strace: {attached}"
        ours.sendall(b"go")
        told = list(map(str.rstrip, lines))
        strace.stderr.read()
    return told


def _live(card: Path, said: Sequence[str], mesas: Sequence[int], case: Case | None, theirs: socket.socket) -> None:
    def say(line: str) -> None:
        theirs.sendall(f"{line}\n".encode())

    theirs.recv(2)
    if case is not None and case.call == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(case.when), resource.RLIM_INFINITY))
    try:
        hub = SmallHub(said)
        hub.signers = (HUB, OTHER_HUB)
        life = Life(card, say, hub)
        life.clock.run(OFFERED_MS)
        for mesa in mesas:
            for _ in range(TRIES):
                verdict = life.scan(mesa)
                say(f"verdict {verdict.word}")
                if verdict is not Signal.FAULT:
                    break
            life.clock.run(OFFERED_MS)
        say("purging")
        life.unit.store.purge(ALL_BYTES)
    except TestigoError as error:
        say(f"fault {error}")
        os._exit(2)
    except BaseException:  # noqa: BLE001  whatever it is, it is told before the process ends
        say("crashed " + traceback.format_exc().replace("\n", " | "))
        os._exit(1)
    os._exit(0)
