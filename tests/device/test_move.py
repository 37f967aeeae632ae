"""The moved hub: units find it at its new address, by a card, by another hub's word, or by a stick; whoever repeats an
old move, or has stolen a hub's key, keeps them from nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from device.log import Event
from device.signals import Signal
from device.standing import Standing
from hub import moving, notices
from hub.settings import Settings
from sim.link import Exchange
from tests.device.controlling import card, move
from tests.device.sites import Sites, sites
from tests.device.world import picture
from wire.control import Hub

NEW, NEWER = 1999, 2999
TOLD_MS_MAX = 120_000


@pytest.fixture
def moved(tmp_path: Path) -> Iterator[Sites]:
    """Two hubs whose receipts are both wanted; the first one's broker is now at another port, and nobody knows."""
    with sites(tmp_path) as made:
        made.power_on()
        first, new = made.sites[0], Exchange(made.clock)
        new.hub = first.take
        first.exchange.cut()
        first.exchange = made.unit.places["127.0.0.1", NEW] = new
        made.scan()
        yield made


def settings(of: Sites, hub: int) -> Settings:
    return of.sites[hub].settings


def brokers(of: Sites) -> list[int]:
    """The ports that the unit tries, in their order."""
    standing = Standing(of.unit.body.body.storage, of.unit.unit._trust, lambda *_, **__: None)
    return [each.port for each in standing.brokers(of.unit.settings.brokers)]


def show(of: Sites, note: bytes) -> Signal:
    return of.unit.scan(picture(note.decode("latin-1")))


def test_a_hub_that_moved_receives_nothing_until_somebody_says_where_it_is(moved: Sites) -> None:
    assert moved.settle(TOLD_MS_MAX) is None
    assert show(moved, move(moved.made, 0, 1, NEW)) is Signal.CONTROL_DONE
    assert moved.settle(TOLD_MS_MAX) is not None
    assert brokers(moved) == [NEW, 1884, 1883]


def test_another_hub_tells_it_to_all_that_are_there(moved: Sites) -> None:
    said = moving.move(settings(moved, 0), [f"127.0.0.1:{NEW}"], 5)
    assert said.number == 5
    notices.keep(settings(moved, 1).notices, move(moved.made, 0, 5, NEW), "trial", settings(moved, 1).hubs)
    moved.clock.run(30_000)
    moved.sites[1].exchange.answer(news := moved.sites[1].intake.news())
    assert len(news) == 1
    assert moved.settle(TOLD_MS_MAX) is not None
    assert moved.sites[1].intake.news() == []


def test_who_was_off_is_told_on_connecting(moved: Sites) -> None:
    moved.unit.cut_power()
    notices.keep(settings(moved, 1).notices, move(moved.made, 0, 5, NEW), "trial", settings(moved, 1).hubs)
    moved.power_on()
    assert moved.settle(TOLD_MS_MAX) is not None


def test_a_stick_tells_it(moved: Sites, tmp_path: Path) -> None:
    moving.move(settings(moved, 0), [f"127.0.0.1:{NEW}"], 5)
    *_, file = moving.hand_out(settings(moved, 0), tmp_path / "stick")
    assert file == tmp_path / "stick" / "testigo" / "trial" / "hub-a.move"
    moved.unit.body.put_in(tmp_path / "stick")
    assert moved.settle(TOLD_MS_MAX) is not None


def test_what_a_stick_has_under_that_name_and_is_no_move_changes_nothing(moved: Sites, tmp_path: Path) -> None:
    folder = tmp_path / "stick" / "testigo" / "trial"
    folder.mkdir(parents=True)
    (folder / "hub-a.move").write_bytes(move(moved.made, 1, 5, NEW).replace(b"hub-b", b"hub-a"))
    (folder / "hub-b.move").write_bytes(b"x" * 100_000)
    moved.unit.body.put_in(tmp_path / "stick")
    moved.clock.run(20_000)
    assert brokers(moved) == [1883, 1884]
    assert moved.logged(Event.STICK_DONE)


def test_a_move_is_remembered_when_the_power_goes(moved: Sites) -> None:
    show(moved, move(moved.made, 0, 1, NEW))
    moved.unit.cut_power()
    moved.power_on()
    assert moved.settle(TOLD_MS_MAX) is not None


def test_an_older_move_is_refused_and_the_same_one_again_is_not(moved: Sites) -> None:
    for number, port, signal, after in (
        (2, NEW, Signal.CONTROL_DONE, NEW),
        (1, NEWER, Signal.CONTROL_REFUSED, NEW),
        (2, NEW, Signal.CONTROL_DONE, NEW),
        (3, NEWER, Signal.CONTROL_DONE, NEWER),
    ):
        assert show(moved, move(moved.made, 0, number, port)) is signal
        assert brokers(moved)[0] == after


def test_no_hub_moves_another(moved: Sites) -> None:
    forged = move(moved.made, 1, 5, NEWER).replace(b'"hub":"hub-b"', b'"hub":"hub-a"')
    assert show(moved, forged) is Signal.CONTROL_REFUSED
    assert brokers(moved) == [1883, 1884]


def test_a_move_to_nowhere_does_not_keep_a_unit_from_where_its_package_sends_it(tmp_path: Path) -> None:
    with sites(tmp_path) as made:
        made.power_on()
        for hub in (0, 1):
            assert show(made, move(made.made, hub, 1, NEW + hub)) is Signal.CONTROL_DONE
        assert made.settle() is not None
        assert brokers(made) == [NEW, NEW + 1, 1883, 1884]


def test_a_hub_that_had_no_broker_of_its_own_moves_to_one(tmp_path: Path) -> None:
    with sites(tmp_path, brokers=1) as made:
        made.power_on()
        new = made.unit.places["127.0.0.1", NEW] = Exchange(made.clock, made.sites[1].take)
        made.sites[0].exchange.hub = made.sites[0].take
        made.scan()
        assert made.settle(TOLD_MS_MAX) is None
        assert show(made, move(made.made, 1, 1, NEW)) is Signal.CONTROL_DONE
        assert made.settle(TOLD_MS_MAX) is not None
        assert new.handshakes.total() >= 1
        assert brokers(made) == [1883, NEW]


def test_a_card_says_which_hub_to_try_first(tmp_path: Path) -> None:
    with sites(tmp_path) as made:
        made.power_on()
        assert made.unit.scan(picture(card(made.made, Hub("hub-b")))) is Signal.CONTROL_DONE
        assert brokers(made) == [1884, 1883]
        assert show(made, move(made.made, 1, 1, NEW)) is Signal.CONTROL_DONE
        assert brokers(made) == [NEW, 1883, 1884]


def test_nothing_waits_longer_for_a_notice_that_is_repeated(moved: Sites) -> None:
    """It comes with every answer to a holding: what is known is passed over without a write or a word."""
    notices.keep(settings(moved, 1).notices, move(moved.made, 0, 5, NEW), "trial", settings(moved, 1).hubs)
    for _ in range(3):
        moved.unit.cut_power()
        moved.power_on()
        moved.clock.run(90_000)
    assert len([line for line in moved.logged(Event.CONTROL_TAKEN) if "kind=move" in line]) == 1
