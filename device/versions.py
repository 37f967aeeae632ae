"""The versions: the releases of the firmware on a unit: which one runs, whether it has proved itself, and the way back.

    versions/<number>/   one virtual environment a release; 0 is one that came without a number
    current              link to the one that runs from the next start of the firmware on
    proven               link to the last one that proved itself; where the two differ, `current` is on trial
    failed               the number of the release last returned from: it is not taken again
    wheels/              the files of the release that was installed last

The links are the truth: a version that neither names is a left-over, whole or not, and goes. So an installation may be
cut short anywhere. A version on trial has its starts counted, by the proven one's own Python (before each start of the
firmware, see `begin`): after `STARTS_MAX` of them that ended badly, without proof, the unit returns. Ended badly is
what crashed, hung, or had its power cut; not what somebody switched off by its button, or what ended to begin anew.

Only what every Python has is imported: at its first start a unit has no more.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from device import durable
from wire.errors import OurFault

STARTS_MAX = 3
"""A start may end badly for another reason, a battery's say; after three, some two minutes have gone."""

TRIES_MAX = 20
"""Starts in all, the good ends among them: or a release that ends well as soon as it is ready would do so for ever.
Nobody switches a unit on so often in two days without once leaving it on for four minutes."""

PROVEN_SECONDS = 120
"""So long the firmware must have been ready, without a break: the first beat, connection and self-checks are behind it
by then, and a volunteer who starts a unit to try it leaves it on for longer."""

_BEGUN = "."
_ENDED = "-"
"""What is written behind each other in the file `starts` of a version on trial."""

INSTALL_SECONDS_MAX = 1800
"""On a Pi Zero 2 W the wheels take some minutes; what takes longer hangs."""


