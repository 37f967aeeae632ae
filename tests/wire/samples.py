"""The samples: keys, statements, sheets and forgeries that the tests of the wire share. The keys are no secret."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import strategies as st

from wire import belonging, profiles
from wire.beat import SCANS_MAX, TROUBLES_MAX, Beat
from wire.belonging import Belonging
from wire.bundle import PICTURES_MAX, RECORDS_MAX, Bundle
from wire.control import (
    UNITS_MAX,
    Box,
    Centre,
    Control,
    Hub,
    Incident,
    Network,
    Quiet,
    Run,
    State,
    Training,
    Turnout,
)
from wire.enrolment import Enrolled, Request
from wire.envelope import PICTURE_BYTES_MAX, Envelope, Sealed
from wire.errors import BadSignatureError, MalformedError, NotForUsError, TheirFault, UnknownSignerError
from wire.fields import INTEGER_MAX, NOTHING
from wire.move import PLACES_MAX, Move, Place
from wire.note import KeySigner, Statement
from wire.package import (
    BROKERS_MAX,
    CARDS_MAX,
    FLEET_MAX,
    HUBS_MAX,
    SIGNER,
    Address,
    Attached,
    Loudness,
    Package,
    Roster,
)
from wire.readiness import CHECKS_MAX, Check, Readiness
from wire.receipt import CHUNKS_MAX, HEARD_MAX, Extra, Heard, Holding, Missing, Receipt, Refused
from wire.record import Mode, Picture, Quality, Record
from wire.seal import Opener

VECTORS = Path(__file__).parents[2] / "docs" / "vectors"
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""The order n of P-256 (FIPS 186-5), written out again: a test that took it from the code would test nothing."""

FAULTS: tuple[type[TheirFault], ...] = (MalformedError, UnknownSignerError, BadSignatureError, NotForUsError)
"""Those of the wire; others have more."""

ReturnT = TypeVar("ReturnT")


def _secret(what: str) -> bytes:
    return hashlib.sha256(f"testigo test key, known to everybody: {what}".encode()).digest()


def signing_key(what: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(_secret(f"sign {what}"), "big") % (ORDER - 1) + 1, ec.SECP256R1())


def sealing_key(what: str) -> X25519PrivateKey:
    return X25519PrivateKey.from_private_bytes(_secret(f"seal {what}"))


UNIT = KeySigner("unit-7", signing_key("unit-7"))
HUB = KeySigner("hub-a", signing_key("hub-a"))
OTHER_HUB = KeySigner("hub-b", signing_key("hub-b"))
PACKAGES = KeySigner("packages", signing_key("packages"))
CARDS = KeySigner("cards", signing_key("cards"))
TOKEN = KeySigner("unit-7", signing_key("token"))
"""The one-time key on the card of unit-7."""

STRANGER = KeySigner("hub-a", signing_key("stranger"))
"""Another key under the hub's name."""

TRUSTED = {each.verifier.name: each.verifier for each in (UNIT, HUB, OTHER_HUB, PACKAGES, CARDS)}
OPENERS = tuple(Opener(name, sealing_key(name)) for name in ("hub-a", "hub-b", *(f"escrow-{n}" for n in range(14))))
"""Sixteen of them, as many as a seal may have."""

CHAIN = "c0ffee00c0ffee00c0ffee00c0ffee00"
DEPLOYMENT = "a-rehearsal"
KINDS: tuple[type[Statement], ...] = (
    Record,
    Envelope,
    Receipt,
    Refused,
    Holding,
    Bundle,
    Beat,
    Readiness,
    Package,
    Control,
    Move,
    Request,
    Enrolled,
    Belonging,
)


def sample(name: str) -> bytes:
    """One of the vector files."""
    return (VECTORS / name).read_bytes()


VE_PAYLOAD = sample("payloads/ve-2024-presidential.txt").decode("ascii")
"""Invented: no such centro exists."""

BR_PARTS = tuple(sample(f"payloads/br-bu-1.5-part-{part}.txt").decode("ascii") for part in (1, 2))
"""Tribunal Superior Eleitoral, published sample of a rehearsal (FASE:S): its votes are simulated."""


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def framed(text: bytes, signer: KeySigner, signature: bytes | None = None) -> bytes:
    """A note around any text, validly signed unless another signature is given: what `write` would never write."""
    return with_line(text, signer, signer.verifier.key_id + (signer.sign(text) if signature is None else signature))


def with_line(text: bytes, signer: KeySigner, blob: bytes) -> bytes:
    return text + b"\n" + line_of(signer.verifier.name, blob)


