"""The pairs: every kind of state of the scan and of event, each with a name, for the tests and docs/states.md."""

from collections.abc import Mapping

from device.scan import (
    LOOK_MS_MAX,
    SEARCH_MS_MAX,
    Event,
    Failed,
    Faulted,
    Idle,
    ImpossibleEventError,
    Keeping,
    Kept,
    Looked,
    Novelty,
    Pressed,
    Searching,
    Showing,
    Started,
    Starting,
    State,
    Step,
    Woke,
    step,
)
from device.signals import Signal
from wire.acta import Acta, Incomplete, Refusal
from wire.record import Quality

SINCE = 20_000
"""When the button was pressed."""

READ = Quality(step="direct")
SOON = SINCE + 500
LATE = SINCE + SEARCH_MS_MAX
TOO_LATE = SINCE + LOOK_MS_MAX

PART, OTHER = ("part 1",), ("another election's",)
ACTA = Acta("a-profile", "a mesa", (), ())
INCOMPLETE = Incomplete("a-profile", (1,), 2)
REFUSAL = Refusal("a-profile", "38 counts", "37 counts")

STATES: Mapping[str, State] = {
    "Starting": Starting(),
    "Idle": Idle(),
    "Idle, with parts": Idle(parts=PART),
    "Idle, one refused": Idle(refused=OTHER),
    "Searching": Searching(SINCE),
    "Searching, with parts": Searching(SINCE, parts=PART),
    "Searching, one refused": Searching(SINCE, refused=OTHER),
    "Keeping": Keeping(Signal.KEPT),
    "Keeping a part": Keeping(Signal.NEXT_PART, PART),
    "Keeping a doubtful one": Keeping(Signal.KEPT_DOUBTFUL),
    "Showing": Showing(LATE),
    "Showing, with parts": Showing(LATE, parts=PART),
    "Showing, one refused": Showing(LATE, refused=OTHER),
    "Faulted": Faulted(),
}

EVENTS: Mapping[str, Event] = {
    "Started": Started(),
    "Pressed": Pressed(SOON),
    "Looked: nothing in view": Looked(SOON, SINCE),
    "Looked: nothing in view, search time over": Looked(LATE, SINCE),
    "Looked: an acta": Looked(SOON, SINCE, PART, READ, ACTA),
    "Looked: a part of one": Looked(SOON, SINCE, PART, READ, INCOMPLETE),
    "Looked: a refused payload": Looked(SOON, SINCE, OTHER, READ, REFUSAL),
    "Looked: for an earlier press": Looked(SOON, SINCE - 9_000, PART, READ, ACTA),
    "Kept: first of its mesa": Kept(SOON, Novelty.FIRST),
    "Kept: same acta before": Kept(SOON, Novelty.BEFORE),
    "Kept: another acta of the mesa before": Kept(SOON, Novelty.DIFFERS),
    "Failed": Failed(SOON),
    "Woke: soon": Woke(SOON),
    "Woke: the verdict's time over": Woke(LATE),
    "Woke: the look's time over": Woke(TOO_LATE),
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
