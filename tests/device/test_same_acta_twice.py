"""The same acta twice, and another acta of the same mesa."""

from device.signals import Signal
from tests.device.world import World, acta


def test_the_same_acta_is_kept_once_and_said_to_be_kept_before(here: World) -> None:
    verdicts = [here.scan(acta()) for _ in range(3)]
    assert verdicts == [Signal.KEPT, Signal.KEPT_BEFORE, Signal.KEPT_BEFORE]
    assert len(here.records()) == 1


def test_the_same_acta_is_known_with_others_in_between(here: World) -> None:
    assert [here.scan(acta(mesa)) for mesa in (1, 2, 3, 1)][-1] is Signal.KEPT_BEFORE


def test_other_votes_of_the_same_mesa_are_kept_beside_the_first_and_shown_as_doubtful(here: World) -> None:
    assert here.scan(acta(votes=100)) is Signal.KEPT
    assert here.scan(acta(votes=900)) is Signal.KEPT_DOUBTFUL
    assert here.settle()
    assert [record.payloads for record in here.records()] == [(acta(votes=100),), (acta(votes=900),)]
    assert any("event=conflict" in line for line in here.hub_log)


def test_a_doubtful_one_scanned_again_is_kept_no_second_time(here: World) -> None:
    here.scan(acta(votes=100))
    here.scan(acta(votes=900))
    assert here.scan(acta(votes=900)) is Signal.KEPT_BEFORE
    assert len(here.records()) == 2
