"""The oracle: it finds fault with each promise that is broken by hand, and with none while nothing is broken."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.crash.hunt import judged
from tests.crash.oracle import Known
from tests.crash.recorder import Recording, read_card, record, write_card

Hurt = Callable[[Path, list[str]], object]
"""Breaks a promise, on the card or by what was said."""


@pytest.fixture(scope="module")
def evening(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return record(tmp_path_factory.mktemp("evening") / "recording", "evening")


def one(card: Path, pattern: str) -> Path:
    return max((card / "kept").glob(pattern))


def flip(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def changed(said: list[str], kind: str, word: int, to: str) -> None:
    """Changes a word of the last line of a kind."""
    number = max(number for number, line in enumerate(said) if line.startswith(f"{kind} "))
    words = said[number].split()
    said[number] = " ".join([*words[:word], to, *words[word + 1 :]])


def forget(said: list[str]) -> None:
    """All but the first chain: then nothing that is missing was promised."""
    del said[1:]


def in_index(card: Path, statement: str) -> None:
    with closing(sqlite3.connect(card / "index.db")) as index, index:
        index.execute(statement)


def without_index(card: Path) -> None:
    for path in card.glob("index.db*"):
        path.unlink()


def purged(said: list[str], seq: int) -> list[str]:
    """Two hubs hold the whole chain, and one record of it is purged."""
    chain = said[0].split()[1]
    return [*(f"settled {chain} 3 {hub}" for hub in ("hub-a", "hub-b")), "purging", f"purged {chain} {seq}"]


OTHER = "f" * 64
NEW_CHAIN = "0" * 32


def first_is_gone(card: Path, said: list[str]) -> None:
    one(card, "*-1.envelope").unlink()
    forget(said)


def index_is_rubbish(card: Path, said: list[str]) -> None:
    (card / "index.db").write_bytes(b"rubbish " * 999)
    forget(said)


def index_is_a_folder(card: Path, _said: list[str]) -> None:
    without_index(card)
    (card / "index.db").mkdir()


THERE = "what was announced or sent is there"
HURTS: dict[str, tuple[Hurt, str]] = {
    "an envelope is gone": (lambda card, _: one(card, "*-3.envelope").unlink(), THERE),
    "an envelope is altered": (lambda card, _: flip(one(card, "*-3.envelope")), THERE),
    "an envelope is empty": (lambda card, _: one(card, "*-3.envelope").write_bytes(b""), THERE),
    "a picture is gone": (lambda card, _: one(card, "*.picture").unlink(), THERE),
    "a picture is altered": (lambda card, _: flip(one(card, "*.picture")), THERE),
    "another envelope was announced": (lambda _, said: changed(said, "kept", 3, OTHER), THERE),
    "another envelope was claimed": (lambda _, said: said.append(f"held {said[0].split()[1]} 4 {OTHER}"), THERE),
    "another payload was announced": (
        lambda _, said: changed(said, "kept", 4, OTHER),
        "what was announced holds what was read",
    ),
    "other bytes were sent": (lambda _, said: changed(said, "sent", 4, OTHER), "what was sent is there, byte for byte"),
    "a receipt was made up": (
        lambda card, _: in_index(card, "UPDATE receipt SET seq = 3, whole = 3"),
        "what was announced and has no receipt is offered",
    ),
    "a receipt is gone": (
        lambda card, _: in_index(card, "DELETE FROM receipt"),
        "what is receipted is not offered again",
    ),
    "the index is gone": (lambda card, _: without_index(card), "what is receipted is not offered again"),
    "what nobody holds was purged": (
        lambda _, said: said.extend(["purging", f"purged {said[0].split()[1]} 2"]),
        "what is purged was held whole by two hubs, and is not a chain's last",
    ),
    "the last of a chain was purged": (
        lambda _, said: said.extend(purged(said, 3)),
        "what is purged was held whole by two hubs, and is not a chain's last",
    ),
    "what was purged is there": (
        lambda _, said: said.extend(purged(said, 2)),
        "what was purged does not come back",
    ),
    "two things were said of a place": (
        lambda _, said: said.append(f"held {said[0].split()[1]} 1 {OTHER}"),
        "of one place one thing is said",
    ),
    "a record is missing in its chain": (first_is_gone, "a chain has no gap"),
    "the index is rubbish": (index_is_rubbish, "a power cut does not spoil the index"),
    "starts were forgotten": (lambda card, _: in_index(card, "DELETE FROM boot"), "starts are counted"),
    "the chain was left": (
        lambda _, said: said.append(f"chain {NEW_CHAIN}"),
        "a chain that was left is not gone back to",
    ),
    "the chain ends for no reason": (
        lambda card, _: in_index(card, f"INSERT INTO chain (chain) VALUES ('{NEW_CHAIN}')"),
        "a chain ends for a reason only",
    ),
    "the card cannot be used": (index_is_a_folder, "the firmware starts and works"),
}


def card_and_said(evening: Recording, folder: Path) -> tuple[Path, list[str]]:
    """The card that an evening left, closed in order, and what was said."""
    write_card(folder / "card", read_card(evening.folder / "card"))
    with closing(sqlite3.connect(folder / "card" / "index.db")) as index:
        index.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return folder / "card", (evening.folder / "said").read_text("ascii").splitlines()


@pytest.mark.parametrize("hurt", HURTS)
def test_a_broken_promise_is_named(evening: Recording, tmp_path: Path, hurt: str) -> None:
    card, said = card_and_said(evening, tmp_path)
    break_it, promise = HURTS[hurt]
    break_it(card, said)
    assert judged(read_card(card), said).startswith(promise)


def test_where_nothing_is_broken_nothing_is_found(evening: Recording, tmp_path: Path) -> None:
    card, said = card_and_said(evening, tmp_path)
    assert judged(read_card(card), said) == ""


def test_a_line_that_nobody_knows_is_not_passed_over() -> None:
    with pytest.raises(AssertionError, match="nobody knows what this means: kept nothing"):
        Known.of(["kept nothing"])
