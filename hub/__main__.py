"""The hub program: receives what units send, or tells what the ledger holds."""

import argparse
import signal
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from hub import control, count, health, moving, notices, register, settings
from hub.check import check
from hub.copying import copy
from hub.examine import Examiner
from hub.keys import Keys
from hub.ledger import Ledger, NoLedgerError
from hub.log import Event, to_stderr
from hub.mqtt import Link
from hub.pictures import Pictures
from hub.running import about, opened
from hub.settings import Settings
from hub.stick import Import
from wire.errors import TestigoError


def main() -> int:
    """Runs the program.

    Returns:
        Its exit code: 1 where something on a stick was not imported, 2 where something is to be mended by the person
        at it.
    """
    arguments = _parser().parse_args()
    if arguments.settings is None:
        _parser().error("the settings file is not given: say --settings FILE")
    try:
        chosen = settings.read(arguments.settings)
        match arguments.command:
            case "totals":
                _totals(chosen, as_json=arguments.json)
            case "export":
                _export(chosen, arguments.file, force=arguments.force)
            case "import":
                return 0 if _import(chosen, arguments.folder, is_dry=arguments.dry_run) else 1
            case "copy":
                _copy(chosen, arguments.folder)
            case "check":
                _check(chosen)
            case "units":
                _units(chosen)
            case "control":
                _control(chosen, as_json=arguments.json)
            case "move":
                _move(chosen, arguments.at, arguments.to)
            case "notice":
                _notice(chosen, arguments.file)
            case _:
                _run(chosen)
    except TestigoError as error:
        print(f"testigo-hub: {error}", file=sys.stderr)
        return 2
    return 0


def _run(chosen: Settings) -> None:
    with opened(chosen, lambda: int(time.time()), to_stderr, in_two=True) as intake:
        link = Link(chosen, intake.take, to_stderr, intake.news)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: link.stop())
        to_stderr(Event.STARTED, hub=chosen.name, deployment=chosen.deployment, units=len(intake.register()))
        link.run()
    to_stderr(Event.STOPPED)


def _totals(chosen: Settings, *, as_json: bool) -> None:
    with Ledger.opened(chosen.database, about(chosen), write=False) as ledger, ledger.transaction():
        counted = count.count(ledger, chosen.profile, chosen.roster, chosen.mode)
    print(msgspec.json.encode(counted).decode("utf-8") + "\n" if as_json else count.text(counted), end="")


def _export(chosen: Settings, file: Path, *, force: bool) -> None:
    with Ledger.opened(chosen.database, about(chosen), write=False) as ledger, ledger.transaction():
        written = count.export(ledger, chosen.profile, chosen.roster, chosen.mode, file, force=force)
    print(f"{file}: {written} rows")


def _units(chosen: Settings) -> None:
    with Ledger.opened(chosen.database, about(chosen), write=False) as ledger:
        units = register.read(chosen.register)
        print(health.text(ledger, units), health.readiness(ledger, units), sep="\n", end="")


def _control(chosen: Settings, *, as_json: bool) -> None:
    with Ledger.opened(chosen.database, about(chosen), write=False) as ledger, ledger.transaction():
        said = list(control.said(ledger, chosen))
    print(msgspec.json.encode(said).decode("utf-8") + "\n" if as_json else control.text(said), end="")


def _move(chosen: Settings, at: list[str], to: Path | None) -> None:
    moved = moving.move(chosen, at, int(time.time()))
    print(f"{chosen.notices}: move {moved.number} of {moved.hub}; this hub tells it to units, if it runs")
    for path in moving.hand_out(chosen, to) if to else []:
        print(path)


def _notice(chosen: Settings, file: Path) -> None:
    moved = notices.keep(chosen.notices, notices.read(file), chosen.deployment, chosen.hubs)
    print(f"{chosen.notices}: move {moved.number} of {moved.hub}; this hub tells it to units, if it runs")


def _check(chosen: Settings) -> None:
    with Ledger.opened(chosen.database, about(chosen), write=True) as ledger:
        whole, lost = check(ledger, Pictures(chosen.pictures), to_stderr)
    print(f"pictures: {whole} whole, {lost} lost" + (": they are asked for again" if lost else ""))


