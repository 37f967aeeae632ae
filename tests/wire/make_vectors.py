"""The vectors' maker: writes docs/vectors anew (`python -m tests.wire.make_vectors`); tests compare with what it makes.

All of it follows from the samples but the two sealed files: sealing draws chance, so they stay as they are for as long
as they open to what they must hold.
"""

from collections.abc import Iterator

import msgspec
from cryptography.hazmat.primitives import serialization

from tests.wire.samples import (
    BEAT,
    BELONGING,
    BR_PARTS,
    CARD,
    CARDS,
    CHAIN,
    DEPLOYMENT,
    ENROLLED,
    HUB,
    MOVE,
    OPENERS,
    OTHER_HUB,
    PACKAGE,
    PACKAGES,
    PICTURE,
    PROFILE,
    READINESS,
    RECORD,
    REFUSED,
    REQUEST,
    ROSTER,
    STRANGER,
    TOKEN,
    UNIT,
    VE_PAYLOAD,
    VECTORS,
    bundle_of,
    encoded,
    envelope_of,
    framed,
    holding_of,
    line_of,
    numbers_of,
    other_s,
    receipt_of,
    sealing_key,
    sha256,
    signing_key,
    with_line,
)
from wire import enrolment, note, package, profiles
from wire.acta import Acta
from wire.envelope import Sealed, context, join
from wire.errors import TheirFault
from wire.seal import seal

RECORD_CONTEXT = context(DEPLOYMENT, "unit-7", CHAIN, 1, "record")
PICTURE_CONTEXT = context(DEPLOYMENT, "unit-7", CHAIN, 1, "picture/0")
RECIPIENTS = [opener.recipient for opener in OPENERS[:2]]

_PEM = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _lines(*texts: object) -> bytes:
    return "".join(f"{text}\n" for text in texts).encode()


def _reading(profile: str, *payloads: str) -> bytes:
    acta = profiles.named(profile).read(payloads)
    assert isinstance(acta, Acta)
    return msgspec.json.format(msgspec.json.encode(acta), indent=1) + b"\n"


def sealed() -> dict[str, bytes]:
    """The two files that chance is in: what is there, where that opens to what it must; sealed anew otherwise."""
    wanted = {
        "record.sealed": (note.write(RECORD, UNIT), RECORD_CONTEXT),
        "picture-0.sealed": (PICTURE, PICTURE_CONTEXT),
    }
    return {
        name: _kept(name, content, where) or seal(content, RECIPIENTS, where)
        for name, (content, where) in wanted.items()
    }


def _kept(name: str, content: bytes, where: bytes) -> bytes | None:
    try:
        blob = (VECTORS / name).read_bytes()
        return blob if all(opener.open(blob, where) == content for opener in OPENERS[:2]) else None
    except (FileNotFoundError, TheirFault):
        return None


