"""The readiness report: what the bench has signed and left on the card, for the hubs to hear."""

from pathlib import Path

from wire import note
from wire.errors import TheirFault
from wire.note import Verifier
from wire.readiness import Readiness

FILE = "readiness.note"
"""The name of the report in the card's folder."""


def found(card: Path, deployment: str, verifier: Verifier) -> tuple[bytes, Readiness] | None:
    """The report on a card, as signed, and what it says; None when there is none of this unit in this deployment.

    Raises:
        OSError: the card does not say.
    """
    try:
        signed = (card / FILE).read_bytes()
        report = note.read(signed, Readiness, {verifier.name: verifier}).statement
    except (FileNotFoundError, TheirFault):
        return None
    return (signed, report) if report.deployment == deployment else None
