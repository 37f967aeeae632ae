"""The package: verified before it is parsed, whole or refused, and a roster that finds its mesas."""

import random
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.samples import (
    CARDS,
    HUB,
    OPENERS,
    OTHER_HUB,
    PACKAGE,
    PACKAGES,
    PROFILE,
    ROSTER,
    STRANGER,
    fault_of,
    framed,
    sample,
    signing_key,
)
from wire import note, package, profiles
from wire.errors import BadSignatureError, MalformedError, TheirFault, UnknownSignerError
from wire.note import KeySigner, Verifier
from wire.package import (
    PACKAGE_BYTES_MAX,
    PROFILE_BYTES_MAX,
    ROSTER_BYTES_MAX,
    Address,
    Attached,
    Loudness,
    Package,
    Roster,
)
from wire.record import Mode

GOOD = sample("deployment.testigo")
NOTE_LINES = 4
FOREIGN = KeySigner("packages", signing_key("another authority's packages"))


def made(profile: bytes = PROFILE, roster: bytes = ROSTER.text, **changes: Any) -> bytes:
    """A package validly signed, whatever it says: what `package.write` would never write."""
    attached = {"profile": Attached.of(profile), "roster": Attached.of(roster)}
    return note.write(msgspec.structs.replace(PACKAGE, **attached | changes), PACKAGES) + profile + roster


def fault_in(content: bytes, verifier: Verifier = PACKAGES.verifier) -> TheirFault | None:
    return fault_of(package.read, content, verifier)


def test_a_good_package_is_read_with_its_keys_profile_and_roster() -> None:
    found = package.read(GOOD, PACKAGES.verifier)
    assert found.package == PACKAGE
    assert (found.package.mode, found.package.sound) == (Mode.TRAINING, Loudness.QUIET)
    assert found.profile == profiles.named("ve-2024-presidential")
    assert list(found.roster) == ["110000001.01", "110000001.02"]
    assert found.hubs == {"hub-a": HUB.verifier, "hub-b": OTHER_HUB.verifier}
    assert found.cards == {"cards": CARDS.verifier}
    assert found.recipients == tuple(opener.recipient for opener in OPENERS[:2])


def test_its_first_four_lines_are_its_note_and_all_of_it_is_text() -> None:
    lines = GOOD.splitlines(keepends=True)
    assert b"".join(lines[:NOTE_LINES]) == sample("package.note")
    assert b"".join(lines[NOTE_LINES:]) == PROFILE + ROSTER.text
    GOOD.decode("utf-8")


def test_no_byte_of_it_can_be_altered_left_out_or_added() -> None:
    chance, kinds = random.Random(1), set[type[TheirFault]]()
    for _ in range(400):
        at = chance.randrange(len(GOOD))
        for altered in (
            GOOD[:at] + bytes([GOOD[at] ^ 1 << chance.randrange(8)]) + GOOD[at + 1 :],
            GOOD[:at] + GOOD[at + 1 :],
            GOOD[:at] + chance.randbytes(1) + GOOD[at:],
        ):
            fault = fault_in(altered)
            assert fault is not None or altered == GOOD, at
            kinds |= {type(fault)} if fault else set()
    assert kinds <= {MalformedError, UnknownSignerError, BadSignatureError}


@pytest.mark.parametrize("end", [0, 1, 100, len(sample("package.note")), len(GOOD) - len(ROSTER.text), len(GOOD) - 1])
def test_one_that_was_cut_short_is_refused(end: int) -> None:
    assert isinstance(fault_in(GOOD[:end]), MalformedError)


def test_one_that_another_authority_signed_or_nobody_is_refused() -> None:
    text = sample("package.note").partition(b"\n\n")[0] + b"\n"
    attached = PROFILE + ROSTER.text
    assert isinstance(fault_in(GOOD, FOREIGN.verifier), UnknownSignerError)
    assert isinstance(fault_in(framed(text, FOREIGN) + attached), UnknownSignerError)
    assert isinstance(fault_in(framed(text, HUB) + attached), UnknownSignerError)
    assert isinstance(fault_in(framed(text, PACKAGES, FOREIGN.sign(text)) + attached), BadSignatureError)
    assert isinstance(fault_in(text + attached), MalformedError)


def test_nothing_of_it_is_parsed_before_its_signature_holds() -> None:
    """Not even what is attached: a profile holds regular expressions."""
    bad = made(profile=b"no profile")
    assert "profile" in str(fault_in(bad))
    assert isinstance(fault_in(bad, FOREIGN.verifier), UnknownSignerError)


