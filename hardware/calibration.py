"""The calibration: what one unit's camera is set to, found once over its own tray and kept in a small file on its card.

Two modules of the same kind over the same tray were sharp at lens positions 10 and 12, so every unit is calibrated
(`testigo-bench calibrate`). The file's hash is the calibration's id, which every record names that was seen with it.
"""

import hashlib
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from device import durable
from wire.errors import OurFault

if TYPE_CHECKING:
    from hardware.camera import Stream

FILE = "calibration.json"
"""Its name in the card's folder."""

ID_CHARACTERS = 16
"""Hexadecimal digits of the id: it tells a few thousand units' calibrations apart, it proves nothing."""

Metadata = Mapping[str, Any]
"""What libcamera tells of a frame."""

Controls = dict[str, Any]
"""What libcamera is asked for."""

# libcamera's numbers (control_ids_core.yaml); the module that names them exists on a Raspberry Pi only.
AF_MANUAL, AF_CONTINUOUS = 0, 2
AF_FOCUSED = 2
AE_CONVERGED = 2


@dataclass(frozen=True, slots=True)
class Setting:
    """What a camera is told to hold on to.

    Attributes:
        exposure_us: microseconds.
        gain: of the sensor, as a factor.
        focus: dioptres; None: the lens cannot be moved.
        colours: gains of red and blue; None: the sensor sees none.
    """

    exposure_us: int
    gain: float
    focus: float | None = None
    colours: tuple[float, float] | None = None

    @classmethod
    def of(cls, metadata: Metadata) -> "Setting":
        """What a frame was taken with."""
        return cls(
            metadata["ExposureTime"],
            metadata["AnalogueGain"],
            metadata.get("LensPosition"),
            metadata.get("ColourGains"),
        )

    @classmethod
    def found(cls, metadata: Metadata) -> "Setting | None":
        """What a frame was taken with, if the camera has found what it searched; else None."""
        is_focused = metadata.get("AfState", AF_FOCUSED) == AF_FOCUSED
        return cls.of(metadata) if is_focused and metadata.get("AeState") == AE_CONVERGED else None

    def controls(self) -> Controls:
        """What holds on to it. They are delivered in any order; picamera2 adds the modes that go with exposure."""
        controls: Controls = {"ExposureTime": self.exposure_us, "AnalogueGain": self.gain}
        if self.focus is not None:
            controls |= {"AfMode": AF_MANUAL, "LensPosition": self.focus}
        if self.colours is not None:
            controls |= {"ColourGains": self.colours}  # which ends the search for a white balance
        return controls

    def is_in(self, metadata: Metadata) -> bool:
        """Whether a frame was taken so; exposure goes in steps of a row, and positions are told as float32."""
        exposed, focus = metadata.get("ExposureTime", self.exposure_us), metadata.get("LensPosition", self.focus)
        is_lens_there = self.focus is None or abs(float(focus) - self.focus) < 0.01
        return is_lens_there and abs(int(exposed) - self.exposure_us) <= self.exposure_us / 20


