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

from device.pages import DPI_MAX, DPI_MIN
from device.pictures import PAGES_MAX, PIXELS_MAX, Unreadable, luma_of, pages_of

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


def pdf_of(*pages: str, objects: tuple[bytes, ...] = (), box: str = "0 0 128 32", trailer: str = "") -> bytes:
    """A PDF without the table of its objects, which readers then make themselves.

    Args:
        pages: what each draws; the resource `/X` is the first of `objects`.
        objects: numbered from 10.
        box: every page's.
        trailer: what more it says.
    """
    kids = " ".join(f"{100 + 2 * index} 0 R" for index in range(len(pages)))
    body = [f"1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[{kids}]/Count {len(pages)}>>endobj"]
    for index, drawn in enumerate(pages):
        says = f"/MediaBox[{box}]/Contents {101 + 2 * index} 0 R/Resources<</XObject<</X 10 0 R>>>>"
        body += [
            f"{100 + 2 * index} 0 obj<</Type/Page/Parent 2 0 R{says}>>endobj",
            f"{101 + 2 * index} 0 obj<</Length {len(drawn)}>>stream\n{drawn}\nendstream endobj",
        ]
    numbered = b"\n".join(b"%d 0 obj%sendobj" % (number, content) for number, content in enumerate(objects, 10))
    return b"%%PDF-1.7\n%s\n%s\ntrailer<</Root 1 0 R%s>>\n" % ("\n".join(body).encode(), numbered, trailer.encode())


def embedded(samples: bytes = STRIPES.tobytes(), more: str = "/ColorSpace/DeviceGray/BitsPerComponent 8") -> bytes:
    """A picture of 128 x 32 pixels, as a PDF's object."""
    begin = f"<</Subtype/Image/Width 128/Height 32{more}/Length {len(samples)}>>stream\n"
    return begin.encode() + samples + b"\nendstream "


WHOLE = "q 128 0 0 32 0 0 cm /X Do Q"  # the picture is the page
PDFS = {
    "whole": pdf_of(WHOLE, objects=(embedded(),)),
    "of Pillow": saved(GREY, "PDF", quality=95),
    "colour": pdf_of(
        WHOLE,
        objects=(embedded(STRIPES.repeat(3).tobytes(), "/ColorSpace/DeviceRGB/BitsPerComponent 8"),),
    ),
    "after a line of rubbish": b"rubbish\n" + pdf_of(WHOLE, objects=(embedded(),)),
    "page upside down": pdf_of("q -128 0 0 -32 128 32 cm /X Do Q", objects=(embedded(STRIPES[::-1, ::-1].tobytes()),)),
}
# Of these the page must be drawn, for the picture is not all there is to it, or not as it is seen.
DRAWN = {
    "small on its page": (pdf_of("q 64 0 0 16 0 0 cm /X Do Q", objects=(embedded(),)), 0.875),
    "drawn over": (pdf_of(WHOLE + " 0 g 0 0 128 16 re f", objects=(embedded(),)), 0.25),
    "clipped": (pdf_of("q 0 0 128 16 re W n 128 0 0 32 0 0 cm /X Do Q", objects=(embedded(),)), 0.75),
    "masked": (
        pdf_of(
            WHOLE,
            objects=(
                embedded(bytes(4096), "/ColorSpace/DeviceGray/BitsPerComponent 8/SMask 11 0 R"),
                embedded(bytes(2048) + b"\xff" * 2048),
            ),
        ),
        0.5,
    ),
    "a stencil": (
        pdf_of("0 g " + WHOLE, objects=(embedded(bytes(256) + b"\xff" * 256, "/ImageMask true/BitsPerComponent 1"),)),
        0.5,
    ),
    "no picture": (pdf_of("0 g 0 0 32 32 re f"), 0.75),
    "mirrored": (pdf_of("q -128 0 0 32 128 0 cm /X Do Q", objects=(embedded(),)), 0.5),
}

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


@pytest.mark.parametrize("kind", PDFS)
def test_a_picture_that_is_a_whole_page_of_a_pdf_is_taken_as_it_is(kind: str) -> None:
    assert pages_of(PDFS[kind]) == 1
    luma = luma_of(PDFS[kind])
    assert not isinstance(luma, Unreadable), luma.why
    assert luma.shape == STRIPES.shape
    seen = luma[::-1, ::-1] if kind == "page upside down" else luma
    assert np.abs(seen.astype(int) - STRIPES).max() <= (12 if kind == "of Pillow" else 0)


@pytest.mark.parametrize("kind", DRAWN)
def test_other_pages_are_drawn_as_they_are_seen(kind: str) -> None:
    pdf, light = DRAWN[kind]
    luma = luma_of(pdf)
    assert not isinstance(luma, Unreadable), luma.why
    assert luma.dtype == np.uint8
    assert 128 * DPI_MIN / 72 <= luma.shape[1] <= 128 * DPI_MAX / 72 + 1
    assert luma.mean() / 255 == pytest.approx(light, abs=0.02)


