"""Decoding: soft modules give back exactly what was printed, or nothing."""

import random
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
import segno
import zxingcpp
from numpy.typing import NDArray

from device.reader import symbol
from device.reader.decode import EVIDENCE_BITS_MIN, Decoded, decode, parsed, speaks_for
from device.reader.knowledge import Knowledge
from tests.device.reader.test_knowledge import KNOWLEDGE, some_payload

Floats = NDArray[np.float32]


def printed(content: str | bytes, **how: object) -> Floats:
    """The modules of a symbol, 1 dark and -1 light; an acta's unless told otherwise."""
    how = {"error": "q", "mode": "byte", "boost_error": False} | how
    made = segno.make_qr(content, **how)  # type: ignore[arg-type]
    return np.array([list(row) for row in made.matrix], np.float32) * 2 - 1


def noisy(modules: Floats, flips: float, rng: np.random.Generator) -> Floats:
    """The modules with gaussian noise, by which such a share of them changes colour."""
    return (modules + rng.normal(0, -1 / NormalDist().inv_cdf(flips), modules.shape)).astype(np.float32)


def edge(dim: int, side: str, share: float) -> NDArray[np.bool_]:
    """The modules of a share of the width along one side."""
    gone = np.arange(dim) < round(dim * share)
    return {
        "left": np.tile(gone, (dim, 1)),
        "right": np.tile(gone[::-1], (dim, 1)),
        "top": np.tile(gone[:, None], (1, dim)),
        "bottom": np.tile(gone[::-1, None], (1, dim)),
    }[side]


@pytest.mark.parametrize("version", [*range(1, 15), 20, 26, 27, 33, 40])
@pytest.mark.parametrize("level", symbol.LEVELS)
def test_a_clean_symbol_says_what_was_printed(version: int, level: str) -> None:
    content = bytes(range(version, version + 7))
    found = decode(printed(content, version=version, error=level, mask=version % 8))
    assert found is not None
    assert found == Decoded(content, 0, 0, 0, found.margin, version, level, version % 8, found.words)
    assert found.margin > 0.9


@pytest.mark.parametrize(
    ("content", "how"),
    [
        ("31415926535897", {"mode": "numeric"}),
        ("3141592653589", {"mode": "numeric"}),
        ("314159265358", {"mode": "numeric"}),
        ("ACTA 0001 $%*+-./:", {"mode": "alphanumeric"}),
        ("ODD", {"mode": "alphanumeric"}),
        ("茗荷滌漾", {"mode": "kanji"}),
        ("ñandú €", {"mode": "byte", "encoding": "utf-8", "eci": True}),
        (bytes(range(256)), {"mode": "byte"}),
        ("7" * 3000, {"mode": "numeric"}),
        ("long, in byte mode of 16 bits " * 30, {"mode": "byte"}),
    ],
)
def test_each_mode_gives_the_bytes_that_zxing_gives(content: str | bytes, how: dict[str, object]) -> None:
    modules = printed(content, **how)
    picture = np.pad(np.kron(np.where(modules > 0, 0, 255), np.ones((4, 4))), 16, constant_values=255)
    (theirs,) = zxingcpp.read_barcodes(picture.astype(np.uint8))
    found = decode(modules)
    assert found is not None
    assert found.content == theirs.bytes


@pytest.mark.parametrize("knowledge", [None, KNOWLEDGE])
@pytest.mark.parametrize("side", ["left", "right", "top", "bottom"])
@pytest.mark.parametrize("told", [True, False])
def test_a_fifth_of_the_width_may_be_lost_and_3_modules_in_100_wrong(
    side: str, told: bool, knowledge: Knowledge | None
) -> None:
    rng, chance = np.random.default_rng(20), random.Random(side)
    for _ in range(3):
        payload = some_payload(chance)
        lost = edge(49, side, 0.2)
        soft = np.where(lost, np.float32(-1), noisy(printed(payload), 0.03, rng))
        found = decode(soft, knowledge, lost=lost if told else None)
        assert found is not None
        assert found.content == payload.encode()
        assert found.erasures + found.assumed > 20


def test_told_to_stop_only_what_costs_little_is_tried() -> None:
    rng, payload = np.random.default_rng(21), some_payload(random.Random(21))
    soft = noisy(printed(payload), 0.06, rng)
    assert decode(soft, KNOWLEDGE) is not None
    assert decode(soft, KNOWLEDGE, stop=lambda: True) is None
    clean = decode(printed(payload), KNOWLEDGE, stop=lambda: True)
    assert clean is not None
    assert clean.content == payload.encode()


