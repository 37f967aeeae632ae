"""The broker that provisioning sets up, a real Mosquitto: who does not belong is not let in, nor where another is."""

import os
import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from hub.mqtt import SESSION_SECONDS
from provisioning import broker
from provisioning.authority import Authority
from sim.broker import Broker
from tests.provisioning.conftest import HUB, PASSPHRASE
from wire.envelope import PUBLICATION_BYTES_MAX
from wire.topics import Leaf

pytestmark = pytest.mark.e2e

SECONDS = 10
ANSWERS, ANSWER_BYTES = 2000, 1000


@pytest.fixture
def running(authority: Authority, units: list[Path], plugin: Path, tmp_path: Path) -> Iterator[Broker]:
    folder = authority.folder / "hubs" / HUB / "broker"
    shutil.copy(plugin, folder)
    with Broker(tmp_path / "broker", *broker.configuration(folder, "trial"), "log_type information") as made:
        yield made


class Caller:
    """An MQTT client that says what became of what it tried."""

    def __init__(self, port: int, home: Path | None, ca: Path, client_id: str = "") -> None:
        self.said: SimpleQueue[object] = SimpleQueue()
        self.came: SimpleQueue[str] = SimpleQueue()
        self.gone = threading.Event()
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=paho.MQTTv5)
        context = ssl.create_default_context(cafile=str(ca))
        if home:
            context.load_cert_chain(home / "tls.pem", home / "tls.key")
        client.tls_set_context(context)
        client.on_connect = lambda _client, _own, _flags, code, _properties: self.said.put(code.value)
        client.on_publish = lambda _client, _own, _number, code, _properties: self.said.put(code.value)
        client.on_subscribe = lambda _client, _own, _number, codes, _properties: self.said.put(codes[0].value)
        client.on_message = lambda _client, _own, publication: self.came.put(publication.topic)
        client.on_disconnect = self._on_disconnect
        self.client = client
        self._port = port

    def _on_disconnect(self, *_more: object) -> None:
        self.gone.set()
        self.said.put(None)

    def call(self, session_seconds: int = 0) -> object:
        """Connects, its session to outlive that by so much; the broker's answer, or why there is none."""
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = session_seconds
        try:
            self.client.connect("127.0.0.1", self._port, clean_start=session_seconds == 0, properties=properties)
            self.client.loop_start()
            return self.said.get(timeout=SECONDS)
        except (OSError, ssl.SSLError) as error:
            return type(error)

    def publish(self, topic: str, content: bytes = b"x", **more: Any) -> object:
        self.client.publish(topic, content, **{"qos": 1, **more})
        return self.said.get(timeout=SECONDS)

    def subscribe(self, topic: str) -> object:
        self.client.subscribe(topic, qos=1)
        return self.said.get(timeout=SECONDS)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def call(running: Broker, authority: Authority) -> Iterator["Call"]:
    made = Call(running, authority.folder / "ca.pem")
    yield made
    for caller in made.callers:
        caller.close()


class Call:
    """Makes callers."""

    def __init__(self, running: Broker, ca: Path) -> None:
        self.callers: list[Caller] = []
        self._running, self._ca = running, ca

    def __call__(self, home: Path | None, client_id: str = "") -> Caller:
        caller = Caller(self._running.port, home, self._ca, client_id)
        self.callers.append(caller)
        return caller


def topic(unit: Path, leaf: Leaf, rest: str = "") -> str:
    return f"testigo/1/trial/{unit.name}/{leaf.value}{rest}"


def refused(answer: object) -> bool:
    """Whether somebody was kept out, before or while TLS was spoken, or by MQTT."""
    return (isinstance(answer, type) and issubclass(answer, OSError)) or (isinstance(answer, int) and answer >= 0x80)


CONNECT = b"\x10\x0d\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x00"
CONNACK, PUBACK, NOT_AUTHORISED = b"\x20", b"\x40", b"\x87"


def publish(topic: str) -> bytes:
    """A publication, as MQTT 5 has it on the wire."""
    body = len(topic).to_bytes(2, "big") + topic.encode() + b"\x00\x01" + b"\x00" + b"x"
    return b"\x32" + bytes([len(body)]) + body


def is_let_in(caller: Caller) -> bool:
    """With TLS 1.3 a client learns only afterwards that its certificate was not taken: nothing is said."""
    return caller.call() == 0


