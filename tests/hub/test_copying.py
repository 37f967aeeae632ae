"""The copy: what one hub has lost, and no card holds any more, comes to it again from another one."""

import os
from pathlib import Path

import pytest

from hub.copying import copy
from hub.stick import Import
from tests.hub.conftest import HubHere
from tests.hub.some_unit import DEPLOYMENT, SomeUnit, some_payload
from wire.envelope import CHUNK_BYTES, Sealed
from wire.errors import OurFault

PICTURES = [bytes([number]) * (CHUNK_BYTES + number) for number in range(5)]


@pytest.fixture
def other(tmp_path: Path) -> HubHere:
    """The hub that was restored from an empty backup."""
    folder = tmp_path / "other"
    folder.mkdir()
    return HubHere(str(folder / "ledger.sqlite"), folder, "hub-b")


@pytest.fixture
def to(tmp_path: Path) -> Path:
    """Where the copy goes."""
    folder = tmp_path / "copy"
    folder.mkdir()
    return folder


def copied(hub: HubHere, to: Path) -> list[str]:
    return list(copy(hub.ledger, hub.folder / "pictures", DEPLOYMENT, to))


def imported(hub: HubHere, folder: Path) -> list[str]:
    return list(Import(DEPLOYMENT, hub.ledger, hub.intake.examiner, hub.units, hub.intake).run(folder))


def everything(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {str(file): (file.read_bytes(), file.stat().st_ino) for file in folder.rglob("*") if file.is_file()}


def fill(hub: HubHere, other: HubHere) -> SomeUnit:
    """A hub with the records of two units; the other one knows the second's last only."""
    units = [SomeUnit([hub.opener.recipient, other.opener.recipient], name) for name in ("unit-1", "unit-2")]
    for each in units:
        hub.units[each.name] = other.units[each.name] = each.signer.verifier
    for number, picture in enumerate(PICTURES):
        each = units[number % 2]
        record = each.press(some_payload(number), pictures=[picture])
        hub.take(record, *each.chunks(picture))
    last = units[1].press(some_payload(9))
    hub.take(last)
    assert other.answer(last).seq == 0
    return units[1]


def test_what_one_hub_holds_another_takes_from_its_copy_and_counts(hub: HubHere, other: HubHere, to: Path) -> None:
    second = fill(hub, other)
    assert copied(hub, to) == ["unit-1: 3 records, 3 pictures", "unit-2: 3 records, 2 pictures"]
    assert imported(other, to) == [
        "unit-1: imported 3 records, 3 pictures",
        "unit-2: imported 2 records, 2 pictures",
        "unit-2: skipped 1 record: held already",
    ]
    assert other.count() == hub.count()
    other.clock += 1
    receipt = other.answer(second.holding())
    assert (receipt.seq, receipt.whole, receipt.extras, receipt.missing) == (3, 3, (), ())


def test_copied_again_it_is_the_same_and_goes_on_where_it_stopped(hub: HubHere, other: HubHere, to: Path) -> None:
    fill(hub, other)
    said, before = copied(hub, to), everything(to)
    assert (copied(hub, to), everything(to)) == (said, before)
    first, *_ = to.rglob("*.picture")
    first.write_bytes(first.read_bytes()[:-1])
    assert copied(hub, to) == said
    assert {name: content for name, (content, _) in everything(to).items()} == {
        name: content for name, (content, _) in before.items()
    }


def test_what_does_not_follow_in_its_chain_stays_as_evidence_where_it_is(hub: HubHere, to: Path) -> None:
    one = hub.unit()
    hub.take(one.press(some_payload(1)))
    one.seq, one.prev = 0, "0" * 64
    assert hub.refusal(one.press(some_payload(2))).why == "fork"
    assert copied(hub, to) == ["unit-1: 1 record, 0 pictures"]


@pytest.mark.parametrize("spoil", [os.unlink, lambda path: path.write_bytes(b"rotten")], ids=["gone", "rotten"])
def test_a_picture_that_its_disk_has_lost_is_told_and_not_copied(
    hub: HubHere, other: HubHere, to: Path, spoil: object
) -> None:
    fill(hub, other)
    assert callable(spoil)
    spoil(hub.folder / "pictures" / Sealed.of(PICTURES[1]).sha256)
    assert (
        copied(hub, to)[1] == "unit-2: 3 records, 1 picture; 1 picture lost on this hub's disk: say testigo-hub check"
    )
    assert not list(to.rglob("*.part"))


def test_a_folder_that_is_not_there_is_told_in_one_sentence(hub: HubHere, tmp_path: Path) -> None:
    with pytest.raises(OurFault, match=r"No such file or directory: see that it is there, mounted to be written"):
        copied(hub, tmp_path / "nowhere")
