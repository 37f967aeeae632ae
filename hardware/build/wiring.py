"""The wiring: what hangs on each pin of hardware/pins.py, drawn as a diagram, and what it draws from the pin."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

from gpiozero.pins.pi import PiBoardInfo

from hardware.build.parts import parts
from hardware.build.sheet import INK, Anchor, Point, Sheet, width_of
from hardware.pins import Pin, Pins

PIN_V = 3.3
PIN_MA_MAX = 16.0
PINS_MA_MAX = 50.0
"""What a Pi's pin may give, and all of them together."""
BASE_V = 0.6
"""A transistor's base is so far above ground at the least."""

REVISIONS = (0x902120, 0xC03115, 0xD04170)
"""A Zero 2 W, a Pi 4 and a Pi 5: their headers are alike."""


@dataclass(frozen=True, slots=True)
class Button:
    """Pin, resistor, button, ground; the Pi holds the pin high."""


@dataclass(frozen=True, slots=True)
class LampWire:
    """Pin, resistor, lamp, ground.

    Attributes:
        part: what the bill of materials knows the lamp by.
        colour: it is drawn in.
        volts: across the lamp when it shines: the least and the most of all that are sold.
    """

    part: str
    colour: str
    volts: tuple[float, float]


@dataclass(frozen=True, slots=True)
class MosfetWire:
    """Pin, resistor, gate; the load between 5 V and drain; `down_ohm` keeps it off while the Pi starts."""

    part: str
    kind: str
    down_ohm: int


@dataclass(frozen=True, slots=True)
class NpnWire:
    """Pin, resistor, base; the piezo between 5 V and collector, `beside_ohm` beside it, through which it discharges."""

    part: str
    kind: str
    beside_ohm: int


@dataclass(frozen=True, slots=True)
class SenseWire:
    """From an output of a battery board, if there is one; unwired it says nothing."""


Wire = Button | LampWire | MosfetWire | NpnWire | SenseWire

_BLUE_VOLTS = (2.7, 3.1)  # at a few mA; white, true green and blue are one kind of lamp

WIRES: dict[str, Wire] = {
    "button": Button(),
    "ready": LampWire("white", "#fff6c8", _BLUE_VOLTS),
    "kept": LampWire("green", "#3fae5a", _BLUE_VOLTS),
    "again": LampWire("red", "#d23b32", (1.7, 2.3)),
    "link": LampWire("blue", "#3f6fd2", _BLUE_VOLTS),
    "paper": MosfetWire("mosfet", "IRLZ44N", 10_000),
    "buzzer": NpnWire("npn", "BC337", 1000),
    "on_battery": SenseWire(),
    "battery_low": SenseWire(),
}
"""What hangs behind each pin of `Pins`, by its name."""


def pins() -> dict[str, Pin]:
    """The pins by name."""
    table = Pins()
    return {field.name: getattr(table, field.name) for field in fields(table)}


def milliamperes(name: str) -> float:
    """The most that a pin gives."""
    ohm = pins()[name].ohm
    match WIRES[name]:
        case LampWire(volts=(least, _)):
            return (PIN_V - least) / ohm * 1000
        case MosfetWire(down_ohm=down_ohm):
            return PIN_V / (ohm + down_ohm) * 1000
        case NpnWire():
            return (PIN_V - BASE_V) / ohm * 1000
        case Button() | SenseWire():
            return 0.0


def dimmest_milliamperes(name: str) -> float:
    """What a lamp has when it is one that takes the most volts."""
    wire = WIRES[name]
    assert isinstance(wire, LampWire)
    return (PIN_V - wire.volts[1]) / pins()[name].ohm * 1000


def header(revision: int = REVISIONS[1]) -> dict[int, str]:
    """What each place of the 40-pin header is: `GPIO17`, `5V`, `GND` ..."""
    return {number: pin.name for number, pin in PiBoardInfo.from_revision(revision).headers["J8"].pins.items()}


