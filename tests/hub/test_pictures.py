"""The pictures: chunks in any order, any number of times, until the whole is there and right."""

import logging
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from hub.log import Event
from hub.pictures import MARK, Pictures
from tests.hub.conftest import HubHere
from tests.hub.some_unit import Publication, SomeUnit, some_payload
from wire.envelope import CHUNK_BYTES, PICTURE_BYTES_MAX, Sealed
from wire.errors import OurFault
from wire.fields import NOTHING
from wire.receipt import CHUNKS_MAX, MISSING_MAX, Extra, Missing
from wire.topics import Leaf

PICTURE = random.Random(1).randbytes(3 * CHUNK_BYTES + 17)
NAME = Sealed.of(PICTURE)

FALSE_CHAIN = "d" * 32


def whole_pictures(hub: HubHere) -> list[str]:
    return sorted(path.name for path in (hub.folder / "pictures").iterdir() if path.name != MARK)


def claimed(hub: HubHere, sizes: Sequence[int], sha256: str = NAME.sha256, name: str = "unit-1") -> SomeUnit:
    """A unit whose key somebody has stolen and said in a chain beside its own that a picture has these sizes."""
    unit = hub.unit(name)
    true, unit.chain = unit.chain, FALSE_CHAIN
    hub.take(*(unit.publish(unit.record(pictures=1), pictures=(Sealed(sha256, size),)) for size in sizes))
    unit.chain, unit.seq, unit.prev = true, 0, NOTHING
    return unit


def asked_of(hub: HubHere, unit: SomeUnit) -> tuple[int, ...]:
    """Which chunks of its one picture a unit is asked for."""
    hub.clock += 1
    return tuple(number for each in hub.answer(unit.holding()).missing for number in each.chunks)


def test_a_receipt_names_the_chunks_that_lack_until_none_does(hub: HubHere) -> None:
    unit = hub.unit()
    receipt = hub.answer(unit.press(some_payload(), pictures=[PICTURE]))
    assert (receipt.seq, receipt.whole, receipt.missing) == (1, 0, (Missing((0, 1, 2, 3), NAME.sha256),))
    first, second, third, last = unit.chunks(PICTURE)
    assert hub.answer(last, second).missing == (Missing((0, 2), NAME.sha256),)
    hub.restart()
    assert hub.answer(first).missing == (Missing((2,), NAME.sha256),)
    assert whole_pictures(hub) == []
    receipt = hub.answer(third)
    assert (receipt.whole, receipt.missing) == (1, ())
    assert (hub.folder / "pictures" / NAME.sha256).read_bytes() == PICTURE


def test_an_envelope_and_its_chunks_may_come_together(hub: HubHere) -> None:
    unit = hub.unit()
    assert hub.answer(unit.press(some_payload(), pictures=[PICTURE]), *unit.chunks(PICTURE)).whole == 1


def test_an_envelope_beyond_a_gap_is_whole_with_its_pictures_and_no_more_when_they_are_lost(hub: HubHere) -> None:
    unit = hub.unit()
    unit.press(some_payload())  # this one never comes
    beyond = unit.press(some_payload(), pictures=[PICTURE])
    assert hub.answer(beyond).extras == (Extra(beyond.hash, 2, whole=False),)
    first, *others = unit.chunks(PICTURE)
    assert hub.answer(*others).extras == (Extra(beyond.hash, 2, whole=False),)
    receipt = hub.answer(first)
    assert (receipt.seq, receipt.whole, receipt.extras) == (0, 0, (Extra(beyond.hash, 2, whole=True),))
    hub.restart()
    assert hub.answer(unit.holding()).extras == (Extra(beyond.hash, 2, whole=True),)
    (hub.folder / "pictures" / NAME.sha256).unlink()
    hub.restart()
    assert hub.answer(unit.holding()).extras == (Extra(beyond.hash, 2, whole=False),)


def test_a_copy_of_a_chunk_changes_nothing(hub: HubHere) -> None:
    unit = hub.unit()
    first, *others = unit.chunks(PICTURE)
    hub.take(unit.press(some_payload(), pictures=[PICTURE]))
    answered = hub.take(first)
    hub.clock += 100
    assert hub.take(first, first) == answered
    answered = hub.take(*others)
    assert hub.take(*others, first) == answered
    assert whole_pictures(hub) == [NAME.sha256]


