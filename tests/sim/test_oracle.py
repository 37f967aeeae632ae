"""The oracle: reads receipts by itself, as docs/wire.md has them."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from device.signals import Signal
from sim import deployment
from sim.clock import SteppedClock
from sim.fleet import SimHub, SimUnit
from sim.hunt import acta, picture_of
from sim.link import Exchange, Publication
from sim.oracle import Laid, Oracle, says_whole
from tests.device.world import VE
from tests.wire.samples import receipt_of
from wire.envelope import Sealed
from wire.receipt import MISSING_MAX, Extra, Missing, Receipt

OWN, LOST, ELSEWHERE = "a" * 64, "b" * 64, "c" * 64


def receipt(seq: int, whole: int, *missing: str, extras: tuple[Extra, ...] = ()) -> Receipt:
    lacks = tuple(Missing((0,), each) for each in missing)
    return replace(receipt_of("5" * 64, Sealed(OWN, 1)), extras=extras, missing=lacks, seq=seq, whole=whole)


@pytest.mark.parametrize(
    ("said", "is_whole"),
    [
        (receipt(5, 5), True),
        (receipt(5, 4), True),
        (receipt(5, 3), False),
        (receipt(5, 3, ELSEWHERE), True),
        (receipt(5, 3, LOST), False),
        (receipt(5, 3, ELSEWHERE, OWN), False),
        (receipt(3, 3, ELSEWHERE), False),
        (receipt(2, 2, ELSEWHERE, extras=(Extra("e" * 64, 4, whole=True),)), True),
        (receipt(2, 2, ELSEWHERE, extras=(Extra("e" * 64, 4, whole=False), Extra("e" * 64, 5, whole=True))), False),
        (receipt(5, 3, *[ELSEWHERE] * (MISSING_MAX - 1)), True),
        (receipt(5, 3, *[ELSEWHERE] * MISSING_MAX), False),
    ],
    ids=[
        "whole is beyond it",
        "whole reaches it",
        "whole stops before it and nothing is named",
        "another's picture is named",
        "one of its two is named",
        "its other one is named among more",
        "it lies beyond seq",
        "it lies beyond a gap and is said to be whole",
        "it lies beyond a gap and another is said to be whole",
        "so many are named that all are",
        "so many are named that there may be more",
    ],
)
def test_a_receipt_says_that_the_fourth_record_is_whole_or_it_does_not(said: Receipt, is_whole: bool) -> None:
    assert says_whole(said, 4, (OWN, LOST)) is is_whole


def test_what_a_card_forgot_with_its_index_the_oracle_forgets_too_and_believes_older_receipts(
    tmp_path: Path,
) -> None:
    clock = SteppedClock()
    made = deployment.make(tmp_path / "trial", 1, 1883, VE, hubs=2, receipts=2)
    exchange = Exchange(clock)
    hubs = [SimHub(path, clock, exchange) for path in made.hubs]
    (unit,) = [SimUnit(path, clock, [exchange]) for path in made.units.values()]
    sheets = {payload: picture_of(payload) for payload in (acta(1, differing=False), acta(2, differing=False))}
    oracle = Oracle(
        {unit.name: (unit.settings, unit.signer.verifier)},
        {hub.name: (hub.settings, hub.keys.opener, hub.keys.signer.verifier) for hub in hubs},
        sheets,
    )

    def receive(batch: Sequence[Publication]) -> list[Publication]:
        for hub in hubs:
            hub.receive(batch)
        return []

    def scan(payload: str) -> None:
        oracle.lay(unit.name, Laid(payload, sheets[payload]))
        assert unit.scan(sheets[payload]) is Signal.KEPT

    def settle() -> None:
        assert clock.run_until(lambda: unit.unit.store.waiting_count(2) == 0, 600_000)
        assert unit.shown[-1] is Signal.LINK_SETTLED

    exchange.hub, exchange.sent = receive, oracle.published
    unit.heard, unit.logged = partial(oracle.heard, unit.name), partial(oracle.logged, unit.name)
    unit.handed = partial(oracle.handed, unit.name)
    for hub in hubs:
        hub.answered = partial(oracle.answered, hub.name)
        hub.start()
    hubs[0].back_up(tmp_path / "backup")
    unit.power_on()
    first, second = sheets
    scan(first)
    settle()

    hubs[0].kill()
    scan(second)
    unit.cut_power()
    (unit.settings.card / "index.db").unlink()
    oracle.lost_index(unit.name)
    hubs[0].restore(tmp_path / "backup")
    oracle.restored(hubs[0].name)
    hubs[0].clock.jump_seconds = -3600
    hubs[0].start()
    unit.power_on()
    settle()

    unit.cut_power()
    for hub in hubs:
        hub.kill()
