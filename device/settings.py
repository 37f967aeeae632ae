"""The unit's settings: one TOML file, checked whole at start."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from wire import profiles
from wire.acta import Profile
from wire.errors import OurFault, TestigoError
from wire.fields import Name
from wire.note import Verifier
from wire.record import Mode
from wire.seal import RECIPIENTS_MAX, RECIPIENTS_MIN, Recipient
from wire.settings import Broker, parse

BROKERS_MAX = 8
"""Each rank that is dead costs up to a minute of handshakes: a unit must be through all of them within minutes."""


class UnitFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file's keys.

    Attributes:
        unit: the unit's name: random, never a person's or a place's.
        deployment: the name of the deployment, part of every topic.
        profile: id of the election's profile.
        mode: `live`, or `training`: nothing kept is ever counted.
        card: folder of the data partition.
        key: the unit's private key, a PEM file.
        hubs: verifier keys of the hubs whose receipts count.
        recipients: seal keys of those who can open what is kept: two or more.
        receipts: how many hubs must receipt a record before it stops waiting.
        fleet: how many units share the brokers: so many spread their coming back after one was lost.
        brokers: where to connect, the one to try first at the top.
    """

    unit: Name
    deployment: Name
    profile: str
    mode: Mode
    card: str
    key: str
    hubs: Annotated[tuple[str, ...], Meta(min_length=1, max_length=16)]
    recipients: Annotated[tuple[str, ...], Meta(min_length=RECIPIENTS_MIN, max_length=RECIPIENTS_MAX)]
    brokers: Annotated[tuple[Broker, ...], Meta(min_length=1, max_length=BROKERS_MAX)]
    receipts: Annotated[int, Meta(ge=1, le=16)] = 1
    fleet: Annotated[int, Meta(ge=1, le=100_000)] = 2000


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings, with keys and profile read and paths made absolute."""

    unit: str
    deployment: str
    profile: Profile
    mode: Mode
    card: Path
    key: Path
    hubs: dict[str, Verifier]
    recipients: tuple[Recipient, ...]
    receipts: int
    fleet: int
    brokers: tuple[Broker, ...]
    base: Path


def read(path: Path) -> Settings:
    """Reads a settings file; relative paths are relative to its folder.

    Raises:
        OurFault: something in it cannot be used; one sentence says what to correct.
    """
    try:
        file = parse(path.read_text("utf-8"), UnitFile, str(path))
    except OSError as error:
        raise OurFault(f"settings {path}: {error.strerror}: give the right file with --settings") from error
    except UnicodeDecodeError as error:
        raise OurFault(f"settings {path}: not UTF-8 text: give the right file with --settings") from error
    base = path.parent.resolve()
    try:
        hubs = {verifier.name: verifier for verifier in map(Verifier.parse, file.hubs)}
        recipients = tuple(map(Recipient.parse, file.recipients))
        profile = profiles.named(file.profile)
    except TestigoError as error:
        raise OurFault(f"{path}: {error}") from error
    if len({recipient.key_id for recipient in recipients}) < len(recipients):
        raise OurFault(f"{path}: recipients: the same seal key stands twice: give different ones")
    by_key = {verifier.spki: name for name, verifier in hubs.items()}
    for name, verifier in hubs.items():
        if by_key[verifier.spki] != name:
            twice = f"{name} and {by_key[verifier.spki]}"
            raise OurFault(f"{path}: hubs: {twice} have the same key: one hub is to be one receipt: give each its own")
    if not file.receipts <= len(hubs) == len(file.hubs):
        raise OurFault(f"{path}: receipts = {file.receipts} needs as many hubs of different names, found {len(hubs)}")
    return Settings(
        unit=file.unit,
        deployment=file.deployment,
        profile=profile,
        mode=file.mode,
        card=base / file.card,
        key=base / file.key,
        hubs=hubs,
        recipients=recipients,
        receipts=file.receipts,
        fleet=file.fleet,
        brokers=file.brokers,
        base=base,
    )
