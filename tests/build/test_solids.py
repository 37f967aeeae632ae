"""The printed and cut parts: sound, on the bed, and they go together; the acta lies in."""

import re
from collections import Counter

import numpy as np
import pytest
from manifold3d import Manifold

from device.marks import CHANNEL_MM, MARK_MM, MARKS, QUIET_MM
from hardware.build import solids, stl
from hardware.build.drawn import EXPORTS, ROOT
from hardware.build.marks import HALF_MM, SIDE_END_MM, SIDE_MM
from hardware.build.optics import PAPER_MM
from hardware.build.parts import parts

PRINTED = solids.printed()
TOUCH_MM3 = 1.0
"""Parts that only touch share no more than this."""

each_part = pytest.mark.parametrize("name", list(PRINTED))


@each_part
def test_an_export_is_closed_and_has_an_inside(name: str) -> None:
    """Asked of the file, not of the library that made it: each edge is passed once in each direction."""
    triangles = stl.read((ROOT / EXPORTS / f"{name}.stl").read_bytes()).astype(np.float64)
    corners = [[tuple(corner) for corner in triangle] for triangle in np.round(triangles, 3).tolist()]
    edges = Counter((a, b) for one in corners for a, b in zip(one, [*one[1:], one[0]], strict=True))
    assert set(edges.values()) == {1}
    assert all((b, a) in edges for a, b in edges)
    volume = np.einsum("ij,ij->i", triangles[:, 0], np.cross(triangles[:, 1], triangles[:, 2])).sum() / 6
    assert volume == pytest.approx(PRINTED[name].volume(), rel=1e-4)
    assert volume > 1000


@each_part
def test_a_part_is_one_piece_and_fits_the_bed(name: str) -> None:
    assert len(PRINTED[name].decompose()) == 1
    west, south, low, east, north, high = PRINTED[name].bounding_box()
    assert low == pytest.approx(0, abs=1e-6)
    assert max(east - west, north - south) <= solids.BED_MM
    assert high <= 120


@each_part
def test_a_part_stands_on_the_bed_and_not_on_an_edge(name: str) -> None:
    assert PRINTED[name].slice(0.1).area() > 500


def test_the_two_halves_of_the_tray_meet_and_do_not_overlap() -> None:
    half = solids.tray_half()
    other = half.rotate((0, 0, 180))
    assert (half ^ other).volume() < TOUCH_MM3
    assert len((half + other).decompose()) == 1


def test_an_acta_lies_in_the_tray_and_the_plate_over_it() -> None:
    acta = Manifold.cube((PAPER_MM, 900, 1)).translate((-PAPER_MM / 2, -450, 0.01))
    tray = solids.tray()
    assert (acta ^ tray).volume() == 0
    assert PAPER_MM < CHANNEL_MM
    plate = solids.plate_flat().solid(solids.PLATE_MM[2]).translate((0, 0, 0.01))
    assert (plate ^ tray).volume() == 0
    assert CHANNEL_MM - solids.PLATE_MM[0] == 1.0
    assert solids.PLATE_MM[0] > PAPER_MM


def test_an_acta_passes_under_frames_bars_and_foot() -> None:
    acta = Manifold.cube((PAPER_MM, 1800, 60)).translate((-PAPER_MM / 2, -900, 0.01))
    frame = solids.frame()
    for part in (frame, frame.rotate((0, 0, 180)), solids.foot(), solids.light_bar()):
        assert (acta ^ part).volume() == 0


@pytest.mark.parametrize("name", list(parts().cameras))
def test_no_two_parts_of_a_unit_are_in_the_same_place(name: str) -> None:
    camera = parts().cameras[name]
    frame, bar = solids.frame(), solids.light_bar()
    pieces = {
        "tray": solids.tray(),
        "foot": solids.foot(),
        "frame": frame,
        "other frame": frame.rotate((0, 0, 180)),
        "bar": bar,
        "other bar": bar.rotate((0, 0, 180)),
        "mast": solids.mast(camera),
        "arm": solids.arm(camera).translate((0, 0, solids.arm_z_mm(camera))),
    }
    shared = {(a, b): (pieces[a] ^ pieces[b]).volume() for a in pieces for b in pieces if a < b}
    assert {pair for pair, volume in shared.items() if volume > TOUCH_MM3} == set()


def test_every_screw_of_the_tray_goes_through_what_it_holds() -> None:
    frame = solids.frame()
    below = solids.foot() + frame + frame.rotate((0, 0, 180))
    whole = below + solids.tray()
    screws = solids.tray_screws()
    assert len(screws) == 16
    for x, y in screws:
        screw = Manifold.cylinder(40, 1.5).translate((x, y, -20))
        assert (screw ^ whole).volume() == 0
        washer = Manifold.cylinder(8, 3).translate((x, y, -solids.FLOOR_MM - solids.BEAM_MM))
        assert (washer ^ below).volume() > 90, "nothing is there to hold it"


