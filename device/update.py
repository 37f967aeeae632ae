"""The update: fetches signed releases from mirrors, installs them beside the firmware, says which proved itself.

A program of its own, `testigo-update`, which a timer starts. It never stops the firmware: what it installed runs from
the firmware's next start on (`device.versions`). Of the card it reads nothing but whether something was kept of late.

No clock of a unit is evidence. That metadata has expired is believed against the time that the unit's deployment
package bears, which is long past by now, and never against the unit's own clock: one that stands in 1970 or in 2040
neither lets anything through nor keeps anything out.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta
from tuf.api.exceptions import DownloadError, RepositoryError
from tuf.api.metadata import Metadata, Root, TargetFile
from tuf.ngclient import Updater, UpdaterConfig

from device.mirror import Fetcher, from_folder
from device.versions import PROVEN_SECONDS, Versions
from wire import package, release
from wire.errors import OurFault, TestigoError
from wire.fields import Name
from wire.log import Happening, Level, Log, line
from wire.note import Verifier
from wire.package import Package
from wire.release import Release
from wire.settings import parse

IDLE_SECONDS = 1800
"""How long nothing must have been kept before anything is fetched or installed: a queue of voters has no such gap."""

FREE_BYTES_MIN = 512 * 1024 * 1024
"""What must stay free for records: some three hundred, an evening's."""

UNPACKED = 4
"""How much larger a wheel is, at most, once it is installed and compiled (measured: 3.3 for all wheels of a unit)."""

_CONFIG = UpdaterConfig(
    max_root_rotations=32,
    max_delegations=1,
    root_max_length=65536,
    snapshot_max_length=65536,
    targets_max_length=262144,
)
"""Each bound is ten times what our repositories need."""


Mirror = Annotated[str, Meta(pattern=r"\A(https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._/-]*)?|[^:]+)\Z")]


class Event(Enum):
    """What `testigo-update` can tell; docs/log.md is made from it."""

    PREPARED = Happening(Level.INFO, "a release was installed; it runs from the firmware's next start on")
    PROVEN = Happening(Level.INFO, "the firmware on trial was ready for long enough: it stays")
    MIRROR_BAD = Happening(
        Level.WARNING, "a mirror gave nothing that is believed; says which, and why; others are asked"
    )
    PACKAGE_BAD = Happening(Level.WARNING, "the deployment package on the card is none; the one of the start holds")
    FROZEN = Happening(Level.WARNING, "a release is there, but it is too near to election day to install it")
    NOT_INSTALLED = Happening(Level.ERROR, "a release could not be installed; says why; the one before goes on")


class UpdateFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file's keys; relative paths are relative to its folder.

    Attributes:
        unit: the unit's name: by it it is one of the first to get a release, or one of the last.
        app: folder of the versions of the firmware.
        card: folder of the data partition.
        package: the deployment package that the unit began with; of one on the card, the younger counts.
        packages: verifier key of the authority that signs packages.
        root: the trusted root of the releases, a file.
        service: the firmware, as systemd calls it.
        mirrors: where releases are fetched: addresses (`https://...`), or folders.
    """

    unit: Name
    app: str
    card: str
    package: str
    packages: str
    root: str
    mirrors: Annotated[tuple[Mirror, ...], Meta(min_length=1, max_length=16)]
    service: str = "testigo-unit.service"


@dataclass(frozen=True, slots=True)
class Updating:
    """What an update goes by.

    Attributes:
        unit: the unit's name.
        versions: what is installed.
        kept: the folder whose change says that somebody scans.
        since: a moment that is past, seconds since 1970 UTC: when the unit's deployment package was made.
        day: when election day begins.
        root: the trusted root, as it came with the card.
        mirrors: addresses and folders.
        log: where to tell what happened.
        now: the believed date, seconds since 1970 UTC: to be told, and one of those that may say that it is too late.
        fetcher: by which mirrors are asked.
    """

    unit: str
    versions: Versions
    kept: Path
    since: int
    day: int
    root: bytes
    mirrors: tuple[str, ...]
    log: Log
    now: int
    fetcher: Fetcher

    def run(self, ready_seconds: Callable[[], float | None]) -> None:
        """Says that the version on trial has proved itself, or else looks for a newer one.

        Args:
            ready_seconds: for how long the firmware has been ready without a break; None if it is not.
        """
        versions = self.versions
        with versions.alone():
            if versions.is_on_trial:
                # Before its first start it is still the version before that is ready.
                if versions.starts and (ready_seconds() or 0) >= PROVEN_SECONDS:
                    versions.prove()
                    self.log(Event.PROVEN, release=versions.current or 0)
                return
            versions.prune()
            if self._is_busy():
                return
            found = self.look()
            if found is not None:
                self._install(*found)

    def _is_busy(self) -> bool:
        """Whether something was kept of late; a clock that jumped makes this wrong for one look, which is no harm."""
        try:
            return 0 <= self.now - self.kept.stat().st_mtime < IDLE_SECONDS
        except FileNotFoundError:
            return False

    def look(self) -> "tuple[Updater, Release] | None":
        """The newest release that this unit may take now, and who knows its files."""
        known: tuple[Updater, release.Index] | None = None
        # All are asked, for one that stands still must not hide the others. Each can only bring on what the one before
        # brought: so the last that is believed is the newest.
        for mirror in self.mirrors:
            if "://" not in mirror and not Path(mirror).is_dir():
                continue  # no stick was put in yet
            try:
                updater = self._updater(mirror)
                updater.refresh()
                known = updater, release.read(self._fetched(updater, release.INDEX, self.versions.folder).read_bytes())
            except (DownloadError, RepositoryError, TestigoError) as error:
                self.log(Event.MIRROR_BAD, mirror=mirror, why=_words(error))
        if known is None:
            return None
        updater, index = known
        above = max(self.versions.current or 0, self.versions.failed)
        found = release.newest(index, self.unit, above)
        if found is None:
            return None
        let_through = found.number == self._emergency()
        if not let_through and release.is_frozen(found, self.day, (self.now, self.since)):
            self.log(Event.FROZEN, release=found.number)
            return None
        return updater, found

    def _updater(self, mirror: str) -> Updater:
        base = mirror.rstrip("/")
        metadata = self.versions.folder / "tuf"
        metadata.mkdir(exist_ok=True)
        updater = Updater(
            str(metadata),
            f"{base}/metadata/",
            target_base_url=f"{base}/targets/",
            fetcher=self.fetcher,
            config=_CONFIG,
            bootstrap=self.root,
        )
        # python-tuf asks the machine's clock and has no other way to be told (docs/decisions/0032): a test holds that
        # this is the place.
        trusted = updater._trusted_set
        assert hasattr(trusted, "reference_time"), "python-tuf keeps the time elsewhere"
        trusted.reference_time = datetime.fromtimestamp(self.since, UTC)
        return updater

    def _emergency(self) -> int:
        """The release that the root's signers let through a freeze; -1 where there is none."""
        # As python-tuf has just verified and written it.
        root = Metadata[Root].from_file(str(self.versions.folder / "tuf" / "root.json")).signed
        number = root.unrecognized_fields.get(release.EMERGENCY, -1)
        return number if isinstance(number, int) else -1

    def _fetched(self, updater: Updater, name: str, folder: Path) -> Path:
        """A target's file, whole and verified, from whichever mirror has it.

        Raises:
            DownloadError: none has.
            RepositoryError: what they have is not what was signed.
        """
        target = updater.get_targetinfo(name)
        if target is None:
            raise RepositoryError(f"{name} is not among the targets")
        path = folder / name
        if updater.find_cached_target(target, str(path)) is not None:
            return path
        faults = []
        for mirror in self.mirrors:
            try:
                updater.download_target(target, str(path), f"{mirror.rstrip('/')}/targets/")
                return path
            except (DownloadError, RepositoryError) as error:
                faults.append(f"{mirror}: {_words(error)}")
        raise DownloadError(f"{name}: {'; '.join(faults)}")

    def _install(self, updater: Updater, found: Release) -> None:
        versions = self.versions
        try:
            targets = [target for target in map(updater.get_targetinfo, found.wheels) if target is not None]
            self._check_room(updater, targets)
            versions.wheels.mkdir(exist_ok=True)
            requirements = release.requirements(self._hashes(updater, found))
            for path in versions.wheels.iterdir():
                if path.name not in found.wheels:
                    path.unlink()
            versions.install(found.number, versions.wheels, requirements)
            versions.switch(found.number, None if found.number == self._emergency() else release.frozen_from(self.day))
        except (DownloadError, RepositoryError, TestigoError, OSError) as error:
            self.log(Event.NOT_INSTALLED, release=found.number, why=_words(error))
        else:
            self.log(Event.PREPARED, release=found.number)

    def _check_room(self, updater: Updater, targets: list[TargetFile]) -> None:
        wheels = self.versions.wheels
        lacking = [each for each in targets if updater.find_cached_target(each, str(wheels / each.path)) is None]
        needed = UNPACKED * sum(each.length for each in targets) + sum(each.length for each in lacking)
        free = shutil.disk_usage(self.versions.folder).free
        if free < needed + FREE_BYTES_MIN:
            raise OurFault(
                f"{self.versions.folder}: {needed} bytes are needed and {FREE_BYTES_MIN} must stay free for records, "
                f"{free} are: let hubs receipt, and purge"
            )

    def _hashes(self, updater: Updater, found: Release) -> Iterator[tuple[str, str]]:
        """The name and hash of each wheel, once it is here."""
        for wheel in found.wheels:
            self._fetched(updater, wheel, self.versions.wheels)
            target = updater.get_targetinfo(wheel)
            assert target is not None, "it has just been fetched"
            yield wheel, target.hashes["sha256"]


