"""The custody bench: how fast a hub verifies, opens, keeps and receipts, beside the bare rate of the same broker.

One broker, one publisher, and either a bare paho subscriber that only counts, or the real hub program on SQLite. All
three share this machine, as they do in a centre.
"""

import multiprocessing
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import msgspec
import paho.mqtt.client as paho
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from paho.mqtt.enums import CallbackAPIVersion

from sim.broker import Broker
from sim.deployment import write_key
from tests.hub.some_unit import DEPLOYMENT, SomeUnit, some_payload, write_package
from tests.wire.samples import PACKAGES
from wire.receipt import Receipt
from wire.seal import Opener
from wire.topics import Leaf, subscription

RECORDS = 30_000
RECORDS_FEW = 3_000
UNITS = 20
RATIO_MIN = 0.25
BARE_BYTES = 1024
WINDOW = 1000
BROKER_LINES = (
    "persistence false",
    "set_tcp_nodelay true",
    "max_queued_messages 0",
    f"max_inflight_messages {WINDOW}",
)
_SECONDS_MAX = 300
_SPAWN = multiprocessing.get_context("spawn")
_Sent = tuple[str, bytes]


@dataclass(frozen=True, slots=True)
class Custody:
    """What a run of the hub showed."""

    receipted: int
    kept: int
    seconds: float
    peak_mb: float

    @property
    def rate(self) -> float:
        """Records receipted a second."""
        return self.receipted / self.seconds


def run() -> None:
    """Measures, and prints what was found."""
    with tempfile.TemporaryDirectory(prefix="testigo-custody-") as name:
        folder = Path(name)
        seal_key = X25519PrivateKey.generate()
        units, publications = _prepared(seal_key)
        size = sum(len(content) for _, content in publications) // len(publications)
        with Broker(folder, *BROKER_LINES) as broker:
            port = broker.port
            bare = _bare(port, [(topic, bytes(BARE_BYTES)) for topic, _ in publications])
            few = _custody(folder / "few", port, seal_key, units, publications[:RECORDS_FEW])
            many = _custody(folder / "many", port, seal_key, units, publications)
    print(f"custody: bare subscriber, QoS 1, {BARE_BYTES} bytes       {bare:8.0f} /s")
    print(f"custody: hub, {RECORDS} records of {size} bytes         {many.rate:8.0f} /s, of these kept {many.kept}")
    print(f"custody: ratio {many.rate / bare:.2f}, at least {RATIO_MIN} wanted")
    print(f"custody: peak memory of the hub's processes, at {RECORDS_FEW} records {few.peak_mb:.0f} MB, ", end="")
    print(f"at {RECORDS} records {many.peak_mb:.0f} MB")
    if many.kept != RECORDS or many.rate < RATIO_MIN * bare:
        raise SystemExit("custody: the hub is too slow, or has lost records")


def _prepared(seal_key: X25519PrivateKey) -> tuple[list[SomeUnit], list[_Sent]]:
    """Units and what they have to send, in turns."""
    recipients = [Opener("hub-a", seal_key).recipient, Opener("escrow", X25519PrivateKey.generate()).recipient]
    units = [SomeUnit(recipients, f"unit-{number}", f"{number:032x}") for number in range(UNITS)]
    return units, [units[number % UNITS].press(some_payload(number)).sent for number in range(RECORDS)]


def _client(name: str, port: int) -> paho.Client:
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=paho.MQTTv5)
    client.max_inflight_messages_set(WINDOW)
    client.on_socket_open = _send_at_once
    client.connect("127.0.0.1", port)
    return client


def _send_at_once(_client: paho.Client, _user: object, sock: Any) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _publish(port: int, publications: Sequence[_Sent], ready: Event, go: Event) -> None:
    """The publisher, in a process of its own."""
    client = _client("publisher", port)
    client.loop_start()
    ready.set()
    go.wait()
    sent = [client.publish(topic, content, qos=1) for topic, content in publications]
    sent[-1].wait_for_publish(_SECONDS_MAX)
    client.disconnect()
    client.loop_stop()


@contextmanager
def _publisher(port: int, publications: Sequence[_Sent]) -> Iterator[Event]:
    ready, go = _SPAWN.Event(), _SPAWN.Event()
    publisher = _SPAWN.Process(target=_publish, args=(port, publications, ready, go))
    publisher.start()
    if not ready.wait(_SECONDS_MAX):
        raise SystemExit("custody: the publisher is not ready")
    try:
        yield go
    finally:
        publisher.join(_SECONDS_MAX)


