"""The paper: what is drawn is what was asked for, the same each time."""

import random
import re

import numpy as np
import pytest

from device.pictures import luma_of
from device.reader import Reader
from sim.paper import (
    CODE_MM,
    CODE_TOP_MM,
    LENGTH_MM,
    PX_PER_MM,
    VENEZUELAN,
    WIDTH_MM,
    draw,
    from_picture,
    photograph,
    random_payload,
)

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


def test_the_sheet_has_the_papers_measures_and_the_code_its_place() -> None:
    sheet = draw(random_payload(random.Random(2))).luma
    assert sheet.shape == (LENGTH_MM * PX_PER_MM, WIDTH_MM * PX_PER_MM)
    # The finders' middles are black, and a millimetre outside each finder is the quiet zone.
    left, top, far = 11 * PX_PER_MM, round(CODE_TOP_MM * PX_PER_MM), round(CODE_MM * PX_PER_MM)
    module = far / 49
    for x, y in ((3.5, 3.5), (45.5, 3.5), (3.5, 45.5)):
        assert sheet[round(top + y * module), round(left + x * module)] < 60
    assert (sheet[top - 5 * PX_PER_MM : top - PX_PER_MM // 2] > 200).all()
    assert (sheet[top : top + far, left - 8 * PX_PER_MM : left - PX_PER_MM // 2] > 200).all()


@pytest.mark.parametrize(
    "payload",
    [BRAZILIAN, "x", "no acta at all", "".join(map(chr, range(256))), "9" * 1663],
    ids=["brazilian", "one", "words", "bytes", "full"],
)
def test_any_payload_can_be_drawn_and_read(payload: str) -> None:
    frame = photograph(draw(payload), seed=1)
    assert Reader().read(frame.luma).payloads == (payload,)


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
        assert Reader().read(frame.luma).payloads == (sheet.payload,)


def test_a_jpeg_of_the_photograph_reads_as_the_photograph_does() -> None:
    sheet = draw(random_payload(random.Random(8)))
    frame = photograph(sheet, seed=9, size=(2304, 1296), dpmm=5.75)
    luma = luma_of(frame.jpeg())
    assert isinstance(luma, np.ndarray)
    assert luma.shape == (1296, 2304)
    assert Reader().read(luma).payloads == (sheet.payload,)


def test_a_picture_that_does_not_fit_or_decode_is_refused() -> None:
    with pytest.raises(ValueError, match=re.escape("picture of a QR code: 7 bytes are no picture")):
        from_picture(b"rubbish", "payload")
    slim = b"P5 1 9 255\n" + bytes(9)
    with pytest.raises(ValueError, match="picture of 72 x 648 mm does not fit"):
        from_picture(slim, "payload")
