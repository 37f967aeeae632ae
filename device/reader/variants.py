"""The variants: the same picture made easier for zxing-cpp, each in a few milliseconds.

Measured behind zxing-cpp on drawn acta photographs: the adaptive threshold read 8 points more, the median 6, blur 5,
twice the size most of what has less than 3 px a module. Contrast stretching, CLAHE, unsharp masks, Wiener filters
and a super-resolution net read nothing more, or little for their time.
"""

from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np
import zxingcpp
from numpy.typing import NDArray

Luma = NDArray[np.uint8]

MODEL_2 = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCodeModel2)
# Twice the size only where it is affordable: a crop of a symbol, not a frame.
DOUBLED_PIXELS_MAX = 600_000
HALVED_PIXELS_MIN = 160_000


def symbols(luma: Luma, *, binarizer: zxingcpp.Binarizer = zxingcpp.Binarizer.LocalAverage) -> list[zxingcpp.Barcode]:
    """What zxing-cpp sees: symbols read, and symbols found whose error correction failed (`valid` is False)."""
    # No try_invert: acta paper is never printed white on black, and what is not looked for cannot be misread.
    # try_rotate costs nothing that could be measured; any way up must read.
    # try_downscale costs 5 ms on 12 megapixels: without it none of 60 prints whose dots do not merge was found, with
    # it all.
    found: Sequence[zxingcpp.Barcode] = zxingcpp.read_barcodes(
        luma, formats=MODEL_2, try_invert=False, binarizer=binarizer, return_errors=True
    )
    return list(found)


def _bytes(planes: Luma, binarizer: zxingcpp.Binarizer = zxingcpp.Binarizer.LocalAverage) -> list[zxingcpp.Barcode]:
    return [symbol for symbol in symbols(planes, binarizer=binarizer) if symbol.valid]


def _thresholded(luma: Luma) -> list[zxingcpp.Barcode]:
    smooth = cv2.GaussianBlur(luma, (0, 0), 1.0)
    black = cv2.adaptiveThreshold(smooth, 255, cv2.ADAPTIVE_THRESH_GAUSSIAN_C, cv2.THRESH_BINARY, 31, 2)
    return _bytes(black.astype(np.uint8), zxingcpp.Binarizer.FixedThreshold)


def _scaled(luma: Luma, scale: float) -> Luma:
    how = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    return cv2.resize(luma, None, fx=scale, fy=scale, interpolation=how).astype(np.uint8)


def variants(luma: Luma, *, inverted: bool) -> Iterator[tuple[str, Callable[[], list[zxingcpp.Barcode]], float]]:
    """Each variant's name, what reads it, and its scale; the likeliest first.

    Args:
        luma: the region where a symbol is, or the whole of a small picture.
        inverted: whether a symbol may be white on black too.
    """
    yield "variant threshold", lambda: _thresholded(luma), 1.0
    yield "variant median", lambda: _bytes(cv2.medianBlur(luma, 3).astype(np.uint8)), 1.0
    yield "variant blur", lambda: _bytes(cv2.GaussianBlur(luma, (0, 0), 1.0).astype(np.uint8)), 1.0
    if luma.size <= DOUBLED_PIXELS_MAX:
        yield "variant doubled", lambda: _bytes(_scaled(luma, 2.0)), 2.0
    if luma.size >= HALVED_PIXELS_MIN:
        yield "variant halved", lambda: _bytes(_scaled(luma, 0.5)), 0.5
    if inverted:
        yield "variant inverted", lambda: _bytes(cv2.bitwise_not(luma).astype(np.uint8)), 1.0
