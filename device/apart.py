"""The reader apart: frames are read in a worker, for what decodes pictures may hang or crash on some of them.

The firmware's own process hands frames over and takes answers; it never loads what reads them.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from device.ports import FrameRead, Ms, Post, ReaderFailed
from device.worker import Lost, Worker, share_of_memory
from wire.acta import Profile

SECONDS_MAX = 4.0
"""A frame's time. The reader gives up long before, so whoever takes that long hangs; and a press whose last look hangs
still has its verdict before everything is taken for dead (`LOOK_MS_MAX` less `SEARCH_MS_MAX`, and a second for it)."""

# Frames of 12 megapixels, four of a press and the noisiest there are, take 254 MiB of addresses here; each further core
# 64 MiB for what OpenCV does on it. On a board of 512 MB that is nearly all there is; on larger ones half is plenty.
BYTES_MIN = 448 * 2**20

Request = tuple[NDArray[np.uint8], Ms]
"""A frame's luma plane, and the time of the press it was taken for."""


def open_eye(profile: Profile) -> Callable[[Request], FrameRead]:
    """What answers in the worker; only there is the reader ever loaded."""
    from device.eye import Eye

    eye = Eye(profile)
    return lambda request: eye.see(*request)


class ReaderApart:
    """A `FrameReader` in a process of its own.

    Args:
        post: the firmware's inbox.
        make: makes what answers in the worker, `open_eye` for a profile; see `device.worker`.
        seconds_max: how long a frame may take.
    """

    def __init__(
        self,
        post: Post,
        make: Callable[[], Callable[[Request], FrameRead]],
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        self._post = post
        self._closed = False
        self._worker = Worker(
            make, [FrameRead], seconds_max=seconds_max, bytes_max=share_of_memory(1 / 2, at_least=BYTES_MIN)
        )
        # One thread asks; its first task is to start the worker, while the firmware looks at its card.
        self._thread = ThreadPoolExecutor(1, "reader")
        self._started = self._thread.submit(self._worker.start)

    def ready(self) -> None:
        """Waits for the worker.

        Raises:
            OurFault: it cannot be started.
        """
        self._started.result()

    def read(self, number: int, luma: NDArray[np.uint8], press: Ms) -> None:
        """Hands the frame over."""
        self._thread.submit(self._answer, number, (luma, press))

    def close(self) -> None:
        """Ends the worker, whatever it is at."""
        self._closed = True
        self._worker.end()
        self._thread.shutdown(cancel_futures=True)

    def _answer(self, number: int, request: Request) -> None:
        answered: FrameRead | ReaderFailed
        try:
            answer, _ = self._worker.ask(request)
            answered = FrameRead(lost=answer.why) if isinstance(answer, Lost) else answer
            answered = replace(answered, number=number)
        # Whatever it is, nobody would ever ask this thread's future for it, and the frame would wait for its answer.
        except Exception as error:  # noqa: BLE001
            answered = ReaderFailed(number, f"{type(error).__name__}: {error}")
        if not self._closed:
            self._post(answered)
