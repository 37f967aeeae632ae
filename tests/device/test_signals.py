"""The signals: each is told apart from every other, in greyscale, in silence and by ear, and none harms anybody."""

from collections.abc import Iterable, Mapping
from itertools import combinations, pairwise, product

import pytest

from device.lamps import Mixer
from device.scan import AGAIN
from device.signals import (
    PACE_MS,
    READ_OUT_MAX,
    FaultCode,
    Lamp,
    Ms,
    Owner,
    Pattern,
    Signal,
    counted,
)
from sim.fleet import VERDICTS
from tests.device.looking import HERTZ_MAX, SAID, Said, by, differing_ms, heard, rises, shown, spans, view, word
from tests.house.pages import signals

LOOKED_MS = 12_000
"""How long somebody looks who wants to know: every pattern has come round by then."""

DIFFERING_MS_MIN = 500
"""Shows that differ for less in that time are alike for somebody tired."""

ALL_WELL = {Signal.READY, Signal.IDLE, Signal.LINK_SETTLED, Signal.POWER_GOOD}
"""These look alike where there is nothing else to say; and should."""


def patterns() -> list[Pattern]:
    return [
        *(signal.value for signal in Signal),
        *(code.pattern for code in FaultCode),
        *map(counted, range(READ_OUT_MAX + 2)),
    ]


def views(context: Iterable[Said], of: Iterable[Said]) -> dict[Said, bytes]:
    return {said: view(shown(context, said, LOOKED_MS), LOOKED_MS) for said in of}


def alike(seen: Mapping[Said, bytes]) -> set[frozenset[Said]]:
    return {
        frozenset({one, other})
        for one, other in combinations(seen, 2)
        if differing_ms(seen[one], seen[other]) < DIFFERING_MS_MIN
    }


def test_no_two_signals_look_alike_in_greyscale_and_in_silence() -> None:
    seen = views((Signal.IDLE, Signal.LINK_SETTLED), SAID)
    assert alike(seen) == {frozenset(pair) for pair in combinations(ALL_WELL, 2)}


@pytest.mark.parametrize(
    "owner", [Owner.FAULT, Owner.VERDICT, Owner.BUTTON, Owner.TROUBLE], ids=lambda owner: owner.name
)
def test_what_one_owner_says_is_told_apart_whatever_else_is_going_on(owner: Owner) -> None:
    # The others never want the link's lamp (below), so for them it may say anything.
    links = by(Owner.LINK) if owner is Owner.BUTTON else [Signal.LINK_SENDING]
    # A verdict comes after a press, which takes a fault's lamps; a button is held whatever is the matter.
    faults = (FaultCode.CAMERA, FaultCode.HOT) if owner is Owner.BUTTON else ()
    for context in product((Signal.POWER_GOOD, Signal.BATTERY_LOW, *faults), by(Owner.PROMPT), links):
        assert alike(views(context, by(owner))) == set(), [*map(word, context)]


@pytest.mark.parametrize("owner", [Owner.LINK, Owner.POWER], ids=lambda owner: owner.name)
def test_link_and_power_are_told_apart_beside_every_verdict_and_every_prompt(owner: Owner) -> None:
    for other in (*by(Owner.VERDICT), *by(Owner.PROMPT)):
        seen = {said: view(shown((Signal.IDLE, said), other, LOOKED_MS), LOOKED_MS) for said in by(owner)}
        assert alike(seen) == set(), word(other)


def tune(said: Said) -> list[tuple[int, Ms]]:
    return heard(shown((), said, LOOKED_MS))


def sound_alike(one: list[tuple[int, Ms]], other: list[tuple[int, Ms]]) -> bool:
    """Whether neither number, pitch (by a fifth or more) nor length (by twice or more) tells two tunes apart."""
    return len(one) == len(other) and all(
        max(a[0], b[0]) < 1.45 * min(a[0], b[0]) and max(a[1], b[1]) < 2 * min(a[1], b[1])
        for a, b in zip(one, other, strict=True)
    )


def test_no_two_verdicts_sound_alike_nor_like_a_fault() -> None:
    tunes = {said: tune(said) for said in (*by(Owner.VERDICT), FaultCode.CAMERA, FaultCode.CLOCK)}
    assert all(tunes.values())
    for one, other in combinations(tunes, 2):
        assert not sound_alike(tunes[one], tunes[other]), f"{word(one)} and {word(other)}"


def test_what_is_good_ends_high_and_what_is_to_be_done_again_is_low() -> None:
    assert tune(Signal.KEPT)[-1][0] > 2 * tune(Signal.AGAIN)[-1][0]
    assert all(tune(signal)[0][0] < 1000 for signal in set(AGAIN.values()))


def test_a_verdict_asks_for_no_sound_to_be_understood_and_for_no_light_either() -> None:
    for signal in VERDICTS - {Signal.FAULT}:
        assert signal.value.tones
        assert any(rhythm.steps for lamp, rhythm in signal.value.lamps if lamp in (Lamp.KEPT, Lamp.AGAIN))


