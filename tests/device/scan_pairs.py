"""The pairs: every kind of state of the scan and of event, each with a name, for the tests and docs/states.md."""

from collections.abc import Mapping

from device.cause import Cause
from device.control import Declined, Taken
from device.scan import (
    LOOK_MS_MAX,
    OPEN_MS,
    PART_MS,
    SEARCH_MS_MAX,
    Event,
    Failed,
    Faulted,
    Held,
    Idle,
    ImpossibleEventError,
    Keeping,
    Kept,
    Looked,
    Memory,
    Novelty,
    Pressed,
    Searching,
    Showing,
    Started,
    Starting,
    State,
    Step,
    Stuck,
    Woke,
    step,
)
from device.signals import FaultCode, Signal
from wire.acta import Acta, Incomplete, Refusal
from wire.control import Training
from wire.record import Quality

SINCE = 20_000
"""When the button was pressed."""

READ = Quality(step="direct")
NO_CODE = Quality(cause=Cause.NO_CODE.value)
BLURRED = Quality(cause=Cause.BLURRED.value, pitch=900)
SOON = SINCE + 500
PART_SOON = SINCE + PART_MS
LATE = SINCE + SEARCH_MS_MAX
CLOSED = SINCE + OPEN_MS
TOO_LATE = SINCE + LOOK_MS_MAX

PART, OTHER = ("part 1",), ("another election's",)
ACTA = Acta("a-profile", "a mesa", (), ())
INCOMPLETE = Incomplete("a-profile", (1,), 2)
REFUSAL = Refusal("a-profile", "38 counts", "37 counts")
TAKEN = Taken(Training(), "cards+01234567 training", 1, b"")

FIRST = "f" * 64
"""Identity of the record of an acta's first part."""

PARTS = Memory(parts=PART, first=FIRST, open_until=CLOSED)
REFUSED = Memory(refused=OTHER)
UNREAD = Memory(insist_until=TOO_LATE)
OPEN = Memory(first=FIRST, open_until=CLOSED)

STATES: Mapping[str, State] = {
    "Starting": Starting(),
    "Idle": Idle(),
    "Idle, with parts": Idle(PARTS),
    "Idle, one refused": Idle(REFUSED),
    "Idle, one unread": Idle(UNREAD),
    "Idle, an acta open": Idle(OPEN),
    "Searching": Searching(SINCE),
    "Searching, with parts": Searching(SINCE, PARTS),
    "Searching, one refused": Searching(SINCE, REFUSED),
    "Searching, one unread": Searching(SINCE, UNREAD),
    "Searching, an acta open": Searching(SINCE, OPEN),
    "Searching, held": Searching(SINCE, is_held=True),
    "Keeping": Keeping(Signal.KEPT),
    "Keeping a part": Keeping(Signal.NEXT_PART, Memory(parts=PART)),
    "Keeping a doubtful one": Keeping(Signal.KEPT_DOUBTFUL),
    "Keeping one unread": Keeping(Signal.KEPT_UNREAD),
    "Keeping the rest": Keeping(Signal.KEPT_PART, OPEN),
    "Keeping a control card": Keeping(Signal.CONTROL_DONE, OPEN),
    "Keeping a refused control card": Keeping(Signal.CONTROL_REFUSED, OPEN),
    "Keeping, held": Keeping(Signal.KEPT, is_held=True),
    "Showing": Showing(LATE),
    "Showing, with parts": Showing(LATE, PARTS),
    "Showing, one refused": Showing(LATE, REFUSED),
    "Showing, one unread": Showing(LATE, UNREAD),
    "Showing, an acta open": Showing(LATE, OPEN),
    "Faulted": Faulted(),
    "Faulted, an acta open": Faulted(OPEN),
}

EVENTS: Mapping[str, Event] = {
    "Started": Started(),
    "Pressed": Pressed(SOON),
    "Held": Held(),
    "Stuck": Stuck(),
    "Looked: nothing in view": Looked(SOON, SINCE, quality=NO_CODE),
    "Looked: nothing in view, search time over": Looked(LATE, SINCE, quality=NO_CODE),
    "Looked: a sheet without a code": Looked(PART_SOON, SINCE, quality=NO_CODE, is_paper=True),
    "Looked: a sheet without a code, search time over": Looked(LATE, SINCE, quality=NO_CODE, is_paper=True),
    "Looked: a blurred code, search time over": Looked(LATE, SINCE, quality=BLURRED, is_paper=True),
    "Looked: an acta": Looked(SOON, SINCE, PART, READ, ACTA),
    "Looked: a part of one": Looked(SOON, SINCE, PART, READ, INCOMPLETE),
    "Looked: a refused payload": Looked(SOON, SINCE, OTHER, READ, REFUSAL),
    "Looked: a control card": Looked(SOON, SINCE, OTHER, READ, TAKEN),
    "Looked: a control card to be refused": Looked(SOON, SINCE, OTHER, READ, Declined("it is forged")),
    "Looked: for an earlier press": Looked(SOON, SINCE - 9_000, PART, READ, ACTA),
    "Kept: first of its mesa": Kept(SOON, Novelty.FIRST, FIRST),
    "Kept: same acta before": Kept(SOON, Novelty.BEFORE, FIRST),
    "Kept: another acta of the mesa before": Kept(SOON, Novelty.DIFFERS, FIRST),
    "Kept: mesa not of the roster": Kept(SOON, Novelty.OFF_ROSTER, FIRST),
    "Failed": Failed(SOON, FaultCode.CAMERA),
    "Woke: soon": Woke(SOON, FaultCode.CAMERA),
    "Woke: the verdict's time over": Woke(LATE, FaultCode.CAMERA),
    "Woke: the look's time over": Woke(TOO_LATE, FaultCode.CAMERA),
}


def _is_impossible(state: str, event: str) -> bool:
    match state.startswith("Starting"), state.startswith("Keeping"), event.partition(":")[0]:
        case starting, _, "Started":
            return not starting  # a start is the first thing, and comes once
        case True, _, "Looked" | "Kept" | "Failed":
            return True  # nothing is asked of camera or card before the start
        case _, keeping, "Kept":
            return not keeping
        case _, keeping, "Looked":
            return keeping  # keeping is over before anything else is heard
        case _:
            return False


IMPOSSIBLE = {(state, event) for state in STATES for event in EVENTS if _is_impossible(state, event)}


def outcome(state: State, event: Event) -> Step | None:
    """What `step` makes of a pair; None where it says that there is no such pair."""
    try:
        return step(state, event)
    except ImpossibleEventError:
        return None
