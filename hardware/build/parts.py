"""The parts: what each variant of a unit is made of, what that costs and how long its battery lasts (parts.toml)."""

import functools
from pathlib import Path
from typing import Literal

import msgspec

VariantName = Literal["backpack", "standard", "centre"]
VARIANTS: tuple[VariantName, ...] = ("backpack", "standard", "centre")

BATTERY_USABLE = 0.75
"""Of what is printed on a power bank: 0.85 comes out at 5 V, of which some years leave nine tenths."""

HOURS_WANTED = 8.0
SECONDS_LIT_AN_ACTA = 10.0
"""Of each minute: three presses, for the three parts of an acta, of which one took a second look."""
LAMPS_W = 0.1
"""The lamps on the lid, all together at 3.3 V and 30 mA."""


class Camera(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A camera with its lens; what its keys mean is said in the file."""

    title: str
    sensor: str
    columns: int
    rows: int
    pitch_um: float
    focal_mm: float
    eye_below_mm: float
    holes: tuple[float, float]
    lens_aside_mm: float
    screw_mm: float
    lens_hole_mm: float
    across_deg: float | None = None


class Board(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A computer's measures, in mm."""

    size: tuple[float, float]
    hole: tuple[float, float]
    holes: tuple[float, float]
    opening: tuple[float, float]


class Variant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One way to build a unit; `source` says where the watts of its board were looked up."""

    title: str
    camera: str
    board: str
    waiting_w: float
    reading_w: float
    light_w: float
    battery: str
    source: str = ""


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of the bill; `part` is what wiring and power know it by, `source` where its price was looked up."""

    group: str
    name: str
    usd: float
    count: dict[VariantName, float]
    part: str = ""
    unit: str = ""
    source: str = ""


class Parts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    month: str
    sources: dict[str, str]
    variants: dict[VariantName, Variant]
    batteries: dict[str, float]
    boards: dict[str, Board]
    cameras: dict[str, Camera]
    item: tuple[Item, ...]


@functools.cache
def parts() -> Parts:
    """The file, checked whole."""
    text = Path(__file__).with_name("parts.toml").read_text("utf-8")
    return msgspec.toml.decode(text, type=Parts)


def price(item: Item, variant: VariantName) -> float:
    """Of all that a variant needs of it, in USD."""
    return item.usd * item.count[variant]


def total(variant: VariantName) -> float:
    """Of the whole bill, in USD."""
    return sum(price(item, variant) for item in parts().item)


def camera_of(variant: VariantName) -> Camera:
    """The camera of a variant."""
    return parts().cameras[parts().variants[variant].camera]


def board_of(variant: VariantName) -> Board:
    """The computer of a variant."""
    return parts().boards[parts().variants[variant].board]


def mean_w(variant: VariantName) -> float:
    """The mean power at one acta a minute, in watts."""
    of = parts().variants[variant]
    lit = SECONDS_LIT_AN_ACTA / 60
    return of.waiting_w * (1 - lit) + (of.reading_w + of.light_w) * lit + LAMPS_W


def usable_wh(variant: VariantName) -> float:
    """What the variant's battery gives, in watt hours."""
    return parts().batteries[parts().variants[variant].battery] * BATTERY_USABLE


def hours(variant: VariantName) -> float:
    """How long that lasts at one acta a minute."""
    return usable_wh(variant) / mean_w(variant)
