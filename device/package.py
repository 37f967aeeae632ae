"""The package on the card: which deployment a unit goes by, and how a newer package takes the place of the last one.

    <card>/deployment.testigo   the package taken last, as it came
    <card>/deployment.taken     its deployment, number and hash: no older one is ever taken again

A package comes with the unit's settings, or on a stick. Whatever is refused changes nothing: the last good one goes on.
Both files are written beside the index and are not of it, so an index that is built again loses neither.
"""

from dataclasses import dataclass
from pathlib import Path

from device import durable
from device.folder import Folder
from wire.errors import OurFault, TheirFault
from wire.note import Verifier
from wire.package import FILE, PACKAGE_BYTES_MAX, Deployment, read

TAKEN = "deployment.taken"
"""The name of the file that remembers which package was taken last."""


class OlderError(TheirFault):
    """A package of a lower number than one that was taken before."""

    why = "older"


class OtherDeploymentError(TheirFault):
    """A package that does not follow the ones taken before: of another deployment, or another of the same number."""

    why = "other-deployment"


class NoPackageError(OurFault):
    """There is no package that the unit could go by."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What is remembered of the package taken last."""

    deployment: str
    number: int
    hash: str

    def __str__(self) -> str:
        """The line in the file."""
        return f"{self.deployment} {self.number} {self.hash}"


@dataclass(frozen=True, slots=True)
class Brought:
    """What became of a package that was brought: its number if it was taken, or why it is refused."""

    number: int = 0
    refused: str = ""


class Packages:
    """The packages of one unit.

    Args:
        card: the card's folder.
        verifier: the `packages` key of the authority that the unit trusts.
    """

    def __init__(self, card: Path, verifier: Verifier) -> None:
        self._card = card
        self._verifier = verifier

    def chosen(self, brought: Path) -> Deployment:
        """The package to go by: the one on the card, or the one that came with the settings if that is newer.

        Nothing is written.

        Raises:
            NoPackageError: neither can be used.
        """
        taken, good, bad, before = self._taken(), list[Deployment](), list[str](), b""
        for file in (self._card / FILE, brought):
            try:
                content = _content(file)
                if not good or content != before:  # a unit's first package lies in both places
                    good.append(self._judged(content, taken))
                before = content
            except (OSError, TheirFault) as error:
                bad.append(f"{file}: {_words(error)}")
        if not good:
            raise NoPackageError(f"no deployment package can be used: {'; '.join(bad)}: bring a good one to the card")
        return max(good, key=lambda deployment: deployment.package.number)  # of two alike the card's

    def settle(self, brought: Path, number: int) -> Brought:
        """Takes the package that came with the settings if it is news, and remembers which one the card has.

        That an older one came is nothing to tell: where the system's own folders are read-only it stays there for good.

        Args:
            brought: that package.
            number: of the one that was chosen, and is not verified again at every start.

        Raises:
            OSError: the card refuses.
        """
        remembered, own, other = self._remembered(), _there(self._card / FILE), _there(brought)
        is_known, refused = remembered is not None and remembered.number == number, ""
        candidates = ((self._card / FILE, b"" if is_known else own), (brought, b"" if other == own else other))
        for file, content in candidates:
            try:
                number = max(number, self.take(content)) if content else number
            except OlderError:
                continue
            except TheirFault as error:
                refused = f"{file}: {error}"
        return Brought(number, refused)

    def bring(self, stick: Path) -> Brought:
        """Takes the package on a stick, if there is one.

        Raises:
            OSError: the stick fails; of a package that alone cannot be read it is said what became of it.
        """
        with Folder.at(stick) as folder:
            size = folder.size(FILE)
            if size is None:
                return Brought()
            if size > PACKAGE_BYTES_MAX:
                return Brought(refused=f"the stick: {FILE} has {size} bytes, at most {PACKAGE_BYTES_MAX} are allowed")
            try:
                content = folder.read(FILE, size)
            except OSError as error:
                return Brought(refused=f"the stick: {FILE}: {error.strerror}: copy it there again")
        try:
            return Brought(self.take(content))
        except TheirFault as error:
            return Brought(refused=f"the stick: {error}")
        except OSError as error:
            return Brought(refused=f"the card: {error.strerror}: put the stick in again, or change the card")

    def take(self, content: bytes) -> int:
        """Takes a package, so that it survives a power cut; its number.

        Raises:
            TheirFault: it is refused: unsigned, foreign, altered, too large, older, or of another deployment.
            OSError: the card refuses; then the one before goes on, or this one, and either is whole.
        """
        note = self._judged(content, self._taken()).note
        if _there(self._card / FILE) != content:
            durable.replace(self._card / FILE, content)
        # Only now: were it remembered first, a power cut would leave a card that refuses what it has.
        now = Taken(note.statement.deployment, note.statement.number, note.hash)
        if now != self._remembered():
            durable.replace(self._card / TAKEN, f"{now}\n".encode("ascii"))
        return now.number

    def _remembered(self) -> Taken | None:
        try:
            deployment, number, hash_ = (self._card / TAKEN).read_text("ascii").split()
            return Taken(deployment, int(number), hash_)
        except (OSError, ValueError):
            return None

    def _taken(self) -> Taken | None:
        """Which package was taken last; of a card that has lost that, the one that it has says how far it was."""
        remembered = self._remembered()
        if remembered is not None:
            return remembered
        try:
            note = read(_content(self._card / FILE), self._verifier).note
        except (OSError, TheirFault):
            return None
        return Taken(note.statement.deployment, note.statement.number, note.hash)

    def _judged(self, content: bytes, taken: Taken | None) -> Deployment:
        found = read(content, self._verifier)
        package = found.package
        if taken is None:
            return found
        if package.deployment != taken.deployment:
            raise OtherDeploymentError(
                f"package {package.number} is of the deployment {package.deployment}, this unit is of "
                f"{taken.deployment}: put in one of that; for another deployment the card is written anew"
            )
        if package.number < taken.number:
            raise OlderError(
                f"package {package.number} is older than {taken.number}, which this unit had: put in the latest"
            )
        if package.number == taken.number and found.note.hash != taken.hash:
            raise OtherDeploymentError(
                f"package {package.number} is another than the one of that number which this unit had: "
                "ask the authority for the next"
            )
        return found


def _content(file: Path) -> bytes:
    """A file, or as much of it as shows that it is too long."""
    with file.open("rb") as opened:
        return opened.read(PACKAGE_BYTES_MAX + 1)


def _there(file: Path) -> bytes:
    """The same; nothing where it cannot be read."""
    try:
        return _content(file)
    except OSError:
        return b""


def _words(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
