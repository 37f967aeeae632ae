"""The MQTT link against what brokers do: refuse, deny, limit, die, fall silent, or speak rubbish."""

import contextlib
import datetime
import ipaddress
import itertools
import queue
import random
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat
from cryptography.x509.oid import NameOID

import device.mqtt
from device.mqtt import WINDOW_MAX, MqttLink
from device.ports import Acknowledged, BodyEvent, Delivered, LinkDown, LinkUp
from sim.broker import Broker, held_port
from wire.errors import OurFault
from wire.settings import Broker as Address
from wire.settings import Tls

UP, DOWN = "testigo/1/trial/unit-1/envelope", "testigo/1/trial/unit-1/receipt"

# MQTT 5.0, 3.2 and 3.9: what a broker says to a client it takes, with and without limits, and of its subscription.
CONNACK = b"\x20\x03\x00\x00\x00"
CONNACK_WINDOW_3 = b"\x20\x06\x00\x00\x03\x21\x00\x03"
CONNACK_KEEPALIVE_1 = b"\x20\x06\x00\x00\x03\x13\x00\x01"
SUBACK = b"\x90\x04\x00\x01\x00\x01"

Talk = Callable[[socket.socket], object]


class FakeBroker:
    """A plain socket server; `talk` says what it does with each connection, on a thread of its own."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.connections = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        for plug in self._open:
            with contextlib.suppress(OSError):
                plug.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._server.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                plug, _ = self._server.accept()
                self.connections += 1
                self._open.append(plug)
                self._threads.append(threading.Thread(target=self._one, args=[plug], daemon=True))
                self._threads[-1].start()

    def _one(self, plug: socket.socket) -> None:
        with plug, contextlib.suppress(OSError):
            self.talk(plug)


@dataclass
class Bench:
    """A link and its inbox."""

    link: MqttLink
    inbox: "SimpleQueue[BodyEvent]"

    def next(self) -> BodyEvent:
        return self.inbox.get(timeout=20)

    def up(self) -> LinkUp:
        self.link.connect(0)
        event = self.next()
        assert isinstance(event, LinkUp), event
        return event

    def down(self) -> str:
        """Why it went down; exactly once."""
        event = self.next()
        while isinstance(event, Acknowledged | Delivered):
            event = self.next()
        assert isinstance(event, LinkDown), event
        with pytest.raises(queue.Empty):
            self.inbox.get(timeout=0.2)
        return event.why


Make = Callable[[Address], Bench]
Serve = Callable[[Talk], FakeBroker]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[Bench] = []

    def one(address: Address) -> Bench:
        inbox: SimpleQueue[BodyEvent] = SimpleQueue()
        made.append(Bench(MqttLink([address], tmp_path, "unit-1", DOWN, inbox.put), inbox))
        return made[-1]

    yield one
    for bench in made:
        bench.link.close()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Callable[..., Broker]]:
    started: list[Broker] = []

    def one(*lines: str) -> Broker:
        started.append(Broker(tmp_path, *lines))
        started[-1].start()
        return started[-1]

    yield one
    for each in started:
        each.kill()


@pytest.fixture
def serve() -> Iterator[Serve]:
    served: list[FakeBroker] = []

    def one(talk: Talk) -> FakeBroker:
        served.append(FakeBroker(talk))
        return served[-1]

    yield one
    for each in served:
        each.close()


def at(port: int, username: str = "", password: str = "") -> Address:
    return Address("127.0.0.1", port, username=username, password=password)


def taking(connack: bytes = CONNACK, suback: bytes = SUBACK) -> Talk:
    """A broker that says these two things, and then listens."""

    def talk(plug: socket.socket) -> None:
        plug.recv(65536)
        plug.sendall(connack)
        plug.recv(65536)
        plug.sendall(suback)
        until_it_hangs_up(plug)

    return talk


def until_it_hangs_up(plug: socket.socket) -> None:
    while plug.recv(65536):
        pass


# Not there, or not for us.


def test_a_broker_that_is_not_there_is_said_so(make: Make) -> None:
    held, port = held_port()
    with held:
        bench = make(at(port))
        bench.link.connect(0)
        assert "Connection refused" in bench.down()


def test_it_connects_to_the_broker_of_the_rank_asked_for_and_leaves_one_for_the_other(
    serve: Serve, tmp_path: Path
) -> None:
    served = [serve(taking()), serve(taking())]
    inbox: SimpleQueue[BodyEvent] = SimpleQueue()
    bench = Bench(MqttLink([at(each.port) for each in served], tmp_path, "unit-1", DOWN, inbox.put), inbox)
    for rank, connections in ((1, (0, 1)), (0, (1, 1)), (1, (1, 2))):
        bench.link.connect(rank)
        assert isinstance(bench.next(), LinkUp)
        assert tuple(each.connections for each in served) == connections
        bench.link.leave()
        assert bench.down() == "left from here"
    bench.link.close()


def test_a_host_that_is_not_known_is_said_so(make: Make) -> None:
    bench = make(Address("broker.invalid", 1883))
    bench.link.connect(0)
    assert "broker.invalid" in bench.down()


def test_a_wrong_password_is_said_so_and_never_repeated(
    make: Make, broker: Callable[..., Broker], tmp_path: Path
) -> None:
    subprocess.run(["mosquitto_passwd", "-b", "-c", tmp_path / "passwords", "unit-1", "right"], check=True)
    real = broker("allow_anonymous false", f"password_file {tmp_path / 'passwords'}")
    wrong = make(at(real.port, "unit-1", "mistaken"))
    wrong.link.connect(0)
    why = wrong.down()
    assert "the broker refuses" in why
    assert "mistaken" not in why
    right = make(at(real.port, "unit-1", "right"))
    assert right.up().window > 0


def test_a_subscription_that_is_denied_is_no_link(make: Make, serve: Serve) -> None:
    """Mosquitto does not deny subscriptions by its ACL file, other brokers do: 0x87, not authorized."""
    bench = make(at(serve(taking(suback=SUBACK[:-1] + b"\x87")).port))
    bench.link.connect(0)
    why = bench.down()
    assert "refuses the subscription" in why
    assert "Not authorized" in why
    assert bench.link.publish(UP, b"x") is None


def test_a_publication_that_the_acl_denies_is_acknowledged_with_the_reason(
    make: Make, broker: Callable[..., Broker], tmp_path: Path
) -> None:
    (tmp_path / "acl").write_text(f"topic read {DOWN}\n", "utf-8")
    bench = make(at(broker(f"acl_file {tmp_path / 'acl'}").port))
    bench.up()
    token = bench.link.publish(UP, b"envelope")
    assert token is not None
    assert bench.next() == Acknowledged(token, "Not authorized")


# Limits.


def test_the_brokers_limits_are_passed_on(make: Make, broker: Callable[..., Broker]) -> None:
    bench = make(at(broker("max_inflight_messages 7", "max_packet_size 5000").port))
    assert bench.up() == LinkUp(window=7, bytes_max=5000)


def test_a_broker_without_limits_gets_ours(make: Make, serve: Serve) -> None:
    assert make(at(serve(taking()).port)).up() == LinkUp(window=WINDOW_MAX, bytes_max=268_435_455)


def test_a_window_smaller_than_ours_is_passed_on_and_a_larger_one_is_not(make: Make, serve: Serve) -> None:
    assert make(at(serve(taking(CONNACK_WINDOW_3)).port)).up().window == 3
    assert make(at(serve(taking(CONNACK_WINDOW_3[:-2] + b"\xff\xff")).port)).up().window == WINDOW_MAX


def test_a_publication_longer_than_the_broker_takes_ends_the_link_with_the_reason(
    make: Make, broker: Callable[..., Broker]
) -> None:
    bench = make(at(broker("max_packet_size 5000").port))
    bench.up()
    assert bench.link.publish(UP, bytes(6000)) is not None
    assert len(bench.down().split()) >= 3
    bench.up()


def test_what_is_published_at_once_from_another_thread_arrives_whole(make: Make, serve: Serve) -> None:
    """With a slow reader every write is partial, and two threads writing would mix their bytes."""
    rounds, size = 600, 20_000
    taken: SimpleQueue[list[tuple[int, bytes]]] = SimpleQueue()

    def talk(plug: socket.socket) -> None:
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        plug.recv(65536)
        plug.sendall(CONNACK)
        plug.recv(65536)
        plug.sendall(SUBACK)
        found: list[tuple[int, bytes]] = []
        with plug.makefile("rb", buffering=4096) as stream:
            while len(found) < rounds:
                first = stream.read(1)[0]
                length, shift = 0, 0
                while True:
                    digit = stream.read(1)[0]
                    length, shift = length | (digit & 127) << shift, shift + 7
                    if digit < 128:
                        break
                found.append((first, stream.read(length)[len(UP) + 5 :]))
                plug.sendall(b"\x40\x02" + (len(found) + 1).to_bytes(2, "big"))
        taken.put(found)
        until_it_hangs_up(plug)

    bench = make(at(serve(talk).port))
    bench.up()
    payloads = [number.to_bytes(2, "big") * size for number in range(rounds)]
    for number, payload in enumerate(payloads):
        if number >= WINDOW_MAX:
            assert isinstance(bench.next(), Acknowledged)
        assert bench.link.publish(UP, payload) is not None
    found = taken.get(timeout=60)
    assert {first for first, _ in found} == {0x32}
    assert sorted(payload for _, payload in found) == payloads
    assert all(isinstance(bench.next(), Acknowledged) for _ in range(WINDOW_MAX))


# Ends.


def test_a_broker_that_is_killed_is_one_link_down(make: Make, broker: Callable[..., Broker]) -> None:
    real = broker()
    bench = make(at(real.port))
    bench.up()
    real.kill()
    assert bench.down() == "the connection was lost"
    assert bench.link.publish(UP, b"x") is None
    real.start()
    bench.up()


def test_a_broker_that_is_stopped_is_one_link_down(make: Make, broker: Callable[..., Broker]) -> None:
    real = broker()
    bench = make(at(real.port))
    bench.up()
    real.stop()
    assert len(bench.down().split()) >= 3


def test_another_client_under_our_name_is_one_link_down(make: Make, broker: Callable[..., Broker]) -> None:
    port = broker().port
    ours = make(at(port))
    ours.up()
    make(at(port)).up()
    assert len(ours.down().split()) >= 3


def test_a_broker_that_says_why_it_ends_is_quoted(make: Make, serve: Serve) -> None:
    """Mosquitto 2.0.11 just hangs up; others say 0x8E when a client of the same name comes."""
    bench = make(at(serve(taking(CONNACK, SUBACK + b"\xe0\x02\x8e\x00")).port))
    bench.up()
    assert bench.down() == "the broker ended it: Session taken over"


def test_a_broker_that_never_answers_is_given_up(make: Make, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device.mqtt, "CONNECT_SECONDS_MAX", 1)
    bench = make(at(serve(until_it_hangs_up).port))
    for _ in range(2):
        began = time.monotonic()
        bench.link.connect(0)
        assert bench.down() == "the broker did not answer within 1 s"
        assert time.monotonic() - began < 5


def test_a_broker_that_never_answers_the_subscription_is_given_up(
    make: Make, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device.mqtt, "CONNECT_SECONDS_MAX", 1)
    bench = make(at(serve(taking(suback=b"")).port))
    bench.link.connect(0)
    assert bench.down() == "the broker did not answer within 1 s"


def test_a_broker_that_falls_silent_is_given_up_after_the_keepalive(make: Make, serve: Serve) -> None:
    bench = make(at(serve(taking(CONNACK_KEEPALIVE_1)).port))
    bench.up()
    assert bench.down() == "the broker fell silent"


def test_connect_and_close_do_not_wait_for_a_broker_that_never_answers(make: Make, serve: Serve) -> None:
    reached = threading.Event()

    def talk(plug: socket.socket) -> None:
        plug.recv(65536)
        reached.set()
        until_it_hangs_up(plug)

    bench = make(at(serve(talk).port))
    began = time.monotonic()
    bench.link.connect(0)
    assert reached.wait(10)
    bench.link.close()
    assert time.monotonic() - began < device.mqtt.CONNECT_SECONDS_MAX / 2
    assert bench.down() == "closed here"


def test_a_connection_that_is_over_is_let_go(make: Make, serve: Serve) -> None:
    """Or a broker would go on counting it, and a unit would run out of files."""
    gone = SimpleQueue[bool]()

    def talk(plug: socket.socket) -> None:
        plug.recv(65536)
        plug.sendall(b"\xf0\x00" * 10)
        with contextlib.suppress(ConnectionResetError):
            until_it_hangs_up(plug)
        gone.put(True)

    bench = make(at(serve(talk).port))
    for _ in range(5):
        bench.link.connect(0)
        bench.down()
        assert gone.get(timeout=5)


# Rubbish.


RUBBISH = [
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"\x20\x00",
    b"\x20\x02\x00\x00",
    b"\x20\x03\x00\x00\xff",
    b"\x20\x05\x00\x00\x02\x99\x99",
    b"\x20\xff\xff\xff\xff\xff",
    b"\xff" * 100,
    b"\x00" * 100,
    CONNACK + CONNACK,
    CONNACK + b"\x90\x00",
    CONNACK + b"\x90\x04\x00\x01\x00\x63",
    CONNACK + SUBACK + b"\x30\x02\xff\xff",
    CONNACK + SUBACK + b"\x30\x05\x00\x02\xc3\x28\x00",
    CONNACK + SUBACK + b"\x32\x03\x00\x01a",
    CONNACK + SUBACK + b"\x36\x07\x00\x01a\x00\x01\x00x",
    CONNACK + SUBACK + b"\x40\x00",
    CONNACK + SUBACK + b"\x40\x04\x00\x01\x01\x00",
    CONNACK + SUBACK + b"\xe0\x01\x13",
    CONNACK + SUBACK + b"\xe0\x01\x8e",
    CONNACK + SUBACK + b"\xf0\x00",
    CONNACK + SUBACK + b"\x10\x00",
]


def rubbish_then_sense(port_of: Callable[[Talk], FakeBroker], make: Make, spoken: bytes) -> None:
    """A broker that says this and hangs up; then the same link on a broker in its right mind."""
    first = itertools.count()

    def talk(plug: socket.socket) -> None:
        plug.recv(65536)
        if next(first) == 0:
            plug.sendall(spoken)
            plug.shutdown(socket.SHUT_WR)
        else:
            plug.sendall(CONNACK)
            plug.recv(65536)
            plug.sendall(SUBACK)
        until_it_hangs_up(plug)

    bench = make(at(port_of(talk).port))
    bench.link.connect(0)
    event = bench.next()
    while not isinstance(event, LinkDown):
        event = bench.next()
    assert len(event.why.split()) >= 3, event.why
    bench.up()


@pytest.mark.parametrize("spoken", RUBBISH, ids=lambda spoken: spoken[-12:].hex())
def test_rubbish_ends_the_link_in_words_and_the_next_one_comes_up(make: Make, serve: Serve, spoken: bytes) -> None:
    rubbish_then_sense(serve, make, spoken)


@pytest.mark.parametrize("number", range(25))
def test_chance_rubbish_ends_the_link_and_the_next_one_comes_up(
    make: Make, serve: Serve, number: int, seed: int
) -> None:
    chance = random.Random(seed * 25 + number)
    start = chance.choice([b"", CONNACK, CONNACK + SUBACK])
    rubbish_then_sense(serve, make, start + chance.randbytes(chance.randrange(1, 400)))


ENDLESS = b"\x30\xff\xff\xff\x7f"
"""MQTT 5.0, 2.1.4: the beginning of the longest publication there can be, 256 MB."""

TWICE_ASSURED = b"\x34\x24\x00\x1e" + DOWN.encode() + b"\x00\x01\x00x"
"""A publication of QoS 2, which paho holds until its end is agreed on: it was never subscribed to."""


@pytest.mark.parametrize(
    ("spoken", "why"), [(ENDLESS + bytes(1 << 20), "sends 268435455 bytes at once"), (TWICE_ASSURED, "with QoS 2")]
)
def test_what_would_fill_the_memory_ends_the_link_before_it_does(
    make: Make, serve: Serve, spoken: bytes, why: str
) -> None:
    def talk(plug: socket.socket) -> None:
        plug.recv(65536)
        plug.sendall(CONNACK)
        plug.recv(65536)
        plug.sendall(SUBACK + spoken)
        until_it_hangs_up(plug)

    bench = make(at(serve(talk).port))
    bench.up()
    assert why in bench.down()


# TLS.


def certify(folder: Path, name: str, by: str) -> Tls:
    """Writes a key and a certificate for 127.0.0.1, signed by another of the folder or by itself."""
    key, owner = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    signer = serialization.load_pem_private_key((folder / f"{by}.key").read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    issuer = owner if by == name else x509.load_pem_x509_certificate((folder / f"{by}.pem").read_bytes()).subject
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(issuer, owner, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=by == name, path_length=None), critical=True)
        # Python 3.13 asks for the next three.
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=by == name,
                crl_sign=by == name,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    return Tls(f"{by}.pem", f"{name}.pem", f"{name}.key")


@pytest.fixture
def tls_port(broker: Callable[..., Broker], tmp_path: Path) -> int:
    """A broker that wants certificates of `ca`."""
    certify(tmp_path, "ca", "ca")
    certify(tmp_path, "broker", "ca")
    files = {"cafile": "ca.pem", "certfile": "broker.pem", "keyfile": "broker.key"}
    return broker("require_certificate true", *(f"{key} {tmp_path / file}" for key, file in files.items())).port


def test_over_tls_with_a_certificate_what_is_published_is_acknowledged(
    make: Make, tls_port: int, tmp_path: Path
) -> None:
    bench = make(Address("127.0.0.1", tls_port, certify(tmp_path, "unit-1", "ca")))
    bench.up()
    tokens = [bench.link.publish(UP, bytes(65536)) for _ in range(20)]
    assert None not in tokens
    events = [bench.next() for _ in tokens]
    assert {event.token for event in events if isinstance(event, Acknowledged)} == set(tokens)


# paho drops a socket whose handshake failed without closing it, which Python then does, and says so.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning")
def test_a_broker_of_another_authority_is_not_trusted(make: Make, tls_port: int, tmp_path: Path) -> None:
    certify(tmp_path, "other", "other")
    bench = make(Address("127.0.0.1", tls_port, certify(tmp_path, "unit-1", "other")))
    bench.link.connect(0)
    assert "certificate verify failed" in bench.down()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho drops the socket unclosed
def test_a_certificate_of_another_authority_is_not_taken(make: Make, tls_port: int, tmp_path: Path) -> None:
    certify(tmp_path, "other", "other")
    stranger = certify(tmp_path, "unit-1", "other")
    bench = make(Address("127.0.0.1", tls_port, Tls("ca.pem", stranger.certificate, stranger.key)))
    bench.link.connect(0)
    assert len(bench.down().split()) >= 3


def test_a_plain_connection_to_a_broker_that_wants_tls_is_one_link_down(make: Make, tls_port: int) -> None:
    bench = make(at(tls_port))
    bench.link.connect(0)
    assert len(bench.down().split()) >= 3


def test_tls_files_that_are_not_there_are_our_fault(make: Make) -> None:
    with pytest.raises(OurFault, match=r"brokers: 127.0.0.1:8883: tls: .*check the files ca, certificate and key"):
        make(Address("127.0.0.1", 8883, tls=Tls("ca.pem", "unit.pem", "unit.key")))
