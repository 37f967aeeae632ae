"""The chance: what may go wrong in a run, how often, and all of it drawn from one seed."""

import secrets
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from device.ports import Ms
from sim.link import Fate, Way

LATE_MS_MAX = 600_000

_FATES = {
    Way.CONNECT: (Fate.CUT, Fate.UNANSWERED),
    Way.UP: (
        Fate.LOST,
        Fate.CUT,
        Fate.UNANSWERED,
        Fate.REFUSED,
        Fate.REFUSED_YET_TAKEN,
        Fate.TWICE,
        Fate.LATE,
        Fate.SILENT,
    ),
    Way.DOWN: (Fate.LOST, Fate.CUT, Fate.UNANSWERED, Fate.TWICE, Fate.LATE),
}


class Weather:
    """The fates of all that an exchange carries.

    Attributes:
        bad: the share of things that have a bad one.
        happened: how often each was drawn.
    """

    def __init__(self, chance: Random, bad: float) -> None:
        self.bad = bad
        self.happened: Counter[str] = Counter()
        self._chance = chance

    def __call__(self, way: Way) -> tuple[Fate, Ms]:
        """Draws the next."""
        if self._chance.random() >= self.bad:
            return Fate.ARRIVES, 0
        fate = self._chance.choice(_FATES[way])
        self.happened[f"{way.value} {fate.value}"] += 1
        return fate, span(self._chance, 100, LATE_MS_MAX)


def span(chance: Random, least: int, most: int) -> int:
    """A number between the two, in whose logarithm no part is likelier than another: seconds as often as hours."""
    ratio: float = (most / least) ** chance.random()
    return round(least * ratio)


@contextmanager
def names_from(seed: str) -> Iterator[None]:
    """Names that programs draw for themselves, as those of chains, come from the seed meanwhile.

    They decide the order of some things, and nothing else may. Keys, and what is sealed with them, stay truly random.
    """
    chance, token_hex = Random(seed), secrets.token_hex
    secrets.token_hex = lambda nbytes=None: chance.randbytes(nbytes or 32).hex()
    try:
        yield
    finally:
        secrets.token_hex = token_hex
