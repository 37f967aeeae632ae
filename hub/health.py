"""The units' health: what each said of itself last, for people: which reads badly, stands still, or is low."""

from collections.abc import Mapping
from datetime import UTC, datetime

from hub.intake import beat_in
from hub.ledger import Ledger
from wire.note import Verifier


def text(ledger: Ledger, trusted: Mapping[str, Verifier]) -> str:
    """One line for each enrolled unit; those that are in trouble first, then those that were never heard of."""
    heard = {beaten.unit: beaten for beaten in ledger.beats()}
    rows = []
    for unit in sorted(trusted):
        beaten = heard.get(unit)
        beat = beat_in(beaten, trusted)
        if beaten is None or beat is None:
            rows.append((1, (unit, "never heard of", "", "", "", "", "", "")))
            continue
        at = datetime.fromtimestamp(beaten.at, UTC).strftime("%m-%d %H:%M")
        reads = f"{beat.read} of {beat.scans}"
        words = (unit, at, reads, f"{beat.waiting} of {beat.kept}", str(beat.room), beat.battery, beat.heat)
        rows.append((0 if beat.troubles else 2, (*words, " ".join(beat.troubles))))
    heads = ("unit", "heard (UTC)", "read", "waiting", "room", "battery", "heat", "troubles")
    lines = [heads, *(words for _, words in sorted(rows))]
    wide = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "".join(
        "  ".join(word.ljust(width) for word, width in zip(words, wide, strict=True)).rstrip() + "\n" for words in lines
    )
