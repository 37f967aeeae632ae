"""Pictures of every kind, and what is no picture."""

import re
import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from device.pictures import PIXELS_MAX, Unreadable, luma_of

STRIPES = np.kron(
    np.tile(np.array([[0, 255]], np.uint8), (4, 8)), np.ones((8, 8), np.uint8)
)  # 128 x 32, hard black and white
GREY = Image.fromarray(STRIPES)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def with_alpha() -> Image.Image:
    """Black everywhere, and seen through where the stripes are white."""
    image = Image.new("LA", GREY.size)
    image.putalpha(Image.fromarray(255 - STRIPES))
    return image


def png_of(width: int, height: int) -> bytes:
    """A PNG whose header claims a size and whose pixels are missing."""
    chunks = (b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0), b"IDAT")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks
    )


PICTURES = {
    "jpeg": saved(GREY, "JPEG", quality=95),
    "jpeg-colour": saved(GREY.convert("RGB"), "JPEG", quality=95),
    "jpeg-cmyk": saved(GREY.convert("CMYK"), "JPEG", quality=95),
    "jpeg-turned-by-exif": saved(
        GREY, "JPEG", quality=95, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    ),
    "png": saved(GREY, "PNG"),
    "png-1-bit": saved(GREY.convert("1"), "PNG"),
    "png-palette": saved(GREY.convert("P"), "PNG"),
    "png-palette-transparent": saved(GREY.convert("P"), "PNG", transparency=255),
    "png-alpha": saved(with_alpha(), "PNG"),
    "png-colour-alpha": saved(with_alpha().convert("RGBA"), "PNG"),
    "png-colour-key": saved(GREY.convert("RGB"), "PNG", transparency=(255, 255, 255)),
    "png-16-bit": saved(Image.fromarray(STRIPES.astype(np.uint16) * 257), "PNG"),
    "pgm-16-bit": b"P5 128 32 65535\n" + (STRIPES.astype(">u2") * 257).tobytes(),
    "apng": saved(GREY, "PNG", save_all=True, append_images=[Image.new("L", GREY.size, 128)]),
    "pgm": saved(GREY, "PPM"),
    "ppm": saved(GREY.convert("RGB"), "PPM"),
    "bmp": saved(GREY, "BMP"),
    "webp": saved(GREY, "WEBP", lossless=True),
    "webp-animated": saved(
        GREY.convert("RGB"), "WEBP", lossless=True, save_all=True, append_images=[Image.new("RGB", GREY.size)]
    ),
    "tiff": saved(GREY, "TIFF", compression="tiff_lzw"),
    "tiff-fax": saved(GREY.convert("1"), "TIFF", compression="group4"),
    "tiff-cmyk": saved(GREY.convert("CMYK"), "TIFF"),
    "tiff-pages": saved(GREY, "TIFF", save_all=True, append_images=[Image.new("L", GREY.size, 128)]),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_every_kind_of_picture_becomes_the_same_luma(kind: str) -> None:
    luma = luma_of(PICTURES[kind])
    assert not isinstance(luma, Unreadable), luma.why
    assert luma.dtype == np.uint8
    assert np.abs(luma.astype(int) - STRIPES).max() <= 12  # JPEG's loss; the others have none


@pytest.mark.parametrize(
    ("picture", "why"),
    [
        (b"", "0 bytes are no picture of a known kind"),
        (b"\n", "1 bytes are no picture of a known kind"),
        (b"%PDF-1.7 is no picture", "does not decode: PdfiumError: Failed to load document"),
        (saved(GREY, "GIF"), "no picture of a known kind"),
        (saved(GREY, "ICNS"), "no picture of a known kind"),
        (saved(GREY, "EPS"), "no picture of a known kind"),
        (PICTURES["jpeg"][:-60], "does not decode: OSError: .*truncated"),
        (PICTURES["png"][:-20], "does not decode: "),
        (saved(Image.fromarray(STRIPES.astype(np.float32)), "TIFF"), "floating-point samples"),
        (png_of(65535, 65535), "4294836225 pixels"),
        (png_of(10_000, 10_000), rf"has 10000 x 10000 pixels, at most {PIXELS_MAX} are read"),
        (png_of(8000, 8001), rf"has 8000 x 8001 pixels, at most {PIXELS_MAX} are read"),
        (b"P6 20000 20000 255\n", "400000000 pixels"),
    ],
    ids=lambda given: None if isinstance(given, str) else f"{len(given)}-bytes",
)
def test_what_is_no_picture_is_refused_with_the_reason(picture: bytes, why: str) -> None:
    refused = luma_of(picture)
    assert isinstance(refused, Unreadable)
    assert re.search(why, refused.why), refused.why


@given(
    st.sampled_from(sorted(PICTURES)),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=12),
    st.floats(0, 1),
    st.binary(max_size=20),
)
@settings(max_examples=400, deadline=None)
def test_no_bytes_make_it_raise(kind: str, changes: list[tuple[float, int]], kept: float, tail: bytes) -> None:
    picture = bytearray(PICTURES[kind])
    for place, value in changes:
        picture[int(place * len(picture))] = value
    outcome = luma_of(bytes(picture[: round(kept * len(picture))]) + tail)
    assert isinstance(outcome, Unreadable) or (outcome.ndim == 2 and outcome.dtype == np.uint8)


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_no_rubbish_makes_it_raise(rubbish: bytes) -> None:
    luma_of(rubbish)
