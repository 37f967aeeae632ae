"""Bad input: each gets a signed reason, nothing is lost and nothing falls over."""

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.intake import ANSWERED_REFUSALS_MAX, REFUSALS_OF_A_UNIT_MAX
from hub.log import Event
from hub.quota import Quota
from tests.hub.conftest import HubHere
from tests.hub.some_unit import DEPLOYMENT, Publication, some_payload
from wire.envelope import SEALED_BYTES_MAX
from wire.note import NOTE_BYTES_MAX
from wire.record import PAYLOAD_CHARACTERS_MAX
from wire.topics import Leaf

# Each example leaves something in the ledger, as each publication does: what follows must not mind.
EXAMPLES = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
NOBODYS = (
    f"testigo/1/{DEPLOYMENT}/UNIT/envelope",
    "testigo/1/other/unit-1/envelope",
    f"testigo/2/{DEPLOYMENT}/u/holding",
)


def still_works(hub: HubHere) -> bool:
    unit = hub.unit("unit-after")
    return hub.answer(unit.press(some_payload())).seq == 1


@EXAMPLES
@given(content=st.binary(max_size=2000), leaf=st.sampled_from(Leaf))
def test_garbage_on_any_topic_is_refused_with_a_reason(sqlite_hub: HubHere, content: bytes, leaf: Leaf) -> None:
    unit = sqlite_hub.unit()
    garbage = Publication(unit.topic(leaf, "a" * 64), content)
    answers = sqlite_hub.take(garbage)
    if leaf is Leaf.RECEIPT:  # hubs do not listen there, and do not answer each other
        assert answers == []
        assert sqlite_hub.told()[-1] is Event.TOPIC_UNKNOWN
        return
    (refused,) = sqlite_hub.refusals(answers)
    assert refused.why == ("unknown-picture" if leaf is Leaf.CHUNK else "malformed")
    assert refused.publication == garbage.sha256
    assert sqlite_hub.take(garbage) == answers


@EXAMPLES
@given(
    topic=st.text(max_size=80) | st.sampled_from([f"testigo/1/{DEPLOYMENT}/UNIT/envelope", "testigo/1/x/u/envelope"])
)
def test_a_publication_on_nobodys_topic_is_dropped(sqlite_hub: HubHere, topic: str) -> None:
    assert sqlite_hub.take(Publication(topic, b"x")) == []
    assert sqlite_hub.told()[-1] is Event.TOPIC_UNKNOWN


@EXAMPLES
@given(at=st.integers(min_value=0), to=st.integers(1, 255))
def test_a_byte_changed_anywhere_is_refused(sqlite_hub: HubHere, at: int, to: int) -> None:
    press = sqlite_hub.unit().press(some_payload())
    content = bytearray(press.content)
    content[at % len(content)] ^= to
    refused = sqlite_hub.refusal(Publication(press.topic, bytes(content)))
    assert refused.why in ("malformed", "unknown-signer", "bad-signature")
    assert sqlite_hub.count().counted == 0


@pytest.mark.parametrize("size", [SEALED_BYTES_MAX + NOTE_BYTES_MAX, 262144])
@pytest.mark.parametrize("leaf", [Leaf.ENVELOPE, Leaf.HOLDING, Leaf.CHUNK])
def test_an_oversized_publication_is_refused(hub: HubHere, leaf: Leaf, size: int) -> None:
    unit = hub.unit()
    assert hub.refusal(Publication(unit.topic(leaf, "a" * 64), bytes(size))).why
    assert still_works(hub)


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"\xff" * 100,
        b"testigo/record/1\n" + b"[" * 60000 + b"\n\n\xe2\x80\x94 unit-1 AAAA\n",
        b"testigo/record/1\n" + b'{"a":' * 12000 + b"\n\n\xe2\x80\x94 unit-1 AAAA\n",
    ],
    ids=["empty", "garbage", "deep list", "deep object"],
)
def test_what_is_sealed_in_place_of_a_record_is_refused(hub: HubHere, record: bytes) -> None:
    assert hub.refusal(hub.unit().publish(record)).why in ("malformed", "unknown-signer")
    assert still_works(hub)


def test_json_too_deep_is_refused_even_when_it_is_signed(hub: HubHere) -> None:
    unit = hub.unit()
    text = b"testigo/record/1\n" + b"[" * 40000 + b"]" * 20000 + b"\n"
    assert hub.refusal(unit.publish(unit.sign(text))).why == "malformed"
    assert still_works(hub)


def test_a_qr_text_longer_than_any_qr_code_is_refused(hub: HubHere) -> None:
    unit = hub.unit()
    record = msgspec.json.encode(unit.record(["7" * (PAYLOAD_CHARACTERS_MAX + 1)]), order="sorted")
    assert hub.refusal(unit.publish(unit.sign(b"testigo/record/1\n" + record + b"\n"))).why == "malformed"
    assert still_works(hub)


def test_a_qr_text_of_4_kilobytes_is_held_and_listed(hub: HubHere) -> None:
    assert hub.answer(hub.unit().press("7" * 4096)).seq == 1
    assert len(hub.count().unread) == 1


def test_a_qr_text_as_long_as_a_qr_code_can_be_is_held(hub: HubHere) -> None:
    assert hub.answer(hub.unit().press("\xff\0" * 1476)).seq == 1


def test_the_first_publication_of_a_chain_and_no_other_has_none_before_it(hub: HubHere) -> None:
    unit = hub.unit()
    assert hub.refusal(unit.publish(unit.record(), prev="f" * 64)).why == "malformed"
    assert hub.refusal(unit.publish(unit.record(), prev="0" * 64)).why == "malformed"


def test_the_largest_place_there_is_can_be_held(hub: HubHere) -> None:
    hub.quota = Quota(records=2**53 - 1)
    hub.restart()
    unit = hub.unit()
    unit.seq, unit.prev = 2**53 - 2, "f" * 64
    (extra,) = hub.answer(unit.press(some_payload())).extras
    assert extra.seq == 2**53 - 1


def test_rubbish_does_not_keep_the_hub_from_receipts(hub: HubHere) -> None:
    unit = hub.unit()
    rubbish = [Publication(unit.topic(Leaf.ENVELOPE), b"rubbish %d" % number) for number in range(300)]
    answers = hub.take(*rubbish, unit.press(some_payload()))
    assert hub.receipt(answers[:1]).seq == 1
    assert len(hub.refusals(answers)) == ANSWERED_REFUSALS_MAX
    assert Event.UNANSWERED in hub.told()


def test_the_evidence_of_refusals_is_bounded(hub: HubHere) -> None:
    unit = hub.unit()
    for batch in range(4):
        hub.take(*(Publication(unit.topic(Leaf.ENVELOPE), b"rubbish %d %d" % (batch, each)) for each in range(100)))
    assert hub.ledger.refusals == hub.ledger.refusals_of(unit.name) == REFUSALS_OF_A_UNIT_MAX


def test_refusals_that_were_not_kept_are_not_reckoned(hub: HubHere) -> None:
    def fail() -> None:
        with hub.ledger.transaction():
            hub.ledger.add_refusals([("a" * 64, "unit-1", "malformed", 1, b"note")])
            raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        fail()
    assert hub.ledger.refusals == hub.ledger.refusals_of("unit-1") == 0


def test_nothing_in_the_log_tells_what_was_seen(hub: HubHere) -> None:
    unit = hub.unit()
    hub.take(unit.press(some_payload(1)), unit.press(some_payload(1, votes=9)), unit.press("secret"))
    told = " ".join(str(facts) for _, facts in hub.events)
    assert "110000000" not in told
    assert "secret" not in told
