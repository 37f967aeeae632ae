"""The hub's log: every event it can tell, declared once."""

import sys
import time
from enum import Enum

from wire.log import Happening, Level, line

INFO, WARNING, ERROR = Level.INFO, Level.WARNING, Level.ERROR


class Event(Enum):
    """The events; docs/log.md is made from them."""

    STARTED = Happening(INFO, "the ledger is open; says how many units are enrolled")
    STOPPED = Happening(INFO, "the hub was asked to end, and has")
    LINK_UP = Happening(INFO, "connected to the broker, and every subscription was granted")
    LINK_DOWN = Happening(WARNING, "not connected; says why and when the next attempt is; units keep what they hold")
    BROKER_REFUSED = Happening(ERROR, "the broker refuses the hub or a subscription; says why: correct its accounts")
    TAKEN_OVER = Happening(
        ERROR, "another client took the hub's session: a second hub of its name, or a thief: see to it"
    )
    CROWDED = Happening(WARNING, "one unit published more than its share; the rest was let go: it waits at the unit")
    TOO_LARGE = Happening(WARNING, "publications longer than any can be were dropped: limit them at the broker")
    KEPT = Happening(INFO, "a batch is durable; says how many envelopes, chunks and copies of what was held")
    REFUSED = Happening(WARNING, "publications were refused with a signed reason; says whose topic, why, how many")
    UNANSWERED = Happening(WARNING, "more was refused in one batch than is answered; the rest was dropped")
    TOPIC_UNKNOWN = Happening(WARNING, "publications on topics that no unit has were dropped; says how many")
    FORK = Happening(ERROR, "a unit signed two envelopes for one place, or one that does not follow: see to it")
    AILING = Happening(WARNING, "a unit says that something ails it; says what, in its own words (docs/wire.md, 3.7)")
    CONFLICT = Happening(ERROR, "a mesa has a second, different acta; it does not count until a person decides")
    PICTURE_WRONG = Happening(WARNING, "all chunks of a picture came, but are not it: they are asked for again")
    PICTURE_LOST = Happening(
        ERROR, "whole pictures of a unit are lost on the hub's disk; says how many: they are asked for again"
    )
    QUOTA = Happening(ERROR, "a unit has as much here as it may have; says of what: if it is honest, raise the setting")
    DISK_LOW = Happening(
        ERROR, "little room is left; until there is more, envelopes are taken and no chunks: make room"
    )
    CLOCK_BEHIND = Happening(
        ERROR, "the clock is behind the last receipt; new ones bear that one's time: set the clock"
    )
    RECEIPT_AHEAD = Happening(
        WARNING, "a unit knows a receipt of this hub that is later than its clock: set the clock, or the unit lies"
    )
    NOTICES_READ = Happening(WARNING, "what hubs say of where they are now was read again; all units are told")
    NOTICE_BAD = Happening(ERROR, "what a hub is to say of where it is now cannot be used; says why: bring it anew")
    REGISTER_READ = Happening(INFO, "the register of units was read again; says how many are enrolled")
    REGISTER_BAD = Happening(ERROR, "the register cannot be read; the last good one still holds: correct it")


def to_stderr(event: Event, **facts: str | int | float) -> None:
    """Writes one line to standard error."""
    print(line(event, int(time.time()), facts), file=sys.stderr, flush=True)  # noqa: T201  the log is what is printed
