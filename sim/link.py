"""The in-process link: an exchange that carries publications between simulated units and a hub, on a simulated clock.

It is as poor a carrier as a real broker: it acknowledges what it will lose, and can be cut at any moment. A fate for
each thing that it carries makes it worse: lost, repeated, late, cut off, refused, and each of these with its twin, in
which it happened though the answer was lost.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import partial

from device.ports import Acknowledged, Delivered, LinkDown, LinkUp, Ms, Post
from sim.clock import Schedule
from wire.settings import Broker
from wire.topics import Leaf, parse

LATENCY_MS = 40
CONNECT_MS = 200
WINDOW = 64
"""How many publications of a unit are on their way at most."""

SILENT_MS = 120_000
"""After this a link ends a connection on which nothing is acknowledged any more, as `device.ports.Link` promises."""

Publication = tuple[str, bytes]
Hub = Callable[[Sequence[Publication]], Sequence[Publication]]
"""A hub's intake: publications in, answers out, once it has kept what it answers for."""


class Way(Enum):
    """What is to be carried."""

    CONNECT = "a connection"
    UP = "a unit's publication"
    DOWN = "a hub's answer"


class Fate(Enum):
    """What becomes of it."""

    ARRIVES = "arrives"
    LOST = "is lost, though the broker has acknowledged it"
    CUT = "is cut off with its connection"
    UNANSWERED = "arrives, and its connection is cut off before that is said"
    REFUSED = "is refused by the broker"
    REFUSED_YET_TAKEN = "arrives, though the broker has said that it refuses it"
    TWICE = "arrives twice"
    LATE = "arrives late"
    SILENT = "is swallowed with all that follows it, and nobody is told for two minutes"


Places = Mapping[tuple[str, int], "Exchange"]
"""Exchanges by the host and port of their broker."""

Fates = Callable[[Way], tuple[Fate, Ms]]
"""Says what becomes of the next thing, and how late it is where that matters."""


def kind(_way: Way) -> tuple[Fate, Ms]:
    """The fate of an exchange on a good day."""
    return Fate.ARRIVES, 0


