"""The link's promises, on every body: the simulator's over its exchange, and MQTT over a real Mosquitto."""

import queue
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from device.mqtt import MqttLink
from device.ports import Acknowledged, BodyEvent, Delivered, Link, LinkDown, LinkUp
from sim.broker import Broker
from sim.clock import SteppedClock
from sim.link import Exchange, Publication, SimLink
from wire.settings import Broker as Address
from wire.topics import Leaf, Topic

UP = str(Topic("trial", "unit-1", Leaf.HOLDING))
DOWN = str(Topic("trial", "unit-1", Leaf.RECEIPT))
QUIET_SECONDS = 0.5
"""How long nothing may come, where nothing may."""


class Bench(Protocol):
    """A link, and what lies behind it.

    Attributes:
        link: the link, of unit-1.
        address: of the broker behind it.
        far: what arrived at the far side.
    """

    link: Link
    address: Address
    far: "SimpleQueue[Publication]"

    def next(self) -> BodyEvent:
        """What the link posts next; queue.Empty when it stays quiet."""
        ...

    def arrived(self) -> Publication:
        """What arrives at the far side next."""
        ...

    def send(self, payload: bytes) -> None:
        """The far side answers the unit."""
        ...

    def cut(self) -> None:
        """Everything between here and the far side goes down."""
        ...

    def mend(self) -> None:
        """It comes up again."""
        ...

    def close(self) -> None:
        """The bench is left."""
        ...


class SimBench:
    def __init__(self) -> None:
        self.inbox: SimpleQueue[BodyEvent] = SimpleQueue()
        self.far: SimpleQueue[Publication] = SimpleQueue()
        self.clock = SteppedClock()
        self.answers: list[Publication] = []
        self.exchange = Exchange(self.clock, self.takes)
        self.address = Address("127.0.0.1", 1883)
        places = {("127.0.0.1", 1883): self.exchange}
        self.link: Link = SimLink([self.exchange], self.clock, "unit-1", self.inbox.put, places)

    def takes(self, publications: Any) -> list[Publication]:
        for publication in publications:
            if publication[1] != b"answer, please":
                self.far.put(publication)
        answers, self.answers = self.answers, []
        return answers

    def next(self) -> BodyEvent:
        self.clock.run_until(lambda: not self.inbox.empty(), 10_000)
        return self.inbox.get_nowait()

    def arrived(self) -> Publication:
        self.clock.run_until(lambda: not self.far.empty(), 10_000)
        return self.far.get_nowait()

    def send(self, payload: bytes) -> None:
        """An exchange's hub only answers, so it is asked."""
        self.answers.append((DOWN, payload))
        other = self.exchange.link("unit-2", lambda _event: None)
        other.connect(0)
        self.clock.run(1000)
        other.publish(UP, b"answer, please")

    def cut(self) -> None:
        self.exchange.cut()

    def mend(self) -> None:
        self.exchange.mend()

    def close(self) -> None:
        self.link.close()


class MqttBench:
    def __init__(self, folder: Path) -> None:
        self.inbox: SimpleQueue[BodyEvent] = SimpleQueue()
        self.far: SimpleQueue[Publication] = SimpleQueue()
        self.broker = Broker(folder)
        self.hub: mqtt.Client | None = None
        self.mend()
        self.address = Address("127.0.0.1", self.broker.port)
        self.link: Link = MqttLink([self.address], folder, "unit-1", DOWN, self.inbox.put)

    def next(self) -> BodyEvent:
        return self.inbox.get(timeout=10)

    def arrived(self) -> Publication:
        return self.far.get(timeout=10)

    def send(self, payload: bytes) -> None:
        assert self.hub is not None
        self.hub.publish(DOWN, payload, qos=1).wait_for_publish(10)

    def cut(self) -> None:
        self._hub_away()
        self.broker.kill()

    def mend(self) -> None:
        self.broker.start()
        subscribed: SimpleQueue[bool] = SimpleQueue()
        self.hub = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self.hub.on_message = lambda _c, _u, came: self.far.put((came.topic, bytes(came.payload)))
        self.hub.on_subscribe = lambda *_: subscribed.put(True)
        self.hub.connect("127.0.0.1", self.broker.port)
        self.hub.subscribe("testigo/1/trial/+/holding", qos=1)
        self.hub.loop_start()
        assert subscribed.get(timeout=10)

    def close(self) -> None:
        self.link.close()
        self._hub_away()
        self.broker.kill()

    def _hub_away(self) -> None:
        if self.hub is not None:
            self.hub.disconnect()
            self.hub.loop_stop()
            self.hub = None


