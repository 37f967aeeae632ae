"""Limits before TLS: the rules that provisioning writes, in a real kernel, before a real Mosquitto, under real floods.

Two network namespaces, joined by a pair of interfaces: the broker's machine, and all the rest, with any addresses.
"""

import contextlib
import os
import selectors
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from provisioning import broker
from provisioning.authority import Authority
from tests.e2e.network import _HERE, _LIBC, CLONE_NEWNET, _called
from tests.provisioning.conftest import HUB

pytestmark = pytest.mark.e2e

BROKER, FLOODER, HONEST, CARRIER = "10.77.0.1", "10.77.1.1", "10.77.2.1", "10.77.3.1"
PORT = 8883
SECONDS = 20
HELLO = b"\x16\x03\x01\x02\x00"  # as TLS begins
"""Nobody counts before having said something: the acknowledgement that ends TCP's handshake may go with it."""


@dataclass
class Site:
    """The broker's machine, and all the rest.

    Attributes:
        mosquitto: its process.
        here: the namespace of the machine.
        rest: the namespace of the rest.
        plugs: the connections that were tried.
    """

    mosquitto: "subprocess.Popen[str]"
    here: str
    rest: str
    plugs: list[socket.socket] = field(default_factory=list)

    @contextlib.contextmanager
    def outside(self) -> Iterator[None]:
        """This thread is where all the rest are."""
        home = os.open(_HERE, os.O_RDONLY)
        there = os.open(f"/var/run/netns/{self.rest}", os.O_RDONLY)
        try:
            _called(_LIBC.setns(there, CLONE_NEWNET))
            yield
        finally:
            _called(_LIBC.setns(home, CLONE_NEWNET))
            os.close(home)
            os.close(there)

    def taken(self) -> int:
        """How many files and connections Mosquitto holds."""
        return sum(1 for _ in Path(f"/proc/{self.mosquitto.pid}/fd").iterdir())

    def knock(self, address: str, count: int) -> None:
        """Makes so many connections from an address, that say how TLS begins as soon as they can, and then nothing."""
        waiting = selectors.DefaultSelector()
        with self.outside():
            for _ in range(count):
                plug = socket.socket()
                plug.bind((address, 0))
                plug.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    plug.connect((BROKER, PORT))
                waiting.register(plug, selectors.EVENT_WRITE, plug.send)
                self.plugs.append(plug)
        threading.Thread(target=greet, args=(waiting,), daemon=True).start()


def greet(waiting: selectors.BaseSelector) -> None:
    """Each says how TLS begins once it is connected, however late that is; TCP says it again when it is lost."""
    with waiting:
        while ready := waiting.select(SECONDS):
            for key, _ in ready:
                waiting.unregister(key.fileobj)
                with contextlib.suppress(OSError):
                    key.data(HELLO)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


