"""The tests of the record: its bounds are held, and its payloads are bytes written as characters."""

from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.wire.samples import RECORD, TRUSTED, UNIT, fault_of, fields_of, payloads, records, with_field
from wire import note
from wire.errors import MalformedError
from wire.fields import INTEGER_MAX, NOTHING
from wire.record import PARTS_MAX, PAYLOAD_CHARACTERS_MAX, Mode, Record

QUALITY: dict[str, Any] = {
    "assumed": 0,
    "blur": 0,
    "calibration": "",
    "cause": "",
    "contrast": 0,
    "dpi": 0,
    "erasures": 0,
    "glare": 0,
    "light": 0,
    "margin": 0,
    "pitch": 0,
    "sharpness": 0,
    "skew": 0,
    "step": "",
    "unread": 0,
}
PICTURE = {"media": "image/jpeg", "sha256": NOTHING, "size": 1}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("after", [NOTHING, "f" * 64]),
        ("boot", [1, INTEGER_MAX]),
        ("clock", ["unset", "system", "rtc", "hub", "a-later-one"]),
        ("date", ["1970-01-01T00:00:00Z", "2106-02-07T06:28:16Z", "9999-12-31T23:59:59Z"]),
        ("deployment", ["a", "d" * 32]),
        ("doubt", ["", "é" * 400]),
        ("first", [NOTHING, "f" * 64]),
        ("mode", ["live", "training"]),
        ("ms", [0, INTEGER_MAX]),
        ("part", [1, INTEGER_MAX]),
        ("payloads", [[], [""], ["\x00\xff"], ["9" * PAYLOAD_CHARACTERS_MAX], [""] * PARTS_MAX]),
        ("pictures", [[], [PICTURE] * PARTS_MAX, [PICTURE | {"media": "image/svg+xml"}]]),
        ("profile", ["br-bu-1.5"]),
        ("quality", [QUALITY, QUALITY | {"margin": 100, "light": 255, "pitch": INTEGER_MAX, "step": "x" * 64}]),
        ("quality", [QUALITY | {"calibration": "x" * 64, "dpi": INTEGER_MAX, "sharpness": 100, "skew": 450}]),
        ("seq", [1, INTEGER_MAX]),
    ],
)
def test_values_at_the_bounds_are_read(name: str, values: list[Any]) -> None:
    for value in values:
        found = note.read(with_field(RECORD, name, value), Record, TRUSTED)
        assert fields_of(found.statement)[name] == value


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("after", ["", "F" * 64, "f" * 63, "f" * 65, "f" * 64 + "\n", None, 0]),
        ("boot", [0, -1, INTEGER_MAX + 1, "1", None, True, 1.5]),
        ("chain", ["", "0" * 31, "0" * 33, "G" * 32]),
        ("clock", ["", "RTC", "r tc", "x" * 65, "é"]),
        ("date", ["", "2024-07-28 20:24:06Z", "2024-07-28T20:24:06", "10000-01-01T00:00:00Z", "٢٠٢٤-07-28T20:24:06Z"]),
        ("deployment", ["", "An Election", "d" * 33, "a/b", None]),
        ("doubt", ["x" * 401, None]),
        ("first", ["", "F" * 64, "f" * 63, None]),
        ("mode", ["", "LIVE", "test", None, True]),
        ("ms", [-1, INTEGER_MAX + 1]),
        ("part", [0, INTEGER_MAX + 1, "2", None]),
        ("payloads", [["€"], ["9" * (PAYLOAD_CHARACTERS_MAX + 1)], [""] * (PARTS_MAX + 1), [1], [None], "", None]),
        ("pictures", [[PICTURE] * (PARTS_MAX + 1), [PICTURE | {"size": 0}], [PICTURE | {"media": "text/html"}], [{}]]),
        ("profile", ["", "../x", "VE"]),
        ("quality", [{}, None, QUALITY | {"margin": 101}, QUALITY | {"light": 256}, QUALITY | {"cause": "x" * 65}]),
        ("quality", [QUALITY | {"pitch": 1.5}, QUALITY | {"glare": -1}, QUALITY | {"colour": "red"}]),
        ("quality", [QUALITY | {"skew": 451}, QUALITY | {"sharpness": 101}, QUALITY | {"calibration": "x" * 65}]),
        ("seq", [0, INTEGER_MAX + 1]),
        ("unit", ["", "unit 7", "u" * 33, "-u", "u/7", "+", "#"]),
        ("colour", ["red"]),
    ],
)
def test_values_out_of_bounds_are_refused(name: str, values: list[Any]) -> None:
    for value in values:
        assert type(fault_of(note.read, with_field(RECORD, name, value), Record, TRUSTED)) is MalformedError, value


@given(st.binary(max_size=300))
def test_any_bytes_of_a_qr_code_survive_as_a_payload(content: bytes) -> None:
    payload = content.decode("latin-1")
    record = msgspec.structs.replace(RECORD, payloads=(payload,))
    found = note.read(note.write(record, UNIT), Record, TRUSTED)
    assert found.statement.payloads[0].encode("latin-1") == content


@given(records, payloads)
def test_a_record_that_says_something_else_has_another_hash(record: Record, payload: str) -> None:
    other = msgspec.structs.replace(record, payloads=(*record.payloads[:15], payload + "x"))
    assume(other != record)
    one, two = (note.read(note.write(each, UNIT), Record, TRUSTED) for each in (record, other))
    assert one.hash != two.hash


def test_a_training_record_says_so_in_the_signed_bytes() -> None:
    assert b'"mode":"training"' in note.read(note.write(RECORD, UNIT), Record, TRUSTED).text
    assert {mode.value for mode in Mode} == {"live", "training"}