Thousandths = Annotated[int, Meta(ge=0, le=1_000_000)]
ROWS, COLUMNS = 9, 16
"""The cells of a frame in which the empty tray is remembered: of a tray of 400 mm each is 25 mm wide."""


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The file's keys.

    Attributes:
        blank: how bright the brightest spot of the empty tray is in each of the cells, row by row, 0 to 255.
        camera: the module's model as libcamera names it (`imx708`).
        colours: gains of red and blue, in thousandths; null for a sensor that sees no colours.
        dots: thousandths of a pixel per mm on the tray.
        exposure_us: exposure in microseconds.
        focus: position of the lens in thousandths of a dioptre; null for a lens that cannot be moved.
        gain: of the sensor, in thousandths.
        size: columns and rows of a frame.
        version: of this file's form.
    """

    blank: Annotated[
        tuple[Annotated[int, Meta(ge=0, le=255)], ...], Meta(min_length=ROWS * COLUMNS, max_length=ROWS * COLUMNS)
    ]
    camera: Annotated[str, Meta(max_length=64)]
    colours: tuple[Thousandths, Thousandths] | None
    dots: Annotated[int, Meta(ge=1, le=1_000_000)]
    exposure_us: Annotated[int, Meta(ge=1, le=10_000_000)]
    focus: Thousandths | None
    gain: Annotated[int, Meta(ge=1, le=1_000_000)]
    size: tuple[int, int]
    version: Literal[1] = 1

    @classmethod
    def of(cls, stream: "Stream", setting: Setting, dots: float, empty: NDArray[np.uint8]) -> Self:
        """What was found for a camera.

        Args:
            stream: the camera.
            setting: what it is to hold on to.
            dots: pixels per mm, measured on the tray.
            empty: luma of a frame of the empty tray, taken with that setting.
        """
        return cls(
            blank=brightest(empty),
            camera=stream.model,
            colours=None if setting.colours is None else (_rounded(setting.colours[0]), _rounded(setting.colours[1])),
            dots=_rounded(dots),
            exposure_us=setting.exposure_us,
            focus=None if setting.focus is None else _rounded(setting.focus),
            gain=_rounded(setting.gain),
            size=stream.size,
        )

    @property
    def setting(self) -> Setting:
        """What the camera is to hold on to."""
        return Setting(
            self.exposure_us,
            self.gain / 1000,
            None if self.focus is None else self.focus / 1000,
            None if self.colours is None else (self.colours[0] / 1000, self.colours[1] / 1000),
        )

    @property
    def id(self) -> str:
        """Names it in records: the beginning of the hash of the file that it is kept in."""
        return hashlib.sha256(self.text).hexdigest()[:ID_CHARACTERS]

    @property
    def text(self) -> bytes:
        """The file that it is kept in: `sha256sum` of it begins with the id."""
        return msgspec.json.encode(self, order="sorted") + b"\n"


def read(file: Path) -> Calibration | None:
    """The calibration kept in a file; None when there is no such file.

    Raises:
        OurFault: it cannot be read, or is not as it was written.
    """
    remedy = "calibrate the unit again (testigo-bench calibrate)"
    try:
        text = file.read_bytes()
        calibration = msgspec.json.decode(text, type=Calibration)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise OurFault(f"{file.name}: {error.strerror}: {remedy}") from error
    except msgspec.DecodeError as error:
        raise OurFault(f"{file.name}: {error}: {remedy}") from error
    if text != calibration.text:
        raise OurFault(f"{file.name}: not as it was written, so its id would be another: {remedy}")
    return calibration


def write(calibration: Calibration, file: Path) -> None:
    """Keeps it in a file, so that it outlives a power cut; until then there is the one before."""
    durable.replace(file, calibration.text)


def fitting(file: Path, camera: str, size: tuple[int, int]) -> tuple[Calibration | None, str]:
    """The calibration to set a camera by, and an empty string; or none, and why not, where there should be one.

    A unit works without: it finds everything for itself, only more slowly, and its records name no calibration.
    """
    try:
        calibration = read(file)
    except OurFault as fault:
        return None, str(fault)
    if calibration is None or (calibration.camera, calibration.size) == (camera, tuple(size)):
        return calibration, ""
    found, expected = _camera_of(camera, size), _camera_of(calibration.camera, calibration.size)
    return (
        None,
        f"{file.name} is for {expected}, the camera is {found}: calibrate the unit again (testigo-bench calibrate)",
    )


@dataclass(frozen=True, slots=True)
class Point:
    """How sharp a frame was with the lens at a position, in dioptres."""

    focus: float
    sharpness: float


@dataclass(frozen=True, slots=True)
class Curve:
    """A focus sweep: its points, from far to near."""

    points: tuple[Point, ...]

    @property
    def best(self) -> float:
        """The position of the peak: the vertex of the parabola through the sharpest point and its neighbours."""
        at = max(range(len(self.points)), key=lambda number: self.points[number].sharpness)
        if at in (0, len(self.points) - 1):
            return self.points[at].focus
        around = self.points[at - 1 : at + 2]
        a, b, _ = np.polyfit([point.focus for point in around], [point.sharpness for point in around], 2)
        vertex = -b / (2 * a) if a < 0 else self.points[at].focus
        return float(np.clip(vertex, around[0].focus, around[2].focus))

    @property
    def is_clear(self) -> bool:
        """Whether there is a peak to go by: inside the range, and twice as sharp as half of all positions."""
        sharpnesses = [point.sharpness for point in self.points]
        is_inside = max(sharpnesses) not in (sharpnesses[0], sharpnesses[-1])
        return is_inside and max(sharpnesses) >= 2 * statistics.median(sharpnesses)

    def __str__(self) -> str:
        """The curve as bars, one line a point."""
        most = max(point.sharpness for point in self.points) or 1.0  # of what shows nothing, nothing is sharp
        return "\n".join(f"{point.focus:6.2f} {'#' * round(60 * point.sharpness / most)}" for point in self.points)


COARSE, FINE = 24, 4
"""Steps over the whole range of the lens, and steps of the two coarse ones around the best: 15 dioptres to a sixth."""


def focus_sweep(stream: "Stream", each: Callable[[Point], None]) -> tuple[Curve, Setting]:
    """Moves the lens through its whole range over a sheet, and then in small steps around the best.

    Args:
        stream: the camera, with a lens that can be moved.
        each: is told each point as it is measured.

    Returns:
        the curve, and what the camera is to hold on to: focus at the peak, and the exposure found for the sheet.
    """
    stream.find()
    stream.take(time.monotonic_ns())
    found = Setting.of(stream.metadata)

    def measured(positions: Iterable[Any]) -> list[Point]:
        points = []
        for focus in positions:
            stream.hold(replace(found, focus=float(focus)))
            points.append(Point(float(focus), sharpness(stream.take(time.monotonic_ns()).luma)))
            each(points[-1])
        return points

    step = stream.dioptres_max / COARSE
    coarse = measured(step * np.arange(COARSE + 1))
    peak = max(coarse, key=lambda point: point.sharpness).focus
    around = peak + step * np.delete(np.arange(1 - FINE, FINE), FINE - 1) / FINE
    fine = measured(around[(around > 0) & (around < stream.dioptres_max)])
    curve = Curve(tuple(sorted([*coarse, *fine], key=lambda point: point.focus)))
    setting = replace(found, focus=curve.best)
    stream.hold(setting)
    return curve, setting


def sharpness(luma: NDArray[np.uint8]) -> float:
    """How sharp the middle of a frame is: the energy of its slopes by that of its brightness: light does not count."""
    rows, columns = luma.shape
    middle = luma[rows // 4 : rows - rows // 4, columns // 4 : columns - columns // 4].astype(np.int16)
    down, across = np.diff(middle, axis=0), np.diff(middle, axis=1)
    return float((down.var() + across.var()) / max(float(middle.var()), 1.0))


SPECK = 8
"""Pixels: at 11.5 a mm, what is smaller than 0.7 mm hides no module of a code and is no dirt."""

DIRT = 20
"""Levels of brightness by which a cell's brightest spot may differ: the light of an hour's use changes it by less."""


def brightest(luma: NDArray[np.uint8]) -> tuple[int, ...]:
    """How bright the brightest spot is in each of the cells, row by row; a spot is as large as the smallest dirt."""
    rows, columns = luma.shape
    spots = luma[: rows - rows % SPECK, : columns - columns % SPECK]
    means = spots.reshape(rows // SPECK, SPECK, columns // SPECK, SPECK).mean(axis=(1, 3))
    cells = [cell for row in np.array_split(means, ROWS) for cell in np.array_split(row, COLUMNS, axis=1)]
    return tuple(round(float(cell.max())) for cell in cells)


@dataclass(frozen=True, slots=True)
class Spot:
    """A place on the empty tray that is not as bright as it was: its cell, and by how much it is brighter."""

    row: int
    column: int
    brighter: int

    def __str__(self) -> str:
        """Where it is in the picture and what to do, in words."""
        what = "brighter: wipe it" if self.brighter > 0 else "darker: wipe it, and see that the light is as it was"
        where = (
            f"{100 * self.column // COLUMNS} % from the left, {100 * self.row // ROWS} % from the top of the picture"
        )
        return f"{where}: {abs(self.brighter)} levels {what}"


def dirt(luma: NDArray[np.uint8], calibration: Calibration) -> tuple[Spot, ...]:
    """Where the empty tray is not as it was when the unit was calibrated.

    Args:
        luma: of a frame of the empty tray, taken as calibrated.
        calibration: the unit's.
    """
    pairs = zip(brightest(luma), calibration.blank, strict=True)
    spots = (Spot(*divmod(number, COLUMNS), now - then) for number, (now, then) in enumerate(pairs))
    return tuple(spot for spot in spots if abs(spot.brighter) > DIRT)


def _rounded(value: float) -> int:
    return round(1000 * value)


def _camera_of(model: str, size: tuple[int, int]) -> str:
    return f"{model} with {size[0]} x {size[1]}"
