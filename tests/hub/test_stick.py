"""The import of a stick: what is whole is taken and answered on the stick, and nothing is believed for being there."""

import dataclasses
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from hub import stick as stick_module
from hub.folder import Folder
from hub.keys import Keys
from hub.quota import Quota
from hub.stick import BATCH, Import
from tests.hub.conftest import HubHere, make_keys
from tests.hub.some_stick import SomeStick
from tests.hub.some_unit import DEPLOYMENT, SomeUnit, some_opener, some_payload
from wire import note
from wire.envelope import CHUNK_BYTES, Sealed
from wire.errors import OurFault
from wire.fields import NOTHING
from wire.receipt import Receipt, Refused

PICTURES = (b"a sealed picture" * 8_000, b"another")
"""One of several chunks, and one of one."""


@pytest.fixture
def stick(tmp_path: Path) -> SomeStick:
    folder = tmp_path / "stick"
    folder.mkdir()
    return SomeStick(folder)


def would(hub: HubHere, stick: SomeStick) -> list[str]:
    return list(Import(DEPLOYMENT, hub.ledger, hub.intake.examiner, hub.units).run(stick.folder))


def imported(hub: HubHere, stick: SomeStick) -> list[str]:
    return list(Import(DEPLOYMENT, hub.ledger, hub.intake.examiner, hub.units, hub.intake).run(stick.folder))


def outcome(hub: HubHere, stick: SomeStick) -> bool:
    """Whether all that was on it is held."""

    lines = Import(DEPLOYMENT, hub.ledger, hub.intake.examiner, hub.units, hub.intake).run(stick.folder)
    held: list[bool] = []

    def to_the_end() -> Iterator[str]:
        held.append((yield from lines))

    list(to_the_end())
    return held[0]


def receipt_on(hub: HubHere, stick: SomeStick, unit: SomeUnit) -> Receipt:
    trusted = {hub.name: hub.keys.signer.verifier}
    return note.read(stick.answers(unit)["receipt"], Receipt, trusted).statement


def test_a_stick_is_taken_whole_and_answered_with_a_receipt(hub: HubHere, stick: SomeStick) -> None:
    unit = hub.unit()
    records = [unit.press(some_payload(1), pictures=PICTURES), unit.press(some_payload(2))]
    stick.export(unit, records, PICTURES)
    assert would(hub, stick) == ["unit-1: will import 2 records, 2 pictures"]
    assert stick.answers(unit) == {}
    assert imported(hub, stick) == ["unit-1: imported 2 records, 2 pictures"]
    assert len(hub.ledger.readings()) == 2
    receipt = receipt_on(hub, stick, unit)
    assert (receipt.seq, receipt.hash, receipt.whole, receipt.missing) == (2, records[1].hash, 2, ())


def test_importing_twice_changes_nothing(hub: HubHere, stick: SomeStick) -> None:
    unit = hub.unit()
    stick.export(unit, [unit.press(some_payload(), pictures=PICTURES)], PICTURES)
    imported(hub, stick)
    before, counted = stick.everything(), hub.count()
    hub.clock += 60
    again = ["unit-1: {} nothing", "unit-1: {} 2 pictures: held already", "unit-1: {} 1 record: held already"]
    words = ("imported", "skipped", "skipped")
    assert imported(hub, stick) == [line.format(word) for line, word in zip(again, words, strict=True)]
    words = ("will import", "will skip", "will skip")
    assert would(hub, stick) == [line.format(word) for line, word in zip(again, words, strict=True)]
    assert stick.everything() == before
    assert hub.count() == counted


def test_importing_twice_changes_nothing_where_nothing_is_held(hub: HubHere, stick: SomeStick) -> None:
    """A stick that was pulled early brings the word of what a unit holds, and no record."""
    unit = hub.unit()
    unit.press()
    stick.leave(unit, unit.holding().content, "holding")
    imported(hub, stick)
    before = stick.everything()
    hub.clock += 60
    imported(hub, stick)
    assert stick.everything() == before


