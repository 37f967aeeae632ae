"""The import as a program: `testigo-hub import`, on a hub that has never run, has run, and is running."""

import signal
from pathlib import Path

import pytest

from tests.hub.some_stick import SomeStick
from tests.hub.some_unit import SomeUnit, some_payload
from tests.hub.test_program import SECONDS, await_event, hub, hub_running, on_database, unit
from tests.hub.test_program import folder as folder_of_a_hub

__all__ = ["folder_of_a_hub", "unit"]

PICTURE = b"a sealed picture"


@pytest.fixture
def folder(folder_of_a_hub: Path, new_database: str) -> Path:
    """A hub's folder, on either database."""
    on_database(folder_of_a_hub, new_database)
    return folder_of_a_hub


@pytest.fixture
def stick(tmp_path: Path, unit: SomeUnit) -> SomeStick:
    """A stick with two records of the unit, and a picture."""
    made = SomeStick(tmp_path / "stick")
    made.export(unit, [unit.press(some_payload(1), pictures=[PICTURE]), unit.press(some_payload(2))], [PICTURE])
    return made


def imports(folder: Path, stick: SomeStick, *options: str) -> tuple[int, str, str]:
    return hub(folder, "import", str(stick.folder), *options, "--settings", str(folder / "hub.toml"))


def test_a_hub_that_has_never_run_can_look_and_then_import(folder: Path, stick: SomeStick) -> None:
    code, said, _ = imports(folder, stick, "--dry-run")
    assert (code, said) == (0, "unit-1: will import 2 records, 1 picture\n")
    assert not (folder / "ledger.sqlite").exists()
    assert not (folder / "pictures").exists()
    code, said, _ = imports(folder, stick)
    assert (code, said) == (0, "unit-1: imported 2 records, 1 picture\n")
    code, said, _ = imports(folder, stick, "--dry-run")
    assert said.splitlines()[0] == "unit-1: will import nothing"


def test_beside_a_running_hub_it_only_looks_and_says_what_to_do(folder: Path, stick: SomeStick) -> None:
    with hub_running(folder, 1) as running:
        await_event(running, "started")
        code, said, complaint = imports(folder, stick)
        assert (code, said) == (2, "")
        assert "the hub is running and has it open: stop it first" in complaint
        assert "Traceback" not in complaint
        assert imports(folder, stick, "--dry-run")[:2] == (0, "unit-1: will import 2 records, 1 picture\n")
        running.send_signal(signal.SIGTERM)
        assert running.wait(SECONDS) == 0
    assert imports(folder, stick)[:2] == (0, "unit-1: imported 2 records, 1 picture\n")


def test_what_was_not_imported_is_said_by_the_exit_code(folder: Path, stick: SomeStick, unit: SomeUnit) -> None:
    stick.leave(unit, b"rubbish", "envelope")
    for options in (("--dry-run",), ()):
        code, said, _ = imports(folder, stick, *options)
        assert (code, len(said.splitlines())) == (1, 2)


def test_a_folder_without_a_bundle_is_told_in_one_sentence(folder: Path, stick: SomeStick) -> None:
    for options in ((), ("--dry-run",)):
        code, said, complaint = imports(folder, SomeStick(folder), *options)
        assert (code, said) == (2, "")
        assert complaint.startswith(f"testigo-hub: stick {folder}: no folder testigo on it")


def test_a_hub_copies_what_it_holds_while_it_runs_and_knows_it_again(
    folder: Path, stick: SomeStick, unit: SomeUnit, tmp_path: Path
) -> None:
    settings, to = ("--settings", str(folder / "hub.toml")), tmp_path / "copy"
    assert hub(folder, "copy", str(to), *settings)[:2] == (2, "")
    assert imports(folder, stick)[0] == 0
    code, said, complaint = hub(folder, "copy", str(to), *settings)
    assert (code, said, "see that it is there" in complaint) == (2, "", True)
    to.mkdir()
    with hub_running(folder, 1) as running:
        await_event(running, "started")
        assert hub(folder, "copy", str(to), *settings)[:2] == (0, "unit-1: 2 records, 1 picture\n")
        running.send_signal(signal.SIGTERM)
        assert running.wait(SECONDS) == 0
    copied = {file.name for file in to.rglob("*") if file.is_file()}
    assert copied == {file.name for file in stick.of(unit).iterdir() if file.suffix in (".envelope", ".picture")}
    assert imports(folder, SomeStick(to))[:2] == (
        0,
        "unit-1: imported nothing\nunit-1: skipped 1 picture: held already\nunit-1: skipped 2 records: held already\n",
    )
