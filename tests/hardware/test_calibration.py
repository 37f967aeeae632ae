"""The calibration: kept so that its id is its file's hash, and found by measuring."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hardware.calibration import (
    COLUMNS,
    ROWS,
    Calibration,
    Curve,
    Point,
    Setting,
    brightest,
    dirt,
    focus_sweep,
    read,
    sharpness,
    write,
)
from hardware.camera import open_stream
from tests.hardware.stream import SETTLED_US, FakeCamera, FakeLibrary, encode
from wire.errors import OurFault

SETTING = Setting(8000, 1.5, 10.125, (2.1, 1.8))


def of(setting: Setting = SETTING, empty: NDArray[np.uint8] | None = None) -> Calibration:
    stream = open_stream(FakeLibrary(FakeCamera()), encode, Path("none.json"))
    return Calibration.of(stream, setting, 11.523, np.full((144, 256), 18, np.uint8) if empty is None else empty)


@pytest.mark.parametrize(
    "setting", [SETTING, replace(SETTING, focus=None), replace(SETTING, colours=None)], ids=["all", "no lens", "grey"]
)
def test_what_is_written_is_read_back(setting: Setting, tmp_path: Path) -> None:
    calibration = of(setting)
    write(calibration, tmp_path / "calibration.json")
    assert read(tmp_path / "calibration.json") == calibration
    assert calibration.setting == setting
    assert [path.name for path in tmp_path.iterdir()] == ["calibration.json"]


def test_the_id_begins_the_hash_of_the_file(tmp_path: Path) -> None:
    calibration = of()
    write(calibration, tmp_path / "calibration.json")
    assert hashlib.sha256((tmp_path / "calibration.json").read_bytes()).hexdigest().startswith(calibration.id)
    assert len(calibration.id) == 16
    assert of(replace(SETTING, focus=10.126)).id != calibration.id


def test_a_unit_that_was_never_calibrated_has_none(tmp_path: Path) -> None:
    assert read(tmp_path / "calibration.json") is None


BAD = {
    "empty": (b"", "Input data was truncated"),
    "of another form": (of().text.replace(b'"version":1', b'"version":2'), "Invalid enum value 2"),
    "half of it": (of().text[:100], "Input data was truncated"),
    "edited by hand": (of().text.replace(b",", b", "), "not as it was written, so its id would be another"),
    "with a lens beyond any": (of().text.replace(b'"focus":10125', b'"focus":10000001'), "Expected `int` <= 1000000"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_one_clear_sentence(name: str, tmp_path: Path) -> None:
    content, why = BAD[name]
    (tmp_path / "calibration.json").write_bytes(content)
    with pytest.raises(OurFault) as raised:
        read(tmp_path / "calibration.json")
    assert str(raised.value).startswith(f"calibration.json: {why}")
    assert str(raised.value).endswith(": calibrate the unit again (testigo-bench calibrate)")


def test_a_file_that_cannot_be_read_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(OurFault, match="Is a directory: calibrate the unit again"):
        read(tmp_path)


def curve(*sharpnesses: float) -> Curve:
    return Curve(tuple(Point(float(focus), sharpness) for focus, sharpness in enumerate(sharpnesses)))


def test_the_best_focus_lies_between_the_positions_that_were_tried() -> None:
    assert curve(0, 1, 4, 3, 0).best == pytest.approx(2.25)
    assert curve(0, 1, 3, 3, 0).best == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("measured", "is_clear"),
    [((1, 1, 5, 1, 1), True), ((1, 1, 1.2, 1, 1), False), ((5, 3, 1, 1, 1), False), ((1, 1, 1, 3, 5), False)],
    ids=["a peak", "a plateau", "nearer than it goes", "farther than it goes"],
)
def test_a_curve_is_clear_when_its_peak_is(measured: tuple[float, ...], is_clear: bool) -> None:
    assert curve(*measured).is_clear == is_clear


def test_a_curve_is_drawn_as_bars() -> None:
    assert str(curve(1, 2, 4)).splitlines() == [
        f"  {number}.00 {'#' * bars}" for number, bars in enumerate((15, 30, 60))
    ]


@pytest.mark.parametrize("sharp_at", [0.7, 6.1, 10.0, 14.6])
def test_a_sweep_finds_where_the_lens_is_sharp_and_leaves_it_there(sharp_at: float) -> None:
    camera, seen = FakeCamera(luma=100), list[Point]()
    camera.sharp_at = sharp_at
    stream = open_stream(FakeLibrary(camera), encode, Path("none.json"))
    found, setting = focus_sweep(stream, seen.append)
    assert found.is_clear
    assert setting.focus == found.best == pytest.approx(sharp_at, abs=0.15)
    assert setting.exposure_us == SETTLED_US
    assert sorted({point.focus for point in seen}) == [point.focus for point in found.points]
    assert camera.asked[-1]["LensPosition"] == found.best
    assert camera.held == 0


def test_sharpness_does_not_depend_on_the_light() -> None:
    sheet = np.kron(np.random.default_rng(3).integers(0, 2, (60, 80)), np.ones((4, 4))) * 80 + 20
    bright, dim = (sheet * 2).astype(np.uint8), (sheet / 2).astype(np.uint8)
    assert sharpness(bright) == pytest.approx(sharpness(dim), rel=0.02)
    blurred = (sheet[::4, ::4].repeat(4, 0).repeat(4, 1) + np.roll(sheet, 2, 0) + np.roll(sheet, 2, 1)) / 3
    assert sharpness(blurred.astype(np.uint8)) < 0.8 * sharpness(sheet.astype(np.uint8))


def test_the_empty_tray_is_remembered_in_cells_and_is_clean_as_it_was() -> None:
    tray = np.random.default_rng(2).integers(10, 30, (432, 768), dtype=np.uint8)
    assert len(brightest(tray)) == ROWS * COLUMNS
    noisier = np.clip(tray + np.random.default_rng(4).integers(-6, 7, tray.shape), 0, 255).astype(np.uint8)
    assert dirt(noisier, of(empty=tray)) == ()


def test_a_speck_is_found_where_it_lies_and_a_mark_that_is_gone_too() -> None:
    tray = np.full((432, 768), 18, np.uint8)
    tray[200:240, 700:740] = 180
    calibration = of(empty=tray)
    dirty = tray.copy()
    dirty[8:24, 8:24] = 120
    dirty[200:240, 700:740] = 18
    found = dirt(dirty, calibration)
    assert str(found[0]) == "0 % from the left, 0 % from the top of the picture: 102 levels brighter: wipe it"
    assert {(spot.row, spot.column) for spot in found[1:]} == {(4, 14), (4, 15)}
    assert all("darker" in str(spot) for spot in found[1:])
