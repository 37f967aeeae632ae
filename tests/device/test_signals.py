"""The signals: each is told apart from every other, in greyscale and in silence, and none harms anybody."""

from itertools import combinations

from device.scan import VERDICT_MS
from device.signals import Lamp, Pattern, Rhythm, Signal
from sim.fleet import UNREAD, VERDICTS
from tests.house.pages import signals

HERTZ_MAX = 2.8
"""Above it a lamp can harm people with photosensitive epilepsy (unit.md)."""

SAME_MEANING = {frozenset({Signal.READY, Signal.IDLE})}
"""Both say that the unit is ready; the first also sounds, once."""


def told_apart_by(pattern: Pattern) -> frozenset[tuple[Lamp, Rhythm]]:
    """All that can be seen without colours: which lamps, and their rhythms."""
    return frozenset(pattern.lamps)


def test_no_two_signals_look_alike_in_greyscale_and_in_silence() -> None:
    alike = {
        frozenset({one, other})
        for one, other in combinations(Signal, 2)
        if one.on_link_lamp == other.on_link_lamp and told_apart_by(one.value) == told_apart_by(other.value)
    }
    assert alike == SAME_MEANING


def test_no_two_verdicts_sound_alike() -> None:
    tones = {signal: signal.value.tones for signal in VERDICTS}
    assert len(set(tones.values())) == len(VERDICTS)
    assert all(tones.values())


def test_no_two_members_are_one() -> None:
    """An Enum makes an alias of a member with an equal value, without a word."""
    assert len(Signal) == len(Signal.__members__)


def test_rhythms_of_one_lamp_are_told_apart_by_number_or_by_twice_the_speed() -> None:
    for lamp in Lamp:
        rhythms = {rhythm for signal in Signal for each, rhythm in signal.value.lamps if each is lamp}
        for one, other in combinations(rhythms, 2):
            numbers = (one.times, other.times)
            periods = sorted((one.on_ms + one.off_ms, other.on_ms + other.off_ms))
            steady = (one.off_ms == 0) != (other.off_ms == 0)
            shares = sorted((one.on_ms / (one.on_ms + one.off_ms), other.on_ms / (other.on_ms + other.off_ms)))
            assert numbers[0] != numbers[1] or steady or periods[1] >= 2 * periods[0] or shares[1] >= 1.4 * shares[0]


def test_nothing_blinks_faster_than_is_safe() -> None:
    for signal in Signal:
        for _, rhythm in signal.value.lamps:
            assert rhythm.off_ms == 0 or 1000 / (rhythm.on_ms + rhythm.off_ms) <= HERTZ_MAX


def test_every_verdict_is_seen_and_heard_for_as_long_as_it_is_shown() -> None:
    for signal in VERDICTS:
        lasting = [rhythm for lamp, rhythm in signal.value.lamps if lamp in (Lamp.KEPT, Lamp.AGAIN)]
        assert lasting
        assert all(rhythm.times * (rhythm.on_ms + rhythm.off_ms) <= VERDICT_MS for rhythm in lasting)


def test_kept_is_said_by_the_kept_lamp_and_by_nothing_else() -> None:
    saying = {signal for signal in Signal if Lamp.KEPT in dict(signal.value.lamps)}
    assert saying == VERDICTS - UNREAD - {Signal.FAULT}


def test_the_link_lamp_is_only_the_links() -> None:
    for signal in Signal:
        lamps = set(dict(signal.value.lamps))
        assert lamps <= {Lamp.LINK} if signal.on_link_lamp else Lamp.LINK not in lamps


def test_a_lamp_has_one_rhythm_in_a_signal() -> None:
    for signal in Signal:
        assert len(dict(signal.value.lamps)) == len(signal.value.lamps)


def test_every_signal_is_documented_with_its_meaning() -> None:
    page = signals()
    for signal in Signal:
        assert f"| {signal.name.lower().replace('_', '-')} | {signal.value.meaning} |" in page
