"""The signals: everything that a unit can say with three lamps, a paper lamp and a buzzer; one table.

Meaning is carried by which lamp, by rhythm and by sound; colour comes last. Which of several signals has a lamp is
decided in device/lamps.py. docs/signals.md is drawn from this table.
"""

from dataclasses import dataclass, replace
from enum import Enum, IntEnum

Ms = int


class Lamp(Enum):
    """The lamps, as they lie on the unit from left to right; PAPER lights the sheet."""

    READY = "READY"
    KEPT = "KEPT"
    AGAIN = "AGAIN"
    LINK = "LINK"
    PAPER = "PAPER"


class Owner(IntEnum):
    """Who has something to say: each says one thing at a time, and the first of them that wants a lamp has it."""

    FAULT = 0
    """What keeps the unit from scanning; and the last word of all, that it is off."""
    POWER = 1
    VERDICT = 2
    """What a press came to; a search, until it came to something."""
    BUTTON = 3
    """What a button that is held down will do or has done."""
    TROUBLE = 4
    """A fault that the unit goes on with: it must not hide a verdict."""
    PROMPT = 5
    """What the unit waits for."""
    LINK = 6


@dataclass(frozen=True, slots=True)
class Sound:
    """One tone of the buzzer, and the silence behind it.

    Attributes:
        word: its name on pages.
        hertz: its pitch; small piezos are loudest near 2.7 kHz.
        ms: how long it sounds.
        gap_ms: how long it is silent then.
    """

    word: str
    hertz: int
    ms: Ms
    gap_ms: Ms = 100


