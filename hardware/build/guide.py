"""The guide's pictures: the unit whole and step by step, drawn from the same solids that are printed."""

from manifold3d import Manifold

from device.marks import CHANNEL_MM, END_MM, FIELD_MM, MARK_MM, MARKS, QUIET_MM
from hardware.build import solids
from hardware.build.marks import HALF_MM
from hardware.build.optics import (
    BAR_MM,
    PAPER_MM,
    field_mm,
    glare_mm,
    half_tangent,
    height_mm,
    px_per_mm,
    px_per_module,
)
from hardware.build.parts import Camera, parts
from hardware.build.sheet import Point, Sheet, width_of
from hardware.build.view import Body, View, draw

TRAY, FOOT, FRAME, BAR = "#4a4f57", "#d98c3f", "#6f9bd1", "#efe6b0"
MAST, ARM, CASE, LID, CLEAR, PAPER = "#c4c8cc", "#6fb38a", "#b48cc8", "#cfaee0", "#bfe3ea", "#fbfbf7"
INK_BLUE = "#1f3a6b"
Shift = tuple[float, float, float]


def _camera() -> Camera:
    return parts().cameras["module-3"]


def _turned(solid: Manifold) -> Manifold:
    """The same at the other end, or on the other side."""
    return solid.rotate((0, 0, 180))


def _marks() -> Manifold:
    half = MARK_MM / 2 + QUIET_MM
    squares = [Manifold.cube((2 * half, 2 * half, 0.4)).translate((x - half, y - half, 0)) for x, y in MARKS.values()]
    line = Manifold.cube((CHANNEL_MM - 2, 1.5, 0.4)).translate((1 - CHANNEL_MM / 2, END_MM, 0))
    return Manifold.compose([*squares, line])


def _acta() -> Manifold:
    """The part of a sheet that lies here: its end on the line, its rest over the other end of the tray."""
    long = END_MM + HALF_MM + 60
    return Manifold.cube((PAPER_MM, long, 0.5)).translate((-PAPER_MM / 2, END_MM - long, 0.4))


def _plate() -> Manifold:
    return solids.plate_flat().solid(solids.PLATE_MM[2])


def _case(shift: Shift, lifted: float = 0) -> list[Body]:
    board = parts().boards["pi-4-5"]
    x, y, z = shift
    top = solids.WALL_MM + solids.CASE_HIGH_MM
    return [
        Body(solids.case(board), CASE, shift),
        Body(solids.lid(board), LID, (x, y, z + top + solids.WALL_MM + lifted)),
    ]


def whole() -> Sheet:
    """The unit, ready, with an acta on it."""
    sheet = Sheet(220, 196)
    view = View(-35, 28, 0.36, (98, 132))
    ground = -solids.FLOOR_MM - solids.BEAM_MM
    bodies = [*_tray(), *_held(), Body(_marks(), "#ffffff"), Body(_acta(), PAPER), *_case((215, -95, ground))]
    draw(sheet, view, bodies)
    arm_z = solids.arm_z_mm(_camera())
    for text, place, at in (
        ("arm, camera on top", (-20.0, 0.0, arm_z + 6), (116.0, 18.0)),
        ("mast", (-108.0, -8.0, 200.0), (86.0, 58.0)),
        ("foot", (-118.0, -20.0, 10.0), (8.0, 104.0)),
        ("frame", (108.0, 205.0, 70.0), (184.0, 78.0)),
        ("light bar", (95.0, 60.0, 98.0), (150.0, 60.0)),
        ("tray: QR end here", (30.0, 165.0, 1.0), (166.0, 126.0)),
        ("acta", (-10.0, -255.0, 1.0), (24.0, 186.0)),
        ("case, on feet of its own", (215.0, -139.0, 25.0), (98.0, 190.0)),
    ):
        _label(sheet, text, view.point(*place), at)
    return sheet


def step_tray() -> Sheet:
    """Tray, foot and frames, apart."""
    sheet = Sheet(220, 150)
    view = View(-35, 28, 0.36, (104, 72))
    half = solids.tray_half()
    bodies = [
        Body(half, TRAY, (0, 24, 30)),
        Body(_turned(half), TRAY, (0, -24, 30)),
        Body(solids.foot(), FOOT, (0, 0, -40)),
        Body(solids.frame(), FRAME, (0, 44, -30)),
        Body(_turned(solids.frame()), FRAME, (0, -44, -30)),
    ]
    draw(sheet, view, bodies)
    _label(sheet, "1  foot: holds both halves", view.point(-118, -18, -20), (8, 62))
    _label(sheet, "2  tray half, printed twice", view.point(-60, -120, 30), (8, 40))
    _label(sheet, "3  frame, printed twice", view.point(108, 250, 60), (164, 14))
    _label(sheet, "8 screws M3 here, 8 in the frames", view.point(56, 24, -43), (136, 108))
    return sheet


