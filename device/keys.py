"""The keys: the unit's signer, wherever its private key lives."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from wire.errors import OurFault
from wire.note import KeySigner, Signer

_TPM = re.compile(r"tpm:0x(81[0-9a-f]{6})")
_OTP = re.compile(r"otp:([1-9])")


class KeyFault(OurFault):
    """The unit's key cannot be used, at its start or later: it can keep nothing then."""


@dataclass(frozen=True, slots=True)
class Tpm:
    """A key that a TPM holds, under a persistent handle."""

    handle: int

    def __str__(self) -> str:
        """As settings name it."""
        return f"tpm:{self.handle:#x}"


@dataclass(frozen=True, slots=True)
class Otp:
    """A key in the Raspberry Pi's own one-time memory, used by its firmware."""

    slot: int

    def __str__(self) -> str:
        """As settings name it."""
        return f"otp:{self.slot}"


Key = Path | Tpm | Otp
"""Where a unit's private key lives: in a PEM file, or in a chip."""

OpenSigner = Callable[[Key, str], Signer]
"""Makes the signer of a key, to sign as that name; raises KeyFault if it cannot be used."""


def key_of(text: str, base: Path) -> Key:
    """The key that settings name: `tpm:0x81000000` to `tpm:0x81ffffff`, `otp:1`, or else a file, relative to `base`.

    Raises:
        OurFault: it names a chip, but no place in it.
    """
    if match := _TPM.fullmatch(text):
        return Tpm(int(match[1], 16))
    if match := _OTP.fullmatch(text):
        return Otp(int(match[1]))
    if text.startswith(("tpm:", "otp:")):
        raise OurFault(f"key {text!r}: expected a persistent handle as tpm:0x81010001, or otp:1: correct `key`")
    return base / text


def signer_from(key: Key, name: str) -> Signer:
    """The signer of a P-256 private key in a PKCS#8 PEM file.

    Raises:
        KeyFault: there is no such file, or no such key in it.
    """
    if not isinstance(key, Path):
        raise KeyFault(f"key {key}: only a unit has that chip: name a key file")
    try:
        private = serialization.load_pem_private_key(key.read_bytes(), password=None)
    except OSError as error:
        raise KeyFault(f"key file {key}: {error.strerror}: enrol the unit or put its key there") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFault(f"key file {key}: no PEM private key without a passphrase: enrol the unit again") from error
    if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
        raise KeyFault(f"key file {key}: expected a P-256 key, found another kind: enrol the unit again")
    return KeySigner(name, private)
