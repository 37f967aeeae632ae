"""The program that is recorded: a unit's lives on one card, told line by line.

    python -m tests.crash.workload FOLDER DAYS [WITHOUT]

`FOLDER/card` is the card; what is said goes to the end of `FOLDER/said`. DAYS is one of the functions below. WITHOUT
names a guard that is taken away, in this program only: the firmware has no such switch.
"""

import errno
import os
import signal
import stat
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import msgspec

import device.store
from device.control import Taken, Trust
from device.package import Packages
from device.signals import Signal
from device.standing import Standing
from device.versions import STARTS_MAX, Versions
from sim.body import SimStorage
from tests.crash.life import OFFERED_MS, Life, SmallHub
from tests.wire.samples import HUB, OTHER_HUB, PACKAGE, PACKAGES, PROFILE, ROSTER
from wire import package
from wire.control import Quiet, State

_fsync, _connect = os.fsync, device.store._connect


def _kept_by(life: Life, *mesas: int) -> None:
    for mesa in mesas:
        verdict = life.scan(mesa)
        assert verdict is Signal.KEPT, f"mesa {mesa}: {verdict.word}"


def _with_a_short_log(life: Life) -> Life:
    """The index takes over what its log holds after nearly every commit, as it does now and then in a long life."""
    life.unit.store._database.execute_sql("PRAGMA wal_autocheckpoint=8")
    return life


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("nobody lives on after kill -9")


def _sync_if(wanted: Callable[[int], bool]) -> None:
    """From now on Python syncs a handle only where `wanted` says so."""

    def fsync(fd: Any) -> None:
        if wanted(fd):
            _fsync(fd)

    os.fsync = fsync


def _is_folder(handle: int) -> bool:
    return stat.S_ISDIR(os.fstat(handle).st_mode)


def _die_at_a_folder() -> None:
    """Kills the firmware as it is about to sync a folder: files have their new names, but not for good."""
    _sync_if(lambda handle: not _is_folder(handle) or _die())


def _fail_at_a_folder() -> None:
    """Fails to sync the next folder, once."""
    failures = iter([OSError(errno.EIO, os.strerror(errno.EIO))])

    def wanted(handle: int) -> bool:
        if _is_folder(handle):
            for failure in failures:
                raise failure
        return True

    _sync_if(wanted)


