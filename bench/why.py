"""Why: what a unit says kept it from reading drawn photographs, beside what truly did; and its measures' errors.

    python -m bench why                             some six minutes
    python -m bench why --count 200 --first 1000

Only photographs that the reader fails on are asked about. With one hindrance, that is the cause. With several, it is
the one without which the same photograph, taken again, is read; where that is none or more than one, nobody could say.
"""

import argparse
import random
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

import cv2
import numpy as np

from device.cause import Cause
from device.eye import certificate
from device.reader import Reader
from device.reader.why import why
from sim import paper
from sim.paper import Sheet, Wear, worn
from sim.paper.sheet import PX_PER_MM
from sim.photo import Photograph, Shot, shoot
from wire.record import Quality

SINGLE_MIN, MIXED_MIN, NO_CODE_MIN = 90.0, 75.0, 99.0
CUT = "cut off"
SIDES = {
    "left": Cause.CUT_LEFT,
    "right": Cause.CUT_RIGHT,
    "top": Cause.CUT_TOP,
    "bottom": Cause.CUT_BOTTOM,
}
PRINT_MM = 300.0


@dataclass(frozen=True, slots=True)
class Scene:
    """A sheet, what happened to it, and how it is photographed; by a number everything left open is chosen."""

    number: int
    wear: Wear
    shot: Shot

    def taken(self) -> Photograph:
        """The photograph."""
        return shoot(worn(_sheet(self.number % 16), self.wear, self.number), self.shot, self.number)


@cache
def _sheet(number: int) -> Sheet:
    return paper.draw(paper.random_payload(random.Random(number)), seed=number, length_mm=PRINT_MM)


def _as_laid(rng: random.Random) -> Shot:
    """A sheet on the tray as volunteers lay it, under a good lamp; by the camera whose frames are cheapest."""
    down = rng.random() < 0.5
    return Shot(
        camera="ov5647",
        dpmm=rng.uniform(5.5, 7),
        at=(rng.uniform(0.2, 0.35) if down else rng.uniform(0.65, 0.8), rng.uniform(0.4, 0.6)),
        rotation_deg=(90 if down else 270) + rng.gauss(0, 2),
        tilt_deg=rng.uniform(0, 4),
        tilt_toward_deg=rng.uniform(0, 360),
        gradient=rng.uniform(0, 0.15),
        jpeg=rng.choice((0, 0, 90)),
    )


def _hindered(kind: str, scene: Scene, rng: random.Random, grade: float) -> Scene:
    """The scene with one hindrance more, of a grade from 0, none, to 1, all is lost."""
    wear, shot = scene.wear, scene.shot
    module = 57 / 49 * shot.dpmm
    match kind:
        case Cause.BLURRED.value if rng.random() < 0.5:
            shot = replace(shot, defocus_px=3.0 * grade * module)
        case Cause.BLURRED.value:
            shot = replace(shot, motion_px=min(5.2 * grade * module, 60.0))
        case Cause.DARK.value:
            shot = replace(shot, dim_stops=4 + 7 * grade)
        case Cause.GLARE.value:
            shot = replace(shot, glare=1 + 5 * grade, glare_mm=6 + 30 * grade)
        case Cause.FAR.value:
            shot = replace(shot, dpmm=max(3.0 - 2.2 * grade, 1.0))
        case "cut off" if rng.random() < 0.5:
            shot = replace(shot, cut=0.7 * grade, cut_side=rng.choice(("left", "right", "top", "bottom")))
        case "cut off":
            wear = replace(wear, cut=0.7 * grade, cut_side=rng.choice(("left", "right", "top", "bottom")))
        case Cause.DAMAGED.value:
            wear = replace(rng.choice(_damages(grade)), cut=wear.cut, cut_side=wear.cut_side)
        case _:
            raise AssertionError(kind)
    return Scene(scene.number, wear, shot)


def _damages(grade: float) -> tuple[Wear, ...]:
    scratches = int(40 * grade)
    return (
        Wear(missing=0.6 * grade, scratches=scratches),
        Wear(fade=0.97 * grade, scratches=scratches),
        Wear(blot=grade, scratches=scratches),
        Wear(pen_mm=3 * grade, scratches=scratches),
        Wear(thumb=grade, scratches=scratches),
    )


def _relieved(kind: str, scene: Scene) -> Scene:
    """The same scene without one hindrance."""
    shot, wear = scene.shot, scene.wear
    match kind:
        case Cause.BLURRED.value:
            shot = replace(shot, defocus_px=0, motion_px=0)
        case Cause.DARK.value:
            shot = replace(shot, dim_stops=0)
        case Cause.GLARE.value:
            shot = replace(shot, glare=0)
        case Cause.FAR.value:
            shot = replace(shot, dpmm=6.0)
        case "cut off":
            shot, wear = replace(shot, cut=0), replace(wear, cut=0)
        case _:
            wear = Wear(cut=wear.cut, cut_side=wear.cut_side)
    return Scene(scene.number, wear, shot)