def line_of(name: str, blob: bytes) -> bytes:
    return f"— {name} ".encode() + encoded(blob) + b"\n"


def encoded(blob: bytes) -> bytes:
    """Base64, by a library that the code does not use for it."""
    return bytes(msgspec.json.encode(blob)[1:-1])


def fields_of(statement: Statement) -> dict[str, Any]:
    """The statement as plain JSON values."""
    return dict(msgspec.json.decode(msgspec.json.encode(statement)))


def with_field(statement: Statement, name: str, value: object, signer: KeySigner | None = None) -> bytes:
    """A note of the statement, validly signed, with any value at all in one field."""
    line = msgspec.json.encode(fields_of(statement) | {name: value}, order="sorted")
    return framed(statement.KIND.encode() + b"\n" + line + b"\n", signer or signer_of(statement))


def numbers_of(signature: bytes) -> tuple[int, int]:
    return decode_dss_signature(signature)


def other_s(signature: bytes) -> bytes:
    """The second signature that ECDSA accepts for the same text: n - s."""
    r, s = decode_dss_signature(signature)
    return encode_dss_signature(r, ORDER - s)


def fault_of(call: Callable[..., ReturnT], *arguments: Any) -> TheirFault | None:
    """The fault that a call finds, None when it finds none; any other exception ends the test."""
    try:
        call(*arguments)
    except TheirFault as fault:
        return fault
    return None


names = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", fullmatch=True)
hashes = st.binary(min_size=32, max_size=32).map(bytes.hex)
chains = st.binary(min_size=16, max_size=16).map(bytes.hex)
naturals = st.integers(0, INTEGER_MAX)
positives = st.integers(1, INTEGER_MAX)
words = st.from_regex(r"[a-z0-9][a-z0-9.+-]{0,63}", fullmatch=True)
payloads = st.text(st.characters(max_codepoint=255), max_size=200)

