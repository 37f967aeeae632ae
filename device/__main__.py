"""The program: what `testigo-unit` does, and the one place that knows its body."""

import argparse
import sys
from pathlib import Path

from wire.errors import TestigoError


def main(arguments: list[str] | None = None) -> int:
    """Runs `testigo-unit`; returns its exit status."""
    parser = argparse.ArgumentParser(prog="testigo-unit", description="The firmware of a testigo scanner unit.")
    parser.add_argument("--settings", type=Path, metavar="FILE", help="run the unit with these settings")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    read = commands.add_parser("read", help="read the QR codes of picture files: one JSON line each")
    read.add_argument("files", type=Path, nargs="+", metavar="FILE")
    options = parser.parse_args(arguments)
    try:
        if options.command == "read":
            from device.reading import read_files

            return read_files(options.files, sys.stdout)
        if options.settings is None:
            parser.error("say --settings FILE to run the unit, or: read FILE...")
        _run(options.settings)
    except TestigoError as error:
        print(f"testigo-unit: {error}", file=sys.stderr)
        return 2
    return 0


def _run(path: Path) -> None:
    from device.running import run
    from device.settings import read
    from hardware.board import make_body

    run(read(path), make_body)


if __name__ == "__main__":
    sys.exit(main())
