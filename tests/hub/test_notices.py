"""The notices: what hubs say of where they are, read again when it changes, told once to all and to whoever asks; and
how a hub says it itself."""

import sys
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from hub import moving, notices
from hub.__main__ import main
from hub.log import Event
from hub.notices import Notices
from hub.settings import Settings, read
from sim import deployment
from sim.deployment import Deployment
from wire import note
from wire.errors import OurFault
from wire.move import Move

NOW = 1_722_200_000
AT = "198.51.100.20:8883"


@pytest.fixture
def made(tmp_path: Path) -> Deployment:
    return deployment.make(tmp_path / "trial", 2, 1883, "ve-2024-presidential", hubs=2, ports=(1884,))


@pytest.fixture
def first(made: Deployment) -> Settings:
    return read(made.hubs[0])


@pytest.fixture
def other(made: Deployment) -> Settings:
    return read(made.hubs[1])


class Watched:
    """The notices of a hub, and what it logs of them."""

    def __init__(self, settings: Settings) -> None:
        self.events: list[tuple[Enum, dict[str, Any]]] = []
        self.notices = Notices(settings.notices, settings.deployment, settings.hubs, self._log)

    def _log(self, event: Enum, **facts: Any) -> None:
        self.events.append((event, facts))


@pytest.fixture
def watched(other: Settings) -> Watched:
    return Watched(other)


def carried(first: Settings) -> bytes:
    return notices.read(first.notices / "hub-a.move")


def test_a_hub_that_was_told_nothing_tells_nothing(watched: Watched) -> None:
    assert list(watched.notices()) == []
    assert watched.events == []


def test_what_is_put_into_the_folder_is_told_from_then_on(first: Settings, other: Settings, watched: Watched) -> None:
    watched.notices()
    moving.move(first, [AT], NOW)
    notices.keep(other.notices, carried(first), "trial", other.hubs)
    assert watched.notices() == [carried(first)]
    assert watched.notices() is watched.notices()
    assert watched.events == [(Event.NOTICES_READ, {"hubs": 1})]


@pytest.mark.parametrize("content", [b"", b"rubbish", b"x" * 100_000])
def test_what_is_no_move_is_told_to_the_log_and_to_nobody_else(
    other: Settings, watched: Watched, content: bytes
) -> None:
    other.notices.mkdir()
    (other.notices / "hub-a.move").write_bytes(content)
    (other.notices / "stranger.move").write_bytes(content)
    assert list(watched.notices()) == []
    assert [event for event, _ in watched.events] == [Event.NOTICE_BAD, Event.NOTICES_READ]


def test_numbers_rise_though_the_clock_goes_back(first: Settings) -> None:
    numbers = [moving.move(first, [AT], now).number for now in (NOW, NOW - 1000, NOW, NOW + 5)]
    assert numbers == [NOW, NOW + 1, NOW + 2, NOW + 5]


def test_an_older_move_does_not_take_the_place_of_a_later_one(first: Settings, other: Settings) -> None:
    moving.move(first, [AT], NOW)
    old = carried(first)
    moving.move(first, [AT], NOW + 1)
    notices.keep(other.notices, carried(first), "trial", other.hubs)
    with pytest.raises(OurFault, match="a later one is known here"):
        notices.keep(other.notices, old, "trial", other.hubs)


def test_a_move_of_another_deployment_or_hub_is_not_kept(first: Settings, other: Settings, tmp_path: Path) -> None:
    foreign = read(deployment.make(tmp_path / "other", 1, 1883, "ve-2024-presidential").hub)
    moving.move(foreign, [AT], NOW)
    with pytest.raises(OurFault, match="not trusted here"):
        notices.keep(other.notices, carried(foreign), "trial", other.hubs)
    moving.move(first, [AT], NOW)
    with pytest.raises(OurFault, match="of the deployment trial"):
        notices.keep(other.notices, carried(first), "elsewhere", other.hubs)
    assert not other.notices.exists()


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (["198.51.100.20"], "expected HOST:PORT"),
        (["198.51.100.20:0"], "give 1 to 4 of HOST:PORT"),
        ([AT] * 5, "give 1 to 4 of HOST:PORT"),
        (["-:8883"], "give 1 to 4 of HOST:PORT"),
    ],
)
def test_a_place_that_is_none_is_not_signed(first: Settings, at: list[str], words: str) -> None:
    with pytest.raises(OurFault, match=words):
        moving.move(first, at, NOW)
    assert not first.notices.exists()


def test_an_address_of_ipv6_is_written_as_people_write_it(first: Settings) -> None:
    assert [place.host for place in moving.move(first, ["[2001:db8::20]:8883"], NOW).brokers] == ["2001:db8::20"]


def test_the_program_signs_tells_and_hands_out(
    made: Deployment,
    first: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def say(hub: int, *words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["testigo-hub", *words, "--settings", str(made.hubs[hub])])
        status, told = main(), capsys.readouterr()
        return status, told.out + told.err

    status, told = say(0, "move", "--at", AT, "--to", str(tmp_path / "out"))
    assert status == 0, told
    paths = [Path(line) for line in told.splitlines()[1:]]
    assert [path.relative_to(tmp_path / "out").as_posix() for path in paths] == [
        "hub-a-move.pdf",
        "hub-a-move.png",
        "testigo/trial/hub-a.move",
    ]
    assert note.read(paths[2].read_bytes(), Move, first.hubs).statement.brokers[0].port == 8883
    status, told = say(1, "notice", str(paths[2]))
    assert (status, "hub-a; this hub tells it to units" in told) == (0, True)
    status, told = say(1, "notice", str(made.hubs[0]))
    assert (status, "the move:" in told) == (2, True)
