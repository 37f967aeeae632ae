"""What is carried for others: a unit is a relay from stick to stick, at nobody's cost and on nobody's word."""

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import device.corner
from device.corner import CARD_ROOM_BYTES, Corner
from device.folder import Folder
from device.log import Event
from device.signals import Signal
from sim.body import SimStorage
from sim.fleet import SimUnit
from tests.device.field import Field, field, logged, own
from tests.wire.samples import HUB
from wire import note
from wire.bundle import answer_name, claims
from wire.fields import NOTHING
from wire.receipt import Receipt


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Field]:
    with field(tmp_path, units=2) as made:
        yield made


def carried(unit: SimUnit) -> list[Path]:
    """All files that a unit carries for others."""
    return sorted(file for file in (unit.settings.card / "carried").rglob("*") if file.is_file())


def another(of: Path, stick: Path) -> str:
    """Leaves on a stick what another unit might have left: envelopes that claim to be its own. Its name is returned."""
    name = of.name[::-1]
    folder = stick / "testigo" / "trial" / name
    folder.mkdir(parents=True)
    for file in of.glob("*.envelope"):
        content = file.read_bytes().replace(of.name.encode(), name.encode())
        (folder / f"{hashlib.sha256(content).hexdigest()}.envelope").write_bytes(content)
    return name


def receipted(unit: str, at: int) -> tuple[str, bytes]:
    """A hub's receipt for a unit of which nothing is known here, and what it is called."""
    said = Receipt(at=at, chain="c" * 32, extras=(), hash=NOTHING, hub="hub-a", missing=(), seq=0, unit=unit, whole=0)
    return answer_name(said), note.write(said, HUB)


def handed_over(here: Field) -> Path:
    """The first unit has kept two records and left them on a stick, which was put into the second: the stick."""
    far, near = here.units
    here.scan(far, 1, 2)
    stick = here.stick("between")
    assert here.visit(far, stick) is Signal.STICK_DONE
    assert here.visit(near, stick) is Signal.STICK_DONE
    return stick


def rot(monkeypatch: pytest.MonkeyPatch, bad: str, *, can_go: bool = True) -> None:
    """From now on a file of that name lies on a bad sector, whatever it lies on."""
    pieces, remove = Folder.pieces, Folder.remove

    def read(self: Folder, name: str, bytes_max: int) -> Iterator[bytes]:
        if name == bad:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return pieces(self, name, bytes_max)

    def go(self: Folder, name: str) -> None:
        if name == bad and not can_go:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        remove(self, name)

    monkeypatch.setattr(Folder, "pieces", read)
    monkeypatch.setattr(Folder, "remove", go)


def test_a_bundle_goes_over_two_units_and_two_sticks_to_the_hub_and_its_receipt_the_same_way_back(here: Field) -> None:
    far, near = here.units
    between, to_hub = handed_over(here), here.stick("to-hub")
    here.scan(near, 3)
    assert here.visit(near, to_hub) is Signal.STICK_DONE
    lines = here.imported(to_hub)
    assert sorted(lines) == sorted(
        [f"{far.name}: imported 2 records, 2 pictures", f"{near.name}: imported 1 record, 1 picture"]
    )
    assert here.visit(near, to_hub) is Signal.STICK_DONE
    assert here.waiting(near) == 0
    assert here.waiting(far) == 2
    assert here.visit(near, between) is Signal.STICK_DONE
    assert here.visit(far, between) is Signal.STICK_DONE
    assert here.waiting(far) == 0


def test_what_hubs_hold_is_carried_no_more_but_the_receipt_is(here: Field) -> None:
    far, near = here.units
    handed_over(here)
    assert sorted({file.suffix for file in carried(near)}) == [".envelope", ".manifest", ".picture"]
    to_hub = here.stick("to-hub")
    here.visit(near, to_hub)
    here.imported(to_hub)
    here.visit(near, to_hub)
    assert [file.suffix for file in carried(near)] == [".receipt"]
    assert carried(near)[0].parent.name == far.name


def test_a_picture_that_is_lost_for_good_keeps_its_own_record_only(here: Field) -> None:
    far, near = here.units
    here.scan(far, 1, 2, 3)
    first = (far.settings.card / "kept" / f"{far.unit.store.place().chain}-1.envelope").read_bytes()
    lost = next(file for file in (far.settings.card / "kept").glob("*.picture") if file.stem.encode() in first)
    lost.unlink()
    stick = here.stick()
    here.visit(far, stick)
    here.visit(near, stick)
    here.imported(stick)
    here.visit(near, stick)
    assert sorted(file.suffix for file in carried(near)) == [".envelope", ".manifest", ".receipt"]
    assert [file.read_bytes() for file in carried(near) if file.suffix == ".envelope"] == [first]


