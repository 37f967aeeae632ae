"""The page of parts: docs/parts.md, with prices, heights, lengths to cut and hours on the battery."""

from collections.abc import Iterable, Sequence

from device.marks import END_MM, FIELD_MM
from hardware.build import optics, solids, wiring
from hardware.build.parts import (
    BATTERY_USABLE,
    HOURS_WANTED,
    SECONDS_LIT_AN_ACTA,
    VARIANTS,
    Item,
    VariantName,
    camera_of,
    hours,
    mean_w,
    parts,
    price,
    total,
    usable_wh,
)


def parts_page() -> str:
    """The whole page."""
    found = parts()
    variants = "\n".join(f"* **{name}**: {found.variants[name].title}." for name in VARIANTS)
    return f"""# Parts of a unit

This page is drawn from `hardware/build/parts.toml` and the code beside it by `make docs`; a test fails while it is
stale. How they go together: [building a unit](guides/build.md).

{variants}

## Bill of materials

Rough market prices in US dollars, without postage and duty. A number in brackets says where the maker's price was
looked up; all others are remembered, of {found.month}, and no shop was asked. What has memory chips in it may cost half
as much again.

{_table(("part", "price", *VARIANTS), _bill())}

{_sources()}

The set of resistors must hold {_resistors()}.

## Camera

The picture's long side sees {FIELD_MM:g} mm of the paper, and an acta of {optics.ACTA_MM:g} mm takes
{optics.parts_of_an_acta(END_MM)} pictures that overlap. Height = field / 2 / tangent of half the angle seen: the
maker's field of view where it is known, else pixels x pitch / 2 / focal length. Focal length alone would give the field
in the last line; so the height is set by what the camera sees, not by a ruler.

{_table(("", *(_camera_title(name) for name in VARIANTS)), _optics())}

## Cutting list

{_table(("piece", *VARIANTS), _cuts())}

## Power

At one acta a minute, of which {SECONDS_LIT_AN_ACTA:g} s are searched and lit: three presses, for the three parts of an
acta, with one more look. {BATTERY_USABLE:.0%} of what is printed on a power bank reaches the unit, for its converter
and some years of age. Wanted are {HOURS_WANTED:g} h. The watts are reckoned from what the sources above say of board
and camera, those without a number are remembered; measure yours with a USB meter ([on the device](on-device.md)). A
power bank tells the unit nothing: *battery low* is for units with a battery board, with a gauge or a line that says so.

{_table(("", *VARIANTS), _power())}

## Pins

The most that each pin gives, with the lamp that takes the least volts; {wiring.PIN_MA_MAX:g} mA are allowed, and
{wiring.PINS_MA_MAX:g} mA in all. How they are wired: [the diagram](guides/pictures/wiring.svg).

{_table(("pin", "BCM", "header", "resistor", "mA"), _pins())}
"""


def _bill() -> Iterable[Sequence[str]]:
    group = ""
    for item in parts().item:
        if item.group != group:
            group = item.group
            yield (f"**{group}**", "", "", "", "")
        yield (item.name + _cited(item.source), f"{item.usd:.2f}", *(_count(item, name) for name in VARIANTS))
    yield ("**total, USD**", "", *(f"**{total(name):.0f}**" for name in VARIANTS))


def _cited(source: str) -> str:
    return f" [{list(parts().sources).index(source) + 1}]" if source else ""


def _sources() -> str:
    return "\n".join(f"{number}. {source}" for number, source in enumerate(parts().sources.values(), 1))


def _count(item: Item, name: VariantName) -> str:
    count = item.count[name]
    if not count:
        return ""
    return f"{count:g}{' ' + item.unit if item.unit else ''}: {price(item, name):.2f}"


def _resistors() -> str:
    return ", ".join(f"{count} of {wiring.ohms(ohm)}" for ohm, count in wiring.resistors().items())


def _camera_title(name: VariantName) -> str:
    return f"{name}: {camera_of(name).title}"


def _optics() -> Iterable[Sequence[str]]:
    cameras = [camera_of(name) for name in VARIANTS]

    def by_focal_length(number: int) -> str:
        camera = cameras[number]
        return f"{2 * optics.height_mm(camera) * optics.half_tangent_by_focal_length(camera):.0f} mm"

    yield ("sensor", *(f"{c.sensor}, {c.columns} x {c.rows} of {c.pitch_um:g} µm" for c in cameras))
    yield ("lens", *(f"{c.focal_mm:g} mm" for c in cameras))
    yield ("**lens above the paper**", *(f"**{optics.height_mm(c):.0f} mm**" for c in cameras))
    yield (
        "field along and across",
        *(f"{optics.field_mm(c)[0]:.0f} x {optics.field_mm(c)[1]:.0f} mm" for c in cameras),
    )
    yield ("px a mm of paper", *(f"{optics.px_per_mm(c):.1f}" for c in cameras))
    yield (f"px a module of {optics.MODULE_MM} mm", *(f"{optics.px_per_module(c):.1f}" for c in cameras))
    yield ("a lamp is mirrored so far from the middle", *(f"{optics.glare_mm(c):.0f} mm" for c in cameras))
    yield ("field by focal length alone", *(by_focal_length(n) for n in range(len(cameras))))


def _cuts() -> Iterable[Sequence[str]]:
    cameras = [camera_of(name) for name in VARIANTS]
    wide, long, thick = solids.PLATE_MM
    yield ("mast, profile 20 x 20 mm", *(f"{solids.mast_mm(c):.0f} mm" for c in cameras))
    yield ("light bars, two", *(f"{solids.BAR_LONG_MM:.0f} mm" for _ in cameras))
    yield (f"clear plate, {thick:g} mm", *(f"{wide:g} x {long:g} mm" for _ in cameras))
    yield ("arm's underside above the tray", *(f"{solids.arm_z_mm(c):.0f} mm" for c in cameras))


def _power() -> Iterable[Sequence[str]]:
    variants = [parts().variants[name] for name in VARIANTS]
    yield ("waiting, camera streaming", *(f"{v.waiting_w:.1f} W{_cited(v.source)}" for v in variants))
    yield ("searching and reading", *(f"{v.reading_w:.1f} W{_cited(v.source)}" for v in variants))
    yield ("light bars, while searching", *(f"{v.light_w:.1f} W" for v in variants))
    yield ("mean", *(f"{mean_w(name):.1f} W" for name in VARIANTS))
    yield ("battery", *(f"{v.battery} ({parts().batteries[v.battery]:g} Wh)" for v in variants))
    yield ("of which it gives", *(f"{usable_wh(name):.0f} Wh" for name in VARIANTS))
    yield ("**lasts**", *(f"**{hours(name):.1f} h**" for name in VARIANTS))


def _pins() -> Iterable[Sequence[str]]:
    for name, pin in sorted(wiring.pins().items(), key=lambda each: each[1].header):
        amps = wiring.milliamperes(name)
        yield (pin.part, str(pin.bcm), str(pin.header), wiring.ohms(pin.ohm), f"{amps:.1f}" if amps else "")
    yield ("**all**", "", "", "", f"**{sum(map(wiring.milliamperes, wiring.WIRES)):.1f}**")


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in (heads, ["---"] * len(heads), *rows))
