"""The count: replayed from the ledger each time, so that no second table can tell another story.

One mesa counts once: readings of live records that the profile takes for an acta, each set of payloads once however
many units read it. A mesa with two different sets is in conflict, and does not count until a person decides. A mesa
that is not of the roster does not count: anybody can print the acta of one that does not exist; where the roster has
forgotten one, it counts by itself once the package has a better roster. A hub in training counts nothing.
"""

import csv
import itertools
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from operator import itemgetter
from pathlib import Path
from typing import Any

import msgspec

from hub.ledger import Ledger, Outcome
from hub.pictures import fsync_folder
from wire.acta import Acta, Profile
from wire.errors import OurFault
from wire.note import identity_of
from wire.package import Roster
from wire.record import Mode

Row = tuple[str, str, int, int, str]
"""A record that does not count: unit, chain, seq, when it was kept, and why."""


class Status(Enum):
    """Whether a reading counts, and why it does not."""

    COUNTED = "counted"
    CONFLICT = "conflict"
    """The mesa has another reading, too."""
    UNEXPECTED = "unexpected"
    """The mesa is not of the roster."""
    IN_TRAINING = "in-training"
    """The hub is in training."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One reading of one mesa.

    Attributes:
        acta: what it says.
        units: how many units read it.
        seen: when the hub first kept it, seconds since 1970 UTC.
        status: whether it counts.
    """

    acta: Acta
    units: int
    seen: int
    status: Status


class Aside(msgspec.Struct, frozen=True):
    """An envelope that does not count: where it is and why."""

    unit: str
    chain: str
    seq: int
    words: str


class Count(msgspec.Struct, frozen=True):
    """The count; with `--json` just so.

    Attributes:
        mode: of the deployment.
        expected: how many mesas the roster has; 0 where there is none.
        counted: how many mesas count.
        missing: how many mesas of the roster have no reading.
        unexpected: the mesas that have one and are not of the roster.
        waiting: how many readings do not count because the hub is in training.
        conflicts: the mesas that have more than one reading.
        incomplete: records with some of a sheet's QR codes.
        parts: pictures of the rest of a sheet whose first part is another record, together with those of the same.
        unread: records and envelopes in which there is no acta, and why.
        controls: how many control cards were shown to units: what they say is told by `testigo-hub control`.
        training: how many training records are held: they never count.
        strays: envelopes beside their chain.
        votes: votes by contest and candidate.
        nulos, vacios: by contest.
    """

    mode: Mode
    expected: int
    counted: int
    missing: int
    unexpected: list[str]
    waiting: int
    conflicts: list[str]
    incomplete: list[Aside]
    parts: list[Aside]
    unread: list[Aside]
    controls: int
    training: int
    strays: list[Aside]
    votes: dict[str, dict[str, int]]
    nulos: dict[str, int]
    vacios: dict[str, int]


def sheets(ledger: Ledger, profile: Profile, roster: Roster, mode: Mode) -> Iterator[Sheet]:
    """All readings of live records, by mesa."""
    readings = ledger.readings()
    payloads = ledger.payloads([envelope for *_, envelope in readings])
    for mesa, group in itertools.groupby(readings, itemgetter(0)):
        same, status = list(group), Status.COUNTED
        if roster and mesa not in roster:
            status = Status.UNEXPECTED
        elif len(same) > 1:
            status = Status.CONFLICT
        elif mode is not Mode.LIVE:
            status = Status.IN_TRAINING
        for _, _, units, seen, _ in same:
            acta = profile.read(msgspec.json.decode(next(payloads), type=list[str]))
            # The intake has read the same text by the same profile: its layout must not change under one id.
            assert isinstance(acta, Acta), f"the ledger holds a reading that the profile {profile.id} now refuses"
            assert acta.mesa == mesa, f"the ledger holds a reading that the profile {profile.id} now reads otherwise"
            yield Sheet(acta, units, seen, status)


def count(ledger: Ledger, profile: Profile, roster: Roster, mode: Mode) -> Count:
    """Counts what the ledger holds.

    Args:
        ledger: the hub's.
        profile: the election's.
        roster: the mesas expected; empty where none is known.
        mode: of the deployment.
    """
    mesas: dict[Status, dict[str, None]] = {status: {} for status in Status}
    votes: dict[str, dict[str, int]] = {}
    nulos: dict[str, int] = {}
    vacios: dict[str, int] = {}
    for sheet in sheets(ledger, profile, roster, mode):
        mesas[sheet.status][sheet.acta.mesa] = None
        if sheet.status is not Status.COUNTED:
            continue
        for contest in sheet.acta.contests:
            of_contest = votes.setdefault(contest.id, {})
            for option, number in contest.votes:
                candidate = profile.candidate(contest.id, option)
                of_contest[candidate] = of_contest.get(candidate, 0) + number
            nulos[contest.id] = nulos.get(contest.id, 0) + contest.nulos
            vacios[contest.id] = vacios.get(contest.id, 0) + contest.vacios
    counted, conflicts, unexpected, waiting = (list(mesas[status]) for status in Status)
    return Count(
        mode,
        len(roster),
        len(counted),
        max(len(roster) - len(counted) - len(conflicts) - len(waiting), 0),
        unexpected,
        len(waiting),
        conflicts,
        _aside(ledger.records(Outcome.INCOMPLETE)),
        _aside(_parts(ledger)),
        _aside(sorted(ledger.records(Outcome.UNREAD) + ledger.unopened())),
        len(ledger.records(Outcome.CONTROL)),
        len(ledger.records(Outcome.TRAINING)),
        _aside(ledger.strays()),
        votes,
        nulos,
        vacios,
    )


