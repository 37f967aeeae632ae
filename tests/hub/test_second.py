"""The second process: with it, lost or hanging, a hub says the same."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from hub import second
from hub.intake import SHARED_MIN
from hub.second import Second
from tests.hub.conftest import HubHere, make_keys
from tests.hub.some_unit import DEPLOYMENT, PROFILE, Publication, SomeUnit, some_payload
from wire import profiles
from wire.topics import Leaf

SECONDS = 60


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The keys that a hub and its second process share."""
    folder = tmp_path_factory.mktemp("second") / "keys"
    make_keys(folder)
    return folder


@contextmanager
def ready(keys: Path) -> Iterator[Second]:
    """A second process that is ready."""
    with closing(Second(DEPLOYMENT, keys, "hub-a", profiles.named(PROFILE))) as examining:
        assert examining._pipe.poll(SECONDS)
        assert examining.is_ready()
        yield examining


@pytest.fixture(scope="module")
def lasting(keys: Path) -> Iterator[Second]:
    """One for all the tests that let it live."""
    with ready(keys) as examining:
        yield examining


@pytest.fixture
def hub(keys: Path, tmp_path: Path) -> Iterator[HubHere]:
    shutil.copytree(keys, tmp_path / "keys")
    here = HubHere(str(tmp_path / "ledger.sqlite"), tmp_path)
    yield here
    here.stop()


@pytest.fixture
def hub_in_two(hub: HubHere, lasting: Second) -> HubHere:
    """A hub with a second process that is ready."""
    hub.intake.second = lasting
    return hub


def some_presses(unit: SomeUnit) -> list[Publication]:
    return [unit.press(some_payload(number)) for number in range(2 * SHARED_MIN)]


def test_what_the_second_process_examines_is_kept_in_its_place(hub_in_two: HubHere) -> None:
    presses = some_presses(hub_in_two.unit())
    assert hub_in_two.answer(*presses).hash == presses[-1].hash
    assert hub_in_two.count().counted == len(presses)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_second_process_that_is_lost_or_hangs_is_done_without(
    hub: HubHere, keys: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(second, "SECONDS_MAX", 2)
    with ready(keys) as hub.intake.second:
        process_id = hub.intake.second._process.pid
        assert process_id is not None
        os.kill(process_id, number)
        unit = hub.unit()
        for batch in (1, 2):
            assert hub.answer(*some_presses(unit)).seq == batch * 2 * SHARED_MIN


def test_a_note_on_anothers_topic_is_refused_alike_by_both_processes(hub_in_two: HubHere) -> None:
    one, two = hub_in_two.unit("unit-1"), hub_in_two.unit("unit-2")
    wrong = [Publication(two.topic(Leaf.ENVELOPE), press.content) for press in some_presses(one)]
    assert {refused.why for refused in hub_in_two.refusals(hub_in_two.take(*wrong))} == {"wrong-topic"}


def test_what_is_of_another_deployment_is_refused_by_both_processes(hub_in_two: HubHere) -> None:
    unit = hub_in_two.unit()
    wrong = [unit.publish(unit.record(), deployment="another-election") for _ in range(2 * SHARED_MIN)]
    assert [refused.why for refused in hub_in_two.refusals(hub_in_two.take(*wrong))] == ["wrong-topic"] * len(wrong)
