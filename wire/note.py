"""The signed note: the one framing of everything that testigo signs.

    testigo/receipt/1
    {"at":1722211446,...}
    <blank line>
    — hub-a 3qJ7...base64 of key id and signature...

The framing is C2SP signed-note (https://c2sp.org/signed-note) with its ECDSA signatures (type 0x02, key id = first four
bytes of the SHA-256 of the key's DER SubjectPublicKeyInfo). The signed bytes are the text up to and with the newline
before the blank line; they are carried and hashed as they are. docs/wire.md is the specification.
"""

import base64
import binascii
import functools
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from wire.errors import BadSignatureError, MalformedError, UnknownSignerError

NOTE_BYTES_MAX = 65536
"""No statement of ours comes near; a longer note is refused before it is parsed."""

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
"""Names of units, hubs and deployments: they go into MQTT topics, file names and signature lines unescaped."""

_ECDSA_TYPE = b"\x02"
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_SIGNATURE_LINE = re.compile(rb"\xe2\x80\x94 ([a-z0-9-]{1,32}) ([A-Za-z0-9+/]+={0,2})\n")
_ENCODER = msgspec.json.Encoder(order="sorted")
_REASON_CHARACTERS = 200


class Statement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a note states: one line of restricted JSON, in a class of its own for each kind."""

    KIND: ClassVar[str]
    """The first line of the note's text: what it is and in which version."""

    @property
    def author(self) -> str:
        """The name that must stand in the signature line."""
        raise NotImplementedError


StatementT = TypeVar("StatementT", bound=Statement)


@dataclass(frozen=True, slots=True)
class Note(Generic[StatementT]):
    """A note whose signature was verified.

    Attributes:
        statement: what it states.
        text: the signed bytes, exactly as they were carried.
    """

    statement: StatementT
    text: bytes

    @property
    def hash(self) -> str:
        """SHA-256 of the signed bytes, 64 hex digits: the identity of what was said, whatever the signature."""
        return hashlib.sha256(self.text).hexdigest()


