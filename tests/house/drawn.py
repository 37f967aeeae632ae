"""The drawn pages: those of docs/ that are made from the code, so that they cannot tell another story than it.

`make docs` rewrites them; a test fails while one is stale. To add a page, map its path below the root to the function
that draws it.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.house.pages import log, settings, signals, states
from tests.house.tree import ROOT

Pages = Mapping[str, Callable[[], str]]

PAGES: Pages = {
    "docs/log.md": log,
    "docs/settings.md": settings,
    "docs/signals.md": signals,
    "docs/states.md": states,
}


def stale(pages: Pages, root: Path) -> list[str]:
    """Paths of the pages that are missing, or are not what would be drawn now."""
    return [
        path
        for path, draw in pages.items()
        if not (root / path).is_file() or (root / path).read_text("utf-8") != draw()
    ]


def write(pages: Pages, root: Path) -> list[str]:
    """Redraws the stale pages, and answers their paths."""
    rewritten = stale(pages, root)
    for path in rewritten:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(pages[path](), "utf-8")
    return rewritten


def main(arguments: list[str]) -> int:
    match arguments:
        case ["--write"]:
            print(
                "".join(f"redrawn: {path}\n" for path in write(PAGES, ROOT)) or "every drawn page was fresh\n", end=""
            )
            return 0
        case []:
            paths = stale(PAGES, ROOT)
            print("".join(f"stale: {path}; make docs redraws it\n" for path in paths), end="")
            return 1 if paths else 0
        case _:
            print("usage: python -m tests.house.drawn [--write]", file=sys.stderr)
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