def test_with_the_grammar_more_may_be_lost_than_without() -> None:
    rng, chance = np.random.default_rng(30), random.Random(30)
    read = {None: 0, KNOWLEDGE: 0}
    for _ in range(6):
        payload, lost = some_payload(chance), edge(49, "right", 0.3)
        soft = noisy(printed(payload), 0.04, rng)
        for knowledge in read:
            found = decode(soft, knowledge, lost=lost)
            assert found is None or found.content == payload.encode()
            read[knowledge] += found is not None
            if found and knowledge:
                assert found.assumed
    assert read[KNOWLEDGE] > read[None]


@pytest.mark.parametrize("knowledge", [None, KNOWLEDGE])
def test_sure_and_wrong_codewords_are_corrected(knowledge: Knowledge | None) -> None:
    rng, chance = np.random.default_rng(4), random.Random(4)
    for _ in range(5):
        payload = some_payload(chance)
        soft = printed(payload)
        row, column = rng.integers(10, 32, 2)
        soft[row : row + 9, column : column + 9] = rng.choice([-1, 1], (9, 9))
        found = decode(soft, knowledge)
        assert found is not None
        assert found.content == payload.encode()
        assert found.corrected + found.erasures + found.assumed > 4
        assert 0 < found.margin < 0.95


def test_solved_blocks_tell_where_modules_lie() -> None:
    rng, chance = np.random.default_rng(6), random.Random(6)
    for _ in range(4):
        payload = some_payload(chance)
        soft = noisy(printed(payload), 0.03, rng)
        row, column = rng.integers(8, 28, 2)
        soft[row : row + 12, column : column + 12] = rng.choice([-1, 1], (12, 12))  # a stamp, say
        found = decode(soft, KNOWLEDGE)
        assert found is not None
        assert found.content == payload.encode()


@pytest.mark.parametrize("copies", [[0], [1], [0, 1]])
def test_with_the_grammar_both_copies_of_the_format_information_may_be_lost(copies: list[int]) -> None:
    soft, layout = printed("012345678.01.1.0001!" + ",".join("7" * 38) + "!0!0", version=8), symbol.layout(8)
    lost = np.zeros(soft.shape, bool)
    lost.flat[layout.format_at[copies].ravel()] = True
    assert decode(soft, KNOWLEDGE, lost=lost) is not None
    assert (decode(soft, lost=lost) is not None) == (len(copies) == 1)


def test_the_profile_hides_no_other_symbol() -> None:
    other = printed("https://example.org/not-an-acta", version=8)
    found = decode(other, KNOWLEDGE)
    assert found is not None
    assert found.content == b"https://example.org/not-an-acta"
    assert not found.assumed


def test_a_payload_that_is_not_of_the_grammar_is_believed_only_by_what_was_seen() -> None:
    payload = "012345678.01.1.0001!" + ",".join("7" * 37) + ",x!0!0"
    rng = np.random.default_rng(12)
    for share in (0.2, 0.25, 0.3, 0.35):
        found = decode(noisy(printed(payload), 0.04, rng), KNOWLEDGE, lost=edge(49, "right", share))
        assert found is None or (found.content == payload.encode() and found.margin * 8 * 22 >= EVIDENCE_BITS_MIN)


@pytest.mark.parametrize("knowledge", [None, KNOWLEDGE])
def test_nothing_is_said_where_nothing_is(knowledge: Knowledge | None) -> None:
    rng, layout = np.random.default_rng(0), symbol.layout(8)
    shape = (49, 49)
    for soft in (np.zeros(shape), np.ones(shape), -np.ones(shape), rng.choice([-1.0, 1.0], shape)):
        assert decode(soft.astype(np.float32), knowledge) is None
    for _ in range(20):
        assert decode(rng.normal(0, 1, shape).astype(np.float32), knowledge) is None
        chance = rng.choice([-1, 1], shape).astype(np.float32)
        chance[layout.fixed >= 0] = 2 * layout.fixed[layout.fixed >= 0] - 1
        chance.flat[layout.format_at] = 2 * symbol.FORMATS[24] - 1
        assert decode(chance, knowledge) is None
    assert decode(printed("x", version=8), knowledge, lost=np.ones(shape, bool)) is None