def _import(chosen: Settings, stick: Path, *, is_dry: bool) -> bool:
    """Imports a stick, or tells what that would do; returns whether all that is on it is held then."""
    if not is_dry:
        with opened(chosen, lambda: int(time.time()), to_stderr) as intake:
            units = intake.register()
            return _printed(Import(chosen.deployment, intake.ledger, intake.examiner, units, intake).run(stick))
    keys = Keys.read(chosen.keys, chosen.name)
    examiner = Examiner(chosen.deployment, keys.opener, chosen.profile)
    with _read_only(chosen) as ledger:  # in no one transaction: a stick is slow, and the hub's log would grow
        return _printed(Import(chosen.deployment, ledger, examiner, register.read(chosen.register)).run(stick))


def _copy(chosen: Settings, to: Path) -> None:
    with Ledger.opened(chosen.database, about(chosen), write=False) as ledger:  # in no one transaction, as an import
        for line in copy(ledger, chosen.pictures, chosen.deployment, to):
            print(line, flush=True)


def _printed(lines: Generator[str, None, bool]) -> bool:
    """Prints each line when it is known; returns what they come to."""
    while True:
        try:
            print(next(lines), flush=True)
        except StopIteration as end:
            return bool(end.value)


@contextmanager
def _read_only(chosen: Settings) -> Iterator[Ledger]:
    """The ledger, which a running hub may have open; an empty one for a hub that has never run."""
    with ExitStack() as stack:
        try:
            ledger = stack.enter_context(Ledger.opened(chosen.database, about(chosen), write=False))
        except NoLedgerError:
            empty = f"{stack.enter_context(TemporaryDirectory())}/empty.db"
            ledger = stack.enter_context(Ledger.opened(empty, about(chosen), write=True))
        yield ledger


def _parser() -> argparse.ArgumentParser:
    # Without a default of its own, --settings behind the command does not undo the one before it.
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--settings", type=Path, metavar="FILE", help="the hub's settings (docs/settings.md)")
    parser = argparse.ArgumentParser("testigo-hub", description="Receives, receipts and counts what units send.")
    parser.add_argument("--settings", type=Path, metavar="FILE", help="the hub's settings (docs/settings.md)")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="without a command the hub runs")
    totals = commands.add_parser("totals", parents=[common], help="print what counts, and what does not")
    totals.add_argument("--json", action="store_true", help="for programs")
    export = commands.add_parser("export", parents=[common], help="write all readings as CSV")
    export.add_argument("file", type=Path, metavar="FILE.csv")
    export.add_argument("--force", action="store_true", help="overwrite the file")
    commands.add_parser("check", parents=[common], help="read all pictures; those that rotted are asked for again")
    commands.add_parser(
        "units", parents=[common], help="print how each unit is, as it said last, and what its bench saw"
    )
    said = commands.add_parser("control", parents=[common], help="print what control cards have told units, in order")
    said.add_argument("--json", action="store_true", help="for programs")
    moves = commands.add_parser("move", parents=[common], help="sign where this hub is from now on, and tell units")
    moves.add_argument("--at", nargs="+", required=True, metavar="HOST:PORT", help="where units reach its broker")
    moves.add_argument("--to", type=Path, metavar="FOLDER", help="also write it as QR code, and as a file for sticks")
    notice = commands.add_parser("notice", parents=[common], help="tell units where another hub is")
    notice.add_argument("file", type=Path, metavar="FILE.move", help="as that hub's `move` has written it")
    imports = commands.add_parser(
        "import", parents=[common], help="take what units left on a stick, and put the receipts on it"
    )
    imports.add_argument("folder", type=Path, metavar="FOLDER", help="where the stick is mounted")
    copies = commands.add_parser(
        "copy", parents=[common], help="write all that is held into a folder, for another hub to import"
    )
    copies.add_argument("folder", type=Path, metavar="FOLDER", help="one that is there, on a stick or a disk")
    imports.add_argument("--dry-run", action="store_true", help="only tell what would be taken, skipped, is missing")
    return parser


if __name__ == "__main__":
    sys.exit(main())
