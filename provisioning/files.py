"""The files of an authority: written whole or not at all, private keys in them readable by their owner alone."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from hub.pictures import fsync_folder
from wire.errors import OurFault

KDF_ITERATIONS = 600_000
"""Of PBKDF2-HMAC-SHA256, as OWASP asks for (2023); `cryptography` writes 2048 and cannot be asked for more."""


@contextmanager
def made(folder: Path) -> Iterator[Path]:
    """A new folder, filled under another name: it is there whole, or not at all.

    Raises:
        OurFault: it is there already, or cannot be written.
    """
    if folder.exists():
        raise OurFault(f"{folder} is there already: nothing was changed; choose another name")
    new = folder.with_name(f".{folder.name}.new")
    try:
        shutil.rmtree(new, ignore_errors=True)  # of one that was cut short
        new.mkdir(mode=0o700, parents=True)
        yield new
        new.rename(folder)
        fsync_folder(folder.parent)
    except OSError as error:
        raise OurFault(f"{folder}: {error.strerror}: name a place that can be written") from error
    finally:
        shutil.rmtree(new, ignore_errors=True)


def write(path: Path, content: bytes, *, secret: bool = False, owner: Path | None = None) -> None:
    """Writes a file whole, durably, in the place of one that may be there.

    Args:
        path: where.
        content: all of it.
        secret: whether its owner alone may read it.
        owner: a file or folder whose owner it gets; without it, whoever writes.
    """
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if secret else 0o644), "wb") as file:
        if owner is not None:
            known = owner.stat()
            os.fchown(file.fileno(), known.st_uid, known.st_gid)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)
    fsync_folder(path.parent)


def private_pem(key: PrivateKeyTypes, passphrase: str = "") -> bytes:
    """A private key as PKCS#8 PEM, encrypted where a passphrase is given.

    Raises:
        OurFault: there is no openssl to encrypt it.
    """
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    if not passphrase:
        return pem
    command = ["openssl", "pkcs8", "-topk8", "-v2", "aes-256-cbc", "-iter", str(KDF_ITERATIONS), "-passout", "env:PASS"]
    try:
        return subprocess.run(
            command, input=pem, capture_output=True, check=True, env={**os.environ, "PASS": passphrase}
        ).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise OurFault(f"openssl, which encrypts the keys: {error}: apt-get install openssl") from error
