"""The optics: what each camera sees from where it hangs, worked out a second way."""

import math

import pytest

from device.marks import CHANNEL_MM, END_MM, FIELD_MM, MARK_MM, MARKS, QUIET_MM, SCALE
from hardware.build import optics, solids
from hardware.build.parts import VARIANTS, VariantName, camera_of, parts
from sim.photo import CAMERAS

CODE_MM = (25.0, 82.0)
"""Where the code lies, from the paper's QR end: docs/paper-sheet.md."""
MARGIN_MM = 8.0
"""So far a camera may hang beside its place."""

cameras = pytest.mark.parametrize("name", list(parts().cameras))


def test_camera_module_3_hangs_308_mm_above_400_mm_of_paper_at_11_5_px_a_mm() -> None:
    camera = parts().cameras["module-3"]
    assert round(optics.height_mm(camera)) == 308
    assert FIELD_MM == 400
    assert round(optics.px_per_mm(camera), 1) == 11.5
    assert round(optics.px_per_module(camera)) == 13


@cameras
def test_from_there_the_long_side_is_the_field(name: str) -> None:
    camera = parts().cameras[name]
    angle = 2 * math.atan(FIELD_MM / 2 / optics.height_mm(camera))
    by_pixels = 2 * math.atan(camera.columns * camera.pitch_um / 2000 / camera.focal_mm)
    wanted = math.radians(camera.across_deg) if camera.across_deg else by_pixels
    assert angle == pytest.approx(wanted)


@cameras
def test_field_of_view_and_focal_length_tell_the_same_to_a_twentieth(name: str) -> None:
    camera = parts().cameras[name]
    ratio = optics.half_tangent_by_focal_length(camera) / optics.half_tangent(camera)
    assert 1 - 1e-9 <= ratio <= 1.05


@cameras
def test_a_module_has_px_enough_whichever_of_the_two_is_true(name: str) -> None:
    camera = parts().cameras[name]
    wider = optics.half_tangent_by_focal_length(camera) / optics.half_tangent(camera)
    assert optics.px_per_module(camera) / max(wider, 1) >= optics.PX_PER_MODULE_MIN


@cameras
def test_the_simulated_camera_is_the_one_that_is_bought(name: str) -> None:
    camera = parts().cameras[name]
    simulated = CAMERAS[camera.sensor]
    assert (simulated.width, simulated.height) == (camera.columns, camera.rows)
    assert simulated.focal_px == pytest.approx(camera.focal_mm * 1000 / camera.pitch_um)


@cameras
def test_every_mark_and_the_whole_code_are_in_view_of_a_camera_that_hangs_askew(name: str) -> None:
    along, across = optics.field_mm(parts().cameras[name])
    reach = MARK_MM / 2 + QUIET_MM + MARGIN_MM
    for x, y in MARKS.values():
        assert abs(x) + reach <= across / 2
        assert abs(y) + reach <= along / 2
    for from_end in CODE_MM:
        assert abs(END_MM - from_end) + MARGIN_MM <= along / 2


@cameras
def test_no_lamp_is_mirrored_by_the_clear_plate(name: str) -> None:
    assert optics.glare_mm(parts().cameras[name]) > solids.PLATE_MM[0] / 2 + MARGIN_MM


@cameras
def test_the_mirror_s_law_holds_where_the_lamp_would_be_seen(name: str) -> None:
    camera = parts().cameras[name]
    edge = solids.BAR_SIDE_MM / 2
    lamp_x, lamp_z = optics.BAR_MM - edge, optics.BAR_MM + edge
    at = optics.glare_mm(camera)
    assert (lamp_x - at) / lamp_z == pytest.approx(at / optics.height_mm(camera))


@cameras
def test_the_light_bars_hide_no_mark_from_the_camera(name: str) -> None:
    outermost = max(abs(x) for x, _ in SCALE.values()) + MARK_MM / 2 + QUIET_MM
    assert optics.hidden_mm(parts().cameras[name]) > outermost + MARGIN_MM


def test_the_light_comes_at_45_degrees_and_the_paper_fits_the_channel() -> None:
    corner = optics.BAR_MM + solids.BAR_SIDE_MM / 2
    face = (corner - solids.BAR_SIDE_MM / 2, corner - solids.BAR_SIDE_MM / 2)
    assert face == (optics.BAR_MM, optics.BAR_MM)
    assert pytest.approx(2.5) == CHANNEL_MM - optics.PAPER_MM


def test_an_acta_takes_three_pictures() -> None:
    shown = optics.parts_of_an_acta(END_MM)
    assert shown == 3
    first, more = END_MM + FIELD_MM / 2, FIELD_MM - optics.OVERLAP_MM
    assert first + (shown - 2) * more < optics.ACTA_MM <= first + (shown - 1) * more


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_mast_reaches_the_arm_and_no_more_than_5_mm_above(variant: VariantName) -> None:
    camera = camera_of(variant)
    top = -solids.FLOOR_MM - solids.BEAM_MM + solids.SOCKET_FLOOR_MM + solids.mast_mm(camera)
    assert 0 <= top - solids.arm_z_mm(camera) < 5
    assert solids.arm_z_mm(camera) - camera.eye_below_mm == pytest.approx(optics.height_mm(camera))
