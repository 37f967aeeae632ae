"""The lamps: one owner for each, given back in the end; and never a harmful flicker, whatever is said and whenever."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise, product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from device.hold import LEAVING_MS
from device.lamps import ON_MS_MIN, RISE_MS_MIN, Change, Lit, Mixer, Sounded
from device.signals import PACE_MS, FaultCode, Lamp, Ms, Owner, Signal
from tests.device.looking import HERTZ_MAX, SAID, Said, by, heard, owner_of, pattern_of, rises, shown, spans, word

FIRST_LIGHT_MS_MAX = 100

ENDED_BY_OTHERS = (Signal.SEARCHING, Signal.NEXT_PART)


@dataclass(frozen=True)
class Deed:
    """Something is done with a mixer.

    Attributes:
        wait_ms: how long after what was done before.
        name: what it is.
        do: does it.
    """

    wait_ms: Ms
    name: str
    do: Callable[[Mixer, Ms], None]

    def __repr__(self) -> str:
        return f"{self.wait_ms} ms later: {self.name}"


def say(wait_ms: Ms, said: Said) -> Deed:
    return Deed(wait_ms, word(said), lambda mixer, now: mixer.show(said, now))


WAITS = st.integers(0, 1500) | st.sampled_from([0, 1, PACE_MS, RISE_MS_MIN, 4000])
SAYINGS = st.builds(say, WAITS, st.sampled_from(SAID))
OTHERS = st.one_of(
    st.builds(lambda ms, n: Deed(ms, f"count {n}", lambda mixer, now: mixer.count(n, now)), WAITS, st.integers(0, 120)),
    st.builds(lambda ms, on: Deed(ms, f"quiet {on}", lambda mixer, now: mixer.quiet(on, now)), WAITS, st.booleans()),
    st.builds(lambda ms: Deed(ms, "hush", lambda mixer, now: mixer.hush(now)), WAITS),
)
DEEDS = st.lists(SAYINGS | OTHERS, min_size=1, max_size=12)
"""Everything that can be done, in any order, at any distance."""


def played(deeds: list[Deed], after_ms: Ms = 8000) -> tuple[Mixer, list[Change], Ms]:
    """What comes of it, and when the last was done."""
    mixer, now = Mixer(0), 0
    for deed in deeds:
        now += deed.wait_ms
        deed.do(mixer, now)
    return mixer, mixer.play(now + after_ms), now


@given(DEEDS)
@example([say(0, Signal.READY), say(300, Signal.CARD_NEARLY_FULL), say(100, Signal.IDLE)])
def test_no_lamp_lights_up_more_often_than_is_safe_whoever_has_it(deeds: list[Deed]) -> None:
    _, changes, _ = played(deeds)
    for lamp in Lamp:
        times = rises(changes, lamp)
        assert all(later - earlier >= 1000 / HERTZ_MAX for earlier, later in pairwise(times))
        assert all(end - start >= ON_MS_MIN for start, end in spans(changes, lamp, 10**9))


@pytest.mark.parametrize("off_ms", [1, 150, 279, 281, 300, 350])
@pytest.mark.parametrize("after_ms", [1, 20, 60, 77])
def test_a_lamp_that_is_put_out_and_lit_again_at_once_waits_a_little_and_not_too_long(off_ms: Ms, after_ms: Ms) -> None:
    _, changes, last = played([say(0, Signal.SEARCHING), say(off_ms, Signal.IDLE), say(after_ms, Signal.SEARCHING)])
    lit = spans(changes, Lamp.PAPER, 10**9)
    assert all(later - earlier >= 1000 / HERTZ_MAX for (earlier, _), (later, _) in pairwise(lit))
    assert lit[-1][0] <= last + FIRST_LIGHT_MS_MAX
    assert lit[0][1] >= 280


@given(DEEDS)
def test_all_lamps_together_flicker_no_faster_once_nothing_new_is_said(deeds: list[Deed]) -> None:
    _, changes, last = played(deeds)
    times = [at for at in rises(changes) if at >= last + PACE_MS]
    assert all(later - earlier >= 1000 / HERTZ_MAX for earlier, later in pairwise(times))


@pytest.mark.parametrize("first", SAID, ids=word)
def test_nor_does_any_pair_of_signals(first: Said) -> None:
    for second in SAID:
        _, changes, last = played([say(0, Signal.IDLE), say(130, first), say(370, second)], 4000)
        times = [at for at in rises(changes) if at >= last + PACE_MS]
        assert all(later - earlier >= 1000 / HERTZ_MAX for earlier, later in pairwise(times)), word(second)


@given(DEEDS)
def test_a_lamp_that_nobody_wants_is_dark(deeds: list[Deed]) -> None:
    mixer, _, last = played(deeds, 0)
    nobodys = [lamp for lamp in Lamp if mixer.owner(lamp) is None]
    mixer.play(last + ON_MS_MIN)
    assert not any(mixer.is_on(lamp) for lamp in nobodys if mixer.owner(lamp) is None)


@pytest.mark.parametrize(("first", "second"), [(a, b) for a, b in product(Owner, Owner) if a < b])
def test_of_two_that_want_a_lamp_the_earlier_owner_has_it_whoever_spoke_first(first: Owner, second: Owner) -> None:
    # What has no end of its own but ends by what another says is tested below.
    signals = [[said for said in by(owner) if said not in ENDED_BY_OTHERS] for owner in (first, second)]
    for one, other in product(*signals):
        wanted = {lamp for lamp, _ in pattern_of(one).lamps} & {lamp for lamp, _ in pattern_of(other).lamps}
        for order in ((one, other), (other, one)):
            mixer = Mixer(0)
            for each in order:
                mixer.show(each, 0)
            assert {mixer.owner(lamp) for lamp in wanted} <= {first}


@pytest.mark.parametrize(
    "signal", [said for said in (*by(Owner.VERDICT), *by(Owner.BUTTON)) if pattern_of(said).lasts_ms], ids=word
)
@pytest.mark.parametrize("prompt", by(Owner.PROMPT), ids=word)
def test_what_has_an_end_gives_its_lamps_back(signal: Signal, prompt: Signal) -> None:
    mixer = Mixer(0)
    mixer.show(prompt, 0)
    mixer.show(Signal.LINK_SENDING, 0)
    before = {lamp: mixer.owner(lamp) for lamp in Lamp}
    mixer.show(signal, 1000)
    assert {lamp: mixer.owner(lamp) for lamp in Lamp} != before
    mixer.play(1000 + signal.value.lasts_ms - 1)
    assert {lamp: mixer.owner(lamp) for lamp in Lamp} != before
    mixer.play(1000 + signal.value.lasts_ms)
    assert {lamp: mixer.owner(lamp) for lamp in Lamp} == before


@given(DEEDS, st.integers(0, 3000))
def test_the_first_light_of_a_press_is_there_within_a_tenth_of_a_second(deeds: list[Deed], wait_ms: Ms) -> None:
    deeds = [deed for deed in deeds if deed.name != "OFF"]
    mixer, _, last = played([*deeds, say(wait_ms, Signal.SEARCHING)], 0)
    mixer.play(last + FIRST_LIGHT_MS_MAX)
    assert mixer.owner(Lamp.PAPER) is Owner.VERDICT
    assert mixer.is_on(Lamp.PAPER)


@given(DEEDS, st.lists(st.integers(1, 2000), max_size=20))
def test_it_is_the_same_whether_it_is_played_at_once_or_bit_by_bit(deeds: list[Deed], pauses: list[Ms]) -> None:
    mixer, now, changes = Mixer(0), 0, []
    for deed in deeds:
        while mixer.due is not None and mixer.due <= now + deed.wait_ms:  # as a thread that sleeps until it is due
            changes += mixer.play(mixer.due)
        now += deed.wait_ms
        deed.do(mixer, now)
        changes += mixer.play(now)
    at = now
    for pause in pauses:
        at = min(at + pause, now + 8000)
        changes += mixer.play(at)
    changes += mixer.play(now + 8000)
    assert changes == played(deeds)[1]


@given(DEEDS)
def test_changes_come_in_order_and_every_one_is_a_change(deeds: list[Deed]) -> None:
    _, changes, _ = played(deeds)
    assert [change.at for change in changes] == sorted(change.at for change in changes)
    for lamp in Lamp:
        states = [False, *(change.is_on for change in changes if isinstance(change, Lit) and change.lamp is lamp)]
        assert all(earlier is not later for earlier, later in pairwise(states))


@given(DEEDS)
def test_quiet_silences_everything_and_changes_no_lamp(deeds: list[Deed]) -> None:
    deeds = [deed for deed in deeds if not deed.name.startswith("quiet")]
    quiet = Deed(0, "quiet", lambda mixer, now: mixer.quiet(True, now))
    loud, silent = played(deeds)[1], played([quiet, *deeds])[1]
    assert heard(silent) == []
    assert [c for c in silent if isinstance(c, Lit)] == [c for c in loud if isinstance(c, Lit)]


def test_quiet_cuts_what_sounds_and_what_waits() -> None:
    mixer = Mixer(0)
    mixer.show(Signal.REFUSED, 0)
    mixer.show(Signal.STICK_BAD, 100)
    mixer.quiet(True, 300)
    assert heard(mixer.play(20_000)) == [(900, 300)]
    mixer.quiet(False, 20_000)
    assert heard(mixer.play(40_000)) == []


# Sounds.


def tunes(*deeds: Deed) -> list[tuple[int, Ms]]:
    return heard(played(list(deeds))[1])


def of(*signals: Signal) -> list[tuple[int, Ms]]:
    return [(tone.value.hertz, tone.value.ms) for signal in signals for tone in signal.value.tones]


def test_one_sound_waits_for_another_and_no_third_does() -> None:
    assert tunes(say(0, Signal.READY), say(10, Signal.REFUSED)) == of(Signal.READY, Signal.REFUSED)
    later = (say(10, Signal.STICK_BAD), say(10, Signal.STICK_DONE))
    assert tunes(say(0, Signal.READY), *later) == of(Signal.READY, Signal.STICK_DONE)


def test_of_two_that_would_wait_the_earlier_owners_does() -> None:
    assert tunes(say(0, Signal.KEPT), say(10, Signal.BATTERY_LOW), say(10, Signal.REFUSED)) == of(
        Signal.KEPT, Signal.BATTERY_LOW
    )


def test_a_verdict_waits_for_no_sound_but_the_click_of_its_own_press() -> None:
    assert tunes(say(0, Signal.REFUSED), say(10, Signal.KEPT)) == [(900, 10), *of(Signal.KEPT)]
    assert tunes(say(0, FaultCode.CLOCK), say(10, Signal.KEPT)) == [(1800, 10), *of(Signal.KEPT)]
    assert tunes(say(0, Signal.SEARCHING), say(10, Signal.KEPT)) == of(Signal.SEARCHING, Signal.KEPT)


@pytest.mark.parametrize("other", [said for said in SAID if owner_of(said) is not Owner.VERDICT], ids=word)
def test_nothing_but_the_next_press_cuts_a_verdicts_sound_or_takes_its_place(other: Said) -> None:
    waits = (say(0, Signal.SEARCHING), say(10, Signal.KEPT_DOUBTFUL), say(0, other))
    sounds = (say(0, Signal.SEARCHING), say(130, Signal.KEPT_DOUBTFUL), say(100, other))
    verdict = of(Signal.SEARCHING, Signal.KEPT_DOUBTFUL)
    assert [tunes(*waits)[: len(verdict)], tunes(*sounds)[: len(verdict)]] == [verdict, verdict]


@pytest.mark.parametrize("said", [said for said in SAID if said is not Signal.SEARCHING], ids=word)
def test_a_press_cuts_what_sounds_and_what_waits(said: Said) -> None:
    press = (Deed(50, "hush", lambda mixer, now: mixer.hush(now)), say(0, Signal.SEARCHING))
    changes = played([say(0, said), say(10, Signal.REFUSED), *press])[1]
    sounds = [change for change in changes if isinstance(change, Sounded) and change.at >= 60]
    assert [change.hertz for change in sounds if change.hertz] == [2700]
    assert all(change.at <= 60 + 120 for change in sounds)


def test_a_press_cuts_a_number_that_is_read_out() -> None:
    mixer = Mixer(0)
    mixer.show(Signal.LINK_WAITING, 0)
    mixer.count(57, 1000)
    mixer.hush(4200)
    assert mixer.owner(Lamp.LINK) is Owner.LINK
    assert heard(mixer.play(20_000))[2:] == [(1800, 200)]


def test_a_low_battery_is_heard_every_five_minutes_until_it_is_charged() -> None:
    mixer = Mixer(0)
    mixer.show(Signal.BATTERY_LOW, 0)
    times = [c.at for c in mixer.play(1_000_000) if isinstance(c, Sounded) and c.hertz]
    assert times == [0, 300_000, 600_000, 900_000]
    mixer.show(Signal.POWER_GOOD, 1_000_000)
    assert heard(mixer.play(5_000_000)) == []


# What ends what.


@pytest.mark.parametrize("code", FaultCode, ids=word)
def test_a_press_takes_a_faults_lamps(code: FaultCode) -> None:
    mixer = Mixer(0)
    mixer.show(Signal.IDLE, 0)
    mixer.show(code, 1000)
    assert mixer.owner(Lamp.AGAIN) is owner_of(code)
    mixer.show(Signal.SEARCHING, 2000)
    mixer.show(Signal.KEPT, 2400)
    mixer.play(10_000)
    assert [mixer.owner(lamp) for lamp in Lamp] == [Owner.PROMPT, None, None, None, None]


@pytest.mark.parametrize("code", FaultCode, ids=word)
def test_a_fault_that_stops_ends_a_search_and_its_light_and_no_other_does(code: FaultCode) -> None:
    mixer = Mixer(0)
    mixer.show(Signal.SEARCHING, 0)
    mixer.show(code, 1000)
    mixer.play(2000)
    assert mixer.is_on(Lamp.PAPER) is not code.value.stops


def test_a_trouble_never_hides_a_verdict() -> None:
    for code, verdict in product(by(Owner.TROUBLE), by(Owner.VERDICT)):
        changes = shown((Signal.IDLE, code), verdict, 3000)
        for lamp in (Lamp.KEPT, Lamp.AGAIN):
            assert spans(changes, lamp, 3000) == spans(shown((Signal.IDLE,), verdict, 3000), lamp, 3000) or (
                pattern_of(verdict).lasts_ms < 3000
            )


def test_kept_stays_lit_for_two_and_a_half_seconds_though_a_fault_comes() -> None:
    mixer = Mixer(0)
    mixer.show(Signal.KEPT, 0)
    for at, code in enumerate(FaultCode):
        mixer.show(code, 100 + at)
    assert spans(mixer.play(10_000), Lamp.KEPT, 10_000) == [(0, 2500)]


@pytest.mark.parametrize("prompt", by(Owner.PROMPT), ids=word)
def test_a_prompt_ends_a_search_but_no_verdict(prompt: Signal) -> None:
    mixer = Mixer(0)
    mixer.show(Signal.SEARCHING, 0)
    mixer.show(prompt, 500)
    assert mixer.owner(Lamp.PAPER) is None
    mixer.show(Signal.KEPT, 1000)
    mixer.show(prompt, 1100)
    assert mixer.owner(Lamp.KEPT) is Owner.VERDICT


def test_two_verdicts_that_are_the_same_are_seen_twice() -> None:
    mixer = Mixer(0)
    mixer.show(Signal.AGAIN, 0)
    mixer.show(Signal.AGAIN, 4000)
    assert rises(mixer.play(10_000), Lamp.AGAIN) == [0, 1000, 4000, 5000]


def test_what_goes_on_is_not_begun_anew_by_being_said_again() -> None:
    mixer = Mixer(0)
    mixer.show(Signal.LINK_WAITING, 0)
    for at in range(300, 8000, 300):
        mixer.show(Signal.LINK_WAITING, at)
    assert rises(mixer.play(8000), Lamp.LINK) == [0, 2000, 4000, 6000, 8000]


def test_ready_is_not_lit_again_between_the_falling_flashes_and_the_dark() -> None:
    mixer = Mixer(0)
    mixer.show(Signal.IDLE, 0)
    mixer.show(Signal.GOING_OFF, 1_000)
    mixer.play(1_000 + LEAVING_MS + 2_000)
    assert not any(mixer.is_on(lamp) for lamp in Lamp)