def _aside(rows: list[Row]) -> list[Aside]:
    return [Aside(unit, chain, seq, words) for unit, chain, seq, _, words in rows]


def _parts(ledger: Ledger) -> list[Row]:
    """The further parts of sheets, those of one sheet together, with the place of its first part."""
    rows = ledger.records(Outcome.PART)
    firsts = {words.rpartition(" ")[2] for *_, words in rows}
    held = {
        identity: (unit, chain, seq)
        for unit, chain in sorted({(unit, chain) for unit, chain, *_ in rows})
        for seq, text in ledger.notes(unit, chain)
        if (identity := identity_of(text)) in firsts
    }
    placed: list[tuple[tuple[str, str, int], Row]] = []
    for unit, chain, seq, at, words in rows:
        part, _, first = words.rpartition(" of the record ")
        place = held.get(first, (unit, chain, 0))
        words = f"{part} of record {place[2]}" if place[2] else f"{part} of a record that is not held in its chain"
        placed.append((place, (unit, chain, seq, at, words)))
    return [row for _, row in sorted(placed)]


def text(counted: Count) -> str:
    """The count for people to read."""
    lines = [f"{_some(counted.counted, 'mesa')} {'counts' if counted.counted == 1 else 'count'}"]
    if counted.expected:
        lines[0] += (
            f" of {counted.expected:,} expected; {counted.missing:,} {'is' if counted.missing == 1 else 'are'} missing"
        )
    if counted.mode is not Mode.LIVE:
        lines.insert(0, f"this hub is in training and counts nothing: {_some(counted.waiting, 'live reading')} held")
    for contest, votes in sorted(counted.votes.items()):
        rows = [*sorted(votes.items(), key=lambda item: (-item[1], item[0]))]
        rows += [("nulos", counted.nulos[contest]), ("vacios", counted.vacios[contest])]
        wide = max(len(name) for name, _ in rows)
        deep = max(len(f"{number:,}") for _, number in rows)
        lines += ["", contest, *(f"  {name:<{wide}}  {number:>{deep},}" for name, number in rows)]
    for why, mesas in (("in conflict", counted.conflicts), ("not of the roster", counted.unexpected)):
        if mesas:
            lines += ["", f"{_some(len(mesas), 'mesa')} {why}, not counted:"]
            lines += [f"  {mesa}" for mesa in mesas]
    for what, why, asides in (
        ("record", "with some of a sheet's QR codes", counted.incomplete),
        ("picture", "of the rest of a sheet", counted.parts),
        ("record", "without an acta", counted.unread),
        ("envelope", "beside the chain (forks)", counted.strays),
    ):
        if asides:
            lines += ["", f"{_some(len(asides), what)} {why}, not counted:"]
            lines += [f"  {each.unit} {each.chain} {each.seq}: {each.words}" for each in asides]
    if counted.controls:
        lines += ["", f"{_some(counted.controls, 'control card')} shown: see testigo-hub control"]
    if counted.training:
        lines += ["", f"{_some(counted.training, 'training record')}, never counted"]
    return "\n".join(lines) + "\n"


def _some(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def export(ledger: Ledger, profile: Profile, roster: Roster, mode: Mode, path: Path, *, force: bool) -> int:
    """Writes one row for each reading of a mesa, then one for each record that does not count, as CSV.

    The file appears whole or not at all, and the same ledger gives the same bytes.

    Returns:
        How many rows.

    Raises:
        OurFault: it is there already and `force` is not set, or cannot be written.
    """
    if path.exists() and not force:
        raise OurFault(f"export {path}: it is there already: choose another name, or say --force")
    # Nobody else's file has that name, and no link that somebody laid there is followed (`x`).
    half = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        with half.open("x", encoding="utf-8", newline="") as file:
            written = _write(csv.writer(file), ledger, lambda: sheets(ledger, profile, roster, mode))
            file.flush()
            os.fsync(file.fileno())
        half.replace(path)
        fsync_folder(path.parent)
    except OSError as error:
        raise OurFault(f"export {path}: {error.strerror}: choose a folder that can be written") from error
    finally:
        half.unlink(missing_ok=True)
    return written


def _write(rows: Any, ledger: Ledger, readings: Callable[[], Iterator[Sheet]]) -> int:
    # Two passes rather than all sheets in memory: which options there are is known only at the end of the first.
    columns: dict[str, None] = {}
    for sheet in readings():
        columns |= dict.fromkeys(_numbers(sheet.acta))
    fixed = ("status", "mesa", "units", "seen", "unit", "chain", "seq", "words")
    rows.writerow((*fixed, *columns))
    written = 0
    for sheet in readings():
        numbers, acta = _numbers(sheet.acta), sheet.acta
        facts = (sheet.status.value, acta.mesa, sheet.units, _date(sheet.seen), "", "", "", "; ".join(acta.doubts))
        rows.writerow((*facts, *(numbers.get(column, "") for column in columns)))
        written += 1
    for status, asides in (
        ("incomplete", ledger.records(Outcome.INCOMPLETE)),
        ("part", _parts(ledger)),
        ("unread", sorted(ledger.records(Outcome.UNREAD) + ledger.unopened())),
        ("control", ledger.records(Outcome.CONTROL)),
        ("training", ledger.records(Outcome.TRAINING)),
        ("stray", ledger.strays()),
    ):
        for unit, chain, seq, at, words in asides:
            rows.writerow((status, "", "", _date(at), unit, chain, seq, words, *("" for _ in columns)))
            written += 1
    return written


def _numbers(acta: Acta) -> dict[str, int]:
    """Every number of an acta by the name of its column."""
    return {
        f"{contest.id}/{name}": number
        for contest in acta.contests
        for name, number in (*contest.votes, ("nulos", contest.nulos), ("vacios", contest.vacios))
    }


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
