"""The commands `testigo-provision release ...`: keys, the root and who signs it, releases and who gets them when."""

import argparse
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from provisioning.release import ROOTS, THRESHOLD, Repository, make_key, open_key, read_public
from wire.release import SHARE_MAX, cohort_of

Ask = Callable[[str, bool], str]
"""Asks for the passphrase of something; a new one is asked for twice."""


def add_parser(commands: Any) -> None:
    """Adds the commands to the program's."""
    parser = commands.add_parser("release", help="sign releases of the firmware")
    parser.add_argument("--passphrase-file", type=Path, metavar="FILE", help="instead of asking for each")
    parts = parser.add_subparsers(dest="part", required=True)
    key = parts.add_parser("key", help="make a key")
    key.add_argument("key", type=Path, metavar="NAME.key")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("repository", type=Path, metavar="REPOSITORY", help="its folder")
    root = parts.add_parser("root", parents=[common], help="draw up the first root, or the next one")
    root.add_argument("--roots", type=Path, nargs=ROOTS, default=(), metavar="NAME.pub", help="new root keys")
    root.add_argument("--targets", type=Path, metavar="NAME.pub", help="a new key of releases")
    root.add_argument("--snapshot", type=Path, metavar="NAME.pub", help="a new key of snapshot and timestamp")
    root.add_argument("--emergency", type=int, metavar="N", help="let this release through a freeze")
    sign = parts.add_parser("sign", parents=[common], help=f"sign the root drawn up; it takes {THRESHOLD} of its keys")
    sign.add_argument("key", type=Path, metavar="NAME.key")
    signing = argparse.ArgumentParser(add_help=False, parents=[common])
    signing.add_argument("--snapshot", type=Path, required=True, metavar="NAME.key")
    parts.add_parser("refresh", parents=[signing], help="say that all is as it was, for another month")
    for name, purpose in (("add", "add a release"), ("spread", "let more units take the newest release")):
        part = parts.add_parser(name, parents=[signing], help=purpose)
        if name == "add":
            part.add_argument("wheels", type=Path, metavar="FOLDER", help="of all its wheels")
        part.add_argument("--share", type=int, choices=range(SHARE_MAX + 1), required=True, metavar="PERCENT")
        part.add_argument("--targets", type=Path, required=True, metavar="NAME.key")
    parts.add_parser("show", parents=[common], help="say what is in a repository")
    cohort = parts.add_parser("cohort", help="say which units go first")
    cohort.add_argument("units", nargs="+", metavar="UNIT")


def do(options: argparse.Namespace, ask: Ask) -> None:
    """Does what was asked for."""

    def key(path: Path) -> Any:
        return open_key(path, ask(str(path), False))

    if options.part == "key":
        public = make_key(options.key, ask(str(options.key), True))
        print(f"{public}, which is {read_public(public).keyid[:16]}: carry this one to the repository")
        return
    if options.part == "cohort":
        for unit in options.units:
            print(f"{unit} {cohort_of(unit)}")
        return
    repository = Repository(options.repository, int(time.time()))
    match options.part:
        case "root":
            targets, snapshot = (path and read_public(path) for path in (options.targets, options.snapshot))
            roots = [read_public(path) for path in options.roots]
            number = repository.draw_root(roots, targets, snapshot, options.emergency)
            print(f"{repository.draft}: root {number}; now let {THRESHOLD} holders sign it")
        case "sign":
            print("\n".join(repository.drawn()))
            lacking = repository.sign_root(key(options.key))
            print(f"signed; it lacks {lacking} more" if lacking else "signed; it holds from now on")
        case "add":
            new = repository.add(options.wheels, options.share, key(options.targets), key(options.snapshot))
            print(f"release {new.number}, for {new.share} of {SHARE_MAX} cohorts: bring it to the mirrors")
        case "spread":
            new = repository.spread(options.share, key(options.targets), key(options.snapshot))
            print(f"release {new.number}, for {new.share} of {SHARE_MAX} cohorts: bring it to the mirrors")
        case "refresh":
            repository.refresh(key(options.snapshot))
            print("\n".join(repository.ends()))
            print(f"{repository.folder}: signed: bring it to the mirrors")
        case _:
            print("\n".join(repository.ends()))
            for each in repository.index.releases:
                made = datetime.fromtimestamp(each.at, UTC)
                print(f"release {each.number} of {made:%Y-%m-%d %H:%M} UTC, for {each.share} of {SHARE_MAX} cohorts")
                print("".join(f"    {wheel}\n" for wheel in each.wheels), end="")
