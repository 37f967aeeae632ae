"""The network: places with kernel networking of their own, and between them the weather that a test makes.

A place is a Linux network namespace with one TUN device, whose other end this test holds: every datagram between two
places passes through `Network`, which loses, delays, repeats, reorders or drops it. TCP is the kernel's own on either
side. Places exist by open handles alone, so however a test ends, the kernel takes them away with it.
"""

import ctypes
import errno
import fcntl
import heapq
import itertools
import os
import random
import selectors
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000

FIN, SYN, RST = 0x01, 0x02, 0x04

DATAGRAM_BYTES_MAX = 65535

_LIBC = ctypes.CDLL(None, use_errno=True)  # Python has setns() from 3.12 on
_HERE = "/proc/thread-self/ns/net"  # threads may be in different places


def why_not() -> str:
    """Why places cannot be made here; empty when they can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    return "" if Path("/dev/net/tun").exists() else "there is no /dev/net/tun"


@dataclass(frozen=True, slots=True)
class Weather:
    """What befalls datagrams on their way, in one direction.

    Attributes:
        loss: share that is lost.
        repeats: share that comes twice.
        delay_ms: how long each takes, at least.
        jitter_ms: how much longer some take: those overtake each other.
        is_cut: none comes.
    """

    loss: float = 0.0
    repeats: float = 0.0
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    is_cut: bool = False


CALM = Weather()
CUT = Weather(is_cut=True)


class Flow(NamedTuple):
    """One direction of a TCP connection: addresses and ports."""

    source: bytes
    target: bytes
    from_port: int
    to_port: int

    @property
    def back(self) -> "Flow":
        """The other direction."""
        return Flow(self.target, self.source, self.to_port, self.from_port)


class Place:
    """A namespace with one address.

    Args:
        address: IPv4, on a network that only this test's places are on.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.number = socket.inet_aton(address)
        home = os.open(_HERE, os.O_RDONLY)
        try:
            _called(_LIBC.unshare(CLONE_NEWNET))
            self._namespace = os.open(_HERE, os.O_RDONLY)
            self.handle = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(self.handle, TUNSETIFF, struct.pack("16sH22x", b"net0", IFF_TUN | IFF_NO_PI))
            for line in (f"addr add {address}/24 dev net0", "link set net0 up", "link set lo up"):
                subprocess.run(["ip", *line.split()], check=True, capture_output=True)
        finally:
            _called(_LIBC.setns(home, CLONE_NEWNET))
            os.close(home)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """This thread, and whatever it starts, are in the place."""
        home = os.open(_HERE, os.O_RDONLY)
        _called(_LIBC.setns(self._namespace, CLONE_NEWNET))
        try:
            yield
        finally:
            _called(_LIBC.setns(home, CLONE_NEWNET))
            os.close(home)

    def end(self) -> None:
        """Takes the place away, once no program is in it any more."""
        os.close(self.handle)
        os.close(self._namespace)


