"""The reader, on drawn and on real codes."""

import csv
import random
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from device.pictures import Unreadable, luma_of
from device.reader import Reader
from sim.paper import draw, from_picture, random_payload
from sim.photo import photograph
from tests.device.reader.plain import ACTA, stopped, symbol

REAL = Path(__file__).parents[4] / "shared" / "data" / "ve2024"
IN_VIEW_MM = 400  # what a photograph shows of the sheet; the rest need not be drawn
needs_real = pytest.mark.skipif(not REAL.exists(), reason="the real pictures of ../shared/data/ve2024 are not here")


def real_crops() -> list[tuple[str, str]]:
    """The file names and payloads of the published pictures; none where they are absent."""
    if not REAL.exists():
        return [("absent.png", "")]
    with (REAL / "payloads.csv").open(newline="") as table:
        return [(row["image"], row["payload"]) for row in csv.DictReader(table) if row["image"]]


def luma(picture: bytes) -> NDArray[np.uint8]:
    plane = luma_of(picture)
    assert not isinstance(plane, Unreadable), plane.why
    return plane


@needs_real
@pytest.mark.parametrize(("image", "payload"), real_crops())
def test_a_real_crop_reads_byte_for_byte(image: str, payload: str) -> None:
    picture = (REAL / "qr" / Path(image).name).read_bytes()
    assert Reader(clock=stopped).read(luma(picture)).payloads == (payload,)


@needs_real
@pytest.mark.parametrize(("image", "payload"), real_crops())
def test_a_real_crop_laid_on_paper_and_photographed_reads_byte_for_byte(image: str, payload: str) -> None:
    sheet = from_picture((REAL / "qr" / Path(image).name).read_bytes(), payload, length_mm=IN_VIEW_MM)
    frame = photograph(sheet, seed=int(payload[:9]), size=(2304, 1296), dpmm=5.75)
    assert Reader(clock=stopped).read(frame.luma).payloads == (payload,)


@pytest.mark.parametrize("turns", range(4))
def test_a_drawn_acta_reads_at_any_quarter_turn(turns: int) -> None:
    frame = photograph(draw(ACTA, length_mm=IN_VIEW_MM), seed=turns, size=(2304, 1296), dpmm=5.75)
    assert Reader(clock=stopped).read(np.rot90(frame.luma, turns)).payloads == (ACTA,)


@pytest.mark.parametrize("seed", range(8))
def test_a_drawn_acta_reads_in_a_frame_of_a_third_of_the_cameras_width(seed: int) -> None:
    payload = random_payload(random.Random(seed))
    frame = photograph(draw(payload, seed=seed, length_mm=IN_VIEW_MM), seed=seed, size=(1536, 864), dpmm=11.5 / 3)
    assert Reader(clock=stopped).read(frame.luma).payloads == (payload,)


def test_a_padded_y_plane_reads_as_it_lies_in_the_buffer() -> None:
    frame = photograph(draw(ACTA, length_mm=IN_VIEW_MM), seed=1, size=(1536, 864), dpmm=11.5 / 3).luma
    buffer = np.full((864, 1600), 255, np.uint8)
    buffer[:, :1536] = frame
    plane = buffer[:, :1536]
    plane.flags.writeable = False
    assert not plane.flags.c_contiguous
    assert Reader(clock=stopped).read(plane).payloads == (ACTA,)


def test_every_distinct_payload_in_view_is_given_once_and_in_order() -> None:
    two, one = symbol("B" * 20), symbol("A" * 20)
    assert Reader(clock=stopped).read(np.hstack([two, one, two])).payloads == ("A" * 20, "B" * 20)


def test_any_byte_survives() -> None:
    every = bytes(range(256))
    (payload,) = Reader(clock=stopped).read(symbol(every)).payloads
    assert payload.encode("latin-1") == every


@pytest.mark.parametrize(("content", "length"), [(b"x" * 2953, 2953), ("7" * 7089, 7089)])
def test_the_largest_symbols_read_whole(content: bytes | str, length: int) -> None:
    (payload,) = Reader(clock=stopped).read(symbol(content, px=4, error="l", mode=None)).payloads
    assert len(payload) == length


def test_a_symbol_without_text_is_as_no_symbol() -> None:
    assert Reader(clock=stopped).read(symbol(b"")).payloads == ()


def test_micro_symbols_are_not_ours() -> None:
    assert Reader(clock=stopped).read(symbol("12345", micro=True, mode=None, error="m")).payloads == ()


@pytest.mark.parametrize(
    "plane",
    [np.zeros((4, 4, 3), np.uint8), np.zeros((0, 4), np.uint8), np.zeros((4, 4), np.float32), np.zeros(4, np.uint8)],
)
def test_what_is_no_luma_plane_is_refused_with_its_shape(plane: NDArray[np.uint8]) -> None:
    with pytest.raises(
        ValueError, match=rf"luma plane: expected .* found \({', '.join(map(str, plane.shape))},?\) and {plane.dtype}"
    ):
        Reader(clock=stopped).read(plane)