def test_a_wrong_picture_is_dropped_and_asked_for_again(hub: HubHere) -> None:
    unit = hub.unit()
    first, *others = unit.chunks(PICTURE)
    hub.take(unit.press(some_payload(), pictures=[PICTURE]))
    receipt = hub.answer(Publication(first.topic, bytes(CHUNK_BYTES)), *others)
    assert (receipt.whole, receipt.missing) == (0, (Missing((0, 1, 2, 3), NAME.sha256),))
    assert Event.PICTURE_WRONG in hub.told()
    assert whole_pictures(hub) == []
    assert hub.answer(first, *others).whole == 1


def test_a_chunk_of_a_picture_that_no_envelope_names_is_refused(hub: HubHere) -> None:
    one, two = hub.unit("unit-1"), hub.unit("unit-2")
    hub.take(one.press(some_payload(), pictures=[PICTURE]))
    assert hub.refusal(two.chunks(PICTURE)[0]).why == "unknown-picture"


@pytest.mark.parametrize(
    ("number", "size"), [(0, 0), (0, CHUNK_BYTES - 1), (0, CHUNK_BYTES + 1), (3, 16), (4, 1), (99999, 0)]
)
def test_a_chunk_that_is_not_as_long_as_its_number_says_is_refused(hub: HubHere, number: int, size: int) -> None:
    unit = hub.unit()
    hub.take(unit.press(some_payload(), pictures=[PICTURE]))
    wrong = Publication(unit.topic(Leaf.CHUNK, NAME.sha256, number), bytes(size))
    assert hub.refusal(wrong).why == "malformed"


def test_receipts_name_the_oldest_pictures_first_and_not_too_much_of_them(hub: HubHere) -> None:
    unit = hub.unit()
    large = bytes((CHUNKS_MAX + 5) * CHUNK_BYTES)
    pictures = [large, *(b"picture %d" % number for number in range(MISSING_MAX + 5))]
    missing = hub.answer(*(unit.press(some_payload(n), pictures=[each]) for n, each in enumerate(pictures))).missing
    assert missing[0].chunks == tuple(range(CHUNKS_MAX))
    assert [each.sha256 for each in missing] == [Sealed.of(picture).sha256 for picture in pictures[:MISSING_MAX]]


@pytest.mark.parametrize("at", ["start", "end", "both"])
def test_pictures_lost_from_a_card_keep_no_other_waiting(hub: HubHere, at: str) -> None:
    unit = hub.unit()
    pictures = [b"picture %d" % number for number in range(4 * MISSING_MAX)]
    ends = {"start": (2 * MISSING_MAX, 0), "end": (0, 2 * MISSING_MAX), "both": (MISSING_MAX, MISSING_MAX)}[at]
    there = {Sealed.of(each).sha256: each for each in pictures[ends[0] : len(pictures) - ends[1]]}
    hub.answer(*(unit.press(some_payload(n), pictures=[each]) for n, each in enumerate(pictures)))
    hub.restart()
    for _ in range(24):
        asked = [each.sha256 for each in hub.answer(unit.holding()).missing]
        # Where there is room for all that lack, all are named: so a unit sees what is whole behind one that is lost.
        lacking = {Sealed.of(each).sha256 for each in pictures} - set(whole_pictures(hub))
        assert len(asked) == MISSING_MAX or set(asked) == lacking
        hub.take(*(chunk for sha256 in asked if sha256 in there for chunk in unit.chunks(there[sha256])))
    assert set(whole_pictures(hub)) == there.keys()


def test_the_folder_of_pictures_is_made_but_not_the_one_that_it_is_in(tmp_path: Path) -> None:
    with pytest.raises(OurFault, match="no/pictures"):
        Pictures(tmp_path / "no" / "pictures")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(OurFault, match="file"):
        Pictures(tmp_path / "file")
    Pictures(tmp_path / "pictures")


def test_whole_stops_at_the_first_picture_that_lacks(hub: HubHere) -> None:
    unit = hub.unit()
    presses = [unit.press(some_payload(n), pictures=[b"%d" % n]) for n in range(3)]
    assert hub.answer(*presses, *unit.chunks(b"0"), *unit.chunks(b"2")).whole == 1
    assert hub.answer(*unit.chunks(b"1")).whole == 3


