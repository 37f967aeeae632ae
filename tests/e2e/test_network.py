"""The network of these tests makes the weather it is asked for: else what survives it would have survived nothing."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.network import CALM, CUT, Network, Place, Weather
from tests.e2e.world import wait_until

pytestmark = pytest.mark.e2e

PORT = 1883
SECONDS_MAX = 30  # TCP tries a connection for the fifth time after 15


@contextmanager
def connected(one: Place, other: Place) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a TCP connection."""
    with other.inside(), socket.create_server((other.address, PORT), reuse_port=True) as listening:
        with one.inside():
            here = socket.create_connection((other.address, PORT), timeout=SECONDS_MAX)
        there, _ = listening.accept()
        there.settimeout(SECONDS_MAX)
        with here, there:
            yield here, there


def assert_nothing_comes(end: socket.socket) -> None:
    end.settimeout(0.5)
    with pytest.raises(TimeoutError):
        end.recv(1)
    end.settimeout(SECONDS_MAX)


def received(end: socket.socket, count: int) -> bytes:
    content = b""
    while len(content) < count:
        content += end.recv(count - len(content))
    return content


def sent_and_received(one: socket.socket, other: socket.socket, content: bytes) -> bytes:
    sending = threading.Thread(target=one.sendall, args=[content])
    sending.start()
    came = received(other, len(content))
    sending.join()
    return came


@pytest.mark.parametrize(
    "weather",
    [CALM, Weather(loss=0.05), Weather(repeats=0.3), Weather(delay_ms=5, jitter_ms=10), Weather(loss=0.02, delay_ms=5)],
)
def test_tcp_gets_through_whatever_is_not_cut(network: Network, weather: Weather, seed: int) -> None:
    one, other = network.place(), network.place()
    network.set(weather, one, other)
    content = seed.to_bytes(4) * 50_000
    with connected(one, other) as (here, there):
        assert sent_and_received(here, there, content) == content


def test_loss_and_repeats_are_as_often_as_asked(network: Network) -> None:
    one, other = network.place(), network.place()
    network.set(Weather(loss=0.5, repeats=0.5), one, other)
    with other.inside(), socket.socket(type=socket.SOCK_DGRAM) as there:
        there.bind((other.address, PORT))
        there.setblocking(False)
        came: list[bytes] = []
        with one.inside(), socket.socket(type=socket.SOCK_DGRAM) as here:
            for number in range(1, 1001):
                here.sendto(number.to_bytes(2), (other.address, PORT))
                if number % 50 == 0:  # the kernel holds 500 for a network that is slower than we are, and loses others
                    wait_until(lambda number=number: network.taken == number, "the network has taken them")  # type: ignore[misc]
                    came += _at_hand(there)
    # Five standard deviations of what is lost, and of what comes twice.
    assert 420 < len(set(came)) < 580
    assert 1.25 < len(came) / len(set(came)) < 1.75


def _at_hand(end: socket.socket) -> list[bytes]:
    came = []
    try:
        while True:
            came.append(end.recv(100))
    except BlockingIOError:
        return came


def test_delay_is_as_long_as_asked(network: Network) -> None:
    one, other = network.place(), network.place()
    network.set(Weather(delay_ms=100), one, other)
    with connected(one, other) as (here, there):
        began = time.monotonic()
        here.sendall(b"?")
        received(there, 1)
        there.sendall(b"!")
        received(here, 1)
        assert 0.2 <= time.monotonic() - began < 2


@pytest.mark.parametrize(("there", "back"), [(CUT, CUT), (CUT, CALM), (CALM, CUT)])
def test_nothing_comes_through_a_cut_and_all_of_it_once_it_heals(
    network: Network, there: Weather, back: Weather
) -> None:
    one, other = network.place(), network.place()
    with connected(one, other) as (here, far):
        network.set(there, one, other, back)
        here.sendall(b"forth")
        if there.is_cut:
            assert_nothing_comes(far)
        else:
            assert received(far, 5) == b"forth"
        far.sendall(b"back")
        if back.is_cut:
            assert_nothing_comes(here)
        else:
            assert received(here, 4) == b"back"
        network.calm()
        if there.is_cut:
            assert received(far, 5) == b"forth"
        if back.is_cut:
            assert received(here, 4) == b"back"


def test_a_reset_ends_both_ends_at_once(network: Network) -> None:
    one, other = network.place(), network.place()
    with connected(one, other) as (here, there):
        assert sent_and_received(here, there, b"x" * 10_000) == b"x" * 10_000
        assert network.reset(one, other) == 1
        for end in (here, there):
            with pytest.raises(ConnectionResetError):
                end.recv(1)


def test_a_reset_in_the_midst_of_a_stream_ends_both_ends_too(network: Network) -> None:
    one, other = network.place(), network.place()
    raised: list[type[OSError]] = []

    def stream(end: socket.socket) -> None:
        try:
            while True:
                end.sendall(bytes(10_000))
        except OSError as error:
            raised.append(type(error))

    with connected(one, other) as (here, there):
        sending = threading.Thread(target=stream, args=[here])
        sending.start()
        received(there, 1_000_000)
        assert network.reset(one, other) == 1
        with pytest.raises(ConnectionResetError):
            received(there, 100_000_000)
        sending.join(SECONDS_MAX)
    assert raised == [ConnectionResetError]


def test_a_forgotten_connection_is_dead_though_both_ends_believe_in_it(network: Network) -> None:
    one, other = network.place(), network.place()
    with connected(one, other) as (here, there):
        assert network.forget(one, other) == 1
        here.sendall(b"?")
        assert_nothing_comes(there)
    with connected(one, other) as (here, there):
        assert sent_and_received(here, there, b"!") == b"!"


def test_places_do_not_see_the_machine_they_are_on(network: Network) -> None:
    place = network.place()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        with place.inside(), pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=SECONDS_MAX)
        with place.inside(), pytest.raises(OSError, match="unreachable"):
            socket.create_connection(("192.0.2.1", port), timeout=SECONDS_MAX)
