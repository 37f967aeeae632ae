"""The cards: what is written on each unit's card, one after the other, and the register of all that were.

On the boot partition of stock Raspberry Pi OS (Debian 13, which starts cloud-init):

    user-data meta-data network-config   for cloud-init: run the first boot, and nothing else
    cmdline.txt                          less the word that would give the whole card to the system
    config.txt                           plus what the unit's hardware needs
    testigo/                             the kit, what the first boot lays over the system, and the unit's own

A card is written once. What goes wrong on the way revokes the unit whose card it was to be, for its keys may be on it.
"""

import csv
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from device.update import UpdateFile
from provisioning import first_boot
from provisioning.authority import Authority
from provisioning.image import Boot, Progress
from provisioning.kit import Kit
from provisioning.release import read_root
from wire import package
from wire.errors import OurFault, TheirFault
from wire.note import Verifier
from wire.package import FILE as PACKAGE
from wire.settings import parse

HERE = Path(__file__).parent

FOLDER = "testigo"

USER_DATA = """#cloud-config
# Written by testigo-provision. The first boot makes a unit of this computer, and switches cloud-init off.
hostname: testigo
users: []
disable_root: true
ssh_pwauth: false
growpart: {mode: "off"}
resize_rootfs: false
bootcmd:
  - [python3, /boot/firmware/testigo/first_boot.py]
"""

NETWORK = """network:
  version: 2
  renderer: NetworkManager
  ethernets:
    cable:
      match: {name: "e*"}
      dhcp4: true
      optional: true
"""
"""Any cable will do. Wi-Fi is said by a file of the same form, or later by a control card."""

CONFIG = """
[all]
# testigo: I2C for clock and battery boards, the watchdog, and no Bluetooth.
dtparam=i2c_arm=on
dtparam=watchdog=on
dtoverlay=disable-bt
"""

UNWANTED = ("systemd.run=", "init=")
"""What a card has on its kernel's command line that somebody has customised, or that is of an older system."""

UNIT = """unit = "{unit}"
card = "/data/card"
key = "{key}"
packages = "{packages}"
package = "/data/own/deployment.testigo"

[tls]
ca = "ca.pem"
certificate = "tls.pem"
key = "tls.key"
"""

UPDATE = """unit = "{unit}"
app = "/data/app"
card = "/data/card"
package = "deployment.testigo"
packages = "{packages}"
root = "update-root.json"
mirrors = [{mirrors}]
"""

STICK = "/data/card/updates"
"""Where the firmware puts releases that a stick brought."""