@pytest.mark.parametrize("beyond", [False, True], ids=["in its place", "beyond a gap"])
def test_what_a_hub_has_lost_since_is_not_said_to_be_whole_on_a_stick(
    hub: HubHere, stick: SomeStick, beyond: bool
) -> None:
    """The unit has not heard the receipt that said so, and would believe it."""
    unit = hub.unit()
    if beyond:
        unit.press(some_payload(1))  # this one never comes
    record = unit.press(some_payload(2), pictures=PICTURES[:1])
    receipt = hub.answer(record, *unit.chunks(PICTURES[0]))
    assert (receipt.whole, [each.whole for each in receipt.extras]) == ((0, [True]) if beyond else (1, []))
    (hub.folder / "pictures" / Sealed.of(PICTURES[0]).sha256).unlink()
    hub.clock += 60
    hub.restart()
    stick.leave(unit, unit.holding().content, "holding")
    imported(hub, stick)
    receipt = receipt_on(hub, stick, unit)
    assert (receipt.whole, [each.whole for each in receipt.extras]) == (0, [False] if beyond else [])
    before = stick.everything()
    hub.clock += 60
    imported(hub, stick)
    assert stick.everything() == before


def test_a_dry_run_changes_nothing(hub: HubHere, stick: SomeStick) -> None:
    unit = hub.unit()
    stick.export(unit, [unit.press(some_payload(), pictures=PICTURES)], PICTURES)
    before = stick.everything()
    would(hub, stick)
    assert stick.everything() == before
    assert hub.ledger.readings() == []
    assert list((hub.folder / "pictures").iterdir()) == []


def test_the_chunks_that_came_over_the_air_and_the_picture_on_the_stick_are_one(hub: HubHere, stick: SomeStick) -> None:
    unit = hub.unit()
    record = unit.press(some_payload(), pictures=PICTURES[:1])
    hub.take(record, *unit.chunks(PICTURES[0])[:1])
    stick.export(unit, [record], PICTURES[:1])
    assert len(PICTURES[0]) > CHUNK_BYTES
    assert imported(hub, stick) == ["unit-1: imported 1 picture", "unit-1: skipped 1 record: held already"]
    assert receipt_on(hub, stick, unit).whole == 1


def test_a_missing_picture_is_named_and_asked_for(hub: HubHere, stick: SomeStick) -> None:
    unit = hub.unit()
    stick.export(unit, [unit.press(some_payload(), pictures=PICTURES)], PICTURES[:1])
    missing = unit.chunks(PICTURES[1])[0].sha256
    for lines in (would(hub, stick), imported(hub, stick)):
        assert lines[1:] == [f"unit-1: missing picture {missing} of record 1"]
    receipt = receipt_on(hub, stick, unit)
    assert (receipt.seq, receipt.whole, [each.sha256 for each in receipt.missing]) == (1, 0, [missing])


def test_what_a_manifest_names_and_is_not_there_is_told(hub: HubHere, stick: SomeStick) -> None:
    unit = hub.unit()
    records = [unit.press(some_payload(mesa)) for mesa in range(3)]
    stick.export(unit, records)
    (stick.of(unit) / f"{records[1].sha256}.envelope").unlink()
    lines = imported(hub, stick)
    assert lines[0] == "unit-1: imported 2 records"
    assert lines[1].startswith("unit-1: missing 1 record that its manifests name")
    assert [extra.seq for extra in receipt_on(hub, stick, unit).extras] == [3]


def test_what_is_whole_on_a_stick_that_was_pulled_too_early_counts(hub: HubHere, stick: SomeStick) -> None:
    unit = hub.unit()
    whole, half = unit.press(some_payload(1)), unit.press(some_payload(2))
    stick.leave(unit, whole.content, "envelope")
    (stick.of(unit) / f"{half.sha256}.envelope").write_bytes(half.content[:1000])
    (stick.of(unit) / f"{'0' * 64}.picture.part").write_bytes(b"half")
    lines = imported(hub, stick)
    assert lines[0] == "unit-1: imported 1 record"
    assert [line.partition(": half-written")[0] for line in lines[1:]] == [
        "unit-1: skipped 1 file",
        "unit-1: skipped 1 record",
    ]
    assert receipt_on(hub, stick, unit).seq == 1


