"""The enrolment of the unit: it makes its own keys, asks to belong, and takes up the answer.

Each run is one step, and all that it did is found done by the next: power cuts only repeat steps. Nothing secret leaves
the unit: a request holds the public halves of its keys, signed by them and by the token that its card was given.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from device.folder import Folder
from device.keys import Key, KeyFault, OpenSigner, Otp, Tpm, key_of, signer_from
from device.settings import UnitFile
from wire import enrolment, note
from wire.enrolment import ANSWER, FOLDER, REQUEST, REQUEST_BYTES_MAX, Enrolled, Request, Token
from wire.errors import OurFault, TestigoError, TheirFault
from wire.note import Signer, Verifier
from wire.settings import Tls, parse

WAITS_STATUS = 3
"""The exit status while the answer is awaited: for systemd to run it again."""

MakeKey = Callable[[Tpm | Otp], None]
"""Has a chip make a key where there is none; raises KeyFault if it cannot."""

_SPKI = serialization.PublicFormat.SubjectPublicKeyInfo


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What a unit needs to enrol, with its keys made.

    Attributes:
        token: what its card was given.
        signer: its new key.
        key: the key it will meet brokers with.
        authority: certificate of whoever will issue its own.
        packages: the authority's key that signs the answer.
    """

    token: Token
    signer: Signer
    key: ec.EllipticCurvePrivateKey
    authority: x509.Certificate
    packages: Verifier

    def request(self) -> bytes:
        """What it asks for."""
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.token.unit)])
        csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(self.key, hashes.SHA256())
        request = Request(
            csr=csr.public_bytes(serialization.Encoding.PEM).decode("ascii"),
            deployment=self.token.deployment,
            key=str(self.signer.verifier),
            unit=self.token.unit,
        )
        return enrolment.write(request, self.token.signer, self.signer)

    def is_asked(self, content: bytes) -> bool:
        """Whether these bytes ask for the same already; a chip never signs twice the same."""
        try:
            request = enrolment.read(content, {self.token.unit: self.token.signer.verifier})
            of_key = x509.load_pem_x509_csr(request.csr.encode()).public_key()
        except (TheirFault, ValueError):
            return False
        return request.key == str(self.signer.verifier) and _same(of_key, self.key)

    def certificate(self, answer: bytes) -> bytes:
        """The certificate in an answer, PEM.

        Raises:
            TheirFault: it is no answer of the authority's to this request.
        """
        enrolled = note.read(answer, Enrolled, {self.packages.name: self.packages}).statement
        asked = (self.token.unit, self.token.deployment, str(self.signer.verifier))
        if (enrolled.unit, enrolled.deployment, enrolled.key) != asked:
            raise TheirFault(f"it enrols {enrolled.unit} in {enrolled.deployment}, or another key: bring this unit's")
        try:
            certificate = x509.load_pem_x509_certificate(enrolled.certificate.encode())
            certificate.verify_directly_issued_by(self.authority)
        except (ValueError, TypeError, InvalidSignature) as error:
            raise TheirFault("its certificate is not of the authority in ca.pem: write the card again") from error
        if not _same(certificate.public_key(), self.key):
            raise TheirFault("its certificate is for another key than this unit's: enrol it again")
        return enrolled.certificate.encode()


def enrol(
    settings: Path,
    token: Path,
    places: Sequence[Path],
    say: Callable[[str], None],
    open_signer: OpenSigner = signer_from,
    make_key: MakeKey | None = None,
) -> bool:
    """Takes one step; whether the unit is enrolled now.

    Args:
        settings: the unit's; its keys and certificate are made where they say, beside it.
        token: the file of the token; removed once the unit is enrolled.
        places: where answers may lie and requests are put, in a folder `testigo-enrolment`: sticks, the boot partition.
        say: is told what was done, in sentences.
        open_signer: makes the signer of its key.
        make_key: has a chip make one.

    Raises:
        OurFault: it cannot enrol from this card: its token, settings or keys cannot be used.
    """
    file, base = _own(settings), settings.parent.resolve()
    if file.tls is None:
        raise OurFault(f"{settings}: a unit enrols for TLS, and there is no section [tls]: write the card again")
    kept = base / file.tls.certificate
    if kept.exists():
        _forget(token)
        say(f"{file.unit} is enrolled")
        return True
    known = _token(token, file.unit)
    key = key_of(file.key, base)
    asking = Enrolment(
        token=known,
        signer=_signer(key, file.unit, open_signer, make_key),
        key=_tls_key(base / file.tls.key),
        authority=_authority(base, file.tls),
        packages=_packages(settings, file.packages),
    )
    there = [place for place in places if place.is_dir()]
    for place in there:
        certificate = _answered(place, asking, say)
        if certificate is not None:
            _put(kept, certificate)
            _forget(token)
            say(f"{file.unit} is enrolled, by {place}")
            return True
    for place in there:
        _ask(place, asking, say)
    if not there:
        say("there is nothing to write a request on: put in a stick")
    return False


