"""The paper: what is drawn is what was asked for, the same each time."""

import csv
import random
import re
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import zxingcpp
from numpy.typing import NDArray
from PIL import Image

from device.pictures import luma_of
from device.reader import Reader
from sim.paper import (
    CODE_MM,
    CODE_TOP_MM,
    LENGTH_MM,
    PAPER,
    PX_PER_MM,
    VENEZUELAN,
    WIDTH_MM,
    Sheet,
    draw,
    from_picture,
    random_payload,
)
from sim.paper.symbol import modules_of
from sim.photo import photograph
from tests.device.reader.plain import stopped

REAL = Path(__file__).parents[3] / "shared/data/ve2024"  # actas of 2024, where they are at hand

# The second payload that the design quotes: a real Brazilian boletim de urna of 2018.
BRAZILIAN = (
    "QRBU:1:1 VRQR:1.5 VRCH:20180830 ORIG:VOTA ORLC:LEG PROC:223 DTPL:20181007 PLEI:228 TURN:1 FASE:O UNFE:ZZ MUNI:"
    "30848 ZONA:1 SECA:483 AGRE:486.941.488.1123 IDUE:1586544 IDCA:253036502661719936089670 VERS:6.32.0.4 LOCA:1015"
    " APTO:626 COMP:195 FALT:431 DTAB:20181007 HRAB:080000 DTFC:20181007 HRFC:170030 IDEL:295 CARG:1 TIPO:0 VERC:20"
    "1809171907 12:16 13:7 15:1 17:103 18:5 19:7 27:2 30:17 45:13 50:1 51:3 APTA:626 NOMI:175 BRAN:5 NULO:15 TOTC:1"
    "95 HASH:714CAF293004CB24BF312B43D3B832DDC91BB3A4501C9A652C87D7DB141DE8C915A954CEB1841582E21B5FADCFA2DB39AB6E75"
    "7220ECC30C89F5B5F6B73FE7C0 ASSI:F2E52864C5853EEF7C9400013D663406C57E8BD0850256A8514D37ED989C2551816CB4D106B15E"
    "AAA3E8ED30EA48F3C81ED2D9EE79C12ACE577EC121F81BAE08"
)


def test_random_payloads_are_plausible_and_of_the_published_lengths() -> None:
    rng = random.Random(1)
    for payload in [random_payload(rng) for _ in range(500)]:
        acta = VENEZUELAN.fullmatch(payload)
        assert acta, payload
        assert 97 <= len(payload) <= 115
        assert 1 <= int(acta[2]) <= 15
        assert 14 <= sum(map(int, acta[4].split(","))) <= 833
        assert int(acta[5]) <= 10


@cache
def acta() -> Sheet:
    return draw(random_payload(random.Random(2)))


SCAN = 0.4  # of a scanner of 163 dpi; on much finer pictures zxing-cpp mistakes a dot for a module here and there


def found(sheet: Sheet) -> tuple[zxingcpp.Barcode, NDArray[np.float64]]:
    """What zxing-cpp finds on a scan of the sheet, and the corners of that in mm."""
    scan = cv2.resize(sheet.luma, None, fx=SCAN, fy=SCAN, interpolation=cv2.INTER_AREA)
    (code,) = zxingcpp.read_barcodes(scan, formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode))
    at = code.position
    corners = [(corner.x, corner.y) for corner in (at.top_left, at.top_right, at.bottom_right, at.bottom_left)]
    return code, np.array(corners) / (PX_PER_MM * SCAN)


def test_the_sheet_is_as_large_as_those_of_2024() -> None:
    length, width = (size / PX_PER_MM for size in acta().luma.shape)
    assert 79.1 <= width <= 79.5 == pytest.approx(WIDTH_MM, abs=0.3)
    assert 850 <= length <= 880


