"""The photograph: a sheet of paper, bent, lit and taken by a real camera's measures, and the truth about its code.

A `Shot` says how it is taken; `shoot` takes it. Chance is drawn from the seed, one stream for each kind of it, so that
a shot with one grade changed differs by that alone.
"""

import math
from dataclasses import dataclass, fields, replace
from typing import get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from sim.paper.sheet import CODE_LEFT_MM, CODE_MM, CODE_TOP_MM, LENGTH_MM, PX_PER_MM, TRAY, WIDTH_MM, Sheet
from sim.paper.wear import Side
from sim.photo import light, sensor, shape
from sim.photo.sensor import CAMERAS, Camera

__all__ = ["CAMERAS", "Camera", "Photograph", "Shot", "Side", "Truth", "burst", "photograph", "shoot"]

Floats = NDArray[np.float64]
Luma = NDArray[np.uint8]

SIDES = get_args(Side)
CODE_MIDDLE_MM = np.array([CODE_LEFT_MM + CODE_MM / 2, CODE_TOP_MM + CODE_MM / 2 - LENGTH_MM])  # y from the end
GRID_PX = 8  # what varies slowly is worked out at every so many px, in wide pictures at twice that
WIDE_PX = 2000
INK_LIGHT = 0.02  # what full ink gives back of the light
GLARED = 0.3  # share of its contrast below which print counts as under glare
SCAN_LENS_PX = 0.8  # sigma of the blur, chosen by the published crops (tests/sim/test_photo_fair.py)
COPY_BLUR_PX = 1.2  # sigma of what a printer's dots and a scanner's lens make of a px
COPY_CONTRAST = 0.15
SCREEN_GAP = 0.35  # share of a screen's pixel that is dark, along each axis


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """How a photograph is taken. Zero is none, of everything that does harm; what names no unit is a share.

    Attributes:
        camera: one of `CAMERAS`.
        dpmm: px for a mm of paper at the code's middle, 1 to 30: the distance.
        at: where the code's middle is in the frame, shares of its width and height.
        window_px: side of the square around the code to which the frame is trimmed; 0: the whole frame.
        table: luma of what lies under the paper; 0 is the matt black tray.
        rotation_deg: turns the paper clockwise, -360 to 360.
        tilt_deg: angle between the paper and the sensor, 0 to 70.
        tilt_toward_deg: which side of the picture is nearer to the camera: 0 right, 90 bottom.
        curl_mm: radius of the paper's curl, 10 to 1000; 0: flat. Less is worse.
        wave_mm: amplitude of waves, 0 to 6.
        wave_length_mm: of one wave, 15 to 200.
        fold_deg: how far the paper is bent at a fold through the code (where `Sheet.creases` says, else the seed), 0 to
            120.
        crumple_deg: the steepest slope of crumpled paper's facets, 0 to 25.
        cut: share of the code beyond the frame's edge, 0 to 0.9.
        cut_side: which side of the code is cut off, as it is printed; None leaves it to the seed.
        gradient: share by which light falls over the code's width, 0 to 0.95.
        shadow: share of the light that is missing in a shadow whose edge crosses the code, 0 to 0.95.
        shadow_soft_mm: over how much of the paper its edge is spread.
        glare: light of a lamp's mirror image on the code, 1 is that of white paper, 0 to 10.
        glare_mm: its radius, 3 to 60.
        uneven: share by which light is uneven in patches, 0 to 0.8.
        dim_stops: how far light is below what the sensor could take, in halvings, 0 to 11; gain makes up for 4.
        banding: depth of a flickering lamp's bands, 0 to 0.9.
        banding_px: from band to band.
        defocus_px: radius of the disc that a point becomes, 0 to 30.
        motion_px: length of the line that a point becomes, 0 to 60.
        motion_deg: its direction in the picture; None leaves it to the seed.
        jitter_px: how far a hand moves between the frames of a burst, 0 to 100.
        screen_mm: a screen's pixel on which the sheet is shown instead of paper, 0.05 to 0.5.
        scan_dpi: taken by a scanner with so many dots per inch instead of a camera, 75 to 600.
        bed_mm: width that the scanner takes in, 0: the paper's.
        contrast: how hard a scanner sets light and dark apart, 0 to 1; 1 has no grey left.
        threshold: luma at which a scan is made black and white, 1 to 254; 0 keeps it grey.
        shrink: share by which the width was reduced on its way to an archive, 0 to 0.8.
        jpeg: quality of the JPEG that it was kept as, 1 to 100; 0: none.
        copies: how often the picture was then printed and scanned again, a scan of a scan, 0 to 5: each turns it by up
            to 1 degree, resamples it, blurs it as a scanner does, and adds its noise and contrast.
        jpeg_again: quality of a second JPEG, of a messenger or the last copy, 3 px off the first one's blocks.
    """

    camera: str = "imx708"
    dpmm: float = 11.5
    at: tuple[float, float] = (0.5, 0.5)
    window_px: int = 0
    table: float = 0
    rotation_deg: float = 0
    tilt_deg: float = 0
    tilt_toward_deg: float = 0
    curl_mm: float = 0
    wave_mm: float = 0
    wave_length_mm: float = 35
    fold_deg: float = 0
    crumple_deg: float = 0
    cut: float = 0
    cut_side: Side | None = None
    gradient: float = 0
    shadow: float = 0
    shadow_soft_mm: float = 1.5
    glare: float = 0
    glare_mm: float = 12
    uneven: float = 0
    dim_stops: float = 0
    banding: float = 0
    banding_px: float = 300
    defocus_px: float = 0
    motion_px: float = 0
    motion_deg: float | None = None
    jitter_px: float = 0
    screen_mm: float = 0
    scan_dpi: float = 0
    bed_mm: float = 0
    contrast: float = 0
    threshold: int = 0
    shrink: float = 0
    jpeg: int = 0
    copies: int = 0
    jpeg_again: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.name in LIMITS:
                low, high = LIMITS[field.name]
                value = getattr(self, field.name)
                if value != 0 and not low <= value <= high:
                    raise ValueError(f"shot: {field.name} is {value:g}, expected {low:g} to {high:g}")
        if self.camera not in CAMERAS:
            raise ValueError(f"shot: camera is {self.camera}, expected one of {', '.join(CAMERAS)}")
        if self.dpmm == 0:
            raise ValueError("shot: dpmm is 0, expected 1 to 30")