@pytest.mark.parametrize("knowledge", [None, KNOWLEDGE])
def test_a_symbol_damaged_beyond_repair_is_never_read_as_another(knowledge: Knowledge | None) -> None:
    rng, chance = np.random.default_rng(99), random.Random(99)
    outcomes = {True: 0, False: 0}
    for turn in range(40):
        payload = some_payload(chance)
        soft = noisy(printed(payload), (0.02, 0.08, 0.12)[turn % 3], rng)
        cover = np.kron(rng.random((25, 25)) < rng.uniform(0, 0.3), np.ones((2, 2), bool))[:49, :49]
        soft[cover] = rng.choice([-1, 1], int(cover.sum()))
        found = decode(soft, knowledge)
        assert found is None or found.content == payload.encode()
        outcomes[found is None] += 1
    assert all(outcomes.values()), "both must happen, or this shows nothing"


def test_a_symbol_without_content_says_nothing() -> None:
    assert decode(printed(b"", version=2)) is None


def bits(*parts: str, length: int = 19) -> bytes:
    """Content codewords from bits, padded as the standard says."""
    said = "".join(parts).replace(" ", "")
    said += "0" * (-len(said) % 8)
    content = int(said, 2).to_bytes(len(said) // 8)
    return content + (b"\xec\x11" * length)[: length - len(content)]


BYTES_HI = "0100 00000010 01001000 01101001 0000"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (bits(BYTES_HI), b"Hi"),
        (bits(BYTES_HI, "00000000"), b"Hi"),
        (bits("0001 0000000001 0111 0000"), b"7"),
        (bits("0111 00011010", BYTES_HI), b"Hi"),
        (bits("0111 10000000 00011010", BYTES_HI), b"Hi"),
        (bits("0100 00010001" + "01111000" * 17, "0000"), b"x" * 17),
    ],
)
def test_content_parses(content: bytes, said: bytes) -> None:
    assert parsed(content, 1) == said


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (bits(BYTES_HI)[:-1] + b"\x12", "padding that is none"),
        (bits(BYTES_HI, "00010001 11101100"), "padding the wrong way round"),
        (bits(BYTES_HI, "00000000 00000000"), "two codewords of zeros"),
        (bits("0001 0000000001 0111 0000 01"), "bits after the terminator"),
        (bits("0001 0000000001 1010 0000"), "a digit above 9"),
        (bits("0001 0000000010 1100100 0000"), "two digits above 99"),
        (bits("0010 000000010 11111111111 0000"), "two letters above 44"),
        (bits("0100 00010010" + "01111000" * 17, "0000"), "a byte more than there are"),
        (bits("0011 0000 0001 00000000", BYTES_HI), "a part of several symbols"),
        (bits("0101", BYTES_HI), "FNC1"),
        (bits("1101 0001 00000001 0000000000000 0000"), "hanzi"),
        (bits("1111", BYTES_HI), "no mode"),
    ],
)
def test_content_that_breaks_the_rules_says_nothing(content: bytes, why: str) -> None:
    assert parsed(content, 1) is None, why


@pytest.mark.parametrize("seed", range(5))
def test_a_frame_speaks_for_its_own_symbol_even_if_it_cannot_be_read_alone(seed: int) -> None:
    modules, rng = printed(some_payload(random.Random(seed)), mask=0), np.random.default_rng(seed)
    found, frame = decode(modules), noisy(modules, 0.2, rng)
    assert found is not None
    assert decode(frame) is None
    assert speaks_for(frame, found)


@pytest.mark.parametrize("seed", range(5))
def test_a_frame_never_speaks_for_another_symbol_nor_for_one_with_a_single_block_of_another(seed: int) -> None:
    payload = some_payload(random.Random(seed))
    alike = payload[:-5] + str((int(payload[-5]) + 1) % 10) + payload[-4:] if payload[-5].isdigit() else payload[::-1]
    found, other = decode(printed(payload, mask=0)), decode(printed(alike, mask=0))
    assert found is not None
    assert other is not None
    frame = noisy(printed(payload, mask=0), 0.02, np.random.default_rng(seed))
    assert speaks_for(frame, found)
    changed = [block for block in range(len(found.words)) if (found.words[block] != other.words[block]).any()]
    assert changed
    for block in changed:
        mixed = found.words.copy()
        mixed[block] = other.words[block]
        assert not speaks_for(frame, replace(found, words=mixed))
