"""The seal: bytes encrypted to hubs, so that a seized unit tells nothing.

    testigo/sealed/1 <newline>
    one byte: how many recipients, n
    n times: 8 bytes of key id, 80 bytes of HPKE (RFC 9180) over the content key
    AES-256-GCM of the padded content under the content key

The content key is fresh for every seal, so the nonce is zero. Key ids and everything before the ciphertext are
authenticated. docs/wire.md is the specification.
"""

import base64
import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import GCM

from wire.errors import MalformedError, NotForUsError
from wire.note import NAME

RECIPIENTS_MIN = 2
"""A regional hub and a second one, or an escrow: no single lost key loses what was kept."""

RECIPIENTS_MAX = 16

_MAGIC = b"testigo/sealed/1\n"
_SUITE = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
_KEY_ID_BYTES = 8
_SLOT_BYTES = _KEY_ID_BYTES + 32 + 32 + 16  # key id, encapsulated key, content key, tag
_NONCE = bytes(12)
_ANY_PRIVATE = X25519PrivateKey.from_private_bytes(bytes(32))  # any finds the points of small order (RFC 7748, 6.1)
_LENGTH_BYTES = 8
_PIECE_BYTES = 1048576
"""Between two pieces other threads may run; smaller ones cost more than that gains."""
_PADDING = 1024
"""Content is padded to a multiple of this, so that the length of a payload does not show."""


@dataclass(frozen=True)
class Recipient:
    """Somebody who can open what is sealed: a name, and an X25519 public key of 32 bytes."""

    name: str
    public: bytes

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name) or len(self.public) != 32:
            raise MalformedError(f"seal key of {self.name!r}: expected a name and 32 bytes: copy it whole")
        try:
            _ANY_PRIVATE.exchange(X25519PublicKey.from_public_bytes(self.public))
        except ValueError as error:  # found here, not when the first record is to be sealed
            raise MalformedError(
                f"seal key of {self.name}: nothing can be sealed to this point: copy it whole"
            ) from error

    @functools.cached_property
    def key_id(self) -> bytes:
        """Eight bytes that tell a recipient which slot is its own."""
        return hashlib.sha256(self.public).digest()[:_KEY_ID_BYTES]

    def __str__(self) -> str:
        """The text form, `name+seal+key`: what settings hold."""
        return f"{self.name}+seal+{base64.b64encode(self.public).decode('ascii')}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads the text form.

        Raises:
            MalformedError: it is none.
        """
        name, _, rest = text.partition("+")
        kind, _, key = rest.partition("+")
        try:
            public = base64.b64decode(key, validate=True)
        except ValueError as error:
            raise MalformedError(f"seal key of {name!r}: the key is not base64: copy it whole") from error
        if kind != "seal":
            raise MalformedError(f"seal key of {name!r}: expected 'name+seal+key': copy it whole")
        recipient = cls(name, public)
        if str(recipient) != text:
            raise MalformedError(f"seal key of {name!r}: the key is not in base64's one canonical form: copy it whole")
        return recipient


class Opener:
    """A recipient's private side."""

    def __init__(self, name: str, key: X25519PrivateKey) -> None:
        self._key = key
        self.recipient = Recipient(name, key.public_key().public_bytes_raw())

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """The content, once its seal holds.

        Args:
            sealed: what `seal` returned.
            context: the same as when it was sealed.

        Raises:
            MalformedError: it is no seal, was altered, or belongs to another context.
            NotForUsError: it is sealed to others.
        """
        header = len(_MAGIC) + 1
        count = sealed[len(_MAGIC)] if sealed.startswith(_MAGIC) and len(sealed) > header else 0
        body = header + count * _SLOT_BYTES
        if not RECIPIENTS_MIN <= count <= RECIPIENTS_MAX or len(sealed) < body:
            raise MalformedError("sealed bytes without the header of a seal: drop them")
        slots = [sealed[at : at + _SLOT_BYTES] for at in range(header, body, _SLOT_BYTES)]
        ours = next((slot for slot in slots if slot.startswith(self.recipient.key_id)), None)
        if ours is None:
            raise NotForUsError(f"sealed to {count} others, not to {self.recipient.name}: check the unit's hubs")
        try:
            content_key = _SUITE.decrypt(ours[_KEY_ID_BYTES:], self._key, info=context)
            padded = AESGCM(content_key).decrypt(_NONCE, sealed[body:], sealed[:body] + context)
        except (InvalidTag, ValueError) as error:
            raise MalformedError("the seal does not open: it was altered or moved: drop it") from error
        length = int.from_bytes(padded[:_LENGTH_BYTES], "big")
        content, padding = padded[_LENGTH_BYTES : _LENGTH_BYTES + length], padded[_LENGTH_BYTES + length :]
        whole = len(content) == length and padded and not len(padded) % _PADDING
        if not whole or len(padding) >= _PADDING or padding.strip(b"\0"):
            raise MalformedError("the sealed content is not padded as it must be: drop it")
        return content


class Seal:
    """A seal, begun before there is anything to put under it: what it costs to begin one does not depend on that.

    Args:
        recipients: 2 to 16 of them, with different keys; each of them can open it alone.
        context: what the content is and where it belongs (see `wire.envelope.context`); whoever opens it must know it.
    """

    def __init__(self, recipients: Sequence[Recipient], context: bytes) -> None:
        different = len({recipient.key_id for recipient in recipients})
        if not RECIPIENTS_MIN <= different == len(recipients) <= RECIPIENTS_MAX:
            raise AssertionError(f"sealing to {len(recipients)} recipients: 2 to 16 different ones are needed")
        content_key = AESGCM.generate_key(256)
        self._header = _MAGIC + bytes([len(recipients)])
        for recipient in recipients:
            public = X25519PublicKey.from_public_bytes(recipient.public)
            self._header += recipient.key_id + _SUITE.encrypt(content_key, public, info=context)
        self._encryptor = Cipher(AES(content_key), GCM(_NONCE)).encryptor()
        self._encryptor.authenticate_additional_data(self._header + context)

    def close(self, content: bytes) -> bytes:
        """The content, any bytes, sealed.

        Raises:
            AlreadyFinalized: it was closed before; a content key is for one content.
        """
        whole = memoryview(content)
        update = self._encryptor.update
        return b"".join(
            [
                self._header,
                update(len(content).to_bytes(_LENGTH_BYTES, "big")),
                *(update(whole[at : at + _PIECE_BYTES]) for at in range(0, len(content), _PIECE_BYTES)),
                update(bytes(-(_LENGTH_BYTES + len(content)) % _PADDING)),
                self._encryptor.finalize(),
                self._encryptor.tag,
            ]
        )


def seal(content: bytes, recipients: Sequence[Recipient], context: bytes) -> bytes:
    """Seals content so that each of the recipients can open it alone: a `Seal` begun and closed."""
    return Seal(recipients, context).close(content)
