"""The second process: with it, lost or hanging, a hub says the same."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import closing

import pytest

from hub import second
from hub.intake import SHARED_MIN
from hub.second import Second
from tests.hub.conftest import HubHere
from tests.hub.some_unit import DEPLOYMENT, Publication, SomeUnit, some_payload
from wire.topics import Leaf


@pytest.fixture
def hub_in_two(sqlite_hub: HubHere, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubHere]:
    """A hub with a second process that is ready."""
    monkeypatch.setattr(second, "SECONDS_MAX", 2)
    with closing(Second(DEPLOYMENT, sqlite_hub.folder / "keys", sqlite_hub.name, sqlite_hub.profile)) as examining:
        while not examining.is_ready():
            pass
        sqlite_hub.intake.second = examining
        yield sqlite_hub


def some_presses(unit: SomeUnit) -> list[Publication]:
    return [unit.press(some_payload(number)) for number in range(2 * SHARED_MIN)]


def signal_it(number: int) -> None:
    (child,) = multiprocessing.active_children()
    assert child.pid is not None
    os.kill(child.pid, number)


def test_what_the_second_process_examines_is_kept_in_its_place(hub_in_two: HubHere) -> None:
    presses = some_presses(hub_in_two.unit())
    assert hub_in_two.answer(*presses).hash == presses[-1].hash
    assert hub_in_two.count().counted == len(presses)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_second_process_that_is_lost_or_hangs_is_done_without(hub_in_two: HubHere, number: int) -> None:
    signal_it(number)
    unit = hub_in_two.unit()
    for batch in (1, 2):
        assert hub_in_two.answer(*some_presses(unit)).seq == batch * 2 * SHARED_MIN


def test_a_note_on_anothers_topic_is_refused_alike_by_both_processes(hub_in_two: HubHere) -> None:
    one, two = hub_in_two.unit("unit-1"), hub_in_two.unit("unit-2")
    wrong = [Publication(two.topic(Leaf.ENVELOPE), press.content) for press in some_presses(one)]
    assert {refused.why for refused in hub_in_two.refusals(hub_in_two.take(*wrong))} == {"wrong-topic"}


def test_what_is_of_another_deployment_is_refused_by_both_processes(hub_in_two: HubHere) -> None:
    unit = hub_in_two.unit()
    wrong = [unit.publish(unit.record(), deployment="another-election") for _ in range(2 * SHARED_MIN)]
    assert [refused.why for refused in hub_in_two.refusals(hub_in_two.take(*wrong))] == ["wrong-topic"] * len(wrong)
