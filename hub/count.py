"""The count: replayed from the ledger each time, so that no second table can tell another story.

One mesa counts once: readings of live records that the profile takes for an acta, each set of payloads once however
many units read it. A mesa with two different sets is in conflict, and does not count until a person decides.
"""

import csv
import itertools
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from typing import Any

import msgspec

from hub.ledger import Ledger, Outcome
from hub.pictures import fsync_folder
from wire.acta import Acta, Profile
from wire.errors import OurFault
from wire.note import identity_of

Row = tuple[str, str, int, int, str]
"""A record that does not count: unit, chain, seq, when it was kept, and why."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One reading of one mesa.

    Attributes:
        acta: what it says.
        units: how many units read it.
        seen: when the hub first kept it, seconds since 1970 UTC.
        conflict: whether the mesa has another reading too.
    """

    acta: Acta
    units: int
    seen: int
    conflict: bool


class Aside(msgspec.Struct, frozen=True):
    """An envelope that does not count: where it is and why."""

    unit: str
    chain: str
    seq: int
    words: str


class Count(msgspec.Struct, frozen=True):
    """The count; with `--json` just so.

    Attributes:
        counted: how many mesas count.
        conflicts: the mesas that have more than one reading.
        incomplete: records with some of a sheet's QR codes.
        parts: pictures of the rest of a sheet whose first part is another record, together with those of the same.
        unread: records and envelopes in which there is no acta, and why.
        training: how many training records are held: they never count.
        strays: envelopes beside their chain.
        votes: votes by contest and candidate.
        nulos, vacios: by contest.
    """

    counted: int
    conflicts: list[str]
    incomplete: list[Aside]
    parts: list[Aside]
    unread: list[Aside]
    training: int
    strays: list[Aside]
    votes: dict[str, dict[str, int]]
    nulos: dict[str, int]
    vacios: dict[str, int]


def sheets(ledger: Ledger, profile: Profile) -> Iterator[Sheet]:
    """All readings that may count, by mesa."""
    readings = ledger.readings()
    payloads = ledger.payloads([envelope for *_, envelope in readings])
    for mesa, group in itertools.groupby(readings, itemgetter(0)):
        same = list(group)
        for _, _, units, seen, _ in same:
            acta = profile.read(msgspec.json.decode(next(payloads), type=list[str]))
            # The intake has read the same text by the same profile: its layout must not change under one id.
            assert isinstance(acta, Acta), f"the ledger holds a reading that the profile {profile.id} now refuses"
            assert acta.mesa == mesa, f"the ledger holds a reading that the profile {profile.id} now reads otherwise"
            yield Sheet(acta, units, seen, conflict=len(same) > 1)


def count(ledger: Ledger, profile: Profile) -> Count:
    """Counts what the ledger holds."""
    counted = 0
    conflicts: dict[str, None] = {}
    votes: dict[str, dict[str, int]] = {}
    nulos: dict[str, int] = {}
    vacios: dict[str, int] = {}
    for sheet in sheets(ledger, profile):
        if sheet.conflict:
            conflicts[sheet.acta.mesa] = None
            continue
        counted += 1
        for contest in sheet.acta.contests:
            of_contest = votes.setdefault(contest.id, {})
            for option, number in contest.votes:
                candidate = profile.candidate(contest.id, option)
                of_contest[candidate] = of_contest.get(candidate, 0) + number
            nulos[contest.id] = nulos.get(contest.id, 0) + contest.nulos
            vacios[contest.id] = vacios.get(contest.id, 0) + contest.vacios
    return Count(
        counted,
        list(conflicts),
        _aside(ledger.records(Outcome.INCOMPLETE)),
        _aside(_parts(ledger)),
        _aside(sorted(ledger.records(Outcome.UNREAD) + ledger.unopened())),
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
    for contest, votes in sorted(counted.votes.items()):
        rows = [*sorted(votes.items(), key=lambda item: (-item[1], item[0]))]
        rows += [("nulos", counted.nulos[contest]), ("vacios", counted.vacios[contest])]
        wide = max(len(name) for name, _ in rows)
        deep = max(len(f"{number:,}") for _, number in rows)
        lines += ["", contest, *(f"  {name:<{wide}}  {number:>{deep},}" for name, number in rows)]
    if counted.conflicts:
        lines += ["", f"{_some(len(counted.conflicts), 'mesa')} in conflict, not counted:"]
        lines += [f"  {mesa}" for mesa in counted.conflicts]
    for what, why, asides in (
        ("record", "with some of a sheet's QR codes", counted.incomplete),
        ("picture", "of the rest of a sheet", counted.parts),
        ("record", "without an acta", counted.unread),
        ("envelope", "beside the chain (forks)", counted.strays),
    ):
        if asides:
            lines += ["", f"{_some(len(asides), what)} {why}, not counted:"]
            lines += [f"  {each.unit} {each.chain} {each.seq}: {each.words}" for each in asides]
    if counted.training:
        lines += ["", f"{_some(counted.training, 'training record')}, never counted"]
    return "\n".join(lines) + "\n"


def _some(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def export(ledger: Ledger, profile: Profile, path: Path, *, force: bool) -> int:
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
            written = _write(csv.writer(file), ledger, profile)
            file.flush()
            os.fsync(file.fileno())
        half.replace(path)
        fsync_folder(path.parent)
    except OSError as error:
        raise OurFault(f"export {path}: {error.strerror}: choose a folder that can be written") from error
    finally:
        half.unlink(missing_ok=True)
    return written


def _write(rows: Any, ledger: Ledger, profile: Profile) -> int:
    # Two passes rather than all sheets in memory: which options there are is known only at the end of the first.
    columns: dict[str, None] = {}
    for sheet in sheets(ledger, profile):
        columns |= dict.fromkeys(_numbers(sheet.acta))
    fixed = ("status", "mesa", "units", "seen", "unit", "chain", "seq", "words")
    rows.writerow((*fixed, *columns))
    written = 0
    for sheet in sheets(ledger, profile):
        numbers, acta = _numbers(sheet.acta), sheet.acta
        status = "conflict" if sheet.conflict else "counted"
        facts = (status, acta.mesa, sheet.units, _date(sheet.seen), "", "", "", "; ".join(acta.doubts))
        rows.writerow((*facts, *(numbers.get(column, "") for column in columns)))
        written += 1
    for status, asides in (
        ("incomplete", ledger.records(Outcome.INCOMPLETE)),
        ("part", _parts(ledger)),
        ("unread", sorted(ledger.records(Outcome.UNREAD) + ledger.unopened())),
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