def test_a_unit_publishes_on_its_own_topics_and_hears_its_receipts(
    call: Call, units: list[Path], authority: Authority
) -> None:
    unit, hub = call(units[0]), call(authority.folder / "hubs" / HUB)
    assert is_let_in(unit)
    assert is_let_in(hub)
    assert hub.subscribe("testigo/1/trial/+/envelope") == 1
    assert hub.subscribe("testigo/1/trial/+/chunk/+/+") == 1
    assert unit.subscribe(topic(units[0], Leaf.RECEIPT)) == 1
    sent = [(Leaf.ENVELOPE, ""), (Leaf.CHUNK, f"/{'0' * 64}/7")]
    sent += [(leaf, "") for leaf in (Leaf.HOLDING, Leaf.BEAT, Leaf.READINESS)]
    for leaf, rest in sent:
        assert unit.publish(topic(units[0], leaf, rest)) in (0, 0x10)  # 0x10: nobody listens
    assert {hub.came.get(timeout=SECONDS) for _ in range(2)} == {topic(units[0], *each) for each in sent[:2]}
    assert hub.publish(topic(units[0], Leaf.RECEIPT)) == 0
    assert unit.came.get(timeout=SECONDS) == topic(units[0], Leaf.RECEIPT)


def test_who_has_no_certificate_is_not_let_in(call: Call) -> None:
    assert not is_let_in(call(None))


def test_who_has_another_authoritys_certificate_is_not_let_in(call: Call, tmp_path: Path) -> None:
    foreign = Authority.make(tmp_path / "foreign", "trial", PASSPHRASE)
    (home,) = foreign.add_units(1)
    assert not is_let_in(call(home))


def test_a_unit_writes_on_no_other_units_topics_and_hears_nothing_of_it(call: Call, units: list[Path]) -> None:
    unit = call(units[0])
    assert is_let_in(unit)
    for leaf, rest in ((Leaf.ENVELOPE, ""), (Leaf.CHUNK, f"/{'0' * 64}/7"), (Leaf.HOLDING, ""), (Leaf.RECEIPT, "")):
        assert refused(unit.publish(topic(units[1], leaf, rest)))
    assert refused(unit.publish(topic(units[0], Leaf.RECEIPT)))  # nor receipts to itself
    other = call(units[1])
    assert is_let_in(other)
    for pattern in (topic(units[0], Leaf.RECEIPT), "testigo/1/trial/+/envelope", "#"):
        assert not heard(unit=other, pattern=pattern, sender=unit, on=topic(units[0], Leaf.ENVELOPE))


def heard(*, unit: Caller, pattern: str, sender: Caller, on: str) -> bool:
    """Whether what is sent reaches who asked for it, though the broker may have said that it would."""
    unit.subscribe(pattern)
    sender.publish(on)
    unit.subscribe(topic(Path("u-none"), Leaf.RECEIPT))  # answered after whatever was on its way
    return not unit.came.empty()


def test_nobody_takes_another_units_session(call: Call, units: list[Path]) -> None:
    """A client id is not believed: who calls itself as another does is itself all the same."""
    first = call(units[0], client_id=units[0].name)
    assert is_let_in(first)
    second = call(units[1], client_id=units[0].name)
    assert is_let_in(second)
    assert first.publish(topic(units[0], Leaf.HOLDING)) in (0, 0x10)
    assert not first.gone.is_set()


@pytest.mark.parametrize("more", [{"retain": True}, {"qos": 2}])
def test_nothing_of_a_unit_stays_at_the_broker(call: Call, units: list[Path], more: dict[str, Any]) -> None:
    """Retained, or begun with QoS 2 and never ended, it would fill the memory: chunks have any number of topics."""
    unit = call(units[0])
    assert is_let_in(unit)
    unit.client.publish(topic(units[0], Leaf.CHUNK, "/a/1"), b"x", **{"qos": 1, **more})
    assert unit.gone.wait(SECONDS)


@pytest.mark.parametrize("pattern", ["$SYS/#", "$CONTROL/#", "$share/any/testigo/1/trial/+/envelope", "+/+/+/+/+"])
def test_no_pattern_hears_others(call: Call, units: list[Path], authority: Authority, pattern: str) -> None:
    unit, other = call(units[0]), call(units[1])
    assert is_let_in(unit)
    assert is_let_in(other)
    assert refused(unit.publish("$CONTROL/dynamic-security/v1"))
    assert not heard(unit=other, pattern=pattern, sender=unit, on=topic(units[0], Leaf.ENVELOPE))


