"""The tests of the vectors: each file in docs/vectors is what the code writes, and reads as docs/wire.md says."""

import json
import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.wire import make_vectors
from tests.wire.samples import (
    FAULTS,
    KINDS,
    OPENERS,
    PICTURE,
    RECORD,
    REFUSED,
    REQUEST,
    TOKEN,
    TRUSTED,
    UNIT,
    VECTORS,
    line_of,
    sample,
    sha256,
)
from wire import enrolment, note
from wire.beat import Beat
from wire.belonging import Belonging
from wire.bundle import Bundle
from wire.control import Control
from wire.enrolment import Enrolled
from wire.envelope import Envelope, Sealed, context, split
from wire.errors import NotForUsError, TheirFault, UnknownSignerError
from wire.move import Move
from wire.note import Statement, Verifier
from wire.package import Package
from wire.readiness import Readiness
from wire.receipt import Holding, Receipt, Refused
from wire.record import Record
from wire.seal import Opener, Recipient

CODES = {each.why: each for each in FAULTS}
MADE = make_vectors.vectors(sample("record.sealed"), sample("picture-0.sealed"))
DOCUMENT = (VECTORS.parent / "wire.md").read_text("utf-8")
ALONE = {"record.sealed", "picture-0.sealed"} | {
    f"payloads/{name}.txt" for name in ("ve-2024-presidential", "br-bu-1.5-part-1", "br-bu-1.5-part-2")
}
"""What the others are made from, and what chance is in."""


def test_the_vectors_are_those_files_and_no_others() -> None:
    found = {file.relative_to(VECTORS).as_posix() for file in VECTORS.rglob("*") if file.is_file()}
    assert found == MADE.keys() | ALONE


@pytest.mark.parametrize("name", MADE)
def test_each_vector_is_what_the_code_writes(name: str) -> None:
    assert sample(name) == MADE[name], "run python -m tests.wire.make_vectors and look at what changed"


def opener(name: str) -> Opener:
    key = load_pem_private_key(sample(f"keys/test-only-{name}-seal.pem"), password=None)
    assert isinstance(key, X25519PrivateKey)
    return Opener(name, key)


@pytest.mark.parametrize("name", ["hub-a", "hub-b"])
def test_the_sealed_vectors_open_with_the_vector_keys(name: str) -> None:
    assert opener(name).open(sample("record.sealed"), sample("record.context")) == sample("record.note")
    assert opener(name).open(sample("picture-0.sealed"), sample("picture-0.context")) == sample("picture-0.pgm")


def test_the_sealed_vectors_are_for_nobody_else() -> None:
    with pytest.raises(NotForUsError):
        OPENERS[2].open(sample("record.sealed"), sample("record.context"))


def test_the_vector_keys_are_those_in_the_lists() -> None:
    verifiers = [Verifier.parse(line) for line in sample("keys/verifiers.txt").decode().splitlines()]
    assert {verifier.name: verifier for verifier in verifiers} == TRUSTED
    recipients = [Recipient.parse(line) for line in sample("keys/recipients.txt").decode().splitlines()]
    assert recipients == [opener(name).recipient for name in ("hub-a", "hub-b")]


