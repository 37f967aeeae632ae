"""Pictures lost: files that went from the hub's disk, or rotted there, are named and asked for again."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from hub.check import check
from hub.log import Event
from hub.pictures import MARK, Pictures
from tests.hub.conftest import HubHere
from tests.hub.some_unit import SomeUnit, some_payload
from wire.envelope import Sealed
from wire.errors import OurFault

PICTURES = [b"%d" % number * 50_000 for number in range(3)]
ROOT = Path(__file__).parents[2]
NAMES = [Sealed.of(picture).sha256 for picture in PICTURES]


def full_hub(hub: HubHere) -> SomeUnit:
    unit = hub.unit()
    presses = [unit.press(some_payload(n), pictures=[each]) for n, each in enumerate(PICTURES)]
    assert hub.answer(*presses, *(chunk for each in PICTURES for chunk in unit.chunks(each))).whole == 3
    return unit


def lost(hub: HubHere) -> list[tuple[str, str]]:
    return [
        (facts["unit"], name)
        for event, facts in hub.events
        if event is Event.PICTURE_LOST
        for name in facts["sha256"].split()
    ]


@pytest.mark.parametrize("how", ["deleted", "shorter", "empty"])
def test_a_picture_that_is_gone_or_shorter_is_asked_for_again_from_the_next_start_on(hub: HubHere, how: str) -> None:
    unit = full_hub(hub)
    file = hub.folder / "pictures" / NAMES[1]
    if how == "deleted":
        file.unlink()
    else:
        file.write_bytes(b"" if how == "empty" else PICTURES[1][:-1])
    hub.clock += 1
    hub.restart()
    assert lost(hub) == [(unit.name, NAMES[1])]
    receipt = hub.answer(unit.holding())
    assert (receipt.seq, receipt.whole, [each.sha256 for each in receipt.missing]) == (3, 1, [NAMES[1]])
    assert receipt.at == hub.clock
    assert hub.answer(*unit.chunks(PICTURES[1])).whole == 3
    assert file.read_bytes() == PICTURES[1]
    hub.restart()
    assert len(lost(hub)) == 1


def test_a_picture_that_rotted_is_found_by_the_check_and_asked_for_again(hub: HubHere) -> None:
    unit = full_hub(hub)
    file = hub.folder / "pictures" / NAMES[0]
    file.write_bytes(b"x" + PICTURES[0][1:])
    hub.restart()
    assert lost(hub) == []
    assert check(hub.ledger, Pictures(hub.folder / "pictures"), hub.log) == (2, 1)
    assert lost(hub) == [(unit.name, NAMES[0])]
    assert hub.answer(unit.holding()).whole == 0
    assert hub.answer(*unit.chunks(PICTURES[0])).whole == 3
    assert check(hub.ledger, Pictures(hub.folder / "pictures"), hub.log) == (3, 0)


def test_a_disk_that_is_not_mounted_is_not_taken_for_lost_pictures(hub: HubHere) -> None:
    full_hub(hub)
    (hub.folder / "pictures").rename(hub.folder / "elsewhere")
    hub.stop()
    with pytest.raises(OurFault, match="expected 3, found none: mount the disk"):
        hub.start()
    (hub.folder / "pictures").rmdir()
    (hub.folder / "elsewhere").rename(hub.folder / "pictures")
    hub.restart()
    assert lost(hub) == []


@pytest.mark.parametrize("kept", [1, 3], ids=["the only one", "all"])
def test_a_hub_whose_pictures_are_all_lost_starts_and_asks_for_them_again(hub: HubHere, kept: int) -> None:
    unit = hub.unit()
    for number, picture in enumerate(PICTURES[:kept]):
        hub.take(unit.press(some_payload(number), pictures=[picture]), *unit.chunks(picture))
        (hub.folder / "pictures" / NAMES[number]).unlink()
    hub.restart()
    assert [facts for event, facts in hub.events if event is Event.PICTURE_LOST] == [
        {"unit": unit.name, "count": kept, "sha256": " ".join(sorted(NAMES[:kept]))}
    ]
    assert [each.sha256 for each in hub.answer(unit.holding()).missing] == NAMES[:kept]
    assert hub.answer(*(chunk for each in PICTURES[:kept] for chunk in unit.chunks(each))).whole == kept


def test_a_hub_that_knew_no_mark_is_known_by_its_pictures_and_marked(hub: HubHere) -> None:
    full_hub(hub)
    (hub.folder / "pictures" / MARK).unlink()
    hub.restart()
    for name in NAMES:
        (hub.folder / "pictures" / name).unlink()
    hub.restart()
    assert len(lost(hub)) == 3


def test_a_picture_that_the_disk_cannot_tell_of_is_lost_and_no_other(hub: HubHere) -> None:
    full_hub(hub)
    folder = hub.folder / "pictures"
    looks = (
        f"from pathlib import Path; from hub.pictures import Pictures; print(Pictures(Path({str(folder)!r})).sizes())"
    )
    fails = ("strace", "-o", "/dev/null", "-P", str(folder / NAMES[1]), "-e", "inject=newfstatat,statx:error=EIO")
    said = subprocess.run((*fails, sys.executable, "-c", looks), check=True, capture_output=True, text=True, cwd=ROOT)
    sizes = ast.literal_eval(said.stdout)
    assert [sizes[name] for name in NAMES] == [len(PICTURES[0]), -1, len(PICTURES[2])]


def test_a_hub_goes_on_with_the_ledger_of_one_that_kept_chunks_elsewhere(hub: HubHere) -> None:
    unit = hub.unit()
    hub.take(unit.press(some_payload(), pictures=[PICTURES[0]]))
    hub.ledger._database.execute_sql("DROP TABLE chunk_held")  # type: ignore[no-untyped-call]
    hub.restart()
    assert hub.answer(*unit.chunks(PICTURES[0])).whole == 1


def test_of_one_picture_of_two_units_both_are_asked(hub: HubHere) -> None:
    one, two = hub.unit("unit-1"), hub.unit("unit-2")
    for unit in (one, two):
        hub.take(unit.press(some_payload(), pictures=[PICTURES[0]]), *unit.chunks(PICTURES[0]))
    hub.take(one.press(some_payload(1), pictures=[PICTURES[1]]), *one.chunks(PICTURES[1]))
    (hub.folder / "pictures" / NAMES[0]).unlink()
    hub.restart()
    assert [hub.answer(unit.holding()).whole for unit in (one, two)] == [0, 0]
    assert [hub.answer(*unit.chunks(PICTURES[0])).whole for unit in (one, two)] == [2, 1]


def test_a_check_finds_again_what_was_lost_while_the_disk_was_not_mounted(hub: HubHere) -> None:
    unit = full_hub(hub)
    mounted, elsewhere = hub.folder / "pictures", hub.folder / "elsewhere"
    mounted.rename(elsewhere)
    assert check(hub.ledger, Pictures(mounted), hub.log) == (0, 3)
    mounted.rmdir()
    elsewhere.rename(mounted)
    assert check(hub.ledger, Pictures(mounted), hub.log) == (3, 0)
    hub.clock += 1
    assert hub.answer(unit.holding()).whole == 3


def test_no_receipt_says_whole_of_a_picture_that_is_known_to_be_lost(hub: HubHere) -> None:
    unit = hub.unit()
    press = unit.press(some_payload(0), pictures=[PICTURES[0]])
    assert hub.answer(press, *unit.chunks(PICTURES[0])).whole == 1
    (hub.folder / "pictures" / NAMES[0]).unlink()
    assert check(hub.ledger, Pictures(hub.folder / "pictures"), hub.log) == (0, 1)
    hub.clock += 1
    receipt = hub.answer(press)  # a copy, as a stick brings it: it asks for nothing
    assert (receipt.whole, [each.sha256 for each in receipt.missing]) == (0, [NAMES[0]])


def test_what_was_lost_is_told_in_a_later_receipt_even_while_the_clock_stands(hub: HubHere) -> None:
    unit = full_hub(hub)
    before = hub.answer(unit.holding())
    (hub.folder / "pictures" / NAMES[1]).unlink()
    hub.restart()
    now = hub.answer(unit.press(some_payload(9)))
    assert (before.whole, now.whole) == (3, 1)
    assert now.at > before.at, "of one moment the higher number would hold, and a stick brings no holding"
