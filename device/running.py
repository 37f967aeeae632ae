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
from device.keys import signer_from
from device.log import Event
from device.memory import never_dump, tell_where
from device.ports import Body, Post
from device.settings import Settings
from device.signals import FaultCode
from device.store import CardError
from device.unit import Unit
from wire.errors import OurFault
from wire.log import line
from wire.note import Signer

FAULT_SECONDS = 20
"""How long a unit that cannot run says why before systemd starts it anew: most codes are read out three times in it."""

MakeBody = Callable[[Settings, Post], Body]

OFF_STATUS = 10
"""The exit status of a unit that somebody has switched off: for systemd to leave it off (RestartPreventExitStatus)."""


def run(settings: Settings, make_body: MakeBody, alive: Callable[[], None] = lambda: None) -> int:
    """Runs a unit until SIGTERM or SIGINT, until somebody switches it off by its button, or its battery is empty.

    Args:
        settings: the unit's.
        make_body: makes its body.
        alive: is called by the unit's own thread between any two events, and while there are none: for a watchdog.

    Returns:
        The exit status: 0, or `OFF_STATUS`.

    Raises:
        OurFault: the key cannot be used, or another program is at the card.
        CardError: the card cannot be used.
    """
    never_dump()
    inbox = Inbox()
    reader = ReaderApart(inbox.put, partial(open_eye, settings.profile))
    stop = threading.Event()

    def told(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, told)

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
            signer = _signer(settings, body)
            unit = Unit(settings, body, reader, inbox, signer, random.SystemRandom(), log)
            unit.run(stopped)
        except (OurFault, CardError):
            _leave_shown(stopped, stop)
            raise
        return OFF_STATUS if unit.is_off else 0


def _signer(settings: Settings, body: Body) -> Signer:
    try:
        return signer_from(settings.key, settings.unit)
    except OurFault:
        body.indicator.show(FaultCode.KEY)
        raise


def _leave_shown(stopped: Callable[[], bool], stop: threading.Event) -> None:
    """Lets somebody read what the lamps say before they go out with the program."""
    end = time.monotonic() + FAULT_SECONDS
    while not stopped() and time.monotonic() < end:
        stop.wait(1)
