"""The units' health: what each said of itself last, for people: which reads badly, stands still, or is low."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from hub.examine import printable
from hub.intake import told_in
from hub.ledger import Ledger
from wire.beat import Beat
from wire.note import Verifier
from wire.readiness import Readiness


def text(ledger: Ledger, trusted: Mapping[str, Verifier]) -> str:
    """One line for each enrolled unit; those that are in trouble first, then those that were never heard of."""
    heard = {beaten.unit: beaten for beaten in ledger.beats()}
    rows = []
    for unit in sorted(trusted):
        beaten = heard.get(unit)
        beat = told_in(beaten, Beat, trusted)
        if beaten is None or beat is None:
            rows.append((1, (unit, "never heard of", "", "", "", "", "", "")))
            continue
        at = datetime.fromtimestamp(beaten.at, UTC).strftime("%m-%d %H:%M")
        reads = f"{beat.read} of {beat.scans}"
        words = (unit, at, reads, f"{beat.waiting} of {beat.kept}", str(beat.room), beat.battery, beat.heat)
        rows.append((0 if beat.troubles else 2, (*words, " ".join(beat.troubles))))
    heads = ("unit", "heard (UTC)", "read", "waiting", "room", "battery", "heat", "troubles")
    return _table([heads, *(words for _, words in sorted(rows))])


def readiness(ledger: Ledger, trusted: Mapping[str, Verifier]) -> str:
    """What each enrolled unit's bench has seen of it: those with a bad part first, then those that never said."""
    told = {each.unit: each for each in ledger.readinesses()}
    rows, bad = [], []
    for unit in sorted(trusted):
        each = told.get(unit)
        report = told_in(each, Readiness, trusted)
        if each is None or report is None:
            rows.append((1, (unit, "never said", "", "", "", "", "")))
            continue
        of = defaultdict[str, list[str]](list)
        for check in report.checks:
            of[check.outcome].append(check.part)
        at = datetime.fromtimestamp(each.at, UTC).strftime("%m-%d %H:%M")
        parts = " ".join(of["bad"]), " ".join(of["absent"]), " ".join(of["good"])
        rows.append((0 if of["bad"] or not of["good"] else 2, (unit, at, report.date, report.firmware, *parts)))
        bad += [(unit, check.part, check.words) for check in report.checks if check.outcome == "bad"]
    heads = ("unit", "said (UTC)", "its date", "firmware", "bad", "absent", "good")
    lines = "".join(f"{printable(': '.join(each))}\n" for each in bad)
    return _table([heads, *(words for _, words in sorted(rows))]) + lines


def _table(lines: Sequence[Sequence[str]]) -> str:
    wide = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "".join(
        "  ".join(word.ljust(width) for word, width in zip(words, wide, strict=True)).rstrip() + "\n" for words in lines
    )
