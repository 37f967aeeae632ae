"""The package: a unit goes by the last good one, and whatever else is brought changes nothing."""

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from device import quiet
from device.log import Event
from device.package import TAKEN, NoPackageError, Packages
from device.signals import FaultCode, Signal
from sim import deployment
from sim.body import SimStorage
from sim.plug import Plug, PulledError
from tests.device.field import Field, field, logged, own
from tests.device.world import VE, World, acta, world
from tests.wire.samples import signing_key
from wire import note
from wire.errors import TheirFault
from wire.note import KeySigner
from wire.package import FILE, PACKAGE_BYTES_MAX, Loudness, Package
from wire.record import Mode

Deployed = deployment.Deployment
MESAS = tuple(acta(number).split(".1.")[0] for number in (1, 2, 3))


@pytest.fixture
def trial(tmp_path: Path) -> Deployed:
    return deployment.make(tmp_path / "trial", 1, 1883, VE, "live")


@pytest.fixture
def packages(trial: Deployed, tmp_path: Path) -> Packages:
    """Those of a unit that has taken the first package."""
    card = tmp_path / "card"
    card.mkdir()
    made = Packages(card, trial.authority.verifier)
    assert made.settle(trial.package, 1).number == 1
    return made


def number_of(packages: Packages, trial: Deployed) -> int:
    """Which package the unit would go by."""
    return packages.chosen(trial.package).package.number


def foreign(trial: Deployed) -> bytes:
    """The next package, as another authority would sign it."""
    content = trial.next_package()
    stated = note.read(b"".join(content.splitlines(keepends=True)[:4]), Package, {"packages": trial.authority.verifier})
    other = KeySigner("packages", signing_key("another authority's packages"))
    return note.write(stated.statement, other) + content.split(b"\n", 4)[4]


def test_a_newer_package_is_taken_and_holds_from_then_on(trial: Deployed, packages: Packages, tmp_path: Path) -> None:
    assert packages.take(trial.next_package(fleet=7)) == 2
    again = Packages(tmp_path / "card", trial.authority.verifier)
    assert again.chosen(trial.package).package.fleet == 7
    assert again.settle(trial.package, 2).refused == "", "that its first one is still there is nothing to tell"


