"""The tests of the signed note: what is written is read the same, and everything else is refused for its reason."""

import dataclasses
import hashlib
import json
import re

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.wire import samples
from tests.wire.make_vectors import refused
from tests.wire.samples import (
    FAULTS,
    HUB,
    KINDS,
    ORDER,
    OTHER_HUB,
    STRANGER,
    TRUSTED,
    UNIT,
    fault_of,
    framed,
    numbers_of,
    sample,
    signer_of,
    statements,
)
from wire import note
from wire.errors import BadSignatureError, MalformedError, UnknownSignerError
from wire.note import NAME, KeySigner, Statement, Verifier
from wire.receipt import Holding, Receipt, Refused
from wire.record import Record

REFUSED = list(refused())
CLASSES = {each.why: each for each in FAULTS}
REASONS = {
    "two-signature-lines": "does not end in a blank line and one signature line",
    "signed-by-another-than-its-author": "a statement of hub-a is signed by hub-b",
    "another-kind": "expected a note that begins 'testigo/receipt/1'",
    "another-version": "expected a note that begins 'testigo/receipt/1'",
    "longer-than-65536-bytes": "at most 65536",
    "key-twice": "not in the one canonical JSON form",
    "key-not-in-order": "not in the one canonical JSON form",
    "key-unknown": "unknown field `zone`",
    "key-missing": "missing required field `unit`",
    "space-in-json": "not in the one canonical JSON form",
    "escape-not-needed": "not in the one canonical JSON form",
    "integer-as-float": "got `float`",
    "integer-2-to-the-53": r"<= 9007199254740991 - at `\$.at`",
    "integer-negative": r">= 0 - at `\$.at`",
    "integer-null": "got `null`",
    "integer-true": "got `bool`",
    "lone-surrogate-escaped": "surrogate",
    "base64-not-canonical": "one canonical form",
    "base64-without-padding": "is not base64",
    "another-key-under-the-name": f"key {STRANGER.verifier.key_id.hex()}",
    "key-id-of-another-key": f"key {STRANGER.verifier.key_id.hex()}",
    "high-s": "one allowed encoding",
    "text-altered": "does not match the text",
}
"""What the reasons of some must say, so that a note is not refused for another fault than the one it was made for."""


@given(statements)
def test_what_is_written_is_read_the_same(statement: Statement) -> None:
    written = note.write(statement, signer_of(statement))
    found = note.read(written, type(statement), TRUSTED)
    assert found.statement == statement
    assert written.startswith(found.text + b"\n\xe2\x80\x94 ")
    assert found.hash == hashlib.sha256(found.text).hexdigest()
    assert not re.search(rb"[\0-\x09\x0b-\x1f]", written), "C2SP signed-note forbids control characters"
    assert note.kind_of(written) == type(statement).KIND


@given(statements)
def test_writing_twice_gives_the_same_bytes(statement: Statement) -> None:
    assert note.write(statement, signer_of(statement)) == note.write(statement, signer_of(statement))


@given(statements, st.sampled_from(KINDS))
def test_a_note_is_read_as_its_own_kind_only(statement: Statement, kind: type[Statement]) -> None:
    assume(kind is not type(statement))
    with pytest.raises(MalformedError, match="expected a note that begins"):
        note.read(note.write(statement, signer_of(statement)), kind, TRUSTED)


@pytest.mark.parametrize(("why", "name", "content"), REFUSED, ids=[f"{why}/{name}" for why, name, _ in REFUSED])
def test_a_note_with_one_fault_is_refused_for_it(why: str, name: str, content: bytes) -> None:
    fault = fault_of(note.read, content, Receipt, TRUSTED)
    assert fault is not None
    assert type(fault) is CLASSES[why]
    assert fault.why == why
    assert re.search(REASONS.get(name, ""), str(fault)), str(fault)


def test_every_flipped_bit_of_a_note_is_refused() -> None:
    whole = note.write(Holding(chain=samples.CHAIN, hash="5" * 64, heard=(), seq=1, unit="unit-7"), UNIT)
    for place in range(len(whole)):
        for bit in range(8):
            altered = bytearray(whole)
            altered[place] ^= 1 << bit
            assert fault_of(note.read, bytes(altered), Holding, TRUSTED), f"bit {bit} of byte {place}"


def test_every_byte_left_out_or_put_in_is_refused() -> None:
    whole = sample("holding.note")
    for place in range(len(whole) + 1):
        longer = [whole[:place] + more + whole[place:] for more in (b"\0", b"\n", b" ", b"0", b"=", b"\xff")]
        shorter = [whole[:place] + whole[place + 1 :], whole[:place], whole[place:]]
        for altered in (*longer, *shorter):
            if altered != whole:
                assert fault_of(note.read, altered, Holding, TRUSTED), f"at {place}"


@given(statements, st.data())
def test_any_part_of_a_note_replaced_is_refused(statement: Statement, drawn: st.DataObject) -> None:
    whole = note.write(statement, signer_of(statement))
    start = drawn.draw(st.integers(0, len(whole)))
    end = drawn.draw(st.integers(start, len(whole)))
    altered = whole[:start] + drawn.draw(st.binary(max_size=8)) + whole[end:]
    assume(altered != whole)
    assert fault_of(note.read, altered, type(statement), TRUSTED)


