"""What units' benches have seen of them: the last report of each unit is kept and shown, no older one comes in its
place, no other's is taken, and who never said one is named.
"""

from typing import Any

import pytest

from hub import health
from hub.intake import BEAT_SECONDS_MIN
from tests.hub.conftest import HubHere
from tests.hub.some_unit import Publication, SomeUnit, some_payload
from wire import note
from wire.readiness import Check, Readiness
from wire.topics import Leaf

GOOD = Check(outcome="good", part="card", words="safe in 4.0 ms")
ABSENT = Check(outcome="absent", part="battery", words="no battery gauge answers")
BAD = Check(outcome="bad", part="look", words="the ribbon is loose: \x1b[2Jseat it")


def report(unit: SomeUnit, *checks: Check, **changed: Any) -> Publication:
    fields: dict[str, Any] = {
        "calibration": "",
        "checks": checks or (GOOD, ABSENT),
        "date": "2024-07-20",
        "deployment": unit.deployment,
        "firmware": "0.1.0",
        "number": 1,
        "unit": unit.name,
    }
    return Publication(unit.topic(Leaf.READINESS), note.write(Readiness(**fields | changed), unit.signer))


def shown(hub: HubHere) -> list[str]:
    return health.readiness(hub.ledger, hub.units).splitlines()


def test_what_is_bad_is_shown_first_then_who_never_said_a_word(hub: HubHere) -> None:
    one, two, three = (hub.unit(f"unit-{number}") for number in (1, 2, 3))
    assert hub.take(report(one), report(three, GOOD, BAD)) == []
    heads, *lines, why = shown(hub)
    assert heads.split() == ["unit", "said", "(UTC)", "its", "date", "firmware", "bad", "absent", "good"]
    assert [line.split()[0] for line in lines] == [three.name, two.name, one.name]
    assert lines[0].split()[3:] == ["2024-07-20", "0.1.0", "look", "card"]
    assert lines[1].endswith("never said")
    assert lines[2].split()[3:] == ["2024-07-20", "0.1.0", "battery", "card"]
    assert why == "unit-3: look: the ribbon is loose: ?[2Jseat it"


def test_a_report_that_calls_nothing_good_is_not_shown_as_good(hub: HubHere) -> None:
    one, two = hub.unit("unit-1"), hub.unit("unit-2")
    hub.take(report(one), report(two, ABSENT))
    assert [line.split()[0] for line in shown(hub)[1:]] == [two.name, one.name]


@pytest.mark.parametrize(
    ("then", "is_taken"),
    [
        ({"number": 2}, False),
        ({"number": 3}, False),
        ({"number": 4}, True),
        ({"number": 1, "date": "2024-07-21"}, True),  # a card written anew
        ({"number": 9, "date": "2024-07-19"}, False),
    ],
)
def test_no_earlier_report_comes_in_the_place_of_a_later_one(
    hub: HubHere, then: dict[str, Any], is_taken: bool
) -> None:
    unit = hub.unit("unit-1")
    hub.take(report(unit, number=3))
    before = hub.ledger.readiness(unit.name)
    hub.clock += 100
    assert hub.take(report(unit, BAD, **then)) == []
    assert (hub.ledger.readiness(unit.name) != before) is is_taken


def test_of_two_in_one_batch_the_later_is_kept_in_whatever_order_they_come(hub: HubHere) -> None:
    one, two = hub.unit("unit-1"), hub.unit("unit-2")
    hub.take(report(one, number=1), report(one, number=2), report(two, number=2), report(two, number=1))
    assert [note.read(each.note, Readiness, hub.units).statement.number for each in hub.ledger.readinesses()] == [2, 2]


def test_a_report_is_the_units_own_on_its_own_topic_in_its_own_deployment(hub: HubHere) -> None:
    one, two = hub.unit("unit-1"), hub.unit("unit-2")
    assert hub.refusal(Publication(two.topic(Leaf.READINESS), report(one).content)).why == "wrong-topic"
    assert hub.refusal(report(one, deployment="another")).why == "wrong-topic"
    forged = report(one).content.replace(b"4.0 ms", b"9.0 ms")
    assert hub.refusal(Publication(one.topic(Leaf.READINESS), forged)).why == "bad-signature"
    assert hub.refusal(report(SomeUnit((), "unit-1"))).why == "unknown-signer"
    assert hub.ledger.readinesses() == []


def test_a_flood_of_reports_is_one_write(hub: HubHere) -> None:
    unit = hub.unit("unit-1")
    for number in range(1, 50):
        hub.take(report(unit, number=number))
    first = hub.ledger.readiness(unit.name)
    assert first is not None
    assert first.note == report(unit).content
    hub.clock += BEAT_SECONDS_MIN
    hub.take(report(unit, number=50))
    assert hub.ledger.readiness(unit.name) != first


def test_a_report_said_again_is_not_a_new_one(hub: HubHere) -> None:
    unit = hub.unit("unit-1")
    hub.take(report(unit))
    before = hub.ledger.readiness(unit.name)
    hub.clock += 3600
    assert hub.take(report(unit)) == []
    assert hub.ledger.readiness(unit.name) == before


def test_a_unit_with_a_new_key_has_said_nothing_yet_and_may_begin_at_any_date(hub: HubHere) -> None:
    hub.take(report(hub.unit("unit-1")))
    anew = hub.unit("unit-1")
    assert shown(hub)[1].endswith("never said")
    hub.take(report(anew, date="2024-01-01"))
    assert "2024-01-01" in shown(hub)[1]


def test_a_ledger_of_a_hub_that_knew_no_reports_shows_that_none_was_said(hub: HubHere) -> None:
    hub.unit("unit-1")
    hub.ledger._database.execute_sql("DROP TABLE readiness")  # type: ignore[no-untyped-call]
    assert shown(hub)[1].endswith("never said")
    hub.restart()
    hub.take(report(hub.unit("unit-1")))
    assert "card" in shown(hub)[1]


def test_nothing_that_counts_depends_on_what_a_bench_has_seen(hub: HubHere) -> None:
    unit = hub.unit("unit-1")
    hub.take(report(unit, BAD), unit.press(some_payload()))
    assert hub.count().counted == 1
