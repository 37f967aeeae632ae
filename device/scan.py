"""The scan: what one press sets in motion; a state machine that touches nothing.

`step(state, event) -> (state, orders)`. States are what a person could see, events are facts in the past tense, orders
are imperatives. docs/states.md is drawn by running `step` over all pairs.
"""

from dataclasses import dataclass, replace
from enum import Enum

from device.cause import Cause
from device.signals import Signal
from wire.acta import Acta, Incomplete, Refusal
from wire.errors import TestigoError
from wire.record import NOTHING_KNOWN, Quality

Ms = int
Payloads = tuple[str, ...]

SEARCH_MS_MAX = 4000
"""How long looks are repeated before the verdict is "again"."""

LOOK_MS_MAX = 9000
"""A look not taken or not read by then is a fault; nobody waits ten seconds for a verdict."""

VERDICT_MS = 2500
"""How long a verdict is shown; a new press never waits for it."""


AGAIN = {
    Cause.NOTHING: Signal.AGAIN,
    Cause.NO_CODE: Signal.AGAIN,
    Cause.DAMAGED: Signal.AGAIN,
    Cause.BLURRED: Signal.AGAIN_BLURRED,
    Cause.DARK: Signal.AGAIN_LIGHT,
    Cause.GLARE: Signal.AGAIN_LIGHT,
    Cause.FAR: Signal.AGAIN_PLACE,
    Cause.CUT_LEFT: Signal.AGAIN_PLACE,
    Cause.CUT_RIGHT: Signal.AGAIN_PLACE,
    Cause.CUT_TOP: Signal.AGAIN_PLACE,
    Cause.CUT_BOTTOM: Signal.AGAIN_PLACE,
}
"""What to do about each cause, as a volunteer is told."""


class ImpossibleEventError(TestigoError):
    """An event that cannot happen in this state: a fault of the firmware, which must start anew from the card."""


class Novelty(Enum):
    """What keeping found out, as far as this start of the unit remembers."""

    FIRST = "first of its mesa"
    BEFORE = "the same acta was kept before"
    DIFFERS = "another acta of this mesa was kept before"


@dataclass(frozen=True, slots=True)
class Starting:
    """Power is on, the firmware is not ready yet."""


@dataclass(frozen=True, slots=True)
class Idle:
    """Ready for a press.

    Attributes:
        parts: QR codes already read of an acta that has more.
        refused: what the last look read and the profile refused; read again, it is kept all the same.
    """

    parts: Payloads = ()
    refused: Payloads = ()


@dataclass(frozen=True, slots=True)
class Searching:
    """Looking, since the press at `since`; `nearest` is the frame that came nearest to being read."""

    since: Ms
    parts: Payloads = ()
    refused: Payloads = ()
    nearest: Quality = NOTHING_KNOWN


@dataclass(frozen=True, slots=True)
class Keeping:
    """Something is being kept; `signal` will say so if it is the first of its mesa, `parts` are what it has so far."""

    signal: Signal
    parts: Payloads = ()


@dataclass(frozen=True, slots=True)
class Showing:
    """A verdict is being shown until `until`; otherwise like `Idle`."""

    until: Ms
    parts: Payloads = ()
    refused: Payloads = ()


@dataclass(frozen=True, slots=True)
class Faulted:
    """Camera or card does not work; a press tries again."""


State = Starting | Idle | Searching | Keeping | Showing | Faulted


@dataclass(frozen=True, slots=True)
class Started:
    """Everything is ready."""


@dataclass(frozen=True, slots=True)
class Pressed:
    """The button was pressed."""

    at: Ms


@dataclass(frozen=True, slots=True)
class Looked:
    """A look ordered for the press at `since` is done.

    Attributes:
        at: now.
        since: which press it was for.
        payloads: the QR codes of the acta read so far, those read before included; empty when none was in view.
        quality: how well the frame could be read.
        verdict: what the profile says of them.
    """

    at: Ms
    since: Ms
    payloads: Payloads = ()
    quality: Quality = NOTHING_KNOWN
    verdict: Acta | Incomplete | Refusal | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """What was to be kept is durable on the card."""

    at: Ms
    novelty: Novelty


@dataclass(frozen=True, slots=True)
class Failed:
    """Camera or card failed."""

    at: Ms