def vectors(sealed_record: bytes, sealed_picture: bytes) -> dict[str, bytes]:
    """Every file that follows from the samples and the two sealed files; the payloads' texts are samples themselves."""
    envelope = note.write(envelope_of(sealed_record, sealed_picture), UNIT)
    envelope_hash = sha256(envelope[: envelope.index(b"\n\n") + 1])
    receipt = note.write(receipt_of(envelope_hash, Sealed.of(sealed_picture)), HUB)
    return {
        "keys/verifiers.txt": _lines(*(signer.verifier for signer in (UNIT, HUB, OTHER_HUB, PACKAGES, CARDS))),
        "keys/recipients.txt": _lines(*RECIPIENTS),
        **{
            f"keys/test-only-{name}-sign.pem": signing_key(name).private_bytes(*_PEM)
            for name in ("unit-7", "hub-a", "hub-b", "packages", "cards", "token")
        },
        **{f"keys/test-only-{name}-seal.pem": sealing_key(name).private_bytes(*_PEM) for name in ("hub-a", "hub-b")},
        "record.note": note.write(RECORD, UNIT),
        "record.context": RECORD_CONTEXT,
        "picture-0.pgm": PICTURE,
        "picture-0.context": PICTURE_CONTEXT,
        "envelope.note": envelope,
        "envelope.publication": join(envelope, sealed_record),
        "receipt.note": receipt,
        "refused.note": note.write(REFUSED, HUB),
        "holding.note": note.write(holding_of(envelope_hash), UNIT),
        "bundle.note": note.write(bundle_of(join(envelope, sealed_record), sealed_picture), UNIT),
        "beat.note": note.write(BEAT, UNIT),
        "readiness.note": note.write(READINESS, UNIT),
        "card.note": note.write(CARD, CARDS),
        "move.note": note.write(MOVE, HUB),
        "enrolment.request": enrolment.write(REQUEST, TOKEN, UNIT),
        "enrolled.note": note.write(ENROLLED, PACKAGES),
        "belonging.note": note.write(BELONGING, PACKAGES),
        "package.note": note.write(PACKAGE, PACKAGES),
        "deployment.testigo": package.write(PACKAGE, PROFILE, ROSTER.text, PACKAGES),
        **{f"refused/{why}/{name}.note": content for why, name, content in refused()},
        "payloads/ve-2024-presidential.json": _reading("ve-2024-presidential", VE_PAYLOAD),
        "payloads/br-bu-1.5.json": _reading("br-bu-1.5", *BR_PARTS),
    }


