"""Hostile pictures: whatever is shown, the reader comes back soon, raises nothing, reads nothing that is not there.

Nor does what says of each how well it could be read, and why it could not.

How soon is measured as this process's own time, so that a busy machine fails no test. A loop without end is ended by
the test's time limit; in the field by the worker's.
"""

from collections.abc import Callable, Iterator
from functools import cache, partial
from time import process_time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench.doubtful import random_acta, symbol_of
from device.cause import Cause
from device.eye import certified
from device.reader import Corners, Knowledge, Reader, Reading
from wire.profiles import named

Luma = NDArray[np.uint8]

# The reader's own deadline of 0.8 s and the step under way when it passed are 1.0 s at the worst here; the rest is for
# slower machines.
SECONDS_MAX = 10.0

PAYLOAD = random_acta(np.random.default_rng(28), 108)


ACTA = Knowledge.of(named("ve-2024-presidential"))


@pytest.fixture(scope="module", params=[None, ACTA], ids=["any code", "an acta"])
def reader(request: pytest.FixtureRequest) -> Reader:
    return Reader(request.param, clock=process_time)


def drawn(content: str = PAYLOAD, *, px: int = 3, border: int = 4) -> Luma:
    """A plain symbol with its quiet zone."""
    modules = np.pad(symbol_of(content), border)
    return np.where(modules > 0, 0, 255).astype(np.uint8).repeat(px, axis=0).repeat(px, axis=1)


def soon(reader: Reader, luma: Luma) -> tuple[str, ...]:
    """What was read, within the time; and certified."""
    began = process_time()
    reading = reader.read(luma)
    quality, _, uncertified = certified(luma, reading)
    assert process_time() - began < SECONDS_MAX
    assert uncertified == ""
    assert bool(quality.cause) is not bool(reading.payloads)
    return reading.payloads


def noise(*shape: int) -> Luma:
    return np.random.default_rng(sum(shape)).integers(0, 256, shape, np.uint8)