class Tone(Enum):
    """What the buzzer can sound, as shop scanners do: high is good, low is not."""

    CLICK = Sound("click", 2700, 20)
    HIGH = Sound("high", 2700, 120)
    MID = Sound("mid", 1800, 120)
    LOW = Sound("low", 900, 220)
    LONG_LOW = Sound("long low", 900, 700)
    SLOW_HIGH = Sound("slow high", 2700, 600, 400)
    SLOW_MID = Sound("slow mid", 1800, 600, 400)
    SLOW_LOW = Sound("slow low", 900, 600, 400)
    TEN = Sound("ten", 1800, 1000, 500)
    ONE = Sound("one", 1800, 300, 700)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How a lamp shines.

    Attributes:
        steps: for how long it is on, off, on and so on; one alone, for ever, is steady; none is dark.
        times: how often it goes through them before it stays dark; 0 for ever.
        after_ms: for how long it is dark before.
    """

    steps: tuple[Ms, ...]
    times: int = 0
    after_ms: Ms = 0

    def at(self, ms: Ms) -> tuple[bool, Ms | None]:
        """Whether it is on so long after its beginning, and when it next may be otherwise."""
        if ms < self.after_ms:
            return False, self.after_ms
        if len(self.steps) < 2 and not self.times:
            return bool(self.steps), None
        rounds, within = divmod(ms - self.after_ms, sum(self.steps))
        if self.times and rounds >= self.times:
            return False, None
        end = ms - within
        for number, step in enumerate(self.steps):
            end += step
            if ms < end:
                return number % 2 == 0, end
        raise AssertionError("what is left of a division is less than the divisor")


PACE_MS = 500
"""Lamps that blink light up in step, at this pace: two that did so by turns would flicker at twice the speed."""

DARK = Rhythm(())
STEADY = Rhythm((1000,))
SLOW = Rhythm((1000, 1000))
"""0.5 Hz: waiting for you."""
FAST = Rhythm((300, 200))
"""2 Hz: act now."""
BUSY = (500, 500)
LONG, SHORT = (1000, 500), (300, 700)
"""What is read out as a number: its tens and its units."""
PAUSE_MS = 2000
"""The dark between two readings of one number."""

READ_OUT_MAX = 99
"""No number above it is read out: nobody counts more than nine and nine."""


def _blinks(times: int) -> Rhythm:
    """Slow enough to be counted."""
    return Rhythm((600, 400), times)


def _once(ms: Ms, after_ms: Ms = 0) -> Rhythm:
    return Rhythm((ms,), 1, after_ms)


def _in_turn(*steps: tuple[Ms, Ms]) -> Rhythm:
    """These, a pause, and again."""
    *most, last = (ms for step in steps for ms in step)
    return Rhythm((*most, last + PAUSE_MS))


@dataclass(frozen=True, slots=True)
class Pattern:
    """What one signal looks and sounds like.

    Attributes:
        meaning: what it says, and what to do.
        owner: whose it is; the next one of the same owner takes its place.
        lamps: those it wants; the others go on with what they show.
        tones: what sounds, once.
        lasts_ms: how long it is shown; 0 until the next of its owner.
        again_ms: so long after they began its tones sound again, for as long as it is shown; 0 never.
    """

    meaning: str
    owner: Owner
    lamps: tuple[tuple[Lamp, Rhythm], ...] = ()
    tones: tuple[Tone, ...] = ()
    lasts_ms: Ms = 0
    again_ms: Ms = 0


def _verdict(
    meaning: str, kept: Rhythm, again: Rhythm, tones: tuple[Tone, ...], lasts_ms: Ms, paper: Rhythm = DARK
) -> Pattern:
    """Every verdict has these lamps for itself, so that verdicts are told apart whatever else is going on."""
    lamps = ((Lamp.KEPT, kept), (Lamp.AGAIN, again), (Lamp.PAPER, paper))
    return Pattern(meaning, Owner.VERDICT, lamps, tones, lasts_ms)


_FALLING = Rhythm((800, 200, 550, 450, 300, 700), 1)

KEPT_MS = 2500
"""How long KEPT is lit for what was kept; a new press never waits for it."""

_H, _M, _L = Tone.HIGH, Tone.MID, Tone.LOW


class Signal(Enum):
    """Each signal with its pattern."""

    STARTING = Pattern("starting: wait", Owner.PROMPT, ((Lamp.READY, SLOW),))
    READY = Pattern("ready: lay an acta down and press", Owner.PROMPT, ((Lamp.READY, STEADY),), (_L, _M, _H))
    IDLE = Pattern("ready again", Owner.PROMPT, ((Lamp.READY, STEADY),))
    TRAINING = Pattern(
        "ready, in training: nothing that is scanned counts; switch off and on, and if it stays so tell the operators",
        Owner.PROMPT,
        ((Lamp.READY, Rhythm((2500, 500))), (Lamp.AGAIN, Rhythm((300, 2700)))),
        (_H, _M, _H, _M),
    )
    REST = Pattern(
        "ready; what was kept last is open for its other parts: push the paper on and press, or lay the next acta down",
        Owner.PROMPT,
        ((Lamp.READY, STEADY), (Lamp.KEPT, SLOW)),
    )
    CARD_NEARLY_FULL = Pattern(
        "ready, but the card is nearly full: bring the unit to where it has a link",
        Owner.PROMPT,
        ((Lamp.READY, FAST), (Lamp.AGAIN, SLOW)),
    )

    SEARCHING = Pattern(
        "searching: keep the paper still",
        Owner.VERDICT,
        ((Lamp.READY, Rhythm(BUSY, after_ms=1000)), (Lamp.KEPT, DARK), (Lamp.AGAIN, DARK), (Lamp.PAPER, STEADY)),
        (Tone.CLICK,),
    )
    KEPT = _verdict("kept: read, and safe on the card", _once(KEPT_MS), DARK, (_H,), KEPT_MS)
    KEPT_UNREAD = _verdict(
        "kept without a QR code: a picture only; if there is a QR code, smooth the paper and press again",
        _once(KEPT_MS),
        _blinks(1),
        (_H, _L),
        KEPT_MS,
    )
    KEPT_PART = _verdict(
        "kept: one more part of the same acta; if it was another acta, lay its QR end at the arrow and press again",
        Rhythm((1500, 500), 2),
        DARK,
        (_M, _M, _H),
        4000,
    )
    KEPT_BEFORE = _verdict("kept before: the same acta", _blinks(3), DARK, (_H, _H, _H), 3000)
    KEPT_DOUBTFUL = _verdict(
        "kept, but it differs from one kept before, is of a mesa that nobody expects, or is no acta of this election",
        _once(KEPT_MS, after_ms=5000),
        Rhythm((1000, 1000), 3),
        (_H, _L, _H),
        5000 + KEPT_MS,
    )
    NEXT_PART = Pattern(
        "kept: now the next part of the same acta",
        Owner.VERDICT,
        ((Lamp.READY, FAST), (Lamp.KEPT, SLOW), (Lamp.AGAIN, DARK), (Lamp.PAPER, DARK)),
        (_H, _H),
    )
    AGAIN = _verdict("again: no QR code was read, or it is no acta; press again", DARK, _blinks(2), (_L, _L), KEPT_MS)
    AGAIN_BLURRED = _verdict(
        "again: the picture is blurred; smooth the paper, keep hands and table still, press again",
        DARK,
        _blinks(4),
        (_L, _L, _L),
        4000,
    )
    AGAIN_LIGHT = _verdict(
        "again: too dark, or the light glares on the QR code; move the light, press again",
        DARK,
        _blinks(2),
        (_L, _L, _H),
        KEPT_MS,
        paper=_blinks(2),
    )
    AGAIN_PLACE = _verdict(
        "again: the QR code is cut off at an edge, or too far away; move the paper, press again",
        DARK,
        Rhythm((1500, 500), 2),
        (Tone.LONG_LOW, Tone.LONG_LOW),
        4000,
    )

    CONTROL_DONE = _verdict(
        "control card: kept, and done", _blinks(2), DARK, (_M, _H, _M, _H), KEPT_MS, paper=_blinks(2)
    )
    CONTROL_REFUSED = _verdict(
        "control card: refused; it is forged, too old, or not for this unit: tell the operators",
        DARK,
        _once(KEPT_MS),
        (_L, Tone.LONG_LOW),
        KEPT_MS,
    )

    FAULT = Pattern(
        "fault: the unit cannot scan; AGAIN says the code, a press tries again",
        Owner.FAULT,
        ((Lamp.READY, DARK),),
        (_L,) * 5,
    )
    TROUBLE = Pattern(
        "trouble: the unit goes on; AGAIN says the code until the next press",
        Owner.TROUBLE,
        (),
        (_M, _L, _L, _L),
    )

    HELD_COUNT = Pattern(
        "held for 2 s: let go to hear how many records wait (99: that many or more)",
        Owner.BUTTON,
        ((Lamp.READY, DARK), (Lamp.LINK, STEADY)),
        (Tone.CLICK,),
        lasts_ms=4000,
    )
    HELD_QUIET = Pattern(
        "held for 5 s: let go to make the unit quiet, or loud again",
        Owner.BUTTON,
        ((Lamp.READY, DARK), (Lamp.LINK, STEADY), (Lamp.PAPER, STEADY)),
        (Tone.CLICK, Tone.CLICK),
        lasts_ms=4000,
    )
    HELD_OFF = Pattern(
        "held for 8 s: let go to switch the unit off",
        Owner.BUTTON,
        ((Lamp.READY, DARK), (Lamp.LINK, FAST), (Lamp.PAPER, FAST)),
        (Tone.CLICK, Tone.CLICK, Tone.CLICK),
        lasts_ms=22_000,
    )
    QUIET = Pattern(
        "quiet from now on: lamps only",
        Owner.BUTTON,
        ((Lamp.READY, _blinks(3)), (Lamp.LINK, DARK)),
        lasts_ms=3000,
    )
    LOUD = Pattern(
        "no longer quiet",
        Owner.BUTTON,
        ((Lamp.READY, _blinks(3)), (Lamp.LINK, _once(3000)), (Lamp.PAPER, _blinks(1))),
        (_M, _H, _M),
        lasts_ms=3000,
    )
    GOING_OFF = Pattern(
        "the unit goes off; a press now keeps it on",
        Owner.BUTTON,
        ((Lamp.READY, DARK), (Lamp.LINK, _FALLING), (Lamp.PAPER, _FALLING)),
        (Tone.SLOW_HIGH, Tone.SLOW_MID, Tone.SLOW_LOW),
        lasts_ms=10_000,  # longer than it takes to close all: no lamp is lit again before OFF
    )
    STAYING_ON = Pattern(
        "the unit stays on",
        Owner.BUTTON,
        ((Lamp.LINK, _once(1500)), (Lamp.PAPER, _once(1500))),
        (_L, _H),
        lasts_ms=1500,
    )
    OFF = Pattern(
        "off, and safe to unplug: every lamp is dark, that of the link too",
        Owner.FAULT,
        tuple((lamp, DARK) for lamp in Lamp),
    )

    BATTERY_LOW = Pattern(
        "the battery is low: charge it",
        Owner.POWER,
        ((Lamp.READY, Rhythm((300, 200, 300, 4200))),),
        (_L,),
        again_ms=300_000,
    )
    POWER_GOOD = Pattern("there is power enough again", Owner.POWER)

    LINK_WAITING = Pattern("something waits to be sent, and there is no link", Owner.LINK, ((Lamp.LINK, SLOW),))
    LINK_SENDING = Pattern("sending, or writing to a stick: leave it in", Owner.LINK, ((Lamp.LINK, FAST),))
    LINK_SETTLED = Pattern("all receipted", Owner.LINK)
    REFUSED = Pattern(
        "a hub refused something: tell the operators",
        Owner.LINK,
        ((Lamp.LINK, _in_turn(LONG, LONG)),),
        (Tone.LONG_LOW,) * 4,
    )
    STICK_DONE = Pattern(
        "all that waits is on the stick, and was read again from it: pull it",
        Owner.LINK,
        ((Lamp.LINK, STEADY),),
        (_M, _H),
    )
    STICK_BAD = Pattern(
        "the stick is not done: put it in again, or another; the log says why",
        Owner.LINK,
        ((Lamp.LINK, _in_turn(*[(300, 200)] * 5)),),
        (_M, Tone.LONG_LOW),
    )

    @property
    def word(self) -> str:
        """Its name as logs and pages write it."""
        return self.name.lower().replace("_", "-")

    @property
    def on_link_lamp(self) -> bool:
        """Whether it is what the link says, beside whatever the others show."""
        return self.value.owner is Owner.LINK


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that can be wrong.

    Attributes:
        number: two digits, read out as tens and units; the tens tell where to look.
        meaning: what is wrong.
        remedy: what whoever has the unit does about it.
        stops: whether nothing can be scanned until that is done.
    """

    number: int
    meaning: str
    remedy: str
    stops: bool


