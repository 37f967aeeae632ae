"""The silent hub: what it was sent is kept, it is not buried in offers, and all is offered again when it is back."""

from collections import Counter

from device.log import Event
from device.outbox import CUSTODY_WINDOW
from device.signals import Signal
from tests.device.world import World, acta, leaves
from wire.topics import Leaf

WHILE_MS = 1_200_000


def test_acknowledged_and_lost_is_still_held(here: World) -> None:
    here.exchange.hub = None
    for mesa in range(3):
        here.scan(acta(mesa))
    here.clock.run(10_000)
    assert len(here.waiting) == 3
    assert here.shown[-1] is not Signal.LINK_SETTLED
    here.exchange.hub = here.take
    assert here.settle()
    assert len(here.mesas()) == 3


def test_a_silent_hub_is_not_buried(here: World) -> None:
    offered: Counter[bytes] = Counter()

    def swallow(batch: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        offered.update(payload for topic, payload in batch if leaves([(topic, payload)]) == [Leaf.ENVELOPE])
        return []

    here.exchange.hub = swallow  # type: ignore[assignment]
    for mesa in range(CUSTODY_WINDOW + 30):
        here.scan(acta(mesa))
    here.clock.run(WHILE_MS)
    assert len(offered) == CUSTODY_WINDOW
    assert max(offered.values()) <= 8, "a record was offered more often than the growing pauses allow"
    assert len(here.waiting) == CUSTODY_WINDOW + 30


def test_a_hub_that_is_back_has_everything_within_minutes_however_long_it_was_silent(here: World) -> None:
    here.exchange.hub = None
    for mesa in range(CUSTODY_WINDOW + 30):
        here.scan(acta(mesa))
    here.clock.run(WHILE_MS)
    here.exchange.hub = here.take
    assert here.settle(limit_ms=180_000)
    assert len(here.mesas()) == CUSTODY_WINDOW + 30


def test_a_hub_is_asked_now_and_then_while_something_waits_and_never_else(here: World) -> None:
    here.clock.run(WHILE_MS)
    assert [leaf for leaf in leaves(here.published) if leaf is not Leaf.BEAT] == [Leaf.HOLDING]
    here.mangle = lambda _answers: []
    here.scan(acta())
    here.published.clear()
    here.clock.run(WHILE_MS)
    assert 10 <= leaves(here.published).count(Leaf.HOLDING) <= 20


def test_a_restart_with_a_silent_hub_loses_nothing(here: World) -> None:
    here.mangle = lambda _answers: []
    here.scan(acta(1))
    here.clock.run(60_000)
    here.unit.cut_power()
    here.power_on()
    assert here.logged(Event.STARTED)[-1].endswith("kept=1 waiting=1")
    here.mangle = lambda answers: answers
    assert here.settle()
