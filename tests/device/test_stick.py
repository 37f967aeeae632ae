"""The stick, and no network at all: everything waiting goes out on it, and comes back as receipts."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from device.log import Event
from device.ports import StickIn, StickOut, StickWorked
from device.signals import Signal
from device.stick import bundles
from device.store import Kept
from hub.keys import Keys
from tests.device.field import ENDS, Field, field, logged, own
from tests.device.world import acta, picture
from wire import note
from wire.bundle import PICTURES_MAX, RECORDS_MAX, Bundle, answer_name
from wire.note import NOTE_BYTES_MAX
from wire.receipt import Refused


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Field]:
    with field(tmp_path) as made:
        yield made


def manifest_on(stick: Path, here: Field) -> Bundle:
    """The one manifest on a stick, verified."""
    unit = here.units[0]
    (file,) = own(stick, unit).glob("*.manifest")
    return note.read(file.read_bytes(), Bundle, {unit.name: unit.signer.verifier}).statement


def test_everything_waiting_goes_out_and_its_receipts_come_back(here: Field) -> None:
    (unit,), stick = here.units, here.stick()
    here.scan(unit, 1, 2, 3)
    assert here.visit(unit, stick) is Signal.STICK_DONE
    assert here.waiting(unit) == 3, "an export settled something"
    assert here.imported(stick) == [f"{unit.name}: imported 3 records, 3 pictures"]
    assert len(here.mesas()) == 3
    assert here.visit(unit, stick) is Signal.STICK_DONE
    assert here.waiting(unit) == 0
    assert unit.shown[-1] is Signal.LINK_SETTLED
    assert logged(unit, Event.STICK_DONE)[-1].endswith("answers=1 records=0 carried=0")


def test_what_is_on_the_stick_is_what_is_on_the_card_and_the_manifest_names_all_of_it(here: Field) -> None:
    (unit,), stick = here.units, here.stick()
    here.scan(unit, 1, 2)
    here.visit(unit, stick)
    kept = unit.settings.card / "kept"
    on_card = {hashlib.sha256(file.read_bytes()).hexdigest() for file in kept.iterdir()}
    files = {file.stem: file for file in own(stick, unit).iterdir() if file.suffix in (".envelope", ".picture")}
    assert files.keys() == on_card
    assert all(hashlib.sha256(file.read_bytes()).hexdigest() == name for name, file in files.items())
    bundle = manifest_on(stick, here)
    named = {each.sha256: each.size for each in (*bundle.envelopes, *bundle.pictures)}
    assert named == {name: file.stat().st_size for name, file in files.items()}
    first, second = (f"{unit.unit.store.place().chain}-{seq}.envelope" for seq in (1, 2))
    in_order = [hashlib.sha256((kept / name).read_bytes()).hexdigest() for name in (first, second)]
    assert [each.sha256 for each in bundle.envelopes] == in_order


def test_the_same_stick_again_is_given_only_what_is_new(here: Field) -> None:
    (unit,), stick = here.units, here.stick()
    here.scan(unit, 1)
    here.visit(unit, stick)
    before = {file: (file.stat().st_ino, file.read_bytes()) for file in own(stick, unit).iterdir()}
    here.visit(unit, stick)
    assert {file: (file.stat().st_ino, file.read_bytes()) for file in own(stick, unit).iterdir()} == before
    here.scan(unit, 2)
    here.visit(unit, stick)
    left = {file: number for file, (number, _) in before.items() if file.suffix != ".holding"}
    assert all(file.stat().st_ino == number for file, number in left.items())
    assert len(list(own(stick, unit).glob("*.holding"))) == 1, "what was said before is said no more"
    assert here.imported(stick) == [f"{unit.name}: imported 2 records, 2 pictures"]


def test_a_file_that_has_changed_on_the_stick_is_written_again(here: Field) -> None:
    (unit,), stick = here.units, here.stick()
    here.scan(unit, 1)
    here.visit(unit, stick)
    for file in own(stick, unit).iterdir():
        file.write_bytes(bytes(file.stat().st_size))
    assert here.visit(unit, stick) is Signal.STICK_DONE
    assert here.imported(stick) == [f"{unit.name}: imported 1 record, 1 picture"]


def test_a_press_while_a_stick_is_written_has_its_verdict_in_time_and_goes_out_too(here: Field) -> None:
    """Nothing the stick does is done by the unit's thread: here the stick does not come back at all until then."""
    (unit,), stick = here.units, here.stick()
    here.scan(unit, 1)
    slow = SlowStick(stick)
    unit.body.post(StickIn(slow))
    here.clock.run(1_000)
    while slow.works:
        before = here.clock.ms()
        if here.waiting(unit) < 4:
            assert unit.scan(picture(acta(10 + here.waiting(unit)))) is Signal.KEPT
            assert here.clock.ms() - before <= 1_000
        unit.body.post(slow.work())
        here.clock.run(1_000)
    assert unit.shown.count(Signal.STICK_DONE) == 1
    assert here.imported(stick) == [f"{unit.name}: imported 4 records, 4 pictures"]


