"""The power cut, wherever it comes and whatever the disk makes of it: every state of the card keeps every promise."""

import pytest

from tests.crash.conftest import Record
from tests.crash.hunt import SECONDS, announcements, hunt, hunt_on_all_cores, hunt_second_cuts, sample, states
from tests.crash.recorder import Recording

STATES_MIN = 10_000


def test_nothing_announced_is_lost_when_nothing_unsynced_reached_the_disk(weeks: Recording, seed: int) -> None:
    """The power goes right after something was said: when most was promised, and least time was there for it."""
    found = hunt(weeks, states(weeks, [0], announcements(weeks)), seed)
    assert not found.broken, found


def test_nothing_announced_is_lost_at_any_moment_and_with_any_luck(weeks: Recording, seed: int) -> None:
    found = hunt(weeks, sample(weeks, 250, seed), seed)
    assert not found.broken, found


def test_nothing_announced_is_lost_while_a_spoiled_index_is_built_again(spoiled: Recording, seed: int) -> None:
    found = hunt(spoiled, [*states(spoiled, [0], announcements(spoiled)), *sample(spoiled, 100, seed)], seed)
    assert not found.broken, found


def test_nothing_announced_is_lost_when_the_power_goes_again_while_the_unit_recovers(
    weeks: Recording, seed: int
) -> None:
    found = hunt_second_cuts(weeks, sample(weeks, 1, seed)[0], 2, seed)
    assert not found.broken, found


LOSSES = {
    "files": "what was announced or sent is there",
    "folders": "what was announced or sent is there",
    "commits": "what is receipted is not offered again",
}
"""What is lost, among other things, without each guard. Records survive a lost commit: the files are the truth."""


@pytest.mark.parametrize(("guard", "promise"), LOSSES.items())
def test_without_a_guard_losses_are_found(recorded: Record, guard: str, promise: str, seed: int) -> None:
    evening = recorded("evening", without=guard)
    found = hunt(evening, states(evening, [0], announcements(evening)), seed)
    assert any(broken.promise.startswith(promise) for broken in found.broken), found


def test_with_every_guard_the_same_evening_loses_nothing(recorded: Record, seed: int) -> None:
    evening = recorded("evening")
    found = hunt(evening, states(evening, [0], announcements(evening)), seed)
    assert not found.broken, found


@pytest.mark.hunt
def test_ten_thousand_states_and_more_keep_every_promise(
    weeks: Recording, spoiled: Recording, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    found = hunt_on_all_cores([weeks, spoiled], SECONDS, seed)
    with capsys.disabled():
        print(f"\n{found}")
    assert not found.broken, found
    assert found.states >= STATES_MIN
