"""The hunt: nights in which everything goes wrong and nothing is lost, and breakages that it must see."""

import contextlib
import multiprocessing
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import count as from_one
from pathlib import Path
from typing import Any

import pytest

import device.room
import sim.hunt
from device.keeper import Keeper, Placed
from device.power import Power
from device.store import Store
from hub.ledger import Ledger
from sim.__main__ import main
from sim.hunt import StuckError, ends_within, hunt, hunt_many, report
from tests.house.tree import ROOT

# Who is killed closes no files.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore:unclosed:ResourceWarning"
)

HOURS = 0.3
SEEDS_MAX = 5
"""How many nights a breakage may go unseen."""

NIGHTS = 1_000


def test_nights_lose_nothing_and_tell_nothing_and_the_same_seed_is_the_same_night() -> None:
    nights = [hunt(seed, HOURS) for seed in (11, 12, 11)]
    for night in nights:
        assert not night.broken, report(night)
        assert night.tally["record"] >= 5
    assert nights[0].digest == nights[2].digest != nights[1].digest
    assert nights[0].tally == nights[2].tally


def test_a_night_that_fails_says_what_broke_and_how_to_see_it_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(sim.hunt, "hunt_many", lambda seeds, hours, *_: [hunt(seed, hours) for seed in seeds])
    break_keeping(monkeypatch)
    assert main(["hunt", "--seed", "15", "--hours", "0.3", "--folder", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert "seed 15: what is announced as kept is on the card, whole" in said.err
    assert "replay: testigo-sim hunt --seed 15 --hours 0.3" in said.err
    assert "1 failures" in said.out
    assert list(tmp_path.iterdir()) == []


def break_keeping(monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit that says kept, and has not kept."""

    def keep(self: Keeper, *_: object) -> Placed:
        place = self.store.place()
        return Placed(place.chain, place.seq, place.prev, place.prev)

    monkeypatch.setattr(Keeper, "keep", keep)


def break_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub that answers before it commits, and now and then does not come to that."""
    turn = from_one(1)

    @contextlib.contextmanager
    def transaction(self: Ledger) -> Iterator[None]:
        with self._database.atomic() as under_way:
            yield
            if next(turn) % 7 == 0:
                under_way.rollback()

    monkeypatch.setattr(Ledger, "transaction", transaction)


def break_purging(monkeypatch: pytest.MonkeyPatch) -> None:
    """A card that purges what one hub has, as soon as it has it."""
    opened = Store.__init__

    def open_careless(self: Store, *arguments: Any, **named: Any) -> None:
        opened(self, *arguments, **named)
        self.purge_receipts = 1

    monkeypatch.setattr(Store, "__init__", open_careless)
    monkeypatch.setattr(device.room, "ROOM_BYTES", 1 << 60)


def break_settling(monkeypatch: pytest.MonkeyPatch) -> None:
    """A card that forgets the receipts that it has filed."""
    monkeypatch.setattr(Store, "_file", lambda *_: False)
    monkeypatch.setattr(sim.hunt, "QUIET_HOURS_MAX", 1)


def break_the_lamp(monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit whose link lamp is off while something waits."""
    monkeypatch.setattr(Store, "waiting_count", lambda *_: 0)


def break_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit that forgets at a restart that it trains: what an exercise holds would count."""
    monkeypatch.setattr(Power, "remember", lambda *_, **__: None)


def break_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit that says of the rest of an acta that it is a part, and keeps it as another acta without a code."""
    keep = Keeper.keep

    def keep_apart(self: Keeper, payloads: Any, quality: Any, doubt: str, frames: Any, *_: object) -> Placed:
        return keep(self, payloads, quality, doubt, frames)

    monkeypatch.setattr(Keeper, "keep", keep_apart)


@pytest.mark.parametrize(
    ("spoil", "promise"),
    [
        (break_keeping, "what is announced as kept is on the card"),
        (break_commits, "what is receipted is on the hub's disk"),
        (break_purging, "only what enough hubs have receipted whole is purged"),
        (break_settling, "all is receipted in the end"),
        (break_the_lamp, "the link lamp is off only when all is receipted"),
        (break_training, "what is kept in training says so"),
        (break_the_rest, "a picture that is announced as kept is on the card"),
    ],
    ids=["keeping", "commits", "purging", "settling", "lamp", "training", "rest"],
)
def test_the_hunt_sees(monkeypatch: pytest.MonkeyPatch, spoil: Any, promise: str) -> None:
    spoil(monkeypatch)
    broken = next(filter(None, (hunt(seed, HOURS).broken for seed in range(SEEDS_MAX))), "")
    assert promise in broken


STANDING_STILL = """
import sim.hunt
from sim.clock import SteppedClock

after = SteppedClock.after
SteppedClock.after = lambda clock, _ms, action: after(clock, 0, action)
sim.hunt.STUCK_SECONDS = 3
print(sim.hunt.report(sim.hunt.bounded(11, 0.3, None)))
"""


def test_a_night_that_stands_still_fails_and_says_where_and_how_to_see_it_again() -> None:
    night = subprocess.run([sys.executable, "-c", STANDING_STILL], capture_output=True, text=True, cwd=ROOT)
    *_, broken, replay = night.stdout.splitlines() or [night.stderr]
    assert broken.startswith("seed 11: it comes to an end: after 3 s it stands at ")
    assert ".py:" in broken
    assert replay == "replay: testigo-sim hunt --seed 11 --hours 0.3"


class _Stubborn:
    def __del__(self) -> None:
        threading.Event().wait(0.5)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_stands_still_ends_though_the_first_alarm_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sim.hunt, "RING_AGAIN_SECONDS", 0.5)

    def stand_still() -> None:
        _Stubborn()  # Python drops what is raised in there
        threading.Event().wait(20)
        raise AssertionError("it stood still")

    with pytest.raises(StuckError), ends_within(0.2):
        stand_still()


def test_an_alarm_that_was_set_before_goes_on() -> None:
    before = signal.getitimer(signal.ITIMER_REAL)
    with pytest.raises(StuckError, match=r"test_hunt\.py"), ends_within(0.2):
        threading.Event().wait()
    left = signal.getitimer(signal.ITIMER_REAL)
    assert before[0] - 60 < left[0] <= before[0]


def test_nights_whose_process_is_lost_have_failed_and_the_others_go_on() -> None:
    nights, before = hunt_many(range(3), 0.01, 1, None), multiprocessing.active_children()
    assert not next(nights).broken
    for worker in multiprocessing.active_children():
        if worker not in before:
            worker.kill()
    second, third = nights
    assert [second.seed, third.seed] == [1, 2]
    assert "its process" in second.broken
    assert "replay: testigo-sim hunt --seed 1 --hours 0.01" in report(second)
    assert not third.broken


@pytest.mark.parametrize("interrupts", ["default_int_handler", "SIG_IGN"], ids=["as ever", "begun in the background"])
def test_no_process_of_a_hunt_outlives_it_however_it_ends(interrupts: str) -> None:
    program = f"""
import multiprocessing, os, signal
from sim.hunt import hunt_many
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.{interrupts})
    nights = hunt_many(range(1000), 0.01, 1, None)
    next(nights)
    print(multiprocessing.active_children()[0].pid, flush=True)
    signal.pause()
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as hunting:
        assert hunting.stdout is not None
        worker = os.pidfd_open(int(hunting.stdout.readline()))
        hunting.kill()
    ended, _, _ = select.select([worker], [], [], 60)
    os.close(worker)
    assert ended


@pytest.mark.hunt
def test_a_thousand_nights_lose_nothing_and_tell_nothing() -> None:
    for night in hunt_many(range(NIGHTS), 1.0, 2, None):
        assert not night.broken, report(night)