def resistors() -> dict[int, int]:
    """How many of each value, in ohm."""
    found: dict[int, int] = {}
    for name, wire in WIRES.items():
        behind = [getattr(wire, which) for which in ("down_ohm", "beside_ohm") if hasattr(wire, which)]
        for ohm in (pins()[name].ohm, *behind):
            found[ohm] = found.get(ohm, 0) + 1
    return dict(sorted(found.items()))


# The drawing.

_WIDE, _HIGH = 297.0, 216.0
_ROW, _TOP = 8.0, 36.0
_LEFT, _RIGHT = 143.0, 154.0  # the header's columns
_LANE, _LANE_STEP = 14.0, 3.2  # from the header to the nearest wire that runs along it, and on to the next
_START = 46.0  # from the header to where parts begin
_COLOURS = {"3V3": "#e08a2c", "5V": "#cc2f2f", "GND": "#222222"}
_LABELS: tuple[tuple[float, Anchor], ...] = ((6.0, "start"), (-6.0, "end"))
_TINTS = ("#1f6fb2", "#8a4fb0", "#2f8f55", "#b0632f", "#5a6b7a", "#b03f70", "#0f8f8f", "#7a7a1f", "#404ec0")


@dataclass(frozen=True, slots=True)
class _Slot:
    """A part's place beside the header.

    Attributes:
        ends: header places of its wires, each with its y from the first one's.
        above, below: the room that it takes, from the y of the first.
        draw: draws it.
    """

    ends: tuple[tuple[int, float], ...]
    above: float
    below: float
    draw: Callable[["_Pen"], None]


