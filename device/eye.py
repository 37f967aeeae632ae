"""The eye: a frame -> what its QR codes say, and the certificate of how well it could be read."""

import math
import time
from collections.abc import Callable

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from device import tray
from device.cause import Cause
from device.memory import where
from device.ports import FrameRead, Ms
from device.reader import Knowledge, Reader, Reading
from device.reader.measure import MODULES, Measures, measure
from device.reader.square import view_of
from device.reader.why import why
from wire.acta import Profile
from wire.record import NOTHING_KNOWN, Quality

SECONDS_MAX = 1.4
"""A frame's time, alone and with those before it; what is begun within it ends within twice that on a small board."""

MM_PER_INCH = 25.4

FRAMES_MAX = 4
"""Frames kept of one press: together they are worth two stops of light, and 12 megapixels of each are 12 MB."""


class Eye:
    """Reads the frames of a unit, one press after the other: each alone, and where that fails, with those before it."""

    def __init__(self, profile: Profile, clock: Callable[[], float] = time.monotonic) -> None:
        """An eye for the actas of one election; `clock` gives seconds, for the reader's budget."""
        knowledge = Knowledge.of(profile)
        self._reader = Reader(knowledge, clock=clock)
        self._module_mm = knowledge.module_mm if knowledge else 0.0
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
        quality, is_paper, uncertified = certified(luma, reading, self._module_mm)
        return FrameRead(payloads=reading.payloads, quality=quality, uncertified=uncertified, is_paper=is_paper)


def certified(luma: NDArray[np.uint8], reading: Reading, module_mm: float = 0.0) -> tuple[Quality, bool, str]:
    """What `certificate` says, and an empty string; or nothing known, and where making it failed.

    It serves the reading: what was read is kept, whatever becomes of it.
    """
    try:
        return *certificate(luma, reading, module_mm), ""
    except Exception as error:  # noqa: BLE001  a fault of ours that we do not know, over somebody's acta
        return NOTHING_KNOWN, False, where(error)


def certificate(luma: NDArray[np.uint8], reading: Reading, module_mm: float = 0.0) -> tuple[Quality, bool]:
    """How well a frame could be read, and, where nothing was, why not and whether a printed sheet lies there.

    Args:
        luma: shape (height, width), uint8.
        reading: what the reader made of it.
        module_mm: a module's side on paper; 0 where that is not known.
    """
    corners = None if reading.corners is None else np.array(reading.corners, np.float32)
    if corners is not None and not reading.payloads and cv2.contourArea(corners) < 1:
        corners = None  # zxing-cpp says so where it lost what it took for a code
    if reading.payloads:
        assert corners is not None, "what was read has a place"
        seen = measure(luma, corners, reading.modules or MODULES)
        quality = _quality(reading, seen, Cause.NOTHING)
        along, down = corners[1] - corners[0]
        return _measured(
            quality, module_mm, tray.turned(math.degrees(math.atan2(down, along))), _sharpness(seen.blur * seen.pitch)
        ), False
    view = view_of(luma)
    hindered, lies = why(luma, corners, view=view), tray.look(luma, view)
    cause = hindered.cause
    if cause is Cause.NO_CODE and lies.is_paper and lies.sharpness < tray.SHARPNESS_MIN:
        cause = Cause.BLURRED
    quality = _quality(reading, hindered.measures, cause)
    return _measured(quality, module_mm, lies.skew_deg, lies.sharpness), lies.is_paper


def _measured(quality: Quality, module_mm: float, skew_deg: float, sharpness: float) -> Quality:
    dpi = round(quality.pitch / 100 * MM_PER_INCH / module_mm) if module_mm else 0
    return msgspec.structs.replace(quality, dpi=dpi, sharpness=round(100 * sharpness), skew=round(10 * skew_deg))


def _sharpness(blur_px: float) -> float:
    """What share of a step an edge takes within its steepest px; blur is a Gaussian's standard deviation."""
    return math.erf(0.5 / (blur_px * math.sqrt(2))) if blur_px else 1.0


def _quality(reading: Reading, seen: Measures | None, cause: Cause) -> Quality:
    read = Quality(
        assumed=reading.assumed,
        cause=cause.value,
        erasures=reading.erasures,
        margin=round(100 * min(max(reading.margin, 0.0), 1.0)),
        step=reading.how,
        unread=reading.unread,
    )
    if seen is None:
        return read
    return msgspec.structs.replace(
        read,
        blur=round(100 * seen.blur),
        contrast=round(100 * seen.contrast),
        glare=round(100 * seen.glare),
        light=round(seen.light),
        pitch=round(100 * seen.pitch),
    )
