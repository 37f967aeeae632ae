"""The program: what `testigo-unit` does, and the one place that knows its body."""

import argparse
import os
import sys
import time
from pathlib import Path

from wire.errors import TestigoError


def main(arguments: list[str] | None = None) -> int:
    """Runs `testigo-unit`; returns its exit status."""
    parser = argparse.ArgumentParser(prog="testigo-unit", description="The firmware of a testigo scanner unit.")
    parser.add_argument("--settings", type=Path, metavar="FILE", help="run the unit with these settings")
    # Without a default of its own, --settings behind the command does not undo the one before it.
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--settings", type=Path, metavar="FILE", help="the unit's settings (docs/settings.md)")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    read = commands.add_parser(
        "read",
        help="read the QR codes of picture files: one JSON line each; or, with --csv, of whole archives",
        description="Exit status: 0 if every picture was read, 1 if not, 2 if asked wrongly, 130 if stopped by Ctrl-C.",
    )
    read.add_argument("files", type=Path, nargs="+", metavar="FILE", help="with --csv also a folder: all that is in it")
    read.add_argument("--csv", type=Path, metavar="OUT", help="write one row a picture; said again, it goes on")
    read.add_argument("--jobs", type=int, metavar="N", dest="workers", help="with --csv: so many at once (a core each)")
    read.add_argument("--profile", metavar="ID", help="with --csv: the election, or 'any' (ve-2024-presidential)")
    commands.add_parser(
        "purge",
        parents=[common],
        help="remove from the card all that enough hubs have receipted, now; the unit must be stopped",
    )
    enrol = commands.add_parser(
        "enrol",
        parents=[common],
        help="make the unit's keys, ask the authority to let it belong, and take up its answer, one step each time",
        description="Exit status: 0 if the unit is enrolled, 3 if it waits for the answer, 2 if it cannot enrol.",
    )
    enrol.add_argument("--token", type=Path, required=True, metavar="FILE", help="what the card was given to enrol by")
    enrol.add_argument("places", type=Path, nargs="+", metavar="PLACE", help="a stick, or the boot partition's folder")
    options = parser.parse_args(arguments)
    try:
        if options.command == "read":
            return _read(read, options)
        if options.settings is None:
            parser.error("say --settings FILE to run the unit, or: read FILE...")
        if options.command == "enrol":
            return _enrol(options)
        if options.command == "purge":
            return _purge(options.settings)
        return _run(options.settings)
    except TestigoError as error:
        print(f"testigo-unit: {error}", file=sys.stderr)
        return 2


def _read(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    from device.worker import warm

    if options.csv is None:
        if options.workers is not None or options.profile is not None:
            parser.error("--jobs and --profile go with --csv OUT")
        warm("device.reader")
        from device.reading import read_files

        return read_files(options.files, sys.stdout)
    workers = len(os.sched_getaffinity(0)) if options.workers is None else options.workers
    if workers < 1:
        parser.error(f"--jobs is {workers}; at least 1 must read")
    warm("device.eye")
    from rich.console import Console

    from device.archive import read_archive

    profile_id = options.profile or "ve-2024-presidential"
    return read_archive(
        options.files, options.csv, profile_id=profile_id, workers=workers, console=Console(stderr=True)
    )


def _purge(path: Path) -> int:
    from device.purge import purge
    from device.settings import read
    from hardware.board import card_of, open_signer

    settings = read(path)
    print(purge(settings, card_of(settings), int(time.time()), open_signer))
    return 0


def _enrol(options: argparse.Namespace) -> int:
    from device.enrol import WAITS_STATUS, enrol
    from hardware.board import make_key, open_signer

    is_enrolled = enrol(options.settings, options.token, options.places, print, open_signer, make_key)
    return 0 if is_enrolled else WAITS_STATUS


def _run(path: Path) -> int:
    from device.worker import warm

    warm("device.eye")  # the reader loads while all else does
    from device.package import NoPackageError
    from device.running import ANEW_STATUS, run, show_why
    from device.settings import read
    from device.signals import FaultCode
    from hardware.board import make_body, open_indicator, open_signer, open_watchdog

    try:
        settings = read(path)
    except NoPackageError:
        show_why(open_indicator(), FaultCode.PACKAGE, open_watchdog())
        raise
    status = run(settings, make_body, open_watchdog(), open_signer)
    if status == ANEW_STATUS:
        os._exit(status)  # all is closed but the camera, whose library may hang, and hang the end of the program too
    return status


if __name__ == "__main__":
    sys.exit(main())
