"""The pages: a PDF -> an image of each of its pages."""

import math
from contextlib import closing

import pypdfium2  # type: ignore[import-untyped]
import pypdfium2.raw as pdfium  # type: ignore[import-untyped]
from PIL import Image

# A page is drawn at 300 dots an inch or more: an acta scaled down to the height of an A4 page then has modules of 4.8
# pixels, and one of its own size 13.7. A finer picture in the page decides, up to twice as fine: a photograph of 12
# megapixels across a page has 600. What is finer yet are logos.
DPI_MIN, DPI_MAX = 300, 600
UNITS_PER_INCH = 72  # of a PDF's own measure

# How far a picture's edge may be from the page's, in parts of the page's longer side, and still be called the same.
EDGE_MAX = 0.01


class RefusedPage(ValueError):
    """Why a PDF, or a page of it, is not read: a sentence for a person."""


def is_pdf(picture: bytes) -> bool:
    """Whether these bytes, or a file that begins with them, call themselves a PDF; some have a line before that."""
    return b"%PDF-" in picture[:1024]


def count(pdf: bytes) -> int:
    """How many pages a PDF says it has.

    Raises:
        RefusedPage: it has no page, or does not open without a password.
        pypdfium2.PdfiumError: it does not open.
    """
    with closing(_opened(pdf)) as document:
        return len(document)


def image_of(pdf: bytes, page: int, pixels_max: int) -> Image.Image:
    """One page: the picture it consists of, exactly as it is embedded, or the page drawn.

    Args:
        pdf: the bytes of the file.
        page: its number, from 1.
        pixels_max: the most that a picture in it may have; and a page drawn, which is coarser where need be.

    Raises:
        RefusedPage: the PDF does not open without a password; a picture in the page has more pixels.
        pypdfium2.PdfiumError: the page does not open.
    """
    with closing(_opened(pdf)) as document:
        opened = document[page - 1]
        pictures = [found for found in opened.get_objects() if isinstance(found, pypdfium2.PdfImage)]
        for picture in pictures:
            width, height = picture.get_px_size()
            if width * height > pixels_max:
                raise RefusedPage(
                    f"picture has {width} x {height} pixels, at most {pixels_max} are read; scale it down"
                )
        # PDFium does not tell whether a picture has a mask. But the entry for it stands in the clear even in an
        # encrypted file, for a picture is a stream, and those are never packed together with others.
        if len(pictures) == 1 and b"Mask" not in pdf and _is_all_of(pictures[0], opened):
            bitmap = pictures[0].get_bitmap()
        else:
            area = opened.get_width() * opened.get_height()
            scale = min(_finest(pictures), math.sqrt(pixels_max / area))
            bitmap = opened.render(scale=scale, grayscale=True)  # pyright: ignore[reportArgumentType] - inferred from 1
        image: Image.Image = bitmap.to_pil().copy()  # before PDFium takes its memory back
        return image


def _opened(pdf: bytes) -> pypdfium2.PdfDocument:
    try:
        return pypdfium2.PdfDocument(pdf)
    except pypdfium2.PdfiumError as error:
        # PDFium opens what has no page, pypdfium2 does not; it then tells the code of whatever failed last.
        empty = pdfium.FPDF_LoadMemDocument64(pdf, len(pdf), None)
        if empty:
            pdfium.FPDF_CloseDocument(empty)
            raise RefusedPage("PDF has no page; get it again") from error
        if error.err_code in (pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY):
            raise RefusedPage("PDF is encrypted; save it without a password") from error
        raise


def _is_all_of(picture: pypdfium2.PdfImage, page: pypdfium2.PdfPage) -> bool:
    """Whether the page is this picture and nothing else: whole, opaque, neither mirrored nor askew."""
    if pdfium.FPDFPage_CountObjects(page) != 1 or pdfium.FPDFPage_GetAnnotCount(page) != 0 or picture.level > 0:
        return False
    a, b, c, d, _, _ = picture.get_matrix().get()
    left, bottom, right, top = page.get_bbox()
    edge = EDGE_MAX * max(right - left, top - bottom)
    whole = all(
        abs(ours - its) <= edge for ours, its in zip(picture.get_bounds(), (left, bottom, right, top), strict=True)
    )
    upright = a * d - b * c > 0 and (b == c == 0 or a == d == 0)
    clipped = pdfium.FPDFClipPath_CountPaths(pdfium.FPDFPageObj_GetClipPath(picture)) > 0
    # A stencil has no colours of its own: what it paints with is the page's business.
    stencil = picture.get_metadata().colorspace == pdfium.FPDF_COLORSPACE_UNKNOWN
    return whole and upright and not clipped and not stencil and not pdfium.FPDFPageObj_HasTransparency(picture)


def _finest(pictures: list[pypdfium2.PdfImage]) -> float:
    """Pixels a unit at which pictures keep what they show, within `DPI_MIN` and `DPI_MAX`."""
    finest = DPI_MIN / UNITS_PER_INCH
    for picture in pictures:
        left, bottom, right, top = picture.get_bounds()
        extent = max(right - left, top - bottom)
        if extent > 0:
            finest = max(finest, max(picture.get_px_size()) / extent)
    return min(finest, DPI_MAX / UNITS_PER_INCH)
