"""The tests of the seal: each recipient opens it alone, nobody else does, and altered or moved it opens to nobody."""

import base64
import hashlib
import hmac

import pytest
from cryptography.exceptions import AlreadyFinalized
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.wire.samples import OPENERS, fault_of, names, sealing_key
from wire.errors import MalformedError, NotForUsError
from wire.seal import Opener, Recipient, Seal, seal

ALL = [opener.recipient for opener in OPENERS]
HEADER, SLOT = 18, 88
CONTEXT = b"testigo/sealed/1 unit-7 c0ffee 1 record"
SMALL_ORDER = [
    "00" * 32,
    "01" + "00" * 31,
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]
"""The points of Curve25519 that give everybody the same secret (RFC 7748, 6.1; libsodium's blacklist)."""


@given(st.integers(2, 16), st.binary(max_size=5000), st.binary(max_size=100))
def test_each_recipient_opens_it_alone(count: int, content: bytes, context: bytes) -> None:
    sealed = seal(content, ALL[:count], context)
    assert [opener.open(sealed, context) for opener in OPENERS[:count]] == [content] * count
    for opener in OPENERS[count:]:
        with pytest.raises(NotForUsError, match=f"sealed to {count} others, not to {opener.recipient.name}"):
            opener.open(sealed, context)


@given(st.integers(0, 5000))
def test_the_length_shows_nothing_finer_than_1024(size: int) -> None:
    steps = (size + 8 + 1023) // 1024
    assert len(seal(bytes(size), ALL[:2], CONTEXT)) == HEADER + 2 * SLOT + 1024 * steps + 16


def test_the_same_content_never_gives_the_same_bytes() -> None:
    assert len({seal(b"same", ALL[:2], CONTEXT)[HEADER:] for _ in range(20)}) == 20


def test_content_and_recipients_names_do_not_show() -> None:
    sealed = seal(b"240111020.01.1.0001" * 20, ALL[:2], CONTEXT)
    assert not any(word in sealed for word in (b"240111020", b"hub-a", b"hub-b", b"unit-7"))


@pytest.mark.parametrize(
    "recipients",
    [[], ALL[:1], [ALL[0], ALL[0]], [*ALL[:3], ALL[1]], [ALL[0], Recipient("another-name", ALL[0].public)]],
    ids=["none", "one", "twice", "twice-of-four", "twice-under-two-names"],
)
def test_sealing_to_fewer_than_two_different_keys_is_refused(recipients: list[Recipient]) -> None:
    with pytest.raises(AssertionError, match="2 to 16 different ones"):
        seal(b"content", recipients, CONTEXT)


def test_sealing_to_seventeen_is_refused() -> None:
    with pytest.raises(AssertionError, match="sealing to 17 recipients"):
        seal(b"content", [*ALL, Opener("one-more", sealing_key("one-more")).recipient], CONTEXT)


def test_a_seal_begun_before_there_is_anything_to_seal_opens_and_is_closed_once() -> None:
    begun = Seal(ALL[:2], CONTEXT)
    assert OPENERS[1].open(begun.close(b"content"), CONTEXT) == b"content"
    with pytest.raises(AlreadyFinalized):
        begun.close(b"other content")


@given(st.binary(max_size=60), st.binary(max_size=60))
@example(b"", b"\0")
def test_it_does_not_open_in_another_context(context: bytes, other: bytes) -> None:
    assume(context != other)
    sealed = seal(b"content", ALL[:2], context)
    with pytest.raises(MalformedError, match="altered or moved"):
        OPENERS[0].open(sealed, other)


SEALED = seal(b"content" * 100, ALL[:3], CONTEXT)
BODY = HEADER + 3 * SLOT


