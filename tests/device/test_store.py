"""The store: what is kept stays, is found again, and waits until it is receipted."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.store import CardError, Place
from tests.device.cards import (
    PHOTOGRAPH,
    assert_chained,
    envelopes,
    keep,
    keep_many,
    offered,
    opened,
    receipt,
)
from tests.wire.samples import CHAIN, DEPLOYMENT, HUB, OPENERS, OTHER_HUB, UNIT, sha256
from wire.envelope import CHUNK_BYTES, PICTURE_BYTES_MAX, context
from wire.fields import INTEGER_MAX, NOTHING
from wire.receipt import Extra

HUBS = (HUB, OTHER_HUB)


def test_a_new_card_begins_a_chain_at_one(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        place = store.place()
        assert (place.seq, place.prev) == (1, NOTHING)
        assert (store.count(), store.boot, store.last_receipt()) == (0, 1, NOTHING)
        assert offered(store) == set()


def test_what_is_kept_is_there_after_a_restart(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        places = [keep(store, number) for number in range(1, 4)]
        after = store.place()
    with opened(tmp_path) as store:
        assert store.place() == after
        assert (store.count(), store.boot) == (3, 2)
        assert offered(store) == {(place.chain, place.seq) for place in places}
    assert_chained(envelopes(tmp_path))


def test_the_order_of_the_outbox_is_that_of_keeping(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        for number in range(1, 13):
            keep(store, number)
        assert [kept.seq for kept in store.waiting(1)] == list(range(1, 13))


def test_a_sealed_picture_is_read_in_chunks_and_opens(tmp_path: Path) -> None:
    photograph = PHOTOGRAPH * 4000
    with opened(tmp_path) as store:
        place = keep(store, pictures=3, content=photograph)
        named = envelopes(tmp_path, photograph)[place.chain, 1].statement.pictures
        assert len({picture.sha256 for picture in named}) == 3
        for number, picture in enumerate(named):
            pieces = [store.read_chunk(picture.sha256, chunk) for chunk in range(picture.chunks)]
            bound = context(DEPLOYMENT, UNIT.verifier.name, place.chain, 1, f"picture/{number}")
            assert [len(piece) for piece in pieces[:-1]] == [CHUNK_BYTES] * 2
            assert OPENERS[0].open(b"".join(pieces), bound) == photograph


@pytest.mark.parametrize("length", [1, 1015, 1016, 1017, 2040])
def test_a_sealed_picture_of_any_length_is_whole_on_the_card(tmp_path: Path, length: int) -> None:
    """With padding and without: where 1016 bytes are sealed, the length and the content fill a kilobyte."""
    with opened(tmp_path) as store:
        place = keep(store, content=bytes(length))
    (path,) = (tmp_path / "kept").glob("*.picture")
    bound = context(DEPLOYMENT, UNIT.verifier.name, place.chain, 1, "picture/0")
    assert sha256(path.read_bytes()) == path.stem
    assert OPENERS[0].open(path.read_bytes(), bound) == bytes(length)


@pytest.mark.parametrize("chunk", [1, PICTURE_BYTES_MAX, 2**63, INTEGER_MAX])
def test_a_chunk_beyond_the_picture_is_empty(tmp_path: Path, chunk: int) -> None:
    with opened(tmp_path) as store:
        place = keep(store)
        picture = envelopes(tmp_path)[place.chain, 1].statement.pictures[0]
        assert store.read_chunk(picture.sha256, chunk) == b""
        assert store.read_chunk(picture.sha256, 0) != b""


def test_only_pictures_of_this_card_are_read(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        (tmp_path / "kept" / f"{NOTHING}.picture").write_bytes(b"a stranger's")
        assert store.read_chunk(NOTHING, 0) == b""
        assert store.read_chunk("../../index.db", 0) == b""


def test_sqlite_itself_says_that_a_commit_is_durable(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        in_force = {
            name: store._database.execute_sql(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous")
        }
        assert in_force == {"journal_mode": "wal", "synchronous": 2}
    with closing(sqlite3.connect(tmp_path / "index.db")) as other:
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_another_thread_is_refused(tmp_path: Path) -> None:
    faults: list[BaseException] = []

    def use() -> None:
        for call in (
            store.place,
            store.count,
            store.last_receipt,
            store.recover,
            lambda: list(store.waiting(1)),
            lambda: store.waiting_count(1),
            lambda: store.find(NOTHING),
            lambda: store.read_chunk(NOTHING, 0),
            lambda: store.settle(receipt(CHAIN, 0, NOTHING)),
            lambda: keep(store),
        ):
            try:
                call()
            except AssertionError as fault:
                faults.append(fault)

    with opened(tmp_path) as store:
        other = threading.Thread(target=use)
        other.start()
        other.join()
    assert len(faults) == 10


def test_a_card_that_takes_no_folder_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "card").mkdir()
    (tmp_path / "card" / "kept").write_bytes(b"")
    with (
        pytest.raises(CardError, match=r"card .*: check that it is mounted, writable and not full"),
        opened(tmp_path / "card"),
    ):
        pass


def test_a_hash_of_a_kept_file_finds_its_record(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        keep(store, 1)
        keep(store, 2)
        waiting = list(store.waiting(1))
        assert [store.find(kept.publication) for kept in waiting] == waiting
        assert store.find(NOTHING) is None


def test_no_file_tells_when_its_record_was_kept(tmp_path: Path) -> None:
    """The time of an inode's last change is the kernel's own, and stays: docs/durability.md."""
    with opened(tmp_path) as store:
        keep_many(store, 2)
    found = [path.stat() for path in (tmp_path / "kept").iterdir()]
    assert {(each.st_mtime_ns, each.st_atime_ns) for each in found} == {(0, 0)}


# Receipts


def test_a_receipt_ends_the_waiting_of_all_up_to_its_seq(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        chain = keep_many(store, 4)
        hash_ = envelopes(tmp_path)[chain, 3].hash
        assert store.settle(receipt(chain, 3, hash_, whole=2))
        assert offered(store) == {(chain, 4)}
        assert store.waiting_count(1) == 2, "the third has no receipt for its picture"
    with opened(tmp_path) as store:
        assert offered(store) == {(chain, 4)}


def test_two_receipts_are_of_two_hubs(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        chain = keep(store).chain
        hash_ = envelopes(tmp_path)[chain, 1].hash
        for at in range(1, 4):
            store.settle(receipt(chain, 1, hash_, extras=(Extra(hash_, 1, whole=False),), at=at))
        assert offered(store, receipts=2) == {(chain, 1)}
        store.settle(receipt(chain, 0, NOTHING, extras=(Extra(hash_, 1, whole=False),), hub=OTHER_HUB))
        assert offered(store, receipts=2) == set()


@pytest.mark.parametrize("hash_", [NOTHING, "f" * 64])
def test_a_receipt_with_another_hash_changes_nothing(tmp_path: Path, hash_: str) -> None:
    with opened(tmp_path) as store:
        chain = keep(store).chain
        assert not store.settle(receipt(chain, 1, hash_, whole=1))
        assert not store.settle(receipt(chain, 2, envelopes(tmp_path)[chain, 1].hash, whole=1))
        assert not store.settle(receipt(chain, 0, "f" * 64))
        extras = Extra(hash_, 1, whole=False), Extra("e" * 64, 9, whole=False)
        assert store.settle(receipt(chain, 0, NOTHING, extras=extras))
        assert offered(store) == {(chain, 1)}
        assert store.waiting_count(1) == 1


@pytest.mark.parametrize("seq", [1, 7])
def test_a_card_that_lost_its_end_goes_on_in_a_new_chain_and_not_in_a_fork(tmp_path: Path, seq: int) -> None:
    with opened(tmp_path) as store:
        chain = keep(store).chain
        assert not store.settle(receipt(chain, seq, "f" * 64))
        place = store.place()
        assert place.chain != chain
        assert (place.seq, place.prev) == (1, NOTHING)
        assert keep(store).chain == place.chain
        assert offered(store) == {(chain, 1), (place.chain, 1)}
    with opened(tmp_path) as store:
        assert (store.place().chain, store.place().seq) == (place.chain, 2)


def test_a_receipt_of_an_unknown_chain_changes_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        chain = keep(store).chain
        hash_ = envelopes(tmp_path)[chain, 1].hash
        assert not store.settle(receipt(CHAIN, 1, hash_, whole=1))
        assert not store.settle(receipt(CHAIN, 0, NOTHING))
        assert (offered(store), store.last_receipt()) == ({(chain, 1)}, NOTHING)


def test_an_older_receipt_takes_nothing_back(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        chain = keep_many(store, 2)
        found = envelopes(tmp_path)
        young = receipt(chain, 2, found[chain, 2].hash, whole=2, at=9)
        old = receipt(chain, 1, found[chain, 1].hash, whole=1, at=3)
        assert store.settle(young)
        assert store.settle(old)
        assert (store.waiting_count(1), store.last_receipt()) == (0, young.hash)


def test_a_receipt_that_is_dated_far_ahead_is_not_for_ever_the_last_one_held(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        chain = keep(store).chain
        hash_ = envelopes(tmp_path)[chain, 1].hash
        ahead = receipt(chain, 1, hash_, at=INTEGER_MAX)
        true = receipt(chain, 1, hash_, hub=OTHER_HUB, at=9)
        assert store.settle(ahead)
        assert store.settle(true)
        assert store.last_receipt() == true.hash
        assert store.settle(receipt(chain, 1, hash_, hub=OTHER_HUB, at=3))
        assert store.last_receipt() == true.hash, "an older one of the same hub is not held"


def test_pictures_are_receipted_no_further_than_their_records(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        chain = keep_many(store, 2)
        assert store.settle(receipt(chain, 1, envelopes(tmp_path)[chain, 1].hash, whole=INTEGER_MAX))
        assert store.waiting_count(1) == 1


@st.composite
def histories(draw: st.DrawFn) -> list[int | tuple[int, int, frozenset[int]]]:
    """Keeps (how many), and receipts: (which hub, up to which seq, extras), of what was kept before or never was."""
    a_receipt = st.tuples(st.integers(0, 1), st.integers(0, 6), st.frozensets(st.integers(1, 8), max_size=3))
    return draw(st.lists(st.integers(1, 2) | a_receipt, max_size=10))


@settings(max_examples=40)
@given(history=histories(), receipts=st.integers(1, 2))
def test_every_record_either_waits_or_is_receipted_by_enough_hubs(
    history: list[int | tuple[int, int, frozenset[int]]], receipts: int
) -> None:
    with TemporaryDirectory() as folder, opened(Path(folder)) as store:
        held: dict[int, set[int]] = {}
        hashes: dict[int, str] = {0: NOTHING}
        chain = store.place().chain
        for step in history:
            if isinstance(step, int):
                for _ in range(step):
                    seq = keep(store, len(hashes), pictures=0).seq
                    held[seq], hashes[seq] = set(), store.place().prev
            else:
                hub, reach, extras = step
                named = tuple(Extra(hashes.get(seq, "f" * 64), seq, whole=False) for seq in sorted(extras))
                of = chain if reach in hashes else CHAIN  # what was never kept is another chain's
                known = store.settle(receipt(of, reach, hashes.get(reach, "f" * 64), hub=HUBS[hub], extras=named))
                assert known == (reach in hashes)
                for seq in held:
                    if known and (seq <= reach or seq in extras):
                        held[seq].add(hub)
            waiting = [kept.seq for kept in store.waiting(receipts)]
            assert waiting == [seq for seq, hubs in held.items() if len(hubs) < receipts]


def test_a_place_taken_twice_is_refused_and_the_first_stays(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        first = store.place()
        keep(store, 1)
        store._place = first
        with pytest.raises(CardError):
            keep(store, 2)
        assert store.place() == Place(first.chain, 1, NOTHING)
