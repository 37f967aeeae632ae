"""The scan: every pair of a state and an event, and any sequence of events that can happen."""

from itertools import product

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from device.cause import Cause
from device.scan import (
    AGAIN,
    LOOK_MS_MAX,
    SEARCH_MS_MAX,
    VERDICT_MS,
    Event,
    Failed,
    Faulted,
    Idle,
    ImpossibleEventError,
    Keep,
    Keeping,
    Kept,
    Look,
    Looked,
    Novelty,
    Order,
    Pressed,
    Searching,
    Show,
    Showing,
    Started,
    Starting,
    State,
    Woke,
    step,
)
from device.signals import Signal
from device.unit import WAKE_MS
from tests.device.scan_pairs import ACTA, EVENTS, IMPOSSIBLE, INCOMPLETE, REFUSAL, STATES, outcome
from wire.acta import Acta, Incomplete, Refusal
from wire.record import Quality

QUALITY = Quality(step="direct")
PROMISES = {Signal.KEPT, Signal.KEPT_BEFORE, Signal.KEPT_DOUBTFUL, Signal.NEXT_PART}
VERDICTS: list[Acta | Incomplete | Refusal | None] = [ACTA, INCOMPLETE, REFUSAL, None]
PAYLOADS = [(), ("a",), ("b",), ("a", "b")]
VERDICT_AFTER_MS_MAX = 10_000
"""Nobody waits longer for a verdict (unit.md)."""


def every_state() -> list[State]:
    """All states there are, over a few values of each attribute."""
    held = list(product(PAYLOADS, PAYLOADS))
    return [
        Starting(),
        Faulted(),
        *(Idle(*each) for each in held),
        *(Searching(since, *each) for since in (0, 7) for each in held),
        *(Keeping(signal, parts) for signal in Signal for parts in PAYLOADS),
        *(Showing(until, *each) for until in (0, 9000) for each in held),
    ]


def every_event() -> list[Event]:
    """All events there are, over a few values of each attribute."""
    times = (7, SEARCH_MS_MAX, LOOK_MS_MAX + 7)
    return [
        Started(),
        *(kind(at) for kind in (Pressed, Failed, Woke) for at in times),
        *(Kept(at, novelty) for at in times for novelty in Novelty),
        *(
            Looked(at, since, payloads, QUALITY, verdict)
            for at, since, payloads, verdict in product(times, (0, 7), PAYLOADS, VERDICTS)
        ),
    ]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("event", EVENTS)
def test_a_pair_is_impossible_only_where_the_list_says_so(state: str, event: str) -> None:
    assert (outcome(STATES[state], EVENTS[event]) is None) == ((state, event) in IMPOSSIBLE)


def test_kept_is_shown_only_after_the_record_is_durable() -> None:
    promised = [
        (state, event)
        for state, event in product(every_state(), every_event())
        for _, orders in [outcome(state, event) or (state, ())]
        if any(isinstance(order, Show) and order.signal in PROMISES for order in orders)
    ]
    assert promised, "nothing is ever shown as kept"
    assert {type(event) for _, event in promised} == {Kept, Woke}
    # What is shown again when an unread picture's verdict is over is that parts are kept, and they are.
    assert all(isinstance(state, Showing) and state.parts for state, event in promised if isinstance(event, Woke))
    assert all(isinstance(state, Keeping) for state, event in promised if isinstance(event, Kept))


def test_every_pair_leaves_a_state_whose_lamps_were_ordered() -> None:
    """What a person sees changes with the state: whoever enters one is told what to show, but while it keeps."""
    for state, event in product(every_state(), every_event()):
        after, orders = outcome(state, event) or (state, ())
        if type(after) is not type(state) and not isinstance(after, Keeping):
            assert any(isinstance(order, Show) for order in orders), f"{state} {event}"