def test_an_older_receipt_never_takes_the_place_of_a_younger_one(here: Field) -> None:
    far, near = here.units
    old = handed_over(here)
    here.imported(old)
    here.visit(near, old)
    here.scan(far, 3)
    new = here.stick("new")
    here.visit(far, new)
    here.clock.run(60_000)
    here.imported(new)
    (young,) = own(new, far).glob("*.receipt")
    here.visit(near, new)
    here.visit(near, old)
    assert [file.read_bytes() for file in carried(near)] == [young.read_bytes()]
    assert (own(old, far) / young.name).read_bytes() == young.read_bytes()


def test_what_is_not_what_its_name_says_or_is_of_nobody_is_not_carried(here: Field, tmp_path: Path) -> None:
    far, near = here.units
    here.scan(far, 1, 2)
    stick = here.stick()
    here.visit(far, stick)
    folder = own(stick, far)
    first, second = sorted(folder.glob("*.envelope"))
    first.write_bytes(bytes(first.stat().st_size))
    rubbish = os.urandom(4096)
    for leaf in ("envelope", "picture"):
        (folder / f"{hashlib.sha256(rubbish).hexdigest()}.{leaf}").write_bytes(rubbish)
    (folder / f"{'0' * 64}.envelope").symlink_to(tmp_path / "trial" / "hub" / "hub.toml")
    (folder / "hub-a-rubbish.receipt").write_bytes(rubbish)
    (stick / "testigo" / "trial" / "u-stranger").mkdir()
    (stick / "testigo" / "trial" / "u-stranger" / second.name).write_bytes(second.read_bytes())
    (stick / "testigo" / "trial" / "..\n").mkdir()
    (stick / "testigo" / "trial" / "a-file").write_bytes(b"")
    (stick / "testigo" / "trial" / "a-link").symlink_to(tmp_path)
    assert here.visit(near, stick) is Signal.STICK_DONE
    assert [file.name for file in carried(near) if file.suffix == ".envelope"] == [second.name]
    assert len([file for file in carried(near) if file.suffix == ".picture"]) == 1
    assert {file.parent.name for file in carried(near)} == {far.name}


@pytest.mark.parametrize("leaf", [".envelope", ".picture"])
def test_a_file_that_cannot_be_read_keeps_no_other_from_being_carried(
    here: Field, monkeypatch: pytest.MonkeyPatch, leaf: str
) -> None:
    near = here.units[1]
    between = handed_over(here)
    files = {file.name: file for file in carried(near)}
    bad = min(name for name in files if name.endswith(leaf))
    named = claims(files[bad].read_bytes())
    gone = {bad, *(f"{picture.sha256}.picture" for picture in named.pictures)} if named else set[str]()
    rot(monkeypatch, bad)
    stick = here.stick("to-hub")
    here.visit(near, stick)
    assert files.keys() - {file.name for file in stick.rglob("*")} == gone | {bad}
    assert files.keys() - {file.name for file in carried(near)} == gone, "an envelope goes, and what only it names"
    monkeypatch.undo()
    here.visit(near, between)
    assert {file.name for file in carried(near)} == files.keys()


@pytest.mark.parametrize("leaf", [".envelope", ".picture", ".manifest"])
def test_a_file_on_a_stick_that_cannot_be_read_keeps_no_other_from_being_taken(
    here: Field, monkeypatch: pytest.MonkeyPatch, leaf: str
) -> None:
    far, near = here.units
    stick = here.stick("between")
    here.scan(far, 1, 2)
    here.visit(far, stick)
    files = {file.name: file for file in own(stick, far).iterdir() if file.suffix != ".holding"}
    bad = min(name for name in files if name.endswith(leaf))
    named = claims(files[bad].read_bytes())
    rot(monkeypatch, bad)
    assert here.visit(near, stick) is Signal.STICK_DONE
    gone = {bad, *(f"{picture.sha256}.picture" for picture in named.pictures)} if named else {bad}
    assert {file.name for file in carried(near)} == files.keys() - gone
    assert [bad in why for why in logged(near, Event.CARRY_BAD)] == [True]


@pytest.mark.parametrize("can_go", [True, False])
def test_what_hubs_hold_goes_though_one_envelope_can_be_neither_read_nor_removed(
    here: Field, monkeypatch: pytest.MonkeyPatch, can_go: bool
) -> None:
    near, to_hub = here.units[1], here.stick("to-hub")
    handed_over(here)
    here.visit(near, to_hub)
    here.imported(to_hub)
    bad = min(file.name for file in carried(near) if file.suffix == ".envelope")
    rot(monkeypatch, bad, can_go=can_go)
    here.visit(near, to_hub)
    left = {file.name for file in carried(near) if file.suffix in (".envelope", ".picture")}
    assert left == (set() if can_go else {bad})


