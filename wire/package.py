"""The package: the one signed file that says what a deployment is, for units and hubs alike.

    testigo/package/1
    {"at":1722100000,"brokers":[...],...,"profile":{"sha256":"...","size":1889},...,"roster":{"sha256":"...","size":390000},...}
    <blank line>
    — packages 3qJ7...
    the election's profile, TOML
    the roster: the mesas expected, one a line, in order

All of it is text. The note names what is attached by size and SHA-256, so one signature stands for the whole file.
docs/wire.md is the specification.
"""

import hashlib
import itertools
import operator
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, ClassVar, Self

import msgspec
from msgspec import Meta

from wire import profiles
from wire.acta import Profile
from wire.errors import MalformedError, OurFault, TestigoError
from wire.fields import Hash, Host, Name, Natural, Port, Positive
from wire.note import NOTE_BYTES_MAX, Note, Signer, Statement, Verifier
from wire.note import read as read_note
from wire.note import write as write_note
from wire.record import Mode
from wire.seal import RECIPIENTS_MAX, RECIPIENTS_MIN, Recipient

FILE = "deployment.testigo"
"""What the file is called on a card and on a stick."""

SIGNER = "packages"
"""The name of the authority's key that signs packages, and no hub's."""

PROFILE_BYTES_MAX = 65536
"""Thirty times the longest profile known."""

ROSTER_BYTES_MAX = 8 * 1024 * 1024
"""Brazil's 472,075 seções of 2022, the largest known, take 7.6 MB; Venezuela's 30,026 mesas of 2024 take 0.4 MB."""

PACKAGE_BYTES_MAX = NOTE_BYTES_MAX + PROFILE_BYTES_MAX + ROSTER_BYTES_MAX
"""The longest package there is."""

BROKERS_MAX = 8
"""Each rank that is dead costs up to a minute of handshakes: a unit must be through all of them within minutes."""

HUBS_MAX = 16
CARDS_MAX = 16
FLEET_MAX = 100_000

MESA_CHARACTERS_MAX = 64
_LENGTHS = frozenset(range(1, MESA_CHARACTERS_MAX + 1))
_MESA = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.:-"
_NOTE_LINES = 4

KeyText = Annotated[str, Meta(max_length=400)]


