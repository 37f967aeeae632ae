"""The counting: a long count kept in a file, a line for each range of seeds, so that a run cut short goes on."""

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any


def program_of(sources: Iterable[Path], packages: Sequence[str]) -> str:
    """What is counted, in one word: what was counted of another program says nothing about it.

    Args:
        sources: the files it is made of, and those that its pictures are drawn by, in a fixed order.
        packages: distributions whose versions matter too.
    """
    content = b"".join(source.read_bytes() for source in sources)
    return hashlib.sha256(content + " ".join(map(version, packages)).encode()).hexdigest()[:16]


def kept(keep: Path, program: str) -> Iterator[dict[str, Any]]:
    """What a file holds of earlier runs; ends the program where that was counted of another one."""
    for line in keep.read_text().splitlines() if keep.exists() else []:
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # nothing, or a line that was being written when the run was cut short
        if entry["program"] != program:
            sys.exit(f"{keep} counts another program or other pictures: name another file, or remove it")
        yield entry


def keep_in(keep: Path, program: str, counted: dict[str, Any]) -> None:
    """Adds to the file what was counted."""
    with keep.open("a") as file:
        # A line of its own even behind one that was being written when the run was cut short.
        print(f"\n{json.dumps({'program': program} | counted)}", file=file, flush=True)
