"""The tests of the topics: what is built is taken apart the same, and nothing else is taken for one of ours."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.wire.samples import hashes, names
from wire.topics import FROM_UNITS, Leaf, Topic, parse, subscription

CHUNK = f"testigo/1/caracas/unit-7/chunk/{'ab' * 32}"
plain = st.builds(Topic, names, names, st.sampled_from([leaf for leaf in Leaf if leaf is not Leaf.CHUNK]))
topics = plain | st.builds(Topic, names, names, st.just(Leaf.CHUNK), hashes, st.integers(0, 99999))


def matches(subscribed: str, topic: str) -> bool:
    """MQTT 5, 4.7.1.3: a plus stands for one level."""
    return bool(re.fullmatch(re.escape(subscribed).replace(r"\+", "[^/]*"), topic))


@given(topics)
def test_what_is_built_is_taken_apart_the_same(topic: Topic) -> None:
    assert parse(str(topic)) == topic


@given(topics, st.sampled_from(Leaf))
def test_a_hub_subscribed_to_a_leaf_gets_that_leaf_only(topic: Topic, leaf: Leaf) -> None:
    assert matches(subscription(topic.deployment, leaf), str(topic)) == (topic.leaf is leaf)
    assert not matches(subscription(topic.deployment + "x", leaf), str(topic))


@given(st.text(st.characters(), max_size=120))
@example("")
@example("\ud800")
@example("testigo/1/+/+/envelope")
def test_no_text_is_taken_for_a_topic_unless_it_would_be_built_so(text: str) -> None:
    topic = parse(text)
    assert topic is None or str(topic) == text


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("testigo/1/caracas/unit-7/envelope", Topic("caracas", "unit-7", Leaf.ENVELOPE)),
        ("testigo/1/caracas/unit-7/holding", Topic("caracas", "unit-7", Leaf.HOLDING)),
        ("testigo/1/caracas/unit-7/readiness", Topic("caracas", "unit-7", Leaf.READINESS)),
        ("testigo/1/caracas/unit-7/receipt", Topic("caracas", "unit-7", Leaf.RECEIPT)),
        (f"{CHUNK}/0", Topic("caracas", "unit-7", Leaf.CHUNK, "ab" * 32, 0)),
        (f"{CHUNK}/1023", Topic("caracas", "unit-7", Leaf.CHUNK, "ab" * 32, 1023)),
    ],
)
def test_topics_read_as_the_specification_says(text: str, topic: Topic) -> None:
    assert str(topic) == text
    assert parse(text) == topic


@pytest.mark.parametrize(
    "text",
    [
        "testigo/2/caracas/unit-7/envelope",
        "testigo/1/caracas/unit-7/envelopes",
        "testigo/1/caracas/unit-7/envelope/",
        "testigo/1/caracas/unit-7/envelope\n",
        "/testigo/1/caracas/unit-7/envelope",
        "testigo/1/caracas//envelope",
        "testigo/1/caracas/unit_7/envelope",
        "testigo/1/caracas/Unit-7/envelope",
        f"testigo/1/caracas/{'u' * 33}/envelope",
        "testigo/1/caracas/unit-7/chunk",
        f"{CHUNK}/",
        f"{CHUNK}/00",
        f"{CHUNK}/-1",
        f"{CHUNK}/1٢",
        f"{CHUNK}/100000",
        f"{CHUNK[:-1]}/0",
        f"{CHUNK.upper()}/0",
    ],
)
def test_anything_else_is_no_topic_of_ours(text: str) -> None:
    assert parse(text) is None


def test_units_send_on_every_leaf_but_their_receipts() -> None:
    assert set(FROM_UNITS) == set(Leaf) - {Leaf.RECEIPT}
    assert [subscription("caracas", leaf) for leaf in FROM_UNITS] == [
        "testigo/1/caracas/+/envelope",
        "testigo/1/caracas/+/chunk/+/+",
        "testigo/1/caracas/+/holding",
        "testigo/1/caracas/+/beat",
        "testigo/1/caracas/+/readiness",
    ]
