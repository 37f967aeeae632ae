"""The simulator's program: everything that testigo does, with no hardware."""

import argparse
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from wire.errors import TestigoError


def main(arguments: list[str] | None = None) -> int:
    """Runs `testigo-sim`; returns its exit status."""
    parser = argparse.ArgumentParser(prog="testigo-sim", description="testigo without hardware.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add(
        commands.add_parser("demo", help="watch a hub, a broker and three units carry actas to their totals"),
        _demo,
        ("--folder", Path("demo"), "made anew; a folder that no demo has made is left alone"),
        ("--sheets", 8, "how many sheets each unit is given"),
    )
    _add(
        commands.add_parser("deploy", help="write keys and settings of a trial deployment"),
        _deploy,
        ("folder", Path, "a new folder"),
        ("--units", 1, "how many units"),
        ("--port", 1883, "of the MQTT broker on this machine"),
        ("--profile", "ve-2024-presidential", "the election's profile"),
        ("--mode", "training", "training or live"),
    )
    _add(
        commands.add_parser("unit", help="run the firmware of a unit on a simulated body"),
        _unit,
        ("--settings", Path, "the unit's settings file"),
        ("--tray", Path, "a folder of pictures that are laid down one after the other, by name"),
        ("--pace", 0.5, "seconds between two sheets"),
    )
    _add(
        commands.add_parser("paper", help="write a contact sheet of every kind of wear and shot, for the eye"),
        _paper,
        ("--sheet", Path, "the picture to write, .png or .jpg"),
        ("--seed", 0, "of the acta and of what befalls it"),
    )
    options = parser.parse_args(arguments)
    try:
        status: int = options.run(options)
    except TestigoError as error:
        print(f"testigo-sim: {error}", file=sys.stderr)
        return 2
    return status


def _add(
    parser: argparse.ArgumentParser,
    run: Callable[[argparse.Namespace], int],
    *options: tuple[str, object, str],
) -> None:
    """Options with their default, or with their type where they must be given."""
    for name, default, words in options:
        if not isinstance(default, type):
            parser.add_argument(name, type=type(default), default=default, help=f"{words} (default: {default})")
        elif name.startswith("--"):
            parser.add_argument(name, type=default, required=True, help=words)
        else:
            parser.add_argument(name, type=default, help=words)
    parser.set_defaults(run=run)


def _demo(options: argparse.Namespace) -> int:
    from sim.demo import demo

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that it ends its programs on the way out
    return demo(options.folder, options.sheets)


def _deploy(options: argparse.Namespace) -> int:
    from sim.deployment import make

    made = make(options.folder, options.units, options.port, options.profile, options.mode)
    print(f"testigo-hub --settings {made.hub}")
    for settings in made.units.values():
        print(f"testigo-sim unit --settings {settings} --tray FOLDER")
    return 0


def _paper(options: argparse.Namespace) -> int:
    from sim import contact

    contact.write(options.sheet, options.seed)
    return 0


def _unit(options: argparse.Namespace) -> int:
    from device.worker import warm

    warm("device.eye")
    from device.mqtt import MqttLink
    from device.ports import Body, Post
    from device.running import run
    from device.settings import Settings, read
    from sim.body import make
    from sim.clock import WallClock
    from sim.hands import Hands
    from wire.errors import OurFault
    from wire.topics import Leaf, Topic

    if not options.tray.is_dir():
        raise OurFault(f"tray {options.tray}: no such folder: give one with pictures in it")

    def make_body(settings: Settings, post: Post) -> Body:
        topic = str(Topic(settings.deployment, settings.unit, Leaf.RECEIPT))
        link = MqttLink(settings.broker, settings.base, settings.unit, topic, post)
        body = make(WallClock(), settings.card, link, post)
        Hands(body, sorted(options.tray.iterdir()), options.pace, sys.stdout).start()
        return body.body

    run(read(options.settings), make_body)
    return 0


if __name__ == "__main__":
    sys.exit(main())