@dataclass(slots=True)
class _Pen:
    """Draws outwards from the header: `x` is the distance from where parts begin, `y` the sheet's."""

    sheet: Sheet
    side: int
    y: float

    def at(self, x: float, y: float = 0) -> Point:
        start = (_LEFT if self.side < 0 else _RIGHT) + self.side * _START
        return start + self.side * x, self.y + y

    def run(self, *points: Point, width: float = 0.5) -> None:
        self.sheet.line(*(self.at(*point) for point in points), width=width)

    def dot(self, x: float, y: float = 0) -> None:
        self.sheet.disc(self.at(x, y), 0.8, fill=INK, line=None)

    def text(self, x: float, y: float, text: str, size: float = 3.4, *, bold: bool = False) -> None:
        """Begins at x when it runs outwards to the right, ends there on the left."""
        self.sheet.words(*self.at(x, y), text, size, bold=bold, anchor="end" if self.side < 0 else "start")

    def over(self, x: float, y: float, text: str, size: float = 3.2) -> None:
        self.sheet.words(*self.at(x, y), text, size, anchor="middle")

    def resistor(self, x: float, ohm: int) -> float:
        """From x on; returns where it ends."""
        self.run((x, 0), (x + 3, 0))
        self._block(x + 3, -1.6, 10, 3.2)
        self.over(x + 8, -3, ohms(ohm))
        self.run((x + 13, 0), (x + 16, 0))
        return x + 16

    def resistor_down(self, x: float, y: float, ohm: int, long: float = 12) -> None:
        """From (x, y) down."""
        self.run((x, y), (x, y + 2))
        self._block(x - 1.6, y + 2, 3.2, long - 4)
        self.run((x, y + long - 2), (x, y + long))
        self.sheet.words(
            *self.at(x + 2.8, y + long / 2 + 1), ohms(ohm), 3.2, anchor="start" if self.side > 0 else "end"
        )

    def ground(self, x: float, y: float = 0) -> None:
        """The sign for ground, hanging from (x, y)."""
        self.run((x, y), (x, y + 2))
        for n, half in enumerate((3.0, 1.9, 0.8)):
            self.run((x - half, y + 2 + 1.1 * n), (x + half, y + 2 + 1.1 * n))

    def five(self, x: float, y: float) -> None:
        """The sign for 5 V, standing on (x, y)."""
        self.run((x, y), (x, y - 2.5))
        self.run((x - 2.5, y - 2.5), (x + 2.5, y - 2.5), width=0.8)
        self.over(x, y - 3.8, "5 V")

    def _block(self, x: float, y: float, wide: float, high: float) -> None:
        corners = [self.at(x, y), self.at(x + wide, y), self.at(x + wide, y + high), self.at(x, y + high)]
        self.sheet.outline(corners, fill="#f0e2c0", width=0.4)

    def button(self, pin: Pin) -> None:
        end = self.resistor(0, pin.ohm)
        self.sheet.disc(self.at(end + 1, 0), 1, width=0.4)
        self.sheet.disc(self.at(end + 11, 0), 1, width=0.4)
        self.run((end, -2.6), (end + 12, -2.6), width=0.7)
        self.run((end + 6, -2.6), (end + 6, -5.5), width=0.7)
        self.run((end + 12, 0), (end + 17, 0))
        self.ground(end + 17)

    def lamp(self, pin: Pin, colour: str) -> None:
        end = self.resistor(0, pin.ohm)
        self.sheet.disc(self.at(end + 7, 0), 5, fill=colour, width=0.4)
        self.run((end, 0), (end + 4.5, 0))
        arrow = [self.at(end + 4.5, -2.4), self.at(end + 4.5, 2.4), self.at(end + 9, 0)]
        self.sheet.outline(arrow, fill="#ffffff", width=0.4)
        self.run((end + 9, -2.4), (end + 9, 2.4), width=0.6)
        self.run((end + 9, 0), (end + 17, 0))
        self.ground(end + 17)
        self.over(end - 4, 5, "long leg", 2.4)

    def transistor(self, x: float, legs: tuple[str, str, str]) -> None:
        """Its control at (x, 0), its upper leg at (x + 8, -8), its lower one at (x + 8, 8)."""
        self.sheet.disc(self.at(x + 6, 0), 6, fill="#e4ecf4", width=0.4)
        self.run((x, 0), (x + 3, 0))
        self.run((x + 3, -3.4), (x + 3, 3.4), width=0.9)
        self.run((x + 3, -1.6), (x + 8, -4.4), (x + 8, -8))
        self.run((x + 3, 1.6), (x + 8, 4.4), (x + 8, 8))
        for leg, (dx, dy) in zip(legs, ((-1.6, -1.4), (10.4, -6.5), (10.4, 8.6)), strict=True):
            self.over(x + dx, dy, leg, 2.8)

    def light_bars(self, pin: Pin, wire: MosfetWire) -> None:
        end = self.resistor(0, pin.ohm)
        self.run((end, 0), (end + 16, 0))
        self.dot(end + 1)
        self.resistor_down(end + 1, 0, wire.down_ohm)
        self.ground(end + 1, 12)
        self.transistor(end + 16, ("G", "D", "S"))
        drain = end + 24
        self.ground(drain, 8)
        self.run((drain, -8), (drain, -13))
        self.run((drain, -11), (drain + 20, -11), (drain + 20, -13))
        for x in (drain - 8, drain + 12):
            corners = [self.at(x, -17), self.at(x + 18, -17), self.at(x + 18, -13), self.at(x, -13)]
            self.sheet.outline(corners, fill="#fff6c8", width=0.4)
        self.run((drain, -17), (drain, -19), (drain + 20, -19), (drain + 20, -17))
        self.five(drain + 10, -19)
        self.text(drain + 10, 3, wire.kind)
        amperes = max(variant.light_w for variant in parts().variants.values()) / 5
        self.text(drain + 4, -8, f"two light bars, 5 V, {amperes:.1f} A", 2.6)

    def buzzer(self, pin: Pin, wire: NpnWire) -> None:
        end = self.resistor(0, pin.ohm)
        self.run((end, 0), (end + 16, 0))
        self.transistor(end + 16, ("B", "C", "E"))
        collector = end + 24
        self.ground(collector, 8)
        self.run((collector, -8), (collector, -10), (collector + 20, -10), (collector + 20, -12.4))
        self.sheet.disc(self.at(collector + 20, -16), 3.6, fill="#e8d9a0", width=0.4)
        self.sheet.disc(self.at(collector + 20, -16), 2.1, fill="#f4efdc", width=0.3)
        self.run((collector + 20, -19.6), (collector + 20, -22), (collector, -22))
        self.resistor_down(collector, -22, wire.beside_ohm)
        self.five(collector + 10, -22)
        self.text(collector + 10, 3, wire.kind)


