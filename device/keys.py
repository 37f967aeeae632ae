"""The keys: the unit's signer, wherever its private key lives."""

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from wire.errors import OurFault
from wire.note import KeySigner, Signer


def signer_from(path: Path, name: str) -> Signer:
    """The signer of a P-256 private key in a PKCS#8 PEM file.

    Raises:
        OurFault: there is no such file, or no such key in it.
    """
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise OurFault(f"key file {path}: {error.strerror}: enrol the unit or put its key there") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise OurFault(f"key file {path}: no PEM private key without a passphrase: enrol the unit again") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise OurFault(f"key file {path}: expected a P-256 key, found another kind: enrol the unit again")
    return KeySigner(name, key)
