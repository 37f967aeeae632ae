"""A broker that repeats one genuine receipt as fast as the wire takes it: presses are not kept waiting."""

import contextlib
import random
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Empty

import pytest

from device.inbox import DELIVERED_MAX, Inbox
from device.keys import signer_from
from device.mqtt import MqttLink
from device.ports import Acknowledged, BodyEvent, ButtonPressed, Delivered, LinkDown, LinkUp
from device.settings import Settings
from device.signals import Signal
from device.unit import Unit
from sim.body import SimReader, make
from sim.clock import WallClock
from tests.device.world import acta, picture, world
from wire.settings import Broker
from wire.topics import Leaf, Topic

UNDER_WAY = 100
"""So many of the flood are taken before the press: with them all there was to come would have come in."""

TAKEN_MAX = 20_000


class Flood:
    """A broker on a socket, on a thread of its own: it takes a client and its subscription, and then only repeats.

    Attributes:
        sent: how often it has.
    """

    def __init__(self, topic: str, payload: bytes) -> None:
        self.sent = 0
        body = len(topic).to_bytes(2) + topic.encode() + b"\0" + payload
        length = bytes([len(body) & 127 | 128, len(body) >> 7])  # MQTT 5.0, 1.5.5: of 128 to 16,383 bytes
        self._again = b"\x30" + length + body
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        plug, _ = self._server.accept()
        with plug, contextlib.suppress(OSError):
            plug.recv(65536)
            plug.sendall(b"\x20\x03\x00\x00\x00")  # taken
            plug.recv(65536)
            plug.sendall(b"\x90\x04\x00\x01\x00\x01")  # subscribed
            while True:
                plug.sendall(self._again)
                self.sent += 1

    def close(self) -> None:
        """Waits until the client has hung up."""
        self._thread.join(20)
        self._server.close()


class Bench:
    """A unit that is on, on a real link to the flood; it counts what it takes."""

    def __init__(self, settings: Settings, flood: Flood, receipts_on: str) -> None:
        self.inbox, self.flood, self.behind = Inbox(), flood, list[int]()
        self.deliveries = 0
        self._put_at: dict[int, int] = {}
        self.link = MqttLink([Broker("127.0.0.1", flood.port)], settings.base, settings.unit, receipts_on, self.put)
        self.body = make(WallClock(), settings.card, self.link, self.put)
        reader = SimReader(self.put, settings.profile)
        signer = signer_from(settings.key, settings.unit)
        self.unit = Unit(settings, self.body.body, reader, self.inbox, signer, random.Random(1), lambda *_, **__: None)
        self.unit.start()

    def put(self, event: BodyEvent) -> None:
        """The inbox; what is not the link's is told apart by how much of the flood was taken when it came."""
        self._put_at[id(event)] = self.deliveries
        self.inbox.put(event)

    def take(self) -> None:
        """Takes one event, as `Unit.run` does."""
        with contextlib.suppress(Empty):
            event = self.inbox.get(timeout=0.1)
            at = self._put_at.pop(id(event))
            if isinstance(event, Delivered):
                self.deliveries += 1
                assert self.deliveries < TAKEN_MAX, "nothing but the flood comes through"
            elif not isinstance(event, LinkUp | LinkDown | Acknowledged):
                self.behind.append(self.deliveries - at)
            self.unit.handle(event)
        self.unit.wake()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with world(tmp_path) as before:
        before.power_on()
        before.scan(acta(1))
        assert before.settle()
        topic, receipt = before.answered[-1]
    settings = before.settings
    flood = Flood(topic, receipt)
    made = Bench(settings, flood, str(Topic(settings.deployment, settings.unit, Leaf.RECEIPT)))
    yield made
    made.unit.close()
    flood.close()


def test_whatever_a_broker_repeats_a_press_is_the_next_thing_taken(bench: Bench) -> None:
    while bench.deliveries < UNDER_WAY:
        bench.take()
    bench.body.camera.lay(picture(acta(2)))
    bench.body.press()
    while Signal.KEPT not in bench.body.indicator.shown:
        bench.take()
    assert len(bench.behind) >= 3, "a press, a frame, what was read in it"
    assert max(bench.behind) <= 1


def test_what_a_broker_repeats_is_read_no_faster_than_it_is_taken(bench: Bench) -> None:
    while bench.deliveries < UNDER_WAY:
        bench.take()
    assert len(bench._put_at) <= DELIVERED_MAX + 3


def test_a_press_goes_before_what_came_before_it() -> None:
    inbox = Inbox()
    came: list[BodyEvent] = [LinkUp(1, 1), Delivered("", b""), Acknowledged(1, ""), ButtonPressed(), LinkDown("")]
    for event in came:
        inbox.put(event)
    assert [inbox.get(timeout=0) for _ in came] == [came[3], *came[:3], came[4]]
    with pytest.raises(Empty):
        inbox.get(timeout=0)


def test_only_deliveries_wait_for_room_and_not_when_nobody_takes_any_more() -> None:
    inbox, chance = Inbox(), random.Random(1)
    came: list[BodyEvent] = [Delivered("", chance.randbytes(4)) for _ in range(DELIVERED_MAX + 1)]
    for event in came[:DELIVERED_MAX]:
        inbox.put(event)
    last = threading.Thread(target=inbox.put, args=[came[-1]])
    last.start()
    inbox.put(Acknowledged(1, ""))
    assert [inbox.get(timeout=0) for _ in came] == [*came[:DELIVERED_MAX], Acknowledged(1, "")]
    assert inbox.get(timeout=10) is came[-1]
    last.join()
    inbox.close()
    for event in came:
        inbox.put(event)