percents = st.integers(0, 100)
qualities = st.builds(
    Quality,
    assumed=naturals,
    blur=naturals,
    calibration=st.text(max_size=64),
    cause=st.text(max_size=64),
    contrast=percents,
    dpi=naturals,
    erasures=naturals,
    glare=percents,
    light=st.integers(0, 255),
    margin=percents,
    pitch=naturals,
    sharpness=percents,
    skew=st.integers(0, 450),
    step=st.text(max_size=64),
)
records = st.builds(
    Record,
    after=hashes,
    boot=positives,
    chain=chains,
    clock=words,
    date=st.datetimes().map(lambda date: f"{date:%Y-%m-%dT%H:%M:%SZ}".zfill(20)),
    deployment=names,
    doubt=st.text(max_size=400),
    first=hashes,
    mode=st.sampled_from(Mode),
    ms=naturals,
    part=positives,
    payloads=st.lists(payloads, max_size=16).map(tuple),
    pictures=st.lists(
        st.builds(Picture, media=st.sampled_from(["image/jpeg", "image/svg+xml"]), sha256=hashes, size=positives),
        max_size=16,
    ).map(tuple),
    profile=words,
    quality=qualities,
    seq=positives,
    unit=st.just("unit-7"),
)
sealeds = st.builds(Sealed, sha256=hashes, size=st.integers(1, PICTURE_BYTES_MAX))
envelopes = st.builds(
    Envelope,
    chain=chains,
    deployment=names,
    pictures=st.lists(sealeds, max_size=16).map(tuple),
    prev=hashes,
    record=sealeds,
    seq=positives,
    unit=st.just("unit-7"),
)
receipts = st.builds(
    Receipt,
    at=naturals,
    chain=chains,
    extras=st.lists(st.builds(Extra, hash=hashes, seq=positives, whole=st.booleans()), max_size=256).map(tuple),
    hash=hashes,
    hub=st.just("hub-a"),
    missing=st.lists(
        st.builds(Missing, chunks=st.lists(naturals, min_size=1, max_size=CHUNKS_MAX).map(tuple), sha256=hashes),
        max_size=16,
    ).map(tuple),
    seq=naturals,
    unit=names,
    whole=naturals,
)
refusals = st.builds(
    Refused,
    at=naturals,
    hub=st.just("hub-a"),
    publication=hashes,
    unit=names,
    why=words,
    words=st.text(max_size=400),
)
holdings = st.builds(
    Holding,
    chain=chains,
    hash=hashes,
    heard=st.lists(st.builds(Heard, at=naturals, hub=names), max_size=HEARD_MAX).map(tuple),
    seq=naturals,
    unit=st.just("unit-7"),
)
bundles = st.builds(
    Bundle,
    deployment=names,
    envelopes=st.lists(sealeds, min_size=1, max_size=RECORDS_MAX).map(tuple),
    pictures=st.lists(sealeds, max_size=PICTURES_MAX).map(tuple),
    unit=st.just("unit-7"),
)
beats = st.builds(
    Beat,
    battery=words,
    boot=positives,
    chain=chains,
    deployment=names,
    heat=words,
    kept=naturals,
    minutes=naturals,
    read=st.integers(0, SCANS_MAX),
    room=naturals,
    scans=st.integers(0, SCANS_MAX),
    troubles=st.lists(words, max_size=TROUBLES_MAX).map(tuple),
    unit=st.just("unit-7"),
    waiting=naturals,
)
readinesses = st.builds(
    Readiness,
    calibration=st.sampled_from(["", "0123456789abcdef"]),
    checks=st.lists(st.builds(Check, outcome=words, part=words, words=st.text(max_size=400)), max_size=CHECKS_MAX).map(
        tuple
    ),
    date=st.dates().map(lambda date: f"{date:%Y-%m-%d}".zfill(10)),
    deployment=names,
    firmware=words,
    number=st.integers(1, INTEGER_MAX),
    unit=st.just("unit-7"),
)
attacheds = st.builds(Attached, sha256=hashes, size=st.integers(0, 65536))
addresses = st.builds(
    Address, host=st.sampled_from(["hub-a.example", "2001:db8::1"]), hub=names, port=st.integers(1, 65535)
)
keys = st.text(max_size=400)
packages = st.builds(
    Package,
    at=naturals,
    brokers=st.lists(
        st.builds(
            Address, host=st.sampled_from(["hub-a.example", "2001:db8::1"]), hub=names, port=st.integers(1, 65535)
        ),
        min_size=1,
        max_size=BROKERS_MAX,
    ).map(tuple),
    cards=st.lists(keys, max_size=CARDS_MAX).map(tuple),
    day=naturals,
    deployment=names,
    fleet=st.integers(1, FLEET_MAX),
    hubs=st.lists(keys, min_size=1, max_size=HUBS_MAX).map(tuple),
    mode=st.sampled_from(Mode),
    number=positives,
    profile=attacheds,
    receipts=st.integers(1, HUBS_MAX),
    recipients=st.lists(keys, min_size=2, max_size=16).map(tuple),
    roster=attacheds,
    sound=st.sampled_from(Loudness),
)
codes = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9.:-]{0,31}", fullmatch=True)
orders = st.one_of(
    st.builds(Centre, code=codes),
    st.builds(Run, code=codes),
    st.builds(Box, code=codes),
    st.builds(Incident, what=words),
    st.builds(Turnout, round=st.integers(1, 99)),
    st.builds(
        Network,
        name=st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=32),
        passphrase=st.from_regex(r"([ -~]{8,63})?", fullmatch=True),
    ),
    st.builds(Hub, hub=names),
    st.builds(Quiet, state=st.sampled_from(State)),
    st.just(Training()),
)
controls = st.builds(
    Control,
    begin=naturals,
    deployment=names,
    end=naturals,
    number=positives,
    order=orders,
    signer=st.just("cards"),
    units=st.lists(names, max_size=UNITS_MAX).map(tuple),
)
moves = st.builds(
    Move,
    brokers=st.lists(
        st.builds(Place, host=st.sampled_from(["hub-a.example", "2001:db8::1"]), port=st.integers(1, 65535)),
        min_size=1,
        max_size=PLACES_MAX,
    ).map(tuple),
    deployment=names,
    hub=st.just("hub-a"),
    number=positives,
)
statements = (
    records | envelopes | receipts | refusals | holdings | bundles | beats | readinesses | packages | controls | moves
)


def signer_of(statement: Statement) -> KeySigner:
    return {UNIT.verifier.name: UNIT, SIGNER: PACKAGES, "cards": CARDS}.get(statement.author, HUB)


PICTURE = b"P2 2 2 1\n1 0\n0 1\n"
"""A whole picture, if a small one: two by two grey values as text (PGM)."""

RECORD = Record(
    after=NOTHING,
    boot=3,
    chain=CHAIN,
    clock="rtc",
    date="2024-07-28T20:24:06Z",
    deployment=DEPLOYMENT,
    doubt="",
    mode=Mode.TRAINING,
    ms=81_234,
    payloads=(VE_PAYLOAD,),
    pictures=(Picture("image/x-portable-graymap", sha256(PICTURE), len(PICTURE)),),
    profile="ve-2024-presidential",
    quality=Quality(
        blur=42,
        contrast=81,
        erasures=6,
        glare=3,
        light=212,
        margin=64,
        pitch=1335,
        step="grid",
        assumed=4,
        cause="glare",
        unread=1,
        calibration="2f1c",
        dpi=292,
        sharpness=38,
        skew=12,
    ),
    seq=1,
    unit="unit-7",
    first=sha256(b"another record's body"),
    part=2,
)
REFUSED = Refused(
    at=1_722_198_300,
    hub="hub-a",
    publication=sha256(b"rubbish"),
    unit="unit-7",
    why="malformed",
    words='á "quoted" \\ / \t \x7f: a sentence with everything that JSON writes in its own way',
)


