"""The demo: a broker, a hub and three units carry actas to their totals, while the link is cut and comes back.

Everything is real but the bodies: separate programs, a Mosquitto on loopback, keys, cards, photographs of sheets. At
the end the hub's rows are compared with what was laid down, file by file.
"""

import csv
import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from sim import deployment, paper, photo
from sim.broker import Broker, find_mosquitto
from wire import profiles
from wire.acta import Acta
from wire.errors import TestigoError
from wire.log import facts

PROFILE = "ve-2024-presidential"
UNITS = 3
SECONDS_MAX = 240
SIZE, DPMM = (2304, 1296), 5.75
"""Half the resolution of the real camera: enough to read, and quick to draw."""

REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "ve2024"
"""Published pictures of real QR codes, beside the project where there are any."""

STRANGE = "https://example.org/menu"
"""A QR code that is no acta: it is kept only when it is insisted on, and never counted."""


class DemoError(TestigoError):
    """The demo did not do what it must."""


@dataclass(frozen=True, slots=True)
class Laid:
    """A sheet that a unit is given: its picture, and the payload on it (empty for a blank sheet)."""

    unit: str
    file: Path
    payload: str


@dataclass(slots=True)
class Progress:
    """What a unit has told so far in its log."""

    laid: int = 0
    kept: int = 0
    receipted: int = 0
    whole: int = 0
    link: str = "connecting"
    done: bool = False


def demo(folder: Path, sheets: int) -> int:
    """Runs the demo; returns the exit status."""
    console = Console()
    if sheets < 1:
        raise DemoError(f"--sheets {sheets}: give each unit at least one")
    _make_folder(folder)
    broker = Broker(folder / "broker", "max_queued_messages 0", "set_tcp_nodelay true")
    made = deployment.make(folder / "deployment", UNITS, broker.port, PROFILE)
    with console.status("drawing and photographing sheets"):
        laid = list(_piles(made, sheets))
    console.print(f"{len(laid)} sheets lie ready beside {UNITS} units: {_origin()}")
    if find_mosquitto() is None:
        from sim.demo_in_process import carry_in_process

        console.print("There is no Mosquitto on this machine and none could be installed: the units and the hub run in")
        console.print("this one program, on the simulator's own link instead of MQTT.")
        piles = [[sheet.file for sheet in laid if sheet.unit == unit] for unit in made.units]
        carry_in_process(made.hub, made.units, piles, console)
    else:
        _carry(made, laid, broker, console)
    _compare(made, laid, console)
    console.print(f"records and sealed pictures of the units: {made.folder}/u-*/card/kept", soft_wrap=True)
    console.print(
        f"the hub's ledger and pictures:            {made.folder}/hub/ledger.db, {made.folder}/hub/pictures",
        soft_wrap=True,
    )
    console.print(f"logs:                                     {made.folder}/*/log, {folder}/broker/log", soft_wrap=True)
    return 0


def _make_folder(folder: Path) -> None:
    """Empties a folder that a demo has made; any other is left alone."""
    mark = folder / "made-by-testigo-sim-demo"
    if folder.exists() and not (mark.exists() or (folder.is_dir() and not any(folder.iterdir()))):
        raise DemoError(f"folder {folder}: it holds something that no demo has made: name another with --folder")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    mark.touch()


def _origin() -> str:
    return "published QR codes of 28 July 2024 and drawn actas" if REAL.is_dir() else "drawn actas"


def _piles(made: deployment.Deployment, sheets: int) -> Iterator[Laid]:
    """Draws and photographs what each unit is given; among it actas that were laid down before, there or elsewhere,
    a QR code that is no acta, and a blank sheet."""
    chance = random.Random(1)
    real = _real_sheets()
    first: paper.Sheet | None = None
    for number, (unit, settings) in enumerate(made.units.items()):
        tray = settings.parent / "tray"
        tray.mkdir()
        pile = real[number::UNITS][:sheets]
        pile += [paper.draw(paper.random_payload(chance)) for _ in range(sheets - len(pile))]
        pile.append(pile[0])
        pile.append(first or paper.draw(STRANGE))
        first = first or pile[0]
        blank = paper.Sheet("", paper.draw(STRANGE).luma[: 600 * paper.PX_PER_MM])
        pile.append(blank)
        for place, sheet in enumerate(pile, start=1):
            file = tray / f"{place:03}.jpg"
            picture = photo.photograph(sheet, seed=chance.randrange(2**31), size=SIZE, dpmm=DPMM)
            file.write_bytes(picture.jpeg())
            yield Laid(unit, file, sheet.payload)


def _real_sheets() -> list[paper.Sheet]:
    if not REAL.is_dir():
        return []
    with (REAL / "payloads.csv").open(newline="") as file:
        rows = [(row["image"], row["payload"]) for row in csv.DictReader(file)]
    return [paper.from_picture((REAL / "qr" / image).read_bytes(), payload) for image, payload in rows if image]


