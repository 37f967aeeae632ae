"""The in-process link: an exchange that carries publications between simulated units and a hub, on a simulated clock.

It is as poor a carrier as a real broker: it acknowledges what it will lose, and can be cut at any moment.
"""

from collections.abc import Callable, Sequence
from functools import partial

from device.ports import Acknowledged, Delivered, LinkDown, LinkUp, Post
from sim.clock import Schedule
from wire.topics import Leaf, parse

LATENCY_MS = 40
CONNECT_MS = 200

Publication = tuple[str, bytes]
Hub = Callable[[Sequence[Publication]], Sequence[Publication]]
"""A hub's intake: publications in, answers out, once it has kept what it answers for."""


class Exchange:
    """A broker of sorts.

    Attributes:
        hub: where units' publications go; None while no hub is there: they are acknowledged and lost.
    """

    def __init__(self, clock: Schedule, hub: Hub | None = None) -> None:
        self.hub = hub
        self._clock = clock
        self._up = True
        self._links: dict[str, SimLink] = {}

    def link(self, unit: str, post: Post) -> "SimLink":
        """A link for a unit."""
        return SimLink(self, self._clock, unit, post)

    def cut(self) -> None:
        """Ends every connection; nobody can connect until `mend`."""
        self._up = False
        for link in list(self._links.values()):
            link.drop("the exchange was cut")

    def mend(self) -> None:
        """Lets units connect again."""
        self._up = True

    def vanish(self, unit: str) -> None:
        """A unit's end is gone without a word."""
        self._links.pop(unit, None)

    def connect(self, link: "SimLink") -> bool:
        """Whether a link may connect now."""
        if self._up:
            self._links[link.unit] = link
        return self._up

    def disconnect(self, link: "SimLink") -> None:
        """A link is gone."""
        self._links.pop(link.unit, None)

    def take(self, publication: Publication) -> None:
        """Passes a unit's publication to the hub, and its answers back."""
        if self.hub is None:
            return
        for topic, payload in self.hub([publication]):
            self._clock.after(LATENCY_MS, partial(self._deliver, topic, payload))

    def _deliver(self, topic: str, payload: bytes) -> None:
        parsed = parse(topic)
        if parsed is not None and parsed.leaf is Leaf.RECEIPT and parsed.unit in self._links:
            self._links[parsed.unit].deliver(topic, payload)


class SimLink:
    """A `Link` over an exchange."""

    def __init__(self, exchange: Exchange, clock: Schedule, unit: str, post: Post) -> None:
        self.unit = unit
        self._exchange = exchange
        self._clock = clock
        self._post = post
        self._state = "down"
        self._tokens = 0

    def connect(self) -> None:
        """Asks for a connection; does nothing while there is one or one is being made."""
        if self._state == "down":
            self._state = "connecting"
            self._clock.after(CONNECT_MS, self._connected)

    def publish(self, topic: str, payload: bytes) -> int | None:
        """Sends, when connected."""
        if self._state != "up":
            return None
        self._tokens += 1
        token = self._tokens
        self._clock.after(LATENCY_MS, lambda: self._arrive(token, topic, payload))
        return token

    def close(self) -> None:
        """Ends the connection for good."""
        self._exchange.disconnect(self)
        ended, self._state = self._state, "closed"
        if ended in ("up", "connecting"):
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
        if self._exchange.connect(self):
            self._state = "up"
            self._post(LinkUp(window=64, bytes_max=262144))
        else:
            self._state = "down"
            self._post(LinkDown("nobody answers at the exchange"))

    def _arrive(self, token: int, topic: str, payload: bytes) -> None:
        if self._state == "up":
            self._exchange.take((topic, payload))
            self._post(Acknowledged(token, ""))
