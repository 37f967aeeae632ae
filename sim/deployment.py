"""The trial deployment: keys, register and settings of a hub and some units, thrown away afterwards.

Never use one for an election: its private keys lie side by side.
"""

import random
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
    """Where the settings of a trial deployment lie."""

    folder: Path
    hub: Path
    units: dict[str, Path]


def make(folder: Path, units: int, port: int, profile: str, mode: str = "live", seed: int = 0) -> Deployment:
    """Writes a trial deployment.

    Args:
        folder: an empty or new folder; it will hold private keys.
        units: how many.
        port: of the broker, on loopback.
        profile: id of the election's profile.
        mode: of the units: `live` or `training`.
        seed: draws the units' names.

    Raises:
        OurFault: the folder cannot be made, or what is asked for would not run.
    """
    if units < 1:
        raise OurFault(f"{units} units: give at least one")
    hub_keys = folder / "hub" / "keys"
    try:
        hub_keys.mkdir(parents=True)
    except OSError as error:
        raise OurFault(f"folder {folder}: {error.strerror}: name a new one in a place that can be written") from error
    sign = ec.generate_private_key(ec.SECP256R1())
    seal, escrow = X25519PrivateKey.generate(), X25519PrivateKey.generate()
    write_key(hub_keys / "sign.pem", sign)
    write_key(hub_keys / "seal.pem", seal)
    (folder / "escrow").mkdir()
    write_key(folder / "escrow" / "seal.pem", escrow)
    hub = KeySigner(HUB, sign).verifier
    recipients = f'''["{Opener(HUB, seal).recipient}", "{Opener("escrow", escrow).recipient}"]'''
    broker = f'[broker]\nhost = "127.0.0.1"\nport = {port}\n'
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
            f'card = "card"\nkey = "unit.pem"\nhubs = ["{hub}"]\n'
            f"recipients = {recipients}\n\n{broker}"
        )
    (folder / "hub" / "register.txt").write_text("\n".join(register) + "\n")
    (folder / "hub" / "hub.toml").write_text(
        f'name = "{HUB}"\ndeployment = "{NAME}"\nprofile = "{profile}"\nkeys = "keys"\nregister = "register.txt"\n'
        f'database = "ledger.db"\npictures = "pictures"\n\n{broker}'
    )
    for path in settings.values():
        device.settings.read(path)
    hub_settings.read(folder / "hub" / "hub.toml")
    return Deployment(folder, folder / "hub" / "hub.toml", settings)


def write_key(path: Path, key: PrivateKeyTypes) -> None:
    """Writes a private key as PKCS#8 PEM, readable by its owner only."""
    path.touch(mode=0o600)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(pem)
