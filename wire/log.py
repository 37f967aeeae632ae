"""The log: how units and hubs word what happened; each event is declared once, and docs/log.md is made from that.

A line says when, how serious, what, and a few plain facts: `ts=1722211446 level=warning event=link-down why="..."`.
Never a vote, a payload, a mesa, a name of a person or a secret.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class Level(Enum):
    """Who should look: nobody, somebody when there is time, somebody now."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Happening:
    """One kind of event: how serious it is, and what it means and asks for."""

    level: Level
    meaning: str


_FACT = re.compile(r'([a-z0-9_]+)=("(?:[^"\\]|\\.)*"|[^ ]*)')

Log = Callable[..., None]
"""Writes one line: the event first, then its facts by name."""


def line(event: Enum, seconds: int, said: dict[str, str | int | float]) -> str:
    """One log line (logfmt).

    Args:
        event: a member of an Enum whose values are `Happening`.
        seconds: the believed date, seconds since 1970 UTC.
        said: what else to say; text is quoted as JSON where it needs to be.
    """
    words = {"ts": seconds, "level": event.value.level.value, "event": event.name.lower().replace("_", "-"), **said}
    return " ".join(f"{name}={_plain(word)}" for name, word in words.items())


def facts(line: str) -> dict[str, str]:
    """What a log line says, by name: the way back from `line`."""
    return {name: json.loads(text) if text.startswith('"') else text for name, text in _FACT.findall(line)}


def _plain(word: str | float) -> str:
    text = str(word)
    return text if text.isascii() and text.isprintable() and text and not set(text) & set(' "=') else json.dumps(text)