@pytest.mark.parametrize("pattern", ["x", "receipt/x", "receipt", "notice/", "#", "+", "rece", ""])
def test_a_unit_asks_to_hear_nothing_but_what_is_its_own(call: Call, units: list[Path], pattern: str) -> None:
    unit = call(units[0])
    assert is_let_in(unit)
    asked = f"testigo/1/trial/{units[0].name}/{pattern}"
    assert refused(unit.subscribe(asked)) is (pattern != "receipt")
    assert refused(unit.subscribe(asked.replace(units[0].name, units[1].name)))
    assert refused(unit.subscribe(asked.replace("trial", "trial/" * 40)))
    assert refused(unit.subscribe(f"$share/any/{asked}"))


def test_a_hostile_unit_fills_no_memory_with_what_it_asks_to_hear(
    call: Call, units: list[Path], running: Broker
) -> None:
    """Without the plugin a hundredth of it takes 30 MB: each level of each is kept."""
    hostile, honest = call(units[0]), call(units[1])
    assert is_let_in(hostile)
    assert is_let_in(honest)
    before = resident_mb(running)
    for turn in range(8):
        filters = [(f"{turn}/{number}/" + "a/" * 190 + "a", 1) for number in range(400)]
        hostile.client.subscribe(filters)
        assert refused(hostile.said.get(timeout=SECONDS))
    assert resident_mb(running) - before < 8
    assert honest.subscribe(topic(units[1], Leaf.RECEIPT)) == 1


def test_answers_that_a_unit_does_not_take_wait_in_little_memory_and_none_for_who_is_not_there(
    call: Call, units: list[Path], authority: Authority, running: Broker
) -> None:
    hub, away, never = call(authority.folder / "hubs" / HUB), call(units[0]), units[1]
    assert is_let_in(hub)
    assert away.call(session_seconds=SESSION_SECONDS) == 0
    assert away.subscribe(topic(units[0], Leaf.RECEIPT)) == 1
    away.close()
    assert away.gone.wait(SECONDS)
    grown = []
    for unit in (units[0], never):
        before = resident_mb(running)
        for _ in range(ANSWERS):
            hub.client.publish(topic(unit, Leaf.RECEIPT), bytes(ANSWER_BYTES), qos=1)
        for _ in range(ANSWERS):
            assert hub.said.get(timeout=SECONDS) in (0, 0x10)
        grown.append(resident_mb(running) - before)
    assert grown[0] < ANSWERS * 2 * ANSWER_BYTES / 1e6
    assert grown[1] < 1


