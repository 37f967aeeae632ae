"""The reader apart: frames are read in a worker, for what decodes pictures may hang or crash on some of them.

The firmware's own process hands frames over and takes answers; it never loads what reads them.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from device.ports import FrameRead, Ms, Post
from device.worker import Lost, Worker
from wire.acta import Profile
from wire.errors import OurFault

SECONDS_MAX = 4.0
"""A frame's time. The reader gives up long before, so whoever takes that long hangs; and a press whose last look hangs
still has its verdict before the camera is taken for dead (`LOOK_MS_MAX` less `SEARCH_MS_MAX`)."""

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
        # One thread asks; its first task is to start the worker, while the firmware looks at its card.
        self._thread = ThreadPoolExecutor(1, "reader")
        self._worker = self._thread.submit(Worker[Request, FrameRead], make, seconds_max)

    def ready(self) -> None:
        """Waits for the worker.

        Raises:
            OurFault: it cannot be started.
        """
        self._worker.result()

    def read(self, luma: NDArray[np.uint8], press: Ms) -> None:
        """Hands the frame over."""
        self._thread.submit(self._answer, (luma, press))

    def close(self) -> None:
        """Ends the worker, once it has answered."""
        self._thread.shutdown(cancel_futures=True)
        self._worker.result().end()

    def _answer(self, request: Request) -> None:
        try:
            answer, _ = self._worker.result().ask(request)
        except OurFault as error:  # no other could be started; perhaps for the next frame
            answer = Lost(str(error))
        self._post(FrameRead(lost=answer.why) if isinstance(answer, Lost) else answer)
