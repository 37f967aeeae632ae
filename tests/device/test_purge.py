"""The purge: only what enough hubs of today hold whole goes, the oldest first, whole, and never the end of a chain."""

import itertools
import random
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from enum import Enum
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.log import Event
from device.room import PATIENCE_MS
from device.store import ROOM_BYTES_MIN, CardError, Store
from tests.device.cards import PHOTOGRAPH, envelopes, keep, keep_many, offered, opened, receipt, room_on
from tests.wire.samples import HUB, OTHER_HUB, STRANGER, signing_key
from wire import note
from wire.fields import NOTHING
from wire.note import KeySigner
from wire.receipt import EXTRAS_MAX, MISSING_MAX, Extra, Missing, Receipt

HUBS = (HUB, OTHER_HUB)
ALL = 1 << 40

Step = str | tuple[int, int, int, int]
"""What happens to a card; a tuple is a receipt: of which hub, its `seq`, `whole` and `at`."""


def hash_of(folder: Path, chain: str, seq: int, photograph: bytes = PHOTOGRAPH) -> str:
    return envelopes(folder, photograph)[chain, seq].hash if seq else NOTHING


def hold(
    store: Store,
    folder: Path,
    chain: str,
    seq: int,
    hubs: Sequence[KeySigner] = HUBS,
    at: int = 1,
    photograph: bytes = PHOTOGRAPH,
) -> None:
    """Hubs say that they hold the chain whole, up to there."""
    hash_ = hash_of(folder, chain, seq, photograph)
    for hub in hubs:
        assert store.settle(receipt(chain, seq, hash_, hub=hub, whole=seq, at=at))


def seqs(folder: Path) -> list[int]:
    """What is left on the card, whole."""
    return sorted(seq for _, seq in envelopes(folder))


