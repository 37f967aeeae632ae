"""The trial deployment: keys, register, package and settings of a hub and some units, thrown away afterwards.

Never use one for an election: its private keys lie side by side.
"""

import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

import device.settings
from hub import settings as hub_settings
from wire import package, profiles
from wire.errors import OurFault
from wire.note import KeySigner
from wire.package import FILE, SIGNER, Address, Attached, Loudness, Package, Roster
from wire.record import Mode
from wire.seal import Opener

NAME = "trial"
HUB = "hub-a"
CARDS = "cards"

DAYS = 7
"""How far off its election day is: far enough for releases to be tried."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where the settings of a trial deployment lie, and the keys that sign its packages and its control cards."""

    folder: Path
    hubs: tuple[Path, ...]
    units: dict[str, Path]
    authority: KeySigner
    cards: KeySigner

    @property
    def hub(self) -> Path:
        """The settings of the first hub."""
        return self.hubs[0]

    @property
    def package(self) -> Path:
        """The package that all of them were given."""
        return self.folder / FILE

    def next_package(self, *, roster: Iterable[str] | None = None, **changes: Any) -> bytes:
        """The package that would follow the one they were given: the same but for a roster, or fields of `Package`."""
        content = self.package.read_bytes()
        found = package.read(content, self.authority.verifier)
        texts = content[len(content) - found.package.profile.size - found.package.roster.size :]
        profile, mesas = texts[: found.package.profile.size], found.roster if roster is None else Roster.of(roster)
        changes = {"number": found.package.number + 1, "roster": Attached.of(mesas.text)} | changes
        return package.write(msgspec.structs.replace(found.package, **changes), profile, mesas.text, self.authority)


def make(
    folder: Path,
    units: int,
    port: int,
    profile: str,
    mode: str = "live",
    seed: int = 0,
    *,
    hubs: int = 1,
    ports: Sequence[int] = (),
    receipts: int = 1,
    roster: Iterable[str] = (),
) -> Deployment:
    """Writes a trial deployment.

    Args:
        folder: an empty or new folder; it will hold private keys.
        units: how many.
        port: of the first broker, on loopback.
        profile: id of the election's profile.
        mode: of the units: `live` or `training`.
        seed: draws the units' names.
        hubs: how many, each with keys of its own; what is kept is sealed to all of them, and to an escrow.
        ports: of more brokers; hubs are shared out among all, the first hub at the first broker, and so on.
        receipts: how many hubs must receipt a record.
        roster: the mesas that are expected.

    Raises:
        OurFault: the folder cannot be made, or what is asked for would not run.
    """
    if units < 1:
        raise OurFault(f"{units} units: give at least one")
    verifiers, seals, places = [], [], []
    try:
        for letter in "abcdefgh"[:hubs]:
            name = f"hub-{letter}"
            home = folder / ("hub" if name == HUB else name)
            (home / "keys").mkdir(parents=True)
            sign, seal = ec.generate_private_key(ec.SECP256R1()), X25519PrivateKey.generate()
            write_key(home / "keys" / "sign.pem", sign)
            write_key(home / "keys" / "seal.pem", seal)
            verifiers.append(str(KeySigner(name, sign).verifier))
            seals.append(str(Opener(name, seal).recipient))
            places.append((name, home))
        (folder / "escrow").mkdir()
    except OSError as error:
        raise OurFault(f"folder {folder}: {error.strerror}: name a new one in a place that can be written") from error
    escrow = X25519PrivateKey.generate()
    write_key(folder / "escrow" / "seal.pem", escrow)
    seals.append(str(Opener("escrow", escrow).recipient))
    all_ports = (port, *ports)
    authority, cards = (KeySigner(name, ec.generate_private_key(ec.SECP256R1())) for name in (SIGNER, CARDS))
    brokers = [Address("127.0.0.1", places[rank % hubs][0], each) for rank, each in enumerate(all_ports)]
    content = some_package(
        authority,
        NAME,
        verifiers,
        seals,
        profile,
        brokers,
        cards=[str(cards.verifier)],
        mode=Mode(mode),
        fleet=units,
        receipts=receipts,
        roster=roster,
    )
    (folder / FILE).write_bytes(content)
    chance, register, settings = random.Random(seed), [], {}
    for _ in range(units):
        name = "u-" + "".join(chance.choices("0123456789abcdefghjkmnpqrstvwxyz", k=8))
        home = folder / name
        home.mkdir()
        key = ec.generate_private_key(ec.SECP256R1())
        write_key(home / "unit.pem", key)
        register.append(str(KeySigner(name, key).verifier))
        settings[name] = home / "unit.toml"
        settings[name].write_text(
            f'unit = "{name}"\ncard = "card"\nkey = "unit.pem"\n'
            f'packages = "{authority.verifier}"\npackage = "../{FILE}"\n'
        )
    for number, (name, home) in enumerate(places):
        (home / "register.txt").write_text("\n".join(register) + "\n")
        (home / "hub.toml").write_text(
            f'name = "{name}"\npackages = "{authority.verifier}"\npackage = "../{FILE}"\nkeys = "keys"\n'
            'register = "register.txt"\ndatabase = "ledger.db"\npictures = "pictures"\n\n'
            f'[broker]\nhost = "127.0.0.1"\nport = {all_ports[number % len(all_ports)]}\n'
        )
        hub_settings.read(home / "hub.toml")
    for path in settings.values():
        device.settings.read(path)
    return Deployment(folder, tuple(home / "hub.toml" for _, home in places), settings, authority, cards)


def some_package(
    authority: KeySigner,
    deployment: str,
    hubs: Sequence[str],
    recipients: Sequence[str],
    profile: str,
    brokers: Sequence[Address],
    *,
    cards: Sequence[str] = (),
    mode: Mode = Mode.LIVE,
    fleet: int = 1,
    receipts: int = 1,
    roster: Iterable[str] = (),
) -> bytes:
    """The first package of a deployment; hubs and recipients are keys in their text form.

    Raises:
        OurFault: there is no such profile.
        TheirFault: no unit would take it.
    """
    text, mesas = profiles.source(profile), Roster.of(roster).text
    stated = Package(
        at=int(time.time()),
        brokers=tuple(brokers),
        cards=tuple(cards),
        day=int(time.time()) + DAYS * 86_400,
        deployment=deployment,
        fleet=fleet,
        hubs=tuple(hubs),
        mode=mode,
        number=1,
        profile=Attached.of(text),
        receipts=receipts,
        recipients=tuple(recipients),
        roster=Attached.of(mesas),
        sound=Loudness.LOUD,
    )
    return package.write(stated, text, mesas, authority)


def write_key(path: Path, key: PrivateKeyTypes) -> None:
    """Writes a private key as PKCS#8 PEM, readable by its owner only."""
    path.touch(mode=0o600)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(pem)