def test_the_printed_code_has_the_measures_of_those_of_2024() -> None:
    luma = acta().luma
    ink = luma[round(CODE_TOP_MM - 5) * PX_PER_MM :][: 68 * PX_PER_MM] < PAPER // 2
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    left, right = columns[0] / PX_PER_MM, (columns[-1] + 1) / PX_PER_MM
    top, bottom = (round(CODE_TOP_MM - 5) + row / PX_PER_MM for row in (rows[0], rows[-1] + 1))
    assert 56.4 <= right - left <= 57.3  # modules of 1.16 mm, 49 of them, and scallops
    assert 56.4 <= bottom - top <= 57.3
    assert left == pytest.approx(11, abs=0.3)
    assert 9 <= WIDTH_MM - right <= 12
    assert top / LENGTH_MM == pytest.approx(0.904, abs=0.001)
    assert bottom / LENGTH_MM == pytest.approx(0.97, abs=0.002)
    # Blank paper: 5 to 6 mm above and 7 to 8 mm below; then hex digits and a rule; in all 25 mm of paper.
    print_rows = np.flatnonzero((luma < PAPER // 2).any(axis=1)) / PX_PER_MM
    assert 5 <= top - print_rows[print_rows < top - 0.1][-1] <= 6
    assert 7 <= print_rows[print_rows > bottom + 0.1][0] - bottom <= 8.2
    assert LENGTH_MM - bottom == pytest.approx(25, abs=1)


def test_a_black_half_round_mark_is_at_the_middle_of_each_end() -> None:
    for end in (acta().luma[: 2 * PX_PER_MM], acta().luma[-2 * PX_PER_MM :]):
        middle = end.shape[1] // 2
        assert (end[:, middle - PX_PER_MM : middle + PX_PER_MM] < PAPER // 2).all()
        assert (end[:, : middle - 4 * PX_PER_MM] > PAPER // 2).all()


@pytest.mark.parametrize(("characters", "side"), [(97, 49), (108, 49), (109, 53), (113, 53), (300, 81)])
def test_the_version_is_the_smallest_that_holds_the_payload(characters: int, side: int) -> None:
    sheet = draw("7" * characters, length_mm=100)
    code, _ = found(sheet)
    extra: Any = code.extra
    assert sheet.modules == side == 17 + 4 * int(extra["Version"])
    assert (code.text, extra["ECLevel"], extra["UEC"]) == (sheet.payload, "Q", 1.0)


@pytest.mark.parametrize("payload", ["7" * 99, "7" * 112, random_payload(random.Random(4)), BRAZILIAN])
@pytest.mark.parametrize("seed", range(3))
def test_the_code_is_where_the_sheet_says_by_zxing_cpps_word(payload: str, seed: int) -> None:
    sheet = draw(payload, seed=seed, length_mm=120)
    assert sheet.corners_mm is not None
    assert np.abs(found(sheet)[1] - sheet.corners_mm).max() < CODE_MM / sheet.modules / 3


def test_the_end_of_a_sheet_is_the_same_when_it_is_drawn_alone() -> None:
    end = draw(acta().payload, length_mm=150)
    # Heat spreads, so the first row knows of the one above it, or not.
    assert np.array_equal(end.luma[1:], acta().luma[1 - 150 * PX_PER_MM :])
    whole = acta().corners_mm
    assert end.corners_mm is not None
    assert whole is not None
    assert np.allclose(end.corners_mm + np.array((0, LENGTH_MM - 150)), whole)


@pytest.mark.parametrize("length_mm", [80, 851])
def test_no_more_than_a_sheet_and_no_less_than_its_foot_is_drawn(length_mm: float) -> None:
    with pytest.raises(ValueError, match="were asked for, expected 90 to 850"):
        draw("x", length_mm=length_mm)


def real_crops() -> list[tuple[Path, str]]:
    if not REAL.exists():
        return []
    with (REAL / "payloads.csv").open(newline="") as table:
        return [(REAL / "qr" / row["image"], row["payload"]) for row in csv.DictReader(table) if row["image"]]


def module_lumas(sheet: Sheet) -> NDArray[np.float64]:
    """The mean luma of each module, shape (modules, modules)."""
    assert sheet.corners_mm is not None
    side = 10 * sheet.modules
    flat = np.array([(0, 0), (side, 0), (side, side), (0, side)], np.float32)
    upright = cv2.getPerspectiveTransform((sheet.corners_mm * PX_PER_MM).astype(np.float32), flat)
    code = cv2.warpPerspective(sheet.luma, upright, (side, side))
    return np.asarray(cv2.resize(code, (sheet.modules, sheet.modules), interpolation=cv2.INTER_AREA), np.float64)


@pytest.mark.skipif(not REAL.exists(), reason="the published crops of 2024 are not at hand")
def test_the_codes_of_2024_are_drawn_module_for_module() -> None:
    unlike = []
    for file, payload in real_crops():
        sheet = from_picture(file.read_bytes(), payload, length_mm=120)
        dark = module_lumas(sheet) < 130
        # Another kind of padding changes 120 modules or more; a few are what so coarse a look misreads.
        unlike.append(min(int((dark != modules_of(payload, mask)).sum()) for mask in (0, 2)))
    assert max(unlike) <= 30


@pytest.mark.skipif(not REAL.exists(), reason="the published crops of 2024 are not at hand")
def test_ink_covers_as_much_of_a_dark_module_as_on_the_codes_of_2024() -> None:
    def covered(sheet: Sheet) -> float:
        lumas = module_lumas(sheet)
        dark = lumas < lumas.mean()
        black, white = np.percentile(lumas, [3, 90])
        return float((white - lumas[dark]).mean() / (white - black))

    real = [covered(from_picture(file.read_bytes(), payload, length_mm=120)) for file, payload in real_crops()]
    drawn = [covered(draw(payload, length_mm=120)) for _, payload in real_crops()]
    assert min(real) - 0.02 <= min(drawn) <= max(drawn) <= max(real) + 0.02


def test_a_picture_lies_where_the_code_is_said_to_be() -> None:
    sheet = draw("7" * 99, length_mm=100)
    (top, bottom), (left, right) = (10, 80), (4, 75)
    crop = sheet.luma[top * PX_PER_MM : bottom * PX_PER_MM, left * PX_PER_MM : right * PX_PER_MM]
    file = BytesIO()
    Image.fromarray(crop).resize((560, 552)).save(file, "PNG")
    laid = from_picture(file.getvalue(), sheet.payload, width_mm=71, length_mm=100)
    assert laid.modules == 49
    assert laid.corners_mm is not None
    assert sheet.corners_mm is not None
    # The picture is laid in the middle of the width, and its middle where an acta's code has its own.
    moved = ((WIDTH_MM - 71) / 2 - left, 100 - LENGTH_MM + CODE_TOP_MM + CODE_MM / 2 - 35 - top)
    assert np.abs(laid.corners_mm - sheet.corners_mm - moved).max() < CODE_MM / 49 / 20
    assert from_picture(file.getvalue(), "another", width_mm=71).corners_mm is None


@pytest.mark.parametrize(
    "payload",
    [BRAZILIAN, "x", "no acta at all", "".join(map(chr, range(256))), "9" * 1663],
    ids=["brazilian", "one", "words", "bytes", "full"],
)
def test_any_payload_can_be_drawn_and_read(payload: str) -> None:
    frame = photograph(draw(payload, length_mm=400), seed=1)
    assert Reader(clock=stopped).read(frame.luma).payloads == (payload,)


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        ("", "payload is empty"),
        ("x" * 1664, "payload has 1664 bytes, a QR code of correction level Q holds 1663"),
        ("€", "latin-1"),
    ],
)
def test_what_cannot_be_drawn_is_refused(payload: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        draw(payload)


def test_the_same_seeds_give_the_same_photograph_and_others_another() -> None:
    payload = random_payload(random.Random(3))
    once, again = (photograph(draw(payload, seed=4), seed=5, size=(768, 432), dpmm=1.9).luma for _ in range(2))
    assert np.array_equal(once, again)
    assert not np.array_equal(once, photograph(draw(payload, seed=4), seed=6, size=(768, 432), dpmm=1.9).luma)
    assert not np.array_equal(draw(payload, seed=4).luma, draw(payload, seed=5).luma)


def test_upside_down_is_the_same_paper_with_its_end_at_the_other_side() -> None:
    sheet = draw(random_payload(random.Random(6)))
    for upside_down in (False, True):
        frame = photograph(sheet, seed=7, size=(1536, 864), dpmm=11.5 / 3, upside_down=upside_down)
        # 5 mm at each side: tray beyond the paper's end, paper where it runs out of view.
        at_left, at_right = (float(frame.luma[:, edge].mean()) for edge in (slice(0, 19), slice(-19, None)))
        assert (at_left > 2 * at_right) is upside_down
        assert Reader(clock=stopped).read(frame.luma).payloads == (sheet.payload,)


def test_a_jpeg_of_the_photograph_reads_as_the_photograph_does() -> None:
    sheet = draw(random_payload(random.Random(8)))
    frame = photograph(sheet, seed=9, size=(2304, 1296), dpmm=5.75)
    luma = luma_of(frame.jpeg())
    assert isinstance(luma, np.ndarray)
    assert luma.shape == (1296, 2304)
    assert Reader(clock=stopped).read(luma).payloads == (sheet.payload,)


def test_a_picture_that_does_not_fit_or_decode_is_refused() -> None:
    with pytest.raises(ValueError, match=re.escape("picture of a QR code: 7 bytes are no picture")):
        from_picture(b"rubbish", "payload")
    slim = b"P5 1 9 255\n" + bytes(9)
    with pytest.raises(ValueError, match="picture of 72 x 648 mm does not fit"):
        from_picture(slim, "payload")
