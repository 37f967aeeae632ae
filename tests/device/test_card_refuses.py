"""A card that refuses to be read or asked: it is told and shown, nothing ends, and all is done once it can be."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from device import durable
from device.log import Event
from device.signals import FaultCode, Signal
from device.store import CardError, Store
from device.unit import CARD_TOLD_MS
from sim.body import SimStorage
from tests.device.field import field, logged
from tests.device.sites import Sites, sites

ASKS = ("waiting_count", "waiting", "places", "heard", "find", "picture_of", "read_chunk", "settle", "purge", "count")
"""Whatever asks the index and is not keeping itself."""


def refuse(*_: object, **__: object) -> None:
    raise CardError("card: disk I/O error: make room or change it, and press again")


def has_no_room(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


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
        here.power_on()
        here.scan()
        with monkeypatch.context() as patched:
            patched.setattr(durable, refused, has_no_room)
            assert here.try_scan() is FaultCode.CARD.signal
            shown = len(here.unit.shown)
            here.clock.run(2 * CARD_TOLD_MS)
            is_sure = Signal.LINK_SETTLED in here.unit.shown[shown:]
            assert is_sure == (holds == 1), "settled is said of a card whose files were looked at"
        here.clock.run(2 * CARD_TOLD_MS)
        assert Signal.LINK_SETTLED in here.unit.shown[shown:]
        assert [len(site.mesas) for site in here.sites] == [holds, holds]
