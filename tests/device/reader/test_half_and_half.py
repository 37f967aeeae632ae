"""Half one acta, half another: no third is read of them, though each block by itself may be beyond doubt."""

from importlib import import_module

import numpy as np
import pytest
from numpy.typing import NDArray

from bench import doubtful
from bench.doubtful import Modules
from device.reader import Knowledge, Reader
from device.reader.decode import decode
from device.reader.variants import symbols
from tests.device.reader.plain import stopped
from wire.profiles import named

KNOWLEDGE = Knowledge.of(named("ve-2024-presidential"))
HUNTED = 20_000
MISREAD = (171, 320, 411, 476, 845, 877)
"""By a reader that did not ask whether blocks are seen together."""
SHOWING_THROUGH = 16253
TAKEN_BY_ZXING = (12, 16, 105, 182, 189, 203)
"""For a third acta."""


def _mixture(seed: int) -> tuple[Modules, NDArray[np.bool_], set[str]]:
    """Soft modules of one acta up to some line, and of another one beyond; which were not seen; both payloads."""
    chance = np.random.default_rng(seed)
    version = int(chance.choice(doubtful.ACTA_VERSIONS))
    payload = doubtful.random_acta(chance, doubtful.HOLDS[version])
    other, mask = doubtful.alike(payload, chance), int(chance.integers(8))
    one, two = (2 * doubtful.symbol_of(each, version=version, mask=mask) - 1 for each in (payload, other))
    beyond = doubtful.half_of_each(version, chance)
    lost = np.zeros(one.shape, bool)
    if chance.random() < 0.3:
        lost[:, : int(chance.uniform(0.05, 0.3) * len(one))] = True
        lost = np.rot90(lost, int(chance.integers(4)))
    soft = np.where(beyond, one, two) + chance.choice((0, 0, 0.2, 0.4, 0.6)) * chance.standard_normal(one.shape)
    return np.where(lost, 0, soft).astype(np.float32), lost, {payload, other}


def _misread(seed: int) -> bytes | None:
    soft, lost, truths = _mixture(seed)
    decoded = decode(soft, KNOWLEDGE, lost=lost)
    return decoded.content if decoded and decoded.content.decode("latin-1") not in truths else None


@pytest.mark.parametrize("seed", MISREAD)
def test_no_third_acta_is_read_of_two(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _misread(seed) is None
    monkeypatch.setattr(import_module("device.reader.decode"), "TOGETHER_MIN", 0)
    assert _misread(seed) is not None


@pytest.mark.hunt
def test_no_third_acta_is_read_of_many_pairs(seed: int) -> None:
    assert [each for each in range(seed, seed + HUNTED) if _misread(each)] == []


@pytest.mark.parametrize("seed", TAKEN_BY_ZXING)
def test_no_third_acta_is_read_in_a_picture_of_two(seed: int) -> None:
    """A symbol that zxing-cpp has corrected to the last codeword is believed by the same rules as the grid reader's."""
    luma, truths = doubtful.KINDS["half one, half an alike one"][1](np.random.default_rng(seed))
    assert {symbol.text for symbol in symbols(luma) if symbol.valid} - set(truths)
    assert set(Reader(KNOWLEDGE).read(luma).payloads) <= set(truths)


def test_no_third_acta_is_read_where_one_shows_through_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both as strong: the block that holds the mesa's number was decided for the one, and all others for the other."""
    luma, truths = doubtful.KINDS["two actas in view"][1](np.random.default_rng(SHOWING_THROUGH))
    assert set(Reader(KNOWLEDGE, clock=stopped).read(luma).payloads) <= set(truths)
    monkeypatch.setattr(import_module("device.reader.decode"), "OTHER_BITS_MIN", np.inf)
    assert Reader(KNOWLEDGE, clock=stopped).read(luma).payloads, "of whichever, or of both: noise decides"


def test_an_acta_hidden_in_the_same_places_is_read() -> None:
    """What hides a third of every block's checks contradicts them together, which is no sign of another acta."""
    chance = np.random.default_rng(2024)
    payload = doubtful.random_acta(chance, doubtful.HOLDS[8])
    symbol = 2 * doubtful.symbol_of(payload) - 1
    symbol[:, :8] = np.where(chance.random((len(symbol), 8)) < 0.5, 1, -1)
    decoded = decode(symbol, KNOWLEDGE)
    assert decoded
    assert decoded.content == payload.encode()
