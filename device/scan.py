"""The scan: what one press sets in motion; a state machine that touches nothing.

`step(state, event) -> (state, orders)`. States are what a person could see, events are facts in the past tense, orders
are imperatives. docs/states.md is drawn by running `step` over all pairs.
"""

from dataclasses import dataclass, replace
from enum import Enum

from device.cause import Cause
from device.control import Declined, Taken
from device.signals import FaultCode, Signal
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

OPEN_MS = 8000
"""How long after a verdict the next press may be of the same acta: paper is pushed on in three or four seconds."""

PART_MS = 1500
"""How long a further part of an acta is searched for a QR code before it is kept without one: it should have none, and
several frames have shown none. Where a code is made out, it is searched like any other."""

INSIST_MS = 10_000
"""How long after "again" a press insists: what cannot be read is then kept as a picture. Time to smooth a paper."""


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
    OFF_ROSTER = "its mesa is not of the roster"


@dataclass(frozen=True, slots=True)
class Starting:
    """Power is on, the firmware is not ready yet."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What earlier presses leave to the next one.

    Attributes:
        parts: QR codes already read of an acta that has more.
        refused: what was read last and refused by the profile; read again, it is kept all the same.
        insist_until: until when a press insists that what cannot be read is kept; 0 when there is nothing to insist on.
        first: identity of the record of the first part of the acta at hand; empty when none is open.
        open_until: until when that acta is open; one of which QR codes lack stays open.
        is_unread: whether no QR code of that acta has been read: the next press may be over the same sheet again.
    """

    parts: Payloads = ()
    refused: Payloads = ()
    insist_until: Ms = 0
    first: str = ""
    open_until: Ms = 0
    is_unread: bool = False

    def at(self, now: Ms) -> "Memory":
        """What of it still holds."""
        insist_until = self.insist_until if now < self.insist_until else 0
        if self.parts or now < self.open_until:
            return replace(self, insist_until=insist_until)
        return Memory(refused=self.refused, insist_until=insist_until)

    @property
    def closed(self) -> "Memory":
        """The same without the acta at hand."""
        return Memory(refused=self.refused, insist_until=self.insist_until)

    @property
    def prompt(self) -> Signal:
        """What asks for the next press."""
        if self.parts:
            return Signal.NEXT_PART
        return Signal.REST if self.first else Signal.IDLE


@dataclass(frozen=True, slots=True)
class Idle:
    """Ready for a press."""

    memory: Memory = Memory()


@dataclass(frozen=True, slots=True)
class Searching:
    """Looking.

    Attributes:
        since: when the button was pressed.
        memory: what earlier presses left.
        nearest: of the frame that came nearest to being read.
        is_held: whether the button has been held since: whoever does that wants no capture.
        is_anew: whether focus and light were found again for this press.
    """

    since: Ms
    memory: Memory = Memory()
    nearest: Quality = NOTHING_KNOWN
    is_held: bool = False
    is_anew: bool = False


@dataclass(frozen=True, slots=True)
class Keeping:
    """Something is being kept.

    Attributes:
        signal: will say so, if it is the first of its mesa.
        memory: what will be left to the next press; its `first` is empty if this is the first part of an acta.
        is_held: as in `Searching`.
    """

    signal: Signal
    memory: Memory = Memory()
    is_held: bool = False


@dataclass(frozen=True, slots=True)
class Showing:
    """A verdict is being shown until `until`; otherwise like `Idle`."""

    until: Ms
    memory: Memory = Memory()


@dataclass(frozen=True, slots=True)
class Faulted:
    """Camera, card or button does not work; a press tries again."""

    memory: Memory = Memory()


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
        verdict: what the profile says of them; or, of a control card, what the unit makes of it.
        is_paper: whether what lies there looks like a printed sheet; asked only where nothing was read.
    """

    at: Ms
    since: Ms
    payloads: Payloads = ()
    quality: Quality = NOTHING_KNOWN
    verdict: Acta | Incomplete | Refusal | Taken | Declined | None = None
    is_paper: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """What was to be kept is durable on the card, as the record of this identity."""

    at: Ms
    novelty: Novelty
    identity: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Camera, reader or card failed."""

    at: Ms
    code: FaultCode


