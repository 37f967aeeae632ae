"""The symbol: payload -> its QR code, as the dots that the printer's head burns."""

from itertools import cycle, islice
from typing import Any

import cv2
import numpy as np
import segno.encoder
from numpy.typing import NDArray

from sim.paper.sheet import CODE_MM, DOTS_PER_MM

_segno: Any = segno.encoder  # which has no types
_LEVEL = _segno.consts.ERROR_LEVEL_Q
CODE_DOTS = round(CODE_MM * DOTS_PER_MM)
RIM_DOTS = 2  # how far the printed code may reach beyond its modules

# The printer halftones. In all 11 published crops, what a code has more or less than square modules repeats 1.546 to
# 1.552 times a module along both axes, at 45 degrees: a screen of 6 dots, of another phase on each acta. Only the edges
# of modules are grey, for the code was scaled up smoothly; there the screen makes scallops of two thirds of a module,
# stars of single modules, specks outside and nicks inside. With these figures a drawn code correlates with the 8 clean
# grey crops at 0.951 to 0.965 (square modules at 0.928 to 0.947), and ink covers 0.885 of the dark modules (there 0.868
# to 0.918; in the one made black and white 1.01).
_SCREEN_DOTS = 6
_SCREEN_MIDDLE, _SCREEN_SWING = 0.65, 0.35
_SAMPLES = 2  # along a module, in the picture that the printer scaled


def modules_of(payload: str, mask: int = 0) -> NDArray[np.uint8]:
    """The QR code of a payload: version as needed, correction level Q, byte mode.

    Returns:
        Shape (side, side), 1 where dark, without quiet zone.

    Raises:
        ValueError: the payload is empty, too long, or has characters beyond ISO 8859-1.
    """
    if not payload:
        raise ValueError("payload is empty; an acta has at least one character to draw")
    content = payload.encode("latin-1")
    for version in range(1, 41):
        length_bits = 8 if version < 10 else 16
        bits = _segno.consts.SYMBOL_CAPACITY[version][_LEVEL]
        if 4 + length_bits + 8 * len(content) <= bits:
            break
    else:
        raise ValueError(f"payload has {len(content)} bytes, a QR code of correction level Q holds 1663")
    # segno's own steps, but for the padding: segno puts a zero byte before it (its issue 123), the printers of 2024,
    # like the standard (ISO/IEC 18004, 7.4.10), do not, and a reader that knows the padding must find it true.
    words = _segno.Buffer()
    words.append_bits(0b0100, 4)
    words.append_bits(len(content), length_bits)
    for byte in content:
        words.append_bits(byte, 8)
    words.append_bits(0, 4)
    for pad in islice(cycle((0xEC, 0x11)), (bits - len(words)) // 8):
        words.append_bits(pad, 8)
    side = 17 + 4 * version
    matrix = _segno.make_matrix(side, side)
    _segno.add_finder_patterns(matrix, side, side)
    _segno.add_alignment_patterns(matrix, side, side)
    _segno.add_codewords(matrix, _segno.make_final_message(version, _LEVEL, words), version)
    _, matrix = _segno.find_and_apply_best_mask(matrix, side, side, mask)
    _segno.add_format_info(matrix, version, _LEVEL, mask)
    _segno.add_version_info(matrix, version)
    return np.array(matrix, np.uint8)


def dots_of(modules: NDArray[np.uint8], phase: tuple[int, int]) -> NDArray[np.bool_]:
    """The dots of a code `CODE_MM` wide, whatever its version.

    Args:
        modules: as of `modules_of`.
        phase: where the screen begins, in dots (0 to 5) along x and y.

    Returns:
        Where a dot is burnt: shape (side, side), `RIM_DOTS` wider than the code at each side.
    """
    samples = modules.repeat(_SAMPLES, axis=0).repeat(_SAMPLES, axis=1).astype(np.float32)
    per_dot = samples.shape[0] / CODE_DOTS
    shift = (0.5 - RIM_DOTS) * per_dot - 0.5
    side = CODE_DOTS + 2 * RIM_DOTS
    onto = np.array([(per_dot, 0, shift), (0, per_dot, shift)])
    grey = cv2.warpAffine(samples, onto, (side, side), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    x, y = (np.cos((np.arange(side) + start) * (2 * np.pi / _SCREEN_DOTS)) for start in phase)
    return np.asarray(grey > _SCREEN_MIDDLE + _SCREEN_SWING * y[:, None] * x[None, :], np.bool_)
