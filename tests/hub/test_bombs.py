"""Bombs: what is small on the wire and large once it is read, deep, or slow; and anything at all, at every entry."""

import itertools
import random
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.intake import ANSWERED_REFUSALS_MAX
from tests.hub.conftest import HubHere
from tests.hub.some_unit import DEPLOYMENT, Publication, SomeUnit, some_payload
from wire import note
from wire.envelope import CHUNK_BYTES, SEALED_BYTES_MAX, Sealed, join
from wire.note import NOTE_BYTES_MAX
from wire.record import PARTS_MAX, PAYLOAD_CHARACTERS_MAX
from wire.topics import Leaf

EXAMPLES = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)


def signed(unit: SomeUnit, kind: str, json: bytes) -> Publication:
    """A note of any JSON, well signed, on the topic of its kind."""
    text = unit.sign(f"testigo/{kind}/1\n".encode() + json + b"\n")
    if kind == "holding":
        return Publication(unit.topic(Leaf.HOLDING), text)
    if kind == "envelope":
        return Publication(unit.topic(Leaf.ENVELOPE), join(text, b"sealed"))
    return unit.publish(text)


def changed(unit: SomeUnit, kind: str, field: bytes) -> bytes:
    """The JSON of a true statement with the value of `seq` exchanged."""
    statement = unit.record() if kind == "record" else None
    true = msgspec.json.encode(statement, order="sorted") if statement else note.text_of(unit.holding().content)
    return true.splitlines()[-1].replace(b'"seq":%d' % (unit.seq + (kind == "record")), b'"seq":' + field)


