"""The beat and the readiness: their bounds are held, they are the unit's, and they tell no more than they must."""

from typing import Any

import msgspec
import pytest

from tests.wire.samples import BEAT, READINESS, TRUSTED, UNIT, fault_of, fields_of, with_field
from wire import note
from wire.beat import SCANS_MAX, TROUBLES_MAX, Beat
from wire.errors import MalformedError
from wire.fields import INTEGER_MAX
from wire.readiness import CHECKS_MAX, Check, Readiness

CHECK = {"outcome": "good", "part": "press", "words": ""}


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("battery", ["outside", "unknown"], ["", "a b", 7]),
        ("boot", [1], [0, -1]),
        ("chain", ["0" * 32], ["0" * 64]),
        ("deployment", ["d"], ["D", ""]),
        ("heat", ["hot"], ["80 C"]),
        ("kept", [0, INTEGER_MAX], [-1]),
        ("minutes", [0], [-1, 0.5]),
        ("read", [0, SCANS_MAX], [-1, SCANS_MAX + 1]),
        ("room", [0, INTEGER_MAX], [-1]),
        ("scans", [0, SCANS_MAX], [-1, SCANS_MAX + 1]),
        ("troubles", [[], ["hot"] * TROUBLES_MAX], [["hot"] * (TROUBLES_MAX + 1), [""], "hot"]),
        ("unit", [], ["unit-8"]),
        ("waiting", [0], [-1]),
        ("place", [], ["anywhere"]),
    ],
)
def test_a_beat_keeps_its_bounds(name: str, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        assert fields_of(note.read(with_field(BEAT, name, value), Beat, TRUSTED).statement)[name] == value
    for value in bad:
        assert type(fault_of(note.read, with_field(BEAT, name, value), Beat, TRUSTED)) is MalformedError, value


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("calibration", ["", "0" * 16], ["0" * 15, "x" * 16]),
        ("checks", [[], [CHECK] * CHECKS_MAX], [[CHECK] * (CHECKS_MAX + 1), [{}], [CHECK | {"place": ""}]]),
        ("date", ["2024-07-28"], ["2024-07-28T20:24:06Z", ""]),
        ("deployment", ["d"], [""]),
        ("firmware", ["0.1.0.dev1+a"], ["", "0 1"]),
        ("number", [1, INTEGER_MAX], [0, INTEGER_MAX + 1]),
        ("unit", [], ["unit-8"]),
    ],
)
def test_a_readiness_keeps_its_bounds(name: str, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        assert fields_of(note.read(with_field(READINESS, name, value), Readiness, TRUSTED).statement)[name] == value
    for value in bad:
        assert type(fault_of(note.read, with_field(READINESS, name, value), Readiness, TRUSTED)) is MalformedError, (
            value
        )


def test_a_readiness_with_all_it_may_say_fits_into_a_note() -> None:
    check = Check(outcome="absent", part="p" * 64, words="ñ" * 400)
    full = msgspec.structs.replace(READINESS, checks=(check,) * CHECKS_MAX)
    assert len(note.write(full, UNIT)) <= note.NOTE_BYTES_MAX


def test_a_later_readiness_has_the_higher_age() -> None:
    later = [("2024-07-27", 9), ("2024-07-27", 10), ("2024-07-28", 1)]
    ages = [msgspec.structs.replace(READINESS, date=date, number=number).age for date, number in later]
    assert ages == sorted(ages)


def test_a_later_beat_of_a_chain_has_the_higher_age() -> None:
    ages = [
        msgspec.structs.replace(BEAT, boot=boot, minutes=minutes).age for boot in (1, 2) for minutes in (0, 10, 500)
    ]
    assert ages == sorted(ages)