def diagram() -> Sheet:
    """The whole wiring on one sheet."""
    sheet = Sheet(_WIDE, _HIGH)
    sheet.words(10, 12, "testigo: wiring", 6, bold=True)
    which = (
        "Raspberry Pi Zero 2 W, 4 or 5: the header as you look at the board, the end with the memory card at the top."
    )
    sheet.words(10, 19, which, 3.4)
    left, right = _sides()
    tints = iter(_TINTS * 2)
    used = _run_wires(sheet, -1, left, tints) | _run_wires(sheet, 1, right, tints)
    _draw_header(sheet, used)
    notes = (
        "All ground signs meet on the perfboard, and go to pins 6 and 14. All 5 V signs go to pins 2 and 4.",
        "IRLZ44N, its print towards you, legs down: G D S. BC337, its flat side towards you, legs down: C B E.",
        "What a battery board gives to pins is 3.3 V or open: 5 V would kill the Pi.",
    )
    for n, note in enumerate(notes):
        sheet.words(10, _HIGH - 17 + 5 * n, note, 3.4)
    return sheet


def _sides() -> tuple[list[_Slot], list[_Slot]]:
    """What hangs on the header's left and right column, from the top down."""
    left, right = [_clock()], list[_Slot]()
    named = sorted(pins().items(), key=lambda item: item[1].header)
    sense = [pin for name, pin in named if isinstance(WIRES[name], SenseWire)]
    for name, pin in named:
        if pin not in sense:
            (left if pin.header % 2 else right).append(_slot(pin, WIRES[name]))
    return [*left, _battery_board(sense)], right


def _slot(pin: Pin, wire: Wire) -> _Slot:
    name, _, rest = pin.part.partition(", ")

    def draw(pen: _Pen) -> None:
        up = -7.5
        match wire:
            case Button():
                pen.button(pin)
            case LampWire(colour=colour):
                pen.lamp(pin, colour)
            case MosfetWire():
                pen.light_bars(pin, wire)
                up = -12
            case NpnWire():
                pen.buzzer(pin, wire)
                up = -12
            case SenseWire():
                raise AssertionError("battery boards are drawn as one")
        pen.text(0, up, name, bold=True)
        if up < -8:
            pen.text(0, up + 4, rest, 3)
        else:
            pen.text(width_of(name, 3.4, bold=True) + 2, up, rest, 3)

    above = 28.0 if isinstance(wire, MosfetWire | NpnWire) else 11.0
    return _Slot(((pin.header, 0.0),), above, 17.0 if isinstance(wire, MosfetWire) else 9.0, draw)


def _clock() -> _Slot:
    names = {1: "3V3", 3: "SDA", 5: "SCL", 9: "GND"}

    def draw(pen: _Pen) -> None:
        corners = [pen.at(10, -5), pen.at(58, -5), pen.at(58, 23), pen.at(10, 23)]
        pen.sheet.outline(corners, fill="#dfe9df", width=0.4)
        for n, name in enumerate(names.values()):
            pen.run((0, 6 * n), (10, 6 * n))
            pen.text(12, 6 * n + 1.2, name)
        pen.text(26, 8, "clock DS3231", bold=True)
        pen.text(26, 13, "(a Pi 5 has its own)", 2.6)

    return _Slot(tuple((at, 6.0 * n) for n, at in enumerate(names)), 6, 24, draw)


