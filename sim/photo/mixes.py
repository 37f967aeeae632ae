"""The mixes: named kinds of photographs, each a seeded draw of wear and shot. `docs/paper.md` tells what is in them."""

import random
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from sim.paper import LENGTH_MM, Sheet, Wear, draw, random_payload, worn
from sim.photo import CAMERAS, Photograph, Shot, shoot

WINDOW_PX = 1600
END_MM = 150.0  # of a sheet: the code and the last signature box
UPSIDE_DOWN = 0.3  # share of archive scans

# What one trouble does at full strength; a weaker one is this times its strength. (Radii: divided by it.)
TROUBLES: dict[str, dict[str, float]] = {
    "tilt": {"tilt_deg": 55},
    "curl": {"curl_mm": 24},
    "wave": {"wave_mm": 3.5},
    "fold": {"fold_deg": 60, "crease_mm": 1.5},
    "crumple": {"crumple_deg": 18},
    "gradient": {"gradient": 0.85},
    "shadow": {"shadow": 0.85},
    "glare": {"glare": 4.0, "glare_mm": 16},
    "uneven": {"uneven": 0.6},
    "dim": {"dim_stops": 9.0},
    "banding": {"banding": 0.6},
    "defocus": {"defocus_px": 8.0},
    "motion": {"motion_px": 24.0},
    "missing": {"missing": 0.14},
    "weak": {"weak": 0.4},
    "gain": {"gain": 0.38},
    "shrunken": {"gain": -0.3},
    "fade": {"fade": 0.9},
    "thumb": {"thumb": 1.0},
    "blot": {"blot": 0.9},
    "scratches": {"scratches": 12},
    "stamp": {"stamp": 0.9},
    "pen": {"pen_mm": 1.2},
    "heat": {"heat": 0.7},
}
# How many troubles at once, and how strong each is; calibrated on stock zxing-cpp's reading rate.
STRENGTHS = {"moderate": ((2, 3), (0.30, 0.75)), "hard": ((3, 4), (0.45, 0.95))}

# Kinds of archive scans with their share of a hundred: AP and the Washington Post could read 96 to 97 of them.
ARCHIVE: dict[str, float] = {
    "scan of 200 dpi": 52.0,
    "scan of 300 dpi": 25.0,
    "on a wide bed": 6.0,
    "phone": 3.0,
    "black and white": 4.0,
    "recompressed": 5.0,
    "streaks": 1.5,
    "thumb": 1.0,
    "stamp": 1.0,
    "cut": 1.0,
    "small": 0.5,
}


def mix(name: str, seed: int) -> tuple[Wear, Shot]:
    """The wear and the shot of a photograph of that mix.

    Raises:
        ValueError: there is no such mix.
    """
    if name not in MIXES:
        raise ValueError(f"there is no mix {name}; there are {', '.join(MIXES)}")
    return MIXES[name](random.Random(f"{name} {seed}"))


def photograph(name: str, seed: int, payload: str | None = None, *, length_mm: float = END_MM) -> Photograph:
    """A photograph of that mix, of an acta that says the payload, or that the seed makes up.

    Args:
        name: one of `MIXES`.
        seed: 0 or more.
        payload: what the code holds.
        length_mm: how much of the sheet's end is drawn; archive scans are as long as that.
    """
    wear, shot = mix(name, seed)
    if payload is None:
        payload = random_payload(random.Random(f"{seed} payload"))
    sheet = draw(payload, seed=seed, length_mm=LENGTH_MM if name == "none" else length_mm)
    if name == "none":
        sheet = _without_code(sheet)
    return shoot(worn(sheet, wear, seed), shot, seed)


def _without_code(sheet: Sheet) -> Sheet:
    """The sheet to a little above its code."""
    assert sheet.corners_mm is not None
    above = sheet.luma.shape[0] - round((LENGTH_MM - 0.89 * LENGTH_MM) * sheet.luma.shape[0] / LENGTH_MM)
    return replace(sheet, luma=sheet.luma[:above], corners_mm=None, modules=0)


def _troubled(strengths: tuple[tuple[int, int], tuple[float, float]], rng: random.Random) -> tuple[Wear, Shot]:
    many, strong = strengths
    wear, shot = dict[str, Any](), _held(rng, rng.uniform(6.5, 14))
    for name in rng.sample(sorted(TROUBLES), rng.randint(*many)):
        strength = rng.uniform(*strong)
        for parameter, full in TROUBLES[name].items():
            value = full / strength if parameter == "curl_mm" else full * strength
            if parameter in _WEAR:
                wear[parameter] = round(value) if parameter == "scratches" else value
            else:
                shot[parameter] = value
    return Wear(**wear), Shot(**shot)


