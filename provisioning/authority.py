"""The authority: a folder on a machine that is never connected, which says who belongs to a deployment.

    deployment                      its name
    ca.pem ca.key                   certificate and key that brokers, hubs and units are known by
    packages.pub packages.key       signs deployment packages
    escrow.pub escrow.key           opens everything that is sealed, when the hubs are gone
    hubs/<name>/ units/<name>/      what is carried to each of them; a file `revoked` in it ends its belonging
    register.txt crl.pem access     made from these folders each time, for hubs and brokers

The three keys are encrypted by one passphrase. Private keys of hubs and units lie in their folders in clear, for there
they are on their way: once they are where they belong, `forget` removes them here.
"""

import hmac
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from provisioning import broker, certificates
from wire.errors import OurFault
from wire.note import NAME, KeySigner
from wire.seal import Opener

PASSPHRASE_CHARACTERS_MIN = 20
"""Six words of a word list have some thirty. Length must do it: it cannot be seen here how they were chosen."""

KDF_ITERATIONS = 600_000
"""Of PBKDF2-HMAC-SHA256, as OWASP asks for (2023); `cryptography` writes 2048 and cannot be asked for more."""

UNITS_MAX = 100_000
"""More than any election has mesas."""

_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"
"""No i, l, o or u: names are read out and typed."""

