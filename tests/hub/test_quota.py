"""The quota: a unit that would fill a hub is stopped, told so, and loses nothing once it may have more."""

from dataclasses import replace

import pytest

from hub.log import Event
from hub.quota import MEGABYTE, STRAYS_MAX, Quota, free_bytes
from hub.settings import HubFile
from tests.hub.conftest import QUOTA, HubHere
from tests.hub.some_unit import Publication, SomeUnit, some_payload
from wire.envelope import CHUNK_BYTES, PICTURE_BYTES_MAX, Sealed
from wire.fields import NOTHING


def limited(hub: HubHere, quota: Quota) -> HubHere:
    """The hub, started again with another quota."""
    hub.quota = quota
    hub.restart()
    return hub


def some_presses(unit: SomeUnit, count: int) -> list[Publication]:
    return [unit.press(some_payload(number)) for number in range(count)]


def in_another_chain(unit: SomeUnit, number: int) -> SomeUnit:
    unit.chain, unit.seq, unit.prev = f"{number:032x}", 0, NOTHING
    return unit


def test_a_unit_has_room_for_all_the_mesas_that_it_clears() -> None:
    mesas, picture_bytes = 300, 6 * MEGABYTE
    assert QUOTA.records >= 10 * mesas
    assert QUOTA.picture_bytes >= 2 * mesas * picture_bytes
    assert HubFile.__struct_defaults__[-4:] == (8, 3000, 4000, 1000)


def test_records_beyond_the_quota_are_refused_and_taken_once_it_is_raised(hub: HubHere) -> None:
    limited(hub, Quota(records=3))
    unit, other = hub.unit(), hub.unit("unit-2")
    presses = some_presses(unit, 5)
    answers = hub.take(*presses)
    assert hub.receipt(answers[:1]).seq == 3
    refused = hub.refusals(answers)
    assert [(each.why, each.publication) for each in refused] == [("quota", each.sha256) for each in presses[3:]]
    assert refused[0].words.endswith("raise unit_records")
    assert hub.answer(*some_presses(other, 3)).seq == 3
    limited(hub, Quota(records=5))
    assert hub.answer(*presses[3:]).hash == presses[-1].hash


def test_chains_beyond_the_quota_are_refused_and_taken_once_it_is_raised(hub: HubHere) -> None:
    limited(hub, Quota(chains=2))
    unit = hub.unit()
    presses = [in_another_chain(unit, number).press(some_payload(number)) for number in range(4)]
    answers = hub.take(*presses[:1], *presses[1:])
    assert {each.publication for each in hub.refusals(answers)} == {each.sha256 for each in presses[2:]}
    assert len(list(hub.ledger.firsts(unit.name))) == 2
    assert hub.answer(presses[0]).seq == 1
    limited(hub, Quota(chains=4))
    hub.take(*presses)
    assert hub.count().counted == 4


def test_the_chains_of_a_stolen_key_do_not_shut_out_the_unit_that_was_enrolled_anew(hub: HubHere) -> None:
    limited(hub, Quota(chains=2))
    thief = hub.unit()
    for number in range(3):
        hub.take(in_another_chain(thief, number).press(some_payload(number)))
    honest = in_another_chain(hub.unit(), 9)  # of the same name, with another key
    assert hub.answer(*some_presses(honest, 2)).seq == 2
    assert hub.answer(in_another_chain(honest, 10).press()).seq == 1
    assert [each.why for each in hub.refusals(hub.take(in_another_chain(honest, 11).press()))] == ["quota"]
    assert hub.refusal(in_another_chain(thief, 0).press()).why == "unknown-signer"


def test_a_chain_of_which_nothing_can_be_kept_leaves_nothing_behind(hub: HubHere) -> None:
    limited(hub, Quota(chains=2, records=5))
    unit = hub.unit()
    tried = [(unit.name, f"{number:032x}") for number in range(6)]
    for number in range(6):
        in_another_chain(unit, number).seq = 5
        beyond = unit.publish(unit.record([some_payload()]), prev="f" * 64)
        assert [each.why for each in hub.refusals(hub.take(beyond))] == ["quota"]
    assert hub.ledger.chains(tried) == {}
    assert hub.answer(in_another_chain(unit, 9).press(some_payload())).seq == 1


def test_whoever_only_asks_leaves_nothing_behind(hub: HubHere) -> None:
    unit = hub.unit()
    for number in range(2 * QUOTA.chains):
        assert hub.answer(in_another_chain(unit, number).holding()).seq == 0
    assert list(hub.ledger.firsts(unit.name)) == []
    assert hub.answer(unit.press(some_payload())).seq == 1