def test_one_that_is_too_long_is_refused_unread() -> None:
    fault = fault_in(GOOD + bytes(PACKAGE_BYTES_MAX))
    assert str(fault).startswith(f"a package of {len(GOOD) + PACKAGE_BYTES_MAX} bytes, at most {PACKAGE_BYTES_MAX}")


def test_the_longest_roster_and_profile_fit() -> None:
    wide = PROFILE + b"#" * (PROFILE_BYTES_MAX - len(PROFILE))
    line = len(b"000000000000000\n")
    long = b"".join(b"%015d\n" % number for number in range(ROSTER_BYTES_MAX // line))
    found = package.read(made(profile=wide, roster=long), PACKAGES.verifier)
    assert len(found.roster) == ROSTER_BYTES_MAX // line
    assert "its profile has 65537 bytes" in str(fault_in(made(profile=wide + b"#")))


THIRD = Verifier("hub-c", HUB.verifier.spki)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hubs": (str(HUB.verifier), str(STRANGER.verifier))}, "hubs: there are two of the name hub-a"),
        ({"hubs": (str(HUB.verifier), str(THIRD))}, "hubs: hub-a and hub-c have the same key: one hub is to be one"),
        ({"hubs": (str(HUB.verifier), "hub-b")}, "verifier key of 'hub-b': expected ECDSA"),
        ({"hubs": (str(HUB.verifier), str(PACKAGES.verifier))}, "hubs: packages is the authority's own name"),
        ({"cards": (str(CARDS.verifier), str(CARDS.verifier))}, "cards: there are two of the name cards"),
        ({"recipients": (str(OPENERS[0].recipient),) * 2}, "recipients: the same seal key stands twice"),
        ({"recipients": ("a", "b")}, "seal key of 'a'"),
        ({"receipts": 3}, "receipts: 3 are to receipt, there are 2 hubs"),
        ({"brokers": (Address("h", "hub-z", 1),)}, "brokers: h is hub-z's, which is none of the hubs"),
    ],
)
def test_what_no_unit_could_run_on_is_refused_though_it_is_signed(changes: dict[str, Any], words: str) -> None:
    assert str(fault_in(made(**changes))).startswith("package 7: ")
    assert words in str(fault_in(made(**changes)))
    stated = msgspec.structs.replace(PACKAGE, **changes)
    with pytest.raises(MalformedError):
        package.write(stated, PROFILE, ROSTER.text, PACKAGES)


@pytest.mark.parametrize(
    "text",
    [b"110000001.02\n110000001.01\n", b"a\na\n", b"a", b"\n", b"a\n\n", b"a b\n", b"a\r\n", b"\xc3\xb1\n", b"a" * 65],
)
def test_a_roster_that_is_not_in_its_one_form_is_refused(text: bytes) -> None:
    with pytest.raises(MalformedError):
        Roster(text)
    assert isinstance(fault_in(made(roster=text)), MalformedError)


@pytest.mark.parametrize(
    "text", [b"", b"not TOML", b"\xff", b'layout = "none"\n', PROFILE.replace(b"[0-9]{9}", b"[0-9")]
)
def test_a_profile_that_cannot_be_used_is_refused(text: bytes) -> None:
    assert isinstance(fault_in(made(profile=text)), MalformedError)


mesas = st.lists(st.text("0123456789.A", min_size=1, max_size=4), max_size=60)


@given(mesas, mesas)
def test_a_roster_finds_each_of_its_mesas_and_no_other(there: Sequence[str], asked: Sequence[str]) -> None:
    roster = Roster.of(there)
    assert list(roster) == sorted(set(there))
    assert len(roster) == len(set(there))
    assert all(
        (mesa in roster) == (mesa in set(there)) for mesa in [*there, *asked, "", "\n", *(m + "\n" for m in there)]
    )
    assert bool(roster) == bool(there)


@pytest.mark.parametrize("name", Package.__struct_fields__)
def test_each_field_must_be_there(name: str) -> None:
    kind, line, *_ = sample("package.note").split(b"\n")
    fields = msgspec.json.decode(line)
    del fields[name]
    text = kind + b"\n" + msgspec.json.encode(fields, order="sorted") + b"\n"
    assert isinstance(fault_in(framed(text, PACKAGES) + PROFILE + ROSTER.text), MalformedError)
