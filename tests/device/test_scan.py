"""The scan: every pair of a state and an event, and any sequence of events that can happen."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from device.cause import Cause
from device.scan import (
    AGAIN,
    INSIST_MS,
    LOOK_MS_MAX,
    OPEN_MS,
    PART_MS,
    SEARCH_MS_MAX,
    VERDICT_MS,
    Event,
    Failed,
    Faulted,
    Held,
    Idle,
    ImpossibleEventError,
    Keep,
    Keeping,
    Kept,
    Look,
    Looked,
    Memory,
    Novelty,
    Order,
    Pressed,
    Searching,
    Show,
    Showing,
    Started,
    Starting,
    State,
    Stuck,
    Woke,
    step,
)
from device.signals import FaultCode, Signal
from device.unit import WAKE_MS
from tests.device.scan_pairs import ACTA, EVENTS, IMPOSSIBLE, INCOMPLETE, REFUSAL, STATES, outcome
from wire.acta import Acta, Incomplete, Refusal
from wire.record import Quality

QUALITY = Quality(step="direct")
PROMISES = {
    Signal.KEPT,
    Signal.KEPT_UNREAD,
    Signal.KEPT_PART,
    Signal.KEPT_BEFORE,
    Signal.KEPT_DOUBTFUL,
    Signal.NEXT_PART,
}
VERDICTS: list[Acta | Incomplete | Refusal | None] = [ACTA, INCOMPLETE, REFUSAL, None]
PAYLOADS = [(), ("a",), ("b",), ("a", "b")]
NO_CODE = Quality(cause=Cause.NO_CODE.value)
FIRST = "f" * 64
CAMERA = FaultCode.CAMERA
MEMORIES = [
    Memory(parts, refused, insist_until, first, open_until=9_000 if first else 0)
    for parts, refused, insist_until, first in product(PAYLOADS[:2], (*PAYLOADS[:2], ("b",)), (0, 9_000), ("", FIRST))
]
VERDICT_AFTER_MS_MAX = 10_000
"""Nobody waits longer for a verdict (unit.md)."""


def every_state() -> list[State]:
    """All states there are, over a few values of each attribute."""
    return [
        Starting(),
        *map(Faulted, MEMORIES),
        *map(Idle, MEMORIES),
        *(Searching(since, each, is_held=held) for since in (0, 7) for each in MEMORIES for held in (False, True)),
        *(Keeping(signal, each, held) for signal in PROMISES for each in MEMORIES for held in (False, True)),
        *(Showing(until, each) for until in (0, 9000) for each in MEMORIES),
    ]


def every_event() -> list[Event]:
    """All events there are, over a few values of each attribute."""
    times = (7, SEARCH_MS_MAX, LOOK_MS_MAX + 7)
    return [
        Started(),
        Held(),
        Stuck(),
        *map(Pressed, times),
        *(kind(at, CAMERA) for kind in (Failed, Woke) for at in times),
        *(Kept(at, novelty, FIRST) for at in times for novelty in Novelty),
        *(
            Looked(at, since, payloads, QUALITY, verdict)
            for at, since, payloads, verdict in product(times, (0, 7), PAYLOADS[1:], VERDICTS[:-1])
        ),
        *(
            Looked(at, since, (), Quality(cause=cause.value, pitch=pitch), None, is_paper)
            for at, since, cause, pitch, is_paper in product(
                times, (0, 7), (Cause.NO_CODE, Cause.BLURRED), (0, 900), (False, True)
            )
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
    assert all(
        isinstance(state, Showing) and state.memory.parts for state, event in promised if isinstance(event, Woke)
    )
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
    shown = Showing(SEARCH_MS_MAX + VERDICT_MS, Memory(insist_until=SEARCH_MS_MAX + INSIST_MS))
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
    assert after == Showing(500 + VERDICT_MS, Memory(refused=("b",)))
    assert orders == (Show(Signal.AGAIN),)
    after, orders = step(Searching(0, Memory(refused=("b",))), foreign)
    assert after == Keeping(Signal.KEPT_DOUBTFUL)
    assert orders == (Keep(("b",), QUALITY, "", doubt=str(REFUSAL)),)


def test_another_refused_payload_is_not_kept_at_its_first_showing() -> None:
    _, orders = step(Searching(0, Memory(refused=("a",))), Looked(500, 0, ("b",), QUALITY, REFUSAL))
    assert orders == (Show(Signal.AGAIN),)


def test_parts_survive_a_foreign_qr_and_an_empty_tray() -> None:
    searching = Searching(0, Memory(parts=("a",)))
    for looked in (Looked(500, 0, ("b",), QUALITY, REFUSAL), Looked(SEARCH_MS_MAX, 0)):
        after, _ = step(searching, looked)
        assert isinstance(after, Showing)
        assert after.memory.parts == ("a",)


@pytest.mark.parametrize(
    ("novelty", "signal"),
    [
        (Novelty.FIRST, Signal.KEPT),
        (Novelty.BEFORE, Signal.KEPT_BEFORE),
        (Novelty.DIFFERS, Signal.KEPT_DOUBTFUL),
        (Novelty.OFF_ROSTER, Signal.KEPT_DOUBTFUL),
    ],
)
def test_what_keeping_found_out_is_shown(novelty: Novelty, signal: Signal) -> None:
    shown = Showing(9 + VERDICT_MS, Memory(first=FIRST, open_until=9 + OPEN_MS))
    assert step(Keeping(Signal.KEPT), Kept(9, novelty, FIRST)) == (shown, (Show(signal),))


SHEET = Looked(SEARCH_MS_MAX, 0, quality=NO_CODE, is_paper=True)
TABLE_TOP = Looked(SEARCH_MS_MAX, 0, quality=NO_CODE)
OPEN = Memory(first=FIRST, open_until=OPEN_MS)


def test_a_good_picture_of_a_sheet_without_a_code_is_kept_when_the_search_is_over() -> None:
    assert step(Searching(0), replace(SHEET, at=SEARCH_MS_MAX - 1))[1] == (Look(0),)
    keeping = Keeping(Signal.KEPT_UNREAD, Memory(is_unread=True))
    assert step(Searching(0), SHEET) == (keeping, (Keep((), NO_CODE),))


def test_what_is_no_sheet_is_refused_and_kept_when_it_is_insisted_on() -> None:
    after, orders = step(Searching(0), TABLE_TOP)
    assert orders == (Show(Signal.AGAIN),)
    pressed, _ = step(after, Pressed(SEARCH_MS_MAX + INSIST_MS - 1))
    assert isinstance(pressed, Searching)
    late = Looked(pressed.since + SEARCH_MS_MAX, pressed.since, quality=NO_CODE)
    assert step(pressed, late)[1] == (Keep((), NO_CODE),)


def test_nobody_insists_who_presses_much_later_or_means_no_capture() -> None:
    after, _ = step(Searching(0), TABLE_TOP)
    later, _ = step(after, Pressed(SEARCH_MS_MAX + INSIST_MS))
    assert later == Searching(SEARCH_MS_MAX + INSIST_MS)
    soon, _ = step(after, Pressed(SEARCH_MS_MAX + 1))
    held, _ = step(soon, Held())
    assert isinstance(held, Searching)
    late = Looked(held.since + SEARCH_MS_MAX, held.since, quality=NO_CODE)
    assert step(held, late)[1] == (Show(Signal.IDLE),)


@pytest.mark.parametrize("memory", MEMORIES)
def test_no_table_top_is_kept_that_nobody_insists_on(memory: Memory) -> None:
    orders = step(Searching(0, replace(memory, insist_until=0)), TABLE_TOP)[1]
    assert not any(isinstance(order, Keep) for order in orders)


def test_a_sheet_without_a_code_beside_an_open_acta_is_its_next_part_and_soon() -> None:
    keeping, orders = step(Searching(0, OPEN), replace(SHEET, at=PART_MS))
    assert orders == (Keep((), NO_CODE, first=FIRST),)
    after, orders = step(keeping, Kept(PART_MS, Novelty.FIRST, "0" * 64))
    assert orders == (Show(Signal.KEPT_PART),)
    assert after == Showing(PART_MS + VERDICT_MS, Memory(first=FIRST, open_until=PART_MS + OPEN_MS))


def test_where_a_code_is_made_out_beside_an_open_acta_it_is_searched_as_long_as_any() -> None:
    code = Quality(cause=Cause.DAMAGED.value, pitch=900)
    seen, orders = step(Searching(0, OPEN), Looked(PART_MS, 0, quality=code, is_paper=True))
    assert orders == (Look(0),)
    gone = step(seen, replace(SHEET, at=PART_MS + 1))
    assert gone[1] == (Look(0),), "what was made out once is not forgotten"
    assert step(seen, SHEET)[1] == (Keep((), NO_CODE),), "and it is no part of the acta before"


def test_a_different_acta_in_the_middle_starts_a_new_one_and_says_so() -> None:
    keeping, orders = step(Searching(0, OPEN), Looked(200, 0, ("b",), QUALITY, ACTA))
    assert orders == (Keep(("b",), QUALITY, "a mesa"),)
    after, orders = step(keeping, Kept(200, Novelty.FIRST, "e" * 64))
    assert orders == (Show(Signal.KEPT),)
    assert isinstance(after, Showing)
    assert after.memory.first == "e" * 64


def test_eight_seconds_of_nothing_close_an_acta() -> None:
    shown = Showing(VERDICT_MS, OPEN)
    idle, orders = step(shown, Woke(VERDICT_MS, CAMERA))
    assert (idle, orders) == (Idle(OPEN), (Show(Signal.REST),))
    assert step(idle, Woke(OPEN_MS - 1, CAMERA)) == (idle, ())
    assert step(idle, Woke(OPEN_MS, CAMERA)) == (Idle(), (Show(Signal.IDLE),))
    assert step(idle, Pressed(OPEN_MS))[0] == Searching(OPEN_MS)


@pytest.mark.parametrize("memory", MEMORIES)
def test_a_hold_closes_what_is_open_in_every_state_and_loses_nothing_else(memory: Memory) -> None:
    for state in (Idle(memory), Showing(9_000, memory), Faulted(memory)):
        after, orders = step(state, Held())
        assert isinstance(after, Idle | Showing | Faulted)
        assert after.memory == memory.closed
        asked = isinstance(state, Idle) and memory.prompt is not Signal.IDLE
        assert orders == ((Show(Signal.IDLE),) if asked else ())


def test_what_the_press_of_a_hold_captured_is_kept_and_the_acta_closed() -> None:
    held, _ = step(Searching(0, OPEN), Held())
    assert isinstance(held, Searching)
    keeping, orders = step(held, SHEET)
    assert orders == (Keep((), NO_CODE, first=FIRST),)
    assert step(keeping, Kept(9, Novelty.FIRST, "e" * 64)) == (Showing(9 + VERDICT_MS), (Show(Signal.KEPT_PART),))


def test_a_fault_forgets_nothing_of_the_acta_at_hand() -> None:
    for failing in (Failed(9, FaultCode.CARD), Woke(LOOK_MS_MAX, FaultCode.READER), Stuck()):
        after, orders = step(Searching(0, OPEN), failing)
        assert after == Faulted(OPEN)
        assert all(isinstance(order, Show) and isinstance(order.signal, FaultCode) for order in orders)


def test_a_stuck_button_is_told_as_a_fault_and_the_next_press_works() -> None:
    after, orders = step(Idle(), Stuck())
    assert orders == (Show(FaultCode.BUTTON),)
    assert isinstance(step(after, Pressed(9))[0], Searching)


def test_a_frame_from_before_the_press_leads_to_a_new_look_and_to_nothing_else() -> None:
    searching = Searching(9_000, Memory(parts=("a",)))
    assert step(searching, Looked(9_100, 0, ("b",), QUALITY, ACTA)) == (searching, (Look(9_000),))


class _AnySequence(RuleBasedStateMachine):
    """Any sequence of events that can happen, with a camera that answers each look once, soon, late or never."""

    @initialize()
    def power_on(self) -> None:
        self.state: State = Starting()
        self.now = 0
        self.looks: list[int] = []
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
                    assert payloads == event.payloads
                    assert payloads or event.is_paper or before.memory.insist_until, "a table top is kept"
                case Show():
                    pass
        return orders

    @rule()
    def press(self) -> None:
        is_over = isinstance(self.state, Searching) and self.state.is_held
        ready = is_over or isinstance(self.state, Idle | Showing | Faulted)
        orders = self.feed(Pressed(self.now))
        assert orders == ((Show(Signal.SEARCHING), Look(self.now)) if ready else ())

    @rule(wakes=st.integers(1, 120))
    def pass_time(self, wakes: int) -> None:
        for _ in range(wakes):
            self.now += WAKE_MS
            self.feed(Woke(self.now, CAMERA))

    @rule()
    def hold(self) -> None:
        self.feed(Held())

    @rule()
    def jam(self) -> None:
        self.feed(Stuck())

    @precondition(lambda self: self.looks)
    @rule(is_paper=st.booleans(), cause=st.sampled_from(Cause), pitch=st.sampled_from((0, 900)))
    def answer_unread(self, is_paper: bool, cause: Cause, pitch: int) -> None:
        quality = Quality(cause=cause.value, pitch=pitch)
        self.answer_with(Looked(self.now, self.looks.pop(0), quality=quality, is_paper=is_paper), Novelty.FIRST)

    def answer_with(self, looked: Looked, novelty: Novelty) -> None:
        if any(isinstance(order, Keep) for order in self.feed(looked)):
            self.feed(Kept(self.now, novelty, FIRST))

    @precondition(lambda self: self.looks)
    @rule(
        verdict=st.sampled_from(VERDICTS[:-1]), payloads=st.sampled_from(PAYLOADS[1:]), novelty=st.sampled_from(Novelty)
    )
    def answer(self, verdict: Acta | Incomplete | Refusal | None, payloads: tuple[str, ...], novelty: Novelty) -> None:
        self.answer_with(Looked(self.now, self.looks.pop(0), payloads, QUALITY, verdict), novelty)

    @precondition(lambda self: self.looks)
    @rule(payloads=st.sampled_from(PAYLOADS[1:]))
    def answer_and_let_the_card_fail(self, payloads: tuple[str, ...]) -> None:
        if any(
            isinstance(order, Keep) for order in self.feed(Looked(self.now, self.looks.pop(0), payloads, QUALITY, ACTA))
        ):
            assert self.feed(Failed(self.now, FaultCode.CARD)) == (Show(FaultCode.CARD),)

    @precondition(lambda self: self.looks)
    @rule()
    def let_the_camera_fail(self) -> None:
        self.looks.pop(0)
        self.feed(Failed(self.now, CAMERA))

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
        step(Keeping(Signal.KEPT, Memory(("a payload",))), Looked(0, 0, ("a payload",), QUALITY, acta))
    assert str(told.value).startswith("Looked while Keeping: ")
    assert "a payload" not in str(told.value)
    assert "a-mesa" not in str(told.value)


BLURRED = Quality(cause=Cause.BLURRED.value, pitch=900)


@pytest.mark.parametrize(
    ("frames", "anew"),
    [
        ([NO_CODE], [False]),
        ([NO_CODE, NO_CODE, NO_CODE], [False, True, False]),
        ([BLURRED, BLURRED], [True, False]),
        ([Quality(cause=Cause.DAMAGED.value, pitch=900)] * 3, [False, False, False]),
    ],
    ids=["no code once", "no code again", "a blurred code", "a code that is damaged"],
)
def test_focus_and_light_are_found_again_once_a_press_when_frames_are_blurred_or_blind(
    frames: list[Quality], anew: list[bool]
) -> None:
    state: State = Searching(0)
    for at, (quality, expected) in enumerate(zip(frames, anew, strict=True)):
        state, orders = step(state, Looked(at, 0, quality=quality))
        assert orders == (Look(0, expected),)


def test_nothing_is_found_again_that_would_come_too_late_for_the_verdict() -> None:
    state = replace(Searching(0), nearest=NO_CODE)
    assert step(state, Looked(SEARCH_MS_MAX // 2, 0, quality=BLURRED))[1] == (Look(0),)
