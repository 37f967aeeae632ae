"""The trial: a version that does not prove itself is returned from, one that does stays; its starts are counted."""

import subprocess
import sys
from pathlib import Path

import pytest

from device.update import since_ready
from device.versions import PROVEN_SECONDS, STARTS_MAX, TRIES_MAX, Versions, main
from provisioning.release import requirements
from tests.updates.desk import DAY, MADE, Desk, Unit, wheels_of
from wire.release import FREEZE_SECONDS


@pytest.fixture
def on_trial(unit: Unit) -> Unit:
    """A unit with release 1 installed and not yet started."""
    assert unit.run() == ["PREPARED"]
    return unit


def version_run_by(versions: Versions, link: str) -> str:
    """What the firmware behind a link is, asked of its own Python."""
    python = versions.folder / link / "bin" / "python"
    ended = subprocess.run([python, "-c", "import testigo; print(testigo.version)"], capture_output=True, text=True)
    return ended.stdout.strip()


def test_a_version_that_was_ready_for_long_enough_stays(on_trial: Unit) -> None:
    on_trial.versions.begin(MADE)
    on_trial.ready = PROVEN_SECONDS - 1
    assert on_trial.run() == []
    on_trial.ready = PROVEN_SECONDS
    assert on_trial.run() == ["PROVEN"]
    assert on_trial.versions.proven == on_trial.versions.current == 1
    assert version_run_by(on_trial.versions, "current") == "0.1.1"
    assert on_trial.run() == []
    assert not on_trial.versions.home(0).exists(), "the one before goes once nothing returns to it"


def test_the_version_before_proves_nothing_for_the_one_that_waits_for_its_first_start(on_trial: Unit) -> None:
    """It is the firmware of before that is ready, and goes on until somebody starts the unit anew."""
    assert on_trial.run() == []
    assert on_trial.versions.is_on_trial


@pytest.mark.parametrize("ready", [None, 0.0])
def test_a_version_that_does_not_get_ready_is_returned_from_after_its_starts(
    on_trial: Unit, ready: float | None
) -> None:
    on_trial.ready = ready
    for _ in range(STARTS_MAX):
        assert on_trial.versions.begin(MADE) is None
        assert on_trial.run() == []
        assert on_trial.versions.current == 1
    assert on_trial.versions.begin(MADE) == 1
    assert (on_trial.versions.current, on_trial.versions.failed) == (0, 1)
    assert on_trial.versions.begin(MADE) is None, "and the one before is not on trial"


def test_a_unit_that_is_switched_off_by_its_button_or_begins_anew_is_not_returned_for_that(on_trial: Unit) -> None:
    """As often as a volunteer, who tries how it is done, switches a unit on and off."""
    versions = on_trial.versions
    for _ in range(3 * STARTS_MAX):
        assert versions.begin(MADE) is None
        versions.end()
    for _ in range(STARTS_MAX):
        assert versions.begin(MADE) is None, "and bad ones are counted for themselves"
    assert versions.begin(MADE) == 1


def test_a_version_that_ends_well_as_soon_as_it_is_ready_is_returned_from_in_the_end(on_trial: Unit) -> None:
    for _ in range(TRIES_MAX):
        assert on_trial.versions.begin(MADE) is None
        on_trial.versions.end()
    assert on_trial.versions.begin(MADE) == 1


def test_the_end_of_the_version_before_is_no_good_end_of_the_one_that_waits(on_trial: Unit) -> None:
    on_trial.versions.end()
    assert on_trial.versions.starts == on_trial.versions.bad_starts == 0
    for _ in range(STARTS_MAX):
        assert on_trial.versions.begin(MADE) is None
    on_trial.versions.end()
    on_trial.versions.end()
    assert on_trial.versions.bad_starts == STARTS_MAX - 2, "said twice, which systemd does not: no less than none"
    on_trial.versions.prove()
    on_trial.versions.end()


def test_what_was_prepared_in_time_does_not_begin_its_trial_in_the_freeze(on_trial: Unit) -> None:
    """A unit that was off meanwhile: on election day it runs what it ran before."""
    versions = on_trial.versions
    assert versions.begin(DAY - FREEZE_SECONDS) == 1
    assert (versions.current, versions.failed) == (0, -1)
    on_trial.now, on_trial.day = DAY + 1, DAY + 10**8
    assert on_trial.run() == ["PREPARED"], "after the day it comes again"
    assert versions.begin(DAY + 2) is None
    assert versions.begin(DAY + 10**9) is None, "a trial that has begun goes on, however a clock jumps"


