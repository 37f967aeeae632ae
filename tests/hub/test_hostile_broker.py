"""The link between a hub and a hostile network: floods, cuts, thieves of sessions, silence and rubbish."""

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from queue import Queue
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from hub import mqtt
from hub.intake import Answers
from hub.log import Event
from hub.mqtt import Link
from hub.quota import Quota
from hub.settings import Settings
from sim.broker import Broker, find_mosquitto
from tests.hub.some_unit import DEPLOYMENT, PROFILE
from wire import profiles
from wire.envelope import PUBLICATION_BYTES_MAX
from wire.package import Roster
from wire.record import Mode
from wire.settings import Broker as BrokerSettings

pytestmark = pytest.mark.e2e
SECONDS = 30
LINES = ("persistence false", "max_queued_messages 0", "max_inflight_messages 0", "set_tcp_nodelay true")


@dataclass
class LinkHere:
    """A hub's link on a thread of its own, and what it takes; it answers each publication with its own bytes."""

    settings: Settings
    batches: "Queue[list[tuple[str, bytes]]]" = field(default_factory=Queue)
    events: "Queue[tuple[Enum, dict[str, Any]]]" = field(default_factory=Queue)
    while_taking: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self._link = Link(self.settings, self._take, lambda event, **facts: self.events.put((event, facts)))
        self._thread = threading.Thread(target=self._link.run, daemon=True)
        self._thread.start()

    def _take(self, batch: list[tuple[str, bytes]]) -> Answers:
        self.batches.put(batch)
        self.while_taking()
        return [(topic.rpartition("/")[0] + "/receipt", content) for topic, content in batch]

    def await_event(self, event: Event) -> dict[str, Any]:
        while True:
            told, facts = self.events.get(timeout=SECONDS)
            if told is event:
                return facts

    def await_publication(self, content: bytes) -> int:
        """Until this one is taken; how many batches were."""
        count = 1
        while all(each != content for _, each in self.batches.get(timeout=SECONDS)):
            count += 1
        return count

    def stop(self) -> None:
        self._link.stop()
        self._thread.join(SECONDS)
        assert not self._thread.is_alive()


@contextmanager
def linked(tmp_path: Path, port: int, batch: int = 64) -> Iterator[LinkHere]:
    here = LinkHere(
        Settings(
            name="hub-a",
            number=1,
            deployment=DEPLOYMENT,
            profile=profiles.named(PROFILE),
            roster=Roster(),
            mode=Mode.LIVE,
            hubs={},
            cards={},
            keys=tmp_path,
            register=tmp_path,
            database="",
            pictures=tmp_path,
            notices=tmp_path,
            broker=BrokerSettings("127.0.0.1", port),
            batch=batch,
            linger_ms=5,
            quota=Quota(),
            base=tmp_path,
        )
    )
    yield here
    here.stop()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    if find_mosquitto() is None:
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")
    with Broker(tmp_path / "broker", *LINES) as running:
        yield running


def topic(unit: str) -> str:
    return f"testigo/1/{DEPLOYMENT}/{unit}/envelope"


@contextmanager
def client(port: int, name: str = "", *, clean: bool = True) -> Iterator[paho.Client]:
    connected = threading.Event()
    made = paho.Client(
        CallbackAPIVersion.VERSION2,
        client_id=name,
        protocol=paho.MQTTv5,
        reconnect_on_failure=False,
        manual_ack=not clean,
    )
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = 0 if clean else 60
    made.max_inflight_messages_set(1000)
    made.on_connect = lambda *_: connected.set()
    made.connect("127.0.0.1", port, clean_start=clean, properties=properties)
    made.loop_start()
    assert connected.wait(SECONDS)
    try:
        yield made
    finally:
        made.disconnect()
        made.loop_stop()


def publish(port: int, name: str, publications: Sequence[tuple[str, bytes]]) -> None:
    """Publishes as a client of that name, until the broker has all."""
    with client(port, name) as publishing:
        for sent in [publishing.publish(*each, qos=1) for each in publications]:
            sent.wait_for_publish(SECONDS)


def test_who_comes_behind_a_flood_is_taken_in_far_fewer_batches_than_the_flood_fills(
    tmp_path: Path, broker: Broker
) -> None:
    flood = [(topic("flooding"), b"%d" % number) for number in range(6000)]
    with linked(tmp_path, broker.port) as here:
        here.await_event(Event.LINK_UP)
        held = threading.Event()

        def hold() -> None:
            held.wait(SECONDS)

        here.while_taking = hold
        publish(broker.port, "thief", flood)
        publish(broker.port, "honest", [(topic("honest"), b"honest")])
        held.set()
        assert here.await_publication(b"honest") < len(flood) / 64 / 2
        told = here.await_event(Event.CROWDED)
        assert told["unit"] == "flooding"


def test_a_thief_of_the_hubs_session_keeps_it_from_nothing_that_is_offered_again(
    tmp_path: Path, broker: Broker
) -> None:
    with linked(tmp_path, broker.port) as here:
        here.await_event(Event.LINK_UP)
        with client(broker.port, "hub-hub-a"):  # with a clean start: the session, and what waits in it, are gone
            here.await_event(Event.LINK_DOWN)
        here.await_event(Event.LINK_UP)
        publish(broker.port, "unit", [(topic("unit-1"), b"offered again")])
        here.await_publication(b"offered again")


def test_what_was_not_acknowledged_when_the_link_was_cut_comes_again(tmp_path: Path, broker: Broker) -> None:
    cuts = iter([True])

    def cut() -> None:
        if next(cuts, False):
            with client(broker.port, "hub-hub-a", clean=False):
                pass

    with linked(tmp_path, broker.port) as here:
        here.await_event(Event.LINK_UP)
        here.while_taking = cut
        publish(broker.port, "unit", [(topic("unit-1"), b"offered once")])
        here.await_publication(b"offered once")
        here.await_event(Event.LINK_UP)
        here.await_publication(b"offered once")


