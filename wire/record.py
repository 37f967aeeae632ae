"""The record: what a unit saw when the button was pressed; the inner, signed statement that is then sealed."""

from enum import Enum
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from wire.fields import NOTHING, ChainId, Hash, Name, Natural, Positive, Word
from wire.note import Statement

PAYLOAD_CHARACTERS_MAX = 7089
"""What the largest QR code (version 40, level L, digits only) holds: ISO/IEC 18004 table 7."""

PARTS_MAX = 16
"""More QR codes than any known acta has; Brazil's sheets have at most a handful."""

Payload = Annotated[str, Meta(max_length=PAYLOAD_CHARACTERS_MAX, pattern=r"\A[\x00-\xff]*\Z")]


class Mode(Enum):
    """Whether a record may ever be counted."""

    LIVE = "live"
    TRAINING = "training"


class Picture(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One photograph, before sealing: its media type (`image/jpeg`), SHA-256 and size in bytes."""

    media: Annotated[str, Meta(pattern=r"\Aimage/[a-z0-9.+-]{1,40}\Z")]
    sha256: Hash
    size: Positive


Percent = Annotated[int, Meta(ge=0, le=100)]


class Quality(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How well the photograph could be read: what a person goes by who doubts a reading, or a station's camera.

    Attributes:
        assumed: codewords that were not seen but follow from what the profile knows.
        blur: of the photograph at the code, as the standard deviation of a Gaussian, in hundredths of a module.
        calibration: id of the calibration that the camera was set by; empty when by none.
        cause: what hindered reading, one of the reader's words (`blurred`, `glare` ...); empty when nothing did.
        contrast: brightness of the paper less that of the ink, in per cent of the paper's.
        dpi: pixels per inch of the paper, as measured on it; 0 when nothing of known size was made out.
        erasures: codewords that were not seen, or not trusted, and recovered by the code's own error correction.
        glare: the share of the code under glare.
        light: brightness of the paper at the code, 0 to 255.
        margin: the share of error correction left in the code's worst part; 0 when nothing was read.
        pitch: hundredths of a pixel per module; 0 when neither it nor blur, contrast, glare and light were measured.
        sharpness: the share of the step from paper to ink that its sharpest edges take within a pixel, in per cent.
        skew: tenths of a degree by which the paper lies turned against the picture, the nearest way; 0 to 450.
        step: which step of the reader read the QR codes; empty when none was read.
        unread: QR codes that were seen in the photograph and not read.
    """

    assumed: Natural = 0
    blur: Natural = 0
    calibration: Annotated[str, Meta(max_length=64)] = ""
    cause: Annotated[str, Meta(max_length=64)] = ""
    contrast: Percent = 0
    dpi: Natural = 0
    erasures: Natural = 0
    glare: Percent = 0
    light: Annotated[int, Meta(ge=0, le=255)] = 0
    margin: Percent = 0
    pitch: Natural = 0
    sharpness: Percent = 0
    skew: Annotated[int, Meta(ge=0, le=450)] = 0
    step: Annotated[str, Meta(max_length=64)] = ""
    unread: Natural = 0


NOTHING_KNOWN = Quality()


class Record(Statement, frozen=True, kw_only=True):
    """What one press yielded.

    A sheet that is longer than what the camera sees is photographed in parts, each a record of its own.

    Attributes:
        after: hash of the last receipt this unit held: the record is not older than it; `NOTHING` before the first.
        boot: how often the unit has started, from 1.
        chain, seq: the place in the unit's chain; the same as in the envelope.
        clock: where `date` comes from: `unset`, `stop` (the last one's), `system`, `rtc`, `hub`. It is never evidence.
        date: what the unit believed, UTC to the second (`2024-07-28T20:24:06Z`).
        deployment: whose election trial or night it is, as in the envelope; checked against the topic's.
        doubt: why the payloads are no acta of the profile, in words; empty when they are one.
        first: identity (SHA-256 of the body) of the record of the sheet's first part; `NOTHING` in that one itself.
        mode: live, or training: never counted.
        ms: milliseconds since this start of the unit, by a clock that never jumps.
        part: which part of its sheet it is, from 1, in the order photographed.
        payloads: the text of each QR code, exactly as read (each byte one character, ISO 8859-1), in the order read.
        pictures: the photographs, in the order of the envelope's.
        profile: id of the profile the payloads were read by.
        quality: how well the photograph could be read.
        unit: the unit's name, and signer.
    """

    KIND: ClassVar[str] = "testigo/record/1"

    after: Hash
    boot: Positive
    chain: ChainId
    clock: Word
    date: Annotated[str, Meta(pattern=r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\Z")]
    deployment: Name
    doubt: Annotated[str, Meta(max_length=400)]
    first: Hash = NOTHING
    mode: Mode
    ms: Natural
    part: Positive = 1
    payloads: Annotated[tuple[Payload, ...], Meta(max_length=PARTS_MAX)]
    pictures: Annotated[tuple[Picture, ...], Meta(max_length=PARTS_MAX)]
    profile: Word
    quality: Quality
    seq: Positive
    unit: Name

    @property
    def author(self) -> str:
        """The unit."""
        return self.unit
