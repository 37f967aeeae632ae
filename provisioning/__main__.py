"""The program `testigo-provision`: what is done at a desk, weeks before the day, on a machine that is not connected."""

import argparse
import getpass
import sys
from pathlib import Path, PurePosixPath

from provisioning import cards_desk, control_desk, release_desk, roster
from provisioning.apply import PID_FILE, apply, reload
from provisioning.authority import Authority, to_hubs
from provisioning.broker import PORT
from provisioning.enrol import enrol
from provisioning.package import deploy, profile_text
from provisioning.roster import RosterError
from wire import profiles
from wire.errors import OurFault, TestigoError


def main(arguments: list[str] | None = None) -> int:
    """Runs the program; returns its exit code: 2 where something is to be mended by the person at it."""
    options = _parser().parse_args(arguments)
    try:
        _do(options)
    except (TestigoError, OSError) as error:
        for fault in error.faults if isinstance(error, RosterError) else ():
            print(fault)
        print(f"testigo-provision: {error}", file=sys.stderr)
        return 2
    return 0


def _do(options: argparse.Namespace) -> None:
    if options.command == "release":
        release_desk.do(options, _asks(options.passphrase_file))
        return
    if options.command in ("operators", "cards"):
        control_desk.do(options, _asks(options.passphrase_file), _asks(None))
        return
    if options.command == "kit":
        cards_desk.do_kit(options)
        return
    if options.command == "roster":
        layout = profiles.parse(profile_text(options.profile, Path()).decode("utf-8"))
        print(f"{options.file}: {len(roster.read(options.file, layout)):,} mesas, without a fault")
        return
    if options.command == "apply":
        units, revoked = apply(options.carried, options.at, options.register, lambda: reload(options.pid_file))
        print(f"{units} units belong, {revoked} units and hubs are revoked; Mosquitto goes by it")
        return
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
            print(to_hubs(options.folder))
        case "write":
            cards_desk.do_write(options, authority, input)
        case "deploy":
            print(deploy(authority, options.election))
        case "enrol":
            for outcome in enrol(authority, options.stick):
                print(outcome)
            print(f"{to_hubs(options.folder)}; carry the stick back to the units")
        case "revoke":
            authority.revoke(*options.names)
            for name in options.names:
                print(f"{name} belongs no more")
            print(to_hubs(options.folder))
        case _:
            for name in options.names:
                print(f"{authority.forget(name)} private keys of {name} removed")


def _asks(file: Path | None) -> control_desk.Ask:
    return lambda whose, new: _passphrase(file, whose, new=new)


def _passphrase(file: Path | None, whose: str = "the authority", *, new: bool) -> str:
    """A passphrase, from a file's first line or the person at it; a new one is asked for twice."""
    if file is not None:
        try:
            return file.read_text("utf-8").partition("\n")[0]
        except (OSError, UnicodeDecodeError) as error:
            raise OurFault(f"passphrase file {file}: {error}: name another") from error
    try:
        passphrase = getpass.getpass(f"passphrase of {whose}: ")
        if new and getpass.getpass("the same again: ") != passphrase:
            raise OurFault("the two differ: nothing was made; say the command again")
    except EOFError as error:
        raise OurFault(f"no passphrase of {whose} was given: say this at a terminal, and type it") from error
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
    made = commands.add_parser("deploy", parents=[common], help="make and sign the next deployment package")
    made.add_argument("election", type=Path, metavar="ELECTION.toml", help="what the operators decide: settings.md")
    checked = commands.add_parser("roster", help="check a CSV file of mesas line by line, without an authority")
    checked.add_argument("file", type=Path, metavar="ROSTER.csv")
    checked.add_argument("--profile", required=True, metavar="ID", help="the election: its id, or a TOML file")
    desk = commands.add_parser("enrol", parents=[common], help="let units belong that made their own keys")
    desk.add_argument("stick", type=Path, metavar="STICK", help="with their requests; it takes their answers back")
    for name, purpose in (
        ("revoke", "let units or hubs belong no more"),
        ("forget", "remove the private keys of units or hubs that have them by now"),
    ):
        commands.add_parser(name, parents=[common], help=purpose).add_argument("names", nargs="+", metavar="NAME")
    there = commands.add_parser(
        "apply", help="on a hub's machine: go by what was carried there, and put out who is revoked"
    )
    there.add_argument("carried", type=Path, metavar="FOLDER", help="with the five files")
    there.add_argument("--register", type=Path, required=True, metavar="FILE", help="the hub's, as hub.toml names it")
    there.add_argument("--at", type=Path, default=Path("/etc/mosquitto/testigo"), metavar="FOLDER", help="the broker's")
    there.add_argument("--pid-file", type=Path, default=PID_FILE, metavar="FILE", help="Mosquitto's")
    release_desk.add_parser(commands)
    control_desk.add(commands)
    cards_desk.add(commands, common)
    return parser


if __name__ == "__main__":
    sys.exit(main())