@pytest.mark.parametrize(
    "places",
    [
        range(HEADER),
        range(HEADER, HEADER + SLOT),
        range(HEADER + SLOT, HEADER + 2 * SLOT),
        range(HEADER + 2 * SLOT, BODY),
        range(BODY, len(SEALED), 61),
        range(len(SEALED) - 16, len(SEALED)),
    ],
    ids=["header", "first-slot", "our-slot", "last-slot", "content", "tag"],
)
def test_every_flipped_bit_is_refused_by_every_recipient(places: range) -> None:
    for place in places:
        altered = bytearray(SEALED)
        altered[place] ^= 1 << place % 8
        for opener in OPENERS[:3]:
            assert fault_of(opener.open, bytes(altered), CONTEXT), f"byte {place}"


@given(st.data())
def test_any_part_replaced_is_refused(drawn: st.DataObject) -> None:
    start = drawn.draw(st.integers(0, len(SEALED)))
    end = drawn.draw(st.integers(start, len(SEALED)))
    altered = SEALED[:start] + drawn.draw(st.binary(max_size=200)) + SEALED[end:]
    assume(altered != SEALED)
    assert fault_of(OPENERS[1].open, altered, CONTEXT)


@given(st.binary(max_size=2000), st.integers(0, 255))
def test_no_bytes_raise_anything_but_a_fault_of_theirs(content: bytes, count: int) -> None:
    for each in (content, b"testigo/sealed/1\n" + bytes([count]) + content):
        assert fault_of(OPENERS[0].open, each, CONTEXT)
    ours = b"testigo/sealed/1\n\x02" + ALL[0].key_id + content
    assert type(fault_of(OPENERS[0].open, ours.ljust(HEADER + 2 * SLOT + 40, b"\0"), CONTEXT)) is MalformedError


@pytest.mark.parametrize("count", [0, 1, 17, 255])
def test_a_header_with_too_few_or_too_many_recipients_is_refused(count: int) -> None:
    sealed = b"testigo/sealed/1\n" + bytes([count]) + (ALL[0].key_id + bytes(SLOT - 8)) * count + bytes(1040)
    with pytest.raises(MalformedError, match="without the header of a seal"):
        OPENERS[0].open(sealed, CONTEXT)


def test_a_slot_moved_to_another_seal_does_not_open_it() -> None:
    other = seal(b"content" * 100, ALL[:3], CONTEXT)
    moved = SEALED[:HEADER] + other[HEADER : HEADER + SLOT] + SEALED[HEADER + SLOT :]
    with pytest.raises(MalformedError, match="altered or moved"):
        OPENERS[0].open(moved, CONTEXT)


def _hkdf(salt: bytes, secret: bytes, label: bytes, suite: bytes, extract: bytes, expand: bytes, length: int) -> bytes:
    """LabeledExtract, then LabeledExpand for at most one block (RFC 9180, 4)."""
    key = hmac.digest(salt, b"HPKE-v1" + suite + extract + secret, "sha256")
    return hmac.digest(key, length.to_bytes(2, "big") + b"HPKE-v1" + suite + expand + label + b"\1", "sha256")[:length]


def by_the_book(sealed: bytes, private: X25519PrivateKey, slot: int, context: bytes) -> bytes:
    """What is sealed, padding and all, opened by docs/wire.md and RFC 9180 alone, without the code under test."""
    at = HEADER + slot * SLOT + 8
    point, locked = sealed[at : at + 32], sealed[at + 32 : at + SLOT - 8]
    public = private.public_key().public_bytes_raw()
    kem = b"KEM" + (0x0020).to_bytes(2, "big")
    dh = private.exchange(X25519PublicKey.from_public_bytes(point))
    shared = _hkdf(b"", dh, point + public, kem, b"eae_prk", b"shared_secret", 32)
    suite = b"HPKE" + b"".join(number.to_bytes(2, "big") for number in (0x0020, 0x0001, 0x0002))
    hashed = [
        hmac.digest(b"", b"HPKE-v1" + suite + label, "sha256") for label in (b"psk_id_hash", b"info_hash" + context)
    ]
    schedule = b"\0" + b"".join(hashed)
    key = _hkdf(shared, b"", schedule, suite, b"secret", b"key", 32)
    nonce = _hkdf(shared, b"", schedule, suite, b"secret", b"base_nonce", 12)
    content_key = AESGCM(key).decrypt(nonce, locked, b"")
    body = HEADER + sealed[HEADER - 1] * SLOT
    return AESGCM(content_key).decrypt(bytes(12), sealed[body:], sealed[:body] + context)