class Exchange:
    """A broker of sorts.

    Args:
        clock: its time.
        hub: see below.
        fates: what becomes of things.

    Attributes:
        hub: where units' publications go; None while no hub is there: they are acknowledged and lost.
        fates: as above.
        sent: called with (unit, topic, payload) for all that a unit publishes here, whatever becomes of it.
        handshakes: how many connections were made in each second of the clock.
        acknowledges_after_ms: how long it takes to acknowledge a publication that has arrived.
    """

    def __init__(self, clock: Schedule, hub: Hub | None = None, fates: Fates = kind) -> None:
        self.hub = hub
        self.fates = fates
        self.sent: Callable[[str, str, bytes], object] = lambda _unit, _topic, _payload: None
        self.handshakes: Counter[int] = Counter()
        self.acknowledges_after_ms: Ms = 0
        self._clock = clock
        self._up = True
        self._links: dict[str, SimLink] = {}

    @property
    def connections(self) -> int:
        """How many there are."""
        return len(self._links)

    def link(self, unit: str, post: Post) -> "SimLink":
        """A link for a unit."""
        return SimLink([self], self._clock, unit, post)

    def cut(self) -> None:
        """Ends every connection; nobody can connect until `mend`."""
        self._up = False
        for link in list(self._links.values()):
            link.drop("the exchange was cut")

    def mend(self) -> None:
        """Lets units connect again."""
        self._up = True

    def cut_off(self, unit: str) -> None:
        """Ends a unit's connection, if it has one here."""
        if unit in self._links:
            self._links[unit].drop("the connection was lost")

    def vanish(self, unit: str) -> None:
        """A unit's end is gone without a word."""
        self._links.pop(unit, None)

    def connect(self, link: "SimLink") -> bool:
        """Whether a link may connect now."""
        if self._up:
            self.handshakes[self._clock.ms() // 1000] += 1
            self._links[link.unit] = link
        return self._up

    def disconnect(self, link: "SimLink") -> None:
        """A link is gone."""
        if self._links.get(link.unit) is link:
            del self._links[link.unit]

    def take(self, publication: Publication) -> None:
        """Passes a unit's publication to the hub, and its answers back."""
        if self.hub is not None:
            self.answer(self.hub([publication]))

    def answer(self, answers: Sequence[Publication]) -> None:
        """Passes a hub's answers to their units, as far as these are connected when they arrive."""
        for topic, payload in answers:
            fate, late = self.fates(Way.DOWN)
            deliver = partial(self._deliver, topic, payload)
            match fate:
                case Fate.LOST:
                    continue
                case Fate.CUT:
                    deliver = partial(self._drop, topic)
                case Fate.UNANSWERED:
                    self._clock.after(LATENCY_MS, deliver)
                    deliver = partial(self._drop, topic)
                case Fate.TWICE:
                    self._clock.after(LATENCY_MS, deliver)
                case _:
                    pass
            self._clock.after(LATENCY_MS + (late if fate is Fate.LATE else 0), deliver)

    def _deliver(self, topic: str, payload: bytes) -> None:
        parsed = parse(topic)
        if parsed is not None and parsed.leaf is Leaf.RECEIPT and parsed.unit in self._links:
            self._links[parsed.unit].deliver(topic, payload)

    def _drop(self, topic: str) -> None:
        parsed = parse(topic)
        if parsed is not None:
            self.cut_off(parsed.unit)


class SimLink:
    """A `Link` over exchanges, by rank."""

    def __init__(
        self, exchanges: Sequence[Exchange], clock: Schedule, unit: str, post: Post, places: Places | None = None
    ) -> None:
        """A link to exchanges by rank; `places` is what else it can be told to reach, by host and port."""
        self.unit = unit
        self._exchanges = exchanges
        self._places = places or {}
        self._exchange = exchanges[0]
        self._clock = clock
        self._post = post
        self._state = "down"
        self._tokens = 0
        self._connection: object = None

    def connect(self, rank: int) -> None:
        """Asks for a connection to the exchange of that rank; does nothing while there is one or one is being made."""
        if self._state == "down":
            self._exchange = self._exchanges[rank]
            self._state = "connecting"
            self._clock.after(CONNECT_MS, self._connected)

    def reach(self, brokers: Sequence[Broker]) -> None:
        """These are the brokers from now on, by rank; where there is no exchange, nobody answers."""
        nobody = Exchange(self._clock)
        nobody.cut()
        self._exchanges = [self._places.get((broker.host, broker.port), nobody) for broker in brokers]

    def publish(self, topic: str, payload: bytes) -> int | None:
        """Sends, when connected."""
        if self._state not in ("up", "silent"):
            return None
        self._tokens += 1
        self._exchange.sent(self.unit, topic, payload)
        if self._state == "up":
            self._clock.after(LATENCY_MS, partial(self._arrive, self._connection, self._tokens, topic, payload))
        return self._tokens

    def leave(self) -> None:
        """Ends the connection, if there is one; its `LinkDown` follows."""
        if self._state in ("up", "silent"):
            self.drop("left from here")

    def close(self) -> None:
        """Ends the connection for good."""
        self._exchange.disconnect(self)
        ended, self._state = self._state, "closed"
        if ended in ("up", "silent", "connecting"):
            self._post(LinkDown("closed here"))

    def drop(self, why: str) -> None:
        """The connection is lost; what is on its way is lost with it."""
        self._exchange.disconnect(self)
        self._state = "down"
        self._post(LinkDown(why))

    def deliver(self, topic: str, payload: bytes) -> None:
        """Something came for this unit."""
        if self._state == "up":
            self._post(Delivered(topic, payload))

    def _connected(self) -> None:
        if self._state != "connecting":
            return
        fate, _ = self._exchange.fates(Way.CONNECT)
        if fate is Fate.CUT or not self._exchange.connect(self):
            self._state = "down"
            self._post(LinkDown("nobody answers at the exchange"))
        elif fate is Fate.UNANSWERED:
            self.drop("the exchange did not answer in time")
        else:
            self._state, self._connection = "up", object()
            self._post(LinkUp(window=WINDOW, bytes_max=262144))

    def _arrive(self, connection: object, token: int, topic: str, payload: bytes) -> None:
        if self._state != "up" or self._connection is not connection:
            return
        fate, late = self._exchange.fates(Way.UP)
        if fate is Fate.SILENT:
            self._state = "silent"
            self._clock.after(SILENT_MS, partial(self._give_up, connection))
            return
        take = partial(self._exchange.take, (topic, payload))
        if fate is Fate.LATE:
            self._clock.after(late, take)
        elif fate not in (Fate.LOST, Fate.CUT, Fate.REFUSED):
            take()
        if fate is Fate.TWICE:
            take()
        if fate in (Fate.CUT, Fate.UNANSWERED):
            if self._state == "up":  # else what it brought about has cut it off already
                self.drop("the connection was lost")
        else:
            refused = fate in (Fate.REFUSED, Fate.REFUSED_YET_TAKEN)
            answer = Acknowledged(token, "quota exceeded" if refused else "")
            if self._exchange.acknowledges_after_ms:
                self._clock.after(self._exchange.acknowledges_after_ms, partial(self._acknowledge, connection, answer))
            else:
                self._post(answer)

    def _acknowledge(self, connection: object, answer: Acknowledged) -> None:
        if self._state == "up" and self._connection is connection:
            self._post(answer)

    def _give_up(self, connection: object) -> None:
        if self._state == "silent" and self._connection is connection:
            self.drop("the broker did not acknowledge a publication within 120 s")
