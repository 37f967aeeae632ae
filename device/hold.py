"""The hold: what the button says by how long it is held; a state machine that touches nothing, and has no clock.

A press acts at once, whatever becomes of it. Each tier of a hold is told with a tick when it is reached, and acts when
the button is let go: so nothing that presses on a unit in a bag can do more than one thing, and a button that is stuck
does nothing at all.
"""

from dataclasses import dataclass
from enum import Enum

Ms = int

COUNT_MS = 2_000
QUIET_MS = 5_000
OFF_MS = 8_000
"""After so long each tier is reached (unit.md)."""

STUCK_MS = 30_000
"""Nobody holds a button for so long; what is held longer is stuck, or lies under something."""

LEAVING_MS = 3_000
"""How long a press can still keep the unit on: three falling tones, and a breath."""


class Told(Enum):
    """What follows from the button."""

    PRESSED = "capture"
    TICK_COUNT = "2 s are reached"
    TICK_QUIET = "5 s are reached"
    TICK_OFF = "8 s are reached"
    COUNT = "read out what waits"
    QUIET = "quiet mode, on or off"
    LEAVING = "the unit goes off unless somebody presses"
    STAYS = "somebody pressed: the unit stays on"
    OFF = "off"
    TRAIN = "training from now on"
    STUCK = "the button is stuck"


@dataclass(frozen=True, slots=True)
class Up:
    """Nobody holds it."""


@dataclass(frozen=True, slots=True)
class Down:
    """It is held, since `since`.

    Attributes:
        since: when it went down.
        reached: the highest tier that was ticked.
        at_power_on: whether it was down as the power came on.
    """

    since: Ms
    reached: Told | None = None
    at_power_on: bool = False


@dataclass(frozen=True, slots=True)
class Stuck:
    """It is stuck down."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """The unit goes off at `until`."""

    until: Ms


@dataclass(frozen=True, slots=True)
class Off:
    """The unit is off: nothing is heard any more."""


State = Up | Down | Stuck | Leaving | Off


@dataclass(frozen=True, slots=True)
class WentDown:
    """The button went down; or, at power-on, was down."""

    at: Ms
    at_power_on: bool = False


@dataclass(frozen=True, slots=True)
class CameUp:
    """The button came up."""

    at: Ms


@dataclass(frozen=True, slots=True)
class Woke:
    """Time has passed."""

    at: Ms


Event = WentDown | CameUp | Woke

_TIERS = ((COUNT_MS, Told.TICK_COUNT), (QUIET_MS, Told.TICK_QUIET), (OFF_MS, Told.TICK_OFF))
_LET_GO = {Told.TICK_COUNT: Told.COUNT, Told.TICK_QUIET: Told.QUIET, Told.TICK_OFF: Told.LEAVING}


def step(state: State, event: Event) -> tuple[State, Told | None]:
    """What follows from an event in a state; nothing is impossible, for contacts do as they like."""
    match state, event:
        case ((Up() | Down() | Stuck()), WentDown(at, at_power_on)):  # it must have come up, though nobody was told
            return Down(at, at_power_on=at_power_on), None if at_power_on else Told.PRESSED
        case Leaving(), WentDown(at):
            return Down(at), Told.STAYS
        case Down(since), Woke(at) if at >= since + STUCK_MS:
            return Stuck(), Told.STUCK
        case Down(), Woke(at):
            return _ticked(state, at)
        case Down(reached=reached, at_power_on=True), CameUp():
            return Up(), Told.TRAIN if reached else None
        case Down(reached=Told.TICK_OFF), CameUp(at):
            return Leaving(at + LEAVING_MS), Told.LEAVING
        case Down(reached=reached), CameUp():
            return Up(), _LET_GO[reached] if reached else None
        case Stuck(), CameUp():
            return Up(), None
        case Leaving(until), Woke(at) if at >= until:
            return Off(), Told.OFF
        case _:
            return state, None  # an edge that a bounce has made of one, or time that changes nothing


def _ticked(state: Down, at: Ms) -> tuple[State, Told | None]:
    """The next tier, if it is reached: one at a time, so that who lets go has heard each tick before it acts."""
    tiers = _TIERS[:1] if state.at_power_on else _TIERS
    done = [told for _, told in tiers].index(state.reached) + 1 if state.reached else 0
    if done < len(tiers) and at >= state.since + tiers[done][0]:
        return Down(state.since, tiers[done][1], state.at_power_on), tiers[done][1]
    return state, None
