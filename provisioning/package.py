"""The deployment package's making: from what the operators decide of an election, and whom the authority knows.

Its number rises by itself: the last package that was made stays beside the authority's keys, and whoever wants a higher
number than a lost copy had says the command again.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from provisioning import roster
from provisioning.authority import Authority
from provisioning.files import write
from wire import package, profiles
from wire.acta import Profile
from wire.errors import OurFault, TestigoError, TheirFault
from wire.package import (
    BROKERS_MAX,
    CARDS_MAX,
    FILE,
    FLEET_MAX,
    HUBS_MAX,
    Address,
    Attached,
    Deployment,
    Loudness,
    Package,
    Roster,
)
from wire.record import Mode
from wire.seal import RECIPIENTS_MAX
from wire.settings import parse


class ElectionFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file's keys: what the operators decide; paths are relative to the file.

    Attributes:
        profile: id of one of the profiles that come with testigo, or the path of a TOML file.
        day: when election day begins, with its offset from UTC: `2024-07-28T06:00:00-04:00`.
        mode: `live`, or `training`: nothing that units keep under this package is ever counted.
        brokers: the sections below, the one to try first at the top.
        roster: CSV file of the mesas that are expected; without it every mesa is.
        receipts: how many hubs must receipt a record before it stops waiting.
        fleet: how many units share the brokers: so many spread their coming back after one was lost.
        sound: how units start whose button has not said otherwise: `loud` or `quiet`.
        cards: verifier keys that may sign control cards.
    """

    profile: str
    day: Annotated[datetime, Meta(tz=True)]
    mode: Mode
    brokers: Annotated[tuple[Address, ...], Meta(min_length=1, max_length=BROKERS_MAX)]
    roster: str = ""
    receipts: Annotated[int, Meta(ge=1, le=HUBS_MAX)] = 1
    fleet: Annotated[int, Meta(ge=1, le=FLEET_MAX)] = 2000
    sound: Loudness = Loudness.LOUD
    cards: Annotated[tuple[str, ...], Meta(max_length=CARDS_MAX)] = ()


@dataclass(frozen=True, slots=True)
class Deployed:
    """A package that was made: where it lies, what it says, and what of that the one before said otherwise."""

    path: Path
    deployment: Deployment
    changed: tuple[str, ...]

    def __str__(self) -> str:
        """The same for whoever has made it: what they must not get wrong, first."""
        stated, hubs = self.deployment.package, ", ".join(self.deployment.hubs)
        mesas = f"{len(self.deployment.roster):,} mesas expected" if self.deployment.roster else "no roster"
        day = f"{datetime.fromtimestamp(stated.day, UTC):%Y-%m-%d %H:%M} UTC"
        changed = f"\nchanged since package {stated.number - 1}: {', '.join(self.changed)}" if self.changed else ""
        return (
            f"package {stated.number} of {stated.deployment}: {stated.mode.value.upper()}, day {day}, {mesas}, "
            f"hubs {hubs}, receipts {stated.receipts}, units start {stated.sound.value}{changed}\n"
            f"{self.path}: carry it to every hub, and on a stick to every unit"
        )


def deploy(authority: Authority, file: Path) -> Deployed:
    """Makes and signs the next package.

    Args:
        authority: of the deployment.
        file: the election's settings.

    Raises:
        RosterError: the roster has faults; it says all of them.
        OurFault: something else cannot be used, or no unit would take what would be made.
    """
    chosen = _election(file)
    profile = profile_text(chosen.profile, file.parent)
    layout = _layout(profile, chosen.profile)
    mesas = roster.read(file.parent / chosen.roster, layout) if chosen.roster else Roster()
    hubs, recipients = _keys(authority.folder)
    if not 1 <= len(hubs) < RECIPIENTS_MAX:
        raise OurFault(
            f"authority {authority.folder}: {len(hubs)} hubs belong: a package names 1 to {RECIPIENTS_MAX - 1}: "
            "add or revoke some"
        )
    before = _before(authority)
    number = before.package.number + 1 if before else 1
    if before and before.profile.id == layout.id and before.package.profile != Attached.of(profile):
        raise OurFault(
            f"{file}: profile: {layout.id} is another than in package {number - 1}, under the same id: what was read "
            "by the one cannot be counted by the other: give the new one an id of its own"
        )
    stated = Package(
        at=int(time.time()),
        brokers=chosen.brokers,
        cards=chosen.cards,
        day=int(chosen.day.timestamp()),
        deployment=authority.deployment,
        fleet=chosen.fleet,
        hubs=hubs,
        mode=chosen.mode,
        number=number,
        profile=Attached.of(profile),
        receipts=chosen.receipts,
        recipients=recipients,
        roster=Attached.of(mesas.text),
        sound=chosen.sound,
    )
    signer = authority.packages()
    try:
        content = package.write(stated, profile, mesas.text, signer)
    except TheirFault as error:
        raise OurFault(f"{file}: {error}") from error
    write(authority.folder / FILE, content)
    old = before.package if before else stated
    fields = (name for name in Package.__struct_fields__ if name not in ("at", "number"))
    changed = tuple(name for name in fields if getattr(old, name) != getattr(stated, name))
    return Deployed(authority.folder / FILE, package.read(content, signer.verifier), changed)


def profile_text(chosen: str, base: Path) -> bytes:
    """A profile's TOML text, by its id, or by the path of its file.

    Raises:
        OurFault: there is none.
    """
    if not chosen.endswith(".toml"):
        return profiles.source(chosen)
    try:
        return (base / chosen).read_bytes()
    except OSError as error:
        raise OurFault(f"profile {base / chosen}: {error.strerror}: name its TOML file, or an id") from error


def _layout(text: bytes, chosen: str) -> Profile:
    try:
        return profiles.parse(text.decode("utf-8"))
    except (OurFault, UnicodeDecodeError) as error:
        raise OurFault(f"profile {chosen}: {error}") from error


def _election(file: Path) -> ElectionFile:
    try:
        return parse(file.read_text("utf-8"), ElectionFile, str(file))
    except OSError as error:
        raise OurFault(f"election {file}: {error.strerror}: name its TOML file") from error
    except UnicodeDecodeError as error:
        raise OurFault(f"election {file}: not UTF-8 text: name its TOML file") from error


def _keys(folder: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The keys of the hubs that belong: those that receipt, and those that open; with these the escrow's."""
    homes = [home for home in sorted((folder / "hubs").glob("[!.]*")) if not (home / "revoked").exists()]
    try:
        lines = [(home / "hub.pub").read_text("utf-8").split() for home in homes]
        escrow = (folder / "escrow.pub").read_text("utf-8").strip()
        return tuple(verifier for verifier, _ in lines), (*(recipient for _, recipient in lines), escrow)
    except (OSError, ValueError) as error:
        raise OurFault(f"{folder}: {error}: take what lacks there from a good copy") from error


def _before(authority: Authority) -> Deployment | None:
    """The last package that was made here."""
    path = authority.folder / FILE
    try:
        return package.read(path.read_bytes(), authority.packages().verifier)
    except FileNotFoundError:
        return None
    except (OSError, TestigoError) as error:
        raise OurFault(f"{path}: {error}: the number of the next package follows it: take it from a copy") from error
