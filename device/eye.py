"""The eye: a frame -> what its QR codes say, and the certificate of how well it could be read."""

import numpy as np
from numpy.typing import NDArray

from device.ports import FrameRead, Ms
from device.reader import Reader
from wire.record import Quality


class Eye:
    """Reads the frames of a unit, one press after the other."""

    def __init__(self) -> None:
        self._reader = Reader()

    def see(self, luma: NDArray[np.uint8], press: Ms) -> FrameRead:  # noqa: ARG002
        """Reads a frame taken for the press at that time."""
        reading = self._reader.read(luma)
        return FrameRead(reading.payloads, Quality(step=reading.how))