@pytest.mark.parametrize("state", [Idle(), Showing(5_000), Faulted()], ids=["idle", "showing", "faulted"])
def test_a_press_starts_a_search_with_light_and_look_in_the_same_step(state: State) -> None:
    assert step(state, Pressed(1_000)) == (Searching(1_000), (Show(Signal.SEARCHING), Look(1_000)))


def test_nothing_in_view_is_looked_at_again_until_the_search_time_is_over() -> None:
    searching = Searching(0)
    assert step(searching, Looked(SEARCH_MS_MAX - 1, 0)) == (searching, (Look(0),))
    shown = Showing(SEARCH_MS_MAX + VERDICT_MS)
    assert step(searching, Looked(SEARCH_MS_MAX, 0)) == (shown, (Show(Signal.AGAIN),))


@pytest.mark.parametrize("cause", Cause)
def test_an_unread_sheet_is_told_with_what_to_do_about_its_cause(cause: Cause) -> None:
    blind = Looked(SEARCH_MS_MAX, 0, quality=Quality(cause=cause.value))
    assert step(Searching(0), blind)[1] == (Show(AGAIN[cause]),)


@pytest.mark.parametrize(
    ("frames", "told"),
    [
        ((("blurred", 900), ("no-code", 0)), Cause.BLURRED),
        ((("no-code", 0), ("blurred", 900)), Cause.BLURRED),
        ((("too-far", 150), ("blurred", 900)), Cause.BLURRED),
        ((("glare", 0), ("no-code", 0)), Cause.NO_CODE),
    ],
    ids=["seen, then gone", "came late", "seen twice", "never seen"],
)
def test_of_several_frames_the_last_in_which_a_code_was_made_out_is_told(
    frames: tuple[tuple[str, int], ...], told: Cause
) -> None:
    first, last = (Quality(cause=cause, pitch=pitch) for cause, pitch in frames)
    searching, _ = step(Searching(0), Looked(500, 0, quality=first))
    assert step(searching, Looked(SEARCH_MS_MAX, 0, quality=last))[1] == (Show(AGAIN[told]),)


def test_each_side_that_is_cut_off_is_told_alike_for_the_lamps_are_few() -> None:
    cut = {signal for cause, signal in AGAIN.items() if cause.value.startswith("cut-off")}
    assert cut == {Signal.AGAIN_PLACE}


def test_what_was_refused_is_kept_when_it_is_shown_again() -> None:
    foreign = Looked(500, 0, ("b",), QUALITY, REFUSAL)
    after, orders = step(Searching(0), foreign)
    assert after == Showing(500 + VERDICT_MS, refused=("b",))
    assert orders == (Show(Signal.AGAIN),)
    after, orders = step(Searching(0, refused=("b",)), foreign)
    assert after == Keeping(Signal.KEPT_DOUBTFUL)
    assert orders == (Keep(("b",), QUALITY, "", doubt=str(REFUSAL)),)


def test_another_refused_payload_is_not_kept_at_its_first_showing() -> None:
    _, orders = step(Searching(0, refused=("a",)), Looked(500, 0, ("b",), QUALITY, REFUSAL))
    assert orders == (Show(Signal.AGAIN),)


def test_parts_survive_a_foreign_qr_and_an_empty_tray() -> None:
    searching = Searching(0, parts=("a",))
    for looked in (Looked(500, 0, ("b",), QUALITY, REFUSAL), Looked(SEARCH_MS_MAX, 0)):
        after, _ = step(searching, looked)
        assert isinstance(after, Showing)
        assert after.parts == ("a",)


@pytest.mark.parametrize(
    ("novelty", "signal"),
    [
        (Novelty.FIRST, Signal.KEPT),
        (Novelty.BEFORE, Signal.KEPT_BEFORE),
        (Novelty.DIFFERS, Signal.KEPT_DOUBTFUL),
    ],
)
def test_what_keeping_found_out_is_shown(novelty: Novelty, signal: Signal) -> None:
    assert step(Keeping(Signal.KEPT), Kept(9, novelty)) == (Showing(9 + VERDICT_MS), (Show(signal),))