def test_no_screw_lies_under_paper_or_marks() -> None:
    for x, y in solids.tray_screws():
        assert abs(x) > CHANNEL_MM / 2 + solids.RAIL_MM
        assert not (SIDE_MM[0] - 3 < abs(x) < SIDE_MM[1] and SIDE_END_MM[0] - 3 < abs(y) < SIDE_END_MM[1] + 3)


def test_every_mark_lies_on_a_strip_of_the_sheet_and_none_over_the_joint() -> None:
    reach = MARK_MM / 2 + QUIET_MM
    for x, y in MARKS.values():
        assert reach < abs(y) < HALF_MM - reach
        if x:
            assert SIDE_MM[0] <= abs(x) - reach
            assert abs(x) + reach <= SIDE_MM[1]
            assert SIDE_END_MM[0] <= abs(y) - reach
            assert abs(y) + reach <= SIDE_END_MM[1]


@pytest.mark.parametrize("name", list(parts().cameras))
def test_the_lens_looks_through_the_arm_and_its_screws_have_plastic_around(name: str) -> None:
    camera = parts().cameras[name]
    arm = solids.arm(camera)
    assert (Manifold.cylinder(60, camera.lens_hole_mm / 2 - 0.5).translate((0, 0, -30)) ^ arm).volume() == 0
    holes = 1 + 4 + 2  # lens, camera, mast: each is a tunnel of its own, and none has run into another
    assert arm.genus() == holes


@pytest.mark.parametrize("name", list(parts().boards))
def test_computer_and_button_have_room_in_the_case(name: str) -> None:
    board = parts().boards[name]
    wide, deep = solids.case_inside(board)
    assert solids.PERFBOARD_MM[0] + board.size[0] <= wide - 10
    assert max(solids.PERFBOARD_MM[1], board.size[1]) <= deep - 10
    left, front = solids.board_at(board)
    at_z = solids.WALL_MM + solids.POST_MM
    computer = Manifold.cube((*board.size, 20)).translate((left, front, at_z + 0.01))
    perfboard = Manifold.cube((*solids.PERFBOARD_MM, 18)).translate(
        (5 - wide / 2, -solids.PERFBOARD_MM[1] / 2, solids.WALL_MM + 0.01)
    )
    assert ((computer + perfboard) ^ solids.case(board)).volume() == 0
    assert (computer ^ perfboard).volume() == 0
    for dx in (0, board.holes[0]):
        for dy in (0, board.holes[1]):
            x, y = left + board.hole[0] + dx, front + board.hole[1] + dy
            post = Manifold.cylinder(solids.POST_MM - 1, 2.5).translate((x, y, solids.WALL_MM + 0.5))
            assert (post ^ solids.case(board)).volume() > 0.7 * post.volume()
    closed = solids.case(board) + solids.lid(board).translate((0, 0, solids.WALL_MM * 2 + solids.CASE_HIGH_MM))
    assert len(closed.decompose()) == 1
    top = solids.CASE_HIGH_MM + 2 * solids.WALL_MM
    button = Manifold.cylinder(32, 15).translate((solids.button_x(board), solids.BUTTON_Y_MM, top - 32))
    rest = solids.lid(board).translate((0, 0, top)) + solids.case(board) + computer + perfboard
    assert (button ^ rest).volume() == 0


@pytest.mark.parametrize("name", list(solids.cut()))
def test_a_drawing_for_the_laser_is_in_true_millimetres(name: str) -> None:
    svg = (ROOT / EXPORTS / f"{name}.svg").read_text("utf-8")
    found = re.search(r'width="([\d.]+)mm" height="([\d.]+)mm" viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert found
    wide, high, *view = map(float, found.groups())
    assert [wide, high] == view
    flat = solids.cut()[name]
    xs, ys = zip(*(point for ring in flat.outlines for point in ring), strict=True)
    assert (wide, high) == (max(xs) - min(xs) + 10, max(ys) - min(ys) + 10)
    assert svg.count("<circle") == len(flat.holes)
    assert svg.count("<path") == len(flat.outlines)


def test_the_tray_that_is_cut_is_the_one_that_is_printed() -> None:
    flat = solids.tray_flat()
    floor, *rails = flat.outlines
    assert len(rails) == 4
    cut = solids.Flat((floor,), flat.holes).solid(solids.FLOOR_MM).translate((0, 0, -solids.FLOOR_MM))
    printed = solids.tray().trim_by_plane((0, 0, -1), 1e-3)
    assert cut.volume() == pytest.approx(printed.volume(), rel=0.01)


def test_an_stl_that_was_cut_short_is_not_read() -> None:
    with pytest.raises(ValueError, match="triangles"):
        stl.read(stl.written(solids.frame())[:-7])