class Versions:
    """What lies in the folder.

    Args:
        folder: on the data partition; the firmware itself need not, and should not, be able to write there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wheels = folder / "wheels"

    @property
    def current(self) -> int | None:
        """The number of the version that runs from the next start on; None while there is none."""
        return self._linked("current")

    @property
    def proven(self) -> int | None:
        """The number of the last version that proved itself."""
        return self._linked("proven")

    @property
    def failed(self) -> int:
        """The number of the release last returned from; -1 where there was none."""
        try:
            return int((self.folder / "failed").read_text("ascii"))
        except FileNotFoundError:
            return -1
        except ValueError as error:
            raise OurFault(f"{self.folder / 'failed'}: no number: remove the file") from error

    @property
    def is_on_trial(self) -> bool:
        """Whether the current version has still to prove itself."""
        return self.current != self.proven

    @property
    def starts(self) -> int:
        """How often the version on trial was started."""
        return self._told().count(_BEGUN)

    @property
    def bad_starts(self) -> int:
        """How many of its starts did not end well, or not yet."""
        return self.starts - self._told().count(_ENDED)

    def home(self, number: int) -> Path:
        """The folder of a version."""
        return self.folder / "versions" / str(number)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else changes the versions meanwhile; waits for whoever does."""
        try:
            handle = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise OurFault(f"versions {self.folder}: {error.strerror}: check that it is mounted") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def begin(self, now: int) -> int | None:
        """Counts a start that is about to be made; returns to the proven version when there were too many.

        Args:
            now: the believed date, seconds since 1970 UTC: a version that was never started does not begin its trial
                when nothing may change any more (see `switch`).

        Returns:
            The number of the version that was given up, if one was.
        """
        if not self.is_on_trial:  # nearly always; an installation that is under way need not be waited for
            return None
        with self.alone():
            current, proven = self.current, self.proven
            if current == proven or current is None or proven is None:
                return None
            with suppress(OSError):  # where nobody can count, a version that fails would be started for ever
                if not self.starts and now >= self._until():
                    self._point("current", proven)  # it has not failed: after the day it may come again
                    return current
                if self.bad_starts < STARTS_MAX and self.starts < TRIES_MAX:
                    self._tell(_BEGUN)
                    return None
            # In this order: should the power go in between, the next start finds everything as this one did. On a full
            # card it cannot be said; then there is no room either to take the same release again.
            with suppress(OSError):
                durable.replace(self.folder / "failed", f"{current}\n".encode("latin-1"))
            self._point("current", proven)
            return current

    def end(self) -> None:
        """Says that the start before was ready and has ended well: it says nothing against its version."""
        if not self.is_on_trial:
            return
        with self.alone():
            # Or it was the version before that ended, and this one was never started; or it was proved meanwhile.
            if self.current != self.proven and self.bad_starts:
                self._tell(_ENDED)

    def prove(self) -> None:
        """The current version has proved itself: from now on it is the one to return to."""
        if self.current is not None:
            self._point("proven", self.current)

    def prune(self) -> None:
        """Removes every version that nothing names. Not while one is on trial."""
        kept = {self.current, self.proven}
        for home in sorted((self.folder / "versions").glob("*")):
            if not home.name.isdecimal() or int(home.name) not in kept:
                shutil.rmtree(home)

    def install(self, number: int, wheels: Path, requirements: str) -> None:
        """Installs a version, durably; nothing runs it before `switch`.

        Args:
            number: its number; what lies in its folder is removed first.
            wheels: the folder of its files, with pip's own among them.
            requirements: the pinned hash of each.

        Raises:
            OurFault: it cannot be installed here; what was begun is gone again.
            OSError: the card refused, or is full.
        """
        home = self.home(number)
        assert number not in (self.current, self.proven), "a version in use is not installed over"
        try:
            shutil.rmtree(home, ignore_errors=True)  # of an installation that was cut short
            home.parent.mkdir(parents=True, exist_ok=True)
            # The system's packages are seen, for the camera's and the pins' libraries are the system's own.
            venv.create(home, system_site_packages=True, symlinks=True)
            (home / "requirements.txt").write_text(requirements, "utf-8")
            self._pip(home, wheels)
            _sync_tree(home)
            durable.sync_folder(home.parent)
        except BaseException:
            shutil.rmtree(home, ignore_errors=True)
            raise

    def switch(self, number: int, until: int | None = None) -> None:
        """From the next start of the firmware on, that version runs, on trial.

        Args:
            number: which.
            until: when it may no longer be started for the first time, seconds since 1970 UTC; None for one that may
                at any time.
        """
        if until is not None:
            durable.replace(self.home(number) / "until", f"{until}\n".encode("latin-1"))
        self._point("current", number)

    def first(self, number: int, wheels: Path, requirements: str) -> None:
        """Installs the version that a unit begins with, which there is nothing to return from."""
        if self.current is not None:
            return
        self.wheels.mkdir(parents=True, exist_ok=True)
        for wheel in sorted(wheels.glob("*.whl")):
            shutil.copyfile(wheel, self.wheels / wheel.name)
        shutil.rmtree(self.home(number), ignore_errors=True)
        (self.folder / "proven").unlink(missing_ok=True)
        self.install(number, self.wheels, requirements)
        self._point("proven", number)
        self._point("current", number)

    def _pip(self, home: Path, wheels: Path) -> None:
        pips = sorted(wheels.glob("pip-*.whl"))
        if not pips:
            raise OurFault(f"{wheels}: no wheel of pip is there, which installs the others: add it to the release")
        # Run out of its wheel: no unit needs ensurepip. What the system has counts for nothing where we pin it.
        alone = ["--isolated", "--disable-pip-version-check", "--no-cache-dir", "--no-input", "--quiet"]
        pinned = ["--no-index", "--only-binary=:all:", "--require-hashes", "--ignore-installed"]
        where = ["--find-links", str(wheels), "--requirement", str(home / "requirements.txt")]
        command = [str(home / "bin" / "python"), "-I", str(pips[-1] / "pip"), "install", *alone, *pinned, *where]
        scratch = {**os.environ, "TMPDIR": str(home)}  # of the system's own there may be as much as there is memory
        try:
            subprocess.run(
                command, capture_output=True, text=True, check=True, timeout=INSTALL_SECONDS_MAX, env=scratch
            )
        except subprocess.CalledProcessError as error:
            if "No space left" in error.stderr:
                raise OurFault(f"{home}: the card is full: nothing was changed") from error
            last = error.stderr.strip().rpartition("\n")[2]
            raise OurFault(f"{home}: it cannot be installed here: {last}: make the release anew") from error
        except subprocess.TimeoutExpired as error:
            raise OurFault(f"{home}: pip took more than {INSTALL_SECONDS_MAX} s: look at the card") from error

    def _told(self) -> str:
        try:
            return self._starts().read_text("latin-1")
        except FileNotFoundError:
            return ""

    def _tell(self, what: str) -> None:
        durable.replace(self._starts(), (self._told() + what).encode("latin-1"))

    def _starts(self) -> Path:
        return self.home(self.current or 0) / "starts"

    def _until(self) -> float:
        try:
            return int((self.home(self.current or 0) / "until").read_text("ascii"))
        except (OSError, ValueError):
            return float("inf")  # what nobody can read keeps nothing back: its starts are counted all the same

    def _linked(self, name: str) -> int | None:
        try:
            number = str((self.folder / name).readlink()).removeprefix("versions/")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise OurFault(f"{self.folder / name}: {error.strerror}: write the card anew") from error
        if not number.isdecimal():
            raise OurFault(f"{self.folder / name}: links to {number}, which is no version: write the card anew")
        return int(number)

    def _point(self, name: str, number: int) -> None:
        new = self.folder / f".{name}.new"
        new.unlink(missing_ok=True)
        new.symlink_to(f"versions/{number}")
        new.rename(self.folder / name)
        durable.sync_folder(self.folder)


def _sync_tree(folder: Path) -> None:
    """Makes a whole tree outlive a power cut.

    All at once first, then each by itself: thousands of files one after the other would take minutes on a card, and
    `sync` does not say when a card has refused.
    """
    os.sync()
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            if not path.is_symlink():
                with path.open("rb") as file:
                    os.fsync(file.fileno())
        durable.sync_folder(Path(place))


def main(arguments: list[str] | None = None) -> int:
    """Runs `python -m device.versions`; returns its exit status."""
    match sys.argv[1:] if arguments is None else arguments:
        case ["begin", folder]:
            given_up = Versions(Path(folder)).begin(int(time.time()))
            if given_up is not None:
                print(f"release {given_up} did not prove itself in time: back to the one before")  # noqa: T201
        case ["end", folder]:
            Versions(Path(folder)).end()
        case ["first", folder, wheels, requirements, number]:
            Versions(Path(folder)).first(int(number), Path(wheels), Path(requirements).read_text("utf-8"))
        case _:
            print("usage: python -m device.versions begin|end FOLDER", file=sys.stderr)  # noqa: T201
            print("       python -m device.versions first FOLDER WHEELS REQUIREMENTS NUMBER", file=sys.stderr)  # noqa: T201
            return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OurFault, OSError) as error:
        print(f"device.versions: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(2)
