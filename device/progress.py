"""The progress: what a person sees of a run through an archive, while it goes on and at its end."""

import os
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from device.rows import Row, cell

STATES = {
    "part": "one of several codes of a sheet",
    "passed over": "hidden, or no picture",
    "read": "",
    "broken": "the file is damaged, or of a kind that is not read",
    "lost": "the reader failed over it",
    "no code": "no code could be read: scan it again, or have it transcribed",
    "refused": "a code that is no acta's",
    "several": "several actas in one picture: scan them apart",
    "unopened": "tried again when the command is said again",
}
"""What became of a picture, and what that means to whoever reads the table."""

GOOD = frozenset({"read", "part", "passed over"})
"""The states of a row that nobody need look at."""

LINE_SECONDS = 10.0
"""How often a log gets a line, where no terminal shows a bar."""


@dataclass(slots=True)
class Tally:
    """What the rows come to.

    Attributes:
        states: rows of each state. A file, or a page, that could not be looked into at first counts by its last row.
        steps: pictures read by each step of the reader.
        causes: pictures without a code by what is wrong with them, where the reader says it.
        mesas: those with an acta.
        same_payload, same_picture: rows that name an earlier one as the same.
        conflicts: mesas with different payloads.
        moved: pictures known from earlier rows under names that are gone.
    """

    states: Counter[str] = field(default_factory=Counter)
    steps: Counter[str] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)
    mesas: set[str] = field(default_factory=set)
    same_payload: int = 0
    same_picture: int = 0
    conflicts: set[str] = field(default_factory=set)
    moved: int = 0
    _without_identity: dict[tuple[str, str], str] = field(default_factory=dict)

    def take(self, row: Row) -> None:
        """Counts a row."""
        for page in {"", row["page"]}:
            before = self._without_identity.pop((row["file"], page), None)
            if before:
                self.states[before] -= 1
        if not row["sha256"]:
            self._without_identity[row["file"], row["page"]] = row["state"]
        self.states[row["state"]] += 1
        self.steps[row.get("how", "")] += 1
        self.causes[row.get("cause", "")] += 1
        self.mesas.add(row["mesa"])
        self.same_payload += bool(row.get("same_payload_as"))
        self.same_picture += bool(row.get("same_picture_as")) and row["state"] != "unopened"
        if row.get("conflict"):
            self.conflicts.add(row["mesa"])

    @property
    def pictures(self) -> int:
        """All rows but those of what was passed over."""
        return self.states.total() - self.states["passed over"]

    @property
    def unread(self) -> int:
        """The rows that a person must look at."""
        return sum(count for state, count in self.states.items() if state not in GOOD)


class Shown:
    """How far a run is: a bar on a terminal, a line now and then in a log."""

    def __init__(self, console: Console, tally: Tally, files: int) -> None:
        self._console = console
        self._tally = tally
        self._files = files
        self._done = 0
        self._pictures = 0
        self._began = self._told = time.monotonic()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("files"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("reading", total=files)

    def __enter__(self) -> Self:
        """Itself, showing."""
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Shows no more."""
        self._bar.stop()

    def went_on(self, files: int, row: Row | None) -> None:
        """Shows that so many more files are done, with this new row."""
        self._done += files
        self._pictures += row is not None and row["sha256"] != ""
        unread, pictures = self._tally.unread, self._tally.pictures
        counts = f"{pictures - unread} read, {unread} not, {self._rate:.1f} pictures/s"
        self._bar.update(self._task, completed=self._done, description=counts)
        now = time.monotonic()
        if not self._console.is_terminal and now - self._told >= LINE_SECONDS:
            left = (now - self._began) / max(self._done, 1) * (self._files - self._done)
            self._console.print(f"{self._done} of {self._files} files, {counts}, {_span(left)} left", highlight=False)
            self._told = now

    def sum_up(self, out: Path, *, stopped: bool) -> None:
        """Says what came of it all; if the run was stopped, also how to go on."""
        tally = self._tally
        table = Table(title=Text(cell(os.fsencode(out))), title_justify="left", show_header=False)
        table.add_column()
        table.add_column(justify="right")
        table.add_column()
        table.add_row("pictures", str(tally.pictures), end_section=True)
        for state, meaning in STATES.items():
            if tally.states[state]:
                table.add_row(state, str(tally.states[state]), meaning)
        table.add_section()
        rows = [
            ("mesas", len(tally.mesas - {""}), "that have an acta"),
            ("mesas in conflict", len(tally.conflicts), "have actas that differ: look at both"),
            ("scanned again", tally.same_payload, "the same acta as an earlier picture"),
            ("copied", tally.same_picture, "the same file as an earlier one: not read again"),
            ("moved", tally.moved, "known under an earlier name: no new row"),
            *((f"by {step}", count, "read by this step") for step, count in tally.steps.most_common() if step),
            *((cause, count, "why no code was read") for cause, count in tally.causes.most_common() if cause),
        ]
        for name, count, meaning in rows:
            table.add_row(name, str(count), meaning)
        table.add_section()
        table.add_row("this run", f"{self._pictures} pictures in {_span(time.monotonic() - self._began)}")
        table.add_row("pictures/s", f"{self._rate:.1f}")
        self._console.print(table)
        if tally.conflicts:
            self._console.print(f"look at these mesas: {', '.join(sorted(tally.conflicts))}", highlight=False)
        if stopped:
            self._console.print("stopped; the same command goes on from here", highlight=False)

    @property
    def _rate(self) -> float:
        return self._pictures / max(time.monotonic() - self._began, 1e-9)


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