def _battery_board(sense: list[Pin]) -> _Slot:
    step, low = 9.0, 9.0 * len(sense)

    def draw(pen: _Pen) -> None:
        corners = [pen.at(19, -5), pen.at(72, -5), pen.at(72, low + 1), pen.at(19, low + 1)]
        pen.sheet.outline(corners, fill="#e6e0ee", width=0.4)
        for n, pin in enumerate(sense):
            below = _Pen(pen.sheet, pen.side, pen.y + step * n)
            end = below.resistor(0, pin.ohm)
            below.run((end, 0), (end + 3, 0))
            below.text(end + 5, 1.2, pin.part.partition(": ")[2], 3)
        pen.text(21, low - 1.6, "battery board, if there is one", bold=True, size=2.8)
        pen.run((72, 0), (76, 0))
        pen.ground(76)

    return _Slot(tuple((pin.header, step * n) for n, pin in enumerate(sense)), 6, low + 2, draw)


def _run_wires(sheet: Sheet, side: int, slots: list[_Slot], tints: Iterator[str]) -> dict[int, str]:
    """Draws slots and their wires; returns the colour of each header place used.

    A wire runs out from its pin, along the header in a lane of its own, and out again. Of those that run up the
    topmost has the nearest lane, of those that run down the lowest: so no two cross.
    """
    column = _LEFT if side < 0 else _RIGHT
    runs: list[tuple[int, float, float]] = []
    room = 20 * _ROW - sum(slot.above + slot.below for slot in slots)
    assert room >= 0, "more hangs on this side of the header than the sheet has room for: make it longer"
    y = _TOP - 4.0
    for slot in slots:
        y += slot.above
        slot.draw(_Pen(sheet, side, y))
        runs += [(at, pin_y(at), y + dy) for at, dy in slot.ends]
        y += slot.below + room / len(slots)
    up = [run for run in runs if run[2] <= run[1]]
    down = [run for run in reversed(runs) if run[2] > run[1]]
    colours = {}
    for lanes in (up, down):
        for n, (at, from_y, end_y) in enumerate(lanes):
            colours[at] = next(tints)
            lane = column + side * (_LANE + 3 + _LANE_STEP * n)
            start, end = column + side * 3, column + side * _START
            sheet.line((start, from_y), (lane, from_y), (lane, end_y), (end, end_y), line=colours[at], width=0.8)
    return colours


def pin_y(at: int) -> float:
    """How far down the sheet a place of the header is."""
    return _TOP + _ROW * ((at - 1) // 2)


def _draw_header(sheet: Sheet, used: dict[int, str]) -> None:
    sheet.box(_LEFT - 5, _TOP - 5.5, _RIGHT - _LEFT + 10, 20 * _ROW + 3, fill="#2f3a2f", width=0.4)
    for at, name in header().items():
        x, y = (_LEFT if at % 2 else _RIGHT), pin_y(at)
        is_power = name in _COLOURS
        sheet.disc((x, y), 3, fill=_COLOURS.get(name, "#e8e8e8"), line="#ffffff", width=0.3)
        sheet.words(x, y + 1.1, str(at), 3, colour="#ffffff" if is_power else INK, bold=at in used, anchor="middle")
        if at in used or is_power:
            outward, anchor = _LABELS[at % 2]
            text = name.replace("GPIO", "BCM ")
            sheet.words(x + outward, y - 1.4, text, 2.4, anchor=anchor, bold=at in used)


def ohms(ohm: int) -> str:
    """As it is said: 68 Ω, 10 kΩ."""
    return f"{ohm // 1000} kΩ" if ohm >= 1000 else f"{ohm} Ω"
