"""The reader: the luma plane of a frame -> the payloads of the QR codes in view.

It has one step, zxing-cpp. Further ones (variants of the region, a reader of our own) go behind it in `Reader.read`,
each with a name of its own for `Reading.how`.
"""

from dataclasses import dataclass

import numpy as np
import zxingcpp
from numpy.typing import NDArray

MODEL_2 = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCodeModel2)


@dataclass(frozen=True, slots=True)
class Reading:
    """What one frame gave.

    Attributes:
        payloads: the distinct payloads in view, sorted by their bytes: places mean nothing when any way up must read.
            Each is the symbol's bytes decoded as ISO 8859-1, which loses nothing: `payload.encode("latin-1")` gives the
            bytes back, and ASCII is unchanged. At most 2953 characters, or 7089 where all are digits. A symbol that
            holds no text is as no symbol: zxing-cpp does not report it.
        how: the name of the step that read them, empty when nothing was read.
    """

    payloads: tuple[str, ...]
    how: str


class Reader:
    """Reads QR codes of model 2, never Micro QR or rMQR, and only those whose error correction succeeded.

    It may not return: zxing-cpp 3.1.1 can loop for ever on some pictures (its issue 1150). Where the picture is a
    stranger's, read in a process that can be ended (`device.reading`).
    """

    def read(self, luma: NDArray[np.uint8]) -> Reading:
        """Reads every symbol in view.

        Args:
            luma: shape (height, width), neither 0; dtype uint8; 0 is black. Any strides: a view of a camera's padded Y
                plane is read without a copy.

        Raises:
            ValueError: the array is no luma plane; a fault of the caller, not of the paper.
        """
        if luma.ndim != 2 or luma.dtype != np.uint8 or luma.size == 0:
            raise ValueError(
                f"luma plane: expected shape (height, width) of at least 1 pixel and dtype uint8, "
                f"found {luma.shape} and {luma.dtype}; give the Y plane of the frame, or convert it to grey first"
            )
        # Measured on drawn photographs of 4608 x 2592, with a code and without, on one thread of a 2-core x86: all
        # defaults 20 and 30 ms, as called here 17 and 24 ms.
        # No try_invert: acta paper is never printed white on black, and what is not looked for cannot be misread.
        # try_rotate costs nothing that could be measured; any way up must read.
        # try_downscale costs 5 ms: without it none of 60 prints whose dots do not merge was found, with it all.
        # LocalAverage, the default: GlobalHistogram takes 8 ms and reads as many clean actas, but it has one threshold
        # for the whole frame, and shadows and lamps have not. It may come back as the first step of a ladder.
        symbols = zxingcpp.read_barcodes(luma, formats=MODEL_2, try_invert=False)
        payloads = {symbol.bytes.decode("latin-1") for symbol in symbols}
        return Reading(tuple(sorted(payloads)), "zxing-cpp" if payloads else "")
