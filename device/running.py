"""The run: settings, key and body put together into a unit that runs until it is told to stop."""

import random
import signal
import sys
import threading
from collections.abc import Callable
from enum import Enum
from functools import partial
from queue import SimpleQueue
from types import FrameType

from device.alone import alone_on
from device.apart import ReaderApart, open_eye
from device.keys import signer_from
from device.log import Event
from device.memory import never_dump, tell_where
from device.ports import Body, BodyEvent, Post
from device.settings import Settings
from device.unit import Unit
from wire.log import line

MakeBody = Callable[[Settings, Post], Body]


def run(settings: Settings, make_body: MakeBody) -> None:
    """Runs a unit until SIGTERM or SIGINT.

    Raises:
        OurFault: the key cannot be used, or another program is at the card.
        CardError: the card cannot be used.
    """
    never_dump()
    signer = signer_from(settings.key, settings.unit)
    inbox: SimpleQueue[BodyEvent] = SimpleQueue()
    reader = ReaderApart(inbox.put, partial(open_eye, settings.profile))
    body = make_body(settings, inbox.put)

    def log(event: Enum, **facts: str | float) -> None:
        print(line(event, body.clock.seconds(), facts), file=sys.stderr, flush=True)  # noqa: T201

    tell_where(lambda where: log(Event.CRASHED, where=where))
    stop = threading.Event()

    def told(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, told)
    with alone_on(body.storage.folder):
        Unit(settings, body, reader, inbox, signer, random.SystemRandom(), log).run(stop.is_set)
