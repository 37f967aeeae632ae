"""The tests of the receipt, the refusal and the holding: their bounds are held, and each is its author's."""

from typing import Any

import msgspec
import pytest

from tests.wire.samples import (
    FAULTS,
    HUB,
    OTHER_HUB,
    REFUSED,
    TRUSTED,
    fault_of,
    fields_of,
    holding_of,
    receipt_of,
    with_field,
)
from wire import note
from wire.envelope import Sealed
from wire.errors import MalformedError
from wire.fields import INTEGER_MAX, NOTHING
from wire.note import Statement
from wire.receipt import CHUNKS_MAX, EXTRAS_MAX, MISSING_MAX, Holding, Receipt, Refused

RECEIPT = receipt_of("5" * 64, Sealed(NOTHING, 70000))
EXTRA, MISSING = {"hash": NOTHING, "seq": 3, "whole": False}, {"chunks": [0], "sha256": NOTHING}


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("at", [0, INTEGER_MAX], [-1, INTEGER_MAX + 1, "0", None]),
        ("chain", ["0" * 32], ["0" * 31, "0" * 64, ""]),
        (
            "extras",
            [[], [EXTRA] * EXTRAS_MAX],
            [[EXTRA] * (EXTRAS_MAX + 1), [EXTRA | {"seq": 0}], [EXTRA | {"x": 1}], [EXTRA | {"whole": 1}], [{}], None],
        ),
        ("hash", [NOTHING], ["0" * 63]),
        (
            "missing",
            [[], [MISSING] * MISSING_MAX, [MISSING | {"chunks": [INTEGER_MAX] * CHUNKS_MAX}]],
            [
                [MISSING] * (MISSING_MAX + 1),
                [MISSING | {"chunks": []}],
                [MISSING | {"chunks": [0] * (CHUNKS_MAX + 1)}],
                [MISSING | {"chunks": [-1]}],
                [MISSING | {"sha256": ""}],
            ],
        ),
        ("seq", [0, INTEGER_MAX], [-1, INTEGER_MAX + 1, 0.5]),
        ("unit", ["u", "u" * 32], ["", "U", "u" * 33, "u/v"]),
        ("whole", [0, INTEGER_MAX], [-1, None]),
        ("later", [], [0]),
    ],
)
def test_a_receipt_keeps_its_bounds(name: str, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        found = note.read(with_field(RECEIPT, name, value), Receipt, TRUSTED)
        assert fields_of(found.statement)[name] == value
    for value in bad:
        fault = fault_of(note.read, with_field(RECEIPT, name, value), Receipt, TRUSTED)
        assert type(fault) is MalformedError, value


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("publication", [NOTHING], ["", "0" * 65]),
        ("why", ["malformed", "a-code-of-next-year"], ["", "not a word", "x" * 65, None]),
        ("words", ["", "x" * 400, "ñ" * 400], ["x" * 401, None]),
    ],
)
def test_a_refusal_keeps_its_bounds(name: str, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        found = note.read(with_field(REFUSED, name, value), Refused, TRUSTED)
        assert fields_of(found.statement)[name] == value
    for value in bad:
        assert type(fault_of(note.read, with_field(REFUSED, name, value), Refused, TRUSTED)) is MalformedError


@pytest.mark.parametrize(("name", "bad"), [("seq", -1), ("hash", ""), ("chain", NOTHING), ("hub", "hub-a")])
def test_a_holding_keeps_its_bounds(name: str, bad: object) -> None:
    content = with_field(holding_of("5" * 64), name, bad)
    assert type(fault_of(note.read, content, Holding, TRUSTED)) is MalformedError


def test_a_receipt_with_all_it_may_name_fits_into_a_note() -> None:
    full = msgspec.structs.replace(
        RECEIPT,
        extras=(msgspec.convert(EXTRA | {"seq": INTEGER_MAX}, type(RECEIPT.extras[0])),) * EXTRAS_MAX,
        missing=(msgspec.convert(MISSING | {"chunks": [1023] * CHUNKS_MAX}, type(RECEIPT.missing[0])),) * MISSING_MAX,
    )
    assert len(note.write(full, HUB)) <= note.NOTE_BYTES_MAX


@pytest.mark.parametrize(
    ("statement", "name"),
    [(RECEIPT, "hub"), (REFUSED, "hub"), (holding_of("5" * 64), "unit")],
    ids=["receipt", "refused", "holding"],
)
def test_a_statement_signed_by_another_than_its_author_is_refused(statement: Statement, name: str) -> None:
    content = with_field(statement, name, statement.author, OTHER_HUB)
    with pytest.raises(MalformedError, match=f"a statement of {statement.author} is signed by hub-b"):
        note.read(content, type(statement), TRUSTED)


@pytest.mark.parametrize("why", [each.why for each in FAULTS])
def test_the_code_of_a_fault_is_a_word_that_a_refusal_can_carry(why: str) -> None:
    assert note.read(with_field(REFUSED, "why", why), Refused, TRUSTED).statement.why == why
