"""The route: over which broker to go next, and when; brokers are ranked from 0, and the first is tried first.

It knows nothing of links and clocks: it is told what became of each visit, and asked what to do now. A broker that
cannot be reached is left at once for the next; each is tried again after a pause of its own, drawn anew from all of a
window that doubles with every miss (full jitter), until a hub behind it has given a receipt.
"""

from random import Random

from device.ports import Ms

SPREAD_MS_A_UNIT = 24
"""The window after a loss, for each unit of the fleet. A broker that restarts loses all of them at once, and must not
have to shake hands with more than 100 in a second: with 2,000 units it is 63 to 85, however long it was away
(tests/device/test_route.py), and all are back 192 seconds after it at the latest."""

WINDOW_MS_MIN = 1_000
WINDOW_MS_MAX = 120_000
"""For a small fleet; a larger one's window doubles at most twice."""

HOP_MS_MIN = 30_000
HOP_MS_MAX = 600_000
"""How long after one hop the next may be made: doubles while nothing is gained by it. A hop costs a handshake of some
6 KB, and for a moment there is no link. The way back from where nobody answers to where somebody does is free."""


class Route:
    """Which broker, and when.

    Args:
        ranks: how many there are.
        fleet: how many units share them.
        chance: spreads the units.

    Attributes:
        rank: of the broker that was tried last.
    """

    def __init__(self, ranks: int, fleet: int, chance: Random) -> None:
        self.rank = ranks - 1
        self._chance = chance
        self._window_min = max(WINDOW_MS_MIN, SPREAD_MS_A_UNIT * fleet)
        self._window_max = max(WINDOW_MS_MAX, 4 * self._window_min)
        self._misses = [0] * ranks
        self._again: list[Ms] = [0] * ranks
        self._answers = [False] * ranks
        self._hops = 0
        self._hop_at: Ms = 0
        self._hop_soonest: Ms = 0
        self._came_from: int | None = None

    def next(self, now: Ms) -> int | None:
        """The rank to try now, the one tried last only if no other may be; None while it is too early for any."""
        ready = [rank for rank in self._others() if self._again[rank] <= now]
        if not ready:
            return None
        self.rank = ready[0]
        self._answers[self.rank] = False
        return self.rank

    def spread(self) -> Ms:
        """How long to wait, drawn anew, so that not all units come at once."""
        return self._pause(0)

    def wait(self, now: Ms) -> Ms:
        """How long until there is one to try."""
        return max(0, min(self._again) - now)

    def answered(self) -> None:
        """A hub behind this broker gave a receipt: whatever befalls it now, it is not hopeless."""
        self._misses[self.rank], self._answers[self.rank] = 0, True

    def gained(self) -> None:
        """What it gave was something new."""
        if self.rank != self._came_from:
            self._hops, self._hop_at = 0, min(self._hop_at, self._hop_soonest)

    def missed(self, now: Ms) -> None:
        """This broker could not be reached, or no hub behind it said anything."""
        self._misses[self.rank] += 1
        self._again[self.rank] = now + self._pause(self._misses[self.rank])

    def lost(self, now: Ms) -> None:
        """The connection was lost: perhaps every unit's was in this moment, so none goes anywhere at once."""
        if not self._answers[self.rank]:
            self.missed(now)
        early = now + self._pause(0)
        self._again = [max(each, early) for each in self._again]
        self.rank = len(self._again) - 1  # and then from the top

    def leave(self, now: Ms) -> bool:
        """Asks to leave a broker that can be reached; whether it may be, because another is worth trying.

        It is then `next` that tells which.
        """
        ready = [rank for rank in self._others()[:-1] if self._again[rank] <= now]
        is_way_back = not self._answers[self.rank] and any(self._answers[rank] for rank in ready)
        if not ready or (now < self._hop_at and not is_way_back):
            return False
        if not is_way_back:
            self._hop_soonest = now + HOP_MS_MIN + self._chance.randrange(HOP_MS_MIN)
            wait = min(HOP_MS_MAX, HOP_MS_MIN << min(self._hops, 10))
            self._hop_at = now + wait + self._chance.randrange(wait)
            self._hops += 1
            self._came_from = self.rank
        if not self._answers[self.rank]:
            self.missed(now)
        return True

    def _others(self) -> list[int]:
        """The ranks after this one, and around to itself."""
        ranks = len(self._again)
        return [(self.rank + step) % ranks for step in range(1, ranks + 1)]

    def _pause(self, misses: int) -> Ms:
        return self._chance.randrange(min(self._window_max, self._window_min << min(misses, 10)))