def _held(rng: random.Random, dpmm: float) -> dict[str, Any]:
    """What every shot by hand or over a tray has: some camera, some rotation, a little tilt, a JPEG."""
    return {
        "camera": rng.choice(sorted(CAMERAS)),
        "dpmm": dpmm,
        "at": (rng.uniform(0.3, 0.7), rng.uniform(0.35, 0.65)),
        "window_px": WINDOW_PX,
        "table": rng.choice((0, 0, rng.uniform(30, 150))),
        "rotation_deg": rng.choice((0, 90, 180, 270)) + rng.gauss(0, 5),
        "tilt_deg": rng.uniform(0, 8),
        "tilt_toward_deg": rng.uniform(0, 360),
        "gradient": rng.uniform(0, 0.15),
        "jpeg": rng.randint(75, 92),
    }


def _one(rng: random.Random, **changed: Any) -> tuple[Wear, Shot]:
    return Wear(), Shot(**(_held(rng, rng.uniform(8, 14)) | changed))


def _clean(rng: random.Random) -> tuple[Wear, Shot]:
    return _one(rng)


def _moderate(rng: random.Random) -> tuple[Wear, Shot]:
    return _troubled(STRENGTHS["moderate"], rng)


def _hard(rng: random.Random) -> tuple[Wear, Shot]:
    return _troubled(STRENGTHS["hard"], rng)


def _cut(rng: random.Random) -> tuple[Wear, Shot]:
    return _one(rng, cut=rng.uniform(0.03, 0.20), cut_side=rng.choice(("left", "top")))


def _small(rng: random.Random) -> tuple[Wear, Shot]:
    return _one(rng, dpmm=1.5 * 49 / 57, window_px=400, tilt_deg=rng.uniform(0, 3))


def _blur(rng: random.Random) -> tuple[Wear, Shot]:
    dpmm = rng.uniform(8, 14)
    blur = rng.uniform(0.5, 1.6) * dpmm * 57 / 49
    defocus = {"defocus_px": 0.9 * blur}
    return _one(rng, dpmm=dpmm, **(defocus if rng.random() < 0.5 else {"motion_px": min(60.0, 2.2 * blur)}))


def _dark(rng: random.Random) -> tuple[Wear, Shot]:
    return _one(rng, dim_stops=rng.uniform(6.5, 10.5))


def _glare(rng: random.Random) -> tuple[Wear, Shot]:
    return _one(rng, glare=rng.uniform(2, 8), glare_mm=rng.uniform(12, 32))


def _far(rng: random.Random) -> tuple[Wear, Shot]:
    return _one(rng, dpmm=rng.uniform(1.0, 2.2), window_px=0, tilt_deg=rng.uniform(0, 10))


def _archive(rng: random.Random) -> tuple[Wear, Shot]:
    kind = rng.choices(list(ARCHIVE), list(ARCHIVE.values()))[0]
    turned = 180.0 if rng.random() < UPSIDE_DOWN else 0.0
    if kind == "phone":
        return Wear(), Shot(**_held(rng, rng.uniform(9, 14)) | {"window_px": 0, "tilt_deg": rng.uniform(0, 20)})
    scan: dict[str, Any] = {
        "scan_dpi": 200.0 if kind not in ("scan of 300 dpi", "on a wide bed") else 300.0,
        "rotation_deg": turned + rng.gauss(0, 0.7),
        "contrast": rng.uniform(0, 0.3),
        "jpeg": rng.randint(60, 90),
    }
    wear: dict[str, Any] = {}
    match kind:
        case "on a wide bed":
            scan |= {"bed_mm": 210.0}
        case "black and white":
            scan |= {"threshold": rng.randint(50, 215)}
        case "recompressed":
            scan |= {"jpeg": rng.randint(10, 40), "jpeg_again": rng.randint(8, 30), "shrink": rng.uniform(0, 0.4)}
        case "streaks":
            wear = {"missing": rng.uniform(0.02, 0.15)}
        case "thumb":
            wear = {"thumb": rng.uniform(0.5, 1.0), "fade": rng.uniform(0, 0.5)}
        case "stamp":
            wear = {"stamp": rng.uniform(0.4, 1.0)}
        case "cut":
            scan |= {"cut": rng.uniform(0.02, 0.3), "cut_side": rng.choice(("left", "right", "bottom"))}
        case "small":
            scan |= {"shrink": rng.uniform(0.5, 0.75)}
        case _:
            pass
    return Wear(**wear), Shot(**scan)


_WEAR = {field.name for field in fields(Wear)}

MIXES: dict[str, Callable[[random.Random], tuple[Wear, Shot]]] = {
    "clean": _clean,
    "moderate": _moderate,
    "hard": _hard,
    "archive": _archive,
    "cut": _cut,
    "small": _small,
    "blur": _blur,
    "dark": _dark,
    "glare": _glare,
    "far": _far,
    "none": _clean,
}
