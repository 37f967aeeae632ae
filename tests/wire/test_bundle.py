"""The bundle: its manifest, the names of its files, and what may be read off what nobody has verified."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.samples import HUB, STRANGER, TRUSTED, UNIT, bundle_of, fault_of, sample, sealeds, sha256, with_field
from wire import note
from wire.bundle import (
    PICTURES_MAX,
    RECORDS_MAX,
    Bundle,
    File,
    Leaf,
    answer_name,
    claims,
    is_answer,
    parse,
    read_answer,
)
from wire.envelope import PICTURE_BYTES_MAX, Envelope, Sealed, join
from wire.errors import BadSignatureError, MalformedError, UnknownSignerError
from wire.note import NOTE_BYTES_MAX
from wire.receipt import Receipt, Refused

HASH = sha256(b"a file")
WHOLE = bundle_of(sample("envelope.publication"), sample("picture-0.sealed"))


def test_the_largest_manifest_fits_a_note() -> None:
    largest = Sealed("f" * 64, PICTURE_BYTES_MAX)
    bundle = Bundle("d" * 32, (largest,) * RECORDS_MAX, (largest,) * PICTURES_MAX, "unit-7")
    assert NOTE_BYTES_MAX * 0.9 < len(note.write(bundle, UNIT)) <= NOTE_BYTES_MAX


def test_a_manifest_says_the_same_to_whoever_reads_it() -> None:
    written = note.write(WHOLE, UNIT)
    assert note.read(written, Bundle, TRUSTED).statement == WHOLE
    assert note.write(WHOLE, UNIT) == written


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("envelopes", []),
        ("envelopes", [{"sha256": HASH, "size": 1}] * (RECORDS_MAX + 1)),
        ("pictures", [{"sha256": HASH, "size": 1}] * (PICTURES_MAX + 1)),
        ("pictures", [{"sha256": f"../{HASH[3:]}", "size": 1}]),
        ("pictures", [{"sha256": HASH, "size": PICTURE_BYTES_MAX + 1}]),
        ("deployment", "../.."),
        ("unit", "unit-8"),
        ("more", ""),
    ],
)
def test_a_manifest_out_of_its_bounds_is_refused(field: str, value: object) -> None:
    assert isinstance(fault_of(note.read, with_field(WHOLE, field, value, UNIT), Bundle, TRUSTED), MalformedError)


@given(st.sampled_from(Leaf), st.binary(min_size=32, max_size=32).map(bytes.hex))
def test_the_name_of_a_file_says_what_it_is(leaf: Leaf, digest: str) -> None:
    assert parse(str(File(digest, leaf))) == File(digest, leaf)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        f"{HASH}",
        f"{HASH}.note",
        f"{HASH}.envelope.part",
        f"{HASH.upper()}.envelope",
        f"{HASH[1:]}.envelope",
        f"../{HASH}.envelope",
        f"{HASH}.envelope\n",
        f"{HASH}.envelope\udcff",
        f"hub-a-{'0' * 32}.receipt",
    ],
)
def test_no_other_name_is_a_files(name: str) -> None:
    assert parse(name) is None


def test_an_answers_name_tells_whose_it_is_and_of_what() -> None:
    receipt, refused = (read_answer(sample(f"{name}.note"), TRUSTED) for name in ("receipt", "refused"))
    assert isinstance(receipt, note.Note)
    assert isinstance(refused, Refused)
    names = [answer_name(receipt.statement), answer_name(refused)]
    assert names == [f"hub-a-{receipt.statement.chain}.receipt", f"hub-a-{refused.publication}.refused"]
    assert all(map(is_answer, names))
    longest = Receipt(0, "f" * 32, (), HASH, "h" * 32, (), 0, "unit-7", 0)
    assert is_answer(answer_name(longest))


@pytest.mark.parametrize(
    "name",
    ["", "hub-a.receipt", f"-{'0' * 32}.receipt", f"../a-{'0' * 32}.receipt", f"a-{'0' * 64}.receipt", "a-.refused"],
)
def test_no_other_name_is_an_answers(name: str) -> None:
    assert not is_answer(name)


def test_an_answer_is_one_of_a_trusted_hub_or_none() -> None:
    receipt = sample("receipt.note")
    stranger = {"hub-a": STRANGER.verifier}
    assert isinstance(fault_of(read_answer, receipt, stranger), UnknownSignerError)
    assert isinstance(fault_of(read_answer, receipt.replace(b'"seq":1', b'"seq":9'), TRUSTED), BadSignatureError)
    assert isinstance(fault_of(read_answer, sample("holding.note"), TRUSTED), MalformedError)
    assert isinstance(fault_of(read_answer, b"", TRUSTED), MalformedError)
    assert isinstance(read_answer(receipt, {"hub-a": HUB.verifier}), note.Note)


def test_a_publication_claims_what_its_envelope_states() -> None:
    publication = sample("envelope.publication")
    assert claims(publication) == note.read(sample("envelope.note"), Envelope, TRUSTED).statement


@given(st.binary(max_size=200))
def test_what_is_no_publication_claims_nothing(rubbish: bytes) -> None:
    kind = Envelope.KIND.encode()
    for written in (rubbish, kind, kind + b"\n" + rubbish, kind + b"\n" + b"[" * 100_000):
        assert claims(join(written, b"sealed")) is None
    assert claims(rubbish) is None


@given(sealeds)
def test_another_kind_of_note_claims_nothing(sealed: Sealed) -> None:
    bundle = note.write(Bundle("d", (sealed,), (), "unit-7"), UNIT)
    assert claims(join(bundle, b"sealed")) is None
