"""The moved hub, for real: its broker is gone and another one listens elsewhere, with the certificate it always had.

Three units that run on are told: one by a card, one by a stick, one by another hub. The certificates bear the hubs'
names and no address at all.
"""

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from provisioning import certificates
from sim import paper, photo
from tests.e2e.conftest import MakeWorld
from tests.e2e.world import PlacedBroker, Site, World, wait_until

pytestmark = pytest.mark.e2e

PEM = serialization.Encoding.PEM
TLS = '\n[{}]\nca = "{}/ca.pem"\ncertificate = "{}.pem"\nkey = "{}.key"\n'


class Certificates:
    """An authority of the test's own, in a folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._ca = certificates.authority("trial authority", self._key)
        (folder / "ca.pem").write_bytes(self._ca.public_bytes(PEM))

    def client(self, name: str, section: str) -> str:
        """The lines of a settings file for somebody who connects."""
        key = ec.generate_private_key(ec.SECP256R1())
        home = self._write(name, key, certificates.client(self._ca, self._key, name, key.public_key()))
        return TLS.format(section, self._folder, home, home)

    def broker(self, name: str) -> list[str]:
        """The lines of a broker's configuration, with a certificate that bears this name and no other."""
        key = ec.generate_private_key(ec.SECP256R1())
        home = self._write(f"broker-{name}", key, certificates.broker(self._ca, self._key, [name], key.public_key()))
        files = [f"cafile {self._folder}/ca.pem", f"certfile {home}.pem", f"keyfile {home}.key"]
        return ["tls_version tlsv1.3", "require_certificate true", *files]

    def _write(self, name: str, key: ec.EllipticCurvePrivateKey, certificate: Any) -> Path:
        home = self._folder / name
        home.with_suffix(".pem").write_bytes(certificate.public_bytes(PEM))
        home.with_suffix(".key").write_bytes(
            key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        return home


def with_tls(here: World, made: Certificates) -> dict[str, list[str]]:
    """Has all of a world speak TLS; the lines of each broker."""
    lines = {}
    for site in here.sites:
        lines[site.name] = made.broker(site.name)
        config = here.folder / site.broker.name / "mosquitto.conf"
        config.write_text("\n".join([config.read_text(), *lines[site.name], ""]))
        text = site.settings.read_text().replace("[broker]\n", f'[broker]\nhub = "{site.name}"\n')
        site.settings.write_text(text + made.client(site.name, "broker.tls"))
    for name, path in here.made.units.items():
        path.write_text(path.read_text() + made.client(name, "tls"))
    return lines


def hub_says(site: Site, *words: str) -> str:
    command = [sys.executable, "-m", "hub", *words, "--settings", str(site.settings)]
    return subprocess.run(command, capture_output=True, check=True, text=True, timeout=60).stdout


def photograph(number: int) -> bytes:
    sheet = paper.draw(paper.random_payload(random.Random(number)))
    return bytes(photo.photograph(sheet, seed=number, size=(1536, 864), dpmm=11.5 / 3).jpeg())


def hub_has(here: World, name: str, hub: str, seq: int) -> bool:
    return any(each["hub"] == hub and int(each["whole"]) >= seq for each in here.units[name].events("receipted"))


def test_units_that_run_find_a_hub_at_its_new_address_by_card_by_stick_and_by_another_hub(
    world: MakeWorld, tmp_path: Path
) -> None:
    here: World = world(units=3, hubs=2)
    lines = with_tls(here, Certificates(tmp_path / "certificates"))
    first, other = here.sites
    for site in here.sites:
        site.broker.start()
        site.hub.start()
    by_card, by_stick, by_hub = here.units
    pictures = [photograph(number) for number in range(2)]
    piles = {name: tmp_path / f"pile-{name}" for name in here.units}
    stick = piles[by_stick] / "3-stick"
    for name, pile in piles.items():
        pile.mkdir()
        (pile / "0.jpg").write_bytes(pictures[0])
        for fifo in ("1.jpg", "2.png"):  # the volunteer waits at each until something is put into it
            os.mkfifo(pile / fifo)
        if name == by_stick:
            stick.mkdir()
        here.power_on(pile, name)
    for name in here.units:
        wait_until(lambda name=name: hub_has(here, name, first.name, 1), "the first hub has the first")  # type: ignore[misc]

    first.hub.stop()
    first.broker.stop()
    for name, pile in piles.items():
        (pile / "1.jpg").write_bytes(pictures[1])
        wait_until(lambda name=name: hub_has(here, name, other.name, 2), "the other hub has the second")  # type: ignore[misc]
    elsewhere = PlacedBroker(tmp_path / "elsewhere", None, *lines[first.name])
    first.settings.write_text(
        first.settings.read_text().replace(f"port = {first.broker.port}\n", f"port = {elsewhere.port}\n")
    )
    hub_says(first, "move", "--at", f"127.0.0.1:{elsewhere.port}", "--to", str(stick))
    elsewhere.start()
    try:
        first.hub.start()
        wait_until(lambda: bool(first.hub.events("link-up")), "the hub is at its new broker")

        (piles[by_card] / "2.png").write_bytes((stick / "hub-a-move.png").read_bytes())
        wait_until(lambda: hub_has(here, by_card, first.name, 2), "told by the card")
        assert here.laid(by_card)[-1]["signal"] == "control-done"
        (piles[by_stick] / "2.png").write_bytes(b"no picture: go on to the stick")
        wait_until(lambda: hub_has(here, by_stick, first.name, 2), "told by the stick")
        assert not hub_has(here, by_hub, first.name, 2)
        hub_says(other, "notice", str(stick / "testigo" / "trial" / "hub-a.move"))
        wait_until(lambda: hub_has(here, by_hub, first.name, 2), "told by the other hub")
        assert f"{by_card} " in (told := hub_says(first, "control"))
        assert f"hub-a is at 127.0.0.1:{elsewhere.port}" in told
        (piles[by_hub] / "2.png").write_bytes(b"")
    finally:
        here.end()
        elsewhere.kill()
