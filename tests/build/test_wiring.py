"""The wiring: diagram and pins are one, no pin is used twice, and none gives more than it may."""

import itertools
import re

import pytest
from gpiozero.pins.pi import PiBoardInfo

from hardware.build import wiring
from hardware.pins import Pin

PINS = wiring.pins()
TAKEN_BY_OTHERS = {2, 3, 7, 8, 9, 10, 11, 14, 15}
"""I2C, SPI and the serial console."""

each_pin = pytest.mark.parametrize("name", list(PINS))
each_revision = pytest.mark.parametrize("revision", wiring.REVISIONS, ids=hex)
lamps = pytest.mark.parametrize(
    "name", [name for name, wire in wiring.WIRES.items() if isinstance(wire, wiring.LampWire)]
)


def words() -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", wiring.diagram().svg())


def test_every_pin_of_the_table_has_a_wire_and_there_is_no_other() -> None:
    assert set(wiring.WIRES) == set(PINS)


@each_revision
def test_the_boards_have_one_header(revision: int) -> None:
    assert wiring.header(revision) == wiring.header()


@each_pin
@each_revision
def test_a_pin_is_where_the_board_has_it_and_its_ground_is_one(name: str, revision: int) -> None:
    header = PiBoardInfo.from_revision(revision).headers["J8"].pins
    assert header[PINS[name].header].name == f"GPIO{PINS[name].bcm}"
    assert header[PINS[name].ground].name == "GND"


def test_no_pin_is_used_twice_nor_one_that_others_need() -> None:
    numbers = [pin.bcm for pin in PINS.values()]
    assert len(set(numbers)) == len(numbers)
    assert TAKEN_BY_OTHERS.isdisjoint(numbers)


@each_pin
def test_a_pin_gives_no_more_than_it_may(name: str) -> None:
    assert wiring.milliamperes(name) <= wiring.PIN_MA_MAX
    assert PINS[name].ohm >= 100


def test_all_pins_together_give_no_more_than_they_may() -> None:
    assert sum(map(wiring.milliamperes, PINS)) <= wiring.PINS_MA_MAX


@lamps
def test_a_lamp_shines_whichever_is_bought(name: str) -> None:
    # A diffused lamp of today is seen in daylight at 1 mA, and across a room at night.
    assert wiring.dimmest_milliamperes(name) >= 1.0


def test_light_bars_and_buzzer_are_switched_by_transistors() -> None:
    assert isinstance(wiring.WIRES["paper"], wiring.MosfetWire)
    assert isinstance(wiring.WIRES["buzzer"], wiring.NpnWire)


def test_the_buzzer_s_transistor_is_driven_hard_enough() -> None:
    # 5 V over the resistor beside the piezo, by a gain of 10: far below what any BC337 has.
    wire = wiring.WIRES["buzzer"]
    assert isinstance(wire, wiring.NpnWire)
    assert wiring.milliamperes("buzzer") * 10 >= 5 / wire.beside_ohm * 1000


def test_resistors_are_counted_by_value() -> None:
    counted = wiring.resistors()
    behind = sum(isinstance(wire, wiring.MosfetWire | wiring.NpnWire) for wire in wiring.WIRES.values())
    assert sum(counted.values()) == len(PINS) + behind


@each_pin
def test_the_diagram_names_each_pin_with_its_part_and_its_resistor(name: str) -> None:
    pin, shown = PINS[name], words()
    assert f"BCM {pin.bcm}" in shown
    assert wiring.ohms(pin.ohm) in shown
    part = pin.part.partition(", ")[0]
    assert part in shown or part.partition(": ")[2] in shown


@each_pin
def test_a_wire_begins_at_its_pin_and_ends_at_its_part(name: str) -> None:
    """Read off the drawing: from the pin's height one coloured line runs to the height of the part's resistor."""
    svg = wiring.diagram().svg()
    y = wiring.pin_y(PINS[name].header)
    starts = re.findall(rf'<path d="M([\d.]+) {y:g}L', svg)
    side = [float(x) < 148.5 for x in starts]
    assert (PINS[name].header % 2 == 1) in side


def test_every_place_of_the_header_is_drawn_once() -> None:
    shown = words()
    assert [shown.count(str(number)) for number in range(1, 41)] == [1] * 40


def test_wires_of_one_side_do_not_cross() -> None:
    lines = [
        [tuple(map(float, point.split())) for point in way.split("L")]
        for way in re.findall(r'<path d="M([^"Z]*)"[^>]*stroke-width="0.8"', wiring.diagram().svg())
    ]
    wires = [line for line in lines if len(line) == 4]
    assert len(wires) == len(PINS) + 4  # and the clock's
    crossings = [(a, b) for n, a in enumerate(wires) for b in wires[:n] if _cross(a, b)]
    assert crossings == []


def test_a_pin_that_is_moved_moves_in_the_diagram(monkeypatch: pytest.MonkeyPatch) -> None:
    before = words()
    moved = {**PINS, "link": Pin(16, 36, "LINK, a blue lamp, right", "lamp, ground", 120, 34)}
    monkeypatch.setattr(wiring, "pins", lambda: moved)
    after = words()
    assert "BCM 16" not in before
    assert "BCM 16" in after
    assert "BCM 24" not in after
    assert "120 Ω" in after


def _cross(a: list[tuple[float, ...]], b: list[tuple[float, ...]]) -> bool:
    return any(
        _meet(p, q, r, s) or _meet(r, s, p, q) for p, q in itertools.pairwise(a) for r, s in itertools.pairwise(b)
    )


def _meet(p: tuple[float, ...], q: tuple[float, ...], r: tuple[float, ...], s: tuple[float, ...]) -> bool:
    """Whether a level line from p to q meets an upright one from r to s."""
    level, upright = p[1] == q[1], r[0] == s[0]
    return (
        level and upright and min(p[0], q[0]) <= r[0] <= max(p[0], q[0]) and min(r[1], s[1]) <= p[1] <= max(r[1], s[1])
    )
