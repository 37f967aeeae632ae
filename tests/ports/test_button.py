"""The button's promise, on every body: each press and each release is one event, in turn, and nothing else is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

import pytest

from device.ports import BodyEvent, ButtonHeld, ButtonPressed, ButtonReleased
from hardware.button import PushButton
from hardware.pins import Pins
from sim.body import make
from sim.clock import SteppedClock
from sim.link import Exchange
from tests.hardware.contact import ContactFactory
from tests.hardware.wired import Wired

PIN = Pins().button


@dataclass
class Bench:
    """A finger on a button, and what comes of it.

    Attributes:
        down, up: what the finger does.
        posted: the next so many events, in words; fewer, if they do not come.
        anew: makes the body again, with the finger where it is.
    """

    down: Callable[[], object]
    up: Callable[[], object]
    posted: Callable[[int], list[str]]
    anew: Callable[[], object]


def taken(inbox: "SimpleQueue[BodyEvent]", count: int) -> list[str]:
    found: list[str] = []
    try:
        while len(found) < count:
            found.append(repr(inbox.get_nowait()))
    except Empty:
        pass
    return found


def sim(folder: Path) -> Bench:
    inbox: SimpleQueue[BodyEvent] = SimpleQueue()
    clock = SteppedClock()
    body = make(clock, folder, Exchange(clock).link("unit-1", inbox.put), inbox.put)
    return Bench(body.hold, body.release, lambda count: taken(inbox, count), lambda: None)


def mock(factory: ContactFactory) -> Bench:
    inbox: SimpleQueue[BodyEvent] = SimpleQueue()
    made = [PushButton(PIN, factory, inbox.put)]
    pin = factory.contact(PIN.bcm)

    def anew() -> None:
        made.pop().close()
        made.append(PushButton(PIN, factory, inbox.put))

    def posted(count: int) -> list[str]:
        factory.clock.run(1000)
        return taken(inbox, count)

    return Bench(lambda: pin.touch(True), lambda: pin.touch(False), posted, anew)


def on_chip(unit: Wired) -> Bench:
    def posted(count: int) -> list[str]:
        return unit.posted(count - 1) + unit.posted(1, 0.1)  # more than so many would come at once, too

    return Bench(unit.down, unit.up, posted, lambda: unit.ask("anew"))


@pytest.fixture(params=["sim", "mock", "lgpio"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "sim":
        yield sim(tmp_path)
    elif request.param == "mock":
        factory = ContactFactory(SteppedClock())
        yield mock(factory)
        factory.close()
    else:
        made: Wired = request.getfixturevalue("wired_unit")
        made.anew()
        yield on_chip(made)


DOWN, UP, HELD = repr(ButtonPressed()), repr(ButtonReleased()), repr(ButtonHeld())


def test_nothing_is_posted_before_a_press(bench: Bench) -> None:
    assert bench.posted(1) == []


def test_a_press_is_posted_when_the_button_goes_down_and_a_release_when_it_comes_up(bench: Bench) -> None:
    bench.down()
    assert bench.posted(2) == [DOWN]
    bench.up()
    assert bench.posted(2) == [UP]


def test_ten_presses_are_ten_presses_and_ten_releases_in_turn(bench: Bench) -> None:
    found: list[str] = []
    for _ in range(10):
        bench.down()
        found += bench.posted(1)
        bench.up()
        found += bench.posted(1)
    assert found == [DOWN, UP] * 10


def test_a_button_that_is_held_as_the_body_is_made_is_told_once_and_its_release_like_any_other(
    request: pytest.FixtureRequest, bench: Bench
) -> None:
    if "sim" in request.node.callspec.id:
        pytest.skip("the simulated body's hand says ButtonHeld itself")
    bench.down()
    assert bench.posted(1) == [DOWN]
    bench.anew()
    assert bench.posted(2) == [HELD]
    bench.up()
    assert bench.posted(2) == [UP]
    bench.down()
    assert bench.posted(2) == [DOWN]
    bench.up()
    assert bench.posted(2) == [UP]


def test_a_button_that_is_stuck_is_told_once(bench: Bench) -> None:
    bench.down()
    assert bench.posted(2) == [DOWN]
    assert bench.posted(1) == []
    bench.up()
    assert bench.posted(1) == [UP]
