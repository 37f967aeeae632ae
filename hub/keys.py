"""The hub's keys: one signs its receipts, the other opens what units sealed to it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from wire.errors import OurFault
from wire.note import KeySigner, Signer
from wire.seal import Opener


@dataclass(frozen=True, slots=True)
class Keys:
    """Who signs for the hub, and what opens for it."""

    signer: Signer
    opener: Opener

    @classmethod
    def read(cls, folder: Path, name: str) -> Self:
        """Reads `sign.pem` and `seal.pem`.

        Raises:
            OurFault: one is missing, or is not a private key of its kind.
        """
        sign, seal = _private(folder / "sign.pem"), _private(folder / "seal.pem")
        if not isinstance(sign, ec.EllipticCurvePrivateKey) or not isinstance(sign.curve, ec.SECP256R1):
            raise OurFault(f"key file {folder / 'sign.pem'}: expected a P-256 key, found another kind: make it anew")
        if not isinstance(seal, X25519PrivateKey):
            raise OurFault(f"key file {folder / 'seal.pem'}: expected an X25519 key, found another kind: make it anew")
        return cls(KeySigner(name, sign), Opener(name, seal))


def _private(path: Path) -> PrivateKeyTypes:
    try:
        return serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise OurFault(f"key file {path}: {error.strerror}: put the hub's key there") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise OurFault(f"key file {path}: no PEM private key without a passphrase: put the hub's key there") from error