def test_one_picture_in_several_envelopes_is_sent_once(hub: HubHere) -> None:
    unit = hub.unit()
    hub.take(unit.press(some_payload(1), pictures=[PICTURE, PICTURE]), unit.press(some_payload(2), pictures=[PICTURE]))
    assert hub.answer(*unit.chunks(PICTURE)).whole == 2
    assert hub.answer(unit.press(some_payload(3), pictures=[PICTURE])).whole == 3


def test_sixteen_that_lack_are_never_told_as_fewer_though_they_are_one(hub: HubHere) -> None:
    unit = hub.unit()
    hub.take(*(unit.press(some_payload(n), pictures=[PICTURE]) for n in range(MISSING_MAX)))
    missing = hub.answer(unit.press(some_payload(99), pictures=[b"another"])).missing
    assert (len(missing), {each.sha256 for each in missing}) == (MISSING_MAX, {NAME.sha256})


def test_a_false_size_does_not_spoil_the_true_picture(hub: HubHere) -> None:
    unit = hub.unit()
    hub.take(unit.publish(unit.record(pictures=1), pictures=(Sealed(NAME.sha256, 5),)))
    receipt = hub.answer(unit.press(some_payload(), pictures=[PICTURE]), *unit.chunks(PICTURE))
    assert [each.sha256 for each in receipt.missing] == [NAME.sha256]
    assert (hub.folder / "pictures" / NAME.sha256).read_bytes() == PICTURE


@pytest.mark.parametrize("size", [NAME.size - CHUNK_BYTES, NAME.size - 1, NAME.size + CHUNK_BYTES])
def test_a_false_size_that_is_claimed_later_takes_no_chunk_from_the_true_picture(hub: HubHere, size: int) -> None:
    unit = hub.unit()
    hub.take(unit.press(some_payload(), pictures=[PICTURE]))
    hub.take(unit.publish(unit.record(pictures=1), pictures=(Sealed(NAME.sha256, size),)))
    assert hub.answer(*unit.chunks(PICTURE)).whole == 1


