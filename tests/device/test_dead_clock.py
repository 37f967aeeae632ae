"""The dead clock: a unit that believes any year at all meets its brokers, and delivers.

No clock of this machine is moved: dates that are over, or far from here, are to the unit what its own wrong year is to
dates of today.
"""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from device.mqtt import MqttLink
from device.ports import Acknowledged, BodyEvent, LinkUp
from provisioning import certificates
from sim.broker import Broker, find_mosquitto
from wire.settings import Broker as Address
from wire.settings import Tls

pytestmark = pytest.mark.skipif(find_mosquitto() is None, reason="there is no mosquitto: apt-get install mosquitto")

PEM = serialization.Encoding.PEM
SPANS = {
    "the unit is in the future": (certificates.BEGIN, datetime(2000, 1, 1, tzinfo=UTC)),
    "the unit is in the past": (datetime(2500, 1, 1, tzinfo=UTC), certificates.END),
}


def put(path: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    path.with_suffix(".pem").write_bytes(certificate.public_bytes(PEM))
    private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.with_suffix(".key").write_bytes(private)


@pytest.mark.parametrize("hub", ["hub-a", ""], ids=["by the hub's name", "by its address"])
@pytest.mark.parametrize("span", SPANS.values(), ids=SPANS)
def test_a_unit_delivers_whatever_year_it_believes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, span: tuple[datetime, datetime], hub: str
) -> None:
    def make(home: Path, issuer: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        home.mkdir()
        key = ec.generate_private_key(ec.SECP256R1())
        put(home / "ca", certificates.authority(issuer, key), key)
        return certificates.authority(issuer, key), key

    # The broker goes by this machine's clock: what it is shown has to hold there. So there are two authorities.
    ca, key = make(tmp_path / "units", "of units")
    own = ec.generate_private_key(ec.SECP256R1())
    put(tmp_path / "units/unit-1", certificates.client(ca, key, "unit-1", own.public_key()), own)
    monkeypatch.setattr(certificates, "BEGIN", span[0])
    monkeypatch.setattr(certificates, "END", span[1])
    ca, key = make(tmp_path / "brokers", "of brokers")
    put(tmp_path / "brokers/it", certificates.broker(ca, key, ["hub-a", "127.0.0.1"], own.public_key()), own)
    shutil.copy(tmp_path / "brokers/ca.pem", tmp_path / "trusted.pem")

    files = {"cafile": "units/ca.pem", "certfile": "brokers/it.pem", "keyfile": "brokers/it.key"}
    lines = ["require_certificate true", *(f"{what} {tmp_path / file}" for what, file in files.items())]
    inbox: SimpleQueue[BodyEvent] = SimpleQueue()
    tls = Tls("trusted.pem", "units/unit-1.pem", "units/unit-1.key")
    with Broker(tmp_path / "broker", *lines) as broker:
        link = MqttLink([Address("127.0.0.1", broker.port, tls, hub)], tmp_path, "unit-1", "down", inbox.put)
        link.connect(0)
        assert isinstance(inbox.get(timeout=20), LinkUp)
        token = link.publish("up", b"a record")
        assert inbox.get(timeout=20) == Acknowledged(token or 0, "")
        link.close()
