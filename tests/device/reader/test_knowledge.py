"""What a profile knows of its symbols, and what it makes of doubtful ones."""

import random
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.reader.knowledge import Knowledge
from wire import profiles
from wire.acta import Acta
from wire.errors import OurFault
from wire.positional import Positional

PROFILE = profiles.named("ve-2024-presidential")
FOUND = Knowledge.of(PROFILE)
assert FOUND is not None
KNOWLEDGE = FOUND


def some_payload(chance: random.Random) -> str:
    """A payload of the profile, 100 to 108 characters: it fits version 8."""
    while True:
        counts = [int(10 ** chance.uniform(0, 1) - 1) for _ in range(38)]
        counts[0], counts[34], counts[35] = chance.randint(20, 300), chance.randint(5, 60), chance.randint(50, 500)
        centro = f"{chance.randint(10101001, 242922060):09}"
        payload = f"{centro}.{chance.randint(1, 15):02}.1.0001!{','.join(map(str, counts))}!{chance.randint(0, 3)}!0"
        if 100 <= len(payload) <= 108:
            return payload


def content_bits(payload: str, codewords: int = 110, zeros: bool = True) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """The content of a symbol below version 10 in byte mode."""
    said = f"0100{len(payload):08b}" + "".join(f"{byte:08b}" for byte in payload.encode()) + "0000"
    content = int(said, 2).to_bytes(len(said) // 8) + b"\0" * zeros + b"\xec\x11" * codewords
    return np.unpackbits(np.frombuffer(content[:codewords], np.uint8))


def test_the_profile_says_what_its_symbols_look_like() -> None:
    assert (KNOWLEDGE.versions, KNOWLEDGE.level, KNOWLEDGE.module_mm) == ((8, 9), "Q", 1.16)


def test_a_profile_that_says_nothing_of_its_symbols_gives_no_knowledge() -> None:
    assert Knowledge.of(profiles.named("br-bu-1.5")) is None


def test_all_characters_of_an_acta_share_three_bits() -> None:
    assert KNOWLEDGE.bits_known == 3
    assert Knowledge().bits_known == 0


@given(st.randoms(use_true_random=False), st.sampled_from(" 0123456789.,!x-"), st.booleans())
def test_the_grammar_allows_exactly_what_the_profile_reads(chance: random.Random, other: str, changed: bool) -> None:
    payload = some_payload(chance)
    if changed:
        place = chance.randrange(len(payload) + 1)
        payload = payload[:place] + other + payload[place + chance.randint(0, 1) :]
    assert isinstance(PROFILE, Positional)
    assert KNOWLEDGE.allows(payload.encode()) == isinstance(PROFILE.read([payload]), Acta)


@pytest.mark.parametrize("zeros", [True, False])
def test_what_is_expected_of_every_payload_is_true_of_each(zeros: bool) -> None:
    chance = random.Random(1)
    expected = KNOWLEDGE.expected(880, 8)
    assert np.count_nonzero(expected) > 4 + 3 * 95
    for _ in range(50):
        content = content_bits(some_payload(chance), zeros=zeros) * 2.0 - 1
        assert (content[expected != 0] == expected[expected != 0]).all()


@pytest.mark.parametrize("zeros", [True, False])
def test_doubtful_bits_become_surer_and_righter(zeros: bool) -> None:
    rng, chance = np.random.default_rng(2), random.Random(2)
    for _ in range(10):
        content = content_bits(some_payload(chance), zeros=zeros)
        odds = ((content * 2.0 - 1 + rng.normal(0, 0.7, content.shape)) * 4).astype(np.float32)
        sharper, gain = KNOWLEDGE.sharpened(odds, 8)
        assert gain > 300
        assert ((sharper > 0) != content).sum() < 0.4 * ((odds > 0) != content).sum()


def test_bits_that_leave_no_choice_come_back_as_they_were() -> None:
    content = content_bits(some_payload(random.Random(3)))
    sharper, gain = KNOWLEDGE.sharpened((content * 60.0 - 30).astype(np.float32), 8)
    np.testing.assert_array_equal(sharper > 0, content)
    assert np.abs(sharper).min() > 10
    assert gain > 500


def test_what_is_no_payload_of_the_grammar_speaks_against_it() -> None:
    rng = np.random.default_rng(4)
    assert KNOWLEDGE.sharpened((content_bits("https://example.org/" * 5) * 12.0 - 6).astype(np.float32), 8)[1] < 0
    assert KNOWLEDGE.sharpened(rng.normal(0, 4, 880).astype(np.float32), 8)[1] < 0
    assert KNOWLEDGE.sharpened(np.full(880, -200, np.float32), 8)[1] == -np.inf


def test_of_counts_nothing_is_believed_but_that_they_are_numbers() -> None:
    # One digit of the largest count is wholly lost: each digit must be as likely as any other.
    payload = "012345678.01.1.0001!" + ",".join("7" * 33 + "5" * 4) + ",412!0!0"
    odds = (content_bits(payload) * 12.0 - 6).astype(np.float32)
    place = 12 + 8 * payload.index("412") + 8
    odds[place : place + 8] = 0
    ones = 1 / (1 + np.exp(-KNOWLEDGE.sharpened(odds, 8)[0][place : place + 8]))
    digits = np.unpackbits(np.arange(48, 58, dtype=np.uint8)[:, None], axis=1).mean(axis=0)
    np.testing.assert_allclose(ones, digits, atol=0.12)  # the grammar also allows a comma there, once in many


@pytest.mark.parametrize(
    ("grammar", "texts"),
    [
        ("abc", ["abc"]),
        ("a|bc|d", ["a", "bc", "d"]),
        ("[a-c]x?[09]", ["a0", "bx9"]),
        ("(?:a|bc){2}d", ["aad", "abcd", "bcbcd"]),
        ("a{1,3}", ["a", "aa", "aaa"]),
        (r"\.{2}x{0,2}!", ["..!", "..x!", "..xx!"]),
    ],
)
def test_a_grammar_knows_the_texts_it_has(grammar: str, texts: list[str]) -> None:
    knowledge = Knowledge(grammar=grammar)
    for text in texts:
        assert knowledge.allows(text.encode())
        right, wrong = (content_bits(said, 12) * np.float32(400) - 200 for said in (text, text + "\0"))
        assert knowledge.sharpened(right, 1)[1] > 0 > knowledge.sharpened(wrong, 1)[1]


@pytest.mark.parametrize(
    "grammar", [r"\d", "a*", "a+", ".", "(a)", "(?:a", "a)", "[^a]", "^a", "a{2", "a{,2}", "a??", "a?"]
)
def test_a_grammar_with_anything_else_is_refused_with_its_place(grammar: str) -> None:
    with pytest.raises(OurFault, match="grammar of the payload: .* found " + re.escape("'")):
        Knowledge(grammar=grammar)
