"""The desk for control cards: what `testigo-provision` does for the operators who print them."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from provisioning.files import write
from wire.control import KINDS
from wire.errors import OurFault

Ask = Callable[[str, bool], str]
"""Asks for a passphrase: whose, and whether it is new."""

AHEAD_SECONDS_MAX = 86_400
"""Numbers are seconds, and no two desks differ by a day. A mistyped one would void all that is printed until then."""


def add(commands: Any) -> None:
    """Adds the commands `operators` and `cards`."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("folder", type=Path, metavar="OPERATORS", help="their folder, which is not the authority's")
    common.add_argument("--passphrase-file", type=Path, metavar="FILE", help="instead of asking for theirs")
    makes = commands.add_parser(
        "operators", parents=[common], help="make a key that signs control cards, in a folder of its own"
    )
    makes.add_argument("--deployment", required=True, metavar="NAME", help="of the election, trial or night")
    makes.add_argument("--name", default="cards", metavar="NAME", help="of the key (default: cards)")
    cards = commands.add_parser("cards", parents=[common], help="print control cards, signed by such a key")
    cards.add_argument("kind", choices=[str(kind.__struct_config__.tag) for kind in KINDS])
    cards.add_argument("values", nargs="*", metavar="VALUE", help="a code, word, round or name: a card for each")
    cards.add_argument("--out", type=Path, required=True, metavar="FILE.pdf")
    cards.add_argument("--from", dest="begin", metavar="TIME", help="such as 2024-07-28T06:00; else an hour ago")
    cards.add_argument("--until", metavar="TIME", help="instead of --days")
    cards.add_argument("--days", type=float, default=1.0, metavar="N", help="how long they hold (default: 1)")
    cards.add_argument("--number", type=int, metavar="N", help="of cards printed before, beside which these shall hold")
    cards.add_argument("--units", nargs="+", default=[], metavar="UNIT", help="for these units alone")


def do(options: argparse.Namespace, ask: Ask, typed: Ask) -> None:
    """Does what was asked for.

    Args:
        options: what was asked for.
        ask: for the operators' passphrase.
        typed: for a network's, which is in no file.

    Raises:
        OurFault: it cannot be done; one sentence says what to correct.
    """
    from provisioning import control  # it draws, which no other command needs a library for

    if options.command == "operators":
        operators = control.Operators.make(options.folder, options.deployment, options.name, ask("the operators", True))
        print(f"{options.folder}: the operators'; for the top of the election's settings, before the next package:")
        print(f'cards = ["{operators.signer.verifier}"]')
        return
    operators, now = control.Operators.open(options.folder, ask("the operators", False)), control.now()
    begin = control.seconds_of(options.begin) if options.begin else now - control.EARLY_SECONDS
    end = control.seconds_of(options.until) if options.until else begin + round(options.days * 86_400)
    orders = control.orders(options.kind, options.values, lambda name: typed(f"the network {name}", True))
    number = now if options.number is None else options.number
    if number > now + AHEAD_SECONDS_MAX:
        raise OurFault(f"--number {number}: no card has such a one yet: take the one at the foot of those that are out")
    notes = [operators.card(order, begin=begin, end=end, number=number, units=options.units) for order in orders]
    write(options.out, control.pdf(notes, operators.signer), secret=True)
    print(
        f"{options.out}: cards of number {number}: {len(notes)}; a unit that takes one takes no older one of its kind"
    )
