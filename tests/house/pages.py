"""The pages: how docs/states.md, signals.md, log.md and settings.md are drawn from the code."""

import inspect
import re
import typing
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import Enum
from typing import Annotated, Any

import msgspec

from device.log import Event as UnitEvent
from device.scan import (
    INSIST_MS,
    LOOK_MS_MAX,
    OPEN_MS,
    PART_MS,
    SEARCH_MS_MAX,
    VERDICT_MS,
    Keep,
    Keeping,
    Look,
    Memory,
    Order,
    Show,
    State,
)
from device.settings import UnitFile
from device.signals import LONG, SHORT, FaultCode, Lamp, Owner, Rhythm, Signal, Tone
from device.update import Event as UpdateEvent
from device.update import UpdateFile
from hub.log import Event as HubEvent
from hub.settings import HubFile
from provisioning.package import ElectionFile
from tests.device.scan_pairs import EVENTS, STATES, outcome
from wire.fields import Host, Name
from wire.package import Address
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
        f"is a fault; a verdict is shown for {VERDICT_MS} ms, and a new press never waits for it. For {OPEN_MS} ms "
        f"after it the acta is open: a sheet without a QR code is its next part, kept {PART_MS} ms after the press. A "
        f"press within {INSIST_MS} ms of *again* insists: what cannot be read is kept as a picture.",
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
    """docs/signals.md: every signal with its pattern, and every fault with its code."""
    rows: dict[Owner, list[list[str]]] = {owner: [] for owner in Owner}
    for signal in Signal:
        pattern = signal.value
        of_lamp = {lamp: _rhythm(rhythm) for lamp, rhythm in pattern.lamps}
        if signal in (Signal.FAULT, Signal.TROUBLE):
            of_lamp[Lamp.AGAIN] = "its code"
        tones = ", ".join(tone.value.word for tone in pattern.tones) or "no sound"
        again = f"; again every {pattern.again_ms // 60_000} min" if pattern.again_ms else ""
        lasts = f"{pattern.lasts_ms / 1000:g} s" if pattern.lasts_ms else ""
        lamps = [of_lamp.get(lamp, "") for lamp in Lamp]
        rows[pattern.owner].append([_plain(signal), pattern.meaning, *lamps, tones + again, lasts])
    heads = ("signal", "meaning", *(lamp.value for lamp in Lamp), "buzzer", "lasts")
    what = (
        "Everything that a unit says (`device/signals.py`). READY, KEPT, AGAIN and LINK stand as they lie on the unit, "
        "left to right; PAPER lights the sheet. Each table below is what one owner says, one signal at a time. "
        "An empty place is a lamp that the signal does not want: it goes on with what a later table says, or is dark. "
        "A lamp that two want is the earlier table's (`device/lamps.py`), until that has lasted or something else is "
        "said. No lamp lights up more often than 2.8 times a second, whoever has it.\n\n"
        "One tune sounds and one may wait; a press cuts both, and a verdict cuts whatever else sounds. In quiet mode "
        "there are none, and the lamps say the same."
    )
    text = [what]
    for owner, whose in _OWNERS.items():
        text += ["", f"## {whose}", "", *_table(heads, rows[owner])]
    codes = [(str(code.value.number), code.value.meaning, code.value.remedy, _plain(code.signal)) for code in FaultCode]
    return _page(
        "Signals",
        *text,
        "",
        "## Codes of faults",
        "",
        f"AGAIN reads a code out, and LINK how many wait: tens long ({LONG[0] / 1000:g} s), units short "
        f"({SHORT[0] / 1000:g} s); 99 is that many or more. The log has the words.",
        "",
        *_table(("code", "what is wrong", "what to do", "shown as"), codes),
        "",
        "## Tones",
        "",
        *_table(
            ("tone", "hertz", "sounds", "then silent"),
            [(n.word, str(n.hertz), f"{n.ms} ms", f"{n.gap_ms} ms") for n in (tone.value for tone in Tone)],
        ),
    )


_OWNERS = {
    Owner.FAULT: "Faults, and the end",
    Owner.POWER: "Power",
    Owner.VERDICT: "Verdicts: what a press came to",
    Owner.BUTTON: "What a held button will do or has done",
    Owner.TROUBLE: "Troubles: faults that the unit goes on with",
    Owner.PROMPT: "What the unit waits for",
    Owner.LINK: "Link and stick",
}