def test_what_two_hubs_hold_whole_goes_whole_and_all_else_stays(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        chain = keep_many(store, 5)
        hold(store, tmp_path, chain, 3)
        before = sum(path.stat().st_size for path in (tmp_path / "kept").iterdir())
        freed = store.purge(ALL)
        assert freed == before - sum(path.stat().st_size for path in (tmp_path / "kept").iterdir()) > 0
        assert (seqs(tmp_path), len(list((tmp_path / "kept").iterdir()))) == ([4, 5], 4)
        assert (store.count(), offered(store, 2)) == (2, {(chain, 4), (chain, 5)})
        assert store.purge(ALL) == 0
    with opened(tmp_path) as store:
        assert (store.place().seq, store.place().chain, store.count()) == (6, chain, 2)


def test_nothing_of_what_has_gone_and_no_older_receipt_is_left_in_the_index(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        chain = keep_many(store, 40)
        hashes = [hash_of(tmp_path, chain, seq) for seq in range(1, 41)]
        for at, hash_ in enumerate(hashes, 1):
            for hub in HUBS:
                assert store.settle(receipt(chain, at, hash_, hub=hub, whole=at, at=1_700_000_000 + at))
        assert store.purge(ALL) > 0
    index = (tmp_path / "index.db").read_bytes()
    assert [hash_ for hash_ in hashes if hash_.encode() in index] == hashes[-2:], "the last one names the one before it"
    assert [at for at in range(1, 41) if b'"at":%d' % (1_700_000_000 + at) in index] == [40]


def test_the_oldest_go_first_and_no_more_than_is_asked_for(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        chain = keep_many(store, 6)
        hold(store, tmp_path, chain, 5)
        one = store.purge(1)
        assert (seqs(tmp_path), one > 0) == ([2, 3, 4, 5, 6], True)
        assert store.purge(0) == 0
        assert one < store.purge(one + 1) <= 2 * one + 100, "two records, for one is not enough"
        assert seqs(tmp_path) == [4, 5, 6]


@pytest.mark.parametrize("bad", [1, 2, 5])
def test_an_envelope_that_cannot_be_removed_keeps_its_own_record_only(tmp_path: Path, bad: int) -> None:
    told: list[str] = []
    with opened(tmp_path, log=lambda _event, **facts: told.append(str(facts))) as store:
        chain = keep_many(store, 9)
        hold(store, tmp_path, chain, 8)
        paths = [tmp_path / "kept" / f"{chain}-{seq}.envelope" for seq in range(1, bad + 1)]
        for path in paths:
            path.unlink()
            path.mkdir()  # what cannot be removed as a file, as on a card with a bad block
        assert all(store.purge(1) for _ in range(8 - bad))
        left = [*paths, tmp_path / "kept" / f"{chain}-9.envelope"]
        for _ in range(3):
            with pytest.raises(CardError, match=f"{bad} records that may go cannot be removed"):
                store.purge(ALL)
            assert not store.is_sure
            assert sorted((tmp_path / "kept").glob("*.envelope")) == left
        assert [each for each in told if "what hubs hold cannot be removed: change the card" in each] == told
        assert len(told) == bad
        for path in paths:
            path.rmdir()
        assert (store.purge(ALL), len(list((tmp_path / "kept").iterdir()))) == (0, 2)


def test_that_a_file_cannot_be_removed_is_told_anew_of_an_index_built_again(tmp_path: Path) -> None:
    told: list[str] = []

    def tell(event: Enum, **facts: str) -> None:
        if event is Event.CARD_BAD:
            told.append(str(facts))

    with opened(tmp_path, log=tell) as store:
        chain = keep_many(store, 9)
        hold(store, tmp_path, chain, 8)
        bad = [tmp_path / "kept" / f"{chain}-{seq}.envelope" for seq in (1, 2)]
        bad[0].unlink()
        bad[0].mkdir()
        assert store.purge(1) > 0
        bad[0].rmdir()
        for path in tmp_path.glob("index.db*"):
            path.write_bytes(b"x" * 9000)
        store._database.close()
        hold(store, tmp_path, chain, 8)
        bad[1] = tmp_path / "kept" / f"{chain}-3.envelope"
        bad[1].unlink()
        bad[1].mkdir()
        assert store.purge(ALL) > 0
    assert len(told) == 2


def test_an_extra_of_one_hub_is_no_other_hubs(tmp_path: Path) -> None:
    with opened(tmp_path, hubs=ALL_THREE) as store:
        chain = keep_many(store, 4)
        hashes = {seq: hash_of(tmp_path, chain, seq) for seq in (1, 3)}
        for hub, whole in zip(ALL_THREE, (True, False, False), strict=True):
            extras = (Extra(hashes[3], 3, whole),)
            assert store.settle(receipt(chain, 1, hashes[1], hub=hub, extras=extras))
        assert store.purge(ALL) == 0
        assert store.settle(receipt(chain, 1, hashes[1], hub=ALL_THREE[1], extras=(Extra(hashes[3], 3, True),), at=2))
        assert store.purge(ALL) > 0
        assert seqs(tmp_path) == [1, 2, 4]


def test_a_file_that_does_not_tell_its_size_is_purged_as_any(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        hold(store, tmp_path, chain := keep_many(store, 3), 2)
        path = tmp_path / "kept" / f"{chain}-1.envelope"
        path.unlink()
        path.symlink_to(path.name)
        assert store.purge(ALL) > 0
        assert seqs(tmp_path) == [3]


def test_the_last_envelope_of_a_chain_stays_and_the_chain_goes_on(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        first = keep_many(store, 2)
        hold(store, tmp_path, first, 2)
        store.settle(receipt(first, 9, "f" * 64))  # a hub has another end of it: a new chain begins
        second = keep_many(store, 2)
        hold(store, tmp_path, second, 2)
        place = store.place()
        assert store.purge(ALL) > 0
        assert envelopes(tmp_path).keys() == {(first, 2), (second, 2)}
        assert store.place() == place
    with opened(tmp_path) as store:
        assert store.place() == place
        assert keep(store, 3).seq == 3


@pytest.mark.parametrize(
    ("hubs", "of_settings"),
    [
        ((HUB,), (HUB, OTHER_HUB)),
        ((HUB, HUB), (HUB, OTHER_HUB)),
        ((HUB, OTHER_HUB), (HUB,)),
        ((HUB, OTHER_HUB), (STRANGER, OTHER_HUB)),
    ],
    ids=["one hub", "one hub twice", "one that the settings lost", "one whose key the settings changed"],
)
def test_what_fewer_than_two_hubs_of_today_hold_stays(
    tmp_path: Path, hubs: tuple[KeySigner, ...], of_settings: tuple[KeySigner, ...]
) -> None:
    with opened(tmp_path) as store:
        chain = keep_many(store, 3)
        for at, hub in enumerate(hubs):
            hold(store, tmp_path, chain, 3, (hub,), at)
    with opened(tmp_path, hubs=of_settings) as store:
        assert store.purge(ALL) == 0
        assert (seqs(tmp_path), len(offered(store, 2))) == ([1, 2, 3], 3)


def test_a_hub_that_the_settings_have_again_counts_again(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        hold(store, tmp_path, keep_many(store, 3), 3)
    with opened(tmp_path, hubs=(HUB,)) as store:
        assert store.waiting_count(1) == 0
        assert store.waiting_count(2) == 3
    with opened(tmp_path) as store:
        assert store.waiting_count(2) == 0


def test_a_receipt_of_a_hub_that_does_not_count_is_not_filed(tmp_path: Path) -> None:
    with opened(tmp_path, hubs=(HUB,)) as store:
        chain = keep(store).chain
        assert not store.settle(receipt(chain, 1, hash_of(tmp_path, chain, 1), hub=OTHER_HUB))
        assert (len(offered(store)), store.last_receipt()) == (1, NOTHING)


def test_what_a_hub_holds_without_its_picture_stays(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        chain = keep_many(store, 3)
        hold(store, tmp_path, chain, 3, (HUB,))
        store.settle(receipt(chain, 3, hash_of(tmp_path, chain, 3), hub=OTHER_HUB, whole=1))
        assert store.purge(ALL) > 0
        assert seqs(tmp_path) == [2, 3]


def test_where_three_receipts_are_asked_for_two_are_not_enough(tmp_path: Path) -> None:
    with opened(tmp_path, receipts=3) as store:
        hold(store, tmp_path, keep_many(store, 3), 3)
        assert store.purge(ALL) == 0


def purged(folder: Path) -> tuple[str, dict[int, str]]:
    """A card on which three of five records were purged: its chain, and the hashes of all."""
    with opened(folder) as store:
        chain = keep_many(store, 5)
        hashes = {seq: hash_of(folder, chain, seq) for seq in range(6)}
        hold(store, folder, chain, 3)
        store.purge(ALL)
    return chain, hashes


@pytest.mark.parametrize("is_built_again", [False, True])
def test_a_receipt_for_what_was_purged_is_believed_and_settles_nothing_else(
    tmp_path: Path, is_built_again: bool
) -> None:
    chain, hashes = purged(tmp_path)
    if is_built_again:
        (tmp_path / "index.db").unlink()
    with opened(tmp_path) as store:
        assert (store.place().chain == chain) is not is_built_again
        for seq in (0, 1, 2, 3):
            assert store.settle(receipt(chain, seq, hashes[seq], whole=seq, at=10 + seq))
            assert {(chain, 4), (chain, 5)} == offered(store)
        assert store.place().chain != chain
        assert store.settle(receipt(chain, 4, hashes[4], whole=4, at=20))
        assert {(chain, 5)} == offered(store)


def test_another_hash_for_the_last_one_purged_is_a_fork_and_a_new_chain_begins(tmp_path: Path) -> None:
    chain, _ = purged(tmp_path)
    with opened(tmp_path) as store:
        assert not store.settle(receipt(chain, 3, "f" * 64, at=10))
        assert store.place().chain != chain
        assert {(chain, 4), (chain, 5)} == offered(store, 2)


def test_a_hub_restored_from_before_the_purge_is_offered_what_the_card_still_has(tmp_path: Path) -> None:
    told: list[tuple[object, dict[str, object]]] = []
    with opened(tmp_path, log=lambda event, **facts: told.append((event, facts))) as store:
        chain = keep_many(store, 5)
        hold(store, tmp_path, chain, 4)
        hashes = {seq: hash_of(tmp_path, chain, seq) for seq in range(6)}
        store.purge(1)
        assert store.settle(receipt(chain, 0, NOTHING, at=2))
        assert offered(store, 2) == {(chain, seq) for seq in (2, 3, 4, 5)}
        assert store.settle(receipt(chain, 1, hashes[1], whole=1, at=3))
        assert store.purge(ALL) == 0, "one hub has lost what is left"
        assert store.settle(receipt(chain, 4, hashes[4], whole=4, at=4))
        assert store.purge(ALL) > 0
    new_chain = "hub-a lacks what has gone from this chain: a new chain begins"
    restored = (Event.HUB_RESTORED, {"hub": "hub-a", "seq": 0, "before": 4})
    assert told == [restored, (Event.CARD_REPAIRED, {"what": new_chain})]


def test_what_is_kept_after_a_hub_was_restored_from_before_a_purge_can_be_purged(tmp_path: Path) -> None:
    with opened(tmp_path, receipts=2) as store:
        chain = keep_many(store, 12)
        hashes = {seq: each.hash for (_, seq), each in envelopes(tmp_path).items()}
        for hub in (HUB, OTHER_HUB):
            assert store.settle(receipt(chain, 6, hashes[6], hub=hub, whole=6, at=1))
        assert store.purge(ALL)
        extras = tuple(Extra(hashes[seq], seq, whole=False) for seq in range(7, 13))
        assert store.settle(receipt(chain, 3, hashes[3], hub=HUB, whole=3, at=2, extras=extras))
        assert store.settle(receipt(chain, 12, hashes[12], hub=OTHER_HUB, whole=12, at=2))
        assert list(store.waiting(2)) == []
        next_one = keep_many(store, 3)
        assert next_one != chain
        hashes = {seq: each.hash for (its, seq), each in envelopes(tmp_path).items() if its == next_one}
        for hub in (HUB, OTHER_HUB):
            assert store.settle(receipt(next_one, 3, hashes[3], hub=hub, whole=3, at=3))
        assert store.purge(ALL) > 0


def test_a_hub_that_lost_pictures_that_were_purged_does_not_fill_the_card(tmp_path: Path) -> None:
    """It has the envelopes, so it names nothing beyond a gap; and it lacks more pictures than a receipt can name."""
    with opened(tmp_path, receipts=2) as store:
        chain = keep_many(store, 20)
        found = {seq: each for (_, seq), each in envelopes(tmp_path).items()}
        for hub in (HUB, OTHER_HUB):
            assert store.settle(receipt(chain, 18, found[18].hash, hub=hub, whole=18, at=1))
        assert store.purge(ALL)
        lost = [found[seq].statement.pictures[0].sha256 for seq in range(1, MISSING_MAX + 1)]
        missing = tuple(Missing((0,), sha256) for sha256 in lost)
        assert store.settle(receipt(chain, 20, found[20].hash, missing=missing, at=2))
        assert store.place().chain != chain


@pytest.mark.parametrize("full", [False, True], ids=["no room for pictures", "more than it can name"])
def test_a_hub_that_lost_one_picture_that_was_purged_ends_no_chain(tmp_path: Path, full: bool) -> None:
    """What else it lacks it is sent, if not now then later."""
    with opened(tmp_path, receipts=2) as store:
        chain = keep_many(store, 30)
        found = {seq: each for (_, seq), each in envelopes(tmp_path).items()}
        hold(store, tmp_path, chain, 8)
        assert store.purge(ALL)
        lacked = [1, *range(10, 9 + MISSING_MAX)] if full else []
        missing = tuple(Missing((0,), found[seq].statement.pictures[0].sha256) for seq in lacked)
        assert store.settle(receipt(chain, 30, found[30].hash, missing=missing, at=2))
        assert store.place().chain == chain


LATER, HOURS = itertools.count(1), itertools.count(1)

THIRD_HUB = KeySigner("hub-c", signing_key("hub-c"))
ALL_THREE = (*HUBS, THIRD_HUB)


class Three:
    """A card with three hubs, of which two are enough."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder, self.store, self.room = folder, store, room_on(folder, store)

    def says(self, hub: KeySigner, seq: int, lost: Sequence[str] = ()) -> None:
        """A hub says that it holds so much of the present chain, but for some pictures."""
        chain = self.store.place().chain
        held = envelopes(self.folder).get((chain, seq))
        hash_, missing = held.hash if held else NOTHING, tuple(Missing((0,), sha256) for sha256 in lost)
        whole = 0 if lost else seq
        assert self.store.settle(receipt(chain, seq, hash_, hub=hub, missing=missing, whole=whole, at=next(LATER)))

    def keep(self, count: int) -> int:
        """Keeps so many records more, and answers the `seq` of the last."""
        keep_many(self.store, count)
        return self.store.place().seq - 1

    def is_left(self, chain: str) -> bool:
        """Whether the unit leaves the chain when room is short for two hours."""
        for _ in range(3):
            self.room.idle(next(HOURS) * PATIENCE_MS)
        return self.store.place().chain != chain

    def purges(self, *hubs: KeySigner) -> bool:
        """Whether what is kept from now on, and these hubs hold whole, is purged."""
        last = self.keep(3)
        for hub in hubs:
            self.says(hub, last)
        return self.store.purge(ALL) > 0


@contextmanager
def three(folder: Path) -> Iterator[Three]:
    with opened(folder, hubs=ALL_THREE, receipts=2) as store:
        yield Three(folder, store)


def test_a_hub_that_is_behind_the_purge_ends_no_chain_where_two_others_go_on(tmp_path: Path) -> None:
    """The room is always short, and each record is with one hub for a while before it is with the other."""
    chains = set[str]()
    for _ in range(10):
        with three(tmp_path) as here:
            here.says(THIRD_HUB, 0)
            for _ in range(3):
                last = here.keep(3)
                for hub in HUBS:
                    here.room.idle(next(HOURS) * PATIENCE_MS)
                    here.says(hub, last)
                here.says(THIRD_HUB, 0)
            chains.add(here.store.place().chain)
    assert len(chains) == 1


@pytest.mark.parametrize("lost", [0, 1], ids=["whole", "all lack a picture"])
@pytest.mark.parametrize("is_heard", [False, True], ids=["never heard", "died later"])
def test_of_three_hubs_one_dead_and_one_restored_do_not_fill_the_card(
    tmp_path: Path, is_heard: bool, lost: int
) -> None:
    with three(tmp_path) as here:
        chain, last = here.store.place().chain, here.keep(5)
        named = [picture.sha256 for picture in envelopes(tmp_path)[chain, 2].statement.pictures][:lost]
        for hub in (HUB, OTHER_HUB, THIRD_HUB)[: 3 if is_heard else 2]:
            here.says(hub, last, named)
        assert here.store.purge(ALL) > 0
        here.says(OTHER_HUB, 0)
        assert here.store.place().chain == chain, "two may go on"
        here.says(HUB, here.keep(1), named)
        assert here.is_left(chain)
        assert here.purges(*HUBS)


def test_a_hub_that_was_left_for_keeps_no_other_from_being_heeded(tmp_path: Path) -> None:
    with three(tmp_path) as here:
        first = here.store.place().chain
        assert here.purges(*ALL_THREE)
        here.says(HUB, 0)
        here.says(OTHER_HUB, here.keep(1))
        assert here.is_left(first)
        second = here.store.place().chain
        assert here.purges(OTHER_HUB, THIRD_HUB)
        here.says(HUB, 0)
        assert here.store.place().chain == second, "two go on"
        here.says(THIRD_HUB, 0)
        assert here.store.place().chain != second
        assert here.purges(OTHER_HUB, THIRD_HUB)


def test_where_all_three_must_hold_it_whole_one_that_cannot_ends_the_chain_once(tmp_path: Path) -> None:
    with opened(tmp_path, hubs=ALL_THREE, receipts=3) as store:
        here = Three(tmp_path, store)
        first = store.place().chain
        assert here.purges(*ALL_THREE)
        here.says(THIRD_HUB, 0)
        second = store.place().chain
        assert second != first
        assert here.purges(*ALL_THREE)
        assert store.place().chain == second


def test_a_hub_restored_into_a_gap_behind_a_record_that_stays_ends_the_chain(tmp_path: Path) -> None:
    """The first record stays for its picture is lost, so the hub's receipt cannot be checked and is filed as of 0."""
    with opened(tmp_path, receipts=2) as store:
        chain = keep_many(store, 10)
        found = {seq: each for (_, seq), each in envelopes(tmp_path).items()}
        lost = (Missing((0,), found[1].statement.pictures[0].sha256),)
        for hub in HUBS:
            assert store.settle(receipt(chain, 10, found[10].hash, hub=hub, missing=lost, at=1))
        assert store.purge(ALL)
        assert seqs(tmp_path) == [1, 10]
        assert store.settle(receipt(chain, 5, found[5].hash, missing=lost, at=2))
        assert store.place().chain != chain


@pytest.mark.parametrize("is_told", [False, True], ids=["may come yet", "rotten"])
def test_a_picture_that_rots_on_the_card_is_as_lost_as_those_that_were_purged(tmp_path: Path, is_told: bool) -> None:
    with opened(tmp_path, receipts=2) as store:
        chain = keep_many(store, 30)
        found = {seq: each for (_, seq), each in envelopes(tmp_path).items()}
        names = {seq: each.statement.pictures[0].sha256 for seq, each in found.items()}
        for hub in HUBS:
            assert store.settle(receipt(chain, 25, found[25].hash, hub=hub, missing=(Missing((0,), names[2]),), at=1))
        assert store.purge(ALL)
        if is_told:
            (tmp_path / "kept" / f"{names[2]}.picture").write_bytes(b"rotten")
            assert store.read_chunk(names[2], 0) == b""
        missing = tuple(Missing((0,), names[seq]) for seq in (2, *range(3, 2 + MISSING_MAX)))
        assert store.settle(receipt(chain, 30, found[30].hash, missing=missing, at=2))
        assert (store.place().chain != chain) is is_told


def test_a_late_receipt_of_the_same_second_ends_no_chain(tmp_path: Path) -> None:
    """The hub asked for pictures, had them and said so in one second; they were purged; its first word comes again."""
    with opened(tmp_path, receipts=2) as store:
        chain = keep_many(store, 20)
        found = {seq: each for (_, seq), each in envelopes(tmp_path).items()}
        names = [found[seq].statement.pictures[0].sha256 for seq in range(1, MISSING_MAX + 1)]
        late = receipt(chain, 18, found[18].hash, missing=tuple(Missing((0,), name) for name in names), at=7)
        assert store.settle(late)
        hold(store, tmp_path, chain, 18, at=7)
        assert store.purge(ALL)
        assert store.settle(late)
        assert store.place().chain == chain


def test_a_hub_that_lost_its_pictures_is_known_to_have_after_a_start(tmp_path: Path) -> None:
    with three(tmp_path) as here:
        chain, last = here.store.place().chain, here.keep(20)
        names = [envelopes(tmp_path)[chain, seq].statement.pictures[0].sha256 for seq in range(1, MISSING_MAX + 1)]
        for hub in ALL_THREE:
            here.says(hub, last)
        assert here.store.purge(ALL)
        here.says(HUB, last, names)
        assert here.store.place().chain == chain
    with three(tmp_path) as here:
        here.says(OTHER_HUB, here.keep(1))
        assert here.is_left(chain), "the third may be dead"


def test_in_a_long_chain_a_hub_counts_again_that_was_left_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with three(tmp_path) as here:

        def purged_and_lagged_behind() -> str:
            assert here.purges(*HUBS)
            here.says(HUB, 0)
            here.says(OTHER_HUB, here.keep(1))
            return here.store.place().chain

        assert here.is_left(purged_and_lagged_behind())
        chain = purged_and_lagged_behind()
        assert not here.is_left(chain)
        monkeypatch.setattr("device.store.LONG_CHAIN", 3)
        assert here.is_left(chain)


def test_an_envelope_that_rots_on_the_card_ends_the_chain_once_that_is_seen(tmp_path: Path) -> None:
    """No hub can hold anything whole behind it."""
    with opened(tmp_path, receipts=2) as store:
        chain = keep_many(store, 5)
        found = {seq: each for (_, seq), each in envelopes(tmp_path).items()}
        (tmp_path / "kept" / f"{chain}-3.envelope").write_bytes(b"rotten")
        extras = tuple(Extra(found[seq].hash, seq, whole=False) for seq in (4, 5))
        assert store.settle(receipt(chain, 2, found[2].hash, whole=2, extras=extras))
        assert [kept.seq for kept in store.waiting(2) if store.read(kept) is None] == [3]
        assert store.settle(receipt(chain, 2, found[2].hash, hub=OTHER_HUB, whole=2, extras=extras))
        assert store.place().chain != chain


def test_a_filed_receipt_that_rotted_stops_nothing(tmp_path: Path) -> None:
    with three(tmp_path) as here:
        assert here.purges(*ALL_THREE)
    with closing(sqlite3.connect(tmp_path / "index.db")) as index, index:
        index.execute("UPDATE receipt SET text = CAST(replace(CAST(text AS TEXT), 'whole', 'wholf') AS BLOB)")
    with three(tmp_path) as here:
        chain = here.store.place().chain
        here.says(HUB, here.keep(1))
        assert not here.is_left(chain)


def test_a_chain_that_the_card_does_not_let_go_is_left_when_it_does(tmp_path: Path) -> None:
    told: list[str] = []
    with opened(tmp_path, told.append) as store:
        chain = keep_many(store, 5)
        hold(store, tmp_path, chain, 4)
        assert store.purge(ALL) > 0
        with closing(sqlite3.connect(tmp_path / "index.db")) as index, index:
            index.execute("CREATE TRIGGER no BEFORE INSERT ON chain BEGIN SELECT RAISE(ABORT, 'no'); END")
        with pytest.raises(CardError):
            store.settle(receipt(chain, 0, NOTHING, at=9))
        assert [each for each in told if "new chain" in each] == []
        with closing(sqlite3.connect(tmp_path / "index.db")) as index, index:
            index.execute("DROP TRIGGER no")
        assert store.settle(receipt(chain, 0, NOTHING, at=9))
        assert store.place().chain != chain


def test_one_hub_that_has_a_gap_ends_no_chain(tmp_path: Path) -> None:
    with opened(tmp_path, hubs=(HUB,)) as store:
        chain = keep_many(store, 3)
        hash_ = envelopes(tmp_path)[chain, 2].hash
        assert store.settle(receipt(chain, 0, NOTHING, extras=(Extra(hash_, 2, whole=False),), at=1))
        assert store.place().chain == chain


def test_a_chain_is_left_however_often_the_index_was_lost(tmp_path: Path) -> None:
    for _ in range(9):
        with opened(tmp_path) as store:
            keep(store)
        (tmp_path / "index.db").unlink()
    with opened(tmp_path) as store:
        chain = keep_many(store, 2)
    with opened(tmp_path) as store:
        assert not store.settle(receipt(chain, 3, "f" * 64, at=10))
        assert store.place().chain != chain


def test_a_restored_hub_with_a_gap_is_offered_again_what_it_lost_beyond_it(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        count = EXTRAS_MAX + 45
        chain = keep_many(store, count)
        hashes = {seq: each.hash for (_, seq), each in envelopes(tmp_path).items()}

        def held(first: int, last: int, at: int) -> bool:
            extras = tuple(Extra(hashes[seq], seq, whole=False) for seq in range(first, last + 1))
            return store.settle(receipt(chain, 0, NOTHING, extras=extras, at=at))

        assert held(2, 200, 1)
        assert held(count - EXTRAS_MAX + 1, count, 2)
        assert [kept.seq for kept in store.waiting(2, "hub-a")] == [1]
        before = count - 20  # when its backup was made: it names the last that it has
        assert held(before - EXTRAS_MAX + 1, before, 3)
        assert [kept.seq for kept in store.waiting(2, "hub-a")] == [1, *range(before + 1, count + 1)]


def lose(_folder: Path) -> None:
    """Nothing happens between two lives."""


def without_envelope(folder: Path) -> None:
    (path,) = (folder / "kept").glob("*-1.envelope")
    path.unlink()


def without_envelope_and_picture(folder: Path) -> None:
    (path,) = (folder / "kept").glob("*-1.envelope")
    envelope = envelopes(folder)[path.stem.partition("-")[0], 1].statement
    path.unlink()
    (folder / "kept" / f"{envelope.pictures[0].sha256}.picture").unlink()


@pytest.mark.parametrize("cut", [lose, without_envelope, without_envelope_and_picture])
@pytest.mark.parametrize("is_lost", [False, True], ids=["index", "no index"])
def test_a_purge_that_a_power_cut_ended_is_ended_at_the_next_start(
    tmp_path: Path, cut: Callable[[Path], None], is_lost: bool
) -> None:
    with opened(tmp_path) as store:
        chain = keep_many(store, 3)
        hold(store, tmp_path, chain, 3)
        place = store.place()
    left = [1, 2, 3] if cut is lose else [2, 3]
    cut(tmp_path)
    if is_lost:
        (tmp_path / "index.db").unlink()
    told: list[str] = []
    with opened(tmp_path, told.append) as store:
        assert [kept.seq for kept in store.waiting(9)] == seqs(tmp_path) == left
        assert is_lost or store.place() == place
        assert is_lost or len(list((tmp_path / "kept").glob("*.picture"))) == len(left)
    assert [what for what in told if "was whole but not in the index" not in what] == []


def test_an_envelope_that_is_lost_and_was_not_receipted_is_missed(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        chain = keep_many(store, 3)
        hold(store, tmp_path, chain, 3, (HUB,))
    without_envelope(tmp_path)
    with opened(tmp_path) as store:
        (first, *_) = store.waiting(2)
        assert (first.seq, store.read(first), store.count()) == (1, None, 3)


def test_two_keys_of_one_hub_are_one_hub_when_a_purge_is_ended(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        chain = keep_many(store, 3)
        hold(store, tmp_path, chain, 3, (HUB,))
    hash_ = hash_of(tmp_path, chain, 3)
    with opened(tmp_path, hubs=(STRANGER, OTHER_HUB)) as store:
        said = note.write(receipt(chain, 3, hash_, whole=3, at=2).statement, STRANGER)
        assert store.settle(note.read(said, Receipt, {STRANGER.verifier.name: STRANGER.verifier}))
    without_envelope(tmp_path)
    with opened(tmp_path, hubs=(STRANGER, OTHER_HUB)) as store:
        (first, *_) = store.waiting(2)
        assert (first.seq, store.read(first), store.count()) == (1, None, 3), "it was lost, and never purged"
        assert len(list((tmp_path / "kept").glob("*.picture"))) == 3


def test_a_picture_that_cannot_be_removed_is_told_and_stays_alone(tmp_path: Path) -> None:
    told: list[str] = []
    with opened(tmp_path, log=lambda _event, **facts: told.append(str(facts))) as store:
        chain = keep_many(store, 4)
        hold(store, tmp_path, chain, 3)
        picture = envelopes(tmp_path)[chain, 2].statement.pictures[0]
        path = tmp_path / "kept" / f"{picture.sha256}.picture"
        path.unlink()
        path.mkdir()
        assert store.purge(ALL) > 0
        assert keep(store, 5).seq == 5, "capture goes on"
        assert [each for each in told if "what hubs hold cannot be removed: change the card" in each] == told
        assert len(told) == 1
        hold(store, tmp_path, chain, 0, (HUB,), at=2)  # restored: what has no envelope any more waits for nothing
        assert (store.waiting_count(2), store.count()) == (2, 2)
    path.rmdir()
    with opened(tmp_path) as store:
        assert (store.count(), seqs(tmp_path)) == (2, [4, 5])


STEPS = st.one_of(
    st.sampled_from(["keep", "purge", "restart", "lose the index"]),
    st.tuples(st.integers(0, 1), st.integers(0, 8), st.integers(0, 8), st.integers(1, 6)),
)


@settings(max_examples=60)
@given(history=st.lists(STEPS, max_size=16), room=st.sampled_from((1, 3000, ALL)))
def test_a_card_that_is_always_full_purges_what_may_go_and_nothing_else(history: list[Step], room: int) -> None:
    """Hubs come and are restored, and are heard out of order."""
    with TemporaryDirectory() as folder:
        World(Path(folder), room).live(history)


class World:
    """A card and two hubs, and beside it what may be purged as the rules say it, worked out from all that was said."""

    def __init__(self, folder: Path, room: int) -> None:
        self.folder = folder
        self.room = room
        self.hashes: dict[tuple[str, int], str] = {}
        self.gone: set[tuple[str, int]] = set()
        self.said: dict[tuple[int, str], tuple[int, int, int]] = {}

    def live(self, history: list[Step]) -> None:
        lives: list[list[Step]] = [[]]
        for step in history:
            lives[-1].append(step)
            if step in ("restart", "lose the index"):
                lives.append([])
        for life in lives:
            with opened(self.folder) as store:
                for step in life:
                    self.take(store, step)
                place = store.place()
                held = {where for where in self.hashes if where not in self.gone}
                assert envelopes(self.folder).keys() == held, "all that is there is whole, and nothing else is"
            if life and life[-1] == "lose the index":
                (self.folder / "index.db").unlink()
                self.said.clear()
            else:
                with opened(self.folder) as store:
                    assert store.place() == place

    def take(self, store: Store, step: Step) -> None:
        chain = store.place().chain
        if step == "keep":
            place = keep(store, len(self.hashes) + 1)
            self.hashes[place.chain, place.seq] = store.place().prev
        elif step == "purge":
            self.purge(store)
        elif isinstance(step, tuple):
            hub, seq, whole, at = step
            seq = min(seq, store.place().seq - 1)
            hash_ = self.hashes[chain, seq] if seq else NOTHING
            assert store.settle(receipt(chain, seq, hash_, hub=HUBS[hub], whole=whole, at=at))
            last_at, last_seq, last_whole = self.said.get((hub, chain), (0, 0, 0))
            if at > last_at:
                self.said[hub, chain] = at, seq, min(whole, seq)
            elif at == last_at:
                self.said[hub, chain] = at, max(seq, last_seq), max(min(whole, seq), last_whole)

    def purge(self, store: Store) -> None:
        lasts = {chain: max(seq for each, seq in self.hashes if each == chain) for chain, _ in self.hashes}
        may_go = {
            (chain, seq)
            for chain, seq in self.hashes
            if seq < lasts[chain] and all(self.said.get((hub, chain), (0, 0, 0))[2] >= seq for hub in (0, 1))
        }
        before = envelopes(self.folder).keys()
        freed = store.purge(self.room)
        went = before - envelopes(self.folder).keys()
        assert went <= may_go
        assert went == may_go - self.gone or freed >= self.room, "as much as is asked for goes, if it may"
        self.gone |= went
        settled = {
            (chain, seq)
            for chain, seq in before - went
            if all(self.said.get((hub, chain), (0, 0, 0))[1] >= seq for hub in (0, 1))
        }
        assert offered(store, 2) == before - went - settled


# Receipts out of order


@pytest.mark.parametrize("order", range(6))
def test_whatever_the_order_in_which_receipts_come_the_youngest_says_what_is_held(tmp_path: Path, order: int) -> None:
    with opened(tmp_path) as store:
        chain = keep_many(store, 4)
        said = [
            receipt(chain, seq, hash_of(tmp_path, chain, seq), whole=seq, at=at) for at, seq in ((1, 4), (2, 1), (3, 2))
        ]
        random.Random(order).shuffle(said)
        for each in [*said, *said]:
            assert store.settle(each)
        assert offered(store) == {(chain, 3), (chain, 4)}


def test_an_extra_that_a_restored_hub_does_not_name_any_more_waits_again(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        chain = keep_many(store, 5)
        extras = tuple(Extra(hash_of(tmp_path, chain, seq), seq, whole=False) for seq in (3, 4, 5))
        assert store.settle(receipt(chain, 1, hash_of(tmp_path, chain, 1), extras=extras, at=2))
        assert offered(store) == {(chain, 2)}
        assert store.settle(receipt(chain, 1, hash_of(tmp_path, chain, 1), extras=extras[:1], at=3))
        assert offered(store) == {(chain, seq) for seq in (2, 4, 5)}


def test_an_extra_that_a_full_receipt_has_no_room_for_stays_receipted(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        chain = keep_many(store, 5)
        hashes = {seq: hash_of(tmp_path, chain, seq) for seq in range(1, 6)}
        elsewhere = tuple(Extra("e" * 64, seq, whole=False) for seq in range(100, 100 + EXTRAS_MAX))
        named = tuple(Extra(hashes[seq], seq, whole=False) for seq in (3, 5))
        assert store.settle(receipt(chain, 1, hashes[1], extras=named, at=2))
        assert store.settle(receipt(chain, 1, hashes[1], extras=elsewhere, at=3))
        assert offered(store) == {(chain, 2), (chain, 4)}
        assert store.settle(receipt(chain, 2, hashes[2], extras=elsewhere, at=4))
        assert offered(store) == {(chain, 3), (chain, 4)}, "what comes after all that is held is not held"


def test_beyond_a_gap_only_what_a_hub_names_last_is_held_whole(tmp_path: Path) -> None:
    """A restored hub may have lost what a full receipt has no room for."""
    with opened(tmp_path) as store:
        chain = keep_many(store, 5)
        hashes = {seq: hash_of(tmp_path, chain, seq) for seq in range(1, 6)}
        elsewhere = tuple(Extra("e" * 64, seq, whole=True) for seq in range(100, 100 + EXTRAS_MAX))

        def left(at: int, *extras: Extra) -> int:
            for hub in HUBS:
                assert store.settle(receipt(chain, 1, hashes[1], hub=hub, whole=1, extras=extras, at=at))
            return store.waiting_count(2)

        assert left(1, Extra(hashes[3], 3, whole=False), Extra(hashes[5], 5, whole=True)) == 3
        gains = store.gains
        assert left(1, Extra(hashes[3], 3, whole=True), Extra(hashes[5], 5, whole=False)) == 2, "of one moment: both"
        assert store.gains == gains + len(HUBS)
        store.settle(receipt(chain, 9, "f" * 64))  # a hub has another end of it: a new chain begins
        other = keep(store).chain
        for hub, at in itertools.product(HUBS, (1, 2)):
            assert store.settle(receipt(other, 0, NOTHING, hub=hub, at=at))
        assert store.waiting_count(2) == 3, "what is said of one chain is not said of another"
        hold(store, tmp_path, other, 1, at=3)
        assert left(2, *elsewhere) == 4
        assert left(3, Extra(hashes[5], 5, whole=True), *elsewhere[1:]) == 3
        assert store.purge(ALL) > 0
        assert envelopes(tmp_path).keys() == {(chain, 2), (chain, 3), (chain, 4), (chain, 5), (other, 1)}


# Room


def test_what_may_be_purged_is_when_a_record_needs_the_room_and_not_before(tmp_path: Path) -> None:
    photograph = bytes(1_000_000)
    with opened(tmp_path, size=ROOM_BYTES_MIN + 6_000_000) as store:
        for number in range(1, 5):
            keep(store, number, content=photograph)
        chain = store.place().chain
        hold(store, tmp_path, chain, 3, photograph=photograph)
        assert keep(store, 5, content=photograph).seq == 5
        assert store.count() == 5, "there was room"
        assert keep(store, 6, content=photograph).seq == 6
        assert sorted(seq for _, seq in envelopes(tmp_path, photograph)) == [4, 5, 6]


def test_a_full_card_keeps_nothing_more_and_drops_nothing_that_is_not_receipted(tmp_path: Path) -> None:
    photograph = bytes(1_000_000)
    with opened(tmp_path, size=ROOM_BYTES_MIN + 4_500_000) as store:
        chain = store.place().chain
        for number in range(1, 4):
            keep(store, number, content=photograph)
        hold(store, tmp_path, chain, 3, (HUB,), photograph=photograph)
        keep(store, 4, content=photograph)
        for _ in range(3):
            with pytest.raises(CardError, match="bytes too few are free, and nothing more may be purged"):
                keep(store, 5, content=photograph)
        assert (store.count(), len(offered(store, 2))) == (4, 4)
        hold(store, tmp_path, chain, 3, (OTHER_HUB,), photograph=photograph)
        assert keep(store, 5, content=photograph).seq == 5, "now there is room"
    with opened(tmp_path, size=0) as store:
        assert len(offered(store, 2)) == 2, "a full card starts, and what waits on it is offered"
        assert store.settle(receipt(chain, 4, envelopes(tmp_path, photograph)[chain, 4].hash, whole=4, at=3))