@pytest.mark.parametrize(
    ("faulty", "why", "is_answered"),
    [
        (lambda unit, _: unit.press(some_payload()).content[:-1], "malformed", True),
        (lambda unit, _: unit.publish(unit.record(), deployment="another").content, "wrong-topic", True),
        (lambda *_: b"rubbish", "malformed", False),
        (lambda *_: (3).to_bytes(4, "big") + b"a\nb", "malformed", False),
        (lambda _, other: other.press(some_payload()).content, "wrong-topic", False),
    ],
    ids=["cut", "of another deployment", "rubbish", "no note", "of another unit"],
)
def test_what_the_intake_refuses_is_told_and_refused_on_the_stick_where_the_unit_signed_it(
    hub: HubHere, stick: SomeStick, faulty: Callable[[SomeUnit, SomeUnit], bytes], why: str, is_answered: bool
) -> None:
    unit, other = hub.unit(), hub.unit("unit-2")
    file = stick.leave(unit, faulty(unit, other), "envelope")
    for lines in (would(hub, stick), imported(hub, stick)):
        assert lines[1].partition(": ")[2].partition(" 1 record: ")[2].startswith(f"{why}: ")
    if not is_answered:
        assert stick.answers(unit) == {}
        return
    trusted = {hub.name: hub.keys.signer.verifier}
    refused = note.read(stick.answers(unit)["refused"], Refused, trusted).statement
    assert (refused.publication, refused.unit, refused.why) == (file.stem, "unit-1", why)


def test_of_ever_so_much_that_a_unit_signs_and_is_refused_the_receipts_and_a_few_are_answered(
    hub: HubHere, stick: SomeStick, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stick_module, "ANSWERS_MAX", 8)
    hub.quota = Quota(chains=2, records=3)
    hub.restart()
    unit = hub.unit()
    for chain in range(4):  # of two chains there is no room at all, of the others for three records each
        unit.chain, unit.seq, unit.prev = f"{chain:032x}", 0, NOTHING
        stick.export(unit, [unit.press() for _ in range(6)])
    imported(hub, stick)
    names = sorted(path.name.partition(".")[2] for path in stick.of(unit).iterdir())
    assert [names.count(each) for each in ("receipt", "refused")] == [4, 4]


class RottenFolder(Folder):
    """A folder on a stick that wears out: in one of its folders nothing can be opened."""

    def inner(self, name: str) -> Self | None:
        if name == "unit-1":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().inner(name)