@pytest.fixture
def site(authority: Authority, plugin: Path, tmp_path: Path) -> Iterator[Site]:
    if os.geteuid() != 0 or not shutil.which("nft", path="/usr/sbin:/sbin"):
        pytest.skip("network namespaces need root, and the rules need nft")
    here, rest = f"testigo-{os.getpid()}", f"testigo-{os.getpid()}-rest"
    home = authority.folder / "hubs" / HUB / "broker"
    authority.set_up_broker(HUB, home, PORT)
    shutil.copy(plugin, home)
    (tmp_path / "mosquitto.conf").write_text(f"user root\ninclude_dir {home}\n")
    try:
        ip("netns", "add", here)
        ip("netns", "add", rest)
        ip("link", "add", "wire0", "netns", here, "type", "veth", "peer", "name", "wire0", "netns", rest)
        addresses = {here: [f"{BROKER}/8"], rest: [f"{each}/8" for each in (FLOODER, HONEST, CARRIER)]}
        for place, its in addresses.items():
            for address in its:
                ip("-n", place, "addr", "add", address, "dev", "wire0")
            for link in ("lo", "wire0"):
                ip("-n", place, "link", "set", link, "up")
        subprocess.run(["ip", "netns", "exec", here, "/usr/sbin/nft", "-f", str(home / "testigo.nft")], check=True)
        command = ["ip", "netns", "exec", here, "mosquitto", "-c", str(tmp_path / "mosquitto.conf"), "-v"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as mosquitto:
            assert mosquitto.stderr is not None
            for line in mosquitto.stderr:
                if line.endswith(" running\n"):
                    break
            threading.Thread(target=mosquitto.stderr.read, daemon=True).start()
            made = Site(mosquitto, here, rest)
            yield made
            mosquitto.kill()
            for plug in made.plugs:
                plug.close()
    finally:
        for place in (here, rest):
            subprocess.run(["ip", "netns", "del", place], check=False)


def is_let_in(site: Site, home: Path, address: str) -> bool:
    """Whether a unit at an address shakes hands, and Mosquitto greets it."""
    context = ssl.create_default_context(cafile=str(home / "ca.pem"))
    context.load_cert_chain(home / "tls.pem", home / "tls.key")
    with site.outside():
        plug = socket.create_connection((BROKER, PORT), SECONDS, (address, 0))
    with context.wrap_socket(plug, server_hostname=HUB) as secured:
        secured.sendall(b"\x10\x0d\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x00")
        return secured.recv(4)[:1] == b"\x20"


def until(site: Site, count: int) -> int:
    """How many connections Mosquitto holds, once these are so many, or there was time enough for them."""
    end, pause = time.monotonic() + SECONDS, threading.Event()
    while site.taken() < count and time.monotonic() < end:
        pause.wait(0.05)
    return site.taken()


def test_a_flood_from_one_address_is_let_in_slowly_and_others_at_once(site: Site, units: list[Path]) -> None:
    before, began = site.taken(), time.monotonic()
    at_once = broker.ASKING_ADDRESS_MAX * broker.BURST_SECONDS
    site.knock(FLOODER, 3 * at_once)
    assert is_let_in(site, units[0], HONEST)
    taken = until(site, before + at_once) - before
    allowed = at_once + broker.ASKING_ADDRESS_MAX * (time.monotonic() - began)
    assert at_once <= taken <= allowed + 10


def test_many_units_behind_one_address_are_all_in_soon(site: Site, units: list[Path]) -> None:
    """A mobile network shows them under one: those beyond the limit come through as they say it again.

    Also where Mosquitto stands still meanwhile: the kernel's queues are full then, and it forgets who says nothing.
    """
    before, count = site.taken(), int(1.2 * broker.ASKING_ADDRESS_MAX * broker.BURST_SECONDS)
    site.mosquitto.send_signal(signal.SIGSTOP)
    site.knock(CARRIER, count)
    threading.Event().wait(0.9)
    site.mosquitto.send_signal(signal.SIGCONT)
    assert until(site, before + count) == before + count
    assert is_let_in(site, units[0], CARRIER)


@pytest.mark.parametrize("flags", [0x02, 0x10], ids=["who say that they come", "who say that they are in"])
def test_addresses_that_are_only_claimed_take_nobodys_place(site: Site, units: list[Path], flags: int) -> None:
    """Whoever sends from addresses that are not its own never gets an answer, and can show none."""
    before = site.taken()
    with site.outside(), socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for number in range(3 * broker.ASKING_SECOND_MAX * broker.BURST_SECONDS):
            source = socket.inet_aton(f"10.{78 + number % 100}.{number // 100 % 250}.9")
            raw.sendto(segment(source, flags, number), (BROKER, PORT))
    assert site.taken() == before
    listed = ["ip", "netns", "exec", site.here, "/usr/sbin/nft", "list", "set", "inet", "testigo", "known4"]
    assert "elements" not in subprocess.run(listed, capture_output=True, text=True, check=True).stdout
    assert is_let_in(site, units[0], HONEST)


def segment(source: bytes, flags: int, number: int) -> bytes:
    """The beginning of a connection from anybody, or the middle of one that never was."""
    target = socket.inet_aton(BROKER)
    tcp = struct.pack("!HHIIBBHHH", 1024 + number % 60000, PORT, number, 1, 5 << 4, flags, 8192, 0, 0)
    checksum = ones(source + target + struct.pack("!BBH", 0, 6, len(tcp)) + tcp)
    tcp = tcp[:16] + struct.pack("!H", checksum) + tcp[18:]
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0, source, target) + tcp


def ones(content: bytes) -> int:
    """The Internet checksum."""
    total: int = sum(struct.unpack(f"!{len(content) // 2}H", content))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


ANSWERER = """
import socket
udp, tcp = socket.socket(type=socket.SOCK_DGRAM), socket.create_server(("", 9))
udp.bind(("", 9))
print(flush=True)
udp.sendto(*udp.recvfrom(9))
for _ in range(2000):
    tcp.accept()
print(flush=True)
"""


def test_nothing_else_on_the_machine_is_touched(site: Site) -> None:
    command = ["ip", "netns", "exec", site.here, sys.executable, "-c", ANSWERER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with site.outside():
            with socket.socket(type=socket.SOCK_DGRAM) as udp:
                udp.settimeout(SECONDS)
                udp.sendto(b"x", (BROKER, 9))
                assert udp.recv(9) == b"x"
            for _ in range(2000):
                socket.create_connection((BROKER, 9), SECONDS).close()
        assert other.stdout.readline() == "\n"
