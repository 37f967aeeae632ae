"""The glossary: one entry a line, sorted, and every word that the house has settled on is among them."""

import re

import pytest

from tests.house.test_tree import UNUSED_WORDS
from tests.house.tree import ROOT

PAGE = (ROOT / "docs" / "glossary.md").read_text("utf-8")
ENTRIES = [line for line in PAGE.splitlines() if line.startswith("- ")]
ENTRY = re.compile(r"- \*\*([a-z][a-z ]*)\*\*: \S.*\.")

SETTLED = (
    "acta mesa centro nulos vacios payload profile refusal unit body port frame photograph scan look signal record "
    "envelope seq chain keep card outbox offer receipt settle link beat beacon hub ledger register coverage enrolment "
    "seed scenario oracle mishap"
).split()


def words() -> list[str]:
    return [entry[1] for line in ENTRIES if (entry := ENTRY.fullmatch(line))]


@pytest.mark.parametrize("word", SETTLED)
def test_every_settled_word_has_an_entry(word: str) -> None:
    assert word in words()


def test_every_entry_is_one_line_with_a_word_and_a_sentence() -> None:
    assert [line for line in ENTRIES if not ENTRY.fullmatch(line)] == []


def test_the_entries_are_sorted_and_none_is_there_twice() -> None:
    assert words() == sorted(set(words()))


def test_the_words_not_used_are_listed_and_none_of_them_is_an_entry() -> None:
    not_used = PAGE.split("## Not used")[1]
    assert {word for word in UNUSED_WORDS if f"*{word}*" not in not_used} == set()
    assert UNUSED_WORDS.isdisjoint(words())