class FaultCode(Enum):
    """The faults, by what AGAIN reads out: 1 the camera, 2 card, 3 key, clock, package, 4 power, 5 panel, 6 network."""

    CAMERA = Fault(11, "the camera gives no picture", "switch off, press both ends of its ribbon home, switch on", True)
    READER = Fault(12, "nothing reads the pictures", "switch off and on; if it stays, another unit", True)
    LENS = Fault(13, "too many scans cannot be read", "wipe the lens; look where light and shadow come from", False)
    CARD = Fault(21, "the card cannot be used", "switch off; another card, or another unit; keep this card", True)
    CARD_WORN = Fault(22, "the card is wearing out", "let it send all, then change the card", False)
    KEY = Fault(31, "the unit's key cannot be used", "another unit; the operators enrol this one anew", True)
    CLOCK = Fault(32, "the clock is not kept running", "go on; the operators change its cell", False)
    PACKAGE = Fault(33, "there is no deployment package to go by", "another unit; the operators write this card", True)
    PACKAGE_REFUSED = Fault(34, "a deployment package was refused", "go on; the last good one holds", False)
    POWER = Fault(41, "the power is too weak", "another cable or supply: a short, thick one", False)
    HOT = Fault(42, "the unit is too hot", "out of the sun, off the blanket; it is slower until it has cooled", False)
    BATTERY_BOARD = Fault(43, "the battery does not say how full it is", "go on; charge it early", False)
    PANEL = Fault(51, "a lamp or the buzzer does not work", "go on by those that do; the log says which", False)
    BUTTON = Fault(52, "the button is stuck", "press it a few times until it springs back", True)
    NETWORK = Fault(61, "the network of the control card is not joined", "nearer to it; show the card again", False)

    @property
    def signal(self) -> Signal:
        """What it is shown as."""
        return Signal.FAULT if self.value.stops else Signal.TROUBLE

    @property
    def pattern(self) -> Pattern:
        """That signal's, with its code."""
        plain: Pattern = self.signal.value
        return replace(plain, lamps=(*plain.lamps, (Lamp.AGAIN, _in_turn(*read_out(self.value.number)))))


def read_out(number: int) -> tuple[tuple[Ms, Ms], ...]:
    """How a lamp reads out a number: its tens long, its units short."""
    tens, units = divmod(min(number, READ_OUT_MAX), 10)
    return (LONG,) * tens + (SHORT,) * units


def counted(number: int) -> Pattern:
    """A number that is read out once, on the LINK lamp and the buzzer in step; 0 is a low tone, and dark."""
    meaning = "how many wait to be sent"
    if number == 0:
        return Pattern(meaning, Owner.BUTTON, ((Lamp.LINK, DARK),), (Tone.LOW,), lasts_ms=1000)
    steps = read_out(number)
    lasts_ms = sum(map(sum, steps))
    tones = tuple(Tone.TEN if step is LONG else Tone.ONE for step in steps)
    lamp = Rhythm(tuple(ms for step in steps for ms in step), 1)
    return Pattern(meaning, Owner.BUTTON, ((Lamp.LINK, lamp),), tones, lasts_ms)