SIZES_CLAIMED_FIRST = {
    "longer in its last chunk": [NAME.size + 1],
    "a chunk longer": [NAME.size + CHUNK_BYTES],
    "full chunks, and no more": [CHUNK_BYTES, 2 * CHUNK_BYTES, 3 * CHUNK_BYTES],
    "forty of all lengths": [NAME.size + CHUNK_BYTES * (n // 8) + n for n in range(1, 41)],
    "the longest that can be": [PICTURE_BYTES_MAX],
}


@pytest.mark.parametrize("sizes", SIZES_CLAIMED_FIRST.values(), ids=SIZES_CLAIMED_FIRST.keys())
@pytest.mark.parametrize("together", [True, False])
def test_false_sizes_that_are_claimed_first_keep_no_true_picture_out(
    hub: HubHere, sizes: list[int], *, together: bool
) -> None:
    """Whoever stole the key has seen the true name at another hub, and claims it here, in a chain of its own."""
    unit = claimed(hub, sizes)
    hub.take(unit.press(some_payload(), pictures=[PICTURE]))
    chunks = unit.chunks(PICTURE)
    if not together:
        for chunk in chunks[:-1]:
            hub.take(chunk)
    answers = hub.take(*(chunks if together else chunks[-1:]))
    assert (hub.folder / "pictures" / NAME.sha256).read_bytes() == PICTURE
    receipts = {each.chain: each for each in (hub.receipt([answer]) for answer in answers)}
    assert (receipts[unit.chain].whole, receipts[unit.chain].missing) == (1, ())
    assert receipts[FALSE_CHAIN].seq == len(sizes), "the false claims stay as evidence"
    assert hub.ledger.held(unit.name) == NAME.size


def test_a_true_picture_of_full_chunks_only_comes_through_among_longer_and_shorter_claims(hub: HubHere) -> None:
    picture = random.Random(2).randbytes(4 * CHUNK_BYTES)
    unit = claimed(hub, [CHUNK_BYTES, 3 * CHUNK_BYTES, 9 * CHUNK_BYTES], Sealed.of(picture).sha256)
    hub.take(unit.press(some_payload(), pictures=[picture]))
    asked: tuple[int, ...] = (0, 1, 2, 3)
    sent: tuple[int, ...] = ()
    for _ in range(2):
        sent += asked
        hub.take(*(unit.chunks(picture)[number] for number in asked))
        asked = asked_of(hub, unit)
    assert sent == (0, 1, 2, 3, 0), "what a false claim was tried with is asked for again, and no more"
    assert whole_pictures(hub) == [Sealed.of(picture).sha256]


def test_a_picture_that_is_named_after_all_its_chunks_came_is_asked_for_and_found_whole(hub: HubHere) -> None:
    picture = random.Random(3).randbytes(2 * CHUNK_BYTES)
    unit = claimed(hub, [9 * CHUNK_BYTES], Sealed.of(picture).sha256)
    hub.take(*unit.chunks(picture))
    hub.take(unit.press(some_payload(), pictures=[picture]))
    hub.take(*(unit.chunks(picture)[number] for number in asked_of(hub, unit)))
    assert whole_pictures(hub) == [Sealed.of(picture).sha256]


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("sizes", [[NAME.size + CHUNK_BYTES], [CHUNK_BYTES, 9 * CHUNK_BYTES]])
def test_a_wrong_chunk_among_false_claims_costs_one_more_sending(hub: HubHere, sizes: list[int], number: int) -> None:
    unit = claimed(hub, sizes)
    hub.take(unit.press(some_payload(), pictures=[PICTURE]))
    chunks = unit.chunks(PICTURE)
    hub.take(Publication(chunks[number].topic, bytes(len(chunks[number].content))))
    for _ in range(2):
        hub.take(*chunks)
    assert (hub.folder / "pictures" / NAME.sha256).read_bytes() == PICTURE


def test_a_false_claim_that_comes_whole_takes_no_chunk_beyond_its_end(hub: HubHere) -> None:
    unit = claimed(hub, [5, CHUNK_BYTES + 5])
    hub.take(unit.press(some_payload(), pictures=[PICTURE]))
    hub.take(*unit.chunks(PICTURE)[:3])
    hub.take(Publication(unit.topic(Leaf.CHUNK, NAME.sha256, 0), bytes(5)))
    assert asked_of(hub, unit) == (3,)
    hub.take(Publication(unit.topic(Leaf.CHUNK, NAME.sha256, 1), bytes(5)))
    assert asked_of(hub, unit) == (0, 3)
    assert hub.told().count(Event.PICTURE_WRONG) == 2


def test_what_false_claims_share_takes_room_once_and_is_not_asked_for_again(hub: HubHere) -> None:
    unit = claimed(hub, [NAME.size + CHUNK_BYTES, NAME.size + 2 * CHUNK_BYTES])
    hub.take(unit.press(some_payload(), pictures=[PICTURE]))
    answers = hub.take(*unit.chunks(PICTURE)[:2])
    assert hub.ledger.held(unit.name) == 2 * CHUNK_BYTES
    asked = {each.chunks for answer in answers for each in hub.receipt([answer]).missing}
    assert asked == {(2, 3), (2, 3, 4), (2, 3, 4, 5)}


def test_a_chunk_costs_no_more_queries_however_many_claims_it_fits(
    hub: HubHere, caplog: pytest.LogCaptureFixture
) -> None:
    costs = []
    for claims in (MISSING_MAX, 10 * MISSING_MAX):  # what a receipt asks for, a query each, is no more than that
        unit = claimed(hub, [NAME.size + CHUNK_BYTES + n for n in range(claims)], name=f"unit-{claims}")
        hub.take(unit.press(some_payload(), pictures=[PICTURE]))
        caplog.clear()
        with caplog.at_level(logging.DEBUG, "peewee"):
            hub.take(*unit.chunks(PICTURE)[:3])
        costs.append(len(caplog.records))
    assert 3 < costs[0] == costs[1]


def test_what_a_killed_hub_left_half_written_goes_at_start(tmp_path: Path) -> None:
    (tmp_path / "x.part").write_bytes(b"half")
    Pictures(tmp_path)
    assert list(tmp_path.iterdir()) == []
