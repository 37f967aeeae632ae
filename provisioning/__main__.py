"""The program `testigo-provision`: what is done at a desk, weeks before the day, on a machine that is not connected."""

import argparse
import getpass
import sys
from pathlib import Path, PurePosixPath

from provisioning.authority import Authority
from provisioning.broker import PORT
from wire.errors import OurFault, TestigoError


def main(arguments: list[str] | None = None) -> int:
    """Runs the program; returns its exit code: 2 where something is to be mended by the person at it."""
    options = _parser().parse_args(arguments)
    try:
        _do(options)
    except (TestigoError, OSError) as error:
        print(f"testigo-provision: {error}", file=sys.stderr)
        return 2
    return 0


def _do(options: argparse.Namespace) -> None:
    new = options.command == "authority"
    passphrase = _passphrase(options.passphrase_file, new=new)
    if new:
        made = Authority.make(options.folder, options.deployment, passphrase)
        print(f"{made.folder}: authority of {made.deployment}; keep it unconnected")
        return
    authority = Authority.open(options.folder, passphrase)
    match options.command:
        case "hub":
            home = authority.add_hub(options.name, options.host)
            print(f"{home}: carry it to the hub, then say: testigo-provision forget {options.folder} {options.name}")
        case "broker":
            home = authority.set_up_broker(options.name, options.at, options.port)
            print(f"{home}: carry it to {options.at} there, for Mosquitto's user alone, and have testigo.conf included")
        case "units":
            for home in authority.add_units(options.count):
                print(home)
            print(f"{options.folder / 'register.txt'}: carry it to every hub")
        case "revoke":
            for name in options.names:
                authority.revoke(name)
                print(f"{name} belongs no more")
            print(f"{options.folder}: carry register.txt to every hub, crl.pem and access to every broker")
        case _:
            for name in options.names:
                print(f"{authority.forget(name)} private keys of {name} removed")


def _passphrase(file: Path | None, *, new: bool) -> str:
    """The authority's passphrase, from a file's first line or the person at it; a new one is asked for twice."""
    if file is not None:
        try:
            return file.read_text("utf-8").partition("\n")[0]
        except (OSError, UnicodeDecodeError) as error:
            raise OurFault(f"passphrase file {file}: {error}: name another") from error
    try:
        passphrase = getpass.getpass("passphrase of the authority: ")
        if new and getpass.getpass("the same again: ") != passphrase:
            raise OurFault("the two differ: nothing was made; say the command again")
    except EOFError as error:
        raise OurFault("no passphrase was given: type it, or name its file with --passphrase-file") from error
    return passphrase


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("folder", type=Path, metavar="AUTHORITY", help="its folder")
    common.add_argument("--passphrase-file", type=Path, metavar="FILE", help="instead of asking for it")
    parser = argparse.ArgumentParser(prog="testigo-provision", description="Bring units and hubs into the world.")
    commands = parser.add_subparsers(dest="command", required=True)
    authority = commands.add_parser("authority", parents=[common], help="make a new authority")
    authority.add_argument("--deployment", required=True, metavar="NAME", help="of the election, trial or night")
    hub = commands.add_parser("hub", parents=[common], help="make a hub's keys, and its broker's")
    hub.add_argument("name", metavar="NAME")
    hub.add_argument("--host", nargs="+", required=True, help="names and addresses by which units call its broker")
    broker = commands.add_parser("broker", parents=[common], help="write how a hub's Mosquitto is set up")
    broker.add_argument("name", metavar="HUB")
    broker.add_argument("--at", type=PurePosixPath, default=PurePosixPath("/etc/mosquitto/testigo"), metavar="FOLDER")
    broker.add_argument("--port", type=int, default=PORT)
    units = commands.add_parser("units", parents=[common], help="make units, of names that say nothing")
    units.add_argument("--count", type=int, default=1, metavar="N")
    for name, purpose in (
        ("revoke", "let units or hubs belong no more"),
        ("forget", "remove the private keys of units or hubs that have them by now"),
    ):
        commands.add_parser(name, parents=[common], help=purpose).add_argument("names", nargs="+", metavar="NAME")
    return parser


if __name__ == "__main__":
    sys.exit(main())
