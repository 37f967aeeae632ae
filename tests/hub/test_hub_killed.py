"""The hub killed: with kill -9, before its commit or between commit and answer; nothing receipted is lost."""

import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from hub.pictures import MARK
from tests.hub.conftest import HubHere
from tests.hub.some_unit import Publication, SomeUnit, some_payload
from wire.envelope import Sealed

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


@pytest.mark.parametrize(("where", "is_held"), [("committing", False), ("answering", True)])
def test_killed_in_a_batch_all_of_it_is_held_or_none(hub: HubHere, where: str, is_held: bool) -> None:
    unit = hub.unit()
    first = unit.press(some_payload(9), pictures=[PICTURE])
    hub.take(first)
    presses, chunks = [unit.press(some_payload(number)) for number in range(1, 4)], unit.chunks(PICTURE)
    killed(hub, unit, where, *presses, *chunks)
    receipt = hub.answer(unit.holding())
    assert (receipt.seq, receipt.whole) == ((4, 4) if is_held else (1, 0))
    assert bool(receipt.missing) != is_held
    assert hub.count().counted == receipt.seq
    # What was not answered is offered again, and comes to the same end.
    receipt = hub.answer(*presses, *chunks)
    assert (receipt.seq, receipt.whole) == (4, 4)
    assert hub.count().counted == 4
    kept = {path.name: path.read_bytes() for path in (hub.folder / "pictures").iterdir()}
    assert kept == {MARK: b"", Sealed.of(PICTURE).sha256: PICTURE}