def log() -> str:
    """docs/log.md: every event of a unit's and a hub's log."""
    first = (
        "A line says when (`ts`, the believed date in seconds since 1970 UTC), how serious it is (`info` asks for "
        "nobody, `warning` for somebody when there is time, `error` for somebody now), what happened, and a few facts. "
        "Never a vote, a payload, a mesa, a name of a person or a secret.\n\n"
        '    ts=1722211446 level=warning event=link-down why="nobody answers" next_ms=412'
    )
    text = [first]
    for whose, events in (("A unit's", UnitEvent), ("`testigo-update`'s", UpdateEvent), ("A hub's", HubEvent)):
        rows = [(f"`{_plain(event)}`", event.value.level.value, event.value.meaning) for event in events]
        text += ["", f"## {whose}", "", *_table(("event", "level", "meaning"), rows)]
    return _page("Log", *text)


def settings() -> str:
    """docs/settings.md: every key of every settings file."""
    text = ["Settings are TOML files, checked whole at start; what cannot be used is named, and nothing starts."]
    for title, struct in (
        ("A unit's file: `testigo-unit --settings FILE`", UnitFile),
        ("A unit's updates: `testigo-update --settings FILE`", UpdateFile),
        ("A hub's file: `testigo-hub --settings FILE`", HubFile),
        ("`[broker]` of a hub", Broker),
        ("`[tls]` of a unit, `[broker.tls]` of a hub", Tls),
        ("An election's file: `testigo-provision deploy AUTHORITY FILE`", ElectionFile),
        ("`[[brokers]]` of an election", Address),
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
    held = ", held" if getattr(state, "is_held", False) else ""
    if isinstance(state, Keeping):
        which = (name for name, each in STATES.items() if isinstance(each, Keeping) and each.signal is state.signal)
        return next(which) + held
    memory = getattr(state, "memory", Memory())
    at_hand = ", with parts" if memory.parts else ", an acta open" if memory.first else ""
    refused = ", one refused" if memory.refused else ""
    unread = ", one unread" if memory.insist_until else ""
    return f"{type(state).__name__}{at_hand}{refused}{unread}{held}"


def _order(order: Order) -> str:
    match order:
        case Show(signal):
            return f"show {_plain(signal)}"
        case Look():
            return "look"
        case Keep(doubt=doubt, first=first):
            return "keep" + (", with the doubt" if doubt else "") + (", as a further part" if first else "")


def _plain(member: Enum) -> str:
    return member.name.lower().replace("_", "-")


def _rhythm(rhythm: Rhythm) -> str:
    after = f"after {rhythm.after_ms / 1000:g} s " if rhythm.after_ms else ""
    if not rhythm.steps:
        return "off"
    if len(rhythm.steps) == 1:
        return after + (f"{rhythm.steps[0] / 1000:g} s" if rhythm.times else "steady")
    turns: list[tuple[str, int]] = []
    for on, off in zip(rhythm.steps[::2], rhythm.steps[1::2], strict=True):
        turn = f"{on / 1000:g} s on, {off / 1000:g} s off"
        times = turns.pop()[1] if turns and turns[-1][0] == turn else 0
        turns.append((turn, times + 1))
    text = "; ".join(f"{times} times {turn}" if times > 1 else turn for turn, times in turns)
    return after + text + (f", {rhythm.times} times" if rhythm.times > 1 else ", once" if rhythm.times else "")


def _kind(hint: Any) -> str:
    """A type with its bounds, in words."""
    if typing.get_origin(hint) is Annotated:
        kind, *metas = typing.get_args(hint)
        return ", ".join([_kind(kind), *filter(None, map(_bounds, metas))])
    if isinstance(hint, type) and issubclass(hint, Enum):
        return " or ".join(f'`"{each.value}"`' for each in hint)
    if typing.get_origin(hint) is tuple:
        return "list of sections" if typing.get_args(hint)[0] is Address else "list of texts"
    names = {str: "text", int: "number", datetime: "date and time", Broker: "section", Tls | None: "section"}
    return names[hint]


def _bounds(meta: msgspec.Meta) -> str:
    if meta.pattern:
        return _PATTERNS[meta.pattern]
    if meta.tz:
        return "with its offset from UTC"
    low, high = (meta.ge, meta.le) if meta.ge is not None else (meta.min_length, meta.max_length)
    if high is None:
        return f"from {low}"
    return f"to {high}" if low is None else f"{low} to {high}"


_PATTERNS = {
    typing.get_args(Name)[1].pattern: "1 to 32 of `a-z`, `0-9`, `-`",
    typing.get_args(Host)[1].pattern: "1 to 253 of letters, digits, `.`, `:`, `-`",
}


def _default(field: Any) -> str:
    if field.default is msgspec.NODEFAULT:
        return "required"
    if isinstance(field.default, Enum):
        return f'`"{field.default.value}"`'
    if field.default == ():
        return "none"
    return "none" if field.default is None else f"`{field.default!r}`".replace("'", '"')