class UnlistedFolder(Folder):
    """The same, where it can be opened and its names cannot be read."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        self._is_rotten = Path(f"/proc/self/fd/{descriptor}").readlink().name == "unit-1"

    def names(self) -> Iterator[str]:
        if self._is_rotten:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().names()


@pytest.mark.parametrize("rotten", [RottenFolder, UnlistedFolder])
def test_a_folder_that_cannot_be_read_is_told_and_the_others_are_taken(
    hub: HubHere, stick: SomeStick, monkeypatch: pytest.MonkeyPatch, rotten: type[Folder]
) -> None:
    units = [hub.unit(f"unit-{number}") for number in range(3)]
    for number, unit in enumerate(units):
        stick.export(unit, [unit.press(some_payload(number))])
    monkeypatch.setattr(stick_module, "Folder", rotten)
    for look, imports, skips in ((would, "will import", "will skip"), (imported, "imported", "skipped")):
        one, two, three = look(hub, stick)
        assert (one, three) == (f"unit-0: {imports} 1 record", f"unit-2: {imports} 1 record")
        assert two.startswith(f"unit-1: {skips} all: its folder cannot be read: Input/output error: ")
    assert [len(stick.answers(unit)) for unit in units] == [1, 0, 1]
    assert not outcome(hub, stick)
    monkeypatch.undo()
    assert outcome(hub, stick)


@pytest.mark.parametrize("left", ["rubbish", "half", "manifest", "picture", "stranger"])
def test_whether_all_on_a_stick_is_held_is_told(hub: HubHere, stick: SomeStick, left: str) -> None:
    unit = hub.unit()
    record = unit.press(some_payload(), pictures=PICTURES)
    stick.export(unit, [record], PICTURES)
    assert outcome(hub, stick)
    assert outcome(hub, stick)  # what is held already is held
    match left:
        case "rubbish":
            stick.leave(unit, b"rubbish", "envelope")
        case "half":
            (stick.of(unit) / f"{'0' * 64}.picture.part").write_bytes(b"half")
        case "manifest":
            (stick.of(unit) / f"{record.sha256}.envelope").unlink()
        case "picture":
            more = unit.press(some_payload(1), pictures=[b"a third"])
            stick.leave(unit, more.content, "envelope")
        case _:
            stranger = hub.unit("stranger", enrolled=False)
            stick.export(stranger, [stranger.press()])
    assert not outcome(hub, stick)


def test_what_is_held_of_a_folder_is_asked_in_a_few_queries(sqlite_hub: HubHere, stick: SomeStick) -> None:
    unit, asked = sqlite_hub.unit(), list[str]()
    stick.export(unit, [unit.press() for _ in range(BATCH)])
    connection: Any = sqlite_hub.ledger._database.connection()  # type: ignore[no-untyped-call]
    for look in (would, imported):
        connection.set_trace_callback(asked.append)
        look(sqlite_hub, stick)
        connection.set_trace_callback(None)
    assert 0 < len([sql for sql in asked if sql.startswith("SELECT")]) < BATCH


def test_a_fork_on_a_stick_is_told_and_kept_as_evidence(hub: HubHere, stick: SomeStick) -> None:
    unit = hub.unit()
    hub.take(unit.press(some_payload(1)))
    unit.seq, unit.prev = 0, "0" * 64
    stick.export(unit, [unit.press(some_payload(2))])
    assert would(hub, stick)[1].startswith("unit-1: will skip 1 record: fork: ")
    assert imported(hub, stick)[1].startswith("unit-1: skipped 1 record: fork: ")
    assert len(hub.ledger.strays()) == 1


def test_what_this_hub_cannot_open_is_held_with_its_pictures_and_told(hub: HubHere, stick: SomeStick) -> None:
    unit = hub.unit()
    unit.recipients = [some_opener("another").recipient, hub.escrow.recipient]
    stick.export(unit, [unit.press(some_payload(), pictures=PICTURES)], PICTURES)
    assert would(hub, stick)[1].startswith("unit-1: will skip 1 record: not-for-us: ")
    lines = imported(hub, stick)
    assert lines[0] == "unit-1: imported 2 pictures"
    assert lines[1].startswith("unit-1: skipped 1 record: not-for-us: ")
    assert receipt_on(hub, stick, unit).whole == 1


def test_a_unit_that_is_not_enrolled_is_named_and_nothing_of_it_is_taken(hub: HubHere, stick: SomeStick) -> None:
    stranger, unit = hub.unit("stranger", enrolled=False), hub.unit()
    stick.export(stranger, [stranger.press(some_payload(1))])
    stick.export(unit, [unit.press(some_payload(2))])
    lines = imported(hub, stick)
    assert lines[0].startswith("stranger: skipped all: it is not in the register")
    assert lines[1] == "unit-1: imported 1 record"
    assert stick.answers(stranger) == {}
    hub.units["stranger"] = stranger.signer.verifier
    assert imported(hub, stick)[0] == "stranger: imported 1 record"


def test_a_manifest_by_somebody_else_is_told_and_what_it_names_is_taken_for_itself(
    hub: HubHere, stick: SomeStick
) -> None:
    unit, thief = hub.unit(), hub.unit(enrolled=False)
    record = unit.press(some_payload())
    stick.leave(unit, record.content, "envelope")
    stick.export(thief, [record])
    lines = imported(hub, stick)
    assert lines[0] == "unit-1: imported 1 record"
    assert lines[1].startswith("unit-1: skipped 1 manifest: unknown-signer: signed by unit-1 with key ")


def test_a_stick_of_another_deployment_is_named_and_left_alone(hub: HubHere, stick: SomeStick) -> None:
    unit = hub.unit()
    unit.deployment = "last-year"
    stick.export(unit, [unit.press(some_payload())])
    before = stick.everything()
    with pytest.raises(OurFault, match=f"expected bundles of {DEPLOYMENT}, found last-year"):
        imported(hub, stick)
    assert stick.everything() == before


def test_a_folder_that_is_no_stick_is_told_so(hub: HubHere, stick: SomeStick) -> None:
    with pytest.raises(OurFault, match="no folder testigo on it"):
        would(hub, stick)
    with pytest.raises(OurFault, match="No such file or directory: see that it is mounted"):
        list(Import(DEPLOYMENT, hub.ledger, hub.intake.examiner, {}).run(stick.folder / "nothing"))


def test_thousands_refused_for_one_reason_are_one_line_that_no_terminal_obeys(hub: HubHere, stick: SomeStick) -> None:
    unit = hub.unit()
    for number in range(300):
        stick.leave(unit, number.to_bytes(2, "big"), "envelope")
    signed = unit.sign(b'testigo/envelope/1\n{"\x1b[2J":0}\n')
    stick.leave(unit, len(signed).to_bytes(4, "big") + signed + b"sealed", "envelope")
    lines = imported(hub, stick)
    assert len(lines) == 2
    assert lines[1].startswith("unit-1: skipped 301 records: malformed: ")
    assert all(line.isprintable() for line in lines + would(hub, stick))


def test_several_units_on_one_stick_are_each_taken_and_each_answered(hub: HubHere, stick: SomeStick) -> None:
    units = [hub.unit(f"unit-{number}") for number in range(3)]
    for number, unit in enumerate(units):
        stick.export(unit, [unit.press(some_payload(number))])
    assert imported(hub, stick) == [f"unit-{number}: imported 1 record" for number in range(3)]
    for unit in units:
        receipt = receipt_on(hub, stick, unit)
        assert (receipt.unit, receipt.seq) == (unit.name, 1)


def test_links_pipes_folders_and_endless_files_are_passed_over(hub: HubHere, stick: SomeStick, tmp_path: Path) -> None:
    unit = hub.unit()
    records = [unit.press(some_payload(mesa)) for mesa in range(5)]
    own = stick.of(unit)
    secret = tmp_path / "secret"
    secret.write_bytes(records[0].content)
    (own / f"{records[0].sha256}.envelope").symlink_to(secret)
    os.mkfifo(own / f"{records[1].sha256}.envelope")
    (own / f"{records[2].sha256}.envelope").mkdir()
    with (own / f"{records[3].sha256}.envelope").open("wb") as file:
        file.truncate(1 << 40)
    stick.leave(unit, records[4].content, "envelope")
    os.mkfifo(own / f"{hub.name}-{'c' * 32}.receipt")
    (own / "\udcff\udcfe.envelope").write_bytes(b"")
    (stick.folder / "testigo" / DEPLOYMENT / "unit-9").symlink_to(tmp_path)
    lines = imported(hub, stick)
    assert lines[0] == "unit-1: imported 1 record"
    assert lines[1].startswith("unit-1: skipped 4 records: half-written, or changed since")
    assert receipt_on(hub, stick, unit).extras[0].seq == 5


def test_a_link_in_place_of_the_units_folder_is_not_followed(hub: HubHere, stick: SomeStick, tmp_path: Path) -> None:
    unit = hub.unit()
    own = stick.of(unit)
    own.rmdir()
    (tmp_path / "elsewhere").mkdir()
    own.symlink_to(tmp_path / "elsewhere")
    assert imported(hub, stick) == []


def test_a_stick_that_cannot_be_written_is_imported_and_the_missing_receipts_are_told(
    hub: HubHere, stick: SomeStick
) -> None:
    """Root may write everywhere, so a folder stands where the receipt should."""
    unit = hub.unit()
    stick.export(unit, [unit.press(some_payload())])
    (stick.of(unit) / f"{hub.name}-{unit.chain}.receipt").mkdir()
    lines = Import(DEPLOYMENT, hub.ledger, hub.intake.examiner, hub.units, hub.intake).run(stick.folder)
    assert next(lines) == "unit-1: imported 1 record"
    with pytest.raises(OurFault, match="was imported, but the receipts could not be written"):
        next(lines)
    assert len(hub.ledger.readings()) == 1


def test_a_folder_under_the_name_of_an_answer_keeps_no_other_answer_from_the_stick(
    hub: HubHere, stick: SomeStick
) -> None:
    unit = hub.unit()
    for chain in ("d" * 32, "e" * 32, "f" * 32):
        unit.chain, unit.seq, unit.prev = chain, 0, NOTHING
        stick.export(unit, [unit.press()])
    names = [f"{hub.name}-{chain}.receipt" for chain in ("d" * 32, "e" * 32, "f" * 32)]
    (stick.of(unit) / names[1]).mkdir()
    with pytest.raises(OurFault, match=f"could not be written: {names[1]}: Is a directory"):
        imported(hub, stick)
    assert {file.name for file in stick.of(unit).glob("*.receipt") if file.is_file()} == {names[0], names[2]}


def test_wrong_chunks_that_came_before_do_not_keep_the_picture_out_for_ever(hub: HubHere, stick: SomeStick) -> None:
    unit = hub.unit()
    record = unit.press(some_payload(), pictures=PICTURES[:1])
    wrong = unit.chunks(bytes(len(PICTURES[0])))[0].content
    hub.take(record)
    hub.intake.take([(unit.chunks(PICTURES[0])[0].topic, wrong)])
    stick.export(unit, [record], PICTURES[:1])
    assert imported(hub, stick)[1].startswith("unit-1: skipped 1 picture: chunks that had come before")
    assert imported(hub, stick)[0] == "unit-1: imported 1 picture"


def test_what_a_unit_holds_is_answered_once_by_a_receipt_that_it_believes(hub: HubHere, stick: SomeStick) -> None:
    unit = hub.unit()
    stick.export(unit, [unit.press()])
    imported(hub, stick)
    at = receipt_on(hub, stick, unit).at
    # What it has not heard; what it has; what the hub said before it was restored, its clock behind.
    for heard, now, answered in ((at - 1, at + 60, at), (at, at + 120, at + 120), (at + 3600, at + 180, at + 3601)):
        word = stick.leave(unit, unit.holding((heard, hub.name)).content, "holding")
        for hub.clock in (now, now + 30):
            assert imported(hub, stick)[0] == "unit-1: imported nothing"
            assert receipt_on(hub, stick, unit).at == answered
        word.unlink()


def test_a_word_of_what_it_holds_that_a_unit_did_not_sign_is_told_and_answered_by_nothing(
    hub: HubHere, stick: SomeStick
) -> None:
    one, two = hub.unit("unit-1"), hub.unit("unit-2")
    stick.leave(one, two.holding().content, "holding")
    stick.leave(one, b"rubbish", "holding")
    lines = imported(hub, stick)
    assert [line.partition(" of what it holds: ")[2].partition(":")[0] for line in lines[1:]] == [
        "malformed",
        "unknown-signer",
    ]
    assert stick.answers(one) == {}


@pytest.mark.parametrize("says", ["nothing", "what it holds"])
def test_a_hub_that_has_a_new_key_answers_by_it_whatever_it_has_said_before(
    hub: HubHere, stick: SomeStick, says: str
) -> None:
    unit = hub.unit()
    stick.export(unit, [unit.press()])
    imported(hub, stick)
    make_keys(hub.folder / "new")
    sealed_to = hub.keys.opener
    hub.keys = dataclasses.replace(Keys.read(hub.folder / "new", hub.name), opener=sealed_to)
    hub.restart()
    if says == "what it holds":
        for file in stick.of(unit).iterdir():
            file.unlink()
        stick.leave(unit, unit.holding().content, "holding")
    imported(hub, stick)
    assert receipt_on(hub, stick, unit).seq == 1


def test_an_answer_that_cannot_be_read_costs_no_other_answer(
    hub: HubHere, stick: SomeStick, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = hub.unit()
    unit.press()
    stick.leave(unit, unit.holding().content, "holding")
    imported(hub, stick)
    (bad,) = stick.of(unit).glob("*.receipt")
    unit.chain, unit.seq, unit.prev = "e" * 32, 0, NOTHING
    stick.export(unit, [unit.press()])
    pieces = Folder.pieces

    def with_a_bad_sector(self: Folder, name: str, bytes_max: int) -> Iterator[bytes]:
        if name == bad.name:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return pieces(self, name, bytes_max)

    bad.write_bytes(rotten := bytes(bad.stat().st_size))
    monkeypatch.setattr(Folder, "pieces", with_a_bad_sector)
    assert outcome(hub, stick)
    assert {file.name for file in stick.of(unit).glob("*.receipt")} == {bad.name, f"{hub.name}-{unit.chain}.receipt"}
    assert bad.read_bytes() != rotten


@pytest.mark.parametrize("of", ["another unit", "another chain"])
def test_an_answer_that_lies_under_the_name_of_another_is_none(hub: HubHere, stick: SomeStick, of: str) -> None:
    unit = hub.unit()
    other = hub.unit("unit-2") if of == "another unit" else unit
    other.press()
    ((_, foreign),) = hub.take(other.holding())
    unit.chain, unit.seq, unit.prev = "e" * 32 if of == "another chain" else unit.chain, 0, NOTHING
    unit.press()
    stick.leave(unit, unit.holding().content, "holding")
    (stick.of(unit) / f"{hub.name}-{unit.chain}.receipt").write_bytes(foreign)
    imported(hub, stick)
    receipt = receipt_on(hub, stick, unit)
    assert (receipt.unit, receipt.chain) == (unit.name, unit.chain)