KINDS = (
    Cause.BLURRED.value,
    Cause.DARK.value,
    Cause.GLARE.value,
    Cause.FAR.value,
    CUT,
    Cause.DAMAGED.value,
)


def _cut_side(scene: Scene, photograph: Photograph) -> Cause:
    """Which side of the code, as the picture shows it, is cut off."""
    assert photograph.truth is not None
    if photograph.truth.side:
        return SIDES[photograph.truth.side]
    corners = photograph.truth.corners
    edge = {"top": (0, 1), "right": (1, 2), "bottom": (2, 3), "left": (3, 0)}[scene.wear.cut_side or "top"]
    x, y = corners[list(edge)].mean(axis=0) - corners.mean(axis=0)
    if abs(x) > abs(y):
        return Cause.CUT_LEFT if x < 0 else Cause.CUT_RIGHT
    return Cause.CUT_TOP if y < 0 else Cause.CUT_BOTTOM


def _without_code(number: int) -> Photograph:
    """The tray with nothing on it, or with what is no code."""
    rng = random.Random(number)
    shot = _as_laid(rng)
    match number % 6:
        case 0:
            sheet = Sheet("", np.full((8, 8), paper.TRAY, np.uint8))
        case 1:
            sheet = Sheet(
                "", np.full((round(rng.uniform(100, 300) * PX_PER_MM), paper.WIDTH_PX), paper.PAPER, np.uint8)
            )
        case 2:
            whole = _sheet(number % 16).luma
            sheet = Sheet("", whole[: -round(rng.uniform(90, 140) * PX_PER_MM)])
        case 3:
            sheet = Sheet("", _print(number))
        case 4:
            sheet = Sheet("", _hand(number))
        case _:
            whole = _sheet(number % 16).luma
            sheet = Sheet("", np.ascontiguousarray(whole[: -round(90 * PX_PER_MM)][::-1]))
    return shoot(sheet, replace(shot, dim_stops=rng.uniform(0, 3), defocus_px=rng.choice((0, 0, 2))), number)