@contextmanager
def _subscriber(name: str, port: int, topic: str, came: paho.CallbackOnMessage) -> Iterator[None]:
    client = _client(name, port)
    granted = threading.Event()
    client.on_subscribe = lambda *_: granted.set()
    client.on_message = came
    client.subscribe(topic, qos=1)
    client.loop_start()
    if not granted.wait(10):
        raise SystemExit("custody: the broker granted no subscription within 10 seconds")
    yield
    client.disconnect()
    client.loop_stop()


def _bare(port: int, publications: Sequence[_Sent]) -> float:
    """What the broker passes on to a subscriber that only counts, a second."""
    left = len(publications)
    done = threading.Event()

    def came(*_: object) -> None:
        nonlocal left
        left -= 1
        if not left:
            done.set()

    topic = subscription(DEPLOYMENT, Leaf.ENVELOPE)
    with _publisher(port, publications) as go, _subscriber("bare", port, topic, came):
        begin = time.perf_counter()
        go.set()
        if not done.wait(_SECONDS_MAX):
            raise SystemExit(f"custody: the bare subscriber still lacks {left} publications")
        return len(publications) / (time.perf_counter() - begin)


def _custody(
    folder: Path, port: int, seal_key: X25519PrivateKey, units: Sequence[SomeUnit], publications: Sequence[_Sent]
) -> Custody:
    """The real hub, from the first publication to the last receipt."""
    settings = _settings(folder, port, seal_key, units)
    seqs: dict[str, int] = {}
    done = threading.Event()

    def came(_client: paho.Client, _user: object, publication: paho.MQTTMessage) -> None:
        receipt = msgspec.json.decode(publication.payload.split(b"\n", 2)[1], type=Receipt)
        seqs[receipt.chain] = receipt.seq
        if sum(seqs.values()) == len(publications):
            done.set()

    topic = subscription(DEPLOYMENT, Leaf.RECEIPT)
    with _hub(settings) as hub, _publisher(port, publications) as go, _subscriber("units", port, topic, came):
        begin = time.perf_counter()
        go.set()
        if not done.wait(_SECONDS_MAX):
            raise SystemExit(f"custody: only {sum(seqs.values())} of {len(publications)} records are receipted")
        seconds = time.perf_counter() - begin
        peak = _peak_mb(hub.pid)
    totals = subprocess.run((*_PROGRAM, "totals", "--json", "--settings", settings), check=True, capture_output=True)
    return Custody(sum(seqs.values()), msgspec.json.decode(totals.stdout)["counted"], seconds, peak)


_PROGRAM = (sys.executable, "-m", "hub")


@contextmanager
def _hub(settings: Path) -> Iterator[subprocess.Popen[str]]:
    hub = subprocess.Popen((*_PROGRAM, "--settings", settings), stderr=subprocess.PIPE, text=True)
    assert hub.stderr is not None
    try:
        for line in hub.stderr:
            if "event=link-up" in line:
                break
        # What it says from here on is read away, for a full pipe would hold it up.
        threading.Thread(target=hub.stderr.read, daemon=True).start()
        yield hub
    finally:
        hub.terminate()
        hub.wait()


def _settings(folder: Path, port: int, seal_key: X25519PrivateKey, units: Sequence[SomeUnit]) -> Path:
    keys = folder / "keys"
    keys.mkdir(parents=True)
    for name, key in (("sign.pem", ec.generate_private_key(ec.SECP256R1())), ("seal.pem", seal_key)):
        write_key(keys / name, key)
    write_package(folder)
    (folder / "register").write_text("".join(f"{unit.signer.verifier}\n" for unit in units), "utf-8")
    settings = folder / "hub.toml"
    lines = (
        'name = "hub-a"',
        f'packages = "{PACKAGES.verifier}"',
        'keys = "keys"',
        'register = "register"',
        'database = "ledger.sqlite"',
        'pictures = "pictures"',
        "[broker]",
        'host = "127.0.0.1"',
        f"port = {port}",
    )
    settings.write_text("\n".join(lines) + "\n", "utf-8")
    return settings


def _peak_mb(process_id: int) -> float:
    """The most memory that was resident, in megabytes, of the hub's process and its second one together."""
    children = Path(f"/proc/{process_id}/task/{process_id}/children").read_text("ascii").split()
    peaks = [Path(f"/proc/{each}/status").read_text("ascii").partition("VmHWM:")[2] for each in (process_id, *children)]
    return sum(int(peak.split()[0]) for peak in peaks) / 1024


if __name__ == "__main__":
    run()
