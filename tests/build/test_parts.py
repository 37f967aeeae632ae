"""The bill of materials and the power budget: complete, added up right, and enough for a day."""

import re

import pytest

from hardware.build import solids, wiring
from hardware.build.page import parts_page
from hardware.build.parts import (
    HOURS_WANTED,
    VARIANTS,
    VariantName,
    board_of,
    camera_of,
    hours,
    mean_w,
    parts,
    price,
    total,
    usable_wh,
)

PLA_KG_PER_MM3 = 1.24e-6


def test_prices_are_of_a_named_month() -> None:
    assert re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", parts().month)


def test_every_line_has_a_price_a_count_for_each_variant_and_serves_one() -> None:
    for item in parts().item:
        assert item.usd > 0, item.name
        assert set(item.count) == set(VARIANTS), item.name
        assert any(item.count.values()), item.name


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_total_is_what_a_till_would_say(variant: VariantName) -> None:
    cents = sum(round(100 * item.usd * item.count[variant]) for item in parts().item)
    assert round(100 * total(variant)) == cents


def test_a_price_is_of_as_many_as_are_needed() -> None:
    stick = next(item for item in parts().item if item.name.startswith("USB stick"))
    assert price(stick, "centre") == 2 * stick.usd


def test_what_was_looked_up_says_where_and_all_else_is_said_to_be_remembered() -> None:
    found, page = parts(), parts_page()
    assert {item.source for item in found.item} | {v.source for v in found.variants.values()} == {"", *found.sources}
    for number, (key, source) in enumerate(found.sources.items(), 1):
        assert f"{number}. {source}\n" in page
        for item in found.item:
            assert (f"| {item.name} [{number}] |" in page) is (item.source == key)


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_variant_buys_one_computer_its_camera_and_its_battery(variant: VariantName) -> None:
    bought = [item for item in parts().item if item.count[variant]]
    assert sum(item.name.startswith("Raspberry Pi") and item.group == "computer" for item in bought) == 1
    assert sum("amera" in item.name and item.name.startswith("Raspberry") for item in bought) == 1
    assert [item.part for item in bought if "power bank" in item.part] == [parts().variants[variant].battery]
    assert camera_of(variant) in parts().cameras.values()
    assert board_of(variant) in parts().boards.values()


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_hangs_on_the_pins_is_bought(variant: VariantName) -> None:
    wanted = [part for wire in wiring.WIRES.values() if (part := getattr(wire, "part", ""))]
    bought = {item.part: item.count[variant] for item in parts().item if item.part}
    for part in {*wanted, "resistors", "buzzer"}:
        assert bought.get(part, 0) >= max(wanted.count(part), 1), part


def test_the_transistors_that_are_drawn_are_those_that_are_bought() -> None:
    for wire in wiring.WIRES.values():
        if isinstance(wire, wiring.MosfetWire | wiring.NpnWire):
            (item,) = (item for item in parts().item if item.part == wire.part)
            assert wire.kind in item.name
            assert wire.kind in wiring.diagram().svg()


@pytest.mark.parametrize("variant", VARIANTS)
def test_there_is_plastic_enough_for_what_is_printed(variant: VariantName) -> None:
    printed = solids.printed()
    camera, board = parts().variants[variant].camera, parts().variants[variant].board
    pieces = ["tray-half", "tray-half", "foot", "frame", "frame", f"arm-{camera}", f"case-{board}", f"lid-{board}"]
    kg = sum(printed[piece].volume() for piece in pieces) * PLA_KG_PER_MM3
    (plastic,) = (item for item in parts().item if item.unit == "kg")
    assert kg <= plastic.count[variant] <= 1.3 * kg


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_battery_lasts_as_long_as_is_wanted(variant: VariantName) -> None:
    assert hours(variant) >= HOURS_WANTED


def test_the_mean_power_is_the_sum_of_its_minutes() -> None:
    # The standard unit, by hand: 50 s of 4.3 W, 10 s of 7.3 + 4.0 W, and lamps of 0.1 W all the while.
    assert mean_w("standard") == pytest.approx((50 * 4.3 + 10 * 11.3) / 60 + 0.1)
    assert usable_wh("standard") == pytest.approx(74.0 * 0.75)
    assert hours("standard") == pytest.approx(55.5 / 5.5667, rel=1e-3)
