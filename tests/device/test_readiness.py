"""The readiness report: what the bench left on the card is said to hubs, once a connection, and nothing else is."""

from collections.abc import Callable
from pathlib import Path

import pytest

from device.readiness import FILE
from hub import health
from tests.device.world import World, leaves, world
from wire import note
from wire.note import Signer
from wire.readiness import Check, Readiness
from wire.topics import Leaf


def report(signer: Signer, deployment: str = "trial", number: int = 1) -> bytes:
    said = Readiness(
        calibration="",
        checks=(Check(outcome="bad", part="look", words="the ribbon is loose: seat it"),),
        date="2024-07-20",
        deployment=deployment,
        firmware="0.1.0",
        number=number,
        unit=signer.verifier.name,
    )
    return note.write(said, signer)


def leave(here: World, content: bytes) -> None:
    (here.settings.card / FILE).write_bytes(content)


def said(here: World) -> list[bytes]:
    return [content for topic, content in here.published if topic.endswith(Leaf.READINESS.value)]


def reconnect(here: World) -> None:
    here.exchange.cut()
    here.clock.run(60_000)
    here.exchange.mend()
    here.clock.run(600_000)


def test_what_the_bench_has_left_reaches_the_hub_and_is_shown_there(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.settings.card.mkdir(exist_ok=True)
        leave(here, report(here.signer))
        here.power_on()
        here.clock.run(60_000)
        assert said(here) == [report(here.signer)]
        shown = health.readiness(here.intake.ledger, {here.name: here.signer.verifier})
        assert f"{here.name}: look: the ribbon is loose: seat it\n" in shown


def test_it_is_said_again_at_the_next_connection_for_nobody_answers_it(here: World) -> None:
    leave(here, report(here.signer))
    reconnect(here)
    leave(here, report(here.signer, number=2))
    reconnect(here)
    assert said(here) == [report(here.signer), report(here.signer, number=2)]


def test_where_the_bench_has_left_nothing_nothing_is_said(here: World) -> None:
    reconnect(here)
    assert Leaf.READINESS not in leaves(here.published)


@pytest.mark.parametrize(
    "content",
    [
        lambda here: report(here.signer, "another"),
        lambda here: report(here.signer).replace(b"ribbon", b"robbin"),
        lambda here: report(here.signer)[:-9],
        lambda _here: b"",
    ],
)
def test_what_hubs_would_refuse_is_not_said(here: World, content: Callable[[World], bytes]) -> None:
    leave(here, content(here))
    reconnect(here)
    assert said(here) == []
    assert here.unit.is_on
