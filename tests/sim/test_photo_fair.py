"""The drawn paper is fair: stock zxing-cpp reads it as often as the published scans it is drawn after."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
import zxingcpp
from numpy.typing import NDArray

from sim.contact import stock_reads
from sim.paper import Wear, draw, worn
from sim.photo import Photograph, Shot, shoot
from sim.photo.marred import GRADES, KINDS, grade, mar

REAL = Path(__file__).parents[3] / "shared" / "data" / "ve2024"
Luma = NDArray[np.uint8]

pytestmark = pytest.mark.skipif(not REAL.exists(), reason="the published crops are not beside the repository")

# How those of the 11 scans were kept that are not like the rest: recompressed hard, or made black and white at 300 dpi.
KEPT = {
    "040201009.03": Shot(scan_dpi=200, jpeg=25),
    "040202001.01": Shot(scan_dpi=200, jpeg=25),
    "010118029.01": Shot(scan_dpi=300, threshold=128),
}
STEPS = range(0, GRADES, 2)
LIKE_MOST = Shot(scan_dpi=200, jpeg=75)


def _pairs() -> list[tuple[str, Luma, Luma]]:
    """Payload, published crop and its drawn counterpart of the same size and place."""
    with (REAL / "payloads.csv").open(newline="") as table:
        rows = [(Path(row["image"]).stem, row["payload"]) for row in csv.DictReader(table) if row["image"]]
    pairs = []
    for name, payload in rows:
        real = cv2.imread(str(REAL / "qr" / f"{name}.png"), cv2.IMREAD_GRAYSCALE)
        assert real is not None
        (code,) = zxingcpp.read_barcodes(real, formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode))
        at = code.position
        corners = np.array([(p.x, p.y) for p in (at.top_left, at.top_right, at.bottom_right, at.bottom_left)])
        sheet = worn(draw(payload, seed=1, length_mm=110), Wear(fade=0.1), 1)
        drawn = shoot(sheet, KEPT.get(name, LIKE_MOST), 1)
        assert drawn.truth is not None
        left, top = np.maximum(np.rint(drawn.truth.corners.mean(axis=0) - corners.mean(axis=0)), 0).astype(int)
        height, width = real.shape
        pairs.append((payload, real.astype(np.uint8), drawn.luma[top : top + height, left : left + width]))
    return pairs


def test_stock_zxing_cpp_reads_drawn_scans_as_often_as_real_ones() -> None:
    difference = []  # by pair: how much more often the drawn one is read, over all kinds and grades
    real_read = drawn_read = 0
    for number, (payload, real, drawn) in enumerate(_pairs()):
        assert stock_reads(Photograph(real, payload))
        assert stock_reads(Photograph(drawn, payload))
        read = np.array(
            [
                [
                    stock_reads(Photograph(mar(luma, kind, grade(step), 11 * step + number), payload))
                    for luma in (real, drawn)
                ]
                for kind in KINDS
                for step in STEPS
            ]
        )
        real_read, drawn_read = real_read + int(read[:, 0].sum()), drawn_read + int(read[:, 1].sum())
        difference.append(float(read[:, 1].mean() - read[:, 0].mean()))
    mean = float(np.mean(difference))
    # 2.23 standard errors of 11 pairs are a bound of 95 % on the difference of the rates.
    bound = 2.23 * float(np.std(difference, ddof=1)) / len(difference) ** 0.5
    of = len(difference) * len(KINDS) * len(STEPS)
    print(f"real {real_read}, drawn {drawn_read} of {of}: {mean:+.3f} +- {bound:.3f}")
    assert abs(mean) + bound < 0.08