def resident_mb(running: Broker) -> float:
    """What Mosquitto has in memory."""
    pages = int(Path(f"/proc/{running.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def test_a_will_is_no_way_to_others_topics(call: Call, units: list[Path], authority: Authority) -> None:
    hub, unit = call(authority.folder / "hubs" / HUB), call(units[0])
    assert is_let_in(hub)
    hub.subscribe("testigo/1/trial/+/envelope")
    unit.client.will_set(topic(units[1], Leaf.ENVELOPE), b"x", qos=1)
    assert is_let_in(unit)
    unit.client.disconnect(reasoncode=ReasonCode(PacketTypes.DISCONNECT, identifier=4))  # the will is to be sent
    assert unit.gone.wait(SECONDS)
    other = call(units[1])
    assert is_let_in(other)
    assert other.publish(topic(units[1], Leaf.ENVELOPE)) == 0
    assert hub.came.get(timeout=SECONDS)
    hub.subscribe("testigo/1/trial/+/beat")  # answered after whatever was on its way
    assert hub.came.empty()


def test_a_broker_is_no_client(call: Call, authority: Authority, tmp_path: Path) -> None:
    for suffix in ("pem", "key"):
        shutil.copyfile(authority.folder / "hubs" / HUB / "broker" / f"broker.{suffix}", tmp_path / f"tls.{suffix}")
    assert not is_let_in(call(tmp_path))


def test_a_hubs_session_lasts_as_long_as_it_asks() -> None:
    assert broker.SESSION_DAYS_MAX * 24 * 3600 == SESSION_SECONDS


def test_who_is_revoked_is_out_once_the_broker_was_told_and_others_notice_nothing(
    call: Call, units: list[Path], authority: Authority, running: Broker
) -> None:
    gone, stays, hub = call(units[0]), call(units[1]), call(authority.folder / "hubs" / HUB)
    for caller in (gone, stays, hub):
        assert is_let_in(caller)
    stays.subscribe(topic(units[1], Leaf.RECEIPT))
    authority.revoke(units[0].name)
    running.reload()
    assert gone.gone.wait(SECONDS)
    assert not is_let_in(call(units[0]))
    assert stays.publish(topic(units[1], Leaf.BEAT)) in (0, 0x10)
    hub.publish(topic(units[1], Leaf.RECEIPT))
    assert stays.came.get(timeout=SECONDS) == topic(units[1], Leaf.RECEIPT)
    assert not stays.gone.is_set()
    assert not hub.gone.is_set()


def test_a_hub_that_is_revoked_is_out_too(call: Call, units: list[Path], authority: Authority, running: Broker) -> None:
    """Of another hub's broker, to which its files were carried."""
    other = authority.add_hub("hub-b", ["localhost"])
    running.reload()
    gone, stays = call(other), call(units[0])
    assert is_let_in(gone)
    assert is_let_in(stays)
    authority.revoke("hub-b")
    running.reload()
    assert gone.gone.wait(SECONDS)
    assert not is_let_in(call(other))
    assert not stays.gone.is_set()


def test_who_was_knocking_as_it_was_revoked_can_do_nothing(
    call: Call, units: list[Path], authority: Authority, running: Broker
) -> None:
    """Mosquitto took the connection before it was told, and no hands were shaken on it yet."""
    context = ssl.create_default_context(cafile=str(authority.folder / "ca.pem"))
    context.load_cert_chain(units[0] / "tls.pem", units[0] / "tls.key")
    with socket.create_connection(("127.0.0.1", running.port), SECONDS) as early:
        assert is_let_in(call(units[1]))  # so that one was taken before
        authority.revoke(units[0].name)
        running.reload()
        try:
            with context.wrap_socket(early, server_hostname=HUB) as secured:
                secured.sendall(CONNECT + publish(topic(units[0], Leaf.BEAT)))
                while (kind := secured.recv(1)) and kind != PUBACK:
                    secured.recv(secured.recv(1)[0])
                answer = secured.recv(secured.recv(1)[0]) if kind else b""
        except OSError:
            return
    assert answer[2:3] in (b"", NOT_AUTHORISED)


def test_nobody_comes_back_by_a_tls_session_of_before_it_was_revoked(
    units: list[Path], authority: Authority, running: Broker
) -> None:
    """A session is taken up again without looking at certificates; Mosquitto forgets all when it reads its files."""
    context = ssl.create_default_context(cafile=str(authority.folder / "ca.pem"))
    context.load_cert_chain(units[0] / "tls.pem", units[0] / "tls.key")
    session, told = None, list[tuple[bool | None, bytes]]()
    for is_revoked in (False, False, True):
        if is_revoked:
            authority.revoke(units[0].name)
            running.reload()
        try:
            with (
                socket.create_connection(("127.0.0.1", running.port), SECONDS) as plain,
                context.wrap_socket(plain, server_hostname="localhost", session=session) as secured,
            ):
                secured.sendall(CONNECT)
                told.append((secured.session_reused, secured.recv(1)))
                session = secured.session
        except OSError:
            told.append((False, b""))
    assert told == [(False, CONNACK), (True, CONNACK), (False, b"")]


def test_who_is_revoked_is_not_let_in_again(
    call: Call, units: list[Path], authority: Authority, running: Broker
) -> None:
    gone, stays = call(units[0]), call(units[1])
    assert is_let_in(gone)
    authority.revoke(units[0].name)
    running.stop()  # a restart ends its session too
    running.start()
    assert gone.gone.wait(SECONDS)
    assert not is_let_in(call(units[0]))
    assert is_let_in(stays)


def test_what_is_too_long_ends_the_connection_and_what_is_as_long_as_can_be_does_not(
    call: Call, units: list[Path]
) -> None:
    unit = call(units[0])
    assert is_let_in(unit)
    assert unit.publish(topic(units[0], Leaf.ENVELOPE), bytes(PUBLICATION_BYTES_MAX)) in (0, 0x10)
    unit.client.publish(topic(units[0], Leaf.ENVELOPE), bytes(broker.SENT_BYTES_MAX), qos=1)
    assert unit.gone.wait(SECONDS)
