"""The MQTT link and the hub's name: a broker is believed by what its certificate bears, wherever it is."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from device.mqtt import MqttLink
from device.ports import BodyEvent, LinkDown, LinkUp
from provisioning import certificates
from sim.broker import Broker
from wire.settings import Broker as Address
from wire.settings import Tls

PEM = serialization.Encoding.PEM
DOWN = "testigo/1/trial/unit-1/receipt"
TLS = Tls("ca.pem", "unit-1.pem", "unit-1.key")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Certificates of one authority: a unit's, and those of the brokers of two hubs, which bear no address."""
    key = ec.generate_private_key(ec.SECP256R1())
    ca = certificates.authority("trial authority", key)
    (tmp_path / "ca.pem").write_bytes(ca.public_bytes(PEM))

    def write(name: str, make: Callable[[ec.EllipticCurvePublicKey], x509.Certificate]) -> None:
        own = ec.generate_private_key(ec.SECP256R1())
        (tmp_path / f"{name}.pem").write_bytes(make(own.public_key()).public_bytes(PEM))
        (tmp_path / f"{name}.key").write_bytes(
            own.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )

    write("unit-1", lambda public: certificates.client(ca, key, "unit-1", public))
    for hub in ("hub-a", "hub-b"):
        write(hub, lambda public, hub=hub: certificates.broker(ca, key, [hub], public))  # type: ignore[misc]
    return tmp_path


@pytest.fixture
def of_hub_a(folder: Path) -> Iterator[Broker]:
    files = [f"cafile {folder}/ca.pem", f"certfile {folder}/hub-a.pem", f"keyfile {folder}/hub-a.key"]
    with Broker(folder / "broker", "require_certificate true", *files) as made:
        yield made


def connected(folder: Path, *addresses: Address) -> list[BodyEvent]:
    """What becomes of connecting to each, one after the other."""
    inbox: SimpleQueue[BodyEvent] = SimpleQueue()
    link = MqttLink(addresses, folder, "unit-1", DOWN, inbox.put)
    found = []
    for rank in range(len(addresses)):
        link.connect(rank)
        found.append(inbox.get(timeout=20))
        link.leave()
        if isinstance(found[-1], LinkUp):
            assert isinstance(inbox.get(timeout=20), LinkDown)
    link.close()
    return found


def test_a_broker_whose_certificate_bears_the_hubs_name_is_believed_at_any_address(
    folder: Path, of_hub_a: Broker
) -> None:
    places = [Address(host, of_hub_a.port, TLS, "hub-a") for host in ("127.0.0.1", "localhost")]
    assert [type(each) for each in connected(folder, *places)] == [LinkUp, LinkUp]


@pytest.mark.parametrize("hub", ["hub-b", "hub", "HUB-A"])
def test_a_broker_of_the_same_authority_and_another_name_is_not(folder: Path, of_hub_a: Broker, hub: str) -> None:
    (found,) = connected(folder, Address("127.0.0.1", of_hub_a.port, TLS, hub))
    assert isinstance(found, LinkDown)
    assert f"is not of {hub}" in found.why


def test_the_hubs_name_is_not_said_in_the_handshake(folder: Path) -> None:
    asked: SimpleQueue[str | None] = SimpleQueue()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "hub-a.pem", folder / "hub-a.key")
    context.sni_callback = lambda _plug, name, _context: asked.put(name)
    said = SimpleQueue[bytes]()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            plug, _ = server.accept()
            said.put(plug.recv(4096, socket.MSG_PEEK))
            # Whom it does not believe the link leaves at once, and a server may still have been saying something.
            with contextlib.suppress(OSError), context.wrap_socket(plug, server_side=True) as tls:
                tls.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        connected(folder, Address("127.0.0.1", server.getsockname()[1], TLS, "hub-b"))
        thread.join()
    assert b"hub-b" not in said.get(timeout=20)
    assert asked.get(timeout=20) is None
