"""The signals: everything that a unit can say with three lamps, a paper lamp and a buzzer; one table.

Meaning is carried by which lamp, by rhythm and by sound; colour comes last. docs/signals.md is drawn from this table.
"""

from dataclasses import dataclass
from enum import Enum


class Lamp(Enum):
    """The lamps, as they lie on the unit from left to right; PAPER lights the sheet."""

    READY = "READY"
    KEPT = "KEPT"
    AGAIN = "AGAIN"
    LINK = "LINK"
    PAPER = "PAPER"


class Tone(Enum):
    """What the buzzer can sound."""

    CLICK = "click"
    HIGH = "high"
    MID = "mid"
    LOW = "low"
    LONG_LOW = "long low"


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How a lamp shines: `on_ms` on, `off_ms` off, `times` times, then off (0 times: for ever; off_ms 0: steady)."""

    on_ms: int
    off_ms: int
    times: int = 0


STEADY = Rhythm(1000, 0)
SLOW = Rhythm(1000, 1000)
"""0.5 Hz: waiting for you."""
FAST = Rhythm(250, 250)
"""2 Hz: act now. Nothing is faster than 2.8 Hz (photosensitivity)."""


def _blinks(times: int) -> Rhythm:
    return Rhythm(300, 300, times)


@dataclass(frozen=True, slots=True)
class Pattern:
    """What one signal looks and sounds like: the lamps not named are left off, or as they are on another row."""

    meaning: str
    lamps: tuple[tuple[Lamp, Rhythm], ...] = ()
    tones: tuple[Tone, ...] = ()


class Signal(Enum):
    """Each signal with its pattern."""

    STARTING = Pattern("starting: wait", ((Lamp.READY, SLOW),))
    READY = Pattern("ready: lay an acta down and press", ((Lamp.READY, STEADY),), (Tone.LOW, Tone.MID, Tone.HIGH))
    IDLE = Pattern("ready again", ((Lamp.READY, STEADY),))
    SEARCHING = Pattern("searching: keep the paper still", ((Lamp.PAPER, STEADY),), (Tone.CLICK,))
    KEPT = Pattern(
        "kept: read, and safe on the card", ((Lamp.READY, STEADY), (Lamp.KEPT, Rhythm(2500, 0, 1))), (Tone.HIGH,)
    )
    KEPT_BEFORE = Pattern(
        "kept before: the same acta", ((Lamp.READY, STEADY), (Lamp.KEPT, _blinks(3))), (Tone.HIGH, Tone.HIGH, Tone.HIGH)
    )
    KEPT_DOUBTFUL = Pattern(
        "kept, but it differs from one kept before, or is no acta of this election",
        ((Lamp.READY, STEADY), (Lamp.AGAIN, SLOW), (Lamp.KEPT, Rhythm(2500, 0, 1))),
        (Tone.HIGH, Tone.LOW, Tone.HIGH),
    )
    NEXT_PART = Pattern(
        "kept: now the next QR code of the same acta", ((Lamp.READY, FAST), (Lamp.KEPT, SLOW)), (Tone.HIGH, Tone.HIGH)
    )
    AGAIN = Pattern(
        "again: no QR code was read, or it is no acta; press again",
        ((Lamp.READY, STEADY), (Lamp.AGAIN, _blinks(2))),
        (Tone.LOW, Tone.LOW),
    )
    AGAIN_BLURRED = Pattern(
        "again: the picture is blurred; smooth the paper, keep hands and table still, press again",
        ((Lamp.READY, STEADY), (Lamp.AGAIN, _blinks(4))),
        (Tone.LOW, Tone.LOW, Tone.LOW),
    )
    AGAIN_LIGHT = Pattern(
        "again: too dark, or the light glares on the QR code; move the light, press again",
        ((Lamp.READY, STEADY), (Lamp.AGAIN, _blinks(2)), (Lamp.PAPER, _blinks(2))),
        (Tone.LOW, Tone.LOW, Tone.HIGH),
    )
    AGAIN_PLACE = Pattern(
        "again: the QR code is cut off at an edge, or too far away; move the paper, press again",
        ((Lamp.READY, _blinks(2)), (Lamp.AGAIN, _blinks(2))),
        (Tone.LOW, Tone.LOW, Tone.MID),
    )
    CARD_NEARLY_FULL = Pattern(
        "ready, but the card is nearly full: bring the unit to where it has a link",
        ((Lamp.READY, FAST), (Lamp.AGAIN, SLOW)),
    )
    FAULT = Pattern(
        "fault: camera, card or reader; the log says which",
        ((Lamp.AGAIN, Rhythm(1500, 500)),),
        (Tone.LOW, Tone.LOW, Tone.LOW, Tone.LOW, Tone.LOW),
    )
    LINK_WAITING = Pattern("something waits to be sent, and there is no link", ((Lamp.LINK, SLOW),))
    LINK_SENDING = Pattern("sending, or writing to a stick: leave it in", ((Lamp.LINK, FAST),))
    LINK_SETTLED = Pattern("all receipted")
    REFUSED = Pattern(
        "a hub refused something: tell the operators",
        ((Lamp.LINK, Rhythm(1500, 500, 2)),),
        (Tone.LONG_LOW, Tone.LONG_LOW, Tone.LONG_LOW, Tone.LONG_LOW),
    )

    STICK_DONE = Pattern(
        "all that waits is on the stick, and was read again from it: pull it",
        ((Lamp.LINK, STEADY),),
        (Tone.MID, Tone.HIGH),
    )
    STICK_BAD = Pattern(
        "the stick is not done: put it in again, or another; the log says why",
        ((Lamp.LINK, _blinks(5)),),
        (Tone.MID, Tone.LONG_LOW),
    )

    @property
    def word(self) -> str:
        """Its name as logs and pages write it."""
        return self.name.lower().replace("_", "-")

    @property
    def on_link_lamp(self) -> bool:
        """Whether it is shown on the link lamp, beside whatever the others show."""
        link = (Signal.LINK_WAITING, Signal.LINK_SENDING, Signal.LINK_SETTLED, Signal.REFUSED)
        return self in (*link, Signal.STICK_DONE, Signal.STICK_BAD)