@dataclass(frozen=True, slots=True)
class Woke:
    """Time has passed; `silent` is what a look that is not answered by now waits for."""

    at: Ms
    silent: FaultCode


@dataclass(frozen=True, slots=True)
class Held:
    """The button, pressed before, has been held so long that more than a capture is meant."""


@dataclass(frozen=True, slots=True)
class Stuck:
    """The button is stuck down."""


Event = Started | Pressed | Held | Stuck | Looked | Kept | Failed | Woke


@dataclass(frozen=True, slots=True)
class Show:
    """Show this."""

    signal: Signal | FaultCode


@dataclass(frozen=True, slots=True)
class Look:
    """Take one frame and try to read it; with `anew`, once focus and light are found again."""

    since: Ms
    anew: bool = False


@dataclass(frozen=True, slots=True)
class Keep:
    """Keep the last frame with what was read in it.

    Attributes:
        payloads: the QR codes' texts; none where none was read.
        quality: how well the frame could be read.
        mesa: whose acta it is; empty where that is not known.
        doubt: why it is no acta of the profile.
        first: identity of the record whose sheet this is a further part of; empty where it is the first of a sheet.
        control: what is to be done then.
    """

    payloads: Payloads
    quality: Quality
    mesa: str = ""
    doubt: str = ""
    first: str = ""
    control: Taken | None = None


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
        case ((Idle() | Showing() | Faulted()), Pressed(at)):
            return Searching(at, state.memory.at(at)), (Show(Signal.SEARCHING), Look(at))
        case Searching(), Looked() if event.since == state.since:
            return _looked(state, event)
        case Searching(), Woke(at, silent) if at >= state.since + LOOK_MS_MAX:
            return Faulted(state.memory), (Show(silent),)
        case Keeping(), Kept():
            return _kept(state, event)
        case ((Searching() | Keeping()), Failed(code=code)):
            return Faulted(state.memory), (Show(code),)
        case Showing(), Woke(at) if at >= state.until:
            memory = state.memory.at(at)
            return Idle(memory), (Show(memory.prompt),)
        case Idle(), Woke(at) if state.memory.first and not state.memory.at(at).first:
            return Idle(state.memory.closed), (Show(Signal.IDLE),)
        case Searching(), Held():
            return replace(state, is_held=True), ()
        case Idle(), Held() if state.memory.prompt is not Signal.IDLE:
            return Idle(state.memory.closed), (Show(Signal.IDLE),)
        case ((Showing() | Faulted()), Held()):
            return replace(state, memory=state.memory.closed), ()
        case ((Idle() | Searching() | Showing() | Faulted()), Stuck()):
            return Faulted(state.memory), (Show(FaultCode.BUTTON),)
        case Searching(is_held=True), Pressed(at):  # whoever presses again wants a capture, of another sheet
            return Searching(at, state.memory.closed), (Show(Signal.SEARCHING), Look(at))
        case ((Starting() | Searching() | Keeping()), Pressed()):
            return state, ()  # one scan at a time; the lamp already says so
        case ((Starting() | Idle() | Keeping()), Held()) | ((Starting() | Keeping()), Stuck()):
            return state, ()
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
    memory, payloads = state.memory, event.payloads
    # More QR codes of the acta at hand, or the first of another: which is another sheet.
    first = memory.first if memory.parts and set(memory.parts) <= set(payloads) else ""
    match event.verdict:
        case Acta(mesa=mesa):
            return _keep(state, event, Signal.KEPT, Memory(first=first), mesa)
        case Incomplete():
            return _keep(state, event, Signal.NEXT_PART, Memory(parts=payloads, first=first))
        case Refusal() if set(payloads) == set(memory.refused):
            return _keep(state, event, Signal.KEPT_DOUBTFUL, Memory(), doubt=str(event.verdict))
        case Refusal():
            return _again(state, event, Signal.AGAIN, replace(memory, refused=payloads))
        case Taken() as taken:
            order = Keep(payloads, event.quality, control=taken)
            return Keeping(Signal.CONTROL_DONE, memory, state.is_held), (order,)
        case Declined() as declined:
            order = Keep(payloads, event.quality, doubt=declined.doubt)
            return Keeping(Signal.CONTROL_REFUSED, memory, state.is_held), (order,)
        case None:
            return _unread(state, event)


