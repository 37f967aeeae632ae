"""The run: settings, key and body put together into a unit that runs until it is told to stop."""

import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from enum import Enum
from functools import partial
from types import FrameType

from device.alone import alone_on
from device.apart import ReaderApart, open_eye
from device.inbox import Inbox
from device.keys import KeyFault, OpenSigner, signer_from
from device.log import Event
from device.memory import never_dump, tell_where
from device.ports import Body, Indicator, Post
from device.settings import Settings
from device.signals import FaultCode
from device.store import CardError
from device.unit import Unit
from wire.errors import OurFault
from wire.log import line

FAULT_SECONDS = 20
"""How long a unit that cannot run says why before systemd starts it anew: most codes are read out three times in it."""

MakeBody = Callable[[Settings, Post], Body]

OFF_STATUS = 10
"""The exit status of a unit that somebody has switched off: for systemd to leave it off (RestartPreventExitStatus)."""

ANEW_STATUS = 11
"""The exit status of a unit whose camera hangs, or that has a newer package: for systemd to start it anew (Restart)."""


def run(
    settings: Settings,
    make_body: MakeBody,
    alive: Callable[[], None] = lambda: None,
    open_signer: OpenSigner = signer_from,
) -> int:
    """Runs a unit until SIGTERM or SIGINT, until somebody switches it off, its battery is empty or its camera hangs.

    Args:
        settings: the unit's.
        make_body: makes its body.
        alive: is called by the unit's own thread between any two events, and while there are none: for a watchdog.
        open_signer: makes the signer of its key.

    Returns:
        The exit status: 0, `OFF_STATUS` or `ANEW_STATUS`.

    Raises:
        OurFault: the key cannot be used, or another program is at the card.
        CardError: the card cannot be used.
    """
    never_dump()
    inbox = Inbox()
    reader = ReaderApart(inbox.put, partial(open_eye, settings.profile))
    stop = _told_to_stop()

    def stopped() -> bool:
        alive()
        return stop.is_set()

    try:
        body = make_body(settings, inbox.put)
    except CardError:
        _leave_shown(stopped, stop)
        raise

    def log(event: Enum, **facts: str | float) -> None:
        print(line(event, body.clock.seconds(), facts), file=sys.stderr, flush=True)  # noqa: T201

    tell_where(lambda where: log(Event.CRASHED, where=where))
    with alone_on(body.storage.folder):
        try:
            signer = open_signer(settings.key, settings.unit)
            unit = Unit(settings, body, reader, inbox, signer, random.SystemRandom(), log)
            unit.run(stopped)
        except (OurFault, CardError) as error:
            if isinstance(error, KeyFault):
                body.indicator.show(FaultCode.KEY)
            _leave_shown(stopped, stop)
            raise
        return OFF_STATUS if unit.is_off else ANEW_STATUS if unit.begins_anew else 0


def show_why(indicator: Indicator, code: FaultCode, alive: Callable[[], None]) -> None:
    """Shows why there is nothing to run, for long enough to be read, or until it is told to stop."""
    stop = _told_to_stop()
    indicator.show(code)

    def stopped() -> bool:
        alive()
        return stop.is_set()

    _leave_shown(stopped, stop)


def _told_to_stop() -> threading.Event:
    """Is set by SIGTERM and SIGINT from now on."""
    stop = threading.Event()

    def told(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, told)
    return stop


def _leave_shown(stopped: Callable[[], bool], stop: threading.Event) -> None:
    """Lets somebody read what the lamps say before they go out with the program."""
    end = time.monotonic() + FAULT_SECONDS
    while not stopped() and time.monotonic() < end:
        stop.wait(1)