def step_light() -> Sheet:
    """The light bars in their corners, marks and plate on the tray."""
    sheet = Sheet(220, 150)
    view = View(-35, 28, 0.36, (104, 98))
    right = solids.light_bar()
    bodies = [
        *_tray(),
        Body(_marks(), "#ffffff"),
        Body(right, BAR, (-40, 0, 60)),
        Body(_turned(right), BAR),
        Body(_plate(), CLEAR, (0, 0, 28)),
    ]
    draw(sheet, view, bodies)
    _label(sheet, "4  light bar: into the corners of the frames", view.point(50, -140, 158), (8, 16))
    _label(sheet, "5  marks: glued on, arrow at the far end", view.point(56, 174, 0), (126, 14))
    _label(sheet, "6  clear plate: cloth tape along its right edge is the hinge", view.point(36, -60, 30), (98, 142))
    return sheet


def step_mast() -> Sheet:
    """Mast and arm."""
    sheet = Sheet(220, 206)
    view = View(-35, 28, 0.36, (116, 150))
    arm_z = solids.arm_z_mm(_camera())
    bodies = [
        *_tray(),
        Body(solids.light_bar(), BAR),
        Body(_turned(solids.light_bar()), BAR),
        Body(solids.mast(_camera()), MAST, (0, 0, 34)),
        Body(solids.arm(_camera()), ARM, (46, 0, arm_z + 34)),
    ]
    draw(sheet, view, bodies)
    _label(sheet, "7  mast: into the foot, 4 screws M5", view.point(-128, -10, 120), (6, 66))
    _label(sheet, "8  arm: 2 screws M5 into the mast's slot", view.point(0, -24, arm_z + 37), (120, 70))
    _label(sheet, "9  camera: on top, looking down through the hole", view.point(46, 0, arm_z + 40), (98, 14))
    return sheet


def step_case() -> Sheet:
    """The case, open."""
    sheet = Sheet(220, 146)
    view = View(-35, 32, 0.75, (92, 106))
    bodies = _case((0, 0, 0), lifted=46)
    draw(sheet, view, bodies)
    lid_z = solids.WALL_MM * 2 + solids.CASE_HIGH_MM + 46
    board = parts().boards["pi-4-5"]
    names = ("READY", "KEPT", "AGAIN", "LINK")
    for n, (name, x) in enumerate(zip(names, solids.lamps_x(), strict=True)):
        _label(sheet, name, view.point(x, solids.LAMPS_Y_MM, lid_z), (84.0 + 22 * n, 9.0 + 9 * n))
    _label(sheet, "button", view.point(solids.button_x(board), solids.BUTTON_Y_MM, lid_z), (8, 50))
    _label(sheet, "buzzer behind these holes", view.point(50, solids.BUTTON_Y_MM, lid_z), (166, 62))
    _label(sheet, "sticks", view.point(78, 5, 14), (190, 112))
    _label(sheet, "perfboard left, computer right", view.point(-30, 32, solids.WALL_MM), (8, 140))
    return sheet