def _unread(state: Searching, event: Looked) -> Step:
    # A frame in which a code was made out says more than a later one in which there was none.
    nearest = event.quality if event.quality.pitch or not state.nearest.pitch else state.nearest
    memory, spent, cause = state.memory, event.at - state.since, Cause(nearest.cause)
    # What shows no code beside an acta that is open is its rest; what shows one is another's, until QR codes lack.
    is_rest = bool(memory.first) and not nearest.pitch
    is_good = event.is_paper and cause in (Cause.NO_CODE, Cause.DAMAGED)
    has_code = not is_rest or memory.parts or memory.is_unread
    if spent < (SEARCH_MS_MAX if has_code or not is_good else PART_MS):
        # Two frames without a code may be so far out of focus that none can be made out. To find focus again takes the
        # camera up to 2.5 s, so that is asked for once, and early enough for a verdict in time.
        is_blind = not nearest.pitch and (not is_rest or memory.is_unread) and state.nearest is not NOTHING_KNOWN
        anew = (is_blind or cause is Cause.BLURRED) and not state.is_anew and spent < SEARCH_MS_MAX // 2
        return replace(state, nearest=nearest, is_anew=state.is_anew or anew), (Look(state.since, anew),)
    if is_good or (memory.insist_until and not state.is_held):
        stays = memory if is_rest or memory.parts else Memory(is_unread=True)
        signal = Signal.KEPT_PART if is_rest and not memory.parts else Signal.KEPT_UNREAD
        return _keep(state, event, signal, replace(stays, insist_until=0))
    return _again(state, event, AGAIN[cause], replace(memory, insist_until=event.at + INSIST_MS))


def _keep(state: Searching, event: Looked, signal: Signal, memory: Memory, mesa: str = "", doubt: str = "") -> Step:
    order = Keep(event.payloads, event.quality, mesa, doubt, memory.first)
    return Keeping(signal, memory, state.is_held), (order,)


def _again(state: Searching, event: Looked, signal: Signal, memory: Memory) -> Step:
    memory = replace(memory, open_until=event.at + OPEN_MS if memory.first else 0)
    if state.is_held and not event.payloads:  # it was not pressed for a capture, and there was nothing to capture
        return Idle(state.memory.closed), (Show(Signal.IDLE),)
    return _show(signal, event.at, memory.closed if state.is_held else memory)


def _kept(state: Keeping, event: Kept) -> Step:
    signal, at = state.signal, event.at
    if signal in (Signal.CONTROL_DONE, Signal.CONTROL_REFUSED):  # it comes between, and is no part of any acta
        return _show(signal, at, state.memory.closed if state.is_held else state.memory)
    if signal is Signal.KEPT and event.novelty is not Novelty.FIRST:
        signal = Signal.KEPT_BEFORE if event.novelty is Novelty.BEFORE else Signal.KEPT_DOUBTFUL
    memory = replace(state.memory, first=state.memory.first or event.identity, open_until=at + OPEN_MS)
    if state.is_held:
        memory = memory.closed
    elif signal is Signal.NEXT_PART:
        return Idle(memory), (Show(Signal.NEXT_PART),)  # it is lit until the next press, for it asks for that
    return _show(signal, at, memory)


def _show(signal: Signal, at: Ms, memory: Memory) -> Step:
    return Showing(at + VERDICT_MS, memory), (Show(signal),)