def _carry(made: deployment.Deployment, laid: Sequence[Laid], broker: Broker, console: Console) -> None:
    """Runs the programs until every unit's card is receipted."""
    progress = {unit: Progress() for unit in made.units}
    with ExitStack() as stack:
        stack.enter_context(broker)
        programs = {"hub": stack.enter_context(_program(["hub", "--settings", str(made.hub)], made.hub.parent))}
        for unit, settings in made.units.items():
            arguments = ["sim", "unit", "--settings", str(settings), "--tray", str(settings.parent / "tray")]
            programs[unit] = stack.enter_context(_program(arguments, settings.parent))
        tails = {unit: Tail(settings.parent) for unit, settings in made.units.items()}
        kept_at_cut, state, end = 0, "up", time.monotonic() + SECONDS_MAX
        stack.callback(console.print)  # the sentence that may follow stands on a line of its own
        live = stack.enter_context(Live(console=console, refresh_per_second=5))
        while not all(_is_settled(each) for each in progress.values()):
            if time.monotonic() > end:
                raise DemoError(f"not everything was receipted within {SECONDS_MAX} s: see {made.folder}/*/log")
            for name, program in programs.items():
                if program.poll() is not None:
                    raise DemoError(
                        f"{name} ended by itself, status {program.returncode}: see {made.folder / name}/log"
                    )
            if not broker.runs and not state.startswith("cut"):
                raise DemoError(f"mosquitto ended by itself: see {made.folder.parent}/broker/log")
            for unit, tail in tails.items():
                tail.follow(progress[unit])
            kept = sum(each.kept for each in progress.values())
            if state == "up" and any(each.receipted for each in progress.values()):
                broker.stop()
                kept_at_cut, state = kept, "cut: the units go on"
            elif state.startswith("cut") and kept >= min(kept_at_cut + 2 * UNITS, len(laid) - 3 * UNITS):
                broker.start()
                state = "back"
            live.update(_table(progress, laid, state))
            time.sleep(0.2)
        if state != "back":
            raise DemoError("everything was over before the link could be cut: give more --sheets")
        live.update(_table(progress, laid, state))


def _is_settled(progress: Progress) -> bool:
    return progress.done and progress.receipted >= progress.kept and progress.whole >= progress.kept


def _table(progress: dict[str, Progress], laid: Sequence[Laid], state: str) -> Table:
    table = Table(title=f"link: {state}")
    for column in ("unit", "sheets", "laid down", "kept", "receipted", "pictures receipted", "link"):
        table.add_column(column, justify="left" if column in ("unit", "link") else "right")
    for unit, each in progress.items():
        sheets = sum(sheet.unit == unit for sheet in laid)
        table.add_row(
            unit, str(sheets), str(each.laid), str(each.kept), str(each.receipted), str(each.whole), each.link
        )
    return table


class Tail:
    """The end of a unit's log and of what its hands say, as they grow."""

    def __init__(self, folder: Path) -> None:
        self._log = (folder / "log").open()
        self._hands = (folder / "hands").open()

    def follow(self, progress: Progress) -> None:
        """Takes in what was written since the last time."""
        for line in self._log:
            words = facts(line)
            match words.get("event"):
                case "kept":
                    progress.kept = int(words["seq"])
                case "receipted":
                    progress.receipted, progress.whole = int(words["seq"]), int(words["whole"])
                case "link-up":
                    progress.link = "up"
                case "link-down":
                    progress.link = "down"
                case _:
                    pass
        for line in self._hands:
            said = json.loads(line)
            progress.done = progress.done or "done" in said
            if "file" in said:
                progress.laid += 1


@contextmanager
def _program(arguments: list[str], folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """One of our programs as a process of its own; ended in order at the end, and by force if it must be."""
    with (folder / "log").open("wb") as log, (folder / "hands").open("wb") as out:
        program = subprocess.Popen([sys.executable, "-m", *arguments], stdout=out, stderr=log)
        try:
            yield program
        finally:
            _end(program)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _compare(made: deployment.Deployment, laid: Sequence[Laid], console: Console) -> None:
    """Holds the hub's rows and totals against what was laid down."""
    rows = made.folder / "rows.csv"
    _ask(made, "export", str(rows))
    totals: dict[str, Any] = json.loads(_ask(made, "totals", "--json"))
    with rows.open(newline="") as file:
        by_mesa = {row["mesa"]: row for row in csv.DictReader(file)}
    profile = profiles.named(PROFILE)
    expected: dict[str, int] = {}
    actas: dict[str, Acta] = {}
    wrong = 0
    table = Table(title="what was laid down, and what the hub says of it")
    for column in ("file", "mesa", "votes", "hub"):
        table.add_column(column)
    for sheet in laid:
        acta = profile.read([sheet.payload])
        if not isinstance(acta, Acta):
            table.add_row(_name(sheet), "-", "-", "not counted, as it must be")
            continue
        contest = acta.contests[0]
        row = by_mesa.get(acta.mesa)
        votes = {f"{contest.id}/{option}": str(count) for option, count in contest.votes}
        same = row is not None and row["status"] == "counted" and votes.items() <= row.items()
        wrong += not same
        table.add_row(_name(sheet), acta.mesa, str(contest.valid), "counted, the same" if same else "[red]DIFFERS")
        actas[acta.mesa] = acta
    for acta in actas.values():
        for option, count in acta.contests[0].votes:
            candidate = profile.candidate(acta.contests[0].id, option)
            expected[candidate] = expected.get(candidate, 0) + count
    console.print(table)
    counted = totals["votes"]["presidential"]
    console.print(f"hub: {totals['counted']} mesas counted, totals {counted}")
    if wrong or counted != expected or totals["counted"] != len(actas):
        raise DemoError(f"the hub's totals are not what was laid down: {wrong} sheets differ, expected {expected}")
    console.print(f"[green]equal to what was laid down: {len(actas)} mesas, {sum(expected.values())} votes")


def _name(sheet: Laid) -> str:
    return f"{sheet.unit}/{sheet.file.name}"


def _ask(made: deployment.Deployment, *arguments: str) -> str:
    asked = [sys.executable, "-m", "hub", *arguments, "--settings", str(made.hub)]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=60)
    if answer.returncode:
        raise DemoError(f"testigo-hub {arguments[0]} failed: {answer.stderr.strip()}")
    return answer.stdout