def ready_seconds(service: str) -> float | None:
    """For how long a service has been ready, by systemd; None if it is not."""
    asked = ("systemctl", "show", "--property=ActiveState,ActiveEnterTimestampMonotonic", service)
    try:
        shown = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise OurFault(f"systemd does not say how {service} is: {error}: run this on a unit, as its service") from error
    return since_ready(shown, time.monotonic())


def since_ready(shown: str, now: float) -> float | None:
    """The same, of what `systemctl show` said.

    Args:
        shown: lines `name=value`.
        now: seconds of the clock that systemd goes by, which is the kernel's monotonic one.
    """
    said = dict(each.split("=", 1) for each in shown.splitlines() if "=" in each)
    if said.get("ActiveState") != "active":
        return None
    return now - int(said["ActiveEnterTimestampMonotonic"]) / 1_000_000


def read(path: Path, now: int, log: Log) -> tuple[Updating, str]:
    """What a settings file asks for, and the firmware's service.

    Raises:
        OurFault: something in it cannot be used.
    """
    try:
        file = parse(path.read_text("utf-8"), UpdateFile, str(path))
        base = path.parent.resolve()
        card = base / file.card
        verifier = Verifier.parse(file.packages)
        packages = list(_packages(base / file.package, card / package.FILE, verifier, log))
        root = (base / file.root).read_bytes()
    except (OSError, UnicodeDecodeError) as error:
        raise OurFault(f"settings {path}: {error}: give the right files") from error
    mirrors = tuple(each if "://" in each else str(base / each) for each in file.mirrors)
    versions = Versions(base / file.app)
    taken = max(packages, key=lambda each: each.number)
    return Updating(
        file.unit, versions, card / "kept", taken.at, taken.day, root, mirrors, log, now, Fetcher()
    ), file.service


def _packages(own: Path, taken: Path, verifier: Verifier, log: Log) -> Iterator[Package]:
    """The package that the unit began with, and the one it took last, if that is one.

    The firmware writes the latter, and who has broken into it must not keep away the release that throws them out.
    """
    yield package.read(own.read_bytes(), verifier).package
    try:
        if taken.exists():
            yield package.read(_bounded(taken), verifier).package
    except (OSError, DownloadError, TestigoError) as error:
        log(Event.PACKAGE_BAD, why=_words(error))


def _bounded(path: Path) -> bytes:
    """A file's bytes, and one too many where there are more than a package has."""
    content = bytearray()
    for piece in from_folder(path):
        content += piece
        if len(content) > package.PACKAGE_BYTES_MAX:
            break
    return bytes(content[: package.PACKAGE_BYTES_MAX + 1])


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


def main(arguments: list[str] | None = None) -> int:
    """Runs `testigo-update`; returns its exit status."""
    parser = argparse.ArgumentParser(prog="testigo-update", description="Fetch and install signed releases, once.")
    parser.add_argument("--settings", type=Path, required=True, metavar="FILE", help="docs/settings.md")
    options = parser.parse_args(arguments)
    now = int(time.time())

    def log(event: Enum, **facts: str | float) -> None:
        print(line(event, now, facts), file=sys.stderr, flush=True)  # noqa: T201

    try:
        updating, service = read(options.settings, now, log)
        tempfile.tempdir = str(updating.versions.folder)  # python-tuf's; of the system's there may be little
        updating.run(lambda: ready_seconds(service))
    except (TestigoError, OSError) as error:
        print(f"testigo-update: {error}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
