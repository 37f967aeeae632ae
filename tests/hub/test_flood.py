"""The flood: one unit publishes all that it can; the others keep their share, and the hub its memory and its log."""

import tracemalloc
from collections import Counter, deque
from collections.abc import Callable, Iterable

import pytest

from hub.intake import ANSWERED_REFUSALS_MAX, TOLD_REFUSALS_MAX
from hub.log import Event
from hub.quota import Quota
from hub.turn import BYTES_MAX, READ_MAX, SHARES, Came, Turn
from tests.hub.conftest import HubHere
from tests.hub.some_unit import DEPLOYMENT, Publication, SomeUnit, some_payload
from wire import note
from wire.envelope import PUBLICATION_BYTES_MAX
from wire.receipt import Receipt
from wire.topics import Leaf

BATCH = 64
FLOOD = 4 * READ_MAX * BATCH
HONEST = 10


def in_turns(hub: HubHere, queue: Iterable[Publication]) -> tuple[int, dict[str, int]]:
    """What a link does with what waits at its broker.

    Returns:
        How many turns were taken, and in which of them each unit was first receipted.
    """
    waiting, receipted, turns = deque(queue), dict[str, int](), 0
    while waiting:
        turn = Turn(BATCH)
        while waiting and not turn.is_full:
            turn.add(Came(0, *waiting.popleft().sent))
        turns += 1
        for topic, answer in hub.intake.take([(each.topic, each.content) for each in turn.taken()]):
            if note.kind_of(answer) == Receipt.KIND:
                receipted.setdefault(topic.split("/")[3], turns)
    return turns, receipted


def rubbish(unit: SomeUnit) -> list[Publication]:
    return [Publication(unit.topic(Leaf.ENVELOPE), b"rubbish %d" % number) for number in range(FLOOD)]


def copies(unit: SomeUnit) -> list[Publication]:
    return [unit.press(some_payload())] * FLOOD


def envelopes(unit: SomeUnit) -> list[Publication]:
    some = [unit.press() for _ in range(FLOOD // 4)]
    return some * 4


def holdings(unit: SomeUnit) -> list[Publication]:
    return [unit.holding()] * FLOOD


def chunks(unit: SomeUnit) -> list[Publication]:
    press = unit.press(some_payload(), pictures=[bytes(10)])
    return [press, *[Publication(unit.topic(Leaf.CHUNK, "a" * 64, number), b"x") for number in range(FLOOD)]]


@pytest.mark.parametrize("flood", [rubbish, copies, envelopes, holdings, chunks])
def test_honest_units_behind_a_flood_are_receipted_within_few_turns(
    sqlite_hub: HubHere, flood: Callable[[SomeUnit], list[Publication]]
) -> None:
    flooding, honest = sqlite_hub.unit(), [sqlite_hub.unit(f"honest-{number}") for number in range(HONEST)]
    presses = [unit.press(some_payload(number)) for number, unit in enumerate(honest)]
    came = flood(flooding)
    # Taken in the order they came, in whole batches, the honest would have waited for all of the flood.
    turns, receipted = in_turns(sqlite_hub, [*came, *presses])
    assert {receipted[unit.name] for unit in honest} == {turns}
    assert turns <= len(came) // (READ_MAX * BATCH) + 1
    assert turns < len(came) / BATCH / 4


def test_honest_units_within_a_flood_are_all_receipted_in_the_turn_that_they_come_in(sqlite_hub: HubHere) -> None:
    flooding, honest = sqlite_hub.unit(), [sqlite_hub.unit(f"honest-{number}") for number in range(HONEST)]
    came = rubbish(flooding)
    for number, unit in enumerate(honest):
        came.insert(number * 50, unit.press(some_payload(number)))
    _, receipted = in_turns(sqlite_hub, came)
    assert [receipted[unit.name] for unit in honest] == [1] * HONEST


def some_came(unit: str, number: int, size: int = 1) -> Came:
    return Came(number, f"testigo/1/{DEPLOYMENT}/{unit}/envelope", bytes(size))


def test_a_unit_alone_has_the_whole_turn() -> None:
    turn = Turn(BATCH)
    for number in range(BATCH):
        turn.add(some_came("unit-1", number))
    assert [came.number for came in turn.taken()] == list(range(BATCH))
    assert (turn.let_go, turn.numbers) == ({}, list(range(BATCH)))


def test_what_is_let_go_is_what_is_beyond_a_share() -> None:
    turn, share = Turn(BATCH), BATCH // SHARES
    for number in range(3 * BATCH):
        turn.add(some_came("flooding", number))
    for number in range(3 * BATCH, 3 * BATCH + 10):
        turn.add(some_came(f"unit-{number}", number))
    taken = turn.taken()
    of = Counter(came.topic.split("/")[3] for came in taken)
    assert (of["flooding"], sum(of.values()), share < BATCH) == (BATCH - 10, BATCH, True)
    assert turn.numbers == list(range(3 * BATCH + 10))  # all are acknowledged, in order
    assert turn.let_go == {"flooding": 3 * BATCH - (BATCH - 10)}


def test_what_one_unit_published_stays_in_its_order() -> None:
    turn = Turn(BATCH)
    for number in range(BATCH):
        turn.add(some_came("one" if number % 2 else "two", number))
    for unit in ("one", "two"):
        numbers = [came.number for came in turn.taken() if came.topic.split("/")[3] == unit]
        assert numbers == sorted(numbers)


def test_a_turn_is_bounded_in_memory() -> None:
    turn, number = Turn(512), 0
    while not turn.is_full:
        turn.add(some_came(f"unit-{number}", number, PUBLICATION_BYTES_MAX))
        number += 1
    assert number * PUBLICATION_BYTES_MAX < BYTES_MAX + PUBLICATION_BYTES_MAX


def test_of_what_is_longer_than_a_publication_can_be_nothing_is_kept_in_memory() -> None:
    turn = Turn(BATCH)
    tracemalloc.start()
    for number in range(20):
        turn.add(some_came("unit-1", number, PUBLICATION_BYTES_MAX + 1))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (turn.taken(), turn.oversized, len(turn)) == ([], 20, 20)
    assert held < PUBLICATION_BYTES_MAX


def test_the_rubbish_of_one_does_not_keep_the_refusals_from_another(hub: HubHere) -> None:
    flooding, unit = hub.unit(), hub.unit("unit-2", enrolled=False)
    some = rubbish(flooding)[: 2 * ANSWERED_REFUSALS_MAX]
    refused = hub.refusals(hub.take(*some, unit.press(some_payload())))
    assert len(refused) == ANSWERED_REFUSALS_MAX
    assert [each.why for each in refused if each.unit == unit.name] == ["unknown-signer"]


def test_names_of_units_that_do_not_exist_do_not_fill_the_log(hub: HubHere) -> None:
    hub.take(*(Publication(f"testigo/1/{DEPLOYMENT}/u{number}/envelope", b"x") for number in range(200)))
    assert hub.told().count(Event.REFUSED) == TOLD_REFUSALS_MAX


def test_a_flood_of_valid_envelopes_stops_at_the_quota_and_others_are_taken(sqlite_hub: HubHere) -> None:
    sqlite_hub.quota = Quota(records=100)
    sqlite_hub.restart()
    flooding = sqlite_hub.unit()
    for _ in range(4):
        sqlite_hub.take(*(flooding.press() for _ in range(100)))
    assert len(sqlite_hub.count().unread) == 100
    assert sqlite_hub.answer(sqlite_hub.unit("unit-2").press(some_payload())).seq == 1