def test_a_page_is_drawn_finer_for_a_fine_picture_in_it() -> None:
    fine = pdf_of("q 20 0 0 5 3 3 cm /X Do Q", objects=(embedded(),))  # 128 pixels on 20 units: 460 an inch
    luma = luma_of(fine)
    assert not isinstance(luma, Unreadable)
    assert luma.shape[1] == pytest.approx(128 * 6.4, abs=2)


def test_a_page_larger_than_we_read_is_drawn_coarser() -> None:
    luma = luma_of(pdf_of("0 g 0 0 7000 14000 re f", box="0 0 14000 14000"))
    assert not isinstance(luma, Unreadable)
    assert 0.99 * PIXELS_MAX < luma.size < 1.01 * PIXELS_MAX
    assert luma.mean() / 255 == pytest.approx(0.5, abs=0.01)


def test_a_jpeg_larger_than_we_read_is_decoded_at_half_its_size() -> None:
    """A long scan at 600 dpi; its modules have seven pixels still."""
    image = Image.new("RGB", (4800, 16_000), "white")
    image.paste("black", (0, 0, 2400, 16_000))
    luma = luma_of(saved(image, "JPEG"))
    assert not isinstance(luma, Unreadable)
    assert luma.shape == (8000, 2400)
    assert luma.mean() / 255 == pytest.approx(0.5, abs=0.01)


def test_every_page_is_a_picture() -> None:
    for kind in ("PDF", "TIFF"):
        grey = [Image.new("L", (128, 32), level) for level in (0, 100, 200)]
        file = saved(grey[0], kind, save_all=True, append_images=grey[1:])
        assert pages_of(file) == 3
        lumas = [luma_of(file, page) for page in (1, 2, 3)]
        assert [round(luma.mean()) for luma in lumas if not isinstance(luma, Unreadable)] == [0, 100, 200], kind
        beyond = luma_of(file, 4)
        assert isinstance(beyond, Unreadable)
    assert {pages_of(PICTURES[kind]) for kind in PICTURES if kind != "tiff-pages"} == {1}
    assert pages_of(b"no picture") == 1


@pytest.mark.parametrize(
    ("pdf", "why"),
    [
        (PDFS["whole"][:60], "Failed to load document"),
        (
            pdf_of(
                WHOLE,
                objects=(b"<</Filter/Standard/V 1/R 2/O(" + b"x" * 32 + b")/U(" + b"y" * 32 + b")/P -4>>",),
                trailer="/Encrypt 10 0 R/ID[(a)(a)]",
            ),
            "PDF is encrypted; save it without a password",
        ),
        (pdf_of(), "Failed to load document"),
        (
            pdf_of(
                WHOLE,
                objects=(
                    embedded(
                        zlib.compress(bytes(128 * 600_000)),
                        "/ColorSpace/DeviceGray/BitsPerComponent 8/Filter/FlateDecode",
                    ).replace(b"/Height 32", b"/Height 600000"),
                ),
            ),
            f"picture has 128 x 600000 pixels, at most {PIXELS_MAX} are read",
        ),
    ],
    ids=["cut short", "encrypted", "without pages", "of a huge picture"],
)
def test_a_pdf_that_cannot_be_read_is_refused_with_the_reason(pdf: bytes, why: str) -> None:
    refused = luma_of(pdf)
    assert isinstance(refused, Unreadable), refused.shape
    assert re.search(why, refused.why), refused.why


def test_a_pdf_that_claims_too_many_pages_is_refused() -> None:
    refused = pages_of(pdf_of("").replace(b"/Count 1", b"/Count %d" % (PAGES_MAX + 1)))
    assert isinstance(refused, Unreadable)
    assert str(PAGES_MAX + 1) in refused.why


@pytest.mark.parametrize(
    ("picture", "why"),
    [
        (b"", "file is empty; get it again"),
        (b"PK\3\4 pictures", "file is a ZIP archive, which is not looked into; unpack it"),
        (b"\0\0\0\x18ftypmif1", "HEIC, as phones save pictures, is not read; export them as JPEG"),
        (b"\0\0\0\x18ftypavif", "AVIF, as phones save pictures, is not read"),
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


EVERY = PICTURES | PDFS | {kind: pdf for kind, (pdf, _) in DRAWN.items()}


@given(
    st.sampled_from(sorted(EVERY)),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=12),
    st.floats(0, 1),
    st.binary(max_size=20),
)
@settings(max_examples=400, deadline=None)
def test_no_bytes_make_it_raise(kind: str, changes: list[tuple[float, int]], kept: float, tail: bytes) -> None:
    picture = bytearray(EVERY[kind])
    for place, value in changes:
        picture[int(place * len(picture))] = value
    broken = bytes(picture[: round(kept * len(picture))]) + tail
    assert isinstance(pages_of(broken), int | Unreadable)
    for outcome in (luma_of(broken), luma_of(broken, damaged=True)):
        assert isinstance(outcome, Unreadable) or (outcome.ndim == 2 and outcome.dtype == np.uint8)


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_no_rubbish_makes_it_raise(rubbish: bytes) -> None:
    luma_of(rubbish)
    luma_of(rubbish, damaged=True)
