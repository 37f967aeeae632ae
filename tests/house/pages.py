"""The pages: how docs/states.md, signals.md, log.md and settings.md are drawn from the code."""

import inspect
import re
import typing
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Annotated, Any

import msgspec

from device.log import Event as UnitEvent
from device.scan import LOOK_MS_MAX, SEARCH_MS_MAX, VERDICT_MS, Keep, Keeping, Look, Order, Show, State
from device.settings import UnitFile
from device.signals import Lamp, Rhythm, Signal
from hub.log import Event as HubEvent
from hub.settings import HubFile
from tests.device.scan_pairs import EVENTS, STATES, outcome
from wire.settings import Broker, Tls

_DRAWN = "This page is drawn from the code by `make docs`; a test fails while it is stale.\n"


def states() -> str:
    """docs/states.md: what `step` makes of every pair of a state and an event."""
    arrows: dict[tuple[str, str], list[str]] = {}
    rows, ignored, impossible = [], [], []
    for (state_name, state), (event_name, event) in ((s, e) for s in STATES.items() for e in EVENTS.items()):
        found = outcome(state, event)
        if found is None:
            impossible.append((state_name, event_name))
        elif found == (state, ()):
            ignored.append((state_name, event_name))
        else:
            after, orders = found
            rows.append((state_name, event_name, _state(after), ", ".join(map(_order, orders))))
            labels = arrows.setdefault((type(state).__name__, type(after).__name__), [])
            label = event_name.partition(":")[0] if event_name.startswith(("Pressed", "Failed")) else event_name
            if label not in labels:
                labels.append(label)
    diagram = [f"    {a} --> {b}: {'<br>'.join(labels).replace(': ', ', ')}" for (a, b), labels in arrows.items()]
    return _page(
        "States of the scan",
        "What one press sets in motion (`device/scan.py`): each row is what `step` answered when it was asked. After "
        f"a press, looks are repeated for {SEARCH_MS_MAX} ms; a camera that has not answered {LOOK_MS_MAX} ms after it "
        f"is a fault; a verdict is shown for {VERDICT_MS} ms, and a new press never waits for it.",
        "",
        "```mermaid",
        "stateDiagram-v2",
        "    [*] --> Starting",
        *diagram,
        "```",
        "",
        *_table(("state", "event", "next state", "orders"), rows),
        "",
        "## Ignored",
        "",
        "The state stays, and nothing is ordered.",
        "",
        *_table(("state", "events"), _grouped(ignored)),
        "",
        "## Impossible",
        "",
        "A fault of the firmware: it ends, and starts anew from what is on the card.",
        "",
        *_table(("state", "events"), _grouped(impossible)),
    )


def signals() -> str:
    """docs/signals.md: every signal with its pattern."""
    lamps = [lamp for lamp in Lamp if lamp is not Lamp.PAPER]
    rows = []
    for signal in Signal:
        of_lamp = dict(signal.value.lamps)
        shown = [_rhythm(of_lamp[lamp]) if lamp in of_lamp else "" for lamp in (*lamps, Lamp.PAPER)]
        tones = ", ".join(tone.value for tone in signal.value.tones)
        rows.append((_plain(signal), signal.value.meaning, *shown, tones))
    heads = ("signal", "meaning", *(lamp.value for lamp in (*lamps, Lamp.PAPER)), "buzzer")
    return _page(
        "Signals",
        "Everything that a unit says (`device/signals.py`). The lamps stand as they lie on the unit, left to right; "
        "PAPER lights the sheet. An empty place is a lamp that is off; the LINK lamp goes on with what it shows while "
        "the others change, and the other way round.",
        "",
        *_table(heads, rows),
    )


def log() -> str:
    """docs/log.md: every event of a unit's and a hub's log."""
    first = (
        "A line says when (`ts`, the believed date in seconds since 1970 UTC), how serious it is (`info` asks for "
        "nobody, `warning` for somebody when there is time, `error` for somebody now), what happened, and a few facts. "
        "Never a vote, a payload, a mesa, a name of a person or a secret.\n\n"
        '    ts=1722211446 level=warning event=link-down why="nobody answers" next_ms=412'
    )
    text = [first]
    for whose, events in (("A unit's", UnitEvent), ("A hub's", HubEvent)):
        rows = [(f"`{_plain(event)}`", event.value.level.value, event.value.meaning) for event in events]
        text += ["", f"## {whose}", "", *_table(("event", "level", "meaning"), rows)]
    return _page("Log", *text)


