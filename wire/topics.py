"""The topics: every MQTT topic of testigo, built and taken apart here and nowhere else.

testigo/1/<deployment>/<unit>/envelope                    unit -> hubs: a publication (see wire.envelope)
testigo/1/<deployment>/<unit>/chunk/<sha256>/<number>     unit -> hubs: one chunk of a sealed picture
testigo/1/<deployment>/<unit>/holding                     unit -> hubs: what it holds, asking for a receipt
testigo/1/<deployment>/<unit>/beat                        unit -> hubs: how it is
testigo/1/<deployment>/<unit>/readiness                   unit -> hubs: what its bench has seen of it
testigo/1/<deployment>/<unit>/receipt                     hubs -> unit: receipts, refusals, moves of hubs
"""

import re
from dataclasses import dataclass
from enum import Enum


class Leaf(Enum):
    """What a topic carries."""

    ENVELOPE = "envelope"
    CHUNK = "chunk"
    HOLDING = "holding"
    BEAT = "beat"
    READINESS = "readiness"
    RECEIPT = "receipt"


FROM_UNITS = (Leaf.ENVELOPE, Leaf.CHUNK, Leaf.HOLDING, Leaf.BEAT, Leaf.READINESS)

_NAME = "[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?"
_TOPIC = re.compile(
    rf"testigo/1/({_NAME})/({_NAME})/"
    r"(?:(envelope|holding|beat|readiness|receipt)|(chunk)/([0-9a-f]{64})/(0|[1-9][0-9]{0,4}))"
)


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic taken apart; `sha256` and `number` are set for chunks only."""

    deployment: str
    unit: str
    leaf: Leaf
    sha256: str = ""
    number: int = 0

    def __str__(self) -> str:
        """The topic as MQTT carries it."""
        stem = f"testigo/1/{self.deployment}/{self.unit}/{self.leaf.value}"
        return f"{stem}/{self.sha256}/{self.number}" if self.leaf is Leaf.CHUNK else stem


def parse(topic: str) -> Topic | None:
    """Takes a topic apart; None when it is none of ours."""
    match = _TOPIC.fullmatch(topic)
    if match is None:
        return None
    deployment, unit, leaf, chunk, sha256, number = match.groups()
    return Topic(deployment, unit, Leaf(leaf or chunk), sha256 or "", int(number or 0))


def subscription(deployment: str, leaf: Leaf) -> str:
    """The filter that a hub subscribes to for all units of a deployment."""
    stem = f"testigo/1/{deployment}/+/{leaf.value}"
    return f"{stem}/+/+" if leaf is Leaf.CHUNK else stem
