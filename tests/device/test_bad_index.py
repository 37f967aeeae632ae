"""The bad index: whatever became of it, the files are the truth, and capture goes on."""

import contextlib
import random
import resource
import shutil
import sqlite3
from collections.abc import Callable
from enum import Enum
from pathlib import Path

import pytest

from device.log import Event
from device.store import CardError
from tests.device.cards import assert_chained, envelopes, keep, keep_many, offered, opened, receipt

Hurt = Callable[[Path], object]


def of_length(length: int) -> Hurt:
    return lambda index: index.write_bytes(index.read_bytes()[:length])


def rubbish(index: Path) -> None:
    index.write_bytes(random.Random(1).randbytes(index.stat().st_size))


def rubbish_behind_the_header(index: Path) -> None:
    content = index.read_bytes()
    index.write_bytes(content[:100] + random.Random(2).randbytes(len(content) - 100))


def rubbish_in_the_last_page(index: Path) -> None:
    index.write_bytes(index.read_bytes()[:-4096] + b"\xff" * 4096)


def lost(index: Path) -> None:
    index.unlink()


HURTS = {
    "lost": lost,
    "empty": of_length(0),
    "cut in its header": of_length(50),
    "cut in a page": of_length(6000),
    "cut in half": lambda index: index.write_bytes(index.read_bytes()[: index.stat().st_size // 2]),
    "rubbish": rubbish,
    "rubbish behind the header": rubbish_behind_the_header,
    "rubbish in the last page": rubbish_in_the_last_page,
}


@pytest.mark.parametrize("hurt", HURTS.values(), ids=HURTS)
def test_the_index_is_built_again_from_the_files_and_receipts_are_asked_for_anew(tmp_path: Path, hurt: Hurt) -> None:
    with opened(tmp_path) as store:
        chain = keep_many(store, 3)
        store.settle(receipt(chain, 3, envelopes(tmp_path)[chain, 3].hash, whole=3))
    hurt(tmp_path / "index.db")
    with opened(tmp_path) as store:
        assert offered(store) == {(chain, 1), (chain, 2), (chain, 3)}
        place = keep(store, 4)
        assert place.chain != chain, "nobody knows whether there was a fourth in that chain"
    found = envelopes(tmp_path)
    assert_chained(found)
    assert len(found) == 4
    repaired: list[str] = []
    with opened(tmp_path, repaired.append) as store:
        assert (store.count(), store.place().chain, repaired) == (4, place.chain, [])


def test_a_bad_index_is_set_aside_and_said_to_be(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        keep(store)
    rubbish(tmp_path / "index.db")
    bad = (tmp_path / "index.db").read_bytes()
    repaired: list[str] = []
    with opened(tmp_path, repaired.append):
        pass
    (aside,) = tmp_path.glob("index-bad-*.db")
    assert aside.read_bytes() == bad
    assert repaired[0].startswith("the index was bad (file is not a database); it is now index-bad-")


def test_an_index_that_lost_its_log_finds_the_records_again_and_the_chain_goes_on(tmp_path: Path) -> None:
    card, copy = tmp_path / "card", tmp_path / "copy"
    with opened(card) as store:
        keep(store, 1)
    with opened(card) as store:
        keep(store, 2)
        shutil.copytree(card, copy)
    (copy / "index.db-wal").unlink()
    with opened(copy) as store:
        place = store.place()
        assert (place.seq, offered(store)) == (3, {(place.chain, 1), (place.chain, 2)})
        keep(store, 3)
    assert_chained(envelopes(copy))


def test_an_altered_file_is_not_offered_and_the_others_are(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        chain = keep_many(store, 3)
        path = tmp_path / "kept" / f"{chain}-2.envelope"
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        readable = {kept.seq: store.read(kept) is not None for kept in store.waiting(1)}
        assert readable == {1: True, 2: False, 3: True}
        path.unlink()
        assert [store.read(kept) for kept in store.waiting(1) if kept.seq == 2] == [None]


@pytest.mark.parametrize("content", [b"", b"\0\0\0\4", b"rubbish" * 100], ids=["empty", "cut", "rubbish"])
def test_a_file_that_is_no_envelope_is_left_alone_and_the_others_are_adopted(tmp_path: Path, content: bytes) -> None:
    with opened(tmp_path) as store:
        chain = keep_many(store, 3)
    (tmp_path / "index.db").unlink()
    path = tmp_path / "kept" / f"{chain}-2.envelope"
    path.write_bytes(content)
    with opened(tmp_path) as store:
        assert offered(store) == {(chain, 1), (chain, 3)}
    assert path.read_bytes() == content


def test_a_folder_where_a_file_should_be_is_left_alone(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        chain = store.place().chain
    (tmp_path / "kept" / f"{chain}-1.envelope").mkdir()
    with opened(tmp_path) as store:
        assert store.place().chain != chain
        assert keep(store).seq == 1


def test_an_envelope_under_anothers_name_is_left_alone(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        chain = keep_many(store, 1)
    kept = tmp_path / "kept"
    (kept / f"{chain}-7.envelope").write_bytes((kept / f"{chain}-1.envelope").read_bytes())
    repaired: list[str] = []
    with opened(tmp_path, repaired.append) as store:
        assert offered(store) == {(chain, 1)}
    assert repaired == [f"{chain}-7.envelope is not whole and was left alone: it holds envelope 1 of {chain}"]


def test_a_lost_picture_is_not_offered_and_its_record_is(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        chain = keep_many(store, 1)
        picture = envelopes(tmp_path)[chain, 1].statement.pictures[0]
        (tmp_path / "kept" / f"{picture.sha256}.picture").unlink()
        assert store.read_chunk(picture.sha256, 0) == b""
        assert offered(store) == {(chain, 1)}


def test_a_good_index_on_a_card_that_refuses_writes_is_not_set_aside(tmp_path: Path) -> None:
    """Else a full card would lose its receipts with every start."""
    with opened(tmp_path) as store:
        keep(store)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(CardError, match="check that it is mounted, writable and not full"), opened(tmp_path):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.glob("index-bad-*")) == []
    with opened(tmp_path) as store:
        assert (store.count(), store.boot) == (1, 2)


def test_an_index_that_another_program_holds_is_not_set_aside(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        keep(store)
    with sqlite3.connect(tmp_path / "index.db", isolation_level=None) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(CardError), opened(tmp_path):
            pass
    other.close()
    assert list(tmp_path.glob("index-bad-*")) == []


# While the unit runs


def overwritten(path: Path, skipped: int = 0) -> None:
    """Rubbish in the same file, as SQLite has it open."""
    with path.open("r+b") as file:
        file.seek(skipped)
        file.write(random.Random(3).randbytes(max(0, path.stat().st_size - skipped)))


def shortened(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(0)


def of_both(hurt: Hurt) -> Hurt:
    def hurt_both(index: Path) -> None:
        hurt(index)
        hurt(index.with_name("index.db-wal"))

    return hurt_both


RUNNING_HURTS: dict[str, Hurt] = {
    "index overwritten": overwritten,
    "index overwritten behind its header": lambda index: overwritten(index, 100),
    "index emptied": shortened,
    "index lost": lambda index: index.unlink(),
    "log overwritten": lambda index: overwritten(index.with_name("index.db-wal")),
    "log emptied": lambda index: shortened(index.with_name("index.db-wal")),
    "log lost": lambda index: index.with_name("index.db-wal").unlink(),
    "both overwritten": of_both(overwritten),
    "both emptied": of_both(shortened),
    "both lost": of_both(Path.unlink),
}


@pytest.mark.parametrize("is_taken_over", [False, True], ids=["in the log", "in the index"])
@pytest.mark.parametrize("hurt", RUNNING_HURTS.values(), ids=RUNNING_HURTS)
def test_an_index_that_goes_bad_while_the_unit_runs_loses_nothing_and_the_unit_goes_on(
    tmp_path: Path, hurt: Hurt, is_taken_over: bool
) -> None:
    """SQLite may not notice before the next start, for it has much in memory; then it is built again there."""
    with opened(tmp_path) as store:
        chain = keep_many(store, 3)
        store._database.execute_sql("PRAGMA cache_size=0")  # what it has in memory is not what is tried here
        if is_taken_over:
            store._database.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        hurt(tmp_path / "index.db")
        kept = {(chain, seq) for seq in (1, 2, 3)}
        for number in (4, 5):
            for _press in range(2):
                try:
                    place = keep(store, number)
                except CardError:
                    continue  # the fault is shown, and a person presses again
                kept.add((place.chain, place.seq))
                break
        assert len(kept) == 5, "capture goes on"
        store.settle(receipt(chain, 1, envelopes(tmp_path)[chain, 1].hash))
        list(store.waiting(1))
        assert kept - {(chain, 1)} <= offered(store)
        boot = store.boot
    found = envelopes(tmp_path)
    assert kept <= found.keys()
    assert_chained(found)
    with opened(tmp_path) as store:
        assert kept - {(chain, 1)} <= offered(store)
        assert store.boot > boot or hurt is RUNNING_HURTS["index lost"] or hurt is RUNNING_HURTS["both lost"]
        keep(store, 6)
    assert_chained(envelopes(tmp_path))


def test_an_index_of_rubbish_is_built_again_in_place_and_answers(tmp_path: Path) -> None:
    repaired: list[str] = []
    with opened(tmp_path, repaired.append) as store:
        chain = keep_many(store, 3)
        store._database.execute_sql("PRAGMA cache_size=0")
        store._database.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        overwritten(tmp_path / "index.db")
        assert store.count() == 3
        assert repaired[0].startswith("the index was bad (")
        assert offered(store) == {(chain, 1), (chain, 2), (chain, 3)}
        assert keep(store, 4).chain != chain, "nobody knows whether there was a fourth in that chain"


def test_an_index_of_another_version_is_built_again(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        chain = keep(store).chain
    with contextlib.closing(sqlite3.connect(tmp_path / "index.db")) as index:
        index.execute("PRAGMA user_version=1")
    repaired: list[str] = []
    with opened(tmp_path, repaired.append) as store:
        assert offered(store) == {(chain, 1)}
    assert repaired[0].startswith("the index was bad (it is of version 1, not 4)")


# Bytes that rot


def rot(path: Path, at: int = 100_000) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("is_begun", [False, True], ids=["before the first chunk", "after it"])
@pytest.mark.parametrize("hurt", [rot, Path.unlink, shortened], ids=["altered", "lost", "empty"])
def test_a_picture_that_rots_is_not_sent_and_is_told_once_and_its_record_goes(
    tmp_path: Path, hurt: Hurt, is_begun: bool
) -> None:
    told: list[tuple[Enum, dict[str, str]]] = []
    photograph = random.Random(4).randbytes(200_000)
    with opened(tmp_path, log=lambda event, **facts: told.append((event, facts))) as store:
        chain = keep(store, content=photograph).chain
        (picture,) = envelopes(tmp_path, photograph)[chain, 1].statement.pictures
        path = tmp_path / "kept" / f"{picture.sha256}.picture"
        assert not is_begun or store.read_chunk(picture.sha256, 0)
        hurt(path)
        still_good = is_begun and hurt is rot  # each chunk is held against what it was when the whole was good
        for _ in range(2):
            sent = [bool(store.read_chunk(picture.sha256, number)) for number in range(picture.chunks)]
            assert sent == [still_good, False, still_good, still_good]
        assert told == [(Event.PICTURE_BAD, {"file": path.name})]
        assert offered(store) == {(chain, 1)}
        assert path.exists() is (hurt is not Path.unlink), "it stays on the card"


def test_a_record_that_rots_is_told_once_and_the_others_go(tmp_path: Path) -> None:
    told: list[tuple[Enum, dict[str, str]]] = []
    with opened(tmp_path, log=lambda event, **facts: told.append((event, facts))) as store:
        chain = keep_many(store, 3)
        rot(tmp_path / "kept" / f"{chain}-2.envelope", 50)
        for _ in range(3):
            assert [store.read(kept) is not None for kept in store.waiting(1)] == [True, False, True]
        assert told == [(Event.RECORD_BAD, {"file": f"{chain}-2.envelope"})]
    assert (tmp_path / "kept" / f"{chain}-2.envelope").exists()