def _answered(place: Path, asking: Enrolment, say: Callable[[str], None]) -> bytes | None:
    """The certificate that an answer in a place brings, if one is there and good."""
    name = asking.token.unit + ANSWER
    try:
        with Folder.at(place) as top, top.made(FOLDER) as folder:
            if folder.size(name) is None:
                return None
            return asking.certificate(folder.read(name, REQUEST_BYTES_MAX))
    except OSError as error:
        say(f"{place / FOLDER / name}: {error.strerror}: bring it again")
    except TheirFault as error:
        say(f"{place / FOLDER / name}: {error}")
    return None


def _ask(place: Path, asking: Enrolment, say: Callable[[str], None]) -> None:
    """Puts the request in a place, unless it is there."""
    name = asking.token.unit + REQUEST
    try:
        with Folder.at(place) as top, top.made(FOLDER) as folder:
            size = folder.size(name)
            if size is None or size > REQUEST_BYTES_MAX or not asking.is_asked(folder.read(name, REQUEST_BYTES_MAX)):
                folder.put(name, asking.request())
    except OSError as error:
        say(f"{place / FOLDER / name}: {error.strerror}: put in another stick")
    else:
        say(f"{place / FOLDER / name}: carry it to the authority, and its answer back")


def _own(path: Path) -> UnitFile:
    try:
        return parse(path.read_text("utf-8"), UnitFile, str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise OurFault(f"settings {path}: {error}: give the right file with --settings") from error


def _token(path: Path, unit: str) -> Token:
    try:
        token = Token.parse(path.read_text("ascii").strip())
    except (OSError, UnicodeDecodeError, TheirFault) as error:
        raise OurFault(f"token {path}: {error}: this card cannot enrol: write another") from error
    if token.unit != unit:
        raise OurFault(f"token {path}: it is {token.unit}'s, and this is {unit}: write the card again")
    return token


def _signer(key: Key, name: str, open_signer: OpenSigner, make_key: MakeKey | None) -> Signer:
    """The signer of the unit's key, which is made if it is not there; none is ever made in the place of another."""
    if isinstance(key, Path):
        if not key.exists():
            _put(key, _pem(ec.generate_private_key(ec.SECP256R1())))
    else:
        try:
            return open_signer(key, name)
        except KeyFault:
            if make_key is None:
                raise
            make_key(key)
    return open_signer(key, name)


def _tls_key(path: Path) -> ec.EllipticCurvePrivateKey:
    if not path.exists():
        _put(path, _pem(ec.generate_private_key(ec.SECP256R1())))
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise OurFault(f"key file {path}: {error}: write the card again") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise OurFault(f"key file {path}: expected a P-256 key, found another kind: write the card again")
    return key


def _authority(base: Path, tls: Tls) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate((base / tls.ca).read_bytes())
    except (OSError, ValueError) as error:
        raise OurFault(f"{base / tls.ca}: {error}: write the card again") from error


def _packages(settings: Path, text: str) -> Verifier:
    try:
        return Verifier.parse(text)
    except TestigoError as error:
        raise OurFault(f"{settings}: packages: {error}") from error


def _put(path: Path, content: bytes) -> None:
    """Writes a file that its owner alone can read: whole, and for good, or not at all."""
    try:
        with Folder.at(path.parent) as folder:
            folder.put(path.name, content)
    except OSError as error:
        raise OurFault(f"{path}: {error.strerror}: see whether the card can be written") from error


def _forget(token: Path) -> None:
    """Removes the token: it has done what it was for."""
    try:
        with Folder.at(token.parent) as folder:
            folder.remove(token.name)
            folder.sync()
    except FileNotFoundError:
        pass  # a folder for it alone went with it
    except OSError as error:
        raise OurFault(f"token {token}: {error.strerror}: see whether the card can be written") from error


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    kind = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption())


def _same(public: object, key: ec.EllipticCurvePrivateKey) -> bool:
    if not isinstance(public, ec.EllipticCurvePublicKey):
        return False
    one, other = (each.public_bytes(serialization.Encoding.DER, _SPKI) for each in (public, key.public_key()))
    return one == other