def _print(number: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A page of lines, tables and black bars, of any width."""
    rng = random.Random(number)
    page = np.full((round(200 * PX_PER_MM), round(rng.uniform(60, 210) * PX_PER_MM)), paper.PAPER, np.uint8)
    y = 8 * PX_PER_MM
    while y < page.shape[0] - 12 * PX_PER_MM:
        high = round(rng.uniform(1.5, 6) * PX_PER_MM)
        words = "".join(rng.choices("abcdefghijklmnoprstu 0123456789", k=60))
        font, scale = cv2.FONT_HERSHEY_SIMPLEX, high / 22
        cv2.putText(page, words, (6 * PX_PER_MM, y + high), font, scale, (paper.INK,), max(1, high // 10), cv2.LINE_AA)
        y += round(high * rng.uniform(1.3, 2.2))
    for _ in range(rng.randrange(3)):
        x0, y0 = rng.randrange(page.shape[1]), rng.randrange(page.shape[0])
        x1, y1 = x0 + round(rng.uniform(5, 60) * PX_PER_MM), y0 + round(rng.uniform(5, 60) * PX_PER_MM)
        cv2.rectangle(page, (x0, y0), (x1, y1), (rng.randrange(30, 160),), rng.choice((4, 40, -1)))
    return page


def _hand(number: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Something like a hand on blank paper: a palm, five fingers, no sharp edge within."""
    rng = random.Random(number)
    page = np.full((200 * PX_PER_MM, paper.WIDTH_PX), paper.PAPER, np.uint8)
    x, y = page.shape[1] * rng.uniform(0.3, 0.7), page.shape[0] * rng.uniform(0.55, 0.85)
    palm = round(rng.uniform(25, 45) * PX_PER_MM)
    cv2.ellipse(page, (round(x), round(y)), (palm, round(palm * 1.1)), 0, 0, 360, (150,), -1)
    for finger in range(5):
        end = round(x + (finger - 2) * palm * 0.6), round(y - palm * 2)
        cv2.line(page, (round(x + (finger - 2) * palm * 0.3), round(y)), end, (145,), 18 * PX_PER_MM)
    shade = cv2.GaussianBlur(page, (0, 0), 0.8 * PX_PER_MM)
    return np.asarray(shade, np.uint8)


class Bench:
    """The run, and what came of it."""

    def __init__(self) -> None:
        # The process's own time: whoever else the machine works for, the reader gets what it is meant to have.
        self._reader = Reader(clock=time.process_time)
        self._ms: list[float] = []
        self._off: dict[str, list[float]] = defaultdict(list)

    def singles(self, first: int, count: int) -> Counter[tuple[str, str]]:
        """Truth and what was told, for unread photographs with one hindrance."""
        told: Counter[tuple[str, str]] = Counter()
        for number in range(first, first + count):
            rng = random.Random(number)
            kind = KINDS[number % len(KINDS)]
            scene = _hindered(kind, Scene(number, Wear(), _as_laid(rng)), rng, rng.uniform(0.2, 1.0))
            photograph = scene.taken()
            cause, read = self._told(photograph)
            if not read:
                truth = _cut_side(scene, photograph).value if kind == CUT else kind
                told[truth, cause] += 1
        return told

    def mixed(self, first: int, count: int) -> Counter[tuple[str, str]]:
        """The same with three hindrances, where the photograph without exactly one of them is read."""
        told: Counter[tuple[str, str]] = Counter()
        for number in range(first, first + count):
            rng = random.Random(number)
            kinds = rng.sample(KINDS, 3)
            scene = Scene(number, Wear(), _as_laid(rng))
            for kind in kinds:
                scene = _hindered(kind, scene, rng, rng.uniform(0.0, 0.5))
            photograph = scene.taken()
            cause, read = self._told(photograph)
            if read:
                continue
            enough = [kind for kind in kinds if self._reader.read(_relieved(kind, scene).taken().luma).payloads]
            if len(enough) == 1:
                truth = _cut_side(scene, photograph).value if enough[0] == CUT else enough[0]
                told[truth, cause] += 1
        return told

    def without(self, first: int, count: int) -> Counter[tuple[str, str]]:
        """What is told of photographs of trays and papers without a code."""
        return Counter(
            (Cause.NO_CODE.value, why(_without_code(n).luma).cause.value) for n in range(first, first + count)
        )

    def _told(self, photograph: Photograph) -> tuple[str, bool]:
        """The cause that the certificate names, and whether the photograph was read."""
        reading = self._reader.read(photograph.luma)
        began = time.process_time()
        quality, _ = certificate(photograph.luma, reading)
        if not reading.payloads:
            self._ms.append(1000 * (time.process_time() - began))
        self._compare(quality, photograph)
        return quality.cause, bool(reading.payloads)

    def _compare(self, quality: Quality, photograph: Photograph) -> None:
        truth = photograph.truth
        assert truth is not None
        if not quality.pitch:
            return
        self._off["pitch, per cent"].append(abs(quality.pitch / truth.px_per_module - 100))
        self._off["light, levels"].append(abs(quality.light - truth.white))
        self._off["glare, per cent of the code"].append(abs(quality.glare - 100 * truth.glare))
        if truth.blur_modules < 1:
            self._off["blur, hundredths of a module"].append(abs(quality.blur - 100 * truth.blur_modules))

    def print_measures(self) -> None:
        """How far the certificates' measures are from the truth, and what they cost."""
        print("\nthe certificate's measures, median and 90th percentile of what they are off by:")
        for name, off in self._off.items():
            print(f"  {name:30} {statistics.median(off):6.1f} {np.percentile(off, 90):6.1f}   of {len(off)}")
        print(f"time to say why: median {statistics.median(self._ms):.0f} ms, worst {max(self._ms):.0f} ms")


def _rows(told: Counter[tuple[str, str]]) -> Iterator[str]:
    columns = sorted({cause for _, cause in told} | {truth for truth, _ in told})
    yield " " * 16 + "".join(f"{column[-9:]:>10}" for column in columns)
    for truth in sorted({truth for truth, _ in told}):
        yield f"  {truth:14}" + "".join(f"{told[truth, column] or '':>10}" for column in columns)


def _print_table(title: str, told: Counter[tuple[str, str]], wanted: float) -> None:
    of = sum(told.values())
    right = sum(count for (truth, cause), count in told.items() if truth == cause)
    print(f"\n{title}: {right} of {of} told right, {100 * right / max(of, 1):.1f} %    (wanted: {wanted:g} %)")
    for row in _rows(told):
        print(row)


def run(arguments: Sequence[str] = ()) -> None:
    """Draws, asks and prints."""
    parser = argparse.ArgumentParser(prog="python -m bench why", description="Asks why photographs are unread.")
    parser.add_argument("--first", type=int, default=0, help="the number of the first photograph (default: 0)")
    parser.add_argument(
        "--count", type=int, default=48, help="how many photographs of each of the three sets (default: 48)"
    )
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    bench = Bench()
    _print_table("no code in view", bench.without(options.first, options.count), NO_CODE_MIN)
    _print_table("one hindrance", bench.singles(options.first, options.count), SINGLE_MIN)
    _print_table("three hindrances, one of them decisive", bench.mixed(options.first, options.count), MIXED_MIN)
    bench.print_measures()
