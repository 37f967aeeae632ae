"""Some unit: keys, a chain, and what it would publish, for the tests and benches of the hub."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from hub.keys import Keys
from sim import deployment
from tests.wire.samples import PACKAGES
from wire import note
from wire.envelope import CHUNK_BYTES, Envelope, Sealed, context, join
from wire.fields import NOTHING
from wire.note import KeySigner
from wire.package import FILE, Address
from wire.receipt import Heard, Holding
from wire.record import Mode, Picture, Quality, Record
from wire.seal import Opener, Recipient, seal
from wire.topics import Leaf, Topic

DEPLOYMENT = "some-election"
PROFILE = "ve-2024-presidential"


def some_payload(mesa: int = 1, votes: int = 7) -> str:
    """What the QR code of a drawn acta says."""
    counts = ",".join(str((mesa + option) % 5 + votes) for option in range(38))
    return f"{110000000 + mesa // 90:09d}.{mesa % 90 + 1:02d}.1.0001!{counts}!2!0"


def some_opener(name: str = "hub-a") -> Opener:
    return Opener(name, X25519PrivateKey.generate())


def write_package(folder: Path, name: str = "hub-a") -> None:
    """Writes into a hub's folder a package, signed by `PACKAGES`, that names the hub with the keys in `keys` there."""
    keys = Keys.read(folder / "keys", name)
    recipients = [str(opener.recipient) for opener in (keys.opener, some_opener("escrow"))]
    brokers = [Address("127.0.0.1", name, 1883)]
    content = deployment.some_package(PACKAGES, DEPLOYMENT, [str(keys.signer.verifier)], recipients, PROFILE, brokers)
    (folder / FILE).write_bytes(content)


@dataclass(frozen=True, slots=True)
class Publication:
    """What goes over the wire, and what it is called there."""

    topic: str
    content: bytes
    hash: str = ""
    seq: int = 0

    @property
    def sent(self) -> tuple[str, bytes]:
        return self.topic, self.content

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


@dataclass
class SomeUnit:
    """A unit that signs and seals as a real one does; `chain`, `seq` and `prev` say where it is."""

    recipients: Sequence[Recipient]
    name: str = "unit-1"
    chain: str = "c" * 32
    seq: int = 0
    prev: str = NOTHING
    deployment: str = DEPLOYMENT
    signer: KeySigner = field(init=False)

    def __post_init__(self) -> None:
        self.signer = KeySigner(self.name, ec.generate_private_key(ec.SECP256R1()))

    def topic(self, leaf: Leaf, sha256: str = "", number: int = 0) -> str:
        return str(Topic(self.deployment, self.name, leaf, sha256, number))

    def record(self, payloads: Sequence[str] = (), pictures: int = 0, **changed: Any) -> Record:
        """The record of the next place, with what is asked changed."""
        fields: dict[str, Any] = {
            "after": NOTHING,
            "boot": 1,
            "chain": self.chain,
            "clock": "system",
            "date": "2024-07-28T20:24:06Z",
            "deployment": self.deployment,
            "doubt": "",
            "mode": Mode.LIVE,
            "ms": 1000,
            "payloads": tuple(payloads),
            "pictures": tuple(Picture("image/jpeg", f"{number:064x}", 1000) for number in range(pictures)),
            "profile": PROFILE,
            "quality": Quality(step="zxing-cpp"),
            "seq": self.seq + 1,
            "unit": self.name,
        }
        return Record(**fields | changed)

    def publish(self, record: Record | bytes, pictures: Sequence[bytes | Sealed] = (), **changed: Any) -> Publication:
        """The publication of the next place.

        Args:
            record: the record, or the bytes that stand where one should.
            pictures: the sealed pictures, or what names them.
            changed: what of the envelope is to be otherwise.
        """
        opened = note.write(record, self.signer) if isinstance(record, Record) else record
        return self.enclose(seal(opened, self.recipients, self.context()), pictures, **changed)

    def sign(self, text: bytes) -> bytes:
        """A note of any text, well signed."""
        line = base64.b64encode(self.signer.verifier.key_id + self.signer.sign(text))
        return text + b"\n\xe2\x80\x94 " + self.name.encode("ascii") + b" " + line + b"\n"

    def context(self) -> bytes:
        return context(self.deployment, self.name, self.chain, self.seq + 1, "record")

    def enclose(self, sealed: bytes, pictures: Sequence[bytes | Sealed] = (), **changed: Any) -> Publication:
        """The publication of sealed bytes at the next place."""
        fields: dict[str, Any] = {
            "chain": self.chain,
            "deployment": self.deployment,
            "pictures": tuple(each if isinstance(each, Sealed) else Sealed.of(each) for each in pictures),
            "prev": self.prev,
            "record": Sealed.of(sealed),
            "seq": self.seq + 1,
            "unit": self.name,
        }
        envelope = Envelope(**fields | changed)
        signed = note.write(envelope, self.signer)
        self.seq, self.prev = envelope.seq, note.read(signed, Envelope, {self.name: self.signer.verifier}).hash
        return Publication(self.topic(Leaf.ENVELOPE), join(signed, sealed), self.prev, self.seq)

    def press(self, *payloads: str, pictures: Sequence[bytes] = (), **changed: Any) -> Publication:
        """A press that read these payloads."""
        return self.publish(self.record(payloads, len(pictures), **changed), pictures)

    def chunks(self, picture: bytes) -> list[Publication]:
        """All chunks of a sealed picture."""
        name = Sealed.of(picture)
        return [
            Publication(self.topic(Leaf.CHUNK, name.sha256, number), picture[begin : begin + CHUNK_BYTES])
            for number, begin in enumerate(range(0, name.size, CHUNK_BYTES))
        ]

    def holding(self, *heard: tuple[int, str]) -> Publication:
        """What it says on connecting; `heard` of the last receipts it knows: their times and hubs."""
        known = tuple(Heard(*each) for each in heard)
        said = Holding(chain=self.chain, hash=self.prev, heard=known, seq=self.seq, unit=self.name)
        return Publication(self.topic(Leaf.HOLDING), note.write(said, self.signer))
