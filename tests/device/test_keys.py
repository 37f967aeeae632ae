"""The keys: a unit's signer from its file, and what is said of files that hold none."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from device.keys import signer_from
from wire.errors import OurFault

NO_KEY = "no PEM private key without a passphrase: enrol the unit again"
OTHER_KIND = "expected a P-256 key, found another kind: enrol the unit again"
P256 = ec.generate_private_key(ec.SECP256R1())


def pem(key: PrivateKeyTypes, passphrase: bytes = b"") -> bytes:
    sealed = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealed)


def test_a_signer_signs_with_the_key_in_its_file(tmp_path: Path) -> None:
    (tmp_path / "unit.pem").write_bytes(pem(P256))
    signer = signer_from(tmp_path / "unit.pem", "unit-7")
    signer.verifier.verify(b"a text", signer.sign(b"a text"))
    assert signer.verifier.name == "unit-7"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "No such file or directory: enrol the unit or put its key there"),
        (b"", NO_KEY),
        (b"rubbish", NO_KEY),
        (pem(P256)[:-40], NO_KEY),
        (pem(P256, b"a passphrase"), NO_KEY),
        (
            pem(ec.generate_private_key(ec.SECP384R1())),
            "expected a P-256 key, found another kind: enrol the unit again",
        ),
        (pem(ed25519.Ed25519PrivateKey.generate()), OTHER_KIND),
    ],
    ids=["no file", "empty", "rubbish", "cut", "with a passphrase", "P-384", "Ed25519"],
)
def test_a_file_without_such_a_key_is_refused_in_one_sentence(
    tmp_path: Path, content: bytes | None, fault: str
) -> None:
    path = tmp_path / "unit.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(OurFault) as raised:
        signer_from(path, "unit-7")
    assert str(raised.value) == f"key file {path}: {fault}"
