"""Pictures: the bytes of an image file or a PDF -> the luma plane of each page, or why it has none.

The bytes may be anybody's, so nothing here raises on them and nothing is decoded before its size is known.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError

from device import pages

# Pillow is given these by name, so that its parsers of rarer formats, which fewer people attack, are never reached.
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "PPM")  # PPM is Pillow's name for PBM, PGM and PPM

# The largest camera we support has 12 megapixels and scans in archives have up to 40. A picture of this size becomes
# luma within the memory that a worker of `device.reading` has, whatever its kind (tried with each).
PIXELS_MAX = 64_000_000

# The election of 2024 has 30,026 mesas, and one PDF may hold them all. More pages than this are a mistake, or a trap.
PAGES_MAX = 100_000

ZIP = "file is a ZIP archive, which is not looked into; unpack it, and say the command again"
_OTHERS = {"HEIC": (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"), "AVIF": (b"avif", b"avis")}
"""Pictures that are not read, and how their kinds are marked (ISO 23008-12): what phones make."""

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # how one begins, of either byte order and size

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a picture cannot be read, in one sentence for a person."""

    why: str


def looks_like_picture(beginning: bytes) -> bool:
    """Whether the first 1024 bytes of a file say that it is a JPEG, PNG, WebP, TIFF or PDF."""
    return (
        beginning.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", *_TIFF))
        or (beginning[:4], beginning[8:12]) == (b"RIFF", b"WEBP")
        or pages.is_pdf(beginning)
    )


def _known_otherwise(picture: bytes) -> str:
    """What else a file is that is no picture of a kind that is read, and what to do about it; empty if nobody knows."""
    if not picture:
        return "file is empty; get it again"
    if picture.startswith((b"PK\3\4", b"PK\5\6")):
        return ZIP
    for kind, marks in _OTHERS.items():
        if picture[4:8] == b"ftyp" and picture[8:12] in marks:
            return f"{kind}, as phones save pictures, is not read; export them as JPEG"
    return ""


def pages_of(picture: bytes) -> int | Unreadable:
    """How many pages a picture has, or why that cannot be told: 1 of all kinds but PDF and TIFF, good or not."""
    if pages.is_pdf(picture):
        found = _attempted(lambda: pages.count(picture), picture)
    elif picture.startswith(_TIFF):
        found = _attempted(lambda: _opened(picture, lambda image: getattr(image, "n_frames", 1)), picture)
    else:
        return 1
    if isinstance(found, int) and found > PAGES_MAX:
        return Unreadable(f"file has {found} pages, at most {PAGES_MAX} are read; split it")
    return found


def luma_of(picture: bytes, page: int = 1, *, damaged: bool = False) -> NDArray[np.uint8] | Unreadable:
    """Decodes one page of a picture; of what is animated the first frame.

    Transparent pixels are laid on white, as paper is. EXIF orientation is ignored: a QR code reads any way up.

    Args:
        picture: JPEG, PNG, WebP, TIFF, BMP, PBM, PGM or PPM of at most `PIXELS_MAX` pixels, 1, 8 or 16 bits a sample
            (a larger JPEG is taken at half its size); or PDF.
        page: its number, from 1 to what `pages_of` says.
        damaged: take what there is of a picture that is cut short or spoilt; the rest is of one grey, or anything.

    Returns:
        Shape (height, width), dtype uint8, 0 black, possibly read-only; or why not.
    """
    if pages.is_pdf(picture):
        return _attempted(lambda: _luma(pages.image_of(picture, page, PIXELS_MAX)), picture)

    def decode(image: Image.Image) -> NDArray[np.uint8] | Unreadable:
        if page > 1:
            image.seek(page - 1)
        width, height = image.size
        if width * height > PIXELS_MAX:  # a JPEG, as long scans at 600 dpi are, can be had at half its size
            image.draft("L", (width // 2, height // 2))
        if image.width * image.height > PIXELS_MAX:
            return Unreadable(f"picture has {width} x {height} pixels, at most {PIXELS_MAX} are read; scale it down")
        return _luma(image)

    if damaged:
        with _as_far_as_it_goes():
            return _attempted(lambda: _opened(picture, decode), picture)
    return _attempted(lambda: _opened(picture, decode), picture)


@contextmanager
def _as_far_as_it_goes() -> Iterator[None]:
    """Pillow knows only one such setting for all: so one thread decodes, as a worker's does."""
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False


def _opened(picture: bytes, look: Callable[[Image.Image], Found]) -> Found:
    with warnings.catch_warnings(action="ignore"), Image.open(BytesIO(picture), formats=FORMATS) as image:
        return look(image)


def _attempted(look: Callable[[], Found | Unreadable], picture: bytes) -> Found | Unreadable:
    """What a look at the picture gives; or, in words, what the libraries raised over it."""
    try:
        return look()
    except pages.RefusedPage as error:
        return Unreadable(str(error))
    except Image.DecompressionBombError as error:  # above 179 megapixels Pillow refuses before we can ask for the size
        return Unreadable(f"picture is far above the {PIXELS_MAX} pixels that are read; {error}")
    except UnidentifiedImageError:
        return Unreadable(
            _known_otherwise(picture)
            or f"{len(picture)} bytes are no picture of a known kind; expected one of {', '.join(FORMATS)} or PDF"
        )
    except MemoryError:  # not the picture's own fault: the worker says what its limit is
        raise
    # What is raised on bad bytes is no closed set: OSError, SyntaxError, ValueError, struct.error, IndexError ...
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