class Network:
    """Places, and a thread that carries datagrams between them.

    Args:
        seed: of what befalls them.

    Attributes:
        taken: how many datagrams from one place to another it has lost, given, or holds until they are late enough.
    """

    def __init__(self, seed: int) -> None:
        self.taken = 0
        self._chance = random.Random(seed)
        self._places: dict[bytes, Place] = {}
        self._weather: dict[tuple[bytes, bytes], Weather] = {}
        self._late: list[tuple[float, int, Place, bytes]] = []
        self._numbers = itertools.count()
        # What each has acknowledged of the other direction, and up to where it was given itself.
        self._flows: dict[Flow, tuple[int, int]] = {}
        self._forgotten: set[Flow] = set()
        self._lock = threading.Lock()
        self._ready = selectors.DefaultSelector()
        self._ending, self._end = os.pipe()
        self._ready.register(self._ending, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._carry, name="network", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        """Carries."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Ends, with all its places."""
        self.end()

    def place(self) -> Place:
        """A new place."""
        made = Place(f"10.77.0.{len(self._places) + 1}")
        with self._lock:
            self._places[made.number] = made
        self._ready.register(made.handle, selectors.EVENT_READ, made)
        return made

    def set(self, there: Weather, one: Place, other: Place, back: Weather | None = None) -> None:
        """Makes weather from `one` to `other`, and the same, or `back`, the other way."""
        with self._lock:
            self._weather[one.number, other.number] = there
            self._weather[other.number, one.number] = there if back is None else back

    def calm(self) -> None:
        """Nothing befalls datagrams any more; connections that were forgotten stay so."""
        with self._lock:
            self._weather.clear()

    def forget(self, one: Place, other: Place) -> int:
        """From now on drops all that belongs to their open connections, as a router does that has lost its memory: each
        end believes the other is there. New connections pass. Returns how many there were."""
        with self._lock:
            flows = self._between(one, other)
            self._forgotten.update(flows)
            return len(flows) // 2

    def reset(self, one: Place, other: Place) -> int:
        """Tells both ends of their open connections that the other has ended it, as censors and middle boxes do.
        Returns how many there were."""
        with self._lock:
            flows = self._between(one, other)
            for flow in flows:
                # A reset counts only at the very byte that its receiver expects next: the one it said, or, as it may be
                # about to say more, the one behind all that it was given.
                for expected in {self._flows[flow.back][0], self._flows[flow][1]}:
                    self._give(self._places[flow.target], _end_of(flow, expected))
            for flow in flows:
                del self._flows[flow]
            return len(flows) // 2

    def end(self) -> None:
        """Carries no more, and takes all places away."""
        os.write(self._end, b"!")
        self._thread.join()
        for place in self._places.values():
            place.end()
        self._ready.close()
        os.close(self._ending)
        os.close(self._end)

    def _between(self, one: Place, other: Place) -> list[Flow]:
        ends = {(one.number, other.number), (other.number, one.number)}
        return [flow for flow in self._flows if flow[:2] in ends and flow.back in self._flows]

    def _carry(self) -> None:
        while True:
            wait = max(0.0, self._late[0][0] - time.monotonic()) if self._late else None
            for key, _ in self._ready.select(wait):
                if key.data is None:
                    return
                self._take(key.data)
            while self._late and self._late[0][0] <= time.monotonic():
                _, _, place, datagram = heapq.heappop(self._late)
                self._give(place, datagram)

    def _take(self, place: Place) -> None:
        """Takes all that a place sends now."""
        while True:
            try:
                datagram = os.read(place.handle, DATAGRAM_BYTES_MAX)
            except BlockingIOError:
                return
            if datagram[0] >> 4 == 4:  # what IPv6 says to the whole network at a start is for nobody
                with self._lock:
                    self._send(datagram)
                    self.taken += datagram[16:20] in self._places

    def _send(self, datagram: bytes) -> None:
        source, target = datagram[12:16], datagram[16:20]
        place, weather = self._places.get(target), self._weather.get((source, target), CALM)
        if place is None or weather.is_cut or self._chance.random() < weather.loss or self._is_forgotten(datagram):
            return
        for _ in range(1 + (self._chance.random() < weather.repeats)):
            late_ms = weather.delay_ms + self._chance.random() * weather.jitter_ms
            if late_ms:
                heapq.heappush(self._late, (time.monotonic() + late_ms / 1000, next(self._numbers), place, datagram))
            else:
                self._give(place, datagram)

    def _is_forgotten(self, datagram: bytes) -> bool:
        """Remembers the connection it is of; whether that is forgotten."""
        if datagram[9] != socket.IPPROTO_TCP:
            return False
        tcp = datagram[(datagram[0] & 15) * 4 :]
        from_port, to_port, seq, acknowledged, header, flags = struct.unpack("!HHIIBB", tcp[:14])
        flow = Flow(datagram[12:16], datagram[16:20], from_port, to_port)
        if flags & SYN:
            self._forgotten.discard(flow)
        if flags & (FIN | RST):
            self._flows.pop(flow, None)
        else:
            end = seq + len(tcp) - (header >> 4) * 4 + bool(flags & SYN)
            _, before = self._flows.get(flow, (0, end))
            is_later = (end - before) % 2**32 < 2**31
            self._flows[flow] = acknowledged, (end if is_later else before) % 2**32
        return flow in self._forgotten

    def _give(self, place: Place, datagram: bytes) -> None:
        try:
            os.write(place.handle, datagram)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ENOBUFS, errno.EIO):  # full, or down: lost, as it would be
                raise


def _end_of(flow: Flow, seq: int) -> bytes:
    """A TCP reset, with its IPv4 header."""
    tcp = struct.pack("!HHIIBBHHH", flow.from_port, flow.to_port, seq, 0, 5 << 4, RST, 0, 0, 0)
    pseudo = flow.source + flow.target + struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(tcp))
    tcp = tcp[:16] + _checksum(pseudo + tcp) + tcp[18:]
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 0, 0, 64, socket.IPPROTO_TCP, 0, flow.source, flow.target)
    return ip[:10] + _checksum(ip) + ip[12:] + tcp


def _checksum(content: bytes) -> bytes:
    """RFC 1071, of an even number of bytes."""
    total = sum(struct.unpack(f"!{len(content) // 2}H", content))
    total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF)


def _called(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