class SlowStick:
    """A stick that does nothing until it is told to, and then one thing, on another thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.works: list[Callable[[], object]] = []

    def beside(self, work: Callable[[], object]) -> None:
        """Puts it off."""
        self.works.append(work)

    def release(self) -> None:
        """Has nothing to unmount."""

    def work(self) -> StickWorked:
        """Does what is next: the store, which belongs to one thread, is not touched by it."""
        found: list[object] = []
        thread = threading.Thread(target=lambda: found.append(self.works.pop(0)()))
        thread.start()
        thread.join()
        return StickWorked(self, found[0])


def test_the_lamp_says_leave_it_in_until_it_is_safe_and_then_says_so_until_it_is_out(here: Field) -> None:
    (unit,), stick = here.units, here.stick()
    here.scan(unit, 1)
    seen = len(unit.shown)
    put_in = here.put_in(unit, stick)
    here.clock.run(60_000)
    assert [each for each in unit.shown[seen:] if each.on_link_lamp] == [Signal.LINK_SENDING, Signal.STICK_DONE]
    put_in.pull()
    here.clock.run(1_000)
    assert unit.shown[-1] is Signal.LINK_WAITING


def test_a_stick_is_safe_with_nothing_to_export(here: Field) -> None:
    (unit,), stick = here.units, here.stick()
    assert here.visit(unit, stick) is Signal.STICK_DONE
    assert list(own(stick, unit).iterdir()) == []


def test_a_unit_that_started_anew_exports_and_settles_all_the_same(here: Field) -> None:
    (unit,), stick = here.units, here.stick()
    here.scan(unit, 1)
    unit.cut_power()
    unit.power_on()
    here.clock.run(5_000)
    here.visit(unit, stick)
    here.imported(stick)
    unit.cut_power()
    unit.power_on()
    here.clock.run(5_000)
    here.visit(unit, stick)
    assert here.waiting(unit) == 0


def test_a_power_cut_in_the_middle_loses_nothing_and_the_next_visit_ends_it(here: Field) -> None:
    (unit,), stick = here.units, here.stick()
    here.scan(unit, 1, 2)
    for cut_ms in range(0, 3_000, 250):
        here.put_in(unit, stick)
        here.clock.run(cut_ms)
        unit.cut_power()
        unit.power_on()
        here.clock.run(5_000)
        assert here.waiting(unit) == 2
    assert here.visit(unit, stick) is Signal.STICK_DONE
    assert here.imported(stick) == [f"{unit.name}: imported 2 records, 2 pictures"]


def test_a_stick_pulled_at_any_moment_is_told_and_what_is_whole_on_it_counts(here: Field) -> None:
    (unit,) = here.units
    here.scan(unit, 1, 2)
    told = 0
    for number, pulled_ms in enumerate(range(0, 3_000, 100)):
        stick, seen = here.stick(f"stick-{number}"), len(unit.shown)
        put_in = here.put_in(unit, stick)
        here.clock.run(pulled_ms)
        is_done = Signal.STICK_DONE in unit.shown[seen:]
        put_in.pull()
        here.clock.run(20_000)
        told += not is_done
        assert is_done or Signal.STICK_BAD in unit.shown[seen:]
        assert unit.shown[-1] is Signal.LINK_WAITING
        if own(stick, unit).is_dir():
            here.imported(stick)
    assert len(logged(unit, Event.STICK_BAD)) == told > 5
    assert here.visit(unit, here.stick("last")) is Signal.STICK_DONE
    assert here.imported(here.stick("last"))[0] == f"{unit.name}: imported nothing", "an earlier stick had it all"


def test_two_sticks_one_after_the_other_are_both_done(here: Field) -> None:
    (unit,) = here.units
    here.scan(unit, 1)
    for name in ("one", "other"):
        assert here.visit(unit, here.stick(name)) is Signal.STICK_DONE
        assert manifest_on(here.stick(name), here).unit == unit.name


def test_what_an_earlier_sticks_work_comes_to_is_not_taken_for_the_present_ones(here: Field) -> None:
    (unit,) = here.units
    here.scan(unit, 1)
    first, second = SlowStick(here.stick("one")), SlowStick(here.stick("other"))
    for event in (StickIn(first), StickOut(first), StickIn(second)):
        unit.body.post(event)
    here.clock.run(1_000)
    for slow in (first, second):
        for _ in range(10):
            if slow.works:
                unit.body.post(slow.work())
                here.clock.run(1_000)
    assert [each for each in unit.shown if each in ENDS] == [Signal.STICK_BAD, Signal.STICK_DONE]


def test_a_record_whose_picture_the_card_has_lost_is_told_and_the_others_go_out(here: Field) -> None:
    (unit,), stick = here.units, here.stick()
    here.scan(unit, 1, 2)
    lost = next((unit.settings.card / "kept").glob("*.picture"))
    lost.write_bytes(bytes(lost.stat().st_size))
    assert here.visit(unit, stick) is Signal.STICK_DONE
    assert len(logged(unit, Event.RECORD_BAD)) == 1
    lines = here.imported(stick)
    assert lines[0] == f"{unit.name}: imported 2 records, 1 picture"
    assert lines[1].startswith(f"{unit.name}: missing picture {lost.stem} of record ")


def test_a_refusal_on_the_stick_is_shown_while_the_record_waits_and_not_after(here: Field) -> None:
    (unit,), stick = here.units, here.stick()
    here.scan(unit, 1)
    here.visit(unit, stick)
    (envelope,) = own(stick, unit).glob("*.envelope")
    hub = Keys.read(here.deployed.hub.parent / "keys", "hub-a").signer
    said = Refused(1722200000, "hub-a", envelope.stem, unit.name, "quota", "no more of this unit")
    (own(stick, unit) / answer_name(said)).write_bytes(note.write(said, hub))
    here.visit(unit, stick)
    assert len(logged(unit, Event.REFUSED)) == 1
    here.imported(stick)
    here.visit(unit, stick)
    assert here.waiting(unit) == 0
    assert len(logged(unit, Event.REFUSED)) == 1


def test_answers_that_are_none_of_our_hubs_change_nothing(here: Field) -> None:
    (unit,), stick = here.units, here.stick()
    here.scan(unit, 1)
    here.visit(unit, stick)
    here.imported(stick)
    (receipt,) = own(stick, unit).glob("*.receipt")
    receipt.write_bytes(receipt.read_bytes().replace(b'"whole":1', b'"whole":9'))
    (own(stick, unit) / receipt.name.replace("hub-a", "hub-z")).write_bytes(receipt.read_bytes())
    (own(stick, unit) / f"hub-a-{'0' * 32}.receipt").write_bytes(bytes(NOTE_BYTES_MAX + 1))
    assert here.visit(unit, stick) is Signal.STICK_DONE
    assert here.waiting(unit) == 1


def test_a_fault_of_ours_on_a_stick_is_told_and_does_not_stop_the_unit(here: Field) -> None:
    (unit,), stick = here.units, SlowStick(here.stick())
    unit.body.post(StickIn(stick))
    here.clock.run(1_000)
    unit.body.post(StickWorked(stick, ValueError("never thought of")))
    here.scan(unit, 1)
    assert Signal.STICK_BAD in unit.shown
    assert "ValueError: never thought of: tell the developers" in logged(unit, Event.STICK_BAD)[0]


def test_bundles_are_cut_at_the_same_places_however_much_waits() -> None:
    records = [(Kept("c" * 32, seq, str(seq)), (f"{seq:064x}",)) for seq in range(1, 3 * RECORDS_MAX)]
    whole = list(bundles(records))
    assert [len(bundle) for bundle in whole] == [RECORDS_MAX, RECORDS_MAX, RECORDS_MAX - 1]
    assert list(bundles(records[100:]))[1:] == whole[1:]
    other = [(Kept("d" * 32, 1, ""), ())]
    assert list(bundles([*records[:5], *other])) == [records[:5], other]
    many = [(Kept("c" * 32, seq, ""), tuple(map(str, range(100)))) for seq in range(1, 20)]
    assert max(sum(len(named) for _, named in bundle) for bundle in bundles(many)) <= PICTURES_MAX
    assert [record for bundle in bundles(many) for record in bundle] == many
