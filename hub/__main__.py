"""The hub program: receives what units send, or tells what the ledger holds."""

import argparse
import signal
import sys
import time
from pathlib import Path

import msgspec

from hub import count, settings
from hub.ledger import Ledger
from hub.log import Event, to_stderr
from hub.mqtt import Link
from hub.running import about, opened
from hub.settings import Settings
from wire.errors import TestigoError


def main() -> int:
    """Runs the program; returns its exit code: 2 where something is to be mended by the person at it."""
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
            case _:
                _run(chosen)
    except TestigoError as error:
        print(f"testigo-hub: {error}", file=sys.stderr)
        return 2
    return 0


def _run(chosen: Settings) -> None:
    with opened(chosen, lambda: int(time.time()), to_stderr, in_two=True) as intake:
        link = Link(chosen, intake.take, to_stderr)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: link.stop())
        to_stderr(Event.STARTED, hub=chosen.name, deployment=chosen.deployment, units=len(intake.register()))
        link.run()
    to_stderr(Event.STOPPED)


def _totals(chosen: Settings, *, as_json: bool) -> None:
    with Ledger.opened(chosen.database, about(chosen), write=False) as ledger, ledger.transaction():
        counted = count.count(ledger, chosen.profile)
    print(msgspec.json.encode(counted).decode("utf-8") + "\n" if as_json else count.text(counted), end="")


def _export(chosen: Settings, file: Path, *, force: bool) -> None:
    with Ledger.opened(chosen.database, about(chosen), write=False) as ledger, ledger.transaction():
        written = count.export(ledger, chosen.profile, file, force=force)
    print(f"{file}: {written} rows")


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
    return parser


if __name__ == "__main__":
    sys.exit(main())