@dataclass(frozen=True, slots=True)
class Card:
    """A line of the register: one card that was written.

    Attributes:
        at: when, UTC, to the minute.
        unit: the unit's name.
        serial: the card's own serial number, where the reader passes it on.
        deployment: what it was written for.
        package: the number of the deployment package on it.
        firmware: the name of the firmware's wheel on it.
        keys: `card` if its private keys were written on it, `unit` if the unit makes them itself.
        sums: SHA-256 of the list of hashes of all that was written.
    """

    at: str
    unit: str
    serial: str
    deployment: str
    package: int
    firmware: str
    keys: str
    sums: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What all cards of one batch have in common.

    Attributes:
        authority: whose units they are.
        kit: the kit.
        package: the deployment package.
        number: its number.
        network: what `network-config` says.
        enrols: whether units make their keys themselves, and enrol.
        key: where a unit's signing key is: a file, or what its hardware keeps it in.
        root: the trusted root of releases; without it units take none.
        mirrors: addresses where releases are; sticks are always one.
    """

    authority: Authority
    kit: Kit
    package: bytes
    number: int
    network: str
    enrols: bool
    key: str = "unit.pem"
    root: bytes = b""
    mirrors: Sequence[str] = ()

    @classmethod
    def of(
        cls,
        authority: Authority,
        kit: Kit,
        file: Path,
        network: Path | None = None,
        *,
        enrols: bool = False,
        key: str = "unit.pem",
        root: Path | None = None,
        mirrors: Sequence[str] = (),
    ) -> "Batch":
        """Reads and checks it all before the first card.

        Raises:
            OurFault: something of it cannot be used.
        """
        try:
            content = file.read_bytes()
            found = package.read(content, _packages(authority)).package
            config = network.read_text("utf-8") if network else NETWORK
            trusted = read_root(root) if root else b""
        except (OSError, UnicodeDecodeError, TheirFault) as error:
            raise OurFault(f"{error}: name the deployment's own files") from error
        if found.deployment != authority.deployment:
            raise OurFault(f"{file} is of {found.deployment}, the authority of {authority.deployment}: name its own")
        last = authority.folder / PACKAGE
        if last.exists() and last.read_bytes() != content:  # a hub that was revoked since would be believed
            raise OurFault(f"{file} is not the package that the authority made last: name {last}")
        parse(_update("u-anyone", _packages(authority), mirrors), UpdateFile, "mirrors")
        return cls(authority, kit, content, found.number, config, enrols, key, trusted, mirrors)

    @property
    def size(self) -> int:
        """About how many bytes a card takes."""
        return sum(wheel.stat().st_size for wheel in self.kit.wheels) + len(self.package)

    def write(self, boot: Boot, serial: str, progress: Progress) -> Card:
        """Writes one card, reads all of it back, and puts it into the register.

        Raises:
            OurFault: it could not be written, or is no card to write on; the unit it was for belongs no more.
        """
        check(boot)
        unit, own = self._unit()
        try:
            sums = self._put(boot, _stock(boot, unit, self.network), own, progress)
        except BaseException:
            self.authority.revoke(unit)
            raise
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
        keys = "unit" if self.enrols else "card"
        made = Card(now, unit, serial, self.authority.deployment, self.number, self.kit.firmware, keys, sums)
        register(self.authority.folder / "cards.csv", made)
        self.authority.forget(unit)
        return made

    def _unit(self) -> tuple[str, dict[str, bytes]]:
        """A new unit's name, and what is its own."""
        folder, own = self.authority.folder, dict[str, bytes]()
        if self.enrols:
            (token,) = self.authority.add_cards(1)
            unit = token.unit
            own["token"] = f"{token}\n".encode()
        else:
            (home,) = self.authority.add_units(1)
            unit = home.name
            own |= {name: (home / name).read_bytes() for name in ("unit.pem", "tls.pem", "tls.key")}
        own["ca.pem"] = (folder / "ca.pem").read_bytes()
        own[PACKAGE] = self.package
        packages = _packages(self.authority)
        own["unit.toml"] = UNIT.format(unit=unit, key=self.key, packages=packages).encode()
        if self.root:
            own["update-root.json"] = self.root
            own["update.toml"] = _update(unit, packages, self.mirrors).encode()
        return unit, own

    def _contents(self, own: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
        """All that goes into the folder on the card, by its name there."""
        yield "first_boot.py", (HERE / "first_boot.py").read_bytes()
        for file in first_boot.files_in(HERE / "etc"):
            yield f"etc/{file.relative_to(HERE / 'etc')}", file.read_bytes()
        yield "requirements.txt", (self.kit.folder / "requirements.txt").read_bytes()
        for wheel in self.kit.wheels:
            yield f"wheels/{wheel.name}", wheel.read_bytes()
        for name, content in own.items():
            yield f"{first_boot.OWN}/{name}", content

    def _put(self, boot: Boot, stock: dict[str, bytes], own: dict[str, bytes], progress: Progress) -> str:
        """Writes everything, what starts it last, and reads it back; SHA-256 of the list of hashes."""
        sums = dict[str, str]()

        def put(name: str, content: bytes) -> None:
            boot.write(name, content)
            sums[name] = hashlib.sha256(content).hexdigest()
            progress(len(content))

        for name, content in self._contents(own):
            put(f"{FOLDER}/{name}", content)
        listed = "".join(f"{digest}  {name.removeprefix(f'{FOLDER}/')}\n" for name, digest in sums.items()).encode()
        put(f"{FOLDER}/{first_boot.SUMS}", listed)
        for name, content in stock.items():
            put(name, content)
        boot.sync()
        for name, digest in sums.items():
            found = boot.read(name) or b""
            if hashlib.sha256(found).hexdigest() != digest:
                raise OurFault(f"{name} does not come back from the card as it was written: take another card")
            progress(len(found))
        return hashlib.sha256(listed).hexdigest()


def check(boot: Boot) -> None:
    """Looks whether a card can be written on.

    Raises:
        OurFault: it is no fresh Raspberry Pi OS with cloud-init.
    """
    if boot.read(f"{FOLDER}/{first_boot.SUMS}") is not None:
        raise OurFault("this card was written before: put in one that is fresh from the image")
    if any(boot.read(name) is None for name in ("cmdline.txt", "config.txt", "user-data")):
        raise OurFault("this is no boot partition of Raspberry Pi OS with cloud-init: write the guide's image to it")
    if any(word.startswith(UNWANTED) for word in _text(boot, "cmdline.txt").split()):
        raise OurFault("this card was customised, or is of an older system: write the image anew, with no settings")


def _stock(boot: Boot, unit: str, network: str) -> dict[str, bytes]:
    """What becomes of the stock system's own files on the boot partition; `user-data`, which starts it all, last."""
    words = _text(boot, "cmdline.txt").split()
    return {
        "cmdline.txt": (" ".join(word for word in words if word != "resize") + "\n").encode(),
        "config.txt": (_text(boot, "config.txt").rstrip("\n") + "\n" + CONFIG).encode(),
        "network-config": network.encode(),
        "meta-data": f"dsmode: local\ninstance-id: {unit}\n".encode(),
        "user-data": USER_DATA.encode(),
    }


def _text(boot: Boot, name: str) -> str:
    return (boot.read(name) or b"").decode("utf-8", "replace")


def register(path: Path, card: Card) -> None:
    """Adds a line to the register of cards, durably; nothing is ever changed in it.

    Raises:
        OSError: it cannot be written.
    """
    heads = [field.name for field in fields(Card)]
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if file.tell() == 0:
            writer.writerow(heads)
        writer.writerow([getattr(card, head) for head in heads])
        file.flush()
        os.fsync(file.fileno())


def _update(unit: str, packages: Verifier, mirrors: Sequence[str]) -> str:
    """The settings of a unit's updates."""
    named = ", ".join(f'"{mirror}"' for mirror in (STICK, *mirrors))
    return UPDATE.format(unit=unit, packages=packages, mirrors=named)


def _packages(authority: Authority) -> Verifier:
    return Verifier.parse((authority.folder / "packages.pub").read_text().strip())
