"""A card that refuses to be read or asked: it is told and shown, nothing ends, and all is done once it can be."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest

from device import durable
from device.log import Event
from device.signals import FaultCode, Signal
from device.store import CardError, Store
from device.unit import CARD_TOLD_MS
from sim.body import SimStorage
from tests.device.cards import envelopes, keep, opened
from tests.device.controlling import card
from tests.device.field import field, logged
from tests.device.sites import Sites, sites
from tests.device.world import acta, picture, world
from wire.control import Quiet, State

ASKS = ("waiting_count", "waiting", "places", "heard", "find", "picture_of", "read_chunk", "settle", "purge", "count")
"""Whatever asks the index and is not keeping itself."""


def refuse(*_: object, **__: object) -> None:
    raise CardError("card: disk I/O error: make room or change it, and press again")


def has_no_room(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextmanager
def refusing(here: Sites, monkeypatch: pytest.MonkeyPatch, what: str = "sync_folder") -> Iterator[pytest.MonkeyPatch]:
    """Time in which the card of a unit that had kept one acta refuses; the next one was laid down, and it says so."""
    here.power_on()
    here.scan()
    with monkeypatch.context() as patched:
        patched.setattr(durable, what, has_no_room)
        assert here.try_scan() is FaultCode.CARD.signal
        yield patched


@contextmanager
def refuses_at_its_end(store: Store) -> Iterator[None]:
    """A transaction that is rolled back: the disk took no COMMIT."""
    connection = store._database.connection()
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN IMMEDIATE")
    yield
    connection.execute("ROLLBACK")
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def refuse_to_tell(*_: object) -> int:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def live_on(here: Sites, mend: Callable[[], None]) -> None:
    """While the card refuses presses are kept; once it does not, all is receipted."""
    here.clock.run(CARD_TOLD_MS)
    for site in here.sites:
        site.exchange.cut()
        here.clock.run(30_000)
        site.exchange.mend()
    here.scan(2)
    here.clock.run(3 * CARD_TOLD_MS)
    mend()
    assert here.settle() is not None
    assert [len(site.mesas) for site in here.sites] == [3, 3]


@pytest.mark.parametrize("ask", ASKS)
def test_a_unit_whose_index_cannot_be_asked_goes_on_keeping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ask: str
) -> None:
    with sites(tmp_path) as here:
        here.power_on()
        here.scan(1, more=200_000)
        with monkeypatch.context() as patched:
            patched.setattr(Store, ask, refuse)
            live_on(here, patched.undo)
        assert len(here.logged(Event.CARD_BAD)) <= 12, "it is told now and then"
        if ask == "waiting_count":
            assert FaultCode.CARD_WORN.signal in here.unit.shown


def test_a_unit_that_cannot_be_told_what_is_free_says_so_and_its_link_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sites(tmp_path) as here:
        here.power_on()
        here.scan()
        with monkeypatch.context() as patched:
            patched.setattr(SimStorage, "free", refuse_to_tell)
            here.clock.run(CARD_TOLD_MS)
            assert here.try_scan() is FaultCode.CARD.signal
        assert "Input/output error" in here.logged(Event.CARD_BAD)[0]
        here.scan()
        assert here.settle() is not None


def test_a_stick_put_in_while_the_index_cannot_be_asked_is_told_to_be_bad(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with field(tmp_path) as here:
        (unit,) = here.units
        here.scan(unit, 1)
        with monkeypatch.context() as patched:
            patched.setattr(Store, "unsettled", refuse)
            assert here.visit(unit, here.stick()) is Signal.STICK_BAD
        assert "card: disk I/O error" in logged(unit, Event.STICK_BAD)[0]
        assert here.visit(unit, here.stick()) is Signal.STICK_DONE


def test_a_unit_that_cannot_ask_at_its_start_shows_it_and_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[object] = []
    with sites(tmp_path) as here:
        here.unit.heard = shown.append
        monkeypatch.setattr(Store, "waiting_count", refuse)
        with pytest.raises(CardError):
            here.power_on()
        assert shown[-1] is FaultCode.CARD.signal


@pytest.mark.parametrize(("refused", "holds"), [("write", 1), ("sync_folder", 2)])
def test_what_a_card_holds_though_it_refused_is_sent_without_another_press(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str, holds: int
) -> None:
    with sites(tmp_path) as here:
        with refusing(here, monkeypatch, refused):
            shown = len(here.unit.shown)
            here.clock.run(2 * CARD_TOLD_MS)
            is_sure = Signal.LINK_SETTLED in here.unit.shown[shown:]
            assert is_sure == (holds == 1), "settled is said of a card whose files were looked at"
        here.clock.run(4 * CARD_TOLD_MS)
        assert Signal.LINK_SETTLED in here.unit.shown[shown:]
        assert [len(site.mesas) for site in here.sites] == [holds, holds]


@pytest.mark.parametrize("refused", [OSError(errno.EIO, "no"), MemoryError()], ids=["card", "memory"])
def test_a_card_that_goes_on_refusing_is_looked_at_ever_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: BaseException
) -> None:
    looks = list[int]()

    def look(store: Store) -> None:
        looks.append(here.clock.ms())
        raise refused

    with sites(tmp_path) as here:
        with refusing(here, monkeypatch) as patched:
            patched.setattr(Store, "_look_at_files", look)
            lines = len(here.unit.log)
            here.clock.run(3_600_000)
        assert 5 <= len(looks) <= 20
        assert not [line for line in here.unit.log[lines:] if "card" in line]
        here.scan()
        assert here.settle() is not None


def test_what_could_not_be_mended_is_not_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with sites(tmp_path) as here:
        with refusing(here, monkeypatch):
            pass
        with monkeypatch.context() as patched:
            patched.setattr(Store, "_transaction", refuses_at_its_end)
            here.clock.run(2 * CARD_TOLD_MS)
        assert not here.logged(Event.CARD_REPAIRED)
        here.clock.run(4 * CARD_TOLD_MS)
        assert len(here.logged(Event.CARD_REPAIRED)) == 1


def test_a_stick_takes_what_the_card_kept_though_it_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with field(tmp_path) as here:
        (unit,) = here.units
        here.scan(unit, 1)
        with monkeypatch.context() as patched:
            patched.setattr(durable, "sync_folder", has_no_room)
            assert unit.scan(picture(acta(2))) is FaultCode.CARD.signal
            here.clock.run(1_000)
        stick = here.stick()
        assert here.visit(unit, stick) is Signal.STICK_DONE
        here.imported(stick)
        assert len(here.mesas()) == 2


@pytest.mark.parametrize("is_set", [True, False])
def test_a_control_card_shown_while_the_index_cannot_be_asked_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_set: bool
) -> None:
    with world(tmp_path) as here:
        here.unit.clock.is_set = is_set
        here.power_on()
        with monkeypatch.context() as patched:
            patched.setattr(Store, "heard", refuse)
            shown = here.scan(card(here.deployed, Quiet(State.ON)))
        assert shown is (Signal.CONTROL_DONE if is_set else Signal.CONTROL_REFUSED)


def test_pictures_of_a_record_that_was_not_kept_do_not_fill_the_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = durable.sync

    def refuse_the_second(file: BinaryIO) -> None:
        sync(file)
        if file.name.endswith("picture-1.new"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with opened(tmp_path) as store:
        keep(store, pictures=2)
        kept = sorted((tmp_path / "kept").iterdir())
        with monkeypatch.context() as patched:
            patched.setattr(durable, "sync", refuse_the_second)
            for _ in range(3):
                with pytest.raises(CardError):
                    keep(store, 2, pictures=2)
        store.recover()
        assert sorted((tmp_path / "kept").iterdir()) == kept
        keep(store, 2, pictures=2)
        store.purge(1)
        assert len(envelopes(tmp_path)) == 2