def chequers(height: int, width: int, px: int) -> Luma:
    odd = (np.indices((height, width)) // px).sum(axis=0) % 2 == 1
    return np.where(odd, 255, 0).astype(np.uint8)


def stripes(px: int) -> Luma:
    return np.tile(chequers(1, 1200, px), (900, 1))


def finders(rows: int, columns: int, px: int) -> Luma:
    """A sheet of finder patterns, each with its ring of white."""
    pattern = np.full((9, 9), 255, np.uint8)
    pattern[1:8, 1:8] = 0
    pattern[2:7, 2:7] = 255
    pattern[3:6, 3:6] = 0
    return np.tile(pattern, (rows, columns)).repeat(px, axis=0).repeat(px, axis=1)


def rings(side: int, px: int) -> Luma:
    """A finder pattern that never ends."""
    away = np.abs(np.arange(side) - side // 2)
    return (np.maximum(away[:, None], away[None, :]) // px % 2 * 255).astype(np.uint8)


WITHOUT: dict[str, Callable[[], Luma]] = {
    "one pixel": lambda: np.zeros((1, 1), np.uint8),
    "one row": lambda: noise(1, 4608),
    "one column": lambda: noise(4608, 1),
    "two by two": lambda: noise(2, 2),
    "smaller than a finder": lambda: noise(6, 6),
    "smaller than the smallest symbol": lambda: noise(20, 20),
    "black": lambda: np.zeros((1000, 1000), np.uint8),
    "white": lambda: np.full((1000, 1000), 255, np.uint8),
    "black, 12 megapixels": lambda: np.zeros((2592, 4608), np.uint8),
    "a strip 16,384 wide": lambda: noise(64, 16384),
    "a strip 16,384 wide with stripes": lambda: np.tile(chequers(1, 16384, 3), (64, 1)),
    "a strip 16,384 high": lambda: noise(16384, 50),
    "noise": lambda: noise(700, 900),
    "noise of two levels": lambda: noise(700, 900) // 128 * np.uint8(255),
    "noise between two levels": lambda: 127 + noise(700, 900) % np.uint8(2),
    "blocks at random": lambda: noise(90, 90).repeat(8, axis=0).repeat(8, axis=1),
    "a slope": lambda: np.tile(np.linspace(0, 255, 1500).astype(np.uint8), (900, 1)),
    "two slopes": lambda: np.add.outer(np.arange(900), np.arange(1500)).astype(np.uint8),
    "one finder pattern": lambda: np.pad(finders(1, 1, 8), 400, constant_values=255),
    "two finder patterns": lambda: np.pad(finders(1, 2, 8), 200, constant_values=255),
    "hundreds of finder patterns": lambda: finders(20, 30, 4),
    "hundreds of large ones": lambda: finders(24, 43, 12),
    "thousands of finder patterns": lambda: finders(60, 80, 2),
    "rings": lambda: rings(901, 5),
    "rings of one pixel": lambda: rings(901, 1),
    "rows of rings": lambda: np.tile(rings(45, 5), (16, 16)),
    **{f"chequers of {px} px": partial(chequers, 900, 1200, px) for px in (1, 3, 12, 200)},
    **{f"stripes of {px} px": partial(stripes, px) for px in (1, 3, 11)},
}


@pytest.mark.parametrize("name", WITHOUT)
def test_where_no_code_is_nothing_is_read_and_soon(name: str, reader: Reader) -> None:
    assert soon(reader, WITHOUT[name]()) == ()


@pytest.mark.parametrize(
    "corners", [((100.0, 100.0), (300.0, 100.0), (300.0, 300.0), (100.0, 300.0)), ((0.0, 0.0),) * 4]
)
def test_a_frame_that_is_black_where_a_code_seems_to_be_gets_a_cause(corners: Corners) -> None:
    """zxing-cpp names four times the same corner where it has lost what it took for a code."""
    quality, _, uncertified = certified(np.zeros((600, 800), np.uint8), Reading((), "", corners=corners, unread=1))
    assert (uncertified, quality.cause) == ("", Cause.NO_CODE.value)


def test_a_wide_quiet_zone_hides_no_code(reader: Reader) -> None:
    plane = np.full((2592, 4608), 235, np.uint8)
    code = drawn()
    plane[1900 : 1900 + len(code), 300 : 300 + len(code)] = code
    assert soon(reader, plane) == (PAYLOAD,)


@cache
def hundred() -> tuple[Luma, frozenset[str]]:
    """A sheet of a hundred codes, and what they hold."""
    contents = [random_acta(np.random.default_rng(number), 108) for number in range(100)]
    rows = [np.hstack([drawn(content) for content in contents[row : row + 10]]) for row in range(0, 100, 10)]
    return np.vstack(rows), frozenset(contents)


def test_a_sheet_of_a_hundred_codes_is_read_or_given_up_soon(reader: Reader) -> None:
    luma, contents = hundred()
    assert set(soon(reader, luma)) <= contents


def test_a_hundred_codes_that_say_nothing_take_no_longer(reader: Reader) -> None:
    """Each looks like a symbol, so that all that is tried on one could be tried a hundred times."""
    rng = np.random.default_rng(1)
    sheet = np.tile(drawn(), (10, 10))
    px = 3
    cells = rng.integers(0, 2, (len(sheet) // px, len(sheet) // px), np.uint8) * np.uint8(255)
    spoilt = np.where(rng.random(cells.shape) < 0.3, cells, sheet[::px, ::px]).astype(np.uint8)
    assert soon(reader, spoilt.repeat(px, axis=0).repeat(px, axis=1)) == ()


def planes() -> Iterator[tuple[str, Luma]]:
    """One code as it may lie in memory."""
    code = drawn()
    height, width = code.shape
    padded = np.full((height, width + 37), 255, np.uint8)
    padded[:, :width] = code
    yield "padded rows", padded[:, :width]
    yield "every other row and column", drawn(px=6)[::2, ::2]
    yield "upside down", code[::-1, ::-1]
    yield "mirrored", code[:, ::-1]
    yield "columns first", np.asfortranarray(code)
    yield "between other bytes", np.stack([code, code // 2, code // 3], axis=2)[..., 0]
    frozen = code.copy()
    frozen.flags.writeable = False
    yield "read-only", frozen
    yield "over bytes", np.frombuffer(code.tobytes(), np.uint8).reshape(height, width)
    whole = np.frombuffer(b"\xff" + code.tobytes(), np.uint8)
    yield "at an odd address", whole[1:].reshape(height, width)


@pytest.mark.parametrize(("name", "plane"), list(planes()))
def test_a_code_is_read_however_it_lies_in_memory_and_stays_as_it_was(name: str, plane: Luma, reader: Reader) -> None:
    before = plane.copy()
    assert soon(reader, plane) == (PAYLOAD,)
    np.testing.assert_array_equal(plane, before)


Change = tuple[str, int, int, int, int, int]
changes = st.lists(
    st.tuples(
        st.sampled_from(("fill", "invert", "noise", "move", "roll", "stretch", "cut", "shade")),
        *[st.integers(0, 255)] * 5,
    ),
    min_size=1,
    max_size=5,
)


def changed(luma: Luma, change: Change) -> Luma:
    """A picture after one change, which says what and where; never empty."""
    what, top, left, high, wide, how = change
    height, width = luma.shape
    y, x = top * height // 256, left * width // 256
    bottom, right = min(height, y + 1 + high * height // 512), min(width, x + 1 + wide * width // 512)
    there = (slice(y, bottom), slice(x, right))
    new = luma.copy()
    match what:
        case "fill":
            new[there] = how
        case "invert":
            new[there] = 255 - new[there]
        case "noise":
            new[there] = noise(bottom - y, right - x, 1)[..., 0].astype(np.uint16) % (how + 1)
        case "move":
            part = luma[there]
            new[: len(part), : part.shape[1]] = part
        case "roll":
            new[there] = np.roll(new[there], how - 128, axis=how % 2)
        case "stretch":
            columns = (np.arange(width) * (how + 1) // 128) % width
            new = np.ascontiguousarray(new[:, columns])
        case "cut":
            new = np.ascontiguousarray(new[y:, x:] if how % 2 else new[:bottom, :right])
        case _:
            new = (new * np.linspace(how / 255, 1, width)).astype(np.uint8)
    return new


@settings(max_examples=settings().max_examples // 10)
@given(changes)
def test_a_code_changed_anyhow_is_read_right_or_not_at_all_and_soon(todo: list[Change]) -> None:
    luma = drawn()
    for change in todo:
        luma = changed(luma, change)
    assert set(soon(Reader(ACTA, clock=process_time), luma)) <= {PAYLOAD}


@settings(max_examples=settings().max_examples // 4)
@given(st.integers(1, 90), st.integers(1, 90), st.binary(min_size=1, max_size=400))
def test_any_bytes_as_a_picture_are_harmless(height: int, width: int, content: bytes) -> None:
    plane = np.resize(np.frombuffer(content, np.uint8), (height, width))
    assert soon(Reader(), plane) == ()
