"""The outbox: what is offered, in which order, how much at once, and when again."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from device.outbox import (
    CUSTODY_WINDOW,
    OFFER_MS_MAX,
    OFFER_MS_MIN,
    REFUSED_MS,
    REMEMBERED_MAX,
    SILENT_MS,
    Chunk,
    Outbox,
)
from device.store import Kept, Store
from tests.device.cards import envelopes, keep, keep_many, opened, receipt
from tests.wire.samples import HUB, OTHER_HUB
from wire.envelope import CHUNK_BYTES
from wire.fields import INTEGER_MAX
from wire.receipt import Missing

ROOM = 1_000
HUBS = ("hub-a", "hub-b")
CHAIN = "c" * 32


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path) as made:
        yield made


@pytest.fixture
def outbox(store: Store, seed: int) -> Outbox:
    return Outbox(store, 1, HUBS, Random(seed))


def offer(outbox: Outbox, now: int, room: int = ROOM, chunks: int = ROOM) -> list[Kept | Chunk]:
    """Offers all that is due, as the unit does."""
    due = []
    for what in outbox.due(now, room, chunks):
        outbox.offered(what, now)
        due.append(what)
    return due


def seqs(offers: list[Kept | Chunk]) -> list[int]:
    return [each.seq for each in offers if isinstance(each, Kept)]


def missing_of(store: Store, chain: str, seq: int, *chunks: int) -> Missing:
    picture = envelopes(store.folder.parent)[chain, seq].statement.pictures[0]
    return Missing(chunks or (0,), picture.sha256)


def test_nothing_kept_is_nothing_offered(outbox: Outbox) -> None:
    assert offer(outbox, 0) == []


def test_records_go_before_pictures_and_the_oldest_first(store: Store, outbox: Outbox) -> None:
    chain = keep_many(store, 3)
    outbox.asked("hub-a", CHAIN, (missing_of(store, chain, 1),), 0)
    offers = offer(outbox, 0)
    assert seqs(offers) == [1, 2, 3]
    assert isinstance(offers[3], Chunk)
    assert len(offers) == 4


def test_no_more_is_offered_than_there_is_room_for(store: Store, outbox: Outbox) -> None:
    chain = keep_many(store, 3)
    outbox.asked("hub-a", CHAIN, tuple(missing_of(store, chain, seq) for seq in (1, 2, 3)), 0)
    assert seqs(offer(outbox, 0, room=2)) == [1, 2]
    offers = offer(outbox, 0, room=3, chunks=1)
    assert (len(offers), seqs(offers)) == (2, [3])
    assert len(offer(outbox, 0, room=1)) == 1
    assert offer(outbox, 0, room=0) == []


def test_what_was_offered_is_not_offered_again_at_once(store: Store, outbox: Outbox) -> None:
    keep_many(store, 2)
    offer(outbox, 0)
    assert offer(outbox, OFFER_MS_MIN - 1) == []
    assert seqs(offer(outbox, 2 * OFFER_MS_MIN)) == [1, 2]


def test_pauses_grow_up_to_the_longest_and_are_spread(store: Store, outbox: Outbox) -> None:
    keep(store)
    pauses, now, last = [], 0, 0
    for _ in range(12):
        while not offer(outbox, now):
            now += 1_000
        pauses.append(now - last)
        last = now
    for times, pause in enumerate(pauses[1:]):
        low = min(OFFER_MS_MAX, OFFER_MS_MIN << times)
        assert low <= pause <= 2 * low + 1_000
    assert len({pause % OFFER_MS_MIN for pause in pauses[1:]}) > 1


def test_units_cut_off_together_do_not_come_back_together(store: Store) -> None:
    keep(store)
    again = set()
    for unit in range(40):
        outbox, now = Outbox(store, 1, HUBS, Random(unit)), OFFER_MS_MIN
        offer(outbox, 0)
        while not offer(outbox, now):
            now += 100
        again.add(now)
    assert len(again) > 30


def test_a_receipted_record_is_offered_no_more(store: Store, outbox: Outbox) -> None:
    chain = keep_many(store, 2)
    store.settle(receipt(chain, 1, envelopes(store.folder.parent)[chain, 1].hash, whole=1))
    assert seqs(offer(outbox, 0)) == [2]


def test_the_window_bounds_what_is_on_its_way_and_moves_with_the_receipts(store: Store, outbox: Outbox) -> None:
    chain = keep_many(store, CUSTODY_WINDOW + 5)
    assert seqs(offer(outbox, 0)) == list(range(1, CUSTODY_WINDOW + 1))
    assert offer(outbox, 1) == []
    store.settle(receipt(chain, 2, envelopes(store.folder.parent)[chain, 2].hash, whole=2))
    assert seqs(offer(outbox, 2)) == [CUSTODY_WINDOW + 1, CUSTODY_WINDOW + 2]


def test_a_refused_record_lets_the_others_go_first_and_comes_again(store: Store, outbox: Outbox) -> None:
    keep_many(store, CUSTODY_WINDOW + 5)
    outbox.heard("hub-a", 0)
    for kept in list(store.waiting(1))[:CUSTODY_WINDOW]:
        outbox.refused("hub-a", kept, 0)
    assert seqs(offer(outbox, 0)) == list(range(CUSTODY_WINDOW + 1, CUSTODY_WINDOW + 6))
    assert set(range(1, CUSTODY_WINDOW + 1)) <= set(seqs(offer(outbox, REFUSED_MS)))


def test_a_new_connection_forgets_what_was_on_its_way(store: Store, outbox: Outbox) -> None:
    chain = keep_many(store, 1)
    outbox.asked("hub-a", CHAIN, (missing_of(store, chain, 1),), 0)
    offer(outbox, 0)
    outbox.connected(1)
    assert [type(each) for each in offer(outbox, 1)] == [Kept]


def test_a_hub_heard_again_after_a_silence_is_offered_everything_at_once(store: Store, outbox: Outbox) -> None:
    keep_many(store, 2)
    outbox.connected(0)
    offer(outbox, 0)
    outbox.asked("hub-a", CHAIN, (), 1_000)
    assert offer(outbox, 1_000) == [], "it was not silent"
    for now in range(OFFER_MS_MIN, SILENT_MS, 1_000):
        offer(outbox, now)
    outbox.asked("hub-a", CHAIN, (), 1_000 + SILENT_MS)
    assert seqs(offer(outbox, 1_000 + SILENT_MS)) == [1, 2]


def test_a_hub_heard_again_does_not_get_what_it_refused(store: Store, outbox: Outbox) -> None:
    keep(store)
    outbox.refused("hub-a", next(store.waiting(1)), 0)
    outbox.asked("hub-a", CHAIN, (), SILENT_MS)
    assert offer(outbox, SILENT_MS) == []


def test_chunks_asked_for_are_cut_where_the_hub_expects_them(store: Store, outbox: Outbox) -> None:
    place = keep(store, content=bytes(2 * CHUNK_BYTES))
    (path,) = store.folder.glob("*.picture")
    store.settle(receipt(place.chain, 1, store.place().prev))
    outbox.asked("hub-a", CHAIN, (Missing((0, 2), path.stem),), 0)
    content = path.read_bytes()
    assert offer(outbox, 0) == [
        Chunk(path.stem, 0, content[:CHUNK_BYTES]),
        Chunk(path.stem, 2, content[2 * CHUNK_BYTES :]),
    ]


@pytest.mark.parametrize("number", [7, 99_999, INTEGER_MAX])
def test_chunks_that_do_not_exist_are_not_offered(store: Store, outbox: Outbox, number: int) -> None:
    chain = keep_many(store, 1)
    store.settle(receipt(chain, 1, store.place().prev))
    outbox.asked("hub-a", CHAIN, (missing_of(store, chain, 1, number), Missing((0,), "ab" * 32)), 0)
    assert offer(outbox, 0) == []


def test_a_picture_that_the_card_cannot_read_is_not_asked_of_it_again_for_minutes(store: Store, outbox: Outbox) -> None:
    chain = keep_many(store, 2)
    missing = missing_of(store, chain, 1), missing_of(store, chain, 2)
    file = store.folder / f"{missing[0].sha256}.picture"
    file.rename(file.with_suffix(".elsewhere"))
    outbox.asked("hub-a", CHAIN, missing, 0)
    assert [each.sha256 for each in offer(outbox, 0) if isinstance(each, Chunk)] == [missing[1].sha256]
    file.with_suffix(".elsewhere").rename(file)
    assert missing[0].sha256 not in [each.sha256 for each in offer(outbox, REFUSED_MS - 1) if isinstance(each, Chunk)]
    assert missing[0].sha256 in [each.sha256 for each in offer(outbox, REFUSED_MS) if isinstance(each, Chunk)]


def test_what_is_asked_for_of_one_chain_does_not_hide_what_is_asked_for_of_another(
    store: Store, outbox: Outbox
) -> None:
    first = keep_many(store, 1)
    end = store.place().prev
    store.settle(receipt(first, 9, "f" * 64))  # a hub has another end of it: a new chain begins
    second = keep_many(store, 1)
    for chain, hash_ in ((first, end), (second, store.place().prev)):
        store.settle(receipt(chain, 1, hash_))
    asked = [missing_of(store, first, 1), missing_of(store, second, 1)]
    outbox.asked("hub-a", first, (asked[0],), 0)
    outbox.asked("hub-a", second, (asked[1],), 0)
    assert {each.sha256 for each in offer(outbox, 0) if isinstance(each, Chunk)} == {each.sha256 for each in asked}
    outbox.asked("hub-a", first, (), OFFER_MS_MAX)
    offers = offer(outbox, OFFER_MS_MAX)
    assert [each.sha256 for each in offers if isinstance(each, Chunk)] == [asked[1].sha256]


def test_a_chunk_that_two_hubs_ask_for_is_sent_once(store: Store, outbox: Outbox) -> None:
    chain = keep_many(store, 1)
    for signer in (HUB, OTHER_HUB):
        store.settle(receipt(chain, 1, store.place().prev, hub=signer))
    for hub in HUBS:
        outbox.asked(hub, CHAIN, (missing_of(store, chain, 1),), 0)
    assert len(offer(outbox, 0)) == 1


def test_a_hub_that_asks_for_pictures_without_end_fills_no_memory(store: Store, outbox: Outbox) -> None:
    chain = keep_many(store, 1)
    own = missing_of(store, chain, 1)
    for number in range(3 * REMEMBERED_MAX):
        outbox.asked("hub-a", CHAIN, (Missing((0,), f"{number:064x}"),), 0)
        offer(outbox, 0)
    assert len(outbox._put_off) <= REMEMBERED_MAX
    outbox.asked("hub-a", CHAIN, (own,), 0)
    assert [each.sha256 for each in offer(outbox, 0) if isinstance(each, Chunk)] == [own.sha256]


def test_a_hub_that_asks_for_what_a_picture_has_not_keeps_no_other_hub_from_it(store: Store, outbox: Outbox) -> None:
    chain = keep_many(store, 1)
    for now in (0, REFUSED_MS):
        outbox.asked("hub-a", chain, (missing_of(store, chain, 1, 99),), now)
        outbox.asked("hub-b", chain, (missing_of(store, chain, 1, 0),), now)
        assert [each.number for each in offer(outbox, now) if isinstance(each, Chunk)] == [0]


def test_hubs_have_their_pictures_in_turn_however_many_one_of_them_asks_for(store: Store, outbox: Outbox) -> None:
    for number in (1, 2):
        keep(store, number, content=bytes(3 * CHUNK_BYTES))
    chain = store.place().chain
    asked = [Missing((0, 1, 2), pictures[0]) for _, pictures in store.unsettled(1)]
    outbox.asked("hub-a", chain, (asked[0],), 0)
    outbox.asked("hub-b", chain, (asked[1],), 0)
    sent = [each.sha256 for _ in range(4) for each in offer(outbox, 0, chunks=1) if isinstance(each, Chunk)]
    assert sent == [each.sha256 for each in (*asked, *asked)]