BOMBS = {
    "digits": b"1" * 50_000,
    "negative": b"-1",
    "exponent": b"1e999999999",
    "float": b"1.0",
    "beyond 64 bits": b"99999999999999999999",
    "list": b"[" * 30_000 + b"]" * 30_000,
    "unclosed list": b"[" * 60_000,
    "object": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "string": b'"' + b"a" * 60_000 + b'"',
    "escapes": b'"' + b"\\u0000" * 10_000 + b'"',
    "surrogate": b'"\\ud800"',
    "null": b"null",
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
@pytest.mark.parametrize("kind", ["record", "envelope", "holding"])
def test_a_bomb_is_refused_though_it_is_signed(sqlite_hub: HubHere, kind: str, bomb: bytes) -> None:
    unit = sqlite_hub.unit()
    for json in (bomb, changed(unit, kind, bomb)):
        assert sqlite_hub.refusal(signed(unit, kind, json)).why == "malformed"
    assert sqlite_hub.answer(sqlite_hub.unit("unit-after").press(some_payload())).seq == 1


def test_the_largest_record_that_can_be_signed_stays_as_small_as_it_came(sqlite_hub: HubHere) -> None:
    unit = sqlite_hub.unit()
    payloads = ["\xff" * (28_000 // PARTS_MAX)] * PARTS_MAX
    press = unit.press(*payloads)
    tracemalloc.start()
    assert sqlite_hub.answer(press).seq == 1
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * len(press.content)


def note_of_newlines(size: int) -> bytes:
    return b"\n" * size


def note_of_one_long_signature(size: int) -> bytes:
    return b"testigo/holding/1\n{}\n\n\xe2\x80\x94 unit-1 " + b"A" * (size // 4 * 4) + b"\n"


def note_of_a_der_number_without_end(size: int) -> bytes:
    return b"testigo/holding/1\n{}\n\n\xe2\x80\x94 unit-1 MIL" + b"/" * size + b"\n"


def publication_of_zeros(size: int) -> bytes:
    return bytes(size)


@pytest.mark.parametrize("leaf", [Leaf.ENVELOPE, Leaf.HOLDING, Leaf.CHUNK])
@pytest.mark.parametrize(
    "rubbish",
    [note_of_newlines, note_of_one_long_signature, note_of_a_der_number_without_end, publication_of_zeros],
)
def test_rubbish_takes_no_more_time_than_its_length(
    sqlite_hub: HubHere, rubbish: Callable[[int], bytes], leaf: Leaf
) -> None:
    unit = sqlite_hub.unit()

    def seconds(size: int) -> float:
        """The quickest of three: others run on this machine."""
        content, took = rubbish(size), []
        for number in range(3):
            batch = [Publication(unit.topic(leaf, f"{number:064x}", each), content) for each in range(20)]
            begin = time.process_time()
            sqlite_hub.take(*batch)
            took.append(time.process_time() - begin)
        return min(took)

    size = NOTE_BYTES_MAX // 8
    assert seconds(8 * size) < 16 * seconds(size) + 0.01


def test_a_signature_with_the_key_id_of_the_unit_and_endless_numbers_is_refused_at_once(sqlite_hub: HubHere) -> None:
    unit = sqlite_hub.unit()
    number = b"\x02\x82\x5d\xc0" + b"\x7f" + bytes(23_999)
    der = b"\x30\x82\xbb\x88" + number + number
    key_id = unit.signer.verifier.key_id
    line = b"\xe2\x80\x94 unit-1 " + msgspec.json.encode(key_id + der)[1:-1] + b"\n"
    text = b"testigo/holding/1\n{}\n\n" + line
    begin = time.process_time()
    assert sqlite_hub.refusal(Publication(unit.topic(Leaf.HOLDING), text)).why == "bad-signature"
    assert time.process_time() - begin < 0.1


def test_chunks_of_a_picture_that_thousands_name_cost_what_a_chunk_costs(sqlite_hub: HubHere) -> None:
    """Named by many envelopes, and in many sizes: each looked up once a batch, and not once a chunk."""
    unit = sqlite_hub.unit()
    picture = random.Random(1).randbytes(20 * CHUNK_BYTES)
    name = Sealed.of(picture)
    true = [unit.press(some_payload(number), pictures=[picture]) for number in range(300)]
    false = [
        unit.publish(
            unit.record(pictures=PARTS_MAX), [Sealed(name.sha256, 1 + 16 * each + n) for n in range(PARTS_MAX)]
        )
        for each in range(60)
    ]
    sqlite_hub.take(*true, *false)
    other = sqlite_hub.unit("unit-2")
    sqlite_hub.take(other.press(some_payload(), pictures=[picture]))

    def steps(sending: SomeUnit) -> int:
        """How many times ten instructions SQLite needs for eighteen chunks more than for one."""
        chunks, counts = sending.chunks(picture), []
        connection: Any = sqlite_hub.ledger._database.connection()  # type: ignore[no-untyped-call]
        for some in (chunks[:1], chunks[1:19]):
            ticks = itertools.count()
            connection.set_progress_handler(lambda ticks=ticks: next(ticks) < 0, 10)
            sqlite_hub.take(*some)
            counts.append(next(ticks))
        connection.set_progress_handler(None, 0)
        return counts[1] - counts[0]

    assert steps(unit) < 2 * steps(other)
    assert sqlite_hub.answer(unit.chunks(picture)[-1]).whole == 300


TOPICS = st.sampled_from([f"testigo/1/{DEPLOYMENT}/{name}" for name in ("unit-1", "unit-2", "nobody")])
LEAVES = st.sampled_from(
    ["envelope", "holding", "receipt", "", *(f"chunk/{digit * 64}/{number}" for digit in "ab" for number in (0, 99999))]
)
SOME_TOPIC = st.builds("{}/{}".format, TOPICS, LEAVES) | st.text(max_size=120)


@EXAMPLES
@given(
    kind=st.sampled_from(["record", "envelope", "holding"]),
    json=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    ),
)
def test_any_json_that_a_unit_signs_is_refused(sqlite_hub: HubHere, kind: str, json: object) -> None:
    unit = sqlite_hub.unit()
    assert sqlite_hub.refusal(signed(unit, kind, msgspec.json.encode(json))).why in ("malformed", "fork")


@EXAMPLES
@given(
    seq=st.integers(1, 2**53 - 1),
    prev=st.sampled_from(["0" * 64, "f" * 64]),
    sizes=st.lists(st.integers(1, 64 * 1024 * 1024), max_size=PARTS_MAX),
    chain=st.sampled_from(["a" * 32, "b" * 32]),
    profile=st.sampled_from(["ve-2024-presidential", "br-bu-1.5", "x"]),
    payloads=st.lists(st.text(st.characters(max_codepoint=255), max_size=200), max_size=4),
    doubt=st.text(max_size=50),
)
def test_any_true_envelope_of_a_unit_is_answered(
    hub: HubHere,
    seq: int,
    prev: str,
    sizes: list[int],
    chain: str,
    profile: str,
    payloads: list[str],
    doubt: str,
) -> None:
    """Whatever an enrolled unit says in due form is held, or refused by name."""
    unit = hub.unit()
    unit.chain, unit.seq, unit.prev = chain, seq - 1, prev
    names = [Sealed(f"{number:064x}", size) for number, size in enumerate(sizes)]
    record = unit.record(payloads, len(sizes), profile=profile, doubt=doubt)
    answers = hub.take(unit.publish(record, names))
    assert answers
    assert {each.why for each in hub.refusals(answers)} <= {"malformed", "fork", "quota"}


@EXAMPLES
@given(batch=st.lists(st.tuples(SOME_TOPIC, st.binary(max_size=300)), max_size=30))
def test_anything_at_every_entry_is_answered_or_dropped(sqlite_hub: HubHere, batch: list[tuple[str, bytes]]) -> None:
    for name in ("unit-1", "unit-2"):
        sqlite_hub.unit(name)
    answers = sqlite_hub.intake.take(batch)
    assert len(answers) <= ANSWERED_REFUSALS_MAX
    assert len(sqlite_hub.refusals(answers)) == len(answers)


@EXAMPLES
@given(at=st.integers(0), to=st.integers(0, 255), cut=st.integers(0), leaf=st.sampled_from(["envelope", "holding"]))
def test_a_true_publication_that_is_spoilt_is_refused(
    sqlite_hub: HubHere, at: int, to: int, cut: int, leaf: str
) -> None:
    unit = sqlite_hub.unit()
    true = unit.press(some_payload(), pictures=[b"x"]) if leaf == "envelope" else unit.holding()
    content = bytearray(true.content)
    content[at % len(content)] ^= to
    spoilt = bytes(content[: len(content) - cut % len(content)])
    if spoilt != true.content:
        assert sqlite_hub.refusal(Publication(true.topic, spoilt)).why in (
            "malformed",
            "unknown-signer",
            "bad-signature",
        )


def test_what_is_sealed_as_long_as_can_be_is_refused_or_held_at_its_length(sqlite_hub: HubHere) -> None:
    unit = sqlite_hub.unit()
    for size in (SEALED_BYTES_MAX, SEALED_BYTES_MAX + 1):
        answers = sqlite_hub.take(unit.enclose(random.Random(1).randbytes(size)))
        assert [each.why for each in sqlite_hub.refusals(answers)] == ["malformed"]
    assert PAYLOAD_CHARACTERS_MAX * PARTS_MAX < SEALED_BYTES_MAX
