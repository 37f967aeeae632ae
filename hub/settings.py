"""The hub's settings: its own TOML file, and the deployment package that says all else; checked whole at start."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from hub.quota import MEGABYTE, Quota
from wire.acta import Profile
from wire.errors import OurFault, TestigoError
from wire.fields import Name
from wire.note import Verifier
from wire.package import FILE, PACKAGE_BYTES_MAX, Deployment, Roster
from wire.package import read as read_package
from wire.record import Mode
from wire.settings import Broker, parse

POSTGRESQL = "postgresql://"
"""How the name of a PostgreSQL database begins; any other name is the path of an SQLite file."""


class HubFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file's keys: what is this hub's own; paths are relative to the file. All else is in the deployment package.

    Attributes:
        name: the hub's name, and signer of its receipts.
        packages: verifier key of the authority whose packages the hub goes by.
        package: the deployment package; the latest, for units have it too.
        keys: folder of `sign.pem` (P-256) and `seal.pem` (X25519), PKCS#8 PEM without a passphrase.
        register: the enrolled units' verifier keys, one a line; read again when it changes.
        database: path of an SQLite file in a folder that is there, or a `postgresql://` DSN.
        pictures: folder for whole sealed pictures.
        broker: where this hub reaches its broker: it may stand beside it, where units cannot call it.
        notices: folder for what hubs say of where they are now, for units to be told; made when it is first needed.
        batch: most publications in one commit.
        linger_ms: how long a batch waits for each next publication, in all at most twenty times that: fewer commits,
            later receipts.
        unit_chains: how many chains a unit may begin with one key: one for each rebuilt card. What is beyond this or
            the next two is refused, stays at the unit, and is taken once they are raised.
        unit_records: how many records each of them may have: ten times the 300 mesas that a unit clears.
        unit_mb: megabytes of sealed pictures held for a unit: twice 300 mesas of 6 MB each, and room to spare.
        free_mb: megabytes of the hub's disks below which no pictures are taken: for the records of a whole election.
    """

    name: Name
    packages: str
    keys: str
    register: str
    database: str
    pictures: str
    broker: Broker
    package: str = FILE
    notices: str = "notices"
    batch: Annotated[int, Meta(ge=1, le=512)] = 256
    linger_ms: Annotated[int, Meta(ge=0, le=1000)] = 5
    unit_chains: Annotated[int, Meta(ge=1)] = Quota().chains
    unit_records: Annotated[int, Meta(ge=1)] = Quota().records
    unit_mb: Annotated[int, Meta(ge=1)] = Quota().picture_bytes // MEGABYTE
    free_mb: Annotated[int, Meta(ge=0)] = Quota().free_bytes // MEGABYTE


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings, with profile, roster and keys read and paths made absolute.

    Attributes:
        number: of the package that these settings are of.
    """

    name: str
    number: int
    deployment: str
    profile: Profile
    roster: Roster
    mode: Mode
    hubs: dict[str, Verifier]
    cards: dict[str, Verifier]
    keys: Path
    register: Path
    database: str
    pictures: Path
    notices: Path
    broker: Broker
    batch: int
    linger_ms: int
    quota: Quota
    base: Path


def read(path: Path) -> Settings:
    """Reads a settings file.

    Raises:
        OurFault: something in it cannot be used; one sentence says what to correct.
    """
    try:
        file = parse(path.read_text("utf-8"), HubFile, str(path))
    except OSError as error:
        raise OurFault(f"settings {path}: {error.strerror}: give the right file with --settings") from error
    except UnicodeDecodeError as error:
        raise OurFault(f"settings {path}: not UTF-8 text: give the right file with --settings") from error
    base = path.parent.resolve()
    found = _package(path, file)
    for key, is_there in (("keys", (base / file.keys).is_dir()), ("register", (base / file.register).is_file())):
        if not is_there:
            raise OurFault(f"{path}: {key}: expected it at {base / getattr(file, key)}, found nothing: make it")
    return Settings(
        name=file.name,
        number=found.package.number,
        deployment=found.package.deployment,
        profile=found.profile,
        roster=found.roster,
        mode=found.package.mode,
        hubs=found.hubs,
        cards=found.cards,
        keys=base / file.keys,
        register=base / file.register,
        database=file.database if file.database.startswith(POSTGRESQL) else str(base / file.database),
        pictures=base / file.pictures,
        notices=base / file.notices,
        broker=file.broker,
        batch=file.batch,
        linger_ms=file.linger_ms,
        quota=Quota(file.unit_chains, file.unit_records, file.unit_mb * MEGABYTE, file.free_mb * MEGABYTE),
        base=base,
    )


def _package(path: Path, file: HubFile) -> Deployment:
    place = path.parent / file.package
    try:
        verifier = Verifier.parse(file.packages)
        with place.open("rb") as opened:
            found = read_package(opened.read(PACKAGE_BYTES_MAX + 1), verifier)
    except OSError as error:
        raise OurFault(f"{path}: package {place}: {error.strerror}: bring the deployment package there") from error
    except TestigoError as error:
        raise OurFault(f"{path}: package {place}: {error}") from error
    if file.name not in found.hubs:
        raise OurFault(
            f"{path}: package {place}: expected {file.name} among its hubs, found {', '.join(found.hubs)}: "
            "units would not believe this hub: have a package made that names it"
        )
    return found
