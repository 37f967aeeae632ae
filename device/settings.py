"""The unit's settings: its own TOML file, and the deployment package that says all else; checked whole at start."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from device.keys import Key, key_of
from device.package import Packages
from wire.acta import Profile
from wire.errors import OurFault, TestigoError
from wire.fields import Name
from wire.note import Verifier
from wire.package import FILE, SIGNER, Loudness, Roster
from wire.record import Mode
from wire.seal import Recipient
from wire.settings import Broker, Tls, parse


class UnitFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file's keys: what is this unit's own. All else is in the deployment package.

    Attributes:
        unit: the unit's name: random, never a person's or a place's.
        card: folder of the data partition.
        key: where the unit's private key lives: a PEM file, `tpm:0x81010001` in a TPM, `otp:1` in the Pi itself.
        packages: verifier key of the authority whose packages the unit goes by.
        package: the deployment package that the unit was given; the card keeps the last one taken.
        tls: the section below; without it connections are plain, which is for loopback and trials only.
        username, password: for brokers that ask for them.
    """

    unit: Name
    card: str
    key: str
    packages: str
    package: str = FILE
    tls: Tls | None = None
    username: str = ""
    password: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings, with keys, profile and roster read and paths made absolute.

    Attributes:
        packages: the authority's key.
        package: the file that came with the settings; the card may have a newer one.
        number: of the package that these settings are of.
    """

    unit: str
    card: Path
    key: Key
    packages: Verifier
    package: Path
    number: int
    deployment: str
    profile: Profile
    roster: Roster
    mode: Mode
    sound: Loudness
    hubs: dict[str, Verifier]
    cards: dict[str, Verifier]
    recipients: tuple[Recipient, ...]
    receipts: int
    fleet: int
    brokers: tuple[Broker, ...]
    base: Path


def read(path: Path) -> Settings:
    """Reads a settings file, and the package that goes with it; relative paths are relative to its folder.

    Raises:
        NoPackageError: there is no package that can be used.
        OurFault: something in the file cannot be used; one sentence says what to correct.
    """
    try:
        file = parse(path.read_text("utf-8"), UnitFile, str(path))
    except OSError as error:
        raise OurFault(f"settings {path}: {error.strerror}: give the right file with --settings") from error
    except UnicodeDecodeError as error:
        raise OurFault(f"settings {path}: not UTF-8 text: give the right file with --settings") from error
    try:
        packages = Verifier.parse(file.packages)
    except TestigoError as error:
        raise OurFault(f"{path}: packages: {error}") from error
    if packages.name != SIGNER:
        raise OurFault(f"{path}: packages: expected the key {SIGNER}, found {packages.name}: copy packages.pub")
    base = path.parent.resolve()
    card, brought = base / file.card, base / file.package
    found = Packages(card, packages).chosen(brought)
    package = found.package
    return Settings(
        unit=file.unit,
        card=card,
        key=key_of(file.key, base),
        packages=packages,
        package=brought,
        number=package.number,
        deployment=package.deployment,
        profile=found.profile,
        roster=found.roster,
        mode=package.mode,
        sound=package.sound,
        hubs=found.hubs,
        cards=found.cards,
        recipients=found.recipients,
        receipts=package.receipts,
        fleet=package.fleet,
        brokers=tuple(
            Broker(at.host, at.port, tls=file.tls, hub=at.hub, username=file.username, password=file.password)
            for at in package.brokers
        ),
        base=base,
    )