def envelope_of(sealed_record: bytes, sealed_picture: bytes) -> Envelope:
    """The first envelope of the sample chain."""
    return Envelope(
        chain=CHAIN,
        deployment=DEPLOYMENT,
        pictures=(Sealed.of(sealed_picture),),
        prev=NOTHING,
        record=Sealed.of(sealed_record),
        seq=1,
        unit="unit-7",
    )


def holding_of(envelope_hash: str) -> Holding:
    return Holding(chain=CHAIN, hash=envelope_hash, heard=(Heard(1722198247, "hub-a"),), seq=1, unit="unit-7")


BEAT = Beat(
    battery="high",
    boot=3,
    chain=CHAIN,
    deployment=DEPLOYMENT,
    heat="warm",
    kept=41,
    minutes=120,
    read=48,
    room=1900,
    scans=50,
    troubles=("card-worn", "clock-unset"),
    unit="unit-7",
    waiting=2,
)

READINESS = Readiness(
    calibration="0123456789abcdef",
    checks=(
        Check(outcome="good", part="press", words="pressed and let go"),
        Check(outcome="absent", part="clock", words="there is no clock board"),
    ),
    date="2024-07-27",
    deployment=DEPLOYMENT,
    firmware="0.1.0",
    number=2,
    unit="unit-7",
)


CARD = Control(
    begin=1_722_139_200,
    deployment=DEPLOYMENT,
    end=1_722_225_600,
    number=1_722_100_000,
    order=Centre("110000001"),
    signer="cards",
    units=("unit-7",),
)

MOVE = Move(
    brokers=(Place("198.51.100.20", 8883), Place("2001:db8::20", 8883)),
    deployment=DEPLOYMENT,
    hub="hub-a",
    number=1_722_190_000,
)

REQUEST = Request(
    csr="-----BEGIN CERTIFICATE REQUEST-----\nshortened\n-----END CERTIFICATE REQUEST-----\n",
    deployment=DEPLOYMENT,
    key=str(UNIT.verifier),
    unit="unit-7",
)
ENROLLED = Enrolled(
    certificate="-----BEGIN CERTIFICATE-----\nshortened\n-----END CERTIFICATE-----\n",
    deployment=DEPLOYMENT,
    key=str(UNIT.verifier),
    unit="unit-7",
)
BELONGING = Belonging(deployment=DEPLOYMENT, files={name: sha256(name.encode()) for name in belonging.FILES}, number=12)

PROFILE = profiles.source("ve-2024-presidential")
ROSTER = Roster.of(["110000001.01", "110000001.02"])
PACKAGE = Package(
    at=1_721_900_000,
    brokers=(Address("hub-a.example", "hub-a", 8883), Address("192.0.2.7", "hub-b", 8883)),
    cards=(str(CARDS.verifier),),
    day=1_722_139_200,
    deployment=DEPLOYMENT,
    fleet=2000,
    hubs=(str(HUB.verifier), str(OTHER_HUB.verifier)),
    mode=Mode.TRAINING,
    number=7,
    profile=Attached.of(PROFILE),
    receipts=2,
    recipients=tuple(str(opener.recipient) for opener in OPENERS[:2]),
    roster=Attached.of(ROSTER.text),
    sound=Loudness.QUIET,
)


def bundle_of(publication: bytes, sealed_picture: bytes) -> Bundle:
    """The manifest of a stick with the first envelope and its picture."""
    return Bundle(DEPLOYMENT, (Sealed.of(publication),), (Sealed.of(sealed_picture),), "unit-7")


def receipt_of(envelope_hash: str, picture: Sealed) -> Receipt:
    """The hub holds 1 and 3, without 2, and the picture of 1 is still to come."""
    return Receipt(
        at=1_722_198_247,
        chain=CHAIN,
        extras=(Extra(sha256(b"the envelope after the next"), 3, whole=False),),
        hash=envelope_hash,
        hub="hub-a",
        missing=(Missing((0,), picture.sha256),),
        seq=1,
        unit="unit-7",
        whole=0,
    )
