"""A broker's port: while the broker is down nobody else may be given it, or the broker could not come back."""

import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from sim.broker import Broker
from tests.e2e.network import Network

pytestmark = pytest.mark.e2e

PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")


def test_the_port_of_a_broker_that_is_down_is_given_to_nobody(network: Network, tmp_path: Path) -> None:
    place = network.place()
    with place.inside(), ExitStack() as open_:
        PORTS.write_text("40000 40003")
        broker = Broker(tmp_path)
        server = open_.enter_context(socket.create_server(("127.0.0.1", 1883)))
        clients = [open_.enter_context(socket.create_connection(server.getsockname())) for _ in range(3)]
        with pytest.raises(OSError, match="Cannot assign requested address"):
            socket.create_connection(server.getsockname())
        given = {client.getsockname()[1] for client in clients}
        assert given | {broker.port} == {40000, 40001, 40002, 40003}
        with broker:
            assert broker.runs