def test_the_vectors_hang_together() -> None:
    """All that a hub checks, one after the other, on the publication, then what the unit checks on the receipt."""
    written, sealed = split(sample("envelope.publication"))
    assert (written, sealed) == (sample("envelope.note"), sample("record.sealed"))
    envelope = note.read(written, Envelope, TRUSTED)
    envelope.statement.check(sealed)
    statement = envelope.statement
    where = (statement.deployment, statement.unit, statement.chain, statement.seq)
    record = note.read(opener("hub-a").open(sealed, context(*where, "record")), Record, TRUSTED).statement
    assert record == RECORD
    assert (record.deployment, record.unit, record.chain, record.seq) == where
    (picture,) = envelope.statement.pictures
    blob = sample("picture-0.sealed")
    assert picture == Sealed.of(blob)
    assert (
        sha256(opener("hub-b").open(blob, context(*where, "picture/0"))) == record.pictures[0].sha256 == sha256(PICTURE)
    )
    receipt = note.read(sample("receipt.note"), Receipt, TRUSTED).statement
    holding = note.read(sample("holding.note"), Holding, TRUSTED).statement
    assert (receipt.chain, receipt.seq, receipt.hash) == (holding.chain, holding.seq, holding.hash)
    assert receipt.hash == envelope.hash
    assert receipt.missing[0].sha256 == picture.sha256
    assert note.read(sample("refused.note"), Refused, TRUSTED).statement == REFUSED
    bundle = note.read(sample("bundle.note"), Bundle, TRUSTED).statement
    assert (bundle.envelopes, bundle.pictures) == ((Sealed.of(sample("envelope.publication")),), (picture,))


@pytest.mark.parametrize(
    "file", sorted(VECTORS.glob("refused/*/*.note")), ids=lambda file: f"{file.parent.name}/{file.stem}"
)
def test_each_note_in_a_folder_of_refused_ones_is_refused_with_its_code(file: Path) -> None:
    with pytest.raises(CODES[file.parent.name]):
        note.read(file.read_bytes(), Receipt, TRUSTED)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("record", Record),
        ("envelope", Envelope),
        ("receipt", Receipt),
        ("refused", Refused),
        ("holding", Holding),
        ("bundle", Bundle),
        ("beat", Beat),
        ("readiness", Readiness),
        ("package", Package),
        ("card", Control),
        ("move", Move),
        ("enrolled", Enrolled),
        ("belonging", Belonging),
    ],
)
def test_each_note_is_one_line_of_json_between_its_kind_and_its_signature(name: str, kind: type[Statement]) -> None:
    """By another JSON library, by the rules that docs/wire.md states."""
    first, line, blank, signature, end = sample(f"{name}.note").decode().split("\n")
    assert (first, blank, end) == (kind.KIND, "", "")
    assert signature.startswith("— ")
    fields = json.loads(line)
    assert json.dumps(fields, ensure_ascii=False, separators=(",", ":"), sort_keys=True) == line
    assert list(fields) == sorted(kind.__struct_fields__)


def test_the_request_of_the_vectors_is_signed_by_the_cards_key_and_the_units() -> None:
    content = sample("enrolment.request")
    assert enrolment.read(content, {"unit-7": TOKEN.verifier}) == REQUEST
    for cards in ({"unit-7": UNIT.verifier}, {}):
        with pytest.raises(UnknownSignerError):
            enrolment.read(content, cards)
    lines = content.splitlines(keepends=True)
    for changed in (lines[:-1], [*lines, lines[-1]], [*lines[:-2], lines[-1], lines[-2]], [*lines[:-1], lines[-2]]):
        with pytest.raises(TheirFault):
            enrolment.read(b"".join(changed), {"unit-7": TOKEN.verifier})


def test_the_unit_of_the_vectors_signs_as_it_did() -> None:
    text = sample("holding.note").partition(b"\n\n")[0] + b"\n"
    assert sample("holding.note") == text + b"\n" + line_of("unit-7", UNIT.verifier.key_id + UNIT.sign(text))


def test_the_specification_begins_with_the_vector_receipt() -> None:
    assert sample("receipt.note").decode() in DOCUMENT


@pytest.mark.parametrize("kind", KINDS)
def test_the_specification_lists_every_field_of_a_statement(kind: type[Statement]) -> None:
    section = DOCUMENT.partition(f"`{kind.KIND}`")[2].partition("\n\n")[2].partition("\n\n")[0]
    assert tuple(re.findall(r"^\| `([a-z]+)` \|", section, re.MULTILINE)) == kind.__struct_fields__


def test_the_specification_lists_every_code_of_a_fault() -> None:
    assert all(f"| `{why}` |" in DOCUMENT for why in CODES)
