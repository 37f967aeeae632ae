"""A camera's stream that behaves as picamera2's does, for what our driver calls of it: frames at a rate, each exposed
for a while, handed out when they are done; `flush` passes over those that began too early, `wait` ends in TimeoutError.

Semantics are those of picamera2 0.3 (`capture_request`, `wait_for_timestamp_`, `make_buffer`, `release`,
`cancel_all_and_flush`). The real one is for issue D's Debian 13 stage and for a wired bench.
"""

import threading
import time
from concurrent.futures import TimeoutError as TimedOutError
from typing import Any

import numpy as np
from numpy.typing import NDArray

FRAME_NS = 40_000_000
"""From one exposure's start to the next's, and how long each lasts."""


class FakeRequest:
    """A completed request: one frame's buffer, which must be released once."""

    def __init__(self, stream: "FakeStream", buffer: NDArray[np.uint8]) -> None:
        self._stream = stream
        self._buffer: NDArray[np.uint8] | None = buffer

    def make_buffer(self, name: str) -> NDArray[np.uint8]:
        """A copy of the stream's bytes."""
        assert name == "main"
        assert self._buffer is not None, "used after its release"
        return self._buffer.copy()

    def release(self) -> None:
        """Gives the buffer back."""
        assert self._buffer is not None, "released twice"
        self._buffer = None
        self._stream.held -= 1


class FakeStream:
    """A camera, and the hands that reach it.

    Attributes:
        luma: what lies before it: the brightness of every pixel.
        held: requests handed out and not released.
        closed: whether `close` was called.
        plugged: while cleared, no frame is ever done.
        free: while cleared, calls do not return, whatever their time-out.
        error: what calls raise, if anything.
        started_ns: when each exposure that was handed out began.
    """

    def __init__(self, size: tuple[int, int] = (64, 48), stride: int = 96, luma: int = 40) -> None:
        self.size, self.stride, self.luma = size, stride, luma
        self.held = 0
        self.closed = False
        self.plugged = threading.Event()
        self.plugged.set()
        self.free = threading.Event()
        self.free.set()
        self.error: Exception | None = None
        self.started_ns: list[int] = []
        self._pace = threading.Event()

    def camera_configuration(self) -> dict[str, Any]:
        """What was configured."""
        return {"main": {"format": "YUV420", "size": self.size, "stride": self.stride}}

    def capture_request(self, wait: float, flush: int) -> FakeRequest:
        """The first frame whose exposure began at `flush` or later, once it is done."""
        assert not self.closed
        self.free.wait()
        if self.error is not None:
            raise self.error
        start = -(-flush // FRAME_NS) * FRAME_NS
        self._pace.wait((start + FRAME_NS - time.monotonic_ns()) / 1e9)
        if not self.plugged.wait(wait):
            raise TimedOutError
        self.started_ns.append(start)
        self.held += 1
        width, height = self.size
        buffer = np.full(height * self.stride * 3 // 2, 128, np.uint8)
        rows = buffer[: height * self.stride].reshape(height, self.stride)
        rows[:, :width], rows[:, width:] = self.luma, 255
        return FakeRequest(self, buffer)

    def cancel_all_and_flush(self) -> None:
        """Forgets what was asked for."""

    def close(self) -> None:
        """Lets the camera go."""
        assert not self.closed
        self.closed = True