def test_no_two_members_are_one() -> None:
    """An Enum makes an alias of a member with an equal value, without a word."""
    assert len(Signal) == len(Signal.__members__)
    assert len(FaultCode) == len(FaultCode.__members__) == len({code.value.number for code in FaultCode})


def test_nothing_blinks_faster_than_is_safe_and_all_of_it_on_one_pace() -> None:
    for pattern in patterns():
        for lamp, rhythm in pattern.lamps:
            if len(rhythm.steps) > 1:
                starts = [rhythm.after_ms]
                for on, off in zip(rhythm.steps[::2], rhythm.steps[1::2], strict=True):
                    starts.append(starts[-1] + on + off)
                assert min(later - earlier for earlier, later in pairwise(starts)) >= 1000 / HERTZ_MAX
                assert all(start % PACE_MS == 0 for start in starts), (pattern.meaning, lamp)
        assert pattern.lasts_ms % PACE_MS == 0


def test_kept_is_lit_for_what_is_kept_and_for_nothing_else() -> None:
    saying = {signal for signal in Signal if dict(signal.value.lamps).get(Lamp.KEPT, None) is not None}
    lit = {signal for signal in saying if dict(signal.value.lamps)[Lamp.KEPT].steps}
    assert lit == (VERDICTS - set(AGAIN.values()) - {Signal.FAULT, Signal.CONTROL_REFUSED}) | {Signal.REST}


@pytest.mark.parametrize("signal", [s for s in by(Owner.VERDICT) if "KEPT" in s.name], ids=word)
def test_kept_is_shown_for_two_and_a_half_seconds_at_least(signal: Signal) -> None:
    lit = spans(shown((Signal.IDLE,), signal, 10_000), Lamp.KEPT, 10_000)
    assert lit[-1][1] - lit[0][0] >= 2500


def test_the_link_lamp_is_the_links_and_the_buttons() -> None:
    for signal in Signal:
        owner, lamps = signal.value.owner, set(dict(signal.value.lamps))
        assert (
            lamps <= {Lamp.LINK}
            if owner is Owner.LINK
            else Lamp.LINK not in lamps or owner is Owner.BUTTON or (signal is Signal.OFF)
        )


def test_a_lamp_has_one_rhythm_in_a_signal() -> None:
    for pattern in patterns():
        assert len(dict(pattern.lamps)) == len(pattern.lamps)


@pytest.mark.parametrize("number", range(1, READ_OUT_MAX + 1))
def test_a_number_is_read_out_as_its_tens_and_units_by_lamp_and_buzzer_in_step(number: int) -> None:
    changes = shown((Signal.IDLE, Signal.LINK_WAITING), lambda mixer, now: mixer.count(number, now), 30_000)
    ends = counted(number).lasts_ms
    lit = [(start, end) for start, end in spans(changes, Lamp.LINK, ends) if start < ends]
    lengths = [end - start for start, end in lit]
    assert (lengths.count(1000), lengths.count(300)) == divmod(number, 10)
    assert lengths == sorted(lengths, reverse=True)
    assert [ms for _, ms in heard(changes)] == lengths


def test_nothing_that_waits_is_dark_and_one_low_tone() -> None:
    changes = shown((Signal.IDLE, Signal.LINK_SETTLED), lambda mixer, now: mixer.count(0, now), 3000)
    assert rises(changes, Lamp.LINK) == []
    assert heard(changes) == [(900, 220)]


def test_more_than_can_be_counted_is_read_out_as_ninety_nine() -> None:
    assert counted(100) == counted(99)
    assert counted(10_000) == counted(99)


@pytest.mark.parametrize("code", FaultCode, ids=word)
def test_a_fault_reads_out_its_code_again_and_again(code: FaultCode) -> None:
    lengths = [end - start for start, end in spans(shown((Signal.IDLE,), code, 30_000), Lamp.AGAIN, 30_000)]
    tens, units = divmod(code.value.number, 10)
    once = [1000] * tens + [300] * units
    assert lengths[: 2 * len(once)] == once * 2
    assert tens
    assert units


def test_a_fault_that_stops_the_unit_darkens_ready_and_no_other_does() -> None:
    for code in FaultCode:
        lit = spans(shown((Signal.IDLE,), code, 5000), Lamp.READY, 5000)
        assert (lit == []) is code.value.stops
        assert (lit == [(0, 5000)]) is not code.value.stops


def test_training_is_seen_whenever_nothing_else_is() -> None:
    for power in ((), (Signal.BATTERY_LOW,)):
        assert rises(shown(power, Signal.TRAINING, 8000), Lamp.AGAIN)


def test_every_signal_and_every_code_is_documented_with_its_meaning() -> None:
    page = signals()
    for signal in Signal:
        assert f"| {signal.word} | {signal.value.meaning} |" in page
    for code in FaultCode:
        assert f"| {code.value.number} | {code.value.meaning} |" in page


def test_a_mixer_that_was_told_nothing_is_dark_and_silent_for_ever() -> None:
    mixer = Mixer(0)
    assert mixer.due is None
    assert mixer.play(10**9) == []
