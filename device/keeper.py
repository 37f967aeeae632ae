"""The keeper: what was seen becomes a record, signed, sealed, signed again, and written to survive a power cut."""

from collections.abc import Iterator, Sequence

from device.dates import utc
from device.ports import Clock, Frame
from device.store import Place, Store
from wire import note
from wire.envelope import Envelope, Sealed, context, join
from wire.note import Note, Signer
from wire.record import PARTS_MAX, Mode, Picture, Record
from wire.seal import Recipient, sealing

PAYLOADS_CHARACTERS_MAX = 10000
"""What fits a note even where JSON writes six bytes for each (a control character); thrice the longest sheet known."""


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
        self._deployment = deployment
        self._signer = signer
        self._recipients = recipients
        self._clock = clock
        self._profile = profile
        self._mode = mode

    def keep(self, payloads: Sequence[str], how: str, doubt: str, frames: Sequence[Frame]) -> Place:
        """Keeps what was read, with its photographs.

        Args:
            payloads: the QR codes' texts.
            how: which step of the reader read them.
            doubt: why they are no acta of the profile; empty when they are one.
            frames: the frames whose photographs belong to it.

        Returns:
            Where it stands in the chain.

        Raises:
            CardError: it is not kept.
        """
        if len(payloads) > PARTS_MAX or sum(map(len, payloads)) > PAYLOADS_CHARACTERS_MAX:
            size = sum(map(len, payloads))
            doubt = f"{len(payloads)} QR codes of {size} characters do not fit a record: see the picture"
            payloads = ()
        self.store.recover()
        place, unit = self.store.place(), self._signer.verifier.name
        written = [
            self.store.write(frame.picture, self._sealing(frame.picture, place, f"picture/{number}"), number)
            for number, frame in enumerate(frames)
        ]
        record = Record(
            after=self.store.last_receipt(),
            boot=self.store.boot,
            chain=place.chain,
            clock=self._clock.source(),
            date=utc(self._clock.seconds()),
            deployment=self._deployment,
            doubt=doubt,
            how=how,
            mode=self._mode,
            ms=self._clock.ms(),
            payloads=tuple(payloads),
            pictures=tuple(
                Picture(frame.media, picture.sha256, len(frame.picture))
                for frame, picture in zip(frames, written, strict=True)
            ),
            profile=self._profile,
            seq=place.seq,
            unit=unit,
        )
        sealed_record = b"".join(self._sealing(note.write(record, self._signer), place, "record"))
        envelope = Envelope(
            chain=place.chain,
            deployment=self._deployment,
            pictures=tuple(picture.named for picture in written),
            prev=place.prev,
            record=Sealed.of(sealed_record),
            seq=place.seq,
            unit=unit,
        )
        signed = note.write(envelope, self._signer)
        self.store.keep(Note(envelope, note.text_of(signed)), join(signed, sealed_record), written)
        return place

    def _sealing(self, content: bytes, place: Place, what: str) -> Iterator[bytes]:
        bound = context(self._deployment, self._signer.verifier.name, place.chain, place.seq, what)
        return sealing(content, self._recipients, bound)