@given(st.binary(max_size=3000), st.integers(2, 4), st.binary(max_size=60))
def test_a_seal_opens_by_the_specification_alone(content: bytes, count: int, context: bytes) -> None:
    sealed = seal(content, ALL[:count], context)
    for slot in range(count):
        name = ALL[slot].name
        padded = by_the_book(sealed, sealing_key(name), slot, context)
        assert padded == (len(content).to_bytes(8, "big") + content).ljust(-(-(len(content) + 8) // 1024) * 1024, b"\0")
        key_id = sealed[HEADER + slot * SLOT :][:8]
        assert key_id == hashlib.sha256(sealing_key(name).public_key().public_bytes_raw()).digest()[:8]


@pytest.mark.parametrize(
    "padded",
    [
        b"",
        bytes(1023),
        bytes(2048),
        bytes(8) + b"x" + bytes(1015),
        (1017).to_bytes(8, "big") + bytes(1016),
        b"\xff" * 1024,
    ],
    ids=["nothing", "not-1024", "1024-too-many", "padding-not-zero", "longer-than-it-is", "length-absurd"],
)
def test_content_padded_in_any_other_way_is_refused(padded: bytes) -> None:
    header, body = SEALED[:BODY], SEALED[BODY:]
    content_key = _content_key(header + body)
    resealed = header + AESGCM(content_key).encrypt(bytes(12), padded, header + CONTEXT)
    with pytest.raises(MalformedError, match="not padded as it must be"):
        OPENERS[0].open(resealed, CONTEXT)


def _content_key(sealed: bytes) -> bytes:
    """The key inside the first slot."""
    suite = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
    return suite.decrypt(sealed[HEADER + 8 : HEADER + SLOT], sealing_key("hub-a"), info=CONTEXT)


@given(names, st.binary(min_size=32, max_size=32))
def test_recipients_are_read_as_they_are_written(name: str, secret: bytes) -> None:
    recipient = Opener(name, X25519PrivateKey.from_private_bytes(secret)).recipient
    assert Recipient.parse(str(recipient)) == recipient
    assert str(recipient) == f"{name}+seal+{base64.b64encode(recipient.public).decode()}"


@given(st.text(st.characters(), max_size=100))
@example("a+seal+é")
@example("a+seal+\ud800")
@example("a+seal+")
@example("")
def test_no_text_is_a_recipient_by_chance(text: str) -> None:
    assert type(fault_of(Recipient.parse, text)) is MalformedError


def test_a_recipient_in_any_other_form_is_refused() -> None:
    whole = str(ALL[0])
    last = whole[-2]
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    loose = whole[:-2] + digits[digits.index(last) + 1] + "="
    for altered in (
        loose,
        whole[:-1],
        whole + "=",
        whole + "\n",
        whole.replace("+seal+", "+sign+"),
        whole.replace("+seal+", "+"),
        whole.replace("hub-a", "Hub-a"),
        f"hub-a+seal+{base64.b64encode(bytes(range(31))).decode()}",
        f"hub-a+seal+{base64.b64encode(bytes(range(33))).decode()}",
    ):
        assert altered != whole
        assert type(fault_of(Recipient.parse, altered)) is MalformedError, altered


@pytest.mark.parametrize("point", SMALL_ORDER)
def test_a_key_that_nothing_can_be_sealed_to_is_found_when_it_is_set(point: str) -> None:
    with pytest.raises(MalformedError, match="nothing can be sealed to this point"):
        Recipient("hub-a", bytes.fromhex(point))


@pytest.mark.parametrize("point", SMALL_ORDER)
def test_a_slot_with_a_worthless_point_does_not_open(point: str) -> None:
    altered = SEALED[: HEADER + 8] + bytes.fromhex(point) + SEALED[HEADER + 40 :]
    with pytest.raises(MalformedError, match="altered or moved"):
        OPENERS[0].open(altered, CONTEXT)
