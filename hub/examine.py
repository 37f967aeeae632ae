"""The examination: what a publication says by itself, whatever the ledger holds: verified, opened, read by the profile.

It touches nothing and is nearly all of an intake's work, so a second process can do half of it (`hub.second`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from hub.ledger import Outcome, Read, reading_of
from wire import control, move, note
from wire.acta import Acta, Incomplete, Profile, Refusal
from wire.envelope import Envelope, context, split
from wire.errors import TheirFault
from wire.fields import NOTHING
from wire.note import Note, Verifier
from wire.record import Mode, Record
from wire.seal import Opener


class WrongTopicError(TheirFault):
    """The note is of one deployment or unit, the topic of another."""

    why = "wrong-topic"


class RecordMismatchError(TheirFault):
    """The record is not of its envelope's place, or names another number of pictures."""

    why = "record-mismatch"


@dataclass(frozen=True, slots=True)
class Examined:
    """A publication whose envelope holds (checks 2 to 5 of `hub.intake`).

    Attributes:
        envelope: the envelope.
        note: its note, signature and all.
        sealed: the sealed record.
        read: the record, once it opens and fits (checks 7 to 9).
        fault: why it does not.
    """

    envelope: Note[Envelope]
    note: bytes
    sealed: bytes
    read: Read | None
    fault: TheirFault | None


@dataclass(frozen=True, slots=True)
class Examiner:
    """Examines a deployment's publications, with a hub's seal key and its election's profile."""

    deployment: str
    opener: Opener
    profile: Profile

    def examine(self, unit: str, publication: bytes, trusted: Mapping[str, Verifier]) -> Examined:
        """Examines a publication that came on a unit's topic.

        Raises:
            TheirFault: its envelope does not hold.
        """
        text, sealed = split(publication)
        envelope = note.read(text, Envelope, trusted)
        self._check_deployment(envelope.statement)
        check_unit(envelope.statement.unit, unit)
        envelope.statement.check(sealed)
        try:
            return Examined(envelope, text, sealed, self._read(envelope.statement, sealed, trusted), None)
        except TheirFault as fault:
            return Examined(envelope, text, sealed, None, fault)

    def _check_deployment(self, envelope: Envelope) -> None:
        if envelope.deployment != self.deployment:
            raise WrongTopicError(
                f"envelope {envelope.seq}: of the deployment {envelope.deployment}, on a topic of {self.deployment}: "
                "publish it on its own topic"
            )

    def _read(self, envelope: Envelope, sealed: bytes, trusted: Mapping[str, Verifier]) -> Read:
        place = (envelope.deployment, envelope.unit, envelope.chain, envelope.seq)
        opened = self.opener.open(sealed, context(*place, "record"))
        record = note.read(opened, Record, {envelope.unit: trusted[envelope.unit]}).statement
        found = (record.deployment, record.unit, record.chain, record.seq, len(record.pictures))
        if found != (*place, len(envelope.pictures)):
            raise RecordMismatchError(
                f"envelope {envelope.seq}: the record in it is of another place or has other pictures: drop it"
            )
        outcome, mesa, words = self._outcome(record)
        payloads = msgspec.json.encode(record.payloads).decode("utf-8")
        return Read(outcome, mesa, reading_of(record.payloads), words, payloads, opened)

    def _outcome(self, record: Record) -> tuple[Outcome, str, str]:
        """What may become of a record: its outcome, its mesa if it has one, and why it does not count."""
        profile = self.profile
        if record.mode is not Mode.LIVE:
            return Outcome.TRAINING, "", ""
        if len(record.payloads) == 1 and any(each.is_note(record.payloads[0]) for each in (control, move)):
            return Outcome.CONTROL, "", printable(record.doubt)  # whether it is genuine, `hub.control` says
        if not record.payloads and record.first != NOTHING:
            return Outcome.PART, "", f"part {record.part} of the record {record.first}"
        if not record.payloads:
            return Outcome.UNREAD, "", "no QR code was read"
        if record.profile != profile.id:
            return Outcome.UNREAD, "", f"read by the profile {record.profile}, this hub's is {profile.id}"
        match profile.read(record.payloads):
            case Refusal() as refusal:
                return Outcome.UNREAD, "", str(refusal)
            case Incomplete() as incomplete:
                return Outcome.INCOMPLETE, "", str(incomplete)
            case Acta() as acta if not record.doubt:
                return Outcome.ACTA, acta.mesa, ""
            case Acta():
                return Outcome.UNREAD, "", f"the unit doubts it: {printable(record.doubt)}"


def printable(text: str) -> str:
    """What a thief of a unit's key may have chosen, fit for a terminal."""
    return "".join(each if each.isprintable() else "?" for each in text)


def check_unit(unit: str, topic_unit: str) -> None:
    """Checks that a note is of the unit whose topic it came on.

    Raises:
        WrongTopicError: it is not.
    """
    if unit != topic_unit:
        raise WrongTopicError(f"a note of {unit} on a topic of {topic_unit}: publish it on its own topic")
