"""The reader apart: frames are read in a worker, for what decodes pictures may hang or crash on some of them.

The firmware's own process hands frames over and takes answers; it never loads what reads them.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from device.ports import FrameRead, Ms, Post
from device.reader import Reader, Reading
from device.worker import Lost, Worker
from wire.errors import OurFault

SECONDS_MAX = 3.0
"""A frame's time. The reader gives up by itself long before, so whoever takes that long hangs."""


@dataclass(frozen=True, slots=True)
class Request:
    """A frame, and the time of the press it was taken for."""

    luma: NDArray[np.uint8]
    press: Ms


class Answering:
    """The worker's side: the reader."""

    def __init__(self) -> None:
        self._reader = Reader()

    def __call__(self, request: Request) -> Reading:
        """Reads a frame."""
        return self._reader.read(request.luma)


class ReaderApart:
    """A `FrameReader` in a process of its own.

    Args:
        post: the firmware's inbox.
        make: what answers in the worker; see `device.worker`.
        seconds_max: how long a frame may take.
    """

    def __init__(
        self, post: Post, make: Callable[[], Callable[[Request], Reading]] = Answering, seconds_max: float = SECONDS_MAX
    ) -> None:
        self._post = post
        # One thread asks; its first task is to start the worker, while the firmware looks at its card.
        self._thread = ThreadPoolExecutor(1, "reader")
        self._worker = self._thread.submit(Worker[Request, Reading], make, seconds_max)

    def ready(self) -> None:
        """Waits for the worker.

        Raises:
            OurFault: it cannot be started.
        """
        self._worker.result()

    def read(self, luma: NDArray[np.uint8], press: Ms) -> None:
        """Hands the frame over."""
        self._thread.submit(self._answer, Request(luma, press))

    def close(self) -> None:
        """Ends the worker, once it has answered."""
        self._thread.shutdown(cancel_futures=True)
        self._worker.result().end()

    def _answer(self, request: Request) -> None:
        try:
            answer, _ = self._worker.result().ask(request)
        except OurFault as error:  # no other could be started; perhaps for the next frame
            answer = Lost(str(error))
        self._post(FrameRead(Reading((), ""), answer.why) if isinstance(answer, Lost) else FrameRead(answer))
