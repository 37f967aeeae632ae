"""What units say of their own health: the last word of each is kept and shown, no older one comes in its place, and
nothing that counts ever depends on it.
"""

from typing import Any

import pytest

from hub import health
from hub.intake import BEAT_SECONDS_MIN
from hub.log import Event
from tests.hub.conftest import HubHere
from tests.hub.some_unit import Publication, SomeUnit, some_payload
from wire import note
from wire.beat import Beat
from wire.topics import Leaf


def beat(unit: SomeUnit, **changed: Any) -> Publication:
    fields: dict[str, Any] = {
        "battery": "high",
        "boot": 1,
        "chain": unit.chain,
        "deployment": unit.deployment,
        "heat": "fine",
        "kept": 4,
        "minutes": 10,
        "read": 3,
        "room": 1900,
        "scans": 4,
        "troubles": (),
        "unit": unit.name,
        "waiting": 1,
    }
    return Publication(unit.topic(Leaf.BEAT), note.write(Beat(**fields | changed), unit.signer))


def shown(hub: HubHere) -> list[str]:
    return health.text(hub.ledger, hub.units).splitlines()


def test_the_last_beat_of_each_unit_is_shown_and_those_in_trouble_come_first(hub: HubHere) -> None:
    one, two, three = (hub.unit(f"unit-{number}") for number in (1, 2, 3))
    assert hub.take(beat(one), beat(three, troubles=("card-worn", "hot"), battery="low", heat="hot")) == []
    lines = shown(hub)
    assert [line.split()[0] for line in lines] == ["unit", three.name, two.name, one.name]
    assert lines[1].endswith("3 of 4  1 of 4   1900  low      hot   card-worn hot")
    assert "never heard of" in lines[2]
    assert lines[3].endswith("3 of 4  1 of 4   1900  high     fine")


@pytest.mark.parametrize(
    ("then", "is_taken"),
    [
        ({"minutes": 20}, True),
        ({"boot": 2, "minutes": 0}, True),
        ({"minutes": 10, "read": 4}, False),
        ({"minutes": 0}, False),
        ({"chain": "d" * 32, "boot": 1, "minutes": 0}, True),  # a new card
    ],
)
def test_no_earlier_beat_comes_in_the_place_of_a_later_one(hub: HubHere, then: dict[str, Any], is_taken: bool) -> None:
    unit = hub.unit("unit-1")
    hub.take(beat(unit))
    before = hub.ledger.beat(unit.name)
    hub.clock += 100
    hub.take(beat(unit, **then))
    assert (hub.ledger.beat(unit.name) != before) is is_taken


def test_a_beat_is_the_units_own_on_its_own_topic_in_its_own_deployment(hub: HubHere) -> None:
    one, two = hub.unit("unit-1"), hub.unit("unit-2")
    assert hub.refusal(Publication(two.topic(Leaf.BEAT), beat(one).content)).why == "wrong-topic"
    assert hub.refusal(beat(one, deployment="another")).why == "wrong-topic"
    stranger = SomeUnit((), "unit-1")
    assert hub.refusal(beat(stranger)).why == "unknown-signer"
    assert hub.ledger.beats() == []


def test_what_begins_to_ail_a_unit_is_logged_once(hub: HubHere) -> None:
    unit = hub.unit("unit-1")
    for minutes, troubles in ((10, ()), (20, ("hot",)), (30, ("hot",)), (40, ()), (50, ("hot", "reads-badly"))):
        hub.clock += 600
        hub.take(beat(unit, minutes=minutes, troubles=troubles))
    told = [facts for event, facts in hub.events if event is Event.AILING]
    assert told == [{"unit": "unit-1", "troubles": "hot"}, {"unit": "unit-1", "troubles": "hot reads-badly"}]


def test_a_flood_of_beats_is_one_line_in_the_log_a_batch(hub: HubHere) -> None:
    unit = hub.unit("unit-1")
    hub.take(*(beat(unit, minutes=10 * number, troubles=(f"t{number}",)) for number in range(50)))
    assert [facts["troubles"] for event, facts in hub.events if event is Event.AILING] == ["t49"]


def test_a_flood_of_beats_in_batches_of_their_own_is_one_line_in_the_log_and_one_write(hub: HubHere) -> None:
    unit, other = hub.unit("unit-1"), hub.unit("unit-2")
    for number in range(50):
        chain = f"{number % 2:032x}"  # one who has no key can send the genuine ones of two chains in turn
        hub.take(beat(unit, chain=chain, boot=1 + number, troubles=(f"t{number}",)))
    hub.take(beat(other, troubles=("hot",)))
    assert [facts["troubles"] for event, facts in hub.events if event is Event.AILING] == ["t0", "hot"]
    hub.clock += BEAT_SECONDS_MIN
    hub.take(beat(unit, boot=90, troubles=("hot",)))
    assert [facts["troubles"] for event, facts in hub.events if event is Event.AILING] == ["t0", "hot", "hot"]


def test_a_ledger_of_a_hub_that_knew_no_beats_shows_that_none_was_heard_of(hub: HubHere) -> None:
    hub.unit("unit-1")
    hub.ledger._database.execute_sql("DROP TABLE beat")  # type: ignore[no-untyped-call]
    assert "never heard of" in shown(hub)[1]
    hub.restart()
    hub.take(beat(hub.unit("unit-1")))
    assert "high" in shown(hub)[1]


def test_nothing_that_counts_depends_on_what_a_unit_says_of_itself(hub: HubHere) -> None:
    unit = hub.unit("unit-1")
    hub.take(beat(unit, kept=0, waiting=0, read=0, scans=50, troubles=("reads-badly",)), unit.press(some_payload()))
    assert hub.count().counted == 1


def test_a_unit_that_was_struck_from_the_register_is_not_shown(hub: HubHere) -> None:
    unit = hub.unit("unit-1")
    hub.take(beat(unit))
    hub.units.clear()
    assert shown(hub) == ["unit  heard (UTC)  read  waiting  room  battery  heat  troubles"]
