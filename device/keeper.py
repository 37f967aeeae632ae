"""The keeper: what was seen becomes a record, signed, sealed, signed again, and written to survive a power cut."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from device.dates import utc
from device.ports import Clock, Frame
from device.store import CardError, Place, Signed, Store
from wire import note
from wire.envelope import PICTURE_BYTES_MAX, SEALED_BYTES_MAX, Envelope, Sealed, context, join
from wire.fields import NOTHING
from wire.note import Note, Signer
from wire.record import PARTS_MAX, Mode, Picture, Quality, Record
from wire.seal import Recipient, Seal

PAYLOADS_CHARACTERS_MAX = 10000
"""What fits a note even where JSON writes six bytes for each (a control character); thrice the longest sheet known."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A photograph, sealed for one place in the chain, in memory only.

    Attributes:
        frame: the frame it is of.
        place: that place.
        number: which of its record's pictures it is.
        photograph: what the record says of it.
        sealed: the sealed bytes.
        named: their hash and size.
        record: a seal for the record itself, begun: a volunteer waits for the rest.
    """

    frame: Frame
    place: Place
    number: int
    photograph: Picture
    sealed: bytes
    named: Sealed
    record: Seal


@dataclass(frozen=True, slots=True)
class Placed(Place):
    """Where a record stands in the chain, and its identity."""

    identity: str


class Keeper:
    """Keeps records.

    Args:
        store: the card.
        deployment: whose election trial or night it is.
        signer: the unit's.
        recipients: who can open what is kept.
        clock: the unit's.
        profile: id of the profile that payloads are read by.
        mode: live or training.

    Attributes:
        store: the card.
        mode: of the records to come.
    """

    def __init__(
        self,
        store: Store,
        deployment: str,
        signer: Signer,
        recipients: Sequence[Recipient],
        clock: Clock,
        profile: str,
        mode: Mode,
    ) -> None:
        self.store = store
        self.mode = mode
        self._deployment = deployment
        self._signer = signer
        self._recipients = recipients
        self._clock = clock
        self._profile = profile

    def prepare(self, frame: Frame, number: int = 0) -> "Future[Prepared]":
        """Begins to seal a frame's photograph, while the reader still looks whether there is anything to keep.

        Args:
            frame: the frame.
            number: which of its record's pictures it will be, from 0.
        """
        return self.store.aside.submit(self._prepare, frame, self.store.place(), number)

    def keep(
        self,
        payloads: Sequence[str],
        quality: Quality,
        doubt: str,
        frames: Sequence["Future[Prepared]"],
        first: str = NOTHING,
        part: int = 1,
    ) -> Placed:
        """Keeps what was read, with its photographs.

        Args:
            payloads: the QR codes' texts.
            quality: how well the photograph could be read.
            doubt: why they are no acta of the profile; empty when they are one.
            frames: what `prepare` returned for each photograph that belongs to it, in their order.
            first: identity of the record whose sheet it is a further part of; `NOTHING` for the first of a sheet.
            part: its number among the parts of that sheet.

        Returns:
            Where it stands in the chain, and its identity.

        Raises:
            CardError: it is not kept.
        """
        if len(payloads) > PARTS_MAX or sum(map(len, payloads)) > PAYLOADS_CHARACTERS_MAX:
            size = sum(map(len, payloads))
            doubt = f"{len(payloads)} QR codes of {size} characters do not fit a record: see the picture"
            payloads = ()
        self.store.recover()
        self.store.reserve(sum(frame.result().named.size for frame in frames) + SEALED_BYTES_MAX)
        place = self.store.place()
        photographs = [self._at(place, number, frame.result()) for number, frame in enumerate(frames)]
        record = Record(
            after=self.store.last_receipt(),
            boot=self.store.boot,
            chain=place.chain,
            clock=self._clock.source(),
            date=utc(self._clock.seconds()),
            deployment=self._deployment,
            doubt=doubt,
            first=first,
            mode=self.mode,
            ms=self._clock.ms(),
            part=part,
            payloads=tuple(payloads),
            pictures=tuple(picture.photograph for picture in photographs),
            profile=self._profile,
            quality=quality,
            seq=place.seq,
            unit=self._signer.verifier.name,
        )
        signed = self.store.aside.submit(self._sign, record, place.prev, photographs)  # meanwhile they are written
        self.store.keep(signed, [photograph.sealed for photograph in photographs])
        return Placed(place.chain, place.seq, place.prev, signed.result().identity)

    def _sign(self, record: Record, prev: str, photographs: Sequence[Prepared]) -> Signed:
        written = note.write(record, self._signer)
        begun = photographs[0].record if photographs else self._begun(Place(record.chain, record.seq, prev), "record")
        sealed = begun.close(written)
        envelope = Envelope(
            chain=record.chain,
            deployment=self._deployment,
            pictures=tuple(photograph.named for photograph in photographs),
            prev=prev,
            record=Sealed.of(sealed),
            seq=record.seq,
            unit=record.unit,
        )
        signed = note.write(envelope, self._signer)
        return Signed(note.identity_of(written), Note(envelope, note.text_of(signed)), join(signed, sealed))

    def _prepare(self, frame: Frame, place: Place, number: int) -> Prepared:
        sealed = self._begun(place, f"picture/{number}").close(frame.picture)
        if len(sealed) > PICTURE_BYTES_MAX:
            raise CardError(
                f"photograph: {len(sealed)} bytes sealed, at most {PICTURE_BYTES_MAX} are kept: take smaller ones"
            )
        photograph = Picture(frame.media, hashlib.sha256(frame.picture).hexdigest(), len(frame.picture))
        return Prepared(frame, place, number, photograph, sealed, Sealed.of(sealed), self._begun(place, "record"))

    def _at(self, place: Place, number: int, prepared: Prepared) -> Prepared:
        """The same for this place: the chain may have gone on, or ended, since it was prepared."""
        is_there = (prepared.place, prepared.number) == (place, number)
        return prepared if is_there else self._prepare(prepared.frame, place, number)

    def _begun(self, place: Place, what: str) -> Seal:
        belongs = context(self._deployment, self._signer.verifier.name, place.chain, place.seq, what)
        return Seal(self._recipients, belongs)
