"""The turn: of all that waits at the broker, what is taken next, so that a flood from one unit drowns no other.

The broker hands on what came in the order it came. A hub that took all of it would come to the others only once a
flood had been taken whole. So each unit has a share of every turn. What a unit published beyond it has what room the
others leave, and what then remains is let go: acknowledged, and neither taken nor answered. That loses nothing, for
a publication waits at its unit until it is receipted, and a unit has no more than `wire`'s windows on their way: an
honest one rarely fills a share, and no other can make it lose more than time.

Whose a publication is, is taken from its topic, before anything is verified: a broker lets a unit publish on its own
topics only. One that does not leaves the units whose topics are flooded what room the flood leaves them.
"""

from collections import Counter
from dataclasses import dataclass

from wire.envelope import PUBLICATION_BYTES_MAX
from wire.topics import parse

SHARES = 4
"""A turn has this many shares. A unit has at most 64 records and 4 chunks on their way (`device.outbox`), so a share
of a batch of 256 is about what one unit can have in it."""

READ_MAX = 8
"""How many batches are read for one turn at most: what lies behind a flood of 2,000 is taken in the next turn."""

BYTES_MAX = 32 * 1024 * 1024
"""How many bytes a turn may hold in memory: twice a batch that is all chunks."""


@dataclass(frozen=True, slots=True)
class Came:
    """A publication that came, and the number to acknowledge it by."""

    number: int
    topic: str
    content: bytes


class Turn:
    """What is read for one batch.

    Args:
        batch: how many publications are taken at most.

    Attributes:
        numbers: of all that was read, in order: MQTT asks that they be acknowledged so.
        let_go: how many were, by unit.
        oversized: how many were longer than a publication can be.
    """

    def __init__(self, batch: int) -> None:
        self._batch = batch
        self._share = max(1, batch // SHARES)
        self._within: list[Came] = []
        self._beyond: list[tuple[str, Came]] = []
        self._of: Counter[str] = Counter()
        self._bytes = 0
        self.numbers: list[int] = []
        self.let_go: Counter[str] = Counter()
        self.oversized = 0

    def __len__(self) -> int:
        """How many were read."""
        return len(self.numbers)

    @property
    def is_full(self) -> bool:
        """Whether nothing more is to be read."""
        return len(self._within) >= self._batch or len(self) >= READ_MAX * self._batch or self._bytes >= BYTES_MAX

    def add(self, came: Came) -> None:
        """Adds what was read."""
        self.numbers.append(came.number)
        if len(came.content) > PUBLICATION_BYTES_MAX:  # of what is longer nothing is kept in memory
            self.oversized += 1
            return
        topic = parse(came.topic)
        unit = topic.unit if topic else ""
        self._of[unit] += 1
        if self._of[unit] <= self._share:
            self._within.append(came)
        elif len(self._beyond) < self._batch:
            self._beyond.append((unit, came))
        else:
            self.let_go[unit] += 1
            return
        self._bytes += len(came.content)

    def taken(self) -> list[Came]:
        """What is taken: the shares, and of the rest what there is room for; what is not taken is let go."""
        room = self._batch - len(self._within)
        self.let_go.update(unit for unit, _ in self._beyond[room:])
        return self._within + [came for _, came in self._beyond[:room]]
