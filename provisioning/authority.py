"""The authority: a folder on a machine that is never connected, which says who belongs to a deployment.

    deployment                      its name
    ca.pem ca.key                   certificate and key that brokers, hubs and units are known by
    packages.pub packages.key       signs deployment packages
    escrow.pub escrow.key           opens everything that is sealed, when the hubs are gone
    hubs/<name>/ units/<name>/      what is carried to each of them; a file `revoked` in it ends its belonging
    units/<name>/card.pub           of a unit that makes its keys itself: the public half of its card's token
    register.txt crl.pem access revoked.txt belonging.note
                                    made from these folders each time, for hubs and brokers, and signed

The three keys are encrypted by one passphrase. Private keys of hubs and units lie in their folders in clear, for there
they are on their way: once they are where they belong, `forget` removes them here.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes, PrivateKeyTypes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from hub.pictures import fsync_folder
from provisioning import broker, certificates
from provisioning.files import made, private_pem, write
from wire import note
from wire.belonging import ACCESS, CRL, FILE, FILES, REGISTER, REVOKED, Belonging
from wire.enrolment import Enrolled, Request, Token
from wire.errors import MalformedError, OurFault, TheirFault
from wire.note import NAME, KeySigner, Verifier
from wire.package import SIGNER
from wire.seal import Opener, Recipient

PASSPHRASE_CHARACTERS_MIN = 20
"""Six words of a word list have some thirty. Length must do it: it cannot be seen here how they were chosen."""

UNITS_MAX = 100_000
"""More than any election has mesas."""

_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"
"""No i, l, o or u: names are read out and typed."""

_FOLDERS = ("units", "hubs")
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
    _key: ec.EllipticCurvePrivateKey = field(repr=False)
    _packages: KeySigner = field(repr=False)

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
        with made(folder) as new:
            write(new / "deployment", f"{deployment}\n".encode())
            for name, secret in (("ca", key), ("packages", packages), ("escrow", escrow)):
                write(new / f"{name}.key", private_pem(secret, passphrase), secret=True)
            write(new / "ca.pem", _pem(certificates.authority(f"{deployment} authority", key)))
            write(new / "packages.pub", f"{KeySigner(SIGNER, packages).verifier}\n".encode())
            write(new / "escrow.pub", f"{Opener('escrow', escrow).recipient}\n".encode())
            for kind in _FOLDERS:
                (new / kind).mkdir()
        authority = cls.open(folder, passphrase)
        authority.publish()
        return authority

    @classmethod
    def open(cls, folder: Path, passphrase: str) -> Self:
        """Opens an authority.

        Raises:
            OurFault: there is none, or the passphrase is not its own.
        """
        try:
            deployment = (folder / "deployment").read_text().strip()
            certificate = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
            trusted = Verifier.parse((folder / "packages.pub").read_text().strip())
            recipient = Recipient.parse((folder / "escrow.pub").read_text().strip())
        except (OSError, ValueError, TheirFault) as error:
            raise OurFault(f"authority {folder}: {error}: name its folder, or make one with 'authority'") from error
        key, packages = (_p256(folder / f"{name}.key", passphrase) for name in ("ca", "packages"))
        escrow = _opened(folder / "escrow.key", passphrase)
        if not hmac.compare_digest(_spki(key.public_key()), _spki(certificate.public_key())):
            raise OurFault(f"authority {folder}: ca.key is not the key of ca.pem: take them from a good copy")
        signer = KeySigner(SIGNER, packages)
        if signer.verifier != trusted:
            raise OurFault(f"authority {folder}: packages.key is not the key of packages.pub: take a good copy's")
        # Else units seal to whoever put that there.
        if not isinstance(escrow, X25519PrivateKey) or Opener(recipient.name, escrow).recipient != recipient:
            raise OurFault(f"authority {folder}: escrow.key is not the key of escrow.pub: take a good copy's")
        return cls(folder, deployment, certificate, key, signer)

    def packages(self) -> KeySigner:
        """What signs deployment packages, and what units are told of their enrolment."""
        return self._packages

    def add_hub(self, name: str, hosts: Sequence[str]) -> Path:
        """Makes what a hub and its broker need; the folder to carry there.

        Args:
            name: the hub's; not beginning with `u-`, as units do.
            hosts: names and addresses by which units call its broker.

        Raises:
            OurFault: the name cannot be one, or is taken, or a host is none.
        """
        if not NAME.fullmatch(name) or name.startswith("u-") or name in (SIGNER, "escrow"):
            raise OurFault(f"hub {name!r}: expected 1 to 32 of a-z, 0-9 and '-', not u-...: choose another name")
        sign, seal = ec.generate_private_key(ec.SECP256R1()), X25519PrivateKey.generate()
        tls, called = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        try:
            # Units ask for the hub's name, wherever they call it: at a new address the certificate is still good.
            of_broker = certificates.broker(self.certificate, self._key, [name, *hosts], called.public_key())
        except (ValueError, IndexError) as error:
            raise OurFault(f"hub {name}: hosts {', '.join(hosts)}: {error}: give plain names or addresses") from error
        with made(self.folder / "hubs" / name) as new:
            (new / "keys").mkdir(mode=0o700)
            write(new / "keys" / "sign.pem", private_pem(sign), secret=True)
            write(new / "keys" / "seal.pem", private_pem(seal), secret=True)
            write(new / "hub.pub", f"{KeySigner(name, sign).verifier}\n{Opener(name, seal).recipient}\n".encode())
            self._add_tls(new, name, tls)
            (new / "broker").mkdir(mode=0o700)
            write(new / "broker" / "broker.key", private_pem(called), secret=True)
            write(new / "broker" / "broker.pem", _pem(of_broker))
            for file in ("ca.pem", "packages.pub"):
                write(new / "broker" / file, (self.folder / file).read_bytes())
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
        lines = [f"listener {port}", *broker.configuration(at, self.deployment)]
        write(folder / "testigo.conf", ("\n".join(lines) + "\n").encode())
        write(folder / "testigo.c", broker.plugin().encode())
        write(folder / "testigo.nft", broker.limits(port).encode())
        self.publish()
        return folder

    def add_units(self, count: int) -> Iterator[Path]:
        """Makes so many units, one after the other, of names that say nothing; the folder to put on each one's card."""
        try:
            for name in _names(count):
                yield self._add_unit(name)
        finally:
            self.publish()

    def add_cards(self, count: int) -> Iterator[Token]:
        """Prepares so many cards whose units will make their keys themselves and enrol: what to write on each.

        A token is given out once: only its public half stays here.
        """
        for name in _names(count):
            token = Token(name, self.deployment, ec.generate_private_key(ec.SECP256R1()))
            with made(self.folder / "units" / name) as new:
                write(new / "card.pub", f"{token.signer.verifier}\n".encode())
            yield token

    def cards(self) -> dict[str, Verifier]:
        """The cards that were ever prepared, by their units' names: those that may enrol, have, or were revoked."""
        return _verifiers((self.folder / "units").glob("[!.]*/card.pub"))

    def enrolled(self) -> dict[str, Verifier]:
        """The keys that units sign with, revoked or not, by the units' names."""
        return _verifiers((self.folder / "units").glob("[!.]*/unit.pub"))

    def enrol(self, request: Request) -> Enrolled:
        """Lets the unit of a prepared card belong, and says so to it; whoever calls publishes when all are through.

        The same keys are answered the same way again, however often and wherever it was cut short; others are not.

        Args:
            request: what `wire.enrolment.read` has verified, for a card of `cards`.

        Raises:
            TheirFault: it asks for what it cannot have.
        """
        home, key = self._home(request.unit), Verifier.parse(request.key)
        if request.deployment != self.deployment:
            raise MalformedError(f"asks to belong to {request.deployment}, this is {self.deployment}: wrong desk")
        if (home / "revoked").exists():
            raise MalformedError("was revoked before it enrolled: write a new card")
        public = certificates.requested(request.csr, request.unit)
        if (home / "unit.pub").exists():
            certificate = x509.load_pem_x509_certificate((home / "tls.pem").read_bytes())
            has = (home / "unit.pub").read_text().strip(), _spki(certificate.public_key())
            if has != (request.key, _spki(public)):
                raise MalformedError("its card's token was used already, with other keys: revoke it, write a new card")
        else:
            certificate = certificates.client(self.certificate, self._key, request.unit, public)
            write(home / "tls.pem", _pem(certificate))
            write(home / "unit.pub", f"{key}\n".encode())  # last: from here on it belongs
        return Enrolled(
            certificate=_pem(certificate).decode("ascii"),
            deployment=self.deployment,
            key=request.key,
            unit=request.unit,
        )

    def _add_unit(self, name: str) -> Path:
        key, tls = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        with made(self.folder / "units" / name) as new:
            write(new / "unit.pem", private_pem(key), secret=True)
            write(new / "unit.pub", f"{KeySigner(name, key).verifier}\n".encode())
            self._add_tls(new, name, tls)
        return self.folder / "units" / name

    def revoke(self, *names: str) -> None:
        """Ends the belonging of units, cards or hubs: hubs take nothing of them any more, brokers let them in no more.

        Raises:
            OurFault: none has one of these names; then all still belong.
        """
        for home in [self._home(name) for name in names]:
            write(home / "revoked", b"")
        self.publish()

    def forget(self, name: str) -> int:
        """Removes the private keys of a unit or hub, which are where they belong now; how many there were.

        Raises:
            OurFault: none of them has this name.
        """
        keys = [path for path in self._home(name).rglob("*") if path.name in _PRIVATE]
        for path in keys:
            path.unlink()
            fsync_folder(path.parent)
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
        gone = {home: None for home in (*units, *hubs) if (home / "revoked").exists()}
        # A card that was prepared, and whose unit has not enrolled, has neither key nor certificate yet.
        waiting = {home for home in units if (home / "card.pub").exists() and not (home / "unit.pub").exists()}
        try:
            verifiers = [(home / "unit.pub").read_bytes() for home in units if home not in gone and home not in waiting]
            listed = [(home / "tls.pem").read_bytes() for home in gone if home not in waiting]
            revoked = [x509.load_pem_x509_certificate(pem) for pem in listed]
        except (OSError, ValueError) as error:
            raise OurFault(f"{self.folder}: {error}: take what lacks there from a good copy") from error
        hubs = [home for home in hubs if home not in gone]
        # A later list revokes as many or more: nobody is ever let in again under a name that was revoked.
        crl = certificates.revocations(self.certificate, self._key, revoked, 1 + len(gone))
        access = broker.access(self.deployment, [home.name for home in hubs], [home.name for home in gone])
        files = {
            REGISTER: b"".join(verifiers),
            CRL: crl.public_bytes(serialization.Encoding.PEM),
            ACCESS: access.encode(),
            REVOKED: "".join(f"{home.name}\n" for home in gone).encode(),
        }
        belonging = Belonging(
            deployment=self.deployment,
            files={name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
            number=1 + len(units) + len(hubs) + 2 * len(gone) + len(verifiers),
        )
        files[FILE] = note.write(belonging, self._packages)
        for name, content in files.items():
            for folder in [self.folder, *(home / "broker" for home in hubs)]:
                if name != REGISTER or folder == self.folder:
                    write(folder / name, content, secret=name == ACCESS)  # Mosquitto warns of one that all may read

    def _add_tls(self, home: Path, name: str, key: ec.EllipticCurvePrivateKey) -> None:
        write(home / "tls.key", private_pem(key), secret=True)
        write(home / "tls.pem", _pem(certificates.client(self.certificate, self._key, name, key.public_key())))
        write(home / "ca.pem", (self.folder / "ca.pem").read_bytes())


def to_hubs(folder: Path) -> str:
    """What to do when who belongs has changed, for the person at the desk."""
    return f"{folder}: carry {', '.join((*FILES, FILE))} to every hub, and say apply there"


def _names(count: int) -> Iterator[str]:
    """So many names that say nothing."""
    if not 1 <= count <= UNITS_MAX:
        raise OurFault(f"{count} units: give a number from 1 to {UNITS_MAX}")
    for _ in range(count):
        yield "u-" + "".join(secrets.choice(_LETTERS) for _ in range(8))


def _verifiers(files: Iterable[Path]) -> dict[str, Verifier]:
    try:
        verifiers = [Verifier.parse(file.read_text().strip()) for file in sorted(files)]
    except (OSError, ValueError, TheirFault) as error:
        raise OurFault(f"authority: {error}: take it from a good copy") from error
    return {verifier.name: verifier for verifier in verifiers}


def _opened(path: Path, passphrase: str) -> PrivateKeyTypes:
    """One of the authority's own keys."""
    try:
        return serialization.load_pem_private_key(path.read_bytes(), passphrase.encode())
    except OSError as error:
        raise OurFault(f"{path}: {error.strerror}: take it from a good copy") from error
    except (ValueError, TypeError) as error:
        raise OurFault(f"{path}: the passphrase does not open its key: type it again") from error


def _p256(path: Path, passphrase: str) -> ec.EllipticCurvePrivateKey:
    key = _opened(path, passphrase)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise OurFault(f"{path}: expected a P-256 key: take it from a good copy")
    return key


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _spki(key: CertificatePublicKeyTypes) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