REFUSED: dict[str, tuple[Callable[[Deployed], bytes], str]] = {
    "older": (lambda trial: trial.next_package(number=3), "package 3 is older than 5, which this unit had"),
    "another of its number": (lambda trial: trial.next_package(number=5, fleet=9), "is another than the one of that"),
    "other deployment": (
        lambda trial: trial.next_package(number=6, deployment="other"),
        "package 6 is of the deployment other, this unit is of trial",
    ),
    "foreign": (foreign, "which is not trusted here"),
    "unsigned": (lambda trial: trial.next_package(number=6).replace(b"\n\n", b"\n", 1), "does not end in a blank line"),
    "altered": (lambda trial: trial.next_package(number=6).replace(b'"fleet":1', b'"fleet":2'), "does not match"),
    "altered behind": (lambda trial: trial.next_package(number=6)[:-2] + b"}\n", "its profile is not the one that was"),
    "cut short": (lambda trial: trial.next_package(number=6)[:-1], "its profile is not the one that was signed"),
    "too long": (lambda trial: trial.next_package(number=6) + bytes(PACKAGE_BYTES_MAX), "at most"),
    "empty": (lambda _trial: b"", "does not begin with a signed note"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_newer_package_of_ours_is_refused_and_the_last_one_goes_on(
    what: str, trial: Deployed, packages: Packages, tmp_path: Path
) -> None:
    make, words = REFUSED[what]
    packages.take(trial.next_package(number=5))
    before = {file.name: file.read_bytes() for file in (tmp_path / "card").iterdir()}
    with pytest.raises(TheirFault) as raised:
        packages.take(make(trial))
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
    assert {file.name: file.read_bytes() for file in (tmp_path / "card").iterdir()} == before
    assert number_of(packages, trial) == 5


def test_the_same_package_again_is_neither_news_nor_refused(trial: Deployed, packages: Packages) -> None:
    content = trial.next_package()
    assert [packages.take(content), packages.take(content)] == [2, 2]


@pytest.mark.parametrize("spoiled", [b"", b"rot", None])
def test_a_card_whose_package_has_rotted_never_goes_back_to_an_older_one(
    spoiled: bytes | None, trial: Deployed, packages: Packages, tmp_path: Path
) -> None:
    packages.take(trial.next_package())
    kept = tmp_path / "card" / FILE
    if spoiled is None:
        kept.unlink()
    else:
        kept.write_bytes(spoiled)
    with pytest.raises(NoPackageError, match="package 1 is older than 2"):
        packages.chosen(trial.package)
    trial.package.write_bytes(trial.next_package(number=3))
    assert number_of(packages, trial) == 3
    packages.settle(trial.package, 3)
    trial.package.unlink()
    assert number_of(packages, trial) == 3


def test_a_card_that_has_forgotten_what_it_took_goes_by_what_it_has(
    trial: Deployed, packages: Packages, tmp_path: Path
) -> None:
    packages.take(trial.next_package())
    (tmp_path / "card" / TAKEN).write_bytes(b"\0" * 80)
    assert number_of(packages, trial) == 2
    packages.settle(trial.package, 2)
    (tmp_path / "card" / FILE).unlink()
    with pytest.raises(NoPackageError):
        packages.chosen(trial.package)


def test_a_card_whose_package_has_rotted_goes_by_the_same_one_beside_its_settings(
    trial: Deployed, packages: Packages, tmp_path: Path
) -> None:
    (tmp_path / "card" / FILE).write_bytes(b"rot")
    assert number_of(packages, trial) == 1
    assert packages.settle(trial.package, 1).refused == ""
    assert (tmp_path / "card" / FILE).read_bytes() == trial.package.read_bytes()


LINES = 80
"""More than it takes to take a package."""


def no_room() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


# A file that was just opened when the power goes is closed by nobody.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("error", [PulledError, no_room], ids=["the power is cut", "the card refuses"])
def test_whatever_cuts_it_short_leaves_the_old_package_or_the_new_one_whole(
    error: Callable[[], BaseException], trial: Deployed, tmp_path: Path
) -> None:
    """At each line of it: before the new package has its name, after that, and after it is remembered."""
    first, second, found = trial.package.read_bytes(), trial.next_package(), list[int]()
    for lines in range(LINES):
        card = tmp_path / f"card-{lines}"
        card.mkdir()
        packages = Packages(card, trial.authority.verifier)
        packages.take(first)
        plug = Plug(("device.package", "device.store"), error=error)
        plug.pull_after(lines)
        try:
            plug.run(lambda taking=packages: taking.take(second))  # type: ignore[misc]
        except (PulledError, OSError):
            pass
        found.append(number_of(Packages(card, trial.authority.verifier), trial))
        again = Packages(card, trial.authority.verifier)
        again.settle(trial.package, found[-1])
        assert number_of(again, trial) == found[-1]
        if found[-1] == 2:  # though whoever brought it was never told
            (card / FILE).unlink()
            with pytest.raises(NoPackageError):
                again.chosen(trial.package)
        assert again.take(second) == 2
    assert (found[0], found[-1]) == (1, 2)


# On a stick.


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Field]:
    with field(tmp_path) as made:
        yield made


def with_package(here: Field, content: bytes, name: str = "stick") -> Path:
    stick = here.stick(name)
    (stick / FILE).write_bytes(content)
    return stick


def test_a_stick_brings_the_next_package_and_the_unit_starts_anew_by_itself_to_go_by_it(here: Field) -> None:
    (unit,) = here.units
    here.scan(unit, 1)
    stick = with_package(here, here.deployed.next_package(roster=MESAS, fleet=9))
    assert here.visit(unit, stick) is Signal.STICK_DONE
    assert unit.settings.number == 1, "nobody is interrupted"
    here.clock.run(15_000)
    assert (unit.settings.number, unit.settings.fleet, list(unit.settings.roster)) == (2, 9, sorted(MESAS))
    assert unit.shown[-1] is not Signal.STARTING
    assert logged(unit, Event.PACKAGE_TAKEN)[0].endswith("number=2")
    assert len(logged(unit, Event.STARTED)) == 2
    assert here.waiting(unit) == 1
    unit.cut_power()
    unit.power_on()
    assert unit.settings.number == 2
    here.visit(unit, stick)
    here.clock.run(15_000)
    assert len(logged(unit, Event.STARTED)) == 3, "the same one again is no news"


def test_it_does_not_start_anew_in_the_middle_of_an_acta(here: Field) -> None:
    (unit,) = here.units
    here.visit(unit, with_package(here, here.deployed.next_package()))
    for mesa in (1, 2, 3):
        here.clock.run(4_000)
        here.scan(unit, mesa)
        here.clock.run(3_000)
        assert unit.settings.number == 1, "the rest of the acta may still be laid down"
    here.clock.run(10_000)
    assert unit.settings.number == 2


def test_a_bad_package_on_a_stick_is_told_and_stops_nothing_else(here: Field) -> None:
    (unit,), deployed = here.units, here.deployed
    here.scan(unit, 1)
    stick = with_package(here, foreign(deployed))
    assert here.visit(unit, stick) is Signal.STICK_DONE
    assert unit.body.indicator.codes == [FaultCode.PACKAGE_REFUSED]
    (line,) = logged(unit, Event.PACKAGE_REFUSED)
    assert 'why="the stick: signed by packages with key ' in line
    assert len(list(own(stick, unit).glob("*.envelope"))) == 1
    here.clock.run(30_000)
    assert (unit.settings.number, len(logged(unit, Event.STARTED))) == (1, 1)
    here.scan(unit, 2)


@pytest.mark.parametrize("lies", ["link", "folder", "long"])
def test_what_is_no_plain_file_of_that_name_or_too_long_for_one_is_not_read(here: Field, lies: str) -> None:
    (unit,), stick = here.units, here.stick()
    if lies == "link":
        (here.folder / "elsewhere").write_bytes(here.deployed.next_package())
        (stick / FILE).symlink_to(here.folder / "elsewhere")
    elif lies == "folder":
        (stick / FILE).mkdir()
    else:
        with (stick / FILE).open("wb") as file:
            file.truncate(PACKAGE_BYTES_MAX + 1)
    assert here.visit(unit, stick) is Signal.STICK_DONE
    here.clock.run(30_000)
    assert unit.settings.number == 1
    assert len(logged(unit, Event.PACKAGE_REFUSED)) == (lies == "long")


def test_an_index_that_is_built_again_forgets_no_package(here: Field) -> None:
    (unit,) = here.units
    here.visit(unit, with_package(here, here.deployed.next_package()))
    unit.cut_power()
    (unit.settings.card / "index.db").write_bytes(b"rot" * 4096)
    unit.power_on()
    assert logged(unit, Event.CARD_REPAIRED)
    assert unit.settings.number == 2
    here.visit(unit, with_package(here, here.deployed.package.read_bytes(), "another"))
    assert unit.body.indicator.codes == [FaultCode.PACKAGE_REFUSED]
    assert "package 1 is older than 2" in logged(unit, Event.PACKAGE_REFUSED)[0]


def test_a_bad_package_beside_the_settings_is_told_and_the_last_good_one_goes_on(here: Field) -> None:
    (unit,) = here.units
    unit.cut_power()
    here.deployed.package.write_bytes(b"rot")
    unit.power_on()
    here.clock.run(1_000)
    assert unit.body.indicator.codes == [FaultCode.PACKAGE_REFUSED]
    here.scan(unit, 1)


# Training and live.


@pytest.fixture
def there(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def change(there: World, content: bytes) -> None:
    """Brings unit and hub the next package; the hub is asked anew what it counts."""
    there.unit.cut_power()
    there.deployed.package.write_bytes(content)
    there.reread()
    there.power_on()


def test_training_and_live_records_of_one_card_never_mix_whichever_comes_first(there: World) -> None:
    there.power_on()
    assert there.scan(acta(1)) is Signal.KEPT
    assert there.settle()
    assert (there.counted().counted, there.counted().training) == (1, 0)

    change(there, there.deployed.next_package(mode=Mode.TRAINING))
    assert Signal.TRAINING in there.shown
    assert there.scan(acta(1)) is Signal.KEPT, "what was kept live is nothing to an exercise"
    assert there.scan(acta(2)) is Signal.KEPT
    assert there.settle()
    training = there.counted()
    assert (training.counted, training.votes, training.waiting, training.training) == (0, {}, 1, 2)

    change(there, there.deployed.next_package(mode=Mode.LIVE))
    assert Signal.TRAINING not in there.shown
    assert there.scan(acta(2, votes=55)) is Signal.KEPT
    assert there.settle()
    live = there.counted()
    assert (live.counted, live.conflicts, live.training) == (2, [], 2), "the exercise's acta of that mesa is no rival"
    assert [record.mode for record in there.records()] == [Mode.LIVE, Mode.TRAINING, Mode.TRAINING, Mode.LIVE]


def test_records_of_an_exercise_that_still_wait_when_the_night_begins_do_not_count(there: World) -> None:
    """Nor do those of the night that come to a hub which is still in training."""
    there.exchange.cut()
    there.deployed.package.write_bytes(there.deployed.next_package(mode=Mode.TRAINING))
    there.power_on()
    assert there.scan(acta(1)) is Signal.KEPT
    there.unit.cut_power()
    there.deployed.package.write_bytes(there.deployed.next_package(mode=Mode.LIVE))
    there.power_on()
    assert there.scan(acta(2)) is Signal.KEPT
    there.exchange.mend()
    assert there.settle()
    there.settings = replace(there.settings, mode=Mode.TRAINING)
    assert (there.counted().counted, there.counted().waiting, there.counted().training) == (0, 1, 1)
    there.settings = replace(there.settings, mode=Mode.LIVE)
    assert (there.counted().counted, there.counted().waiting, there.counted().training) == (1, 0, 1)


def test_a_live_package_on_a_stick_ends_the_training_of_the_package_before(there: World) -> None:
    there.deployed.package.write_bytes(there.deployed.next_package(mode=Mode.TRAINING))
    there.power_on()
    assert Signal.TRAINING in there.shown
    stick = there.settings.base / "stick"
    stick.mkdir()
    (stick / FILE).write_bytes(there.deployed.next_package(mode=Mode.LIVE))
    there.unit.body.put_in(stick)
    there.clock.run(30_000)
    assert there.unit.settings.mode is Mode.LIVE
    assert there.scan(acta(1)) is Signal.KEPT
    assert there.records()[-1].mode is Mode.LIVE


# The roster.


def test_an_acta_that_is_not_of_the_roster_is_kept_and_told(there: World) -> None:
    there.deployed.package.write_bytes(there.deployed.next_package(roster=MESAS[:2]))
    there.reread()
    there.power_on()
    assert there.scan(acta(1)) is Signal.KEPT
    assert there.scan(acta(3)) is Signal.KEPT_DOUBTFUL
    assert there.scan(acta(3)) is Signal.KEPT_BEFORE
    assert len(there.logged(Event.OFF_ROSTER)) == 1
    assert not any(MESAS[2] in line for line in there.unit.log)
    assert there.settle()
    counted = there.counted()
    assert (counted.expected, counted.counted, counted.missing, counted.unexpected) == (2, 1, 1, [MESAS[2]])


def test_without_a_roster_every_mesa_is_expected(there: World) -> None:
    there.power_on()
    assert there.scan(acta(3)) is Signal.KEPT
    assert not there.logged(Event.OFF_ROSTER)


# Quiet.

LOUD, QUIET = Loudness.LOUD, Loudness.QUIET


@pytest.mark.parametrize(
    ("package", "said", "next_package", "is_on"),
    [
        (LOUD, None, LOUD, False),
        (LOUD, None, QUIET, True),
        (QUIET, None, QUIET, True),
        (QUIET, None, LOUD, False),
        (LOUD, True, LOUD, True),
        (LOUD, True, QUIET, True),
        (QUIET, True, LOUD, True),
        (QUIET, False, QUIET, True),
        (QUIET, False, LOUD, False),
        (LOUD, False, QUIET, True),
    ],
)
def test_whoever_wants_a_unit_quiet_has_it_so_though_another_package_comes(
    tmp_path: Path, package: Loudness, said: bool | None, next_package: Loudness, *, is_on: bool
) -> None:
    storage = SimStorage(tmp_path)
    before = quiet.Quiet(storage, package, 1)
    assert before.is_on is (package is QUIET)
    if said is not None:
        before.turn(said)
        assert quiet.Quiet(storage, package, 1).is_on is said, "a power cut changes nothing"
    assert quiet.Quiet(storage, next_package, 2).is_on is is_on


def test_a_unit_whose_package_says_so_starts_quiet_and_its_button_makes_it_loud(there: World) -> None:
    there.deployed.package.write_bytes(there.deployed.next_package(sound=QUIET))
    there.power_on()
    assert there.unit.body.indicator.is_quiet
    there.unit.hold(6_000)
    assert not there.unit.body.indicator.is_quiet
    there.unit.cut_power()
    there.power_on()
    assert not there.unit.body.indicator.is_quiet