@dataclass(frozen=True)
class Verifier:
    """A public key and the name it signs under.

    Attributes:
        name: as in signature lines.
        spki: the P-256 key as DER SubjectPublicKeyInfo.
    """

    name: str
    spki: bytes

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise MalformedError(
                f"the name {self.name!r} is not 1 to 32 of a-z, 0-9 and '-': choose another name for this key"
            )
        self._key  # noqa: B018  a bad key is found here, not when the first note comes in

    @functools.cached_property
    def _key(self) -> ec.EllipticCurvePublicKey:
        try:
            key = serialization.load_der_public_key(self.spki)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise MalformedError(f"the key of {self.name} is no DER public key: copy it again") from error
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise MalformedError(f"the key of {self.name} is no P-256 key: testigo signs with ECDSA P-256 only")
        if _spki(key) != self.spki:
            raise MalformedError(f"the key of {self.name} is not in its one DER form (uncompressed): write it anew")
        return key

    @functools.cached_property
    def key_id(self) -> bytes:
        """Four bytes that tell keys of one name apart (C2SP signed-note, type 0x02)."""
        return hashlib.sha256(self.spki).digest()[:4]

    def __str__(self) -> str:
        """The verifier key as text, `name+keyid+key`: what registers and settings hold."""
        key = base64.b64encode(_ECDSA_TYPE + self.spki).decode("ascii")
        return f"{self.name}+{self.key_id.hex()}+{key}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads the text form.

        Raises:
            MalformedError: the text is no verifier key, or its key id is not its key's.
        """
        name, _, rest = text.partition("+")
        key_id, _, key = rest.partition("+")
        try:
            blob = base64.b64decode(key, validate=True)
        except ValueError as error:
            raise MalformedError(f"verifier key of {name!r}: the key is not base64: copy it whole") from error
        if blob[:1] != _ECDSA_TYPE:
            raise MalformedError(f"verifier key of {name!r}: expected ECDSA (type 2): copy it whole")
        verifier = cls(name, blob[1:])
        if str(verifier) != text:
            raise MalformedError(f"verifier key of {name!r}: the key id {key_id!r} is not its key's: copy it whole")
        return verifier

    def verify(self, text: bytes, signature: bytes) -> None:
        """Checks a signature over `text`.

        Only one encoding of a signature is accepted: DER as OpenSSL writes it, with the smaller of the two values
        that ECDSA allows for s, so that nobody can make a second valid note out of a first.

        Raises:
            BadSignatureError: it is not this key's, or not in that one encoding.
        """
        try:
            _, s = decode_dss_signature(signature)  # takes the one DER form only
            self._key.verify(signature, text, ec.ECDSA(hashes.SHA256()))
        except (ValueError, InvalidSignature) as error:
            raise BadSignatureError(f"the signature of {self.name} does not match the text: drop the note") from error
        if s > _P256_ORDER // 2:
            raise BadSignatureError(f"the signature of {self.name} is not in its one allowed encoding: drop the note")


class Signer(Protocol):
    """Whoever can sign; where the key lives is its own business (a file, the Pi's OTP, a TPM)."""

    @property
    def verifier(self) -> Verifier:
        """The public side."""
        ...

    def sign(self, text: bytes) -> bytes:
        """An ECDSA P-256 signature over the SHA-256 of `text`, DER, low s."""
        ...


def _spki(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


class KeySigner:
    """A signer whose private key is in memory.

    Args:
        name: what to sign as.
        key: a P-256 private key.
    """

    def __init__(self, name: str, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self.verifier = Verifier(name, _spki(key.public_key()))

    def sign(self, text: bytes) -> bytes:
        """Signs deterministically (RFC 6979): a weak source of chance cannot give the key away."""
        return low_s(self._key.sign(text, ec.ECDSA(hashes.SHA256(), deterministic_signing=True)))


def low_s(signature: bytes) -> bytes:
    """A DER signature in its one allowed encoding: with the smaller of the two values that ECDSA allows for s.

    Raises:
        ValueError: it is no DER signature.
    """
    r, s = decode_dss_signature(signature)
    return encode_dss_signature(r, min(s, _P256_ORDER - s))


def write(statement: Statement, signer: Signer) -> bytes:
    """Makes the signed note of a statement."""
    if statement.author != signer.verifier.name:
        raise AssertionError(f"{signer.verifier.name} signs a statement of {statement.author}")
    json = _ENCODER.encode(statement) + b"\n"
    try:
        _parse(json, type(statement))
    except MalformedError as error:  # a struct does not check its own bounds, and what nobody can read is not signed
        raise AssertionError(f"what is to be signed cannot be read: {error}") from error
    text = statement.KIND.encode("ascii") + b"\n" + json
    line = base64.b64encode(signer.verifier.key_id + signer.sign(text))
    note = text + b"\n\xe2\x80\x94 " + signer.verifier.name.encode("ascii") + b" " + line + b"\n"
    if len(note) > NOTE_BYTES_MAX:
        raise AssertionError(f"a {statement.KIND} of {len(note)} bytes")
    return note


def read(note: bytes, kind: type[StatementT], trusted: Mapping[str, Verifier]) -> Note[StatementT]:
    """Verifies a note, and only then parses it.

    Args:
        note: the bytes as they came.
        kind: which statement is expected; another kind is refused.
        trusted: the keys that may have signed, by name.

    Raises:
        MalformedError: too long, not one signature line, another kind or version, not the one canonical JSON form,
            a field missing, unknown, of another type or out of range, signed by another than its author.
        UnknownSignerError: the signature line's name and key id are not among `trusted`.
        BadSignatureError: the signature is not that key's.
    """
    signer, text = _verified(note, trusted)
    first, _, line = text.partition(b"\n")
    if first != kind.KIND.encode("ascii"):
        raise MalformedError(f"expected a note that begins {kind.KIND!r}, found another first line: drop the note")
    statement = _parse(line, kind)
    if statement.author != signer:
        raise MalformedError(f"a statement of {statement.author} is signed by {signer}: drop the note")
    return Note(statement, text)


def statement_of(text: bytes, kind: type[StatementT]) -> StatementT:
    """The statement in signed bytes that were verified before, as `Note.text`."""
    return _parse(text.partition(b"\n")[2], kind)


def _verified(note: bytes, trusted: Mapping[str, Verifier]) -> tuple[str, bytes]:
    """The signer's name and the signed bytes, once the one signature line holds."""
    if len(note) > NOTE_BYTES_MAX:
        raise MalformedError(f"a note of {len(note)} bytes, at most {NOTE_BYTES_MAX} are allowed: drop it")
    cut = note.rfind(b"\n\n") + 1
    line = _SIGNATURE_LINE.fullmatch(note, cut + 1)
    if cut == 0 or line is None:
        raise MalformedError("the note does not end in a blank line and one signature line: drop it")
    name = line[1].decode("ascii")
    try:
        blob = base64.b64decode(line[2], validate=True)
    except binascii.Error as error:
        raise MalformedError(f"the signature of {name} is not base64: drop the note") from error
    if base64.b64encode(blob) != line[2]:
        raise MalformedError(f"the signature of {name} is not in base64's one canonical form: drop the note")
    verifier = trusted.get(name)
    if verifier is None or verifier.key_id != blob[:4]:
        raise UnknownSignerError(f"signed by {name} with key {blob[:4].hex()}, which is not trusted here: enrol it")
    text = note[:cut]
    verifier.verify(text, blob[4:])
    return name, text


def _parse(line: bytes, kind: type[StatementT]) -> StatementT:
    """One canonical JSON line, newline included, as a statement of that kind."""
    decoder: msgspec.json.Decoder[StatementT] = _decoder(kind)
    try:
        statement = decoder.decode(line)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        # It may quote an unknown key, of any length and any characters, and somebody's screen will show it.
        reason = "".join(each if each.isprintable() else repr(each)[1:-1] for each in str(error)[:_REASON_CHARACTERS])
        raise MalformedError(f"{kind.KIND}: {reason}: drop the note") from error
    if _ENCODER.encode(statement) + b"\n" != line:
        raise MalformedError(f"{kind.KIND}: not in the one canonical JSON form: drop the note")
    return statement


@functools.cache
def _decoder(kind: type[Statement]) -> "msgspec.json.Decoder[Any]":
    return msgspec.json.Decoder(kind)


def text_of(note: bytes) -> bytes:
    """The signed bytes of a note that we wrote ourselves: nothing is verified."""
    return note[: note.rindex(b"\n\n") + 1]


def identity_of(note: bytes) -> str:
    """The hash of a note that was verified before, or that we wrote ourselves: as `Note.hash`."""
    return hashlib.sha256(text_of(note)).hexdigest()


def key_id_of(note: bytes) -> bytes:
    """The id of the key that signed a note which was verified before."""
    return base64.b64decode(note.rpartition(b" ")[2])[:4]


def kind_of(note: bytes) -> str:
    """The first line, before anything is verified: only to choose which kind to `read` it as."""
    return note.partition(b"\n")[0][:64].decode("ascii", "replace")
