"""The drawn: every file that is made from the code here, and whether the one checked in is what would be made today."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from hardware.build import card, guide, marks, page, solids, stl, wiring
from hardware.build.sheet import Sheet

ROOT = Path(__file__).parents[2]
EXPORTS, PICTURES = "hardware/build/exports", "docs/guides/pictures"

STL_MM = 0.002
"""Two STLs are the same if no corner differs by more: the last binary digits are each machine's own."""


def files() -> dict[str, Callable[[], bytes]]:
    """Every drawn file by its path below the root, and what draws it."""
    found: dict[str, Callable[[], bytes]] = {
        "docs/parts.md": lambda: page.parts_page().encode(),
        "docs/volunteer-card.pdf": card.card_pdf,
        f"{EXPORTS}/marks.pdf": marks.marks_pdf,
        f"{PICTURES}/wiring.svg": partial(_svg, wiring.diagram),
    }
    found |= {f"{PICTURES}/{name}.svg": partial(_svg, draw) for name, draw in guide.PICTURES.items()}
    found |= {f"{EXPORTS}/{name}.stl": partial(stl.written, solid) for name, solid in solids.printed().items()}
    found |= {f"{EXPORTS}/{name}.svg": partial(_svg, flat.sheet) for name, flat in solids.cut().items()}
    return found


def _svg(draw: Callable[[], Sheet]) -> bytes:
    return draw().svg().encode()


def is_fresh(path: Path, drawn: bytes) -> bool:
    """Whether the file is what was drawn now."""
    if not path.is_file():
        return False
    there = path.read_bytes()
    return _is_same_solid(there, drawn) if path.suffix == ".stl" else there == drawn


def stale(drawn: Mapping[str, Callable[[], bytes]], root: Path = ROOT) -> list[str]:
    """Paths of the files that are missing or not what would be drawn now."""
    return [path for path, draw in drawn.items() if not is_fresh(root / path, draw())]


def write(drawn: Mapping[str, Callable[[], bytes]], root: Path = ROOT) -> list[str]:
    """Redraws the stale files, and answers their paths."""
    rewritten = []
    for path, draw in drawn.items():
        content = draw()
        if not is_fresh(root / path, content):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
            rewritten.append(path)
    return rewritten


def _is_same_solid(there: bytes, drawn: bytes) -> bool:
    try:
        ours, theirs = stl.read(drawn), stl.read(there)
    except ValueError:
        return False
    return ours.shape == theirs.shape and bool(np.abs(ours - theirs).max() <= STL_MM)
