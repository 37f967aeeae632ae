"""The freeze before the day, and who goes first: what comes too late waits, unless two of three say otherwise."""

import pytest

from tests.updates.desk import DAY, FIRST, LAST, MADE, Desk, Unit
from wire.release import FREEZE_SECONDS

BEGINS = DAY - FREEZE_SECONDS


@pytest.mark.parametrize(
    ("now", "since", "made"),
    [
        (BEGINS, MADE, MADE),  # by the unit's own clock
        (0, BEGINS, MADE),  # its clock stands in 1970, but its package was made in the freeze
        (0, MADE, BEGINS),  # it knows no time at all, but the release says when it was signed
    ],
)
def test_in_the_last_two_days_nothing_new_is_installed_whichever_clock_says_so(
    unit: Unit, desk: Desk, now: int, since: int, made: int
) -> None:
    desk.now = made
    number = desk.release("0.1.2").number
    unit.now, unit.since = now, since
    assert unit.run() == ["FROZEN"]
    assert unit.told[-1][1] == {"release": number}
    assert unit.versions.current == 0


def test_until_a_second_before_it_is(unit: Unit) -> None:
    unit.now = unit.since = BEGINS - 1
    assert unit.look() == 1


def test_after_the_day_a_unit_stays_as_it_is_until_a_package_names_another_day(unit: Unit) -> None:
    unit.now = DAY + 10**6
    assert unit.look() is None
    unit.day = DAY + 10**8
    assert unit.look() == 1


def test_two_of_three_let_one_release_through_the_freeze_and_no_other(unit: Unit, desk: Desk) -> None:
    unit.now = DAY
    desk.repository.draw_root(emergency=1)
    assert desk.repository.sign_root(desk.roots[2]) == 1
    assert unit.look() is None, "one is not enough"
    assert desk.repository.sign_root(desk.roots[0]) == 0
    assert unit.look() == 1
    desk.release("0.1.2")
    assert unit.look() is None, "the newest is another than the one that was let through"


def test_the_next_root_ends_an_emergency(unit: Unit, desk: Desk) -> None:
    for emergency in (1, None):
        desk.repository.draw_root(emergency=emergency)
        for signer in desk.roots[:2]:
            desk.repository.sign_root(signer)
    unit.now = DAY
    assert unit.look() is None


def test_the_first_cohorts_go_first(unit: Unit, desk: Desk) -> None:
    desk.release("0.1.2", share=1)
    assert unit.name == FIRST
    assert unit.look() == 2
    unit.name = LAST
    assert unit.look() == 1, "the others still get the one before"
    desk.repository.spread(100, desk.targets, desk.snapshot)
    assert unit.look() == 2


def test_who_waits_for_its_cohort_does_not_go_back(unit: Unit, desk: Desk) -> None:
    unit.name = LAST
    assert unit.run() == ["PREPARED"]
    unit.versions.prove()
    desk.release("0.1.2", share=99)
    assert unit.run() == []
    assert unit.versions.current == 1


def test_a_release_can_be_held_back_from_all(unit: Unit, desk: Desk) -> None:
    desk.release("0.1.2", share=50)
    desk.repository.spread(0, desk.targets, desk.snapshot)
    assert unit.look() == 1