LIMITS: dict[str, tuple[float, float]] = {
    "dpmm": (1, 30),
    "window_px": (16, 20000),
    "table": (0, 255),
    "rotation_deg": (-360, 360),
    "tilt_deg": (0, 70),
    "curl_mm": (10, 1000),
    "wave_mm": (0, 6),
    "wave_length_mm": (15, 200),
    "fold_deg": (0, 120),
    "crumple_deg": (0, 25),
    "cut": (0, 0.9),
    "gradient": (0, 0.95),
    "shadow": (0, 0.95),
    "shadow_soft_mm": (0.1, 30),
    "glare": (0, 10),
    "glare_mm": (3, 60),
    "uneven": (0, 0.8),
    "dim_stops": (0, 11),
    "banding": (0, 0.9),
    "banding_px": (8, 5000),
    "defocus_px": (0, 30),
    "motion_px": (0, 60),
    "jitter_px": (0, 100),
    "screen_mm": (0.05, 0.5),
    "scan_dpi": (75, 600),
    "bed_mm": (WIDTH_MM, 400),
    "contrast": (0, 1),
    "threshold": (1, 254),
    "shrink": (0, 0.8),
    "jpeg": (1, 100),
    "copies": (1, 5),
    "jpeg_again": (1, 100),
}


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What is true of the code in a photograph. The middle of the top left pixel is (0, 0).

    Attributes:
        corners: its outer corners, float64 of shape (4, 2), px: top left as printed, then clockwise; may be outside.
        centres: the middle of each module, float64 of shape (modules, modules, 2), px.
        modules: along a side.
        px_per_module: mean.
        px_per_module_least: where it is smallest, along the worse of its two directions.
        outside: share of its modules that the picture does not show.
        side: over which edge of the picture, as seen, most of them are gone; None: none are.
        glare: share of its modules under glare.
        blur_px: sigma of the whole blur along its worst direction, in px of this picture.
        light: electrons at blank paper, on average over the code; infinite for a scan.
        white: luma of blank paper, on average over the code.
    """

    corners: Floats
    centres: Floats
    modules: int
    px_per_module: float
    px_per_module_least: float
    outside: float
    side: Side | None
    glare: float
    blur_px: float
    light: float
    white: float

    @property
    def blur_modules(self) -> float:
        """Sigma of the blur in modules."""
        return self.blur_px / self.px_per_module


@dataclass(frozen=True, slots=True, eq=False)
class Photograph:
    """What a camera saw.

    Attributes:
        luma: shape (height, width), dtype uint8, 0 black.
        payload: what the code on the sheet holds.
        truth: about the code; None: there is none, or nobody knows where.
    """

    luma: Luma
    payload: str = ""
    truth: Truth | None = None

    def jpeg(self, quality: int = 90) -> bytes:
        """The photograph as a grey JPEG, at a quality of 1 to 100."""
        done, file = cv2.imencode(".jpg", self.luma, [cv2.IMWRITE_JPEG_QUALITY, quality])
        assert done, "OpenCV is built without JPEG"
        return file.tobytes()


def shoot(sheet: Sheet, shot: Shot, seed: int) -> Photograph:
    """Takes a photograph, or a scan.

    Args:
        sheet: flat, as drawn or worn.
        shot: how it is taken.
        seed: of all that the shot leaves open: where folds, shadows and glare are, and of the noise. 0 or more.
    """
    return _Taking(sheet, shot, seed, CAMERAS[shot.camera]).taken(0)


def burst(sheet: Sheet, shot: Shot, seed: int, frames: int) -> list[Photograph]:
    """Takes several frames of the same scene, the hand moving by `Shot.jitter_px` between them."""
    return [_Taking(sheet, shot, seed, CAMERAS[shot.camera], frame).taken(frame) for frame in range(frames)]


def photograph(
    sheet: Sheet,
    *,
    seed: int,
    size: tuple[int, int] = (4608, 2592),
    dpmm: float = 11.5,
    length_mm: float = 400.0,
    upside_down: bool | None = None,
) -> Photograph:
    """Photographs the QR end of a sheet as a Camera Module 3 over the black tray would, the paper along the frame.

    Args:
        sheet: what lies on the tray.
        seed: of how it lies, of the light and of the noise.
        size: the frame's (width, height) in pixels.
        dpmm: pixels for one millimetre of paper; to ask for a cheaper photograph, scale it together with the size.
        length_mm: how much of the sheet's end is on the tray.
        upside_down: whether the end of the sheet is at the right of the frame; None leaves it to the seed.
    """
    rng = np.random.default_rng(seed)
    flip = bool(rng.integers(2)) if upside_down is None else upside_down
    end_mm = float(rng.uniform(6, 14)) - CODE_MIDDLE_MM[1]
    across_mm = WIDTH_MM / 2 - CODE_MIDDLE_MM[0] + rng.uniform(-1, 1)
    at = end_mm * dpmm / size[0], 0.5 - across_mm * dpmm / size[1]
    module_3 = CAMERAS["imx708"]
    camera = replace(module_3, width=size[0], height=size[1], focal_px=module_3.focal_px * size[0] / module_3.width)
    shot = Shot(
        dpmm=dpmm,
        at=(1 - at[0], 1 - at[1]) if flip else at,
        rotation_deg=float(rng.uniform(-1.5, 1.5)) + (270 if flip else 90),
        tilt_deg=float(rng.uniform(0, 2)),
        tilt_toward_deg=float(rng.uniform(0, 360)),
        gradient=float(rng.uniform(0, 0.05)),
    )
    end = round(length_mm * PX_PER_MM)
    cut_mm = max(0, sheet.luma.shape[0] - end) / PX_PER_MM
    lain = replace(
        sheet,
        luma=sheet.luma[-end:],
        paper=None if sheet.paper is None else sheet.paper[-end:],
        corners_mm=None if sheet.corners_mm is None else sheet.corners_mm - (0, cut_mm),
        creases=(),
    )
    return _Taking(lain, shot, seed, camera).taken(0)


class _Grid:
    """A few pixels of a window, from which all others are filled in."""

    def __init__(self, left: int, top: int, width: int, height: int) -> None:
        self._step = GRID_PX * (1 + (width > WIDE_PX))
        self._size, self._shape = (width, height), (height // self._step + 3, width // self._step + 3)
        rows, columns = ((np.arange(count) - 1) * self._step + (self._step - 1) / 2 for count in self._shape)
        self.pixels: Floats = (
            np.stack(np.meshgrid(columns + left, rows + top), axis=-1).reshape(-1, 2).astype(np.float64)
        )

    def shaped(self, few: Floats) -> NDArray[np.float32]:
        """What is known at `pixels` as a small picture."""
        return few.reshape(self._shape).astype(np.float32)

    def full(self, few: Floats | NDArray[np.float32]) -> NDArray[np.float32]:
        """What is known at `pixels`, at all pixels of the window."""
        rows, columns = self._shape
        fine = cv2.resize(few.reshape(rows, columns).astype(np.float32), (columns * self._step, rows * self._step))
        width, height = self._size
        return fine[self._step : self._step + height, self._step : self._step + width].astype(np.float32, copy=False)


class _Taking:
    """One scene before a camera. Chance: stream 0 is how the paper lies, 1 the lamps, 2 and on the frames."""

    def __init__(self, sheet: Sheet, shot: Shot, seed: int, camera: Camera, frame: int = 0) -> None:
        self._sheet, self._shot, self._seed, self._camera = sheet, shot, seed, camera
        self._origin = CODE_MIDDLE_MM + np.array([0, sheet.luma.shape[0] / PX_PER_MM])
        if sheet.corners_mm is not None:
            self._origin = sheet.corners_mm.mean(axis=0)
        self._size = self._frame_px()
        hand = np.random.default_rng([seed, 3, frame])
        self._jitter = hand.uniform(-1, 1, 3) * shot.jitter_px if frame else np.zeros(3)
        rng = np.random.default_rng([seed, 0])
        self._side = shot.cut_side or SIDES[int(rng.integers(4))]
        self._bends = self._bent(rng)
        self._motion_deg = float(rng.uniform(0, 180)) if shot.motion_deg is None else shot.motion_deg
        self._view = self._aimed()
        self._lamps = self._lit(np.random.default_rng([seed, 1]))

    def taken(self, frame: int) -> Photograph:
        """The photograph."""
        shot, scan = self._shot, bool(self._shot.scan_dpi)
        rng = np.random.default_rng([self._seed, 2, frame])
        left, top, right, bottom = self._window()
        width, height = right - left, bottom - top
        grid = _Grid(left, top, width, height)
        lain = self._view.lain(grid.pixels)
        x, y = grid.full(lain[:, 0]), grid.full(lain[:, 1])
        scene = self._texture(x, y)
        if not scan:
            rise = self._view.slopes(lain)
            few = [grid.shaped(part) for part in (lain[:, 0], lain[:, 1], rise[:, 0], rise[:, 1])]
            scene *= grid.full(self._lamps.smooth(few[0], few[1], (few[2], few[3])) / self._level())
            if self._lamps.shadow:
                scene *= self._lamps.shade(x, y)
            if self._lamps.glare:
                scene += grid.full(self._lamps.mirrored(few[0], few[1]))
            self._fall_off(scene, left, top)
        kernel = sensor.spread(shot.defocus_px, shot.motion_px, self._motion_deg)
        if kernel is not None:
            scene = cv2.filter2D(scene, -1, kernel, borderType=cv2.BORDER_REPLICATE).astype(np.float32, copy=False)
        scene = cv2.GaussianBlur(scene, (0, 0), self._lens_px()).astype(np.float32, copy=False)
        luma = self._scanned(scene, rng) if scan else sensor.exposed(scene, self._camera, shot.dim_stops, rng)
        luma, onto = self._kept(luma, frame)
        return Photograph(luma, self._sheet.payload, self._truth(luma, np.array([left, top]), onto))

    # How the paper lies.

    def _frame_px(self) -> tuple[int, int]:
        shot = self._shot
        if not shot.scan_dpi:
            return self._camera.width, self._camera.height
        dpmm = shot.scan_dpi / 25.4
        length, width = (edge / PX_PER_MM for edge in self._sheet.luma.shape)
        across, along = round(max(shot.bed_mm, width) * dpmm), round(length * dpmm)
        lying = abs(np.sin(np.radians(shot.rotation_deg))) > np.sqrt(0.5)
        return (along, across) if lying else (across, along)

    def _bent(self, rng: np.random.Generator) -> tuple[shape.Bend, ...]:
        shot = self._shot
        bends: list[shape.Bend] = []
        wave = rng.normal(90, 10), rng.uniform(0, 2 * np.pi)
        fold = rng.choice([0.0, 90.0]) + rng.normal(0, 8), rng.uniform(-0.3, 0.3) * CODE_MM
        lines = np.random.default_rng([self._seed, 4])
        if shot.curl_mm:
            bends.append(shape.curled(shot.curl_mm))
        if shot.wave_mm:
            bends.append(shape.waved(shot.wave_mm, shot.wave_length_mm, wave[0], wave[1]))
        if shot.fold_deg:
            if self._sheet.creases:
                one, other = np.array(self._sheet.creases[0]) - self._origin
                normal = np.array([one[1] - other[1], other[0] - one[0]]) / np.hypot(*(other - one))
                fold = float(np.degrees(np.arctan2(normal[1], normal[0]))), float(one @ normal)
            bends.append(shape.folded(shot.fold_deg, *fold))
        if shot.crumple_deg:
            bends.extend(shape.crumpled(shot.crumple_deg, lines))
        return tuple(bends)

    def _aimed(self) -> shape.View:
        shot, (width, height) = self._shot, self._size
        scan = bool(shot.scan_dpi)
        middle = np.array([width, height]) * shot.at + self._jitter[:2]
        if scan:  # the paper is laid in the middle of the bed, not the code
            dpmm = shot.scan_dpi / 25.4
            paper = np.array(self._sheet.luma.shape[::-1]) / PX_PER_MM / 2 - self._origin
            turn = shape.turned(shot.rotation_deg, 0, 0)[:2, :2]
            middle = np.array([width, height]) / 2 - turn @ paper * dpmm
        wobble = self._jitter[2] / 60
        view = shape.View(
            focal_px=1e9 if scan else self._camera.focal_px,
            dpmm=shot.scan_dpi / 25.4 if scan else shot.dpmm,
            turned=shape.turned(shot.rotation_deg + wobble, shot.tilt_deg, shot.tilt_toward_deg),
            middle=middle - 0.5,
            centre=np.array([width, height]) / 2 - 0.5,
            distortion=0.0 if scan else self._camera.distortion,
            bends=self._bends,
        )
        return self._shifted(view) if shot.cut else view

    def _shifted(self, view: shape.View) -> shape.View:
        """The view moved until the wanted share of the code is beyond the edge of the frame that its side faces."""
        outward = {"left": (-1, 0), "right": (1, 0), "top": (0, -1), "bottom": (0, 1)}[self._side]
        facing = view.seen(np.array([outward], np.float64))[0] - view.seen(np.zeros((1, 2)))[0]
        axis = int(abs(facing[1]) > abs(facing[0]))
        for _ in range(2):  # the lens's distortion moves with the frame
            seen = view.seen(self._code_places().reshape(-1, 2))[:, axis]
            share = 1 - self._shot.cut if facing[axis] > 0 else self._shot.cut
            edge = self._size[axis] - 0.5 if facing[axis] > 0 else -0.5
            step = np.zeros(2)
            step[axis] = edge - np.quantile(seen, share)
            view = replace(view, middle=view.middle + step)
        return view

    def _window(self) -> tuple[int, int, int, int]:
        width, height = self._size
        if not self._shot.window_px:
            return 0, 0, width, height
        seen = self._view.seen(self._code_places().reshape(-1, 2))
        middle, half = (seen.min(axis=0) + seen.max(axis=0)) / 2 + 0.5, self._shot.window_px / 2
        if self._shot.cut:
            # A window that still shows the frame's edge.
            middle = np.clip(middle, 0, (width, height))
        left, top = np.clip(np.round(middle - half), 0, (width - 16, height - 16)).astype(int)
        right, bottom = np.clip(np.round(middle + half), (left + 16, top + 16), (width, height)).astype(int)
        return int(left), int(top), int(right), int(bottom)

    def _code_places(self) -> Floats:
        """The middles of the code's modules on the paper, shape (modules, modules, 2)."""
        modules = self._sheet.modules or 49
        share = (np.arange(modules) + 0.5) / modules
        corners = self._code_corners()
        x, y = np.meshgrid(share, share)
        x, y = x[..., None], y[..., None]
        places: Floats = (
            corners[0] * (1 - x) * (1 - y) + corners[1] * x * (1 - y) + corners[2] * x * y + corners[3] * (1 - x) * y
        )
        return places

    def _code_corners(self) -> Floats:
        if self._sheet.corners_mm is not None:
            corners: Floats = self._sheet.corners_mm - self._origin
            return corners
        half = CODE_MM / 2
        return np.array([(-half, -half), (half, -half), (half, half), (-half, half)])

    # What is seen of it.

    def _texture(self, x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the paper gives back at these places: of even light, 1 for blank paper; luma for a scanner."""
        shot = self._shot
        luma = self._sheet.luma
        ends = np.array([(x.min(), y.min()), (x.max(), y.max())]) + self._origin
        left, top = np.clip(np.floor(ends[0] * PX_PER_MM) - 8, 0, None).astype(int)
        right, bottom = np.clip(np.ceil(ends[1] * PX_PER_MM) + 8, 0, luma.shape[::-1]).astype(int)
        ground = max(float(TRAY), shot.table)
        if right - left < 2 or bottom - top < 2:
            part = np.full((2, 2), TRAY, np.uint8)
        else:
            part = luma[top:bottom, left:right]
        if self._sheet.paper is not None and part.shape == (bottom - top, right - left):
            part = np.where(self._sheet.paper[top:bottom, left:right], part, np.uint8(ground)).astype(np.uint8)
        # The paper is first brought near the picture's scale, so that the projection need not average.
        dpmm = self._view.dpmm
        scale = min(1.0, 1.25 * dpmm / PX_PER_MM)
        gain = np.ones(2)
        if shot.screen_mm:
            pitch = max(1, round(shot.screen_mm * PX_PER_MM))
            shown = cv2.resize(part, (max(1, part.shape[1] // pitch), max(1, part.shape[0] // pitch)), interpolation=3)
            part = cv2.resize(shown, part.shape[::-1], interpolation=cv2.INTER_NEAREST).astype(np.uint8, copy=False)
        elif scale < 1:
            near = (max(2, round(part.shape[1] * scale)), max(2, round(part.shape[0] * scale)))
            scaled = cv2.resize(part, near, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
            gain = np.array(scaled.shape[::-1]) / np.array(part.shape[::-1])
            part = scaled
        at = ((self._origin * PX_PER_MM) - (left, top)) * gain - 0.5
        slope = (PX_PER_MM * gain).astype(np.float32)
        columns, rows = x * slope[0], y * slope[1]
        columns += np.float32(at[0])
        rows += np.float32(at[1])
        seen = cv2.remap(
            part,
            columns,
            rows,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=ground,
        )
        if shot.scan_dpi:
            return seen.astype(np.float32)
        back = ((np.arange(256) / 235) ** sensor.GAMMA).astype(np.float32)
        scene: NDArray[np.float32] = cv2.LUT(seen, back).astype(np.float32, copy=False)
        if shot.screen_mm:
            scene *= self._pixels_of_screen(x, y)
        return scene

    def _pixels_of_screen(self, x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
        """The dark gaps and the three stripes of a screen's pixels as a camera's pixels take them in: the moire."""
        turn = np.float32(2 * np.pi / self._shot.screen_mm)
        # A camera's pixel averages what is finer than itself; stripes are seen by the mosaic of colours twice as wide.
        width = 1 / self._view.dpmm / self._shot.screen_mm
        deep = np.float32(2 * SCREEN_GAP * abs(np.sinc(width)))
        stripes = np.float32(0.35 * abs(np.sinc(width / 2)))
        screen = (1 + deep * np.cos(turn * x)) * (1 + deep * np.cos(turn * y)) * (1 + stripes * np.cos(turn * x + 1))
        shown: NDArray[np.float32] = np.maximum(screen, 0).astype(np.float32)
        return shown

    # Light.

    def _lit(self, rng: np.random.Generator) -> light.Lamps:
        shot = self._shot
        toward, edge = rng.uniform(0, 2 * np.pi, 2)
        offset = rng.uniform(-0.3, 0.3) * CODE_MM
        glare_at, oval = rng.uniform(-0.38, 0.38, 2) * CODE_MM, rng.uniform(0.6, 1.0)
        return light.Lamps(
            toward=np.array([np.cos(toward), np.sin(toward)]),
            fall=shot.gradient,
            code_mm=CODE_MM,
            shadow=shot.shadow,
            edge=(float(np.cos(edge)), float(np.sin(edge)), float(offset)),
            soft_mm=shot.shadow_soft_mm,
            chart=light.uneven(shot.uneven, rng) if shot.uneven else None,
            glare=shot.glare,
            glare_at=glare_at,
            glare_mm=(shot.glare_mm, shot.glare_mm * float(oval)),
        )

    def _level(self) -> np.float32:
        """The mean light on the code, by which the camera sets its exposure."""
        return np.float32(self._code_light().mean())

    def _code_light(self) -> NDArray[np.float32]:
        places = self._code_places().reshape(-1, 2)
        x, y = (places[None, :, axis].astype(np.float32) for axis in (0, 1))
        rise = self._view.slopes(places).astype(np.float32)
        lit: NDArray[np.float32] = self._lamps.diffuse(x, y, (rise[None, :, 0], rise[None, :, 1]))[0]
        return lit

    def _fall_off(self, scene: NDArray[np.float32], left: int, top: int) -> None:
        """Darkens the corners and bands in place, as lens and flicker do."""
        height, width = scene.shape
        middle = self._view.centre
        far = 1 / float((middle**2).sum())
        x = ((np.arange(width) + left - middle[0]) ** 2 * far).astype(np.float32)
        y = ((np.arange(height) + top - middle[1]) ** 2 * far).astype(np.float32)
        fall = np.float32(self._camera.vignetting)
        # (1 - f x)(1 - f y) is the lens's 1 - f (x + y) to second order, and costs nothing.
        rows = 1 - fall * y
        if self._shot.banding:
            phase = 2 * np.pi * (np.arange(height) + top) / self._shot.banding_px + self._seed % 7
            rows *= (1 - self._shot.banding * (0.5 + 0.5 * np.cos(phase))).astype(np.float32)
        scene *= (1 - fall * x)[None, :]
        scene *= rows[:, None]

    # Scanners, and what is kept.

    def _lens_px(self) -> float:
        return SCAN_LENS_PX if self._shot.scan_dpi else self._camera.lens_px

    def _scanned(self, scene: NDArray[np.float32], rng: np.random.Generator) -> Luma:
        shot = self._shot
        scene = _as_scanned(scene, rng, shot.contrast)
        if shot.threshold:
            return ((scene > shot.threshold) * np.uint8(255)).astype(np.uint8)
        return np.clip(scene, 0, 255, out=scene).astype(np.uint8)

    def _kept(self, luma: Luma, frame: int) -> tuple[Luma, Floats]:
        """The picture as it was kept; and where its pixels have gone, an affine map of shape (2, 3)."""
        shot, onto = self._shot, np.eye(2, 3)
        if shot.jpeg:
            luma = sensor.compressed(luma, shot.jpeg)
        rng = np.random.default_rng([self._seed, 5, frame])
        for _ in range(shot.copies):
            luma, turn = _copied(luma, rng)
            onto = turn @ np.vstack([onto, (0, 0, 1)])
        if shot.shrink:
            height, width = luma.shape
            size = max(8, round(width * (1 - shot.shrink))), max(8, round(height * (1 - shot.shrink)))
            scale = size[0] / width
            onto = onto * scale + np.array([(0, 0, 0.5), (0, 0, 0.5)]) * (scale - 1)
            luma = cv2.resize(luma, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        if shot.jpeg_again:
            padded = cv2.copyMakeBorder(luma, 3, 0, 3, 0, cv2.BORDER_REPLICATE).astype(np.uint8, copy=False)
            luma = np.ascontiguousarray(sensor.compressed(padded, shot.jpeg_again)[3:, 3:])
        return luma, onto

    def _truth(self, luma: Luma, corner: Floats, onto: Floats) -> Truth | None:
        if self._sheet.corners_mm is None:
            return None
        modules, shot = self._sheet.modules, self._shot

        scale = math.sqrt(abs(np.linalg.det(onto[:, :2])))

        def seen(places: Floats) -> Floats:
            return (self._view.seen(places) - corner) @ onto[:, :2].T + onto[:, 2]

        centres = seen(self._code_places().reshape(-1, 2)).reshape(modules, modules, 2)
        wide = np.linalg.norm(np.diff(centres, axis=1), axis=-1)
        high = np.linalg.norm(np.diff(centres, axis=0), axis=-1)
        # What was cut off at first does not come back where copies turn the picture.
        first = (self._view.seen(self._code_places().reshape(-1, 2)) - corner + 0.5) * scale - 0.5
        before, after = (_beyond(each, luma.shape) for each in (first.reshape(centres.shape), centres))
        beyond = {side: before[side] | after[side] for side in SIDES}
        gone = np.logical_or.reduce(list(beyond.values()))
        most: Side = max(SIDES, key=lambda side: float(beyond[side].mean()))
        scan = bool(shot.scan_dpi)
        exposure = float(self._level())
        shade = 0.5 ** max(0.0, shot.dim_stops - sensor.GAIN_STOPS)
        fall = 1 - self._camera.vignetting * float(
            ((self._view.middle - self._view.centre) ** 2).sum() / (self._view.centre**2).sum()
        )
        lit = fall * (1 - shot.banding / 2)
        white = 235.0 if scan else float(_tone(lit * shade))
        for _ in range(shot.copies):
            white = min(255.0, (white - 128) / (1 - COPY_CONTRAST) + 128)
        blur_of_copies = COPY_BLUR_PX * math.sqrt(shot.copies)
        return Truth(
            corners=seen(self._code_corners()),
            centres=centres,
            modules=modules,
            px_per_module=float((wide.mean() + high.mean()) / 2),
            px_per_module_least=float(min(wide.min(), high.min())),
            outside=float(gone.mean()),
            side=most if gone.any() else None,
            glare=0.0 if scan else self._glared(exposure, lit * shade),
            blur_px=scale
            * math.hypot(sensor.blur_sigma(self._lens_px(), shot.defocus_px, shot.motion_px), blur_of_copies),
            light=np.inf if scan else lit * sensor.white_electrons(self._camera, shot.dim_stops),
            white=white,
        )

    def _glared(self, exposure: float, lit: float) -> float:
        """Share of the modules whose print has lost most of its contrast to the lamp's mirror image."""
        if not self._lamps.glare:
            return 0.0
        places = self._code_places().reshape(-1, 2)
        x, y = (places[None, :, axis].astype(np.float32) for axis in (0, 1))
        mirrored = self._lamps.mirrored(x, y)[0]
        diffuse = self._code_light() / exposure
        with_it = _tone(lit * (diffuse + mirrored)) - _tone(lit * (INK_LIGHT * diffuse + mirrored))
        without = _tone(lit * diffuse) - _tone(lit * INK_LIGHT * diffuse)
        return float((with_it < GLARED * without).mean())


def _beyond(places: Floats, shape: tuple[int, ...]) -> dict[Side, NDArray[np.bool_]]:
    """Which of these places, px, are beyond each side of a picture of that shape."""
    x, y = places[..., 0], places[..., 1]
    return {"left": x < -0.5, "right": x > shape[1] - 0.5, "top": y < -0.5, "bottom": y > shape[0] - 0.5}


def _copied(luma: Luma, rng: np.random.Generator) -> tuple[Luma, Floats]:
    """A scan of a print of a picture; and where its pixels have gone, as `_kept` says."""
    height, width = luma.shape
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), float(rng.uniform(-1, 1)), 1).astype(np.float64)
    turn[:, 2] += rng.uniform(-0.5, 0.5, 2)
    moved = cv2.warpAffine(luma.astype(np.float32), turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    blurred = cv2.GaussianBlur(moved, (0, 0), COPY_BLUR_PX).astype(np.float32, copy=False)
    scene = _as_scanned(blurred, rng, COPY_CONTRAST)
    return np.clip(scene, 0, 255, out=scene).astype(np.uint8), turn


def _as_scanned(scene: NDArray[np.float32], rng: np.random.Generator, contrast: float) -> NDArray[np.float32]:
    """A scanner's noise, and how hard it sets light and dark apart; done in place."""
    noise = rng.standard_normal(scene.shape, np.float32)
    noise *= np.float32(2.5)
    scene += noise
    if contrast:
        middle = 128.0
        scene -= np.float32(middle)
        scene *= np.float32(1 / max(1 - contrast, 0.004))
        scene += np.float32(middle)
    return scene


def _tone(light_: NDArray[np.float32] | float) -> NDArray[np.float64]:
    """The luma of light, 1 where blank paper is, before noise."""
    level = np.minimum(np.asarray(light_, np.float64) * sensor.WHITE, 1)
    toned: NDArray[np.float64] = sensor.BLACK + (255 - sensor.BLACK) * np.maximum(level, 0) ** (1 / sensor.GAMMA)
    return toned