def test_an_answer_that_cannot_be_read_keeps_no_record_from_the_stick(
    here: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    far, near = here.units
    between = handed_over(here)
    here.imported(between)
    rot(monkeypatch, next(own(between, far).glob("*.receipt")).name)
    here.scan(far, 3)
    before = {file.name for file in own(between, far).glob("*.envelope")}
    assert here.visit(far, between) is Signal.STICK_DONE
    new = {file.name for file in own(between, far).glob("*.envelope")} - before
    assert new
    here.visit(near, between)
    assert new <= {file.name for file in carried(near)}


@pytest.mark.parametrize("leaf", [".envelope", ".receipt"])
def test_a_folder_named_as_a_file_on_a_stick_keeps_no_other_from_going_either_way(here: Field, leaf: str) -> None:
    far, near = here.units
    between, stick = handed_over(here), here.stick("new")
    if leaf == ".receipt":
        here.imported(between)
        here.visit(near, between)
        here.visit(far, between)
    here.scan(far, 3)
    here.visit(far, stick)
    names = {file.name for file in carried(near)}
    for name in names:
        (own(stick, far) / name).unlink(missing_ok=True)
    new = {file.name for file in own(stick, far).iterdir() if file.suffix != ".holding"}
    bad = min(name for name in names if name.endswith(leaf))
    (own(stick, far) / bad).mkdir()
    assert here.visit(near, stick) is Signal.STICK_DONE
    assert {file.name for file in own(stick, far).iterdir() if file.is_file()} >= (names | new) - {bad}
    assert {file.name for file in carried(near)} == names | new
    assert logged(near, Event.CARRY_BAD) == []


def test_what_was_cut_short_on_a_stick_is_given_again(here: Field) -> None:
    near, stick = here.units[1], here.stick("to-hub")
    handed_over(here)
    here.visit(near, stick)
    bad = min(stick.rglob("*.envelope"))
    whole = bad.read_bytes()
    bad.write_bytes(whole[:100])
    assert here.visit(near, stick) is Signal.STICK_DONE
    assert bad.read_bytes() == whole


def test_a_unit_does_not_carry_its_own(here: Field) -> None:
    far, near = here.units
    stick = handed_over(here)
    here.visit(far, stick)
    assert carried(far) == []
    assert {file.parent.name for file in carried(near)} == {far.name}


def test_the_corner_makes_way_for_the_units_own_records_pictures_first(
    here: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, near = here.units
    handed_over(here)
    here.scan(near, 3)
    assert len(carried(near)) == 5, "there is room for all"
    storage, lacks = type(near.body.body.storage), [1, 1 << 20]
    monkeypatch.setattr(storage, "free", lambda _: CARD_ROOM_BYTES - lacks[0])
    here.scan(near, 4)
    assert sorted(file.suffix for file in carried(near)) == [".envelope", ".envelope", ".manifest", ".picture"]
    lacks.pop(0)
    here.scan(near, 5)
    assert carried(near) == []
    assert here.waiting(near) == 3


def test_nothing_is_carried_that_would_leave_the_card_too_little_room(
    here: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, near = here.units
    monkeypatch.setattr(type(near.body.body.storage), "free", lambda _: CARD_ROOM_BYTES + 4000)
    handed_over(here)
    assert [file.suffix for file in carried(near)] == [".envelope", ".envelope"]
    assert logged(near, Event.CARRY_BAD) == []


@pytest.mark.parametrize(("bound", "most"), [("CORNER_FILES_MAX", 3), ("CORNER_BYTES_MAX", 4000), ("UNITS_MAX", 0)])
def test_the_corner_has_bounds(here: Field, monkeypatch: pytest.MonkeyPatch, bound: str, most: int) -> None:
    _, near = here.units
    monkeypatch.setattr(device.corner, bound, most)
    handed_over(here)
    assert len(carried(near)) <= 3
    assert sum(file.stat().st_size for file in carried(near)) <= 4100


def test_a_place_with_only_answers_in_it_is_given_to_whoever_needs_one(
    here: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    far, near = here.units
    monkeypatch.setattr(device.corner, "UNITS_MAX", 1)
    between, to_hub, new = handed_over(here), here.stick("to-hub"), here.stick("new")
    name = another(own(between, far), new)
    here.visit(near, new)
    assert {file.parent.name for file in carried(near)} == {far.name}, "what waits for a hub is not driven out"
    here.visit(near, to_hub)
    here.imported(to_hub)
    empty = here.stick("empty")
    (empty / "testigo" / "trial" / "u-nobody").mkdir(parents=True)
    for stick in (to_hub, to_hub, empty):
        here.visit(near, stick)
        assert [file.suffix for file in carried(near)] == [".receipt"], "nobody needs the place yet"
    here.visit(near, new)
    assert {file.parent.name for file in carried(near)} == {name}


def test_a_place_that_a_hub_has_passed_over_is_given_to_whoever_needs_one(
    here: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    far, near = here.units
    monkeypatch.setattr(device.corner, "UNITS_MAX", 1)
    here.scan(far, 1)
    between, bad, to_hub = here.stick("between"), here.stick("bad"), here.stick("to-hub")
    here.visit(far, between)
    nobody = another(own(between, far), bad)
    here.visit(near, bad)
    here.visit(near, between)
    assert {file.parent.name for file in carried(near)} == {nobody}, "it was first, and no hub has seen it"
    here.scan(near, 2)
    here.visit(near, to_hub)
    here.visit(near, between)
    assert {file.parent.name for file in carried(near)} == {nobody}, "the hub that answered others has not seen it"
    here.imported(to_hub)
    here.visit(near, to_hub)
    assert {file.parent.name for file in carried(near)} == {nobody}, "nobody needs the place yet"
    shutil.copytree(own(between, far), own(to_hub, far))
    here.visit(near, to_hub)
    assert {file.parent.name for file in carried(near)} == {far.name}


def test_a_place_with_only_answers_in_it_that_fills_again_on_the_same_visit_is_not_given_away(
    here: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    far, near = here.units
    monkeypatch.setattr(device.corner, "UNITS_MAX", 1)
    handed_over(here)
    to_hub, new = here.stick("to-hub"), here.stick("new")
    here.visit(near, to_hub)
    here.imported(to_hub)
    here.visit(near, to_hub)
    assert [file.suffix for file in carried(near)] == [".receipt"]
    here.scan(far, 3)
    here.visit(far, new)
    another(own(new, far), new)
    here.visit(near, new)
    assert {file.parent.name for file in carried(near)} == {far.name}
    assert ".envelope" in {file.suffix for file in carried(near)}, "it waits for a hub"


def test_of_places_with_only_answers_in_them_the_one_with_the_oldest_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device.corner, "UNITS_MAX", 3)
    storage = SimStorage(tmp_path / "card")
    corner = Corner(storage, "trial", "u-1", {"hub-a": HUB.verifier}, 1)
    for unit, at in (("u-2", 5), ("u-3", 4), ("u-4", 6)):
        folder = storage.folder / "carried" / unit
        folder.mkdir(parents=True)
        file, content = receipted(unit, at)
        (folder / file).write_bytes(content)
    new = tmp_path / "stick" / "testigo" / "trial" / "u-5"
    new.mkdir(parents=True)
    file, content = receipted("u-5", 3)
    (new / file).write_bytes(content)
    assert corner.visit(tmp_path / "stick") == (4, "")
    assert {path.name for path in (storage.folder / "carried").iterdir()} == {"u-2", "u-4", "u-5"}
    assert {path.name for path in new.parent.iterdir()} == {"u-2", "u-3", "u-4", "u-5"}, "all are on their way home"


def test_a_stick_too_full_for_what_is_carried_still_has_all_that_is_the_units_own(
    here: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    far, near = here.units
    handed_over(here)
    here.scan(near, 3)
    write = Folder.write

    def full(folder: Folder, name: str, pieces: Iterator[bytes], sha256: str) -> int | None:
        if name in {file.name for file in carried(near)}:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(folder, name, pieces, sha256)

    monkeypatch.setattr(Folder, "write", full)
    stick = here.stick("full")
    assert here.visit(near, stick) is Signal.STICK_DONE
    assert "No space left on device" in logged(near, Event.CARRY_BAD)[0]
    assert here.imported(stick) == [f"{near.name}: imported 1 record, 1 picture"]
    assert not own(stick, far).exists() or not list(own(stick, far).iterdir())
    assert len(carried(near)) == 5, "what could not be given away is still carried"


def test_the_corner_survives_a_power_cut(here: Field) -> None:
    far, near = here.units
    handed_over(here)
    near.cut_power()
    near.power_on()
    here.clock.run(5_000)
    stick = here.stick("later")
    here.visit(near, stick)
    assert here.imported(stick)[0] == f"{far.name}: imported 2 records, 2 pictures"
