"""Pictures: the bytes of an image file -> its luma plane, or why it has none.

The bytes may be anybody's, so nothing here raises on them and nothing is decoded before its size is known.
"""

import warnings
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

# Pillow is given these by name, so that its parsers of rarer formats, which fewer people attack, are never reached.
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "PPM")  # PPM is Pillow's name for PBM, PGM and PPM

# The largest camera we support has 12 megapixels and scans in archives have up to 40. A picture of this size becomes
# luma within the memory that a worker of `device.reading` has, whatever its kind (tried with each).
PIXELS_MAX = 64_000_000


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why there is no luma plane, in one sentence for a person."""

    why: str


def luma_of(picture: bytes) -> NDArray[np.uint8] | Unreadable:
    """Decodes the first frame or page of a picture.

    Transparent pixels are laid on white, as paper is. EXIF orientation is ignored: a QR code reads any way up.

    Args:
        picture: JPEG, PNG, WebP, TIFF, BMP, PBM, PGM or PPM of at most `PIXELS_MAX` pixels, 1, 8 or 16 bits a sample.

    Returns:
        Shape (height, width), dtype uint8, 0 black, possibly read-only; or why not.
    """
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(BytesIO(picture), formats=FORMATS) as image:
            width, height = image.size
            if width * height > PIXELS_MAX:
                return Unreadable(
                    f"picture has {width} x {height} pixels, at most {PIXELS_MAX} are read; scale it down"
                )
            return _luma(image)
    except Image.DecompressionBombError as error:  # above 179 megapixels Pillow refuses before we can ask for the size
        return Unreadable(f"picture is far above the {PIXELS_MAX} pixels that are read; {error}")
    except UnidentifiedImageError:
        return Unreadable(f"{len(picture)} bytes are no picture of a known kind; expected one of {', '.join(FORMATS)}")
    # What Pillow raises on bad bytes is no closed set: OSError, SyntaxError, ValueError, struct.error, IndexError ...
    except Exception as error:  # noqa: BLE001
        return Unreadable(f"picture of {len(picture)} bytes does not decode: {type(error).__name__}: {error}")


def _luma(image: Image.Image) -> NDArray[np.uint8] | Unreadable:
    if image.mode == "F":
        return Unreadable(
            "picture has floating-point samples, whose black and white are unknown; save it with 8 or 16 bits"
        )
    if image.mode.startswith("I"):  # 16 bits a sample; "I" itself is how Pillow opens a 16-bit PGM
        wide: NDArray[np.integer] = np.asarray(image)
        luma: NDArray[np.uint8] = (np.clip(wide, 0, 0xFFFF) >> 8).astype(np.uint8)
        return luma
    if image.has_transparency_data:
        pixels = image.convert("LA")
        white = Image.new("L", image.size, 255)
        white.paste(pixels.getchannel("L"), mask=pixels.getchannel("A"))
        return np.asarray(white)
    if image.mode == "RGB":
        image.draft("L", None)  # a JPEG then gives the luma it holds, without a way there and back through colours
    return np.asarray(image.convert("L"))
