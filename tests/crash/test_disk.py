"""The model of a disk: each rule of each model, on a few operations."""

import itertools
from collections.abc import Sequence
from random import Random

import pytest

from tests.crash.disk import (
    MODELS,
    PAGE,
    SECTOR,
    Card,
    Journaled,
    Made,
    Op,
    Removed,
    Renamed,
    Resized,
    Strict,
    Synced,
    Wrote,
)

FOLDER = Made("kept", is_folder=True)
DRAWS = 300


def cards(model: str, ops: Sequence[Op], before: Card | None = None) -> list[Card]:
    """The cards that a cut after these operations may leave."""
    disk = MODELS[model](before or {})
    for op in ops:
        disk.apply(op)
    return [disk.after_cut(draw, Random(draw)) for draw in range(DRAWS)]


def contents(model: str, ops: Sequence[Op], before: bytes) -> set[bytes | None]:
    """What may become of a file `f` that is on the disk for good, with this content; None when it is gone."""
    return {card.get("f") for card in cards(model, ops, {"f": before})}


def wrote(content: bytes, at: int = 0) -> Wrote:
    return Wrote("f", at, content)


def synced(number: int, path: str = "f", *, fully: bool = True) -> Synced:
    """A sync of all that the first `number` operations asked for."""
    return Synced(path, number, fully)


@pytest.mark.parametrize("model", MODELS)
def test_what_is_not_synced_may_be_lost_and_may_be_there(model: str) -> None:
    found = cards(model, [Made("f"), wrote(b"all of it")])
    assert found[0] == {}
    assert found[1] == {"f": b"all of it"}
    assert {"f": b""} in found, "its name is there, but not what was written"


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("fully", [True, False])
def test_what_is_synced_stays(model: str, fully: bool) -> None:
    assert contents(model, [wrote(b"new"), synced(1, fully=fully), wrote(b"newer"), synced(3)], b"") == {b"newer"}
    assert contents(model, [wrote(b"new"), synced(1, fully=fully)], b"old") == {b"new"}


@pytest.mark.parametrize("model", MODELS)
def test_a_sync_covers_only_what_was_asked_before_it_began(model: str) -> None:
    assert contents(model, [wrote(b"n"), synced(0)], b"o") == {b"n", b"o"}


@pytest.mark.parametrize("model", MODELS)
def test_writes_over_old_bytes_reach_the_disk_in_any_order(model: str) -> None:
    found = contents(model, [wrote(b"1" * SECTOR), wrote(b"2" * SECTOR, SECTOR)], b"0" * 2 * SECTOR)
    assert found == {first * SECTOR + second * SECTOR for first in (b"0", b"1") for second in (b"0", b"2")}


@pytest.mark.parametrize("model", MODELS)
def test_a_write_is_torn_where_sectors_begin_and_nowhere_else(model: str) -> None:
    found = contents(model, [wrote(b"1" * 1024, SECTOR - 100)], b"0" * 2048)
    first, second, third = ((b"0" * length, b"1" * length) for length in (100, SECTOR, SECTOR - 100))
    pieces = itertools.product([b"0" * (SECTOR - 100)], first, second, third, [b"0" * 612])
    assert found == {b"".join(each) for each in pieces}


def test_strictly_a_file_that_grew_may_hold_zeros_or_rubbish() -> None:
    found = contents("strict", [wrote(b"1" * SECTOR)], b"")
    assert {b"", b"1" * SECTOR, bytes(SECTOR)} < found
    assert any(content and content.strip(b"1").strip(b"\0") for content in found)


def test_with_a_journal_a_file_that_grew_ends_early_at_a_page_or_is_whole() -> None:
    assert contents("journaled", [wrote(b"1" * 10_000)], b"") == {
        b"1" * length for length in (0, PAGE, 2 * PAGE, 10_000)
    }


def test_strictly_syncing_a_file_says_nothing_of_its_name() -> None:
    ops: list[Op] = [Made("f"), wrote(b"1"), synced(2)]
    assert {} in cards("strict", ops)
    assert cards("strict", [*ops, synced(3, "")]) == [{"f": b"1"}] * DRAWS


