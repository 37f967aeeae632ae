"""The eye: a frame -> what its QR codes say, and the certificate of how well it could be read."""

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from device.cause import Cause
from device.memory import where
from device.ports import FrameRead, Ms
from device.reader import Knowledge, Reader, Reading
from device.reader.measure import MODULES, Measures, measure
from device.reader.why import why
from wire.acta import Profile
from wire.record import NOTHING_KNOWN, Quality

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
        quality, uncertified = certified(luma, reading)
        return FrameRead(payloads=reading.payloads, quality=quality, uncertified=uncertified)


def certified(luma: NDArray[np.uint8], reading: Reading) -> tuple[Quality, str]:
    """The certificate, and an empty string; or nothing known, and where making it failed.

    It serves the reading: what was read is kept, whatever becomes of it.
    """
    try:
        return certificate(luma, reading), ""
    except Exception as error:  # noqa: BLE001  a fault of ours that we do not know, over somebody's acta
        return NOTHING_KNOWN, where(error)


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
    return _quality(reading, measure(luma, corners, reading.modules or MODULES), Cause.NOTHING)


def _quality(reading: Reading, seen: Measures | None, cause: Cause) -> Quality:
    read = {
        "assumed": reading.assumed,
        "erasures": reading.erasures,
        "margin": round(100 * min(max(reading.margin, 0.0), 1.0)),
        "unread": reading.unread,
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