def optics() -> Sheet:
    """The unit from its end: what the camera sees, and where the lamps would mirror."""
    sheet = Sheet(220, 190)
    sheet.words(8, 10, "What the camera sees, from the end and from the side (mm)", 5, bold=True)
    camera = _camera()
    high = height_mm(camera)
    scale, middle, floor = 0.42, 52.0, 168.0

    def end_on(x: float, z: float) -> Point:
        return middle + scale * x, floor - scale * z

    along, across = field_mm(camera)
    sheet.outline([end_on(0, high), end_on(across / 2, 0), end_on(-across / 2, 0)], fill="#eef4fb", line="#9ab6d8")
    sheet.outline([end_on(x, z) for x, z in ((-66, 0), (66, 0), (66, -3), (-66, -3))], fill=TRAY, line=None)
    sheet.line(end_on(-PAPER_MM / 2, 1), end_on(PAPER_MM / 2, 1), width=0.9, line="#b08a3c")
    corner = BAR_MM + solids.BAR_SIDE_MM / 2
    for side in (-1, 1):
        bar = ((corner, corner), (corner - solids.BAR_SIDE_MM, corner), (corner, corner - solids.BAR_SIDE_MM))
        sheet.outline([end_on(side * x, z) for x, z in bar], fill=BAR)
        sheet.line(end_on(side * BAR_MM, BAR_MM), end_on(0, 0), dash=1.5, line="#c49a2c")
        glare = side * glare_mm(camera)
        edge = (corner - solids.BAR_SIDE_MM) * side
        sheet.line(end_on(edge, corner), end_on(glare, 0), end_on(0, high), dash=0.8, line="#c23b3b", width=0.3)
    sheet.disc(end_on(0, high), 2, fill=INK_BLUE, line=None)
    _dimension(sheet, end_on(126, 0), end_on(126, high), f"{high:.0f}")
    sheet.words(*end_on(0, -22), f"field across {across:.0f}", 3.2, anchor="middle")
    sheet.words(
        *end_on(0, -32), f"lamps mirror {glare_mm(camera):.0f} from the middle,", 3.2, anchor="middle", colour="#c23b3b"
    )
    sheet.words(
        *end_on(0, -42), f"paper ends at {PAPER_MM / 2:.0f}: no glare on it", 3.2, anchor="middle", colour="#c23b3b"
    )

    start = 160.0

    def side_on(y: float, z: float) -> Point:
        return start + scale * 0.62 * y, floor - scale * z

    sheet.outline([side_on(0, high), side_on(along / 2, 0), side_on(-along / 2, 0)], fill="#eef4fb", line="#9ab6d8")
    sheet.outline([side_on(y, z) for y, z in ((-210, 0), (210, 0), (210, -3), (-210, -3))], fill=TRAY, line=None)
    sheet.line(side_on(-215, 1), side_on(END_MM, 1), width=0.9, line="#b08a3c")
    sheet.line(side_on(END_MM, -3), side_on(END_MM, 26), width=0.3)
    sheet.words(*side_on(END_MM + 6, 30), "QR end", 3, anchor="middle")
    sheet.disc(side_on(0, high), 2, fill=INK_BLUE, line=None)
    sheet.words(*side_on(0, -22), f"field along {FIELD_MM:.0f} (drawn shortened)", 3.2, anchor="middle")
    per = f"{px_per_mm(camera):.1f} px a mm, {px_per_module(camera):.1f} px a module"
    sheet.words(*side_on(0, -32), per, 3.2, anchor="middle")
    angle = f"{camera.title.partition(' (')[0]}: tangent of half its angle {half_tangent(camera):.3f}"
    sheet.words(8, 17, angle, 3.2)
    return sheet


def _tray() -> list[Body]:
    return [
        Body(solids.tray(), TRAY),
        Body(solids.foot(), FOOT),
        Body(solids.frame(), FRAME),
        Body(_turned(solids.frame()), FRAME),
    ]


def _held() -> list[Body]:
    right = solids.light_bar()
    return [
        Body(right, BAR),
        Body(_turned(right), BAR),
        Body(solids.mast(_camera()), MAST),
        Body(solids.arm(_camera()), ARM, (0, 0, solids.arm_z_mm(_camera()))),
    ]


def _label(sheet: Sheet, text: str, to: Point, at: Point) -> None:
    """Words with a line to what they name, from their nearest end."""
    wide, x = width_of(text, 3.8), to[0]
    start = at[0] - 1 if x < at[0] else at[0] + wide + 1 if x > at[0] + wide else x
    beside = start in (at[0] - 1, at[0] + wide + 1)
    sheet.line((start, at[1] - 1.3 if beside else at[1] + (1.6 if to[1] > at[1] else -4)), to, width=0.3)
    sheet.disc(to, 0.8, fill="#20242a", line="#ffffff", width=0.2)
    sheet.words(*at, text, 3.8)


def _dimension(sheet: Sheet, low: Point, high: Point, text: str) -> None:
    sheet.line(low, high, width=0.3)
    for x, y in (low, high):
        sheet.line((x - 2, y), (x + 2, y), width=0.3)
    sheet.words(low[0] - 2, (low[1] + high[1]) / 2, text, 3.4, anchor="end")


PICTURES = {
    "unit": whole,
    "tray": step_tray,
    "light": step_light,
    "mast": step_mast,
    "case": step_case,
    "optics": optics,
}