@dataclass(frozen=True, slots=True)
class Woke:
    """Time has passed."""

    at: Ms


Event = Started | Pressed | Looked | Kept | Failed | Woke


@dataclass(frozen=True, slots=True)
class Show:
    """Show this signal."""

    signal: Signal


@dataclass(frozen=True, slots=True)
class Look:
    """Take one frame and try to read it."""

    since: Ms


@dataclass(frozen=True, slots=True)
class Keep:
    """Keep the last frame with what was read in it; `doubt` says why it is no acta of the profile."""

    payloads: Payloads
    quality: Quality
    mesa: str
    doubt: str = ""


Order = Show | Look | Keep
Step = tuple[State, tuple[Order, ...]]


def step(state: State, event: Event) -> Step:
    """What follows from an event in a state.

    Raises:
        ImpossibleEventError: nothing can, because the event cannot happen there.
    """
    match state, event:
        case Starting(), Started():
            return Idle(), (Show(Signal.READY),)
        case ((Idle() | Showing()), Pressed(at)):
            return Searching(at, state.parts, state.refused), (Show(Signal.SEARCHING), Look(at))
        case Faulted(), Pressed(at):
            return Searching(at), (Show(Signal.SEARCHING), Look(at))
        case Searching(), Looked() if event.since == state.since:
            return _looked(state, event)
        case Searching(), Woke(at) if at >= state.since + LOOK_MS_MAX:
            return Faulted(), (Show(Signal.FAULT),)
        case Keeping(), Kept(at, novelty):
            return _kept(state, at, novelty)
        case ((Searching() | Keeping()), Failed()):
            return Faulted(), (Show(Signal.FAULT),)
        case Showing(), Woke(at) if at >= state.until:
            return Idle(state.parts, state.refused), (Show(Signal.NEXT_PART if state.parts else Signal.IDLE),)
        case ((Starting() | Searching() | Keeping()), Pressed()):
            return state, ()  # one scan at a time; the lamp already says so
        case _, Woke():
            return state, ()
        case Searching(since), Looked():
            return state, (Look(since),)  # a frame from before the press, of a search given up: no answer to this one
        case ((Idle() | Showing() | Faulted()), Looked()):
            return state, ()  # a frame that came after its search was given up
        case ((Idle() | Showing() | Faulted()), Failed()):
            return state, ()  # the same of a failure
        case _:
            pair = f"{type(event).__name__} while {type(state).__name__}"  # their names alone: this goes into the log
            raise ImpossibleEventError(f"{pair}: restart the unit; what was kept is on the card")


def _looked(state: Searching, event: Looked) -> Step:
    match event.verdict:
        case Acta(mesa=mesa):
            return Keeping(Signal.KEPT), (Keep(event.payloads, event.quality, mesa),)
        case Incomplete():
            return Keeping(Signal.NEXT_PART, event.payloads), (Keep(event.payloads, event.quality, ""),)
        case Refusal() if set(event.payloads) == set(state.refused):
            return Keeping(Signal.KEPT_DOUBTFUL), (Keep(event.payloads, event.quality, "", doubt=str(event.verdict)),)
        case Refusal():
            return _show(Signal.AGAIN, event.at, state.parts, event.payloads)
        case None:
            # A frame in which a code was made out says more than a later one in which there was none.
            nearest = event.quality if event.quality.pitch or not state.nearest.pitch else state.nearest
            if event.at < state.since + SEARCH_MS_MAX:
                return replace(state, nearest=nearest), (Look(state.since),)
            return _show(AGAIN[Cause(nearest.cause)], event.at, state.parts, state.refused)


def _kept(state: Keeping, at: Ms, novelty: Novelty) -> Step:
    if state.signal is Signal.KEPT and novelty is Novelty.BEFORE:
        return _show(Signal.KEPT_BEFORE, at)
    if state.signal is Signal.KEPT and novelty is Novelty.DIFFERS:
        return _show(Signal.KEPT_DOUBTFUL, at)
    if state.signal is Signal.NEXT_PART:
        return Idle(state.parts), (Show(Signal.NEXT_PART),)  # it is lit until the next press, for it asks for that
    return _show(state.signal, at, state.parts)


def _show(signal: Signal, at: Ms, parts: Payloads = (), refused: Payloads = ()) -> Step:
    return Showing(at + VERDICT_MS, parts, refused), (Show(signal),)