def test_the_release_that_is_let_through_the_freeze_begins_its_trial_in_it(unit: Unit, desk: Desk) -> None:
    desk.repository.draw_root(emergency=1)
    for signer in desk.roots[:2]:
        desk.repository.sign_root(signer)
    unit.now = DAY
    assert unit.run() == ["PREPARED"]
    assert unit.versions.begin(DAY) is None


def test_what_was_returned_from_is_not_taken_again_and_the_next_release_is(on_trial: Unit, desk: Desk) -> None:
    for _ in range(STARTS_MAX + 1):
        on_trial.versions.begin(MADE)
    assert on_trial.run() == []
    assert not on_trial.versions.home(1).exists()
    desk.release("0.1.2")
    assert on_trial.run() == ["PREPARED"]
    assert on_trial.versions.current == 2


def test_while_one_is_on_trial_no_other_is_fetched(on_trial: Unit, desk: Desk) -> None:
    desk.release("0.1.2")
    on_trial.versions.begin(MADE)
    on_trial.ready = None
    assert on_trial.run() == []
    assert on_trial.versions.current == 1


def test_nothing_is_fetched_while_somebody_scans(unit: Unit) -> None:
    kept = unit.folder / "card" / "kept"
    unit.now = int(kept.stat().st_mtime) + 60
    unit.day = unit.now + 10**7
    unit.mirrors = ("http://127.0.0.1:9",)
    assert unit.run() == [], "no mirror was asked"
    unit.now += 3600
    assert unit.run() == ["MIRROR_BAD"]


def test_a_clock_that_has_gone_back_does_not_keep_updates_away_for_years(unit: Unit) -> None:
    unit.now = 0
    assert unit.run() == ["PREPARED"]


def test_a_start_costs_nothing_to_speak_of_and_needs_only_what_every_python_has(on_trial: Unit) -> None:
    """As systemd says it before each start of the firmware; of the settings and libraries it needs none."""
    loaded = "import sys, device.versions; print(*{name.partition('.')[0] for name in sys.modules})"
    ended = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert {"msgspec", "tuf", "numpy", "cryptography"}.isdisjoint(ended.stdout.split())
    folder = str(on_trial.versions.folder)
    (on_trial.versions.home(1) / "until").unlink()  # the program goes by today's date
    assert [main([what, folder]) for what in ("begin", "end")] == [0, 0]
    assert (on_trial.versions.starts, on_trial.versions.bad_starts) == (1, 0)
    assert [main(["begin", folder]) for _ in range(STARTS_MAX + 1)] == [0] * (STARTS_MAX + 1)
    assert on_trial.versions.current == 0


def test_who_asks_for_something_else_is_told_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["last"]) == 2
    assert "usage" in capsys.readouterr().err


@pytest.mark.hunt
def test_the_first_version_is_installed_from_the_card_by_the_real_pip(
    tmp_path: Path,
) -> None:
    """As tests/nspawn has it with all of a unit's wheels; here it is only pip and this machine's Python."""
    wheels = wheels_of(tmp_path / "wheels", "0.1.0", with_pip=True)
    pinned = tmp_path / "requirements.txt"
    pinned.write_text(requirements(wheels))
    versions = Versions(tmp_path / "app")
    for _ in "again, after a power cut that nobody noticed", "":
        assert main(["first", str(versions.folder), str(wheels), str(pinned), "0"]) == 0
    assert (versions.current, versions.proven, versions.failed) == (0, 0, -1)
    assert version_run_by(versions, "current") == "0.1.0"


@pytest.mark.hunt
def test_the_real_pip_refuses_a_wheel_that_is_not_the_pinned_one(tmp_path: Path) -> None:
    """Twin of what the unit checks when it fetches: the file is exchanged between that and its installation."""
    wheels = wheels_of(tmp_path / "wheels", "0.1.0", with_pip=True)
    pinned = requirements(wheels)
    (wheels / "lens-1.0-py3-none-any.whl").write_bytes((wheels / "testigo-0.1.0-py3-none-any.whl").read_bytes())
    versions = Versions(tmp_path / "app")
    with pytest.raises(Exception, match="cannot be installed here"):
        versions.first(0, wheels, pinned)
    assert versions.current is None
    assert not versions.home(0).exists()


@pytest.mark.parametrize(
    ("shown", "seconds"),
    [
        ("ActiveState=active\nActiveEnterTimestampMonotonic=4000000\n", 96.0),
        ("ActiveState=activating\nActiveEnterTimestampMonotonic=0\n", None),
        ("ActiveState=failed\nActiveEnterTimestampMonotonic=4000000\n", None),
    ],
)
def test_what_systemd_says_of_a_service_is_understood(shown: str, seconds: float | None) -> None:
    assert since_ready(shown, 100.0) == seconds
