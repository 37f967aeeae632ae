"""The tests of the envelope: what it names is what travels with it, and a publication comes apart as it was joined."""

import hashlib

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.wire.samples import CHAIN, DEPLOYMENT, TRUSTED, UNIT, envelopes, fault_of, sample
from wire import note
from wire.envelope import (
    CHUNK_BYTES,
    PICTURE_BYTES_MAX,
    SEALED_BYTES_MAX,
    Envelope,
    Sealed,
    context,
    join,
    split,
)
from wire.errors import MalformedError
from wire.fields import NOTHING

BLOB = sample("record.sealed")
PUBLICATION = sample("envelope.publication")


def envelope(*, seq: int = 1, prev: str = NOTHING, record: bytes = BLOB) -> Envelope:
    return Envelope(
        chain=CHAIN,
        deployment=DEPLOYMENT,
        pictures=(),
        prev=prev,
        record=Sealed.of(record),
        seq=seq,
        unit="unit-7",
    )


@given(st.binary(max_size=2000), st.binary(min_size=1, max_size=2000))
def test_a_publication_comes_apart_as_it_was_joined(written: bytes, sealed: bytes) -> None:
    publication = join(written, sealed)
    assert publication == len(written).to_bytes(4, "big") + written + sealed
    assert split(publication) == (written, sealed)


@given(envelopes)
def test_an_envelope_is_read_from_its_publication(sent: Envelope) -> None:
    written, sealed = split(join(note.write(sent, UNIT), BLOB))
    assert note.read(written, Envelope, TRUSTED).statement == sent
    assert sealed == BLOB


@given(st.binary(max_size=300))
@example(b"")
@example(b"\0\0\0\0")
@example(b"\xff\xff\xff\xff")
@example(b"\0\0\0\1x")
def test_no_bytes_split_into_anything_but_what_would_join_to_them(content: bytes) -> None:
    fault = fault_of(split, content)
    if fault:
        assert type(fault) is MalformedError
        assert f"{len(content)} bytes" in str(fault)
    else:
        assert join(*split(content)) == content


def test_a_sealed_record_may_be_131072_bytes_long_and_no_longer() -> None:
    assert len(split(join(b"note", bytes(SEALED_BYTES_MAX)))[1]) == 131072
    with pytest.raises(MalformedError, match="at most 131072 bytes"):
        split(join(b"note", bytes(SEALED_BYTES_MAX + 1)))


@pytest.mark.parametrize("content", [b"", b"\0\0\0", b"\0\0\0\0", b"\0\0\0\4note", b"\0\0\0\5note"])
def test_bytes_that_end_before_a_sealed_record_are_no_publication(content: bytes) -> None:
    with pytest.raises(MalformedError, match=f"a publication of {len(content)} bytes"):
        split(content)


def accepted(publication: bytes) -> Envelope:
    """What a hub does with the bytes that come."""
    written, sealed = split(publication)
    found = note.read(written, Envelope, TRUSTED).statement
    found.check(sealed)
    return found


def test_the_vector_publication_is_accepted() -> None:
    assert accepted(PUBLICATION).seq == 1


def test_every_flipped_bit_of_a_publication_is_refused() -> None:
    for place in (*range(200), *range(200, len(PUBLICATION), 7), len(PUBLICATION) - 1):
        altered = bytearray(PUBLICATION)
        altered[place] ^= 1 << place % 8
        assert fault_of(accepted, bytes(altered)), f"byte {place}"


@given(st.data())
def test_any_part_of_a_publication_replaced_is_refused(drawn: st.DataObject) -> None:
    start = drawn.draw(st.integers(0, len(PUBLICATION)))
    end = drawn.draw(st.integers(start, len(PUBLICATION)))
    altered = PUBLICATION[:start] + drawn.draw(st.binary(max_size=8)) + PUBLICATION[end:]
    assume(altered != PUBLICATION)
    assert fault_of(accepted, altered)


@given(st.binary(min_size=1, max_size=100))
def test_an_envelope_takes_no_other_sealed_record(other: bytes) -> None:
    with pytest.raises(MalformedError, match="the sealed record is not the one the envelope names"):
        envelope().check(other)


def test_only_the_first_of_a_chain_has_none_before_it() -> None:
    envelope().check(BLOB)
    envelope(seq=2, prev="1" * 64).check(BLOB)
    for wrong in (envelope(seq=2), envelope(prev="1" * 64)):
        with pytest.raises(MalformedError, match="only the first of a chain"):
            wrong.check(BLOB)


@given(st.binary(min_size=1, max_size=5000))
def test_sealed_bytes_are_named_by_what_they_are(blob: bytes) -> None:
    assert Sealed.of(blob) == Sealed(hashlib.sha256(blob).hexdigest(), len(blob))
    assert Sealed.of(blob) != Sealed.of(blob + b"\0")


@pytest.mark.parametrize(
    ("size", "chunks"),
    [(1, 1), (CHUNK_BYTES, 1), (CHUNK_BYTES + 1, 2), (2 * CHUNK_BYTES, 2), (PICTURE_BYTES_MAX, 1024)],
)
def test_every_chunk_but_the_last_is_whole(size: int, chunks: int) -> None:
    assert Sealed(NOTHING, size).chunks == chunks


@given(envelopes, envelopes)
def test_contexts_differ_wherever_places_do(one: Envelope, two: Envelope) -> None:
    places = {
        (each.deployment, each.unit, each.chain, each.seq, what)
        for each in (one, two)
        for what in ("record", "picture/0", "picture/10")
    }
    assert len({context(*place) for place in places}) == len(places)


def test_a_context_reads_as_the_specification_says() -> None:
    expected = f"testigo/sealed/1 a-rehearsal unit-7 {CHAIN} 1 picture/0"
    assert context("a-rehearsal", "unit-7", CHAIN, 1, "picture/0") == expected.encode()
