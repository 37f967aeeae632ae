"""The trial deployment: keys, register and settings of a hub and some units, thrown away afterwards.

Never use one for an election: its private keys lie side by side.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

import device.settings
from hub import settings as hub_settings
from wire.errors import OurFault
from wire.note import KeySigner
from wire.seal import Opener

NAME = "trial"
HUB = "hub-a"


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where the settings of a trial deployment lie; `hub` is the first of `hubs`."""

    folder: Path
    hubs: tuple[Path, ...]
    units: dict[str, Path]

    @property
    def hub(self) -> Path:
        """The settings of the first hub."""
        return self.hubs[0]


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
    brokers = [f'host = "127.0.0.1"\nport = {each}\n' for each in (port, *ports)]
    ranked = "\n".join(f"[[brokers]]\n{broker}" for broker in brokers)
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
            f'unit = "{name}"\ndeployment = "{NAME}"\nprofile = "{profile}"\nmode = "{mode}"\n'
            f'card = "card"\nkey = "unit.pem"\nhubs = {_toml(verifiers)}\n'
            f"recipients = {_toml(seals)}\nreceipts = {receipts}\nfleet = {units}\n\n{ranked}"
        )
    for number, (name, home) in enumerate(places):
        (home / "register.txt").write_text("\n".join(register) + "\n")
        (home / "hub.toml").write_text(
            f'name = "{name}"\ndeployment = "{NAME}"\nprofile = "{profile}"\nkeys = "keys"\nregister = "register.txt"\n'
            f'database = "ledger.db"\npictures = "pictures"\n\n[broker]\n{brokers[number % len(brokers)]}'
        )
        hub_settings.read(home / "hub.toml")
    for path in settings.values():
        device.settings.read(path)
    return Deployment(folder, tuple(home / "hub.toml" for _, home in places), settings)


def _toml(texts: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{text}"' for text in texts) + "]"


def write_key(path: Path, key: PrivateKeyTypes) -> None:
    """Writes a private key as PKCS#8 PEM, readable by its owner only."""
    path.touch(mode=0o600)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(pem)