def test_with_a_journal_syncing_anything_brings_all_earlier_names_along() -> None:
    ops: list[Op] = [Made("f"), Made("g"), Renamed("f", "h"), wrote_to_g(), synced(4, "g"), Removed("h")]
    assert {frozenset(card) for card in cards("journaled", ops)} == {frozenset("gh"), frozenset("g")}


def wrote_to_g() -> Wrote:
    return Wrote("g", 0, b"1")


NAMES: list[Op] = [Renamed("f", "g"), Made("h")]


def test_strictly_names_change_in_any_order_and_a_rename_may_be_half_done() -> None:
    found = {frozenset(card) for card in cards("strict", NAMES, {"f": b"1"})}
    assert found == {frozenset(names) for names in ("", "f", "g", "h", "fg", "fh", "gh", "fgh")}


def test_with_a_journal_names_change_in_their_order() -> None:
    found = {frozenset(card) for card in cards("journaled", NAMES, {"f": b"1"})}
    assert found == {frozenset("f"), frozenset("g"), frozenset("gh")}


def test_strictly_each_name_has_one_of_the_values_it_had_in_turn() -> None:
    found = {card.get("f") for card in cards("strict", [Removed("f"), Made("f")], {"f": b"1"})}
    assert found == {b"1", None, b""}


@pytest.mark.parametrize("model", MODELS)
def test_syncing_a_folder_settles_its_own_names(model: str) -> None:
    ops: list[Op] = [FOLDER, synced(1, ""), Made("kept/f"), Made("g"), synced(4, "kept")]
    found = {frozenset(card) for card in cards(model, ops)}
    own = {"kept", "kept/f"}
    assert found == ({frozenset(own), frozenset({*own, "g"})} if model == "strict" else {frozenset({*own, "g"})})


def test_strictly_what_is_in_a_folder_is_lost_with_the_folders_name() -> None:
    found = cards("strict", [FOLDER, Made("kept/f"), synced(2, "kept")])
    assert {frozenset(card) for card in found} == {frozenset(), frozenset({"kept", "kept/f"})}


@pytest.mark.parametrize("model", MODELS)
def test_a_renamed_file_that_was_not_synced_may_be_empty(model: str) -> None:
    ops: list[Op] = [Made("f.new"), Wrote("f.new", 0, b"1"), Renamed("f.new", "f"), synced(3, "")]
    assert {card.get("f") for card in cards(model, ops)} >= {b"", b"1"}
    assert {card.get("f") for card in cards(model, [*ops, synced(4)])} == {b"1"}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("length", [0, 2])
def test_a_file_made_shorter_may_be_as_it_was_until_it_is_synced(model: str, length: int) -> None:
    short = b"long"[:length]
    assert contents(model, [Resized("f", length)], b"long") == {b"long", short}
    assert contents(model, [Resized("f", length), synced(1)], b"long") == {short}


def test_strictly_a_file_of_which_only_data_was_synced_may_still_be_as_long_as_it_was() -> None:
    ops: list[Op] = [Resized("f", 0), wrote(b"new"), synced(2, fully=False)]
    assert contents("strict", ops, b"longer") == {b"new", b"newger"}
    assert contents("strict", [*ops, synced(3)], b"longer") == {b"new"}
    assert contents("journaled", ops, b"longer") == {b"new"}


def test_with_a_journal_what_is_written_after_a_truncation_is_lost_with_it() -> None:
    assert contents("journaled", [Resized("f", 0), wrote(b"new")], b"old") == {b"old", b"", b"new"}


@pytest.mark.parametrize("disk", [Strict, Journaled])
def test_a_program_sees_what_it_asked_for(disk: type[Strict | Journaled]) -> None:
    made = disk({"f": b"12345"})
    for op in (FOLDER, wrote(b"ab", 1), Resized("f", 4), Renamed("f", "kept/f"), Made("g"), Removed("g")):
        made.apply(op)
    assert made.seen == {"kept": None, "kept/f": b"1ab4"}