@given(st.binary(max_size=400), st.sampled_from(KINDS))
@example(b"", Receipt)
@example(b"\n\n", Receipt)
@example("\n\n\n— hub-a AAAA\n".encode(), Receipt)
def test_no_bytes_raise_anything_but_a_fault_of_theirs(content: bytes, kind: type[Statement]) -> None:
    assert fault_of(note.read, content, kind, TRUSTED)
    note.kind_of(content)


@given(statements)
def test_a_statement_is_written_as_another_json_library_writes_it(statement: Statement) -> None:
    line = note.write(statement, signer_of(statement)).split(b"\n")[1]
    assert json.dumps(json.loads(line), ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode() == line


def test_every_character_is_written_as_the_specification_says() -> None:
    short = {"\b": r"\b", "\t": r"\t", "\n": r"\n", "\f": r"\f", "\r": r"\r", '"': r"\"", "\\": r"\\"}
    for start in range(0, 0x11000, 256):
        chars = [chr(code) for code in range(start, start + 256) if not 0xD800 <= code <= 0xDFFF]
        written = "".join(short.get(char, f"\\u{ord(char):04x}" if char < " " else char) for char in chars)
        statement = msgspec.structs.replace(samples.REFUSED, words="".join(chars))
        assert f'"words":"{written}"'.encode() in note.write(statement, HUB)


@given(st.sampled_from(KINDS), st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@example(Receipt, b"[" * 60000)
@example(Receipt, b'{"at":' * 10000)
@example(Receipt, b'{"at":1e400}')
@example(Receipt, b'{"at":' + b"9" * 5000 + b"}")
@example(Receipt, b'{"hub":"\\ud800"}')
@example(Record, b'{"mode":{}}')
def test_no_signed_rubbish_raises_anything_but_a_fault_of_theirs(kind: type[Statement], line: bytes) -> None:
    content = framed(kind.KIND.encode() + b"\n" + line + b"\n", HUB)
    fault = fault_of(note.read, content, kind, TRUSTED)
    assert type(fault) is MalformedError


def test_a_reason_is_short_however_long_what_was_found_is() -> None:
    content = framed(b"testigo/receipt/1\n" + b'{"' + b"x" * 60000 + b'":1}\n', HUB)
    assert len(str(fault_of(note.read, content, Receipt, TRUSTED))) < 400


def test_a_note_may_be_65536_bytes_long_and_no_longer() -> None:
    def reason_at(length: int) -> str:
        notes = (framed(b"x" * size + b"\n", HUB) for size in range(length - 130, length - 110))
        return str(fault_of(note.read, next(each for each in notes if len(each) == length), Receipt, TRUSTED))

    assert "found another first line" in reason_at(65536)
    assert "a note of 65537 bytes, at most 65536 are allowed" in reason_at(65537)


def test_nothing_is_parsed_before_its_signature_holds() -> None:
    with pytest.raises(BadSignatureError):
        note.read(framed(b"testigo/receipt/1\nno JSON\n", HUB, HUB.sign(b"another text\n")), Receipt, TRUSTED)


def test_a_signer_signs_only_what_it_states_itself() -> None:
    with pytest.raises(AssertionError, match="hub-b signs a statement of hub-a"):
        note.write(samples.REFUSED, OTHER_HUB)


def test_what_nobody_could_read_is_not_signed() -> None:
    beyond = Refused(at=0, hub="hub-a", publication="0" * 64, unit="unit-7", why="malformed", words="x" * 401)
    with pytest.raises(AssertionError, match="cannot be read"):
        note.write(beyond, HUB)
    too_long = Record(
        **{name: getattr(samples.RECORD, name) for name in Record.__struct_fields__ if name != "payloads"},
        payloads=("\x01" * 7089, "\x01" * 7089),
    )
    with pytest.raises(AssertionError, match=r"a testigo/record/1 of 8\d{4} bytes"):
        note.write(too_long, UNIT)


@given(st.binary(max_size=200))
def test_signatures_are_deterministic_low_and_in_one_encoding(text: bytes) -> None:
    signature = HUB.sign(text)
    r, s = numbers_of(signature)
    assert signature == HUB.sign(text)
    assert 1 <= r < ORDER
    assert 1 <= s <= ORDER // 2
    HUB.verifier.verify(text, signature)
    with pytest.raises(BadSignatureError, match="one allowed encoding"):
        HUB.verifier.verify(text, samples.other_s(signature))


@given(st.binary(max_size=80))
def test_no_bytes_but_its_own_are_a_signature(signature: bytes) -> None:
    with pytest.raises(BadSignatureError):
        HUB.verifier.verify(b"text\n", signature)


def _der(tag: int, content: bytes, form: bytes = b"") -> bytes:
    return bytes([tag]) + form + bytes([len(content)]) + content


@given(st.binary(max_size=50))
def test_the_same_numbers_in_another_form_are_no_signature(text: bytes) -> None:
    signature = HUB.sign(text)
    r, s = (number.to_bytes(number.bit_length() // 8 + 1, "big") for number in numbers_of(signature))
    assert _der(48, _der(2, r) + _der(2, s)) == signature
    for other in (
        _der(48, _der(2, r) + _der(2, s), b"\x81"),
        _der(48, _der(2, r) + _der(2, s), b"\x82\0"),
        _der(48, _der(2, r, b"\x81") + _der(2, s)),
        _der(48, _der(2, r) + _der(2, s, b"\x81")),
        _der(48, _der(2, b"\0" + r) + _der(2, s)),
        _der(48, _der(2, r) + _der(2, b"\0" + s)),
        _der(48, _der(2, r) + _der(2, s) + _der(5, b"")),
        _der(49, _der(2, r) + _der(2, s)),
        b"\x30\x80" + _der(2, r) + _der(2, s) + b"\0\0",
        signature + b"\0",
        r[-32:] + s[-32:],
    ):
        with pytest.raises(BadSignatureError):
            HUB.verifier.verify(text, other)


@given(samples.names, st.integers(1, ORDER - 1))
def test_verifier_keys_are_read_as_they_are_written(name: str, secret: int) -> None:
    verifier = KeySigner(name, ec.derive_private_key(secret, ec.SECP256R1())).verifier
    assert Verifier.parse(str(verifier)) == verifier
    assert str(verifier).split("+", 2)[:2] == [name, hashlib.sha256(verifier.spki).hexdigest()[:8]]


@given(st.text(st.characters(), max_size=200))
@example("a+b+é")
@example("a+b+\ud800")
@example("")
@example("++")
@example("a+b+Ag==")
def test_no_text_is_a_verifier_key_by_chance(text: str) -> None:
    assert type(fault_of(Verifier.parse, text)) is MalformedError


def test_every_changed_character_of_a_verifier_key_is_refused() -> None:
    whole = str(HUB.verifier)
    start = whole.index("+")  # any other good name makes a good verifier key
    for place in range(start, len(whole)):
        for other in "+=A0 \n-_":
            altered = whole[:place] + other + whole[place + 1 :]
            if altered != whole:
                assert type(fault_of(Verifier.parse, altered)) is MalformedError, f"{other!r} at {place}"
    for altered in (whole[:-1], whole + "=", whole + "\n", " " + whole, "A" + whole, whole.replace("hub-a", "")):
        assert type(fault_of(Verifier.parse, altered)) is MalformedError


def _public(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


COMPRESSED = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200") + samples.signing_key(
    "hub-a"
).public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)


@pytest.mark.parametrize(
    ("spki", "reason"),
    [
        (b"", "no DER public key"),
        (HUB.verifier.spki[:-1], "no DER public key"),
        (HUB.verifier.spki + b"\0", "no DER public key"),
        (HUB.verifier.spki[:-1] + bytes([HUB.verifier.spki[-1] ^ 1]), "no DER public key"),
        (_public(ec.derive_private_key(7, ec.SECP384R1())), "no P-256 key"),
        (_public(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))), "no P-256 key"),
        (COMPRESSED, "not in its one DER form"),
    ],
    ids=["empty", "cut-off", "byte-behind", "not-on-the-curve", "p-384", "ed25519", "compressed-point"],
)
def test_a_key_in_any_other_form_is_refused(spki: bytes, reason: str) -> None:
    with pytest.raises(MalformedError, match=reason):
        Verifier("hub-a", spki)
    text = f"hub-a+{hashlib.sha256(spki).hexdigest()[:8]}+{samples.encoded(bytes([2]) + spki).decode()}"
    with pytest.raises(MalformedError, match=reason):
        Verifier.parse(text)


@given(st.text(st.characters(), max_size=40))
@example("a\n")
@example("-a")
@example("a-")
@example("a" * 33)
@example("é")
def test_names_go_anywhere_unescaped(name: str) -> None:
    if NAME.fullmatch(name):
        assert 1 <= len(name) <= 32
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
        assert name.strip("-") == name
    else:
        with pytest.raises(MalformedError, match="choose another name"):
            Verifier(name, HUB.verifier.spki)


def test_a_trusted_key_is_found_by_name_and_key_id_only() -> None:
    content = sample("receipt.note")
    for trusted in ({}, {"hub-b": HUB.verifier}, {"hub-a": STRANGER.verifier}, {"unit-7": UNIT.verifier}):
        with pytest.raises(UnknownSignerError, match=f"signed by hub-a with key {HUB.verifier.key_id.hex()}"):
            note.read(content, Receipt, trusted)


def test_notes_and_verifiers_are_frozen() -> None:
    found = note.read(sample("receipt.note"), Receipt, TRUSTED)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(found, "text", b"")  # noqa: B010  the type checkers refuse the plain assignment, as they should
    with pytest.raises(AttributeError):
        setattr(found.statement, "seq", 2)  # noqa: B010


def test_every_fault_has_a_code_of_its_own() -> None:
    assert len({each.why for each in FAULTS}) == len(FAULTS)
