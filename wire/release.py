"""The release: which wheels make one, and which units may take it; what the signed repository's index says.

The index is a target of a TUF repository (docs/guides/updates.md): whoever reads it has checked its signatures, so
here are only its form and its rules.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import Annotated

import msgspec
from msgspec import Meta

from wire.errors import MalformedError
from wire.fields import Natural, Positive

INDEX = "releases.json"
"""The one target whose name is known beforehand: it names all others."""

EMERGENCY = "x-testigo-emergency"
"""In the root metadata, which two of three people sign: the number of the release that is let through a freeze."""

FREEZE_SECONDS = 48 * 3600
"""So long before election day begins nothing changes any more: two days to find out what the last change broke."""

OURS = "testigo"
EXTRAS = "unit,pi"
INSTALLER = "pip"
"""Runs out of its own wheel, which each release brings: no unit needs ensurepip, and nothing that runs has pip."""

WHEELS_MAX = 100
"""Three times as many as a unit has."""

RELEASES_MAX = 16
"""Of which all but the last are for a part of the units only."""

SHARE_MAX = 100

_WHEEL = re.compile(r"([A-Za-z0-9._]{1,64})-([A-Za-z0-9._!+]{1,64})-[A-Za-z0-9._-]{1,128}\.whl")

Wheel = Annotated[str, Meta(pattern=rf"\A{_WHEEL.pattern}\Z")]


class Release(msgspec.Struct, frozen=True):
    """One release. Fields that a later desk adds are passed over: or no unit of today could be updated by it.

    Attributes:
        at: when it was made, seconds since 1970 UTC, by the clock of who signed it.
        number: rises with each release; no unit ever takes a lower one than it has.
        share: of a hundred cohorts, how many may take it: the first so many.
        wheels: names of the files that are it, ours and all that it depends on.
    """

    at: Natural
    number: Positive
    share: Annotated[int, Meta(ge=0, le=SHARE_MAX)]
    wheels: Annotated[tuple[Wheel, ...], Meta(min_length=1, max_length=WHEELS_MAX)]


class Index(msgspec.Struct, frozen=True):
    """The releases that a unit may still take, the newest first."""

    releases: Annotated[tuple[Release, ...], Meta(max_length=RELEASES_MAX)]


def read(content: bytes) -> Index:
    """An index that was verified.

    Raises:
        MalformedError: it is none; a later format, perhaps.
    """
    try:
        return msgspec.json.decode(content, type=Index)
    except msgspec.DecodeError as error:
        raise MalformedError(f"{INDEX}: {error}: a release for newer firmware: write the card anew") from error


def write(index: Index) -> bytes:
    """The index as bytes that can be read."""
    content = msgspec.json.format(msgspec.json.encode(index, order="sorted"), indent=1) + b"\n"
    assert read(content) == index, "what is to be signed cannot be read"
    return content


def cohort_of(unit: str) -> int:
    """Which of a hundred cohorts a unit is in: by its name, so that anyone can say which units go first."""
    return int.from_bytes(hashlib.sha256(unit.encode("utf-8")).digest()[:8], "big") % SHARE_MAX


def newest(index: Index, unit: str, above: int) -> Release | None:
    """The newest release that this unit may take.

    Args:
        index: what there is.
        unit: the unit's name.
        above: a number that it must exceed: of what the unit runs, or returned from.
    """
    allowed = (each for each in index.releases if each.number > above and cohort_of(unit) < each.share)
    return max(allowed, key=lambda release: release.number, default=None)


def is_frozen(release: Release, day: int, clocks: Iterable[int]) -> bool:
    """Whether it comes too late.

    Args:
        release: which.
        day: when election day begins.
        clocks: what it may be by now. None of them is trusted: it is late as soon as one of them says so, or as the
            release itself says, which bears the time of its signing. So who turns a unit's clock back can give it
            nothing but what was signed in time, and who turns it forward only keeps it as it is.
    """
    return max(release.at, *clocks) >= frozen_from(day)


def frozen_from(day: int) -> int:
    """When nothing changes any more, before an election day that begins then."""
    return day - FREEZE_SECONDS


def requirements(wheels: Iterable[tuple[str, str]]) -> str:
    """What pip is to install, and nothing else: each wheel by its hash, for it asks no index.

    Args:
        wheels: the names of the files, and their SHA-256.

    Raises:
        MalformedError: a name is no wheel's.
    """
    lines = []
    for wheel, sha256 in wheels:
        name = _WHEEL.fullmatch(wheel)
        if name is None:
            raise MalformedError(f"{wheel!r} is not the name of a wheel: build or fetch it anew")
        extras = f"[{EXTRAS}]" if name[1] == OURS else ""
        if name[1] != INSTALLER:
            lines.append(f"{name[1]}{extras}=={name[2]} --hash=sha256:{sha256}\n")
    return "".join(lines)
