"""The simulator's program: everything that testigo does, with no hardware."""

import argparse
import os
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from wire.errors import OurFault, TestigoError


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
    _add(
        commands.add_parser("hunt", help="nights of a fleet with every fault that chance can think of, and an oracle"),
        _hunt,
        ("--seed", 1, "of the first night"),
        ("--hours", 1.0, "of faults in a night"),
        ("--days", 1, "how many nights, each of the next seed"),
        ("--jobs", len(os.sched_getaffinity(0)), "how many processes"),
        ("--folder", "", "where cards and hubs lie meanwhile; else in memory, or where temporary files do"),
    )
    _add(
        commands.add_parser("storm", help="a fleet with something waiting, when its broker comes back"),
        _storm,
        ("--units", 2000, "how many"),
        ("--seed", 1, "of their chance"),
        ("--folder", "", "where their cards lie meanwhile; else where temporary files do"),
    )
    _add(
        commands.add_parser("moved", help="a fleet with something waiting, whose hub has moved to another address"),
        _moved,
        ("--units", 500, "how many"),
        ("--way", "notice", "how they are told: notice, card or stick"),
        ("--seed", 1, "of their chance"),
        ("--folder", "", "where their cards lie meanwhile; else where temporary files do"),
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


def _hunt(options: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from sim.hunt import hunt_many, report, summary

    if options.days < 1 or options.jobs < 1 or options.hours <= 0:
        raise OurFault("--days, --jobs and --hours: give at least one night, one process and some time")
    folder = Path(options.folder) if options.folder else None
    if folder and not folder.is_dir():
        raise OurFault(f"--folder {folder}: no such folder: give one, best in memory")
    seeds = range(options.seed, options.seed + options.days)
    tally, failures, cpu = Counter[str](), 0, 0.0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=options.days == 1) as progress:
        task = progress.add_task("nights", total=options.days)
        for night in hunt_many(seeds, options.hours, min(options.jobs, options.days), folder):
            tally += night.tally
            failures += bool(night.broken)
            cpu += night.cpu_seconds
            if night.broken or options.days == 1:
                progress.console.print(report(night), markup=False, highlight=False, soft_wrap=True)
            progress.advance(task)
    print(summary(options.days, tally, failures, cpu))
    return int(failures > 0)


def _storm(options: argparse.Namespace) -> int:
    from sim.storm import storm

    found = storm(options.units, options.seed, Path(options.folder or tempfile.gettempdir()), print)
    print(
        f"{found.units} units, all receipted {found.settled_seconds:.0f} simulated seconds after the broker came back; "
        f"at most {found.handshakes_max} handshakes in one second; {found.megabytes} MB of memory"
    )
    return 0


def _moved(options: argparse.Namespace) -> int:
    from sim.moved import Way, moved

    if options.way not in (way.value for way in Way):
        raise OurFault(f"--way {options.way}: give notice, card or stick")
    folder = Path(options.folder or tempfile.gettempdir())
    found = moved(options.units, Way(options.way), options.seed, folder, print)
    print(
        f"{found.units} units told by {found.way.value}: half of them receipted again after {found.half_seconds:.0f} "
        f"simulated seconds, the last after {found.all_seconds:.0f}; "
        f"at most {found.handshakes_max} handshakes in one second"
    )
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
    from wire.topics import Leaf, Topic

    if not options.tray.is_dir():
        raise OurFault(f"tray {options.tray}: no such folder: give one with pictures in it")

    def make_body(settings: Settings, post: Post) -> Body:
        topic = str(Topic(settings.deployment, settings.unit, Leaf.RECEIPT))
        link = MqttLink(settings.brokers, settings.base, settings.unit, topic, post)
        body = make(WallClock(), settings.card, link, post)
        Hands(body, sorted(options.tray.iterdir()), options.pace, sys.stdout).start()
        return body.body

    return run(read(options.settings), make_body)


if __name__ == "__main__":
    sys.exit(main())
