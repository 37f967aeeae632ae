"""The desk where units enrol: their requests come on a stick, and it says of each what became of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hub.folder import Folder
from provisioning.authority import Authority
from wire import enrolment, note
from wire.enrolment import ANSWER, FOLDER, REQUEST, REQUEST_BYTES_MAX
from wire.errors import OurFault, TheirFault, UnknownSignerError


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one request.

    Attributes:
        file: its name.
        unit: the unit that is enrolled now; empty if none is.
        why: why it is not.
    """

    file: str
    unit: str = ""
    why: str = ""

    def __str__(self) -> str:
        """As a line for the person at the desk."""
        return f"{self.unit} is enrolled" if self.unit else f"{self.file!r}: not enrolled: {self.why}"


def enrol(authority: Authority, place: Path) -> Iterator[Outcome]:
    """Checks every request in a place, lets those belong that may, and puts the answers beside the requests.

    Said again it does the same again: a stick that was pulled, or a power cut, costs another run and nothing else.

    Args:
        authority: whose units they will be.
        place: the stick, or the folder on it.

    Raises:
        OurFault: there are no requests, or the stick or the authority's folder fails.
    """
    try:
        with Folder.at(place) as top:
            inner = top.inner(FOLDER)
            with inner or Folder.at(place) as folder:
                yield from _enrol(authority, folder, place)
    except OSError as error:
        raise OurFault(f"{place}: {error.strerror}: see whether the stick is in, and say it again") from error


def _enrol(authority: Authority, folder: Folder, place: Path) -> Iterator[Outcome]:
    names = sorted(name for name in folder.names() if name.endswith(REQUEST) and not name.startswith("."))
    if not names:
        raise OurFault(f"{place}: no requests (u-...{REQUEST}) in it, nor in {FOLDER}: name the stick or its folder")
    cards, packages = authority.cards(), authority.packages()
    by_key = {verifier.spki: name for name, verifier in authority.enrolled().items()}
    outcomes, answers = list[Outcome](), dict[str, bytes]()
    try:
        for name in names:
            try:
                request = enrolment.read(folder.read(name, REQUEST_BYTES_MAX), cards)
                spki = note.Verifier.parse(request.key).spki
                if by_key.setdefault(spki, request.unit) != request.unit:
                    raise TheirFault("its key is another unit's already: a card was copied: revoke both")
                answers[request.unit] = note.write(authority.enrol(request), packages)
                outcomes.append(Outcome(name, unit=request.unit))
            except UnknownSignerError:
                why = "of no card that was prepared here: take the copy of the authority that prepared it"
                outcomes.append(Outcome(name, why=why))
            except (TheirFault, OSError) as error:
                outcomes.append(Outcome(name, why=str(error)))
    finally:
        authority.publish()  # what was enrolled belongs, also if something failed then
    for unit, answer in answers.items():
        folder.put(f"{unit}{ANSWER}", answer)
    yield from outcomes