def refused() -> Iterator[tuple[str, str, bytes]]:
    """Notes that are no receipt of hub-a, each for one fault alone: its code, its name, the note."""
    receipt = note.write(receipt_of(sha256(b"an envelope"), Sealed.of(b"a sealed picture")), HUB)
    text, line = receipt[: receipt.index(b"\n\n") + 1], receipt[receipt.index(b"\n\n") + 2 :]
    signature = HUB.sign(text)
    blob = HUB.verifier.key_id + signature

    def changed(old: bytes, new: bytes) -> bytes:
        """The text with something else in it, signed as it then is."""
        assert text.count(old) == 1, old
        return framed(text.replace(old, new), HUB)

    def at_as(number: bytes) -> bytes:
        return changed(at, b'"at":' + number + b",")

    second_line = line_of("hub-b", OTHER_HUB.verifier.key_id + OTHER_HUB.sign(text))
    at, chain = b'"at":1722198247,', b'"chain":"' + CHAIN.encode() + b'",'
    sha = msgspec.json.decode(text.partition(b"\n")[2])["missing"][0]["sha256"].encode()
    unit, whole = b'"unit":"unit-7"', b',"whole":0}\n'
    for name, content in {
        "empty": b"",
        "text-alone": text,
        "no-blank-line": text + line,
        "two-signature-lines": receipt + second_line,
        "line-behind-signature": receipt + b"more\n",
        "byte-behind-signature": receipt + b"\n",
        "no-newline-at-end": receipt[:-1],
        "byte-order-mark": framed(b"\xef\xbb\xbf" + text, HUB),
        "carriage-returns": framed(text.replace(b"\n", b"\r\n"), HUB),
        "hyphen-for-dash": receipt.replace("— ".encode(), b"- "),
        "two-spaces-in-signature-line": receipt.replace(b" hub-a ", b" hub-a  "),
        "longer-than-65536-bytes": framed(text[:-2] + b" " * 65536 + b"}\n", HUB),
        "another-kind": note.write(REFUSED, HUB),
        "another-version": changed(b"testigo/receipt/1", b"testigo/receipt/2"),
        "third-line": framed(text + b"{}\n", HUB),
        "no-json": framed(b"testigo/receipt/1\n", HUB),
        "json-cut-off": framed(text[:-2] + b"\n", HUB),
        "nesting-bomb": changed(b'"missing":[', b'"missing":[' + b"[" * 20000),
        "signed-by-another-than-its-author": framed(text, OTHER_HUB),
        "space-in-json": at_as(b" 1722198247"),
        "key-not-in-order": framed(text.replace(at, b"").replace(whole, b"," + at[:-1] + whole), HUB),
        "key-twice": changed(chain, chain * 2),
        "key-unknown": changed(whole, b',"whole":0,"zone":""}\n'),
        "key-missing": changed(unit + b",", b""),
        "key-written-with-an-escape": changed(b'"unit":', b'"\\u0075nit":'),
        "integer-as-float": at_as(b"1722198247.0"),
        "integer-with-exponent": at_as(b"1e9"),
        "integer-with-leading-zero": at_as(b"01722198247"),
        "integer-minus-zero": changed(whole, b',"whole":-0}\n'),
        "integer-negative": at_as(b"-1"),
        "integer-2-to-the-53": at_as(b"9007199254740992"),
        "integer-2-to-the-64": at_as(b"18446744073709551616"),
        "integer-as-string": at_as(b'"1722198247"'),
        "integer-null": at_as(b"null"),
        "integer-true": at_as(b"true"),
        "integer-nan": at_as(b"NaN"),
        "hash-in-capitals": changed(sha, sha.upper()),
        "hash-too-short": changed(sha, sha[:-1]),
        "name-with-capital": changed(unit, b'"unit":"Unit-7"'),
        "name-with-newline": changed(unit, b'"unit":"unit-7\\n"'),
        "array-empty-that-must-not-be": changed(b'"chunks":[0]', b'"chunks":[]'),
        "escape-not-needed": changed(unit, b'"unit":"\\u0075nit-7"'),
        "lone-surrogate-escaped": changed(unit, b'"unit":"\\ud800"'),
        "lone-surrogate-bytes": changed(unit, b'"unit":"\xed\xa0\x80"'),
        "not-utf-8": changed(unit, b'"unit":"\xff"'),
        "base64-not-canonical": _loose(text, blob),
        "base64-without-padding": receipt.rstrip(b"=\n") + b"\n",
        "base64-for-urls": _for_urls(text),
    }.items():
        yield "malformed", name, content
    yield "unknown-signer", "another-name", framed(text, STRANGER).replace(b" hub-a ", b" hub-z ")
    yield "unknown-signer", "another-key-under-the-name", framed(text, STRANGER)
    yield "unknown-signer", "key-id-of-another-key", with_line(text, HUB, STRANGER.verifier.key_id + signature)
    yield "unknown-signer", "no-key-id", with_line(text, HUB, b"\0")
    r, s = numbers_of(signature)
    for name, bad in {
        "of-another-key": STRANGER.sign(text),
        "of-another-text": HUB.sign(text + b"\n"),
        "missing": b"",
        "high-s": other_s(signature),
        "not-der": r.to_bytes(32, "big") + s.to_bytes(32, "big"),
        "length-in-long-form": b"\x30\x81" + signature[1:],
        "zero-before-r": b"\x30"
        + bytes([signature[1] + 1])
        + b"\x02"
        + bytes([signature[3] + 1])
        + b"\0"
        + signature[4:],
        "byte-behind-s": signature + b"\0",
        "zeros": bytes.fromhex("3006020100020100"),
    }.items():
        yield "bad-signature", name, framed(text, HUB, bad)
    yield "bad-signature", "text-altered", receipt.replace(b'"whole":0', b'"whole":1')


def _loose(text: bytes, blob: bytes) -> bytes:
    """A signature line whose last base64 digit has bits that decoders drop."""
    digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    written = encoded(blob)
    bare = written.rstrip(b"=")
    assert bare != written, "the sample's signature has a length that needs padding"
    last = digits[digits.index(bare[-1:]) + 1 :][:1]
    return text + b"\n" + line_of("hub-a", blob).replace(written, bare[:-1] + last + written[len(bare) :])


def _for_urls(text: bytes) -> bytes:
    line = line_of("hub-a", HUB.verifier.key_id + HUB.sign(text))
    altered = line.replace(b"+", b"-").replace(b"/", b"_")
    assert altered != line, "the sample's signature has a digit that the two alphabets write differently"
    return text + b"\n" + altered


def main() -> None:
    """Writes all files."""
    blobs = sealed()
    for name, content in (blobs | vectors(*blobs.values())).items():
        file = VECTORS / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        print(file)


if __name__ == "__main__":
    main()
