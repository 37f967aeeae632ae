"""The enrolment: how a unit that made its own keys comes to belong, over a stick or the card it was started from.

    testigo/enrolment/1                                    testigo/enrolled/1
    {"csr":"...","deployment":"trial",...}                 {"certificate":"...","deployment":"trial",...}
    <blank line>                                           <blank line>
    — u-vrd8gcs9 3qJ7...   by the card's one-time key      — packages 8aKd...
    — u-vrd8gcs9 Zk0A...   by the unit's own, new key

Whoever prepares a card puts a token on it: a one-time key, whose public half alone stays with the authority. It signs
the unit's request: so only cards that the authority had prepared enrol, nobody between unit and desk can put another
key in, and a copy of the authority's folder enrols nobody. The second signature shows that the unit has the key it
names.
docs/wire.md is the specification.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Meta

from wire import note
from wire.errors import MalformedError
from wire.fields import Name
from wire.note import NAME, KeySigner, Signer, Statement, Verifier

REQUEST_BYTES_MAX = 4096
"""A request has some 1,500 bytes, an answer 1,800."""

REQUEST, ANSWER = ".request", ".enrolled"
"""How the names of the files end that carry them; before it stands the unit's name."""

FOLDER = "testigo-enrolment"
"""The folder in which they lie, on a stick."""

Pem = Annotated[str, Meta(max_length=2048)]
KeyText = Annotated[str, Meta(max_length=400)]

_TOKEN = re.compile(rf"({NAME.pattern})\.({NAME.pattern})\.([0-9a-f]{{64}})")
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class Request(Statement, frozen=True, kw_only=True):
    """What a unit asks for.

    Attributes:
        csr: its certificate request, PEM, for the key that it meets brokers with.
        deployment: where it wants to belong.
        key: the verifier key of the key that it will sign with.
        unit: its name, which its card was given.
    """

    KIND: ClassVar[str] = "testigo/enrolment/1"

    csr: Pem
    deployment: Name
    key: KeyText
    unit: Name

    @property
    def author(self) -> str:
        """The unit."""
        return self.unit


class Enrolled(Statement, frozen=True, kw_only=True):
    """What the authority answers.

    Attributes:
        certificate: by which the unit is known to brokers, PEM.
        deployment: where it belongs now.
        key: the verifier key that hubs know it by.
        unit: its name.
    """

    KIND: ClassVar[str] = "testigo/enrolled/1"

    certificate: Pem
    deployment: Name
    key: KeyText
    unit: Name

    @property
    def author(self) -> str:
        """The authority's key that signs packages: the one that a card trusts from the beginning."""
        return "packages"


@dataclass(frozen=True, slots=True)
class Token:
    """What a card is given so that the unit started from it can enrol, once.

    Attributes:
        unit: the name that the unit will have.
        deployment: where it will belong.
        key: the one-time private key.
    """

    unit: str
    deployment: str
    key: ec.EllipticCurvePrivateKey

    @property
    def signer(self) -> KeySigner:
        """What signs the request."""
        return KeySigner(self.unit, self.key)

    def __str__(self) -> str:
        """The token as text, one line: a secret."""
        return f"{self.unit}.{self.deployment}.{self.key.private_numbers().private_value:064x}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads the text form.

        Raises:
            MalformedError: the text is no token.
        """
        match = _TOKEN.fullmatch(text)
        if match is None or not 0 < (value := int(match[match.lastindex or 0], 16)) < _P256_ORDER:
            raise MalformedError("the token is none: expected UNIT.DEPLOYMENT. and 64 hex digits: write the card again")
        unit, deployment, _ = text.split(".")
        return cls(unit, deployment, ec.derive_private_key(value, ec.SECP256R1()))


def write(request: Request, token: Signer, unit: Signer) -> bytes:
    """Makes a request, with both signatures."""
    assert str(unit.verifier) == request.key
    signed = note.write(request, token)
    text = note.text_of(signed)
    return signed + note.write(request, unit)[len(text) + 1 :]


def read(content: bytes, cards: Mapping[str, Verifier]) -> Request:
    """Verifies a request, and only then parses it.

    Args:
        content: the bytes as they came.
        cards: the one-time keys of the cards that were prepared, by the names their units will have.

    Raises:
        MalformedError: it is no request, or names no key that can be one.
        UnknownSignerError: it is of no card that was prepared.
        BadSignatureError: it was signed by another key than the card's, or than the one it names.
    """
    if len(content) > REQUEST_BYTES_MAX:
        raise MalformedError(f"a request of {len(content)} bytes, at most {REQUEST_BYTES_MAX} are allowed: drop it")
    cut = content.rfind(b"\n", 0, -1) + 1
    of_card, of_unit = content[:cut], content[cut:]
    request = note.read(of_card, Request, cards).statement
    unit = Verifier.parse(request.key)
    note.read(note.text_of(of_card) + b"\n" + of_unit, Request, {unit.name: unit})
    return request