def settings() -> str:
    """docs/settings.md: every key of every settings file."""
    text = ["Settings are TOML files, checked whole at start; what cannot be used is named, and nothing starts."]
    for title, struct in (
        ("A unit's file: `testigo-unit --settings FILE`", UnitFile),
        ("A hub's file: `testigo-hub --settings FILE`", HubFile),
        ("`[[brokers]]` of a unit, `[broker]` of a hub", Broker),
        ("`[brokers.tls]` of a unit, `[broker.tls]` of a hub", Tls),
    ):
        docs = meanings(struct)
        hints = typing.get_type_hints(struct, include_extras=True)
        rows = [
            (f"`{field.name}`", _kind(hints[field.name]), _default(field), docs[field.name])
            for field in msgspec.structs.fields(struct)
        ]
        first = inspect.cleandoc(struct.__doc__ or "").partition("\n\n")[0]
        text += ["", f"## {title}", "", first, "", *_table(("key", "value", "default", "meaning"), rows)]
    return _page("Settings", *text)


def meanings(struct: type[msgspec.Struct]) -> dict[str, str]:
    """What the `Attributes` section of a struct's docstring says of each of its keys."""
    section = inspect.cleandoc(struct.__doc__ or "").partition("Attributes:\n")[2]
    found: dict[str, str] = {}
    for line in inspect.cleandoc(section).splitlines():
        match = re.match(r"([a-z_]+(?:, [a-z_]+)*): (.*)", line)
        if match:
            names = match[1].split(", ")
            found |= dict.fromkeys(names, match[2])
        elif found:
            last = list(found)[-1]
            found[last] += f" {line.strip()}"
    return found


def _page(title: str, *lines: str) -> str:
    return "\n".join([f"# {title}", "", _DRAWN, *lines]) + "\n"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(row) + " |" for row in (heads, ["---"] * len(heads), *rows)]


def _grouped(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """One row for all states that have the same events."""
    events: dict[str, list[str]] = {}
    for state, event in pairs:
        events.setdefault(state, []).append(event)
    states_with: dict[str, list[str]] = {}
    for state, names in events.items():
        states_with.setdefault("; ".join(names), []).append(state)
    return [("; ".join(names), their_events) for their_events, names in states_with.items()]


def _state(state: State) -> str:
    """A state in words, as the pairs name them."""
    if isinstance(state, Keeping):
        return next(name for name, each in STATES.items() if each == state)
    parts = ", with parts" if getattr(state, "parts", ()) else ""
    refused = ", one refused" if getattr(state, "refused", ()) else ""
    return f"{type(state).__name__}{parts}{refused}"


def _order(order: Order) -> str:
    match order:
        case Show(signal):
            return f"show {_plain(signal)}"
        case Look():
            return "look"
        case Keep(doubt=doubt):
            return "keep, with the doubt" if doubt else "keep"


def _plain(member: Enum) -> str:
    return member.name.lower().replace("_", "-")


def _rhythm(rhythm: Rhythm) -> str:
    times = f", {rhythm.times} times" if rhythm.times > 1 else ""
    if rhythm.off_ms == 0:
        return f"{rhythm.on_ms / 1000:g} s" if rhythm.times else "steady"
    return f"{rhythm.on_ms / 1000:g} s on, {rhythm.off_ms / 1000:g} s off{times}"


def _kind(hint: Any) -> str:
    """A type with its bounds, in words."""
    if typing.get_origin(hint) is Annotated:
        kind, *metas = typing.get_args(hint)
        return ", ".join([_kind(kind), *filter(None, map(_bounds, metas))])
    if isinstance(hint, type) and issubclass(hint, Enum):
        return " or ".join(f'`"{each.value}"`' for each in hint)
    if typing.get_origin(hint) is tuple:
        return "list of texts"
    names = {str: "text", int: "number", Broker: "section", Tls | None: "section"}
    return names[hint]


def _bounds(meta: msgspec.Meta) -> str:
    if meta.pattern:
        return "1 to 32 of `a-z`, `0-9`, `-`"
    low, high = (meta.ge, meta.le) if meta.ge is not None else (meta.min_length, meta.max_length)
    return f"{low} to {high}"


def _default(field: Any) -> str:
    if field.default is msgspec.NODEFAULT:
        return "required"
    return "none" if field.default is None else f"`{field.default!r}`".replace("'", '"')