class Days:
    """A card, and its lives one after the other, each in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.card = folder / "card"
        self._said = folder / "said"
        self._handle = os.open(self._said, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def say(self, line: str) -> None:
        """Says a line: once this returns it was said, whatever happens."""
        os.write(self._handle, f"{line}\n".encode())

    def live(self, life: Callable[[SmallHub], object], ends: int = 0) -> None:
        """A life; `ends` is the signal that ends it, 0 when it ends in order."""
        child = os.fork()
        if child == 0:
            life(SmallHub(self._said.read_text("ascii").splitlines()))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        ended = os.waitstatus_to_exitcode(status)
        assert ended == -ends, f"a life ended with {ended}, expected {-ends}"


def weeks(days: Days) -> None:
    """An empty card; closed in order; killed while idle, and while keeping; a card that fails; a chain that is left."""

    def without_a_link(_hub: SmallHub) -> None:
        life = Life(days.card, days.say)
        _kept_by(life, 1, 2, 3)
        life.unit.close()

    def with_a_hub(hub: SmallHub) -> None:
        hub.reach = 4
        life = _with_a_short_log(Life(days.card, days.say, hub))
        life.clock.run(OFFERED_MS)
        _kept_by(life, 4, 5)
        life.clock.run(OFFERED_MS)
        _die()

    def killed_while_keeping(_hub: SmallHub) -> None:
        life = Life(days.card, days.say)
        _kept_by(life, 6)
        _die_at_a_folder()
        life.scan(7)

    def adopting_while_the_card_fails(hub: SmallHub) -> None:
        life = Life(days.card, days.say, hub)
        life.clock.run(OFFERED_MS)
        _fail_at_a_folder()
        verdict = life.scan(8)
        assert verdict is Signal.FAULT, f"a card that failed: {verdict.word}"
        _kept_by(life, 8)
        life.clock.run(OFFERED_MS)
        life.unit.close()

    def killed_while_purging(hub: SmallHub) -> None:
        hub.signers = (HUB, OTHER_HUB)
        life = Life(days.card, days.say, hub)
        life.clock.run(OFFERED_MS)
        _die_at_a_folder()
        life.purge()

    def leaving_the_chain(hub: SmallHub) -> None:
        hub.signers = (HUB, OTHER_HUB)
        life = Life(days.card, days.say, hub)
        _kept_by(life, 11)
        life.clock.run(OFFERED_MS)
        life.purge()
        hub.hashes[life.place.chain, life.place.seq] = "f" * 64
        life.clock.run(OFFERED_MS)
        life.unit.close()

    def in_the_new_chain(hub: SmallHub) -> None:
        life = _with_a_short_log(Life(days.card, days.say, hub))
        _kept_by(life, 9, 10)
        life.clock.run(OFFERED_MS)
        _die()

    days.live(without_a_link)
    days.live(with_a_hub, signal.SIGKILL)
    days.live(killed_while_keeping, signal.SIGKILL)
    days.live(adopting_while_the_card_fails)
    days.live(killed_while_purging, signal.SIGKILL)
    days.live(leaving_the_chain)
    days.live(in_the_new_chain, signal.SIGKILL)


def _keeping(days: Days, hub: SmallHub) -> None:
    """Keeps some before and one after the hub had its say, and is killed."""
    life = Life(days.card, days.say, hub)
    _kept_by(life, 1, 2)
    life.clock.run(OFFERED_MS)
    _kept_by(life, 3)
    _die()


def spoiled(days: Days) -> None:
    """A card whose index and its log turn to rubbish between two lives, after some of it was purged."""

    def making_room(hub: SmallHub) -> None:
        hub.signers = (HUB, OTHER_HUB)
        life = Life(days.card, days.say, hub)
        _kept_by(life, 1, 2, 3)
        life.clock.run(OFFERED_MS)
        _kept_by(life, 4)
        life.purge()
        _die()

    def rebuilding(hub: SmallHub) -> None:
        days.say("spoiled")
        for name in ("index.db-wal", "index.db"):
            with (days.card / name).open("r+b") as file:
                file.write(b"rubbish " * 512)
                file.flush()
                os.fsync(file.fileno())
        _keeping(days, hub)

    days.live(making_room, signal.SIGKILL)
    days.live(rebuilding, signal.SIGKILL)


def packages(days: Days) -> None:
    """A card that is given one deployment package after the other."""
    taking = Packages(days.card, PACKAGES.verifier)
    for number in (1, 2, 3):
        stated = msgspec.structs.replace(PACKAGE, number=number)
        taking.take(package.write(stated, PROFILE, ROSTER.text, PACKAGES))
        days.say(f"taken {number}")


def versions(days: Days) -> None:
    """A card on which two releases are switched to: one proves itself, the other never does."""
    there = Versions(days.card)
    begin = partial(there.begin, 0)
    steps: list[Callable[[], object]] = [partial(there.switch, 1, 10), begin, there.end, there.prove]
    steps += [partial(there.switch, 2), *[begin] * (STARTS_MAX + 1)]
    for number, step in enumerate(steps, 1):
        step()
        days.say(f"done {number}")


def standing(days: Days) -> None:
    """A card on which the numbers of one control card after the other are remembered."""
    remembering = Standing(SimStorage(days.card), Trust("trial", "u-0", {}, {}), lambda *_, **__: None)
    for number in (1, 2, 3):
        remembering.take(Taken(Quiet(State.ON), "cards quiet", number, b""))
        days.say(f"taken {number}")


def evening(days: Days) -> None:
    """One life on an empty card, which is all that it takes to show what a missing guard costs."""
    days.live(partial(_keeping, days), signal.SIGKILL)


def recovery(days: Days) -> None:
    """One life on a card as a power cut left it."""

    def recovering(hub: SmallHub) -> None:
        life = Life(days.card, days.say, hub)
        life.clock.run(OFFERED_MS)
        _kept_by(life, 101)
        life.clock.run(OFFERED_MS)
        _die()

    days.live(recovering, signal.SIGKILL)


def _without_commits() -> None:
    """SQLite does not sync at each commit."""

    def connect(database: Any) -> None:
        _connect(database)
        database.execute_sql("PRAGMA synchronous=NORMAL")

    device.store._connect = connect


DAYS = {each.__name__: each for each in (weeks, spoiled, evening, packages, standing, versions, recovery)}
WITHOUT: dict[str, Callable[[], object]] = {
    "files": lambda: _sync_if(_is_folder),
    "folders": lambda: _sync_if(lambda handle: not _is_folder(handle)),
    "commits": _without_commits,
}


def main(folder: str, days: str, without: str = "") -> None:
    if without:
        WITHOUT[without]()
    DAYS[days](Days(Path(folder)))


if __name__ == "__main__":
    main(*sys.argv[1:])