class Attached(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bytes that follow the note, named: their SHA-256 and size in bytes."""

    sha256: Hash
    size: Annotated[int, Meta(ge=0, le=ROSTER_BYTES_MAX)]

    @classmethod
    def of(cls, content: bytes) -> Self:
        """The name of these bytes."""
        return cls(hashlib.sha256(content).hexdigest(), len(content))


class Address(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where units reach a broker.

    Attributes:
        host: its name or address.
        hub: the hub that it belongs to: its certificate must bear that name.
        port: its TCP port; 8883 is usual with TLS, 1883 without.
    """

    host: Host
    hub: Name
    port: Port


class Loudness(Enum):
    """How a unit starts whose button has not said otherwise."""

    LOUD = "loud"
    QUIET = "quiet"


class Package(Statement, frozen=True, kw_only=True):
    """What an authority states of its deployment.

    Attributes:
        at: when it was made, seconds since 1970 UTC, by the authority's clock; for people.
        brokers: where units connect, the one to try first at the top.
        cards: verifier keys that may sign control cards.
        day: when election day begins, seconds since 1970 UTC.
        deployment: the deployment's name, part of every topic.
        fleet: how many units share the brokers: so many spread their coming back after one was lost.
        hubs: verifier keys of the hubs whose receipts count.
        mode: live, or training: then nothing that its units keep is ever counted.
        number: rises with each package of the deployment; who has taken one takes no lower one.
        profile: the election's profile, TOML.
        receipts: how many hubs must receipt a record before it stops waiting.
        recipients: seal keys of those who can open what is kept.
        roster: the mesas that are expected, one a line; empty where none is known.
        sound: whether units start quiet.
    """

    KIND: ClassVar[str] = "testigo/package/1"

    at: Natural
    brokers: Annotated[tuple[Address, ...], Meta(min_length=1, max_length=BROKERS_MAX)]
    cards: Annotated[tuple[KeyText, ...], Meta(max_length=CARDS_MAX)]
    day: Natural
    deployment: Name
    fleet: Annotated[int, Meta(ge=1, le=FLEET_MAX)]
    hubs: Annotated[tuple[KeyText, ...], Meta(min_length=1, max_length=HUBS_MAX)]
    mode: Mode
    number: Positive
    profile: Attached
    receipts: Annotated[int, Meta(ge=1, le=HUBS_MAX)]
    recipients: Annotated[tuple[KeyText, ...], Meta(min_length=RECIPIENTS_MIN, max_length=RECIPIENTS_MAX)]
    roster: Attached
    sound: Loudness

    @property
    def author(self) -> str:
        """The authority's key for packages."""
        return SIGNER


class Roster:
    """The mesas that are expected. It keeps its text and no more, and finds a mesa by halving it.

    30,000 mesas are 0.4 MB so; as a set of strings they would be 4 MB.

    Args:
        text: one mesa a line, in the order of their bytes, each once; nothing where no roster is known.

    Raises:
        MalformedError: it is not that.
    """

    def __init__(self, text: bytes = b"") -> None:
        *lines, end = text.split(b"\n")
        if end or text.translate(None, _MESA + b"\n") or not _LENGTHS.issuperset(map(len, lines)):
            raise MalformedError(
                f"the roster has a line that is not 1 to {MESA_CHARACTERS_MAX} of A-Z, a-z, 0-9, '.', ':' and '-': "
                "make the package anew"
            )
        if not all(map(operator.lt, lines, itertools.islice(lines, 1, None))):
            raise MalformedError("the roster is not in order, or has a mesa twice: make the package anew")
        self.text = text
        self._count = len(lines)

    @classmethod
    def of(cls, mesas: Iterable[str]) -> Self:
        """The roster of these mesas.

        Raises:
            MalformedError: one of them cannot be a mesa.
        """
        lines = sorted({mesa.encode("utf-8") for mesa in mesas})
        return cls(b"".join(line + b"\n" for line in lines))

    def __len__(self) -> int:
        """How many mesas are expected; 0 where no roster is known."""
        return self._count

    def __iter__(self) -> Iterator[str]:
        """The mesas, in order."""
        return (line.decode("ascii") for line in self.text.splitlines())

    def __contains__(self, mesa: str) -> bool:
        """Whether a mesa is expected."""
        wanted, low, high = mesa.encode("utf-8"), 0, len(self.text)
        while low < high:  # both are where lines begin, or the end
            begin = self.text.rfind(b"\n", low, (low + high) // 2) + 1 or low
            end = self.text.index(b"\n", begin)
            line = self.text[begin:end]
            if line == wanted:
                return True
            low, high = (end + 1, high) if line < wanted else (low, begin)
        return False


@dataclass(frozen=True, slots=True)
class Deployment:
    """What a package that was verified says, with its keys, profile and roster read.

    Attributes:
        note: what was signed.
        profile: the election's.
        roster: the mesas expected.
        hubs: whose receipts count, by name.
        cards: who may sign control cards, by name.
        recipients: who can open what is kept.
    """

    note: Note[Package]
    profile: Profile
    roster: Roster
    hubs: dict[str, Verifier]
    cards: dict[str, Verifier]
    recipients: tuple[Recipient, ...]

    @property
    def package(self) -> Package:
        """The statement."""
        return self.note.statement


def write(package: Package, profile: bytes, roster: bytes, signer: Signer) -> bytes:
    """Makes the file of a package, signed, once it is sure that it can be read.

    Args:
        package: what to state; `profile` and `roster` in it name the next two.
        profile: the election's profile, TOML.
        roster: as of `Roster.text`.
        signer: the authority's `packages`.

    Raises:
        MalformedError: no unit would take it.
    """
    content = write_note(package, signer) + profile + roster
    read(content, signer.verifier)
    return content


def read(content: bytes, verifier: Verifier) -> Deployment:
    """Verifies the file of a package, and only then parses it.

    Args:
        content: the file.
        verifier: the `packages` key of the authority that is trusted.

    Raises:
        MalformedError: too long, altered or not whole, or it says what no unit could run on.
        UnknownSignerError: another authority signed it, or nobody did.
        BadSignatureError: the signature is not the authority's.
    """
    if len(content) > PACKAGE_BYTES_MAX:
        raise MalformedError(f"a package of {len(content)} bytes, at most {PACKAGE_BYTES_MAX} are allowed: drop it")
    signed, attached = split(content)
    note = read_note(signed, Package, {SIGNER: verifier})
    package = note.statement
    profile, roster = attached[: package.profile.size], attached[package.profile.size :]
    for what, found, named in (("profile", profile, package.profile), ("roster", roster, package.roster)):
        if Attached.of(found) != named:
            raise MalformedError(
                f"package {package.number}: its {what} is not the one that was signed ({len(found)} bytes, signed "
                f"were {named.size}): copy the file again"
            )
    if len(profile) > PROFILE_BYTES_MAX:
        raise MalformedError(f"package {package.number}: its profile has {len(profile)} bytes: make it anew")
    try:
        return _checked(note, profile, roster)
    except (TestigoError, UnicodeDecodeError) as error:
        raise MalformedError(f"package {package.number}: {error}") from error


def split(content: bytes) -> tuple[bytes, bytes]:
    """The note, which is as long as its lines are many, and what is attached to it.

    Raises:
        MalformedError: it does not begin with a note.
    """
    end = -1
    for _ in range(_NOTE_LINES):
        end = content.find(b"\n", end + 1, NOTE_BYTES_MAX)
        if end < 0:
            raise MalformedError("a package that does not begin with a signed note: copy the file again")
    return content[: end + 1], content[end + 1 :]


def _checked(note: Note[Package], profile: bytes, roster: bytes) -> Deployment:
    package = note.statement
    hubs, cards = _by_name("hubs", package.hubs), _by_name("cards", package.cards)
    recipients = tuple(map(Recipient.parse, package.recipients))
    if SIGNER in hubs:
        raise OurFault(f"hubs: {SIGNER} is the authority's own name: call the hub otherwise")
    if len({recipient.key_id for recipient in recipients}) < len(recipients):
        raise OurFault("recipients: the same seal key stands twice: give different ones")
    if package.receipts > len(hubs):
        raise OurFault(f"receipts: {package.receipts} are to receipt, there are {len(hubs)} hubs: name more hubs")
    for broker in package.brokers:
        if broker.hub not in hubs:
            raise OurFault(f"brokers: {broker.host} is {broker.hub}'s, which is none of the hubs: name it there too")
    return Deployment(note, profiles.parse(profile.decode("utf-8")), Roster(roster), hubs, cards, recipients)


def _by_name(what: str, texts: Iterable[str]) -> dict[str, Verifier]:
    """Verifier keys by name; one key under two names would be two voices of one."""
    found: dict[str, Verifier] = {}
    names: dict[bytes, str] = {}
    for verifier in map(Verifier.parse, texts):
        if verifier.name in found:
            raise OurFault(f"{what}: there are two of the name {verifier.name}: give each its own")
        if verifier.spki in names:
            twice = f"{names[verifier.spki]} and {verifier.name}"
            raise OurFault(f"{what}: {twice} have the same key: one hub is to be one receipt: give each its own")
        found[verifier.name], names[verifier.spki] = verifier, verifier.name
    return found