def test_pictures_beyond_the_quota_are_not_asked_for_until_it_is_raised(hub: HubHere) -> None:
    limited(hub, Quota(picture_bytes=2 * CHUNK_BYTES))
    unit = hub.unit()
    pictures = [bytes([number]) * 2 * CHUNK_BYTES for number in range(2)]
    hub.take(*(unit.press(some_payload(n), pictures=[each]) for n, each in enumerate(pictures)))
    receipt = hub.answer(*unit.chunks(pictures[0]))
    assert (receipt.seq, receipt.whole, receipt.missing) == (2, 1, ())
    refused = hub.refusal(unit.chunks(pictures[1])[0])
    assert (refused.why, "unit_mb" in refused.words) == ("quota", True)
    assert [facts for event, facts in hub.events if event is Event.QUOTA] == [
        {"unit": unit.name, "setting": "unit_mb"}
    ]  # once, however often it is asked
    assert hub.answer(unit.press(some_payload(3))).seq == 3  # records are taken as ever
    limited(hub, Quota(picture_bytes=4 * CHUNK_BYTES))
    (missing,) = hub.answer(unit.holding()).missing
    assert missing.sha256 == Sealed.of(pictures[1]).sha256
    assert hub.answer(*unit.chunks(pictures[1])).whole == 3


def test_what_is_announced_and_does_not_come_takes_no_room(hub: HubHere) -> None:
    limited(hub, Quota(picture_bytes=PICTURE_BYTES_MAX))
    unit = hub.unit()
    huge = [Sealed(f"{number:064x}", PICTURE_BYTES_MAX) for number in range(16)]
    hub.answer(unit.publish(unit.record(pictures=16), huge))
    picture = b"a true one"
    press = unit.press(some_payload(), pictures=[picture])
    assert hub.answer(press, *unit.chunks(picture)).seq == 2
    assert hub.ledger.held(unit.name) == len(picture)


@pytest.mark.parametrize("again", [False, True])
def test_what_is_held_is_reckoned_the_same_after_a_restart(hub: HubHere, again: bool) -> None:
    unit = hub.unit()
    first, second = bytes(3 * CHUNK_BYTES), b"1" * (CHUNK_BYTES + 5)
    hub.take(unit.press(some_payload(), pictures=[first]), unit.press(some_payload(1), pictures=[second]))
    for chunk in (*unit.chunks(first), *unit.chunks(first), unit.chunks(second)[1], unit.chunks(second)[1]):
        hub.take(chunk)
        if again:
            hub.restart()
    assert hub.ledger.held(unit.name) == len(first) + 5


def test_wrong_chunks_take_no_room_once_they_are_dropped(hub: HubHere) -> None:
    unit = hub.unit()
    picture = bytes(2 * CHUNK_BYTES)
    hub.take(unit.press(some_payload(), pictures=[picture]))
    wrong = [replace(chunk, content=b"x" * len(chunk.content)) for chunk in unit.chunks(picture)]
    hub.take(*wrong)
    assert hub.ledger.held(unit.name) == 0


def test_forks_beyond_those_kept_as_evidence_are_refused_and_alarm_nobody(hub: HubHere) -> None:
    unit = hub.unit()
    hub.take(unit.press(some_payload()))
    for _ in range(2):
        forks = []
        for _ in range(STRAYS_MAX - 20):
            unit.seq, unit.prev = 0, NOTHING
            forks.append(unit.press())
        hub.take(*forks)
    assert len(hub.count().strays) == STRAYS_MAX
    assert hub.told().count(Event.FORK) == STRAYS_MAX


def test_no_chunks_are_taken_while_the_disk_is_low_but_envelopes_are(hub: HubHere) -> None:
    unit, picture = hub.unit(), bytes(2 * CHUNK_BYTES)
    hub.take(unit.press(some_payload(), pictures=[picture]))
    hub.free = hub.quota.free_bytes - 1
    answers = hub.take(unit.chunks(picture)[0])
    assert hub.receipt(answers[:1]).missing == ()
    assert [each.why for each in hub.refusals(answers)] == ["no-room"]
    receipt = hub.answer(unit.press(some_payload(1)))
    assert (receipt.seq, receipt.whole, receipt.missing) == (2, 0, ())
    assert hub.told().count(Event.DISK_LOW) == 1
    hub.free += 1
    assert hub.answer(unit.holding()).missing != ()
    assert hub.answer(*unit.chunks(picture)).whole == 2
    hub.free -= 1
    hub.take(unit.holding())
    assert hub.told().count(Event.DISK_LOW) == 2


def test_the_fullest_disk_counts(hub: HubHere) -> None:
    folders = (hub.folder, hub.folder / "pictures")
    assert 0 < free_bytes(folders)() <= free_bytes(folders[:1])() + 64 * MEGABYTE
