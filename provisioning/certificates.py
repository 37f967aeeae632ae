"""The certificates: who may connect to the brokers of a deployment, and the list of who may not any more.

They bear no date that matters: a unit without a clock believes that it is 1970, and its evening must not hang on that.
Who shall connect no more is put on the list; whose deployment is over has its authority thrown away.
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from wire.errors import MalformedError

BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
END = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""No end (RFC 5280, 4.1.2.5)."""

_NUMBER_BYTES = 16
"""RFC 5280, 4.1.2.2 allows 20, with a first bit that is not set."""

_HOST = re.compile(r"(?=.*[a-z])[a-z0-9]([a-z0-9.-]*[a-z0-9])?", re.IGNORECASE)
"""Without a letter it is an address that was mistyped; a port does not belong to it."""

_FIRST_LIST = datetime(1950, 1, 1, tzinfo=UTC)
"""As early as a list can be, so that later ones hold too where it is 1970."""


def authority(name: str, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """The certificate of an authority, signed by itself; it can issue others, but no other authority."""
    builder = _begun(name, name, key.public_key(), key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return builder.add_extension(_usage(signs=False), critical=True).sign(key, hashes.SHA256())


def client(
    issuer: x509.Certificate, key: ec.EllipticCurvePrivateKey, name: str, public: ec.EllipticCurvePublicKey
) -> x509.Certificate:
    """The certificate by which a unit or a hub is known to brokers, under its name."""
    return _issued(issuer, key, name, public, ExtendedKeyUsageOID.CLIENT_AUTH).sign(key, hashes.SHA256())


def requested(csr: str, name: str) -> ec.EllipticCurvePublicKey:
    """The key that somebody of this name asks a certificate for, and has.

    Raises:
        MalformedError: it is no such request.
    """
    try:
        request = x509.load_pem_x509_csr(csr.encode())
        is_signed, public = request.is_signature_valid, request.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise MalformedError("its certificate request is none: let the unit write it again") from error
    if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, ec.SECP256R1):
        raise MalformedError("its certificate request is for no P-256 key: let the unit write it again")
    if not is_signed or request.subject != _named(name):
        raise MalformedError(f"its certificate request is not {name}'s own: let the unit write it again")
    return public


def broker(
    issuer: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    hosts: Sequence[str],
    public: ec.EllipticCurvePublicKey,
) -> x509.Certificate:
    """The certificate of a broker.

    Args:
        issuer: the authority's.
        key: the authority's private key.
        hosts: the names and addresses by which units will call it, at least one.
        public: the broker's key.
    """
    known = x509.SubjectAlternativeName([_host(host) for host in hosts])
    builder = _issued(issuer, key, hosts[0], public, ExtendedKeyUsageOID.SERVER_AUTH)
    return builder.add_extension(known, critical=False).sign(key, hashes.SHA256())


def revocations(
    issuer: x509.Certificate, key: ec.EllipticCurvePrivateKey, revoked: Iterable[x509.Certificate], number: int
) -> x509.CertificateRevocationList:
    """The list of those who may not connect any more; each list has a higher number than one of fewer."""
    # OpenSSL keeps the lists that a running server was given before, and goes by the one of the later moment.
    moment = _FIRST_LIST + timedelta(seconds=number)
    builder = x509.CertificateRevocationListBuilder(issuer.subject, last_update=moment, next_update=END)
    for certificate in revoked:
        entry = x509.RevokedCertificateBuilder(certificate.serial_number, revocation_date=BEGIN)
        builder = builder.add_revoked_certificate(entry.build())
    of_issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    builder = builder.add_extension(of_issuer, critical=False).add_extension(x509.CRLNumber(number), critical=False)
    return builder.sign(key, hashes.SHA256())


def _issued(
    issuer: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    name: str,
    public: ec.EllipticCurvePublicKey,
    purpose: x509.ObjectIdentifier,
) -> x509.CertificateBuilder:
    (authority_name,) = issuer.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    builder = _begun(name, str(authority_name.value), public, key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs=True), critical=True)
    return builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)


def _begun(
    name: str, issuer: str, public: ec.EllipticCurvePublicKey, issuer_public: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    # Both identifiers, though a root need not name its own issuer: Python 3.13 refuses what lacks one of them.
    of_issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_public)
    of_subject = x509.SubjectKeyIdentifier.from_public_key(public)
    # Numbered by its key: what is issued twice, after a power cut or by two copies, is revoked together.
    number = int.from_bytes(of_subject.digest[:_NUMBER_BYTES], "big")
    builder = x509.CertificateBuilder(_named(issuer), _named(name), public, number, BEGIN, END)
    builder = builder.add_extension(of_subject, critical=False)
    return builder.add_extension(of_issuer, critical=False)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _usage(*, signs: bool) -> x509.KeyUsage:
    """What a key is for: to sign handshakes, or else certificates and lists."""
    return x509.KeyUsage(
        digital_signature=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=not signs,
        crl_sign=not signs,
        encipher_only=False,
        decipher_only=False,
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        if not _HOST.fullmatch(host):
            raise ValueError(f"{host!r} is neither a name nor an address") from None
        return x509.DNSName(host)
