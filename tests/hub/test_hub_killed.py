"""The hub killed: with kill -9, before its commit or between commit and answer; nothing receipted is lost."""

import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.hub.conftest import HubHere
from tests.hub.some_unit import Publication, SomeUnit, some_payload

ROOT = Path(__file__).parents[2]
PICTURE = bytes(100_000)


def killed(hub: HubHere, unit: SomeUnit, where: str, *publications: Publication) -> None:
    """Feeds another hub on the same ledger, which is killed at that place."""
    hub.stop()
    sent = msgspec.msgpack.encode([each.sent for each in publications])
    program = (sys.executable, "-m", "tests.hub.killed_hub", hub.folder, hub.database, str(unit.signer.verifier), where)
    ended = subprocess.run(program, input=sent, cwd=ROOT, check=False)
    assert ended.returncode == -signal.SIGKILL
    hub.start()


@pytest.mark.parametrize(("where", "held"), [("committing", 0), ("answering", 3)])
def test_killed_in_a_batch_all_of_it_is_held_or_none(hub: HubHere, where: str, held: int) -> None:
    unit = hub.unit()
    presses = [unit.press(some_payload(number)) for number in range(3)]
    killed(hub, unit, where, *presses)
    assert hub.answer(unit.holding()).seq == held
    assert hub.count().counted == held
    # What was not answered is offered again, and comes to the same end.
    assert hub.answer(*presses).seq == 3
    assert hub.count().counted == 3


@pytest.mark.parametrize(("where", "whole"), [("committing", 0), ("answering", 1)])
def test_killed_as_a_picture_becomes_whole_it_is_held_or_asked_for(hub: HubHere, where: str, whole: int) -> None:
    unit = hub.unit()
    hub.take(unit.press(some_payload(), pictures=[PICTURE]))
    killed(hub, unit, where, *unit.chunks(PICTURE))
    receipt = hub.answer(unit.holding())
    assert receipt.whole == whole
    assert bool(receipt.missing) != bool(whole)
    assert hub.answer(*unit.chunks(PICTURE)).whole == 1
    (kept,) = (hub.folder / "pictures").iterdir()
    assert kept.read_bytes() == PICTURE
