"""The eye: a frame -> what its QR codes say, and the certificate of how well it could be read."""

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from device.cause import Cause
from device.ports import FrameRead, Ms
from device.reader import Knowledge, Reader, Reading
from device.reader.measure import MODULES, Measures, measure
from device.reader.why import why
from wire.acta import Profile
from wire.record import Quality

SECONDS_MAX = 1.4
"""A frame's time, alone and with those before it; what is begun within it ends within twice that on a small board."""

FRAMES_MAX = 4
"""Frames kept of one press: together they are worth two stops of light, and 12 megapixels of each are 12 MB."""


class Eye:
    """Reads the frames of a unit, one press after the other: each alone, and where that fails, with those before it."""

    def __init__(self, profile: Profile, clock: Callable[[], float] = time.monotonic) -> None:
        """An eye for the actas of one election; `clock` gives seconds, for the reader's budget."""
        self._reader = Reader(Knowledge.of(profile), clock=clock)
        self._clock = clock
        self._press: Ms | None = None
        self._unread: list[NDArray[np.uint8]] = []

    def see(self, luma: NDArray[np.uint8], press: Ms) -> FrameRead:
        """Reads a frame taken for the press at that time."""
        if press != self._press:
            self._press, self._unread = press, []
        began = self._clock()
        reading = self._reader.read(luma)
        if not reading.payloads:
            # Whoever hands frames over may want their memory back.
            self._unread = [*self._unread, luma.copy()][-FRAMES_MAX:]
            left = SECONDS_MAX - (self._clock() - began)
            reading = self._reader.fused(self._unread, left) or reading
        if reading.payloads:
            self._unread = []
        return FrameRead(payloads=reading.payloads, quality=certificate(luma, reading))


def certificate(luma: NDArray[np.uint8], reading: Reading) -> Quality:
    """How well a frame could be read, and, where nothing was, why not.

    Args:
        luma: shape (height, width), uint8.
        reading: what the reader made of it.
    """
    corners = None if reading.corners is None else np.array(reading.corners, np.float32)
    if not reading.payloads:
        hindered = why(luma, corners)
        return _quality(reading, hindered.measures, hindered.cause)
    assert corners is not None, "what was read has a place"
    side = float(np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1).mean())
    modules = round(side / reading.px_per_module) if reading.px_per_module else MODULES
    return _quality(reading, measure(luma, corners, modules), Cause.NOTHING)


def _quality(reading: Reading, seen: Measures | None, cause: Cause) -> Quality:
    read = {
        "assumed": reading.assumed,
        "erasures": reading.erasures,
        "margin": round(100 * min(max(reading.margin, 0.0), 1.0)),
    }
    if seen is None:
        return Quality(cause=cause.value, step=reading.how, **read)
    return Quality(
        blur=round(100 * seen.blur),
        cause=cause.value,
        contrast=round(100 * seen.contrast),
        glare=round(100 * seen.glare),
        light=round(seen.light),
        pitch=round(100 * seen.pitch),
        step=reading.how,
        **read,
    )