def test_a_frame_from_before_the_press_leads_to_a_new_look_and_to_nothing_else() -> None:
    searching = Searching(9_000, parts=("a",))
    assert step(searching, Looked(9_100, 0, ("b",), QUALITY, ACTA)) == (searching, (Look(9_000),))


class _AnySequence(RuleBasedStateMachine):
    """Any sequence of events that can happen, with a camera that answers each look once, soon, late or never."""

    @initialize()
    def power_on(self) -> None:
        self.state: State = Starting()
        self.now = 0
        self.looks: list[int] = []
        self.shown: list[Signal] = []
        self.feed(Started())

    def feed(self, event: Event) -> tuple[Order, ...]:
        before = self.state
        self.state, orders = step(before, event)
        for order in orders:
            match order:
                case Look(since):
                    assert isinstance(self.state, Searching)
                    assert since == self.state.since
                    self.looks.append(since)
                case Keep(payloads):
                    assert isinstance(event, Looked)
                    assert isinstance(before, Searching)
                    assert event.since == before.since, "a stale frame is kept"
                    assert payloads == event.payloads != ()
                case Show(signal):
                    self.shown.append(signal)
        return orders

    @rule()
    def press(self) -> None:
        ready = isinstance(self.state, Idle | Showing | Faulted)
        orders = self.feed(Pressed(self.now))
        assert orders == ((Show(Signal.SEARCHING), Look(self.now)) if ready else ())

    @rule(wakes=st.integers(1, 120))
    def pass_time(self, wakes: int) -> None:
        for _ in range(wakes):
            self.now += WAKE_MS
            self.feed(Woke(self.now))

    @precondition(lambda self: self.looks)
    @rule(verdict=st.sampled_from(VERDICTS), payloads=st.sampled_from(PAYLOADS[1:]), novelty=st.sampled_from(Novelty))
    def answer(self, verdict: Acta | Incomplete | Refusal | None, payloads: tuple[str, ...], novelty: Novelty) -> None:
        read = payloads if verdict else ()
        orders = self.feed(Looked(self.now, self.looks.pop(0), read, QUALITY, verdict))
        if any(isinstance(order, Keep) for order in orders):
            self.feed(Kept(self.now, novelty))

    @precondition(lambda self: self.looks)
    @rule(payloads=st.sampled_from(PAYLOADS[1:]))
    def answer_and_let_the_card_fail(self, payloads: tuple[str, ...]) -> None:
        if any(
            isinstance(order, Keep) for order in self.feed(Looked(self.now, self.looks.pop(0), payloads, QUALITY, ACTA))
        ):
            assert self.feed(Failed(self.now)) == (Show(Signal.FAULT),)

    @precondition(lambda self: self.looks)
    @rule()
    def let_the_camera_fail(self) -> None:
        self.looks.pop(0)
        self.feed(Failed(self.now))

    @precondition(lambda self: self.looks)
    @rule()
    def lose_an_answer(self) -> None:
        self.looks.pop(0)

    @invariant()
    def nobody_waits_ten_seconds_for_a_verdict(self) -> None:
        if isinstance(self.state, Searching):
            assert self.now - self.state.since <= LOOK_MS_MAX + WAKE_MS <= VERDICT_AFTER_MS_MAX

    @invariant()
    def keeping_never_outlasts_its_event(self) -> None:
        assert not isinstance(self.state, Keeping)


test_any_sequence_of_events_ends_in_verdicts = _AnySequence.TestCase


def test_an_impossible_event_is_told_without_what_was_read() -> None:
    """What it says goes into the log."""
    acta = Acta("a-profile", "a-mesa", (), ())
    with pytest.raises(ImpossibleEventError) as told:
        step(Keeping(Signal.KEPT, ("a payload",)), Looked(0, 0, ("a payload",), QUALITY, acta))
    assert str(told.value).startswith("Looked while Keeping: ")
    assert "a payload" not in str(told.value)
    assert "a-mesa" not in str(told.value)