def test_a_broker_killed_in_the_middle_of_a_batch_is_come_back_to(tmp_path: Path, broker: Broker) -> None:
    deaths = iter([True])

    def kill() -> None:
        if next(deaths, False):
            broker.kill()
            broker.start()

    with linked(tmp_path, broker.port) as here:
        here.await_event(Event.LINK_UP)
        here.while_taking = kill
        publish(broker.port, "unit", [(topic("unit-1"), b"before")])
        here.await_publication(b"before")
        here.await_event(Event.LINK_DOWN)
        here.await_event(Event.LINK_UP)
        publish(broker.port, "unit", [(topic("unit-1"), b"after")])
        here.await_publication(b"after")


def test_what_is_longer_than_a_publication_can_be_is_dropped_and_holds_up_nothing(
    tmp_path: Path, broker: Broker
) -> None:
    with linked(tmp_path, broker.port) as here:
        here.await_event(Event.LINK_UP)
        sizes = [PUBLICATION_BYTES_MAX + 1, 5_000_000, PUBLICATION_BYTES_MAX]
        publish(broker.port, "thief", [(topic("thief"), bytes(size)) for size in sizes])
        publish(broker.port, "unit", [(topic("unit-1"), b"small")])
        assert here.await_event(Event.TOO_LARGE)["count"] >= 1
        taken = [here.batches.get(timeout=SECONDS)]
        while taken[-1][-1][1] != b"small":
            taken.append(here.batches.get(timeout=SECONDS))
        assert [len(content) for batch in taken for _, content in batch] == [PUBLICATION_BYTES_MAX, 5]


def test_clients_that_say_a_byte_and_no_more_and_one_that_never_reads_hold_up_nothing(
    tmp_path: Path, broker: Broker
) -> None:
    with linked(tmp_path, broker.port) as here, ExitStack() as slow:
        here.await_event(Event.LINK_UP)
        for _ in range(100):
            plug = slow.enter_context(socket.create_connection(("127.0.0.1", broker.port)))
            plug.send(b"\x10")
        deaf = paho.Client(CallbackAPIVersion.VERSION2, client_id="deaf", protocol=paho.MQTTv5)
        deaf.connect("127.0.0.1", broker.port)
        deaf.subscribe(f"testigo/1/{DEPLOYMENT}/+/receipt", qos=1)
        deaf.loop_write()
        came: Queue[bytes] = Queue()
        with client(broker.port, "unit") as unit:
            unit.on_message = lambda _client, _user, answer: came.put(bytes(answer.payload))
            unit.subscribe(f"testigo/1/{DEPLOYMENT}/unit-1/receipt", qos=1)
            for number in range(40):
                publications = [bytes(50_000) + b"%d %d" % (number, each) for each in range(10)]
                for each in publications:
                    unit.publish(topic("unit-1"), each, qos=1)
                assert [came.get(timeout=SECONDS) for _ in publications] == publications


def test_two_hubs_of_one_name_take_turns_and_what_is_offered_again_is_taken(tmp_path: Path, broker: Broker) -> None:
    with linked(tmp_path, broker.port) as one, linked(tmp_path, broker.port) as two:
        one.await_event(Event.LINK_DOWN)
        two.await_event(Event.LINK_DOWN)
        two.batches = one.batches
        for number in range(3):
            publish(broker.port, "unit", [(topic("unit-1"), b"%d" % number)])
            one.await_publication(b"%d" % number)


def accepted(server: socket.socket, *answers: bytes) -> socket.socket:
    """A connection that was accepted, each thing said on it answered with one of these."""
    plug, _ = server.accept()
    for answer in answers:
        plug.recv(65536)
        plug.sendall(answer)
    return plug


CONNACK = b"\x20\x03\x00\x00\x00"
SUBACK = b"\x90\x06\x00\x01\x00\x01\x01\x01"


@pytest.mark.parametrize("answers", [(), (CONNACK,), (CONNACK, SUBACK), (CONNACK[:2],)])
def test_a_broker_that_falls_silent_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: tuple[bytes, ...]
) -> None:
    monkeypatch.setattr(mqtt, "KEEPALIVE_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as server, linked(tmp_path, server.getsockname()[1]) as here:
        plug = accepted(server, *answers)
        assert here.await_event(Event.LINK_DOWN)["why"]
        plug.close()


def test_a_broker_that_says_that_the_session_was_taken_over_is_believed(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, linked(tmp_path, server.getsockname()[1]) as here:
        plug = accepted(server, CONNACK, SUBACK)
        plug.sendall(b"\xe0\x02\x8e\x00")
        assert here.await_event(Event.TAKEN_OVER) == {"client": "hub-hub-a"}
        assert here.await_event(Event.LINK_DOWN)["why"] == "Session taken over"
        plug.close()


@pytest.mark.parametrize(
    "rubbish",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x20\xff\xff\xff\xff\xff",
        b"\x20\x02\x00\x00" + b"\x30\xff\xff\xff\x7f",
        CONNACK + b"\x32\x05\xff\xff\x00\x01\x00",
        CONNACK + b"\xf0\x00",
        CONNACK + b"\x40\x02\x00\x07",
        b"\x00" * 100,
    ],
)
def test_a_broker_that_speaks_rubbish_ends_the_connection_and_not_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rubbish: bytes
) -> None:
    monkeypatch.setattr(mqtt, "KEEPALIVE_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as server, linked(tmp_path, server.getsockname()[1]) as here:
        for _ in range(2):
            with accepted(server, rubbish):
                here.await_event(Event.LINK_DOWN)
