"""Half one acta, half another: no third is read of them, though each block by itself may be beyond doubt."""

from importlib import import_module

import numpy as np
import pytest
from numpy.typing import NDArray

from bench import doubtful
from bench.doubtful import Modules
from device.reader import Knowledge
from device.reader.decode import decode
from wire.profiles import named

KNOWLEDGE = Knowledge.of(named("ve-2024-presidential"))
HUNTED = 20_000
MISREAD = (171, 320, 411, 476, 845, 877)
"""By a reader that did not ask whether blocks are seen together."""


def _alike(payload: str, chance: np.random.Generator) -> str:
    """Another mesa of the same centre, with many of the same counts."""
    head, counts, tail = payload.split("!", 2)
    votes = counts.split(",")
    for place in chance.permutation(len(votes))[: chance.integers(3, 38)]:
        votes[place] = str((int(votes[place]) + int(chance.integers(1, 9))) % 10 ** len(votes[place]))
    return f"{head[:10]}{int(head[10:12]) % 15 + 1:02}{head[12:]}!{','.join(votes)}!{tail}"


def _mixture(seed: int) -> tuple[Modules, NDArray[np.bool_], set[str]]:
    """Soft modules of one acta up to some line, and of another one beyond; which were not seen; both payloads."""
    chance = np.random.default_rng(seed)
    version = int(chance.choice(doubtful.ACTA_VERSIONS))
    payload = doubtful.random_acta(chance, doubtful.HOLDS[version])
    other, mask = _alike(payload, chance), int(chance.integers(8))
    one, two = (2 * doubtful.symbol_of(each, version=version, mask=mask) - 1 for each in (payload, other))
    rows, columns = np.indices(one.shape) - len(one) // 2
    beyond = np.zeros(one.shape, bool)
    if chance.random() < 0.5:
        angle = chance.uniform(0, 2 * np.pi)
        beyond = columns * np.cos(angle) + rows * np.sin(angle) < chance.uniform(-0.35, 0.35) * len(one)
    else:  # where the checks are, in the order of their codewords
        places, (lengths, _) = doubtful.places_of(version), doubtful.BLOCKS[version]
        checks = places[sum(lengths) :]
        beyond.flat[checks[int(chance.uniform(0.3, 0.7) * len(checks)) :]] = True
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


def test_an_acta_hidden_in_the_same_places_is_read() -> None:
    """What hides a third of every block's checks contradicts them together, which is no sign of another acta."""
    chance = np.random.default_rng(2024)
    payload = doubtful.random_acta(chance, doubtful.HOLDS[8])
    symbol = 2 * doubtful.symbol_of(payload) - 1
    symbol[:, :8] = np.where(chance.random((len(symbol), 8)) < 0.5, 1, -1)
    decoded = decode(symbol, KNOWLEDGE)
    assert decoded
    assert decoded.content == payload.encode()