@pytest.fixture(params=["sim", "mqtt"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    made: Bench = SimBench() if request.param == "sim" else MqttBench(tmp_path)
    yield made
    made.close()


def is_quiet(bench: Bench) -> bool:
    """Whether the link posts nothing for a while."""
    if isinstance(bench, SimBench):
        bench.clock.run(60_000)
        return bench.inbox.empty()
    assert isinstance(bench, MqttBench)
    try:
        bench.inbox.get(timeout=QUIET_SECONDS)
    except queue.Empty:
        return True
    return False


def connect(bench: Bench) -> LinkUp:
    bench.link.connect(0)
    up = bench.next()
    assert isinstance(up, LinkUp), up
    return up


def returns_at_once(act: Callable[[], object]) -> bool:
    """Whether it does, on a machine that is busy with all the other tests too."""
    began = time.monotonic()
    act()
    return time.monotonic() - began < 2


def test_connect_returns_at_once_and_the_link_comes_up(bench: Bench) -> None:
    assert returns_at_once(lambda: bench.link.connect(0))
    up = bench.next()
    assert isinstance(up, LinkUp)
    assert up.window >= 1
    assert up.bytes_max >= 100_000


def test_connect_does_nothing_while_there_is_a_connection_or_one_is_being_made(bench: Bench) -> None:
    bench.link.connect(0)
    connect(bench)
    bench.link.connect(0)
    assert is_quiet(bench)


def test_a_link_that_cannot_connect_says_so_in_words_and_once(bench: Bench) -> None:
    bench.cut()
    assert returns_at_once(lambda: bench.link.connect(0))
    down = bench.next()
    assert isinstance(down, LinkDown)
    assert len(down.why.split()) >= 3
    assert is_quiet(bench)


def test_after_it_was_up_comes_exactly_one_link_down_and_then_nothing(bench: Bench) -> None:
    connect(bench)
    bench.cut()
    down = bench.next()
    assert isinstance(down, LinkDown)
    assert len(down.why.split()) >= 3
    assert is_quiet(bench)
    bench.mend()
    assert is_quiet(bench)


def test_it_connects_again_when_asked_again(bench: Bench) -> None:
    for _ in range(3):
        connect(bench)
        bench.cut()
        assert isinstance(bench.next(), LinkDown)
        bench.link.connect(0)
        assert isinstance(bench.next(), LinkDown)
        bench.mend()
    connect(bench)
    assert bench.link.publish(UP, b"still here") is not None
    assert bench.arrived() == (UP, b"still here")


def test_what_is_published_arrives_and_is_acknowledged_by_its_token(bench: Bench) -> None:
    connect(bench)
    payloads = {bench.link.publish(UP, payload): payload for payload in (b"", b"\x00\xff\n", b"long" * 50_000)}
    assert None not in payloads
    assert len(payloads) == 3
    assert {bench.arrived() for _ in payloads} == {(UP, payload) for payload in payloads.values()}
    acknowledged = [bench.next() for _ in payloads]
    assert {event.token for event in acknowledged if isinstance(event, Acknowledged)} == set(payloads)
    assert {event.failure for event in acknowledged if isinstance(event, Acknowledged)} == {""}
    assert is_quiet(bench)


def test_as_many_as_the_window_says_may_be_on_their_way(bench: Bench) -> None:
    window = connect(bench).window
    tokens = {bench.link.publish(UP, b"%d" % number) for number in range(window)}
    events = [bench.next() for _ in range(window)]
    assert {event.token for event in events if isinstance(event, Acknowledged)} == tokens
    assert sorted(int(bench.arrived()[1]) for _ in range(window)) == list(range(window))


def test_publish_returns_at_once(bench: Bench) -> None:
    connect(bench)
    assert returns_at_once(lambda: bench.link.publish(UP, bytes(200_000)))


def test_what_the_far_side_sends_is_delivered_as_it_was(bench: Bench) -> None:
    connect(bench)
    bench.send(b"a receipt\x00\xff")
    assert bench.next() == Delivered(DOWN, b"a receipt\x00\xff")


def test_nothing_is_published_or_queued_before_there_is_a_connection(bench: Bench) -> None:
    assert bench.link.publish(UP, b"too early") is None
    connect(bench)
    bench.link.publish(UP, b"in time")
    assert bench.arrived() == (UP, b"in time")


def test_nothing_is_published_or_queued_after_the_connection_is_gone(bench: Bench) -> None:
    connect(bench)
    bench.cut()
    assert isinstance(bench.next(), LinkDown)
    assert bench.link.publish(UP, b"too late") is None
    bench.mend()
    assert bench.link.publish(UP, b"too early") is None
    connect(bench)
    bench.link.publish(UP, b"in time")
    assert bench.arrived() == (UP, b"in time")
    assert isinstance(bench.next(), Acknowledged)
    assert is_quiet(bench)


def test_a_connection_can_be_left_and_another_made(bench: Bench) -> None:
    bench.link.leave()
    for _ in range(2):
        connect(bench)
        bench.link.leave()
        bench.link.leave()
        assert isinstance(bench.next(), LinkDown)
        assert bench.link.publish(UP, b"too late") is None
        assert is_quiet(bench)
    connect(bench)
    bench.link.publish(UP, b"in time")
    assert bench.arrived() == (UP, b"in time")


def test_told_of_other_brokers_it_stays_where_it_is_and_goes_there_next(bench: Bench) -> None:
    connect(bench)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = Address("127.0.0.1", closed.getsockname()[1])
    bench.link.reach([nobody, bench.address])
    assert is_quiet(bench)
    bench.link.publish(UP, b"still here")
    assert bench.arrived() == (UP, b"still here")
    assert isinstance(bench.next(), Acknowledged)
    bench.link.leave()
    assert isinstance(bench.next(), LinkDown)
    bench.link.connect(0)
    assert isinstance(bench.next(), LinkDown)
    bench.link.connect(1)
    assert isinstance(bench.next(), LinkUp)


def test_close_ends_a_connection_for_good(bench: Bench) -> None:
    connect(bench)
    bench.link.close()
    assert isinstance(bench.next(), LinkDown)
    assert bench.link.publish(UP, b"too late") is None
    bench.link.connect(0)
    assert is_quiet(bench)


def test_close_ends_a_link_that_was_never_connected(bench: Bench) -> None:
    bench.link.close()
    bench.link.connect(0)
    assert is_quiet(bench)


def test_close_may_be_said_twice(bench: Bench) -> None:
    connect(bench)
    bench.link.close()
    bench.link.close()
    assert isinstance(bench.next(), LinkDown)
    assert is_quiet(bench)
