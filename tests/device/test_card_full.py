"""The card that is full or refuses: nothing is announced, and the next press after there is room works."""

import os
import resource
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from device.log import Event
from device.signals import FaultCode, Signal
from device.store import ROOM_BYTES_MIN, CardError
from tests.device.cards import assert_chained
from tests.device.world import World, acta, picture, world
from wire import note
from wire.envelope import PICTURE_BYTES_MAX, Envelope, split


@contextmanager
def no_file_longer_than(length: int) -> Iterator[None]:
    """Every write beyond fails with EFBIG, as on a card with no room, for this program only."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (length, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("length", [0, 1, 500, 1_500, 3_000, 9_000])
def test_a_write_that_fails_is_a_fault_and_the_next_press_with_room_keeps(here: World, length: int) -> None:
    assert here.scan(acta(1)) is Signal.KEPT
    assert here.settle()
    here.exchange.cut()
    here.clock.run(0)
    with no_file_longer_than(length):
        verdicts = [here.scan(acta(mesa)) for mesa in (2, 3)]
    announced = 1 + verdicts.count(Signal.KEPT)
    assert set(verdicts) <= {Signal.KEPT, Signal.FAULT}
    assert len(here.logged(Event.CARD_BAD)) == verdicts.count(Signal.FAULT)
    assert here.scan(acta(4)) is Signal.KEPT
    here.exchange.mend()
    assert here.settle()
    assert announced + 1 <= len(here.records()) == len(here.mesas())
    whole(here)


def test_at_least_one_of_those_limits_is_a_fault(here: World) -> None:
    here.exchange.cut()
    here.clock.run(0)
    with no_file_longer_than(0):
        assert here.scan(acta()) is Signal.FAULT
    assert here.records() == []


def test_a_photograph_too_long_to_be_kept_is_a_fault_and_the_next_press_keeps(here: World) -> None:
    assert here.unit.scan(picture(acta()) + bytes(PICTURE_BYTES_MAX)) is Signal.FAULT
    (told,) = here.logged(Event.CARD_BAD)
    assert "photograph: " in told
    assert here.scan(acta()) is Signal.KEPT
    assert here.settle()


def test_want_of_memory_is_not_told_as_the_cards_fault(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_memory(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as short:
        short.setattr(here.unit.unit._keeper, "keep", without_memory)
        assert here.scan(acta()) is Signal.FAULT
    assert here.unit.body.indicator.codes == [FaultCode.READER]
    assert here.scan(acta()) is Signal.KEPT


def test_a_record_that_was_written_though_the_card_said_no_is_offered_and_forks_nothing(here: World) -> None:
    """The files are whole, only the index could not be written: another program holds it for longer than is waited."""
    here.exchange.cut()
    assert here.scan(acta(1)) is Signal.KEPT
    holding = sqlite3.connect(here.settings.card / "index.db", isolation_level=None)
    holding.execute("BEGIN IMMEDIATE")
    assert here.scan(acta(2)) is Signal.FAULT
    holding.rollback()
    holding.close()
    assert here.scan(acta(3)) is Signal.KEPT
    here.exchange.mend()
    assert here.settle()
    assert [record.seq for record in here.records()] == [1, 2, 3]
    assert len(here.mesas()) == 3
    whole(here)


def test_a_receipt_that_cannot_be_filed_is_filed_when_it_comes_again(here: World) -> None:
    here.mangle = lambda _answers: []
    here.scan(acta())
    here.clock.run(5_000)
    here.exchange.hub = lambda _batch: [here.answered[-1]]
    with no_file_longer_than(0):
        here.clock.run(200_000)
    assert len(here.waiting) == 1
    assert here.logged(Event.CARD_BAD)
    here.mangle = lambda answers: answers
    here.exchange.hub = here.take
    assert here.settle()


def test_a_card_that_refuses_at_the_start_is_shown_as_a_fault_and_ends_the_unit(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        (made.settings.card / "index.db").mkdir(parents=True)
        shown: list[Signal] = []
        made.unit.heard = shown.append
        with pytest.raises(CardError, match="check that it is mounted, writable and not full"):
            made.unit.power_on()
        assert shown == [Signal.STARTING, Signal.FAULT]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a card of its own")
def test_on_a_card_without_room_nothing_is_announced_until_there_is_some(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        card = made.settings.card
        card.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "card", card], check=False).returncode:
            pytest.skip("root may not mount anything here")
        try:
            made.power_on()
            verdicts = fill(made)
            assert verdicts[-2:] == [Signal.FAULT, Signal.FAULT]
            made.exchange.mend()
            made.clock.run(60_000)  # receipts come, and the index has no room for them
            (card / "ballast").unlink()
            assert made.scan(acta(98)) is Signal.KEPT
            assert made.settle()
            assert verdicts.count(Signal.KEPT) + 1 <= len(made.records()) == len(made.mesas())
            whole(made)
            made.unit.cut_power()
        finally:
            subprocess.run(["umount", "--lazy", card], check=True)


def fill(made: World) -> list[Signal]:
    """Fills the card with ballast but for a few records' room, and scans until two presses in a row fail."""
    made.exchange.cut()
    made.clock.run(0)
    with (made.settings.card / "ballast").open("wb") as ballast:
        ballast.truncate(0)
        ballast.write(bytes(made.unit.body.body.storage.free() - ROOM_BYTES_MIN - 400_000))
    verdicts: list[Signal] = []
    while verdicts[-2:] != [Signal.FAULT] * 2:
        verdicts.append(made.scan(acta(len(verdicts))))
    return verdicts


def whole(made: World) -> None:
    """Every envelope on the card follows the one before."""
    found = {}
    for path in (made.settings.card / "kept").glob("*.envelope"):
        envelope = note.read(split(path.read_bytes())[0], Envelope, {made.name: made.signer.verifier})
        found[envelope.statement.chain, envelope.statement.seq] = envelope
    assert_chained(found)
