"""The log: every event is declared, documented and used, and its lines hold to their form."""

import ast
import re
from enum import Enum
from pathlib import Path

import pytest

import device.log
import device.update
import hub.log
from tests.house.pages import log
from tests.house.tree import modules, parsed
from wire.log import Level, facts, line


@pytest.mark.parametrize(
    "events", [device.log.Event, device.update.Event, hub.log.Event], ids=["unit", "update", "hub"]
)
def test_every_event_is_documented_with_its_level_and_meaning(events: type[Enum]) -> None:
    for event in events:
        name = event.name.lower().replace("_", "-")
        assert f"| `{name}` | {event.value.level.value} | {event.value.meaning} |" in log()


UPDATE = [module for module in modules("device") if module.name == "update.py"]
"""A program of its own, with events of its own."""


@pytest.mark.parametrize(
    ("told_in", "events"),
    [
        ([module for module in modules("device") if module not in UPDATE], device.log.Event),
        (UPDATE, device.update.Event),
        (modules("hub"), hub.log.Event),
    ],
    ids=["unit", "update", "hub"],
)
def test_every_event_is_told_somewhere(told_in: list[Path], events: type[Enum]) -> None:
    told = {
        node.attr
        for module in told_in
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Event"
    }
    assert told == {event.name for event in events}


def test_whoever_reads_of_an_error_or_warning_learns_what_to_do_or_what_was_done() -> None:
    for event in (*device.log.Event, *hub.log.Event):
        grave = event.value.level is not Level.INFO
        assert not grave or re.search(r"[:;,]", event.value.meaning), event


@pytest.mark.parametrize(
    ("fact", "written"),
    [
        ("plain", "plain"),
        (7, "7"),
        ("", '""'),
        ("two words", '"two words"'),
        ('a "quote"', '"a \\"quote\\""'),
        ("a=b", '"a=b"'),
        ("two\nlines", '"two\\nlines"'),
        ("mañana", '"ma\\u00f1ana"'),
        ("\x1b[2J", '"\\u001b[2J"'),
    ],
)
def test_a_fact_stays_on_its_line_whatever_it_holds(fact: str | int, written: str) -> None:
    text = line(device.log.Event.LINK_DOWN, 1_722_211_446, {"why": fact})
    assert text == f"ts=1722211446 level=warning event=link-down why={written}"
    assert facts(text) == {"ts": "1722211446", "level": "warning", "event": "link-down", "why": str(fact)}