_FOLDERS = ("units", "hubs")
_PUBLIC = serialization.PublicFormat.SubjectPublicKeyInfo
_PRIVATE = ("unit.pem", "sign.pem", "seal.pem", "tls.key", "broker.key")


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority whose passphrase was given.

    Attributes:
        folder: where it lies.
        deployment: the name of the deployment.
        certificate: by which it is known.
    """

    folder: Path
    deployment: str
    certificate: x509.Certificate
    _key: ec.EllipticCurvePrivateKey

    @classmethod
    def make(cls, folder: Path, deployment: str, passphrase: str) -> Self:
        """Makes a new authority.

        Raises:
            OurFault: the folder is there already, the name cannot be one, or the passphrase is too short.
        """
        if not NAME.fullmatch(deployment):
            raise OurFault(f"deployment {deployment!r}: expected 1 to 32 of a-z, 0-9 and '-': choose another name")
        if len(passphrase) < PASSPHRASE_CHARACTERS_MIN:
            raise OurFault(
                f"the passphrase has {len(passphrase)} characters, at least {PASSPHRASE_CHARACTERS_MIN} are needed: "
                "take six words drawn by dice"
            )
        key, packages = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        escrow = X25519PrivateKey.generate()
        with _made(folder) as new:
            (new / "deployment").write_text(f"{deployment}\n")
            for name, secret in (("ca", key), ("packages", packages), ("escrow", escrow)):
                _write(new / f"{name}.key", _private(secret, passphrase), secret=True)
            _write(new / "ca.pem", _pem(certificates.authority(f"{deployment} authority", key)))
            _write(new / "packages.pub", f"{KeySigner('packages', packages).verifier}\n".encode())
            _write(new / "escrow.pub", f"{Opener('escrow', escrow).recipient}\n".encode())
            for kind in _FOLDERS:
                (new / kind).mkdir()
        made = cls.open(folder, passphrase)
        made.publish()
        return made

    @classmethod
    def open(cls, folder: Path, passphrase: str) -> Self:
        """Opens an authority.

        Raises:
            OurFault: there is none, or the passphrase is not its own.
        """
        try:
            deployment = (folder / "deployment").read_text().strip()
            certificate = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
            encrypted = (folder / "ca.key").read_bytes()
        except (OSError, ValueError) as error:
            raise OurFault(f"authority {folder}: {error}: name its folder, or make one with 'authority'") from error
        try:
            key = serialization.load_pem_private_key(encrypted, passphrase.encode())
        except (ValueError, TypeError) as error:
            raise OurFault(f"authority {folder}: the passphrase does not open its key: type it again") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not _is_of(key, certificate):
            raise OurFault(f"authority {folder}: ca.key is not the key of ca.pem: take them from a good copy")
        return cls(folder, deployment, certificate, key)

    def add_hub(self, name: str, hosts: Sequence[str]) -> Path:
        """Makes what a hub and its broker need; the folder to carry there.

        Args:
            name: the hub's; not beginning with `u-`, as units do.
            hosts: names and addresses by which units call its broker.

        Raises:
            OurFault: the name cannot be one, or is taken, or a host is none.
        """
        if not NAME.fullmatch(name) or name.startswith("u-") or name in ("packages", "escrow"):
            raise OurFault(f"hub {name!r}: expected 1 to 32 of a-z, 0-9 and '-', not u-...: choose another name")
        sign, seal = ec.generate_private_key(ec.SECP256R1()), X25519PrivateKey.generate()
        tls, called = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        try:
            of_broker = certificates.broker(self.certificate, self._key, hosts, called.public_key())
        except (ValueError, IndexError) as error:
            raise OurFault(f"hub {name}: hosts {', '.join(hosts)}: {error}: give plain names or addresses") from error
        with _made(self.folder / "hubs" / name) as new:
            (new / "keys").mkdir(mode=0o700)
            _write(new / "keys" / "sign.pem", _private(sign), secret=True)
            _write(new / "keys" / "seal.pem", _private(seal), secret=True)
            _write(new / "hub.pub", f"{KeySigner(name, sign).verifier}\n{Opener(name, seal).recipient}\n".encode())
            self._add_tls(new, name, tls)
            (new / "broker").mkdir(mode=0o700)
            _write(new / "broker" / "broker.key", _private(called), secret=True)
            _write(new / "broker" / "broker.pem", _pem(of_broker))
            shutil.copyfile(self.folder / "ca.pem", new / "broker" / "ca.pem")
        self.publish()
        return self.folder / "hubs" / name

    def set_up_broker(self, name: str, at: PurePath, port: int) -> Path:
        """Writes the configuration of a hub's broker; the folder to carry to its machine.

        Args:
            name: the hub's.
            at: where the folder will lie there.
            port: on which the broker will listen.

        Raises:
            OurFault: there is no such hub.
        """
        folder = self._home(name) / "broker"
        if not folder.is_dir():
            raise OurFault(f"{name} is a unit, and has no broker: name a hub")
        lines = [f"listener {port}", *broker.configuration(at)]
        _write(folder / "testigo.conf", ("\n".join(lines) + "\n").encode())
        self.publish()
        return folder

    def add_units(self, count: int) -> Iterator[Path]:
        """Makes so many units, one after the other, of names that say nothing; the folder to put on each one's card."""
        if not 1 <= count <= UNITS_MAX:
            raise OurFault(f"{count} units: give a number from 1 to {UNITS_MAX}")
        try:
            for _ in range(count):
                yield self._add_unit("u-" + "".join(secrets.choice(_LETTERS) for _ in range(8)))
        finally:
            self.publish()

    def _add_unit(self, name: str) -> Path:
        key, tls = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        with _made(self.folder / "units" / name) as new:
            _write(new / "unit.pem", _private(key), secret=True)
            _write(new / "unit.pub", f"{KeySigner(name, key).verifier}\n".encode())
            self._add_tls(new, name, tls)
        return self.folder / "units" / name

    def revoke(self, name: str) -> None:
        """Ends the belonging of a unit or a hub: it is not in the register any more, and brokers know it no more.

        Raises:
            OurFault: none of them has this name.
        """
        (self._home(name) / "revoked").touch()
        self.publish()

    def forget(self, name: str) -> int:
        """Removes the private keys of a unit or hub, which are where they belong now; how many there were.

        Raises:
            OurFault: none of them has this name.
        """
        keys = [path for path in self._home(name).rglob("*") if path.name in _PRIVATE]
        for path in keys:
            path.unlink()
        return len(keys)

    def _home(self, name: str) -> Path:
        for kind in _FOLDERS:
            if NAME.fullmatch(name) and (home := self.folder / kind / name).is_dir():
                return home
        raise OurFault(f"{name}: no unit or hub of this authority: look into {self.folder}")

    def publish(self) -> None:
        """Makes the register and the list of the revoked anew from the folders of those that belong."""
        # What begins with a point was being made when something cut it short.
        units, hubs = (sorted((self.folder / kind).glob("[!.]*")) for kind in _FOLDERS)
        gone = [home for home in (*units, *hubs) if (home / "revoked").exists()]
        try:
            verifiers = [(home / "unit.pub").read_bytes() for home in units if home not in gone]
            revoked = [x509.load_pem_x509_certificate((home / "tls.pem").read_bytes()) for home in gone]
        except (OSError, ValueError) as error:
            raise OurFault(f"{self.folder}: {error}: take what lacks there from a good copy") from error
        hubs = [home for home in hubs if home not in gone]
        _write(self.folder / "register.txt", b"".join(verifiers))
        # A later list revokes as many or more: nobody is ever let in again under a name that was revoked.
        listed = certificates.revocations(self.certificate, self._key, revoked, 1 + len(revoked))
        access = broker.access(self.deployment, [home.name for home in hubs], [home.name for home in gone])
        for folder in [self.folder, *(home / "broker" for home in hubs)]:
            _write(folder / "crl.pem", listed.public_bytes(serialization.Encoding.PEM))
            _write(folder / "access", access.encode(), secret=True)  # Mosquitto warns of one that all may read

    def _add_tls(self, home: Path, name: str, key: ec.EllipticCurvePrivateKey) -> None:
        _write(home / "tls.key", _private(key), secret=True)
        _write(home / "tls.pem", _pem(certificates.client(self.certificate, self._key, name, key.public_key())))
        shutil.copyfile(self.folder / "ca.pem", home / "ca.pem")


@contextmanager
def _made(folder: Path) -> Iterator[Path]:
    """A new folder, filled under another name: it is there whole, or not at all."""
    if folder.exists():
        raise OurFault(f"{folder} is there already: nothing was changed; choose another name")
    new = folder.with_name(f".{folder.name}.new")
    try:
        shutil.rmtree(new, ignore_errors=True)  # of one that was cut short
        new.mkdir(mode=0o700, parents=True)
        yield new
        new.rename(folder)
        _fsync(folder.parent)
    except OSError as error:
        raise OurFault(f"{folder}: {error.strerror}: name a place that can be written") from error
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _write(path: Path, content: bytes, *, secret: bool = False) -> None:
    """Writes a file whole, durably, in the place of one that may be there."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if secret else 0o644), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)
    _fsync(path.parent)


def _fsync(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _private(key: PrivateKeyTypes, passphrase: str = "") -> bytes:
    """A private key as PKCS#8 PEM."""
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


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _is_of(key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> bool:
    ours, its = (
        public.public_bytes(serialization.Encoding.DER, _PUBLIC)
        for public in (key.public_key(), certificate.public_key())
    )
    return hmac.compare_digest(ours, its)
